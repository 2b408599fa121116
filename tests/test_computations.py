"""Computations: results without a run, refused by key where they are wrong, read wherever a fit is."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
import yaml
from rich.console import Console

from configurations import ROOT
from regrok import computations as computed
from regrok.commands.claims import read_entries, show_claim
from regrok.computations import MADE_BY, computations, run_computation
from regrok.errors import RegrokError
from regrok.figures import drawable
from regrok.figures.parts.drawing import draw
from regrok.files import write_json
from regrok.judging.leading import rulings
from regrok.judging.ledger import ledger
from regrok.paper.numbers import numbers
from regrok.paper.texts import shown_studies
from regrok.pipeline.graph import Graph
from regrok.released import bundle, dictionary
from regrok.released.crate import DESCRIPTIONS
from regrok.released.fill import compute_one
from regrok.released.verify import _content
from regrok.runs import frames as frame_files
from regrok.runs.checks import check
from regrok.runs.gather import write_frames
from regrok.study.claims import load_claims
from regrok.study.estimands import estimates
from regrok.study.plan import make_plan, refuse_empty
from regrok.study.read import load_config
from regrok.study.words import OUT_OF_SCOPE, VERDICTS
from regrok.tables import Material, Scope, buildable, findings

STUDY = ROOT / "studies/circuit_efficiency"
"""The study whose toy model, figure of it and claims about it stand here as a study without an experiment."""

SHORT = {"P_m": 3.0, "kappa": 1.4, "alpha": 0.02, "q": 9, "w_g2": 0.1, "until": 200.0, "points": 12}
"""Constants other than the printed ones."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A panel and that study alone."""
    panel = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    text = yaml.safe_dump({**panel, "studies": ["two_circuits"]}, sort_keys=False)
    (tmp_path / "config.yaml").write_text(text, encoding="utf-8")
    study, claims = (
        yaml.safe_load((STUDY / f"{name}.yaml").read_text(encoding="utf-8"))
        for name in ("study", "claims")
    )
    kept = {key: study[key] for key in ("paper", "computations")}
    kept["figures"] = {"two_circuits": study["figures"]["two_circuits"]}
    about = [claim for claim in claims["claims"] if claim["estimand"].startswith("two_circuits.")]
    (tmp_path / "studies/two_circuits").mkdir(parents=True)
    for name, data in (("study", kept), ("claims", {"claims": about})):
        path = tmp_path / f"studies/two_circuits/{name}.yaml"
        path.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
    return tmp_path


def loaded(folder: Path, **told: Any):
    options = {f"computations.two_circuits.options.{k}": v for k, v in SHORT.items()}
    config = load_config(folder / "config.yaml", {**options, **told})
    return config, load_claims(config, folder / "studies")


def edit(folder: Path, name: str, change) -> None:
    path = folder / f"studies/two_circuits/{name}.yaml"
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    change(data)
    path.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")


@pytest.fixture(scope="module")
def result() -> dict[str, Any]:
    arms = {"no_generalising": {"w_g2": 0.0}, "no_gap": {"P_g": 3.0}}
    arms |= {"no_slow_learning": {"w_g2": 1.0}, "small_starts": {"w_g1": 0.1, "w_m1": 0.1}}
    return run_computation("two_circuits", "circuits", {**SHORT, "arms": arms})


@pytest.fixture
def nothing(tmp_path: Path):
    """Frames of a build without a run, as they are written and read."""
    write_frames([], tmp_path / "frames", pd.DataFrame([]))
    return frame_files.load(tmp_path / "frames")


# Asked for ----------------------------------------------------------------------------------------------------


def test_a_study_may_compute_something_and_run_nothing(folder):
    config, claims = loaded(folder)
    assert config.studies["two_circuits"].computations == ["two_circuits"]
    refuse_empty(make_plan(config), config)
    assert shown_studies(config) == ["two_circuits"] and drawable(config) == ["two_circuits"]
    files = Graph(config).computations()
    assert files == ["results/laptop/computations/two_circuits.json"]
    assert {claim.file for claim in claims.claims} == {"computations/two_circuits.json"}
    assert "only" not in claims.claims[0].command_at("laptop", [])


