"""How sentences read once numbers and verdicts stand in them, and what a section hands to other parts of the paper."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from papers import text_of
from regrok.errors import RegrokError
from regrok.paper import numbers, prose, texts
from studies import ROOT


@pytest.mark.parametrize(
    ("text", "complaints"),
    [
        (r"This \verdictphrase{A1}. That \verdictphrase{A2}.", 0),
        (r"This \verdictphrase{A1} and that \verdictphrase{A2}.", 1),
        (r"This \verdictphrase{A1} and that \verdictphrase[A1]{A2}.", 0),
        (r"This \verdictphrase{A1}, that \verdictphrase[A1]{A2}, those \verdictphrase[A1]{A3}.", 1),
        ("This \\verdictphrase{A1}\n\nThat \\verdictphrase{A2}.", 0),
        (r"This \verdictphrase{A1} and that \leadingphrase{A2}.", 0),
        (r"\ifexperiment{S1}{This \verdictphrase{A1}.}{} That \verdictphrase{A2}.", 0),
    ],
)
def test_a_verdict_that_is_not_the_first_of_its_sentence_names_the_one_before(text, complaints):
    found = prose.repeated_verdicts(text)
    assert len(found) == complaints
    assert all("again in one sentence" in what for _, what in found)


def test_the_line_and_the_remedy_of_a_repeated_verdict_are_said():
    (found,) = prose.repeated_verdicts("One.\nThis \\verdictphrase{A1},\nthat \\verdictphrase{A2}.")
    assert found[0] == 3
    assert found[1].endswith(r"write \verdictphrase[A1]{A2}")


KNOWN = {
    "result": {"f.x": "1.5", "f.none": numbers.NOT_ESTIMATED},
    "interval": {"f.x": "[1.0, 2.0]", "f.none": numbers.NO_INTERVAL},
    "nruns": {"f.x": "5", "f.none": "0"},
    "leadingresult": {"A1": "0.7 [0.6, 0.8]"},
}


@pytest.mark.parametrize(
    "text",
    [
        "The mean is (no estimate), as is the median.",
        "0 runs without a delay have no dot.",
        "In (b) 0 censored runs there have no point.",
        "Of these, zero runs are left out.",
        r"The fastest is 0.002000 of all.",
    ],
)
def test_what_no_reader_should_see_is_found(text):
    assert len(prose.unreadable(text)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "10 runs without a delay have no dot.",
        "Of 20 runs, 0 grokked.",
        "The rate is 0.99860 and the loss 0.00139.",
        r"$\lambda=0$ runs have no decay.",
        r"1{,}000 runs have a dot.",
    ],
)
def test_what_reads_well_is_not(text):
    assert prose.unreadable(text) == []


def test_values_are_put_in_place_of_their_macros_and_unknown_ones_are_left():
    text = r"\evidence{f.x}; \result{f.none}, \leadingresult{A1}, \result{f.y}"
    shown = prose.rendered(text, KNOWN)
    assert shown == r"1.5 [1.0, 2.0] 5; \result{f.none}, 0.7 [0.6, 0.8], \result{f.y}"
    assert prose.unreadable(shown) == []


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (r"That the law holds \leadingphrase{A3-population}.", []),
        (r"\ifleading{A3}{In $V_1$ it is \leadingresult{A3}.}{}", []),
        ("Claim A3-population holds, and B2 does.", ["A3-population", "B2"]),
    ],
)
def test_an_abstract_names_no_claim(text, named):
    assert [what.split()[5].rstrip(";") for _, what in prose.named_claims(text)] == named


def test_captions_of_figures_and_tables_are_read_and_their_rows_are_not(tmp_path):
    for part in ("figures", "tables"):
        (tmp_path / part).mkdir()
    caption = r"\regrokcaption{a}{\textbf{A.} 0 runs without a delay have no dot.}"
    (tmp_path / "figures/a.tex").write_text(caption, encoding="utf-8")
    row = r"\caption{\small Fine.}\label{tab:b} 0 runs & have no dot \\"
    (tmp_path / "tables/b.tex").write_text(row, encoding="utf-8")
    found = prose.captions(tmp_path, ["figures/a.tex", "tables/b.tex", "tables/absent.tex"])
    assert len(found) == 1 and found[0].startswith(f"{tmp_path}/figures/a.tex: caption: '0 runs")


def test_a_branch_is_taken_by_whether_some_scale_has_a_value():
    text = r"\ifleading{A1}{is \leadingresult{A1}\ifleading{A2}{, two}{}}{none}. \ifleading{A3}{x}{no}."
    assert texts.led(text, {"A1"}) == r"is \leadingresult{A1}. no."
    assert texts.led(text, {"A1", "A2", "A3"}) == r"is \leadingresult{A1}, two. x."
    with pytest.raises(RegrokError, match=r"\\ifleading\{A1\}: an argument in braces is missing"):
        texts.led(r"\ifleading{A1}{x}", set())


def test_what_a_section_hands_over_is_optional_but_for_the_summary(tmp_path):
    section = tmp_path / "section.tex"
    section.write_text(
        "\\studysummary{One.}\n\\studyfindings{Two,\n\nthree.}\n\\section{A}\n", encoding="utf-8"
    )
    assert texts.handed_over(section, "studyfindings") == "Two,\n\nthree."
    assert texts.handed_over(section, "studydiscussion") is None
    section.write_text("\\studysummary{One.} \\studydiscussion{open\n", encoding="utf-8")
    with pytest.raises(RegrokError, match=r"section\.tex: \\studydiscussion: .*where ours and"):
        texts.handed_over(section, "studydiscussion")


@pytest.mark.tex
def test_an_equal_verdict_is_said_in_one_word_and_another_in_full(tmp_path):
    phrases = {"a": "is reproduced", "b": "is reproduced", "c": "remains inconclusive"}
    text = [
        r"\documentclass{article}\usepackage{regrok}\begin{document}",
        *(rf"\regrokset{{verdictphrase}}{{{k}}}{{{v}}}" for k, v in phrases.items()),
        rf"\regrokset{{leadingresult}}{{a}}{{0.7}}\regrokset{{leadingresult}}{{b}}{{{numbers.NOT_ESTIMATED}}}",
        r"One \verdictphrase{a}, two \verdictphrase[a]{b}, three \verdictphrase[b]{c};",
        r"\ifleading{a}{\leadingresult{a}}{no}, \ifleading{b}{yes}{none}, \leadingresult{b}.",
        r"\end{document}",
    ]
    (tmp_path / "x.tex").write_text("\n".join(text), encoding="utf-8")
    shutil.copy(ROOT / "paper/regrok.sty", tmp_path)
    command = ["pdflatex", "-interaction=batchmode", "-halt-on-error", "x.tex"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    said = " ".join(text_of(tmp_path / "x.pdf").split())
    assert "One is reproduced, two likewise, three remains inconclusive; 0.7, none, a value" in said
