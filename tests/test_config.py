"""The study's types, the refusal of what is wrong, and the schema."""

from __future__ import annotations

import contextlib
import difflib
import json
from typing import Any

import hypothesis.strategies as st
import jsonschema
import pytest
from hypothesis import given, settings
from pydantic import ValidationError

from regrok.config import SCALES, Modular, Run, load_config
from regrok.config.changes import known_keys
from regrok.config.load import parse_yaml
from regrok.config.schema import schema_text
from regrok.errors import RegrokError
from regrok.plan import make_plan
from studies import CONFIG, ROOT, checked, default_point, default_run, part, whole

# ---------------------------------------------------------------- identity

OTHERS: dict[str, list[Any]] = {
    "task.operation": ["subtract", "multiply"],
    "task.p": [53, 101],
    "task.ordered": [False],
    "task.train_fraction": [0.4, 0.2],
    "task.labels": ["random"],
    "model.norm": ["pre"],
    "model.readout": ["mean"],
    "model.d_model": [64],
    "model.heads": [2],
    "model.ffn": [256],
    "model.activation": ["relu"],
    "model.init_scale": [0.5, 2.0],
    "optimiser.learning_rate": [2e-3, 1e-4],
    "optimiser.weight_decay": [0.0, 0.1],
    "optimiser.decayed": ["matrices"],
    "optimiser.beta1": [0.0],
    "optimiser.beta2": [0.98],
    "optimiser.eps": [1e-6],
    "optimiser.clip_norm": [1.0],
    "optimiser.warmup_steps": [10],
    "protocol.batch": [256],
    "protocol.replacement": [False],
    "protocol.max_steps": [10],
    "protocol.log_every": [50, 100],
    "protocol.curve_every": [200],
    "protocol.tail_steps": [0],
    "protocol.products": ["bfloat16"],
}
UNSEEN: dict[str, list[Any]] = {
    "protocol.measure": [("logit_max",), ("fourier_low", "norm_groups")],
    "protocol.measure_every": [25, 500],
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
    assert (default_run().run_id, default_run().cell) == ("dfe19e7b67ae", "20af6b51de")


def test_a_copy_with_another_seed_has_another_run_id() -> None:
    run = default_run()
    assert run.run_id != run.model_copy(update={"seed": 43}).run_id


# ---------------------------------------------------------------- types


@pytest.mark.parametrize(
    ("task", "pairs", "train"),
    [
        ({"p": 97}, 9409, 4704),  # 2603.13331
        ({"p": 97, "train_fraction": 0.2}, 9409, 1882),  # 2603.25009, section 3.2
        ({"p": 97, "operation": "multiply", "zero": "exclude"}, 9216, 4608),  # 2603.25009, Exp 8
        ({"p": 97, "operation": "divide"}, 97 * 96, 97 * 48),
        ({"p": 5, "ordered": False}, 15, 8),
        ({"p": 97, "train_fraction": None, "train_count": 1000}, 9409, 1000),
    ],
)
def test_sizes_of_modular_tasks(task: dict[str, Any], pairs: int, train: int) -> None:
    found = default_run(task=task).task
    assert isinstance(found, Modular)
    assert (found.pairs, found.train_size, found.validation_size) == (pairs, train, pairs - train)


@pytest.mark.parametrize("p", [2, 3, 5, 7, 11, 13, 97, 113, 127])
def test_multiplication_takes_primes(p: int) -> None:
    assert default_run(task={"operation": "multiply", "p": p}, protocol={"batch": 1}).task.p == p


@pytest.mark.parametrize("p", [4, 9, 91, 98, 121])
def test_multiplication_refuses_composites_and_addition_takes_them(p: int) -> None:
    default_run(task={"p": p})
    for operation in ("multiply", "divide"):
        with pytest.raises(ValidationError, match=rf"p = {p} is not prime"):
            default_run(task={"operation": operation, "p": p})


# ---------------------------------------------------------------- refusal


def put(data: dict[str, Any], dotted: str, value: Any) -> None:
    *above, last = dotted.split("/")
    for key in above:
        data = data[key]
    data[last] = value


REFUSED = [
    ("trainer/slotz", 3, ["trainer.slotz = 3", "unknown key", "'slots'"]),
    ("scael", "smoke", ["scael", "'scale'"]),
    ("scale", "laptob", ["scale = 'laptob'", "'smoke', 'laptop' or 'paper'"]),
    ("trainer/slots", "4", ["trainer.slots = '4'", "integer"]),
    ("trainer/slots", True, ["trainer.slots = True", "integer"]),
    ("trainer/slots", 0, ["trainer.slots = 0", "greater than or equal to 1"]),
    ("trainer/memory_gib", float("nan"), ["trainer.memory_gib = nan", "finite"]),
    ("settings/addition/task/train_fraction", 1.0, ["train_fraction = 1.0", "less than 1"]),
    ("settings/addition/task/train_fraction", 0.0, ["train_fraction = 0.0", "greater than 0"]),
    ("settings/addition/task/train_count", 10, ["train_fraction and train_count", "both", "null"]),
    ("settings/addition/task/train_fraction", None, ["train_fraction and train_count", "neither"]),
    ("settings/addition/task/name", "modulr", ["task.name = 'modulr'", "'modular'"]),
    ("settings/addition/protocol/curve_every", 110, ["curve_every = 110", "log_every = 25"]),
    (
        "settings/addition/optimiser/learning_rate",
        "fast",
        ["learning_rate = 'fast'", "number", "η"],
    ),
    ("settings/addition/optimiser/learnign_rate", 1, ["learnign_rate", "'learning_rate'"]),
    ("settings/addition/optimiser/decay", "coupled", ["decay = 'coupled'", "adamw", "'decoupled'"]),
    ("settings/addition/model/heads", 3, ["heads = 3", "d_model = 128"]),
    ("settings/addition_laptop/like", "adition", ["'adition'", "Did you mean 'addition'"]),
    ("settings/addition/like", "addition_laptop", ["like", "itself"]),
    ("experiments/S9/settings", "addiction", ["S9.settings = 'addiction'", "'addition'"]),
    ("experiments/S9/seeds", [], ["experiments.S9.seeds = []", "at least 1"]),
    ("experiments/S9/seeds", [1, 2, 1], ["experiments.S9.seeds", "seed 1", "twice"]),
    ("experiments/S9/grid", {"task.p": []}, ["experiments.S9.grid.task.p = []", "at least 1"]),
    ("experiments/S9/grid", {"task.p": [53, 98]}, ["experiments.S9", "p = 98", "not prime"]),
    ("experiments/S9/grid", {"task.p": [53, 53]}, ["experiments.S9.grid.task.p", "53", "twice"]),
    ("experiments/S9/grid", {"weight_decay": [1]}, ["S9.grid", "'optimiser.weight_decay'"]),
    ("experiments/S9/grid", {"task.pp": [97]}, ["S9.grid", "'task.pp'", "'task.p'"]),
    ("experiments/S9/scales", {}, ["experiments.S9.scales", "smoke, laptop, paper"]),
    ("experiments/S9/scales/papre", {}, ["experiments.S9.scales.papre", "paper"]),
    (
        "experiments/S9/scales/laptop/change",
        {"model": {"name": "mlp"}},
        ["S9", "model.width", "missing"],
    ),
    (
        "fits/new",
        {"law": "x", "experiments": ["S99"], "options": {}},
        ["fits.new.experiments", "S99"],
    ),
]


@pytest.mark.parametrize(("path", "value", "words"), REFUSED, ids=lambda each: str(each)[:40])
def test_a_refusal_names_the_key_the_value_and_what_is_allowed(
    path: str, value: Any, words: list[str]
) -> None:
    data = whole()
    put(data, path, value)
    with pytest.raises(RegrokError) as refusal:
        checked(data)
    for word in words:
        assert word in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("scale: [laptop", ["line 1"]),
        ("scale: laptop\nscale: paper", ["'scale'", "twice", "lines 1 and 2"]),
        ("trainer:\n  slots: 1\n  slots: 2", ["'slots'", "line 3"]),
        ("- a list", ["keys and values"]),
        ("", ["keys and values"]),
        ("on: 1", ["True", "quotes"]),
        ("a: !!python/object:os.system x", ["line 1"]),
        ("a: 2024-99-99", ["study"]),
        ("\x00", ["study"]),
    ],
)
def test_broken_yaml_is_refused_where_it_breaks(text: str, words: list[str]) -> None:
    with pytest.raises(RegrokError) as refusal:
        parse_yaml(text, "study")
    for word in words:
        assert word in str(refusal.value)


