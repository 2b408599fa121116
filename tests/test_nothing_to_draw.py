"""Nothing to show is shown: a selection without runs, a column that was not measured, a fit without an estimate.

Public reports of the kind: rl-institut/multi-vector-simulator#160 (Empty 'DataFrame': no numeric data to plot) and
PyPSA/pypsa-eur#1756 (plots fail where a part of the model is switched off).
"""

from __future__ import annotations

import warnings
from functools import cache
from types import SimpleNamespace

import pandas as pd
import pytest

import synthetic
from regrok import figures, tables
from regrok.errors import RegrokError
from regrok.figures.parts import blank, drawing
from regrok.report.tabular import read_table
from regrok.runs.required import REQUIRED
from regrok.study.read import load_config
from regrok.tables import Material, scope
from regrok.tables.parts.booktabs import EMPTY
from shapes import FITS, SHAPES, thin
from studies import ROOT, published, study

CONFIG = load_config(ROOT / "config.yaml", {"scale": "laptop"})
FIGURES = figures.drawable(CONFIG)
TABLES = tables.buildable(CONFIG)


@cache
def frames(shape):
    """The thinned laptop frames, or a shape of them."""
    given = thin(study("laptop").frames)
    return SHAPES[shape](given) if shape else given


def draw(name, shape=None, fits=None, given=None):
    """The figure and its caption, every warning an error."""
    made = study("laptop")
    given = frames(shape) if given is None else given
    fits = made.fits if fits is None else fits
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return drawing.draw(name, made.config.figures[name], given, fits)[:2]


def said(figure):
    """What the panels of a figure say is missing."""
    return [t.get_text() for ax in figure.axes for t in ax.texts if t.get_gid() == blank.NOTHING]


