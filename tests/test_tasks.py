"""The tasks: their algebra, their splits, and the sizes the plan works with."""

import itertools
import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from regrok.errors import RegrokError
from regrok.study.task import Modular, SparseParity, XorClusters
from regrok.tasks import TASKS, Data, make_data, task_info
from regrok.tasks.operations import OPERATIONS
from regrok.tasks.pairs import pairs
from regrok.tasks.xor_clusters import mean_norm

PRIMES = [2, 3, 5, 7, 11, 13, 23]


def modular(operation: str = "add", p: int = 97, **changes) -> Modular:
    fields = {"zero": "include", "ordered": True, "train_fraction": 0.5, "labels": "true"}
    return Modular(name="modular", operation=operation, p=p, **{**fields, **changes})


def parity(n: int = 20, k: int = 3, m: int = 2000, v: int = 1000, labels: str = "true"):
    return SparseParity(
        name="sparse_parity", n=n, k=k, train_count=m, validation_count=v, labels=labels
    )


def clusters(n: int = 50, noise: float = 0.1, m: int = 4000, v: int = 4000, labels: str = "true"):
    return XorClusters(
        name="xor_clusters", n=n, noise=noise, train_count=m, validation_count=v, labels=labels
    )


@st.composite
def modular_tasks(draw) -> Modular:
    operation = draw(st.sampled_from(["add", "subtract", "multiply", "divide", "xor"]))
    p = draw(st.sampled_from([4, 8, 16] if operation == "xor" else PRIMES[1:]))
    has_zero = ["include", "exclude"] if operation in ("multiply", "divide") else ["include"]
    order = [True] if operation in ("subtract", "divide") else [True, False]
    return modular(
        operation,
        p,
        zero=draw(st.sampled_from(has_zero)),
        ordered=draw(st.sampled_from(order)),
        train_fraction=draw(st.sampled_from([0.3, 0.5, 0.8])),
        labels=draw(st.sampled_from(["true", "random"])),
    )


def everything(data: Data) -> tuple[torch.Tensor, torch.Tensor]:
    return (
        torch.cat((data.train_inputs, data.validation_inputs)),
        torch.cat((data.train_labels, data.validation_labels)),
    )


def test_the_split_is_that_of_the_published_scripts() -> None:
    data = make_data(modular(), seed=42)
    # random.Random(42).shuffle of range(9409) begins 7174, 1529, 7322; pair i is divmod(i, 97).
    assert data.train_inputs[:3].tolist() == [list(divmod(i, 97)) for i in (7174, 1529, 7322)]
    assert (len(data.train_labels), len(data.validation_labels)) == (4704, 4705)


@pytest.mark.parametrize(
    ("task", "train", "validation"),
    [
        (modular(), 4704, 4705),  # 2603.13331
        (modular(train_fraction=0.2), 1882, 7527),  # 2603.25009, section 3.2
        (modular("multiply", zero="exclude", train_fraction=0.2), 1843, 7373),
        (modular("divide"), 4656, 4656),
        (modular(train_fraction=None, train_count=100), 100, 9309),
        (modular(ordered=False), 2376, 2377),
    ],
)
def test_sizes_at_p_97(task: Modular, train: int, validation: int) -> None:
    info = task_info(task)
    assert (info.train_size, info.validation_size) == (train, validation)
    assert (info.kind, info.tokens, info.classes) == ("pairs", 97, 97)


@pytest.mark.parametrize("p", [53, 67, 89, 97, 101, 113, 127])
def test_half_of_the_pairs_rounds_down_at_every_modulus_of_the_modulus_sweep(p: int) -> None:
    assert task_info(modular(p=p)).train_size == p * p // 2


@settings(deadline=None)
@given(modular_tasks(), st.integers(0, 2**32 - 1))
def test_every_pair_is_in_exactly_one_of_training_and_validation(task: Modular, seed: int) -> None:
    data = make_data(task, seed)
    info = task_info(task)
    assert len(data.train_labels) == info.train_size
    assert len(data.validation_labels) == info.validation_size
    inputs, labels = everything(data)
    codes = inputs[:, 0] * task.p + inputs[:, 1]
    assert codes.sort().values.tolist() == [a * task.p + b for a, b in pairs(task)]
    assert labels.min() >= 0
    assert labels.max() < info.classes == data.classes


