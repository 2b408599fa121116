"""The HTML report: every figure, table and question has its page, says what the paper says, and shows in a browser."""

from __future__ import annotations

import copy
import html
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from checkouts import copy_project
from regrok import figures, tables
from regrok.errors import RegrokError
from regrok.report import tex
from regrok.report.items import OWN, WHOLE, figure_caption, items, labels
from regrok.report.pages import write_pages
from regrok.report.tabular import read_table
from regrok.study.words import NOT_REPRODUCED, OUT_OF_SCOPE, REPRODUCED
from studies import ROOT, material, study
from test_paper import results
from test_workflow import SMOKE, SOURCES, pretend_finished, snakemake


@pytest.mark.parametrize(
    ("source", "html"),
    [
        (r"\textbf{Cells.} 95\,\% of 1{,}840", "<strong>Cells.</strong> 95\u202f% of 1,840"),
        (r"$-0.57$ \ensuremath{\le} $\lambda$", "−0.57 ≤ <i>λ</i>"),
        (
            r"Kaplan--Meier, ``so'' \emph{a \textbf{b}}",
            "Kaplan–Meier, “so” <em>a <strong>b</strong></em>",
        ),
        (r"L\textsubscript{2} \textcolor{grey}{x}", 'L<sub>2</sub> <span class="faint">x</span>'),
        (r"{\itshape S1: a_b} & c", "<em>S1: a_b</em> &amp; c".replace("a_b", "a_b")),
        (r"data~\citep{truong2026norm}).", "data)."),
        (r"a < b", "a &lt; b"),
        (r"$n$ runs", "<i>n</i> runs"),
        (
            r"\ensuremath{T_{\mathrm{grok}}} of $V_0$",
            "<i>T</i><sub>grok</sub> of <i>V</i><sub>0</sub>",
        ),
        (r"\nosuchmacro{x}", r"\nosuchmacrox"),
    ],
)
def test_tex_becomes_html(source, html):
    assert tex.to_html(source) == html


def test_mathematics_becomes_mathml_with_words_whole():
    made = tex.to_html(r"$T_{\mathrm{grok}}=2\times 10^{-3}$")
    assert made.startswith("<math")
    assert "<mtext>grok</mtext>" in made
    assert "<msub>" in made
    assert "<msup>" in made


@pytest.fixture(scope="module")
def laptop_tables():
    """Every table of the laptop scale as TeX and as the report reads it, from planted runs."""
    made = study("laptop")
    given = material(made)
    found = {}
    for name in tables.buildable(made.config):
        entry = made.config.tables[name]
        source = tables.module(entry.build).build(name, entry, given).tex
        found[name] = source, read_table(source)
    return found


def test_every_table_is_read_back_whole(laptop_tables):
    assert len(laptop_tables) >= 8
    for name, (source, table) in laptop_tables.items():
        body = source.split(r"\endlastfoot")[-1].split(r"\bottomrule")[0]
        lines = [line for line in body.splitlines() if line.rstrip().endswith((r"\\", r"\\*"))]
        if r"\endlastfoot" not in source:
            lines = lines[1:]  # the header
        assert len(table.rows) == len(lines), name
        for row in table.rows:
            cells = [row] if isinstance(row, str) else row
            assert isinstance(row, str) or len(row) == len(table.header), name
            assert not [cell for cell in cells if "\\" in cell or "$" in cell], name
        assert tex.title(table.caption), name


def test_every_item_has_one_place():
    config = study("laptop").config
    found = items(config, "results/laptop")
    count = Counter((item.kind, item.name) for item in found)
    assert set(count.values()) == {1}
    assert {n for k, n in count if k == "figure"} == set(figures.drawable(config))
    assert {n for k, n in count if k == "table"} == set(tables.buildable(config))
    for item in found:
        assert re.match(r"\d\d · ", item.category)
        question = item.subcategory.partition(" · ")[2]
        if item.kind == "question":
            assert question == config.experiments[item.name].question
    own = {item.category for item in found if item.name == "init_scale"}
    assert [category.endswith(OWN) for category in own] == [True]
    of_whole = [i.name for i in found if i.category.endswith(WHOLE) and i.kind == "figure"]
    assert of_whole == ["censoring"]
    papers = {i.name: i.category.partition(" · ")[2] for i in found if i.kind == "figure"}
    assert papers["ridge_regression"].startswith("Paper K"), "what computes without a run"
    assert papers["two_circuits"].startswith("Paper F")


