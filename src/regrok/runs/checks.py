"""What must hold of the results before a paper is typeset from them.

Schemas (pandera) for every frame; counts that add up; no claim without runs, no run without use. The PDF
depends on these checks, so one corrupted row and there is no PDF.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa

from regrok.errors import RegrokError
from regrok.measures.events import NOT_STARTED, NOT_VALIDATED, OUTCOMES, THRESHOLDS
from regrok.runs.arithmetic import kinds
from regrok.runs.columns import CROSSINGS, LOSSES
from regrok.runs.frames import Frames
from regrok.study.words import INCONCLUSIVE, NO_SUCH_RUN, OUT_OF_SCOPE

SHARE = pa.Check.in_range(0, 1)
NOT_NEGATIVE = pa.Check.ge(0)

ENDS = (*OUTCOMES, NOT_STARTED, NOT_VALIDATED)
"""Every word that the column `outcome` may have."""


def _times() -> dict[str, pa.Column]:
    return {
        # Frames that were released before a run had this column are whole without it.
        name: pa.Column(
            float,
            NOT_NEGATIVE,
            nullable=True,
            coerce=True,
            required=not (name.endswith("_sustained_previous") or name in LOSSES),
        )
        for name in (*CROSSINGS, *LOSSES, "T_mem", "T_grok")
    }


RUNS = pa.DataFrameSchema(
    {
        "run_id": pa.Column(str, pa.Check.str_matches(r"^[0-9a-f]{12}$"), unique=True),
        "cell": pa.Column(str, pa.Check.str_matches(r"^[0-9a-f]{10}$")),
        "cohort": pa.Column(str),
        "seed": pa.Column(int, NOT_NEGATIVE),
        "outcome": pa.Column(str, pa.Check.isin(ENDS)),
        "steps": pa.Column(int, NOT_NEGATIVE),
        "max_steps": pa.Column(int, pa.Check.ge(1)),
        "train_size": pa.Column(int, pa.Check.ge(1)),
        "validation_size": pa.Column(int, NOT_NEGATIVE),
        "parameters": pa.Column(int, pa.Check.ge(1)),
        "learning_rate": pa.Column(float, pa.Check.gt(0)),
        "weight_decay": pa.Column(float, NOT_NEGATIVE),
        "delay": pa.Column(float, nullable=True, coerce=True),
        "train_accuracy_max": pa.Column(float, SHARE, nullable=True),
        "validation_accuracy_max": pa.Column(float, SHARE, nullable=True),
        "validation_accuracy_late": pa.Column(
            float, SHARE, nullable=True, coerce=True, required=False
        ),
        "V_0": pa.Column(float, NOT_NEGATIVE, nullable=True),
        "wall_seconds": pa.Column(float, NOT_NEGATIVE),
        **_times(),
    }
)

CURVES = pa.DataFrameSchema(
    {
        "run_id": pa.Column(str),
        "step": pa.Column(int, NOT_NEGATIVE),
        "train_accuracy": pa.Column(float, SHARE, nullable=True),
        "validation_accuracy": pa.Column(float, SHARE, nullable=True),
        "train_examples": pa.Column(int, NOT_NEGATIVE),
        "validation_examples": pa.Column(int, NOT_NEGATIVE),
        "V": pa.Column(float, NOT_NEGATIVE, nullable=True),
    },
    unique=["run_id", "step"],
)

EXPERIMENTS = pa.DataFrameSchema(
    {
        "experiment": pa.Column(str),
        "arm": pa.Column(str),
        "run_id": pa.Column(str),
        "cell": pa.Column(str),
    },
    unique=["experiment", "arm", "run_id"],
)

SPECTRA = pa.DataFrameSchema(
    {
        "run_id": pa.Column(str),
        "step": pa.Column(int, NOT_NEGATIVE, coerce=True),
        "kind": pa.Column(str),
        "index": pa.Column(int, NOT_NEGATIVE, coerce=True),
        "power": pa.Column(float, NOT_NEGATIVE, coerce=True),
    }
)

SCHEMAS = {"runs": RUNS, "curves": CURVES, "experiments": EXPERIMENTS, "spectra": SPECTRA}


def schemas(frames: Frames) -> list[str]:
    """One sentence per column that breaks its schema."""
    problems = []
    for name, schema in SCHEMAS.items():
        try:
            schema.validate(getattr(frames, name), lazy=True)
        except pa.errors.SchemaErrors as error:
            cases = error.failure_cases.groupby(["column", "check"], dropna=False)["failure_case"]
            for (column, check), values in cases:
                problems.append(
                    f"{name}.parquet: column {column} breaks {check} in {len(values)} rows, e.g. {values.iloc[0]}"
                )
    return problems


def outcomes(frames: Frames) -> list[str]:
    """Events, outcome and budget of each run agree; every planned run has exactly one row and a curve."""
    runs = frames.runs
    grokked, memorised = runs["outcome"] == "grokked", runs["T_mem"].notna()
    known, validated = runs["delay"].notna(), runs["validation_size"] > 0
    # A run that has not memorised by memorise_steps ends there.
    patience = runs["memorise_steps"].astype(float).where(~memorised)
    budget = np.minimum(runs["max_steps"].astype(float), patience.fillna(np.inf))
    cases: dict[str, pd.Series] = {
        "grokked without T_grok, or the reverse": grokked != runs["T_grok"].notna(),
        "memorised only without T_mem": (runs["outcome"] == "memorised only") & ~memorised,
        "never memorised with a T_mem": (runs["outcome"] == "never memorised") & memorised,
        "not validated, with validation examples": (runs["outcome"] == NOT_VALIDATED) & validated,
        "an outcome that needs validation examples, without them": runs["outcome"].isin(
            ["grokked", "memorised only", "never memorised"]
        )
        & ~validated,
        "more steps than the budget": runs["steps"] > runs["max_steps"],
        "delay is not T_grok - T_mem": known & (runs["delay"] != runs["T_grok"] - runs["T_mem"]),
        "censored before the budget ended": runs["outcome"].isin(
            ["memorised only", "never memorised", NOT_VALIDATED]
        )
        & (runs["steps"] < budget),
    }
    for event in ("T_mem", "T_grok"):
        for suffix in THRESHOLDS:
            first, previous = runs[f"{event}_{suffix}"], runs[f"{event}_{suffix}_previous"]
            cases[f"{event}_{suffix} does not follow its previous log"] = first.notna() & ~(
                previous <= first
            )
    problems = [
        f"run {id_}: {what}" for what, bad in cases.items() for id_ in runs.loc[bad, "run_id"]
    ]
    planned, have = set(frames.experiments["run_id"]), set(runs["run_id"])
    curves = set(frames.curves["run_id"])
    problems += [f"run {id_}: planned, but not in runs.parquet" for id_ in sorted(planned - have)]
    problems += [f"run {id_}: in no experiment" for id_ in sorted(have - planned)]
    problems += [f"run {id_}: without a curve" for id_ in sorted(have - curves)]
    problems += [f"run {id_}: a curve without a run" for id_ in sorted(curves - have)]
    return problems


def curve_ends(frames: Frames) -> list[str]:
    """Each curve ends at its run's last step and starts at its V_0."""
    ends = frames.curves.groupby("run_id")["step"].max()
    starts = frames.curves.sort_values("step").groupby("run_id")["V"].first()
    runs = frames.runs.set_index("run_id")
    both = runs.index.intersection(ends.index)
    wrong_end = [i for i in both if ends[i] != runs.loc[i, "steps"]]
    wrong_start = [
        i for i in both if starts[i] != runs.loc[i, "V_0"] and pd.notna(runs.loc[i, "V_0"])
    ]
    return [f"run {i}: its curve does not end at its last step" for i in wrong_end] + [
        f"run {i}: its curve does not start at V_0" for i in wrong_start
    ]


