"""Which scale's verdict leads, from planted ledgers in which it is known."""

from __future__ import annotations

import json

import pytest

from regrok.judging.leading import leading, rulings
from regrok.paper.assemble import unreproduced
from regrok.paper.numbers import here, leading_counts, leads
from regrok.released.about import verdicts
from regrok.study.words import (
    DIRECTION,
    INCONCLUSIVE,
    NO_SUCH_RUN,
    NOT_REPRODUCED,
    OUT_OF_SCOPE,
    REPRODUCED,
    UNDERSPECIFIED,
)


def planted(scale, origin="printed", corrected=None, **verdicts):
    """A ledger of claims with these verdicts; values differ by scale, so that it is seen whose are shown."""
    place = ("smoke", "laptop", "paper").index(scale)
    return {
        "scale": scale,
        "readings": [],
        "claims": [
            {
                "id": name,
                "paper": "Z",
                "arxiv": "1234.56789",
                "origin": origin,
                "corrected": corrected,
                "statement": f"{name} holds.",
                "published_value": 1.0,
                "published_text": "one",
                "verdict": verdict,
                "simultaneous": None,
                "value": 1.25 + place,
                "low": 1.0 + place,
                "high": 1.5 + place,
                "n": 10 * (place + 1),
                "survives": None,
                "robustness": {},
                "run_ids": [f"{name}-{scale}"],
                "runs": 1,
            }
            for name, verdict in verdicts.items()
        ],
    }


CASES = [
    # own verdict at the laptop scale, paper's, smoke's; whose leads; the scales beside it
    ("the paper judged", REPRODUCED, INCONCLUSIVE, DIRECTION, "paper", ["laptop", "smoke"]),
    ("the paper did not", NOT_REPRODUCED, OUT_OF_SCOPE, REPRODUCED, "laptop", ["smoke"]),
    ("only smoke did", OUT_OF_SCOPE, OUT_OF_SCOPE, DIRECTION, "smoke", []),
    ("only the paper did", OUT_OF_SCOPE, REPRODUCED, OUT_OF_SCOPE, "paper", []),
    ("none did", OUT_OF_SCOPE, OUT_OF_SCOPE, OUT_OF_SCOPE, "laptop", []),
    (
        "the paper leaves it open",
        REPRODUCED,
        UNDERSPECIFIED,
        DIRECTION,
        "paper",
        ["laptop", "smoke"],
    ),
    ("no run there", REPRODUCED, NO_SUCH_RUN, OUT_OF_SCOPE, "laptop", ["paper"]),
    ("no run anywhere", NO_SUCH_RUN, NO_SUCH_RUN, OUT_OF_SCOPE, "paper", ["laptop"]),
]


