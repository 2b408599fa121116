"""`regrok status`: what is built here at each scale, from where, and what of it is stale and why."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regrok.commands.options import add_bundle_option
from regrok.study.words import SCALES

if TYPE_CHECKING:
    from regrok.pipeline.state import State

ROOT = Path("results")
FROM = {
    "trained": "trained here",
    "released": "from the released runs",
    "missing": "trained here where the released runs lacked them",
}


def add_parser(sub: Any) -> None:
    parser = sub.add_parser(
        "status",
        help="what is built here, from where, and what of it is stale and why",
        description="Each build in results/ with its runs, verdicts and paper, and why another build would go on. "
        "Reads dates and the studies; `snakemake --cores all -n` says the same job by job.",
        epilog="examples: regrok status · regrok status --scale smoke",
    )
    parser.add_argument("--scale", choices=SCALES, help="builds of this scale alone")
    parser.add_argument(
        "--config", type=Path, default=Path("config.yaml"), help="the control panel (config.yaml)"
    )
    add_bundle_option(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    from regrok.errors import RegrokError
    from regrok.pipeline.state import same_build, state
    from regrok.study.read import load_config

    default = load_config(arguments.config).scale
    folders = [each for each in builds(ROOT) if arguments.scale in (None, scale_of(each))]
    for folder in folders:
        try:
            built, now = same_build(folder, arguments.config)
            print("\n".join(about_build(folder, state(built, now))))
        except RegrokError as error:
            print(f"{folder}\n  cannot be told: {error}")
    if not folders:
        scale = arguments.scale or default
        print(
            f"nothing is built here{f' at the {scale} scale' if arguments.scale else ''}. Build it with "
            f"`make paper SCALE={scale}`, a sketch in minutes with `make paper SCALE=smoke`, "
            "or the paper from the released runs with `make reanalyse`."
        )
    for line in about_bundle(arguments.bundle):
        print(line)


def builds(root: Path) -> list[Path]:
    """Folders of results that hold a build: those that know what they were asked."""
    own = {"released", "store", "replay"}
    return sorted(path.parent for path in root.glob("*/config.json") if path.parent.name not in own)


def scale_of(folder: Path) -> str | None:
    """The scale in the name of a build's folder."""
    word = folder.name.partition("-")[0]
    return word if word in SCALES else None


def about_build(folder: Path, found: State) -> list[str]:
    """The lines on one build."""
    from regrok.paper.names import pdf

    config = found.graph.config
    lines = [f"{folder}: {config.scale} scale, {FROM[config.source]}{when(folder)}"]
    there = [
        each.name if not each.absent else f"{each.made} of {each.files} {each.name}"
        for each in found.stages
        if each.made
    ]
    lines.append(f"  there    {', '.join(there) or 'nothing yet'}")
    if said := verdicts(folder / "ledger.json"):
        lines.append(f"  says     {said}")
    if Path(pdf(config)).exists():
        lines.append(f"  paper    {pdf(config)}")
    if found.fresh:
        lines.append("  fresh    nothing would be done again")
        return lines
    reasons = found.reasons()
    lines += [f"  {'stale' if i == 0 else '':<8} {line}" for i, line in enumerate(reasons)]
    from regrok.study.claims import asked_words

    lines.append(f"  go on    snakemake --cores all --config {asked_words(config)}")
    return lines


def when(folder: Path) -> str:
    """`, built 2026-11-25 by commit 0123456789ab (with changes)`; empty before a build is finished."""
    record = read(folder / "provenance.json")
    if not record:
        return ", not finished"
    commit = f" by commit {record['commit'][:12]}" if record.get("commit") else ""
    changed = " (with changes)" if record.get("modified") else ""
    return f", built {record.get('built', '')[:10]}{commit}{changed}"


def verdicts(path: Path) -> str:
    """`3 reproduced, 2 inconclusive`: the claims that a ledger judges; empty where there is none."""
    ledger = read(path)
    said = Counter(
        entry["verdict"] for entry in ledger.get("claims", []) if entry.get("corrected") is None
    )
    return ", ".join(f"{n} {verdict}" for verdict, n in said.most_common())


def about_bundle(folder: Path) -> list[str]:
    """A line a scale on what ships, and what reads it."""
    from regrok.released import bundle

    lines = []
    for scale in bundle.scales(folder):
        record = read(folder / scale / "provenance.json")
        hours = sum(record.get("hours", {}).values())
        commits = few_commits(record)
        lines.append(
            f"{folder / scale}: ships {record.get('runs', 0):,} runs ({hours:.1f} hours of training, code of {commits})"
        )
    if lines:
        lines.append("  read with regrok claims; checked by make verify; redrawn by make reanalyse")
    return lines


def few_commits(record: dict[str, Any]) -> str:
    """The commits whose code trained the runs, each by twelve digits."""
    return ", ".join(dict.fromkeys(part["commit"][:12] for part in record.get("training", [])))


def read(path: Path) -> dict[str, Any]:
    """A JSON file's content; nothing where it cannot be read."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}