@pytest.fixture(scope="module")
def drawn_once(tmp_path_factory):
    """A smoke study that draws two figures, and its results."""
    made = copy.copy(study("smoke"))
    chosen = {name: made.config.figures[name] for name in ("weight_decay", "censoring")}
    made.config = made.config.model_copy(update={"figures": chosen})
    return made, results(made, tmp_path_factory.mktemp("two") / "smoke")


@pytest.fixture
def two_figures(drawn_once, tmp_path):
    """The same, to write into and to spoil."""
    made, folder = drawn_once
    return copy.copy(made), shutil.copytree(folder, tmp_path / "smoke")


def pages(made, folder, ledger=None, elsewhere=None):
    """Path → content of every page, and the first page."""
    front = folder / "report" / "front.rst"
    ledger = ledger or made.ledger
    frames = made.frames
    write_pages(made.config, folder, ledger, frames.runs, frames.experiments, front, elsewhere)
    listed = items(made.config, folder)
    return {
        item.name: Path(item.page).read_text(encoding="utf-8") for item in listed
    }, front.read_text(encoding="utf-8")


def test_pages_stand_by_themselves_and_say_what_the_paper_says(two_figures):
    made, folder = two_figures
    found, _ = pages(made, folder)
    figure = found["weight_decay"]
    caption, description = figure_caption(
        (folder / "figures/weight_decay.tex").read_text(encoding="utf-8")
    )
    assert tex.to_html(caption) in figure
    assert tex.plain(description) in figure
    assert "src/regrok/figures/weight_decay.py" in figure
    for name, page in found.items():
        assert not re.findall(r"""(?:src|href)=["'](?!data:)[^"']*["']""", page), name
        assert "\\" not in re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL), name
        assert str(ROOT) not in page, name


def test_first_page_shows_every_judged_claim_with_the_ledger_s_own_verdict(two_figures):
    made, folder = two_figures
    judged = [c for c in made.ledger["claims"] if c["verdict"] != OUT_OF_SCOPE]
    _, front = pages(made, folder)
    rows = dict(re.findall(r"<td><b>([\w-]+)</b></td>.*?class=\"chip \w+\">([\w ]+)<", front, re.S))
    assert {c["id"]: c["verdict"] for c in judged}.items() <= rows.items()

    flipped = copy.deepcopy(made.ledger)
    for claim in flipped["claims"]:
        if claim["verdict"] != OUT_OF_SCOPE:
            claim["verdict"] = NOT_REPRODUCED if claim["verdict"] == REPRODUCED else REPRODUCED
    _, front = pages(made, folder, flipped)
    again = dict(
        re.findall(r"<td><b>([\w-]+)</b></td>.*?class=\"chip \w+\">([\w ]+)<", front, re.S)
    )
    assert all(rows[c["id"]] != again[c["id"]] for c in judged)


def test_pages_show_the_largest_scale_that_judged_a_claim_and_say_that_it_is_released(two_figures):
    made, folder = two_figures
    stand = [c for c in made.ledger["claims"] if c["corrected"] is None]
    here = [c for c in stand if c["experiments"][:1] == ["S2"] and c["verdict"] != OUT_OF_SCOPE]
    mine = here[0]
    absent = next(c for c in stand if c["verdict"] == OUT_OF_SCOPE and not c["experiments"])
    known = {
        "value": 7.25,
        "low": 7.0,
        "high": 7.5,
        "n": 77,
        "survives": True,
        "verdict": NOT_REPRODUCED,
    }
    ledger = copy.deepcopy(made.ledger)
    next(c for c in ledger["claims"] if c["id"] == mine["id"])["verdict"] = REPRODUCED
    paper = {"scale": "paper", "claims": [mine | known, absent | known]}
    found, front = pages(made, folder, ledger, {"paper": paper})
    rows = dict(re.findall(r"<tr>\s*<td><b>([\w-]+)</b></td>(.*?)</tr>", front, re.S))
    for claim in (mine, absent):
        cells = re.findall(r"<td.*?>(.*?)</td>", rows[claim["id"]], re.S)
        assert cells[2:4] == ["7.25 [7.00, 7.50]", "77"]
        assert f">{NOT_REPRODUCED}<" in cells[4]
        assert '<span class="beside">paper' in cells[4]
    assert f"smoke: {REPRODUCED}" in rows[mine["id"]]
    assert "Judged at another scale alone" in front
    page = " ".join(found["S2"].split())
    assert "paper scale, released; it leads" in page
    assert f"smoke scale, this build</dt> <dd>{REPRODUCED}" in page


