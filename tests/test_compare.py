"""A retrain beside the released runs: seeds' noise is no change, a planted shift is, and it is traced to its claims."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import bundles
import synthetic
from regrok import cli
from regrok.judging.ledger import ledger
from regrok.laws import run_fit
from regrok.released import bundle
from regrok.released import compare as comparing
from regrok.released.compare import compare
from regrok.released.page import summary, write_page
from regrok.study.claims import load_claims

EXPERIMENTS = ("S1", "S2", "S3", "S5A")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Part of the laptop scale: enough cells and seeds to know the spread between seeds."""
    config = bundles.small_config("laptop", EXPERIMENTS)
    frames = synthetic.make_frames(config)
    studies = bundles.small_studies(tmp_path_factory.mktemp("compared") / "studies", config)
    return SimpleNamespace(config=config, frames=frames, studies=studies)


def judged(study, frames):
    """The ledger of these runs, fitted anew."""
    fits = {name: run_fit(name, entry, frames) for name, entry in study.config.fits.items()}
    claims = load_claims(study.config, study.studies)
    return json.loads(json.dumps(ledger(claims, fits, frames, study.config.scale)))


@pytest.fixture(scope="module")
def said(study):
    return judged(study, study.frames)


def shifted(frames, cell, factor):
    """The runs of one cell with every delay longer by a factor."""
    runs = frames.runs.copy()
    rows = runs["cell"].eq(cell) & runs["T_grok"].notna()
    assert rows.any()
    moved = runs["T_mem"] + factor * (runs["T_grok"] - runs["T_mem"])
    runs.loc[rows, "T_grok"] = moved[rows]
    runs.loc[rows, ["T_grok_99", "T_grok_99_previous"]] = np.c_[moved[rows], moved[rows] - 25]
    runs.loc[rows, "delay"] = runs.loc[rows, "T_grok"] - runs.loc[rows, "T_mem"]
    return replace(frames, runs=runs)


def reseeded(frames, seed, spread=0.1):
    """The same study with other seeds: all times and norms of a run are its cell's mean with noise of its own."""
    rng = np.random.default_rng(seed)
    runs = frames.runs.copy()
    for name in comparing.QUANTITIES:
        log = np.log(runs[name].where(runs[name] > 0))
        centre = log.groupby(runs["cell"]).transform("mean")
        runs[name] = np.exp(centre + rng.normal(0, spread, len(runs)))
    return replace(frames, runs=runs)


def a_grokking_cell(study):
    """A grokking cell of the weight-decay sweep that serves no other experiment, and its experiments."""
    served = study.frames.experiments.groupby("cell")["experiment"].unique()
    grokked = study.frames.runs.loc[study.frames.runs["outcome"] == "grokked", "cell"].unique()
    cell = next(c for c in sorted(grokked) if list(served[c]) == ["S2"])
    return cell, {"S2"}


def test_the_same_runs_have_not_moved(study, said):
    found = compare(study.frames, said, study.frames, said)
    assert found.moved_cells == [] and found.flagged_claims == []
    assert set(found.cells["cell"]) == set(study.frames.runs["cell"])
    assert set(found.claims["id"]) == {entry["id"] for entry in said["claims"]}
    [line] = summary(found)
    assert line.startswith("Nothing moved")


def test_a_planted_shift_flags_that_cell_and_the_claims_that_feed_on_it(study, said):
    cell, served = a_grokking_cell(study)
    fresh = shifted(study.frames, cell, 4.0)
    found = compare(fresh, judged(study, fresh), study.frames, said)
    assert found.moved_cells == [cell]
    moved = found.cells[found.cells["status"] == comparing.MOVED]
    assert set(moved["quantity"]) == {"T_grok"}
    feeding = {e["id"] for e in said["claims"] if served & set(e["experiments"])}
    others = {e["id"] for e in said["claims"]} - feeding
    assert set(found.flagged_claims) == feeding
    assert feeding and others
    assert any(cell in line and "T_grok +" in line for line in summary(found))


def test_other_seeds_of_the_same_study_are_not_flagged(study, said):
    flagged = 0
    for seed in range(30):
        fresh, released = reseeded(study.frames, seed), reseeded(study.frames, seed + 1000)
        flagged += bool(compare(fresh, said, released, said).moved_cells)
    # Once in a hundred by the tolerance; three of thirty would have probability 0.003.
    assert flagged <= 2


def test_the_tolerance_counts_every_row(study, said):
    found = compare(study.frames, said, study.frames, said)
    rows = found.cells["errors"].notna().sum() + found.claims["errors"].notna().sum()
    [tolerance] = found.claims["tolerance"].dropna().unique()
    assert rows * math.erfc(tolerance / math.sqrt(2)) == pytest.approx(comparing.FALSE_ALARM)
    # The spread between seeds is estimated from few, so cells are given more room.
    assert (found.cells["tolerance"].dropna() > tolerance).all()


def test_the_typical_spread_is_that_of_the_seeds():
    rng = np.random.default_rng(0)
    for seeds in (2, 3, 10):
        cells = {i: {"T_grok": rng.normal(7, 0.1, seeds)} for i in range(2000)}
        spread, freedom = comparing.typical_spread({"fresh": cells}, "T_grok")
        assert spread == pytest.approx(0.1, rel=0.1)
        assert freedom == 2000 * (seeds - 1) / 2


