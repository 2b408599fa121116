"""Gather the jobs' runs from the store into the scale's frames."""

from pathlib import Path

import pandas as pd

from regrok.pipeline.rosters import STORE, read_roster
from regrok.pipeline.script import job
from regrok.runs.gather import write_frames
from regrok.runs.store import RunStore
from regrok.training.generations import trained_by


def asked(roster):
    """A job's cohorts, and the store that holds their runs."""
    cohorts = read_roster(roster)
    first = next(iter(cohorts.values()))[0]
    # Where a run is trained only for others to start from it, no experiment of this build has it.
    members = {name: [run for run in runs if run.run_id in known] for name, runs in cohorts.items()}
    return members, RunStore(STORE, trained_by(first.task.name, first.model.name))


with job(snakemake.log[0]):
    experiments = pd.DataFrame([dict(row) for row in snakemake.params.experiments])
    known = set(experiments["run_id"])
    folder = Path(snakemake.output.runs).parent
    write_frames(map(asked, snakemake.input.rosters), folder, experiments)
