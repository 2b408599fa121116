"""Gather the jobs' runs from the store into the scale's frames."""

from pathlib import Path

import pandas as pd

from regrok.pipeline.rosters import stored
from regrok.pipeline.script import job
from regrok.runs.gather import write_frames

with job(snakemake.log[0]):
    rows = [dict(row) for row in snakemake.params.experiments]
    known = {row["run_id"] for row in rows}
    folder = Path(snakemake.output.runs).parent
    jobs = (stored(roster, known) for roster in snakemake.input.rosters)
    write_frames(jobs, folder, pd.DataFrame(rows))
