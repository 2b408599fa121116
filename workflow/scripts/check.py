"""Refuse results that contradict themselves."""

from regrok.pipeline import warm

warm.hand_over(__file__, snakemake)

import json
import sys
from pathlib import Path

from regrok.files import read_fits, write_json
from regrok.pipeline.script import job
from regrok.runs import frames
from regrok.runs.arithmetic import mixed
from regrok.runs.checks import check

with job(snakemake.log[0]):
    results = Path(snakemake.output[0]).parent
    ledger = json.loads(Path(snakemake.input.ledger).read_text(encoding="utf-8"))
    made = read_fits([*snakemake.input.fits, *snakemake.input.computations])
    found = check(frames.load(results), made, ledger["claims"])
    if told := mixed(found["arithmetic"]):
        print(f"regrok: {told}", file=sys.stderr)
    write_json(found, snakemake.output[0])
