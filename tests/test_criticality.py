"""Cascades of gradients: by hand on five nodes, planted exponents, and networks that a shadow leaves alone."""

from __future__ import annotations

import math

import networkx as nx
import numpy as np
import pytest

from regrok.computations import xor_cascades, xor_gini
from regrok.computations.parts import finite_size, probed_family, xor_networks
from regrok.computations.parts.cascade import cascade, thresholds
from regrok.computations.parts.graphs import TOPOLOGIES, Graphs

STAR = Graphs.of([nx.Graph([(0, 1), (0, 2), (0, 3), (3, 4)])])
"""Node 0 has three neighbours; node 3 two, node 4 one."""
VALUES = np.array([3.0, 0.5, -0.9, 0.9, 0.0])[None, :, None]
CASCADES = {
    **xor_cascades.DEFAULTS,
    "widths": [10, 20, 40],
    "seeds": 3,
    "groups": 3,
    "epochs": 40,
    "transition": 20,
}
# One cascade ----------------------------------------------------------------------------------------------------


def test_a_cascade_on_five_nodes_is_the_one_done_by_hand():
    made = cascade(STAR, VALUES, np.array([[1.0]]), 0.3, 20)
    # 3 gives 0.3 to each of three and keeps 2.1; then 2.1 gives 0.21 to each, and 1.2 gives 0.18 to both of its own.
    assert made.updates[:3, 0, 0].tolist() == [1, 2, 3]
    after_two = cascade(STAR, VALUES, np.array([[1.0]]), 0.3, 2).values[0, :, 0]
    assert after_two == pytest.approx([1.47 + 0.18, 1.01, -0.39, 0.84 + 0.21, 0.18])
    # Then 1.65 gives 0.165 to each, 1.01 gives 0.303 to the middle, and 1.05 gives 0.1575 to both of its own.
    after_three = cascade(STAR, VALUES, np.array([[1.0]]), 0.3, 3).values[0, :, 0]
    assert after_three == pytest.approx([1.6155, 0.872, -0.225, 0.9, 0.3375])


def test_a_sequential_cascade_sees_what_was_given_in_the_same_sweep():
    made = cascade(STAR, VALUES, np.array([[1.0]]), 0.3, 1, "sequential")
    order = np.concatenate([members for members, _ in STAR.classes])
    assert order.tolist() == [0, 4, 1, 2, 3]
    # The middle gives first, so that node 3 has 1.2 when its turn comes, and gives 0.18 to both of its own.
    assert made.updates[0, 0, 0] == 2
    assert made.values[0, :, 0] == pytest.approx([2.1 + 0.18, 0.8, -0.6, 0.84, 0.18])


def one_by_one(graph, values, tau, alpha, sweeps, order):
    """A sequential cascade without vectors."""
    values, updates = list(values), 0
    for _ in range(sweeps):
        quiet = True
        for node in order:
            near = list(graph.neighbors(int(node)))
            if abs(values[node]) > tau and near:
                given = alpha * values[node]
                values[node] -= given
                for other in near:
                    values[other] += given / len(near)
                updates, quiet = updates + 1, False
        if quiet:
            break
    return values, updates


def test_a_sequential_cascade_is_that_of_nodes_taken_one_by_one():
    graph = nx.barabasi_albert_graph(60, 2, seed=5)
    on = Graphs.of([graph])
    values = np.random.default_rng(1).standard_normal((1, 60, 1))
    tau = thresholds(values, 0.8)
    made = cascade(on, values, tau, 0.4, 6, "sequential")
    order = np.concatenate([members for members, _ in on.classes])
    assert sorted(order.tolist()) == list(range(60))
    left, updates = one_by_one(graph, values[0, :, 0], tau[0, 0], 0.4, 6, order)
    assert made.values[0, :, 0] == pytest.approx(left, abs=1e-12)
    assert made.size()[0, 0] == updates > 12


