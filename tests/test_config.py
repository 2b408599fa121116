"""The study's types, the refusal of what is wrong, and the schema."""

from __future__ import annotations

import difflib
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import ValidationError

from configurations import CONFIG, ROOT, checked, default_run, whole
from regrok.errors import RegrokError
from regrok.figures import drawable
from regrok.paper.texts import shown_studies
from regrok.study.expand import cells
from regrok.study.plan import make_plan
from regrok.study.read import load_config
from regrok.study.schema import FILES, schema_text
from regrok.study.task import Modular
from regrok.study.yaml import parse_yaml, read_yaml

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
    (
        "fits/new",
        {"law": "scalling", "experiments": [], "options": {}},
        ["'scalling'", "'scaling'"],
    ),
    ("figures/weight_decay/draw", "style", ["weight_decay.draw = 'style'", "regrok.figures"]),
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


def test_a_key_of_another_member_of_a_union_is_said_to_be_one() -> None:
    # It used to say: task.p: unknown key. Did you mean 'p'?
    parity = {"name": "sparse_parity", "n": 40, "k": 3, "train_count": 9, "p": 97}
    data = whole()
    put(data, "experiments/S9/change", {"task": parity})
    with pytest.raises(RegrokError) as refusal:
        checked(data)
    assert "task.p = 53: 'sparse_parity' has no such key; 'modular' has it." in str(refusal.value)
    assert "validation_count: missing. (Number of validation samples.)" in str(refusal.value)
    assert "Did you mean 'p'" not in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("scale: smoke\n\ttrainer: 1", ["line 2", "tab", "indent with spaces"]),
        ("scale: [laptop", ["line 1"]),
        ("scale: laptop\nscale: paper", ["'scale'", "twice", "lines 1 and 2"]),
        ("trainer:\n  slots: 1\n  slots: 2", ["'slots'", "line 3"]),
        ("- a list", ["keys and values"]),
        ("", ["keys and values"]),
        ("on: 1", ["True", "quotes"]),
        ("a: !!python/object:os.system x", ["line 1"]),
        ("\x00", ["study"]),
    ],
)
def test_broken_yaml_is_refused_where_it_breaks(text: str, words: list[str]) -> None:
    with pytest.raises(RegrokError) as refusal:
        parse_yaml(text, "study")
    for word in words:
        assert word in str(refusal.value)


@pytest.mark.parametrize("text", ["a: " + "[" * 60_000, "- " * 60_000, "a: " + "{b: " * 60_000])
def test_nesting_without_end_is_refused_and_ends_no_process(text: str) -> None:
    with pytest.raises(RegrokError, match="study"):
        parse_yaml(text, "study")


def test_a_missing_file_is_named_with_the_nearest_one() -> None:
    with pytest.raises(RegrokError, match=r"confg\.yaml.*config\.yaml"):
        load_config(ROOT / "confg.yaml")


def test_numbers_without_a_point_are_numbers() -> None:
    assert parse_yaml("a: [1e-3, -2E5, 1.e+2, 1, x1e3]", "")["a"] == [1e-3, -2e5, 100.0, 1, "x1e3"]


@pytest.mark.parametrize(
    "number",
    ["042", "0o52", "0b101", "1_000", "1_0.5", "1:30", "-017", "0x1_F", ".5_0", "-.5_0", "08"],
)
def test_a_number_that_two_readers_read_differently_is_refused(number: str) -> None:
    # pyyaml#107: `seeds: [042, 043]` would train 34 and 35.
    for text in (f"seeds: [{number}, 43]", f"a:\n  b: {number}"):
        with pytest.raises(RegrokError, match=rf"line \d.*{re.escape(number)}.*decimal"):
            parse_yaml(text, "study")
    assert parse_yaml(f"a: '{number}'", "study")["a"] == number
    for given in (number, f"[{number}]", [number]):
        with pytest.raises(RegrokError, match=r"experiments\.S1\.seeds = .*decimal"):
            load_config(CONFIG, {"experiments.S1.seeds": given})
    # As Snakemake's --config hands it on: nested, every number as text.
    with pytest.raises(RegrokError, match=r"trainer = .*decimal"):
        load_config(CONFIG, {"trainer": {"slots": number}})


def test_numbers_that_all_readers_agree_on_stay() -> None:
    text = "[0, 0.5, -3, 1e-3, 10, 0.0, 100, 1.e+2, 2026-01-01, v1_0, a_1]"
    assert parse_yaml(f"a: {text}", "")["a"][:8] == [0, 0.5, -3, 1e-3, 10, 0.0, 100, 100.0]


@pytest.mark.parametrize("null", ["null", "~", "Null", "NULL"])
def test_null_on_the_command_line_is_null(null: str) -> None:
    # pyyaml#107: what a file says, the command line says too.
    config = load_config(CONFIG, {"settings.addition.protocol.memorise_steps": null})
    assert config.settings["addition"].protocol.memorise_steps is None
    nested = {"settings": {"addition": {"protocol": {"memorise_steps": null}}}}
    assert load_config(CONFIG, nested).settings["addition"].protocol.memorise_steps is None
    assert parse_yaml(f"a: {null}", "")["a"] is None


