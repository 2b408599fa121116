"""The paper: builds whichever way the verdicts fall, same bytes twice, and its lint finds planted faults."""

from __future__ import annotations

import copy
import json
import re
import shutil
import subprocess
from itertools import cycle, pairwise
from pathlib import Path

import pytest

from papers import Build, checkout, results, text_of
from regrok.errors import RegrokError
from regrok.judging.ledger import counts, ledger
from regrok.paper import lint, references, texts, typeset
from regrok.study.read import load_config
from regrok.study.words import VERDICTS
from shapes import FITS
from studies import ROOT, study

WHOLE = load_config(ROOT / "config.yaml", {"scale": "laptop"})
"""Every study."""


@pytest.fixture(scope="session")
def smoke(tmp_path_factory):
    """The smoke scale's results, made once, with boxes for figures (tests/test_arxiv.py typesets drawn ones)."""
    made = study("smoke")
    return made, results(made, tmp_path_factory.mktemp("results") / "smoke", drawn="boxes")


@pytest.fixture
def paper(smoke, tmp_path):
    """The paper at smoke scale in a checkout whose path has a space."""
    return Build(checkout(tmp_path / "a checkout"), *smoke)


def test_the_sources_have_no_findings(paper):
    assert paper.findings() == []


@pytest.mark.tex
def test_the_smoke_paper_builds_twice_to_the_same_bytes_with_a_watermark(paper, tmp_path):
    assert lint.lint_log(paper.typeset(tmp_path / "one.pdf")) == []
    shutil.rmtree(paper.folder / typeset.BUILD)
    paper.typeset(tmp_path / "two.pdf")
    assert (tmp_path / "one.pdf").read_bytes() == (tmp_path / "two.pdf").read_bytes()
    text = text_of(tmp_path / "one.pdf")
    pages = text.count("\f")
    assert text.count("smoke scale") >= pages > 5
    assert "??" not in text
    assert "was not run at this scale (smoke)" in " ".join(text.split())


TYPESET = (*VERDICTS[:1], *VERDICTS[-1:])
"""Verdicts of which the default tests typeset a paper that has no other; the long ones do of each."""


def flipped(smoke, tmp_path, verdicts):
    """A smoke paper in which the claims have these verdicts in turn; it has no findings."""
    made, folder = smoke
    flipped = copy.copy(made)
    flipped.ledger = copy.deepcopy(made.ledger)
    for claim, verdict in zip(flipped.ledger["claims"], cycle(verdicts), strict=False):
        claim["verdict"] = verdict
    flipped.ledger["verdicts"] = counts(flipped.ledger["claims"])
    shutil.copytree(folder / "figures", tmp_path / "results/figures")
    results(flipped, tmp_path / "results", only=())
    build = Build(checkout(tmp_path), flipped, tmp_path / "results")
    assert build.findings() == []
    return build


@pytest.mark.tex
@pytest.mark.parametrize(
    "verdict",
    [pytest.param(v, marks=() if v in TYPESET else pytest.mark.long) for v in VERDICTS],
)
def test_the_paper_builds_and_lints_with_every_verdict_flipped(smoke, tmp_path, verdict):
    build = flipped(smoke, tmp_path, [verdict])
    assert lint.lint_log(build.typeset(tmp_path / "regrok.pdf")) == []
    assert verdict in " ".join(text_of(tmp_path / "regrok.pdf").split())


@pytest.mark.tex
def test_the_paper_builds_and_lints_with_all_verdicts_side_by_side(smoke, tmp_path):
    build = flipped(smoke, tmp_path, VERDICTS)
    assert lint.lint_log(build.typeset(tmp_path / "regrok.pdf")) == []
    text = " ".join(text_of(tmp_path / "regrok.pdf").split())
    assert [verdict for verdict in VERDICTS if verdict not in text] == []


@pytest.mark.parametrize("verdict", [v for v in VERDICTS if v not in TYPESET])
def test_the_sources_have_no_findings_whatever_all_verdicts_are(smoke, tmp_path, verdict):
    flipped(smoke, tmp_path, [verdict])


