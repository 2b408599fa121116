"""What a figure may look at: the runs of its own experiments, and the fits that it names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from regrok.errors import RegrokError
from regrok.runs.frames import asked


@dataclass(frozen=True)
class Shown:
    """The frames of a study, seen through one figure's list of experiments."""

    runs: pd.DataFrame
    curves: pd.DataFrame
    experiments: pd.DataFrame
    spectra: pd.DataFrame | None
    order: tuple[str, ...]
    """The figure's experiments as the study lists them: first the one it cannot do without."""

    def of(self, which: int | str = 0) -> pd.DataFrame:
        """Rows of runs.parquet of one experiment, by place in the figure's list or by name, with its `arm`.

        Empty when the figure lists fewer experiments or the experiment does not run at this scale.
        """
        if isinstance(which, int):
            which = self.order[which] if which < len(self.order) else ""
        members = self.experiments[self.experiments.experiment == which]
        members = members[["run_id", "arm"]].drop_duplicates()
        return self.runs.merge(members, on="run_id", how="inner", validate="one_to_many")

    def arms(self, which: int = 0) -> list[str]:
        """The arms of an experiment that have runs, by name: experiments.parquet is in that order."""
        name = self.order[which] if which < len(self.order) else ""
        members = self.experiments[self.experiments.experiment == name]
        present = set(self.runs.run_id)
        return list(dict.fromkeys(members[members.run_id.isin(present)].arm))

    def together(self) -> pd.DataFrame:
        """Every run of the figure's experiments, once."""
        ids = self.experiments[self.experiments.experiment.isin(self.order)].run_id.unique()
        return self.runs[self.runs.run_id.isin(ids)].reset_index(drop=True)

    def curve(self, run_id: str) -> pd.DataFrame:
        """One run's logged points, in order of step."""
        return self.curves[self.curves.run_id == run_id].sort_values("step")

    def observed(self, run_id: str, *columns: str) -> pd.DataFrame:
        """One run's points at which all these columns are known; none where one of them was not measured."""
        curve = self.curve(run_id)
        absent = {column: float("nan") for column in columns if column not in curve}
        return curve.assign(**absent).dropna(subset=list(columns))

    def spectrum(self, run_id: str, kind: str) -> pd.DataFrame:
        """One run's spectra of one kind as steps × frequencies; empty when none was measured."""
        if self.spectra is None or self.spectra.empty:
            return pd.DataFrame()
        chosen = self.spectra[(self.spectra.run_id == run_id) & (self.spectra.kind == kind)]
        return chosen.pivot(index="step", columns="index", values="power").sort_index()


def show(frames: Any, experiments: Sequence[str]) -> Shown:
    """`frames` (runs, curves, experiments, spectra) as seen by a figure of these experiments, without the runs of which
    nothing can be asked (`regrok.runs.frames.unasked`)."""
    frames = asked(frames)
    spectra = getattr(frames, "spectra", None)
    return Shown(frames.runs, frames.curves, frames.experiments, spectra, tuple(experiments))


def estimates(fits: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """`<fit>.<key>` → {value, low, high, n, …} over all fits. Raises RegrokError naming a fit without estimates."""
    found: dict[str, dict[str, Any]] = {}
    for fit, content in fits.items():
        if "estimates" not in content:
            raise RegrokError(
                f'fit {fit!r} has no "estimates"; its law must return them (it has {sorted(content)})'
            )
        found.update(content["estimates"])
    return found


def value_of(fits: Mapping[str, Mapping[str, Any]], law: str, key: str) -> float:
    """The value of `key` in the first of a figure's fits that is of this law; NaN where there is none."""
    for name, content in fits.items():
        if content["law"] == law and f"{name}.{key}" in content["estimates"]:
            value = content["estimates"][f"{name}.{key}"]["value"]
            return float("nan") if value is None else value
    return float("nan")


def runs_of(fits: Mapping[str, Mapping[str, Any]], law: str, key: str) -> int:
    """How many runs (or snapshots) stand behind `key` in the first of a figure's fits of this law."""
    for name, content in fits.items():
        if content["law"] == law and f"{name}.{key}" in content["estimates"]:
            return content["estimates"][f"{name}.{key}"]["n"]
    return 0


def points_of(fits: Mapping[str, Mapping[str, Any]], law: str) -> pd.DataFrame:
    """The points of the first of a figure's fits that is of this law; empty where there is none."""
    for content in fits.values():
        if content["law"] == law:
            return pd.DataFrame(content["points"])
    return pd.DataFrame()


def cells_of(fits: Mapping[str, Mapping[str, Any]], law: str) -> list[dict[str, Any]]:
    """The cells of all of a figure's fits that are of this law, in their order."""
    return [cell for fit in fits.values() if fit["law"] == law for cell in fit["cells"]]


def computed(fits: Mapping[str, Mapping[str, Any]], module: str) -> tuple[str, Mapping[str, Any]]:
    """The first of a figure's computations by this module, with its name. Raises RegrokError where there is none."""
    for name, content in fits.items():
        if content.get("compute") == module:
            return name, content
    raise RegrokError(f"no computation by {module}; list one under the figure's `computations`")


def median_run(runs: pd.DataFrame, column: str = "delay") -> pd.Series | None:
    """The run whose `column` is in the middle (the lower of two): typical, and chosen by rule; None without one."""
    known = runs.dropna(subset=[column]).sort_values([column, "run_id"])
    return None if known.empty else known.iloc[(len(known) - 1) // 2]


def constant(runs: pd.DataFrame, column: str) -> float | None:
    """The one value that `column` takes over the runs, or None when it varies or is absent."""
    values = runs[column].dropna().unique() if column in runs else []
    return values[0] if len(values) == 1 else None


def framed(points: Iterable[Mapping[str, Any]], columns: Iterable[str]) -> pd.DataFrame:
    """Points as a frame that has these columns, empty ones where no point has them."""
    frame = pd.DataFrame(points)
    return frame.reindex(columns=[*frame, *(each for each in columns if each not in frame)])
