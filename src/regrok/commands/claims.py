"""`regrok claims`: the ledger, or one claim's evidence."""

from __future__ import annotations

import argparse
import codecs
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regrok.commands.options import add_config_options, chosen_config

if TYPE_CHECKING:
    from rich.console import Console

    from regrok.study.blocks import Config
    from regrok.study.claims import Claims

STYLES = {
    "reproduced": "green",
    "reproduced in direction only": "yellow",
    "not reproduced": "red",
    "inconclusive": "magenta",
    "no such run here": "cyan",
}
UNJUDGED = "not judged yet"

BUNDLE = Path("results/released")
"""Where retests are (regrok.released.retest)."""

COPIED = ("fit", "figure", "command")
"""Rows that a reader copies: each on one line, whatever the terminal's width."""


def add_parser(sub: Any) -> None:
    parser = sub.add_parser(
        "claims", help="list the claims with their verdicts, or show one's evidence"
    )
    parser.add_argument("id", nargs="?", help="a claim, as in A3")
    parser.add_argument(
        "--format", choices=("table", "json"), default="table", help="table or json"
    )
    parser.add_argument("--ledger", type=Path, help="instead of results/SCALE/ledger.json")
    add_config_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    from rich.console import Console

    from regrok.study.claims import asked_words, load_claims
    from regrok.study.words import STUDIES
    from regrok.study.written import results_folder

    config = chosen_config(arguments)
    claims = load_claims(config, arguments.config.parent / STUDIES)
    path = arguments.ledger or results_folder(config) / "ledger.json"
    entries, readings = read_entries(claims, path, config)
    if arguments.id:
        entries = {(claim := claims.find(arguments.id)).id: entries[claim.id]}
    if arguments.format == "json":
        # What reads JSON expects UTF-8; where stdout has another encoding, JSON's own escapes are understood.
        utf8 = codecs.lookup(sys.stdout.encoding or "ascii").name == "utf-8"
        print(json.dumps(list(entries.values()), indent=1, ensure_ascii=not utf8))
        return
    console = Console(highlight=False)
    if arguments.id:
        show_claim(console, next(iter(entries.values())), claims, config, readings)
    else:
        show_table(console, entries, config)
    if any(entry["verdict"] == UNJUDGED for entry in entries.values()):
        missing = "does not exist yet" if not path.exists() else "does not hold every claim"
        Console(stderr=True, highlight=False).print(
            f"{path} {missing}: snakemake --cores all --config {asked_words(config)}",
            soft_wrap=True,
        )


