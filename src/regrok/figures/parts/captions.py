"""Captions that state n, what the band is, and the settings, all read from the runs that are drawn."""

from __future__ import annotations

import pandas as pd

from regrok import latex
from regrok.tasks.operations import OPERATIONS

OPTIMISERS = {"adamw": "AdamW", "adam": r"Adam with L\textsubscript{2}", "sgd": "SGD"}


def settings_sentence(runs: pd.DataFrame) -> str:
    """Task, model, optimiser and protocol of the runs in one sentence of TeX; varying settings as lists."""
    parts = []
    for task, chosen in runs.groupby("task", sort=True):
        parts.append(_task(task, chosen))
    model = _model(runs)
    optimisers = _words(sorted({OPTIMISERS.get(o, o) for o in runs.optimiser.dropna()}))
    rates = rf"$\eta={{}}${latex.listing(runs.learning_rate)}"
    decays = rf"$\lambda={{}}${latex.listing(runs.weight_decay)}"
    batch = "full batch" if runs.full_batch.all() else f"batch {latex.listing(runs.batch)}"
    logged = f"logged every {latex.listing(runs.log_every, 'or')} steps"
    return "; ".join([*parts, model, f"{optimisers}, {rates}, {decays}", batch, logged]) + "."


def _words(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _task(task: str, runs: pd.DataFrame) -> str:
    if task == "modular":
        operations = _words(
            [
                OPERATIONS[o].tex if o in OPERATIONS else latex.escape(o)
                for o in sorted(runs.operation.dropna().unique())
            ]
        )
        share = runs.train_size / (runs.train_size + runs.validation_size)
        return (
            f"{operations}, $p={{}}${latex.listing(runs.p)}, "
            f"{latex.listing((share * 100).round())}\\,\\% of the pairs for training"
        )
    sizes = f"{latex.listing(runs.train_size)} training samples"
    if task == "sparse_parity":
        return f"parity of $k={{}}${latex.listing(runs.k)} of $n={{}}${latex.listing(runs.n)} bits, {sizes}"
    return f"{latex.escape(task.replace('_', ' '))}, $n={{}}${latex.listing(runs.n)}, {sizes}"


def _model(runs: pd.DataFrame) -> str:
    parts = []
    for model, chosen in runs.groupby("model", sort=True):
        if model == "transformer":
            parts.append(
                f"{_words(sorted(chosen.norm.dropna().unique()))}-norm transformer, width "
                f"{latex.listing(chosen.d_model)}, {latex.listing(chosen.heads)} heads"
            )
        elif model == "decoder":
            parts.append(
                f"causal decoder of {latex.listing(chosen.layers)} layers, width {latex.listing(chosen.d_model)}, "
                f"{latex.listing(chosen.heads)} heads"
            )
        elif model == "encoder":
            parts.append(
                f"encoder of {latex.listing(chosen.layers)} layers, width {latex.listing(chosen.d_model)}, "
                f"{latex.listing(chosen.heads)} heads"
            )
        elif model == "quadratic":
            parts.append(f"quadratic network of {latex.listing(chosen.width)} neurons")
        elif model != "mlp":
            parts.append(latex.escape(str(model).replace("_", " ")))
        else:
            parts.append(
                f"MLP of depth {latex.listing(chosen.depth)} and width {latex.listing(chosen.width)}"
            )
    scales = runs.init_scale.dropna().unique()
    if len(scales) > 1 or (len(scales) == 1 and scales[0] != 1):
        parts.append(f"init scale {latex.listing(scales)}")
    return ", ".join(parts)


def sample_sentence(runs: pd.DataFrame) -> str:
    """`n = 40 runs (4 cells of 10 seeds), 38 grokked.` for the runs that are drawn."""
    n, cells = runs.run_id.nunique(), runs.cell.nunique()
    seeds = runs.groupby("cell").seed.nunique()
    per_cell = (
        latex.count(int(seeds.iloc[0]), "seed")
        if seeds.nunique() == 1
        else f"{latex.exact(seeds.min())} to {latex.exact(seeds.max())} seeds"
    )
    grokked = runs.drop_duplicates("run_id").outcome.eq("grokked").sum()
    grid = f"{latex.count(cells, 'cell')} of {per_cell}" if cells > 1 else per_cell
    return rf"$n={latex.exact(n)}$ runs ({grid}), {latex.exact(int(grokked))} grokked."


def caption(title: str, body: str, runs: pd.DataFrame) -> str:
    """A whole caption: what it shows, panel by panel, n, and the settings of the runs that are drawn."""
    return rf"\textbf{{{title}.}} {body} {sample_sentence(runs)} {settings_sentence(runs)}"
