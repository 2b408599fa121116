"""`regrok replay RUN_ID`: retrain one run and lay its curve over the one that is stored here, or that ships.

`regrok replay COMPUTATION` computes a released result that rests on no run again: see regrok.commands.recompute.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regrok.commands.options import add_bundle_option
from regrok.errors import RegrokError
from regrok.surroundings import one_thread

if TYPE_CHECKING:
    import pandas as pd

    from regrok.runs.store import StoredRun


def add_parser(sub: argparse._SubParsersAction) -> None:
    parser = sub.add_parser(
        "replay",
        help="retrain one run and lay its curve over the stored or released one",
        description="Retrain one run from its settings and compare it with the run as it is in the store, else as it "
        "ships in the released bundle: to the bit on the machine type that trained it, within rounding's reach "
        "elsewhere. `regrok claims A3` and runs.parquet name runs. A result that rests on no run is computed again.",
        epilog="examples: regrok replay 3f2a1c · regrok replay 3f2a1c --output here.png · regrok replay two_circuits",
    )
    parser.add_argument(
        "run_id",
        help="12 hexadecimal digits, or enough of them to be unique; or the name of a released computation",
    )
    parser.add_argument(
        "--store", default="results/store", help="the run store (default: %(default)s)"
    )
    parser.add_argument(
        "--output", default=None, help="the picture (default: results/replay/RUN_ID.png)"
    )
    parser.add_argument(
        "--keep",
        action="store_true",
        help="where a computation gives the released result to the last digit, name the present code in the bundle",
    )
    add_bundle_option(parser)
    parser.set_defaults(run=run)


def find(store: Path, prefix: str) -> Path | None:
    """The newest stored file of the run; None when there is none. Raises RegrokError when more than one run fits."""
    files = sorted(store.glob(f"*/{prefix}*.parquet"), key=lambda path: path.stat().st_mtime)
    if not files:
        return None
    only_one(prefix, {path.stem for path in files})
    return files[-1]


def only_one(prefix: str, names: Collection[str]) -> None:
    """Raise RegrokError where the digits fit more than one run."""
    if len(names) > 1:
        raise RegrokError(
            f"run {prefix}: fits {len(names)} runs ({', '.join(sorted(names)[:5])}); give more digits"
        )


def stored_run(store: Path, prefix: str) -> StoredRun | None:
    """The run as it is in the store; None when it is not. Raises RegrokError where more fit, or it cannot be read."""
    from regrok.runs.store import RunStore

    path = find(store, prefix)
    if path is None:
        return None
    stored = RunStore(path.parent.parent, path.parent.name).read(path.stem)
    if stored is None:
        raise RegrokError(f"{path}: could not be read; build again to retrain the run")
    return stored


def released_run(folder: Path, prefix: str) -> StoredRun | None:
    """The run as it ships, its curve thinned; None when no scale of the bundle has it.

    Its settings are those that the released configuration plans under its name. Raises RegrokError where more runs fit.
    """
    from regrok.released import bundle
    from regrok.runs.store import StoredRun
    from regrok.study.plan import make_plan
    from regrok.study.written import written_config

    for scale in bundle.scales(folder):
        frames = bundle.frames_of(folder, scale)
        rows = frames.runs[frames.runs["run_id"].str.startswith(prefix)]
        if rows.empty:
            continue
        only_one(prefix, set(rows["run_id"]))
        row = rows.iloc[0]
        planned = make_plan(written_config(folder / scale)).runs.get(row["run_id"])
        if planned is None:
            raise RegrokError(
                f"run {row['run_id']}: {folder / scale}/config.json plans it under another name, so its settings are "
                "not known here; check out the commit that released it (provenance.json)"
            )
        facts = {
            name: row[name]
            for name in ("parameters", "cohort", "wall_seconds", "device", "trainer", "processor")
        }
        facts |= {name: row["outcome"] == name for name in ("collapsed", "diverged")}
        facts |= {"arithmetic": row["arithmetic"]}

        def of(frame: pd.DataFrame, run_id: str = row["run_id"]) -> pd.DataFrame:
            own = frame[frame["run_id"] == run_id].drop(columns="run_id")
            return own.dropna(axis=1, how="all").reset_index(drop=True)

        settings = planned.model_dump(mode="json")
        return StoredRun(planned.run_id, facts, settings, {}, of(frames.curves), of(frames.spectra))
    return None


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
    """One sentence: identical to the bit, or where the curves part and by how much.

    stored: with some of the logged steps alone where it was thinned.
    """
    import numpy as np

    if stored.equals(fresh):
        return f"identical to the bit at all {len(fresh)} logged steps"
    same = fresh[fresh["step"].isin(stored["step"])].reset_index(drop=True)
    columns = [name for name in stored if name in fresh]
    if len(same) == len(stored) and np.array_equal(
        stored[columns].to_numpy(float), same[columns].to_numpy(float), equal_nan=True
    ):
        return f"identical to the bit at the {len(stored)} of {len(fresh)} logged steps that ship"
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
    # More threads cut sums elsewhere, and last digits would differ from those of a build.
    one_thread(os.environ)

    from regrok.commands.recompute import held
    from regrok.runs.gather import row

    asked, store, folder = arguments.run_id, Path(arguments.store), arguments.bundle
    if released := held(folder, asked):
        return recompute(asked, released, folder, arguments.keep)
    if arguments.keep:
        raise RegrokError(f"--keep is of released computations, and {asked} is none of {folder}")
    stored = stored_run(store, asked)
    word = "stored"
    if stored is None:
        stored, word = released_run(folder, asked), "released"
    if stored is None:
        raise RegrokError(
            f"run {asked}: neither in {store} nor in {folder}; `regrok plan --format csv` lists the runs of a scale, "
            "`regrok claims ID` those of a claim, and computations are named in studies/*/study.yaml"
        )
    fresh = retrain(stored)
    picture = Path(arguments.output or f"results/replay/{stored.run_id}.png")
    draw(stored, fresh, picture)
    before, after = row(stored), row(fresh)
    for event in ("T_mem", "T_grok", "outcome", "V_final"):
        print(f"{event:10} {word} {before[event]}  fresh {after[event]}")
    print(f"curves     {compare(stored.curve, fresh.curve)}")
    theirs, ours = (computed_by(each) for each in (stored, fresh))
    if theirs != ours:
        print(f"arithmetic {word}: {theirs}; fresh: {ours}; last digits may differ")
    print(f"picture    {picture}")
    return 0


def recompute(name: str, released: Mapping[str, dict[str, Any]], folder: Path, keep: bool) -> int:
    """Compute a released result of each scale again; with `keep` the bundle names what gives the same."""
    from regrok.commands import recompute
    from regrok.released.fill import describe_bundle

    kept = []
    for scale, shipped in released.items():
        fresh = recompute.again(shipped)
        print(f"{name}, {scale} scale", *recompute.compared(shipped, fresh), sep="\n")
        if keep and shipped["code"] != fresh["code"]:
            if recompute.keep(folder, scale, shipped, fresh):
                kept.append(scale)
            else:
                print(
                    "kept       as it was: what the present code gives is not the released result"
                )
    if kept:
        describe_bundle(folder)
        print(f"{folder}: {name} names the present code at {', '.join(kept)} scale")
    return 0
