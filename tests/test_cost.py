"""What runs are predicted to take."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import torch

from configurations import default_run, one_experiment, planned, whole
from regrok.models import build
from regrok.pipeline import speed
from regrok.processor import processor
from regrok.study import cost
from regrok.study.plan import plan_frame
from regrok.study.run import Run
from regrok.study.sizes import task_info
from regrok.study.words import SCALES
from regrok.training.kinds import DECODER

λ = "optimiser.weight_decay"


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


@pytest.mark.parametrize("scale", SCALES)
def test_expected_never_exceeds_worst(scale: str) -> None:
    rows = plan_frame(planned({**whole(), "scale": scale}))
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


def test_runs_that_other_work_slowed_do_not_slow_the_prediction() -> None:
    plan = planned(one_experiment({λ: [1.0]}))
    one = plan_frame(plan).iloc[0]
    slowed = pd.DataFrame(
        {
            "cell": one["cell"],
            "cohort": one["cohort"],
            "steps": 100,
            "wall_seconds": [1.0, 1.0, 4.0, 5.0, 9.0],  # two trained alone, three beside others
        }
    )
    after = plan_frame(plan, slowed)["seconds_per_step"]
    assert after.to_list() == pytest.approx([0.01] * len(after))


def test_seconds_go_with_the_machine_and_the_batch() -> None:
    plan = planned(one_experiment({"protocol.batch": [256, 512]}))
    slow, fast = (
        plan_frame(plan, rate=rate)["seconds_per_step"] - cost.CALLS for rate in (1e10, 1e11)
    )
    assert (slow / fast).to_list() == pytest.approx([10.0] * 4)
    small, large = (default_run(protocol={"batch": batch}) for batch in (256, 512))
    assert 1 < cost.flops_per_step(large) / cost.flops_per_step(small) < 2


def test_examples_drawn_twice_cost_once() -> None:
    rarely = dict.fromkeys(("log_every", "curve_every", "measure_every"), 10**9)
    protocol = {"batch": 512, "replacement": True, **rarely}
    run = default_run(protocol=protocol)
    per_example, fixed = cost.macs_per_example(run)
    batch = (cost.flops_per_step(run) / 6 - fixed) / per_example
    draws = torch.randint(
        run.task.train_size, (2000, 512), generator=torch.Generator().manual_seed(1)
    )
    seen = sum(len(torch.unique(drawn)) for drawn in draws) / len(draws)
    assert batch == pytest.approx(seen, rel=2e-3)
    once = default_run(protocol={**protocol, "replacement": False})
    assert cost.flops_per_step(once) / 6 == pytest.approx(512 * per_example + fixed)


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("operator", [True, False])
@pytest.mark.parametrize("dropout", [None, 0.1])
def test_operations_of_a_decoder_are_those_of_its_products(
    layers: int, operator: bool, dropout: float | None
) -> None:
    """Three times the forward products; scores and mixtures of values are no products, and a query of a mark is one."""
    decoder = {**DECODER, "layers": layers, "operator": operator, "d_model": 64, "ffn": 128}
    decoder["dropout"] = dropout
    rarely = dict.fromkeys(("log_every", "curve_every", "measure_every"), 10**9)
    base = default_run(protocol={"batch": 100, "replacement": False, **rarely})
    run = Run.model_validate({**base.model_dump(), "model": decoder})
    assert run.model.name == "decoder"
    network = build(run.model, task_info(run.task), kernels="reference")
    flat = torch.zeros(1, network.layout.size)
    workspace = network.workspace(1, 100)
    inputs, labels = torch.zeros(1, 100, 2).long(), torch.zeros(1, 100).long()
    draws = None if dropout is None else torch.zeros(1, 2).long()
    network.loss_and_gradient(flat, flat.clone(), inputs, labels, workspace, None, draws)
    assert cost.flops_per_step(run) == pytest.approx(workspace.flops, rel=0.03)
    assert cost.flops_per_step(run) >= workspace.flops * 0.999


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


def test_runs_that_took_their_time_elsewhere_tell_their_steps_alone() -> None:
    plan = planned(one_experiment({λ: [0.5, 1.0]}))
    before = plan_frame(plan)
    done = before.iloc[0]
    history = pd.DataFrame(
        {
            "cell": [done["cell"]],
            "cohort": [done["cohort"]],
            "steps": [100],
            "wall_seconds": [float("nan")],
        }
    )
    after = plan_frame(plan, history)
    assert (after.loc[after["cell"] == done["cell"], "expected_steps"] == 100).all()
    assert after["seconds_per_step"].to_list() == before["seconds_per_step"].to_list()


def test_the_rate_is_of_the_kernels_and_of_as_many_at_once_as_will_train(tmp_path: Path) -> None:
    """Two cores that are one core's hyper-threads: each is slower when both train, so each count is timed."""
    cache = tmp_path / "machine.json"
    running, most, lock = [0], [0], threading.Lock()

    def bound(left: object, right: object, out: object, accumulate: bool) -> Callable[[], None]:
        def call() -> None:
            with lock:
                running[0] += 1
                most[0] = max(most[0], running[0])
            time.sleep(1e-3)
            with lock:
                running[0] -= 1

        return call

    native = SimpleNamespace(name="native", products={"float32": bound})
    for processes in (1, 3):
        most[0] = 0
        cost.machine_rate(cache, seconds=0.03, processes=processes, kernels=native)
        assert most[0] == processes
    cost.machine_rate(cache, seconds=0.01, processes=3)
    keys = list(json.loads(cache.read_text(encoding="utf-8")))
    assert ["reference kernels" in key for key in keys] == [False, False, True]
    assert [key.rpartition(", ")[2] for key in keys] == ["1 at once", "3 at once", "3 at once"]
    assert all(key.startswith(f"{processor()}, ") for key in keys)


