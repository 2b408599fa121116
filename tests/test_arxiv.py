"""The arXiv tarball compiles alone to the paper's text; the artifact appendix builds and lints."""

from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
import tarfile

import pytest

from papers import Build, checkout, results
from regrok.errors import RegrokError
from regrok.figures import drawable
from regrok.files import write_parquet
from regrok.paper import artifact, typeset
from regrok.paper.arxiv import anonymised, pack, sources
from regrok.paper.surroundings import EPOCH
from studies import ROOT, study

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
    folder = results(made, tmp_path_factory.mktemp("results") / "smoke")
    for name in artifact.FRAMES:
        write_parquet(getattr(made.frames, name), folder / f"{name}.parquet")
    return made, folder


def typeset_paper(made, folder, root, anonymous=False):
    """The build of a checkout below `root`, with its PDF beside paper/main.tex."""
    build = Build(checkout(root), made, folder, anonymous=anonymous)
    build.typeset(root / "paper/regrok.pdf")
    return build


def text_of(pdf):
    done = subprocess.run(
        ["pdftotext", pdf, "-"], capture_output=True, encoding="utf-8", check=True
    )
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
    return (folder / "main.log").read_text(errors="replace", encoding="utf-8")


@pytest.mark.tex
def test_the_tarball_compiles_in_an_empty_folder_to_the_same_text(made, tmp_path):
    build = typeset_paper(*made, tmp_path)
    first = pack(build.folder, tmp_path / "one.tar.gz")
    log = compiled(first, tmp_path / "alone")
    assert "undefined citations" not in log
    # Three passes settle page numbers; two settle the words.
    assert (
        text_of(tmp_path / "alone/main.pdf").split()
        == text_of(tmp_path / "paper/regrok.pdf").split()
    )
    assert pack(build.folder, tmp_path / "two.tar.gz").read_bytes() == first.read_bytes()
    with tarfile.open(first) as archive:
        members = archive.getmembers()
        everything = b"".join(archive.extractfile(member).read() for member in members)
    assert {member.mtime for member in members} == {int(EPOCH)}
    assert {member.uid for member in members} == {0}
    assert [member.name for member in members] == sorted(member.name for member in members)
    assert str(tmp_path).encode() not in everything
    assert str(ROOT).encode() not in everything


@pytest.mark.tex
@pytest.mark.long
def test_the_anonymous_tarball_names_nobody(made, tmp_path):
    build = typeset_paper(*made, tmp_path, anonymous=True)
    content = sources(build.folder, anonymous=True)
    assert all(b"Regrok authors" not in text for text in content.values())
    assert b"Anonymous authors" in content["main.tex"]
    compiled(pack(build.folder, tmp_path / "a.tar.gz", anonymous=True), tmp_path / "alone")
    assert "Anonymous authors" in text_of(tmp_path / "alone/main.pdf")


def test_a_missing_part_or_a_path_of_this_machine_is_refused(made, tmp_path):
    folder = Build(checkout(tmp_path), *made).folder
    bibliography = folder / typeset.BUILD / "main.bbl"
    bibliography.parent.mkdir(parents=True)
    bibliography.write_text("", encoding="utf-8")
    content = sources(folder)
    assert "main.bbl" in content
    assert {"studies/norm_delay/section.tex", "overview.tex"} <= set(content)
    assert not [name for name in content if name.startswith(typeset.BUILD) or ".bib" in name]
    section = folder / "sections/abstract.tex"
    section.write_text(
        section.read_text(encoding="utf-8") + "% see /home/somebody/notes\n", encoding="utf-8"
    )
    with pytest.raises(RegrokError, match=r"abstract\.tex holds a path of this machine: /home"):
        sources(folder)
    bibliography.unlink()
    with pytest.raises(RegrokError, match=r"main\.bbl does not exist; build the paper"):
        sources(folder)


def test_ifanonymous_is_resolved_with_nested_and_escaped_braces():
    text = r"a \ifanonymous{b {c} \{}{names \}} d \ifanonymous{}{x} e"
    assert anonymised(text) == r"a b {c} \{ d  e"


@pytest.fixture
def appendix(made, tmp_path):
    """What `artifact.build` takes, for a checkout in a path with a space."""
    study_, folder = made
    root = tmp_path / "a checkout"
    (root / "paper").mkdir(parents=True)
    for name in ("requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, root / name)
    for name in (*artifact.TEXT, "regrok.sty"):
        shutil.copy(ROOT / "paper" / name, root / "paper" / name)
    checks = {"tests": ["schemas", "outcomes add up"], "logged_points": 1234}
    return root, root / "paper/generated/artifact", folder, study_.config, checks


@pytest.mark.tex
def test_the_appendix_builds_twice_to_the_same_bytes_with_the_results_numbers(appendix):
    paper = appendix[0] / "paper"
    artifact.build(*appendix, paper / "one.pdf")
    artifact.build(*appendix, paper / "two.pdf")
    assert (paper / "one.pdf").read_bytes() == (paper / "two.pdf").read_bytes()
    text = " ".join(text_of(paper / "one.pdf").split())
    assert "1,234 logged points" in text
    numbers = json.loads((appendix[2] / "numbers.json").read_text(encoding="utf-8"))
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
    paper = appendix[0] / "paper"
    path = paper / "artifact_checklist.tex"
    before = path.read_text(encoding="utf-8")
    path.write_text(before + planted + "\n", encoding="utf-8")
    (paper / "artifact.pdf").write_text("old", encoding="utf-8")
    with pytest.raises(RegrokError) as refusal:
        artifact.build(*appendix, paper / "artifact.pdf")
    assert complaint in str(refusal.value)
    assert f"{path}:{before.count(chr(10)) + 1}:" in str(refusal.value)
    assert not (paper / "artifact.pdf").exists()
