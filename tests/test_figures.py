"""Figures: drawn from what they are given, the same bytes each time, with n, interval and settings in the caption."""

from __future__ import annotations

import re
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from regrok import figures
from regrok.errors import RegrokError
from regrok.figures.parts import drawing
from regrok.figures.parts.captions import settings_sentence
from regrok.figures.parts.contrasts import by_group, forest
from regrok.figures.parts.shown import median_run, show
from regrok.figures.parts.style import (
    HALF_WIDTH,
    TEXT_WIDTH,
    Style,
    decades,
    log_scale,
    short_number,
)
from regrok.figures.parts.summaries import median, medians
from regrok.measures.events import NOT_VALIDATED
from studies import study

LAPTOP_FIGURES = (
    *("anatomy", "contraction", "weight_decay", "regimes", "modulus", "norm_ratio"),
    *("learning_rate", "spectral", "optimisers", "phase_diagram", "parity"),
    *("forecast", "censoring"),
    *("depth", "architecture", "activation", "decay_window", "norm_at_grok", "embedding"),
    *("ungrokking", "transition", "efficiency", "two_circuits", "ridge_regression"),
    *("needed_share", "kernel_drift", "penalties", "coefficient_history", "coefficient_growth"),
    *("criticality", "criticality_choices", "avalanches"),
    *("defect_onset", "early_warning", "overlay"),
    *("multiplication", "operations", "less_data", "data_conditions"),
)

BESIDE = (
    *("anatomy", "contraction", "weight_decay", "learning_rate", "modulus", "norm_ratio"),
    *("regimes", "forecast", "optimisers", "parity"),
)
"""Those that stand beside another."""


def drawn(made, name):
    return drawing.draw(name, made.config.figures[name], made.frames, made.fits)


@pytest.mark.parametrize("name", LAPTOP_FIGURES)
def test_every_figure_states_n_an_interval_and_its_settings(name):
    made = study("laptop")
    figure, caption, description = drawn(made, name)
    width = figure.get_size_inches()[0]
    assert width == pytest.approx(HALF_WIDTH if name in BESIDE else TEXT_WIDTH)
    computed = not made.config.figures[name].experiments and not made.config.figures[name].fits
    if computed:
        assert "no run enters this figure" in caption
    else:
        assert re.search(r"\$n=[\d{},]+\$", caption), caption
        assert "interval" in caption or "whole sample" in caption
    assert caption.count("{") == caption.count("}")
    assert description.endswith(".")
    if made.config.figures[name].experiments:
        assert "batch" in caption
        assert "logged every" in caption


def test_every_configured_figure_is_drawn_at_laptop_scale():
    assert set(figures.drawable(study("laptop").config)) == set(LAPTOP_FIGURES)


@pytest.mark.parametrize("name", ["weight_decay", "optimisers"])
def test_the_same_input_gives_the_same_bytes(name, tmp_path):
    made = study("smoke")
    for folder in ("one", "two"):
        paths = [tmp_path / folder / f"{name}.{kind}" for kind in ("pdf", "png", "tex")]
        drawing.write_figure(name, made.config.figures[name], made.frames, made.fits, *paths)
    for kind in ("pdf", "png", "tex"):
        one, two = (
            (tmp_path / folder / f"{name}.{kind}").read_bytes() for folder in ("one", "two")
        )
        assert one == two
        assert one


def test_a_figure_without_runs_is_not_drawable_and_refuses_to_be_drawn():
    made = study("smoke")
    assert "learning_rate" not in figures.drawable(made.config)
    with pytest.raises(RegrokError, match=r"learning_rate.*S5A.*no runs"):
        drawn(made, "learning_rate")


def test_an_unknown_kind_names_the_nearest():
    entry = SimpleNamespace(draw="weight_decai", experiments=[], fits=[], options={})
    with pytest.raises(RegrokError, match="'weight_decay'"):
        drawing.draw("x", entry, study("smoke").frames, {})


def test_the_caption_takes_settings_from_the_runs():
    runs = study("smoke").frames.runs
    runs = runs[runs.task.eq("modular") & runs.optimiser.eq("adamw")].assign(log_every=7, p=113)
    words = settings_sentence(runs)
    assert "logged every 7 steps" in words
    assert "$p={}$113" in words


