"""Starts in a study: which parents, in which order they are trained, and what is refused before any job."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from configurations import checked, one_experiment, planned, whole
from regrok.errors import RegrokError
from regrok.pipeline.rosters import as_asked
from regrok.study.plan import Plan
from regrok.study.run import Run

λ = "optimiser.weight_decay"
COUNT = "task.train_count"
START = {"experiment": "S1", "at": "end", "optimiser": "fresh", "examples": "own"}
SEEN = {"examples": "seen", "validation": "left_out"}
CUT = {"task": {"train_fraction": None, "train_count": 300}}


def family(
    child: dict[str, Any] | None = None, parent: dict[str, Any] | None = None, **start: Any
) -> dict[str, Any]:
    """S1 with seeds 1 and 2, and an experiment `child` that starts from it."""
    data = {**one_experiment({}, [1, 2]), "studies": {}}
    data["experiments"]["child"] = copy.deepcopy(data["experiments"]["S1"])
    data["experiments"]["S1"] |= parent or {}
    data["experiments"]["child"] |= {"start": {**START, **start}, **(child or {})}
    return data


def members(plan: Plan, experiment: str) -> list[Run]:
    return [plan.runs[r["run_id"]] for r in plan.membership if r["experiment"] == experiment]


def refusal(data: dict[str, Any]) -> str:
    with pytest.raises(RegrokError) as caught:
        planned(data)
    return str(caught.value)


# Who starts from whom -------------------------------------------------------------------------------------------------


def test_a_child_starts_from_the_parent_with_its_seed_or_with_a_stated_one() -> None:
    for stated, expected in ((None, [1, 2]), (2, [2, 2])):
        plan = planned(family(seed=stated))
        parents = {run.seed: run for run in members(plan, "S1")}
        children = members(plan, "child")
        assert [run.seed for run in children] == [1, 2]
        assert [run.start.run.run_id for run in children] == [parents[s].run_id for s in expected]
        assert len({run.cell for run in children}) == 1


def test_the_parents_cell_is_named_or_equals_the_childs() -> None:
    swept = {"grid": {λ: [0.1, 1.0]}}
    one = planned(family(swept, swept, cell={λ: 1.0}))
    own = planned(family(swept, swept, same=[λ]))
    decays = [
        [(run.optimiser.weight_decay, run.start.run.optimiser.weight_decay) for run in found]
        for found in (members(one, "child"), members(own, "child"))
    ]
    assert decays == [
        [(0.1, 1.0), (0.1, 1.0), (1.0, 1.0), (1.0, 1.0)],
        [(0.1, 0.1), (0.1, 0.1), (1.0, 1.0), (1.0, 1.0)],
    ]


def test_an_arm_may_start_from_another_and_one_from_none() -> None:
    arms = [
        {"name": "scratch", "start": None},
        {"name": "grokked", "start": {**START, "experiment": "child", "arm": "scratch"}},
        {"name": "as the others"},
    ]
    found = members(planned(family({"arms": arms})), "child")
    assert [run.generation for run in found] == [0, 0, 1, 1, 1, 1]
    assert found[2].start.run.run_id == found[0].run_id


def test_a_childs_id_follows_its_parents_settings_and_plain_runs_keep_theirs() -> None:
    first = planned(family())
    second = planned(family(parent={"grid": {λ: [0.3]}}))
    ids = [{run.run_id for run in members(plan, "child")} for plan in (first, second)]
    assert not ids[0] & ids[1]
    alone = planned(one_experiment({}, [1, 2]))
    assert set(alone.runs) == {run.run_id for run in members(first, "S1")}


# In which order -----------------------------------------------------------------------------------------------------


def test_parents_come_first_keep_what_is_asked_for_and_share_no_job_with_their_children() -> None:
    data = family(at="T_grok")
    data["experiments"]["third"] = copy.deepcopy(data["experiments"]["child"])
    data["experiments"]["third"]["start"] |= {"experiment": "child", "at": 50}
    data["experiments"]["other"] = copy.deepcopy(data["experiments"]["child"])
    data["experiments"]["other"]["start"] |= {"at": "end"}
    data["trainer"]["cohort_parts"] = 2
    plan = planned(data)
    kept = [[run.protocol.keep for run in members(plan, name)] for name in ("S1", "child", "third")]
    assert kept == [[("T_grok", "end")] * 2, [(50,)] * 2, [None] * 2]
    generations = [job.generation for job in plan.jobs.values()]
    assert generations == sorted(generations) and set(generations) == {0, 1, 2}
    for name, job in plan.jobs.items():
        assert {run.generation for run in job.runs} == {job.generation}
        begun = {run.start.run.run_id for run in job.runs if run.start}
        before = [run.run_id for each in plan.before(name) for run in plan.jobs[each].runs]
        assert begun <= set(before) and bool(before) == bool(begun)
        assert all(plan.jobs[each].generation == job.generation - 1 for each in plan.before(name))


def test_a_parent_of_an_experiment_that_is_left_out_is_trained_and_is_in_no_experiment() -> None:
    plan = planned({**family(), "only": ["child"]})
    assert {row["experiment"] for row in plan.membership} == {"child"}
    assert {run.start.run.run_id for run in members(plan, "child")} < plan.runs.keys()
    assert len(plan.runs) == 4 and {job.generation for job in plan.jobs.values()} == {0, 1}


def test_sizes_of_what_was_seen_part_the_cohorts() -> None:
    """Side by side are runs whose sets have one shape; what the parent's split leaves over counts too."""
    subset = {"change": {**CUT}}
    parent = {"grid": {"task.train_fraction": [0.4, 0.5]}}
    names = []
    for fraction in (0.4, 0.5):
        cell = {"task.train_fraction": fraction}
        start = {"cell": cell, "examples": "seen", "validation": "unseen"}
        plan = planned(family(subset, parent, **start))
        child = members(plan, "child")[0].run_id
        names.append(
            next(n for n, c in plan.cohorts.items() if child in {r.run_id for r in c.runs})
        )
    assert names[0].rpartition("-")[0] != names[1].rpartition("-")[0]


