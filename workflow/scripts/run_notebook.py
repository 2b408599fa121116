"""Run one notebook."""

import os
from pathlib import Path

from regrok.pipeline.notebook import execute
from regrok.pipeline.script import job

with job(snakemake.log[0]):
    target = Path(snakemake.output[0])
    os.environ["REGROK_RESULTS"] = str(target.parents[1])
    execute(snakemake.input.notebook, target)
