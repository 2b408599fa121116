"""Write every number and word that the paper's prose takes from results."""

import json
from pathlib import Path

from regrok.files import read_fits
from regrok.paper.numbers import write_numbers
from regrok.pipeline.script import job
from regrok.runs import frames
from regrok.study.parse import read_yaml
from regrok.study.written import written_config

with job(snakemake.log[0]):
    results = Path(snakemake.input.runs).parent
    write_numbers(
        read_fits(snakemake.input.fits),
        json.loads(Path(snakemake.input.ledger).read_text(encoding="utf-8")),
        written_config(results),
        frames.load(results),
        read_yaml(Path(snakemake.input.published)),
        *snakemake.output,
    )
