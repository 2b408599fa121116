"""Typeset the artifact appendix and the reproducibility checklist."""

import json
from pathlib import Path

from regrok.paper.artifact import build
from regrok.paper.names import folder
from regrok.pipeline.script import job
from regrok.study.written import written_config

with job(snakemake.log[0]):
    results = Path(snakemake.input.numbers).parent
    checks = json.loads(Path(snakemake.input.checks).read_text(encoding="utf-8"))
    made = snakemake.output[0]
    build(".", folder(made), results, written_config(results), checks, made)