def claims(
    frames: Frames, fits: Mapping[str, Mapping], ledger: list[Mapping[str, Any]]
) -> list[str]:
    """No judged claim without runs, no run without use, no verdict without its estimate."""
    problems = []
    # A fit that lists no experiment reads every run, which says of none that it is needed; a computation reads none.
    used = {run for fit in fits.values() if fit.get("experiments") for run in fit["runs"]}
    for entry in ledger:
        if entry["verdict"] == OUT_OF_SCOPE:
            continue
        if entry.get("value") is None and entry["verdict"] not in (INCONCLUSIVE, NO_SUCH_RUN):
            problems.append(
                f"claim {entry['id']}: {entry['verdict']}, but its estimand has no value"
            )
        members = frames.experiments["experiment"].isin(entry["experiments"])
        if entry["experiments"] and not members.any():
            problems.append(
                f"claim {entry['id']}: judged without a run of {', '.join(entry['experiments'])}"
            )
    # A run that others start from is used by them; one that could not be started, by nothing.
    used |= set(frames.runs.get("start_run", pd.Series(dtype=object)).dropna())
    used |= set(frames.runs.loc[frames.runs["outcome"] == NOT_STARTED, "run_id"])
    unused = set(frames.runs["run_id"]) - used
    problems += [f"run {id_}: read by no fit" for id_ in sorted(unused)]
    return problems


def check(
    frames: Frames, fits: Mapping[str, Mapping], ledger: list[Mapping[str, Any]]
) -> dict[str, Any]:
    """All checks. Returns how many things each looked at, and by which kinds of arithmetic the runs were trained.

    fits: what was fitted, and what was computed, by name. Raises RegrokError listing what is wrong.
    """
    tests: dict[str, Callable[[], list[str]]] = {
        "schemas": lambda: schemas(frames),
        "outcomes add up": lambda: outcomes(frames),
        "curves belong to their runs": lambda: curve_ends(frames),
        "claims rest on runs": lambda: claims(frames, fits, ledger),
    }
    problems: list[str] = []
    for test in tests.values():
        problems += test()
        if problems:
            break  # a frame that breaks its schema would only confuse the later tests
    if problems:
        shown = "\n  ".join(problems[:20])
        more = f"\n  and {len(problems) - 20} more" if len(problems) > 20 else ""
        raise RegrokError(
            f"the results contradict themselves, so no paper is built from them:\n  {shown}{more}\n"
            "If a file was edited or damaged, delete it and build again; finished runs are kept."
        )
    return {
        "tests": list(tests),
        "runs": len(frames.runs),
        "logged_points": len(frames.curves),
        "fits": sum("law" in made for made in fits.values()),
        "claims": len(ledger),
        "outcomes": {
            outcome: number
            for outcome in ENDS
            if (number := int((frames.runs["outcome"] == outcome).sum())) or outcome in OUTCOMES
        },
        "arithmetic": kinds(frames.runs),
    }
