"""The user's own settings of TeX and matplotlib do not steer the build.

Public report: jupyter-book/mystmd#1855 (latexmkrc moves the output away). With `$aux_dir` in ~/.latexmkrc the log read
as empty, so that a paper with undefined references passed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from regrok.errors import RegrokError
from regrok.figures.parts import style
from regrok.paper import lint, typeset
from regrok.paper.surroundings import EPOCH, KEPT, surroundings
from studies import ROOT

SMALL = r"""\documentclass{article}
\usepackage{verbatim}
\begin{document}
See section~\ref{sec:of-a-name-that-is-long-enough-to-be-broken-in-two-at-the-usual-width-of-a-log} and~\cite{one}.
\bibliographystyle{plain}\bibliography{references}
\end{document}
"""
ENTRY = "@misc{one, title={%s}, author={A}, year=2026}\n"


@pytest.fixture
def paper(tmp_path):
    """A folder with a small paper that has an undefined reference."""
    folder = tmp_path / "a paper, small"
    folder.mkdir()
    (folder / "main.tex").write_text(SMALL, encoding="utf-8")
    (folder / "references.bib").write_text(ENTRY % "Ours", encoding="utf-8")
    return folder


def steered(tmp_path, folder, monkeypatch):
    """A home and variables that would move the log, shorten its lines and put other packages in the place of ours."""
    home = tmp_path / "home"
    own = home / "texmf/tex/latex/local"
    own.mkdir(parents=True)
    (own / "verbatim.sty").write_text(r"\errmessage{the user's own package}", encoding="utf-8")
    (own / "other.bib").write_text(ENTRY % "Theirs", encoding="utf-8")
    moved = "$aux_dir = 'elsewhere'; $emulate_aux = 1; $out_dir = 'away'; $pdf_mode = 4;\n"
    (home / ".latexmkrc").write_text(moved, encoding="utf-8")
    (folder / "latexmkrc").write_text(moved, encoding="utf-8")
    settings = {
        "HOME": str(home),
        "TEXINPUTS": f"{own}:",
        "TEXINPUTS_pdflatex": f"{own}:",
        "TEXMFHOME": str(home / "texmf"),
        "TEXMFCNF": str(home),
        "BIBINPUTS": str(home),
        "BSTINPUTS": str(home),
        "LATEXMKRCSYS": str(home / ".latexmkrc"),
        "max_print_line": "40",
        "error_line": "50",
        "SOURCE_DATE_EPOCH": "1",
        "FORCE_SOURCE_DATE": "0",
        "TZ": "Asia/Tokyo",
        "PERL5OPT": "-Mnosuchmodule",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)


@pytest.mark.tex
def test_settings_of_tex_move_no_log_and_change_no_byte(tmp_path, paper, monkeypatch):
    plain = typeset.typeset(paper, tmp_path / "plain.pdf", {})
    steered(tmp_path, paper, monkeypatch)
    log = typeset.typeset(paper, tmp_path / "steered.pdf", {})
    for each in (plain, log):
        (found,) = [what for what in lint.lint_log(each) if "Reference" in what]
        assert "usual-width-of-a-log' on page 1 undefined" in found
    assert (tmp_path / "plain.pdf").read_bytes() == (tmp_path / "steered.pdf").read_bytes()
    assert not (paper / "elsewhere").exists()
    assert not (paper / "away").exists()


def test_only_what_is_listed_is_passed_on():
    given = {"PATH": "/bin", "https_proxy": "x", "TEXINPUTS.latex": "y", "openout_any": "a"}
    made = surroundings(given | {"SOURCE_DATE_EPOCH": "yesterday"}, "t")
    assert {name for name in made if name in given} == {"PATH", "https_proxy"}
    assert made["SOURCE_DATE_EPOCH"] == EPOCH
    assert not [name for name in KEPT if "TEX" in name and name != "TECTONIC_CACHE_DIR"]


def stand_in(tmp_path, monkeypatch, script):
    """A latexmk of our own, and nothing else."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("latexmk", "pdflatex"):
        (programs / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/bin:/usr/bin")


@pytest.mark.parametrize(
    "script", ["echo p > build/main.pdf", "cd build; echo p > main.pdf; : > main.log"]
)
def test_a_log_that_is_missing_or_empty_is_a_failure(tmp_path, paper, monkeypatch, script):
    stand_in(tmp_path, monkeypatch, script)
    (paper / typeset.BUILD).mkdir()
    (paper / typeset.BUILD / "main.log").write_text("the log of another build", encoding="utf-8")
    with pytest.raises(
        RegrokError, match=r"ended without an error and left no build/main\.log|left no .*main\.log"
    ):
        typeset.typeset(paper, tmp_path / "out.pdf", {})
    assert not (tmp_path / "out.pdf").exists()


def test_a_pdf_of_an_earlier_build_is_not_taken_for_this_one(tmp_path, paper, monkeypatch):
    stand_in(tmp_path, monkeypatch, "echo words > build/main.log")
    (paper / typeset.BUILD).mkdir()
    (paper / typeset.BUILD / "main.pdf").write_text("old", encoding="utf-8")
    with pytest.raises(RegrokError, match=r"left no .*main\.pdf"):
        typeset.typeset(paper, tmp_path / "out.pdf", {})


DRAW = """
from pathlib import Path
from regrok.figures.parts.isolated import load_matplotlib
load_matplotlib()
from regrok.figures.parts import style
with style.Style().context():
    figure, (ax,) = style.Style().panels(1, 1, 2)
    ax.plot([1, 2], [3, 4])
style.save(figure, Path("a.pdf"), Path("a.png"))
"""


def test_settings_of_matplotlib_and_dates_change_no_byte_of_a_figure(tmp_path):
    (tmp_path / "matplotlibrc").write_bytes(b"font.family: caf\xe9\nbackend: nonsense\n")
    settings = {"MPLBACKEND": "nonsense", "SOURCE_DATE_EPOCH": "yesterday", "TZ": "Asia/Tokyo"}
    environment = {**os.environ, **settings, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        [sys.executable, "-c", DRAW],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    with style.Style().context():
        figure, (ax,) = style.Style().panels(1, 1, 2)
        ax.plot([1, 2], [3, 4])
    style.save(figure, tmp_path / "b.pdf", tmp_path / "b.png")
    for kind in ("pdf", "png"):
        here, there = (Path(tmp_path / f"{name}.{kind}").read_bytes() for name in "ab")
        assert here == there


def test_a_figure_s_date_variable_is_given_back(tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    with style.Style().context():
        figure, _ = style.Style().panels(1, 1, 2)
    style.save(figure, tmp_path / "a.pdf", tmp_path / "a.png")
    assert os.environ["SOURCE_DATE_EPOCH"] == "yesterday"
