"""Two circuits that compete: the toy model of why a network generalises late (arXiv 2309.02390, Appendix C).

A generalising circuit g and a memorising one m add to the right output's logit on training data, S = w_g + w_m; on
test data g alone does. Each strength is a product of two sub-weights, w_i = w_i1·w_i2, so that a small start makes it
slow. A circuit of strength w_i has the norm P_i·w_i^(1/κ). The training loss is

    L = log(1 + (q − 1)·exp(−S)) + α·Σ_i (P_i·w_i^(1/κ))²,

the cross-entropy over q outputs of which the others stay at 0, and an L2 penalty. The sub-weights follow its gradient:

    dw_i1/dt = −w_i2·D_i,   dw_i2/dt = −w_i1·D_i,   D_i = ∂L/∂w_i = −σ(S) + α·P_i²·(2/κ)·w_i^(2/κ − 1),

with σ(S) = (q − 1)/(q − 1 + e^S), the probability of a wrong output. Time t is steps × step size, as the step goes to
zero; no step size enters. Along a path w_i1² − w_i2² is constant.

The ratio at the end, for this penalty (derived here). For κ < 2 the penalty is convex in w and the cross-entropy is in
S, so L has one minimum. There D_g = D_m = 0, both with the same σ(S), so P_g²·w_g^(2/κ − 1) = P_m²·w_m^(2/κ − 1) and

    w_g/w_m = (P_g/P_m)^(−2/(2/κ − 1)) = (P_g/P_m)^(−2κ/(2 − κ)),

free of α and q. A penalty with another factor before it has the same ratio; one that sums the norms before it squares
them has not. A sub-weight pair that starts at 0 stays there: then the circuit does not exist.

T_mem and T_grok are the first times at which the right output is more probable than `level` on training and on test
data: S, or w_g, reaches log(q − 1) + log(level/(1 − level)).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

from regrok.computations.parts.arms import arms
from regrok.errors import RegrokError
from regrok.laws.parts.estimate import Estimate, estimate, exact, missing

DEFAULTS: dict[str, Any] = {
    "P_g": 1.0,  # norm of the generalising circuit at strength 1
    "P_m": 2.0,  # norm of the memorising circuit at strength 1
    "kappa": 1.2,  # a norm goes as the strength to the power 1/κ
    "alpha": 0.005,  # weight of the penalty
    "q": 113,  # outputs
    "w_g1": 0.0,  # starts of the sub-weights
    "w_g2": 0.005,
    "w_m1": 0.0,
    "w_m2": 1.0,
    "level": 0.5,  # probability of the right output at which an event counts
    "until": 2000.0,  # time
    "tolerance": 1e-10,  # the solver's, relative; absolute a hundredth of it
    "points": 120,  # times that are kept of each path
    "first": 0.01,  # the first of them after 0
    "arms": {},  # name → what it changes of the above
}

REFERS: dict[str, Any] = {
    "P_g": "positive",
    "P_m": "positive",
    "kappa": "positive",
    "alpha": "positive",
    "until": "positive",
    "tolerance": "positive",
    "first": "positive",
    "level": "positive",
    "arms": "arms",
}

ESTIMATES: dict[str, list[str]] = {
    "": [
        "w_g",
        "w_m",
        "ratio",
        "ratio_closed",
        "ratio_over_closed",
        "train_loss",
        "test_loss",
        "train_probability",
        "test_probability",
        "T_mem",
        "T_grok",
        "delay",
        "delay_over_T_mem",
    ],
    "arms": [
        "w_g",
        "w_m",
        "ratio",
        "ratio_closed",
        "ratio_over_closed",
        "train_loss",
        "test_loss",
        "train_probability",
        "test_probability",
        "T_mem",
        "T_grok",
        "delay",
        "delay_over_T_mem",
        "delay_share",
    ],
}

COARSER = 100.0
"""How many times looser the tolerance of the second solution is, by which the first one's error is told."""

TIME = "steps × step size"


