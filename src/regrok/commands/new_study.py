"""`regrok new-study NAME --arxiv ID`: the folder of a study to begin with, entered in the control panel."""

from __future__ import annotations

import argparse
import re
import string
from pathlib import Path
from typing import Any

from regrok.errors import RegrokError

SKELETON = Path(__file__).parents[1] / "study" / "skeleton"
FILES = (
    "study.yaml",
    "claims.yaml",
    "published.yaml",
    "section.tex",
    "README.md",
    "references.bib",
)
NAME = re.compile(r"[a-z][a-z0-9_]*")
ARXIV = re.compile(r"(\d{2})\d{2}\.\d{4,5}")


def add_parser(sub: Any) -> None:
    parser = sub.add_parser(
        "new-study",
        help="begin the audit of another paper: studies/NAME",
        epilog="example: regrok new-study slingshots --arxiv 2206.04817",
    )
    parser.add_argument("name", help="the folder: a word or two, joined by _, as in norm_delay")
    parser.add_argument("--arxiv", required=True, help="arXiv number, as in 2603.13331")
    parser.add_argument("--letter", help="what ids of its claims begin with (the next free letter)")
    parser.add_argument(
        "--config", type=Path, default=Path("config.yaml"), help="the control panel (config.yaml)"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    made = new_study(arguments.config, arguments.name, arguments.arxiv, arguments.letter)
    print("\n".join(str(path) for path in made))
    print(
        f"entered in {arguments.config}; docs/add-your-own.md shows how to go on. Look at it with:"
    )
    print(f"  regrok plan --scale smoke --set 'studies=[{arguments.name}]'")


def new_study(panel: Path, name: str, arxiv: str, letter: str | None = None) -> list[Path]:
    """Write the skeleton of a study below `studies/` beside the panel and enter its name there; the files written.

    Raises RegrokError, and writes nothing, for a name or number of another form, a folder that is there, a letter
    that is taken, and a panel without a list of studies.
    """
    from regrok.files import write_atomically
    from regrok.study.read import load_config
    from regrok.study.words import STUDIES

    if not NAME.fullmatch(name):
        raise RegrokError(
            f"new-study '{name}': write small letters, digits and _, as in norm_delay"
        )
    found = ARXIV.fullmatch(arxiv)
    if found is None:
        raise RegrokError(f"--arxiv {arxiv}: write the number alone, as in 2603.13331")
    folder = panel.parent / STUDIES / name
    if folder.exists():
        raise RegrokError(f"{folder} is there already; choose another name, or go on with it")
    taken = {study.paper.letter: each for each, study in load_config(panel).studies.items()}
    letter = letter or next((c for c in string.ascii_uppercase if c not in taken), "")
    if letter in taken or not re.fullmatch("[A-Z]", letter):
        owner = f"; study {taken[letter]} has it" if letter in taken else ""
        free = "".join(c for c in string.ascii_uppercase if c not in taken)
        raise RegrokError(f"--letter {letter}: give a free letter, one of {free}{owner}")
    entered = _entered(panel, name, f"{letter}, {arxiv}")
    told = {
        "name": name,
        "letter": letter,
        "arxiv": arxiv,
        "year": found[1],
        "words": name.replace("_", " "),
        "cite": f"{name.replace('_', '')}20{found[1]}",
    }
    for file in FILES:
        text = (SKELETON / file).read_text(encoding="utf-8").format(**told)
        write_atomically(folder / file, text.encode())
    write_atomically(panel, entered.encode())
    return [folder / file for file in FILES]


def _entered(panel: Path, name: str, comment: str) -> str:
    """The panel's text with the study at the end of its list. Raises RegrokError where it has no list in lines."""
    text = panel.read_text(encoding="utf-8")
    listed = re.search(
        r"^studies:[^\n]*\n(?:(?: *#[^\n]*)?\n)*((?: +- [^\n]*\n)+)", text, re.MULTILINE
    )
    if listed is None:
        raise RegrokError(
            f"{panel}: write `studies:` as a list, one study a line, to have one entered"
        )
    last = listed[1].splitlines()[-1]
    indent = last[: len(last) - len(last.lstrip())]
    line = f"{indent}- {name}".ljust(26) + f" # {comment}\n"
    return text[: listed.end()] + line + text[listed.end() :]