def test_a_roster_says_nothing_of_starts_where_there_is_none() -> None:
    plan = planned(family())
    parent, child = members(plan, "S1")[0], members(plan, "child")[0]
    bare = as_asked(next(iter(planned(one_experiment({}, [1])).runs.values())))
    assert "start" not in bare and not {"stop", "keep"} & bare["protocol"].keys()
    assert as_asked(parent)["protocol"]["keep"] == ["end"]
    assert Run.model_validate(as_asked(child), strict=False).run_id == child.run_id


# What is refused ------------------------------------------------------------------------------------------------------


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no such experiment": (family(experiment="S99"), "no such experiment of the study"),
    "not at this scale": (
        family(parent={"scales": {"smoke": {}}}),
        "'S1' does not run at this scale",
    ),
    "no such arm": (family(arm="a"), "S1 has no such arm (it has: none, so leave arm out)"),
    "no such seed": (family({"seeds": [1, 7]}), "no run of S1 has the seed 7, but 1, 2"),
    "no such key": (family(same=["optimiser.decay_weight"]), "no such key"),
    "two cells": (family(parent={"grid": {λ: [0.1, 1.0]}}), "2 of the 2 cells of S1 fit"),
    "no cell": (family(cell={λ: 7.0}), "0 of the 1 cells of S1 fit"),
    "itself": (family(experiment="child"), "a cycle of starts: child → child"),
    "more than was seen": (
        family({"change": {"task": {"train_fraction": 0.9}}}, **SEEN),
        "training examples are more than the",
    ),
    "another operation": (
        family({"change": {"task": {**CUT["task"], "operation": "subtract"}}}, **SEEN),
        "no part of the parent's, which differs in task.operation",
    ),
    "another split": (
        family({"change": {"task": {**CUT["task"], "split_seed": 3}}}, **SEEN),
        "no part of the parent's, which differs in task.split_seed",
    ),
    "another modulus": (
        family({"change": {"task": {"p": 53}}}),
        "53 tokens and 53 classes cannot start from one of modular with 97 tokens",
    ),
    "another shape": (
        family({"change": {"model": {"d_model": 64, "init_scale": 2.0}}}),
        "of another shape than its parent's: they differ in model.d_model.",
    ),
    "another optimiser": (
        family({"change": {"optimiser": {"name": "sgd", "decay": "coupled"}}}, optimiser="kept"),
        "sgd keeps other averages than the parent's adamw",
    ),
    "a step beyond the budget": (family(at=10**9), "is beyond max_steps"),
    "a step that is not logged": (family(at=26), "step 26 is not logged"),
    "which validation": (family(examples="seen"), "it needs 'left_out' or 'unseen'"),
    "validation of its own": (family(validation="unseen"), "it needs null"),
    "kept beyond the budget": (
        family({"change": {"protocol": {"keep": [10**9]}}}),
        "is beyond max_steps",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_start_that_cannot_be_is_refused_before_any_job(case: str) -> None:
    data, expected = BAD[case]
    said = refusal(data)
    assert expected in said, said
    assert "child" in said or "keep" in said


def test_a_cycle_of_two_is_refused_with_its_way() -> None:
    data = family()
    data["experiments"]["S1"]["start"] = {**START, "experiment": "child"}
    assert "a cycle of starts: S1 → child → S1" in refusal(data)


def test_a_start_from_another_study_is_refused() -> None:
    data = family()
    paper = next(iter(whole()["studies"].values()))["paper"]
    data["studies"] = {
        "one": {"paper": paper, "experiments": ["S1"]},
        "two": {"paper": paper, "experiments": ["child"]},
    }
    assert "start.experiment = 'S1': no such experiment of the study" in refusal(data)


def test_experiments_that_others_start_from_are_made_something_of() -> None:
    data = family()
    data["fits"] = {"s": {"law": "summary", "experiments": ["child"]}}
    checked(data)
