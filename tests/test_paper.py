"""The paper: builds whichever way the verdicts fall, same bytes twice, and its lint finds planted faults."""

from __future__ import annotations

import copy
import re
import shutil
import subprocess

import pytest

from regrok import figures, tables
from regrok.errors import RegrokError
from regrok.figures.parts import drawing
from regrok.paper import lint, typeset
from regrok.paper.numbers import write_numbers
from regrok.study.words import VERDICTS
from studies import ROOT, material, paper_data, study

SOURCES = ("main.tex", "regrok.sty", "references.bib", "sections")


def results(made, folder, only=None):
    """What the workflow leaves in results/<scale>: numbers, figures, tables."""
    published, _ = paper_data()
    write_numbers(
        made.fits,
        made.ledger,
        made.config,
        made.frames,
        published,
        folder / "numbers.tex",
        folder / "numbers.json",
    )
    for name in tables.buildable(made.config):
        paths = [folder / f"tables/{name}.{kind}" for kind in ("tex", "csv")]
        tables.write_table(name, made.config.tables[name], material(made), *paths)
    for name in figures.drawable(made.config) if only is None else only:
        paths = [folder / f"figures/{name}.{kind}" for kind in ("pdf", "png", "tex")]
        drawing.write_figure(name, made.config.figures[name], made.frames, made.fits, *paths)
    return folder


