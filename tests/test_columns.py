"""The columns that describe a run, derived from its types."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from configurations import default_point, default_run
from regrok.laws.parts.selection import conditions, distinct
from regrok.released.dictionary import rows as dictionary_rows
from regrok.runs import columns as run_columns
from regrok.runs.rows import result_columns, settings_columns
from regrok.study.base import Role, marked
from regrok.study.columns import CLASSES, DECIDING, FREE, NAMING, SETTINGS, merged
from regrok.study.run import Run
from regrok.tables import cells
from regrok.tasks.operations import OPERATIONS

LOGGING = {
    *("max_steps", "memorise_steps", "log_every", "curve_every", "tail_steps", "stop", "products"),
    "precision",
}
"""The settings that do not make another training of a run: only logging, cutting off and rounding."""

XOR_TASK = {"name": "xor_clusters", "n": 40, "noise": 0.1, "labels": "true"}
SIZES = {"train_count": 100, "validation_count": 50}


def point(**blocks: dict[str, Any]) -> Run:
    """The default point with some keys of some blocks changed; a task or model with a `name` replaces the block."""
    values = default_point()
    for block, keys in blocks.items():
        values[block] = (
            dict(keys) if "name" in keys and block != "optimiser" else {**values[block], **keys}
        )
    return Run.model_validate(values)


def perceptron(**keys: Any) -> dict[str, Any]:
    model = {"name": "mlp", "input": "sum", "depth": 2, "width": 64, "activation": "relu"}
    return {**model, "residual": False, "init_scale": 1.0, **keys}


def decoder(**keys: Any) -> Run:
    model = {"name": "decoder", "layers": 2, "norm": "post", "d_model": 16, "heads": 2, "ffn": 32}
    model |= {"activation": "relu", "biases": False, "operator": True, "positions": "learned"}
    return point(model={**model, "tied": False, "init_scale": 1.0, **keys})


def encoder(**keys: Any) -> Run:
    model = {"name": "encoder", "layers": 2, "d_model": 16, "heads": 2, "ffn": 32}
    return point(model={**model, "activation": "gelu", "init_scale": 1.0, **keys})


def quadratic(**blocks: dict[str, Any]) -> Run:
    model = {"name": "quadratic", "width": 64, "init_scale": 1.0, **blocks.pop("model", {})}
    return point(model=model, optimiser={"loss": "square", **blocks.pop("optimiser", {})}, **blocks)


def parity(**keys: Any) -> Run:
    task = {"name": "sparse_parity", "n": 40, "k": 3, "labels": "true", **SIZES, **keys}
    return point(task=task, model=perceptron(input="vector"), protocol={"batch": 10})


def xor(**keys: Any) -> Run:
    task = {**XOR_TASK, **SIZES, **keys}
    return point(task=task, model=perceptron(input="vector"), protocol={"batch": 10})


def multiply(**keys: Any) -> Run:
    return point(task={**keys, "operation": "multiply"})


PAIRS: dict[str, tuple[Run, Run]] = {
    "task": (parity(n=40, k=3), xor(n=40)),
    "operation": (point(), point(task={"operation": "subtract"})),
    "p": (point(), point(task={"p": 53})),
    "zero": (multiply(zero="include"), multiply(zero="exclude")),
    "ordered": (point(), point(task={"ordered": False})),
    "split": (point(), point(task={"split": "unordered"})),
    "outliers": (point(), point(task={"outliers": 10})),
    "train_fraction": (point(), point(task={"train_fraction": 0.4})),
    "train_count": (
        point(task={"train_fraction": None, "train_count": 3000}),
        point(task={"train_fraction": None, "train_count": 3001}),
    ),
    "n": (parity(), parity(n=41)),
    "k": (parity(), parity(k=4)),
    "noise": (xor(), xor(noise=0.2)),
    "validation_count": (parity(), parity(validation_count=51)),
    "split_seed": (point(), point(task={"split_seed": 7})),
    "labels": (point(), point(task={"labels": "random"})),
    "model": (point(), point(model=perceptron())),
    "layers": (decoder(), decoder(layers=1)),
    "norm": (point(), point(model={"norm": "pre"})),
    "readout": (point(), point(model={"readout": "mean"})),
    "d_model": (point(), point(model={"d_model": 64})),
    "heads": (point(), point(model={"heads": 2})),
    "ffn": (point(), point(model={"ffn": 256})),
    "biases": (decoder(), decoder(biases=True)),
    "operator": (decoder(), decoder(operator=False)),
    "positions": (decoder(), decoder(positions="sinusoidal")),
    "tied": (decoder(), decoder(tied=True)),
    "input": (point(model=perceptron()), point(model=perceptron(input="concat"))),
    "depth": (point(model=perceptron()), point(model=perceptron(depth=3))),
    "width": (point(model=perceptron()), point(model=perceptron(width=32))),
    "activation": (point(), point(model={"activation": "relu"})),
    "residual": (point(model=perceptron()), point(model=perceptron(residual=True))),
    "init_scale": (point(), point(model={"init_scale": 2.0})),
    "embeddings": (point(), point(model={"embeddings": "separate"})),
    "dropout": (decoder(), decoder(dropout=0.1)),
    "neuron_scale": (quadratic(), quadratic(model={"neuron_scale": 0.5})),
    "layer_starts": (encoder(), encoder(layer_starts="alike")),
    "position_scale": (encoder(), encoder(position_scale=0.5)),
    "optimiser": (point(), point(optimiser={"name": "adam", "decay": "coupled"})),
    "learning_rate": (point(), point(optimiser={"learning_rate": 2e-3})),
    "weight_decay": (point(), point(optimiser={"weight_decay": 0.1})),
    "decay": (
        point(optimiser={"name": "sgd", "decay": "coupled"}),
        point(optimiser={"name": "sgd", "decay": "decoupled"}),
    ),
    "decayed": (point(), point(optimiser={"decayed": "matrices"})),
    "momentum": (
        point(optimiser={"name": "sgd", "momentum": 0.0}),
        point(optimiser={"name": "sgd", "momentum": 0.9}),
    ),
    "beta1": (point(), point(optimiser={"beta1": 0.5})),
    "beta2": (point(), point(optimiser={"beta2": 0.98})),
    "eps": (point(), point(optimiser={"eps": 1e-6})),
    "clip_norm": (point(), point(optimiser={"clip_norm": 1.0})),
    "warmup_steps": (point(), point(optimiser={"warmup_steps": 10})),
    "weight_noise": (point(), point(optimiser={"weight_noise": 0.01})),
    "gradient_noise": (point(), point(optimiser={"gradient_noise": 0.01})),
    "decay_towards": (point(), point(optimiser={"decay_towards": "initialisation"})),
    "loss": (quadratic(optimiser={"loss": None}), quadratic()),
    "centring": (quadratic(), quadratic(optimiser={"centring": "batch"})),
    "reduction": (quadratic(), quadratic(optimiser={"reduction": "sum"})),
    "linf_penalty": (point(), point(optimiser={"linf_penalty": 1e-4})),
    "normalised": (
        point(optimiser={"name": "sgd"}),
        point(optimiser={"name": "sgd", "normalised": "gradient"}),
    ),
    "batch": (point(), point(protocol={"batch": 256})),
    "full_batch": (point(), point(protocol={"batch": "full", "replacement": False})),
    "replacement": (point(), point(protocol={"replacement": False})),
    "max_steps": (point(), point(protocol={"max_steps": 100})),
    "memorise_steps": (point(), point(protocol={"memorise_steps": 500})),
    "log_every": (point(), point(protocol={"log_every": 50, "curve_every": 100})),
    "curve_every": (point(), point(protocol={"curve_every": 100})),
    "tail_steps": (point(), point(protocol={"tail_steps": 0})),
    "stop": (point(), point(protocol={"stop": "budget"})),
    "products": (point(), point(protocol={"products": "bfloat16"})),
    "precision": (point(), point(protocol={"precision": "float64"})),
}
"""Column → two runs that differ in the setting it shows, and as little else as the types allow."""


def rows(*runs: Run) -> pd.DataFrame:
    sizes = [
        {"train_size": r.task.train_size, "validation_size": r.task.validation_size} for r in runs
    ]
    return pd.DataFrame(
        [settings_columns(run) | size for run, size in zip(runs, sizes, strict=True)]
    )


def test_every_field_of_the_types_is_a_column_or_unseen() -> None:
    columns = {(column.block, column.field) for column in SETTINGS}
    for block, classes in CLASSES.items():
        for each in classes:
            for field in set(each.model_fields) - marked(each, Role.UNSEEN):
                assert (block, field) in columns, f"{each.__name__}.{field} is no column"
    unseen = {
        name
        for classes in CLASSES.values()
        for each in classes
        for name in marked(each, Role.UNSEEN)
    }
    assert unseen == {"measure", "measure_every", "keep"}
    assert len({column.name for column in SETTINGS}) == len(SETTINGS)
    assert all(column.meaning for column in SETTINGS)


def test_every_setting_is_tried() -> None:
    counted = {column.name for column in SETTINGS if not column.field}
    assert PAIRS.keys() == {column.name for column in SETTINGS} - counted


@pytest.mark.parametrize("column", sorted(PAIRS))
@pytest.mark.parametrize("hashed", [True, False], ids=["by hash", "released without the hash"])
def test_two_runs_that_differ_in_a_setting_are_two_trainings(column: str, hashed: bool) -> None:
    one, other = PAIRS[column]
    frame = rows(one, other)
    values = [None if pd.isna(value) else value for value in frame[column]]
    assert values[0] != values[1]
    assert one.run_id != other.run_id
    frame = frame if hashed else frame.drop(columns="condition")
    trainings = 1 if column in LOGGING else 2
    assert len(distinct(frame)) == trainings
    assert len(np.unique(conditions(frame))) == trainings


def test_what_only_logs_is_what_the_types_say() -> None:
    assert {c.name for c in SETTINGS if Role.LOGGING in c.roles} == LOGGING


def test_seeds_of_a_condition_are_distinct_trainings_of_one_condition() -> None:
    one, other = default_run(), default_run().model_copy(update={"seed": 43})
    frame = rows(one, other)
    assert one.condition == other.condition
    assert len(distinct(frame)) == 2
    assert len(np.unique(conditions(frame))) == 1


def test_the_condition_is_the_same_on_every_machine_and_in_every_version() -> None:
    # Rows of released runs hold it.
    assert default_run().condition == "a8d77752a0"


def test_the_settings_of_a_row_are_those_of_its_run() -> None:
    row = settings_columns(xor(noise=0.25))
    shown = {
        key: row[key]
        for key in ("task", "n", "noise", "train_count", "p", "zero", "batch", "full_batch")
    }
    assert shown == {
        "task": "xor_clusters",
        "n": 40,
        "noise": 0.25,
        "train_count": 100,
        "p": None,
        "zero": None,
        "batch": 10,
        "full_batch": False,
    }


def test_a_cohort_may_mix_what_today_it_may() -> None:
    # The cohorts' names hold a hash of all else: another list renames every cohort.
    assert {
        "optimiser": {
            *("learning_rate", "weight_decay", "momentum"),
            *("beta1", "beta2", "eps", "clip_norm"),
        },
        "model": {"init_scale"},
        "protocol": {
            *("max_steps", "memorise_steps", "tail_steps", "stop"),
            *("measure", "measure_every", "keep"),
        },
    } == FREE


def test_a_cell_is_named_by_task_model_and_optimiser_with_the_seeds_last() -> None:
    # The order is that of records in the released fits, and of the strata of their bootstraps.
    assert (
        *("task", "operation", "p", "zero", "ordered", "split", "n", "k", "noise", "labels"),
        *("outliers", "train_size"),
        *("split_seed", "model", "norm", "readout", "d_model", "heads", "ffn"),
        *("input", "depth", "width", "activation", "residual"),
        *(
            "layers",
            "biases",
            "operator",
            "positions",
            "tied",
            "init_scale",
            "embeddings",
            "dropout",
            "neuron_scale",
            "layer_starts",
            "position_scale",
        ),
        *(
            "optimiser",
            "learning_rate",
            "weight_decay",
            "decay",
            "decayed",
            "momentum",
            "clip_norm",
            "weight_noise",
            "gradient_noise",
            "decay_towards",
            "loss",
            "centring",
            "reduction",
            "linf_penalty",
            "normalised",
        ),
    ) == NAMING
    assert DECIDING[: len(NAMING)] == NAMING


def test_the_signs_of_the_table_of_cells_are_of_columns_that_there_are() -> None:
    assert set(cells.SETTINGS) <= {column.name for column in SETTINGS}


def test_every_column_of_a_row_is_explained() -> None:
    curve = pd.DataFrame(
        {
            "step": [0, 25],
            "V": [2.0, 1.0],
            "train_loss": [1.0, 0.0],
            "validation_loss": [1.0, 0.0],
            "train_accuracy": [0.0, 1.0],
            "validation_accuracy": [0.0, 1.0],
        }
    )
    made = {*settings_columns(default_run()), *result_columns(curve, parameters=4)}
    assert made <= run_columns.RUNS.keys()
    later = {
        "cohort",
        "wall_seconds",
        "device",
        "trainer",
        "processor",
        "arithmetic",
    }  # known where the run is gathered
    counted = {column.name for column in SETTINGS if not column.field}
    assert run_columns.RUNS.keys() == made | later | counted
    listed = [row["column"] for row in dictionary_rows() if row["file"] == "runs.parquet"]
    assert listed == list(run_columns.RUNS)


def test_a_meaning_names_the_classes_it_is_true_of_and_the_words_that_are_allowed() -> None:
    meaning = {column.name: column.meaning for column in SETTINGS}
    assert meaning["operation"].startswith("modular: ∘, an entry")
    *others, last = OPERATIONS
    assert meaning["operation"].endswith(f"({', '.join(others)} or {last})")
    assert meaning["init_scale"].startswith("Factor on PyTorch's default")
    assert (
        meaning["readout"] == "transformer: The logits read the last token, or the mean of the two"
    )
    assert (
        meaning["validation_count"] == "sparse_parity, xor_clusters: Number of validation samples"
    )


def test_a_setting_of_words_holds_words_where_it_may_be_null() -> None:
    assert {"operation", "split"} <= {column.name for column in SETTINGS if column.words}


def test_orders_that_contradict_one_another_cannot_be_merged() -> None:
    assert list(merged([["a", "c"], ["b", "c"], ["a", "b"]])) == ["a", "b", "c"]
    with pytest.raises(ValueError, match="no order"):
        list(merged([["a", "b"], ["b", "a"]]))


def test_of_runs_that_differ_in_precision_the_most_exact_is_kept() -> None:
    runs = [
        point(),
        point(protocol={"products": "bfloat16"}),
        point(protocol={"precision": "float64"}),
    ]
    frame = rows(*runs)
    assert frame["condition"].nunique() == 1
    for kept, given in ((2, [0, 1, 2]), (0, [0, 1]), (1, [1])):
        found = distinct(frame.iloc[given])
        assert found["run_id"].tolist() == [runs[kept].run_id]
