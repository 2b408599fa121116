"""The operations: against formulas and groups that are composed here in another way, never against the table itself."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from configurations import default_run
from regrok.study.task import Modular
from regrok.tasks import TaskInfo, make_data, task_info
from regrok.tasks.operations import OPERATIONS, SYMMETRIC, Operation
from regrok.training.slots import Engine
from small import small_run, small_transformer

P = 97


def task(operation: str, p: int = P, **changes) -> Modular:
    fields = {"zero": "include", "ordered": True, "train_fraction": 0.5, "labels": "true"}
    return Modular(name="modular", operation=operation, p=p, **{**fields, **changes})


def table(operation: str, p: int = P) -> dict[tuple[int, int], int]:
    """(a, b) → the label of the data, over training and validation."""
    data = make_data(task(operation, p), seed=1)
    inputs = torch.cat((data.train_inputs, data.validation_inputs)).tolist()
    labels = torch.cat((data.train_labels, data.validation_labels)).tolist()
    assert len(inputs) == len(set(map(tuple, inputs))), "an equation is there twice"
    return {(a, b): c for (a, b), c in zip(inputs, labels, strict=True)}


FORMULAS = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a * pow(b, P - 2, P),  # Fermat
    "divide_or_subtract": lambda a, b: a * pow(b, P - 2, P) if b % 2 == 1 else a - b,
    "a2_b2": lambda a, b: (a + b) ** 2 - 2 * a * b,
    "a2_ab_b2": lambda a, b: (a + b) ** 2 - a * b,
    "a2_ab_b2_a": lambda a, b: (a + b) ** 2 - a * b + a,
    "a3_ab": lambda a, b: a * (a**2 + b),
    "a3_ab2_b": lambda a, b: a**3 + b * (a * b + 1),
}
VALUES = {
    "divide": {(5, 3): 34, (3, 2): 50, (0, 1): 0},  # of whole numbers 5/3 would be 1
    "divide_or_subtract": {(5, 3): 34, (3, 2): 1, (2, 4): 95, (7, 0): 7},
    "a2_b2": {(2, 3): 13, (10, 20): 15},
    "a2_ab_b2": {(2, 3): 19, (10, 10): 9},
    "a2_ab_b2_a": {(2, 3): 21, (3, 2): 22},
    "a3_ab": {(2, 3): 14, (5, 7): 63},
    "a3_ab2_b": {(2, 3): 29, (5, 7): 86},
}
"""By hand, mod 97."""


@pytest.mark.parametrize("operation", FORMULAS)
def test_labels_are_those_of_the_formula_and_of_values_by_hand(operation):
    found = table(operation)
    assert len(found) == (9312 if operation == "divide" else 9409)
    for (a, b), label in found.items():
        assert label == FORMULAS[operation](a, b) % P
    for pair, value in VALUES.get(operation, {}).items():
        assert found[pair] == value


def test_every_operation_mod_p_has_a_formula_here():
    residues = {name for name, each in OPERATIONS.items() if each.elements == "residues"}
    assert residues - {"xor"} == FORMULAS.keys()


@pytest.mark.parametrize("p", [2, 3, 7, 97])
def test_a_quotient_times_the_divisor_is_the_dividend(p):
    found = table("divide", p)
    assert len(found) == p * (p - 1)
    assert all(quotient * b % p == a for (a, b), quotient in found.items())


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_is_symmetric_if_and_only_if_it_says_so(operation):
    p = {"residues": 11, "permutations": 24}[OPERATIONS[operation].elements]
    found = table(operation, 16 if operation == "xor" else p)
    mirrored = [(c, found[b, a]) for (a, b), c in found.items() if (b, a) in found]
    assert all(c == d for c, d in mirrored) == (operation in SYMMETRIC)


# The symmetric group: permutations as matrices, with ones at (x(i), i) --------------------------------------------


def matrices(n: int) -> np.ndarray:
    """The n! permutation matrices (n!, n, n) in the order of itertools.permutations."""
    return np.array([np.eye(n, dtype=int)[:, list(x)] for x in itertools.permutations(range(n))])


def label_matrix(operation: str, order: int) -> np.ndarray:
    """(order, order) labels, indexed [a, b]."""
    found = np.full((order, order), -1)
    for (a, b), c in table(operation, order).items():
        found[a, b] = c
    return found


@pytest.fixture(scope="module")
def product() -> np.ndarray:
    return label_matrix("permutation_product", 120)


def test_the_products_of_S5_are_those_of_permutation_matrices(product):
    x = matrices(5)
    assert product.size == 14_400 and product.min() == 0 and product.max() == 119
    after = np.einsum("aij,bjk->abik", x, x)
    assert (x[product] == after).all()
    conjugate = np.einsum("abij,akj->abik", after, x)  # times the transposed, which is the inverse
    assert (x[label_matrix("permutation_conjugate", 120)] == conjugate).all()
    assert (x[label_matrix("permutation_aba", 120)] == np.einsum("abij,ajk->abik", after, x)).all()


def test_S5_is_a_group_that_does_not_commute(product):
    elements = np.arange(120)
    assert (product[0] == elements).all() and (product[:, 0] == elements).all()
    for row in (*product, *product.T):  # so every element has one inverse on either side
        assert (np.sort(row) == elements).all()
    draw = random.Random(5)
    for _ in range(2000):
        a, b, c = (draw.randrange(120) for _ in range(3))
        assert product[product[a, b], c] == product[a, product[b, c]]
    assert (product != product.T).any()


def test_orders_and_signs_of_S5(product):
    """Orders of elements as S5 has them: 1, 25, 20, 30, 24 and 20 of the orders 1 to 6. A sign multiplies."""
    order = np.ones(120, dtype=int)
    for a in range(120):
        power = a
        while power:
            power = product[power, a]
            order[a] += 1
    assert np.bincount(order).tolist() == [0, 1, 25, 20, 30, 24, 20]
    sign = np.round(np.linalg.det(matrices(5))).astype(int)
    assert (sign[product] == np.outer(sign, sign)).all()


def test_conjugates_have_the_order_and_the_fixed_letters_of_what_is_conjugated():
    fixed = np.trace(matrices(5), axis1=1, axis2=2)
    conjugate = label_matrix("permutation_conjugate", 120)
    assert (fixed[conjugate] == fixed[None, :]).all()
    assert (conjugate[0] == np.arange(120)).all() and (conjugate[:, 0] == 0).all()


@pytest.mark.parametrize(("order", "letters"), [(2, 2), (6, 3), (24, 4)])
def test_smaller_groups_are_permutations_too(order, letters):
    x = matrices(letters)
    found = label_matrix("permutation_product", order)
    assert (x[found] == np.einsum("aij,bjk->abik", x, x)).all()


# Settings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_p_of_an_operation_is_what_it_needs(operation):
    needs = [
        (("multiply", "divide", "divide_or_subtract"), {2, 3, 5, 97, 113}),
        (("xor",), {2, 4, 8, 128}),
        ([name for name in OPERATIONS if name.startswith("permutation")], {2, 6, 24, 120}),
    ]
    allowed = next((sizes for names, sizes in needs if operation in names), None)
    for p in (2, 3, 4, 5, 6, 8, 9, 24, 91, 97, 113, 120, 121, 128):
        if allowed is None or p in allowed:
            assert task(operation, p).pairs > 0
        else:
            with pytest.raises(ValidationError, match=f"p = {p} is not .*{operation} needs"):
                task(operation, p)


def test_the_sizes_of_S5_are_120_tokens_and_classes():
    info = task_info(task("permutation_product", 120, train_fraction=0.3))
    assert info == TaskInfo("pairs", 120, None, 120, 4320, 10_080)
    with pytest.raises(ValidationError, match="zero = 'exclude' is for multiply and divide"):
        task("permutation_product", 120, zero="exclude")


def test_an_unknown_operation_is_refused_with_the_known_ones():
    with pytest.raises(ValidationError, match="'a3_ab2_b', 'permutation_product'"):
        default_run(task={"operation": "modulo"})


@pytest.mark.parametrize("made", [small_run, small_transformer])
def test_an_operation_is_one_entry_and_has_as_many_classes_as_it_says(made, monkeypatch):
    """The carry of an addition: p tokens, two classes."""
    carry = Operation(lambda a, b, p: (a + b) // p, "the carry of $a+b$", True, classes=2)
    monkeypatch.setitem(OPERATIONS, "carry", carry)
    run = made()
    run = run.model_copy(update={"task": run.task.model_copy(update={"operation": "carry"})})
    data = make_data(run.task, run.seed)
    assert data.classes == 2
    assert torch.equal(data.train_labels, (data.train_inputs.sum(1) >= 11).long())
    engine = Engine(run, 1)
    engine.start(0, run)
    before = engine.evaluate("train", {0: None})[0].loss.item()
    engine.advance(60)
    assert engine.layout.views(engine.flat)["head.weight"].shape[1] == 2
    assert engine.evaluate("train", {0: None})[0].loss.item() < before
