"""Write every number and word that the paper's prose takes from results."""

import json
from pathlib import Path

from regrok import frames
from regrok.build import written_config
from regrok.config.load import read_yaml
from regrok.jobs import job
from regrok.numbers import write_numbers
from regrok.store import read_fits

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
