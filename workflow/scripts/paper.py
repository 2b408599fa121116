"""Typeset the paper, and refuse it where it breaks a rule of its own."""

import json
from pathlib import Path

from regrok.paper.lint import check, lint_log, lint_sources
from regrok.paper.typeset import assemble, typeset
from regrok.pipeline.script import job
from regrok.study.written import written_config

with job(snakemake.log[0]):
    ledger = json.loads(Path(snakemake.input.ledger).read_text(encoding="utf-8"))
    results = Path(snakemake.input.ledger).parent
    config = written_config(results)
    paper = Path("paper")
    assemble(paper, results, config, ledger, snakemake.params.repository)
    check(lint_sources(paper, config, [claim["id"] for claim in ledger["claims"]]))
    made = Path(snakemake.output[0])
    try:
        check(lint_log(typeset(paper, made)))
    except BaseException:
        made.unlink(missing_ok=True)
        raise
