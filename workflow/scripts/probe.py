"""Measure one probe on the runs of its experiments, or take the rows that were released of them."""

from regrok.pipeline import warm

warm.hand_over(__file__, snakemake)

from pathlib import Path

from regrok.files import write_parquet
from regrok.pipeline.probing import probed
from regrok.pipeline.script import job
from regrok.study.written import written_config

with job(snakemake.log[0]):
    # Checked when the configuration was read; what it says of this probe and its runs is among the parameters.
    config = written_config(Path(snakemake.output[0]).parents[1])
    made = probed(config, snakemake.wildcards.probe, list(snakemake.params.runs))
    write_parquet(made, snakemake.output[0])
