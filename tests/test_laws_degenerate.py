"""Every law on frames that tell nothing: a result that is JSON, with reasons, or an error of ours; never a traceback.

Public reports of this kind: lifelines#1151 and therneau/survival#234 (degenerate times), PyPSA-Eur and showyourwork
threads in which an empty selection ends in a traceback of the plotting library.
"""

from __future__ import annotations

import functools
import json
import math
import warnings
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from planted import exponential_curve, make_run, members
from regrok.errors import RegrokError
from regrok.laws import laws, run_fit
from regrok.runs.frames import Frames

GROUPS = {
    "slow": {"within": {"weight_decay": 0.5}},
    "fast": {"within": {"weight_decay": 1.0}},
}
RATIO = {"slow_over_fast": ["slow", "fast"]}
TWINS = {
    name: {"within": {**group["within"], "learning_rate": 1e-3, "activation": "relu"}}
    for name, group in GROUPS.items()
}
"""Groups of one run a seed and size."""
DRAWS = {"replicates": 20}
OPTIONS: dict[str, dict[str, Any]] = {
    "cells": {},
    "censoring_bias": {"runs_per_cell": 2, "censored": [0.0, 0.5]},
    "collapse": {},
    "comparison": {"groups": GROUPS, "ratios": RATIO, **DRAWS},
    "constancy": {"factor": "weight_decay", **DRAWS},
    "contraction": {},
    "data_growth": {"groups": GROUPS, "zones": {"zone": [40, 60]}},
    "efficiency": {"groups": GROUPS, "ratios": RATIO, "generalised": ["fast"]},
    "embedding": {"groups": GROUPS},
    "escape": DRAWS,
    "factorial": {
        "factors": ["weight_decay", "learning_rate"],
        "interactions": [["weight_decay", "learning_rate"]],
        "groups": GROUPS,
        "ratios": RATIO,
        "replicates": 3,
    },
    "forecast": {"features": ["log_weight_decay"], **DRAWS},
    "interaction": {"factor": "activation", "reference": "gelu", "replicates": 3},
    "lasting": {"groups": GROUPS},
    "lateness": {"groups": GROUPS},
    "norm_at_grok": {"groups": GROUPS, "ratios": RATIO, **DRAWS},
    "avalanches": {"groups": GROUPS, "ratios": RATIO, **DRAWS},
    "early_warning": {
        "warned": ["S"],
        "silent": ["S"],
        "signals": ["norm", "validation_loss", "waiting", "delay_forecast"],
        "every": 100,
        "replicates": 50,
    },
    "onset": {"groups": GROUPS, "ratios": RATIO, **DRAWS},
    "operations": {"groups": GROUPS},
    "optimisers": {"groups": GROUPS},
    "parity": {"groups": GROUPS},
    "plateau": {"groups": GROUPS},
    "printed": {"groups": GROUPS, "ratios": RATIO},
    "reach": {
        "factor": "weight_decay",
        "groups": GROUPS,
        "ratios": RATIO,
        "lesser": ["slow"],
        "greater": ["fast"],
        **DRAWS,
    },
    "recovery": {"groups": GROUPS},
    "regimes": {"regimes": {"one": [0.1, 0.6]}, "winners": [0.5, 3.0], **DRAWS},
    "replication": {"compare": ["S"], **DRAWS},
    "robustness": {"fits": ["scaling"], **DRAWS},
    "scaling": {"factor": "weight_decay", **DRAWS},
    "search": {
        "architectures": {k: {"search": v, "report": v} for k, v in GROUPS.items()},
        "ratios": RATIO,
        **DRAWS,
    },
    "shrinkage": {"groups": GROUPS},
    "signs": {"groups": GROUPS},
    "slingshots": DRAWS,
    "spectral": {"robust_replicates": 3, **DRAWS},
    "summary": {"published": ["S"]},
    "survival": {},
    "transition": {"groups": TWINS, "ratios": RATIO},
    "trend": {"factor": "weight_decay", "columns": ["V_mem"]},
}
TIMES = [
    f"{event}{rest}"
    for event in ("T_mem", "T_grok")
    for rest in (
        "",
        *(
            f"_{q}{end}"
            for q in (90, 95, 99)
            for end in ("", "_previous", "_sustained", "_sustained_previous")
        ),
    )
]
NORMS = ["V_mem", "V_grok", "V_final", "rms_0", "rms_grok"]


