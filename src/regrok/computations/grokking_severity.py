"""How long training and unseen pairs are told apart, over learning rates: grokking severity (arXiv 2603.01192).

The measure: GSM = 1[validation at the end ≥ .95]·(1/T)·Σ |train − validation accuracy|, over T logged steps that are
equally far apart. T is the same for all learning rates, or ends ten logged steps after validation has reached .99,
which is where the authors' code stops: a second reading.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from regrok.computations.parts import needed
from regrok.computations.parts.sampled_states import States, first
from regrok.computations.parts.slopes import exponent, per_log
from regrok.errors import RegrokError
from regrok.laws.parts import estimate as est

DEFAULTS: dict[str, Any] = {
    "learning_rates": [1e-3, 1e-2],  # η
    "p": 11,
    "width": 32,  # K
    "fraction": 0.4,
    "scale": 1.0,
    "decay": 1e-5,
    "batch": 64,
    "budget": 400,  # steps
    "every": 20,  # steps from one logged step to the next
    "draws": 2,
    "level": 0.95,  # accuracy on unseen pairs at the end without which there is no severity
    "stop": 0.99,  # of unseen pairs
    "beyond": 10,  # logged steps after `stop`
}
REFERS: dict[str, Any] = {
    "learning_rates": "numbers",
    "fraction": "positive",
    "scale": "positive",
    "decay": "number",
    "level": "positive",
    "stop": "positive",
}
ESTIMATES: dict[str, list[str]] = {
    "": [
        "slope",
        "stopped_slope",
        "T_grok_exponent",
        "largest_over_smallest",
        "grokked_share",
    ]
}


def severity(train: np.ndarray, validation: np.ndarray, level: float) -> float:
    """GSM of one run from its logged accuracies (T,); 0 where it has not generalised at the end."""
    return float(np.abs(train - validation).mean()) if validation[-1] >= level else 0.0


def stopped(validation: np.ndarray, stop: float, beyond: int) -> int:
    """How many logged steps there are until this many after validation has first reached `stop`; all where never."""
    reached = np.flatnonzero(validation >= stop)
    return min(int(reached[0]) + 1 + beyond, len(validation)) if reached.size else len(validation)


def compute(options: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """Severity of every learning rate and draw.

    options: as `DEFAULTS`. seed: of draws; a draw has the same training set, start and batches at every learning rate.
    Returns {"estimates", "points"}. Estimates, means over draws: slope of the severity on the logarithm of the learning
    rate, for one T and where runs stop; exponent of T_grok in the learning rate, where
    all of a draw generalise; the severity at the largest learning rate over that at the smallest; share of runs that
    generalise. Points: one a learning rate and draw. Raises RegrokError naming an option.
    """
    rates = [float(rate) for rate in options["learning_rates"]]
    if len(set(rates)) < 2 or min(rates) <= 0:
        raise RegrokError(f"options.learning_rates = {rates}: should be two or more above 0")
    if options["every"] >= options["budget"]:
        raise RegrokError(f"options.every = {options['every']}: should be below the budget")
    points: list[dict[str, Any]] = []
    steps = list(range(options["every"], options["budget"] + 1, options["every"]))
    for rate in rates:
        states = States({**options, "learning_rate": rate}, seed)
        records = states.trained(steps, kept=[])
        train, validation = (
            np.stack([record["told"][key].numpy() for record in records])
            for key in ("train", "validation")
        )
        for draw in range(int(options["draws"])):
            one, other = train[:, draw], validation[:, draw]
            cut = stopped(other, options["stop"], options["beyond"])
            points.append(
                {
                    "learning_rate": rate,
                    "draw": draw,
                    "severity": severity(one, other, options["level"]),
                    "stopped_severity": severity(one[:cut], other[:cut], options["level"]),
                    "T_mem": first(steps, list(one >= options["level"])),
                    "T_grok": first(steps, list(other >= options["level"])),
                    "validation": float(other[-1]),
                }
            )
    return {"estimates": measured(options, points), "points": points}


def measured(options: Mapping[str, Any], points: list[dict[str, Any]]) -> dict[str, est.Estimate]:
    """The estimates of the points."""
    rates = [float(rate) for rate in options["learning_rates"]]
    table = {
        key: np.array([row[key] for row in points], dtype=float).reshape(len(rates), -1)
        for key in ("severity", "stopped_severity", "T_grok", "validation")
    }
    draws = "a value for each draw"
    unfinished = int((table["validation"] < options["level"]).sum())
    note = f"{draws}; {unfinished} runs count as 0" if unfinished else draws
    slopes = {
        key: [per_log(rates, values) for values in table[key].T]
        for key in ("severity", "stopped_severity")
    }
    smallest, largest = int(np.argmin(rates)), int(np.argmax(rates))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = table["severity"][largest] / table["severity"][smallest]
    never = "no draw generalises everywhere"
    return {
        "slope": needed.mean(slopes["severity"], "no run", note),
        "stopped_slope": needed.mean(slopes["stopped_severity"], "no run", note),
        "T_grok_exponent": needed.mean(
            [exponent(rates, times) for times in table["T_grok"].T], never, draws
        ),
        "largest_over_smallest": needed.mean(list(ratio), "no run generalises", draws),
        "grokked_share": est.share(
            int((table["validation"] >= options["level"]).sum()), len(points)
        ),
    }
