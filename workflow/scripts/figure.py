"""Draw one figure."""

from pathlib import Path

from regrok.figures import write_figure
from regrok.files import read_fits
from regrok.pipeline.script import job
from regrok.runs import frames
from regrok.study.blocks import Figure
from regrok.study.written import written_config

with job(snakemake.log[0]):
    results = Path(snakemake.input.runs).parent
    write_figure(
        snakemake.wildcards.figure,
        Figure.model_validate(dict(snakemake.params.block)),
        frames.load(results),
        read_fits(snakemake.input.fits),
        written_config(results),
        *snakemake.output,
    )