@dataclass(frozen=True)
class Toy:
    """The model's constants; see the module."""

    P: np.ndarray
    """(2,) norms of g and m at strength 1."""
    kappa: float
    alpha: float
    q: int

    def wrong(self, logit: Any) -> Any:
        """σ: the probability of a wrong output where the right one has this logit."""
        return 1 / (1 + np.exp(logit - math.log(self.q - 1)))

    def cross_entropy(self, logit: Any) -> Any:
        """In nat, where the right output has this logit and the others 0."""
        return np.logaddexp(0.0, math.log(self.q - 1) - np.asarray(logit))

    def penalty(self, w: np.ndarray) -> Any:
        """α·Σ (P_i·w_i^(1/κ))² over the first axis of w (2, …)."""
        norms = self.P**2 * (np.abs(w) ** (2 / self.kappa)).T
        return self.alpha * norms.T.sum(0)

    def slope(self, w: np.ndarray) -> np.ndarray:
        """(2,) D = ∂L/∂w of the training loss."""
        power = 2 / self.kappa - 1
        pull = self.alpha * self.P**2 * (2 / self.kappa) * np.sign(w) * np.abs(w) ** power
        return np.asarray(pull - self.wrong(w.sum()))

    def flow(self, _: float, sub: np.ndarray) -> np.ndarray:
        """(4,) time derivative of the sub-weights w_g1, w_m1, w_g2, w_m2."""
        one, other = sub[:2], sub[2:]
        slope = self.slope(one * other)
        return np.concatenate([-other * slope, -one * slope])

    def ratio(self) -> float:
        """w_g/w_m at the minimum, in closed form."""
        return float((self.P[0] / self.P[1]) ** (-2 * self.kappa / (2 - self.kappa)))

    def minimum(self, exists: tuple[bool, bool]) -> np.ndarray:
        """(2,) strengths at the minimum of the training loss, of the circuits that exist: a root in one unknown."""
        shares = np.array([self.ratio(), 1.0]) if all(exists) else np.array(exists, dtype=float)
        if not shares.any():
            return shares
        which = int(np.argmax(shares))

        def along(scale: float) -> float:
            return float(self.slope(scale * shares)[which])

        high = 1.0
        while along(high) < 0:
            high *= 2
        return np.asarray(brentq(along, 0.0, high, xtol=1e-15, rtol=8.9e-16) * shares)


@dataclass(frozen=True)
class Path:
    """One solution."""

    time: np.ndarray
    """(n,) times that are kept, the first 0."""
    w: np.ndarray
    """(2, n) strengths of g and m at them."""
    end: np.ndarray
    """(2,) strengths at the end."""
    T_mem: float
    """NaN: not within the time."""
    T_grok: float
    """NaN: not within the time."""


def toy(options: Mapping[str, Any]) -> Toy:
    """The model that the options describe. Raises RegrokError naming an option that it has no solution with."""
    if options["kappa"] >= 2:
        raise RegrokError(
            f"options.kappa = {options['kappa']:g}: should be below 2; only there is the penalty convex"
        )
    if options["q"] < 2:
        raise RegrokError(f"options.q = {options['q']}: should be at least 2 outputs")
    if not 0 < options["level"] < 1:
        raise RegrokError(f"options.level = {options['level']:g}: should lie between 0 and 1")
    if options["first"] >= options["until"]:
        raise RegrokError(
            f"options.first = {options['first']:g}: should come before until = {options['until']:g}"
        )
    norms = np.array([options["P_g"], options["P_m"]], dtype=float)
    return Toy(norms, float(options["kappa"]), float(options["alpha"]), int(options["q"]))


def start(options: Mapping[str, Any]) -> np.ndarray:
    """(4,) sub-weights w_g1, w_m1, w_g2, w_m2 at time 0."""
    return np.array([options[key] for key in ("w_g1", "w_m1", "w_g2", "w_m2")], dtype=float)


def existing(options: Mapping[str, Any]) -> tuple[bool, bool]:
    """Whether g and m exist: a pair of sub-weights that begins at 0 stays there."""
    sub = start(options)
    return bool(sub[[0, 2]].any()), bool(sub[[1, 3]].any())


def solve(options: Mapping[str, Any], tolerance: float | None = None) -> Path:
    """The gradient flow from its start, by an explicit Runge–Kutta method of order 8 with events as roots.

    tolerance: instead of the options'. Raises RegrokError where the solver gives up.
    """
    model, begin = toy(options), start(options)
    needed = math.log(model.q - 1) + math.log(options["level"] / (1 - options["level"]))
    relative = options["tolerance"] if tolerance is None else tolerance

    def train(_: float, sub: np.ndarray) -> float:
        return float((sub[:2] * sub[2:]).sum()) - needed

    def test(_: float, sub: np.ndarray) -> float:
        return float(sub[0] * sub[2]) - needed

    until = float(options["until"])
    times = np.concatenate([[0.0], np.geomspace(options["first"], until, options["points"])])
    times[-1] = until  # geomspace may end a rounding above it
    found = solve_ivp(
        model.flow,
        (0.0, until),
        begin,
        method="DOP853",
        t_eval=times,
        events=[train, test],
        rtol=relative,
        atol=relative / 100,
    )
    if not found.success:
        raise RegrokError(f"the flow could not be solved to time {until:g}: {found.message}")
    w = found.y[:2] * found.y[2:]
    crossed = [
        0.0 if event(0.0, begin) >= 0 else float(at[0]) if len(at) else math.nan
        for event, at in zip((train, test), found.t_events, strict=True)
    ]
    return Path(found.t, w, w[:, -1], *crossed)