@pytest.mark.parametrize("order", ["parallel", "sequential"])
@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_the_sum_is_conserved_and_the_first_sweep_holds_a_tenth(topology, order):
    on = Graphs.draw(topology, 401, 2, [3, 4])
    values = np.random.default_rng(0).standard_normal((2, 401, 3))
    made = cascade(on, values, thresholds(values, 0.9), 0.3, 20, order)
    assert made.values.sum(1) == pytest.approx(values.sum(1), abs=1e-10)
    first = cascade(on, values, thresholds(values, 0.9), 0.3, 1).updates[0]
    lonely = np.count_nonzero(on.degree == 0)
    assert (first <= 40).all() and (first >= 40 - lonely).all()
    # Companions and columns do not matter.
    alone = cascade(
        on.first(1), values[:1, :, 1:2], thresholds(values, 0.9)[:1, 1:2], 0.3, 20, order
    )
    assert (alone.size()[0, 0] == made.size()[0, 1]) and not np.shares_memory(values, made.values)


def test_a_node_without_neighbours_keeps_what_it_has():
    graph = nx.Graph([(0, 1)])
    graph.add_node(2)
    made = cascade(Graphs.of([graph]), np.full((1, 3, 1), 5.0), np.array([[1.0]]), 0.3, 4)
    assert made.values[0, 2, 0] == 5.0 and (made.updates[:, 0, 0] == 2).all()


def test_graphs_have_the_degrees_of_their_kind():
    by_kind = {kind: Graphs.draw(kind, 4000, 2, [1]).degree for kind in TOPOLOGIES}
    for kind, degree in by_kind.items():
        assert degree.mean() == pytest.approx(4, abs=0.01), kind
    assert set(by_kind["ring"]) == set(by_kind["regular"]) == {4}
    # Preferential attachment: the share of nodes with k neighbours is 2m(m+1)/(k(k+1)(k+2)).
    found = [(by_kind["barabasi_albert"] == k).mean() for k in (2, 3, 4)]
    assert found == pytest.approx([12 / (k * (k + 1) * (k + 2)) for k in (2, 3, 4)], abs=0.03)
    assert by_kind["barabasi_albert"].max() > 3 * by_kind["random"].max()


# Exponents ------------------------------------------------------------------------------------------------------


def test_a_planted_exponent_is_found_and_a_zero_leaves_none():
    nodes = np.array([81.0, 401.0, 2001.0])
    slope, r_squared = finite_size.fitted(3 * nodes**1.2, nodes)
    assert (slope, r_squared) == pytest.approx((1.2, 1.0))
    assert math.isnan(finite_size.exponent(np.array([0.0, 2.0, 3.0]), nodes))


def test_learning_is_for_good():
    right = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0], [1, 1, 1]], dtype=bool)
    found = xor_networks.Trained(np.zeros((3, 5)), right).learned
    assert found.tolist() == [2, 1, 3]
    never = xor_networks.Trained(np.zeros((1, 5)), np.array([[True], [False]])).learned
    assert math.isnan(never[0])


def test_windows_lie_around_each_network_s_own_event():
    masks = dict(probed_family.windows(np.array([20.0, np.nan]), 50))
    spans = {name: np.flatnonzero(mask[0])[[0, -1]].tolist() for name, mask in masks.items()}
    assert spans == {"before": [10, 19], "at": [18, 22], "after": [40, 50]}
    assert not any(mask[1].any() for mask in masks.values())


@pytest.mark.parametrize("activation", sorted(xor_networks.ACTIVATIONS))
def test_the_gradient_is_that_of_the_loss(activation):
    networks = xor_networks.Networks.start(7, "he", activation, [[0], [1]])
    networks.theta += 0.1
    found, _ = networks.gradient()

    def loss(theta):
        h = 7
        inner, bias = theta[:, : 2 * h].reshape(-1, h, 2), theta[:, 2 * h : 3 * h, None]
        hidden = xor_networks.ACTIVATIONS[activation][0](inner @ xor_networks.INPUTS.T + bias)
        out = np.einsum("ch,chn->cn", theta[:, 3 * h : 4 * h], hidden) + theta[:, -1:]
        return np.logaddexp(0, out * np.where(xor_networks.LABELS > 0, -1, 1)).mean(1)

    for i in range(networks.theta.shape[1]):
        step = np.zeros(networks.theta.shape[1])
        step[i] = 1e-6
        slope = (loss(networks.theta + step) - loss(networks.theta - step)) / 2e-6
        assert found[:, i] == pytest.approx(slope, abs=1e-8)


