"""The site says what the ledgers and the frames say, leads nowhere that is not there, and works in a browser."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from configurations import ROOT
from regrok.cli import main
from regrok.errors import RegrokError
from regrok.files import read_parquet, write_json, write_parquet
from regrok.judging.leading import leading, rulings
from regrok.paper.numbers import leading_result, leads
from regrok.released import bundle
from regrok.report import tex
from regrok.report.pages import CLASSES
from regrok.site.cards import cards
from regrok.site.findings import headlines
from regrok.site.source import find
from regrok.site.write import PAGES, refuse_foreign, write_site
from regrok.study.claims import load_claims
from regrok.study.read import load_config
from regrok.study.yaml import read_yaml

RELEASED = ROOT / "results" / "released"
STUDIES = ("norm_delay", "circuit_efficiency")
RUNS = ("S1", "F0")
"""Experiments whose released runs the small bundle has; the others' ledger entries stay."""


# The folder -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A site of two studies from a bundle that holds a few of the released runs."""
    folder = tmp_path_factory.mktemp("site")
    for scale in bundle.scales(RELEASED):
        part = folder / "released" / scale
        part.mkdir(parents=True)
        shutil.copy(RELEASED / scale / "ledger.json", part)
        members = read_parquet(RELEASED / scale / "experiments.parquet")
        members = members[members["experiment"].isin(RUNS)]
        write_parquet(members, part / "experiments.parquet")
        for name in ("runs", "curves", "spectra"):
            frame = read_parquet(RELEASED / scale / f"{name}.parquet")
            kept = frame[frame["run_id"].isin(set(members["run_id"]))]
            write_parquet(kept.reset_index(drop=True), part / f"{name}.parquet")
    config = load_config(ROOT / "config.yaml", {"studies": list(STUDIES)})
    claims = load_claims(config, ROOT / "studies")
    with contextlib.chdir(folder):
        source = find(config, folder / "released")
    assert source.folder is None and "released" in source.words
    made = write_site(source, claims, folder / "site", ROOT)
    return source, claims, made


class Page(HTMLParser):
    """What a page refers to, and the names of its parts."""

    def __init__(self, text: str):
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.ids: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        known = dict(attrs)
        if "id" in known:
            self.ids.add(known["id"])
        if tag == "a" and "href" in known:
            self.links.append(known["href"])
        self.loads += [known["src"]] if "src" in known else []
        self.loads += [known["href"]] if tag == "link" else []


def test_every_link_leads_somewhere_and_nothing_is_fetched(small):
    _, claims, made = small
    read = {
        path.relative_to(made.folder).as_posix(): Page(path.read_text(encoding="utf-8"))
        for path in made.folder.rglob("*.html")
    }
    assert {f"{name}.html" for name in PAGES} < set(read)
    assert len(read) == len(PAGES) + len(claims.claims) == made.pages
    for name, page in read.items():
        for address in [*page.links, *page.loads]:
            if address.startswith("https://arxiv.org/abs/") and address in page.links:
                continue
            if address == "data:,":
                continue
            path, _, part = address.partition("#")
            target = (made.folder / name).parent / (path.partition("?")[0] or Path(name).name)
            assert target.is_file(), f"{name}: {address}"
            if part and target.suffix == ".html":
                known = read[target.resolve().relative_to(made.folder.resolve()).as_posix()]
                assert part in known.ids, f"{name}: {address}"


def test_the_ledger_shows_the_verdicts_that_lead(small):
    source, claims, made = small
    said = rulings(source.ledger(claims), source.released())
    page = (made.folder / "ledger.html").read_text(encoding="utf-8")
    rows = re.findall(r'<tr role="row" class="claim-row".*?</tr>', page, re.S)
    assert len(rows) == len(claims.claims)
    by_id = {re.search(r'href="claims/(.*?)\.html"', row)[1]: row for row in rows}
    for claim in claims.claims:
        row = by_id[claim.id]
        first = re.search(r'data-scale="(\w+)" data-verdict="([\w ]+)"', row)
        lead = said[claim.id][0]
        assert first.groups() == (lead.scale, lead.verdict)
        assert ("data-corrected" in row) == (claim.corrected is not None)
        known = [each for each in said[claim.id] if each.entry["value"] is not None]
        assert row.count("<svg") == len(known), claim.id