@pytest.mark.parametrize("p", PRIMES)
def test_division_inverts_multiplication_and_subtraction_addition(p: int) -> None:
    add, subtract, multiply, divide = (
        OPERATIONS[name].result for name in ("add", "subtract", "multiply", "divide")
    )
    for a, b in itertools.product(range(p), repeat=2):
        assert subtract(add(a, b, p), b, p) == a
        if b:
            assert divide(multiply(a, b, p), b, p) == a
            assert multiply(divide(a, b, p), b, p) == a


@pytest.mark.parametrize("operation", ["add", "subtract", "multiply", "divide", "xor"])
def test_labels_follow_the_operation(operation: str) -> None:
    p = 8 if operation == "xor" else 7
    python = {
        "add": lambda a, b: (a + b) % p,
        "subtract": lambda a, b: (a - b) % p,
        "multiply": lambda a, b: a * b % p,
        "divide": lambda a, b: a * pow(b, p - 2, p) % p,  # Fermat
        "xor": lambda a, b: a ^ b,
    }[operation]
    inputs, labels = everything(make_data(modular(operation, p), seed=3))
    assert labels.tolist() == [python(a, b) for a, b in inputs.tolist()]


def test_zero_and_order_choose_the_pairs() -> None:
    def chosen(*asked, **changes) -> torch.Tensor:
        return torch.tensor(pairs(modular(*asked, **changes)))

    assert (chosen("multiply", 7) == 0).any()
    assert (chosen("multiply", 7, zero="exclude") > 0).all()
    assert (chosen("divide", 7)[:, 1] > 0).all()
    unordered = chosen("add", 7, ordered=False)
    assert (unordered[:, 0] <= unordered[:, 1]).all()
    assert len(unordered) == 7 * 8 // 2


@pytest.mark.parametrize(
    "task",
    [modular(labels="random"), parity(labels="random"), clusters(labels="random", noise=0.0)],
)
def test_random_labels_are_uniform_and_say_nothing_about_the_inputs(task) -> None:
    data = make_data(task, seed=5)
    true = make_data(task.model_copy(update={"labels": "true"}), seed=5)
    assert torch.equal(data.train_inputs, true.train_inputs)
    agreement = (everything(data)[1] == everything(true)[1]).double().mean().item()
    chance, n = 1 / data.classes, len(everything(data)[1])
    assert abs(agreement - chance) < 4 * (chance * (1 - chance) / n) ** 0.5
    counts = torch.bincount(everything(data)[1], minlength=data.classes).double()
    assert ((counts - n * chance).abs() < 5 * (n * chance) ** 0.5).all()


def test_a_pair_keeps_its_random_label_whatever_the_share_that_trains() -> None:
    labels = []
    for share in (0.2, 0.7):
        inputs, drawn = everything(make_data(modular(labels="random", train_fraction=share), 1))
        labels.append(drawn[(inputs[:, 0] * 97 + inputs[:, 1]).argsort()])
    assert torch.equal(*labels)


@pytest.mark.parametrize(
    "task", [modular(), parity(), parity(n=70), clusters(), modular(labels="random")]
)
def test_data_follows_from_the_seed(task) -> None:
    first, again, other = make_data(task, 7), make_data(task, 7), make_data(task, 8)
    for name in ("train_inputs", "train_labels", "validation_inputs", "validation_labels"):
        assert torch.equal(getattr(first, name), getattr(again, name))
    assert not torch.equal(first.train_inputs, other.train_inputs)


@pytest.mark.parametrize("n", [10, 20, 30, 70])
def test_parity_is_a_product_of_k_inputs_and_of_no_others(n: int) -> None:
    k = 2
    data = make_data(parity(n=n, k=k, m=500), seed=1)
    inputs, labels = everything(data)
    assert inputs.dtype == torch.float32
    assert set(inputs.unique().tolist()) == {-1.0, 1.0}
    # Exactly one set of k inputs multiplies to the label's sign on every example.
    sign = 1 - 2 * labels
    found = [
        subset
        for subset in torch.combinations(torch.arange(n), k)
        if torch.equal(inputs[:50, subset].prod(1).long(), sign[:50])
        and torch.equal(inputs[:, subset].prod(1).long(), sign)
    ]
    assert len(found) == 1


