"""Write every number and word that the paper's prose takes from results."""

import json
from pathlib import Path
from types import SimpleNamespace

from regrok.files import read_fits
from regrok.paper.numbers import write_numbers
from regrok.pipeline.script import job
from regrok.runs import frames
from regrok.study.parse import read_yaml

with job(snakemake.log[0]):
    write_numbers(
        read_fits(snakemake.input.fits),
        json.loads(Path(snakemake.input.ledger).read_text(encoding="utf-8")),
        SimpleNamespace(experiments=list(snakemake.params.experiments)),
        frames.load(Path(snakemake.input.runs).parent),
        read_yaml(Path(snakemake.input.published)),
        *snakemake.output,
    )