def test_at_a_scale_that_does_not_compute_it_nothing_is_made_of_it(folder):
    def elsewhere(data):
        data["computations"]["two_circuits"]["scales"] = {"laptop": {}, "paper": {}}

    edit(folder, "study", elsewhere)
    config, claims = loaded(folder, scale="smoke")
    assert Graph(config).computations() == [] == drawable(config) == shown_studies(config)
    with pytest.raises(RegrokError, match="no experiment of two_circuits runs at scale smoke"):
        refuse_empty(make_plan(config), config)
    assert all("smoke" not in claim.predicate for claim in claims.claims)


def test_a_scale_changes_options_and_no_other_scale_s(folder):
    config, _ = loaded(folder, **{"computations.two_circuits.scales.smoke.options.until": 50.0})
    block = config.computations["two_circuits"]
    assert [block.at(scale)["until"] for scale in ("smoke", "laptop")] == [50.0, 200.0]


def test_what_a_computation_estimates_is_known_before_it_is_made(folder, result):
    config, _ = loaded(folder)
    made = {key.partition(".")[2] for key in result["estimates"]}
    assert set(estimates(config.computations["two_circuits"])) == made


CASES: dict[str, tuple[str, Any, str]] = {
    "an unknown module": (
        "compute",
        "circuit",
        "two_circuits.compute = 'circuit': no such module of regrok.computations. Did you mean 'circuits'",
    ),
    "an unknown option": (
        "options.kapa",
        1.0,
        "computations.two_circuits.options: unknown option 'kapa'. Did you mean 'kappa'",
    ),
    "a word for a number": (
        "options.alpha",
        "small",
        "computations.two_circuits.options.alpha = 'small': should be a finite number",
    ),
    "a fraction for a count": (
        "options.q",
        2.5,
        "computations.two_circuits.options.q = 2.5: should be a whole number",
    ),
    "a number that is not positive": (
        "options.alpha",
        0.0,
        "computations.two_circuits.options.alpha = 0.0: should be a number above 0",
    ),
    "an unknown option of a scale": (
        "scales.smoke.options.untl",
        1.0,
        "computations.two_circuits.scales.smoke.options: unknown option 'untl'. Did you mean 'until'",
    ),
    "an unknown option of an arm": (
        "options.arms.no_gap.P_q",
        1.0,
        "computations.two_circuits.options.arms.no_gap: unknown option 'P_q'",
    ),
    "an arm that is no changes": (
        "options.arms.odd",
        3,
        "computations.two_circuits.options.arms.odd = 3: should be a name, and options",
    ),
    "no scale": ("scales", {}, "computations.two_circuits.scales = {}: no scale computes it"),
    "an unknown scale": ("scales.lap", {}, "computations.two_circuits.scales.lap"),
    "an unknown key": ("law", "scaling", "computations.two_circuits.law"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_wrong_block_is_refused_by_its_key(folder, case):
    dotted, value, said = CASES[case]
    *above, last = dotted.split(".")

    def spoil(data):
        block = data["computations"]["two_circuits"]
        for key in above:
            block = block.setdefault(key, {}) if block.get(key) is not None else block[key]
        block[last] = value

    edit(
        folder,
        "study",
        lambda d: d["computations"]["two_circuits"]["scales"].update(smoke={"options": {}}),
    )
    edit(folder, "study", spoil)
    with pytest.raises(RegrokError) as refused:
        load_config(folder / "config.yaml")
    assert said in str(refused.value) and "study.yaml" in str(refused.value)


def test_a_fit_and_a_computation_of_one_name_are_refused_with_both_places(folder):
    fit = {"two_circuits": {"law": "cells", "experiments": []}}
    edit(folder, "study", lambda data: data.update(fits=fit))
    with pytest.raises(RegrokError, match=r"two_circuits: given twice .*line \d+ and .*line \d+"):
        load_config(folder / "config.yaml")


@pytest.mark.parametrize(
    ("figure", "said"),
    [
        ({"computations": ["circuits"]}, "figures.two_circuits.computations = 'circuits': no such"),
        ({"draw": "modulus", "options": {}}, "figures drawn by modulus show none"),
        ({"computations": []}, "none of them is computed by circuits"),
    ],
)
def test_a_figure_that_cannot_show_it_is_refused(folder, figure, said):
    edit(folder, "study", lambda data: data["figures"]["two_circuits"].update(figure))
    with pytest.raises(RegrokError, match=said):
        load_config(folder / "config.yaml")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"estimand": "two_circuits.ratios"},
            "by circuits, estimates no 'ratios'. Did you mean 'ratio'",
        ),
        ({"estimand": "two_circuit.ratio"}, "no such fit or computation as 'two_circuit'"),
        ({"experiments": ["S1"]}, "rests on no run; give an empty list"),
    ],
)
def test_a_claim_that_it_cannot_answer_is_refused(folder, change, said):
    edit(folder, "claims", lambda data: data["claims"][0].update(change))
    config = load_config(folder / "config.yaml")
    with pytest.raises(RegrokError) as refused:
        load_claims(config, folder / "studies")
    assert said in str(refused.value)