def test_the_line_drawn_is_the_line_of_the_fit():
    made = study("laptop")
    figure, _, _ = drawn(made, "weight_decay")
    line = next(line for line in figure.axes[0].lines if len(line.get_xdata()) == 2)
    (x0, x1), (y0, y1) = line.get_xdata(), line.get_ydata()
    found = made.fits["weight_decay"]["estimates"]
    assert (y1 - y0) / (x1 - x0) == pytest.approx(found["weight_decay.T_grok.slope"]["value"])
    assert y0 == pytest.approx(found["weight_decay.T_grok.intercept"]["value"])


def test_study_twos_ratios_are_those_of_the_fits():
    made = study("laptop")
    figure, _, _ = drawn(made, "architecture")
    ratios = figure.axes[3]
    value = made.fits["architecture"]["estimates"]["architecture.transformer_over_mlp.delay_ratio"]
    assert len(ratios.get_yticklabels()) == 6
    # The first line stands on top: published settings, means over the runs that grok.
    top = max(ratios.lines, key=lambda line: line.get_ydata()[0])
    assert top.get_xdata()[0] == pytest.approx(value["value"])


def test_runs_that_do_not_grok_stay_in_sight_at_the_end_of_their_budget():
    runs = study("laptop").frames.of("B1").runs.head(3).assign(seed=[0, 1, 2])
    runs["T_grok"], runs["delay"] = np.nan, np.nan
    runs["T_mem"] = [300.0, 300.0, np.nan]
    style = Style()
    with style.context():
        _, (ax,) = style.panels(1, 1, 2)
        by_group(ax, {"all": runs}, ["C0"])
    heights = [y for group in ax.collections for _, y in group.get_offsets()]
    assert sorted(heights) == sorted([*(runs.steps - 300)[:2], runs.max_steps.iloc[2]])
    assert "0/3" in [text.get_text() for text in ax.texts]


def test_a_bound_is_drawn_as_an_arrow_and_a_missing_ratio_says_so():
    bound = {"value": 5.0, "low": 3.0, "high": None}
    style = Style()
    with style.context():
        _, (ax,) = style.panels(1, 1, 2)
        forest(ax, [("bound", bound), ("none", {"value": None})], "ratio")
    assert len([text for text in ax.texts if getattr(text, "arrowprops", None)]) == 1
    assert "no estimate" in [text.get_text() for text in ax.texts]


def labels_leave_room(ax):
    """Whether no two labels of the x axis touch."""
    left, right = sorted(ax.get_xlim())
    ticks = [*ax.xaxis.get_major_ticks(), *ax.xaxis.get_minor_ticks()]
    boxes = sorted(
        (box.x0, box.x1)
        for tick in ticks
        if left <= tick.get_loc() <= right and tick.label1.get_text()
        for box in [tick.label1.get_window_extent()]
    )
    return all(start > end for (_, end), (start, _) in pairwise(boxes))


def test_tick_labels_leave_room_for_each_other():
    """The published grids have p = 97 beside 101 and eight λ; abundant data alone one number of examples."""
    made = study("laptop")
    runs, members = made.frames.runs.copy(), made.frames.experiments
    moduli = made.config.experiments["S3"].grid["task.p"]
    arms = made.config.experiments["S2"].arms
    decays = [value for arm in arms for value in arm.grid["optimiser.weight_decay"]]
    for experiment, column, values in (("S3", "p", moduli), ("S2", "weight_decay", decays)):
        swept = runs.run_id.isin(members.run_id[members.experiment == experiment])
        runs.loc[swept, column] = [values[i % len(values)] for i in range(swept.sum())]
    without = members[members.experiment != "parity_scarce"]
    shapes = {"modulus": members, "regimes": members, "parity": without}
    for name, experiments in shapes.items():
        frames = SimpleNamespace(**{**vars(made.frames), "runs": runs, "experiments": experiments})
        figure, _, _ = drawing.draw(name, made.config.figures[name], frames, {})
        assert any(label.get_text() for label in figure.axes[0].get_xticklabels())
        figure.canvas.draw()
        for ax in figure.axes:
            assert labels_leave_room(ax), f"{name}: labels touch on {ax.get_xlabel()}"


