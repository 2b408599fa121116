"""Runs that start from another run's state: the same bits whatever happens, nothing where there is no such state."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from interrupts import After, Interrupt
from regrok.measures.events import NOT_STARTED
from regrok.runs import gather
from regrok.runs.rows import run_row
from regrok.runs.states import State, lacks, read_state, state_path
from regrok.runs.store import RunStore
from regrok.study.run import Run, Start
from regrok.study.sizes import run_info
from regrok.tasks import make_data
from regrok.tasks.seen import data_of
from regrok.training.loop import train_cohort
from regrok.training.slots import Engine
from regrok.training.starts import first_state
from small import SGD, parity_run, small_run, small_transformer

OWN = {"examples": "own", "validation": None}
SEEN = {"examples": "seen", "validation": "left_out"}
BUDGET = {"stop": "budget"}


def tiny(seed: int = 0, steps: int = 60, **blocks: dict[str, Any]) -> Run:
    """A run that is over in a moment, whatever it learns."""
    protocol = {"max_steps": steps, **BUDGET, **blocks.pop("protocol", {})}
    return small_run(seed, protocol=protocol, **blocks)


def grokking(**protocol: Any) -> Run:
    """A run that groks within some 200 steps."""
    values = parity_run(0, **{"max_steps": 600, "tail_steps": 20, **protocol}).model_dump()
    values["model"]["width"] = 64
    values["optimiser"]["learning_rate"] = 5e-3
    return Run.model_validate(values)


def child_of(parent: Run, child: Run | None = None, **start: Any) -> Run:
    """The run `child`, by default one like its parent, starting from `parent`."""
    begun = Start(**{"run": parent, "at": "end", "optimiser": "kept", **OWN, **start})
    return (child or parent).model_copy(update={"start": begun})


def subset_of(parent: Run, count: int, **start: Any) -> Run:
    task = parent.task.model_copy(update={"train_fraction": None, "train_count": count})
    protocol = parent.protocol.model_copy(update={"stop": "budget"})
    return child_of(
        parent,
        parent.model_copy(update={"task": task, "protocol": protocol}),
        **{**SEEN, "optimiser": "fresh", **start},
    )


def trained(folder: Path, *runs: Run, **options: Any) -> RunStore:
    """The runs and what they start from, one after the other: they may be of several shapes."""
    store = RunStore(folder, "code")
    for run in runs:
        train_cohort("cohort", [run], store, **{"slots": 1, **options})
    return store


def curve_of(store: RunStore, run: Run) -> pd.DataFrame:
    found = store.read(run.run_id)
    assert found is not None
    return found.curve


def states(store: RunStore) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in store.folder.glob("*.state.npz")}


# Names ------------------------------------------------------------------------------------------------------------


def test_a_childs_name_follows_from_its_parent_and_from_what_it_takes_over() -> None:
    parent = small_run(3)
    plain = child_of(parent)
    others = [
        child_of(small_run(3, optimiser={"weight_decay": 0.2}), parent),
        child_of(small_run(3, task={"train_fraction": 0.5}), parent),
        child_of(small_run(4), parent),
        child_of(parent, at="T_grok"),
        child_of(parent, at=5),
        child_of(parent, optimiser="fresh"),
        child_of(parent, **SEEN),
        child_of(parent, examples="seen", validation="unseen"),
        child_of(plain),
        parent,
    ]
    assert len({run.run_id for run in (plain, *others)}) == len(others) + 1
    # What is measured or kept of the parent changes none of its numbers, and so none of its child's.
    measured = small_run(3, protocol={"measure": ["logit_max"], "keep": ["end"]})
    assert child_of(measured, parent).run_id == plain.run_id


def test_runs_whose_parents_differ_in_seed_alone_are_one_cell() -> None:
    one, other = (child_of(small_run(seed)) for seed in (1, 2))
    assert one.cell == other.cell and one.condition == other.condition
    assert one.cell != small_run(1).cell and one.condition != small_run(1).condition
    from_first = child_of(small_run(1), small_run(2), seed=1)
    assert from_first.cell != other.cell
    assert from_first.cell == child_of(small_run(1), small_run(3), seed=1).cell


def test_a_run_comes_back_from_plain_values_with_its_parent() -> None:
    run = subset_of(child_of(small_run(1)), 20)
    again = Run.model_validate(run.model_dump(mode="json"), strict=False)
    assert again == run and again.run_id == run.run_id and run.generation == 2


# What a child begins with --------------------------------------------------------------------------------------------

HEAVY = {**SGD, "learning_rate": 0.1, "momentum": 0.9, "weight_decay": 1e-3}
KINDS = {
    "mlp": tiny(),
    "transformer": small_transformer(0, protocol={"max_steps": 40, **BUDGET}),
    "sgd": tiny(optimiser=HEAVY),
    "epochs": tiny(optimiser={"warmup_steps": 90}, protocol={"replacement": False}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_child_that_keeps_everything_is_its_parent_trained_on(tmp_path: Path, kind: str) -> None:
    """Parameters, averages, bias correction, warm-up and batches go on, so a run cut in two is the whole run."""
    parent = KINDS[kind]
    steps = parent.protocol.max_steps
    longer = parent.protocol.model_copy(update={"max_steps": 2 * steps})
    whole, child = parent.model_copy(update={"protocol": longer}), child_of(parent)
    second = curve_of(trained(tmp_path / "cut", child), child)
    rest = curve_of(trained(tmp_path / "whole", whole), whole).query("step >= @steps")
    rest = rest.assign(step=rest["step"] - steps).reset_index(drop=True)
    pd.testing.assert_frame_equal(second[["step", "V"]], rest[["step", "V"]], check_exact=True)
    # Between full evaluations, what was memorised before is evaluated no more.
    both = second["train_loss"].notna() & rest["train_loss"].notna()
    assert both.sum() > 2 and (second["train_loss"] == rest["train_loss"])[both].all()


@pytest.mark.parametrize("kept", ["kept", "fresh"])
def test_a_child_at_step_0_has_its_parents_parameters(tmp_path: Path, kept: str) -> None:
    parent = tiny(steps=40)
    child = child_of(parent, optimiser=kept)
    ends: dict[str, Any] = {}
    clear = Engine.clear

    def remember(self: Engine, slot: int) -> None:
        ends[self.runs[slot].run_id] = self.checkpoint(slot)
        clear(self, slot)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Engine, "clear", remember)
        store = trained(tmp_path, child)
    left, engine = ends[parent.run_id], Engine(child, 1)
    engine.start(0, child, first=first_state(child, store))
    assert torch.equal(engine.flat[0], left["flat"]) and left["flat"].abs().sum() > 0
    for name, tensor in engine.state.items():
        expected = left["state"][name] if kept == "kept" else torch.zeros_like(left["flat"])
        assert torch.equal(tensor[0], expected) and left["state"][name].abs().sum() > 0
    assert engine.taken(0) == 0 and int(engine.steps[0]) == (40 if kept == "kept" else 0)
    first, last = curve_of(store, child).iloc[0], curve_of(store, parent).iloc[-1]
    assert first["step"] == 0 and first["V"] == last["V"]


def test_a_parent_leaves_its_state_at_its_end_at_T_grok_and_at_a_step(tmp_path: Path) -> None:
    parent = grokking()
    like = grokking(max_steps=20)
    children = [child_of(parent, like, at=at, optimiser="fresh") for at in ("end", "T_grok", 20)]
    store = trained(tmp_path, *children)
    curve = curve_of(store, parent)
    grokked = gather.row(store.read(parent.run_id))["T_grok"]
    assert 20 < grokked < curve["step"].iloc[-1]
    for child, step in zip(children, (curve["step"].iloc[-1], grokked, 20), strict=True):
        there = curve.loc[curve["step"] == step, "V"].item()
        assert curve_of(store, child)["V"].iloc[0] == there
        assert read_state(store, parent.run_id, child.start.at).step == step
    assert len(states(store)) == 3


# Data ----------------------------------------------------------------------------------------------------------------


def as_set(inputs: torch.Tensor) -> set[tuple[int, ...]]:
    return set(map(tuple, inputs.tolist()))


@pytest.mark.parametrize("task", [{}, {"labels": "random"}, {"split_seed": 5}])
def test_a_subset_is_the_first_of_what_the_parent_has_seen(task: dict[str, Any]) -> None:
    parent = small_run(3, task=task)
    seen = make_data(parent.task, 3)
    for count in (10, 30, parent.task.train_size):
        for validation in ("left_out", "unseen"):
            child = subset_of(parent, count, validation=validation).model_copy(update={"seed": 8})
            data, info = data_of(child), run_info(child)
            assert torch.equal(data.train_inputs, seen.train_inputs[:count])
            assert torch.equal(data.train_labels, seen.train_labels[:count])
            assert len(data.validation_inputs) == info.validation_size
            assert len(data.train_inputs) == info.train_size == count
            held = as_set(data.validation_inputs)
            table = as_set(torch.cat((seen.train_inputs, seen.validation_inputs)))
            unseen = as_set(seen.validation_inputs)
            assert held == (
                table - as_set(data.train_inputs) if validation == "left_out" else unseen
            )
            labels = {
                (*pair, label)
                for inputs, each in (
                    (seen.train_inputs, seen.train_labels),
                    (seen.validation_inputs, seen.validation_labels),
                )
                for pair, label in zip(inputs.tolist(), each.tolist(), strict=True)
            }
            found = zip(
                data.validation_inputs.tolist(), data.validation_labels.tolist(), strict=True
            )
            assert {(*pair, label) for pair, label in found} <= labels


def test_a_subset_of_a_subset_is_one_of_the_first_parent() -> None:
    parent = small_run(3)
    child = subset_of(subset_of(parent, 40), 20)
    assert torch.equal(data_of(child).train_inputs, make_data(parent.task, 3).train_inputs[:20])
    assert run_info(child).validation_size == 121 - 20


def test_a_child_with_examples_of_its_own_draws_them_by_its_own_seed() -> None:
    child = child_of(small_run(3), small_run(4))
    assert torch.equal(data_of(child).train_inputs, make_data(child.task, 4).train_inputs)


@pytest.mark.parametrize(("split", "merges"), [(5, True), (None, False)])
def test_mirror_images_are_merged_where_the_first_parents_split_is_one(
    split: int | None, merges: bool
) -> None:
    model, full = {"input": "sum", "depth": 2}, {"batch": "full", "replacement": False}
    parents = [tiny(s, task={"split_seed": split}, model=model, protocol=full) for s in (3, 4)]
    runs = [subset_of(parent, 40, validation="unseen") for parent in parents]
    engine = Engine(runs[0], 2)
    size = engine.layout.size
    first = State(60, 60, np.zeros(size, np.float32), {})
    for slot, run in enumerate(runs):  # side by side, so their sets have one shape
        engine.start(slot, run, first=first)
    assert engine.merges == merges
    assert engine.sets["train"].counts.sum(1).tolist() == [40, 40]
    assert engine.sets["validation"].counts.sum(1).tolist() == [121 - 73, 121 - 73]


# Budget --------------------------------------------------------------------------------------------------------------


def test_a_run_that_starts_grokked_stops_by_its_budget_where_it_is_told_to(tmp_path: Path) -> None:
    parent = grokking()
    short = child_of(parent, grokking(max_steps=60))
    whole = child_of(parent, grokking(max_steps=60, **BUDGET))
    store = trained(tmp_path, short, whole)
    ends = {run.run_id: gather.row(store.read(run.run_id)) for run in (short, whole)}
    assert ends[short.run_id]["steps"] == 20 and ends[whole.run_id]["steps"] == 60
    assert ends[whole.run_id]["T_grok"] == 0 and ends[whole.run_id]["outcome"] == "grokked"
    assert ends[whole.run_id]["validation_accuracy_late"] > 0.9
    assert np.isnan(ends[short.run_id]["validation_accuracy_late"])
    columns = {name: ends[whole.run_id][name] for name in ("start_run", "start_at")}
    assert columns == {"start_run": parent.run_id, "start_at": "end"}


# Kills and losses --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("updates", [3, 11, 13, 20])
def test_a_chain_that_is_cut_in_either_run_ends_in_the_same_bits(
    tmp_path: Path, updates: int
) -> None:
    parent = tiny()
    child = subset_of(parent, 30, optimiser="kept")
    whole = trained(tmp_path / "whole", child.start.parent, child)

    store, left = RunStore(tmp_path / "cut", "code"), updates
    for run in (child.start.parent, child):
        after = After(left)
        try:
            train_cohort("c", [run], store, slots=1, checkpoint_seconds=0, progress=after)
        except Interrupt:
            train_cohort("c", [run], store, slots=1)
            break
        left = after.left
    else:
        pytest.fail("nothing was cut")
    train_cohort("c", [child], store, slots=1)
    for run in (parent, child):
        pd.testing.assert_frame_equal(curve_of(whole, run), curve_of(store, run), check_exact=True)
    assert states(whole) == states(store) and len(states(store)) == 1


def kept(run: Run, *points: Any) -> dict[str, Any]:
    return {"protocol": run.protocol.keeping(points or ("end",))}


CHAIN = """
import json, sys
from pathlib import Path
from regrok.runs.store import RunStore
from regrok.study.run import Run
from regrok.training.loop import train_cohort
store = RunStore(Path(sys.argv[1]), "code")
for run in json.loads(sys.argv[2]):
    run = Run.model_validate(run, strict=False)
    train_cohort("c", [run], store, slots=1, checkpoint_seconds=0)
