"""Options of fits, figures and tables: refused before anything is trained, each with the nearest right one."""

from __future__ import annotations

import importlib
import subprocess
import sys
from typing import Any

import pytest

from configurations import checked, whole
from regrok.errors import RegrokError
from regrok.figures.parts.drawing import draw
from regrok.laws import forecast, scaling
from regrok.laws.parts import lifetimes
from regrok.runs.columns import RUNS
from regrok.study.blocks import Config
from regrok.study.columns import names
from regrok.study.defaults import option
from regrok.study.literals import PACKAGE, literal, modules
from regrok.study.options import CHECKS, SECTIONS, option_problems, unread

MODULES = [(folder, name) for _, folder in SECTIONS.values() for name in modules(folder)]


def altered(section: str, name: str, **options: Any) -> Config:
    """The project's study with some options of one block changed, not checked by the loader."""
    data = whole()
    block = data[section][name]
    block["options"] = {**block.get("options", {}), **options}
    return Config.model_validate(data)


def test_the_project_s_own_options_are_right() -> None:
    assert option_problems(checked(whole())) == []


CASES: dict[str, tuple[tuple[str, str], dict[str, Any], str]] = {
    "a fit's unknown option": (
        ("fits", "depth"),
        {"gruops": {}},
        "fits.depth.options: unknown option 'gruops'. Did you mean 'groups'?",
    ),
    "a figure's unknown option": (
        ("figures", "weight_decay"),
        {"curve": [0.1]},
        "figures.weight_decay.options: unknown option 'curve'. Did you mean 'curves'?",
    ),
    "an option of a figure that takes none": (
        ("figures", "anatomy"),
        {"curves": [53]},
        "figures.anatomy.options: unknown option 'curves'. There is none.",
    ),
    "a range that the module does not read": (
        ("fits", "avalanches"),
        {"windows": {"befor": [0.5, 1.0]}},
        "fits.avalanches.options.windows.befor: no such range; there are before, at, after. Did you mean 'before'?",
    ),
    "a signal that there is not": (
        ("fits", "bench"),
        {"signals": ["nrom", "waiting"]},
        "fits.bench.options.signals = 'nrom': no such signal. Did you mean 'norm'?",
    ),
    "costs without names": (
        ("fits", "bench"),
        {"costs": [74]},
        "fits.bench.options.costs = [74]: should be keys and values.",
    ),
    "a table's unknown option": (
        ("tables", "claims"),
        {"every": True},
        "tables.claims.options: unknown option 'every'. Known here: all.",
    ),
    "a word that is not allowed": (
        ("fits", "joint"),
        {"factor": "learning_rate_times_weight_decays"},
        (
            "fits.joint.options.factor = 'learning_rate_times_weight_decays': no such value. "
            "Did you mean 'learning_rate_times_weight_decay'?"
        ),
    ),
    "a reference to no experiment": (
        ("fits", "contraction"),
        {"reference": ["S11"]},
        "fits.contraction.options.reference = 'S11': no such experiment. Did you mean 'S1'?",
    ),
    "a published grid that is none": (
        ("fits", "summary"),
        {"published": ["S1", "inital_scale"]},
        "fits.summary.options.published = 'inital_scale': no such experiment. Did you mean 'init_scale'?",
    ),
    "a fit that is none": (
        ("fits", "robustness"),
        {"fits": ["contraction", "survivals"]},
        "fits.robustness.options.fits = 'survivals': no such fit. Did you mean 'survival'?",
    ),
    "a factor that is no column": (
        ("fits", "depth_factorial"),
        {"factors": ["depth", "widht"]},
        (
            "fits.depth_factorial.options.factors = 'widht': no such column of runs.parquet. "
            "Did you mean 'width'?"
        ),
    ),
    "an interaction of no columns": (
        ("fits", "depth_factorial"),
        {"interactions": [["depth", "resid"]]},
        (
            "fits.depth_factorial.options.interactions = 'resid': no such column of runs.parquet. "
            "Did you mean 'residual'?"
        ),
    ),
    "limits on no column": (
        ("fits", "forecast"),
        {"within": {"weight_decays": [0.1, 1.0]}},
        (
            "fits.forecast.options.within: runs have no column 'weight_decays'. "
            "Did you mean 'weight_decay'?"
        ),
    ),
    "limits of another shape": (
        ("fits", "forecast"),
        {"within": [0.1, 1.0]},
        "fits.forecast.options.within = [0.1, 1.0]: should be column → [low, high], names or one value.",
    ),
    "a group of another experiment": (
        ("fits", "multiplication"),
        {"groups": {"addition": {"experiments": ["S2"]}, "multiplication": {}}},
        (
            "fits.multiplication.options.groups.addition.experiments = 'S2': no such experiment of this block. "
            "Known here: S3, S9."
        ),
    ),
    "a group with an unknown key": (
        ("fits", "parity"),
        {"groups": {"scarce": {"experiment": ["parity_scarce"]}}},
        "fits.parity.options.groups.scarce: unknown key 'experiment'. Did you mean 'experiments'?",
    ),
    "a group of no arm": (
        ("fits", "norm_at_grok"),
        {
            "groups": {"mlp_relu": {"experiments": ["B7"], "arms": ["MLP RELU"]}},
            "ratios": {},
            "configurations": None,
        },
        "fits.norm_at_grok.options.groups.mlp_relu.arms = 'MLP RELU': no such arm. Did you mean 'MLP ReLU'?",
    ),
    "a group within no column": (
        ("fits", "depth"),
        {"groups": {"depth_2": {"within": {"deptth": 2}}}, "ratios": {}},
        "fits.depth.options.groups.depth_2.within: runs have no column 'deptth'. Did you mean 'depth'?",
    ),
    "a group of another shape": (
        ("fits", "depth"),
        {"groups": {"depth_2": 2}, "ratios": {}},
        "fits.depth.options.groups.depth_2 = 2: should be keys and values, with the keys experiments, arms, within.",
    ),
    "a ratio of no group": (
        ("fits", "depth"),
        {"ratios": {"two_over_eight": ["depth_2", "depth_88"]}},
        "fits.depth.options.ratios.two_over_eight = 'depth_88': no such group. Did you mean 'depth_8'?",
    ),
    "a ratio of one group": (
        ("fits", "depth"),
        {"ratios": {"two_over_eight": ["depth_2"]}},
        "fits.depth.options.ratios.two_over_eight = ['depth_2']: should be two groups, the first over the second.",
    ),
    "a printed time of no operation": (
        ("fits", "defect"),
        {"printed_times": {"adds": 2900}},
        "fits.defect.options.printed_times = 'adds': no such operation. Did you mean 'add'?",
    ),
    "a printed time of zero": (
        ("fits", "defect"),
        {"printed_times": {"add": 0}},
        "fits.defect.options.printed_times.add = 0: should be a number above 0.",
    ),
    "a ratio of no architecture": (
        ("fits", "search"),
        {"ratios": {"transformer_over_mlp": ["transformers", "mlp"]}},
        (
            "fits.search.options.ratios.transformer_over_mlp = 'transformers': no such group. "
            "Did you mean 'transformer'?"
        ),
    ),
    "a search without report": (
        ("fits", "search"),
        {"architectures": {"mlp": {"search": {}}}, "ratios": {}},
        "fits.search.options.architectures.mlp.report: missing.",
    ),
    "a configuration that is no group": (
        ("fits", "norm_at_grok"),
        {"configurations": ["mlp_gelus"]},
        "fits.norm_at_grok.options.configurations = 'mlp_gelus': no such group. Did you mean 'mlp_gelu'?",
    ),
    "a regime the wrong way round": (
        ("fits", "regimes"),
        {"regimes": {"two": [1.0, 0.1]}},
        "fits.regimes.options.regimes.two = [1.0, 0.1]: should be [low, high], the smaller number first.",
    ),
    "a finding with an unknown key": (
        ("tables", "findings"),
        {"findings": [{"title": "One", "claims": [], "evidences": []}]},
        "tables.findings.options.findings[0]: unknown key 'evidences'. Did you mean 'evidence'?",
    ),
    "a finding without title": (
        ("tables", "findings"),
        {"findings": [{"claims": []}]},
        "tables.findings.options.findings[0].title: missing.",
    ),
    "evidence of a fit that the table does not read": (
        ("tables", "findings"),
        {
            "findings": [
                {"title": "One", "claims": [], "evidence": [{"key": "depths.ratio", "words": "w"}]}
            ]
        },
        (
            "tables.findings.options.findings[0].evidence[0].key = 'depths.ratio': its fit is none of this block's. "
            "Did you mean 'depth'?"
        ),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_wrong_option_is_named_with_the_nearest_right_one(case: str) -> None:
    where, options, message = CASES[case]
    assert option_problems(altered(*where, **options)) == [message]


@pytest.mark.parametrize(
    ("section", "name"), [("fits", "cells"), ("figures", "anatomy"), ("tables", "cells")]
)
def test_a_module_that_there_is_not_is_named(section: str, name: str) -> None:
    key, folder = SECTIONS[section]
    data = whole()
    real = data[section][name][key]
    data[section][name][key] = real + "s"
    found = option_problems(Config.model_validate(data))
    wrong = f"{section}.{name}.{key} = '{real}s': no such module of regrok.{folder}."
    assert found == [f"{wrong} Did you mean '{real}'?"]


def test_an_experiment_that_no_fit_names_is_unread() -> None:
    data = whole()
    scales = {name: each["scales"] for name, each in data["experiments"].items()}
    name = next(name for name, at in scales.items() if "laptop" in at and "smoke" not in at)
    for fit in data["fits"].values():
        fit["experiments"] = [each for each in fit["experiments"] if each != name]
    config = Config.model_validate(data)
    # Fits that list no experiment read all runs, which says of none that it is needed.
    assert any(not fit.experiments for fit in config.fits.values())
    assert list(unread(config, "laptop")) == [
        (
            f"experiments.{name}: runs at scale laptop, and no fit reads its runs; "
            "list it under the experiments of a fit."
        )
    ]
    assert list(unread(config, "smoke")) == []
    assert list(unread(config.model_copy(update={"fits": {}}), "laptop")) == []


@pytest.mark.parametrize("scale", ["smoke", "laptop", "paper"])
def test_every_experiment_of_the_project_is_read(scale: Any) -> None:
    assert list(unread(checked(whole()), scale)) == []


# Modules and their literals ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("folder", "name"), MODULES)
def test_what_is_read_from_the_source_is_what_the_module_says(folder: str, name: str) -> None:
    text = (PACKAGE / folder / f"{name}.py").read_text(encoding="utf-8")
    module = importlib.import_module(f"regrok.{folder}.{name}")
    assert literal(text, "DEFAULTS") == module.DEFAULTS
    refers = literal(text, "REFERS")
    assert refers == getattr(module, "REFERS", {})
    assert refers.keys() <= module.DEFAULTS.keys()
    assert {word for word in refers.values() if isinstance(word, str)} <= CHECKS.keys()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('DEFAULTS: dict[str, Any] = {"a": {}, "b": [1]}\n', {"a": {}, "b": [1]}),
        ('DEFAULTS = {\n    "a": {},\n    "b": 2,\n}\nOTHER = {"c": 3}\n', {"a": {}, "b": 2}),
        ('    DEFAULTS = {"a": 1}\n', {}),
    ],
)
def test_a_literal_is_found_at_the_top_level(text: str, expected: dict[str, Any]) -> None:
    assert literal(text, "DEFAULTS") == expected


