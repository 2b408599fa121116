"""Rosters, the files between plan and store: which runs a training job has, by which code, and which it has finished.

Jobs read them without the plan and the workflow.
"""

from __future__ import annotations

import json
from collections.abc import Container, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regrok.errors import RegrokError
from regrok.files import write_atomically

if TYPE_CHECKING:
    from regrok.runs.store import RunStore
    from regrok.study.run import Run

STORE = Path("results/store")
"""Every finished run, whichever scale or study asked for it."""


def repairs(path: Path) -> int:
    """How often the job of this roster was due again because the store had lost a run; 0 for a new one."""
    try:
        return int(json.loads(path.read_text(encoding="utf-8"))["repairs"])
    except (OSError, ValueError, KeyError):
        return 0


def write_trained(
    path: str | Path, roster: str | Path, runs: Iterable[Run], store: RunStore
) -> None:
    """Write that the store has the runs of a roster, and the fingerprint of the code that trained each."""
    asked = json.loads(Path(roster).read_text(encoding="utf-8"))
    trainers = {run.run_id: store.trainer_of(run) for run in runs}
    made = {"job": asked["job"], "code": asked["code"], "runs": trainers}
    write_atomically(Path(path), (json.dumps(made, indent=1) + "\n").encode())


def as_asked(run: Run) -> dict[str, Any]:
    """A run as its roster has it: plain values, without what nothing of it rests on.

    How often a run is measured says nothing where nothing is measured; every point stands for it, which any run can
    have. What a later version added is left out where it is null, so that a roster from before still says the same.
    """
    asked = run.model_dump(mode="json")
    for key in ("stop", "keep"):
        if asked["protocol"][key] is None:
            del asked["protocol"][key]
    if asked["start"] is None:
        del asked["start"]
    protocol = asked["protocol"]
    if not protocol["measure"]:
        protocol["measure_every"] = protocol["log_every"]
    return asked


def read_roster(path: str | Path) -> dict[str, list[Any]]:
    """The runs of each cohort of a job, by its name, as `write_rosters` wrote them."""
    from regrok.study.run import Run

    content = json.loads(Path(path).read_text(encoding="utf-8"))
    # JSON has lists where the types have tuples, hence not strict.
    return {
        cohort: [Run.model_validate(run, strict=False) for run in runs]
        for cohort, runs in content["cohorts"].items()
    }


def stored(path: str | Path, wanted: Container[str]) -> tuple[dict[str, list[Any]], RunStore]:
    """Those runs of each cohort of a job that are wanted, and the store that holds them.

    A run may be trained only for others to start from it: then no experiment has it, or its frames come from elsewhere.
    """
    from regrok.runs.store import RunStore
    from regrok.training.generations import trained_by

    cohorts = read_roster(path)
    first = next(iter(cohorts.values()))[0]
    members = {
        name: [run for run in runs if run.run_id in wanted] for name, runs in cohorts.items()
    }
    return members, RunStore(STORE, trained_by(first.task.name, first.model.name))


def write_if_changed(path: Path, text: str) -> bool:
    """Whether the file had to be written; a file that already says this keeps its date."""
    try:
        if path.exists() and path.read_text(encoding="utf-8") == text:
            return False
    except OSError as error:
        raise RegrokError(f"{path}: cannot be read ({error.strerror})") from error
    write_atomically(path, text.encode())
    return True


def read_or_nothing(path: Path) -> str:
    """The file's text; nothing where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