def test_a_missing_file_is_named_with_the_nearest_one() -> None:
    with pytest.raises(RegrokError, match=r"confg\.yaml.*config\.yaml"):
        load_config(ROOT / "confg.yaml")


def test_numbers_without_a_point_are_numbers() -> None:
    assert parse_yaml("a: [1e-3, -2E5, 1.e+2, 1, x1e3]", "")["a"] == [1e-3, -2e5, 100.0, 1, "x1e3"]


def test_overrides_reach_any_depth_and_read_text_as_yaml_does() -> None:
    given = {"scale": "paper", "trainer.slots": "7", "trainer": {"memory_gib": "1e1"}}
    config = load_config(CONFIG, given)
    assert config.scale == "paper"
    assert config.trainer.slots == 7
    assert config.trainer.memory_gib == 10.0
    with pytest.raises(RegrokError, match=r"trainer\.slotz.*Did you mean 'slots'"):
        load_config(CONFIG, {"trainer.slotz": 1})


# ---------------------------------------------------------------- fuzz

JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-10, 200),
    st.sampled_from([10**400, -(10**400), 2**64, 0.5, -0.0, 1e308, float("nan"), float("inf")]),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["S2", "addition", "paper", "modular", "mlp", "full", "task.p", "xor", "null"]),
    st.lists(st.integers(0, 3), max_size=3),
    st.lists(st.lists(st.integers(0, 1), max_size=1), max_size=2),
    st.dictionaries(st.text(max_size=4), st.integers(0, 3), max_size=2),
    st.dictionaries(
        st.sampled_from(known_keys()), st.lists(st.integers(0, 9), max_size=2), max_size=2
    ),
)


