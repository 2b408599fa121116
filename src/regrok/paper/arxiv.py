"""The paper's sources as a tarball that arXiv compiles: plain pdflatex, no BibTeX, nothing from outside the folder.

It holds main.tex, regrok.sty, the sections, what the build generated for them, and the bibliography as BibTeX made it.
The same paper gives the same bytes: files in a fixed order, one date, no owner.
"""

from __future__ import annotations

import gzip
import io
import os
import re
import tarfile
from pathlib import Path

from regrok.errors import RegrokError
from regrok.files import write_atomically
from regrok.paper.typeset import BUILD, EPOCH

ABSOLUTE = re.compile(rb"(?:/(?:home|root|Users|tmp|mnt|srv|var|opt)/|[A-Z]:\\)[^\s{}]*")
"""A path on somebody's machine."""

LINK = re.compile(r"\\regrokset\{link\}\{[^}]*\}\{\.\..*\}\n")
"""A figure's link to its source beside the PDF: on arXiv there is nothing beside it."""


def sources(paper: Path | str, anonymous: bool = False) -> dict[str, bytes]:
    """Name in the tarball → content, sorted by name.

    paper: the folder with main.tex whose `generated` a finished build filled. anonymous: main.tex keeps the anonymous
    side of each `\\ifanonymous` alone, so that the sources name nobody either. Raises RegrokError naming a file that
    is missing, or that holds a path of this machine.
    """
    paper = Path(paper)
    generated = paper / "generated"
    bibliography = paper / BUILD / "regrok.bbl"
    names = [
        "main.tex",
        "regrok.sty",
        *_below(paper, "sections/*.tex"),
        *(f"generated/{name}.tex" for name in ("numbers", "scope", "unreproduced")),
        *_below(paper, "generated/figures/*"),
        *_below(paper, "generated/tables/*.tex"),
    ]
    missing = [
        path for path in (*(paper / name for name in names), bibliography) if not path.is_file()
    ]
    if missing:
        raise RegrokError(
            f"{missing[0]} does not exist; build the paper with latexmk first: snakemake --cores all"
        )
    made = {name: (paper / name).read_bytes() for name in names}
    made["main.bbl"] = bibliography.read_bytes()
    main = made["main.tex"].decode()
    made["main.tex"] = (anonymised(main) if anonymous else main).encode()
    scope = (generated / "scope.tex").read_text(encoding="utf-8")
    made["generated/scope.tex"] = LINK.sub("", scope).encode()
    for name, content in made.items():
        found = ABSOLUTE.search(content) if not name.endswith(".pdf") else None
        if found:
            raise RegrokError(
                f"{paper / name} holds a path of this machine: {found[0].decode(errors='replace')}"
            )
    return dict(sorted(made.items()))


def pack(paper: Path | str, out: Path | str, anonymous: bool = False) -> Path:
    """Write the tarball of `sources`; its date is SOURCE_DATE_EPOCH, or the PDF's own. Returns its path."""
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH", EPOCH))
    buffer = io.BytesIO()
    # Without a name in gzip's header, and its date fixed.
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=buffer, mtime=epoch) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for name, content in sources(paper, anonymous).items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime, entry.mode = len(content), epoch, 0o644
            archive.addfile(entry, io.BytesIO(content))
    out = Path(out)
    write_atomically(out, buffer.getvalue())
    return out


def anonymised(text: str) -> str:
    """TeX with each `\\ifanonymous{first}{second}` replaced by its first argument."""
    macro = r"\ifanonymous"
    start = text.find(macro)
    while start >= 0:
        first, after = _argument(text, start + len(macro))
        _, end = _argument(text, after)
        text = text[:start] + first + text[end:]
        start = text.find(macro, start)
    return text


def _argument(text: str, at: int) -> tuple[str, int]:
    """The braced argument that begins at or after `at`, without its braces, and where it ends."""
    begin = text.index("{", at)
    depth = 0
    for position in range(begin, len(text)):
        # An escaped brace is a character of the text.
        if text[position - 1] == "\\":
            continue
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if depth == 0:
            return text[begin + 1 : position], position + 1
    raise RegrokError(r"main.tex: the braces of an \ifanonymous do not match")


def _below(paper: Path, pattern: str) -> list[str]:
    return sorted(path.relative_to(paper).as_posix() for path in paper.glob(pattern))
