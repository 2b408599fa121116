"""The page of findings: answers follow from verdicts by rule, and what it shows is read, not typed."""

from __future__ import annotations

from types import SimpleNamespace

import pandas as pd
import pytest

from regrok.errors import RegrokError
from regrok.study.words import (
    DIRECTION,
    INCONCLUSIVE,
    NOT_REPRODUCED,
    OUT_OF_SCOPE,
    REPRODUCED,
    UNDERSPECIFIED,
)
from regrok.tables import Material
from regrok.tables.findings import build, holds


@pytest.mark.parametrize(
    ("verdicts", "answer"),
    [
        ([REPRODUCED, DIRECTION], "holds"),
        ([REPRODUCED, OUT_OF_SCOPE], "holds"),
        ([DIRECTION, NOT_REPRODUCED], "holds in part"),
        ([DIRECTION, INCONCLUSIVE], "holds in part"),
        ([NOT_REPRODUCED, INCONCLUSIVE], "does not hold"),
        ([INCONCLUSIVE], "undecided"),
        ([UNDERSPECIFIED], "undecided"),
        ([REPRODUCED, UNDERSPECIFIED], "holds in part"),
        ([OUT_OF_SCOPE], "not judged"),
    ],
)
def test_the_answer_follows_from_the_verdicts(verdicts, answer):
    assert holds(verdicts) == answer


def study(findings, verdict=DIRECTION, elsewhere=None):
    runs = pd.DataFrame(
        {
            "run_id": list("abc"),
            "T_grok": [1800.0, 2000.0, None],
            "p": 31.0,
            "width": [64.0, 64.0, 128.0],
            "d_model": None,
            "learning_rate": 0.03,
            "weight_decay": 0.002,
            "max_steps": 22_000,
        }
    )
    found = {"value": 4.0, "low": 2.0, "high": None, "n": 3}
    claim = {
        "id": "B4",
        "statement": "GELU groks faster, T_grok is shorter.",
        "published_text": "4.32×",
        "run_ids": ["a", "b", "c"],
        "verdict": verdict,
        **found,
    }
    fit = {"runs": ["a", "b"], "estimates": {"act.ratio": {**found, "value": 3.5, "high": 9.0}}}
    ledger = {"scale": "laptop", "claims": [claim]}
    material = Material(
        SimpleNamespace(runs=runs), {"act": fit}, ledger, None, elsewhere=elsewhere or {}
    )
    return build("findings", SimpleNamespace(options={"findings": findings}), material)


FINDING = {
    "title": "GELU is faster",
    "claims": ["B4"],
    "evidence": [{"key": "act.ratio", "words": "ReLU over GELU at λ = 1"}],
}


def test_a_finding_shows_its_claims_its_evidence_its_regime_and_what_is_censored():
    made = study([FINDING])
    assert r"GELU is faster: \textbf{holds}" in made.tex
    assert "$p={}$31, MLP width 64 and 128" in made.tex
    assert "22{,}000" in made.tex
    assert "3 (1)" in made.tex
    assert "2 (0)" in made.tex
    claim, evidence = made.frame.to_dict("records")
    assert (claim["published"], claim["value"], claim["censored"]) == ("4.32×", 4.0, 1)
    assert (evidence["key"], evidence["value"], evidence["runs"]) == ("act.ratio", 3.5, 2)
    assert made.frame.answer.tolist() == ["holds", "holds"]


def test_a_finding_counts_its_claims_with_the_verdict_of_the_largest_scale():
    entry = {"id": "B4", "statement": "GELU groks faster.", "published_text": "4.32×", "n": 9}
    entry |= {
        "value": 1.0,
        "low": 0.9,
        "high": 1.1,
        "run_ids": ["a", "z"],
        "verdict": NOT_REPRODUCED,
    }
    made = study([FINDING], elsewhere={"paper": {"scale": "paper", "claims": [entry]}})
    assert r"\textbf{does not hold}" in made.tex
    claim = made.frame.iloc[0]
    assert (claim.verdict, claim.value) == ("not reproduced (paper scale)", 1.0)
    # Runs of another build are not counted as this one's, even where an id is the same.
    assert claim.runs == 0
    assert "$p={}$31" in made.tex


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"claims": ["B5"]}, "no claim of ours: B5"),
        ({"evidence": [{"key": "act.ratoi", "words": ""}]}, "'act.ratoi' is no estimate"),
    ],
)
def test_what_is_not_there_is_named(change, message):
    with pytest.raises(RegrokError, match=message):
        study([{**FINDING, **change}])


def test_no_findings_is_an_error():
    with pytest.raises(RegrokError, match="lists no finding"):
        study([])
