"""Probes: states from the store or trained again to the same bits, rows that are kept, networks as functions."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from checkouts import small_study
from configurations import checked
from regrok.errors import RegrokError
from regrok.models import build
from regrok.pipeline.probing import probed
from regrok.pipeline.rosters import STORE
from regrok.probes import code, commutator_defect, key, probe, probes, seed
from regrok.probes.commutator_defect import commutator, drawn, measure, single_difference
from regrok.probes.parts import replay, table
from regrok.probes.parts.networks import forward_of
from regrok.runs.store import RunStore
from regrok.study.blocks import Moments, Probe
from regrok.study.plan import make_plan, plan_frame
from regrok.study.probe_cost import probe_cost
from regrok.study.probed import effort, moments
from regrok.study.run import Run
from regrok.study.sizes import run_info
from regrok.tasks import streams
from regrok.training.generations import trained_by
from regrok.training.loop import train_cohort
from regrok.training.slots import Engine
from small import parity_run, small_run, small_transformer

OPTIONS = {**commutator_defect.DEFAULTS, "pairs": 3, "batch": 16}


def trained(run: Run, root):
    """The run's store, and the run as it is there."""
    store = RunStore(root, "trial")
    train_cohort("cohort", [run], store, slots=1)
    return store, store.read(run.run_id)


def states(run, root, steps, grokked_at=math.nan):
    store, stored = trained(run, root)
    return list(replay.states(run, stored, store, steps, grokked_at))


# The defect -----------------------------------------------------------------------------------------------------------


def quadratic(rng, size):
    """The gradient of ½θᵀHθ − bᵀθ of each of two batches, and their H, b."""
    made = []
    for _ in range(2):
        root = rng.normal(size=(size, size))
        made.append((root @ root.T / size, rng.normal(size=size)))
    tensors = [tuple(map(torch.from_numpy, each)) for each in made]

    def gradient(theta, which):
        H, b = tensors[which]
        return H.to(theta) @ theta - b.to(theta)

    return gradient, made


@pytest.mark.parametrize("eta", [1e-3, 0.5])
def test_on_a_quadratic_loss_the_defect_is_the_commutator_of_the_hessians(eta):
    """θ_AB − θ_BA = η²(H_B g_A − H_A g_B) to the last digit, at any η."""
    rng = np.random.default_rng(1)
    gradient, ((H_a, b_a), (H_b, b_b)) = quadratic(rng, 12)
    theta = rng.normal(size=12)
    g_a, g_b = H_a @ theta - b_a, H_b @ theta - b_b
    found = commutator(gradient, torch.from_numpy(theta), 0, 1, eta)
    expected = eta**2 * np.linalg.norm(H_b @ g_a - H_a @ g_b)
    assert found == pytest.approx((expected, np.linalg.norm(g_a), np.linalg.norm(g_b)), rel=1e-9)
    # The same by two steps either way, which at η = 1e-3 keeps fewer digits.
    steps = single_difference(gradient, torch.from_numpy(theta), 0, 1, eta)
    assert steps == pytest.approx(expected, rel=1e-6)


def test_of_one_batch_twice_the_defect_is_nothing():
    gradient, _ = quadratic(np.random.default_rng(2), 8)
    theta = torch.ones(8, dtype=torch.float64)
    assert commutator(gradient, theta, 0, 0, 0.1)[0] == 0
    assert single_difference(gradient, theta.float(), 1, 1, 0.1) == 0


def test_single_precision_adds_about_what_rounding_says():
    """Where g is small and θ is not, ε‖θ‖/(‖ηg‖²) is the size of what single precision makes of nothing."""
    theta = torch.from_numpy(np.random.default_rng(4).normal(size=4000))

    def small(point, which):  # nearly no gradient and no curvature
        return 1e-2 * torch.tanh(point + which)

    exact = commutator(small, theta, 0, 1, 1e-3)[0]
    found = single_difference(small, theta.float(), 0, 1, 1e-3)
    rounding = commutator_defect.EPSILON * float(theta.norm())
    assert exact < 0.02 * rounding < found < 3 * rounding


def test_a_batch_of_everything_is_refused(tmp_path):
    (state,) = states(small_run(), tmp_path, [0])
    every = len(state.train)
    with pytest.raises(RegrokError, match=rf"options.batch = {every} of {every} training examples"):
        measure(state, {**OPTIONS, "batch": every}, 1)


def test_batches_hold_an_example_twice_where_that_is_asked():
    """Of 40 drawn for themselves among 50 about 50(1 - (1 - 1/50)^40) = 27.7 differ; without repetition all 40 do."""
    draw = torch.Generator().manual_seed(3)
    different = [len(set(drawn(50, 40, True, draw).tolist())) for _ in range(200)]
    assert 27 < np.mean(different) < 28.5
    assert {len(set(drawn(50, 40, False, draw).tolist())) for _ in range(20)} == {40}
    places = torch.cat([drawn(50, 40, True, draw) for _ in range(200)])
    assert places.min() == 0 and places.max() == 49


