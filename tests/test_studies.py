"""Studies as folders: one contract for all, merged without touching one another, refused with file, key and place."""

from __future__ import annotations

import json
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from configurations import ROOT
from regrok import latex
from regrok.commands.new_study import new_study
from regrok.errors import RegrokError
from regrok.paper.references import refuse_unknown
from regrok.study.blocks import Config
from regrok.study.claims import load_claims
from regrok.study.plan import Plan, make_plan
from regrok.study.published import load_published
from regrok.study.read import SECTIONS, load_config
from regrok.study.words import SCALES
from regrok.study.yaml import read_yaml

pytestmark = pytest.mark.beside

STUDIES = ROOT / "studies"
NAMES = sorted(path.parent.name for path in STUDIES.glob("*/study.yaml"))
PLANNED = Path(__file__).with_name("planned_runs.csv")
"""Runs of the studies that were planned before a study was a folder."""


# One contract ------------------------------------------------------------------------------------------------


def test_config_yaml_is_a_short_control_panel_and_lists_every_study():
    text = (ROOT / "config.yaml").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 100
    assert sorted(read_yaml(ROOT / "config.yaml")["studies"]) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_study_holds_what_the_contract_asks_for_and_stands_alone(name):
    folder = STUDIES / name
    files = {"study.yaml", "claims.yaml", "published.yaml", "section.tex", "README.md"}
    assert files <= {path.name for path in folder.iterdir()}
    config = load_config(ROOT / "config.yaml", {"studies": [name]})
    assert list(config.studies) == [name]
    study = config.studies[name]
    claims = load_claims(config, STUDIES)
    assert claims.claims and all(claim.id[0] == study.paper.letter for claim in claims.claims)
    published = load_published(config, STUDIES, claims)
    assert set(published.cells) <= set(study.experiments)
    assert published.deviations
    for heading in ("## What it says", "## What was chosen", "## What was not found"):
        assert heading in (folder / "README.md").read_text(encoding="utf-8")
    assert (study.paper.arxiv or "ours") in (folder / "README.md").read_text(encoding="utf-8")
    section = (folder / "section.tex").read_text(encoding="utf-8")
    assert rf"\label{{sec:{name}}}" in section and r"\studysummary{" in section


@pytest.mark.parametrize("name", NAMES)
def test_every_experiment_is_read_by_a_fit_of_its_own_study(name):
    config = load_config(ROOT / "config.yaml", {"studies": [name]})
    read = {e for fit in config.studies[name].fits for e in config.fits[fit].experiments}
    assert set(config.studies[name].experiments) <= read


@pytest.mark.parametrize("name", NAMES)
def test_a_printed_number_is_typed_once(name):
    """Neither a predicate nor a constant nor an option says again what `published` says."""
    claims = read_yaml(STUDIES / name / "claims.yaml")["claims"]
    for claim in claims:
        printed = claim["published"]["value"]
        for scale, predicate in claim["predicate"].items():
            typed = [predicate.get("target"), predicate.get("bound")]
            assert printed is None or printed not in typed, f"{claim['id']}, {scale}"
    printed = {c["published"]["value"] for c in claims} - {None, 0, 1, -1}
    constants = read_yaml(STUDIES / name / "published.yaml").get("constants", {})
    assert not {key for key, c in constants.items() if c.get("value") in printed}


# Merged ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def planned() -> pd.DataFrame:
    return pd.read_csv(PLANNED)


@cache
def all_studies(scale: str) -> tuple[Config, Plan]:
    """The project's own studies at a scale, and their plan."""
    config = load_config(ROOT / "config.yaml", {"scale": scale})
    return config, make_plan(config)


@pytest.mark.parametrize("scale", SCALES)
def test_the_planned_runs_are_those_of_before(scale, planned):
    """A run_id names a finished run: another one for the same settings would orphan it."""
    rows = all_studies(scale)[1].membership
    known = set(planned["experiment"])
    found = {(row["experiment"], row["run_id"]) for row in rows if row["experiment"] in known}
    listed = planned[planned["scale"] == scale]
    assert found == set(zip(listed["experiment"], listed["run_id"], strict=True))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scale", SCALES)
