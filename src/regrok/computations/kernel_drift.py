"""When a network's tangent kernel turns: before it has memorised, or after (arXiv 2407.12332, Appendix A).

Networks of the kind of `network_shares`, at the published number of pairs, from starts of several sizes. The drift is 1
minus the cosine between the empirical tangent kernel of the first output on all pairs and that at the start, so that
growing weights alone, under which the kernel is multiplied by a number, are no drift. Centred drift is that of the
kernels less their rows' and columns' means. A run ends when all pairs are
right; its drift is read at T_mem, at T_grok and at the end. Both times are first logged steps from which on the
accuracy, on training and on unseen pairs, is at least `level`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from regrok.computations.network_shares import published
from regrok.computations.parts import needed
from regrok.computations.parts.quadratic_network import Pairs, started
from regrok.computations.parts.quadratic_training import train
from regrok.computations.parts.slopes import exponent
from regrok.errors import RegrokError
from regrok.laws.parts import estimate as est

DEFAULTS: dict[str, Any] = {
    "p": 11,
    "scales": [0.05, 0.1, 0.2],  # standard deviations of every weight at the start
    "scale": 0.1,  # the one that the drift is told at
    "draws": 3,  # of training sets and starts
    "width": 8,  # neurons over p
    "learning_rate": 10.0,  # η of a normalised step
    "budget": 1000,  # steps
    "growth": 1.1,  # a step is logged when it has grown by this factor
    "level": 0.95,  # accuracy on training pairs that counts as memorising, and on unseen ones as generalising
    "published_factor": 2.0,  # this many times p^(5/3) pairs are in training
}
REFERS: dict[str, Any] = {
    "scales": "numbers",
    "scale": "positive",
    "learning_rate": "positive",
    "growth": "positive",
    "level": "positive",
    "published_factor": "positive",
}
ESTIMATES: dict[str, list[str]] = {
    "": [
        "drift_at_T_mem",
        "drift_at_T_grok",
        "late_drift_share",
        "largest_late_drift_share",
        "centred_drift_at_T_mem",
        "centred_drift_at_T_grok",
        "late_centred_drift_share",
        "largest_late_centred_drift_share",
        "T_grok_exponent",
        "T_mem_exponent",
        "T_grok_over_T_mem",
        "grokked_share",
    ]
}

KINDS = ("drift", "centred")
MOMENTS = ("T_mem", "T_grok", "end")


def check(options: Mapping[str, Any]) -> None:
    """Raises RegrokError naming an option that nothing can be trained with."""
    if options["scale"] not in options["scales"]:
        raise RegrokError(
            f"options.scale = {options['scale']:g}: should be one of scales = {options['scales']}"
        )
    if published(options, options["p"]) >= options["p"] ** 2:
        raise RegrokError(
            f"options.p = {options['p']}: no pair is left unseen; a larger p has some"
        )
    if options["growth"] <= 1:
        raise RegrokError(f"options.growth = {options['growth']:g}: should be above 1")


def compute(options: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """Times and drift of every start.

    options: as `DEFAULTS`. seed: of training sets and starts; a draw has the same of both, but for its size, at every
    scale. Returns {"estimates", "points"}. Estimates, means over draws: the drift at T_mem and at T_grok, and the
    share of all drift that comes after T_mem, at the default scale and at the largest, of runs that generalise; the
    same of centred kernels;
    exponents of both times in the scale, a slope for each draw (`needed.not_before` says what unfinished runs give);
    T_grok over T_mem at the default scale; the share of all runs that generalise. Points: "run", one a scale and
    draw, and "curve", the first draw of each. Raises RegrokError naming an option, or the step at which a run
    diverged.
    """
    check(options)
    p, level = int(options["p"]), options["level"]
    n = published(options, p)
    points: list[dict[str, Any]] = []
    for scale in options["scales"]:
        for i in range(options["draws"]):
            order = np.random.default_rng([seed, i]).permutation(p * p)
            begin = started(p, options["width"] * p, scale, np.random.default_rng([seed, i, 1]))
            how = (options["learning_rate"], options["budget"], options["growth"])
            found = train(begin, Pairs.first(order, n, p), *how, stop=1.0, drift=True)
            memorised, grokked = found.memorised(level), found.generalised(level)
            drift = {
                f"{kind}_at_{moment}": at(found.step, values, step)
                for kind, values in (("drift", found.drift), ("centred", found.centred))
                for moment, step in (
                    ("T_mem", memorised),
                    ("T_grok", grokked),
                    ("end", float(found.step[-1])),
                )
            }
            times = {"T_mem": memorised, "T_grok": grokked, "steps": int(found.step[-1])}
            points.append({"kind": "run", "scale": scale, "draw": i, **times, **drift})
            if i == 0:
                curves = (found.train, found.unseen, found.drift, found.centred)
                columns = zip(found.step, *curves, strict=True)
                points += [
                    {
                        "kind": "curve",
                        "scale": scale,
                        "step": int(s),
                        "train": float(a),
                        "unseen": float(b),
                        "drift": float(d),
                        "centred": float(e),
                    }
                    for s, a, b, d, e in columns
                ]
    return {"estimates": measured(options, points), "points": points}


def at(steps: np.ndarray, values: np.ndarray, step: float) -> float:
    """The value logged at a step; NaN for a step that is not there."""
    found = values[steps == step]
    return float(found[0]) if found.size else float("nan")


def measured(options: Mapping[str, Any], points: list[dict[str, Any]]) -> dict[str, est.Estimate]:
    """The estimates of the points."""
    runs = [row for row in points if row["kind"] == "run"]
    table = {
        key: np.array([row[key] for row in runs]).reshape(len(options["scales"]), -1)
        for key in ("T_mem", "T_grok", *(f"{kind}_at_{m}" for kind in KINDS for m in MOMENTS))
    }
    scales = list(options["scales"])
    here = {key: values[scales.index(options["scale"])] for key, values in table.items()}
    late = {}
    for kind in KINDS:
        after = 1 - table[f"{kind}_at_T_mem"] / table[f"{kind}_at_end"]
        # The end of a run that did not generalise is that of its budget, and tells nothing of all its drift.
        late[kind] = np.where(np.isfinite(table["T_grok"]), after, np.nan)
    own, largest = scales.index(options["scale"]), int(np.argmax(scales))
    far = f"at a scale of {max(scales):g}"
    where, never = f"at a scale of {options['scale']:g}", "no run gets there in time"
    grokked = int(np.isfinite(table["T_grok"]).sum())

    def of_scale(key: str) -> est.Estimate:
        slopes = [
            exponent(scales, needed.not_before(scales, draw, options["budget"]))
            for draw in table[key].T.tolist()
        ]
        open_ended = int((~np.isfinite(table[key])).sum())
        note = "a slope over scales for each draw"
        note += f"; {open_ended} of {len(runs)} runs unfinished" if open_ended else ""
        return needed.mean(slopes, never, note)

    return {
        "drift_at_T_mem": needed.mean(list(here["drift_at_T_mem"]), never, where),
        "drift_at_T_grok": needed.mean(list(here["drift_at_T_grok"]), never, where),
        "late_drift_share": needed.mean(list(late["drift"][own]), never, where),
        "largest_late_drift_share": needed.mean(list(late["drift"][largest]), never, far),
        "centred_drift_at_T_mem": needed.mean(list(here["centred_at_T_mem"]), never, where),
        "centred_drift_at_T_grok": needed.mean(list(here["centred_at_T_grok"]), never, where),
        "late_centred_drift_share": needed.mean(list(late["centred"][own]), never, where),
        "largest_late_centred_drift_share": needed.mean(list(late["centred"][largest]), never, far),
        "T_grok_exponent": of_scale("T_grok"),
        "T_mem_exponent": of_scale("T_mem"),
        "T_grok_over_T_mem": needed.mean(
            list(here["T_grok"] / np.maximum(here["T_mem"], 1)), never, where
        ),
        "grokked_share": est.share(grokked, len(runs)),
    }
