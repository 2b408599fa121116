"""Build one table, as TeX and as CSV."""

import json
from pathlib import Path
from types import SimpleNamespace

from regrok.files import read_fits
from regrok.pipeline.script import job
from regrok.released import bundle
from regrok.runs import frames
from regrok.study.published import load_published
from regrok.study.written import written_config
from regrok.tables import Material, Scope, write_table

with job(snakemake.log[0]):
    results = Path(snakemake.input.runs).parent
    material = Material(
        frames=frames.load(results),
        fits=read_fits(snakemake.input.fits),
        ledger=json.loads(Path(snakemake.input.ledger).read_text(encoding="utf-8")),
        scope=Scope(**snakemake.params.scope),
        published=load_published(written_config(results)),
        benchmarks=[Path(path) for path in snakemake.input.benchmarks],
        elsewhere=bundle.ledgers(snakemake.input.elsewhere),
    )
    # Checked when the configuration was read.
    block = SimpleNamespace(**snakemake.params.block)
    write_table(snakemake.wildcards.table, block, material, *snakemake.output)