def sources(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for name in SOURCES:
        path = ROOT / "paper" / name
        if path.is_dir():
            shutil.copytree(path, folder / name, dirs_exist_ok=True)
        else:
            shutil.copyfile(path, folder / name)
    return folder


@pytest.fixture(scope="session")
def smoke(tmp_path_factory):
    """The smoke scale's results, made once."""
    made = study("smoke")
    return made, results(made, tmp_path_factory.mktemp("results") / "smoke")


@pytest.fixture
def paper(smoke, tmp_path):
    """An assembled copy of the paper at smoke scale, in a path with a space."""
    made, folder = smoke
    copied = sources(tmp_path / "a checkout" / "paper")
    typeset.assemble(copied, folder, made.config, made.ledger)
    return copied


def findings(paper):
    made = study("smoke")
    return lint.lint_sources(paper, made.config, [claim.id for claim in made.claims.claims])


def text_of(pdf):
    return subprocess.run(
        ["pdftotext", "-layout", pdf, "-"], capture_output=True, text=True, check=True
    ).stdout


def test_the_sources_have_no_findings(paper):
    assert findings(paper) == []


@pytest.mark.tex
def test_the_smoke_paper_builds_twice_to_the_same_bytes_with_a_watermark(paper, tmp_path):
    log = typeset.typeset(paper, tmp_path / "one.pdf")
    assert lint.lint_log(log) == []
    shutil.rmtree(paper / typeset.BUILD)
    typeset.typeset(paper, tmp_path / "two.pdf")
    assert (tmp_path / "one.pdf").read_bytes() == (tmp_path / "two.pdf").read_bytes()
    text = text_of(tmp_path / "one.pdf")
    pages = text.count("\f")
    assert text.count("smoke scale") >= pages > 5
    assert "??" not in text
    assert "was not run at this scale (smoke)" in " ".join(text.split())


@pytest.mark.tex
@pytest.mark.parametrize("verdict", VERDICTS)
def test_the_paper_builds_and_lints_with_every_verdict_flipped(smoke, tmp_path, verdict):
    made, folder = smoke
    flipped = copy.copy(made)
    flipped.ledger = copy.deepcopy(made.ledger)
    for claim in flipped.ledger["claims"]:
        claim["verdict"] = verdict
    flipped.ledger["verdicts"] = {v: len(claim) if v == verdict else 0 for v in VERDICTS}
    shutil.copytree(folder / "figures", tmp_path / "results/figures")
    results(flipped, tmp_path / "results", only=())
    copied = sources(tmp_path / "paper")
    typeset.assemble(copied, tmp_path / "results", flipped.config, flipped.ledger)
    assert findings(copied) == []
    log = typeset.typeset(copied, tmp_path / "regrok.pdf")
    assert lint.lint_log(log) == []
    assert verdict in " ".join(text_of(tmp_path / "regrok.pdf").split())


@pytest.mark.tex
def test_the_anonymous_paper_has_no_names_links_or_metadata(smoke, tmp_path):
    made, folder = smoke
    copied = sources(tmp_path / "paper")
    config = made.config.model_copy(update={"anonymous": True})
    typeset.assemble(copied, folder, config, made.ledger)
    assert lint.lint_log(typeset.typeset(copied, tmp_path / "regrok.pdf")) == []
    assert "Regrok authors" not in text_of(tmp_path / "regrok.pdf")
    info = subprocess.run(
        ["pdfinfo", tmp_path / "regrok.pdf"], capture_output=True, text=True, check=True
    ).stdout
    for field in ("Author", "Title", "CreationDate"):
        value = next(
            (
                line.split(":", 1)[1].strip()
                for line in info.splitlines()
                if line.startswith(f"{field}:")
            ),
            "",
        )
        assert value == ""
    # PDFs keep objects compressed; hyperref would write a URI action per link.
    assert r"\regrokset{link}" not in (copied / "generated/scope.tex").read_text(encoding="utf-8")


@pytest.mark.tex
@pytest.mark.long
def test_the_laptop_paper_builds_in_a_paper_s_length(tmp_path):
    made = study("laptop")
    copied = sources(tmp_path / "paper")
    typeset.assemble(copied, results(made, tmp_path / "results"), made.config, made.ledger)
    claims = [claim.id for claim in made.claims.claims]
    assert lint.lint_sources(copied, made.config, claims) == []
    assert lint.lint_log(typeset.typeset(copied, tmp_path / "regrok.pdf")) == []
    text = text_of(tmp_path / "regrok.pdf")
    pages = text.split("\f")
    body = next(k for k, page in enumerate(pages) if re.search(r"^\s*A\s+Every claim", page, re.M))
    assert (
        10 <= body <= 16
    )  # the appendix has every claim, cell and setting on as many pages as they need
    assert "smoke scale" not in text


@pytest.mark.tex
def test_an_undefined_key_stops_latex_with_its_name_and_line(paper, tmp_path):
    path = paper / "sections/abstract.tex"
    path.write_text("A value: \\result{no.such.key}.\n", encoding="utf-8")
    with pytest.raises(RegrokError, match=r"(?s)abstract\.tex:1.*no result called 'no\.such\.key'"):
        typeset.typeset(paper, tmp_path / "regrok.pdf")
    assert not (tmp_path / "regrok.pdf").exists()


@pytest.mark.parametrize(
    ("planted", "complaint"),
    [
        ("The slope is 1182 steps.", "'1182' is typed by hand"),
        ("An $R^2$ of $0.97$ was found.", "'0.97' is typed by hand"),
        ("We trained five runs.", "'five runs' counts by hand"),
        ("\\result{weight_decay.T_grok.slop}", "did you mean weight_decay.T_grok.slope?"),
        ("\\verdict{A33}", "no such key"),
        ("\\ifexperiment{S22}{a}{b}", "no such key"),
        ("\\explain{A99}{because}", "no such key"),
        ("\\newcommand{\\Unused}{x}", "\\Unused is defined and never used"),
    ],
)
def test_the_lint_finds_a_planted_fault(paper, planted, complaint):
    path = paper / "sections/contraction.tex"
    before = path.read_text(encoding="utf-8")
    path.write_text(before + planted + "\n", encoding="utf-8")
    found = findings(paper)
    assert len(found) == 1
    assert complaint in found[0]
    line = before.count("\n") + 1
    assert found[0].startswith(f"{path}:{line}:")


@pytest.mark.parametrize(
    "allowed",
    [
        "% 293 runs, in a comment",
        "Section~\\ref{sec:10}, \\citep{truong2026norm}, \\texttt{v2}",
        "$r = 1 - 2\\eta\\lambda$ and $\\theta^2$",
        "\\setting{S1.p} and \\given{A_runs}",
    ],
)
def test_the_lint_allows_references_definitions_and_generated_values(allowed):
    assert lint.digits(lint.without_comments(allowed)) == []


def test_a_figure_that_no_section_shows_is_found(paper):
    path = paper / "sections/regimes.tex"
    path.write_text(
        path.read_text(encoding="utf-8").replace("\\regrokfigure{regimes}\n", ""), encoding="utf-8"
    )
    assert any("regimes.tex: made but not shown" in finding for finding in findings(paper))


def test_an_overfull_table_in_the_log_is_found_and_a_hair_is_not():
    log = (
        "Overfull \\hbox (12.5pt too wide) in alignment at lines 2--7\n"
        "Overfull \\hbox (0.3pt too wide) in paragraph at lines 9--9\n"
        "LaTeX Warning: Reference `fig:x' on page 1 undefined on input line 3.\n"
    )
    found = lint.lint_log(log)
    assert len(found) == 2
    assert "12.5 pt" in found[0]
    assert "fig:x" in found[1]


def test_findings_stop_the_build_and_are_all_shown():
    lint.check([])
    with pytest.raises(RegrokError, match=r"(?s)2 finding.*one.*two"):
        lint.check(["one", "two"])


def test_latex_errors_are_read_with_file_and_line():
    log = (
        "noise\n./sections/x.tex:12: Undefined control sequence.\nl.12 \\nosuch\n            macro\n"
        "! Emergency stop.\n"
    )
    assert typeset.errors(log) == [
        "sections/x.tex:12: Undefined control sequence.  [l.12 \\nosuch]",
        "Emergency stop.",
    ]


def test_a_missing_result_is_named_and_stale_figures_go(smoke, tmp_path):
    made, folder = smoke
    copied = sources(tmp_path / "paper")
    stale = copied / "generated/figures/learning_rate.tex"
    stale.parent.mkdir(parents=True)
    stale.write_text("old", encoding="utf-8")
    typeset.assemble(copied, folder, made.config, made.ledger)
    assert not stale.exists()
    with pytest.raises(RegrokError, match=r"numbers\.tex does not exist"):
        typeset.assemble(copied, tmp_path / "nowhere", made.config, made.ledger)


def test_without_latexmk_the_message_says_what_to_do(paper, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RegrokError, match="neither latexmk with pdflatex nor tectonic was found"):
        typeset.typeset(paper, tmp_path / "regrok.pdf")


def test_tectonic_typesets_where_there_is_no_latexmk(tmp_path, monkeypatch):
    """Conda's TeX has another command and names its output otherwise; a stand-in shows what it is asked."""
    programs, paper = tmp_path / "bin", tmp_path / "paper"
    programs.mkdir()
    paper.mkdir()
    stand_in = programs / "tectonic"
    stand_in.write_text(
        '#!/bin/sh\n[ "$1 $2 $4" = "--keep-logs --outdir main.tex" ] || exit 2\n'
        'echo pdf > "$3/main.pdf"\necho "a log" > "$3/main.log"\n'
    )
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/bin")
    monkeypatch.setattr(
        "regrok.paper.program.shutil.which", lambda name: name if name == "tectonic" else None
    )
    assert typeset.typeset(paper, tmp_path / "out.pdf") == "a log\n"
    assert (tmp_path / "out.pdf").read_text() == "pdf\n"
