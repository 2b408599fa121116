"""README's first screen: what the released ledgers say, word for word, and a refusal where the words no longer fit."""

from __future__ import annotations

import json
import shutil
import xml.etree.ElementTree as ElementTree

import pytest

from configurations import ROOT
from regrok.cli import main
from regrok.errors import RegrokError
from regrok.judging.leading import Ruling
from regrok.released import findings
from regrok.released.bundle import RELEASED
from regrok.study.read import load_config
from regrok.study.words import DIRECTION, NOT_REPRODUCED, REPRODUCED

BUNDLE = ROOT / RELEASED


@pytest.fixture(scope="module")
def papers():
    studies = load_config(ROOT / "config.yaml").studies.values()
    return [findings.Paper(s.paper.letter, s.paper.short, s.paper.arxiv) for s in studies]


def test_readme_and_its_picture_are_what_the_released_ledgers_say(papers):
    """To mend: regrok findings --write."""
    for path, content in findings.files(ROOT, BUNDLE, papers).items():
        assert path.read_text(encoding="utf-8") == content, path


def test_the_picture_is_small_and_has_a_tile_for_each_judged_claim_with_its_letter(papers):
    path = ROOT / findings.PICTURE
    tree = ElementTree.parse(path)
    space = {"s": "http://www.w3.org/2000/svg"}
    titles = [each.findtext("s:title", namespaces=space) for each in tree.iterfind("s:g", space)]
    letters = [each.findtext("s:text", namespaces=space) for each in tree.iterfind("s:g", space)]
    assert path.stat().st_size <= 260 * len(titles)  # bytes a tile
    said = findings.leading_rulings(BUNDLE)
    legend = len(titles) - len(said)
    assert sorted(titles[legend:]) == sorted(f"{r.entry['id']}: {r.verdict}" for r in said)
    for title, letter in zip(titles[legend:], letters[legend:], strict=True):
        assert findings.LOOKS[title.partition(": ")[2]][0] == letter
    right = max(float(each.get("x")) for each in tree.iterfind("s:g/s:rect", space))
    assert right + findings.TILE <= findings.WIDTH - findings.MARGIN
    # A letter of 12 pixels takes six and a half across, so that words end within the picture as well.
    texts = tree.iterfind("s:text", space)
    assert all(
        float(each.get("x")) + 6.6 * len(each.text) <= findings.WIDTH - findings.MARGIN
        for each in texts
    )


def ruling(name="A1", verdict=REPRODUCED, **entry):
    told = {"origin": "printed", "published_text": "2", "n": 4, "runs": 4, "paper": "A"}
    told |= {"value": -1.5, "low": -2.0, "high": None, "id": name, "verdict": verdict}
    return Ruling("paper", True, told | entry)


def finding(verdict=REPRODUCED):
    claim = {"id": "A1", "asked": "the exponent", "verdict": verdict}
    return [{"title": "It holds.", "claims": [claim]}]


def test_a_finding_shows_value_interval_what_is_printed_verdict_scale_and_runs():
    made = findings.block([ruling()], finding())
    assert "1. **It holds.**\n" in made
    line = "   - the exponent: −1.5 [−2, ?]; printed: 2; **reproduced** (`A1`, paper scale, 4 runs)"
    assert line in made
    ours = findings.block([ruling(origin="ours", low=-1.5, high=-1.5, runs=0)], finding())
    assert "the exponent: −1.5; **reproduced** (`A1`, paper scale)" in ours


def test_a_finding_is_refused_once_its_claim_has_another_verdict_or_none():
    with pytest.raises(RegrokError, match="was written for A1 being reproduced"):
        findings.block([ruling(verdict=NOT_REPRODUCED)], finding())
    with pytest.raises(RegrokError, match="have no verdict"):
        findings.block([ruling("A2")], finding())
    assert DIRECTION in findings.block([ruling(verdict=DIRECTION)], finding(DIRECTION))


def test_only_the_text_between_the_marks_is_replaced():
    text = f"a\n{findings.BEGIN}\nold\n{findings.END}\nb\n"
    assert findings.replaced(text, "new") == text.replace("old", "new")
    for broken in ("a", findings.BEGIN, f"{findings.END}{findings.BEGIN}"):
        with pytest.raises(RegrokError, match="between which the findings go"):
            findings.replaced(broken, "new")


def test_the_command_writes_both_and_prints_without_writing(tmp_path, capsys):
    for name in ("README.md", "config.yaml", "docs/findings.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "studies").symlink_to(ROOT / "studies")
    readme = tmp_path / "README.md"
    readme.write_text(f"x\n{findings.BEGIN}\n{findings.END}\n", encoding="utf-8")
    given = ["--config", str(tmp_path / "config.yaml"), "--bundle", str(BUNDLE)]
    assert main(["findings", *given]) == 0
    printed = capsys.readouterr().out
    assert findings.BEGIN not in printed and readme.read_text(encoding="utf-8").count("\n") == 3
    assert main(["findings", *given, "--write"]) == 0
    assert readme.read_text(encoding="utf-8") == f"x\n{findings.BEGIN}\n{printed}{findings.END}\n"
    assert (tmp_path / findings.PICTURE).is_file()


def test_a_larger_scale_leads_and_corrected_claims_are_left_out(tmp_path):
    def entry(name, verdict, corrected=None):
        return {"id": name, "verdict": verdict, "corrected": corrected, "origin": "ours"}

    corrected = {"date": "2026-01-01", "why": "x", "by": ["A1"]}
    for scale, claims in (
        ("laptop", [entry("A1", REPRODUCED), entry("A2", REPRODUCED, corrected)]),
        ("paper", [entry("A1", NOT_REPRODUCED)]),
    ):
        folder = tmp_path / scale
        folder.mkdir()
        (folder / "runs.parquet").touch()
        content = {"scale": scale, "claims": claims}
        (folder / "ledger.json").write_text(json.dumps(content), encoding="utf-8")
    (only,) = findings.leading_rulings(tmp_path)
    assert (only.scale, only.verdict) == ("paper", NOT_REPRODUCED)
    with pytest.raises(RegrokError, match="no scale has been released"):
        findings.leading_rulings(tmp_path / "none")
