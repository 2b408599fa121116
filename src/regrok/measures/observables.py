"""What is measured on a run besides loss and accuracy: norms, and the Fourier pictures of papers A and B.

Norms are logged with every point of a curve because they are cheap. The rest is computed only where an
experiment asks for it (`protocol.measure`, every `measure_every` steps). An observable is a function of a `Moment` and
its entry in `OBSERVABLES`; none changes the run, and a new one leaves every finished run as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from regrok.errors import RegrokError
from regrok.study.run import TOKENS_ONLY
from regrok.tasks.operations import OPERATIONS

DOMINANT_SHARE_OF_PEAK = 0.01
"""Paper A: during training a frequency is dominant when its power exceeds 1 % of the peak's."""

LOW_RESOLUTION = (3, 5)
"""Paper A, S7: the low-resolution spectrum averages over the first 3 values of b and 5 classes drawn at random."""


def squared_norm(flat: Tensor) -> Tensor:
    """V = ‖θ‖², the sum of squares of all parameters. flat: (R, P), padding zero. Returns (R,) float64 on the CPU.

    Summed in float64, where no finite float32 overflows: V is finite if and only if every parameter is.
    """
    return torch.linalg.vector_norm(flat, dim=-1, dtype=torch.float64).square().cpu()


def group_squared_norms(layout, flat: Tensor) -> dict[str, Tensor]:
    """V of each parameter group of the layout, as columns `V_<group>`; each (R,) float64, summing to V."""
    views = layout.views(flat)
    return {
        f"V_{group}": torch.stack([views[n].double().square().flatten(1).sum(-1) for n in names])
        .sum(0)
        .cpu()
        for group, names in layout.groups.items()
    }


def logit_table(model, flat: Tensor, p: int) -> Tensor:
    """Logits of every ordered pair for one run: (p, p, C) indexed [a, b, class]. flat: (1, P)."""
    a, b = torch.meshgrid(torch.arange(p), torch.arange(p), indexing="ij")
    pairs = torch.stack([a, b], -1).reshape(1, -1, 2).to(flat.device)
    with torch.no_grad():
        parts = [model.logits(flat, pairs[:, i : i + 1024])[0] for i in range(0, p * p, 1024)]
    return torch.cat(parts).reshape(p, p, -1).cpu()


