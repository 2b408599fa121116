"""Slingshots in figures: the runs that a law found are marked where they are drawn, and the caption counts them."""

from __future__ import annotations

from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection

from regrok.figures.parts import drawing, panels, slingshots
from studies import study


def fit(*points, accuracy=0.95):
    rows = [{"run_id": r, "falls": n, "first_fall": at} for r, n, at in points]
    return {"slingshots": {"law": "slingshots", "options": {"accuracy": accuracy}, "points": rows}}


FITS = fit(("a", 2, 1200), ("b", 0, None), ("c", 1, 900))
RUNS = pd.DataFrame({"run_id": ["a", "b", "d"], "x": [1.0, 2.0, 3.0], "T_grok": [10.0, 20.0, 30.0]})


def test_only_runs_that_fell_have_a_step():
    assert slingshots.falls(FITS) == {"a": 1200.0, "c": 900.0}
    assert slingshots.falls({"line": {"law": "scaling", "options": {}, "points": [{}]}}) == {}


def test_a_triangle_lies_on_each_run_that_fell_and_on_no_other():
    figure, ax = plt.subplots()
    panels.run_points(ax, RUNS["x"], RUNS["T_grok"])
    slingshots.mark(ax, RUNS, RUNS["x"], RUNS["T_grok"], slingshots.falls(FITS))
    points, triangles = ax.collections
    assert np.asarray(triangles.get_offsets()).tolist() == [[1.0, 10.0]]
    # On the point itself, which stands beside the median.
    assert triangles.get_offset_transform() == points.get_offset_transform()
    plt.close(figure)


def test_a_tick_stands_at_its_step_and_none_where_no_run_fell():
    figure, ax = plt.subplots()
    slingshots.tick(ax, None, "black")
    assert not ax.lines
    slingshots.tick(ax, 900.0, "black")
    assert ax.lines[0].get_xdata() == [900.0]
    plt.close(figure)


def test_the_caption_counts_the_runs_that_are_drawn():
    said = slingshots.sentence(FITS, RUNS, "here")
    assert "in 1 of 2 runs that memorised, the train accuracy fell below 0.95" in said
    assert said.endswith("; here.")
    calm = slingshots.sentence(FITS, RUNS[RUNS["run_id"] != "a"], "here")
    assert calm.startswith(" In none of these runs the train accuracy fell below 0.95")
    assert slingshots.sentence({}, RUNS, "here") == ""


@pytest.mark.parametrize(
    ("name", "panels"), [("anatomy", 0), ("weight_decay", 2), ("learning_rate", 1)]
)
def test_figures_mark_the_runs_that_fell(name, panels):
    made = study("laptop")
    entry = made.config.figures[name]
    assert "slingshots" in entry.fits
    shown = made.frames.experiments[made.frames.experiments["experiment"] == entry.experiments[0]]
    grokked = made.frames.runs.merge(shown[["run_id"]], on="run_id").dropna(subset=["T_grok"])
    points = [(run_id, 1, 500.0) for run_id in grokked["run_id"]]
    fits = {**made.fits, **fit(*points)}
    figure, caption, _ = drawing.draw(name, entry, SimpleNamespace(**vars(made.frames)), fits)
    assert "Triangles mark slingshots" in caption
    found = [line for ax in figure.axes for line in ax.lines if line.get_marker() == "v"]
    assert bool(found) != bool(panels) and all(list(line.get_xdata()) == [500.0] for line in found)
    if panels:
        points = [
            c for ax in figure.axes[:2] for c in ax.collections if isinstance(c, PathCollection)
        ]
        around = [len(c.get_offsets()) for c in points if not len(c.get_facecolor())]
        assert len(around) == panels and all(around)
    plt.close(figure)