@pytest.mark.tex
def test_the_anonymous_paper_has_no_names_links_or_metadata(smoke, tmp_path):
    build = Build(checkout(tmp_path), *smoke, anonymous=True)
    assert lint.lint_log(build.typeset(tmp_path / "regrok.pdf")) == []
    assert "Regrok authors" not in text_of(tmp_path / "regrok.pdf")
    info = subprocess.run(
        ["pdfinfo", tmp_path / "regrok.pdf"], capture_output=True, encoding="utf-8", check=True
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
    assert r"\regrokset{link}" not in (build.folder / "scope.tex").read_text(encoding="utf-8")


LONGEST = 10
"""Pages of one study's appendix."""
MAIN = 12
"""Pages of the main text, before its references."""


def page_of(pages, heading):
    """The number, from 0, of the first page with a heading."""
    return next(k for k, page in enumerate(pages) if re.search(rf"^\s*{heading}", page, re.M))


@pytest.mark.tex
@pytest.mark.long
def test_the_laptop_paper_builds_and_no_section_outgrows_a_paper(tmp_path):
    build = Build(checkout(tmp_path), *_laptop(tmp_path))
    assert build.findings() == []
    assert lint.lint_log(build.typeset(tmp_path / "regrok.pdf")) == []
    text = text_of(tmp_path / "regrok.pdf")
    pages = text.split("\f")
    sections = [
        build.sources[f"studies/{name}/section.tex"].read_text(encoding="utf-8")
        for name in WHOLE.studies
    ]
    titles = [re.search(r"\\section\{(.*?)\}", section)[1] for section in sections]
    headings = [rf"[A-Z]\s+{title}" for title in (*titles, "Every claim")]
    starts = [page_of(pages, heading) for heading in headings]
    assert all(1 <= after - at <= LONGEST for at, after in pairwise(starts))
    # What follows them has every claim, cell and setting on as many pages as they need.
    assert page_of(pages, "References") < MAIN
    assert "smoke scale" not in text


def _laptop(tmp_path):
    made = study("laptop")
    return made, results(made, tmp_path / "results")


DEFAULT = {("laptop", "S2"), ("laptop", "B10"), ("smoke", "S10")}
"""Single experiments that the default tests build: one early in the text, one late, one with hardly a run."""


def _experiments():
    for scale in ("laptop", "smoke"):
        config = load_config(ROOT / "config.yaml", {"scale": scale})
        for name in filter(config.runs_here, config.experiments):
            marks = [] if (scale, name) in DEFAULT else pytest.mark.long
            yield pytest.param(scale, name, marks=marks)


@pytest.mark.tex
@pytest.mark.parametrize(("scale", "experiment"), _experiments())
def test_a_single_experiment_builds_to_a_pdf(tmp_path, scale, experiment):
    """PyPSA/pypsa-eur#1661: with a part of the model switched off, the last steps of the workflow break."""
    made = study(scale, only=(experiment,))
    build = Build(checkout(tmp_path), made, results(made, tmp_path / "results", drawn=False))
    assert build.findings() == []
    assert lint.lint_log(build.typeset(tmp_path / "regrok.pdf")) == []
    text = " ".join(text_of(tmp_path / "regrok.pdf").split())
    assert "??" not in text
    assert f"was left out of this build ({scale})" in text


@pytest.mark.tex
@pytest.mark.long
@pytest.mark.parametrize("kind", ["null", "unknown", "pointless"])
def test_a_paper_of_fits_that_tell_nothing_builds(tmp_path, kind):
    """As after a build in which no run groks: every number of the text is there, as a word."""
    made = copy.copy(study("smoke"))
    made.fits = FITS[kind](made.fits)
    made.ledger = ledger(made.claims, made.fits, made.frames, "smoke")
    build = Build(checkout(tmp_path), made, results(made, tmp_path / "results", drawn=False))
    assert build.findings() == []
    assert lint.lint_log(build.typeset(tmp_path / "regrok.pdf")) == []
    said = " ".join(text_of(tmp_path / "regrok.pdf").split())
    assert "a value not known here" in said and "(no estimate)" not in said


ALONE = ("norm_delay", "commutator_defect", "early_warning")
"""Studies of which the default tests typeset a paper of their own: the first, one with probes, and one of ours."""


def _studies():
    names = [name for name, each in WHOLE.studies.items() if each.experiments]
    assert set(ALONE) < set(names)
    return [pytest.param(n, marks=() if n in ALONE else pytest.mark.long) for n in names]


@pytest.mark.tex
@pytest.mark.parametrize("name", _studies())
def test_a_single_study_builds_to_a_pdf_that_does_not_speak_of_the_others(tmp_path, name):
    """PyPSA/pypsa-eur#1661, for a whole study."""
    made = study("laptop", studies=(name,))
    build = Build(checkout(tmp_path), made, results(made, tmp_path / "results", drawn=False))
    assert build.findings() == []
    assert lint.lint_log(build.typeset(tmp_path / "regrok.pdf")) == []
    text = " ".join(text_of(tmp_path / "regrok.pdf").split())
    assert "audit of one paper" in text
    # The paper that named grokking is cited where the word is brought in, whichever study is built.
    named = (ROOT / "paper/sections/introduction.tex").read_text(encoding="utf-8")
    spoken = {
        other
        for other, each in WHOLE.studies.items()
        if each.paper.arxiv and each.paper.arxiv in text
    }
    cited = {k for k, each in WHOLE.studies.items() if f"{{{each.paper.cite}}}" in named}
    if made.config.studies[name].paper.arxiv is None:
        # A study of our own audits no paper, and may name those whose signals it compares.
        assert made.config.studies[name].paper.short in text
        own = (ROOT / "studies" / name / "published.yaml").read_text(encoding="utf-8")
        spoken = {k for k in spoken if WHOLE.studies[k].paper.arxiv not in own}
    else:
        assert name in spoken
    assert spoken <= {name, *cited}


@pytest.mark.tex
def test_an_undefined_key_stops_latex_with_its_name_and_the_line_to_edit(paper, tmp_path):
    path = paper.root / "studies/norm_delay/section.tex"
    path.write_text(
        "\\section{A}\\studysummary{}\nA value: \\result{no.such.key}.\n", encoding="utf-8"
    )
    shutil.copyfile(path, paper.folder / "studies/norm_delay/section.tex")
    with pytest.raises(
        RegrokError, match=r"(?s)a checkout/studies/norm_delay/section\.tex:2.*'no\.such\.key'"
    ):
        paper.typeset(tmp_path / "regrok.pdf")
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
        ("\\setting{S5A.p}", "S5A is not run here; put it into \\ifexperiment{S5A}"),
        ("\\ifexperiment{S5A}{\\setting{S5A.pp}}{}", "no such key"),
        ("\\ifpart{floors}{a}{b}", "no such key"),
        ("One \\verdictphrase{A3}, two \\verdictphrase{A4}.", "write \\verdictphrase[A3]{A4}"),
        ("One \\leadingphrase[A33]{A4}.", "did you mean A3?"),
        ("\\ifleading{A33}{a}{b}", "did you mean A3?"),
        ("As zero runs without a delay have no dot, all is well.", "a clause about nothing"),
        ("\\newcommand{\\Unused}{x}", "\\Unused is defined and never used"),
    ],
)
@pytest.mark.parametrize("file", ["paper/sections/limits.tex", "studies/norm_delay/section.tex"])
def test_the_lint_finds_a_planted_fault(paper, file, planted, complaint):
    path = paper.root / file
    before = path.read_text(encoding="utf-8")
    path.write_text(before + planted + "\n", encoding="utf-8")
    found = paper.findings()
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
    assert lint.digits(texts.without_comments(allowed)) == []


