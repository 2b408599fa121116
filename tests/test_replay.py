"""`regrok replay`: the stored run again, and whether it is the same."""

import pytest

from regrok.cli import main
from regrok.commands.replay import compare
from regrok.runs.store import RunStore
from regrok.training.loop import train_cohort
from small import small_run


@pytest.fixture
def stored(tmp_path):
    run = small_run(3)
    store = RunStore(tmp_path / "store", "code")
    train_cohort("cohort", [run], store, slots=1)
    return run, store


def replay(run_id, tmp_path):
    arguments = ["replay", run_id, "--store", str(tmp_path / "store")]
    return main([*arguments, "--output", str(tmp_path / "replay.png")])


def test_the_same_machine_gives_the_same_bits_and_a_picture(stored, tmp_path, capsys):
    run, _ = stored
    assert replay(run.run_id[:6], tmp_path) == 0
    said = capsys.readouterr().out
    assert "identical to the bit at all 41 logged steps" in said
    assert (tmp_path / "replay.png").read_bytes().startswith(b"\x89PNG")


def test_a_run_that_was_changed_is_told_apart(stored, tmp_path):
    run, store = stored
    curve = store.read(run.run_id).curve
    changed = curve.copy()
    changed.loc[changed["step"] >= 50, "V"] *= 1.01
    assert "part at step 50" in compare(curve, changed)
    assert "not identical" in compare(curve, changed)


def test_an_unknown_run_is_refused(stored, tmp_path, capsys):
    assert replay("0123456789ab", tmp_path) == 2
    assert "0123456789ab" in capsys.readouterr().err


def test_digits_that_fit_two_runs_are_refused(stored, tmp_path, capsys):
    run, store = stored
    twin = store.path(run.run_id[:2] + "0" * 10)
    twin.write_bytes(store.path(run.run_id).read_bytes())
    assert replay(run.run_id[:2], tmp_path) == 2
    assert "give more digits" in capsys.readouterr().err