def planted(told, before, after, learned=30.0):
    """A family whose sizes go as N to a power that changes at the transition; seeds differ by a factor."""
    widths, epochs = len(told["widths"]), told["epochs"] + 1
    family = object.__new__(xor_cascades.Family)
    family.nodes = probed_family.sizes_of(told["widths"])
    power = np.where(np.arange(epochs) < told["transition"], before, after)
    factor = np.exp(np.random.default_rng(0).normal(0, 0.1, (told["groups"], told["seeds"], 1, 1)))
    family.size = factor * family.nodes[:, None] ** power
    family.first = np.broadcast_to(family.nodes[:, None] / 10, family.size.shape)
    family.learned = np.full((told["groups"], told["seeds"], widths), learned)
    family.untouched = np.ones_like(family.learned, dtype=bool)
    return family


def test_planted_sizes_give_their_exponents():
    told = {**CASCADES, "epochs": 90, "transition": 30}
    found, _ = xor_cascades.measured(told, planted(told, 0.9, 1.2))
    assert found["D_before"].value == pytest.approx(0.9)
    assert found["D_after"].value == pytest.approx(1.2)
    assert found["rise"].value == pytest.approx(0.3)
    assert found["aligned_before"].value == pytest.approx(0.9)
    assert found["aligned_after"].value == pytest.approx(1.2)
    assert found["D_pooled"].value == pytest.approx(1.2, abs=0.01)
    assert found["first_wave_D"].value == pytest.approx(1.0)
    assert found["learned_share"].value == found["untouched_share"].value == 1.0
    assert found["T_latest"].value == 30.0
    some = planted(told, 0.9, 1.2)
    some.learned[1, 0, 2] = math.nan
    bound, _ = xor_cascades.measured(told, some)
    # One of nine networks of the last width takes the whole budget at least: 30 + (90 − 30)/9 epochs.
    assert bound["T_latest"].value == pytest.approx(30 + 60 / 9) and bound["T_latest"].high is None
    assert "1 of 27 networks do not learn" in bound["T_latest"].note
    assert bound["T_earliest"].value == 30.0 and "bound" not in bound["T_earliest"].note
    never, _ = xor_cascades.measured(told, planted(told, 0.9, 1.2, math.nan))
    assert never["aligned_rise"].value is None and never["T_latest"].value is None
    assert never["learned_share"].value == 0.0 and never["rise"].value == pytest.approx(0.3)


# Computations ---------------------------------------------------------------------------------------------------


def test_a_shadow_leaves_training_alone_and_a_probe_in_line_does_not():
    made = xor_cascades.compute({**CASCADES, "arms": {"shadow": {"in_line": False}}}, 1)
    found = made["estimates"]
    names = set(xor_cascades.ESTIMATES["arms"]) - {"D_at_*"}
    assert {f"shadow.{name}" for name in names} < set(found)
    assert found["shadow.untouched_share"].value == 1.0
    assert found["untouched_share"].value == 0.0
    # Before the first step nothing is redistributed yet.
    assert found["D_at_0"].value == found["shadow.D_at_0"].value
    assert found["D_at_40"].value != found["shadow.D_at_40"].value
    curve = [row for row in made["points"] if row["kind"] == "curve" and row["arm"] == "all"]
    assert [row["epoch"] for row in curve] == [0, 10, 20, 30, 40]
    # A quantile of an exact fraction: four tenths of the width.
    assert found["first_wave_share"].value <= 0.1


def test_a_network_s_cascade_does_not_depend_on_the_other_widths():
    told = {**CASCADES, "epochs": 5}
    alone = probed_family.in_shadow(told, 20, 7)
    again = probed_family.in_shadow({**told, "widths": [20, 30]}, 20, 7)
    assert (alone.size == again.size).all()
    one = probed_family.in_line(told, 20, 7)
    assert (one.size[:, 0] == alone.size[:, 0]).all()


def test_a_gini_that_peaks_is_found_where_it_does():
    curves = np.ones((30, 2))
    curves[12, 0], curves[25, 1] = 1.5, 1.5
    best, near = xor_gini.peaks(curves, np.array([10.0, 10.0]), 5)
    assert best.tolist() == [1.5, 1.0] and near.tolist() == [True, False]
    options = {**xor_gini.DEFAULTS, "width": 10, "activations": ["tanh"], "starts": ["he"]}
    made = xor_gini.compute(options, 0)
    assert set(made["estimates"]) == set(xor_gini.ESTIMATES[""])
    assert len(made["estimates"]["learned_share"].choices) == 2