def test_a_wide_log_axis_is_labelled_at_powers_of_ten_alone():
    """The paper scale's delays span 200 to 200,000 steps, where labels at 2 and 5 lay on each other."""
    style = Style()
    for ends, least in (((200, 200_000), 2), ((300, 3_000), 3)):
        with style.context():
            figure, (ax, _) = style.panels(1, 2, 2)
            ax.scatter(ends, ends)
            log_scale(ax, "x")
            decades(ax, "x")
            figure.canvas.draw()
        left, right = ax.get_xlim()
        labelled = [
            label
            for place, label in zip(ax.get_xticks(), ax.get_xticklabels(), strict=True)
            if left <= place <= right and label.get_text()
        ]
        assert len(labelled) >= least
        assert labels_leave_room(ax), ends


def test_the_legend_of_accuracy_curves_leaves_the_panels_letter_free():
    made = study("laptop")
    entry = made.config.figures["weight_decay"].model_copy(update={"options": {}})
    figure, _, _ = drawing.draw("weight_decay", entry, made.frames, {})
    figure.canvas.draw()
    (ax,) = [ax for ax in figure.axes if ax.get_ylabel() == "accuracy"]
    letter = ax.title if ax.get_title() else ax._left_title
    assert ax.get_legend().get_window_extent().x0 > letter.get_window_extent().x1


def test_nobody_groks_and_the_sweep_is_still_drawn():
    made = study("smoke")
    runs = made.frames.runs.copy()
    gone = [c for c in runs if c.startswith(("T_grok", "delay"))]
    runs[gone] = np.nan
    runs["outcome"] = "memorised only"
    frames = SimpleNamespace(
        runs=runs,
        curves=made.frames.curves,
        experiments=made.frames.experiments,
        spectra=made.frames.spectra,
    )
    for name in ("anatomy", "contraction", "weight_decay", "regimes", "modulus", "optimisers"):
        _, caption, _ = drawing.draw(name, made.config.figures[name], frames, {})
        assert " 0 grokked" in caption


def test_a_censored_run_counts_as_late_not_as_absent():
    runs = pd.DataFrame(
        {"p": 1, "T_grok": [1.0, 2.0, np.nan], "steps": 9, "V_mem": [1.0, 3.0, np.nan]}
    )
    assert median(runs, "T_grok")[0] == 2
    assert median(runs.assign(T_grok=[1.0, np.nan, np.nan]), "T_grok") == (np.inf, np.inf, np.inf)
    assert medians(runs, "p", "T_grok")["median"].item() == 2
    assert medians(runs, "p", "T_grok")["n"].item() == 3
    # V is no time: what is not known is left out.
    assert medians(runs, "p", "V_mem")["n"].item() == 2


def test_a_run_that_never_memorised_has_no_delay():
    runs = pd.DataFrame({"T_mem": [1.0, 1.0, np.nan], "T_grok": [5.0, np.nan, np.nan], "steps": 9})
    assert median(runs.iloc[[0, 2]], "delay")[0] == 4
    assert median(runs, "delay")[0] == 4  # of one known and one longer
    assert not np.isfinite(median(runs.iloc[[2]], "delay")[0])


def test_figures_and_tables_show_one_interval_for_a_median():
    made = study("laptop")
    cells = {cell["cell"]: cell for cell in made.fits["cells"]["cells"]}
    asked = made.frames.runs[made.frames.runs["outcome"] != NOT_VALIDATED]
    for cell, runs in asked.groupby("cell"):
        for column in ("T_mem", "T_grok", "delay"):
            tabulated = cells[cell][column]
            if tabulated["value"] is not None:
                low, high = tabulated["low"], tabulated["high"]
                told = (
                    np.nan if low is None else low,
                    np.nan if "reason" in tabulated else np.inf if high is None else high,
                )
                drawn = median(runs, column)
                np.testing.assert_equal(drawn, (tabulated["value"], *told))


def test_the_median_run_is_chosen_by_rule():
    runs = pd.DataFrame({"run_id": list("dcba"), "delay": [4.0, 3.0, 2.0, np.nan]})
    assert median_run(runs).run_id == "c"
    assert median_run(runs.assign(delay=np.nan)) is None


def test_a_figure_sees_only_its_experiments():
    made = study("smoke")
    shown = show(made.frames, ["S2"])
    assert shown.of(1).empty
    expected = made.frames.experiments.query("experiment == 'S2'").run_id
    assert set(shown.together().run_id) == set(expected)


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.3, "0.3"), (1e-3, "$10^{-3}$"), (5e-4, "$5{\\times}10^{-4}$"), (20_000, "20000"), (0, "0")],
)
def test_tick_words(value, words):
    assert short_number(value) == words
