"""`regrok replay RUN_ID`: retrain one run and lay its curve over the stored one."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from regrok.errors import RegrokError

if TYPE_CHECKING:
    import pandas as pd

    from regrok.runs.store import StoredRun


def add_parser(sub: argparse._SubParsersAction) -> None:
    parser = sub.add_parser(
        "replay",
        help="retrain one run and lay its curve over the stored one",
        description="Retrain one run from its stored settings and compare it with the stored run: to the bit on "
        "the machine type that trained it, within rounding's reach elsewhere.",
    )
    parser.add_argument("run_id", help="12 hexadecimal digits, or enough of them to be unique")
    parser.add_argument(
        "--store", default="results/store", help="the run store (default: %(default)s)"
    )
    parser.add_argument(
        "--output", default=None, help="the picture (default: results/replay/RUN_ID.png)"
    )
    parser.set_defaults(run=run)


def find(store: Path, prefix: str) -> Path:
    """The newest stored file of the run. Raises RegrokError when there is none or more than one run fits."""
    files = sorted(store.glob(f"*/{prefix}*.parquet"), key=lambda path: path.stat().st_mtime)
    names = sorted({path.stem for path in files})
    if not names:
        raise RegrokError(f"run {prefix}: not in {store}; `regrok plan` lists the runs of a scale")
    if len(names) > 1:
        raise RegrokError(
            f"run {prefix}: fits {len(names)} runs ({', '.join(names[:5])}); give more digits"
        )
    return files[-1]


def retrain(stored: StoredRun) -> StoredRun:
    """Train the run again by the present code, in a store of its own."""
    import tempfile

    from regrok.runs.store import RunStore
    from regrok.study.run import Run
    from regrok.training.loop import train_cohort
    from regrok.training.progress import Lines

    again = Run.model_validate(stored.settings, strict=False)
    with tempfile.TemporaryDirectory() as folder:
        store = RunStore(folder, "replay")
        train_cohort(stored.run_id, [again], store, slots=1, progress=Lines())
        found = store.read(again.run_id)
    assert found is not None
    return found


def compare(stored: pd.DataFrame, fresh: pd.DataFrame) -> str:
    """One sentence: identical to the bit, or where the curves part and by how much."""
    import numpy as np

    if stored.equals(fresh):
        return f"identical to the bit at all {len(fresh)} logged steps"
    both = stored.merge(fresh, on="step", suffixes=("_stored", "_fresh"))
    if both.empty:
        return "no logged step in common"
    apart = (both["V_stored"] - both["V_fresh"]).abs() / both["V_stored"]
    parts = np.flatnonzero(apart.to_numpy() > 1e-6)
    where = (
        f"they part at step {int(both['step'].iloc[parts[0]]):,}"
        if parts.size
        else "V agrees to 1e-6"
    )
    gap = (both["validation_accuracy_stored"] - both["validation_accuracy_fresh"]).abs().max()
    return f"not identical: {where}; largest difference in V {apart.max():.2%}, in validation accuracy {gap:.3f}"


def computed_by(stored: StoredRun) -> str:
    """What computed a run, in words."""
    kept = stored.facts.get("arithmetic")
    return f"{stored.facts['processor']}: {kept}" if kept else "arithmetic that was not kept"


def draw(stored: StoredRun, fresh: StoredRun, path: Path) -> None:
    """Accuracies and V of both runs, the stored one as a broad line under the fresh one."""
    from regrok.figures.parts.isolated import load_matplotlib

    load_matplotlib()
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcdefaults()  # the user's own style may need programs that are not there
    import matplotlib.pyplot as plt

    figure, (top, bottom) = plt.subplots(2, 1, figsize=(6, 5), sharex=True, layout="constrained")
    colours = {"train": "#0072B2", "validation": "#D55E00"}
    for run, broad in ((stored, True), (fresh, False)):
        style = {"linewidth": 4, "alpha": 0.35} if broad else {"linewidth": 1}
        word = "stored" if broad else "fresh"
        for name, colour in colours.items():
            known = run.curve[run.curve[f"{name}_examples"] > 0]
            label = f"{name}, {word}"
            top.plot(known["step"], known[f"{name}_accuracy"], color=colour, label=label, **style)
        bottom.plot(run.curve["step"], run.curve["V"], color="black", label=word, **style)
    top.set_ylabel("accuracy")
    top.legend(fontsize=7)
    bottom.set(ylabel=r"$V = \|\theta\|^2$", xlabel="step", yscale="log")
    bottom.legend(fontsize=7)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def run(arguments: argparse.Namespace) -> int:
    from regrok.runs.gather import row
    from regrok.runs.store import RunStore

    path = find(Path(arguments.store), arguments.run_id)
    stored = RunStore(path.parent.parent, path.parent.name).read(path.stem)
    if stored is None:
        raise RegrokError(f"{path}: could not be read; build again to retrain the run")
    fresh = retrain(stored)
    picture = Path(arguments.output or f"results/replay/{stored.run_id}.png")
    draw(stored, fresh, picture)
    before, after = row(stored), row(fresh)
    for event in ("T_mem", "T_grok", "outcome", "V_final"):
        print(f"{event:10} stored {before[event]}  fresh {after[event]}")
    print(f"curves     {compare(stored.curve, fresh.curve)}")
    theirs, ours = (computed_by(each) for each in (stored, fresh))
    if theirs != ours:
        print(f"arithmetic stored by {theirs}; fresh by {ours}: last digits may differ")
    print(f"picture    {picture}")
    return 0
