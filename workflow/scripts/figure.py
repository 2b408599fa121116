"""Draw one figure."""

from regrok.pipeline import warm

warm.hand_over(__file__, snakemake)

from pathlib import Path
from types import SimpleNamespace

from regrok.figures.parts.isolated import load_matplotlib

load_matplotlib()  # before anything else imports it, with settings of the user's

from regrok.figures.parts.drawing import write_figure
from regrok.files import read_fits
from regrok.pipeline.script import job
from regrok.runs.members import load_of

with job(snakemake.log[0]):
    write_figure(
        snakemake.wildcards.figure,
        # Checked when the configuration was read.
        SimpleNamespace(**snakemake.params.block),
        load_of(Path(snakemake.input.runs).parent, snakemake.params.block["experiments"]),
        read_fits([*snakemake.input.fits, *snakemake.input.computations]),
        *snakemake.output,
    )