def test_words_that_are_allowed_are_those_that_the_laws_know() -> None:
    assert scaling.REFERS["factor"] == [*scaling.INVERSE, *scaling.DIRECT]
    for law in ("factorial", "interaction", "survival"):
        refers = importlib.import_module(f"regrok.laws.{law}").REFERS
        assert (refers.get("family") or refers["families"]) == list(lifetimes.FAMILIES)
    assert set(forecast.DEFAULTS["features"]) <= set(forecast.REFERS["features"])


def test_columns_are_those_of_runs_parquet() -> None:
    assert set(names()) == RUNS.keys()


def test_an_unknown_option_stops_the_figure_itself() -> None:
    entry = (
        Config.model_validate(whole()).figures["censoring"].model_copy(update={"options": {"x": 1}})
    )
    empty = type("Frames", (), dict.fromkeys(("runs", "curves", "experiments", "spectra")))
    with pytest.raises(
        RegrokError, match=r"figures.censoring: options.x: no such option. It takes none."
    ):
        draw("censoring", entry, empty, {})


def test_options_lie_over_their_defaults() -> None:
    assert option({"a": 1}, {"a": None, "b": 2}) == {"a": 1, "b": 2}
    with pytest.raises(
        RegrokError, match=r"options.aa: no such option. Did you mean 'a'\?|Known here"
    ):
        option({"aa": 1}, {"a": None, "b": 2})


def test_checking_needs_neither_pandas_nor_torch() -> None:
    code = (
        "import sys, regrok.study.options, regrok.study.plan\n"
        "print([m for m in ('pandas', 'torch', 'numpy', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True
    )
    assert done.stdout.strip() == "[]"
