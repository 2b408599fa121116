"""The bench of signals on planted runs: leads, false alarms, misses and costs that are known."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from planted import make_run
from regrok import signals
from regrok.errors import RegrokError
from regrok.figures.early_warning import ranked
from regrok.laws import run_fit
from regrok.laws.early_warning import DEFAULTS, ESTIMATES
from regrok.laws.parts import alarms, foreseen
from regrok.laws.parts.bench import by_pairs, by_seeds, measured, on_bench
from regrok.laws.parts.leads import KEYS, SPLITS, by_lead
from regrok.probes import columns_of
from regrok.runs.frames import Frames
from regrok.study import benched
from regrok.study.literals import literal

T_MEM, DELAY = 500, 2000
EVERY = 50
NAMES = ["norm", "validation_loss", "waiting"]
OPTIONS = {
    "warned": ["groks"],
    "silent": ["not"],
    "signals": NAMES,
    "every": EVERY,
    "replicates": 200,
}


def planted(fall=0.5, false=(), cells=4, seeds=4, scatter=0):
    """Warned cells whose V halves at `fall` of the delay, silent ones whose V stays, but for the cells in `false`.

    The validation loss halves at nine tenths of the delay in every run that groks, and stays elsewhere.
    """
    rows, curves, members = [], [], []
    steps = np.arange(0, 4001, EVERY)
    for kind in ("groks", "not"):
        for cell in range(cells):
            for seed in range(seeds):
                groks = kind == "groks"
                late = scatter * (seed - (seeds - 1) / 2)
                delay = DELAY + 100 * cell if groks else math.nan
                name = f"{kind}-{cell}-{seed}"
                run = make_run(T_MEM, delay, seed, name, cell=f"{kind}-{cell}", steps=4000)
                rows.append(
                    run | {"batch": 100, "validation_size": 600, "condition": f"{kind}-{cell}"}
                )
                at = T_MEM + fall * (DELAY + 100 * cell) + late
                falls = groks or cell in false
                end = T_MEM + delay if groks else math.inf
                curves.append(
                    pd.DataFrame(
                        {
                            "run_id": name,
                            "step": steps,
                            "V": np.where((steps >= at) & falls, 50.0, 100.0),
                            "train_accuracy": np.where(steps >= T_MEM, 1.0, 0.1),
                            "validation_loss": np.where(
                                steps >= (T_MEM + 0.9 * delay if groks else math.inf), 2.0, 4.0
                            ),
                            "validation_accuracy": np.where(steps >= end, 1.0, 0.1),
                        }
                    )
                )
                members.append(
                    {"run_id": name, "cell": f"{kind}-{cell}", "experiment": kind, "arm": "a"}
                )
    return Frames(
        pd.DataFrame(rows), pd.concat(curves), pd.DataFrame(members), pd.DataFrame({"run_id": []})
    )


def made(frames, **options):
    entry = SimpleNamespace(
        law="early_warning", experiments=["groks", "not"], options=OPTIONS | options
    )
    found = run_fit("bench", entry, frames)
    return {key.removeprefix("bench."): each for key, each in found["estimates"].items()}, found


def test_a_perfect_signal_has_its_lead_and_no_false_alarm():
    found, _ = made(planted(fall=0.5))
    for split in ("seeds", "pairs", "cells"):
        # Alarms come at the step of the bench that follows the fall.
        assert found[f"norm.{split}_lead"]["value"] == pytest.approx(0.5, abs=EVERY / DELAY)
        assert found[f"norm.{split}_false"]["value"] == found[f"norm.{split}_missed"]["value"] == 0
        steps = found[f"norm.{split}_steps"]["value"]
        assert steps == pytest.approx(0.5 * (DELAY + 150), abs=EVERY)
    assert found["warned"]["value"] == found["silent"]["value"] == 16
    # The validation loss falls later, so that the signal beats it, and by as much as was planted.
    assert found["norm.cells_under_ceiling"]["value"] == pytest.approx(-0.4, abs=2 * EVERY / DELAY)
    # Patience cannot be silent where all memorise: its threshold is never reached.
    assert found["waiting.cells_lead"]["value"] == 0 and found["waiting.cells_missed"]["value"] == 1
    assert found["norm.cells_over_waiting"]["value"] == found["norm.cells_lead"]["value"]


def test_a_signal_that_cries_in_one_silent_cell_is_caught_where_that_cell_is_held_out():
    """Chosen without the cell, the threshold raises an alarm in all of its runs; with it, it must be silent at all."""
    found, _ = made(planted(false=[2]))
    assert found["norm.cells_false"]["value"] == pytest.approx(1 / 4)
    # All four folds that hold out a warned cell know the false cell: a quarter of alarms are false there.
    assert found["norm.cells_lead"]["value"] == 0
    assert found["norm.seeds_lead"]["value"] == 0 and found["norm.seeds_false"]["value"] == 0
    tolerant, _ = made(planted(false=[2]), false_alarms=0.3)
    assert tolerant["norm.cells_lead"]["value"] > 0.4


def test_an_early_alarm_leaves_the_whole_delay_and_a_late_one_nothing():
    early, _ = made(planted(fall=-0.1))
    assert early["norm.cells_lead"]["value"] == 1
    late, _ = made(planted(fall=1.2))
    assert late["norm.cells_lead"]["value"] == 0 and late["norm.cells_missed"]["value"] == 1


def test_the_interval_of_held_out_seeds_holds_the_planted_lead():
    """Alarms that scatter over seeds: 95 % intervals over many draws of four cells of four seeds."""
    held = 0
    rng = np.random.default_rng(3)
    for _ in range(20):
        frames = planted(fall=0.5)
        shift = {r: float(rng.normal(0, 200)) for r in frames.runs["run_id"]}
        moved = []
        for name, curve in frames.curves.groupby("run_id"):
            cell = int(name.split("-")[1])
            at = T_MEM + 0.5 * (DELAY + 100 * cell) + shift[name]
            falls = (curve["step"] >= at) & name.startswith("groks")
            moved.append(curve.assign(V=np.where(falls, 50.0, 100.0)))
        found, _ = made(
            Frames(frames.runs, pd.concat(moved), frames.experiments, frames.spectra),
            signals=["norm"],
        )
        lead = found["norm.seeds_lead"]
        held += lead["low"] <= 0.5 - EVERY / 2 / DELAY <= lead["high"]
    assert held >= 17


def rated(frames, rates):
    """The same runs with a learning rate by the first word of their names."""
    kind = frames.runs["run_id"].str.partition("-")[0]
    return replace(frames, runs=frames.runs.assign(learning_rate=kind.map(rates)))


def test_an_alarm_that_settings_could_raise_is_ahead_of_patience_and_not_of_them():
    """V falls before T_mem, and only in cells of a learning rate of their own: a lead of 1, and nothing foreseen."""
    names = [*NAMES, "settings"]
    told, _ = made(rated(planted(fall=-0.1), {"groks": 2e-3, "not": 1e-3}), signals=names)
    alike, _ = made(rated(planted(fall=-0.1), {"groks": 1e-3, "not": 1e-3}), signals=names)
    for split in ("seeds", "pairs", "cells"):
        assert told[f"norm.{split}_over_waiting"]["value"] == 1
        assert told[f"settings.{split}_lead"]["value"] == 1
        assert told[f"norm.{split}_over_settings"]["value"] == 0
        assert told[f"norm.{split}_late_lead"]["value"] == 0
        assert told[f"norm.{split}_early"]["value"] == 1
        # Where settings do not tell the cells apart they are silent, and the same alarms are ahead of them.
        assert alike[f"settings.{split}_lead"]["value"] == 0
        assert alike[f"norm.{split}_over_settings"]["value"] == 1
    # Four cells that agree leave less than a half open, so that a rule at one half can be met, or broken.
    assert told["norm.pairs_early"]["low"] == pytest.approx(1 / (1 + 1.96**2 / 4), abs=1e-3)
    assert told["norm.pairs_false"]["high"] < 0.5


def test_an_alarm_in_the_delay_is_a_late_lead():
    found, _ = made(planted(fall=0.5, scatter=100))
    for split in ("seeds", "pairs", "cells"):
        assert found[f"norm.{split}_late_lead"] == found[f"norm.{split}_lead"]
        assert found[f"norm.{split}_early"]["value"] == 0
        assert found[f"waiting.{split}_early"]["value"] is None
    lacking = found["norm.pairs_over_settings"]
    assert lacking["value"] is None and "not on this bench" in lacking["reason"]


def test_lead_and_false_alarms_of_pairs_belong_to_the_same_detectors():
    """One silent cell of four cries. Of three that train at most none may, so that only a detector that does not know
    the false cell warns; one that does is silent. With one cell held out, four of four warn and a quarter is false."""
    found, _ = made(planted(false=[2]), false_alarms=0.3)
    assert found["norm.cells_lead"]["value"] == pytest.approx(0.5, abs=EVERY / DELAY)
    assert found["norm.cells_false"]["value"] == 1 / 4
    assert found["norm.pairs_lead"]["value"] == pytest.approx(0.5 / 4, abs=EVERY / DELAY)
    assert (
        found["norm.pairs_missed"]["value"] == 3 / 4 and found["norm.pairs_false"]["value"] == 1 / 4
    )


def test_more_runs_of_the_same_cells_do_not_make_false_alarms_surer():
    few, _ = made(planted(false=[2], seeds=2), false_alarms=0.3, signals=["norm"])
    many, _ = made(planted(false=[2], seeds=8), false_alarms=0.3, signals=["norm"])
    # Shares of 0, 0, 1 and 0: Student's interval over four cells, clipped.
    for found in (few, many):
        false = found["norm.pairs_false"]
        assert (false["value"], false["low"], false["high"]) == (1 / 4, 0, 1)
    width = [f["norm.cells_false"]["high"] - f["norm.cells_false"]["low"] for f in (few, many)]
    assert width[1] < width[0]


def test_an_early_share_is_among_those_that_are_warned_of():
    held = np.array([1.0, 1.0, 0.0, 0.5])
    warned = np.array([1.0, 1.0, 0.0, 1.0])
    cell = np.array(["a", "a", "b", "c"])
    assert foreseen.share_of_cells(held, cell, warned).value == pytest.approx(0.75)
    nobody = foreseen.share_of_cells(np.zeros(4), cell, np.zeros(4))
    assert nobody.value is None and nobody.reason


def test_a_split_of_which_a_detector_would_be_chosen_on_one_kind_alone_gives_no_number():
    one_silent_cell = planted()
    runs = one_silent_cell.runs
    kept = runs[runs["cell"].str.startswith("groks") | runs["cell"].eq("not-0")]
    found, _ = made(replace(one_silent_cell, runs=kept))
    assert found["norm.seeds_lead"]["value"] == pytest.approx(0.5, abs=EVERY / DELAY)
    for split in ("pairs", "cells"):
        lead = found[f"norm.{split}_lead"]
        assert lead["value"] is None and lead["reason"].endswith("none left that does not grok")
    one_seed, _ = made(planted(seeds=1))
    lead = one_seed["norm.seeds_lead"]
    assert lead["value"] is None and lead["reason"].endswith("none left that groks")
    assert one_seed["norm.pairs_lead"]["value"] == pytest.approx(0.5, abs=EVERY / DELAY)


def test_a_pair_holds_out_the_runs_of_its_cells_and_trains_on_no_other_of_them():
    bench, _ = on_bench(planted(cells=3), DEFAULTS | OPTIONS)
    cell = np.array([each.run["cell"] for each in bench])
    folds = by_pairs(bench)
    assert len(folds) == 9
    for fold in folds:
        out = set(cell[fold.judged])
        assert {name.partition("-")[0] for name in out} == {"groks", "not"} and len(out) == 2
        assert set(cell[fold.train]) == set(cell) - out


def test_runs_that_decide_nothing_are_left_out_and_counted():
    frames = planted()
    late = frames.runs["run_id"].eq("groks-0-0")
    runs = frames.runs.copy()
    runs.loc[late, ["T_grok", "delay"]] = math.nan
    found, _ = made(Frames(runs, frames.curves, frames.experiments, frames.spectra))
    assert found["left_out"]["value"] == 1 and found["warned"]["value"] == 15


def test_a_silent_run_that_groks_as_it_memorises_is_left_out():
    """Whether T_mem is as late as T_grok or was never reached: it has grokked, and an alarm on it is not false."""
    frames = planted()
    for T_mem in (T_MEM, math.nan):
        runs = frames.runs.copy()
        runs.loc[runs["run_id"].eq("not-0-0"), ["T_mem", "T_grok"]] = [T_mem, T_MEM]
        found, _ = made(replace(frames, runs=runs))
        assert found["left_out"]["value"] == 1 and found["silent"]["value"] == 15


def test_a_seed_is_on_one_side_in_every_cell():
    frames = planted()
    runs = frames.runs.copy()
    runs.loc[runs["run_id"].eq("groks-0-0"), ["T_grok", "delay"]] = math.nan
    bench, left_out = on_bench(replace(frames, runs=runs), DEFAULTS | OPTIONS)
    assert left_out == 1
    for fold in by_seeds(bench):
        sides = {
            (each.run["seed"], bool(side)) for each, side in zip(bench, fold.train, strict=True)
        }
        assert len(sides) == 4


def test_costs_are_passes_over_examples_and_what_probes_take():
    found, _ = made(planted())
    assert found["norm.cost"]["value"] == 0
    assert found["validation_loss.cost"]["value"] == pytest.approx(600 / 100 / 3)
    # Half of the cells have batches twice as large: the mean over runs, not the first run's.
    frames = planted()
    runs = frames.runs.assign(
        batch=np.where(frames.runs["run_id"].str.startswith("groks"), 100, 200), train_size=300
    )
    mixed, _ = made(replace(frames, runs=runs), signals=[*NAMES, "logit_scale"])
    assert mixed["validation_loss.cost"]["value"] == pytest.approx((6 + 3) / 2 / 3)
    assert mixed["logit_scale.cost"]["value"] == pytest.approx((9 + 4.5) / 2 / 3)


def test_a_signal_whose_probe_nobody_made_says_so():
    found, _ = made(
        planted(), signals=[*NAMES, "commutator_defect"], costs={"commutator_defect": 74}
    )
    lead = found["commutator_defect.cells_lead"]
    assert lead["value"] is None and "measured" in lead["reason"]
    assert found["commutator_defect.cost"]["value"] == 74


def test_a_signal_that_reads_on_stops_the_fit(monkeypatch):
    real = signals.signal
    oracle = SimpleNamespace(
        READS={"curve": ["V"]}, COST={}, score=lambda h, s, _: s * 0 + h.curve["step"].max()
    )
    monkeypatch.setattr(signals, "signal", lambda n: oracle if n == "oracle" else real(n))
    with pytest.raises(RegrokError, match=r"fits\.bench: signal 'oracle' reads the future"):
        made(planted(), signals=[*NAMES, "oracle"])


def test_too_few_cells_give_no_number():
    found, _ = made(planted(cells=1))
    assert found["norm.cells_lead"]["value"] is None
    assert found["norm.cells_lead"]["reason"] == "too few runs or cells"


def test_the_threshold_that_is_chosen_is_the_best_that_is_allowed():
    leads = np.array([[0.9, 0.6, 0.6, 0.0], [0.9, 0.6, 0.5, 0.0]])
    false = np.array([[0.5, 0.1, 0.05, 0.0], [0.5, 0.3, 0.2, 0.0]])
    assert alarms.chosen(leads, false, 0.1).tolist() == [2, 3]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"costs": {"commutator_defect": 75, "cascade": 22}},
            "commutator_defect = 75: a state takes 74 training steps",
        ),
        ({"signals": ["learning_coefficient"]}, "and none is listed"),
    ],
)
def test_what_a_bench_is_told_wrongly_is_said_before_any_job(change, words):
    from regrok.study.read import load_config

    config = load_config("config.yaml", {"scale": "laptop", "studies": ["early_warning"]})
    fit = config.fits["bench"]
    probes = ["bench_cascade", "bench_defect"]
    names = ["cascade_dimension", "commutator_defect", "waiting", "validation_loss"]
    costs = {"cascade": 22, "commutator_defect": 74}
    options = fit.options | {"signals": names, "costs": costs}
    right = config.model_copy(
        update={"fits": {"bench": fit.model_copy(update={"probes": probes, "options": options})}}
    )
    assert list(benched.bench_problems(right)) == []
    wrong = right.fits["bench"].model_copy(update={"options": options | change})
    found = list(benched.bench_problems(right.model_copy(update={"fits": {"bench": wrong}})))
    assert any(words in line for line in found), found
    assert all(line.startswith("fits.bench") for line in found)


def test_what_a_state_costs_is_filled_in_at_each_scale_of_its_own():
    """Five pairs of batches in one scale, two in the other: no number in the study could be right for both."""
    from regrok.study.read import load_config

    for scale, steps in (("laptop", 74), ("smoke", 32)):
        told = {
            "scale": scale,
            "studies": ["early_warning"],
            "probes.bench_defect.scales.smoke.options.pairs": 2,
        }
        costs = load_config("config.yaml", told).fits["bench"].options["costs"]
        assert costs["commutator_defect"] == steps
        assert costs["cascade"] == 22
    wrong = told | {"fits.bench.options.costs.commutator_defect": 74}
    with pytest.raises(RegrokError, match="a state takes 32 training steps; say so, or leave it"):
        load_config("config.yaml", wrong)


def test_two_probes_of_one_module_are_refused_where_one_is_to_be_read():
    from regrok.study.read import load_config

    config = load_config("config.yaml", {"scale": "laptop", "studies": ["early_warning"]})
    probes = config.probes | {"again": config.probes["bench_defect"]}
    fit = config.fits["bench"]
    twice = config.model_copy(
        update={
            "probes": probes,
            "fits": {"bench": fit.model_copy(update={"probes": [*fit.probes, "again"]})},
        }
    )
    (line,) = benched.bench_problems(twice)
    assert line == (
        "fits.bench.probes: bench_defect and again are both of module commutator_defect; list one of them."
    )
    # A fit that nobody checked says so too, where both have measured a run.
    frames = planted(cells=1, seeds=1)
    columns = dict.fromkeys(columns_of("parameter_gini"), 0.5)
    table = pd.DataFrame({"run_id": ["groks-0-0"], "step": [0], **columns})
    both = replace(frames, probes={"one": table, "two": table})
    with pytest.raises(
        RegrokError, match=r"one and two are both of module parameter_gini .* groks"
    ):
        measured(both)
    apart = replace(frames, probes={"one": table, "two": table.assign(run_id="groks-0-1")})
    assert set(measured(apart)["parameter_gini"]) == {"groks-0-0", "groks-0-1"}


def test_every_signal_names_what_it_costs():
    from regrok.study.literals import PACKAGE

    for name in signals.signals():
        text = (PACKAGE / "signals" / f"{name}.py").read_text(encoding="utf-8")
        assert set(literal(text, "COST")) <= {"training", "evaluation", "table"}


def test_all_that_is_estimated_of_a_signal_is_declared():
    declared = {f"*.{split}_{key}" for split in SPLITS for key in KEYS}
    assert declared < set(ESTIMATES[""])
    found, _ = made(planted(seeds=2))
    assert {key for key in found if key.startswith("norm.")} == {
        pattern.replace("*", "norm") for pattern in ESTIMATES[""] if pattern.startswith("*")
    }


def test_figure_and_table_have_the_signals_in_one_order():
    leads = {"waiting": 0.0, "norm": 0.6, "fourier_residual": 0.0, "logit_scale": None}
    estimates = {f"bench.{name}.pairs_lead": {"value": lead} for name, lead in leads.items()}
    order = ["norm", "fourier_residual", "waiting", "logit_scale"]
    assert list(by_lead("bench", estimates)) == order
    # Rows of the figure are drawn upwards, without what could not be asked.
    assert ranked("bench", {"estimates": estimates}) == order[2::-1]