def test_commands_build_what_the_page_shows(two_figures):
    made, folder = two_figures
    made = copy.copy(made)
    chosen = {"norm_delay": made.config.studies["norm_delay"]}
    some = {"whole": False, "studies": chosen, "source": "released"}
    made.config = made.config.model_copy(update=some)
    found, _ = pages(made, folder)
    asked = html.escape("--config scale=smoke 'studies=[norm_delay]' source=released")
    caption = (folder / "report/captions/figure_weight_decay.rst").read_text(encoding="utf-8")
    assert asked.replace("&#x27;", "&#39;") in caption
    evidence = re.findall(r"<code>(snakemake results.*?)</code>", found["S2"])
    assert evidence
    for command in map(html.unescape, evidence):
        assert command.startswith("snakemake results/smoke-norm_delay-released/fits/")
        assert "'studies=[norm_delay]' source=released" in command


def test_a_missing_figure_is_named(two_figures):
    made, folder = two_figures
    (folder / "figures/weight_decay.png").unlink()
    with pytest.raises(RegrokError, match="figure weight_decay"):
        pages(made, folder)


def test_labels_do_not_turn_into_switches(two_figures):
    """Snakemake's page makes a switch of a column in which two values halve the list, and hides half of it."""
    made, folder = two_figures
    by_place: dict = {}
    for item in items(made.config, folder):
        by_place.setdefault((item.category, item.subcategory), []).append(labels(item, folder))
    for found in by_place.values():
        for column in ("item", "block", "file"):
            assert len({each[column] for each in found}) == len(found)


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Snakemake's report of a smoke build made of planted runs."""
    folder = tmp_path_factory.mktemp("report") / "a checkout"
    copy_project(folder, *SOURCES)
    pretend_finished(folder)
    made = study("smoke")
    smoke = results(made, folder / "results/smoke")
    write = "from pathlib import Path; from test_report import report_pages; report_pages(Path('results/smoke'))"
    subprocess.run(
        [sys.executable, "-c", write],
        cwd=folder,
        env={"PYTHONPATH": f"{folder / 'src'}:{ROOT / 'tests'}", "PATH": "/usr/bin:/bin"},
        check=True,
    )
    snakemake(folder, "--touch", "--forceall", *SMOKE)
    style = ("--report-stylesheet", "src/regrok/report/report.css")
    snakemake(folder, *SMOKE, "--report", "results/smoke/report.html", *style)
    return made, smoke / "report.html"


def report_pages(folder):
    """Write the pages of the planted smoke study below `folder`, as the rule does (paths are relative)."""
    pages(study("smoke"), folder)


@pytest.mark.long
@pytest.mark.snakemake
@pytest.mark.browser
def test_the_report_shows_every_item_without_a_network(report, tmp_path):
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        from check_report import walk
    finally:
        sys.path.pop(0)
    made, path = report
    found = walk(path, tmp_path)
    assert found.problems == []
    assert set(found.listed) == {item.page for item in items(made.config, "results/smoke")}
    standing = [c for c in made.ledger["claims"] if not c["corrected"]]
    judged = {c["id"]: c["verdict"] for c in standing if c["verdict"] != OUT_OF_SCOPE}
    assert judged
    assert found.claims == judged
    # A page of one colour compresses to next to nothing.
    assert (tmp_path / "first_page.png").stat().st_size > 50_000
    assert str(path.parents[2]) not in path.read_text(encoding="utf-8")
