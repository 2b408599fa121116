"""The ledger: every claim with its verdict, its evidence, and the verdicts under other readings of the runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from regrok.judging.simultaneous import together
from regrok.judging.verdicts import judge
from regrok.runs.frames import Frames
from regrok.study.claims import Claims, stated
from regrok.study.words import ORIGINS, OUT_OF_SCOPE, VERDICTS, Scale


def ledger(
    claims: Claims, fits: Mapping[str, Mapping[str, Any]], frames: Frames, scale: Scale
) -> dict[str, Any]:
    """Judge all claims.

    fits: what `regrok.laws.run_fit` and `regrok.computations.run_computation` returned, by name; the fit of law
    `robustness` supplies the other readings.
    Returns JSON: {"scale", "verdicts" (origin → word → count, of the entries that stand), "corrected" (how many do
    not), "readings" (names of the other readings), "claims": [entries]}.
    An entry has id, paper, arxiv, origin, place, statement, published_value, published_text, estimand, fit, corrected
    (null, or {"date", "by", "why"}), what `judge` returns, simultaneous (the verdict by an interval that holds at once
    with those of the paper's other claims that stand and are judged here; null for one that does not), robustness
    ({reading: {verdict, value, low, high}}), survives (whether every other reading gives the same verdict; null when
    there is none), experiments, run_ids, runs, minutes (of training) and command.
    """
    estimates = {key: value for made in fits.values() for key, value in made["estimates"].items()}
    readings = {
        label: {**estimates, **changed}
        for made in fits.values()
        for label, changed in made.get("variants", {}).items()
    }
    ran = set(frames.experiments["experiment"])
    labels = list(readings) + list(
        dict.fromkeys(label for claim in claims.claims for label in claim.alternatives)
    )
    repeated = {
        label: set(changed)
        for made in fits.values()
        for label, changed in made.get("variants", {}).items()
    }
    seconds = frames.runs.set_index("run_id")["wall_seconds"]
    entries = []
    for claim in claims.claims:
        judged = judge(claim, estimates, scale, ran)
        others = {}
        if judged["verdict"] != OUT_OF_SCOPE:
            # A fit that a reading does not repeat says nothing about its claim's robustness.
            for label, changed in readings.items():
                if claim.estimand in repeated[label]:
                    others[label] = judge(claim, changed, scale, ran)
            for label, estimand in claim.alternatives.items():
                other = judge(claim, estimates, scale, ran, estimand)
                if other["verdict"] != OUT_OF_SCOPE:  # by a computation that was left out
                    others[label] = other
        members = frames.experiments[frames.experiments["experiment"].isin(claim.experiments)]
        run_ids = sorted(set(members["run_id"]))
        entries.append(
            {
                **stated(claim, claims),
                **judged,
                # set below, when it is known how many are judged with it
                "simultaneous": None,
                "robustness": {
                    label: {k: other[k] for k in ("verdict", "value", "low", "high")}
                    for label, other in others.items()
                },
                "survives": (
                    all(o["verdict"] == judged["verdict"] for o in others.values())
                    if others
                    else None
                ),
                "experiments": [e for e in claim.experiments if e in ran],
                "run_ids": run_ids,
                "runs": len(run_ids),
                "minutes": round(float(seconds.reindex(run_ids).sum()) / 60, 2),
                "command": claim.command_at(
                    scale, [e for e in fits.get(claim.fit, {}).get("experiments", []) if e in ran]
                ),
            }
        )
    beside = Counter(e["paper"] for e in entries if stands(e) and e["verdict"] != OUT_OF_SCOPE)
    for claim, entry in zip(claims.claims, entries, strict=True):
        if stands(entry) and entry["verdict"] != OUT_OF_SCOPE:
            entry["simultaneous"] = together(claim, estimates, scale, ran, beside[claim.letter])
    return {
        "scale": scale,
        "verdicts": counts(entries),
        "corrected": sum(not stands(e) for e in entries),
        "readings": labels,
        "claims": entries,
    }


def stands(entry: Mapping[str, Any]) -> bool:
    """Whether an entry of the ledger speaks for its claim still: it was not corrected by another."""
    return entry.get("corrected") is None


def counts(entries: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    """Origin → verdict → how many of the entries that stand; origins ask different things and are not summed."""
    standing = [e for e in entries if stands(e)]
    return {
        origin: {
            word: sum(e["verdict"] == word and e["origin"] == origin for e in standing)
            for word in VERDICTS
        }
        for origin in ORIGINS
    }


def ledger_frame(made: Mapping[str, Any]) -> pd.DataFrame:
    """One row per claim, a column per scalar field, and a column `verdict: <reading>` per other reading.

    corrected: the entries that took a claim's place, parted by spaces.
    """
    rows = []
    for entry in made["claims"]:
        row = {k: v for k, v in entry.items() if not isinstance(v, list | dict)}
        row["corrected"] = " ".join(entry["corrected"]["by"]) if entry["corrected"] else None
        for label in made["readings"]:
            row[f"verdict: {label}"] = entry["robustness"].get(label, {}).get("verdict")
        rows.append(row)
    return pd.DataFrame(rows)
