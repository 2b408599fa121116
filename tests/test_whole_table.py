"""Runs that train on all there is: they memorise, nothing is left to validate on, and others start from them."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from configurations import checked
from interrupts import After, Interrupt
from regrok.errors import RegrokError
from regrok.figures.parts.shown import show
from regrok.laws import run_fit
from regrok.measures.events import LOST_BELOW, NOT_VALIDATED, loss_of_generalisation
from regrok.runs.checks import check
from regrok.runs.frames import Frames, asked
from regrok.runs.gather import gather, row
from regrok.runs.store import RunStore
from regrok.study.expand import complete, settings_block
from regrok.study.plan import make_plan
from regrok.study.run import Run
from regrok.study.sizes import run_info
from regrok.tables.compute import training
from regrok.tasks import make_data
from regrok.tasks.examples import examples
from regrok.tasks.pairs import pairs
from regrok.tasks.seen import data_of
from regrok.training.loop import train_cohort
from regrok.training.slots import Engine, slots_within
from small import SGD, parity_run, small_run
from test_start_plan import family, members
from test_starts import as_set, states, subset_of

WHOLE = {"train_fraction": None, "train_count": 121}
FULL = {"batch": "full", "replacement": False}


def whole(seed: int = 0, **blocks: dict[str, Any]) -> Run:
    """A run on all 121 pairs of p = 11, over in a moment."""
    protocol = {"max_steps": 150, "measure": ["logit_max"], **blocks.pop("protocol", {})}
    blocks["optimiser"] = {"learning_rate": 1e-2, **blocks.get("optimiser", {})}
    task = {**WHOLE, **blocks.pop("task", {})}
    return small_run(seed, task=task, protocol=protocol, **blocks)


# Data -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "task", [{}, {"split": "unordered"}, {"labels": "random"}, {"outliers": 9}]
)
def test_every_pair_trains_and_none_validates(task: dict[str, Any]) -> None:
    run = whole(3, task=task)
    data, info = make_data(run.task, 3), run_info(run)
    assert as_set(data.train_inputs) == set(pairs(run.task)) and len(data.train_inputs) == 121
    assert data.validation_inputs.shape == (0, 2) and data.validation_labels.shape == (0,)
    assert data.validation_inputs.dtype == data.validation_labels.dtype == torch.int64
    assert (info.train_size, info.validation_size) == (121, 0)


def test_vectors_without_validation_examples_keep_their_training_set() -> None:
    some = parity_run(3)
    none = Run.model_validate(
        {**some.model_dump(), "task": {**some.task.model_dump(), "validation_count": 0}}
    )
    assert torch.equal(make_data(none.task, 3).train_inputs, make_data(some.task, 3).train_inputs)
    assert make_data(none.task, 3).validation_inputs.shape == (0, 10)
    clusters = {"name": "xor_clusters", "n": 8, "noise": 0.1, "train_count": 20, "labels": "true"}
    sets = [
        make_data(
            Run.model_validate(
                {**some.model_dump(), "task": {**clusters, "validation_count": count}}
            ).task,
            3,
        )
        for count in (0, 5)
    ]
    assert torch.equal(sets[0].train_inputs, sets[1].train_inputs)
    assert [len(each.validation_labels) for each in sets] == [0, 5]


def test_a_share_that_is_rounded_to_everything_is_refused_and_so_is_more_than_that() -> None:
    with pytest.raises(ValueError, match=r"rounded to all 121 pairs.* give train_count = 121"):
        small_run(task={"train_fraction": 0.999})
    with pytest.raises(ValueError, match="leaves 122 of 121 pairs to train on"):
        small_run(task={**WHOLE, "train_count": 122})


# Events -----------------------------------------------------------------------------------------------------------


def test_it_trains_to_its_budget_memorises_and_neither_groks_nor_is_censored(
    tmp_path: Path,
) -> None:
    run = whole(protocol={"tail_steps": 0, "max_steps": 400})
    store = RunStore(tmp_path, "code")
    train_cohort("c", [run], store, slots=1)
    found = row(store.read(run))
    assert found["steps"] == 400 and 0 < found["T_mem"] < 400
    assert found["outcome"] == NOT_VALIDATED
    assert math.isnan(found["T_grok"]) and math.isnan(found["T_lost"])
    assert math.isnan(found["delay"]) and math.isnan(found["validation_accuracy_late"])
    assert math.isnan(found["validation_accuracy_max"]) and found["validation_size"] == 0
    curve = store.read(run).curve
    assert curve["validation_accuracy"].isna().all() and curve["validation_loss"].isna().all()
    assert (curve["validation_examples"] == 0).all()
    # What is measured on evaluations of both sets is measured on the one that there is.
    due = curve["step"] % run.protocol.measure_every == 0
    assert curve.loc[due, "logit_max"].notna().all() and (curve.loc[due, "logit_max"] > 0).all()


def test_one_that_has_not_memorised_in_time_ends_there_and_one_that_collapses_says_so(
    tmp_path: Path,
) -> None:
    slow = whole(protocol={"memorise_steps": 5})
    heavy = {**SGD, "learning_rate": 0.1, "weight_decay": 1.0}
    gone = whole(optimiser=heavy, protocol={"max_steps": 400})
    store = RunStore(tmp_path, "code")
    for run in (slow, gone):
        train_cohort("c", [run], store, slots=1)
    ended = [row(store.read(run)) for run in (slow, gone)]
    assert ended[0]["steps"] == 5 and ended[0]["outcome"] == NOT_VALIDATED
    assert ended[1]["steps"] < 400 and ended[1]["outcome"] == "collapsed"


def test_merged_examples_and_slots_side_by_side_do_without_a_validation_set() -> None:
    runs = [
        whole(seed, task={"split_seed": 5}, model={"input": "sum", "depth": 2}, protocol={**FULL})
        for seed in (1, 2)
    ]
    assert len(examples(runs[0], merged=True, dtype=torch.float32)["validation"].labels) == 0
    engine = Engine(runs[0], 2, group=2, stacked=True)
    for slot, run in enumerate(runs):
        engine.start(slot, run)
    engine.advance(2)
    assert engine.merges and engine.evaluate("validation", {0: None, 1: None}) == {}
    assert set(engine.evaluate("train", {0: None, 1: None})) == {0, 1}
    assert slots_within(runs[0], 0.1) >= 1


# Children ---------------------------------------------------------------------------------------------------------


def test_a_child_on_a_part_validates_on_all_other_pairs_and_loses_what_its_parent_had(
    tmp_path: Path,
) -> None:
    """Random labels: whatever a child is no longer trained on it must forget, so that T_lost is there to be found."""
    parent = whole(
        task={"labels": "random"}, optimiser={"weight_decay": 0.0}, protocol={"max_steps": 600}
    )
    child = subset_of(parent, 20)
    values = child.model_dump()
    values["optimiser"]["weight_decay"] = 3.0
    values["protocol"] |= {"max_steps": 3000, "curve_every": 5, "measure": []}
    child = Run.model_validate(values)
    seen, own = data_of(parent), data_of(child)
    assert torch.equal(own.train_inputs, seen.train_inputs[:20])
    assert as_set(own.validation_inputs) == set(pairs(parent.task)) - as_set(own.train_inputs)

    store = RunStore(tmp_path, "code")
    train_cohort("c", [parent], store, slots=1)
    train_cohort("c", [child], store, slots=1)
    found = row(store.read(child))
    assert found["validation_size"] == 101 and found["T_grok"] == 0
    curve = store.read(child).curve
    expected = loss_of_generalisation(curve["step"], curve["validation_accuracy"])
    assert found["T_lost"] == expected.lost > 0
    at = curve.set_index("step")["validation_accuracy"]
    assert at[0] == 1 and at[found["T_lost"]] < LOST_BELOW and found["steps"] == 3000
    assert found["validation_accuracy_late"] < 0.5 and found["train_accuracy_final"] == 1


@pytest.mark.parametrize("updates", [4, 33])
def test_parent_and_child_end_in_the_same_bits_when_either_is_cut(
    tmp_path: Path, updates: int
) -> None:
    child = subset_of(whole(), 30, optimiser="kept")
    stores = [RunStore(tmp_path / name, "code") for name in ("whole", "cut")]
    chain, left = (child.start.parent, child), updates
    for run in chain:
        train_cohort("c", [run], stores[0], slots=1)
        after = After(left)
        try:
            train_cohort("c", [run], stores[1], slots=1, checkpoint_seconds=0, progress=after)
        except Interrupt:
            train_cohort("c", [run], stores[1], slots=1)
        left = after.left
    for run in chain:
        curves = [store.read(run).curve for store in stores]
        pd.testing.assert_frame_equal(*curves, check_exact=True)
    assert states(stores[0]) == states(stores[1]) and len(states(stores[0])) == 1


# In a study -------------------------------------------------------------------------------------------------------


SEEN = {"examples": "seen", "validation": "left_out"}
EVERYTHING = {"change": {"task": {"train_fraction": None, "train_count": 97 * 97}}}
PART = {"change": {"task": {"train_fraction": None, "train_count": 300}}}


def test_a_plan_has_the_whole_table_first_and_its_parts_after_it() -> None:
    data = family(PART, EVERYTHING, **SEEN)
    plan = make_plan(checked(data))
    assert {run_info(run).validation_size for run in members(plan, "S1")} == {0}
    assert {run_info(run).validation_size for run in members(plan, "child")} == {97 * 97 - 300}
    generations = [job.generation for job in plan.jobs.values()]
    assert generations == sorted(generations) and set(generations) == {0, 1}


def test_from_the_plan_to_a_law(tmp_path: Path) -> None:
    """Jobs in the plan's order; the law sees the children alone, and the parents are of use to these."""
    tiny = {"d_model": 16, "ffn": 16, "heads": 2}
    short = {"max_steps": 40, "log_every": 5, "curve_every": 20, "measure_every": 20, "measure": []}
    blocks = [
        {
            "change": {
                "task": {"p": 11, "train_fraction": None, "train_count": count},
                "model": tiny,
                "protocol": {**short, "memorise_steps": None, "tail_steps": 0, "stop": "budget"},
            }
        }
        for count in (30, 121)
    ]
    plan = make_plan(checked(family(*blocks, **SEEN)))
    store = RunStore(tmp_path, "code")
    for name, cohort in plan.cohorts.items():
        train_cohort(name, cohort.runs, store, slots=2)
    jobs = {name: cohort.runs for name, cohort in plan.cohorts.items()}
    runs, curves, spectra = gather(jobs, store)
    experiments = pd.DataFrame(plan.membership)[["experiment", "arm", "run_id", "cell"]]
    frames = Frames(runs, curves, experiments, spectra)
    ends = frames.runs.set_index("run_id")
    for child in members(plan, "child"):
        parent = child.start.run.run_id
        assert ends.loc[child.run_id, "V_0"] == ends.loc[parent, "V_final"]
        assert ends.loc[child.run_id, "validation_size"] == 91
        assert ends.loc[parent, "outcome"] == NOT_VALIDATED and ends.loc[parent, "steps"] == 40
    entry = SimpleNamespace(law="summary", experiments=["S1", "child"], options={})
    made = run_fit("both", entry, frames)
    assert made["runs"] == sorted(run.run_id for run in members(plan, "child"))
    assert check(frames, {"both": made}, [])["outcomes"][NOT_VALIDATED] == 2