def test_times_of_another_processor_or_other_kernels_are_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = {"cell": "c", "cohort": "a-0", "steps": 100, "wall_seconds": 1.0}
    ours, theirs = "cpu: native kernels", "cpu: reference kernels"
    runs = [
        {**row, "device": ours, "processor": "Mine"},
        {**row, "device": theirs, "processor": "Mine"},
        {**row, "device": ours, "processor": "Another"},
        {**row, "device": ours, "processor": None},  # from before it was kept
        {**row, "device": "cuda: Fast", "processor": "Fast"},
    ]
    released = tmp_path / "released"
    monkeypatch.setattr(speed, "RELEASED", released)
    for folder in (tmp_path / "laptop", released / "laptop", released / "paper"):
        folder.mkdir(parents=True)
    pd.DataFrame(runs).to_parquet(tmp_path / "laptop/runs.parquet")
    # A bundle without the columns: its build's processor stands for its runs.
    for scale, name in (("laptop", "Mine"), ("paper", "Another")):
        without = pd.DataFrame(runs[:1]).drop(columns="processor")
        without.to_parquet(released / scale / "runs.parquet")
        about = {"machine": {"processor": name}}
        (released / scale / "provenance.json").write_text(json.dumps(about), encoding="utf-8")
    mine = speed.Speed(1e11, "Mine", "native", 2)
    found = speed.history("cpu", mine, tmp_path)
    assert found is not None
    assert found["wall_seconds"].notna().sum() == 2
    assert found["wall_seconds"].notna().tolist()[:5] == [True, False, False, False, False]
    assert found["steps"].tolist() == [100] * 7
    gpu = speed.history("cuda", mine, tmp_path)
    assert gpu is not None and gpu["wall_seconds"].notna().sum() == 1


def test_the_machine_is_timed_once(tmp_path: Path) -> None:
    cache = tmp_path / "results" / "machine.json"
    first = cost.machine_rate(cache, seconds=0.01)
    assert 1e8 < first < 1e14
    assert cost.machine_rate(cache, seconds=0.01) == first
    (key,) = json.loads(cache.read_text(encoding="utf-8"))
    cache.write_text(json.dumps({key: 1.0}), encoding="utf-8")
    assert cost.machine_rate(cache) == 1.0
    cache.write_text("not JSON", encoding="utf-8")
    assert cost.machine_rate(cache, seconds=0.01) > 1.0
