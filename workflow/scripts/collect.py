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
    return cohorts, RunStore(STORE, trained_by(first.task.name, first.model.name))


with job(snakemake.log[0]):
    experiments = pd.DataFrame([dict(row) for row in snakemake.params.experiments])
    folder = Path(snakemake.output.runs).parent
    write_frames(map(asked, snakemake.input.rosters), folder, experiments)
