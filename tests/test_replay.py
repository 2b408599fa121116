"""`regrok replay`: the stored run again, and whether it is the same."""

import json

import pandas as pd
import pytest

from checkouts import small_study, write_study
from regrok.cli import main
from regrok.commands.replay import compare, released_run, retrain
from regrok.computations import run_computation
from regrok.files import write_json, write_parquet
from regrok.released import bundle, fill
from regrok.runs.gather import gather
from regrok.runs.store import RunStore
from regrok.study.plan import make_plan
from regrok.study.read import load_config
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


@pytest.fixture
def shipped(tmp_path):
    """A bundle with one released study of two runs, whose longer curves were thinned."""
    folder = tmp_path / "checkout"
    study = small_study(steps=200, seeds=1)
    write_study(folder, study)
    config = load_config(folder / "config.yaml")
    plan = make_plan(config)
    store = RunStore(tmp_path / "trained", "code")
    for job in plan.jobs.values():
        for cohort in job.cohorts:
            train_cohort(cohort.name, cohort.runs, store, slots=1)
    cohorts = {c.name: c.runs for job in plan.jobs.values() for c in job.cohorts}
    frames = dict(zip(("runs", "curves", "spectra"), gather(cohorts, store), strict=True))
    part = tmp_path / "released/smoke"
    part.mkdir(parents=True)
    for name, frame in frames.items():
        if name == "curves":
            frame = frame[(frame["step"] % 50 == 0) | (frame["step"] == 200)]
        write_parquet(frame, part / f"{name}.parquet")
    members = pd.DataFrame(plan.membership)[["experiment", "arm", "cell", "run_id"]]
    write_parquet(members, part / "experiments.parquet")
    (part / "config.json").write_text(config.model_dump_json(exclude_unset=True), encoding="utf-8")
    return part.parent, list(plan.runs)


def test_a_run_of_the_bundle_is_retrained_from_what_ships(shipped, tmp_path, capsys):
    bundle, ids = shipped
    given = ["--store", str(tmp_path / "none"), "--bundle", str(bundle)]
    assert main(["replay", ids[0], *given, "--output", str(tmp_path / "x.png")]) == 0
    said = capsys.readouterr().out
    assert "identical to the bit at the 5 of 9 logged steps that ship" in said
    assert "T_mem      released " in said
    assert main(["replay", "f" * 12, *given]) == 2
    assert "neither in" in capsys.readouterr().err


def test_a_released_run_with_another_number_is_told_apart(shipped):
    bundle, ids = shipped
    stored = released_run(bundle, ids[1])
    fresh = retrain(stored).curve
    assert "identical" in compare(stored.curve, fresh)
    fresh.loc[fresh["step"] == 100, "train_loss"] *= 1 + 1e-9
    assert "not identical: V agrees" in compare(stored.curve, fresh)


def test_a_released_computation_is_made_again_from_its_own_options(tmp_path, capsys):
    options = {"P_m": 3.0, "kappa": 1.4, "until": 200.0, "points": 12}
    made = run_computation("toy", "circuits", options)
    part = tmp_path / "smoke"
    write_json(made, part / "computations/toy.json")
    (part / "runs.parquet").touch()  # what makes a folder a scale
    assert main(["replay", "toy", "--bundle", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    count = len(made["estimates"])
    assert said.startswith("toy, smoke scale\n")
    assert f"{count} of {count} equal" in said
    assert "identical to the last digit" in said
    assert "code " not in said

    shipped = json.loads((part / "computations/toy.json").read_text(encoding="utf-8"))
    key = next(k for k, v in shipped["estimates"].items() if v["value"])
    shipped["estimates"][key]["value"] *= 1.01
    shipped["code"] = "0" * 12
    write_json(shipped, part / "computations/toy.json")
    assert main(["replay", "toy", "--bundle", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert f"{count - 1} of {count} equal" in said
    assert f"  {key}: value " in said
    assert "code       not what computed the released one" in said
    assert "identical" not in said


def test_a_released_computation_is_kept_for_code_that_gives_it_to_the_last_digit(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(fill, "describe_bundle", bundle.seal)
    made = run_computation("toy", "circuits", {"until": 200.0, "points": 12})
    path = tmp_path / "smoke/computations/toy.json"
    write_json(made, path)
    (tmp_path / "smoke/runs.parquet").touch()
    whole = path.read_bytes()
    asked = ["replay", "toy", "--bundle", str(tmp_path), "--keep"]

    def kept(**changes):
        write_json(made | changes, path)
        bundle.seal(tmp_path)
        assert main(asked) == 0
        bundle.refuse_damage(tmp_path)
        return path.read_bytes()

    # Nothing is to be done where the code is named already.
    assert kept() == whole and "names the present code" not in capsys.readouterr().out
    assert kept(code="0" * 12, processor="elsewhere") == whole
    assert "toy names the present code at smoke scale" in capsys.readouterr().out
    # A digit, or a word, that the present code does not give keeps what was released.
    for other in ({"points": made["points"][:-1]}, {"estimates": {}}):
        kept(code="0" * 12, **other)
        assert json.loads(path.read_text(encoding="utf-8"))["code"] == "0" * 12
        assert "kept       as it was" in capsys.readouterr().out
    assert main(["replay", "f" * 12, "--bundle", str(tmp_path), "--keep"]) == 2
    assert "--keep is of released computations" in capsys.readouterr().err