def test_a_claim_s_page_has_every_scale_with_its_rule_and_its_command(small):
    source, claims, made = small
    ledgers = source.released()
    assert len(ledgers) == 2
    seen = 0
    for claim in claims.claims:
        page = (made.folder / "claims" / f"{claim.id}.html").read_text(encoding="utf-8")
        assert "\\" not in re.sub(r"<code.*?</code>", "", page, flags=re.S), claim.id
        for scale, held in ledgers.items():
            entry = next(e for e in held["claims"] if e["id"] == claim.id)
            if entry["verdict"] == "out of scope at this scale":
                continue
            seen += 1
            section = page.partition(f"<h3>{scale} scale, released")[2].partition("</section>")[0]
            assert f">{entry['verdict']}</span>" in section, claim.id
            assert entry["command"].split("--config")[0].strip() in section
            assert section.count("<li>") == len(entry["robustness"])
    assert seen > 50


def test_counts_on_the_first_page_are_those_of_the_ledger(small):
    source, claims, made = small
    said = leading(source.ledger(claims), source.released())
    page = (made.folder / "index.html").read_text(encoding="utf-8")
    for origin, words in (("printed", "that the papers print"), ("ours", "of our own")):
        standing = [c for c in claims.claims if c.corrected is None and c.origin == origin]
        judged = sum(said[c.id].speaks for c in standing)
        assert f"{judged} {words}" in page


def test_the_first_page_has_the_findings_that_the_verdicts_bear_out(small, tmp_path):
    source, claims, made = small
    page = (made.folder / "index.html").read_text(encoding="utf-8")
    asked = {claim.id for claim in claims.claims}
    told = [
        each
        for each in read_yaml(ROOT / "docs" / "findings.yaml")["findings"]
        if asked >= {claim["id"] for claim in each["claims"]}
    ]
    part = page.partition("What was found")[2].partition("Paper by paper")[0]
    assert part.count("<li><b>") == len(told) >= 3
    made_cards = cards(source.config, claims, rulings(source.ledger(claims), source.released()), {})
    words = tmp_path / "findings.yaml"
    other = [
        {**told[0], "title": "One"},
        {**told[1], "title": "Two"},
        {**told[2], "title": "Three"},
    ]
    other[1] = {**other[1], "claims": [{**other[1]["claims"][0], "verdict": "no such run here"}]}
    other[2] = {**other[2], "claims": [{**other[2]["claims"][0], "id": "Z9"}]}
    write_json({"findings": other}, words)
    assert [each.title for each in headlines(words, made_cards)] == ["One"]
    assert headlines(tmp_path / "absent.yaml", made_cards) == []


def test_the_first_page_says_of_each_paper_what_the_abstract_says(small):
    source, claims, made = small
    said = leading(source.ledger(claims), source.released())
    page = (made.folder / "index.html").read_text(encoding="utf-8")
    found = re.findall(r'<p class="said">(.*?)</p>', page, re.S)
    assert len(found) == len(STUDIES)
    links = re.findall(r'<a href="claims/(.*?)\.html">(.*?)</a>', " ".join(found))
    assert len(links) >= 4
    for claim, phrase in links:
        first = said[claim]
        number = tex.inner(leading_result(first))
        assert phrase in {leads(first), "likewise", first.entry["published_text"], number}
        if phrase.startswith("is "):
            assert phrase.endswith(f"at the {first.scale} scale")
    # The numbers of the best evidence are among them, not verdicts alone.
    assert any(phrase == tex.inner(leading_result(said[claim])) for claim, phrase in links)