@pytest.mark.parametrize(
    ("own", "paper", "smoke", "leads", "beside"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
def test_the_largest_scale_that_judged_a_claim_leads(own, paper, smoke, leads, beside):
    elsewhere = {"smoke": planted("smoke", Z1=smoke), "paper": planted("paper", Z1=paper)}
    first, *others = rulings(planted("laptop", Z1=own), elsewhere)["Z1"]
    verdicts = {"laptop": own, "paper": paper, "smoke": smoke}
    assert (first.scale, first.verdict) == (leads, verdicts[leads])
    assert [each.scale for each in others] == beside
    # Only what this build judged is its own.
    assert {each.scale: each.released for each in (first, *others)} == {
        scale: scale != "laptop" for scale in (leads, *beside)
    }
    assert first.entry["run_ids"] == [f"Z1-{leads}"]


def test_whichever_scale_is_built_the_same_one_leads():
    made = {
        "smoke": planted("smoke", Z1=DIRECTION, Z2=OUT_OF_SCOPE),
        "laptop": planted("laptop", Z1=REPRODUCED, Z2=NOT_REPRODUCED),
        "paper": planted("paper", Z1=INCONCLUSIVE, Z2=OUT_OF_SCOPE),
    }
    for scale, own in made.items():
        others = {s: ledger for s, ledger in made.items() if s != scale}
        found = leading(own, others)
        assert [found[name].scale for name in ("Z1", "Z2")] == ["paper", "laptop"]
        assert [found[name].released for name in ("Z1", "Z2")] == [
            scale != "paper",
            scale != "laptop",
        ]


def test_this_build_comes_before_a_released_ledger_of_its_scale_unless_it_did_not_judge():
    released = {"laptop": planted("laptop", Z1=REPRODUCED, Z2=REPRODUCED)}
    found = rulings(planted("laptop", Z1=INCONCLUSIVE, Z2=OUT_OF_SCOPE), released)
    assert [(each.released, each.verdict) for each in found["Z1"]] == [
        (False, INCONCLUSIVE),
        (True, REPRODUCED),
    ]
    assert [(each.released, each.verdict) for each in found["Z2"]] == [(True, REPRODUCED)]


def test_a_claim_that_one_of_two_ledgers_lacks():
    found = rulings(
        planted("laptop", Z1=REPRODUCED), {"paper": planted("paper", Z2=NOT_REPRODUCED)}
    )
    assert list(found) == ["Z1"]  # what is stated since the release, and what is not asked here
    assert [each.scale for each in found["Z1"]] == ["laptop"]


def test_without_released_ledgers_a_build_s_verdicts_lead():
    own = planted("smoke", Z1=REPRODUCED, Z2=OUT_OF_SCOPE)
    assert [each.entry for each in leading(own, {}).values()] == own["claims"]


# What is said of it ------------------------------------------------------------------------------------


def three_origins():
    """A laptop ledger and a paper's, of six claims of two origins; what leads is known by heart."""
    own = planted("laptop", Z1=REPRODUCED, Z2=REPRODUCED, Z3=OUT_OF_SCOPE, Z4=OUT_OF_SCOPE)
    own["claims"] += planted("laptop", "ours", Z5=INCONCLUSIVE, Z6=NO_SUCH_RUN)["claims"]
    why = {"date": "2026-01-31", "why": "it was wrong", "by": ["Z1"]}
    own["claims"] += planted("laptop", corrected=why, Z7=REPRODUCED)["claims"]
    paper = planted("paper", Z1=REPRODUCED, Z2=NOT_REPRODUCED, Z3=DIRECTION, Z4=OUT_OF_SCOPE)
    paper["claims"] += planted("paper", Z5=OUT_OF_SCOPE, Z6=OUT_OF_SCOPE, Z7=REPRODUCED)["claims"]
    return own, {"paper": paper}


def test_counts_are_of_leading_verdicts_origin_by_origin():
    own, elsewhere = three_origins()
    made = leading_counts(own, rulings(own, elsewhere))
    assert made["leading.printed"] == (
        "3 have a verdict, at the paper scale: "
        "1 reproduced, 1 reproduced in direction only, 1 not reproduced"
    )
    assert made["leading.ours"] == (
        "2 have a verdict, at the laptop scale: 1 inconclusive, 1 no such run here"
    )
    assert made["leading.released"] == "none has a verdict at any scale"
    assert (made["leading.printed.judged"], made["leading.ours.judged"]) == ("3", "2")
    assert made["leading.printed.reproduced"] == "1"
    assert made["leading.printed.out_of_scope_at_this_scale"] == "1"
    # Z1 and Z2; a corrected entry counts nowhere.
    assert (made["leading.several"], made["leading.agree"]) == ("2", "1")


def test_a_count_over_two_scales_says_how_many_are_of_which():
    own, elsewhere = three_origins()
    elsewhere["paper"]["claims"][0]["verdict"] = OUT_OF_SCOPE
    made = leading_counts(own, rulings(own, elsewhere))
    assert made["leading.printed"].startswith(
        "3 have a verdict, 2 at the paper and 1 at the laptop scale: "
    )


def test_phrases_say_whose_verdict_it_is():
    own, elsewhere = three_origins()
    said = rulings(own, elsewhere)
    entries = {entry["id"]: entry for entry in own["claims"]}
    spoken = {name: (here(entries[name], said[name][0]), leads(said[name][0])) for name in said}
    assert spoken["Z1"] == ("is reproduced", "is reproduced at the paper scale")
    assert spoken["Z2"] == (
        "is reproduced (paper scale: not reproduced)",
        "is not reproduced at the paper scale",
    )
    assert spoken["Z3"] == (
        "is out of scope at this scale (paper scale: reproduced in direction only)",
        "is reproduced in direction only at the paper scale",
    )
    assert spoken["Z4"] == ("is out of scope at this scale", "is judged at no scale")
    assert spoken["Z5"] == ("remains inconclusive", "remains inconclusive")
    assert spoken["Z6"][1] == "cannot be asked here: there is no such run"
    absent = planted("paper", Z6=NO_SUCH_RUN)
    first = leading(planted("laptop", Z6=OUT_OF_SCOPE), {"paper": absent})["Z6"]
    assert leads(first) == "cannot be asked at the paper scale: there is no such run"


def test_what_did_not_come_out_is_told_by_the_evidence_that_leads():
    own, elsewhere = three_origins()
    for made in (own, *elsewhere.values()):
        for entry in made["claims"]:
            entry["reason"] = f"so it is at the {made['scale']} scale"
    text = unreproduced(own, {"Z2": "An explanation."}, leading(own, elsewhere))
    assert (
        r"\item[Z2] Z2 holds. Published: one. At the paper scale: 3.25 [3.00, 3.50]; "
        "so it is at the paper scale. An explanation.\n"
    ) in text
    assert r"Here: 2.25 [2.00, 2.50]; so it is at the laptop scale" in text  # Z5
    assert "[Z1]" not in text and "[Z7]" not in text


def test_the_bundle_s_page_counts_what_leads(tmp_path):
    own, elsewhere = three_origins()
    for scale, made in {"laptop": own, **elsewhere}.items():
        (tmp_path / scale).mkdir()
        (tmp_path / scale / "runs.parquet").touch()
        (tmp_path / scale / "ledger.json").write_text(json.dumps(made), encoding="utf-8")
    assert verdicts(tmp_path).splitlines()[2:] == [
        "| printed | paper | 1 | 1 | 1 | 0 | 0 | 0 |",
        "| ours | laptop | 0 | 0 | 0 | 1 | 0 | 1 |",
    ]
