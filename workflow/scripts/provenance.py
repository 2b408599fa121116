"""Record what built this scale: commit, machine, versions, CPU hours."""

from pathlib import Path

from regrok.files import write_json
from regrok.pipeline.machine import origin
from regrok.pipeline.script import job
from regrok.runs.frames import load

with job(snakemake.log[0]):
    write_json(origin(load(Path(snakemake.output[0]).parent)), snakemake.output[0])
