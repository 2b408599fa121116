"""Our runs against the authors' own runs, cell by cell: the same quantity, the same logging grid, two samples.

A claim of a paper may fail because its runs do not say it, or because ours are other runs. Only the second is a failure
to replicate, and it is asked here without the paper's sentences: our runs are read on the published grid, and each mean
is laid against the released mean, standard deviation and count by Welch's test on the log of the ratio. A cell in which
a run of either side did not finish has a share to compare, by Fisher's exact test, and no times.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from regrok.laws import scaling
from regrok.laws.parts import estimate as est
from regrok.laws.parts import two_samples as two
from regrok.laws.parts import variation
from regrok.laws.parts.cell_tests import QUANTITIES, SHARES, Cell, Test, compare_cell
from regrok.laws.parts.grid import on_grid
from regrok.laws.parts.selection import curve_of, of_experiments, within
from regrok.runs.frames import Frames
from regrok.study.defaults import option

PUBLISHED = ("log_every", "rows", "statistics")
DEFAULTS: dict[str, Any] = {"compare": [], "lines": {}, "replicates": 2000}
REFERS: dict[str, Any] = {"compare": "experiments"}
ESTIMATES: dict[str, list[str]] = {
    "": ["released_runs"],
    "compare": [
        "cells",
        "unfinished",
        "tests",
        "below",
        "rejected",
        "smallest_p",
        "worst_ratio",
        "T_mem.ratio",
        "T_grok.ratio",
        "delay.ratio",
        "V_mem.ratio",
        "V_final.ratio",
        "rate_loss.ratio",
    ],
    "lines": [
        "T_grok.slope",
        "T_grok.exponent",
        "T_grok.pearson",
        "T_grok.slope_ratio",
        "T_grok.exponent_difference",
        "T_grok.pearson_difference",
        "T_grok.variation",
        "T_grok.variation_ratio",
        "delay.slope",
        "delay.exponent",
        "delay.pearson",
        "delay.slope_ratio",
        "delay.exponent_difference",
        "delay.pearson_difference",
        "delay.variation",
        "delay.variation_ratio",
    ],
}

STATISTICS = {"slope": "ratio", "exponent": "difference", "pearson": "difference"}
"""Statistic of a line → how two of it are compared."""

RATIO = "ratio of means, Welch's interval on the log by the delta method"
POOLED = "ratio over cells weighted by runs, delta method with Satterthwaite's degrees of freedom"


def compared(
    frames: Frames, experiment: str, published: Mapping[str, Any]
) -> tuple[list[Cell], pd.DataFrame]:
    """The cells of an experiment that both sides have, and our runs of them on the published grid."""
    grid = published.get("log_every")
    own = of_experiments(frames.runs, frames.experiments, [experiment])
    members = frames.experiments[frames.experiments["experiment"] == experiment]
    read = Frames(own, frames.curves, members, frames.spectra)
    if grid is not None:
        read = on_grid(read, {experiment: grid})
    curves = curve_of(frames.curves)
    cells, kept = [], [read.runs.iloc[:0]]
    for row in published["rows"]:
        matching = within(read.runs, row["match"])
        # What is published of a cell beyond its number of runs is what there is to compare.
        if len(matching) and {*SHARES, *QUANTITIES} & row.keys():
            cells.append(compare_cell(matching, row, curves, grid or 1))
            kept.append(matching)
    return cells, pd.concat(kept).drop_duplicates("run_id")


def pooled_ratio(cells: Iterable[Cell], quantity: str) -> est.Estimate:
    """Ours over theirs, over the cells in which the quantity is compared and both means are positive."""
    found = [(c, t) for c in cells for t in c.tests if t.quantity == quantity]
    if not found:
        return est.missing("no cell in which all runs of both sides have it", 0, POOLED)
    n = sum(c.runs for c, _ in found)
    contrasts = [t.contrast for _, t in found if t.contrast is not None]
    if len(contrasts) < len(found):
        return est.missing("a mean that is not positive has no ratio", n, POOLED)
    weights = [1 / (1 / c.runs + 1 / c.released_runs) for c, _ in found]
    note = f"{len(found)} {'cell' if len(found) == 1 else 'cells'}, {n} of our runs"
    return two.ratio_of(
        two.pooled(contrasts, weights), n, POOLED if len(found) > 1 else RATIO, note
    )


def named(cell: Cell, test: Test) -> str:
    """A test in words: the quantity, and the settings that papers vary."""
    signs = {"p": "p", "n": "n", "learning_rate": "η", "weight_decay": "λ"}
    words = [f"{s} = {cell.settings[c]:g}" for c, s in signs.items() if c in cell.settings]
    return f"{test.quantity} at {', '.join(words)}"


def summary(cells: list[Cell]) -> dict[str, est.Estimate]:
    """Counts over an experiment's cells, its pooled ratios, and the cell that lies furthest off; see `fit`."""
    n = sum(c.runs for c in cells)
    listed = [(c, t) for c in cells for t in c.tests]
    ratios = {f"{q}.ratio": pooled_ratio(cells, q) for q in QUANTITIES}
    counts = ("cells", "unfinished", "tests", "below", "rejected", "smallest_p", "worst_ratio")
    if not listed:
        nothing = est.missing("no cell that both sides have run", n)
        return dict.fromkeys(counts, nothing) | ratios
    p = [t.p for _, t in listed]
    adjusted = two.holm(p)
    least = int(np.argmin(p))
    where = f"smallest p: {p[least]:.2g}, {named(*listed[least])}"

    def count(value: float, unit: str = "count", note: str = "") -> est.Estimate:
        return est.exact(value, n, "counted", unit, note)

    found = {
        "cells": count(len(cells)),
        "unfinished": count(sum(c.unfinished for c in cells), note="their times are not compared"),
        "tests": count(len(listed)),
        "below": count(sum(each < 1 - est.LEVEL for each in p)),
        "rejected": count(sum(each < 1 - est.LEVEL for each in adjusted), note=where),
        "smallest_p": count(adjusted[least], "", f"Holm's; {where}"),
    }
    means = [(c, t, t.contrast) for c, t in listed if t.contrast is not None]
    if means:
        cell, test, contrast = min(means, key=lambda each: each[1].p)
        found["worst_ratio"] = two.ratio_of(contrast, cell.runs, RATIO, named(cell, test))
    else:
        found["worst_ratio"] = est.missing("no mean is compared", n, RATIO)
    return found | ratios


