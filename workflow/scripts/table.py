"""Build one table, as TeX and as CSV."""

from regrok.pipeline import warm

warm.hand_over(__file__, snakemake)

import json
from pathlib import Path
from types import SimpleNamespace

from regrok.files import read_fits
from regrok.pipeline.script import job
from regrok.released import bundle
from regrok.runs import frames
from regrok.study.published import load_published
from regrok.study.written import written_config
from regrok.tables import MATERIAL, Material, Scope, write_table

with job(snakemake.log[0]):
    results = Path(snakemake.output.tex).parents[1]
    given = {what: snakemake.input.get(what) for what in MATERIAL}
    ledgers = [json.loads(Path(path).read_text(encoding="utf-8")) for path in given["ledger"] or []]
    material = Material(
        frames=frames.load(results) if given["frames"] else None,
        fits=read_fits(given["fits"] or []),
        computations=read_fits(given["computations"] or []),
        ledger=ledgers[0] if ledgers else {},
        scope=Scope(**snakemake.params.scope),
        published=load_published(written_config(results)) if given["published"] else None,
        benchmarks=[Path(path) for path in given["benchmarks"] or []],
        elsewhere=bundle.ledgers(given["elsewhere"] or []),
        retests=bundle.by_scale(given["retests"] or []),
    )
    # Checked when the configuration was read.
    block = SimpleNamespace(**snakemake.params.block)
    write_table(snakemake.wildcards.table, block, material, *snakemake.output)