def quantities(options: Mapping[str, Any], path: Path) -> dict[str, float]:
    """Key of an estimate → its value for one solution; NaN where there is none."""
    model, (w_g, w_m) = toy(options), path.end
    ratio = w_g / w_m if w_m else math.nan
    both = all(existing(options))
    closed = model.ratio() if both else math.nan
    train, test = (float(model.cross_entropy(logit)) for logit in (w_g + w_m, w_g))
    delay = path.T_grok - path.T_mem
    return {
        "w_g": w_g,
        "w_m": w_m,
        "ratio": ratio,
        "ratio_closed": closed,
        "ratio_over_closed": ratio / closed,
        "train_loss": train,
        "test_loss": test,
        "train_probability": math.exp(-train),
        "test_probability": math.exp(-test),
        "T_mem": path.T_mem,
        "T_grok": path.T_grok,
        "delay": delay,
        "delay_over_T_mem": delay / path.T_mem if path.T_mem else math.nan,
    }


UNITS = {
    **dict.fromkeys(("T_mem", "T_grok", "delay"), TIME),
    **dict.fromkeys(("train_loss", "test_loss"), "nat"),
}
NEVER = {
    "T_mem": "the right output never becomes likely enough on training data",
    **dict.fromkeys(
        ("T_grok", "delay", "delay_over_T_mem", "delay_share"),
        "the right output never becomes likely enough on test data",
    ),
}
"""Key → why it may have no value."""


NEGLIGIBLE = 1e-6
"""An error of the solver below this share of the value is no interval."""


def known(key: str, value: float, coarser: float) -> Estimate:
    """A value without sampling error; the solver's, told by a looser tolerance, is its interval where it matters."""
    how = "gradient flow, solved numerically"
    if not math.isfinite(value):
        why = NEVER.get(key, "a circuit that does not exist has no strength to compare with")
        return missing(why, 0, how, UNITS.get(key, ""))
    error = abs(value - coarser) if math.isfinite(coarser) else 0.0
    if error <= NEGLIGIBLE * abs(value):
        return exact(
            value, 0, how, UNITS.get(key, ""), f"solver's error below {NEGLIGIBLE:g} of it"
        )
    how += "; the interval is the solver's error"
    return estimate(value, value - error, value + error, 0, how, UNITS.get(key, ""))


def compute(options: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """Solve the model, and each arm of it: what it ends at, when it memorises and when it generalises.

    options: as `DEFAULTS`. seed: not used, nothing is drawn. Returns {"estimates", "points"}. Estimates of an arm are
    called <arm>.<key>; `delay_share` is its delay over the whole model's. An estimate has n = 0: no run stands behind
    it. Points: records {"arm" ("all" for the model as it is), "time", "w_g", "w_m", "train_loss",
    "test_loss", "penalty"}. Raises RegrokError naming an option that the model has no solution with.
    """
    estimates: dict[str, Estimate] = {}
    points: list[dict[str, Any]] = []
    whole: list[dict[str, float]] = []
    for arm in arms(options):
        with arm.named():
            path = solve(arm.options)
            looser = solve(arm.options, arm.options["tolerance"] * COARSER)
        found = [quantities(arm.options, each) for each in (path, looser)]
        if arm.whole:
            whole = found
        else:
            for mine, theirs in zip(found, whole, strict=True):
                mine["delay_share"] = mine["delay"] / theirs["delay"]
        estimates |= arm.estimates(
            {key: known(key, float(v), float(found[1][key])) for key, v in found[0].items()}
        )
        points += arm.points(records(toy(arm.options), path))
    return {"estimates": estimates, "points": points}


def records(model: Toy, path: Path) -> list[dict[str, Any]]:
    """The points of one solution."""
    train, test = (model.cross_entropy(logit) for logit in (path.w.sum(0), path.w[0]))
    columns = {
        "time": path.time,
        "w_g": path.w[0],
        "w_m": path.w[1],
        "train_loss": train,
        "test_loss": test,
        "penalty": model.penalty(path.w),
    }
    return [
        {key: float(values[i]) for key, values in columns.items()} for i in range(len(path.time))
    ]
