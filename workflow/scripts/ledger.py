"""Judge every claim by its rule."""

from pathlib import Path

from regrok import frames
from regrok.build import written_config
from regrok.claims import load_claims
from regrok.jobs import job
from regrok.ledger import ledger
from regrok.store import read_fits, write_json

with job(snakemake.log[0]):
    results = Path(snakemake.output[0]).parent
    config = written_config(results)
    claims = load_claims(snakemake.input.claims, config)
    fits = read_fits(snakemake.input.fits)
    write_json(ledger(claims, fits, frames.load(results), config.scale), snakemake.output[0])
