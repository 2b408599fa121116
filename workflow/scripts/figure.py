"""Draw one figure."""

from pathlib import Path

from regrok import frames
from regrok.build import written_config
from regrok.config import Figure
from regrok.figures import write_figure
from regrok.jobs import job
from regrok.store import read_fits

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
