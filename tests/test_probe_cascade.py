"""The cascade as a probe of states: by hand on five parameters, conserved on real ones, one graph a run."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from configurations import checked
from regrok.errors import RegrokError
from regrok.models.layout import Layout
from regrok.probes import cascade as probe
from regrok.probes.parts import replay
from regrok.probes.parts.state import Labelled
from small import small_run, small_transformer
from test_probes import states, study, trained

OPTIONS = probe.DEFAULTS
RING = {**OPTIONS, "topology": "ring", "attach": 1, "quantile": 0.5}


def planted(values, seed=0):
    """A state with this gradient, and with numbers in the padding of its layout, which is no parameter."""
    layout = Layout({"w": (len(values),)}, {"all": ["w"]})

    def gradient(flat, examples):
        found = torch.full((layout.size,), 100.0, dtype=flat.dtype)
        found[: len(values)] = torch.tensor(values, dtype=flat.dtype)
        return found

    return SimpleNamespace(
        run=SimpleNamespace(run_id="planted", seed=seed),
        flat=torch.zeros(layout.size),
        network=SimpleNamespace(layout=layout),
        gradient=gradient,
        train=Labelled(torch.zeros(8, 2, dtype=torch.int64), torch.zeros(8, dtype=torch.int64)),
    )


def test_a_cascade_of_five_parameters_is_the_one_done_by_hand():
    """On a circle, τ = .9. First 3 gives .45 to both sides; then 2.1 and .95 are above τ, then 1.6125 and .98."""
    (row,) = probe.measure(planted([3.0, 0.5, -0.9, 0.9, 0.0]), {**RING, "sweeps": 3}, 1)
    assert (row["nodes"], row["first"], row["size"], row["sweeps"]) == (5, 1, 1 + 2 + 2, 3)
    assert row["sum_before"] == pytest.approx(3.5) == pytest.approx(row["sum_after"])
    assert row["gradient"] == pytest.approx(math.sqrt(9 + 0.25 + 0.81 + 0.81))
    assert set(row) == set(probe.COLUMNS)


@pytest.mark.parametrize("order", ["parallel", "sequential"])
@pytest.mark.parametrize("placed", ["in_order", "shuffled"])
def test_the_sum_over_all_parameters_of_a_network_is_conserved(tmp_path, order, placed):
    (state,) = states(small_transformer(), tmp_path, [20])
    (row,) = probe.measure(state, {**OPTIONS, "order": order, "placed": placed}, 1)
    g = probe.gradient(state, OPTIONS, 1)
    assert row["nodes"] == state.network.layout.parameters == len(g)
    assert row["sum_before"] == pytest.approx(g.sum(), abs=1e-14)
    # A value that moves is rounded at each move: far below the sum of all that is there.
    assert abs(row["sum_after"] - row["sum_before"]) < 1e-12 * np.abs(g).sum()
    above = np.count_nonzero(np.abs(g) > np.quantile(np.abs(g), 0.9))
    # In sequence a sweep sees what those before gave, and updates more.
    assert row["first"] == above if order == "parallel" else row["first"] > above
    assert row["size"] > row["first"] and 1 < row["sweeps"] <= 20


def test_the_gradient_is_that_of_the_loss_on_all_examples(tmp_path):
    (state,) = states(small_run(), tmp_path, [20])
    leaves = {name: x.requires_grad_() for name, x in state.parameters(torch.float64).items()}
    parts = torch.autograd.grad(state.loss(leaves, state.train), leaves.values())
    expected = torch.cat([part.flatten() for part in parts]).numpy()
    assert probe.gradient(state, OPTIONS, 1) == pytest.approx(expected, abs=1e-14)
    some = {**OPTIONS, "batch": 8}
    assert not np.allclose(probe.gradient(state, some, 1), expected)
    assert not np.allclose(probe.gradient(state, some, 1), probe.gradient(state, some, 2))
    every = {**OPTIONS, "batch": len(state.train)}
    assert np.array_equal(probe.gradient(state, every, 1), probe.gradient(state, OPTIONS, 2))
    single = probe.gradient(state, {**OPTIONS, "precision": "float32"}, 1)
    assert 0 < np.abs(single - expected).max() < 1e-6


def test_states_that_are_kept_and_states_trained_again_have_the_same_rows(tmp_path, monkeypatch):
    keeping = {"max_steps": 40, "log_every": 10, "curve_every": 20, "keep": [10, "end"]}
    run = small_run(protocol=keeping)
    store, stored = trained(run, tmp_path)

    def rows(steps):
        found = replay.states(run, stored, store, steps, math.nan)
        return {state.step: probe.measure(state, OPTIONS, state.step) for state in found}

    again = rows([0, 10, 20, 40])  # 20 is not kept, so that all are trained again
    monkeypatch.setattr(probe.Graphs, "draw", lambda *_: pytest.fail("a graph was drawn again"))
    kept = rows([0, 10, 40])
    assert kept == {step: again[step] for step in kept}
    assert len({again[step][0]["sum_before"] for step in again}) == 4


def test_a_run_has_a_graph_of_its_own_and_its_hubs_come_first():
    g = np.random.default_rng(0).standard_normal(500).tolist()
    sizes = [probe.measure(planted(g, seed), OPTIONS, step)[0]["size"] for seed, step in
             [(1, 1), (1, 2), (2, 1)]]  # fmt: skip
    assert sizes[0] == sizes[1] != sizes[2]
    # The oldest nodes have most neighbours, so that what is large there reaches most of the graph.
    first = np.array([10.0] * 10 + [0.1] * 490)
    hubs = probe.measure(planted(first), {**OPTIONS, "quantile": 0.95}, 1)[0]["size"]
    shuffled = {**OPTIONS, "quantile": 0.95, "placed": "shuffled"}
    assert hubs != probe.measure(planted(first), shuffled, 1)[0]["size"]


def test_gradients_of_nothing_and_without_an_end():
    (row,) = probe.measure(planted([0.0] * 30), OPTIONS, 1)
    assert (row["size"], row["sweeps"], row["nodes"]) == (0, 0, 30)
    assert probe.measure(planted([1.0] * 29 + [math.inf]), OPTIONS, 1) == []
    assert probe.measure(planted([1.0] * 29 + [math.nan]), OPTIONS, 1) == []


def test_too_few_parameters_are_named():
    with pytest.raises(RegrokError, match=r"run planted: options.attach = 3: its 6 parameters"):
        probe.measure(planted([1.0] * 6), {**OPTIONS, "attach": 3}, 1)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"quantile": 1.0}, r"options.quantile = 1.0: should be a number between 0 and 1"),
        ({"attach": 0}, r"options.attach = 0: should be a whole number from 1"),
        ({"order": "serial"}, r"options.order = 'serial': no such value.*'sequential'"),
    ],
)
def test_what_is_wrong_with_its_options_is_said_before_any_job(options, words):
    with pytest.raises(RegrokError, match=words):
        checked(study(probe="cascade", options=options))
