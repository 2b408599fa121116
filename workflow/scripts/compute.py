"""Compute one result that rests on no run, or take the released one of the same code and options."""

from regrok.pipeline import warm

warm.hand_over(__file__, snakemake)

from regrok.computations import result
from regrok.files import read_fits, write_json
from regrok.pipeline.script import job
from regrok.released import bundle

with job(snakemake.log[0]) as log:
    name = snakemake.wildcards.computation
    if released := list(snakemake.input.released):
        bundle.refuse_damage(bundle.RELEASED, f"{snakemake.params.scale}/computations/")
    earlier = list(read_fits(released).values())
    # Checked when the configuration was read.
    made = result(name, snakemake.params.compute, snakemake.params.options, earlier)
    if made in earlier:
        print(f"taken from {released[0]}, which this code made of these options", file=log)
    write_json(made, snakemake.output[0])
