"""The spectrum of an embedding on planted networks: how much of it the five largest frequencies hold."""

import math

import numpy as np
import pandas as pd
import pytest

from planted import NOTHING
from planted_networks import frames_of, make_mlp
from regrok.laws import embedding
from regrok.runs.frames import Frames


def test_the_share_of_the_five_largest_with_and_without_frequency_zero():
    p, rows = 43, [make_mlp(10_000, s) for s in range(3)] + [make_mlp(math.inf, 3)]
    runs, members = frames_of(rows, ["B8"] * 4)
    index = np.arange(p // 2 + 1)
    parts = []
    for run in runs.itertuples():
        for step in (0, 12_000):
            power = np.ones(index.size) / index.size
            if step and run.outcome == "grokked":
                # Half in frequency 0, 0.4 in five others, 0.1 spread over the remaining 16.
                power = np.where(np.isin(index, [3, 5, 7, 11, 13]), 0.08, 0.1 / 16)
                power[0] = 0.5
            parts.append(
                pd.DataFrame({"index": index, "power": power}).assign(
                    run_id=run.run_id, step=step, kind="embedding_spectrum"
                )
            )
    curves = pd.DataFrame({"run_id": [], "step": []})
    frames = Frames(runs, curves, members, pd.concat(parts))
    made = embedding.fit(frames, {"groups": {"mlp": {}}}, 0)
    found = made["estimates"]
    assert found["mlp.top5_share"].value == pytest.approx(0.5 + 4 * 0.08)
    assert found["mlp.top5_share_without_constant"].value == pytest.approx(0.4 / 0.5)
    assert found["mlp.constant_share"].value == pytest.approx(0.5)
    assert found["mlp.top5_share_initial"].value == pytest.approx(5 / 22)
    assert found["mlp.top5_share"].n == 3
    assert found["mlp.top5_share_not_grokked"].value == pytest.approx(5 / 22)
    first = next(p for p in made["points"] if p["outcome"] == "grokked")
    assert first["frequencies"] == [0, 3, 5, 7, 11]


def test_without_spectra_the_curve_still_has_the_share():
    rows = [make_mlp(10_000, s) for s in range(2)]
    runs, members = frames_of(rows, ["B8"] * 2)
    curves = pd.concat(
        pd.DataFrame({"run_id": r, "step": [0, 500, 900], "top5_share": [0.2, 0.7, np.nan]})
        for r in runs.run_id
    )
    frames = Frames(runs, curves, members, NOTHING)
    found = embedding.fit(frames, {"groups": {"mlp": {}}}, 0)["estimates"]
    assert found["mlp.top5_share"].value == pytest.approx(0.7)
    assert found["mlp.top5_share_without_constant"].value is None


def test_where_nothing_memorised_there_is_no_embedding_after_grokking():
    """A transformer that never memorised was "inconclusive", as if more seeds might decide."""
    never = [make_mlp(math.nan, s, T_mem=math.nan) for s in range(3)]
    for rows, absent in ((never, True), ([make_mlp(math.inf, s) for s in range(3)], False)):
        runs, members = frames_of(rows, ["B8"] * 3)
        curves = pd.DataFrame({"run_id": [], "step": []})
        frames = Frames(runs, curves, members, NOTHING)
        share = embedding.fit(frames, {"groups": {"mlp": {}}}, 0)["estimates"]["mlp.top5_share"]
        assert share.value is None
        assert (share.absent is not None) == absent
