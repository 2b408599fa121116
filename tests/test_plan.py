"""Grids → runs → cohorts, and what they are predicted to take."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pandas as pd
import pytest
from hypothesis import given, settings

from regrok import cost
from regrok.config import SCALES
from regrok.plan import Plan, make_plan, plan_frame, signature
from studies import checked, default_run, part, whole

λ = "optimiser.weight_decay"
η = "optimiser.learning_rate"


def planned(data: dict[str, Any]) -> Plan:
    return make_plan(checked(data))


def one_experiment(
    grid: dict[str, list[Any]], seeds: list[int] | None = None, **others: Any
) -> dict[str, Any]:
    data = part("S1")
    experiment = data["experiments"]["S1"]
    experiment |= {"grid": grid, "seeds": seeds or [42, 43], "scales": {"laptop": {}}, **others}
    return data


def places(plan: Plan) -> dict[str, str]:
    """run_id → cohort."""
    return {run.run_id: name for name, cohort in plan.cohorts.items() for run in cohort.runs}


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
    def placed(decays: list[float], moduli: list[int], seeds: set[int]) -> dict[str, str]:
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


# ---------------------------------------------------------------- study one

PUBLISHED = {
    # 2603.13331, released run data: experiment → runs, seeds, budgets. S7's ten are five, measured twice.
    "S1": (10, range(42, 52), {50_000}),
    "S2": (80, range(42, 52), {80_000, 15_000}),
    "S3": (49, range(42, 49), {50_000}),
    "S4": (5, range(42, 47), {50_000}),
    "S5A": (25, range(42, 47), {50_000, 100_000, 200_000}),
    "S5B": (45, range(42, 47), {50_000, 100_000, 200_000}),
    "S6": (10, range(42, 47), {50_000}),
    "S7": (5, range(42, 47), {50_000}),
    "S8": (15, range(42, 47), {50_000}),
    "S9": (20, range(42, 47), {50_000}),
    "S10": (15, range(42, 47), {100_000}),
}


@pytest.fixture(scope="module")
def frames() -> dict[str, pd.DataFrame]:
    """Scale → one row per experiment and run."""
    found = {}
    for scale in SCALES:
        plan = planned({**whole(), "scale": scale})
        frame = plan_frame(plan).drop(columns="cell")
        found[scale] = plan.experiments.merge(frame, on="run_id", validate="many_to_one")
    return found


@pytest.mark.parametrize("experiment", PUBLISHED)
def test_the_paper_scale_has_the_published_runs(
    frames: dict[str, pd.DataFrame], experiment: str
) -> None:
    runs, seeds, budgets = PUBLISHED[experiment]
    rows = frames["paper"].query("experiment == @experiment")
    assert len(rows) == runs
    assert set(rows["seed"]) == set(seeds)
    assert set(rows["worst_steps"]) == budgets
    assert rows["protocol.log_every"].max() <= 25


def test_budgets_of_the_learning_rate_sweep_are_the_published_ones(
    frames: dict[str, pd.DataFrame],
) -> None:
    rows = frames["paper"].query("experiment in ['S5A', 'S5B']")
    published = (1e5 * 1e-3 / rows[η]).clip(upper=2e5).round()
    assert (rows["worst_steps"] == published).all()


def test_the_laptop_scale_keeps_enough_of_everything(frames: dict[str, pd.DataFrame]) -> None:
    laptop = frames["laptop"]
    assert set(laptop["experiment"]) == set(whole()["experiments"])
    assert laptop.groupby(["experiment", "cell"])["seed"].nunique().min() >= 3
    sweep = laptop.query("experiment == 'S2' and arm == 'regime II'")
    assert sweep.groupby(λ)["seed"].nunique().min() >= 5
    for name, axis in [
        ("S2", λ),
        ("S5A", η),
        ("S3", "task.p"),
        ("init_scale", "model.init_scale"),
    ]:
        assert laptop[laptop["experiment"] == name][axis].nunique() >= 4


def test_experiments_share_their_runs(frames: dict[str, pd.DataFrame]) -> None:
    for scale, shared in [
        ("laptop", ["S2", "S3", "S5A", "S5B", "S6", "S8", "init_scale"]),
        ("paper", ["S3"]),
    ]:
        ids = {name: set(rows["run_id"]) for name, rows in frames[scale].groupby("experiment")}
        for name in shared:
            assert ids["S1"] & ids[name], (scale, name)
        assert ids["S7"] == ids["S4"]
        assert ids["S6"] <= ids["S8"]


# ---------------------------------------------------------------- prediction


@pytest.mark.parametrize(
    ("decay", "rate", "published"),
    [
        (0.1, 1e-3, 12_700),
        (0.3, 1e-3, 4_900),
        (0.5, 1e-3, 3_150),
        (1.0, 1e-3, 1_840),
        (1.0, 2e-3, 840),
    ],
)
def test_expected_steps_are_near_the_published_means(
    decay: float, rate: float, published: int
) -> None:
    run = default_run(optimiser={"weight_decay": decay, "learning_rate": rate})
    assert cost.prior_steps(run) - run.protocol.tail_steps == pytest.approx(published, rel=0.25)


@pytest.mark.parametrize("decay", [0.0, 0.01, 2.0, 5.0])
def test_a_run_that_may_not_grok_is_expected_to_spend_its_budget(decay: float) -> None:
    run = default_run(optimiser={"weight_decay": decay})
    assert cost.prior_steps(run) == run.protocol.max_steps


def test_expected_never_exceeds_worst(frames: dict[str, pd.DataFrame]) -> None:
    for rows in frames.values():
        assert (rows["expected_steps"] <= rows["worst_steps"]).all()
        assert (rows["expected_steps"] > 0).all()
        assert (rows["expected_seconds"] <= rows["worst_seconds"]).all()


def test_finished_runs_correct_the_prediction() -> None:
    plan = planned(one_experiment({λ: [0.5, 1.0]}))
    before = plan_frame(plan)
    done = before.query("`optimiser.weight_decay` == 1.0").iloc[0]
    history = pd.DataFrame(
        {
            "cell": [done["cell"]] * 3 + ["elsewhere"],
            "cohort": [done["cohort"]] * 3 + ["another-shape-000000-0"],
            "steps": [100, 300, 200, 10],
            "wall_seconds": [1.0, 3.0, 2.0, 1000.0],
        }
    )
    after = plan_frame(plan, history).set_index("run_id")
    before = before.set_index("run_id")
    same_cell = after["cell"] == done["cell"]
    assert (after.loc[same_cell, "expected_steps"] == 200).all()
    assert (
        after.loc[~same_cell, "expected_steps"] == before.loc[~same_cell, "expected_steps"]
    ).all()
    # The other cell has the same shapes, and so the same speed.
    assert after["seconds_per_step"].to_list() == pytest.approx([0.01] * len(after))


def test_seconds_go_with_the_machine_and_the_batch() -> None:
    plan = planned(one_experiment({"protocol.batch": [256, 512]}))
    slow, fast = (
        plan_frame(plan, rate=rate)["seconds_per_step"] - cost.CALLS for rate in (1e10, 1e11)
    )
    assert (slow / fast).to_list() == pytest.approx([10.0] * 4)
    small, large = (default_run(protocol={"batch": batch}) for batch in (256, 512))
    assert 1 < cost.flops_per_step(large) / cost.flops_per_step(small) < 2


def test_operations_of_paper_As_model_by_hand() -> None:
    # Last token: output projection 128², feed-forward 2·128·512, scores and values 4·128, head 128·97;
    # both token tables: 97 rows through the 128 × 384 input projection, twice.
    per_example, fixed = cost.macs_per_example(default_run())
    assert (per_example, fixed) == (16_384 + 131_072 + 512 + 12_416, 2 * 97 * 128 * 384)


@pytest.mark.parametrize(
    ("jobs", "cores", "longest"),
    [([3, 3, 2, 2, 2], 2, 7), ([5, 1, 1, 1], 2, 5), ([1, 2, 3], 1, 6), ([4], 8, 4), ([], 2, 0)],
)
def test_makespan_gives_the_longest_job_first(
    jobs: list[float], cores: int, longest: float
) -> None:
    assert cost.makespan(jobs, cores) == longest


def test_the_machine_is_timed_once(tmp_path: Path) -> None:
    cache = tmp_path / "results" / "machine.json"
    first = cost.machine_rate(cache, seconds=0.01)
    assert 1e8 < first < 1e14
    assert cost.machine_rate(cache, seconds=0.01) == first
    (key,) = json.loads(cache.read_text())
    cache.write_text(json.dumps({key: 1.0}))
    assert cost.machine_rate(cache) == 1.0
    cache.write_text("not JSON")
    assert cost.machine_rate(cache, seconds=0.01) > 1.0
