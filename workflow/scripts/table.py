"""Build one table, as TeX and as CSV."""

import json
from pathlib import Path
from types import SimpleNamespace

from regrok.files import read_fits
from regrok.pipeline.script import job
from regrok.released import bundle
from regrok.runs import frames
from regrok.study.parse import read_yaml
from regrok.tables import Material, Scope, write_table

with job(snakemake.log[0]):
    material = Material(
        frames=frames.load(Path(snakemake.input.runs).parent),
        fits=read_fits(snakemake.input.fits),
        ledger=json.loads(Path(snakemake.input.ledger).read_text(encoding="utf-8")),
        scope=Scope(**snakemake.params.scope),
        published=read_yaml(Path(snakemake.input.published)),
        deviations=read_yaml(Path(snakemake.input.deviations))["deviations"],
        benchmarks=[Path(path) for path in snakemake.input.benchmarks],
        elsewhere=bundle.ledgers(snakemake.input.elsewhere),
    )
    # Checked when the configuration was read.
    block = SimpleNamespace(**snakemake.params.block)
    write_table(snakemake.wildcards.table, block, material, *snakemake.output)
