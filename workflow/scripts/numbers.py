"""Write every number and word that the paper's prose takes from results."""

from regrok.pipeline import warm

warm.hand_over(__file__, snakemake)

import json
from pathlib import Path

from regrok.files import read_fits
from regrok.paper.numbers import write_numbers
from regrok.pipeline.script import job
from regrok.released import bundle
from regrok.runs import frames
from regrok.study.published import load_published
from regrok.study.written import written_config

with job(snakemake.log[0]):
    results = Path(snakemake.input.runs).parent
    config = written_config(results)
    write_numbers(
        read_fits([*snakemake.input.fits, *snakemake.input.computations]),
        json.loads(Path(snakemake.input.ledger).read_text(encoding="utf-8")),
        config,
        frames.load(results),
        load_published(config).constants,
        *snakemake.output,
        elsewhere=bundle.ledgers(snakemake.input.elsewhere),
    )
