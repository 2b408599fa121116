"""Fit one law to the runs of its experiments."""

from pathlib import Path

from regrok.files import write_json
from regrok.laws import run_fit
from regrok.pipeline.script import job
from regrok.runs import frames
from regrok.study.blocks import Fit

with job(snakemake.log[0]):
    block = dict(snakemake.params.block)
    repeats = {name: Fit.model_validate(each) for name, each in block.pop("repeats", {}).items()}
    loaded = frames.load(Path(snakemake.input.runs).parent)
    made = run_fit(snakemake.wildcards.fit, Fit.model_validate(block), loaded, repeats)
    write_json(made, snakemake.output[0])
