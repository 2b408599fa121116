"""Synthetic studies at a scale: configuration, frames, fits, ledger, each made once per test session."""

from __future__ import annotations

import copy
import functools
import json
import warnings
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import synthetic
from regrok.computations import run_computation
from regrok.computations.parts import histories
from regrok.judging.ledger import ledger
from regrok.laws import law, run_fit
from regrok.study.blocks import Config, Fit
from regrok.study.claims import load_claims
from regrok.study.published import Published, load_published, told
from regrok.study.read import load_config
from regrok.tables import Material, scope

ROOT = Path(__file__).resolve().parents[1]
REPLICATES = 30
"""Bootstrap draws: intervals are only drawn and typeset here, never judged."""


def study(
    scale: str, anonymous: bool = False, studies: tuple[str, ...] = (), only: tuple[str, ...] = ()
) -> SimpleNamespace:
    """config, frames, fits, claims and ledger of a build, from planted runs; of all studies unless some are named."""
    return _study(scale, anonymous, studies, only)


@functools.cache  # which would tell apart arguments that are left out
def _study(
    scale: str, anonymous: bool, studies: tuple[str, ...], only: tuple[str, ...]
) -> SimpleNamespace:
    asked = {"scale": scale, "anonymous": anonymous, "only": list(only)}
    config = load_config(
        ROOT / "config.yaml", asked | ({"studies": list(studies)} if studies else {})
    )
    frames = synthetic.make_frames(config)
    reported = published(config)
    fits = {
        name: _fit(name, entry, frames, config, told(reported, config, name))
        for name, entry in config.fits.items()
    }
    here = filter(config.computes_here, config.computations)
    blocks = {name: config.computations[name] for name in here}
    fits |= {name: _computed(name, b.compute, b.at(scale)) for name, b in blocks.items()}
    claims = load_claims(config, ROOT / "studies")
    return SimpleNamespace(
        config=config,
        frames=frames,
        fits=fits,
        claims=claims,
        ledger=ledger(claims, fits, frames, config.scale),
    )


SMALL = {
    "ridge_regression": {"draws": 5, "n": 20, "m": 200},
    "ridge_two_layer": {
        "draws": 5,
        "n": 10,
        "d": 10,
        "m": 40,
        "learning_rate": 0.02,
        "growth": 1.2,
    },
    "kernel_shares": {"draws": 3, "moduli": [11, 13], "shares": [0.3, 0.6, 0.9]},
    "network_shares": {"draws": 2, "moduli": [11, 13], "shares": [0.5, 0.8], "budget": 60},
    "kernel_drift": {"p": 11, "draws": 2, "budget": 60},
    "penalties": {"p": 11, "draws": 2, "budget": 60},
    "triple_regression": {"moduli": [5, 7], "draws": 2, "budget": 20},
    "cascade_null": {"widths": [20, 50], "groups": 2, "seeds": 2, "draws": 1},
    "xor_cascades": {"widths": [20, 30, 50], "groups": 2, "seeds": 2, "every": 10},
    "xor_choices": {"widths": [20, 50], "groups": 2, "seeds": 2, "starts": ["uniform"]},
    "xor_gini": {"width": 10, "seeds": 5, "activations": ["tanh"], "starts": ["uniform"]},
    "parameter_ranks": {
        "moduli": [4],
        "widths": [0.5, 1.0, 5.0],
        "published_p": 11,
        "published_width": 40,
    },
    "localised_coefficient": {"p": 5, "chains": 2, "burn_in": 10, "draws": 20},
    "coefficient_history": {
        "p": 11,
        "width": 16,
        "budget": 100,
        "draws": 2,
        "points": 4,
        "chains": 2,
        "kept": 10,
        "burn_in": 2,
        "arms": {
            "text": {"step": 1e-4},
            "reproduction": {"chains": 1},
            "weaker": {"localisation": 0.5},
            "colder": {"n_beta": 60.0},
        },
    },
    "coefficient_growth": {
        "values": [9, 11, 13],
        "width": 12,
        "p": 11,
        "budget": 40,
        "draws": 2,
        "level": 0.01,
        "chains": 2,
        "kept": 10,
        "burn_in": 2,
    },
    "grokking_severity": {"p": 11, "width": 16, "budget": 200, "every": 50, "draws": 2},
}
"""Sizes in place of a study's own, which take minutes: what a build shows of them is the same."""
_COMPUTED: dict[str, dict] = {}


def _computed(name, compute, options):
    """A computation is the same in every study, so it is made once."""
    asked = {**options, **SMALL.get(compute, {})}
    key = json.dumps([name, compute, asked])
    if key not in _COMPUTED:
        with mock.patch.object(histories, "REPLICATES", REPLICATES):
            _COMPUTED[key] = run_computation(name, compute, asked)
    return copy.deepcopy(_COMPUTED[key])


_FITTED: dict[str, dict] = {}


def _fit(name, entry, frames, config, given):
    """A planted run is the same in every study, so one fit to the same runs is made once."""
    repeated = [config.fits[other] for other in entry.options.get("fits", [])]
    members = frames.experiments
    if entry.experiments:
        members = members[members["experiment"].isin(entry.experiments)]
    if entry.law == "censoring_bias":  # reads no runs
        members = members.iloc[:0]
    asked = [each.model_dump(mode="json") for each in (entry, *repeated)]
    told_of = [name, asked, sorted(members.astype(str).agg(" ".join, axis=1)), given]
    key = json.dumps(told_of, default=str)
    if key not in _FITTED:
        _FITTED[key] = _fitted(name, entry, frames, config, given)
    return copy.deepcopy(_FITTED[key])


def _fitted(name, entry, frames, config, given):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = run_fit(name, lighter(entry), frames, config.fits, given)
    # As the workflow hands it on: through JSON.
    return json.loads(json.dumps(made))


def lighter(entry: Fit) -> Fit:
    """The fit with fewer draws and simulated runs."""
    options = dict(entry.options)
    if "replicates" in getattr(law(entry.law), "DEFAULTS", {}):
        # Each draw of these two is a regression.
        options["replicates"] = 3 if entry.law in ("factorial", "interaction") else REPLICATES
    if entry.law == "robustness":
        light = ("weight_decay", "contraction", "regimes", "depth", "architecture")
        options["fits"] = [name for name in light if name in entry.options["fits"]][:3]
    if entry.law == "censoring_bias":
        options["runs_per_cell"] = 30
    if entry.law == "spectral":
        options["robust_replicates"] = 5
    if entry.law == "forecast":
        options["refits"] = REPLICATES
    return entry.model_copy(update={"options": options})


_READ: list[tuple[Config, Published]] = []


def published(config: Config) -> Published:
    """What the studies' papers report; read once for one configuration, by which object it is."""
    for known, reported in _READ:
        if known is config:
            return reported
    _READ.append((config, load_published(config, ROOT / "studies")))
    return _READ[-1][1]


def material(made: SimpleNamespace) -> Material:
    """What the tables of a study are built from."""
    return Material(made.frames, made.fits, made.ledger, scope(made.config), published(made.config))
