"""Spectra and norms whose values are known."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from regrok.measures.observables import (
    embedding_spectrum,
    fourier_residual,
    group_squared_norms,
    logit_table,
    power_spectrum,
    resolution,
    squared_norm,
)

P = 13


def test_a_cosine_has_all_its_power_at_its_frequency():
    a = np.arange(P)
    table = np.broadcast_to(np.cos(2 * np.pi * 3 * a / P)[:, None, None], (P, P, P))
    power = power_spectrum(table, np.arange(P), np.arange(P))
    assert power.shape == (P // 2 + 1,)
    assert power[3] == pytest.approx(0.25)  # |FFT/p|² of a unit cosine is (1/2)²
    assert np.delete(power, 3).max() < 1e-20


def test_low_and_high_resolution_agree_on_a_shift_invariant_table():
    """cos(2πk(a+b−c)/p), the generalising solution, has the same spectrum for every b and class."""
    a, b, c = np.meshgrid(*[np.arange(P)] * 3, indexing="ij")
    table = np.cos(2 * np.pi * 4 * (a + b - c) / P)
    low = power_spectrum(table, *resolution("fourier_low", P, P, seed=1))
    high = power_spectrum(table, *resolution("fourier_high", P, P, seed=1))
    np.testing.assert_allclose(low, high, atol=1e-15)


def test_low_resolution_is_three_b_and_five_classes_of_the_run():
    b, classes = resolution("fourier_low", 97, 97, seed=42)
    assert list(b) == [0, 1, 2] and len(set(classes)) == 5
    assert list(classes) == list(resolution("fourier_low", 97, 97, seed=42)[1])
    assert list(classes) != list(resolution("fourier_low", 97, 97, seed=43)[1])


def test_fourier_residual_is_the_share_outside_the_dominant_frequencies():
    power = np.array([1.0, 0.5, 0.011, 0.009, 0.001])
    assert fourier_residual(power) == pytest.approx(0.010 / power.sum())
    assert np.isnan(fourier_residual(np.zeros(5)))


@pytest.mark.parametrize("p", [12, 13])
def test_embedding_spectrum_obeys_parseval(p):
    embedding = np.random.default_rng(0).normal(size=(p, 8))
    shares = embedding_spectrum(embedding)
    assert shares.sum() == pytest.approx(1)
    mean_energy = p * (embedding.mean(0) ** 2).sum() / (embedding**2).sum()
    assert shares[0] == pytest.approx(mean_energy)


def test_embedding_spectrum_of_one_frequency():
    angle = 2 * np.pi * 5 * np.arange(P) / P
    shares = embedding_spectrum(np.stack([np.cos(angle), np.sin(angle)], 1))
    assert shares[5] == pytest.approx(1)


class Table:
    """A network that answers [a, b, class] = 100a + 10b + class."""

    def logits(self, flat, inputs):
        a, b = inputs[..., 0], inputs[..., 1]
        return (100 * a + 10 * b)[..., None] + torch.arange(P)


def test_logit_table_is_indexed_by_a_b_and_class():
    table = logit_table(Table(), torch.zeros(1, 1), P)
    assert table.shape == (P, P, P)
    assert table[3, 4, 5] == 345


def test_norms_of_groups_sum_to_the_norm():
    flat = torch.randn(3, 6)
    layout = SimpleNamespace(
        groups={"first": ["x"], "rest": ["y"]}, views=lambda f: {"x": f[:, :2], "y": f[:, 2:]}
    )
    groups = group_squared_norms(layout, flat)
    torch.testing.assert_close(groups["V_first"] + groups["V_rest"], squared_norm(flat))
    torch.testing.assert_close(squared_norm(flat), flat.double().pow(2).sum(1))


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_the_squared_norm_is_finite_where_every_parameter_is(bad):
    flat = torch.full((3, 1000), 3e38)
    flat[1, 517] = bad
    assert torch.isfinite(squared_norm(flat)).tolist() == [True, False, True]
