"""Record what built this scale: commit, machine, versions, CPU hours."""

from pathlib import Path

from regrok.frames import load
from regrok.jobs import job
from regrok.origin import origin
from regrok.store import write_json

with job(snakemake.log[0]):
    write_json(origin(load(Path(snakemake.output[0]).parent)), snakemake.output[0])
