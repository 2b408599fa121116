"""What the configuration tells already is refused before the first job, not after hours of training.

Of the kind of the public reports lifelines#1151 and dvc#10296: a value that is accepted, and fails or misleads late.
"""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from configurations import CONFIG, ROOT, checked, default_run, one_experiment, whole
from regrok.errors import RegrokError
from regrok.models import build
from regrok.study.blocks import Config
from regrok.study.claims import load_claims
from regrok.study.estimands import estimates
from regrok.study.options import option_problems
from regrok.study.published import load_published
from regrok.study.read import load_config
from regrok.study.run import Run
from regrok.study.sizes import least_bytes, task_info
from regrok.study.task import SparseParity
from regrok.training.kinds import DECODER

STUDY = "studies/norm_delay"


def refused(data: dict[str, Any], *words: str) -> None:
    with pytest.raises(RegrokError) as refusal:
        checked(data)
    for word in words:
        assert word in str(refusal.value), refusal.value


# The protocol ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["max_steps", "tail_steps", "memorise_steps", "curve_every"])
def test_steps_between_two_logs_are_refused(key: str) -> None:
    # max_steps = 210 with log_every = 25 trained 225 steps and ended in results that contradict themselves.
    for where in ({"change": {"protocol": {key: 210}}}, {"grid": {f"protocol.{key}": [210]}}):
        grid = where.pop("grid", {"task.p": [53]})
        refused(one_experiment(grid, **where), "experiments.S1", f"{key} = 210", "log_every = 25")
    checked(one_experiment({f"protocol.{key}": [200, 225]}))


def test_the_nearest_multiples_are_named() -> None:
    data = one_experiment({"protocol.max_steps": [210]})
    refused(data, "max_steps = 210 is not a multiple of log_every = 25; 200 or 225 is")
    refused(one_experiment({"protocol.max_steps": [10]}), "max_steps = 10", "; 25 is")


def test_patience_beyond_the_budget_is_refused() -> None:
    change = {"protocol": {"max_steps": 100, "memorise_steps": 125}}
    refused(one_experiment({}, change=change), "memorise_steps = 125 is more than max_steps = 100")
    change["protocol"]["memorise_steps"] = 100
    checked(one_experiment({}, change=change))


# Sizes -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("protocol.max_steps", 2**63),
        ("protocol.tail_steps", 10**30),
        ("protocol.log_every", 2**63),
        ("optimiser.warmup_steps", 10**19),
        ("task.split_seed", 2**63),
        ("task.train_count", 2**63),
        ("protocol.batch", 2**31),
        ("optimiser.learning_rate", 10**400),
        ("optimiser.weight_decay", float("inf")),
        ("model.init_scale", 10**309),
    ],
)
def test_a_number_that_no_column_holds_is_refused(key: str, value: Any) -> None:
    refused(one_experiment({key: [value]}), key, str(value)[:12])


def test_memory_of_the_machine_s_side_is_finite() -> None:
    for value in ("1e300", "inf", 10**400):
        with pytest.raises(RegrokError, match=r"trainer\.memory_gib"):
            load_config(CONFIG, {"trainer.memory_gib": value})


def test_a_model_beyond_the_memory_of_a_job_is_refused() -> None:
    huge = {"d_model": 4096, "heads": 4, "ffn": 16384}
    refused(one_experiment({}, change={"model": huge}), "S1", "3.0 GiB", "trainer.memory_gib = 2")
    data = one_experiment({}, change={"model": huge})
    data["trainer"]["memory_gib"] = 4.0
    checked(data)


@pytest.mark.parametrize(
    "model",
    [
        {},
        {"name": "mlp", "depth": 1, "residual": False},
        {"name": "mlp", "depth": 3, "residual": False},
        {"name": "mlp", "depth": 2, "residual": True},
        DECODER,
    ],
)
def test_the_least_memory_is_less_than_the_parameters_take(model: dict[str, Any]) -> None:
    settings = default_run()
    if model.get("name") == "decoder":
        settings = Run.model_validate({**settings.model_dump(), "model": model})
    elif model:
        mlp = {"input": "sum", "width": 64, "activation": "relu", "init_scale": 1.0, **model}
        settings = Run.model_validate({**settings.model_dump(), "model": mlp})
    parameters = build(settings.model, task_info(settings.task)).layout.parameters
    assert (
        0 <= least_bytes(settings) <= 16 * parameters
    )  # weights, gradient and Adam's two averages


def test_a_training_set_that_leaves_no_input_to_validate_on_is_refused() -> None:
    parity = {
        "name": "sparse_parity",
        "n": 8,
        "k": 2,
        "train_count": 2000,
        "validation_count": 100,
        "labels": "true",
    }
    mlp = {
        "name": "mlp",
        "input": "vector",
        "depth": 1,
        "width": 32,
        "activation": "relu",
        "residual": False,
        "init_scale": 1.0,
    }
    refused(
        one_experiment({}, change={"task": parity, "model": mlp}),
        "2000 training samples of n = 8 bits leave 0.1 of the 2^8 inputs",
    )
    checked(one_experiment({}, change={"task": {**parity, "train_count": 500}, "model": mlp}))
    assert SparseParity.model_validate({**parity, "n": 1, "k": 1, "train_count": 1}).unseen == (
        pytest.approx(1.0)
    )


# Options -----------------------------------------------------------------------------------------------------------


def told(section: str, name: str, key: str, value: Any) -> list[str]:
    data = whole()
    data[section][name].setdefault("options", {})[key] = value
    return option_problems(Config.model_validate(data))


