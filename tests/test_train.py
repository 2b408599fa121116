"""The trainer: the same bits whatever happens around a run, and every kind of end."""

import itertools
import math
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from interrupts import After, Interrupt
from regrok.errors import RegrokError
from regrok.files import read_table
from regrok.runs import gather
from regrok.runs.store import RunStore
from regrok.training import loop
from regrok.training import slots as engine_slots
from regrok.training.loop import train_cohort
from small import SGD, parity_run, small_run, small_transformer

pytestmark = pytest.mark.beside

MACHINE = ("wall_seconds", "cohort", "trainer")
"""Columns that may differ between two trainings of one run."""


def train(folder, runs, **options):
    store = RunStore(folder, "code")
    train_cohort("cohort", runs, store, **{"slots": 2, **options})
    return {run.run_id: store.read(run.run_id) for run in runs}


def assert_same_bits(first, second):
    pd.testing.assert_frame_equal(first.curve, second.curve, check_exact=True)
    others = gather.row(second)
    for name, value in gather.row(first).items():
        other = others[name]
        same = value == other or (
            isinstance(value, float) and math.isnan(value) and math.isnan(other)
        )
        assert same or name in MACHINE, name
    for mine, theirs in zip(first.spectra["power"], second.spectra["power"], strict=True):
        assert np.array_equal(mine, theirs)


