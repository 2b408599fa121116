"""Which of the paper's text a build shows: branches of conditionals, and the sentences for the abstract."""

from __future__ import annotations

import pytest

from regrok.errors import RegrokError
from regrok.paper import texts

HOLDS = {
    "ifexperiment": ["S1"],
    "ifcomputation": ["ridge"],
    "iffigure": ["anatomy"],
    "iftable": [],
    "ifpart": [],
    "ifanonymous": [],
}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (r"\ifexperiment{S1}{yes}{no}", r"\ifexperiment{S1}{yes}{  }"),
        (r"\ifexperiment{S2}{yes}{no}", r"\ifexperiment{S2}{   }{no}"),
        (r"\ifcomputation{ridge}{yes}{no}", r"\ifcomputation{ridge}{yes}{  }"),
        (r"\ifcomputation{toy}{yes}{no}", r"\ifcomputation{toy}{   }{no}"),
        (r"\ifexperiment {S1} {yes} {no}", r"\ifexperiment {S1} {yes} {  }"),
        (r"\iftable{x}{b}{\ifpart{y}{c}{d}}", r"\iftable{x}{ }{\ifpart{y}{ }{d}}"),
        (r"\iftable{x}{\iffigure{y}{b}{c}}{d}", r"\iftable{x}{                  }{d}"),
        (r"\ifanonymous{nobody}{us {all} \}}", r"\ifanonymous{      }{us {all} \}}"),
        ("\\iftable{x}{a\nb}\n{c}", "\\iftable{x}{ \n }\n{c}"),
        (r"\iftable{x}{a}", r"\iftable{x}{a}"),  # LaTeX says what is missing
    ],
)
def test_the_branch_that_is_not_taken_is_blanked(text, shown):
    assert texts.live(text, HOLDS) == shown


def test_the_summary_of_a_section_is_matched_by_braces(tmp_path):
    section = tmp_path / "section.tex"
    section.write_text(
        "\\section{A}\n\\studysummary{It \\emph{is} {so \\}}, % no\n yes.}\nText.\n",
        encoding="utf-8",
    )
    assert texts.summary(section).split() == ["It", r"\emph{is}", "{so", r"\}},", "yes."]


@pytest.mark.parametrize("text", ["\\section{A}\n", "\\studysummary\n", "\\studysummary{open\n"])
def test_a_section_without_a_summary_is_named(tmp_path, text):
    section = tmp_path / "section.tex"
    section.write_text(text, encoding="utf-8")
    with pytest.raises(RegrokError, match=r"section\.tex: \\studysummary: .*give a sentence"):
        texts.summary(section)
