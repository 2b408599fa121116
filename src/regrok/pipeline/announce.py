"""What a build says before and after: how much will be trained, how long it will take, what was made and where."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from regrok.errors import RegrokError
from regrok.paper.names import artifact, arxiv, pdf
from regrok.paper.program import latex
from regrok.pipeline.graph import RELEASED, Graph
from regrok.pipeline.script import TOLD
from regrok.pipeline.speed import arithmetic, history, kernels_problem, machine_speed
from regrok.released.probes import unmeasured, unreleased
from regrok.study.words import VERDICTS
from regrok.training.progress import clock

NO_LATEX = (
    "neither latexmk nor tectonic was found, so everything but the PDF is built. Install TeX with one of\n"
    "    apt-get install latexmk texlive-latex-extra texlive-fonts-recommended\n"
    "    brew install --cask mactex\n"
    "    conda install -c conda-forge tectonic\n"
    "  and run the same command again"
)


SLOW = (
    "training runs on torch's own operations, about three times slower and with other last digits"
)

MIXED = "; their last digits may differ from those of the runs to be trained. checks.json counts each kind"


def announce(graph: Graph, cores: int, elsewhere: bool = False) -> str:
    """What is about to be done: runs, jobs, minutes, disk.

    cores: jobs that may run at once. elsewhere: whether each of them has a machine to itself, as on a cluster.
    """
    from regrok.study.cost import makespan
    from regrok.study.plan import plan_frame
    from regrok.study.untrained import untrained

    if graph.config.source == "released":
        head = f"Regrok: {graph.config.scale} scale from the released runs in {RELEASED}/; nothing is trained."
        lacking = unreleased(RELEASED, graph.config)
        open_ = f"\n  open       what rests on {', '.join(lacking)}: not among the released probes"
        return head + (open_ if lacking else "") + to_compute(graph)
    device = graph.config.trainer.device
    stored = {run_id: kind for job in graph.jobs for run_id, kind in graph.finished(job).items()}
    due_jobs = {
        name
        for name, job in graph.training.jobs.items()
        if any(run.run_id not in stored for run in job.runs)
    }
    head = (
        f"Regrok: {graph.config.scale} scale, {counted(len(graph.plan.runs), 'run')} in "
        f"{counted(len(graph.training.jobs), 'job')} "
        f"for {counted(graph.plan.experiments['experiment'].nunique(), 'experiment')}"
    )
    if graph.held:
        head += f"; {len(graph.held)} of the runs are taken from {RELEASED}/"
        if not graph.jobs:
            return f"{head}. Nothing is trained." + to_probe(graph) + to_compute(graph)
    if not due_jobs:
        where = "The rest" if graph.held else "Every run"
        return f"{head}. {where} is in the store." + to_probe(graph) + to_compute(graph)
    workers = max(1, min(cores, len(due_jobs)))
    try:
        speed = machine_speed(1 if elsewhere else workers)
        now = arithmetic(device)
    except RegrokError as error:  # no job will get further than this either
        return f"{head}.\n  to mend    {error}"
    frame = plan_frame(graph.training, history(device, speed), speed.rate)
    due = frame[~frame["run_id"].isin(stored)]
    why = kernels_problem() if device == "cpu" else ""
    if why:
        os.environ[TOLD] = why  # for the jobs
    due_runs = [run for run_id, run in graph.plan.runs.items() if run_id not in stored]
    others = sum(kind != now for kind in stored.values()) if now else 0
    expected = makespan(due.groupby("job")["expected_seconds"].sum(), workers)
    worst = makespan(due.groupby("job")["worst_seconds"].sum(), workers)
    return (
        f"{head}.\n"
        f"  to train   {counted(len(due), 'run')}, {int(due['expected_steps'].sum()):,} steps "
        f"(in the store already: {counted(len(frame) - len(due), 'run')})\n"
        f"  predicted  {clock(max(expected, 1))} of training on {counted(workers, 'core')} like this machine's "
        f"({speed}); at most {clock(max(worst, 1))} if no run groks\n"
        f"  disk       {max(due['disk_bytes'].sum() / 1e6, 0.1):,.1f} MB\n"
        f"  details    regrok plan --scale {graph.config.scale}"
        + (" --set source=missing" if graph.held else "")
        + (f"\n  slow       {SLOW}: {why}" if why else "")
        + (
            f"\n  mixed      {others} of the stored runs were not computed by {now}{MIXED}"
            if others
            else ""
        )
        + to_probe(graph)
        + to_compute(graph)
        + "".join(f"\n  untrained  {each}" for each in untrained(due_runs))
    )


def counted(number: int, what: str) -> str:
    """`1 run`, `2 runs`."""
    return f"{number} {what}" if number == 1 else f"{number:,} {what}s"


def to_probe(graph: Graph) -> str:
    """A line on the probes whose tables are not there: how many runs each measures. Their cost is in `regrok plan`."""
    due = []
    for name in filter(graph.config.probes_here, graph.config.probes):
        runs = graph.probed(name)
        if graph.config.source != "trained":
            runs = unmeasured(RELEASED, graph.config, name, runs)
        if runs and not Path(graph.probes([name])[0]).exists():
            due.append(f"{name} on {counted(len(runs), 'run')}")
    return (
        f"\n  to probe   {', '.join(due)} (after training; regrok plan says what it takes)"
        if due
        else ""
    )


def to_compute(graph: Graph) -> str:
    """A line on what a build that takes released results has to compute itself, since none of it was released.

    `only` with experiments alone leaves all computations in, and those of the paper scale take hours.
    """
    config = graph.config
    if config.source == "trained":
        return ""
    due = [
        name
        for name in filter(config.computes_here, config.computations)
        if not graph.computed(name) and not Path(graph.computations([name])[0]).exists()
    ]
    return (
        f"\n  to compute {', '.join(due)}: not among the released ones, and may take hours; `only` with the "
        "computations that are wanted leaves out the others"
        if due
        else ""
    )


def conclude(graph: Graph, began: float, logs: Sequence[str] = ()) -> str:
    """What was built, where, and how long it took; `began` is the time at which the build started.

    Only what this build has made is named: a build of some files alone, or after an edit, makes few of them. logs:
    Snakemake's own, each with everything that it would have said.
    """
    results = graph.results
    lines = [f"Regrok: {graph.config.scale} scale built in {clock(time.time() - began)}."]
    if not latex():
        lines.append(f"  no PDF: {NO_LATEX}")
    places: dict[str, tuple[str | Path, ...]] = {
        "the paper": (pdf(graph.config),),
        "artifact appendix": (artifact(graph.config),),
        "sources for arXiv": (arxiv(graph.config),),
        "beside the released": (results / "comparison.html",),
        "runs and curves": (results / "runs.parquet", results / "curves.parquet"),
        "fits and verdicts": (results / "fits", results / "ledger.json"),
        "figures and tables": (results / "figures", results / "tables"),
    }
    for what, paths in places.items():
        made = [str(path) for path in paths if changed_since(Path(path), began)]
        if made:
            ask = " (regrok claims)" if str(results / "ledger.json") in made else ""
            lines.append(f"  {what:<19} {', '.join(made)}{ask}")
            if ask:
                lines.append(f"  {'verdicts':<19} {verdicts(results / 'ledger.json')}")
    return "\n".join([*lines, *full_log(logs)])


def stopped(graph: Graph, logs: Sequence[str] = ()) -> str:
    """What a build that failed says last. logs: as for `conclude`."""
    said = (
        f"Regrok: the build stopped; the message above says why, logs are in {graph.results}/logs/. "
        "Finished runs are kept: the same command goes on from here."
    )
    return "\n".join([said, *full_log(logs)])


def full_log(logs: Sequence[str]) -> list[str]:
    """Where all is that Snakemake would have said, and how to see it."""
    paths = [os.path.relpath(path) for path in logs]
    return [f"  {'full log':<19} {', '.join(paths)} (VERBOSE=1 shows it)"] if paths else []


def verdicts(path: Path) -> str:
    """`3 reproduced, 2 inconclusive`: the entries of a ledger that stand, in scope or not."""
    from regrok.judging.ledger import stands  # with pandas, which few need before a build

    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["claims"]
    except (OSError, ValueError, KeyError) as error:
        # A word too many after the build must not make a finished one fail.
        return f"{path} cannot be read ({error})"
    counts = Counter(entry["verdict"] for entry in entries if stands(entry))
    return ", ".join(f"{counts[word]} {word}" for word in VERDICTS if counts[word]) or "none"


def changed_since(path: Path, began: float) -> bool:
    """Whether the file, or one in the folder, was written after the build began."""
    files = path.iterdir() if path.is_dir() else [path]
    # File systems keep times to a second or so.
    return any(file.stat().st_mtime >= began - 1 for file in files if file.exists())
