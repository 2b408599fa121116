"""Which runs a law reads, and the quantities that all laws share: cells, norm ratios, escape times, intervals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from regrok.errors import RegrokError
from regrok.study.columns import DECIDING, NAMING


def within(runs: pd.DataFrame, limits: Mapping[str, Any] | None) -> pd.DataFrame:
    """Rows whose columns lie in the limits: a pair [low, high] for numbers, a list of names for strings, or one value.

    Raises RegrokError naming a column that the runs do not have.

    >>> runs = pd.DataFrame({"p": [53, 97, 113], "optimiser": ["sgd", "adamw", "adamw"]})
    >>> within(runs, {"p": [53, 97], "optimiser": "adamw"})["p"].tolist()
    [97]
    """
    for column, limit in (limits or {}).items():
        if column not in runs:
            raise RegrokError(f"within: runs have no column '{column}'; columns: {', '.join(runs)}")
        if isinstance(limit, bool):
            runs = runs[runs[column].eq(limit)]
        elif pd.api.types.is_numeric_dtype(runs[column]) and not isinstance(limit, str):
            low, high = limit if isinstance(limit, list | tuple) else (limit, limit)
            runs = runs[runs[column].between(low * (1 - 1e-9), high * (1 + 1e-9))]
        else:
            runs = runs[runs[column].isin([limit] if isinstance(limit, str) else list(limit))]
    return runs


def of_experiments(
    runs: pd.DataFrame,
    experiments: pd.DataFrame,
    names: list[str] | None,
    arms: list[str] | None = None,
) -> pd.DataFrame:
    """Rows of the runs that serve the named experiments (all when none is named), and arms where given."""
    members = experiments
    if names:
        members = members[members["experiment"].isin(names)]
    if arms:
        members = members[members["arm"].isin(arms)]
    return runs[runs["run_id"].isin(members["run_id"])]


def group(runs: pd.DataFrame, experiments: pd.DataFrame, chosen: Mapping[str, Any]) -> pd.DataFrame:
    """The runs of a group in a fit's options: {experiments: [...], arms: [...], within: {...}}, all optional."""
    known = {"experiments", "arms", "within"}
    if unknown := set(chosen) - known:
        raise RegrokError(
            f"group: unknown key '{min(unknown)}'; allowed: {', '.join(sorted(known))}"
        )
    chosen_runs = of_experiments(runs, experiments, chosen.get("experiments"), chosen.get("arms"))
    return within(chosen_runs, chosen.get("within"))


def distinct(runs: pd.DataFrame) -> pd.DataFrame:
    """One row per training: runs of one condition and seed, logged or cut off in another way, repeat the same path.

    Kept is the run logged most finely; then that with the shortest tail, since V_final is published at 2,000 steps
    after T_grok; then that with the largest budget; then that of the highest precision, which the
    others repeat rounded. Two runs that differ in any other setting are two trainings (see `conditions`).

    >>> common = {"condition": "c", "products": "float32", "tail_steps": 0, "max_steps": 100}
    >>> rows = [(1, 25, "fine"), (1, 50, "coarse"), (2, 50, "alone")]
    >>> runs = [{**common, "seed": s, "log_every": every, "run_id": name} for s, every, name in rows]
    >>> distinct(pd.DataFrame(runs))["run_id"].tolist()
    ['fine', 'alone']
    """
    exact = (runs["products"] == "float32").astype(int)
    if "precision" in runs:
        exact += (runs["precision"] == "float64").fillna(False).astype(int)
    ordered = runs.assign(exact=exact).sort_values(
        ["log_every", "tail_steps", "max_steps", "exact", "run_id"],
        ascending=[True, True, False, False, True],
    )
    return ordered.drop(columns="exact").drop_duplicates([*_differing(runs), "seed"]).sort_index()


def _deciding(runs: pd.DataFrame) -> list[str]:
    """The columns that tell two conditions apart: every setting but the logging, then the hash of them all.

    Frames released before they had the column `condition` are told apart by the settings that they do have.
    """
    return [column for column in (*DECIDING, "condition") if column in runs]


def _differing(runs: pd.DataFrame) -> list[str]:
    """Those of them that differ among these runs: the others tell nothing apart, and take as long to group by."""
    return [column for column in _deciding(runs) if runs[column].nunique(dropna=False) > 1]


def grouped(
    runs: pd.DataFrame, experiments: pd.DataFrame, groups: Mapping[str, Mapping[str, Any]]
) -> dict[str, pd.DataFrame]:
    """The distinct runs of each group of a fit's options, by name."""
    return {name: distinct(group(runs, experiments, chosen)) for name, chosen in groups.items()}


def conditions(runs: pd.DataFrame) -> np.ndarray:
    """A label per run, equal for runs that share every setting but the seed and the logging: (n,) integers.

    Labels are in the order of the settings that name a cell, so that a bootstrap draws its strata in that order.
    """
    deciding = _differing(runs) or _deciding(runs)[:1]
    return runs.groupby(deciding, dropna=False, sort=True).ngroup().to_numpy()


