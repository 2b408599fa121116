"""A release of one scale brings the others' numbers up to date, whose leading verdicts it may change."""

from __future__ import annotations

import json
import shutil

import pytest

import bundles
from regrok.judging.leading import JUDGEMENTS
from regrok.released import bundle
from regrok.released.follow import follow
from regrok.study.words import NOT_REPRODUCED, REPRODUCED

pytestmark = pytest.mark.beside


@pytest.fixture
def two_scales(tmp_path):
    """A planted smoke bundle beside a laptop part of which the ledger alone is asked, and the id of its one claim."""
    made = bundles.planted(tmp_path)
    smoke = bundles.read(made.bundle / "smoke/ledger.json")
    entry = next(c for c in smoke["claims"] if c["verdict"] in JUDGEMENTS and not c["corrected"])
    shutil.copytree(made.bundle / "smoke", made.bundle / "laptop")
    verdict = NOT_REPRODUCED if entry["verdict"] == REPRODUCED else REPRODUCED
    ledger = {**smoke, "scale": "laptop", "claims": [entry | {"verdict": verdict}]}
    (made.bundle / "laptop/ledger.json").write_text(json.dumps(ledger), encoding="utf-8")
    return made, entry, verdict


def test_the_smaller_scale_names_the_new_verdict_and_keeps_all_else(two_scales):
    made, entry, verdict = two_scales
    part = made.bundle / "smoke"
    kept = {path: path.read_bytes() for path in part.rglob("*.*") if path.name != "numbers.json"}
    before = bundles.read(part / "numbers.json")
    assert follow(made.bundle, "laptop", made.studies) == {}
    after = bundles.read(part / "numbers.json")
    phrase = after["verdictphrase"][entry["id"]]
    assert phrase == f"{before['verdictphrase'][entry['id']]} (laptop scale: {verdict})"
    key = f"leading.{entry['origin']}.{verdict.replace(' ', '_')}"
    assert int(after["counted"][key]) == int(before["counted"][key]) + 1
    assert after["verdict"] == before["verdict"]
    assert set(after["result"]) == set(before["result"])
    assert {path: path.read_bytes() for path in kept} == kept
    assert bundle.damage(made.bundle) == []
    assert "| laptop | " in (made.bundle / "README.md").read_text(encoding="utf-8")


def test_a_scale_of_other_studies_is_left_as_it_is_and_named(two_scales):
    made, _, _ = two_scales
    (made.bundle / "smoke/config.json").write_text("{}", encoding="utf-8")
    before = (made.bundle / "smoke/numbers.json").read_bytes()
    assert set(follow(made.bundle, "laptop", made.studies)) == {"smoke"}
    assert (made.bundle / "smoke/numbers.json").read_bytes() == before
    assert bundle.damage(made.bundle) == []


def test_what_a_computation_tells_the_text_stays(two_scales):
    """It has no runs and no fit, and the section of its study quotes it all the same."""
    made, _, _ = two_scales
    part = made.bundle / "smoke"
    name = "planted"
    value = {
        "value": 2.5,
        "low": 2.0,
        "high": 3.0,
        "level": 0.95,
        "n": 4,
        "unit": "",
        "estimator": "planted",
    }
    content = {
        "computation": name,
        "compute": "x",
        "estimates": {f"{name}.twice": value | {"note": ""}},
    }
    (part / "computations").mkdir(exist_ok=True)
    (part / "computations" / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    assert follow(made.bundle, "laptop", made.studies) == {}
    assert bundles.read(part / "numbers.json")["result"][f"{name}.twice"] == "2.50"
