"""Train the runs of one cohort that the store lacks, then write the cohort's frames."""

import warnings
from pathlib import Path

from regrok.announce import compiler
from regrok.build import STORE, read_roster, written_config
from regrok.collect import gather
from regrok.jobs import job, require_device
from regrok.progress import Lines
from regrok.provenance import fingerprint
from regrok.store import RunStore, write_parquet
from regrok.train import train_cohort

if not compiler():
    # The build has said so; every cohort would say it again.
    warnings.filterwarnings("ignore", message="training runs on torch's own operations")

with job(snakemake.log[0]):
    cohort, runs = read_roster(snakemake.input.roster)
    trainer = written_config(Path(snakemake.input.roster).parents[1]).trainer
    require_device(trainer.device)
    store = RunStore(STORE, fingerprint(runs[0].task.name, runs[0].model.name))
    train_cohort(
        cohort,
        runs,
        store,
        slots=trainer.slots,
        memory_gib=trainer.memory_gib,
        device=trainer.device,
        checkpoint_seconds=trainer.checkpoint_seconds,
        progress=Lines(),
    )
    frames = gather(cohort, [run.run_id for run in runs], store)
    for frame, path in zip(frames, snakemake.output, strict=True):
        write_parquet(frame, path)
