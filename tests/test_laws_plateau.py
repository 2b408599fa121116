"""The plateau of networks with summed inputs: what they score there is what the mirrored pairs explain."""

import math

import numpy as np
import pandas as pd
import pytest

from planted import NOTHING
from planted_networks import frames_of, make_mlp
from regrok.laws import plateau
from regrok.runs.frames import Frames

SIZES = {"p": 97.0, "train_size": 1882, "validation_size": 97**2 - 1882}


def found(rows, level, last=0.999):
    """last: what a run scores from step 15,000 on."""
    runs, members = frames_of(rows, ["B1"] * len(rows))
    step = np.arange(0, 40_001, 100)
    curves = pd.concat(
        pd.DataFrame(
            {
                "run_id": run.run_id,
                "step": step,
                "validation_accuracy": np.where(step < 15_000, level, last),
                "validation_examples": np.where(step % 1000, 512, run.validation_size),
            }
        )
        for run in runs.itertuples()
    )
    # An evaluation on a part of the examples is no accuracy of all: none of them counts.
    curves.loc[curves["validation_examples"] == 512, "validation_accuracy"] = 0.9
    frames = Frames(runs, curves, members, NOTHING)
    return plateau.fit(frames, {"groups": {"mlp": {}}}, 0)["estimates"]


def test_a_plateau_of_mirrored_pairs():
    """The printed 19.9 % is not near chance, 1 %: a fifth of the pairs is trained, so are as many images."""
    made = found([make_mlp(32_000, s, **SIZES) for s in range(3)], 0.199)
    assert made["mlp.plateau_accuracy"].value == pytest.approx(0.199)
    assert made["mlp.mirrored_share"].value == pytest.approx(0.198, abs=5e-4)
    assert made["mlp.plateau_over_mirrored"].value == pytest.approx(0.199 / 0.198, rel=5e-3)


def test_a_run_that_idles_below_the_threshold_has_left_the_plateau():
    """It knows .94 of the pairs from step 15,000 of 40,000 on and never groks: half of its delay is not the plateau."""
    made = found([make_mlp(math.nan, s, steps=40_000, **SIZES) for s in range(3)], 0.199, 0.94)
    assert made["mlp.plateau_accuracy"].value == pytest.approx(0.199)
    late = found(
        [make_mlp(math.nan, s, steps=40_000, T_mem=12_000, **SIZES) for s in range(3)], 0.199, 0.94
    )
    assert late["mlp.plateau_accuracy"].value == pytest.approx(0.94)
    for each in (made, late):
        assert each["mlp.early_accuracy"].value == pytest.approx(0.199)
        assert each["mlp.early_over_mirrored"].value == pytest.approx(0.199 / 0.198, rel=5e-3)


def test_a_run_that_never_leaves_the_plateau_is_on_it_to_the_end():
    made = found([make_mlp(math.nan, s, steps=40_000, **SIZES) for s in range(3)], 0.199, 0.3)
    assert made["mlp.early_accuracy"].value == pytest.approx(
        0.3
    )  # 26 of 39 evaluations, none above .6


def test_the_expected_share_is_that_of_drawn_splits():
    m, n, rng = 31, 480, np.random.default_rng(0)
    shares = []
    for _ in range(300):
        trained = np.zeros(m * m, bool)
        trained[rng.permutation(m * m)[:n]] = True
        table = trained.reshape(m, m)
        shares.append((table.T & ~table).sum() / (~table).sum())
    run = {"train_size": n, "validation_size": m * m - n, "input": "sum"}
    assert plateau.mirrored(run) == pytest.approx(np.mean(shares), abs=0.003)


def test_inputs_whose_order_is_read_have_no_mirrored_pairs():
    made = found([make_mlp(32_000, s, **SIZES, input="concat") for s in range(2)], 0.2)
    assert made["mlp.mirrored_share"].value is None
    assert made["mlp.plateau_over_mirrored"].value is None


def test_without_a_run_that_memorised_there_is_no_plateau():
    made = found([make_mlp(math.nan, s, T_mem=math.nan, **SIZES) for s in range(2)], 0.2)
    assert made["mlp.plateau_accuracy"].absent == "none of the 2 runs of mlp memorised"
