"""Activations by weight decay on planted networks: a ratio that moves is an interaction."""

import pytest

from planted_networks import law_of, make_mlp
from regrok.errors import RegrokError
from regrok.laws import interaction


def activation_grid(power):
    """Delay 10/λ with GELU and 20·(λ/1e-3)^power times 1/λ with ReLU."""
    rows = []
    for lam in (5e-4, 1e-3, 2e-3):
        for s in range(4):
            shake = 1 + 0.1 * s
            rows.append(make_mlp(10 / lam * shake - 1000, s, weight_decay=lam))
            slow = 20 / lam * (lam / 1e-3) ** power * shake - 1000
            rows.append(make_mlp(slow, s, activation="relu", weight_decay=lam))
    options = {"reference": "gelu", "replicates": 20}
    return law_of(interaction, rows, ["B"] * len(rows), **options)


@pytest.mark.parametrize("power", [0.0, 1.0])
def test_a_ratio_that_moves_with_weight_decay_is_an_interaction(power):
    made = activation_grid(power)
    found = made["estimates"]
    difference = found["relu_over_gelu.exponent_difference"]
    assert difference.value == pytest.approx(power, abs=0.05)
    assert (difference.low > 0) == (power > 0)
    for lam in (5e-4, 1e-3, 2e-3):
        ratio = found[f"relu_over_gelu.at_{lam:g}.T_grok_restricted_ratio"].value
        assert ratio == pytest.approx(2 * (lam / 1e-3) ** power)
    assert len(made["cells"]) == 6


def test_an_unknown_reference_names_the_levels():
    with pytest.raises(RegrokError, match="there are gelu"):
        law_of(interaction, [make_mlp(1e4)], ["B"], reference="relu")