def test_a_claim_judged_where_nothing_is_computed_is_refused(folder):
    edit(folder, "study", lambda d: d["computations"]["two_circuits"].update(scales={"laptop": {}}))
    config = load_config(folder / "config.yaml")
    with pytest.raises(
        RegrokError, match=r"F6-ratio: predicate.paper: two_circuits is not computed"
    ):
        load_claims(config, folder / "studies")


# Made ---------------------------------------------------------------------------------------------------------


def test_a_result_says_what_it_was_told_and_what_computed_it(result):
    assert result["options"]["P_m"] == 3.0 and result["options"]["tolerance"] == 1e-10
    assert len(result["code"]) == 12 and result["processor"]
    assert json.loads(json.dumps(result)) == result


def test_an_option_that_it_cannot_be_solved_with_is_refused_by_its_key():
    with pytest.raises(RegrokError, match=r"computations.toy: options.kappa = 3"):
        run_computation("toy", "circuits", {"kappa": 3.0})
    with pytest.raises(RegrokError, match=r"computations.toy: compute = 'circuit': .*'circuits'"):
        run_computation("toy", "circuit", {})
    assert "circuits" in computations()


def test_every_judged_claim_has_a_verdict_and_no_run(folder, result, nothing):
    config, claims = loaded(folder)
    made = ledger(claims, {"two_circuits": result}, nothing, "laptop")
    assert made["readings"] == ["other starts"]
    for entry in made["claims"]:
        assert entry["verdict"] in set(VERDICTS) - {OUT_OF_SCOPE}
        assert entry["runs"] == 0 == len(entry["run_ids"]) and entry["n"] == 0
        assert entry["command"].startswith(
            "snakemake results/laptop/computations/two_circuits.json"
        )
    found = check(nothing, {"two_circuits": result}, made["claims"])
    assert found["fits"] == 0 == found["runs"]
    smoke = ledger(claims, {}, nothing, "smoke")
    assert {entry["verdict"] for entry in smoke["claims"]} == {OUT_OF_SCOPE}
    texts = numbers({"two_circuits": result}, made, config, nothing, {})
    assert texts["result"]["two_circuits.ratio"] == "168"  # 3^(2·1.4/0.6)
    assert texts["nruns"]["two_circuits.ratio"] == "0"


def test_one_claim_s_evidence_names_the_file(folder, result, nothing, tmp_path):
    config, claims = loaded(folder)
    write_json(ledger(claims, {"two_circuits": result}, nothing, "laptop"), folder / "ledger.json")
    entries, readings = read_entries(claims, folder / "ledger.json", config)
    shown = io.StringIO()
    console = Console(file=shown, width=200)
    said = rulings({"scale": "laptop", "claims": list(entries.values())}, {})["F6-ratio"]
    show_claim(console, entries["F6-ratio"], said, claims, config, readings, tmp_path)
    folder_name = "results/laptop-two_circuits" if not config.whole else "results/laptop"
    assert f"two_circuits.ratio in {folder_name}/computations/two_circuits.json" in shown.getvalue()
    assert f"snakemake {folder_name}/computations/two_circuits.json" in shown.getvalue()
    assert "figures/two_circuits.pdf" in shown.getvalue()