def test_a_study_plans_the_same_runs_whichever_others_are_built(name, scale):
    alone = make_plan(load_config(ROOT / "config.yaml", {"studies": [name], "scale": scale}))
    config, plan = all_studies(scale)
    mine = [row for row in plan.membership if row["experiment"] in config.studies[name].experiments]
    assert alone.membership == mine


@pytest.mark.parametrize("scale", SCALES)
def test_the_order_of_the_studies_plans_no_other_run(scale):
    backwards = load_config(ROOT / "config.yaml", {"studies": NAMES[::-1], "scale": scale})
    assert set(make_plan(backwards).runs) == set(all_studies(scale)[1].runs)


def test_merging_keeps_every_block_and_extends_the_lists_of_the_whole():
    config = load_config(ROOT / "config.yaml")
    files = [read_yaml(path) for path in STUDIES.glob("*/study.yaml")]
    whole = read_yaml(STUDIES / "whole.yaml")
    for section in SECTIONS:
        names = [name for data in (*files, whole) for name in data.get(section, {})]
        assert sorted(names) == sorted(getattr(config, section))
    extended = [data.get("extend", {}).get("fits.robustness.options.fits", []) for data in files]
    added = [fit for fits in extended for fit in fits]
    assert sorted(config.fits["robustness"].options["fits"]) == sorted(added)
    alone = load_config(ROOT / "config.yaml", {"studies": ["depth_and_decay"]})
    own = read_yaml(STUDIES / "depth_and_decay" / "study.yaml")["extend"]
    assert alone.fits["robustness"].options["fits"] == own["fits.robustness.options.fits"]
    assert config.whole and not alone.whole


def test_an_option_takes_the_number_that_a_claim_prints():
    option = read_yaml(STUDIES / "norm_delay/study.yaml")["figures"]["forecast"]["options"]
    assert option["published"] == {"claim": "A11"}
    config = load_config(ROOT / "config.yaml")
    printed = load_claims(config, STUDIES).find("A11").published.value
    assert config.figures["forecast"].options["published"] == printed
    constants = load_published(config, STUDIES).constants
    assert constants["A_forecast"] == pytest.approx(100 * printed)


