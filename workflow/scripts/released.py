"""Take the released runs as this build's: those that the studies ask for."""

from pathlib import Path

from regrok.files import write_parquet
from regrok.pipeline.script import job
from regrok.released import bundle
from regrok.runs.frames import NAMES

with job(snakemake.log[0]):
    source = Path(snakemake.input.runs).parent
    membership = [dict(row) for row in snakemake.params.experiments]
    bundle.refuse_damage(source.parent, f"{source.name}/")
    held = bundle.frames_of(source.parent, source.name)
    frames = bundle.part_for(held, membership, source.name, source.parent)
    for name in NAMES:
        write_parquet(getattr(frames, name), snakemake.output[name])