def test_the_lint_finds_a_fault_in_an_explanation(paper):
    claims = paper.made.claims
    claim = claims.find("A3").model_copy(update={"explanation": "It is 1182; see \\verdict{A33}."})
    claims = claims.model_copy(update={"claims": [claim]})
    found = lint.explanations(paper.root, _known(paper), paper.config, claims)
    assert len(found) == 2
    assert all(f"{paper.root}/studies/norm_delay/claims.yaml: A3: expl" in one for one in found)
    assert "'1182' is typed by hand" in found[0]


def _known(paper):
    return json.loads((paper.folder / "numbers.json").read_text(encoding="utf-8"))


def test_a_study_without_its_label_or_its_section_is_found(paper):
    path = paper.root / "studies/norm_delay/section.tex"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("\\label{sec:norm_delay}", ""), encoding="utf-8")
    assert [f for f in paper.findings() if "put \\label{sec:norm_delay} after" in f]
    path.write_text("\\studysummary{Nothing.} Some text.\n", encoding="utf-8")
    assert [f for f in paper.findings() if f.startswith(f"{path}:1: has no \\section")]
    path.unlink()
    with pytest.raises(RegrokError, match=r"norm_delay/section\.tex does not exist"):
        texts.files(paper.root, paper.config)


def test_what_no_section_shows_goes_into_the_appendix(smoke, paper, tmp_path):
    def rest(part):
        return (paper.folder / f"rest_{part}.tex").read_text(encoding="utf-8")

    assert "\\regrokfigure{censoring}" in rest("figures")
    assert "\\regroktable{cells}" in rest("cells")
    assert "regimes" not in rest("figures")
    path = paper.root / "studies/norm_delay/section.tex"
    text = path.read_text(encoding="utf-8")
    for hidden in ("", "\\ifexperiment{S5A}{\\regrokfigure{regimes}}{}\n"):
        path.write_text(text.replace("\\regrokfigure{regimes}\n", hidden), encoding="utf-8")
        Build(paper.root, *smoke)
        assert "\\regrokfigure{regimes}\n" in rest("figures")
    # Of the tables two are shown by no section.
    assert rest("tables").count("\\regroktable") == 2
    assert "\\regroktable{operations}" in rest("tables")


