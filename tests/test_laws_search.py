"""The search on planted networks: what it chooses, and that it reports on other seeds."""

import itertools
import math

import pytest

from planted_networks import BUDGET, law_of, make_encoder, make_mlp
from regrok.errors import RegrokError
from regrok.laws import search

FEW = {"replicates": 200}


def search_study(report=(1e-3, 5.0), seeds=(0, 1, 2)):
    rows, where = [], []
    for eta, lam in itertools.product((1e-2, 3e-2), (1e-4, 1e-3)):
        for s in (100, 101, 102):
            rows.append(
                make_mlp(30 / (eta * lam) ** 0.5 + s, s, learning_rate=eta, weight_decay=lam)
            )
            where.append("search_mlp")
    for eta, lam in itertools.product((1e-3, 3e-3), (1.0, 5.0)):
        for s in (100, 101, 102):
            best = (eta, lam) == (1e-3, 5.0)
            rows.append(
                make_encoder(4000 + s if best else math.inf, s, learning_rate=eta, weight_decay=lam)
            )
            where.append("search_transformer")
    for s in seeds:
        rows.append(make_mlp(10_000 + 100 * s, s, learning_rate=3e-2, weight_decay=1e-3))
        rows.append(
            make_encoder(20_000 + 1000 * s, s, learning_rate=report[0], weight_decay=report[1])
        )
        where += ["B_mlp", "B_transformer"]
    architectures = {
        name: {
            "search": {"experiments": [f"search_{name}"]},
            "report": {"experiments": [f"B_{name}"]},
        }
        for name in ("mlp", "transformer")
    }
    ratios = {"transformer_over_mlp": ["transformer", "mlp"]}
    return law_of(search, rows, where, architectures=architectures, ratios=ratios, **FEW)


def test_the_search_chooses_by_median_and_reports_on_other_seeds():
    made = search_study()
    found = made["estimates"]
    keys = [
        f"{a}.best_{f}" for a in ("mlp", "transformer") for f in ("learning_rate", "weight_decay")
    ]
    chosen = [found[key].value for key in keys]
    assert chosen == [3e-2, 1e-3, 1e-3, 5.0]
    assert found["mlp.points"].value == found["transformer.points"].value == 4
    assert found["transformer_over_mlp.points_ratio"].value == 1
    # The report's runs, not the winner's own, which are five times faster.
    assert found["transformer.delay_mean"].value == 21_000
    assert found["transformer.search_T_grok"].value == 5101
    assert found["transformer_over_mlp.delay_ratio"].value == pytest.approx(21_000 / 10_100)
    assert found["transformer_over_mlp.spread_ratio"].value == pytest.approx(10)
    assert found["transformer.chosen_again"].value == 1
    assert {p["seed"] for p in made["points"]} == {0, 1, 2}
    best = [c for c in made["cells"] if c["chosen"]]
    assert [(c["architecture"], c["grokked"]) for c in best] == [("mlp", 3), ("transformer", 3)]
    never = [c for c in made["cells"] if c["architecture"] == "transformer" and not c["chosen"]]
    assert all(c["T_grok"] is None and c["restricted_mean"] == BUDGET for c in never)


def test_a_seed_of_the_search_is_not_reported():
    found = search_study(seeds=(0, 1, 101))["estimates"]
    assert found["mlp.reported_runs"].value == 2
    assert "1 left out" in found["mlp.reported_runs"].note


def test_no_report_at_the_chosen_point_is_said_with_the_point():
    found = search_study(report=(1e-3, 1.0))["estimates"]
    assert found["transformer.reported_runs"].value == 0
    assert "weight_decay = 5" in found["transformer.reported_runs"].note
    assert found["transformer_over_mlp.delay_ratio"].value is None


def test_an_architecture_needs_both_sides():
    with pytest.raises(RegrokError, match="search and report"):
        law_of(search, [make_mlp(1.0)], ["B"], architectures={"mlp": {"search": {}}})
