"""Which of the paper's text a build shows: branches of conditionals, and the sentences for the abstract."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from papers import text_of
from regrok.errors import RegrokError
from regrok.paper import numbers, texts
from studies import ROOT

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


@pytest.mark.tex
def test_a_text_reads_on_where_the_runs_give_no_estimate_and_names_networks(tmp_path):
    settings = {"mlp": "mlp", "transformer": "transformer", "both": "mlp and transformer"}
    text = [
        r"\documentclass{article}\usepackage{regrok}\begin{document}",
        rf"\regrokset{{result}}{{a}}{{{numbers.NOT_ESTIMATED}}}\regrokset{{result}}{{b}}{{two}}",
        *(rf"\regrokset{{setting}}{{{k}}}{{{v}}}" for k, v in settings.items()),
        r"Of \result{a}, of \result{b}; \ifestimate{a}{yes}{no}, \ifestimate{b}{yes}{no};",
        *(rf"\named{{{k}}}, " for k in settings),
        r"\end{document}",
    ]
    (tmp_path / "x.tex").write_text("\n".join(text), encoding="utf-8")
    shutil.copy(ROOT / "paper/regrok.sty", tmp_path)
    command = ["pdflatex", "-interaction=batchmode", "-halt-on-error", "x.tex"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    said = " ".join(text_of(tmp_path / "x.pdf").split())
    assert "Of a value not known here, of two; no, yes;" in said
    assert "MLP, transformer, mlp and transformer," in said
