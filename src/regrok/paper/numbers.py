"""Every number that the paper's text may quote, by key: estimates, verdicts, settings, published constants, counts.

    \\result{weight_decay.T_grok.slope}   value          \\interval{…}   [low, high]      \\nruns{…}   n
    \\verdict{A3}                         one of the six verdicts       \\verdictphrase{A3}   as a predicate clause
    \\published{A3}                       as printed     \\setting{S2.weight_decay}      values over the runs
    \\given{A_runs}                       constants of the studies' published.yaml
    \\counted{verdict.printed.reproduced} counts over the ledger, by origin, and over the runs

A key that is not defined stops the build and names itself (paper/regrok.sty, regrok.paper.lint).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from regrok import latex
from regrok.figures.parts.shown import estimates
from regrok.judging.ledger import stands
from regrok.measures.events import OUTCOMES
from regrok.study.words import (
    DIRECTION,
    INCONCLUSIVE,
    NO_SUCH_RUN,
    NOT_REPRODUCED,
    ORIGINS,
    OUT_OF_SCOPE,
    REPRODUCED,
    VERDICTS,
)
from regrok.tables.hyperparameters import settings

PHRASES = {
    REPRODUCED: "is reproduced",
    DIRECTION: "is reproduced in direction only",
    NOT_REPRODUCED: "is not reproduced",
    INCONCLUSIVE: "remains inconclusive",
    NO_SUCH_RUN: "cannot be asked here: there is no such run",
    OUT_OF_SCOPE: "is out of scope at this scale",
}
"""Verdict → the predicate of a sentence whose subject is the claim."""

KINDS = (
    *("result", "interval", "nruns", "verdict", "verdictphrase"),
    *("published", "setting", "given", "counted"),
)

NOT_ESTIMATED = r"\emph{(no estimate)}"
"""What \\result shows where the runs cannot tell."""

NO_INTERVAL = r"\unskip{}"
"""What \\interval shows where there is none: nothing, nor the space before it."""


def numbers(
    fits: Mapping[str, Mapping[str, Any]],
    ledger: Mapping[str, Any],
    config: Any,
    frames: Any,
    constants: Mapping[str, str | float | int],
) -> dict[str, dict[str, str]]:
    """Kind → key → TeX, for every kind of `KINDS`."""
    made: dict[str, dict[str, str]] = {kind: {} for kind in KINDS}
    for key, found in estimates(fits).items():
        known = found["value"] is not None
        made["result"][key] = latex.estimate(found, bounds=False) if known else NOT_ESTIMATED
        bounds = latex.interval(found["low"], found["high"])
        made["interval"][key] = NO_INTERVAL if bounds == latex.NOTHING else bounds
        made["nruns"][key] = latex.exact(found["n"])
    for claim in ledger["claims"]:
        made["verdict"][claim["id"]] = claim["verdict"]
        made["verdictphrase"][claim["id"]] = PHRASES[claim["verdict"]]
        made["published"][claim["id"]] = latex.escape(claim["published_text"])
    members = frames.experiments
    columns = sorted({*settings(frames.runs), "seed"})
    for experiment in config.experiments:
        ids = members[members.experiment == experiment].run_id
        runs = frames.runs[frames.runs.run_id.isin(ids)]
        found = settings(runs) | {"seed": latex.listing(runs.seed)}
        for column in columns:
            made["setting"][f"{experiment}.{column}"] = found.get(column, latex.NOTHING)
        made["counted"][f"runs.{experiment}"] = latex.exact(len(runs))
    for key, constant in constants.items():
        made["given"][key] = constant if isinstance(constant, str) else latex.exact(constant)
    made["counted"] |= counts(ledger, frames)
    return made


def counts(ledger: Mapping[str, Any], frames: Any) -> dict[str, str]:
    """Counts over the ledger's entries that stand, origin by origin (small ones in words), and over the runs."""
    claims = [c for c in ledger["claims"] if stands(c)]
    judged = [c for c in claims if c["verdict"] != OUT_OF_SCOPE]
    asked = [c for c in judged if c["survives"] is not None]
    runs = frames.runs
    made = {
        "claims": latex.exact(len(claims)),
        "claims.judged": latex.exact(len(judged)),
        "claims.corrected": latex.count(len(ledger["claims"]) - len(claims)),
        "claims.read_anew": latex.exact(len(asked)),
        "claims.survive": latex.exact(sum(c["survives"] for c in asked)),
        "claims.firm": _names(
            [c["id"] for c in asked if c["survives"] and c["verdict"] == REPRODUCED]
        ),
        "readings": latex.count(len(ledger["readings"])),
        "runs": latex.exact(len(runs)),
        "cells": latex.exact(runs.cell.nunique()),
        "experiments": latex.count(frames.experiments.experiment.nunique()),
        "steps": latex.number(float(runs.steps.sum())),
        "hours": latex.number(float(runs.wall_seconds.sum()) / 3600, 2),
    }
    for origin in ORIGINS:
        mine = [c for c in claims if c["origin"] == origin]
        made[f"claims.{origin}"] = latex.exact(len(mine))
        made[f"claims.{origin}.judged"] = latex.exact(sum(c in judged for c in mine))
        for verdict in VERDICTS:
            number = sum(c["verdict"] == verdict for c in mine)
            made[f"verdict.{origin}.{_key(verdict)}"] = latex.exact(number)
    for verdict in VERDICTS:
        made[f"names.{_key(verdict)}"] = _names(
            [c["id"] for c in claims if c["verdict"] == verdict]
        )
    for outcome in OUTCOMES:
        made[f"outcome.{_key(outcome)}"] = latex.exact(int(runs.outcome.eq(outcome).sum()))
    return made


def _key(words: str) -> str:
    return words.replace(" ", "_")


def _names(ids: list[str]) -> str:
    return ", ".join(latex.escape(one) for one in ids) if ids else "none"


def write_numbers(
    fits: Mapping[str, Mapping[str, Any]],
    ledger: Mapping[str, Any],
    config: Any,
    frames: Any,
    constants: Mapping[str, str | float | int],
    out_tex: Path | str,
    out_json: Path | str,
) -> None:
    """Write numbers.tex (for LaTeX) and numbers.json (for the lint, and for a reader with jq)."""
    made = numbers(fits, ledger, config, frames, constants)
    lines = [
        f"\\regrokset{{{kind}}}{{{key}}}{{{text}}}"
        for kind, keys in made.items()
        for key, text in sorted(keys.items())
    ]
    for path in (out_tex, out_json):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(out_tex).write_text("\n".join(lines) + "\n", encoding="utf-8")
    content = json.dumps(made, indent=1, sort_keys=True, ensure_ascii=False)
    Path(out_json).write_text(content + "\n", encoding="utf-8")