@pytest.mark.parametrize(
    ("start", "said"),
    [
        ({"at": "T_grok", **SEEN}, "no validation examples, and so no T_grok"),
        (
            {"examples": "seen", "validation": "unseen"},
            "none is left to validate on; use 'left_out'",
        ),
    ],
)
def test_what_a_parent_on_the_whole_table_cannot_give_is_refused(
    start: dict[str, Any], said: str
) -> None:
    with pytest.raises(RegrokError, match=said):
        make_plan(checked(family(PART, EVERYTHING, **start)))


def test_a_study_may_say_that_nothing_is_validated_on() -> None:
    data = family()
    data["settings"]["parity"]["task"] |= {"n": 8, "train_count": 4000, "validation_count": 0}
    task = complete(settings_block(checked(data), "parity"), "parity").task
    assert task.validation_size == 0


# What is made of them ---------------------------------------------------------------------------------------------


def frames_of(folder: Path) -> tuple[Frames, Run, Run]:
    """A parent on the whole table and a run that has something to validate on, each in an experiment of its own."""
    parent, other = whole(), small_run(protocol={"max_steps": 40})
    store = RunStore(folder, "code")
    for run in (parent, other):
        train_cohort("c", [run], store, slots=1)
    runs, curves, spectra = gather({"c": [parent, other]}, store)
    listed = [(name, "", run.run_id, run.cell) for name, run in (("F", parent), ("S", other))]
    experiments = pd.DataFrame(listed, columns=["experiment", "arm", "run_id", "cell"])
    return Frames(runs, curves, experiments, spectra), parent, other


