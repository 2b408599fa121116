"""Links to the sources: to a hosting service, never to somebody's machine or token."""

from __future__ import annotations

import re
import subprocess
import zlib

import pytest

from papers import Build, checkout, results
from regrok.errors import RegrokError
from regrok.paper.repository import links_within, source_links
from studies import study

HUB = "https://github.com/o/regrok/blob/HEAD"


@pytest.mark.parametrize(
    ("address", "links"),
    [
        ("https://github.com/o/regrok", HUB),
        ("https://github.com/o/regrok.git", HUB),
        ("https://name:token123@github.com/o/regrok.git", HUB),
        ("git@github.com:o/regrok.git", HUB),
        ("ssh://git@github.com:22/o/regrok.git", HUB),
        (
            "https://gitlab.org.edu/group/sub/regrok/",
            "https://gitlab.org.edu/group/sub/regrok/-/blob/HEAD",
        ),
        ("/home/somebody/regrok", None),
        ("../github/regrok", None),
        ("file:///home/somebody/github/regrok", None),
        ("somebody@machine:github/regrok", None),
        ("https://example.org/o/regrok", None),
        ("https://github.com/", None),
        ("", None),
        (None, None),
    ],
)
def test_links_go_to_a_hosting_service_or_nowhere(address, links):
    assert links_within(address) == links


def git(folder, *arguments):
    subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True)


def test_citation_comes_before_the_address_of_the_clone(tmp_path):
    assert source_links(tmp_path) is None
    git(tmp_path, "init")
    assert source_links(tmp_path) is None
    git(tmp_path, "remote", "add", "origin", "git@github.com:someone/fork.git")
    assert source_links(tmp_path) == "https://github.com/someone/fork/blob/HEAD"
    (tmp_path / "CITATION.cff").write_text(
        "repository-code: https://github.com/o/regrok\n", encoding="utf-8"
    )
    assert source_links(tmp_path) == HUB
    (tmp_path / "CITATION.cff").write_text("title: no address\n", encoding="utf-8")
    git(tmp_path, "remote", "set-url", "origin", str(tmp_path))
    assert source_links(tmp_path) is None


def test_an_address_that_no_link_can_be_made_of_is_refused(tmp_path):
    (tmp_path / "CITATION.cff").write_text(
        "repository-code: /home/somebody/regrok\n", encoding="utf-8"
    )
    with pytest.raises(RegrokError, match="repository-code"):
        source_links(tmp_path)


def addresses(pdf):
    """Every link target of a PDF: its compressed streams hold the annotations."""
    content = pdf.read_bytes()
    found = [content]
    for stream in re.findall(rb"stream\r?\n(.*?)endstream", content, re.DOTALL):
        try:
            found.append(zlib.decompressobj().decompress(stream))
        except zlib.error:
            continue  # an image or a font
    return set(re.findall(rb"/URI ?\((.*?)\)", b"".join(found)))


@pytest.mark.long
@pytest.mark.tex
@pytest.mark.parametrize("anonymous", [False, True])
def test_the_pdf_links_each_figure_to_its_source_unless_anonymous(tmp_path, anonymous):
    made = study("smoke", anonymous)
    folder = results(made, tmp_path / "results")
    build = Build(checkout(tmp_path), made, folder, HUB, anonymous)
    build.typeset(tmp_path / "regrok.pdf")
    own = {a for a in addresses(tmp_path / "regrok.pdf") if a.startswith(HUB.encode())}
    wanted = {
        f"{HUB}/src/regrok/figures/{made.config.figures[name].draw}.py".encode()
        for name in made.config.figures
        if (folder / f"figures/{name}.pdf").exists()
    }
    assert own == (set() if anonymous else wanted)
