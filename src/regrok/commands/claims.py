"""`regrok claims`: the ledger, or one claim's evidence, scale by scale: this build's and the released ones."""

from __future__ import annotations

import argparse
import codecs
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from regrok.commands.ledger_lines import SIGNS, place_of, show, shows
from regrok.commands.options import add_bundle_option, add_config_options, chosen_config
from regrok.study.words import ORIGINS, SCALES, UNJUDGED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from regrok.judging.leading import Ruling
    from regrok.study.blocks import Config
    from regrok.study.claims import Claims

COPIED = ("fit", "computation", "figure", "command")
"""Rows that a reader copies: each on one line, whatever the terminal's width."""


def add_parser(sub: Any) -> None:
    parser = sub.add_parser(
        "claims",
        help="list the claims with their verdicts, or show one's evidence",
        epilog="examples: regrok claims --paper A --verdict not-reproduced · regrok claims A3 · "
        "regrok claims --format json",
    )
    parser.add_argument("id", nargs="?", help="a claim, as in A3")
    parser.add_argument(
        "--verdict",
        choices=[word_of(verdict) for verdict in SIGNS],
        help="claims whose leading verdict is this one",
    )
    parser.add_argument("--paper", help="claims of one paper, by its letter")
    parser.add_argument("--origin", choices=ORIGINS, help="claims of one origin")
    parser.add_argument(
        "--corrected", action="store_true", help="also the claims that others have replaced"
    )
    parser.add_argument(
        "--format", choices=("table", "json"), default="table", help="table or json"
    )
    parser.add_argument("--ledger", type=Path, help="instead of results/SCALE/ledger.json")
    add_bundle_option(parser)
    add_config_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    from rich.console import Console

    from regrok.released.bundle import changed
    from regrok.study.claims import asked_words, load_claims
    from regrok.study.words import STUDIES

    config = chosen_config(arguments)
    claims = load_claims(config, arguments.config.parent / STUDIES)
    found = found_ledger(config, arguments.bundle, arguments.ledger)
    path = found.path
    entries, readings = read_entries(claims, path, config)
    said = read_rulings(entries, config, arguments.bundle, found)
    if arguments.id:
        entries = {(claim := claims.find(arguments.id)).id: entries[claim.id]}
    else:
        entries = chosen(entries, said, arguments)
    if arguments.format == "json":
        # What reads JSON expects UTF-8; where stdout has another encoding, JSON's own escapes are understood.
        utf8 = codecs.lookup(sys.stdout.encoding or "ascii").name == "utf-8"
        shown = [entry | {"scales": _plain(said[name])} for name, entry in entries.items()]
        if found.instead:
            print(f"regrok: {found.instead}", file=sys.stderr)
        print(json.dumps(shown, indent=1, ensure_ascii=not utf8))
        return
    console = Console(highlight=False)
    if found.instead:
        console.print(f"[dim]{found.instead}[/dim]", soft_wrap=True)
    if arguments.id:
        entry = next(iter(entries.values()))
        show_claim(
            console,
            entry,
            said[entry["id"]],
            claims,
            config,
            readings,
            arguments.bundle,
            None if arguments.ledger or not path.exists() else path.parent,
        )
    else:
        noisy = {scale: changed(arguments.bundle / scale) for scale in SCALES}
        kept = {
            name: entry
            for name, entry in entries.items()
            if arguments.corrected or entry["corrected"] is None
        }
        show(console, kept, said, claims, noisy, shows(sys.stdout.encoding))
        if left := len(entries) - len(kept):
            console.print(f"\n{left} more were corrected by others and are kept: --corrected")
    if any(entry["verdict"] == UNJUDGED for entry in entries.values()):
        missing = "does not exist yet" if not path.exists() else "does not hold every claim"
        Console(stderr=True, highlight=False).print(
            f"{path} {missing}: snakemake --cores all --config {asked_words(config)}",
            soft_wrap=True,
        )


class Found(NamedTuple):
    """The ledger that is shown."""

    path: Path
    released: bool = False
    """Whether it is the one that ships, and not one that was built here."""
    instead: str = ""
    """A sentence that says which it is, where it is not that of the build that was asked for."""