def _pairs(names, others, every=1):
    """All pairs. The default suite has one of every so many names, the others taking turns, and the long one all."""
    for i, name in enumerate(names):
        for k, other in enumerate(others):
            chosen = i % every == 0 and (i // every) % len(others) == k
            yield pytest.param(name, other, marks=() if chosen else pytest.mark.long)


@pytest.mark.parametrize(("name", "shape"), _pairs(FIGURES, list(SHAPES), 2))
def test_a_figure_of_any_shape_of_frames_is_drawn_or_named(name, shape):
    if shape == "empty" and CONFIG.figures[name].experiments:
        first = CONFIG.figures[name].experiments[0]
        with pytest.raises(RegrokError, match=f"figure {name}: experiment '{first}' has no runs"):
            draw(name, shape)
        return
    figure, caption = draw(name, shape)
    assert "nan" not in caption
    for ax in figure.axes:
        assert blank.drawn(ax) or blank.said(ax)
        assert blank.drawn(ax) or not ax.get_legend()


@pytest.mark.parametrize(("name", "kind"), _pairs(FIGURES, list(FITS), 3))
def test_a_figure_stands_fits_without_estimates(name, kind):
    fits = FITS[kind](study("laptop").fits)
    if name == "censoring" and kind in ("pointless", "speechless"):
        with pytest.raises(RegrokError, match=r"figure censoring.*no points"):
            draw(name, fits=fits)
        return
    figure, caption = draw(name, fits=fits)
    assert "nan" not in caption
    assert all(blank.drawn(ax) or blank.said(ax) for ax in figure.axes)


def _read(name):
    """What may be missing of a table's material: the shapes and the kinds of fits, where it reads such."""
    parts = tables.reads(CONFIG.tables[name].build)
    return [
        *((shape, None) for shape in SHAPES if "frames" in parts),
        *((None, kind) for kind in FITS if "fits" in parts),
    ]


@pytest.mark.parametrize("name", [name for name in TABLES if _read(name)])
def test_a_table_of_any_shape_is_read_back_in_both_forms(name, tmp_path):
    made = study("laptop")
    tex, csv = tmp_path / "t.tex", tmp_path / "t.csv"
    for shape, kind in _read(name):
        fits = FITS[kind](made.fits) if kind else made.fits
        given = frames(shape)
        material = Material(given, fits, made.ledger, scope(made.config), published(made.config))
        # An entry of deviations, or evidence of a finding, may name what is not there.
        refused = {"deviations": shape == "empty", "findings": kind == "speechless"}
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            if refused.get(name):
                with pytest.raises(RegrokError, match=name):
                    tables.write_table(name, made.config.tables[name], material, tex, csv)
                continue
            tables.write_table(name, made.config.tables[name], material, tex, csv)
        assert read_table(tex.read_text(encoding="utf-8")).rows
        assert len(pd.read_csv(csv).columns)


def test_a_table_without_rows_says_so(tmp_path):
    made = study("laptop")
    fits = FITS["pointless"](made.fits)
    material = Material(frames("single"), fits, made.ledger, scope(made.config))
    for name in ("cells", "readings"):
        tex, csv = tmp_path / "t.tex", tmp_path / "t.csv"
        tables.write_table(name, made.config.tables[name], material, tex, csv)
        assert read_table(tex.read_text(encoding="utf-8")).rows == [f"<em>{EMPTY}</em>"]
        assert pd.read_csv(csv).empty


def test_a_sweep_outside_of_its_fit_s_range_says_so():
    """S2 with λ = [2, 5] alone, where the published range ends at 1."""
    made = load_config(ROOT / "config.yaml", {"scale": "smoke", "only": ["S2"]})
    given = synthetic.make_frames(made)
    decays = given.runs.weight_decay.map({0.5: 2.0, 1.0: 5.0})
    moved = SimpleNamespace(**{**vars(given), "runs": given.runs.assign(weight_decay=decays)})
    figure, caption = draw("weight_decay", given=moved)
    assert said(figure) == [r"no run with $\lambda$ from 0.1 to 1"]
    assert "(a) $T_{\\mathrm{grok}}$ against $1/\\lambda$: empty" in caption
    assert "from --" not in caption


def test_the_forecast_without_points_is_two_panels_that_say_so():
    """It warned of collapsed axes: the printed error stood outside of an axis from 0 to 1."""
    figure, _ = draw("forecast", fits=FITS["pointless"](study("laptop").fits))
    assert said(figure) == ["no run that groks has a forecast", "no forecast, no error"]
    assert not [text for text in figure.axes[1].texts if text.get_text() == "published"]


def test_the_printed_error_stays_on_the_axis_however_small_ours_are():
    fit = study("laptop").fits["forecast"]
    small = {
        key: {**e, "value": 0.01, "low": 0.005, "high": 0.02} for key, e in fit["estimates"].items()
    }
    figure, _ = draw("forecast", fits={"forecast": {**fit, "estimates": small}})
    printed = next(t for t in figure.axes[1].texts if t.get_text() == "published")
    assert printed.get_position()[0] <= figure.axes[1].get_xlim()[1]


def test_the_forecast_s_bars_do_not_hang_on_the_fit_s_name():
    fit = study("laptop").fits["forecast"]
    renamed = {k.replace("forecast.", "mine.", 1): e for k, e in fit["estimates"].items()}
    block = CONFIG.figures["forecast"].model_copy(update={"fits": ["mine"]})
    fits = {"mine": {**fit, "fit": "mine", "estimates": renamed}}
    figure, _, _ = drawing.draw("forecast", block, frames(None), fits)
    assert len(figure.axes[1].patches) == 4


def test_an_observable_that_was_not_measured_is_named_in_its_panel():
    words = said(draw("spectral", "bare")[0])
    assert words[0].endswith("\nwas not measured") and words[-1].startswith("no spectrum")


@pytest.mark.parametrize("frame", list(REQUIRED))
def test_a_column_that_every_run_has_is_missed_by_name(frame):
    given = frames(None)
    for column in REQUIRED[frame]:
        less = getattr(given, frame).drop(columns=column)
        broken = SimpleNamespace(**{**vars(given), frame: less})
        with pytest.raises(
            RegrokError, match=rf"anatomy: {frame}\.parquet has no column '{column}'"
        ):
            draw("anatomy", given=broken)


@pytest.mark.long
def test_figures_and_tables_need_no_other_column(tmp_path):
    given = frames(None)
    kept = {name: getattr(given, name)[list(columns)] for name, columns in REQUIRED.items()}
    lean = SimpleNamespace(**kept, spectra=given.spectra)
    made = study("laptop")
    one_of_each = {CONFIG.figures[name].draw: name for name in reversed(FIGURES)}
    assert set(one_of_each) <= set(figures.kinds())
    for name in one_of_each.values():
        draw(name, given=lean)
    material = Material(lean, made.fits, made.ledger, scope(made.config))
    for name in TABLES:
        tables.write_table(name, made.config.tables[name], material, tmp_path / "t", tmp_path / "c")
