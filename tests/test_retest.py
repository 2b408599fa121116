"""Test and retest: another training of the same runs, planted, changes the verdicts and ratios that it must."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from types import SimpleNamespace
from unittest import mock

import numpy as np
import pandas as pd
import pytest

import bundles
from regrok import cli
from regrok.errors import RegrokError
from regrok.released import again, bundle, commits, fill, retest, verify
from regrok.released.added import chosen
from regrok.runs.frames import load
from regrok.study.claims import load_claims
from regrok.study.published import load_published, told
from regrok.tables import Material, module, scope

pytestmark = pytest.mark.beside

COMMIT = "e" * 40
BY = "d" * 40


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return bundles.planted(tmp_path_factory.mktemp("retested"))


def here(made, config, published, workers=None, computed=()):
    """`fill.refit` without processes of its own."""
    fill._frames.cache_clear()
    for name in config.fits:
        fill.fit_one(made, config, name, told(published, config, name))


def add(study, folder, then):
    """`regrok retest` of a commit that holds the frames `then`."""
    with (
        mock.patch.object(fill, "refit", here),
        mock.patch.object(retest, "frames_at", return_value=(then, [BY])),
        mock.patch.object(commits, "resolve", return_value=COMMIT),
    ):
        return retest.add_retests([COMMIT[:7]], study.config, study.studies, folder)


def without_the_law(frames):
    """The same runs, but T_grok no longer follows the weight decay."""
    runs = frames.runs.copy()
    late = runs["T_grok"].notna()
    runs.loc[late, "delay"] = 1000.0
    for column in ("T_grok", "T_grok_99", "T_grok_99_previous"):
        runs.loc[late, column] = runs.loc[late, "T_mem"] + 1000.0
    return replace(frames, runs=runs)


@pytest.fixture(scope="module")
def made(study, tmp_path_factory):
    """The bundle with a retest by runs without the law; some other runs were not trained then."""
    folder = shutil.copytree(study.bundle, tmp_path_factory.mktemp("made") / "released")
    then = without_the_law(load(study.bundle / "smoke"))
    asked = then.experiments["experiment"].isin(study.config.fits["weight_decay"].experiments)
    every = set(then.runs["run_id"])
    lacks = set(sorted(every - set(then.experiments.loc[asked, "run_id"]))[:5])
    kept = chosen(then, every - lacks)
    path = add(study, folder, kept)
    return SimpleNamespace(
        folder=folder, content=json.loads(path.read_text(encoding="utf-8")), lacks=lacks
    )


# Run by run -------------------------------------------------------------------------------------------------------


def runs(T_grok, outcome="grokked"):
    n = len(T_grok)
    return pd.DataFrame(
        {
            "run_id": [f"{i:012x}" for i in range(n)],
            "T_mem": 10.0,
            "T_grok": T_grok,
            "outcome": outcome,
        }
    )


def test_ratios_of_two_trainings_have_their_known_values():
    now = runs([100.0, 200.0, 400.0, np.nan, 50.0])
    then = runs([100.0, 400.0, 200.0, 70.0, np.nan])
    then.loc[[3, 4], "outcome"] = "memorised only"
    found = retest.compared_runs(now, then.sample(frac=1, random_state=0))
    assert found["outcomes"] == {"equal": 3, "of": 5}
    grok = found["T_grok"]
    assert (grok["equal"], grok["of"]) == (1, 3)
    assert grok["median"] == grok["maximum"] == pytest.approx(math.log(2))
    assert grok["ratio"]["value"] == pytest.approx(1)
    assert grok["ratio"]["low"] < 1 < grok["ratio"]["high"]
    assert (found["T_mem"]["equal"], found["T_mem"]["of"]) == (5, 5)


def test_a_bias_is_one_of_the_ratio():
    steps = np.linspace(100, 300, 12)
    noise = np.exp(0.01 * np.cos(np.arange(12)))
    ratio = retest.compared_runs(runs(steps), runs(steps * 1.25 * noise))["T_grok"]["ratio"]
    assert ratio["low"] < 1.25 < ratio["high"]
    assert ratio["low"] > 1


def test_nothing_grokked_in_both_is_no_ratio():
    found = retest.compared_runs(runs([np.nan, 5.0]), runs([5.0, np.nan]))["T_grok"]
    assert (found["of"], found["median"], found["ratio"]["value"]) == (0, None, None)


# Claim by claim ---------------------------------------------------------------------------------------------------


def test_the_same_training_differs_in_nothing(study, tmp_path):
    folder = shutil.copytree(study.bundle, tmp_path / "released")
    path = add(study, folder, load(study.bundle / "smoke"))
    each = bundles.read(path)["retests"][0]
    shipped = bundles.read(folder / "smoke/ledger.json")["claims"]
    judged = {c["id"] for c in shipped if c["verdict"] != "out of scope at this scale"}
    assert set(each["compared"]) | set(each["corrected"]) == judged
    assert each["differ"] == []
    assert each["T_grok"]["equal"] == each["T_grok"]["of"] >= 5
    assert bundle.changed(folder / "smoke") == {}


def test_a_law_that_held_in_one_training_alone_changes_its_claims(study, made):
    each = made.content["retests"][0]
    shipped = {c["id"]: c for c in bundles.read(study.bundle / "smoke/ledger.json")["claims"]}
    differ = {claim["id"]: claim for claim in each["differ"]}
    assert "A3-exponent" in differ
    now, then = differ["A3-exponent"]["now"], differ["A3-exponent"]["then"]
    for key in ("verdict", "value", "low", "high"):
        assert now[key] == shipped["A3-exponent"][key]
    assert now["value"] == pytest.approx(-1, abs=0.3)
    assert then["value"] == pytest.approx(0, abs=0.3)
    assert then["verdict"] != now["verdict"]
    assert (each["commit"], each["trained_by"]) == (COMMIT, [BY])


def test_a_claim_that_rests_on_no_run_takes_no_part(study):
    held = load_claims(study.config, study.studies)
    one = next(claim for claim in held.claims if claim.id == "A3-exponent")
    computed = one.model_copy(update={"id": "A3-computed", "estimand": "two_circuits.ratio"})
    more = held.model_copy(update={"claims": [*held.claims, computed]})
    frames = load(study.bundle / "smoke")
    with (
        mock.patch.object(fill, "refit", here),
        mock.patch.object(retest, "load_claims", return_value=more),
        mock.patch.object(
            retest, "load_published", return_value=load_published(study.config, study.studies, held)
        ),
    ):
        found = retest.compared_claims(
            {"now": frames, "then": frames}, study.config, study.studies, None
        )
    judged = {*found["compared"], *found["corrected"]}
    assert "A3-exponent" in judged
    assert "A3-computed" not in judged


def test_only_runs_of_both_trainings_take_part(study, made):
    held = len(study.frames.runs)
    assert made.content["retests"][0]["runs"] == {
        "common": held - len(made.lacks),
        "now": held,
        "then": held - len(made.lacks),
    }
    none = chosen(load(study.bundle / "smoke"), ())
    with pytest.raises(RegrokError, match="no run of it was trained in that commit"):
        retest.retest(none, study.config, study.studies, study.bundle)


# In the bundle ----------------------------------------------------------------------------------------------------


def test_the_bundle_is_whole_and_says_what_was_found(study, made):
    claims = load_claims(study.config, study.studies)
    lines = verify.verify(made.folder, claims)
    each = made.content["retests"][0]
    differ = [claim["id"] for claim in each["differ"] if claim["id"] in each["compared"]]
    said = f"{len(differ)} of {len(each['compared'])} verdicts differ"
    assert any(said in line for line in lines)
    assert "retest.json" in (made.folder / "README.md").read_text(encoding="utf-8")
    text = (made.folder / "dictionary.csv").read_text(encoding="utf-8")
    assert "retest.json,differ" in text


def test_a_second_comparison_of_a_commit_takes_the_place_of_the_first(study, made, tmp_path):
    folder = shutil.copytree(made.folder, tmp_path / "released")
    path = add(study, folder, load(study.bundle / "smoke"))
    content = bundles.read(path)
    assert [each["commit"] for each in content["retests"]] == [COMMIT]
    assert content["retests"][0]["differ"] == []


def test_other_runs_than_were_compared_are_named(study, made, tmp_path):
    folder = shutil.copytree(made.folder, tmp_path / "released")
    content = {**made.content, "runs": "0" * 64}
    (folder / "smoke/retest.json").write_text(json.dumps(content), encoding="utf-8")
    bundle.seal(folder)
    with pytest.raises(
        RegrokError, match=r"retest.json: made of other runs .* regrok retest e{12}"
    ):
        verify.verify(folder, load_claims(study.config, study.studies))


def test_a_release_drops_it_and_an_analysis_of_the_same_runs_keeps_it(study, made, tmp_path):
    folder = shutil.copytree(made.folder, tmp_path / "released")
    with mock.patch.object(fill, "refit", here):
        again.release_again(study.config, study.studies, folder)
    assert bundles.read(folder / "smoke/retest.json") == made.content
    bundles.release(study.results, folder, study.studies)
    assert not (folder / "smoke/retest.json").exists()
    assert "retest.json" not in (folder / "README.md").read_text(encoding="utf-8")


def test_a_commit_without_released_runs_is_one_message(study, tmp_path, monkeypatch):
    folder = shutil.copytree(study.bundle, tmp_path / "released")
    before = (folder / bundle.SUMS).read_bytes()

    def refuse(*_, **__):
        raise retest.NoCommit("path does not exist")

    monkeypatch.setattr(retest, "ask", refuse)
    monkeypatch.setattr(commits, "resolve", lambda name: COMMIT)
    with pytest.raises(RegrokError, match="holds no released runs of the smoke scale"):
        retest.add_retests(["e"], study.config, study.studies, folder)
    assert (folder / bundle.SUMS).read_bytes() == before


# What people see --------------------------------------------------------------------------------------------------


def test_the_table_names_the_claims_within_noise(study, made):
    given = Material(None, {}, {}, scope(study.config), retests={"smoke": made.content})
    built = module("retest").build("retest", SimpleNamespace(options={}), given)
    each = made.content["retests"][0]
    named = [claim["id"] for claim in each["differ"] if claim["id"] in each["compared"]]
    assert built.frame["id"].tolist() == named != []
    assert f"{len(named)} of {len(each['compared'])} verdicts differ" in built.tex
    assert BY[:7] in built.tex
    empty = module("retest").build(
        "retest", SimpleNamespace(options={}), replace(given, retests={})
    )
    assert "No earlier training" in empty.tex
    assert empty.frame["id"].tolist() == ["No earlier training of released runs was compared."]


def test_a_claim_that_turns_over_is_named_in_the_caption():
    def side(verdict):
        return {"verdict": verdict, "value": 1.0, "low": 0.9, "high": 1.1, "n": 9}

    pairs = {"A1": ("reproduced", "inconclusive"), "A2": ("not reproduced", "reproduced")}
    differ = [{"id": k, "now": side(a), "then": side(b)} for k, (a, b) in pairs.items()]
    assert module("retest").turned({"compared": ["A1", "A2"], "differ": differ}) == ["A2"]
    assert module("retest").turned({"compared": ["A1"], "differ": differ}) == []


def test_the_list_of_claims_marks_them(study, made, monkeypatch, capsys):
    ledger = made.folder / "smoke/ledger.json"
    config = study.folder / "config.yaml"
    asked = ["claims", "--config", str(config), "--scale", "smoke", "--ledger", str(ledger)]
    asked += ["--bundle", str(made.folder), "--corrected"]
    monkeypatch.setenv("COLUMNS", "200")
    assert cli.main(asked) == 0
    lines = capsys.readouterr().out.splitlines()
    marked = {line.split()[0] for line in lines if line.endswith("~")}
    assert marked == {claim["id"] for claim in made.content["retests"][0]["differ"]}
    assert cli.main([*asked, "A3-exponent"]) == 0
    assert COMMIT[:12] in capsys.readouterr().out