def test_the_defect_of_a_network_is_that_of_two_steps_of_plain_torch(tmp_path):
    state = states(small_transformer(), tmp_path, [20])[0]
    (row,) = measure(state, {**OPTIONS, "pairs": 1}, 5)
    draw = torch.Generator().manual_seed(5)
    a, b = (state.train[torch.randperm(len(state.train), generator=draw)[:16]] for _ in range(2))

    def step(point, examples):
        leaves = {name: x.detach().requires_grad_() for name, x in point.items()}
        found = torch.autograd.grad(state.loss(leaves, examples), leaves.values())
        moved = zip(leaves.items(), found, strict=True)
        return {name: x.detach() - 1e-3 * g for (name, x), g in moved}, found

    start = state.parameters(torch.float64)
    there, g_a = step(start, a)
    back, g_b = step(start, b)
    there, back = step(there, b)[0], step(back, a)[0]
    parts = [torch.cat([x.flatten() for x in each]) for each in (g_a, g_b)]
    norms = [float(part.norm()) for part in parts]
    apart = math.sqrt(sum(float((there[n] - back[n]).square().sum()) for n in there))
    assert row["defect"] == pytest.approx(apart / (1e-6 * norms[0] * norms[1]), rel=1e-5)
    assert row["gradient"] == pytest.approx(math.sqrt(norms[0] * norms[1]), rel=1e-9)
    assert row["defect_low"] == row["defect_high"] == row["defect"]


# States ---------------------------------------------------------------------------------------------------------------


def test_a_run_that_is_trained_again_has_its_bits_at_every_step_and_in_every_batch(tmp_path):
    run = small_run(protocol={"max_steps": 40, "log_every": 10, "curve_every": 20})
    found = states(run, tmp_path, [0, 10, 40])
    engine = Engine(run, 1)
    engine.start(0, run)
    for state, steps in zip(found, (0, 10, 30), strict=True):
        engine.advance(steps)
        assert torch.equal(state.flat, engine.flat[0])
    last = found[-1]
    keys = torch.tensor([streams.key(run.seed, "batch")])
    drawn = streams.indices(keys, torch.tensor([7]), 32, len(last.train))[0]
    assert torch.equal(last.batch(7).labels, last.train.labels[drawn])
    with pytest.raises(RegrokError, match="lies before its first"):
        last.batch(-1)


def test_states_that_are_kept_are_read_and_nothing_is_trained(tmp_path, monkeypatch):
    keeping = {"max_steps": 40, "log_every": 10, "curve_every": 20, "keep": [10, "end"]}
    run = small_run(protocol=keeping)
    store, stored = trained(run, tmp_path)
    again = list(replay.states(run, stored, store, [0, 10, 20, 40], math.nan))
    monkeypatch.setattr(Engine, "advance", lambda *_: pytest.fail("it was trained again"))
    kept = list(replay.states(run, stored, store, [0, 10, 40], math.nan))
    for state, other in zip(kept, (again[0], again[1], again[3]), strict=True):
        assert state.step == other.step and torch.equal(state.flat, other.flat)


def test_a_run_that_parts_from_its_curve_is_named_with_step_and_remedy(tmp_path):
    run = small_run(protocol={"max_steps": 40, "log_every": 10, "curve_every": 20})
    store, stored = trained(run, tmp_path)
    stored.curve.loc[stored.curve["step"] == 20, "V"] *= 1 + 1e-12
    list(replay.states(run, stored, store, [10], math.nan))
    words = rf"run {run.run_id} trained again parts from its curve at step 20 .*\.keep: \[10, 30\]"
    with pytest.raises(RegrokError, match=words):
        list(replay.states(run, stored, store, [10, 30], math.nan))
    stored.facts["arithmetic"] = "abacus"
    with pytest.raises(RegrokError, match=r"it was computed by .*: abacus, and here computes"):
        list(replay.states(run, stored, store, [30], math.nan))
    stored.facts["device"] = "cuda: H100"
    with pytest.raises(RegrokError, match=r"trained on cuda: H100.* protocol.keep: \[30\]"):
        list(replay.states(run, stored, store, [30], math.nan))