# Refused -----------------------------------------------------------------------------------------------------


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A panel and the studies, to spoil."""
    shutil.copy(ROOT / "config.yaml", tmp_path)
    shutil.copytree(STUDIES, tmp_path / "studies")
    return tmp_path


def spoil(path: Path, dotted: str, value: Any) -> None:
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    *above, last = dotted.split("/")
    inner = data
    for key in above:
        inner = inner[int(key) if isinstance(inner, list) else key]
    inner[last] = value
    path.write_text(yaml.safe_dump(data, allow_unicode=True, sort_keys=False), encoding="utf-8")


SPOILED = [
    (
        "config.yaml",
        "studies",
        ["norm_dely"],
        ["studies = 'norm_dely'", "'norm_delay'", "new-study"],
    ),
    ("config.yaml", "settings", {}, ["config.yaml", "settings", "unknown key"]),
    ("config.yaml", "studies", [], ["config.yaml", "studies = []", "at least 1"]),
    (
        "studies/norm_delay/study.yaml",
        "experiments/S1/seedz",
        [1],
        ["norm_delay/study.yaml", "experiments.S1.seedz", "'seeds'"],
    ),
    (
        "studies/depth_and_decay/study.yaml",
        "experiments/B5/settings",
        "mlp_wid",
        [
            "depth_and_decay/study.yaml is refused",
            "experiments.B5.settings = 'mlp_wid'",
            "'mlp_wide'",
        ],
    ),
    (
        "studies/depth_and_decay/study.yaml",
        "paper/letter",
        "A",
        ["paper.letter = 'A'", "norm_delay/study.yaml", "depth_and_decay/study.yaml"],
    ),
    (
        "studies/depth_and_decay/study.yaml",
        "fits/weight_decay",
        {"law": "cells", "experiments": []},
        [
            "fits.weight_decay: given twice",
            "norm_delay/study.yaml, line",
            "depth_and_decay/study.yaml, line",
        ],
    ),
    (
        "studies/depth_and_decay/study.yaml",
        "experiments/S2",
        {},
        [
            "experiments.S2: given twice",
            "norm_delay/study.yaml, line",
            "depth_and_decay/study.yaml, line",
        ],
    ),
    (
        "studies/norm_delay/study.yaml",
        "experiments/S1/ours",
        "both",
        ["norm_delay/study.yaml", "experiments.S1", "one of place", "ours"],
    ),
    (
        "studies/norm_delay/study.yaml",
        "extend/tables.hyperparametrs.experiments",
        ["S1"],
        [
            "norm_delay/study.yaml is refused",
            "extend.tables.hyperparametrs.experiments",
            "whole.yaml has no list",
            "Did you mean 'tables.hyperparameters.experiments'",
        ],
    ),
    (
        "studies/norm_delay/study.yaml",
        "extend/tables.hyperparameters.experiments",
        ["S99"],
        [
            "norm_delay/study.yaml is refused",
            "extend.tables.hyperparameters.experiments = 'S99'",
            "no such experiment",
        ],
    ),
    (
        "studies/norm_delay/study.yaml",
        "figures/forecast/options",
        {"published": {"claim": "A111"}},
        ["norm_delay/study.yaml", "figures.forecast.options.published", "'A111'", "'A11'"],
    ),
    (
        "studies/whole.yaml",
        "tables/claims/bild",
        "claims",
        ["whole.yaml", "tables.claims.bild", "'build'"],
    ),
    ("studies/whole.yaml", "tables/claims/build", "clams", ["whole.yaml", "'clams'", "'claims'"]),
]


@pytest.mark.parametrize(("file", "dotted", "value", "words"), SPOILED)
def test_a_wrong_key_is_refused_with_its_file(copy, file, dotted, value, words):
    spoil(copy / file, dotted, value)
    with pytest.raises(RegrokError) as refusal:
        load_config(copy / "config.yaml")
    for word in words:
        assert word in str(refusal.value)


REPORTED = [
    ("cells/S99", {"rows": [{"match": {}, "runs": 1}]}, ["cells.S99", "no such experiment"]),
    ("cells/S1/rows", [{"match": {}}], ["cells.S1.rows[0].runs", "missing"]),
    ("cells/S1/rows/0/T_mm", 840, ["cells.S1.rows[0].T_mm", "'T_mem'"]),
    ("cells/S2/rows/0/match", {"weight_deca": 1}, ["cells.S2.rows[0].match", "'weight_decay'"]),
    ("deviations/0/here", "{S99.p}", ["deviations[0].here: {S99.p}", "S99"]),
    ("deviations/0/here", "{S1.weight_decayy}", ["{S1.weight_decayy}", "'weight_decay'"]),
    (
        "constants/A_new",
        {"value": 1, "claim": "A1", "where": "x"},
        ["A_new", "one of value and claim"],
    ),
    ("constants/A_new", {"claim": "A7-constnt", "where": "x"}, ["A_new.claim = 'A7-constnt'"]),
    (
        "constants/threshold",
        {"value": 1, "where": "x"},
        ["constants.threshold: given twice", "published.yaml, line", "whole.yaml, line"],
    ),
    ("deviations/0/scales", ["laptob"], ["deviations[0].scales", "laptob"]),
    ("wordings", "x", ["wordings", "'wording'"]),
]


@pytest.mark.parametrize(("dotted", "value", "words"), REPORTED)
def test_what_a_paper_reports_is_checked_too(copy, dotted, value, words):
    spoil(copy / "studies/norm_delay/published.yaml", dotted, value)
    with pytest.raises(RegrokError) as refusal:
        load_published(load_config(copy / "config.yaml"), copy / "studies")
    for word in words:
        assert word in str(refusal.value)


def test_a_finding_names_claims_that_there_are(copy):
    finding = [{"title": "x", "claims": ["B5-windw"]}]
    path = copy / "studies/depth_and_decay/study.yaml"
    spoil(path, "tables/findings/options", {"findings": finding})
    with pytest.raises(RegrokError, match=r"findings\[0\]\.claims = 'B5-windw'.*'B5-window'"):
        load_claims(load_config(copy / "config.yaml"), copy / "studies")


CITED = [
    ("studies/norm_delay/study.yaml", "cite: truong2026norm", "cite: trunog2026norm", "paper.cite"),
    ("studies/norm_delay/published.yaml", "{truong2026norm}", "{trunog2026norm}", "wording"),
    ("studies/norm_delay/section.tex", "{truong2026norm}", "{trunog2026norm}", "section.tex:"),
]


@pytest.mark.parametrize(("file", "old", "new", "where"), CITED)
def test_a_citation_without_an_entry_is_refused_before_anything_runs(copy, file, old, new, where):
    shutil.copytree(
        ROOT / "paper", copy / "paper", ignore=shutil.ignore_patterns("generated", "*.pdf")
    )
    refuse_unknown(
        copy, config := load_config(copy / "config.yaml"), load_published(config, copy / "studies")
    )
    path = copy / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    config = load_config(copy / "config.yaml")
    with pytest.raises(RegrokError) as refusal:
        refuse_unknown(copy, config, load_published(config, copy / "studies"))
    for word in (where, "'trunog2026norm'", "Did you mean 'truong2026norm'"):
        assert word in str(refusal.value)


# Begun -------------------------------------------------------------------------------------------------------


def test_a_new_study_is_a_folder_that_loads_and_keeps_the_contract(copy):
    made = new_study(copy / "config.yaml", "first_look", "2201.02177", "Z")
    assert {path.name for path in made} == {
        *("study.yaml", "claims.yaml", "published.yaml"),
        *("section.tex", "README.md", "references.bib"),
    }
    config = load_config(copy / "config.yaml")
    assert list(config.studies) == [*read_yaml(ROOT / "config.yaml")["studies"], "first_look"]
    assert config.studies["first_look"].paper.letter == "Z"
    assert load_claims(config, copy / "studies").papers["Z"].arxiv == "2201.02177"
    load_published(config, copy / "studies")
    before = load_config(ROOT / "config.yaml")
    assert (
        json.loads(config.model_dump_json())["experiments"]
        == json.loads(before.model_dump_json())["experiments"]
    )
    text = (copy / "config.yaml").read_text(encoding="utf-8")
    assert text.replace("  - first_look             # Z, 2201.02177\n", "") == (
        ROOT / "config.yaml"
    ).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "arxiv", "letter", "words"),
    [
        ("First", "2201.02177", None, ["'First'", "small letters"]),
        ("norm_delay", "2201.02177", None, ["norm_delay", "is there already"]),
        ("first_look", "arXiv:2201.02177", None, ["--arxiv", "number alone"]),
        ("first_look", "2201.02177", "A", ["--letter A", "norm_delay"]),
    ],
)
def test_what_a_new_study_cannot_be_called(copy, name, arxiv, letter, words):
    before = sorted(copy.rglob("*"))
    with pytest.raises(RegrokError) as refusal:
        new_study(copy / "config.yaml", name, arxiv, letter)
    for word in words:
        assert word in str(refusal.value)
    assert sorted(copy.rglob("*")) == before


def test_every_character_of_what_a_study_states_has_a_form_in_tex():
    for path in sorted(STUDIES.glob("*/*.yaml")):
        lines = path.read_text(encoding="utf-8").splitlines()
        stated = "\n".join(line for line in lines if not line.lstrip().startswith("#"))
        if path.name in ("claims.yaml", "published.yaml"):
            unset = {c for c in latex.symbols(stated) if ord(c) > 127}
            assert not unset, f"{path}: {sorted(unset)}"