@functools.cache
def planted() -> Frames:
    """Two λ, two η, two activations, two seeds, with curves and spectra; times follow 1/λ and differ by seed."""
    rows = [
        make_run(
            seed=seed,
            delay=25 * round(20 / decay) + 50 * seed,
            weight_decay=decay,
            learning_rate=eta,
            activation=activation,
            V_mem=3000.0 + 10 * seed,
            rms_0=0.2,
            validation_size=100,
        )
        for decay in (0.5, 1.0)
        for eta in (1e-3, 2e-3)
        for activation in ("gelu", "relu")
        for seed in range(2)
    ]
    for row in rows:
        # The name of a cell in `planted` does not hold the activation.
        row["cell"] += row["activation"]
        row["run_id"] = f"{row['cell']}-{row['seed']}"
    runs = pd.DataFrame(rows)
    curves, spectra = [], []
    for row in rows:
        curve = exponential_curve(row["run_id"], 2000.0, 0.999, 300.0, 800, 5000, every=100)
        scores = {"validation_accuracy": 0.5, "validation_examples": 100, "train_accuracy": 1.0}
        scores |= {"train_loss": 0.01, "train_examples": row["train_size"]}
        curves.append(curve.assign(**scores, top5_share=0.4))
        for kind in ("fourier_low", "fourier_high", "embedding_spectrum"):
            for step in (0, 300, 4500):
                power = np.array([0.1, 1.0 + step, 0.2, 0.1])
                part = {"run_id": row["run_id"], "step": step, "kind": kind, "index": range(4)}
                spectra.append(pd.DataFrame(part | {"power": power}))
    return Frames(
        runs,
        pd.concat(curves, ignore_index=True),
        members(runs),
        pd.concat(spectra, ignore_index=True),
    )


def only(frames: Frames, keep: pd.Series) -> Frames:
    ids = frames.runs.loc[keep, "run_id"]
    return Frames(
        *(
            frame[frame["run_id"].isin(ids)].reset_index(drop=True)
            for frame in (frames.runs, frames.curves, frames.experiments, frames.spectra)
        )
    )


def with_runs(frames: Frames, **columns: Any) -> Frames:
    return replace(frames, runs=frames.runs.assign(**columns))


PRINTED = [{"match": {"weight_decay": 0.5}, "runs": 5, "delay": 500.0, "delay_sd": 100.0}]
PRINTED += [{"match": {"weight_decay": 1.0}, "runs": 1, "delay": 500.0}]


def equal(frames: Frames) -> Frames:
    """Every run the same times and norms, within one logging step."""
    times = {c: (1000.0 if "grok" in c else 500.0) - 25 * c.endswith("previous") for c in TIMES}
    made = with_runs(frames, **times, **dict.fromkeys(NORMS, 2.0), delay=500.0, outcome="grokked")
    return with_runs(made, V_mem=4.0, steps=3000)


def censored(frames: Frames) -> Frames:
    """Every run memorised, none grokked."""
    never = {c: math.nan for c in [*TIMES, "delay", "V_grok", "rms_grok"] if "mem" not in c}
    return with_runs(frames, **never, outcome="memorised only", steps=4000)


def never(frames: Frames) -> Frames:
    """No run even memorised."""
    nothing = dict.fromkeys([*TIMES, "delay", "V_mem", "V_grok", "rms_grok"], math.nan)
    return with_runs(frames, **nothing, outcome="never memorised", steps=4000)


def zero(frames: Frames) -> Frames:
    """Times, norms and power all 0, as of a network that was done before its first step."""
    made = with_runs(frames, **dict.fromkeys([*TIMES, *NORMS, "delay", "steps"], 0.0))
    return replace(
        made, curves=frames.curves.assign(V=0.0), spectra=frames.spectra.assign(power=0.0)
    )


def unknown(frames: Frames) -> Frames:
    """Every measured column NaN."""
    names = [*TIMES, *NORMS, "delay", "train_accuracy_max", "validation_accuracy_max"]
    curves = {c: math.nan for c in frames.curves if c not in ("run_id", "step")}
    return replace(
        with_runs(frames, **dict.fromkeys(names, math.nan)),
        curves=frames.curves.assign(**curves),
        spectra=frames.spectra.assign(power=math.nan),
    )


