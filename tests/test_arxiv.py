"""The arXiv tarball compiles alone to the paper's text; the artifact appendix builds and lints."""

from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
import tarfile

import pytest

from regrok.errors import RegrokError
from regrok.figures import drawable
from regrok.figures.parts.drawing import write_figure
from regrok.files import write_parquet
from regrok.paper import artifact, typeset
from regrok.paper.arxiv import anonymised, pack, sources
from regrok.paper.numbers import write_numbers
from regrok.tables import buildable, write_table
from studies import ROOT, material, paper_data, study

FEW = 2
"""Figures drawn here; the tarball does not ask which."""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The smoke study with its first figures, and what the workflow leaves in results/smoke."""
    whole = study("smoke")
    kept = [name for name in whole.config.figures if name in drawable(whole.config)][:FEW]
    made = copy.copy(whole)
    made.config = whole.config.model_copy(
        update={"figures": {name: whole.config.figures[name] for name in kept}}
    )
    folder = tmp_path_factory.mktemp("results") / "smoke"
    numbers = [folder / "numbers.tex", folder / "numbers.json"]
    write_numbers(made.fits, made.ledger, made.config, made.frames, paper_data()[0], *numbers)
    for name in buildable(made.config):
        paths = [folder / f"tables/{name}.{kind}" for kind in ("tex", "csv")]
        write_table(name, made.config.tables[name], material(made), *paths)
    for name in kept:
        paths = [folder / f"figures/{name}.{kind}" for kind in ("pdf", "png", "tex")]
        block = made.config.figures[name]
        write_figure(name, block, made.frames, made.fits, *paths)
    for name in artifact.FRAMES:
        write_parquet(getattr(made.frames, name), folder / f"{name}.parquet")
    return made, folder


def assembled(made, folder, paper, anonymous=False):
    """A copy of paper/ below `paper`, with what the build generates for LaTeX."""
    ignored = shutil.ignore_patterns("generated", "*.pdf", "*.tar.gz")
    shutil.copytree(ROOT / "paper", paper, ignore=ignored)
    config = made.config.model_copy(update={"anonymous": anonymous})
    typeset.assemble(paper, folder, config, made.ledger)
    return paper


def typeset_paper(made, folder, paper, anonymous=False):
    assembled(made, folder, paper, anonymous)
    typeset.typeset(paper, paper / "regrok.pdf")
    return paper


def text_of(pdf):
    done = subprocess.run(["pdftotext", pdf, "-"], capture_output=True, text=True, check=True)
    return done.stdout


def compiled(tarball, folder):
    """pdflatex twice in an otherwise empty folder, as arXiv does; returns the log."""
    folder.mkdir()
    with tarfile.open(tarball) as archive:
        archive.extractall(folder, filter="data")
    assert not list(folder.rglob("*.bib"))
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "main.tex"]
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "max_print_line": "10000"}
    for _ in range(2):
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, timeout=200, check=False
        )
        assert done.returncode == 0, done.stdout.decode(errors="replace")[-3000:]
    return (folder / "main.log").read_text(errors="replace")


@pytest.mark.tex
def test_the_tarball_compiles_in_an_empty_folder_to_the_same_text(made, tmp_path):
    paper = typeset_paper(*made, tmp_path / "paper")
    first = pack(paper, tmp_path / "one.tar.gz")
    log = compiled(first, tmp_path / "alone")
    assert "undefined citations" not in log
    # Three passes settle page numbers; two settle the words.
    assert text_of(tmp_path / "alone/main.pdf").split() == text_of(paper / "regrok.pdf").split()
    assert pack(paper, tmp_path / "two.tar.gz").read_bytes() == first.read_bytes()
    with tarfile.open(first) as archive:
        members = archive.getmembers()
        everything = b"".join(archive.extractfile(member).read() for member in members)
    assert {member.mtime for member in members} == {int(typeset.EPOCH)}
    assert {member.uid for member in members} == {0}
    assert [member.name for member in members] == sorted(member.name for member in members)
    assert str(tmp_path).encode() not in everything
    assert str(ROOT).encode() not in everything


@pytest.mark.tex
@pytest.mark.long
def test_the_anonymous_tarball_names_nobody(made, tmp_path):
    paper = typeset_paper(*made, tmp_path / "paper", anonymous=True)
    content = sources(paper, anonymous=True)
    assert all(b"Regrok authors" not in text for text in content.values())
    assert b"Anonymous authors" in content["main.tex"]
    compiled(pack(paper, tmp_path / "a.tar.gz", anonymous=True), tmp_path / "alone")
    assert "Anonymous authors" in text_of(tmp_path / "alone/main.pdf")


def test_a_missing_part_or_a_path_of_this_machine_is_refused(made, tmp_path):
    paper = assembled(*made, tmp_path / "paper")
    bibliography = paper / typeset.BUILD / "regrok.bbl"
    bibliography.parent.mkdir(parents=True)
    bibliography.write_text("")
    assert "main.bbl" in sources(paper)
    section = paper / "sections/abstract.tex"
    section.write_text(section.read_text() + "% see /home/somebody/notes\n")
    with pytest.raises(RegrokError, match=r"abstract\.tex holds a path of this machine: /home"):
        sources(paper)
    bibliography.unlink()
    with pytest.raises(RegrokError, match=r"regrok\.bbl does not exist; build the paper"):
        sources(paper)


def test_ifanonymous_is_resolved_with_nested_and_escaped_braces():
    text = r"a \ifanonymous{b {c} \{}{names \}} d \ifanonymous{}{x} e"
    assert anonymised(text) == r"a b {c} \{ d  e"


@pytest.fixture
def appendix(made, tmp_path):
    """What `artifact.build` takes, for a copy of paper/ in a path with a space."""
    study_, folder = made
    paper = tmp_path / "a checkout/paper"
    paper.mkdir(parents=True)
    for name in (*artifact.TEXT, "regrok.sty"):
        shutil.copy(ROOT / "paper" / name, paper / name)
    checks = {"tests": ["schemas", "outcomes add up"], "logged_points": 1234}
    return paper, folder, study_.config, checks


@pytest.mark.tex
def test_the_appendix_builds_twice_to_the_same_bytes_with_the_results_numbers(appendix, made):
    paper = appendix[0]
    artifact.build(*appendix, paper / "one.pdf", ROOT)
    artifact.build(*appendix, paper / "two.pdf", ROOT)
    assert (paper / "one.pdf").read_bytes() == (paper / "two.pdf").read_bytes()
    text = " ".join(text_of(paper / "one.pdf").split())
    assert "1,234 logged points" in text
    numbers = json.loads((appendix[1] / "numbers.json").read_text())
    assert f"{numbers['counted']['runs']} runs in {numbers['counted']['cells']} cells" in text
    assert "schemas; outcomes add up" in text
    assert "smoke scale" in text
    assert "??" not in text


@pytest.mark.parametrize(
    ("planted", "complaint"),
    [
        ("We used 17 machines.", "'17' is typed by hand"),
        ("\\counted{no.such}", "no such key"),
        ("\\setting{artifact.fitz}", "did you mean artifact.fits"),
    ],
)
def test_the_appendix_is_held_to_the_paper_s_rule(appendix, planted, complaint):
    paper = appendix[0]
    path = paper / "artifact_checklist.tex"
    before = path.read_text(encoding="utf-8")
    path.write_text(before + planted + "\n", encoding="utf-8")
    (paper / "artifact.pdf").write_text("old")
    with pytest.raises(RegrokError) as refusal:
        artifact.build(*appendix, paper / "artifact.pdf", ROOT)
    assert complaint in str(refusal.value)
    assert f"artifact_checklist.tex:{before.count(chr(10)) + 1}:" in str(refusal.value)
    assert not (paper / "artifact.pdf").exists()
