"""Typeset the paper, and refuse it where it breaks a rule of its own."""

import json
from pathlib import Path

from regrok.paper import texts
from regrok.paper.assemble import assemble
from regrok.paper.lint import check, lint_log, lint_sources
from regrok.paper.names import folder
from regrok.paper.typeset import typeset
from regrok.pipeline.script import job
from regrok.released import bundle
from regrok.study.claims import load_claims
from regrok.study.written import written_config

with job(snakemake.log[0]):
    ledger = json.loads(Path(snakemake.input.ledger).read_text(encoding="utf-8"))
    results = Path(snakemake.input.ledger).parent
    config = written_config(results)
    made = Path(snakemake.output[0])
    claims = load_claims(config)
    explanations = {claim.id: claim.explanation for claim in claims.claims}
    here = assemble(
        ".",
        folder(made),
        results,
        config,
        ledger,
        explanations,
        snakemake.params.repository,
        bundle.ledgers(snakemake.input.elsewhere),
    )
    check(lint_sources(".", here, config, claims))
    try:
        sources = texts.files(".", config)
        check(lint_log(typeset(here, made, sources), sources))
    except BaseException:
        made.unlink(missing_ok=True)
        raise
