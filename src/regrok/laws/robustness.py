"""The fits again under other readings of the same runs; `regrok.judging.ledger` judges every claim on each.

Not a law of its own: it reads the other fits.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from regrok.errors import RegrokError
from regrok.laws import law, run_fit
from regrok.laws.parts import estimate as est
from regrok.laws.parts.variants import VARIANTS, read_as
from regrok.runs.frames import Frames
from regrok.study.defaults import option

PUBLISHED = ("log_every",)
DEFAULTS: dict[str, Any] = {"fits": [], "replicates": 400}
REFERS: dict[str, Any] = {"fits": "fits"}
LIGHTER: dict[str, dict[str, Any]] = {
    "scaling": {"survival": False},
    "survival": {"families": ["weibull"]},
    "spectral": {"robust_replicates": 50},
    "forecast": {"refits": 400},
}
"""Options that a claim does not need and that take most of the time."""


def fit_variants(
    frames: Frames,
    fits: Mapping[str, Any],
    options: dict[str, Any],
    published: Mapping[str, Any],
) -> est.Result:
    """{"estimates": {}, "points": [], "cells": [], "variants": {variant: {estimate key: estimate}}}.

    options: fits (names of the fits to repeat), replicates (of their bootstraps). published: experiment → log_every,
    the steps between two published logs, and what else the repeated laws read of its cells; a fit of no experiment
    that has a log_every is not repeated on that grid. Raises RegrokError for a fit that no study holds.
    """
    settings = option(options, DEFAULTS)
    if missing := [name for name in settings["fits"] if name not in fits]:
        raise RegrokError(f"options.fits: there is no fit '{missing[0]}'; fits: {', '.join(fits)}")
    variants: dict[str, dict[str, Any]] = {}
    grids = {name: each["log_every"] for name, each in published.items() if each.get("log_every")}
    for label, variant in VARIANTS.items():
        read = read_as(frames, variant)
        variants[label] = {}
        for name in settings["fits"]:
            entry = fits[name]
            if variant.grid == "published":
                # A run that serves two experiments has the grid of the one that this fit is about.
                own = {e: grids[e] for e in entry.experiments if e in grids}
                if not own:
                    continue
                read = read_as(frames, variant, own)
            lighter = {**entry.options, **LIGHTER.get(entry.law, {})}
            if "replicates" in law(entry.law).DEFAULTS:
                lighter["replicates"] = settings["replicates"]
            repeated = SimpleNamespace(
                law=entry.law,
                experiments=entry.experiments,
                options=lighter,
                probes=getattr(entry, "probes", []),
            )
            told = {e: published[e] for e in entry.experiments if e in published}
            made = run_fit(name, repeated, read, published=told)
            variants[label] |= made["estimates"]
    return {"estimates": {}, "points": [], "cells": [], "variants": variants}
