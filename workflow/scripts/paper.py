"""Typeset the paper, and refuse it where it breaks a rule of its own."""

import json
from pathlib import Path

from regrok.build import written_config
from regrok.jobs import job
from regrok.lint_paper import lint
from regrok.typeset import assemble, typeset

with job(snakemake.log[0]):
    ledger = json.loads(Path(snakemake.input.ledger).read_text(encoding="utf-8"))
    results = Path(snakemake.input.ledger).parent
    paper = Path("paper")
    assemble(paper, results, written_config(results), ledger)
    lint(paper)
    typeset(paper, snakemake.output[0])