def test_every_listed_run_has_its_curve_and_its_settings(small):
    source, _, made = small
    text = (made.folder / "runs-data.js").read_text(encoding="utf-8")
    told = json.loads(text.partition("regrok.runs=")[2].rstrip(";\n"))
    runs = [dict(zip(told["fields"], row, strict=True)) for row in told["rows"]]
    frames = source.frames()
    assert len(runs) == made.runs == sum(len(held.runs) for held in frames.values()) > 10
    scripts: dict[str, dict] = {}
    for run in runs:
        if run["file"] not in scripts:
            script = (made.folder / "curves" / f"{run['file']}.js").read_text(encoding="utf-8")
            key, _, content = script.removeprefix("regrok.take(").partition(",")
            assert json.loads(key) == run["file"]
            scripts[run["file"]] = json.loads(content.rstrip(";\n").removesuffix(")"))
        part = scripts[run["file"]]
        held = frames[run["scale"]].runs.set_index("run_id").loc[run["id"]]
        curve = part["curves"][run["id"]]
        assert curve["step"][-1] == held.steps
        assert curve["V"][-1] == pytest.approx(held.V_final, rel=1e-3)
        assert run["T_grok"] == (None if pd.isna(held.T_grok) else held.T_grok)
        if run["T_grok"] is not None:
            assert run["T_grok"] in curve["step"]
        assert part["settings"][run["cell"]]["weight_decay"] == held.weight_decay
        assert set(run["experiments"]) <= set(told["experiments"])
    assert {run["scale"] for run in runs} == set(bundle.scales(RELEASED))


def test_a_build_brings_its_figures_its_paper_and_its_own_command(small, tmp_path, monkeypatch):
    source, claims, made = small
    monkeypatch.chdir(tmp_path)
    build = Path("results/laptop-norm_delay-circuit_efficiency")
    shutil.copytree(source.bundle / "laptop", build)
    (build / "figures").mkdir()
    words = r"\regrokcaption{}{\textbf{Two lines.} Of $T_{\mathrm{grok}}$.}\regrokdescription{}{A \emph{drawing}.}"
    (build / "figures" / "weight_decay.tex").write_text(words, encoding="utf-8")
    (build / "figures" / "weight_decay.png").write_bytes(b"picture")
    (build / "report.html").touch()
    Path("paper").mkdir()
    Path("paper/regrok-norm_delay-circuit_efficiency.pdf").write_bytes(b"paper")
    for name in (
        "CITATION.cff",
        "paper/references.bib",
        *(f"studies/{s}/references.bib" for s in STUDIES),
    ):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, name)
    found = find(source.config, source.bundle)
    assert found.folder == build and found.elsewhere == ["paper"]
    again = write_site(found, claims, build / "site", Path())
    assert again.runs == made.runs
    assert (again.folder / "figures/weight_decay.png").read_bytes() == b"picture"
    assert (again.folder / "regrok.pdf").read_bytes() == b"paper"
    page = (again.folder / "claims/A3-population.html").read_text(encoding="utf-8")
    assert 'src="../figures/weight_decay.png" alt="A drawing."' in page
    assert "<strong>Two lines.</strong>" in page
    assert "laptop scale, this build" in page and "paper scale, released; it leads" in page
    assert f"snakemake {build}/fits/weight_decay.json" in page
    assert 'href="regrok.pdf"' in (again.folder / "cite.html").read_text(encoding="utf-8")
    assert 'href="../report.html"' in (again.folder / "index.html").read_text(encoding="utf-8")
    before = (made.folder / "claims/A3-population.html").read_text(encoding="utf-8")
    assert "this build" not in before and "<img" not in before
    assert "regrok.pdf" not in (made.folder / "cite.html").read_text(encoding="utf-8")


def test_writing_again_gives_the_same_bytes_and_leaves_nothing_of_before(small, tmp_path):
    source, claims, made = small
    again = tmp_path / "site"
    shutil.copytree(made.folder, again)
    (again / "claims" / "Z1.html").touch()
    (again / "old").mkdir()
    (again / "old" / "page.html").touch()
    refuse_foreign(again)
    write_site(source, claims, again, ROOT)
    assert bundle.files(again) == bundle.files(made.folder)
    assert not (again / "old").exists()
    for name in bundle.files(again):
        assert (again / name).read_bytes() == (made.folder / name).read_bytes(), name