def found_ledger(config: Config, folder: Path, given: Path | None = None) -> Found:
    """The build's ledger; else that of a build of the same runs as they ship; else the one that ships.

    folder: the bundle. given: a ledger to read whatever there is. The file need not exist.
    """
    from regrok.study.claims import asked_words
    from regrok.study.written import results_folder

    if given is not None:
        shipped = given.resolve().parent.parent == folder.resolve()
        return Found(given, released=shipped)
    own = results_folder(config) / "ledger.json"
    if own.exists():
        return Found(own)
    build = f"snakemake --cores all --config {asked_words(config)}"
    again = config.model_copy(update={"source": "released"})
    reanalysed = results_folder(again) / "ledger.json"
    if reanalysed.exists():
        return Found(
            reanalysed,
            instead=f"{own} is not there ({build}); this is {reanalysed}, "
            "fitted here to the released runs",
        )
    ships = folder / config.scale / "ledger.json"
    if ships.exists():
        return Found(
            ships,
            released=True,
            instead=f"nothing was built here at the {config.scale} scale ({build}); this is {ships}, as it ships",
        )
    return Found(own)


def word_of(verdict: str) -> str:
    """A verdict as an option's value: `not-reproduced`, `direction`."""
    short = {
        "reproduced in direction only": "direction",
        "out of scope at this scale": "out of scope",
    }
    return short.get(verdict, verdict).replace(" ", "-")


def chosen(
    entries: dict[str, dict[str, Any]],
    said: Mapping[str, Sequence[Ruling]],
    arguments: argparse.Namespace,
) -> dict[str, dict[str, Any]]:
    """The entries that the options ask for. Raises RegrokError for a paper that there is not."""
    from regrok.errors import RegrokError

    letters = sorted({entry["paper"] for entry in entries.values()})
    if arguments.paper and arguments.paper.upper() not in letters:
        raise RegrokError(
            f"--paper {arguments.paper}: no such paper; there are {', '.join(letters)}"
        )
    return {
        name: entry
        for name, entry in entries.items()
        if arguments.verdict in (None, word_of(said[name][0].verdict))
        and (not arguments.paper or entry["paper"] == arguments.paper.upper())
        and arguments.origin in (None, entry["origin"])
    }