def lines(
    runs: pd.DataFrame,
    frames: Frames,
    line: Mapping[str, Any],
    published: Mapping[str, Any],
    replicates: int,
    seed: int,
) -> dict[str, est.Estimate]:
    """Slopes, exponents and correlations of a law of one factor, ours against those of the released runs.

    runs: ours on the published grid, in cells that the authors ran. Missing unless every cell that the released number
    rests on is here: a line over other cells is another number.
    """
    keys = [f"{response}.{s}" for response in scaling.RESPONSES for s in STATISTICS]
    reported: Mapping[str, Any] = published["statistics"]
    matches = pd.DataFrame([row["match"] for row in published["rows"] if row.get("grokked")])
    needed = within(matches, line.get("within") if len(matches) else {}).to_dict("records")
    reason = None if needed else "no published cells are at hand"
    if absent := [match for match in needed if within(runs, match).empty]:
        reason = f"{len(absent)} of {len(needed)} cells of the released line were not run here"
    fitted: dict[str, est.Estimate] = {}
    if reason is None:
        members = frames.experiments[frames.experiments["run_id"].isin(runs["run_id"])]
        options = {**line, "replicates": replicates, "survival": False}
        # Both sides are rounded to one grid alike, so that it opens no room between them.
        exact = runs.assign(T_mem_previous=runs["T_mem"], T_grok_previous=runs["T_grok"])
        read = Frames(exact, frames.curves, members, frames.spectra)
        fitted = scaling.fit(read, options, seed)["estimates"]
    found: dict[str, est.Estimate] = {}
    for key in keys:
        how = STATISTICS[key.partition(".")[2]]
        name = f"{key}_{how}"
        if reason is not None or key not in reported:
            nothing = est.missing(reason or "not computed from the released runs")
            found |= {key: nothing, name: nothing}
        else:
            given = reported[key]
            low, high = given["low"], given["high"]
            theirs = est.estimate(given["value"], low, high, given["n"], given["where"])
            found[key] = fitted[key].noting("on the published grid")
            found[name] = two.of_two_estimates(fitted[key], theirs, how == "ratio")
    released = within(
        pd.DataFrame([{**row["match"], **row} for row in published["rows"] if row.get("grokked")]),
        line.get("within") if needed else {},
    )
    for response in scaling.RESPONSES:
        nothing = est.missing(reason or "not a factor that a time is inverse in")
        ours = variations = nothing
        if reason is None and line["factor"] in scaling.INVERSE:
            ours = fitted[f"{response}.product_cv_population"].noting("on the published grid")
            theirs = released_variation(released, response, line["factor"], replicates, seed)
            variations = two.of_two_estimates(ours, theirs, True)
        found |= {f"{response}.variation": ours, f"{response}.variation_ratio": variations}
    return found


