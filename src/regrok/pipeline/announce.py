"""What a build says before and after: how much will be trained, how long it will take, what was made and where."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from regrok.files import read_parquet
from regrok.paper.names import artifact, arxiv, pdf
from regrok.paper.program import latex
from regrok.pipeline.graph import RELEASED, Graph
from regrok.pipeline.script import compiler
from regrok.training.progress import clock

NO_LATEX = (
    "neither latexmk nor tectonic was found, so everything but the PDF is built. Install TeX with one of\n"
    "    apt-get install latexmk texlive-latex-extra texlive-fonts-recommended\n"
    "    brew install --cask mactex\n"
    "    conda install -c conda-forge tectonic\n"
    "  and run the same command again"
)


NO_COMPILER = (
    "no C++ compiler was found, so training runs on torch's own operations, about three times slower; "
    "install g++ or clang, or name a compiler in CXX"
)


def announce(graph: Graph, cores: int) -> str:
    """What is about to be done: runs, jobs, minutes, disk."""
    from regrok.study.cost import machine_rate, makespan
    from regrok.study.plan import plan_frame

    if graph.config.source == "released":
        return f"Regrok: {graph.config.scale} scale from the released runs in {RELEASED}/; nothing is trained."
    missing = {name: set(graph.missing(name)) for name in graph.jobs}
    absent = set().union(*missing.values()) if missing else set()
    frame = plan_frame(graph.plan, history(), machine_rate())
    due = frame[frame["run_id"].isin(absent)]
    head = (
        f"Regrok: {graph.config.scale} scale, {len(graph.plan.runs)} runs in {len(graph.plan.jobs)} jobs "
        f"for {graph.plan.experiments['experiment'].nunique()} experiments"
    )
    if due.empty:
        return f"{head}. Every run is in the store."
    workers = max(1, min(cores, due["job"].nunique()))
    expected = makespan(due.groupby("job")["expected_seconds"].sum(), workers)
    worst = makespan(due.groupby("job")["worst_seconds"].sum(), workers)
    return (
        f"{head}.\n"
        f"  to train   {len(due)} runs, {int(due['expected_steps'].sum()):,} steps "
        f"({len(frame) - len(due)} runs are in the store)\n"
        f"  predicted  {clock(expected)} of training on {workers} cores like this machine's; "
        f"at most {clock(worst)} if no run groks\n"
        f"  disk       {due['disk_bytes'].sum() / 1e6:,.1f} MB\n"
        f"  watch      a line per job below; details: regrok plan --scale {graph.config.scale}"
        + (
            ""
            if compiler() or graph.config.trainer.device != "cpu"
            else f"\n  slow       {NO_COMPILER}"
        )
    )


def history() -> Any:
    """Finished runs of any scale, for the prediction; None when there are none."""
    import pandas as pd

    found = [
        p
        for p in [*Path("results").glob("*/runs.parquet"), *RELEASED.glob("*/runs.parquet")]
        if p.exists()
    ]
    frames = []
    for path in found:
        try:
            frames.append(read_parquet(path, ["cell", "cohort", "steps", "wall_seconds"]))
        except (OSError, ValueError):
            continue  # a prediction can do without a file that the build itself will complain about
    return pd.concat(frames, ignore_index=True) if frames else None


def conclude(graph: Graph, began: float) -> str:
    """What was built, where, and how long it took; `began` is the time at which the build started.

    Only what this build has made is named: a build of some files alone, or after an edit, makes few of them.
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
    return "\n".join(lines)


def changed_since(path: Path, began: float) -> bool:
    """Whether the file, or one in the folder, was written after the build began."""
    files = path.iterdir() if path.is_dir() else [path]
    # File systems keep times to a second or so.
    return any(file.stat().st_mtime >= began - 1 for file in files if file.exists())
