"""Splits that keep mirror images together, outliers, and classes that no training pair has."""

from __future__ import annotations

import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from configurations import checked, default_run, one_experiment
from regrok.errors import RegrokError
from regrok.measures.observables import Moment, measure
from regrok.study.run import Run
from regrok.study.task import Modular
from regrok.study.untrained import chance, untrained, untrained_classes
from regrok.tasks import Data, make_data
from regrok.tasks.operations import OPERATIONS, SYMMETRIC
from regrok.tasks.pairs import pairs
from small import small_run
from test_operations import task

Pairs = set[tuple[int, int]]


def sides(data: Data) -> tuple[Pairs, Pairs]:
    """The pairs that train, and those that validate."""
    train, validation = (
        [(a, b) for a, b in inputs.tolist()]
        for inputs in (data.train_inputs, data.validation_inputs)
    )
    assert len(train) == len(set(train)) and len(validation) == len(set(validation))
    return set(train), set(validation)


def mirrors(which: Pairs) -> Pairs:
    return {(b, a) for a, b in which}


@st.composite
def symmetric_tasks(draw) -> Modular:
    operation = draw(st.sampled_from(SYMMETRIC))
    zero = draw(st.sampled_from(["include", "exclude"] if operation == "multiply" else ["include"]))
    p = draw(st.sampled_from([4, 8] if operation == "xor" else [3, 5, 11]))
    count = draw(st.integers(1, (p - (zero == "exclude")) ** 2 - 1))
    changes = {"zero": zero, "train_fraction": None, "train_count": count, "split": "unordered"}
    return task(operation, p, **changes)


@settings(deadline=None)
@given(symmetric_tasks(), st.integers(0, 2**32 - 1))
def test_mirror_images_are_on_one_side_and_the_sizes_are_exact(unordered: Modular, seed: int):
    data = make_data(unordered, seed)
    train, validation = sides(data)
    assert len(train) == unordered.train_size == unordered.train_count
    assert not train & validation and train | validation == set(pairs(unordered))
    assert mirrors(train) == train and mirrors(validation) == validation
    assert len(train) + len(validation) == unordered.pairs


def test_a_split_over_ordered_pairs_leaks_and_one_over_unordered_pairs_does_not():
    for which, leak in ((None, 0.3), ("unordered", 0.0)):
        data = make_data(task("a2_b2", train_fraction=0.3, split=which), seed=4)
        train, validation = sides(data)
        apart = {(a, b) for a, b in validation if a != b}
        assert len(apart & mirrors(train)) / len(apart) == pytest.approx(leak, abs=0.03)


def test_an_unordered_split_is_drawn_from_the_run_s_seed_or_the_split_s():
    drawn = task("add", 11, split="unordered")
    assert sides(make_data(drawn, 1)) != sides(make_data(drawn, 2))
    once = task("add", 11, split="unordered", split_seed=1)
    assert sides(make_data(once, 2)) == sides(make_data(once, 3)) == sides(make_data(drawn, 1))


@pytest.mark.parametrize("operation", [name for name in OPERATIONS if name not in SYMMETRIC])
def test_an_unordered_split_of_an_operation_that_does_not_commute_is_refused(operation):
    p = 24 if operation.startswith("permutation") else 11
    with pytest.raises(ValidationError, match=rf"those of {operation} are not.*add, multiply"):
        task(operation, p, split="unordered")
    with pytest.raises(ValidationError, match=f"needs a commutative operation, not {operation}"):
        task(operation, p, ordered=False)


def test_an_unordered_split_of_pairs_without_mirror_images_is_refused():
    with pytest.raises(ValidationError, match=r"there is no \(b, a\)"):
        task("add", split="unordered", ordered=False)


def test_the_refusal_comes_with_the_plan():
    asked = one_experiment({"task.operation": ["add", "subtract"], "task.split": ["unordered"]})
    with pytest.raises(RegrokError, match=r"experiments\.S1.*those of subtract are not"):
        checked(asked)


# Identity -----------------------------------------------------------------------------------------------------------


def test_null_is_no_part_of_the_identity_and_no_outliers_are_null():
    plain = default_run()
    for changes in ({"split": None}, {"outliers": None}, {"outliers": 0}):
        assert default_run(task=changes).run_id == plain.run_id
    others = [default_run(task=each) for each in ({"split": "unordered"}, {"outliers": 10})]
    assert len({plain.run_id, *(each.run_id for each in others)}) == 3


# Outliers -----------------------------------------------------------------------------------------------------------


def with_outliers(k: int | None, seed: int = 3, **changes) -> Data:
    changes = {"train_fraction": 0.3, "outliers": k, **changes}
    return make_data(task("permutation_product", 120, **changes), seed)


@pytest.mark.parametrize("k", [10, 100, 1000, 2000, 3000, 4320])
def test_k_training_labels_are_drawn_and_the_others_are_true(k):
    true, data = with_outliers(None), with_outliers(k)
    for name in ("train_inputs", "validation_inputs", "validation_labels"):
        assert torch.equal(getattr(data, name), getattr(true, name))
    wrong = int((data.train_labels != true.train_labels).sum())
    # One in 120 draws is the true label.
    assert wrong <= k
    assert wrong == pytest.approx(k * 119 / 120, abs=5 * (k / 120) ** 0.5 + 1)


