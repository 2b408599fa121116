"""What the site is made of: intervals, thinned curves, what is read and from where, the citation."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from configurations import ROOT
from regrok.errors import RegrokError
from regrok.files import write_json
from regrok.judging.axis import axis_of
from regrok.site import bibtex, curves, intervals
from regrok.site.source import NEEDED, find
from regrok.study.claims import load_claims
from regrok.study.read import load_config
from regrok.study.words import UNJUDGED

# Intervals ------------------------------------------------------------------------------------------


def test_numbers_lie_where_they_should_on_an_axis():
    axis = axis_of([0.0, 10.0])
    assert not axis.log
    assert axis.share(5.0) == pytest.approx(0.5)
    assert axis.share(-1e9) == 0.0 and axis.share(math.inf) == 1.0
    wide = axis_of([1.0, 10_000.0])
    assert wide.log
    assert wide.share(100.0) == pytest.approx(0.5)
    assert wide.share(0.0) == 0.0
    # The band of "above 0" begins at the smallest number that there is: no reason for logarithms.
    assert not axis_of([2.0, math.ulp(0.0)]).log


def positions(svg: str, kind: str, *names: str) -> list[float]:
    found = re.search(rf'class="{kind}"([^>]*)', svg)[1]
    return [float(re.search(rf'(?<![\w-]){name}="([\d.]+)%"', found)[1]) for name in names]


def test_an_interval_is_drawn_over_its_band():
    estimate = {"value": 5.0, "low": 4.0, "high": 6.0}
    axis = intervals.common_axis([(estimate, (0.0, math.inf))], printed=10.0)
    svg = intervals.line(estimate, (0.0, math.inf), axis, 10.0, "five")
    [value] = positions(svg, "value", "cx")
    low, high = positions(svg, "range", "x1", "x2")
    start, width = positions(svg, "band", "x", "width")
    [printed] = positions(svg, "printed", "x1")
    assert value == pytest.approx(50.0)
    assert low < value < high < printed
    assert start < low and start + width == pytest.approx(100.0)
    assert 'aria-label="five"' in svg
    assert intervals.line({"value": None}, None, axis, None, "") == ""
    assert intervals.common_axis([({"value": None}, (0.0, 1.0))]) is None


def test_an_open_end_reaches_the_edge_and_has_no_bar():
    estimate = {"value": 5.0, "low": 4.0, "high": None}
    svg = intervals.line(estimate, None, axis_of([4.0, 5.0]), None, "")
    assert positions(svg, "range", "x2") == [100.0]
    assert svg.count('class="range"') == 2


@pytest.mark.parametrize(
    "numbers", [[0.0, 1.0], [0.93, 0.99], [-3.0, 8.0], [1.0, 1e6], [3.0, 95.0], [7.0], [0.0]]
)
def test_an_axis_has_a_few_round_numbers_within_its_ends(numbers):
    axis = axis_of(numbers)
    low, high = axis.ends()
    found = intervals.ticks(axis)
    assert 2 <= len(found) <= 6
    assert found == sorted(set(found))
    assert low - 1e-9 <= found[0] and found[-1] <= high * (1 + 1e-9) + 1e-9


# Curves ---------------------------------------------------------------------------------------------


def planted(n: int) -> pd.DataFrame:
    """A smooth curve with one spike of the loss, one dip of the accuracy, and gaps in validation."""
    step = np.arange(n) * 25
    share = 1 / (1 + np.exp(-(np.arange(n) - n / 2) / 20))
    made = pd.DataFrame({"run_id": "a", "step": step, "train_accuracy": 1.0, "V": 100.0 - share})
    made["validation_accuracy"] = share
    made["train_loss"] = 1e-4
    made["validation_loss"] = np.where(np.arange(n) % 2, np.nan, 1.5)
    made.loc[n - 37, "train_loss"] = 3.0
    made.loc[n - 11, "validation_accuracy"] = 0.25
    return made


def test_a_thinned_curve_keeps_its_ends_spikes_and_marks():
    n = 3000
    curve = planted(n)
    runs = pd.DataFrame([{"run_id": "a", "T_mem_99": 1025.0, "T_grok_99": 50_000.0}])
    found = curves.packed(curve, runs)["a"]
    assert len({len(column) for column in found.values()}) == 1
    assert len(found["step"]) < 2 * curves.POINTS
    assert found["step"] == sorted(set(found["step"]))
    assert {0, 1025, 50_000, 25 * (n - 1)} <= set(found["step"])
    assert max(found["train_loss"]) == 3.0
    assert found["validation_accuracy"][found["step"].index(25 * (n - 11))] == 0.25
    whole = curve.set_index("step")
    for i, step in enumerate(found["step"]):
        assert found["V"][i] == pytest.approx(whole.V[step], rel=1e-3)
        assert (found["validation_loss"][i] is None) == bool(np.isnan(whole.validation_loss[step]))


def test_a_short_curve_is_kept_whole():
    found = curves.packed(planted(curves.POINTS), pd.DataFrame([{"run_id": "a"}]))["a"]
    assert len(found["step"]) == curves.POINTS


def test_scripts_hand_on_what_json_can_hold():
    text = curves.script("smoke-x", {"V": [1, None]})
    assert text == 'regrok.take("smoke-x",{"V":[1,null]});\n'
    with pytest.raises(ValueError, match="JSON"):
        curves.script("smoke-x", {"V": [math.nan]})


# What is read ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def config():
    return load_config(ROOT / "config.yaml", {"scale": "laptop"})


def test_a_build_is_read_before_its_reanalysis_and_that_before_the_bundle(
    config, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RegrokError, match="make paper"):
        find(config)
    held = tmp_path / "results" / "released" / "laptop"
    held.mkdir(parents=True)
    (held / "runs.parquet").touch()
    assert find(config).folder is None
    for folder in ("results/laptop-released", "results/laptop"):
        Path(folder).mkdir(parents=True)
        for name in NEEDED:
            assert find(config).folder != Path(folder), f"without {name} no build is finished"
            Path(folder, name).touch()
        assert find(config).folder == Path(folder)
        assert find(config).elsewhere == []
    assert find(config.model_copy(update={"scale": "smoke"})).folder is None


def test_a_claim_that_no_ledger_has_is_not_judged_yet(config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    claims = load_claims(config, ROOT / "studies")
    for name in NEEDED:
        (tmp_path / "results/laptop").mkdir(parents=True, exist_ok=True)
        (tmp_path / "results/laptop" / name).touch()
    write_json({"scale": "laptop", "readings": [], "claims": []}, "results/laptop/ledger.json")
    made = find(config).ledger(claims)
    assert [e["id"] for e in made["claims"]] == [c.id for c in claims.claims]
    assert {e["verdict"] for e in made["claims"]} == {UNJUDGED}
    Path("results/laptop/ledger.json").write_text("{", encoding="utf-8")
    with pytest.raises(RegrokError, match="not a ledger"):
        find(config).ledger(claims)


def test_the_citation_is_that_of_the_file(tmp_path):
    entry = bibtex.own_entry(ROOT)
    assert "The Regrok authors" in entry and entry.count("{") == entry.count("}")
    told = {
        "authors": [{"family-names": "Ada", "given-names": "B. C."}, {"name": "A Group"}],
        "title": "T",
        "version": "1.2",
        "license": "MIT",
        "doi": "10.1/x",
        "date-released": "2026-11-26",
    }
    write_json(told, tmp_path / "CITATION.cff")
    entry = bibtex.own_entry(tmp_path)
    assert "{Ada, B. C. and {A Group}}" in entry
    assert re.search(r"year *= \{2026\}", entry) and re.search(r"doi *= \{10.1/x\}", entry)
    del told["title"]
    write_json(told, tmp_path / "CITATION.cff")
    with pytest.raises(RegrokError, match="title"):
        bibtex.own_entry(tmp_path)
