"""The table of runs: what each is, how it ended, and in which script its curves and settings are."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from regrok.measures.events import OUTCOMES
from regrok.site.curves import packed
from regrok.study.columns import NAMING, SETTINGS

if TYPE_CHECKING:
    import pandas as pd

    from regrok.runs.frames import Frames
    from regrok.study.blocks import Config

SIGNS = {"learning_rate": "η", "weight_decay": "λ", "train_fraction": "share"}
"""Settings that a label calls by a sign."""
FIELDS = (
    *("scale", "file", "id", "seed", "experiments", "label", "cell", "outcome"),
    *("T_mem", "T_grok", "steps", "V_0", "V_mem", "V_final", "minutes"),
)
"""What the table knows of a run, in the order of a row."""


@dataclass(frozen=True)
class Listed:
    """The runs of every scale."""

    rows: list[list[Any]]
    """One list of `FIELDS` a run."""
    scripts: dict[str, dict[str, Any]]
    """Key of a script (`laptop-norm_delay`) → {"curves": run → curve, "settings": cell → setting → value}."""
    experiments: dict[str, str]
    """Experiment → its title, of those that have runs here."""
    outcomes: list[str]
    """Those that occur, in the usual order."""


def listed(config: Config, frames: Mapping[str, Frames]) -> Listed:
    """All runs of the chosen studies with their curves. frames: scale → its runs."""
    rows: list[list[Any]] = []
    scripts: dict[str, dict[str, Any]] = {}
    ran: set[str] = set()
    for scale, held in frames.items():
        asked = held.experiments["experiment"].isin(list(config.experiments))
        member = _experiments(held.experiments[asked])
        labels = _labels(held, member)
        study = {run: _study(config, names) for run, names in member.items()}
        for name in [each for each in config.studies if each in study.values()]:
            mine = held.runs[held.runs["run_id"].map(study) == name]
            part = held.curves[held.curves["run_id"].isin(set(mine["run_id"]))]
            scripts[f"{scale}-{name}"] = {
                "curves": packed(part, mine),
                "settings": _settings(mine),
            }
        for run in held.runs.sort_values(["cell", "seed"]).to_dict("records"):
            names = member.get(run["run_id"])
            if not names:
                continue
            ran.update(names)
            known = {
                "scale": scale,
                "file": f"{scale}-{study[run['run_id']]}",
                "id": run["run_id"],
                "experiments": names,
                "label": labels[run["run_id"]],
                "minutes": round(run["wall_seconds"] / 60, 2),
            }
            rows.append([known[f] if f in known else _value(run[f]) for f in FIELDS])
    order = list(config.experiments)
    rows.sort(key=lambda row: (list(frames).index(row[0]), order.index(row[4][0])))
    place = FIELDS.index("outcome")
    ended = {row[place] for row in rows}
    return Listed(
        rows=rows,
        scripts=scripts,
        experiments={n: e.title for n, e in config.experiments.items() if n in ran},
        outcomes=[*(o for o in OUTCOMES if o in ended), *sorted(ended - set(OUTCOMES))],
    )


def _experiments(members: pd.DataFrame) -> dict[str, list[str]]:
    """Run → the experiments that it serves."""
    found: dict[str, list[str]] = defaultdict(list)
    for run, name in zip(members["run_id"], members["experiment"], strict=True):
        if name not in found[run]:
            found[run].append(name)
    return dict(found)


def _study(config: Config, names: list[str]) -> str:
    """The study of a run: that of the first of its experiments."""
    return next(study for study, made in config.studies.items() if names[0] in made.experiments)


def _labels(frames: Frames, member: Mapping[str, list[str]]) -> dict[str, str]:
    """Run → the settings in which it differs from others of its first experiment: `λ 0.3, seed 4`."""
    first = {run: names[0] for run, names in member.items()}
    columns = [name for name in NAMING if name in frames.runs]
    found = {}
    for _, runs in frames.runs.groupby(frames.runs["run_id"].map(first), sort=False):
        varied = [name for name in columns if runs[name].nunique(dropna=False) > 1]
        for run in runs.to_dict("records"):
            parts = [
                f"{SIGNS.get(name, name.replace('_', ' '))} {_shown(run[name])}"
                for name in varied
                if _value(run[name]) is not None
            ]
            found[run["run_id"]] = ", ".join(parts)
    return found


def _settings(runs: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Cell → its settings; those that do not apply are left out."""
    columns = [column.name for column in SETTINGS if column.name in runs]
    found = {}
    for run in runs.drop_duplicates("cell").to_dict("records"):
        found[run["cell"]] = {
            name: value for name in columns if (value := _value(run[name])) is not None
        }
    return found


def _shown(value: Any) -> str:
    value = _value(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _value(value: Any) -> Any:
    """A cell of a frame as JSON has it: whole numbers without a point, None for what does not exist."""
    if hasattr(value, "item"):
        value = value.item()
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return None
    if not isinstance(value, str | int | float | bool):
        return None if value != value else str(value)
    if isinstance(value, float):
        return int(value) if value == int(value) and abs(value) < 1e15 else float(f"{value:.6g}")
    return value