def test_outliers_are_uniform_over_all_classes():
    counts = torch.bincount(with_outliers(4320).train_labels, minlength=120).double()
    chi_squared = float(((counts - 36) ** 2 / 36).sum())
    assert abs(chi_squared - 119) < 5 * (2 * 119) ** 0.5
    true = torch.bincount(with_outliers(None).train_labels, minlength=120).double()
    assert not torch.equal(counts, true)


def test_fewer_outliers_are_a_part_of_more_and_other_seeds_draw_others():
    true = with_outliers(None).train_labels
    few, many = (with_outliers(k).train_labels for k in (100, 1000))
    changed = few != true
    assert torch.equal(many[changed], few[changed])
    assert torch.equal(with_outliers(100).train_labels, few)
    one = task("add", outliers=100, split_seed=7)
    assert torch.equal(make_data(one, 0).train_inputs, make_data(one, 1).train_inputs)
    assert not torch.equal(make_data(one, 0).train_labels, make_data(one, 1).train_labels)


def test_outliers_that_cannot_be_are_refused():
    task("permutation_product", 120, train_count=3000, train_fraction=None, outliers=3000)
    with pytest.raises(ValidationError, match="outliers = 3001 is more than the 3000 training"):
        task("permutation_product", 120, train_count=3000, train_fraction=None, outliers=3001)
    with pytest.raises(ValidationError, match="there every label is drawn"):
        task("add", labels="random", outliers=5)
    with pytest.raises(ValidationError, match="greater than or equal to 0"):
        task("add", outliers=-1)


# Classes without a training pair ------------------------------------------------------------------------------------


def by_hand(data: Data) -> list[int]:
    return sorted(set(data.validation_labels.tolist()) - set(data.train_labels.tolist()))


@pytest.mark.parametrize(
    "scarce",
    [
        task("add", 11, train_fraction=0.15),
        task("a3_ab", 97, train_fraction=0.04),
        task("a2_b2", 12, train_fraction=0.2),  # some classes have no pair at all
        task("permutation_aba", 24, train_fraction=0.1),
        task("multiply", 11, train_fraction=0.2, split="unordered"),
        task("add", 11, train_fraction=0.15, split_seed=3),
    ],
    ids=lambda each: f"{each.operation}-{each.p}",
)
def test_the_untrained_classes_are_those_that_the_data_lack(scarce):
    found = [untrained_classes(scarce, seed) for seed in range(12)]
    assert found == [by_hand(make_data(scarce, seed)) for seed in range(12)]
    assert any(found)


@pytest.mark.parametrize("which", [None, "unordered"])
@pytest.mark.parametrize("share", [0.1, 0.3])
def test_the_bound_of_their_chance_is_one(which, share):
    drawn = task("add", 11, train_fraction=share, split=which)
    results = {seed: by_hand(make_data(drawn, seed)) for seed in range(300)}
    frequency = sum(map(bool, results.values())) / 300
    assert frequency <= chance(drawn) + 3 * (frequency * (1 - frequency) / 300) ** 0.5
    assert chance(task("add", train_fraction=0.5)) < 1e-20


def test_a_sentence_names_the_classes_and_the_split():
    scarce = [
        Run.model_validate(small_run(seed).model_dump() | {"task": each.model_dump()})
        for each in (task("add", 11, train_fraction=0.15), task("add", 11, train_fraction=0.8))
        for seed in range(8)
    ]
    [said] = untrained(scarce)
    assert said.startswith("add at p = 11, 18 of 121 pairs: no training pair of class")
    assert said.endswith("raise train_fraction or train_count")
    seed, classes = next(
        (seed, found) for seed in range(8) if (found := by_hand(make_data(scarce[0].task, seed)))
    )
    named = re.search(rf"class(?:es)? ([\d, ]+) with split {seed}\b", said)
    assert named is not None and named[1] == ", ".join(map(str, classes))
    random = scarce[0].task.model_copy(update={"labels": "random"})
    assert untrained([scarce[0].model_copy(update={"task": random})]) == []


# Spectra ------------------------------------------------------------------------------------------------------------


def test_a_spectrum_over_residues_is_refused_for_permutations():
    change = {"task": {"operation": "permutation_product", "p": 24}}
    change["protocol"] = {"measure": ["norm_groups", "fourier_low"]}
    asked = one_experiment({"optimiser.weight_decay": [1.0]}, change=change)
    with pytest.raises(RegrokError, match=r"measure = \['fourier_low'\].*is on permutations"):
        checked(asked)
    change["protocol"] = {"measure": ["norm_groups"]}
    checked(one_experiment({"optimiser.weight_decay": [1.0]}, change=change))
    moment = Moment(None, torch.zeros(1, 1), task("permutation_product", 24), 24, 0, ())
    for name in ("fourier_low", "fourier_high", "embedding_spectrum"):
        with pytest.raises(
            RegrokError, match="is on permutations, and a spectrum is over residues"
        ):
            measure([name], moment, due=True)