def test_the_figure_shows_the_whole_and_each_arm(folder, result, nothing):
    config, _ = loaded(folder)
    entry = config.figures["two_circuits"]
    figure, caption, words = draw("two_circuits", entry, nothing, {"two_circuits": result})
    assert len(figure.axes) == 8
    above = figure.axes[:4]
    for ax, arm in zip(
        above, ("all", "no_generalising", "no_gap", "no_slow_learning"), strict=True
    ):
        points = [p for p in result["points"] if p["arm"] == arm and p["time"] > 0]
        lines = {line.get_label(): list(line.get_ydata()) for line in ax.lines}
        assert lines["test"] == [p["test_loss"] for p in points]
        assert lines["train"] == [p["train_loss"] for p in points]
    assert "equal efficiency" in caption and "equal efficiency" in words
    bad = SimpleNamespace(**entry.model_dump() | {"options": {"arms": {"no_gaps": "x"}}})
    with pytest.raises(RegrokError, match="no arm 'no_gaps'"):
        draw("two_circuits", bad, nothing, {"two_circuits": result})


def test_a_table_of_findings_takes_its_evidence_from_it(folder, result, nothing):
    block = {
        "build": "findings",
        "computations": ["two_circuits"],
        "options": {
            "findings": [
                {
                    "title": "Eight",
                    "claims": ["F6-ratio"],
                    "evidence": [{"key": "two_circuits.ratio", "words": "ratio"}],
                }
            ]
        },
    }
    edit(folder, "study", lambda data: data.update(tables={"eight": block}))
    config, claims = loaded(folder)
    assert buildable(config) == ["eight"]
    assert Graph(config).material("eight")["computations"] == Graph(config).computations()
    judged = ledger(claims, {"two_circuits": result}, nothing, "laptop")
    material = Material(
        nothing, {}, judged, Scope("laptop", {}), computations={"two_circuits": result}
    )
    built = findings.build("eight", config.tables["eight"], material)
    assert result["estimates"]["two_circuits.ratio"]["value"] in list(built.frame["value"])


# Released -----------------------------------------------------------------------------------------------------


def test_the_bundle_holds_it_explained_and_described(folder, nothing, tmp_path):
    config, claims = loaded(folder)
    compute_one(tmp_path / "made", config, "two_circuits")
    held = bundle.results(tmp_path / "made")
    judged = ledger(claims, held, nothing, "laptop")
    known = dictionary.read_dictionary(dictionary.dictionary_csv())
    assert dictionary.unexplained(known, nothing, judged, held) == []
    del known["computations/*.json"]
    lacking = dictionary.unexplained(known, nothing, judged, held)
    assert "computations/*.json: code" in lacking
    assert any("computations" in pattern for pattern in DESCRIPTIONS)


def test_another_machine_is_no_other_result(tmp_path, result):
    paths = [tmp_path / name / "computations/toy.json" for name in ("one", "other", "third")]
    write_json(result, paths[0])
    write_json({**result, **dict.fromkeys(MADE_BY, "elsewhere")}, paths[1])
    write_json({**result, "points": []}, paths[2])
    assert _content(paths[0]) == _content(paths[1]) != _content(paths[2])


# Taken from what was released ---------------------------------------------------------------------------------------


def test_a_released_result_of_the_same_code_and_options_is_taken(result, monkeypatch):
    made = json.loads(json.dumps(result))
    monkeypatch.setattr(computed, "run_computation", lambda *_: "computed again")
    asked = ("two_circuits", "circuits", result["options"])
    held = made | {"estimates": {"two_circuits.ratio": {"value": 3.0}}}
    assert computed.result(*asked, [held]) == held
    assert computed.result(*asked) == "computed again"
    others = {"code": "0" * 12, "computation": "mine", "compute": "fourier_network"}
    for key, value in others.items():
        assert computed.result(*asked, [held | {key: value}]) == "computed again"
    assert computed.result("two_circuits", "circuits", {"kappa": 1.5}, [held]) == "computed again"
    # The first that serves, wherever it stands.
    assert computed.result(*asked, [held | {"code": "0" * 12}, held]) == held