def read_entries(
    claims: Claims, path: Path, config: Config
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """The ledger's entries by id and its readings; a claim that the ledger lacks has no verdict.

    Raises RegrokError for a ledger that cannot be read.
    """
    from regrok.errors import RegrokError
    from regrok.study.claims import command_in

    judged: dict[str, dict[str, Any]] = {}
    readings: list[str] = []
    try:
        made = json.loads(path.read_text(encoding="utf-8"))
        judged = {entry["id"]: entry for entry in made["claims"]}
        readings = made["readings"]
    except FileNotFoundError:
        pass
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RegrokError(f"{path}: not a ledger ({error}); delete it and build again") from None
    blank: dict[str, Any] = {
        "verdict": UNJUDGED,
        "reason": "",
        "criterion": "",
        "value": None,
        "low": None,
    }
    blank |= {"high": None, "n": 0, "unit": "", "estimator": "", "note": "", "robustness": {}}
    return {
        claim.id: judged.get(
            claim.id,
            {
                "id": claim.id,
                "paper": claim.letter,
                "place": claim.place,
                "statement": claim.statement,
                "published_value": claim.published.value,
                "published_text": claim.published.text,
                "estimand": claim.estimand,
                "fit": claim.fit,
                **blank,
                "experiments": claim.experiments,
                "run_ids": [],
                "runs": 0,
                "minutes": 0.0,
            },
        )
        # The ledger's own command is that of the whole audit, trained.
        | {"command": command_in(config, claim.fit, claim.experiments)}
        # What a ledger of before the entry was corrected does not know.
        | {"origin": claim.origin, "corrected": claim.correction}
        for claim in claims.claims
    }, readings


def _measured(entry: dict[str, Any]) -> str:
    """`0.971 [0.93, 0.99]`; empty without a value."""
    from regrok.judging.verdicts import number

    if entry["value"] is None:
        return ""
    interval = f" [{number(entry['low'])}, {number(entry['high'])}]"
    return number(entry["value"]) + (interval if entry["low"] != entry["high"] else "")


def _styled(verdict: str) -> str:
    style = STYLES.get(verdict, "dim")
    return f"[{style}]{verdict}[/{style}]"


def show_table(console: Console, entries: dict[str, dict[str, Any]], config: Config) -> None:
    """One row a claim, then the counts."""
    from collections import Counter

    from rich.markup import escape
    from rich.table import Table

    from regrok.released.bundle import changed

    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("claim", no_wrap=True)
    for heading in ("published", "measured", "n", "verdict"):
        table.add_column(heading, justify="right" if heading == "n" else "left", overflow="fold")
    noisy = changed(BUNDLE / config.scale)
    for entry in entries.values():
        table.add_row(
            entry["id"],
            escape(entry["published_text"]),
            escape(_measured(entry)),
            str(entry["n"]) if entry["n"] else "",
            _styled(entry["verdict"])
            + (" (corrected)" if entry["corrected"] else "")
            + (" (within noise)" if entry["id"] in noisy else ""),
        )
    console.print(table)
    standing = [entry for entry in entries.values() if entry["corrected"] is None]
    console.print()
    for origin in dict.fromkeys(entry["origin"] for entry in standing):
        counts = Counter(entry["verdict"] for entry in standing if entry["origin"] == origin)
        summary = ", ".join(f"{n} {word}" for word, n in counts.most_common())
        console.print(
            f"{config.scale}, {origin}: {counts.total()} claims; {summary}.", soft_wrap=True
        )
    if corrected := len(entries) - len(standing):
        console.print(
            f"{corrected} more were corrected by others and are kept; they are not counted."
        )


def show_claim(
    console: Console, entry: dict[str, Any], claims: Claims, config: Config, readings: list[str]
) -> None:
    """Everything that one verdict rests on."""
    from rich.markup import escape
    from rich.table import Table

    from regrok.released.bundle import changed
    from regrok.study.written import results_folder

    paper = claims.papers[entry["paper"]]
    figures = [name for name, figure in config.figures.items() if entry["fit"] in figure.fits]
    folder = results_folder(config)
    rows = {
        "statement": escape(entry["statement"]),
        "origin": entry["origin"],
        "corrected": escape(_correction(entry)),
        "source": escape(f"arXiv {paper.arxiv} ({paper.short}), {entry['place']}"),
        "published": escape(entry["published_text"]),
        "verdict": _styled(entry["verdict"])
        + (f" ({escape(entry['reason'])})" if entry["reason"] else ""),
        "measured": escape(" ".join(filter(None, [_measured(entry), entry["unit"]]))),
        "criterion": escape(entry["criterion"]),
        "estimator": escape("; ".join(filter(None, [entry["estimator"], entry["note"]]))),
        "fit": escape(f"{entry['estimand']} in {folder}/fits/{entry['fit']}.json"),
        "runs": escape(_runs(entry)),
        "figure": ", ".join(f"{folder}/figures/{name}.pdf" for name in figures),
        "other readings": "\n".join(
            f"{escape(label)}: {_styled(entry['robustness'][label]['verdict'])}"
            for label in readings
            if label in entry["robustness"]
        ),
        "retest": "\n".join(
            f"{_styled(verdict)} in the training of the same runs that commit {commit[:12]} released"
            for commit, verdict in changed(BUNDLE / config.scale).get(entry["id"], [])
        ),
        "command": escape(entry["command"]),
    }
    console.print(f"[bold]{entry['id']}[/bold]")
    rows = {name: text for name, text in rows.items() if text}
    width = max(map(len, rows))
    for name, text in rows.items():
        if name in COPIED:
            console.print(f"[bold]{name:{width}}[/bold]  {text}", soft_wrap=True)
            continue
        table = Table(box=None, show_header=False, pad_edge=False)
        table.add_column(style="bold", min_width=width)
        table.add_column(overflow="fold")
        table.add_row(name, text)
        console.print(table)


def _correction(entry: dict[str, Any]) -> str:
    why = entry["corrected"]
    return f"on {why['date']}: {why['why']} See {', '.join(why['by'])}." if why else ""


def _runs(entry: dict[str, Any]) -> str:
    experiments = ", ".join(entry["experiments"])
    if not entry["runs"]:
        return f"of {experiments}" if experiments else ""
    ids = " ".join(entry["run_ids"])
    return f"{entry['runs']} of {experiments}, {entry['minutes']:.1f} minutes of training: {ids}"