NETWORKS = {
    "transformer": {},
    "pre, mean": {"norm": "pre", "readout": "mean", "activation": "relu"},
    "separate": {"embeddings": "separate"},
}
DECODERS = {
    "post, tied": {"norm": "post", "operator": True, "positions": "sinusoidal", "tied": True},
    "pre": {"norm": "pre", "operator": False, "positions": "learned", "tied": False},
    "none": {"norm": "none", "operator": True, "positions": "learned", "tied": False},
}
MLPS = {
    "sum": {"input": "sum", "depth": 2},
    "concat": {"depth": 2, "activation": "quadratic"},
    "residual": {"input": "concat", "residual": True, "depth": 2, "activation": "tanh"},
    "residual sum": {"input": "sum", "residual": True, "activation": "gelu"},
}


def every_network():
    for name, model in NETWORKS.items():
        made = small_transformer().model_dump()
        yield name, Run.model_validate({**made, "model": {**made["model"], **model}})
    for name, model in DECODERS.items():
        block = {"name": "decoder", "d_model": 16, "heads": 2, "ffn": 24, "layers": 2}
        block |= {"activation": "gelu", "biases": name != "none", "init_scale": 1.0, **model}
        yield name, Run.model_validate({**small_run().model_dump(), "model": block})
    for name, model in MLPS.items():
        yield name, small_run(model=model)
    yield "vector", parity_run()


@pytest.mark.parametrize(
    ("name", "run"), every_network(), ids=lambda x: x if isinstance(x, str) else ""
)
def test_networks_as_functions_are_the_trained_ones(name, run):
    """Logits and gradient against the hand-written passes, in double precision, and a second derivative."""
    model = build(run.model, run_info(run), torch.float64, "cpu")
    flat = model.init(torch.Generator().manual_seed(1)).double()
    network = replay.Network(run, model)
    examples = replay.sets_of(run)["train"][:24]
    inputs = examples.inputs.double() if examples.inputs.is_floating_point() else examples.inputs
    θ = model.layout.views(flat)
    forward = forward_of(model)
    assert torch.allclose(forward(θ, inputs), model.logits(flat[None], inputs[None])[0], atol=1e-12)
    leaf = flat.clone().requires_grad_()
    loss = network.loss(model.layout.views(leaf), examples)
    (found,) = torch.autograd.grad(loss, leaf, create_graph=True)
    assert torch.allclose(found, network.gradient(flat, examples), atol=1e-12)
    (second,) = torch.autograd.grad(found.square().sum(), leaf)
    assert second.isfinite().all() and second.norm() > 0


# Tables ---------------------------------------------------------------------------------------------------------------


def study(**probe_block):
    """The small sweep with a probe that a fit reads."""
    made = small_study(steps=100, seeds=1, decays=(1.0,))
    block = {"probe": "commutator_defect", "of": ["sweep"], "at": {"every": 50}}
    block |= {"options": {"pairs": 2, "batch": 16}, "scales": {"smoke": {}}}
    made["probes"] = {"order": {**block, **probe_block}}
    made["fits"] = {
        "all": {"law": "summary", "experiments": ["sweep"], "probes": ["order"], "options": {}}
    }
    return made


@pytest.fixture
def built(tmp_path, monkeypatch):
    """The study's configuration and its plan, whose runs are in the store of the working directory."""
    monkeypatch.chdir(tmp_path)
    config = checked(study())
    plan = make_plan(config)
    for cohort in plan.cohorts.values():
        run = cohort.runs[0]
        store = RunStore(STORE, trained_by(run.task.name, run.model.name))
        train_cohort(cohort.name, cohort.runs, store, slots=1)
    return SimpleNamespace(config=config, plan=plan, runs=sorted(plan.runs))


def test_rows_are_measured_once_and_only_what_is_new_later(built, monkeypatch):
    first = probed(built.config, "order", built.runs)
    assert list(first) == ["run_id", "step", *commutator_defect.COLUMNS]
    assert first["step"].tolist() == [0, 50, 100] and first.notna().all().all()
    asked = []
    real = commutator_defect.measure
    monkeypatch.setattr(
        commutator_defect, "measure", lambda state, *a: asked.append(state.step) or real(state, *a)
    )
    assert probed(built.config, "order", built.runs).equals(first) and not asked
    more = checked(study(at={"every": 50, "steps": [25], "events": ["T_mem", "end"]}))
    later = probed(more, "order", built.runs)
    assert set(asked) == set(later["step"]) - {0, 50, 100} and 25 in asked
    assert later[later["step"].isin([0, 50, 100])].reset_index(drop=True).equals(first)
    # Other options are another measurement.
    asked.clear()
    probed(checked(study(options={"pairs": 1, "batch": 16})), "order", built.runs)
    assert asked == [0, 50, 100]


def test_a_damaged_file_of_kept_rows_is_set_aside(built, capsys):
    first = probed(built.config, "order", built.runs)
    (path,) = STORE.glob("probes/commutator_defect/*.parquet")
    path.write_bytes(path.read_bytes()[:100])
    assert probed(built.config, "order", built.runs).equals(first)
    assert "its run is measured again" in capsys.readouterr().err


