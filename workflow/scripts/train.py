"""Train the runs of one job that the store lacks, cohort by cohort, then write down which runs and code these were."""

import warnings
from pathlib import Path

from regrok.pipeline.rosters import STORE, read_roster, write_trained
from regrok.pipeline.script import job, require_device, told
from regrok.runs.store import RunStore
from regrok.study.written import written_config
from regrok.training.generations import trained_by
from regrok.training.loop import train_cohort
from regrok.training.progress import Lines, Noted, shown
from regrok.training.starts import unfinished

if told():
    warnings.filterwarnings("ignore", message="training runs on torch's own operations")

with job(snakemake.log[0]) as log:
    cohorts = read_roster(snakemake.input.roster)
    trainer = written_config(Path(snakemake.input.roster).parents[1]).trainer
    require_device(trainer.device)
    first = next(iter(cohorts.values()))[0]
    store = RunStore(STORE, trained_by(first.task.name, first.model.name))
    missing = unfinished([run for runs in cohorts.values() for run in runs], store)
    total = len(missing)
    progress = Noted(log, snakemake.log[0], total) if shown() else Lines(total=total)
    for cohort, runs in cohorts.items():
        train_cohort(
            cohort,
            runs,
            store,
            slots=trainer.slots,
            memory_gib=trainer.memory_gib,
            device=trainer.device,
            checkpoint_seconds=trainer.checkpoint_seconds,
            progress=progress,
        )
    every = [run for runs in cohorts.values() for run in runs]
    write_trained(snakemake.output[0], snakemake.input.roster, every, store)
    progress.end()
