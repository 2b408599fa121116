"""Train the runs of one job that the store lacks, cohort by cohort, then write the job's frames."""

import warnings
from pathlib import Path

from regrok.files import write_parquet
from regrok.pipeline.announce import compiler
from regrok.pipeline.graph import STORE, read_roster, written_config
from regrok.pipeline.script import job, require_device
from regrok.runs.gather import gather
from regrok.runs.store import RunStore
from regrok.training.fingerprint import fingerprint
from regrok.training.loop import train_cohort
from regrok.training.progress import Lines

if not compiler():
    # The build has said so; every job would say it again.
    warnings.filterwarnings("ignore", message="training runs on torch's own operations")

with job(snakemake.log[0]):
    cohorts = read_roster(snakemake.input.roster)
    trainer = written_config(Path(snakemake.input.roster).parents[1]).trainer
    require_device(trainer.device)
    first = next(iter(cohorts.values()))[0]
    store = RunStore(STORE, fingerprint(first.task.name, first.model.name))
    missing = [
        run
        for runs in cohorts.values()
        for run in runs
        if not store.finished(run.run_id, run.protocol.measure)
    ]
    progress = Lines(total=len(missing))
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
    frames = gather({name: [run.run_id for run in runs] for name, runs in cohorts.items()}, store)
    for frame, path in zip(frames, snakemake.output, strict=True):
        write_parquet(frame, path)
