"""Build one table, as TeX and as CSV."""

import json
from pathlib import Path

from regrok.files import read_fits
from regrok.pipeline.graph import written_config
from regrok.pipeline.script import job
from regrok.released import bundle
from regrok.runs import frames
from regrok.study.blocks import Table
from regrok.study.published import load_published
from regrok.tables import Material, write_table

with job(snakemake.log[0]):
    results = Path(snakemake.input.runs).parent
    config = written_config(results)
    material = Material(
        frames=frames.load(results),
        fits=read_fits(snakemake.input.fits),
        ledger=json.loads(Path(snakemake.input.ledger).read_text(encoding="utf-8")),
        config=config,
        published=load_published(config),
        benchmarks=[Path(path) for path in snakemake.input.benchmarks],
        elsewhere=bundle.ledgers(snakemake.input.elsewhere),
    )
    block = Table.model_validate(dict(snakemake.params.block))
    write_table(snakemake.wildcards.table, block, material, *snakemake.output)
