"""Grids → runs → cohorts → jobs."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given, settings

from configurations import checked, default_run, one_experiment, part, planned, whole
from regrok.pipeline.graph import Graph
from regrok.study.plan import Plan, signature

λ = "optimiser.weight_decay"
η = "optimiser.learning_rate"


def places(plan: Plan) -> dict[str, tuple[str, str]]:
    """run_id → job, cohort."""
    return {
        run.run_id: (job.name, cohort.name)
        for job in plan.jobs.values()
        for cohort in job.cohorts
        for run in cohort.runs
    }


# ---------------------------------------------------------------- expansion


def test_a_grid_makes_every_combination_with_every_seed() -> None:
    plan = planned(one_experiment({λ: [0.1, 1.0], η: [1e-3, 2e-3, 5e-4]}, [1, 2, 3, 4]))
    found = {
        (r.optimiser.weight_decay, r.optimiser.learning_rate, r.seed) for r in plan.runs.values()
    }
    assert found == {(a, b, s) for a in (0.1, 1) for b in (1e-3, 2e-3, 5e-4) for s in (1, 2, 3, 4)}
    assert len({run.cell for run in plan.runs.values()}) == 6
    assert set(plan.experiments["experiment"]) == {"S1"}


def test_a_run_of_two_experiments_is_one_run_that_measures_for_both() -> None:
    data = part("S1", "S4", scale="smoke")
    alone = planned(part("S1", scale="smoke"))
    plan = planned(data)
    assert plan.runs.keys() == alone.runs.keys()
    shared = [run for run in plan.runs.values() if run.seed == 42]
    assert [run.protocol.measure for run in shared] == [
        ("fourier_high", "fourier_low", "logit_max")
    ]
    rows = plan.experiments[plan.experiments["run_id"] == shared[0].run_id]
    assert sorted(rows["experiment"]) == ["S1", "S4"]


@given(st.integers(1, 12), st.integers(1, 12))
def test_a_shared_run_is_measured_as_often_as_both_need(a: int, b: int) -> None:
    data = part("S1", "S4", scale="smoke")
    for name, every, measure in (("S1", a, ["logit_max"]), ("S4", b, ["norm_groups"])):
        change = {"protocol": {"measure": measure, "measure_every": 25 * every}}
        data["experiments"][name]["scales"]["smoke"]["change"] = change
        data["experiments"][name]["change"] = {}
    run = next(run for run in planned(data).runs.values() if run.seed == 42)
    assert set(run.protocol.measure) == {"logit_max", "norm_groups"}
    assert 25 * a % run.protocol.measure_every == 0 == 25 * b % run.protocol.measure_every


def test_each_layer_has_the_last_word_on_what_it_lists() -> None:
    data = one_experiment({λ: [0.3]}, [1])
    experiment = data["experiments"]["S1"]
    experiment["change"] = {"optimiser": {"weight_decay": 9, "beta1": 0.1, "beta2": 0.2, "eps": 1}}
    at = {"change": {"optimiser": {"weight_decay": 8, "beta2": 0.3, "eps": 2}}}
    at["arms"] = [{"name": "a", "change": {"optimiser": {"weight_decay": 7, "eps": 3}}}]
    experiment["scales"] = {"laptop": at}
    (run,) = planned(data).runs.values()
    found = run.optimiser
    assert (found.beta1, found.beta2, found.eps, found.weight_decay) == (0.1, 0.3, 3.0, 0.3)
    assert found.learning_rate == 1e-3


def test_seeds_and_axes_of_an_arm_are_its_own() -> None:
    arms = [{"name": "a", "seeds": [7], "grid": {λ: [0.1]}}, {"name": "b"}]
    plan = planned(one_experiment({λ: [0.5, 1.0]}, [1, 2], arms=arms))
    found = {(r.optimiser.weight_decay, r.seed) for r in plan.runs.values()}
    assert found == {(0.1, 7), (0.5, 1), (0.5, 2), (1.0, 1), (1.0, 2)}
    assert set(plan.experiments["arm"]) == {"a", "b"}


def test_another_task_replaces_the_block_and_keeps_nothing_of_it() -> None:
    parity = whole()["settings"]["parity"]
    change = {block: parity[block] for block in ("task", "model")}
    plan = planned(one_experiment({"task.n": [20, 30]}, change=change))
    assert {run.task.name for run in plan.runs.values()} == {"sparse_parity"}
    assert {run.task.n for run in plan.runs.values()} == {20, 30}


# ---------------------------------------------------------------- cohorts

values = st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.5, 1.0, 2.0]), min_size=1, unique=True)


@settings(max_examples=50)
@given(values, values, st.sets(st.integers(0, 60), min_size=1, max_size=5), st.integers(1, 5))
def test_what_is_added_moves_no_run(
    first: list[float], more: list[float], seeds: set[int], parts: int
) -> None:
    def placed(
        decays: list[float], moduli: list[int], seeds: set[int]
    ) -> dict[str, tuple[str, str]]:
        data = one_experiment({λ: decays, "task.p": moduli}, sorted(seeds))
        data["trainer"]["cohort_parts"] = parts
        return places(planned(data))

    few = placed(first, [97], seeds)
    many = placed([*first, *(v for v in more if v not in first)], [97, 53], seeds | {61, 62})
    assert few.items() <= many.items()


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=12, unique=True), st.integers(1, 6))
@settings(max_examples=50)
def test_consecutive_seeds_of_a_cell_go_round_the_parts(start: list[int], parts: int) -> None:
    seeds = list(range(start[0], start[0] + 3 * parts))
    data = one_experiment({}, seeds)
    data["trainer"]["cohort_parts"] = parts
    assert [len(cohort.runs) for cohort in planned(data).cohorts.values()] == [3] * parts


def test_a_cohort_holds_one_shape_and_what_may_differ_does() -> None:
    one = default_run()
    same = [
        {"optimiser": {"learning_rate": 0.1, "weight_decay": 0.0, "beta1": 0.5, "clip_norm": 1.0}},
        {"model": {"init_scale": 3.0}},
        {"protocol": {"max_steps": 7, "tail_steps": 3, "measure": ("logit_max",)}},
    ]
    other = [
        {"task": {"p": 53}},
        {"task": {"train_fraction": 0.4}},
        {"model": {"d_model": 64}},
        {"optimiser": {"name": "adam", "decay": "coupled"}},
        {"protocol": {"batch": 128}},
        {"protocol": {"log_every": 50}},
    ]
    assert {signature(default_run(**change)) for change in same} == {signature(one)}
    assert len({signature(default_run(**change)) for change in [{}, *other]}) == len(other) + 1


def test_a_cohorts_name_says_what_it_trains() -> None:
    plan = planned(part("S1", "S10", scale="smoke"))
    heads = {name.rsplit("-", 2)[0] for name in plan.cohorts}
    assert heads == {"add-p97-transformer-adamw", "sparse_parity-n20-mlp-adamw"}
    for name, cohort in plan.cohorts.items():
        assert name.endswith(f"-{cohort.signature}-{cohort.part}")
        assert {signature(run) for run in cohort.runs} == {cohort.signature}


# ---------------------------------------------------------------- jobs


def test_jobs_train_every_cohort_once_and_each_rests_on_one_set_of_files() -> None:
    for scale in ("smoke", "laptop", "paper"):
        plan = planned({**whole(), "scale": scale})
        trained = [cohort for job in plan.jobs.values() for cohort in job.cohorts]
        assert sorted(cohort.name for cohort in trained) == sorted(plan.cohorts)
        assert sorted(places(plan)) == sorted(plan.runs)
        for job in plan.jobs.values():
            kinds = {(run.task.name, run.model.name) for run in job.runs}
            assert len(kinds) == 1, job.name
            assert {cohort.part for cohort in job.cohorts} == {int(job.name.rsplit("-")[-1])}


def test_shapes_of_one_size_and_model_share_a_job() -> None:
    optimisers = [{"name": "adamw"}, {"name": "adam", "decay": "coupled"}]
    data = one_experiment({"task.p": [53, 97]}, [1])
    data["trainer"]["cohort_parts"] = 1
    data["experiments"]["S1"]["arms"] = [
        {"name": f"arm {i}", "change": {"optimiser": change}} for i, change in enumerate(optimisers)
    ]
    plan = planned(data)
    assert len(plan.cohorts) == 4
    assert {name: len(job.cohorts) for name, job in plan.jobs.items()} == {
        "modular-p53-transformer-0": 2,
        "modular-p97-transformer-0": 2,
    }


def test_the_job_with_the_most_work_begins_first() -> None:
    data = one_experiment({"task.p": [53, 97], λ: [0.5]}, [1, 2, 3])
    data["trainer"]["cohort_parts"] = 1
    study = Graph(checked(data))
    order = sorted(study.jobs, key=study.priority, reverse=True)
    assert order == ["modular-p97-transformer-0", "modular-p53-transformer-0"]
    assert sorted(map(study.priority, study.jobs)) == [1, 2]
