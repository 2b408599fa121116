"""Adding to what was released: runs that the bundle holds are taken as they are, and only what it lacks is trained.

A build with `source: missing` trains the planned runs that the bundle of its scale does not hold, and lays the others
beside them. `regrok release --add` puts such a build into the bundle. A kept run stays what its own training gave:
its row, its curve (thinned once, then), and the fingerprint of the code that trained it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from regrok.errors import RegrokError
from regrok.released import bundle
from regrok.study.plan import make_plan
from regrok.study.written import CONFIG, written_config

if TYPE_CHECKING:
    import pandas as pd

    from regrok.runs.frames import Frames
    from regrok.study.run import Run

# pandas is imported where frames are read: the Snakefile reads this module once per job.

BUILD = "snakemake --cores all --config scale={scale} source=missing"
"""What trains the runs that the bundle of a scale lacks."""


def serves(held: Run, asked: Run) -> bool:
    """Whether a run was measured as it is asked for: the same observables, as often or more."""
    had, wants = held.protocol, asked.protocol
    if not wants.measure:
        return True
    return set(wants.measure) <= set(had.measure) and wants.measure_every % had.measure_every == 0


def held(folder: Path | str, scale: str, planned: Mapping[str, Run]) -> set[str]:
    """The planned runs that the bundle holds, measured as they are asked for now; empty where it lacks the scale.

    planned: run_id → run. What a released run was asked to measure stands in the config.json of its release, which
    plans exactly the runs that were released. Raises RegrokError when that was written for another version.
    """
    part = Path(folder) / scale
    if not part.is_dir():
        return set()
    try:
        then = make_plan(written_config(part)).runs
    except ValidationError as error:
        raise RegrokError(
            f"{part / CONFIG}: not a configuration of this version ({error.errors()[0]['msg']}); write it anew: "
            f"regrok release --scale {scale} --again"
        ) from error
    return {
        run_id for run_id, run in planned.items() if run_id in then and serves(then[run_id], run)
    }


def kept(folder: Path | str, scale: str, planned: Mapping[str, Run]) -> Frames:
    """The bundle's frames of the runs that it holds as they are asked for, with every column of today."""
    from regrok.released.completed import completed

    frames = chosen(bundle.frames_of(folder, scale), held(folder, scale, planned))
    return completed(frames, planned)


def chosen(frames: Frames, ids: Iterable[str]) -> Frames:
    """The part of the frames that is of these runs."""
    from regrok.runs.frames import Frames

    wanted = set(ids)

    def part(frame: pd.DataFrame) -> pd.DataFrame:
        return frame[frame["run_id"].isin(wanted)].reset_index(drop=True)

    return Frames(
        part(frames.runs), part(frames.curves), part(frames.experiments), part(frames.spectra)
    )


# Released ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Earlier:
    """What a release adds to."""

    runs: frozenset[str]
    """Those that are kept."""
    dropped: tuple[str, ...]
    """Those of the bundle that are no longer asked for, or not as they were measured."""
    record: Mapping[str, Any]
    """Its provenance.json."""

    @property
    def commits(self) -> dict[tuple[str, str, str], str]:
        """(task, model, trainer) → the commit that trained those runs."""
        return {(e["task"], e["model"], e["trainer"]): e["commit"] for e in self.record["training"]}

    def told(self, frames: Frames) -> dict[str, Any]:
        """What provenance says of an addition: what was kept, trained and dropped, and the builds before."""
        before = {key: self.record[key] for key in ("build", "machine", "runs")}
        return {
            "added": {
                "kept": len(self.runs),
                "trained": len(frames.runs) - len(self.runs),
                "dropped": list(self.dropped),
            },
            "earlier": [before, *self.record.get("earlier", [])],
        }


def earlier(
    folder: Path, scale: str, planned: Mapping[str, Run], built: Frames, points: int
) -> Earlier:
    """What the bundle holds of the runs of a build with `source: missing`.

    planned: run_id → run. points: to which curves are thinned. Raises RegrokError when the bundle lacks the scale, is
    damaged or has changed since the build took its runs, and when its curves were thinned to another number.
    """
    bundle.refuse_absent(folder, scale)
    bundle.refuse_damage(folder, f"{scale}/")
    part = folder / scale
    record = json.loads((part / "provenance.json").read_text(encoding="utf-8"))
    if (thinned := record["thinning"]["points"]) != points:
        raise RegrokError(
            f"{part}: its curves were thinned to {thinned:,} points, and a curve is thinned once: add with "
            f"--points {thinned}"
        )
    ours = kept(folder, scale, planned)
    ids = frozenset(ours.runs["run_id"])
    theirs = chosen(built, ids)
    for name in ("runs", "curves", "spectra"):
        if not alike(getattr(ours, name), getattr(theirs, name)):
            raise RegrokError(
                f"{part}/{name}.parquet has changed since the build took its runs; build again: "
                + BUILD.format(scale=scale)
            )
    released = bundle.frames_of(folder, scale).runs["run_id"]
    return Earlier(ids, tuple(sorted(set(released) - ids)), record)


def alike(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    """Whether the rows of the first are those of the other, in the columns of the first, whatever the types."""
    if len(one) != len(other) or not set(one) <= set(other):
        return False
    left, right = (each[list(one)].astype(object) for each in (one, other))
    same = (left.to_numpy() == right.to_numpy()) | (left.isna() & right.isna()).to_numpy()
    return bool(same.all())


def sampled(frames: Frames, commits: Mapping[str, str]) -> dict[str, int]:
    """Commit → its runs of which a set was evaluated in part, or not at all, at some logged step after T_grok.

    commits: run_id → commit that trained it.
    """
    about = frames.runs[["run_id", "T_grok", "train_size", "validation_size"]]
    points = frames.curves.merge(about.dropna(subset=["T_grok"]), on="run_id")
    points = points[points["step"] > points["T_grok"]]
    whole = (points["train_examples"] == points["train_size"]) & (
        points["validation_examples"] == points["validation_size"]
    )
    found: dict[str, int] = {}
    for run_id in sorted(set(points.loc[~whole, "run_id"])):
        found[commits[run_id]] = found.get(commits[run_id], 0) + 1
    return found
