"""Judge every claim by its rule."""

from regrok.pipeline import warm

warm.hand_over(__file__, snakemake)

from pathlib import Path

from regrok.files import read_fits, write_json
from regrok.judging.ledger import ledger
from regrok.pipeline.script import job
from regrok.runs import frames
from regrok.study.claims import load_claims
from regrok.study.written import written_config

with job(snakemake.log[0]):
    results = Path(snakemake.output[0]).parent
    config = written_config(results)
    claims = load_claims(config)
    fits = read_fits([*snakemake.input.fits, *snakemake.input.computations])
    write_json(ledger(claims, fits, frames.load(results), config.scale), snakemake.output[0])
