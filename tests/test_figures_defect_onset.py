"""Whose defect the figure of the onset draws where a group has several operations; the figure of printed times."""

from __future__ import annotations

import pandas as pd
import pytest
from matplotlib.collections import PathCollection, PolyCollection

from regrok.figures.defect_onset import called, shown_run
from regrok.figures.parts import drawing
from studies import study


def test_the_figure_shows_addition_and_says_which_operation_it_shows():
    rows = [
        {"group": group, "operation": operation, "run_id": f"{operation}-{i}", "step": 50 * step}
        for group, operations in (("default", ("subtract", "add")), ("control", ("a3_ab",)))
        for operation in operations
        for i in range(2)
        for step in range(3)
    ]
    points = pd.DataFrame(rows)
    shown = shown_run(points, "default")
    assert set(shown["run_id"]) == {"add-0"} and len(shown) == 3
    assert called(shown) == "addition"
    alone = shown_run(points[points["operation"] != "add"], "default")
    assert set(alone["run_id"]) == {"subtract-0"} and called(alone) == "subtraction"
    assert set(shown_run(points, "control")["run_id"]) == {"a3_ab-0"}
    assert called(shown_run(points[:0], "default")) == "addition"


def test_printed_times_stand_beside_those_of_every_run_that_groks():
    made = study("paper", studies=("commutator_defect",))
    entry = made.config.figures["printed_times"]
    figure, caption, description = drawing.draw("printed_times", entry, made.frames, made.fits)
    a, b = figure.axes
    printed = made.config.fits["defect_code"].options["printed_times"]
    *ours, diamonds = (each.get_offsets() for each in a.collections)
    assert [list(each) for each in diamonds] == [[i, t] for i, t in enumerate(printed.values())]
    names = [tick.get_text().replace("\n", " ") for tick in a.get_xticklabels()]
    assert names == ["addition", "subtraction", "multiplication", "sum of squares"]
    cells = pd.DataFrame(
        [cell for name in ("defect", "defect_code") for cell in made.fits[name]["cells"]]
    )
    cells = cells[(cells["group"] == "default") & cells["T_grok"].notna()]
    assert sum(map(len, ours)) == cells["run_id"].nunique() > 0
    assert sorted(y for each in ours for _, y in each) == sorted(
        cells.drop_duplicates("run_id")["T_grok"]
    )
    arms = ["as\nprinted", "layers\nalike", "small\npositions", "repetition", "all\nthree"]
    assert [tick.get_text() for tick in b.get_xticklabels()] == arms
    assert "interval" in caption and description.endswith(".")


def test_growths_in_both_precisions_stand_over_the_printed_ranges():
    made = study("paper", studies=("commutator_defect",))
    entry = made.config.figures["printed_growths"]
    figure, caption, description = drawing.draw("printed_growths", entry, made.frames, made.fits)
    _, b = figure.axes
    bands = [each for each in b.collections if isinstance(each, PolyCollection)]
    heights = [sorted({y for _, y in each.get_paths()[0].vertices}) for each in bands]
    assert heights == [[500, 2000], [30, 50]]
    dots = [each for each in b.collections if isinstance(each, PathCollection)]
    cells = pd.DataFrame(made.fits["defect_seeds"]["cells"])
    expected = [
        cells.loc[cells["group"] == group, column].dropna()
        for group in ("default", "control")
        for column in ("growth", "growth_single")
    ]
    assert len(dots) == 4 and sum(map(len, expected)) > 0
    for drawn, values in zip(dots, expected, strict=True):
        assert sorted(y for _, y in drawn.get_offsets()) == pytest.approx(sorted(values))
    assert [tick.get_text() for tick in b.get_xticklabels()] == ["groks", "does not"]
    assert "printed ranges" in caption and description.endswith(".")
