"""Signals of grokking: each answers from the past alone, and says of a made-up run what is known of it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from regrok import signals
from regrok.errors import RegrokError
from regrok.signals.parts.history import History, planted
from regrok.study.literals import PACKAGE, literal

STEPS = np.arange(0.0, 1001.0, 100.0)
SETTINGS = {"learning_rate": 1e-3, "weight_decay": 1.0, "p": 47}


def history(curve=None, probes=None, settings=SETTINGS):
    return History(settings, {"step": STEPS, **(curve or {})}, probes or {})


@pytest.mark.parametrize("name", signals.signals())
def test_a_signal_says_nothing_of_the_future(name):
    made = signals.signal(name)
    assert signals.look_ahead_problems([name]) == []
    text = (PACKAGE / "signals" / f"{name}.py").read_text(encoding="utf-8")
    assert literal(text, "READS") == made.READS
    run = planted(made.READS, 1)
    learned = signals.learned_from(name, [planted(made.READS, s) for s in range(6)], [1e3] * 6)
    assert np.isfinite(signals.scored(name, run, STEPS, learned)).any()


@pytest.mark.parametrize(
    ("score", "caught"),
    [
        (lambda h, steps, _: steps - steps.max(), True),
        (lambda h, steps, _: np.full(len(steps), h.curve["V"].max()), True),
        (lambda h, steps, _: h.at(steps, "V") - h.curve["V"][-1], True),
        (lambda h, steps, _: h.at(steps + 50, "V"), True),
        (lambda h, steps, _: h.at(steps, "V"), False),
        (lambda h, steps, _: h.so_far(steps, "V", largest=False), False),
    ],
)
def test_a_signal_that_reads_the_future_is_named_with_the_step(monkeypatch, score, caught):
    """One that knows only how long it is asked is caught as well: the last step asked is the future too."""
    module = SimpleNamespace(READS={"curve": ["V"]}, COST={}, score=score)
    monkeypatch.setattr(signals, "signal", lambda name: module)
    found = signals.look_ahead_problems(["oracle"])
    if not caught:
        assert found == []
        return
    (message,) = found
    assert "signal 'oracle' reads the future" in message
    assert "step" in message and "History.at" in message


@pytest.mark.parametrize(
    ("score", "words"),
    [
        (lambda h, steps, _: h.at(steps, "W"), "curve has no column W; it has step, V"),
        (lambda h, steps, _: h.so_far(steps, "W"), "curve has no column W; it has step, V"),
        (lambda h, steps, _: steps - h.first("W", 1.0), "curve has no column W; it has step, V"),
        (lambda h, steps, _: steps * h.curve["W"], "KeyError: 'W'"),
        (lambda h, steps, _: steps * h.curve["V"][10**6], "IndexError: "),
    ],
)
def test_a_signal_that_reads_what_it_does_not_declare_is_named_with_what_it_declares(
    monkeypatch, score, words
):
    module = SimpleNamespace(READS={"curve": ["V"]}, COST={}, score=score)
    monkeypatch.setattr(signals, "signal", lambda name: module)
    (message,) = signals.look_ahead_problems(["greedy"])
    assert message.startswith("signal 'greedy': score fails (") and words in message
    assert "READS says {'curve': ['V']}" in message


def test_a_signal_that_cannot_learn_or_be_loaded_is_named(monkeypatch):
    def learn(histories, grokked):
        raise ValueError("no line through one point")

    module = SimpleNamespace(READS={"curve": ["V"]}, COST={}, learn=learn)
    monkeypatch.setattr(signals, "signal", lambda name: module)
    (message,) = signals.look_ahead_problems(["pupil"])
    assert message.startswith("signal 'pupil': learn fails (ValueError: no line through one point)")
    monkeypatch.setattr(signals, "signal", lambda name: SimpleNamespace(COST={}))
    (message,) = signals.look_ahead_problems(["mute"])
    assert (
        message.startswith("signal 'mute' cannot be asked: AttributeError") and "READS" in message
    )


def test_a_signal_gives_one_value_a_step(monkeypatch):
    module = SimpleNamespace(READS={}, COST={}, score=lambda h, steps, _: np.zeros(3))
    monkeypatch.setattr(signals, "signal", lambda name: module)
    with pytest.raises(RegrokError, match=r"'short': score gives \(3,\) values for 11 steps"):
        signals.scored("short", history(), STEPS)


def test_a_mistyped_signal_is_told_the_nearest():
    with pytest.raises(RegrokError, match=r"signal 'nrom'.*Did you mean 'norm'"):
        signals.signal("nrom")


def test_a_history_knows_the_last_value_and_the_extremes_so_far():
    V = np.array([4.0, 9.0, np.nan, 1.0, 16.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0])
    run = history({"V": V})
    asked = np.array([-1.0, 0.0, 150.0, 200.0, 399.0, 400.0])
    assert run.at(asked, "V").tolist()[1:] == [4.0, 9.0, 9.0, 1.0, 16.0]
    assert np.isnan(run.at(asked, "V")[0])
    assert run.so_far(asked, "V").tolist()[1:] == [4.0, 9.0, 9.0, 9.0, 16.0]
    assert run.so_far(asked, "V", largest=False).tolist()[1:] == [4.0, 4.0, 4.0, 1.0, 1.0]
    assert run.until(300).curve["step"].tolist() == [0, 100, 200, 300]
    with pytest.raises(RegrokError, match="curve has no column W; it has step, V"):
        run.at(asked, "W")
    with pytest.raises(RegrokError, match="no probe of module cascade"):
        run.at(asked, "size", "cascade")


def test_what_each_signal_says_of_a_run_that_is_known():
    ones = np.ones(len(STEPS))
    V = np.where(STEPS < 300, 100.0, 25.0)
    assert signals.scored("norm", history({"V": V}), STEPS)[3] == pytest.approx(np.log(4))
    loss = np.where(STEPS < 500, 6.0, 3.0)
    ceiling = signals.scored("validation_loss", history({"validation_loss": loss}), STEPS)
    assert ceiling[[4, 5]].tolist() == pytest.approx([0.0, np.log(2)])
    accuracy = np.where(STEPS < 200, 0.5, 1.0)
    waited = signals.scored("waiting", history({"train_accuracy": accuracy}), STEPS)
    assert np.isnan(waited[:2]).all() and waited[2:].tolist() == (STEPS[2:] - 200).tolist()
    defect = np.array([1.0, 3.0, 2.0, 40.0, *[40.0] * 7])
    rows = {"commutator_defect": {"step": STEPS, "defect": defect}}
    said = signals.scored("commutator_defect", history(probes=rows), STEPS)
    assert np.isnan(said[:2]).all() and said[3] == pytest.approx(np.log(20))
    coefficient = {"step": STEPS[::2], "coefficient": np.array([5.0, 10.0, 20.0, 15.0, 10.0, 10.0])}
    rows = {"learning_coefficient": coefficient}
    fell = signals.scored("learning_coefficient", history(probes=rows), STEPS)
    assert fell[[4, 5, 6, 8]].tolist() == pytest.approx([0.0, 0.0, 0.25, 0.5])
    sizes = {"cascade": {"step": STEPS, "size": 1000 * ones, "nodes": 1e6 * ones}}
    said = signals.scored("cascade_dimension", history(probes=sizes), STEPS)
    assert said.tolist() == pytest.approx([-0.5] * len(STEPS))
    gini = {
        "parameter_gini": {"step": STEPS[::2], "gini": np.array([0.4, 0.5, 0.6, 0.8, 0.2, 0.2])}
    }
    grew = signals.scored("parameter_gini", history(probes=gini), STEPS)
    assert grew[[0, 1, 2, 6, 8]].tolist() == pytest.approx([1.0, 1.0, 1.25, 2.0, 0.5])
    residual = np.where(STEPS < 500, 0.9, 0.2)
    fell = signals.scored("fourier_residual", history({"fourier_residual_high": residual}), STEPS)
    assert fell[[4, 5]].tolist() == pytest.approx([-0.9, -0.2])
    largest = np.where(STEPS < 500, 2.0, 20.0) * np.where(STEPS > 0, 1, -1)
    grew = signals.scored("logit_scale", history({"logit_max": largest}), STEPS)
    assert np.isnan(grew[0])
    assert grew[[4, 5]].tolist() == pytest.approx([np.log(2), np.log(20)])


def test_the_forecast_learns_the_law_and_counts_its_share():
    """Planted: delay = exp(a ln V_mem + b)/(2ηλ), with V falling at decay's own rate, so that the contraction is 1."""

    def run(eta, V_mem, decay=1.0):
        scale = 1 / (2 * eta * decay) if decay else np.inf
        steps = np.arange(0, 4000, 50.0)
        V = V_mem * np.exp(-np.maximum(steps - 200, 0) / scale)
        accuracy = np.where(steps < 200, 0.0, 1.0)
        settings = {"learning_rate": eta, "weight_decay": decay}
        delay = scale * np.exp(0.5 * np.log(V_mem) - 1) if decay else np.inf
        curve = {"step": steps, "V": V, "train_accuracy": accuracy}
        return History(settings, curve, {}), 200 + delay

    rng = np.random.default_rng(5)
    runs = [run(eta, V) for eta in (1e-3, 2e-3, 4e-3) for V in (20.0, 60.0, 150.0)]
    jittered = [(h, t * np.exp(rng.normal(0, 1e-9))) for h, t in runs]
    learned = signals.learned_from("delay_forecast", *zip(*jittered, strict=True))
    # A contraction that is the same in all is not told from the constant: then there is no forecast.
    assert learned is None
    assert np.isnan(signals.scored("delay_forecast", runs[0][0], STEPS, learned)).all()
    bent = [
        (
            History(
                h.settings,
                {**h.curve, "V": h.curve["V"] * (1 + 0.1 * k * (h.curve["step"] > 200))},
                {},
            ),
            t,
        )
        for k, (h, t) in enumerate(jittered)
    ]
    learned = signals.learned_from("delay_forecast", *zip(*bent, strict=True))
    asked = np.array([100.0, 200.0, 2000.0])
    for h, t in bent:
        said = signals.scored("delay_forecast", h, asked, learned)
        assert np.isnan(said[:2]).all()
        assert said[2] == pytest.approx(1800 / (t - 200), rel=1e-3)
    nothing, _ = run(1e-3, 50.0, decay=0.0)
    assert np.isnan(signals.scored("delay_forecast", nothing, asked, learned)).all()
