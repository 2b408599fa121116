"""The arms of a computation: names before keys, in points and in errors."""

from __future__ import annotations

from typing import Any

import pytest

from regrok.computations import computation, computations
from regrok.computations.parts.arms import arms, over
from regrok.errors import RegrokError
from regrok.laws.parts.estimate import exact

OPTIONS = {"size": 2, "scale": 1.0, "arms": {"large": {"size": 9}, "wide": {"scale": 3.0}}}


def measured(options: dict[str, Any]):
    if options["size"] == 0:
        raise RegrokError("options.size = 0: should be above 0")
    value = exact(options["size"] * options["scale"], 1, "count")
    return {"area": value}, [{"kind": "run", "area": value.value}]


def test_each_arm_changes_what_the_entry_is_told_and_nothing_else():
    found = arms(OPTIONS)
    assert [(a.name, a.whole) for a in found] == [("all", True), ("large", False), ("wide", False)]
    assert [a.options for a in found] == [
        {"size": 2, "scale": 1.0},
        {"size": 9, "scale": 1.0},
        {"size": 2, "scale": 3.0},
    ]
    assert arms(OPTIONS, "plain")[0].name == "plain"


def test_estimates_and_points_bear_the_arm():
    made = over(OPTIONS, measured)
    assert {key: found.value for key, found in made["estimates"].items()} == {
        "area": 2.0,
        "large.area": 9.0,
        "wide.area": 6.0,
    }
    assert made["points"][1] == {"arm": "large", "kind": "run", "area": 9.0}
    assert [point["arm"] for point in made["points"]] == ["all", "large", "wide"]


@pytest.mark.parametrize(
    ("options", "place"),
    [
        ({"size": 0, "scale": 1.0, "arms": {}}, "options.size"),
        ({"size": 1, "scale": 1.0, "arms": {"none": {"size": 0}}}, "options.arms.none: options.si"),
    ],
)
def test_an_error_names_the_arm_in_which_it_is(options, place):
    with pytest.raises(RegrokError) as refused:
        over(options, measured)
    assert str(refused.value).startswith(place)


WITH_ARMS = [name for name in computations() if "arms" in computation(name).DEFAULTS]


@pytest.mark.parametrize("name", WITH_ARMS)
def test_a_wrong_option_in_an_arm_of_any_computation_is_refused_with_its_place(name):
    """Every module with arms, told something in one of them that it cannot be computed with."""
    wrong = {
        "circuits": {"kappa": 3.0},
        "coefficient_growth": {"width": 9},
        "coefficient_history": {"begin": 0},
        "kernel_shares": {"shares": []},
        "localised_coefficient": {"p": 4},
        "penalties": {"growth": 1.0},
        "ridge_regression": {"n": 10_000},
        "triple_regression": {"growth": 1.0},
        "xor_cascades": {"alpha": 2.0},
    }
    module = computation(name)
    few = {"draws": 1} if "draws" in module.DEFAULTS else {}
    options = {**module.DEFAULTS, **few, "arms": {"other": wrong[name]}}
    with pytest.raises(RegrokError, match=r"options\.arms\.other[.:]"):
        module.compute(options, 1)
