"""Take the released frames as this build's."""

import shutil

from regrok.jobs import job

with job(snakemake.log[0]):
    for source, target in zip(snakemake.input, snakemake.output, strict=True):
        shutil.copyfile(source, target)
