"""Compute one result that rests on no run."""

from regrok.computations import run_computation
from regrok.files import write_json
from regrok.pipeline.script import job

with job(snakemake.log[0]):
    # Checked when the configuration was read.
    made = run_computation(
        snakemake.wildcards.computation, snakemake.params.compute, snakemake.params.options
    )
    write_json(made, snakemake.output[0])
