"""The ledger at a glance: a tile a claim that stands and was judged, in the row of its paper and origin."""

from __future__ import annotations

from types import SimpleNamespace

from regrok.judging.leading import Ruling
from regrok.judging.looks import LOOKS
from regrok.paper.glance import SOURCE, glance
from studies import ROOT

PAPERS = {
    name: SimpleNamespace(paper=SimpleNamespace(letter=letter, short=f"paper {letter}", cite=name))
    for name, letter in (("one", "A"), ("two", "B"))
}


def drawn(claims, anonymous=False):
    """The figure of claims, each (id, origin, verdict, corrected)."""
    entries = [
        {"id": i, "paper": i[0], "origin": origin, "verdict": verdict, "corrected": corrected}
        for i, origin, verdict, corrected in claims
    ]
    said = {entry["id"]: Ruling("laptop", False, entry) for entry in entries}
    config = SimpleNamespace(studies=PAPERS, anonymous=anonymous)
    return glance(config, {"claims": entries}, said, "https://example.org/tree")


CLAIMS = [
    ("A1", "printed", "reproduced", None),
    ("A2", "printed", "not reproduced", None),
    ("A3", "ours", "inconclusive", None),
    ("A4", "printed", "reproduced", {"by": []}),
    ("B1", "released", "out of scope at this scale", None),
]


def test_every_standing_claim_with_a_verdict_has_a_tile():
    tex = drawn(CLAIMS)
    # Three tiles, and one for each verdict in the legend.
    assert tex.count(r"\regroktile{") == 3 + 3
    assert "printed: 2" in tex and "ours: 1" in tex
    assert r"\citep{one}" in tex and r"\citep{two}" not in tex
    assert "each of the 3 standing claims" in tex
    for verdict in ("reproduced", "not reproduced", "inconclusive"):
        assert f"{{{LOOKS[verdict][0]}}}~1 {verdict}" in tex


def test_without_a_verdict_the_figure_says_so():
    tex = drawn(CLAIMS[-1:])
    assert r"\regroktile" not in tex and "No claim was judged" in tex
    assert r"\label{fig:ledger}" in tex


def test_the_figure_links_to_what_draws_it_unless_the_paper_is_anonymous():
    assert f"https://example.org/tree/{SOURCE}" in drawn(CLAIMS)
    assert "example.org" not in drawn(CLAIMS, anonymous=True)
    assert (ROOT / SOURCE).is_file()
