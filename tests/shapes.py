"""Frames and fits with little or nothing in them, made of a study's planted ones."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

SEEDS = 2
"""Runs of a cell that are kept: the shapes do not need more."""

POINTS = 8
"""Every so many points of a curve are kept."""


def _frames(given, **changed):
    parts = {name: getattr(given, name) for name in ("runs", "curves", "experiments", "spectra")}
    return SimpleNamespace(**parts | changed)


def _times(runs):
    return [c for c in runs if c.startswith(("T_mem", "T_grok", "delay"))]


def thin(given):
    """A few runs of each cell of each experiment with a part of their curves: quicker to draw."""
    members = given.experiments.groupby(["experiment", "arm", "cell"]).head(SEEDS)
    runs = given.runs[given.runs.run_id.isin(members.run_id)]
    curves = given.curves[given.curves.run_id.isin(runs.run_id)].iloc[::POINTS]
    return _frames(given, runs=runs, curves=curves, experiments=members)


def single(given):
    """One run of each experiment."""
    members = given.experiments.groupby("experiment").head(1)
    runs = given.runs[given.runs.run_id.isin(members.run_id)]
    return _frames(given, runs=runs, experiments=members)


def equal(given):
    """Every run like every other."""
    runs = given.runs.assign(outcome="grokked", steps=2_000, delay=800.0)
    runs[[c for c in _times(runs) if c != "delay"]] = 800.0
    runs[[c for c in runs if c.startswith("T_grok")]] = 1_600.0
    runs[[c for c in runs if c.startswith(("V_", "rms_"))]] = 100.0
    for column in ("learning_rate", "weight_decay", "p", "init_scale", "train_size"):
        runs[column] = runs[column].iloc[0]
    level = given.curves.columns.difference(["run_id", "step"])
    return _frames(given, runs=runs, curves=given.curves.assign(**dict.fromkeys(level, 1.0)))


def censored(given):
    """No run groks."""
    runs = given.runs.assign(outcome="memorised only")
    runs[[c for c in runs if c.startswith(("T_grok", "delay"))]] = np.nan
    runs[["V_grok", "rms_grok"]] = np.nan
    return _frames(given, runs=runs)


def never(given):
    """No run memorises."""
    runs = censored(given).runs.assign(outcome="never memorised", V_mem=np.nan)
    runs[_times(runs)] = np.nan
    return _frames(given, runs=runs)


def diverged(given):
    """Every run ends without a finite norm."""
    runs = never(given).runs.assign(outcome="diverged", V_final=np.inf)
    return _frames(given, runs=runs, curves=given.curves.assign(V=np.inf, validation_loss=np.nan))


def zero(given):
    """Every measurement is 0, and so is λ."""
    runs = given.runs.assign(weight_decay=0.0, steps=0, wall_seconds=0.0, outcome="grokked")
    runs[[*_times(runs), *(c for c in runs if c.startswith(("V_", "rms_")))]] = 0.0
    level = given.curves.columns.difference(["run_id"])
    curves = given.curves.assign(**dict.fromkeys(level, 0.0))
    return _frames(given, runs=runs, curves=curves, spectra=given.spectra.assign(power=0.0))


def bare(given):
    """No observable was measured: their columns are absent, and so are spectra."""
    beyond = [c for c in given.curves if c.startswith(("fourier", "logit", "top5"))]
    return _frames(given, curves=given.curves.drop(columns=beyond), spectra=None)


def without_curves(given):
    """Runs whose curves and spectra are not there."""
    return _frames(given, curves=given.curves.iloc[:0], spectra=given.spectra.iloc[:0])


def empty(given):
    """Frames with their columns and no row."""
    parts = ("runs", "curves", "experiments", "spectra")
    return _frames(given, **{name: getattr(given, name).iloc[:0] for name in parts})


SHAPES = {
    shape.__name__: shape
    for shape in (single, equal, censored, never, diverged, zero, bare, without_curves, empty)
}


def null(fits):
    """Fits of which nothing could be estimated, their points as they were."""
    unknown = {"value": None, "low": None, "high": None, "n": 0, "reason": "planted"}
    return {
        name: {
            **fit,
            "estimates": {key: {**old, **unknown} for key, old in fit["estimates"].items()},
        }
        for name, fit in fits.items()
    }


def unknown(fits):
    """As `null`, and nothing is known of any point but whose it is."""
    return {
        name: {**fit, "points": [_unknown(point) for point in fit["points"]]}
        for name, fit in null(fits).items()
    }


def _unknown(point):
    """The point without its measurements: numbers that are not a count or what was planted."""
    kept = ("n", "seed", "planted")
    return {
        key: None if isinstance(value, float) and key not in kept else value
        for key, value in point.items()
    }


def pointless(fits):
    """Fits without estimates' values, points or cells."""
    return {name: {**fit, "points": [], "cells": []} for name, fit in null(fits).items()}


def speechless(fits):
    """Fits without a key."""
    return {name: {**fit, "estimates": {}} for name, fit in pointless(fits).items()}


FITS = {each.__name__: each for each in (null, unknown, pointless, speechless)}