def reversed_(frames: Frames) -> Frames:
    """Every run generalised before it memorised: no delay has a logarithm."""
    T_mem = frames.runs["T_grok"] + 5000
    later = {c: T_mem - 25 * c.endswith("previous") for c in TIMES if "mem" in c}
    return with_runs(frames, **later, delay=-5000.0)


def unlogged(frames: Frames) -> Frames:
    """The evaluation before a crossing is not known, nor any curve or spectrum."""
    nothing = pd.DataFrame({"run_id": []})
    made = with_runs(frames, **{c: math.nan for c in TIMES if c.endswith("previous")})
    return replace(made, curves=nothing, spectra=nothing)


KINDS = {
    "empty": lambda f: only(f, f.runs["seed"] < 0),
    "single": lambda f: only(f, f.runs.index == 0),
    "one a cell": lambda f: only(f, f.runs["seed"] == 0),
    "equal": equal,
    "censored": censored,
    "never memorised": never,
    "zero": zero,
    "unknown": unknown,
    "reversed": reversed_,
    "unlogged": unlogged,
    "no decay": lambda f: with_runs(f, weight_decay=0.0),
}
SURE = ("count", "planted", "largest", "least ", "value of least", "edge of")
"""Estimators that may be certain: counts, what a simulation planted, and choices among values tried."""


def faults(value: Any, path: str = "") -> list[str]:
    """What of a fit's JSON breaks the promise: no reason, a value outside its interval, a sure measurement."""
    if isinstance(value, list):
        return [fault for i, each in enumerate(value) for fault in faults(each, f"{path}[{i}]")]
    if not isinstance(value, dict):
        return []
    if not {"value", "low", "high", "estimator"} <= set(value):
        return [fault for key, each in value.items() for fault in faults(each, f"{path}.{key}")]
    number, low, high = value["value"], value["low"], value["high"]
    if number is None:
        return [] if value.get("reason") else [f"{path}: no reason"]
    found = []
    if (low is not None and low > number) or (high is not None and high < number):
        found.append(f"{path}: {number} outside [{low}, {high}]")
    if low is not None and low == high and not value["estimator"].startswith(SURE):
        found.append(f"{path}: {number} is certain ({value['estimator']})")
    return found


def test_every_law_is_walked():
    assert sorted(OPTIONS) == laws()


FEW = {"censoring_bias": ["empty"], "robustness": ["empty", "zero", "unlogged"]}
"""Of a law that reads no runs, and of one that repeats others, these are enough."""


@pytest.mark.parametrize(
    ("law", "kind"), [(law, kind) for law in OPTIONS for kind in FEW.get(law, KINDS)]
)
def test_a_law_on_runs_that_tell_nothing(law, kind):
    """lifelines#1151, therneau/survival#234: JSON with reasons or a RegrokError that names the fit, and no warning."""
    frames = KINDS[kind](planted())
    scaling = SimpleNamespace(law="scaling", experiments=[], options=OPTIONS["scaling"])
    entry = SimpleNamespace(law=law, experiments=[], options=OPTIONS[law])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            published = {"S": {"rows": PRINTED, "statistics": {}}} if law == "printed" else {}
            made = run_fit("walked", entry, frames, {"scaling": scaling}, published)
        except RegrokError as error:
            assert str(error).startswith("fits.walked: ")  # noqa: PT017 - one of two good ends
            return
    json.dumps(made, allow_nan=False)
    assert faults(made) == []


def test_equal_runs_in_every_cell_leave_no_verdict_sure():
    """Each exponent is as wide as the logging allows, or has no interval and says why."""
    entry = SimpleNamespace(law="scaling", experiments=[], options=OPTIONS["scaling"])
    estimates = run_fit("walked", entry, equal(planted()))["estimates"]
    assert "residual's scale is 0" in estimates["walked.T_grok.exponent_survival"]["reason"]
    exponent = estimates["walked.T_grok.exponent"]
    assert exponent["low"] == pytest.approx(-exponent["high"], rel=0.1)
    assert exponent["high"] > 0.01


def test_an_absent_column_is_named():
    """dvc#10296: frames of an older version lack a column; a KeyError before."""
    frames = planted()
    frames = replace(frames, runs=frames.runs.drop(columns="rms_0"))
    entry = SimpleNamespace(law="norm_at_grok", experiments=[], options=OPTIONS["norm_at_grok"])
    with pytest.raises(RegrokError, match=r"fits\.walked: runs\.parquet has no column 'rms_0'"):
        run_fit("walked", entry, frames)