def power_spectrum(table: np.ndarray, values_of_b: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """One-sided power over frequencies of `a`, averaged over the chosen b and classes (paper A, S4 and S7).

    table: (p, p, C) logits [a, b, class]. Returns (p // 2 + 1,) values of |FFT_a(logit) / p|², frequency 0 first.
    """
    chosen = table[:, values_of_b][:, :, classes].astype(np.float64)
    spectrum = np.abs(np.fft.rfft(chosen, axis=0) / table.shape[0]) ** 2
    return spectrum.mean(axis=(1, 2))


def fourier_residual(power: np.ndarray) -> float:
    """R = 1 − share of the power in dominant frequencies, those above 1 % of the peak (paper A, S4)."""
    total = power.sum()
    if not np.isfinite(total) or total <= 0:
        return float("nan")
    return float(1.0 - power[power > DOMINANT_SHARE_OF_PEAK * power.max()].sum() / total)


def resolution(name: str, p: int, classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The b and class subsets that a resolution averages over: `fourier_high` takes all, `fourier_low` 3 × 5."""
    if name == "fourier_high":
        return np.arange(p), np.arange(classes)
    n_b, n_c = LOW_RESOLUTION
    drawn = np.random.default_rng([seed, 7]).choice(classes, size=min(n_c, classes), replace=False)
    return np.arange(min(n_b, p)), np.sort(drawn)


def embedding_spectrum(embedding: np.ndarray) -> np.ndarray:
    """Share of the token embedding's energy at each one-sided frequency of the residues (paper B, Table 8).

    embedding: (p, d). The DFT runs over the residues; frequencies f and p − f are pooled, frequency 0 kept.
    Returns (p // 2 + 1,) shares that sum to 1.
    """
    p = embedding.shape[0]
    energy = (np.abs(np.fft.rfft(embedding.astype(np.float64), axis=0)) ** 2).sum(axis=1)
    # rfft keeps one of each conjugate pair: every frequency but 0 (and p/2 for an even p) counts twice.
    energy[1:] *= 2
    if p % 2 == 0:
        energy[-1] /= 2
    return energy / energy.sum()


# The registry ---------------------------------------------------------------------------------------------------


@dataclass
class Moment:
    """One run at one logged step."""

    model: Any
    flat: Tensor
    """(1, P) its parameters."""
    task: Any
    """Its settings' block."""
    classes: int
    seed: int
    evaluations: tuple[Any, ...]
    """Those of its training set and its validation set, if it has one, where all were evaluated; see
    `regrok.training.evaluate`."""
    shared: dict[str, Any] = field(default_factory=dict)
    """What several observables of the moment need, computed once."""


class Measured(NamedTuple):
    """What an observable found."""

    scalars: dict[str, float]
    """Columns of the curve."""
    spectrum: np.ndarray | None = None
    """Power at each frequency, or None; its kind in spectra.parquet is the observable's name."""


@dataclass(frozen=True)
class Observable:
    """One entry of `OBSERVABLES`."""

    of: Callable[[Moment], Measured]
    of_evaluations: bool = False
    """Taken wherever every set was evaluated, instead of every `measure_every` steps."""


def measure_logit_max(moment: Moment) -> Measured:
    largest = torch.stack([each.logit_max for each in moment.evaluations])
    return Measured({"logit_max": float(largest.amax())})


def measure_norm_groups(moment: Moment) -> Measured:
    squared = group_squared_norms(moment.model.layout, moment.flat)
    return Measured({name: float(value[0]) for name, value in squared.items()})


def refuse_other_elements(task: Any) -> None:
    """Raise RegrokError where the tokens of a task are no residues: no frequency belongs to them."""
    elements = OPERATIONS[task.operation].elements
    if elements != "residues":
        raise RegrokError(
            f"task.operation = '{task.operation}' is on {elements}, and a spectrum is over residues; "
            f"leave {', '.join(TOKENS_ONLY)} out of protocol.measure"
        )


def measure_fourier(name: str, moment: Moment) -> Measured:
    refuse_other_elements(moment.task)
    p = moment.task.p
    if "logits" not in moment.shared:
        moment.shared["logits"] = logit_table(moment.model, moment.flat, p).numpy()
    table = moment.shared["logits"]
    power = power_spectrum(table, *resolution(name, p, moment.classes, moment.seed))
    column = f"fourier_residual_{name.removeprefix('fourier_')}"
    return Measured({column: fourier_residual(power)}, power)


def measure_fourier_low(moment: Moment) -> Measured:
    return measure_fourier("fourier_low", moment)


def measure_fourier_high(moment: Moment) -> Measured:
    return measure_fourier("fourier_high", moment)


def measure_embedding_spectrum(moment: Moment) -> Measured:
    refuse_other_elements(moment.task)
    views = moment.model.layout.views(moment.flat)
    embedding = next(v for k, v in views.items() if k.endswith("embedding.weight"))
    residues = embedding[0, : moment.task.p]  # a decoder's vocabulary has ∘ and = too
    shares = embedding_spectrum(residues.cpu().numpy())
    return Measured({"top5_share": float(np.sort(shares)[-5:].sum())}, shares)


OBSERVABLES = {
    "logit_max": Observable(measure_logit_max, of_evaluations=True),
    "norm_groups": Observable(measure_norm_groups),
    "fourier_low": Observable(measure_fourier_low),
    "fourier_high": Observable(measure_fourier_high),
    "embedding_spectrum": Observable(measure_embedding_spectrum),
}
"""What `protocol.measure` may name, in the order of the curve's columns."""


def measure(names: Collection[str], moment: Moment, *, due: bool) -> dict[str, Measured]:
    """What the named observables find, by name. due: whether the step is one of every `measure_every`."""
    evaluated = bool(moment.evaluations)
    return {
        name: each.of(moment)
        for name, each in OBSERVABLES.items()
        if name in names and (evaluated if each.of_evaluations else due)
    }


def cadence(name: str, measure_every: int) -> int | None:
    """Steps between two values of an observable; None where the evaluations decide."""
    return None if OBSERVABLES[name].of_evaluations else measure_every