def test_no_law_figure_or_count_of_failures_sees_it_and_the_checks_pass(tmp_path: Path) -> None:
    frames, parent, other = frames_of(tmp_path)
    used = {"S": {"experiments": ["F", "S"], "runs": [parent.run_id, other.run_id]}}
    assert check(frames, used, [])["outcomes"][NOT_VALIDATED] == 1
    assert list(asked(frames).runs["run_id"]) == [other.run_id]
    assert frames.of("F").runs.empty and len(frames.of("S").runs) == 1
    assert list(show(frames, ["F", "S"]).runs["run_id"]) == [other.run_id]
    summary = run_fit("all", SimpleNamespace(law="summary", experiments=[], options={}), frames)
    assert summary["runs"] == [other.run_id]
    assert summary["estimates"]["all.runs"]["value"] == 1
    card = training(frames.runs).iloc[0]
    assert (card.runs, card.grokked, card.did_not) == (2, 0, 1)


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("outcome", "memorised only", "an outcome that needs validation examples"),
        ("validation_size", 5, "not validated, with validation examples"),
        ("steps", 100, "censored before the budget ended"),
    ],
)
def test_a_row_that_contradicts_itself_is_refused(
    tmp_path: Path, column: str, value: Any, said: str
) -> None:
    frames, parent, _ = frames_of(tmp_path)
    runs = frames.runs.copy()
    runs.loc[runs["run_id"] == parent.run_id, column] = value
    with pytest.raises(RegrokError, match=said):
        check(Frames(runs, frames.curves, frames.experiments, frames.spectra), {}, [])
    assert np.isnan(frames.runs.set_index("run_id").loc[parent.run_id, "T_grok"])