KINDS = {
    "mlp, adamw": lambda seed: small_run(seed),
    "mlp, full batch": lambda seed: small_run(
        seed, protocol={"batch": "full", "replacement": False}
    ),
    "mlp, epochs": lambda seed: small_run(seed, protocol={"replacement": False}),
    "mlp, sgd": lambda seed: small_run(
        seed, optimiser={**SGD, "learning_rate": 0.1, "momentum": 0.9}
    ),
    "transformer": lambda seed: small_transformer(seed, protocol={"max_steps": 60}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_companions_slots_and_order_do_not_matter(tmp_path, kind):
    runs = [KINDS[kind](seed) for seed in range(5)]
    alone = train(tmp_path / "alone", runs[:1], slots=1)
    for name, order, slots in (("with", runs, 3), ("reversed", runs[::-1], 2), ("many", runs, 8)):
        together = train(tmp_path / name, order, slots=slots)
        assert_same_bits(alone[runs[0].run_id], together[runs[0].run_id])


def test_measuring_does_not_change_the_run(tmp_path):
    plain = small_run(1)
    asked = small_run(
        1, protocol={"measure": ["norm_groups", "logit_max", "fourier_low", "fourier_high"]}
    )
    assert plain.run_id == asked.run_id
    without = train(tmp_path / "a", [plain])[plain.run_id]
    measured = train(tmp_path / "b", [asked])[asked.run_id]
    pd.testing.assert_frame_equal(
        without.curve, measured.curve[without.curve.columns], check_exact=True
    )
    known = measured.curve.dropna(subset="V_embedding")
    groups = known[[c for c in known.columns if c.startswith("V_")]].sum(axis=1)
    np.testing.assert_allclose(groups, known["V"], rtol=1e-9)
    assert known["step"].tolist() == [s for s in measured.curve["step"] if s % 20 == 0]
    assert set(measured.spectra["kind"]) == {"fourier_low", "fourier_high"}


@pytest.mark.parametrize("updates", [1, 7, 23, 39])
def test_resume_ends_in_the_same_bits(tmp_path, updates):
    runs = [small_run(seed, protocol={"measure": ["fourier_high"]}) for seed in range(3)]
    whole = train(tmp_path / "whole", runs)
    with pytest.raises(Interrupt):
        train(tmp_path / "cut", runs, checkpoint_seconds=0, progress=After(updates))
    resumed = train(tmp_path / "cut", runs)
    for run in runs:
        assert_same_bits(whole[run.run_id], resumed[run.run_id])
    assert not list(tmp_path.glob("cut/code/*.checkpoint"))


@pytest.mark.parametrize("cuts", [(1,), (23,), (7, 11, 3)])
def test_the_time_before_a_resume_counts(tmp_path, monkeypatch, cuts):
    """A run killed and resumed takes as long as one that is not: here a clock on which every look takes a second."""
    ticks = itertools.count()
    clock = SimpleNamespace(perf_counter=lambda: float(next(ticks)), monotonic=time.monotonic)
    monkeypatch.setattr(engine_slots, "time", clock)
    monkeypatch.setattr(loop, "time", clock)
    runs = [small_run(seed) for seed in range(3)]
    whole = train(tmp_path / "whole", runs, slots=3)
    for updates in cuts:
        after = After(updates)
        with pytest.raises(Interrupt):
            train(tmp_path / "cut", runs, slots=3, checkpoint_seconds=0, progress=after)
    resumed = train(tmp_path / "cut", runs, slots=3)
    for run in runs:
        took = [found[run.run_id].facts["wall_seconds"] for found in (whole, resumed)]
        # Each stretch between two logs, and a third of each evaluation, that of the start among them (alone there).
        assert took[0] == pytest.approx(40 + 40 / 3 + 1)
        assert took[1] == pytest.approx(took[0])


def test_finished_runs_are_not_trained_again(tmp_path):
    runs = [small_run(seed) for seed in range(3)]
    store = RunStore(tmp_path, "code")
    assert train_cohort("c", runs, store, slots=2) == 3
    assert train_cohort("c", runs, store, slots=2) == 0
    store.path(runs[1].run_id).unlink()
    assert train_cohort("c", runs, store, slots=2) == 1


@pytest.mark.parametrize(("asked", "stored", "made"), [(8, 0, 3), (8, 2, 3), (2, 2, 2)])
def test_a_gpu_steps_as_many_slots_as_the_cohort_has_runs_however_many_are_stored(
    tmp_path, monkeypatch, asked, stored, made
):
    """The shapes of a step decide its last bits, and a slot that is never filled costs what a full one does."""
    runs = [small_run(seed) for seed in range(3)]
    train(tmp_path, runs[:stored])

    class Made(Exception):
        pass

    def engine(representative, slots, device):
        raise Made(slots, device)

    monkeypatch.setattr(loop, "Engine", engine)
    with pytest.raises(Made) as found:
        train(tmp_path, runs, slots=asked, device="cuda")
    assert found.value.args == (made, "cuda")


def test_a_run_is_trained_again_for_an_observable_it_lacks(tmp_path):
    store = RunStore(tmp_path, "code")
    train_cohort("c", [small_run(0)], store, slots=1)
    asked = small_run(0, protocol={"measure": ["logit_max"]})
    assert train_cohort("c", [asked], store, slots=1) == 1
    assert "logit_max" in store.read(asked.run_id).curve


def test_a_finer_cadence_trains_what_is_measured_anew_and_nothing_else(tmp_path):
    store = RunStore(tmp_path, "code")
    measured = {"measure": ["norm_groups"], "measure_every": 40}
    runs = [small_run(0, protocol=measured), small_run(1, protocol={"measure_every": 40})]
    train_cohort("c", runs, store, slots=2)
    coarse = store.read(runs[0])
    finer = [
        small_run(0, protocol={**measured, "measure_every": 20}),
        small_run(1, protocol={"measure_every": 20}),
    ]
    assert train_cohort("c", finer, store, slots=2) == 1
    fine = store.read(finer[0])
    known = fine.curve["V_embedding"].notna()
    assert fine.curve.loc[known, "step"].tolist() == list(range(0, 201, 20))
    # The coarser build goes on being served, with what it asked for to the bit.
    assert train_cohort("c", runs, store, slots=2) == 0
    curve, _ = gather.asked(store.read(runs[0]), runs[0])
    pd.testing.assert_frame_equal(curve, coarse.curve, check_exact=True)


def test_two_builds_that_measure_different_things_do_not_train_each_other_s_runs_for_ever(tmp_path):
    store = RunStore(tmp_path, "code")
    one = small_run(0, protocol={"measure": ["norm_groups"]})
    other = small_run(0, protocol={"measure": ["fourier_low"]})
    assert train_cohort("c", [one], store, slots=1) == 1
    before = store.read(one)
    assert train_cohort("c", [other], store, slots=1) == 1
    assert train_cohort("c", [one], store, slots=1) == 0
    assert train_cohort("c", [other], store, slots=1) == 0
    curve, _ = gather.asked(store.read(one), one)
    pd.testing.assert_frame_equal(curve, before.curve, check_exact=True)


@pytest.mark.parametrize(
    "resumed", [{"measure": ["norm_groups"]}, {"measure": ["logit_max"], "measure_every": 10}]
)
def test_a_killed_run_that_is_to_be_measured_otherwise_starts_anew(tmp_path, resumed):
    killed = small_run(0, protocol={"measure": ["logit_max"]})
    with pytest.raises(Interrupt):
        train(tmp_path, [killed], checkpoint_seconds=0, progress=After(23))
    run = small_run(0, protocol=resumed)
    assert_same_bits(
        train(tmp_path, [run])[run.run_id], train(tmp_path / "whole", [run])[run.run_id]
    )


def test_a_damaged_run_is_trained_again_and_kept_aside(tmp_path, capsys):
    runs = [small_run(seed) for seed in range(2)]
    first = train(tmp_path, runs)
    path = RunStore(tmp_path, "code").path(runs[0].run_id)
    path.write_bytes(path.read_bytes()[:-40])
    again = train(tmp_path, runs)
    assert_same_bits(first[runs[0].run_id], again[runs[0].run_id])
    assert path.with_name(path.name + ".damaged-1").exists()
    assert path.name in capsys.readouterr().err


def without_rows(path, keep):
    """Rewrite a stored run's file with some of its rows alone, whole by its name and its footer."""
    table = read_table(path)
    pq.write_table(table.take(list(keep(table.num_rows))), path)


@pytest.mark.parametrize(
    "keep",
    [lambda n: range(n - 3), lambda n: [*range(4), *range(5, n)], lambda n: [0]],
    ids=["the end is missing", "one between is missing", "the start is left"],
)
def test_a_stored_run_with_fewer_rows_than_were_logged_is_trained_again(tmp_path, capsys, keep):
    """dvc#10296: what is there under its name is not therefore whole."""
    run, store = small_run(0), RunStore(tmp_path, "code")
    first = train(tmp_path, [run])[run.run_id]
    path = store.path(run.run_id)
    without_rows(path, keep)
    assert not store.finished(run)
    assert "of 41 logged points" in capsys.readouterr().err
    assert train_cohort("c", [run], store, slots=1) == 1
    assert_same_bits(first, store.read(run))
    assert path.with_name(path.name + ".damaged-1").exists()
    without_rows(path, keep)
    assert store.read(run) is None


@pytest.mark.parametrize("changed", [{"log_every": 10}, {"curve_every": 40}])
def test_a_run_that_is_logged_otherwise_is_another_run(tmp_path, changed):
    """dvc#10296: how often it is logged says when it memorised, so it is in the name."""
    store = RunStore(tmp_path, "code")
    train_cohort("c", [small_run(0)], store, slots=1)
    run = small_run(0, protocol=changed)
    assert run.run_id != small_run(0).run_id and not store.finished(run)
    assert train_cohort("c", [run], store, slots=1) == 1


# Ends -------------------------------------------------------------------------------------------------


def test_a_run_ends_its_tail_after_it_grokked(tmp_path):
    run = parity_run(0, max_steps=4000, tail_steps=40)
    stored = train(tmp_path, [run])[run.run_id]
    row, last = gather.row(stored), stored.curve.iloc[-1]
    assert row["outcome"] == "grokked"
    assert row["steps"] == last["step"] == row["T_grok"] + 40
    assert row["T_grok_99_previous"] == row["T_grok"] - 5
    assert last["validation_examples"] == row["validation_size"]
    assert row["V_final"] == last["V"]
    at_grok = stored.curve.set_index("step").loc[row["T_grok"], "V"]
    assert row["V_grok"] == at_grok
    assert row["rms_grok"] == pytest.approx(math.sqrt(at_grok / row["parameters"]))


def test_a_run_that_does_not_grok_is_censored_at_its_budget(tmp_path):
    run = small_run(
        0, task={"labels": "random"}, optimiser={"weight_decay": 0.0, "learning_rate": 1e-2}
    )
    row = gather.row(train(tmp_path, [run])[run.run_id])
    assert row["outcome"] == "memorised only"
    assert row["steps"] == run.protocol.max_steps
    assert math.isnan(row["T_grok"]) and math.isnan(row["delay"]) and not math.isnan(row["T_mem"])


def test_a_run_that_has_not_memorised_in_time_ends_and_one_that_has_goes_on(tmp_path):
    labels, fast = {"labels": "random"}, {"weight_decay": 0.0, "learning_rate": 1e-2}
    whole = small_run(0, task=labels, optimiser=fast)
    memorised = gather.row(train(tmp_path / "whole", [whole])[whole.run_id])["T_mem"]
    for patience, end in ((memorised - 5, memorised - 5), (memorised, whole.protocol.max_steps)):
        protocol = {"memorise_steps": int(patience)}
        run = small_run(0, task=labels, optimiser=fast, protocol=protocol)
        row = gather.row(train(tmp_path / str(patience), [run])[run.run_id])
        assert row["steps"] == end
        assert row["outcome"] == ("memorised only" if end > memorised else "never memorised")


def test_sgd_that_decays_to_the_origin_has_collapsed(tmp_path):
    sgd = {**SGD, "learning_rate": 0.1, "weight_decay": 1.0}
    run = small_run(0, optimiser=sgd, protocol={"max_steps": 5000})
    stored = train(tmp_path, [run])[run.run_id]
    assert gather.row(stored)["outcome"] == "collapsed"
    assert gather.row(stored)["steps"] < 500
    assert gather.row(stored)["V_final"] < 1e-3 * gather.row(stored)["V_0"]
    assert gather.row(stored)["validation_accuracy_final"] < 0.3


def test_a_diverging_run_ends_and_its_companions_go_on(tmp_path):
    wild = small_run(0, optimiser={**SGD, "learning_rate": 1e6, "weight_decay": 0.0})
    tame = small_run(1, optimiser={**SGD, "learning_rate": 0.1, "weight_decay": 0.0})
    both = train(tmp_path / "both", [wild, tame])
    assert gather.row(both[wild.run_id])["outcome"] == "diverged"
    assert len(both[wild.run_id].curve) >= 2
    assert gather.row(both[wild.run_id])["steps"] < wild.protocol.max_steps
    alone = train(tmp_path / "alone", [tame])
    assert_same_bits(alone[tame.run_id], both[tame.run_id])


def test_a_write_error_stops_the_cohort_and_keeps_what_is_finished(tmp_path, monkeypatch):
    runs = [small_run(seed) for seed in range(3)]
    store = RunStore(tmp_path, "code")
    original, written = RunStore.write, []

    def once(self, run):
        if written:
            raise RegrokError("the disk is full")
        written.append(run.run_id)
        original(self, run)

    monkeypatch.setattr(RunStore, "write", once)
    with pytest.raises(RegrokError, match="full"):
        train_cohort("c", runs, store, slots=1)
    monkeypatch.undo()
    assert store.read(written[0]) is not None
    assert train_cohort("c", runs, store, slots=1) == 2


# Kills ------------------------------------------------------------------------------------------------

SCRIPT = """
import sys
sys.path.insert(0, sys.argv[2])
from small import small_run
from regrok.runs.store import RunStore
from regrok.training.loop import train_cohort
runs = [small_run(seed, protocol={"max_steps": 500, "log_every": 5, "curve_every": 20}, task={"labels": "random"})
        for seed in range(4)]
print("ready", flush=True)
train_cohort("cohort", runs, RunStore(sys.argv[1], "code"), slots=2, checkpoint_seconds=0.05)
"""


def kill_and_resume(folder: Path, kills: int, seed: int) -> int:
    """Start the training again and again, kill it at random moments, let the last one finish."""
    command = [sys.executable, "-c", SCRIPT, str(folder), str(Path(__file__).parent)]
    draw = random.Random(seed)
    killed = 0
    for _ in range(kills):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8")
        process.stdout.readline()
        time.sleep(draw.uniform(0.0, 1.0))
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            killed += 1
        process.wait()
        process.stdout.close()
    subprocess.run(command, check=True, capture_output=True)
    return killed


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.long)])
def test_killed_from_outside_and_resumed_to_the_same_bits(tmp_path, kills):
    protocol = {"max_steps": 500, "log_every": 5, "curve_every": 20}
    runs = [small_run(seed, protocol=protocol, task={"labels": "random"}) for seed in range(4)]
    whole = train(tmp_path / "whole", runs)
    assert kill_and_resume(tmp_path / "cut", kills, seed=kills) >= 1
    store = RunStore(tmp_path / "cut", "code")
    for run in runs:
        assert_same_bits(whole[run.run_id], store.read(run.run_id))
    assert not list(store.folder.glob("*.damaged*")) and not list(store.folder.glob("*.checkpoint"))
