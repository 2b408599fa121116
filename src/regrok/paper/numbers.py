"""Every number that the paper's text may quote, by key: estimates, verdicts, settings, published constants, counts.

    \\result{weight_decay.T_grok.slope}   value          \\interval{…}   [low, high]      \\nruns{…}   n
    \\verdict{A3}                         this build's, one of six       \\verdictphrase{A3}   as a predicate clause
    \\leadingphrase{A3}                   likewise, of the largest scale that judged the claim
    \\leadingresult{A3}                   value and interval on which that verdict rests
    \\published{A3}                       as printed     \\setting{S2.weight_decay}      values over the runs
    \\given{A_runs}                       constants of the studies' published.yaml
    \\counted{verdict.printed.reproduced} counts over the ledger, by origin, and over the runs
    \\counted{leading.printed}            counts over the leading verdicts of an origin, as a clause

A key that is not defined stops the build and names itself (paper/regrok.sty, regrok.paper.lint).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from regrok import latex
from regrok.figures.parts.shown import estimates
from regrok.judging.leading import Ruling, rulings
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
    SCALES,
    UNDERSPECIFIED,
    VERDICTS,
)
from regrok.tables.hyperparameters import settings

PHRASES = {
    REPRODUCED: "is reproduced",
    DIRECTION: "is reproduced in direction only",
    NOT_REPRODUCED: "is not reproduced",
    INCONCLUSIVE: "remains inconclusive",
    UNDERSPECIFIED: "is underspecified",
    NO_SUCH_RUN: "cannot be asked here: there is no such run",
    OUT_OF_SCOPE: "is out of scope at this scale",
}
"""Verdict → the predicate of a sentence whose subject is the claim."""

KINDS = (
    *("result", "interval", "nruns", "verdict", "verdictphrase", "leadingphrase", "leadingresult"),
    *("published", "setting", "given", "counted"),
)

NOWHERE = "is judged at no scale"
"""What \\leadingphrase says of a claim on which no scale has a verdict."""

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
    elsewhere: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, dict[str, str]]:
    """Kind → key → TeX, for every kind of `KINDS`.

    elsewhere: scale → released ledger of the other scales; none by default.
    """
    said = rulings(ledger, elsewhere or {})
    made: dict[str, dict[str, str]] = {kind: {} for kind in KINDS}
    for key, found in estimates(fits).items():
        known = found["value"] is not None
        made["result"][key] = latex.estimate(found, bounds=False) if known else NOT_ESTIMATED
        bounds = latex.interval(found["low"], found["high"])
        made["interval"][key] = NO_INTERVAL if bounds == latex.NOTHING else bounds
        made["nruns"][key] = latex.exact(found["n"])
    for claim in ledger["claims"]:
        made["verdict"][claim["id"]] = claim["verdict"]
        made["verdictphrase"][claim["id"]] = here(claim, said[claim["id"]][0])
        made["leadingphrase"][claim["id"]] = leads(said[claim["id"]][0])
        made["leadingresult"][claim["id"]] = leading_result(said[claim["id"]][0])
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
    made["counted"] |= counts(ledger, frames) | leading_counts(ledger, said)
    return made


def here(claim: Mapping[str, Any], first: Ruling) -> str:
    """What the runs of this build say of a claim, as a predicate; in brackets what leads, where that is another."""
    phrase = PHRASES[claim["verdict"]]
    differs = first.verdict != claim["verdict"]
    return f"{phrase} ({first.scale} scale: {first.verdict})" if differs else phrase


def leads(first: Ruling) -> str:
    """The leading verdict as a predicate, with its scale where another build judged it."""
    if not first.speaks:
        return NOWHERE
    phrase = PHRASES[first.verdict]
    if not first.released:
        return phrase
    at = f"at the {first.scale} scale"
    return phrase.replace(" here:", f" {at}:") if " here:" in phrase else f"{phrase} {at}"


def leading_result(first: Ruling) -> str:
    """Value and interval of the leading verdict, or NOT_ESTIMATED; of a count that is exact the value alone."""
    entry = first.entry
    if not first.speaks or entry["value"] is None:
        return NOT_ESTIMATED
    return latex.estimate(entry, bounds=entry["low"] != entry["high"])


def leading_counts(
    ledger: Mapping[str, Any], said: Mapping[str, Sequence[Ruling]]
) -> dict[str, str]:
    """Counts over the leading verdicts of the entries that stand, origin by origin; how often scales agree, over all.

    said: as `rulings` returns it.
    """
    standing = [c for c in ledger["claims"] if stands(c)]
    made = {}
    for origin in ORIGINS:
        firsts = [said[c["id"]][0] for c in standing if c["origin"] == origin]
        spoken = [each for each in firsts if each.speaks]
        made[f"leading.{origin}"] = _clause(spoken)
        made[f"leading.{origin}.judged"] = latex.exact(len(spoken))
        for verdict in VERDICTS:
            number = sum(each.verdict == verdict for each in firsts)
            made[f"leading.{origin}.{_key(verdict)}"] = latex.exact(number)
    several = [said[c["id"]] for c in standing if len(said[c["id"]]) > 1]
    made["leading.several"] = latex.exact(len(several))
    agree = sum(len({each.verdict for each in found}) == 1 for found in several)
    made["leading.agree"] = latex.exact(agree)
    return made


def _clause(spoken: Sequence[Ruling]) -> str:
    """`3 have a verdict, 2 at the paper and 1 at the laptop scale: 1 reproduced, 2 inconclusive`."""
    if not spoken:
        return "none has a verdict at any scale"
    scales = {
        scale: number
        for scale in reversed(SCALES)
        if (number := sum(each.scale == scale for each in spoken))
    }
    parts = [
        f"{latex.exact(number)} at the {scale}" if len(scales) > 1 else f"at the {scale}"
        for scale, number in scales.items()
    ]
    where = f"{' and '.join(parts)} scale"
    verdicts = ", ".join(
        f"{latex.exact(number)} {verdict}"
        for verdict in VERDICTS
        if (number := sum(each.verdict == verdict for each in spoken))
    )
    have = "has" if len(spoken) == 1 else "have"
    return f"{latex.exact(len(spoken))} {have} a verdict, {where}: {verdicts}"


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
    elsewhere: Mapping[str, Mapping[str, Any]] | None = None,
) -> None:
    """Write numbers.tex (for LaTeX) and numbers.json (for the lint, and for a reader with jq)."""
    made = numbers(fits, ledger, config, frames, constants, elsewhere)
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