"""


@pytest.mark.long
def test_a_chain_killed_in_either_run_ends_in_the_same_bits(tmp_path: Path) -> None:
    """SIGKILL while the parent trains, and again while the child does; then the same command to the end."""
    child = subset_of(tiny(1, steps=200), 30, optimiser="kept")
    runs = [child.start.parent, child]
    whole = trained(tmp_path / "whole", *runs)
    store = RunStore(tmp_path / "cut", "code")
    told = json.dumps([run.model_dump(mode="json") for run in runs])
    path = os.pathsep.join(filter(None, sys.path))
    for run in runs:
        command = [sys.executable, "-c", CHAIN, str(store.root), told]
        process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path})
        until = time.monotonic() + 120
        while not store.checkpoint_path(run.run_id).exists() and time.monotonic() < until:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, "it ended before it could be killed"
        assert store.checkpoint_path(run.run_id).exists() and not store.finished(run)
    train_cohort("c", [child], store, slots=1)
    for run in runs:
        pd.testing.assert_frame_equal(curve_of(whole, run), curve_of(store, run), check_exact=True)
    assert states(whole) == states(store) and len(states(store)) == 1


def test_a_lost_state_is_made_again_with_the_same_bits(tmp_path: Path) -> None:
    parent = tiny()
    first, second = (subset_of(parent, count) for count in (30, 20))
    store = trained(tmp_path, first)
    before, curve = states(store), curve_of(store, parent)
    for path in store.folder.glob("*.state.npz"):
        path.unlink()
    assert store.finished(parent) and lacks(store, first.start.parent)
    assert train_cohort("c", [first], store, slots=1) == 0, "a finished child needs no parent"
    assert not states(store)
    assert train_cohort("c", [second], store, slots=1) == 1
    assert states(store) == before
    pd.testing.assert_frame_equal(curve, curve_of(store, parent), check_exact=True)


def test_a_damaged_state_is_named_set_aside_and_made_again(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    parent, like = tiny(steps=20), tiny(steps=5)
    store = trained(tmp_path, child_of(parent, like), child_of(tiny(1, steps=20), like))
    path = state_path(store, parent.run_id, "end")
    content = path.read_bytes()
    harmed = bytearray(content)
    harmed[len(content) // 2] ^= 1
    other = state_path(store, tiny(1, steps=20).run_id, "end").read_bytes()
    for number, damage in enumerate((content[:-700], bytes(harmed), other, b""), start=1):
        path.write_bytes(damage)
        child = child_of(parent, tiny(steps=5 * number), optimiser="fresh")
        assert train_cohort("c", [child], store, slots=1) == 1 and store.finished(child)
        assert path.read_bytes() == content
        assert path.with_name(f"{path.name}.damaged-{number}").read_bytes() == damage
        said = capfd.readouterr().err
        assert path.name in said and "its run is trained again" in said


def test_a_run_that_went_past_its_moment_without_keeping_it_begins_anew(tmp_path: Path) -> None:
    parent = tiny()
    with pytest.raises(Interrupt):
        trained(tmp_path / "late", parent, checkpoint_seconds=0, progress=After(8))
    asked = parent.model_copy(update={"protocol": parent.protocol.keeping((25, "end"))})
    late, plain = trained(tmp_path / "late", asked), trained(tmp_path / "plain", asked)
    assert states(late) == states(plain) and len(states(late)) == 2


# Parents that never were there -----------------------------------------------------------------------------------


@pytest.mark.parametrize("at", ["T_grok", 55])
def test_a_child_of_a_moment_that_never_was_is_not_started(tmp_path: Path, at: Any) -> None:
    never = tiny(protocol={"memorise_steps": 20})
    child = child_of(never, tiny(protocol={"measure": ["logit_max"]}), at=at)
    grandchild = child_of(child, optimiser="fresh")
    store = trained(tmp_path, child, grandchild)
    parent = gather.row(store.read(never.run_id))
    assert np.isnan(parent["T_grok"]) and parent["steps"] == 20
    for run in (child, grandchild):
        row = gather.row(store.read(run))
        assert row["outcome"] == NOT_STARTED and row["steps"] == 0
        assert np.isnan(row["V_0"]) and np.isnan(row["T_mem"])
        assert row["start_run"] == run.start.run.run_id and row["trainer"] == "code"
    assert train_cohort("c", [child, grandchild], store, slots=1) == 0
    assert not states(store)


def test_no_state_is_kept_unless_it_is_asked_for(tmp_path: Path) -> None:
    assert not states(trained(tmp_path, tiny(steps=5), tiny(1, steps=5)))


def test_a_row_of_a_run_without_a_start_has_none() -> None:
    curve = pd.DataFrame([{"step": 0, "V": 1.0, "train_accuracy": 0.0, "validation_accuracy": 0.0}])
    curve = curve.assign(train_loss=1.0, validation_loss=1.0)
    run = small_run(0)
    row = run_row(run, curve, run_info(run), 1, False, False)
    assert all(row[name] is None for name in row if name.startswith("start_"))
