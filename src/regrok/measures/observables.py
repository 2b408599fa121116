"""What is measured on a run besides loss and accuracy: norms, and the Fourier pictures of papers A and B.

Norms are logged with every point of a curve because they are cheap. The rest is computed only where an
experiment asks for it (`protocol.measure`, every `measure_every` steps).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

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


def measure(names: tuple[str, ...], model, flat: Tensor, p: int | None, classes: int, seed: int):
    """Scalars (one dict for the curve row) and spectra ((kind, power) pairs) of one run. flat: (1, P)."""
    scalars: dict[str, float] = {}
    spectra: list[tuple[str, np.ndarray]] = []
    if "norm_groups" in names:
        scalars |= {k: float(v[0]) for k, v in group_squared_norms(model.layout, flat).items()}
    wanted = [n for n in ("fourier_low", "fourier_high") if n in names]
    if wanted and p is not None:
        table = logit_table(model, flat, p).numpy()
        for name in wanted:
            power = power_spectrum(table, *resolution(name, p, classes, seed))
            scalars[f"fourier_residual_{name.removeprefix('fourier_')}"] = fourier_residual(power)
            spectra.append((name, power))
    if "embedding_spectrum" in names and p is not None:
        embedding = next(
            v for k, v in model.layout.views(flat).items() if k.endswith("embedding.weight")
        )
        shares = embedding_spectrum(embedding[0].cpu().numpy())
        scalars["top5_share"] = float(np.sort(shares)[-5:].sum())
        spectra.append(("embedding_spectrum", shares))
    return scalars, spectra
