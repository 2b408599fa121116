"""Loss of generalisation and its undoing, planted in whole trajectories."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from planted import NOTHING, make_run, members
from regrok.errors import RegrokError
from regrok.laws import recovery, with_previous
from regrok.measures import events
from regrok.runs.frames import Frames

STEP = np.arange(0, 10_001, 100)


def run_of(seed: int, accuracy: np.ndarray, **told: Any) -> tuple[dict, pd.DataFrame]:
    row = make_run(
        seed=seed,
        T_mem=0,
        validation_size=100,
        **{"delay": 0, "steps": 10_000, "max_steps": 10_000, **told},
    )
    row["condition"] = row["cell"]
    curve = pd.DataFrame({"run_id": row["run_id"], "step": STEP, "validation_accuracy": accuracy})
    return row, curve.assign(validation_examples=100)


def accuracy(lost: float = math.inf, regained: float = math.inf, least: float = 0.2) -> np.ndarray:
    return np.where((lost <= STEP) & (regained > STEP), least, 1.0)


def made(parts: list[tuple[dict, pd.DataFrame]], **options: Any) -> dict[str, Any]:
    runs = with_previous(pd.DataFrame([row for row, _ in parts]))
    curves = pd.concat([curve for _, curve in parts])
    frames = Frames(runs, curves, members(runs), NOTHING)
    return recovery.fit(frames, {"groups": {"all": {}}, **options}, 0)


def test_the_defaults_are_those_of_the_columns_of_runs():
    stored = (events.LOST_BELOW, events.DWELL, events.THRESHOLDS["99"])
    assert (recovery.DEFAULTS["level"], recovery.DEFAULTS["dwell"], 0.99) == stored


def test_shares_and_times_are_those_that_were_planted():
    parts = [run_of(s, accuracy()) for s in range(2)]
    parts += [run_of(2 + s, accuracy(1000, 5000 + 1000 * s, least=0.1 * s)) for s in range(3)]
    parts += [run_of(5, accuracy(2000, least=0.5))]
    found = made(parts)["estimates"]
    assert (found["all.lost_share"].value, found["all.lost_share"].n) == (4 / 6, 6)
    assert (found["all.regained_share"].value, found["all.regained_share"].n) == (0.75, 4)
    assert found["all.regained_at"].value == 6000
    assert "1 of 4 runs censored" in found["all.regained_at"].note
    assert found["all.regained_after"].value == 5000
    assert (found["all.regained_mean"].value, found["all.regained_mean"].n) == (6000, 3)
    assert found["all.lost_at"].value == 2000  # two runs never: the fourth of six
    assert found["all.depth"].value == pytest.approx((0 + 0.1 + 0.2 + 0.5) / 4)


def test_dips_and_stretches_shorter_than_the_dwell_are_neither_lost_nor_regained():
    dips = accuracy()
    dips[[10, 30, 31, 32]] = 0.0  # one evaluation, and 200 steps
    touched = accuracy(1000)
    touched[50] = 1.0  # comes back for one evaluation
    found = made([run_of(0, dips), run_of(1, touched)])["estimates"]
    assert found["all.lost_share"].value == 0.5
    assert found["all.regained_share"].value == 0
    short = made([run_of(0, dips), run_of(1, touched)], dwell=200.0)["estimates"]
    assert short["all.lost_share"].value == 1


def test_a_run_that_never_generalised_lost_nothing():
    never = {"delay": math.nan}
    parts = [run_of(0, accuracy(0), **never), run_of(1, accuracy()), run_of(2, accuracy())]
    found = made(parts)["estimates"]
    assert (found["all.lost_share"].value, found["all.lost_share"].n) == (0, 2)
    assert "1 of 3 runs never generalised" in found["all.lost_share"].note
    assert found["all.regained_share"].absent == "no run of the group lost what it had"
    assert made(parts[:1])["estimates"]["all.depth"].absent == "no run of the group generalised"


def test_a_run_that_ended_before_its_budget_is_left_out_and_counted():
    diverged = {"max_steps": 20_000, "outcome": "diverged"}
    parts = [run_of(s, accuracy(1000)) for s in range(2)] + [run_of(2, accuracy(), **diverged)]
    share = made(parts)["estimates"]["all.lost_share"]
    assert (share.value, share.n) == (1, 2)
    assert "1 of 3 runs ended before" in share.note


def test_evaluations_that_were_left_early_take_no_part():
    row, curve = run_of(0, accuracy())
    curve.loc[curve["step"].between(2000, 6000), ["validation_accuracy", "validation_examples"]] = [
        0.4,
        64,
    ]
    assert made([(row, curve)])["estimates"]["all.lost_share"].value == 0


def test_a_level_that_is_no_accuracy_is_refused():
    with pytest.raises(RegrokError, match=r"options\.level = 90"):
        made([run_of(0, accuracy())], level=90.0)