def test_the_command_says_what_it_read_and_shows_the_chosen_studies_alone(
    small, tmp_path, monkeypatch, capsys
):
    source, claims, _ = small
    monkeypatch.chdir(tmp_path)
    asked = ["--set", "studies=[circuit_efficiency]", "--bundle", str(source.bundle)]
    assert main(["site", "--config", str(ROOT / "config.yaml"), *asked]) == 0
    said = capsys.readouterr().out
    assert "from the released bundle" in said
    site = tmp_path / "results/laptop-circuit_efficiency/site"
    own = [claim for claim in claims.claims if claim.letter == "F"]
    assert f"index.html: {len(PAGES) + len(own)} pages" in said
    assert {path.stem for path in (site / "claims").iterdir()} == {claim.id for claim in own}
    assert [path.name for path in (site / "curves").iterdir()] == ["laptop-circuit_efficiency.js"]
    assert main(["site", "--config", str(ROOT / "config.yaml"), "--to", str(source.bundle)]) == 2
    assert "no site" in capsys.readouterr().err


def test_a_folder_that_is_no_site_is_left_alone(tmp_path):
    refuse_foreign(tmp_path)
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(RegrokError, match="no site"):
        refuse_foreign(tmp_path)


# The style -------------------------------------------------------------------------------------------


def luminance(colour: str) -> float:
    """Relative luminance of #rrggbb, as WCAG 2 defines it."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


def contrast(one: str, other: str) -> float:
    dark, light = sorted(map(luminance, (one, other)))
    return (light + 0.05) / (dark + 0.05)


def test_text_stands_out_in_light_and_in_dark(small):
    """WCAG 2 asks for 4.5 to 1, level AA; Vega's own colours are those of runs.js."""
    style = (small[2].folder / "site.css").read_text(encoding="utf-8").replace("white", "#ffffff")
    light, dark = style.split("@media (prefers-color-scheme: dark)")
    known: dict[str, str] = {}
    for part in (light, dark):
        # Not those of Snakemake's frame, which has a ground of its own.
        blocks = re.findall(r"^\s*\.regrok(?:\.site)? \{(.*?)\}", part, re.S | re.M)
        known |= dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", " ".join(blocks)))
        for text in ("ink", "faint", "link"):
            for ground in ("ground", "raised"):
                assert contrast(known[text], known[ground]) >= 4.5, (text, ground, known)
        assert contrast(known["ink"], known["band"]) >= 4.5
    chips = re.findall(r"\.(\w+) \{ background: (#\w{6}); color: (#\w{6}); \}", style)
    assert {name for name, *_ in chips} == set(CLASSES.values())
    assert all(contrast(*colours) >= 4.5 for _, *colours in chips)
    script = (small[2].folder / "runs.js").read_text(encoding="utf-8")
    on_dark, on_light = re.findall(r'\["(#\w{6})", "(#\w{6})"\]', script)
    assert min(contrast(c, "#ffffff") for c in on_light) >= 3
    assert min(contrast(c, known["ground"]) for c in on_dark) >= 3


# In a browser ---------------------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.browser
def test_the_site_works_on_a_desktop_and_on_a_telephone(tmp_path):
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        from check_site import CARDS, SCREENS, walk
    finally:
        sys.path.pop(0)
    config = load_config(ROOT / "config.yaml")
    claims = load_claims(config, ROOT / "studies")
    with contextlib.chdir(tmp_path):
        source = find(config, RELEASED)
    made = write_site(source, claims, tmp_path / "site", ROOT)
    assert made.bytes < 15e6
    found = walk(made.folder, tmp_path / "pictures")
    assert found.problems == []
    said = leading(source.ledger(claims), source.released())
    assert found.claims == {c.id: said[c.id].verdict for c in claims.claims if not c.corrected}
    assert len(found.cards) == CARDS * len(SCREENS)
    assert len(found.curves) == 3 * len(SCREENS)
    # A page of one colour compresses to next to nothing.
    assert (tmp_path / "pictures/desktop_ledger.png").stat().st_size > 50_000
