"""Lay the runs that were trained here beside those that the bundle holds as they are asked for."""

from pathlib import Path

import pandas as pd

from regrok.pipeline.rosters import stored
from regrok.pipeline.script import job
from regrok.released import added, bundle
from regrok.runs.gather import write_frames
from regrok.study.plan import make_plan
from regrok.study.written import written_config

with job(snakemake.log[0]):
    source = Path(snakemake.input.released[0]).parent
    results = Path(snakemake.output.runs).parent
    bundle.refuse_damage(source.parent, f"{source.name}/")
    kept = added.kept(source.parent, source.name, make_plan(written_config(results)).runs)
    experiments = pd.DataFrame([dict(row) for row in snakemake.params.experiments])
    trained = set(experiments["run_id"]) - set(kept.runs["run_id"])
    jobs = (stored(roster, trained) for roster in snakemake.input.rosters)
    write_frames(jobs, results, experiments, kept)