def test_the_parity_support_changes_with_the_seed() -> None:
    def support(seed: int) -> tuple[int, ...]:
        inputs, labels = everything(make_data(parity(n=8, k=1, m=100), seed))
        sign = (1 - 2 * labels)[:, None]
        return tuple((inputs == sign).all(0).nonzero()[:, 0].tolist())

    supports = [support(seed) for seed in range(12)]
    assert all(len(one) == 1 for one in supports)
    assert len(set(supports)) > 3


@pytest.mark.parametrize(("n", "m", "v"), [(6, 60, 300), (10, 800, 800), (21, 60_000, 60_000)])
def test_no_parity_input_is_in_both_sets(n: int, m: int, v: int) -> None:
    # At n = 21 about 1,700 of 60,000 plain draws would repeat a training input.
    data = make_data(parity(n=n, m=m, v=v), seed=0)
    assert data.validation_inputs.shape == (v, n)
    place = 2 ** torch.arange(n)
    train, validation = (
        ((1 - x.long()) // 2 * place).sum(1) for x in (data.train_inputs, data.validation_inputs)
    )
    assert not torch.isin(validation, train).any()


def test_a_parity_without_unseen_inputs_is_refused() -> None:
    with pytest.raises(RegrokError, match=r"n = 2: all 4 inputs.*lower train_count"):
        make_data(parity(n=2, k=1, m=500), seed=0)


def test_xor_clusters_have_the_stated_means_noise_and_flips() -> None:
    task = clusters(n=50, noise=0.1)
    data = make_data(task, seed=0)
    norm = mean_norm(task)
    x, clean = data.validation_inputs, data.validation_labels
    axis = 1 - clean
    on_axis = x[torch.arange(len(x)), axis]
    off_axis = x[torch.arange(len(x)), 1 - axis]
    assert abs(on_axis.abs().mean().item() - norm) < 0.1
    assert abs((on_axis > 0).double().mean().item() - 0.5) < 0.04
    assert abs(off_axis.std().item() - 1) < 0.05
    assert abs(x[:, 2:].std().item() - 1) < 0.01
    # The rule |x₁| > |x₂| is nearly perfect at this norm: it shows which labels were flipped.
    assert ((x[:, 0].abs() > x[:, 1].abs()).long() == clean).double().mean() > 0.999
    t = data.train_inputs
    flipped = (t[:, 0].abs() > t[:, 1].abs()).long() != data.train_labels
    assert abs(flipped.double().mean().item() - 0.1) < 0.02


def test_a_linear_classifier_cannot_tell_xor_clusters_apart() -> None:
    data = make_data(clusters(noise=0.0), seed=0)
    target = (2 * data.train_labels - 1).double()[:, None]
    weights = torch.linalg.lstsq(data.train_inputs.double(), target).solution
    guess = (data.validation_inputs.double() @ weights > 0).long()[:, 0]
    assert abs((guess == data.validation_labels).double().mean().item() - 0.5) < 0.05


def test_the_sizes_do_not_load_torch() -> None:
    code = "import sys, regrok.study.sizes; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_unknown_task_is_named() -> None:
    stranger = modular().model_copy(update={"name": "sudoku"})
    with pytest.raises(RegrokError, match=f"sudoku.*{next(iter(TASKS))}"):
        make_data(stranger, 0)


def test_a_split_seed_gives_every_run_one_split():
    task = modular(split_seed=3)
    assert torch.equal(make_data(task, 0).train_inputs, make_data(task, 1).train_inputs)
    assert torch.equal(make_data(task, 0).train_inputs, make_data(modular(), 3).train_inputs)
    assert not torch.equal(
        make_data(modular(), 0).train_inputs, make_data(modular(), 1).train_inputs
    )
