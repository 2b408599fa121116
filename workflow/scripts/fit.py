"""Fit one law to the runs of its experiments."""

from regrok.pipeline import warm

warm.hand_over(__file__, snakemake)

from pathlib import Path
from types import SimpleNamespace

from regrok.files import write_json
from regrok.laws import run_fit
from regrok.pipeline.script import job
from regrok.runs import frames
from regrok.runs.members import load_of

with job(snakemake.log[0]):
    # Checked when the configuration was read.
    block = dict(snakemake.params.block)
    repeats = {name: SimpleNamespace(**each) for name, each in block.pop("repeats", {}).items()}
    published = block.pop("published", {})
    # A fit of no experiment, as one that repeats others, reads all.
    experiments = block["experiments"]
    loaded = load_of(Path(snakemake.input.runs).parent, experiments)
    loaded = frames.with_probes(loaded, snakemake.input.get("probes") or [])
    made = run_fit(snakemake.wildcards.fit, SimpleNamespace(**block), loaded, repeats, published)
    write_json(made, snakemake.output[0])