def released_variation(
    cells: pd.DataFrame, response: str, factor: str, replicates: int, seed: int
) -> est.Estimate:
    """The coefficient of variation of time and factor over the released cells, from their means and spreads."""
    if f"{response}_sd" not in cells or cells[f"{response}_sd"].isna().any():
        return est.missing("a released cell without a spread", len(cells), variation.ESTIMATOR)
    scale = scaling.INVERSE[factor](cells).to_numpy(float)
    mean, sd = (cells[c].to_numpy(float) * scale for c in (response, f"{response}_sd"))
    if (mean <= 0).any():
        return est.missing("a mean that is not positive", len(cells), variation.ESTIMATOR)
    runs = cells["grokked"].to_numpy(int)
    return variation.population(variation.Cells.published(runs, mean, sd), replicates, seed)


def records(experiment: str, cells: list[Cell]) -> list[dict[str, Any]]:
    """One record per cell and test, for tables."""
    adjusted = iter(two.holm([t.p for c in cells for t in c.tests]))
    made = []
    for cell in cells:
        common = {"experiment": experiment, **cell.settings}
        common |= {"runs": cell.runs, "released_runs": cell.released_runs}
        common |= {"grokked": cell.grokked[0], "released_grokked": cell.grokked[1]}
        for test in cell.tests:
            record: dict[str, Any] = {**common, "quantity": test.quantity}
            for side, shown in (("ours", test.ours), ("released", test.theirs)):
                if isinstance(shown, two.Sample):
                    record |= {f"{side}_mean": shown.mean, f"{side}_sd": shown.sd}
                else:
                    record |= {f"{side}_count": shown[0]}
            if test.contrast is not None:
                record["ratio"] = two.ratio_of(test.contrast, cell.runs, RATIO)
            elif test.difference is not None:
                d = test.difference
                low, high = d.value - d.half, d.value + d.half
                how = "difference of means, Welch"
                record["difference"] = est.estimate(d.value, low, high, cell.runs, how)
            made.append(record | {"p_value": test.p, "p_holm": next(adjusted)})
    return made


def fit(
    frames: Frames,
    options: dict[str, Any],
    seed: int,
    published: Mapping[str, Mapping[str, Any]],
) -> est.Result:
    """Our runs against the released ones.

    options: compare (experiments), lines (experiment → options of law `scaling`: factor, within), replicates.
    published: experiment → its published cells (regrok.study.published.Cells.plain).

    Estimates: released_runs (all that are published, counted). Per experiment of `compare`: cells (that both sides
    have), unfinished (of them, those without a comparison of times), tests, below (p < .05), rejected (after Holm's
    correction over the experiment), smallest_p (Holm's), worst_ratio (of the mean with the smallest p), and
    <quantity>.ratio, ours over released, pooled over cells, for T_mem, T_grok, delay, V_mem, V_final and
    rate_loss = 1 − r. Per experiment of `lines`, where the released runs have the number: T_grok and delay
    .slope_ratio, .exponent_difference and .pearson_difference, and .slope, .exponent and .pearson of our own on the
    published grid; and where the time is inverse in the factor, .variation of their product (standard deviation over
    mean, with seeds without end) and .variation_ratio, ours over that of the released cells. Cells: one record per cell
    and test.
    """
    settings = option(options, DEFAULTS)
    released = sum(int(row["runs"]) for each in published.values() for row in each["rows"])
    estimates = {
        "released_runs": est.exact(released, released, "counted", "count")
        if released
        else est.missing("no published cells are at hand")
    }
    shown: list[dict[str, Any]] = []
    for experiment in settings["compare"]:
        theirs = published.get(experiment, {"rows": [], "statistics": {}})
        cells, runs = compared(frames, experiment, theirs)
        found = summary(cells)
        if experiment in settings["lines"]:
            line = settings["lines"][experiment]
            found |= lines(runs, frames, line, theirs, settings["replicates"], seed)
        estimates |= {f"{experiment}.{key}": value for key, value in found.items()}
        shown += records(experiment, cells)
    return {"estimates": estimates, "points": [], "cells": shown}
