"""Merge the jobs' frames into the scale's."""

from pathlib import Path

import pandas as pd

from regrok.pipeline.script import job
from regrok.runs.gather import merge

with job(snakemake.log[0]):
    experiments = pd.DataFrame([dict(row) for row in snakemake.params.experiments])
    inputs = snakemake.input
    parts = zip(inputs.runs, inputs.curves, inputs.spectra, strict=True)
    merge(parts, Path(snakemake.output.runs).parent, experiments)
