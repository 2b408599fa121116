"""README.md of the bundle: what is in it and how to use it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from regrok.judging.leading import leading
from regrok.judging.ledger import stands
from regrok.released import bundle
from regrok.study.words import ORIGINS, SCALES, VERDICTS

TEXT = """\
# Released runs

Written by `regrok release`; do not edit. `make verify` checks every file here in under a minute, `make reanalyse`
fits every law and draws every figure again from these runs, without training.

{scales}
{states}
A claim's verdict is that of the largest scale that judged it. Claims have three origins (printed in a paper, against
the runs that its authors released, ours), which are counted apart:

{verdicts}

| file | what it is |
|---|---|
| `<scale>/runs.parquet` | one row per run: settings, outcome, T_mem and T_grok, norms, time, training code |
| `<scale>/curves.parquet` | loss, accuracy and V of every run, thinned (below) |
| `<scale>/experiments.parquet` | which run serves which experiment and arm |
| `<scale>/spectra.parquet` | power over frequencies, where it was measured |
{probes}| `<scale>/fits/*.json` | each law fitted to these runs, with intervals |
| `<scale>/computations/*.json` | what was computed without a run, where a study has such |
| `<scale>/ledger.json` | each published claim with its evidence and verdict |
{retests}| `<scale>/numbers.json`, `tables/*.csv` | what the paper's text and tables say |
| `<scale>/config.json` | the study as it was built |
| `<scale>/provenance.json` | commit, machine, versions, hours, failed runs |
| `dictionary.csv` | every column and key: unit and meaning |
| `ro-crate-metadata.json` | the same for machines: files, authors, licence and builds as RO-Crate |
| `SHA256SUMS` | checksums of all other files (`sha256sum --check SHA256SUMS`) |

## Thinning

{thinning}

The fits here were made from the thinned curves.

    import pandas as pd
    runs = pd.read_parquet("results/released/{first}/runs.parquet")
"""


PROBES = "| `<scale>/probes/*.parquet` | what was measured on states of the runs, by probes of the studies |\n"
RETESTS = "| `<scale>/retest.json` | earlier trainings of the same runs: which verdicts differ (`regrok retest`) |\n"


def about(folder: Path | str) -> str:
    """The text, with a row for each scale that the bundle holds and the thinning rule of each."""
    lines = ["| scale | runs | hours of training | training code (commit) |", "|---|---|---|---|"]
    rules: dict[str, list[str]] = {}
    states = ""
    held = bundle.scales(folder)
    for scale in held:
        record = json.loads((Path(folder) / scale / "provenance.json").read_text(encoding="utf-8"))
        commits = ", ".join(dict.fromkeys(part["commit"][:12] for part in record["training"]))
        hours = sum(record["hours"].values())
        lines.append(f"| {scale} | {record['runs']:,} | {hours:.2f} | {commits} |")
        states += several_states(scale, record)
        rules.setdefault(record["thinning"]["rule"], []).append(scale)
    thinning = "\n\n".join(
        text if len(rules) == 1 else f"{', '.join(scales)}: {text}"
        for text, scales in rules.items()
    )
    return TEXT.format(
        scales="\n".join(lines),
        states=states,
        verdicts=verdicts(folder),
        probes=PROBES if any(Path(folder).glob("*/probes/*.parquet")) else "",
        retests=RETESTS if bundle.retest_files(folder) else "",
        thinning=thinning,
        first=held[0],
    )


def several_states(scale: str, record: Mapping[str, Any]) -> str:
    """A paragraph on a scale whose runs several states of the training code trained; empty for one state."""
    runs: dict[str, int] = {}
    for part in record["training"]:
        runs[part["commit"]] = runs.get(part["commit"], 0) + part["runs"]
    if len(runs) < 2:
        return ""
    counts = ", ".join(f"{n:,} by {commit[:12]}" for commit, n in runs.items())
    sampled = record.get("sampled", {})
    partly = [f"{n:,} of those by {commit[:12]}" for commit, n in sampled.items()]
    logged = (
        "After T_grok a logged step may evaluate a sample of a set, and every few of them the whole, in "
        f"{', '.join(partly)}; both sets are evaluated whole at each logged step after it in all other runs."
        if partly
        else "All were evaluated whole at each logged step after T_grok."
    )
    kept = (
        " Those that an earlier release held are kept as it had them." if "added" in record else ""
    )
    return (
        f"\nRuns of the {scale} scale come from several states of the training code: {counts}.{kept} The fingerprint "
        "of a run's own stands in `runs.parquet` (`trainer`), commits and arithmetic in `provenance.json`. "
        f"{logged}\n"
    )


def verdicts(folder: Path | str) -> str:
    """The leading verdicts of the bundle's ledgers as a table: a row per origin and scale that leads."""
    ledgers = bundle.ledgers(
        Path(folder) / scale / "ledger.json" for scale in bundle.scales(folder)
    )
    # The newest statement of the claims is that of the ledger that holds most of them.
    own = max(ledgers.values(), key=lambda made: len(made["claims"]))
    others = {scale: made for scale, made in ledgers.items() if made is not own}
    firsts = leading(own, others)
    lines = [
        f"| claims | scale | {' | '.join(VERDICTS[:-1])} |",
        "|---|---|" + "---|" * len(VERDICTS[:-1]),
    ]
    for origin in ORIGINS:
        asked = [c["id"] for c in own["claims"] if c["origin"] == origin and stands(c)]
        for scale in reversed(SCALES):
            found = [firsts[c].verdict for c in asked if firsts[c].scale == scale]
            shown = [found.count(verdict) for verdict in VERDICTS[:-1]]
            if any(shown):
                lines.append(f"| {origin} | {scale} | {' | '.join(map(str, shown))} |")
    return "\n".join(lines)