def test_three_seeds_that_agree_by_chance_get_the_typical_spread():
    close = np.log([1000.0, 1000.0, 1000.0])
    apart = close + 0.1
    assert 0.1 / comparing.standard_error(close, apart, 0.1) == pytest.approx(math.sqrt(1.5))
    wide = np.array([-1.0, 0.0, 1.0])
    assert comparing.standard_error(wide, wide, 0.1) == pytest.approx(math.sqrt(2 / 3))


def test_a_run_that_stopped_grokking_moves_its_cell_by_the_time_it_was_watched(study, said):
    cell, _ = a_grokking_cell(study)
    runs = study.frames.runs.copy()
    rows = runs["cell"].eq(cell)
    runs.loc[rows, "steps"] = 50 * runs.loc[rows, "T_grok"].fillna(runs["steps"])
    runs.loc[rows, ["T_grok", "delay"]] = np.nan
    found = compare(replace(study.frames, runs=runs), said, study.frames, said)
    assert found.moved_cells == [cell]


@pytest.mark.parametrize(
    ("one", "other", "errors"),
    [
        # Arms 1.96 and 3.92 face each other: standard errors 1 and 2.
        ((0, -9, 1.96), (10, 6.08, 99), 10 / math.sqrt(5)),
        ((5, 4, 6), (5, 0, 9), 0.0),
        ((1, None, None), (2, 1, 3), None),
        ((1, 1, 1), (2, 2, 2), None),
        ((None, None, None), (2, 1, 3), None),
    ],
)
def test_estimates_are_apart_by_the_arms_that_face_each_other(one, other, errors):
    sides = [dict(zip(("value", "low", "high"), s, strict=True), level=0.95) for s in (one, other)]
    for pair in (sides, sides[::-1]):
        found = comparing.estimates_apart(*pair)
        assert found == (None if errors is None else pytest.approx(errors, rel=1e-4))


def test_cells_and_claims_of_one_side_are_listed_and_not_flagged(study, said):
    gone = study.frames.runs["cell"].iloc[0]
    keep = study.frames.runs["cell"] != gone
    members = study.frames.experiments["cell"] != gone
    less = replace(
        study.frames, runs=study.frames.runs[keep], experiments=study.frames.experiments[members]
    )
    fewer = {**said, "claims": said["claims"][1:]}
    found = compare(less, fewer, study.frames, said)
    assert set(found.cells.loc[found.cells["cell"] == gone, "status"]) == {comparing.GONE}
    assert found.moved_cells == [] and found.flagged_claims == []
    back = compare(study.frames, said, less, fewer)
    assert set(back.cells.loc[back.cells["cell"] == gone, "status"]) == {comparing.ADDED}
    [first] = back.claims.loc[back.claims["id"] == said["claims"][0]["id"], "status"]
    assert first == comparing.ADDED


class Page(HTMLParser):
    """Rows of the tables, and whether every element that was opened is closed."""

    EMPTY = ("meta", "link", "br")

    def __init__(self):
        super().__init__()
        self.open, self.rows, self.tags = [], [], set()

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        if tag not in self.EMPTY:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append({"class": dict(attributes).get("class"), "text": ""})

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "tr" in self.open:
            self.rows[-1]["text"] += f" {data.strip()}"


def test_the_page_shows_every_row_and_marks_what_moved(study, said, tmp_path):
    cell, _ = a_grokking_cell(study)
    fresh = shifted(study.frames, cell, 4.0)
    found = compare(fresh, judged(study, fresh), study.frames, said)
    write_page(found, "laptop", tmp_path / "comparison.html")
    text = (tmp_path / "comparison.html").read_text(encoding="utf-8")
    page = Page()
    page.feed(text)
    assert page.open == []
    assert not {"script", "link", "img"} & page.tags
    assert "http" not in text
    marked = [row["text"] for row in page.rows if row["class"] == "flagged"]
    assert len(marked) == len(found.flagged_claims) + 1
    for name in found.claims["id"]:
        assert any(row["text"].split()[:1] == [name] for row in page.rows)
    assert sum(row["text"].count("T_grok (step)") for row in page.rows) == len(
        found.cells[found.cells["quantity"] == "T_grok"]
    )
    write_page(found, "laptop", tmp_path / "again.html")
    assert (tmp_path / "again.html").read_bytes() == text.encode()


def test_the_command_says_whether_something_moved(study, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    cell, _ = a_grokking_cell(study)

    def written(folder, frames):
        bundles.write_results(folder, study.config, frames)
        (folder / "ledger.json").write_text(json.dumps(said), encoding="utf-8")

    written(Path("results/released/laptop"), study.frames)
    bundle.seal("results/released")
    written(Path("results/laptop"), study.frames)
    assert cli.main(["compare"]) == 0
    assert "Nothing moved" in capsys.readouterr().out
    written(Path("results/laptop"), shifted(study.frames, cell, 4.0))
    assert cli.main(["compare"]) == 1
    assert f"cell {cell}" in capsys.readouterr().out
    assert cell in Path("results/laptop/comparison.html").read_text(encoding="utf-8")