def test_overrides_reach_any_depth_and_read_text_as_yaml_does() -> None:
    given = {"scale": "paper", "trainer.slots": "7", "trainer": {"memory_gib": "1e1"}}
    config = load_config(CONFIG, given)
    assert config.scale == "paper"
    assert config.trainer.slots == 7
    assert config.trainer.memory_gib == 10.0
    with pytest.raises(RegrokError, match=r"trainer\.slotz.*Did you mean 'slots'"):
        load_config(CONFIG, {"trainer.slotz": 1})


def test_only_builds_what_it_names_with_what_needs_no_more() -> None:
    config = load_config(CONFIG, {"scale": "laptop", "only": "[S1, S8]"})
    assert {row["experiment"] for row in make_plan(config).membership} == {"S1", "S8"}
    whole_study = load_config(CONFIG, {"scale": "laptop"})
    assert "optimisers" in drawable(config)
    assert set(drawable(config)) < set(drawable(whole_study))
    # The other scales stay as they are.
    assert len(list(cells(config, "paper"))) == len(list(cells(whole_study, "paper")))


def test_only_chooses_computations_without_leaving_out_runs_and_the_reverse() -> None:
    def built(only: str) -> tuple[set[str], set[str]]:
        config = load_config(CONFIG, {"scale": "paper", "only": only})
        ran = {row["experiment"] for row in make_plan(config).membership}
        return ran, {name for name in config.computations if config.computes_here(name)}

    every_run, every_computation = built("[]")
    assert {"S1", "F2"} < every_run and {"ridge_relu", "fourier"} < every_computation
    assert built("[S1]") == ({"S1"}, every_computation)
    assert built("[ridge_relu]") == (every_run, {"ridge_relu"})
    assert built("[S1, ridge_relu]") == ({"S1"}, {"ridge_relu"})
    config = load_config(CONFIG, {"only": "[S1, ridge_relu]"})
    assert shown_studies(config) == ["norm_delay", "ridge_regression"]
    assert shown_studies(load_config(CONFIG, {"only": "[S1]"})) == ["norm_delay"]


def test_only_refuses_what_does_not_exist_or_does_not_run() -> None:
    with pytest.raises(RegrokError, match="only = 'S66': no such experiment"):
        load_config(CONFIG, {"only": ["S66"]})
    with pytest.raises(RegrokError, match="only = 'B1': does not run at scale smoke, but at paper"):
        load_config(CONFIG, {"only": ["B1"], "scale": "smoke"})


# ---------------------------------------------------------------- schema


@pytest.mark.parametrize("name", FILES)
def test_the_schema_file_is_that_of_the_types(name: str) -> None:
    path = ROOT / "workflow/schemas" / f"{name}.schema.json"
    stored = path.read_text(encoding="utf-8")
    diff = difflib.unified_diff(
        stored.splitlines(),
        schema_text(name).splitlines(),
        path.name,
        "the types",
        lineterm="",
    )
    assert stored == schema_text(name), "run `regrok schema`:\n" + "\n".join(diff)


def validator(name: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json.loads(schema_text(name)))


OF_THE_PROJECT = [
    ("config", ROOT / "config.yaml"),
    ("whole", ROOT / "studies/whole.yaml"),
    *(
        (kind, path)
        for kind in ("study", "claims", "published")
        for path in sorted((ROOT / "studies").glob(f"*/{kind}.yaml"))
    ),
]


@pytest.mark.parametrize(("name", "path"), OF_THE_PROJECT, ids=lambda each: str(each)[-30:])
def test_the_project_s_files_satisfy_their_schemas(name: str, path: Path) -> None:
    assert list(validator(name).iter_errors(read_yaml(path))) == []
    first, *_ = path.read_text(encoding="utf-8").splitlines()
    schema = path.parent / first.partition("$schema=")[2]
    assert schema.resolve() == (ROOT / "workflow/schemas" / f"{name}.schema.json").resolve()


@pytest.mark.parametrize(
    ("name", "file", "path", "value"),
    [
        ("config", "config.yaml", "trainer/slotz", 1),
        ("study", "studies/norm_delay/study.yaml", "experiments/S2/gird", 1),
        ("study", "studies/norm_delay/study.yaml", "settings/addition/optimiser/beta3", 1),
        ("study", "studies/norm_delay/study.yaml", "experiments/S3/grid", {"task.q": [97]}),
    ],
)
def test_a_typo_does_not_satisfy_the_schema(name: str, file: str, path: str, value: Any) -> None:
    data = read_yaml(ROOT / file)
    put(data, path, value)
    assert list(validator(name).iter_errors(data))


@pytest.mark.parametrize("file", FILES)
def test_every_field_says_what_it_is(file: str) -> None:
    schema = json.loads(schema_text(file))
    bare = [
        f"{name}.{key}"
        for name, definition in schema["$defs"].items()
        for key, field in definition.get("properties", {}).items()
        if not field.get("description")
    ]
    assert bare == []