def test_kept_rows_of_a_run_with_another_curve_are_not_its(tmp_path):
    columns = {"x": ("", "a number"), "word": ("word", "a word")}
    path = tmp_path / "aa-bb.parquet"
    table.write_kept(path, "curve", columns, {0: [{"x": 1.0, "word": "a"}], 5: []})
    kept = table.read_kept(path, "curve", columns)
    assert kept == {0: [{"x": 1.0, "word": "a"}], 5: []}
    assert table.read_kept(path, "other", columns) == {}


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([{"y": 1.0}], "they differ in x, y"),
        ([{"x": math.inf}], "x = inf, which should be a finite number, or NaN"),
        ([{"x": "three"}], "should be a finite number"),
    ],
)
def test_rows_that_are_none_of_its_columns_are_refused(rows, words):
    with pytest.raises(RegrokError, match=f"here: .*{words}"):
        table.checked(rows, {"x": ("", "a number")}, "here")


def test_released_runs_of_a_probe_that_was_not_released_leave_an_empty_table(built, capsys):
    config = built.config.model_copy(update={"source": "released"})
    empty = probed(config, "order", built.runs)
    assert empty.empty and list(empty) == ["run_id", "step", *commutator_defect.COLUMNS]
    assert "probe order: not among the released results" in capsys.readouterr().err


def test_seeds_and_keys_follow_from_what_measures_alone():
    assert seed("a", "run", 5) != seed("a", "run", 6) != seed("b", "run", 6)
    assert key("commutator_defect", {"pairs": 1}) != key("commutator_defect", {"pairs": 2})
    assert code("commutator_defect") and "commutator_defect" in probes()
    with pytest.raises(RegrokError, match="Did you mean 'commutator_defect'"):
        probe("comutator_defect")


# Asked for ------------------------------------------------------------------------------------------------------------


def test_moments_are_those_that_the_run_reached():
    at = Moments(every=40, steps=[30, 500], events=["T_mem", "T_grok", "end"])
    assert moments(at, 100, {"T_mem": 55.0, "T_grok": math.nan}) == [0, 30, 40, 55, 80, 100]


def test_a_probe_has_a_cost_of_its_own():
    config = checked(study())
    plan = make_plan(config)
    cost = probe_cost("order", config, plan.runs, plan_frame(plan))
    # 3 states, to step 100; 4 steps a state and 14 a pair.
    assert (cost.runs, cost.states, cost.replayed) == (1, 3, 100)
    assert effort(config.probes["order"], "smoke") == 4 + 14 * 2
    per_step = plan_frame(plan)["seconds_per_step"][0]
    assert cost.seconds == pytest.approx((100 + 3 * 32) * per_step)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"probe": "defect"}, r"probes.order.probe = 'defect': no such module of regrok.probes"),
        ({"of": ["swep"]}, r"probes.order.of = 'swep': no such experiment. Did you mean 'sweep'"),
        ({"options": {"pair": 3}}, r"probes.order.options: unknown option 'pair'.*'pairs'"),
        ({"options": {"pairs": 0}}, r"probes.order.options.pairs = 0: should be a whole number"),
        ({"scales": {}}, r"probes.order.scales = \{\}: no scale makes it"),
        ({"scales": {"paper": {}}}, r"scales.paper: none of its experiments runs at that scale"),
        ({"at": {}}, r"probes.order.at: no moment: give every, steps or events"),
        ({"at": {"every": 7}}, r"probes.order.at.every = 7: step 7 is not logged"),
        ({"at": {"steps": [125]}}, r"at.steps = 125: step 125 is beyond max_steps = 100"),
        (
            {"scales": {"smoke": {"at": {"steps": [125]}}}},
            r"probes.order.scales.smoke.at.steps = 125: step 125 is beyond",
        ),
    ],
)
def test_what_is_wrong_with_a_probe_is_said_before_any_job(change, words):
    with pytest.raises(RegrokError, match=words):
        checked(study(**change))


def test_a_probe_that_no_fit_reads_is_refused():
    made = study()
    made["fits"]["all"]["probes"] = []
    with pytest.raises(RegrokError, match=r"probes.order: no fit reads it"):
        checked(made)
    made["fits"]["all"]["probes"] = ["ordre"]
    with pytest.raises(RegrokError, match=r"fits.all.probes = 'ordre': no such probe"):
        checked(made)


def test_what_a_block_of_a_probe_may_hold_is_what_its_type_says():
    with pytest.raises(ValueError, match="extra"):
        Probe.model_validate({**study()["probes"]["order"], "law": "scaling"})