@pytest.mark.parametrize(
    ("section", "name", "key", "value", "wish"),
    [
        ("fits", "forecast", "replicates", "many", "a whole number from 1"),
        ("fits", "forecast", "replicates", 0, "a whole number from 1"),
        ("fits", "forecast", "replicates", 10**12, "a whole number from 1"),
        ("fits", "forecast", "replicates", None, "a whole number from 1"),
        ("fits", "forecast", "replicates", True, "a whole number from 1"),
        ("fits", "forecast", "window", "wide", "a finite number"),
        ("fits", "forecast", "window", float("inf"), "a finite number"),
        ("fits", "forecast", "features", "contraction", "a list"),
        ("fits", "forecast", "within", {"weight_decay": [1, 2, 3]}, "a number or [low, high]"),
        ("fits", "forecast", "within", {"weight_decay": [2, 1]}, "a number or [low, high]"),
        ("fits", "forecast", "within", {"weight_decay": "large"}, "a number or [low, high]"),
        ("fits", "forecast", "within", {"optimiser": 3}, "a name or a list of names"),
        ("fits", "regimes", "factor", ["weight_decay"], "text"),
        ("fits", "regimes", "factor", "optimiser", "words, and numbers are asked for"),
        ("fits", "depth_factorial", "factors", ["activation"], "words, and numbers"),
        ("figures", "weight_decay", "curves", "all", "a list of numbers"),
        ("figures", "weight_decay", "curves", [0.1, "x"], "a list of numbers"),
    ],
)
def test_an_option_of_another_type_is_refused(
    section: str, name: str, key: str, value: Any, wish: str
) -> None:
    [problem] = told(section, name, key, value)
    assert problem.startswith(f"{section}.{name}.options.{key}") and wish in problem


def test_what_a_law_or_a_table_cannot_do_without_is_asked_for() -> None:
    data = whole()
    del data["fits"]["weight_decay"]["options"]["factor"]
    data["tables"]["cells"]["fits"] = ["summary"]
    with pytest.raises(RegrokError) as refusal:
        checked(data)
    assert "fits.weight_decay.options.factor: missing." in str(refusal.value)
    assert "tables.cells.fits: none of them is of the law cells" in str(refusal.value)


# Claims ------------------------------------------------------------------------------------------------------------


def claims_with(tmp_path: Path, old: str, new: str) -> None:
    """Read the first study's claims with one text replaced."""
    folder = tmp_path / "studies"
    config = load_config(CONFIG)
    for study in config.studies:
        (folder / study).mkdir(parents=True)
        text = (ROOT / "studies" / study / "claims.yaml").read_text(encoding="utf-8")
        if study in STUDY:
            assert old in text
            text = text.replace(old, new, 1)
        (folder / study / "claims.yaml").write_text(text, encoding="utf-8")
    load_claims(config, folder)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("weight_decay.T_grok.slope", "weight_decay.T_grok.slop"),
        ("optimisers.sgd_published.grokked_share", "optimisers.sgd.grokked_share"),
        ("forecast.mape", "forecast.mape_naive"),
    ],
)
def test_an_estimate_that_the_law_does_not_make_is_refused(
    tmp_path: Path, old: str, new: str
) -> None:
    fit, _, key = new.partition(".")
    with pytest.raises(RegrokError, match=rf"fits\.{fit}, of law \w+, estimates no '{key}'"):
        claims_with(tmp_path, f"{old}\n", f"{new}\n")


def test_evidence_that_the_law_does_not_make_is_refused() -> None:
    data = whole()
    findings = next(t for t in data["tables"].values() if t.get("options", {}).get("findings"))
    evidence = next(f for f in findings["options"]["findings"] if f.get("evidence"))["evidence"]
    evidence[0]["key"] += "_typo"
    refused(data, "evidence[0].key", "estimates no", "_typo")


def test_the_estimates_that_laws_declare_are_those_that_they_make() -> None:
    config = load_config(CONFIG)
    made: dict[str, set[str]] = {}
    for path in sorted((ROOT / "results/released").glob("*/fits/*.json")):
        found = json.loads(path.read_text(encoding="utf-8"))["estimates"]
        made.setdefault(path.stem, set()).update(key.partition(".")[2] for key in found)
    # What a law makes by an option is made by some fit of it.
    unmade: dict[str, set[str]] = {}
    for name in sorted(made.keys() & config.fits.keys()):
        if patterns := list(estimates(config.fits[name])):
            for key in made[name]:
                assert any(fnmatchcase(key, pattern) for pattern in patterns), f"{name}.{key}"
            absent = {p for p in patterns if not any(fnmatchcase(key, p) for key in made[name])}
            unmade[config.fits[name].law] = absent & unmade.get(config.fits[name].law, absent)
    assert not any(unmade.values()), unmade
    assert len(unmade) > 15


def test_a_deviation_at_a_scale_without_its_runs_is_refused(tmp_path: Path) -> None:
    config = load_config(CONFIG)
    folder = tmp_path / "studies"
    for study in config.studies:
        (folder / study).mkdir(parents=True)
        for name in ("claims.yaml", "published.yaml"):
            text = (ROOT / "studies" / study / name).read_text(encoding="utf-8")
            (folder / study / name).write_text(text, encoding="utf-8")
    only_paper = next(n for n, e in config.experiments.items() if "smoke" not in e.scales)
    owner = next(n for n, s in config.studies.items() if only_paper in s.experiments)
    with (folder / owner / "published.yaml").open("a", encoding="utf-8") as file:
        file.write(
            f"  - {{where: x, published: null, here: '{{{only_paper}.max_steps}}', "
            "reason: x, scales: [smoke]}\n"
        )
    with pytest.raises(RegrokError, match=f"{only_paper} has no runs at scale smoke"):
        load_published(config, folder)
