"""What no exponent of avalanches can be found of is refused before any job, with its key."""

from __future__ import annotations

from math import prod

import pytest

from configurations import checked, whole
from regrok.computations import run_computation
from regrok.errors import RegrokError
from regrok.models import build
from regrok.study.expand import cells
from regrok.study.parameters import parameters
from regrok.study.sizes import task_info


@pytest.mark.parametrize(
    ("module", "options", "words"),
    [
        ("cascade_null", {"attach": 50}, "options.attach = 50: a network of width 20 has 81"),
        ("xor_cascades", {"widths": [20, 20]}, "have to differ in N"),
        ("xor_choices", {"quantile": 1.0}, "options.quantile = 1: should be between 0 and 1"),
        ("xor_choices", {"snapshots": [50, 10]}, "should ascend from epoch 1"),
        ("xor_cascades", {"arms": {"odd": {"alpha": 1.5}}}, "options.arms.odd: options.alpha"),
    ],
)
def test_options_that_nothing_can_be_computed_with_are_named(module, options, words):
    with pytest.raises(RegrokError) as refusal:
        run_computation("toy", module, options)
    assert words in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "key", "value", "words"),
    [
        (
            "xor_probe",
            "quantile",
            1.0,
            "options.quantile = 1.0: should be a number between 0 and 1",
        ),
        ("xor_choices", "quantiles", [0.8, 0.0], "options.quantiles = 0.0: should be a number"),
        ("xor_probe", "widths", [20, 20], "options.widths = [20, 20]: should be two or more"),
        ("null_cascades", "widths", [20], "options.widths = [20]: should be two or more"),
        ("null_cascades", "attach", 200, "options.attach = 200: at scale smoke a network of width"),
        ("xor_probe", "arms", {"thin": {"attach": 99}}, "options.attach = 99: at scale"),
        (
            "xor_choices",
            "attaches",
            [1, 400],
            "options.attaches = [1, 400]: at scale smoke a network of width 20 has 81 parameters",
        ),
        (
            "xor_choices",
            "snapshots",
            [10, 60, 50],
            "options.snapshots = [10, 60, 50]: at scale laptop they should ascend",
        ),
        (
            "xor_choices",
            "snapshots",
            [10, 60, 900],
            "options.snapshots = [10, 60, 900]: at scale laptop they should end by epochs = 500",
        ),
        ("xor_choices", "transition", 501, "options.transition = 501: at scale smoke no snapshot"),
        ("xor_probe", "transition", 600, "options.transition = 600: at scale smoke no D is told"),
        ("xor_choices", "printed_after", 0.9, "options.printed_after = 0.9: at scale smoke it is"),
        ("xor_choices", "placements", ["by age"], "options.placements = 'by age': no such value"),
    ],
)
def test_what_no_exponent_can_be_found_of_is_refused_before_any_job(name, key, value, words):
    data = whole()
    data["computations"][name]["options"][key] = value
    with pytest.raises(RegrokError) as refusal:
        checked(data)
    assert f"computations.{name}.{words}" in str(refusal.value)


def test_a_graph_of_runs_that_are_too_small_is_refused_before_any_job():
    data = whole()
    data["probes"]["cascade_addition"]["options"]["attach"] = 9000
    with pytest.raises(RegrokError) as refusal:
        checked(data)
    assert (
        "probes.cascade_addition.options.attach = 9000: at scale laptop a network of cascade_addition, arm "
        "width 32, has 16,667 parameters, fewer nodes than 18,000 neighbours each"
    ) in str(refusal.value)


def test_families_of_one_number_of_parameters_are_refused_before_any_job():
    data = whole()
    arms = data["experiments"]["cascade_addition"]["scales"]["laptop"]["arms"]
    arms[1]["change"] = {"optimiser": {"learning_rate": 1e-3}}
    with pytest.raises(RegrokError) as refusal:
        checked(data)
    problem = str(refusal.value)
    assert "fits.avalanches.options.groups.addition: at scale laptop two runs of seed 1" in problem
    assert "width 56 and cascade_addition width 96; make two groups of them" in problem
    data = whole()
    data["experiments"]["cascade_addition"]["scales"]["laptop"]["arms"] = arms[2:]
    with pytest.raises(RegrokError) as refusal:
        checked(data)
    assert "all runs have 123,611 parameters; an exponent takes two widths" in str(refusal.value)


def test_parameters_are_as_many_as_the_layout_has():
    seen = {}
    for cell in cells(checked(whole()), "paper", everything=True):
        model, info = cell.settings.model, task_info(cell.settings.task)
        if (count := parameters(cell.settings)) is not None:
            seen.setdefault((repr(model), repr(info)), (model, info, count))
    assert {model.name for model, _, _ in seen.values()} == {"transformer", "mlp"}
    for model, info, count in seen.values():
        if count < 200_000:
            shapes = build(model, info).layout.shapes.values()
            assert count == sum(prod(shape) for shape in shapes), model
