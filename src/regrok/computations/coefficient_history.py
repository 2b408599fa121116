"""The local learning coefficient while a network with squares groks modular addition (arXiv 2603.01192, Figures 1, 2).

Draws (training sets, starts, batches, chains) are trained together by Adam on minibatches of the centred square loss.
Accuracies are logged at steps that grow by a factor, and at every `every`-th of these chains sample the coefficient
from training data. The published text, the authors' code and a reproduction sample and train otherwise: arms, whose
states are the same unless an arm trains otherwise. What is made of the histories: `parts.histories`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from regrok.computations.parts import histories as history
from regrok.computations.parts.arms import arms
from regrok.computations.parts.sampled_states import (
    TRAINING,
    States,
    ceiling,
    first,
    geometric,
    protocol,
)
from regrok.errors import RegrokError
from regrok.laws.parts import estimate as est

DEFAULTS: dict[str, Any] = {
    "p": 11,
    "width": 32,  # K
    "fraction": 0.4,  # of all pairs, in training
    "scale": 1.0,  # of the start, over torch's for a linear layer
    "learning_rate": 1e-2,  # η
    "decay": 1e-5,  # coupled
    "batch": 64,  # pairs of a step
    "budget": 400,  # steps
    "draws": 2,
    "begin": 10,  # first logged step
    "points": 6,  # sampled steps, from the first logged one to the last
    "every": 3,  # logged steps from one sampled step to the next
    "level": 0.95,  # accuracy that counts as having memorised, or generalised
    "rise": 0.1,  # accuracy on unseen pairs that counts as a rise
    "step": 5e-4,  # ε
    "n_beta": 26.4,  # nβ
    "localisation": 5.0,  # γ
    "chains": 2,
    "burn_in": 20,  # draws of a chain that do not count
    "kept": 50,  # draws of a chain that count
    "minibatch": 128,  # pairs of a draw; more than there are: all
    "arms": {},  # name → what it changes of the above
}
REFERS: dict[str, Any] = {
    "fraction": "positive",
    "scale": "positive",
    "learning_rate": "positive",
    "decay": "number",
    "level": "positive",
    "rise": "positive",
    "step": "positive",
    "n_beta": "positive",
    "localisation": "positive",
    "arms": "arms",
}
ESTIMATES: dict[str, list[str]] = {
    "": [
        "grokked_share",
        "peak_before_share",
        "peak_before_rise_share",
        "peak_over_final",
        "peak_step_over_T_grok",
        "lower_after_share",
        "lower_at_end_share",
        "before_over_after",
        "final",
        "final_over_ceiling",
        "T_mem",
        "T_grok",
        "T_grok_over_T_mem",
        "correlation",
        "partial_correlation",
        "explained_by_loss_and_norm",
        "explained_with_coefficient",
        "diverged_share",
    ],
    "arms": [
        "grokked_share",
        "peak_before_share",
        "peak_before_rise_share",
        "peak_over_final",
        "peak_step_over_T_grok",
        "lower_after_share",
        "lower_at_end_share",
        "before_over_after",
        "final",
        "final_over_ceiling",
        "T_mem",
        "T_grok",
        "T_grok_over_T_mem",
        "correlation",
        "partial_correlation",
        "explained_by_loss_and_norm",
        "explained_with_coefficient",
        "diverged_share",
    ],
}

LOGGED = ("begin", "points", "every", "level", "rise")


def compute(options: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """Histories of all draws, in every arm.

    options: as `DEFAULTS`; `arms` change the others. seed: of draws. Returns {"estimates", "points"}, estimates under
    the arm's name too. Estimates: `parts.histories.told`; diverged chains are no values, and the note of
    `diverged_share` says which step would do. Points: "point", one a draw and sampled step, "curve", one a draw and
    logged step, and "times", one a draw, each with its arm. Raises RegrokError naming an option, with the arm that it
    is in.
    """
    trained: dict[tuple[Any, ...], tuple[States, list[dict[str, Any]]]] = {}
    estimates: dict[str, est.Estimate] = {}
    points: list[dict[str, Any]] = []
    for arm in arms(options):
        with arm.named():
            protocol(arm.options)  # before minutes are spent on training
    for arm in arms(options):
        told = arm.options
        with arm.named():
            key = tuple(told[name] for name in (*TRAINING, *LOGGED))
            if key not in trained:
                trained[key] = followed(told, seed)
            rows, found = histories(told, *trained[key], seed)
        estimates |= arm.estimates(found)
        points += arm.points(rows)
    return {"estimates": estimates, "points": points}


def followed(options: Mapping[str, Any], seed: int) -> tuple[States, list[dict[str, Any]]]:
    """All draws trained, with the logged records; those of sampled steps keep their states."""
    if not 0 < options["begin"] < options["budget"]:
        raise RegrokError(
            f"options.begin = {options['begin']}: should be below budget = {options['budget']}"
        )
    states = States(options, seed)
    count = (options["points"] - 1) * options["every"] + 1
    steps = geometric(options["begin"], options["budget"], count)
    return states, states.trained(steps, kept=[*steps[:: options["every"]], steps[-1]])


def histories(
    options: Mapping[str, Any], states: States, records: list[dict[str, Any]], seed: int
) -> tuple[list[dict[str, Any]], dict[str, est.Estimate]]:
    """The points of one arm, and its estimates."""
    curves = [row for record in records for row in logged(record, int(options["draws"]))]
    frame = pd.DataFrame(curves)
    times = [times_of(rows, options) for _, rows in frame.groupby("draw")]
    sampled, refused = [], ""
    for record in records:
        if record["flat"] is None:
            continue
        found = states.sampled(record, options)
        for row in logged(record, int(options["draws"])):
            draw = row["draw"]
            sampled.append({**row, "coefficients": found.coefficient[draw].tolist()})
            if not refused and bool(found.diverged[draw].any()):
                refused = states.refused(record, draw, options)
    p, width = int(options["p"]), int(options["width"])
    most = ceiling(p, width, options["fraction"])
    made = history.told(pd.DataFrame(sampled), pd.DataFrame(times), most, seed)
    made["diverged_share"] = made["diverged_share"].noting(refused)
    rows = [{"kind": "curve", **row} for row in curves]
    rows += [{"kind": "point", **row} for row in sampled]
    return rows + [{"kind": "times", **row} for row in times], made


def logged(record: Mapping[str, Any], draws: int) -> list[dict[str, Any]]:
    """One row a draw: draw, step, loss, train, validation, norm."""
    told = {key: values.tolist() for key, values in record["told"].items()}
    return [
        {"draw": i, "step": record["step"], **{key: values[i] for key, values in told.items()}}
        for i in range(draws)
    ]


def times_of(rows: pd.DataFrame, options: Mapping[str, Any]) -> dict[str, Any]:
    """First logged steps of one draw at which it had memorised, generalised, and begun to."""
    steps, level = list(rows.step), options["level"]
    return {
        "draw": int(rows.draw.iloc[0]),
        "T_mem": first(steps, list(rows.train >= level)),
        "T_grok": first(steps, list(rows.validation >= level)),
        "T_rise": first(steps, list(rows.validation >= options["rise"])),
    }