def test_a_study_of_which_nothing_runs_has_a_row_and_no_section(paper):
    assert not (paper.folder / "studies/depth_and_decay").exists()
    assert "depth_and_decay" not in (paper.folder / "studies.tex").read_text(encoding="utf-8")
    table = (paper.folder / "overview.tex").read_text(encoding="utf-8")
    row = next(line for line in table.splitlines() if line.startswith("B &"))
    standing = [c for c in paper.made.claims.claims if c.letter == "B" and c.corrected is None]
    printed = sum(c.origin == "printed" for c in standing)
    counts = f"-- & {len(standing) - printed} & {printed} & 0 & 0 & 0 & 0 & 0 & 0 & {printed}"
    assert rf"\citep{{manir2026systematic}} & {counts}" in row
    assert r"\ref{sec:norm_delay}" in table


def test_two_bibliographies_may_share_an_entry_and_not_a_key(tmp_path):
    one, two = tmp_path / "one.bib", tmp_path / "two.bib"
    one.write_text("@misc{a,\n  title = {A}\n}\n@misc{b,\n  title = {B}\n}\n", encoding="utf-8")
    two.write_text("@misc{a,\n  title = {A}\n}\n", encoding="utf-8")
    assert references.bibliography([one, two]).count("@misc") == 2
    two.write_text("@misc{a,\n  title = {Another}\n}\n", encoding="utf-8")
    with pytest.raises(RegrokError, match=r"two\.bib: a is another entry than in .*one\.bib"):
        references.bibliography([one, two])


def test_what_sticks_out_is_found_with_its_file_and_line_and_a_hair_is_not():
    log = (
        "(./main.tex (/usr/share/a.sty) (./sections/limits.tex\n"
        "Overfull \\hbox (0.3pt too wide) in paragraph at lines 9--9\n"
        "\\T1/ptm/m/n/10 of the (first\n\n"
        "LaTeX Warning: Reference `fig:x' on page 1 undefined on input line 3.\n"
        ") (./tables/fits.tex\n"
        "Overfull \\hbox (12.5pt too wide) in alignment at lines 2--7\n []\n\n"
        "Overfull \\hbox (12.5pt too wide) in alignment at lines 7--9\n []\n\n"
        ")\nOverfull \\vbox (3.0pt too high) has occurred while \\output is active []\n\n"
        "LaTeX Warning: There were undefined references.\n)\n"
    )
    assert lint.lint_log(log, {"sections/limits.tex": Path("paper/sections/limits.tex")}) == [
        "paper/sections/limits.tex:3: Reference `fig:x' on page 1 undefined; define what it names, or mend the name",
        "tables/fits.tex:2: 12.5 pt too wide for the page; shorten its longest cells, or give the table fewer columns",
        "main.tex: 3 pt too high for the page; make the float or the table shorter",
    ]


def test_findings_stop_the_build_and_are_all_shown():
    lint.check([])
    with pytest.raises(RegrokError, match=r"(?s)2 findings.*one.*two"):
        lint.check(["one", "two"])


def test_latex_errors_are_read_with_file_and_line():
    log = (
        "noise\n./sections/x.tex:12: Undefined control sequence.\nl.12 \\nosuch\n            macro\n"
        "! Emergency stop.\n"
    )
    assert typeset.errors(log, {"sections/x.tex": Path("paper/sections/x.tex")}) == [
        "paper/sections/x.tex:12: Undefined control sequence.  [l.12 \\nosuch]",
        "Emergency stop.",
    ]


def test_a_missing_result_is_named_and_stale_figures_go(smoke, paper, tmp_path):
    stale = paper.folder / "figures/learning_rate.tex"
    stale.write_text("old", encoding="utf-8")
    Build(paper.root, *smoke)
    assert not stale.exists()
    with pytest.raises(RegrokError, match=r"numbers\.tex does not exist"):
        Build(paper.root, smoke[0], tmp_path / "nowhere")


def test_without_latexmk_the_message_says_what_to_do(paper, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RegrokError, match="neither latexmk with pdflatex nor tectonic was found"):
        paper.typeset(tmp_path / "regrok.pdf")


def test_tectonic_typesets_where_there_is_no_latexmk(tmp_path, monkeypatch):
    """Conda's TeX has another command and names its output otherwise; a stand-in shows what it is asked."""
    programs, paper = tmp_path / "bin", tmp_path / "paper"
    programs.mkdir()
    paper.mkdir()
    stand_in = programs / "tectonic"
    stand_in.write_text(
        '#!/bin/sh\n[ "$1 $2 $4" = "--keep-logs --outdir main.tex" ] || exit 2\n'
        'echo pdf > "$3/main.pdf"\necho "a log" > "$3/main.log"\n',
        encoding="utf-8",
    )
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/bin")
    monkeypatch.setattr(
        "regrok.paper.program.shutil.which", lambda name: name if name == "tectonic" else None
    )
    assert typeset.typeset(paper, tmp_path / "out.pdf", {}) == "a log\n"
    assert (tmp_path / "out.pdf").read_text(encoding="utf-8") == "pdf\n"
