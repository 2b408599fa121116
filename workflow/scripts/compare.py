"""Lay this build beside the released one."""

import json
from pathlib import Path

from regrok.pipeline.script import job
from regrok.released import bundle
from regrok.released.compare import compare
from regrok.released.page import write_page
from regrok.runs.frames import load

with job(snakemake.log[0]):
    source = Path(snakemake.input.released[0]).parent
    bundle.refuse_damage(source.parent, f"{source.name}/")
    ledgers = [
        json.loads(Path(path).read_text(encoding="utf-8"))
        for path in (snakemake.input.ledger, source / "ledger.json")
    ]
    found = compare(load(Path(snakemake.input.runs).parent), ledgers[0], load(source), ledgers[1])
    write_page(found, source.name, snakemake.output[0])
