"""What names a run and its cell."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
from hypothesis import given

from configurations import default_point, default_run
from regrok.study.run import Run

OTHERS: dict[str, list[Any]] = {
    "task.operation": ["subtract", "multiply"],
    "task.p": [53, 101],
    "task.ordered": [False],
    "task.split": ["unordered"],
    "task.train_fraction": [0.4, 0.2],
    "task.split_seed": [0],
    "task.labels": ["random"],
    "task.outliers": [10, 100],
    "model.norm": ["pre"],
    "model.readout": ["mean"],
    "model.d_model": [64],
    "model.heads": [2],
    "model.ffn": [256],
    "model.activation": ["relu"],
    "model.init_scale": [0.5, 2.0],
    "model.embeddings": ["separate"],
    "optimiser.learning_rate": [2e-3, 1e-4],
    "optimiser.weight_decay": [0.0, 0.1],
    "optimiser.decayed": ["matrices"],
    "optimiser.beta1": [0.0],
    "optimiser.beta2": [0.98],
    "optimiser.eps": [1e-6],
    "optimiser.clip_norm": [1.0],
    "optimiser.warmup_steps": [10],
    "optimiser.weight_noise": [0.01, 1.0],
    "optimiser.gradient_noise": [0.01],
    "optimiser.decay_towards": ["initialisation"],
    "optimiser.linf_penalty": [1e-4],
    "protocol.batch": [256],
    "protocol.replacement": [False],
    "protocol.max_steps": [10],
    "protocol.memorise_steps": [500],
    "protocol.log_every": [50, 100],
    "protocol.curve_every": [100],
    "protocol.tail_steps": [0],
    "protocol.stop": ["budget"],
    "protocol.products": ["bfloat16"],
    "protocol.precision": ["float64"],
}
UNSEEN: dict[str, list[Any]] = {
    "protocol.measure": [("logit_max",), ("fourier_low", "norm_groups")],
    "protocol.measure_every": [25, 500],
    "protocol.keep": [("end",), ("T_grok", 25)],
    "optimiser.momentum": [0.9],  # AdamW has none
}


def changed(values: dict[str, Any], dotted: str, value: Any) -> dict[str, Any]:
    block, key = dotted.split(".")
    return {**values, block: {**values[block], key: value}}


@given(st.data())
def test_run_id_follows_every_field_that_can_change_the_numbers(data: st.DataObject) -> None:
    dotted = data.draw(st.sampled_from(sorted(OTHERS)))
    value = data.draw(st.sampled_from(OTHERS[dotted]))
    one, other = default_run(), Run.model_validate(changed(default_point(), dotted, value))
    assert other.run_id != one.run_id
    assert other.cell != one.cell


def test_every_field_of_the_default_point_is_looked_at() -> None:
    fields = {
        f"{block}.{key}"
        for block, keys in default_point().items()
        if block != "seed"
        for key in keys
    }
    fixed = {
        "task.name",
        "task.zero",  # exclude is refused for addition
        "task.train_count",  # excludes train_fraction
        "model.name",
        "optimiser.name",
        "optimiser.decay",  # AdamW's is decoupled
        *("optimiser.loss", "optimiser.centring", "optimiser.reduction"),  # of networks by autograd
        "optimiser.normalised",  # of SGD
    }
    assert fields - fixed == OTHERS.keys() | UNSEEN.keys()


@given(st.sampled_from([(key, value) for key in sorted(UNSEEN) for value in UNSEEN[key]]))
def test_run_id_ignores_what_cannot_change_the_numbers(change: tuple[str, Any]) -> None:
    assert Run.model_validate(changed(default_point(), *change)).run_id == default_run().run_id


@given(st.permutations(["task", "model", "optimiser", "protocol", "seed"]), st.randoms())
def test_run_id_ignores_the_order_of_keys(blocks: list[str], random: Any) -> None:
    values = default_point()
    shuffled = {}
    for block in blocks:
        items = list(values[block].items()) if block != "seed" else []
        random.shuffle(items)
        shuffled[block] = dict(items) if block != "seed" else values[block]
    assert Run.model_validate(shuffled).run_id == default_run().run_id


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_a_cell_is_the_runs_that_differ_in_seed_alone(a: int, b: int) -> None:
    one, other = (Run.model_validate({**default_point(), "seed": seed}) for seed in (a, b))
    assert one.cell == other.cell
    assert (one.run_id == other.run_id) == (a == b)


def test_run_id_is_the_same_on_every_machine_and_in_every_version() -> None:
    # The run store and the released bundle are keyed by it: a change orphans every finished run.
    assert (default_run().run_id, default_run().cell) == ("086f3b5d266d", "b5dfbb238b")


def test_a_copy_with_another_seed_has_another_run_id() -> None:
    run = default_run()
    assert run.run_id != run.model_copy(update={"seed": 43}).run_id
