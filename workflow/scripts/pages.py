"""Write the report's pages, captions and first page."""

from regrok.pipeline import warm

warm.hand_over(__file__, snakemake)

import json
from pathlib import Path

from regrok.files import read_parquet
from regrok.pipeline.script import job
from regrok.released import bundle
from regrok.report.pages import write_pages
from regrok.study.written import written_config

with job(snakemake.log[0]):
    results = Path(snakemake.input.runs).parent
    write_pages(
        written_config(results),
        results,
        json.loads(Path(snakemake.input.ledger).read_text(encoding="utf-8")),
        read_parquet(snakemake.input.runs),
        read_parquet(snakemake.input.experiments),
        snakemake.output.front,
        bundle.ledgers(snakemake.input.elsewhere),
    )
