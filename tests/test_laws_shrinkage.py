"""Contraction from the first step of networks that never learn, on planted curves."""

import math

import pandas as pd
import pytest

from planted import exponential_curve, fit, make_run
from regrok.laws import scaling, shrinkage

GROUPS = {
    "single": {"within": {"weight_decay": [1.0, 1.0]}},
    "double": {"within": {"weight_decay": [2.0, 2.0]}},
    "other": {"within": {"weight_decay": [3.0, 3.0]}},
}
NEVER = {"T_mem": math.nan, "delay": math.nan, "optimiser": "sgd", "outcome": "collapsed"}


def test_the_rate_tells_the_convention_of_the_decay():
    rows, curves = [], []
    for lam in (1.0, 2.0):
        for seed in range(4):
            run = make_run(seed=seed, weight_decay=lam, run_id=f"{lam}-{seed}", **NEVER)
            rate = 1 - 2e-3 * lam * (1 + 0.01 * seed)
            rows.append(run)
            curves.append(exponential_curve(run["run_id"], 13_000.0, rate, 0.001, 0, 6000))
    # One that memorised is no such run, whatever its norm does.
    rows.append(make_run(seed=9, run_id="memorised"))
    curves.append(exponential_curve("memorised", 3000.0, 0.9, 300.0, 800, 6000))
    found = fit(shrinkage, rows, pd.concat(curves), groups=GROUPS)["estimates"]
    for name, ratio in (("single", 1.0), ("double", 2.0)):
        estimate = found[f"{name}.rate_loss_over_theory"]
        assert estimate.n == 4 and estimate.value == pytest.approx(ratio * 1.015, rel=1e-3)
        assert estimate.low > 0 and found[f"{name}.r_squared"].value > 0.999
    assert found["other.rate_loss_over_theory"].absent


def test_the_delay_over_the_modulus_has_the_planted_exponent():
    rows = [
        make_run(delay=25 * round(4e5 / p**1.2 / 25), seed=s, p=p)
        for p in (53.0, 67.0, 97.0, 127.0)
        for s in range(3)
    ]
    found = fit(scaling, rows, factor="modulus", survival=False)["estimates"]
    assert found["delay.exponent"].value == pytest.approx(-1.2, abs=0.05)