def paths(node: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = (
        node.items()
        if isinstance(node, dict)
        else enumerate(node)
        if isinstance(node, list)
        else ()
    )
    return [each for key, value in inner for each in ((*above, key), *paths(value, (*above, key)))]


@st.composite
def mutations(draw: st.DrawFn) -> tuple[dict[str, Any], list[str]]:
    """A study with one thing broken, renamed, lost, doubled or added, and the keys on the way."""
    data = part("S2", "S8", "S10", scale=draw(st.sampled_from(SCALES)))
    path = draw(st.sampled_from(paths(data)))
    node: Any = data
    for key in path[:-1]:
        node = node[key]
    last = path[-1]
    kind = draw(st.sampled_from(["value", "rename", "delete", "add", "double"]))
    if kind == "value" or (kind in ("rename", "add") and isinstance(node, list)):
        node[last] = draw(JUNK)
    elif kind == "delete":
        del node[last]
    elif kind == "rename":
        node[draw(st.text(max_size=3)) + str(last)[1:]] = node.pop(last)
    elif kind == "add":
        node[draw(st.text(max_size=8))] = draw(JUNK)
    elif isinstance(node, list):
        node.append(node[last])
    else:
        node[f"{last}2"] = node[last]
    return data, [str(key) for key in path]


def refused(data: dict[str, Any]) -> str | None:
    """The message with which a study is refused, if it is."""
    try:
        config = checked(data)
    except RegrokError as refusal:
        return str(refusal)
    plan = make_plan(config)
    assert len(plan.runs) == sum(len(cohort.runs) for cohort in plan.cohorts.values())
    return None


def ends_in_a_plan_or_a_refusal(mutation: tuple[dict[str, Any], list[str]]) -> None:
    data, keys = mutation
    message = refused(data)
    assert message is None or any(key in message for key in keys), (message, keys)


@settings(max_examples=300)
@given(mutations())
def test_a_mutated_study_ends_in_a_plan_or_a_refusal_that_names_a_key(
    mutation: tuple[dict[str, Any], list[str]],
) -> None:
    ends_in_a_plan_or_a_refusal(mutation)


@pytest.mark.long
@settings(max_examples=5000)
@given(mutations())
def test_thousands_of_mutated_studies_end_in_a_plan_or_a_refusal(
    mutation: tuple[dict[str, Any], list[str]],
) -> None:
    ends_in_a_plan_or_a_refusal(mutation)


@given(st.text(alphabet=st.sampled_from("ab:-[]{}&*!|>'\"#%@ \n\t1e.<~?"), max_size=60))
@settings(max_examples=300)
def test_any_text_is_yaml_or_refused(text: str) -> None:
    with contextlib.suppress(RegrokError):
        assert isinstance(parse_yaml(text, "study"), dict)


# ---------------------------------------------------------------- schema


def test_the_schema_file_is_that_of_the_types() -> None:
    stored = (ROOT / "config.schema.json").read_text(encoding="utf-8")
    diff = difflib.unified_diff(
        stored.splitlines(),
        schema_text().splitlines(),
        "config.schema.json",
        "the types",
        lineterm="",
    )
    assert stored == schema_text(), "run `regrok schema`:\n" + "\n".join(diff)


def test_config_yaml_satisfies_the_schema_and_a_typo_does_not() -> None:
    validator = jsonschema.Draft202012Validator(json.loads(schema_text()))
    assert list(validator.iter_errors(whole())) == []
    for path in ("trainer/slotz", "experiments/S2/gird", "settings/addition/optimiser/beta3"):
        data = whole()
        put(data, path, 1)
        assert list(validator.iter_errors(data))
    data = whole()
    put(data, "experiments/S3/grid", {"task.q": [97]})
    assert list(validator.iter_errors(data))


def test_every_field_says_what_it_is() -> None:
    schema = json.loads(schema_text())
    bare = [
        f"{name}.{key}"
        for name, definition in schema["$defs"].items()
        for key, field in definition.get("properties", {}).items()
        if not field.get("description")
    ]
    assert bare == []