def cell_settings(runs: pd.DataFrame) -> dict[str, Any]:
    """The settings that a cell's runs share, without those that do not apply, as JSON values.

    `n` is the task's input bits; a record that counts its runs calls the count `runs`.
    """
    first = runs.iloc[0]
    return {"cell": first["cell"]} | {
        c: plain(first[c]) for c in NAMING if c in runs and pd.notna(first[c])
    }


def curve_of(curves: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Each run's curve."""
    return {str(run_id): curve for run_id, curve in curves.groupby("run_id", sort=False)}


def plain(value: Any) -> Any:
    """A JSON value: numpy scalars become Python's, what is missing or not finite becomes null."""
    if value is None or value is pd.NA:
        return None
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


def records(frame: pd.DataFrame, columns: list[str]) -> list[dict[str, Any]]:
    """Rows as JSON objects, in the frame's order."""
    chosen = [c for c in columns if c in frame]
    return [
        {c: plain(v) for c, v in zip(chosen, row, strict=True)}
        for row in frame[chosen].itertuples(index=False, name=None)
    ]


def log_norm_ratio(runs: pd.DataFrame) -> pd.Series:
    """log(V_mem / V_final), A's separation of norms; NaN for a run that never memorised."""
    with np.errstate(all="ignore"):
        return np.log(runs["V_mem"].astype(float) / runs["V_final"].astype(float))


def escape_theory(runs: pd.DataFrame) -> pd.Series:
    """T_esc_th = log(V_mem / V_final) / (2ηλ) in steps, as in A's scripts; NaN unless V_mem > V_final and λ > 0."""
    rate = 2 * runs["learning_rate"].astype(float) * runs["weight_decay"].astype(float)
    ratio = log_norm_ratio(runs)
    return (ratio / rate.where(rate > 0)).where(ratio > 0)


def watched(runs: pd.DataFrame) -> pd.Series:
    """Steps up to which it is known that a run did not grok: (n,), for runs with T_grok the step of T_grok.

    A run given up early, since it had not memorised by `memorise_steps` or had collapsed or diverged, counts to the
    end of its budget: paper B counts it as not finished (DNF), and to censor it where it was given up would take
    the worst runs out of the risk set, as if they might still have been among the fast ones.
    """
    gave_up = runs["T_mem"].isna() | runs["outcome"].isin(["collapsed", "diverged"])
    end = runs["steps"].where(~gave_up, runs[["steps", "max_steps"]].max(axis=1))
    return runs["T_grok"].fillna(end).astype(float)


def duration(runs: pd.DataFrame, column: str) -> tuple[pd.Series, pd.Series]:
    """How long each run was watched for an event, and whether the event came: steps and booleans, one per run.

    T_mem, T_grok: a run without the event was watched to its last step. delay: from T_mem on, of the runs that
    memorised; one that generalised before it memorised has delay 0. Any other column is no time: its known values,
    all of them observed.
    """
    if column == "delay":
        memorised = runs[runs["T_mem"].notna()]
        end = memorised["T_grok"].fillna(memorised["steps"])
        return (end - memorised["T_mem"]).clip(lower=0).astype(float), memorised["T_grok"].notna()
    if column in ("T_mem", "T_grok"):
        return runs[column].fillna(runs["steps"]).astype(float), runs[column].notna()
    known = runs[column].dropna().astype(float)
    return known, known.notna()


def delay_interval(runs: pd.DataFrame) -> pd.DataFrame:
    """Columns lower, upper (steps): the delay lies between the two; upper is ∞ for a run that did not grok.

    The crossings lie in (previous logged step, logged step], so the delay lies between
    T_grok_previous − T_mem and T_grok − T_mem_previous; a run stopped at `steps` without grokking has a
    delay above steps − T_mem. NaN for a run that never memorised. A lower end below zero is zero: whether a
    run generalises before it memorises is another question (parity).
    """
    observed = runs["T_grok"].notna()
    lower = np.where(observed, runs["T_grok_previous"], runs["steps"]) - runs["T_mem"]
    upper = np.where(observed, runs["T_grok"] - runs["T_mem_previous"], np.inf)
    frame = pd.DataFrame({"lower": np.clip(lower, 0, None), "upper": upper}, index=runs.index)
    return frame.where(runs["T_mem"].notna(), np.nan)


def grok_interval(runs: pd.DataFrame) -> pd.DataFrame:
    """Columns lower, upper (steps) between which T_grok lies; upper is ∞ for a run that did not grok."""
    observed = runs["T_grok"].notna()
    lower = np.where(observed, runs["T_grok_previous"], runs["steps"])
    upper = np.where(observed, runs["T_grok"], np.inf)
    return pd.DataFrame({"lower": lower, "upper": upper}, index=runs.index).astype(float)