def read_entries(
    claims: Claims, path: Path, config: Config
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """The ledger's entries by id and its readings; a claim that the ledger lacks has no verdict.

    Raises RegrokError for a ledger that cannot be read.
    """
    from regrok.errors import RegrokError
    from regrok.study.claims import command_in, unjudged

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
    return {
        claim.id: (judged.get(claim.id) or unjudged(claim, claims))
        # The ledger's own command is that of the whole audit, trained.
        | {"command": command_in(config, claim.fit, claim.experiments)}
        # What a ledger of before the entry was corrected does not know.
        | {"origin": claim.origin, "corrected": claim.correction}
        for claim in claims.claims
    }, readings


def read_rulings(
    entries: Mapping[str, Mapping[str, Any]], config: Config, folder: Path, found: Found
) -> dict[str, tuple[Ruling, ...]]:
    """Claim → its verdicts, the leading one first.

    folder: the bundle, whose ledgers speak too. found: where the entries are from; if that does not exist, the
    released ledger of their scale speaks for them.
    """
    from dataclasses import replace

    from regrok.judging.leading import rulings
    from regrok.released import bundle

    there = found.path.exists()
    scales = [scale for scale in bundle.scales(folder) if not there or scale != config.scale]
    released = bundle.ledgers(folder / scale / "ledger.json" for scale in scales)
    said = rulings({"scale": config.scale, "claims": list(entries.values())}, released)
    if not found.released:
        return said
    return {name: tuple(replace(each, released=True) for each in own) for name, own in said.items()}


SHOWN = ("verdict", "reason", "criterion", "value", "low", "high", "n", "unit")
"""What JSON repeats of the entry of each scale."""


def _plain(said: Sequence[Ruling]) -> list[dict[str, Any]]:
    """A record a scale, the leading one first."""
    return [
        {"scale": each.scale, "released": each.released}
        | {key: each.entry.get(key) for key in SHOWN}
        for each in said
    ]


def _measured(entry: Mapping[str, Any]) -> str:
    """`0.971 [0.93, 0.99]`; empty without a value."""
    from regrok.judging.verdicts import number

    if entry["value"] is None:
        return ""
    interval = f" [{number(entry['low'])}, {number(entry['high'])}]"
    return number(entry["value"]) + (interval if entry["low"] != entry["high"] else "")


def _styled(verdict: str) -> str:
    style = SIGNS[verdict].style if verdict in SIGNS else "dim"
    return f"[{style}]{verdict}[/{style}]"


def show_claim(
    console: Console,
    entry: dict[str, Any],
    said: Sequence[Ruling],
    claims: Claims,
    config: Config,
    readings: list[str],
    released: Path,
    folder: Path | None = None,
) -> None:
    """Everything that one claim's verdict rests on; at every scale the interval against the rule.

    released: the bundle, for its retests. folder: where the ledger lies, and its fits (the build's own); figures are
    not in the bundle, so there the line names none.
    """
    from rich.markup import escape
    from rich.table import Table

    from regrok.released.bundle import changed
    from regrok.study.written import results_folder

    first = said[0]
    if first.judges and config.scale not in {each.scale for each in said}:
        # Only another scale judged it: what that rests on lies there.
        entry, folder = {**entry, **first.entry}, released / first.scale
    paper = claims.papers[entry["paper"]]
    figures = [
        name
        for name, figure in config.figures.items()
        if entry["fit"] in {*figure.fits, *figure.computations}
    ]
    made = "computation" if entry["fit"] in config.computations else "fit"
    folder = folder or results_folder(config)
    if folder.parent == released:
        figures = []
    rows = {
        "statement": escape(entry["statement"]),
        "origin": entry["origin"],
        "corrected": escape(_correction(entry)),
        "source": escape(f"{paper.source} ({paper.short}), {entry['place']}"),
        "published": escape(entry["published_text"]),
        "verdict": _styled(first.verdict)
        + (
            f", at the {first.scale} scale, the largest that judged it"
            if len(said) > 1 and first.judges
            else ""
        ),
        **{place_of(each): escape(_against(each)) for each in said},
        "estimator": escape("; ".join(filter(None, [entry["estimator"], entry["note"]]))),
        made: escape(f"{entry['estimand']} in {folder}/{made}s/{entry['fit']}.json"),
        "runs": escape(_runs(entry)),
        "figure": ", ".join(f"{folder}/figures/{name}.pdf" for name in figures),
        "other readings": "\n".join(
            f"{escape(label)}: {_styled(entry['robustness'][label]['verdict'])}"
            for label in readings
            if label in entry["robustness"]
        ),
        "retest": "\n".join(
            f"{_styled(verdict)} in the training of the same runs that commit {commit[:12]} released"
            for commit, verdict in changed(released / first.scale).get(entry["id"], [])
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


def _against(ruling: Ruling) -> str:
    """`0.971 [0.93, 0.99]; asked: at least 0.9; reproduced: all of the interval …`."""
    entry = ruling.entry
    asked = f"asked: {entry['criterion']}" if entry["criterion"] else ""
    why = ": ".join(filter(None, [ruling.verdict, entry["reason"]]))
    measured = " ".join(filter(None, [_measured(entry), entry["unit"]]))
    return "; ".join(filter(None, [measured, asked, why]))


def _correction(entry: dict[str, Any]) -> str:
    why = entry["corrected"]
    return f"on {why['date']}: {why['why']} See {', '.join(why['by'])}." if why else ""


def _runs(entry: dict[str, Any]) -> str:
    experiments = ", ".join(entry["experiments"])
    if not entry["runs"]:
        return f"of {experiments}" if experiments else ""
    ids = " ".join(entry["run_ids"])
    return f"{entry['runs']} of {experiments}, {entry['minutes']:.1f} minutes of training: {ids}"
