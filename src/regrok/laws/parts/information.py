"""What a likelihood of interval-censored times can tell, asked before and after it is maximised.

Three ways to have no information, each of which an optimiser answers with a number and a pseudo-inverse with certainty:
a direction in which the coefficients can run off for ever while no run becomes less likely (every run is known only
from above, or only from below); one line through all intervals, so that the residual's scale falls to zero and the
likelihood to its bound 1; and a Hessian that is flat at the scale of its parameters.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import optimize

FLATTEST = 1e-8
"""Least eigenvalue of the information per run, in units of the residual's scale, that is taken for information. Fits
with information have 0.01 to 1; the rounding of a likelihood that does not depend on a parameter leaves 1e-12."""
SLACK = 2e-7
"""Least room, in log time, between a line and the ends of the intervals that it passes through; linear programs are
solved to 1e-7."""


def runs_off(log_lower: np.ndarray, log_upper: np.ndarray, design: np.ndarray) -> bool:
    """Whether the likelihood has no maximum: some direction of the coefficients makes no run less likely.

    log_lower, log_upper: (n,) ends of log time, −∞ and ∞ where there is none; design: (n, k) of full rank. Moving along
    d keeps or raises every run's likelihood when x·d is 0 for a run with two ends, at least 0 for one with a lower end
    alone and at most 0 for one with an upper end alone.
    """
    below, above = np.isinf(log_lower), np.isinf(log_upper)
    both = design[~below & ~above]
    if np.linalg.matrix_rank(both) == design.shape[1]:
        return False
    free = np.vstack([design[above & ~below], -design[below & ~above]])
    if not free.size:
        return True
    found = optimize.linprog(
        -free.sum(0),
        A_ub=-free,
        b_ub=np.zeros(len(free)),
        A_eq=both if len(both) else None,
        b_eq=np.zeros(len(both)) if len(both) else None,
        bounds=(-1, 1),
    )
    return bool(found.status == 0 and -found.fun > SLACK)


def lines_through(
    log_lower: np.ndarray, log_upper: np.ndarray, design: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | None:
    """Least and largest coefficients (k,) of the lines that pass through every interval; None where there is no line.

    Arguments as for `runs_off`. Where there is one the residual's scale is 0 at the maximum, and these are all that the
    intervals tell.
    """
    top, bottom = np.isfinite(log_upper), np.isfinite(log_lower)
    A = np.vstack([design[top], -design[bottom]])
    b = np.concatenate([log_upper[top], -log_lower[bottom]])
    k = design.shape[1]
    free = [(None, None)] * k
    # The line with the most room to the nearest end.
    middle = optimize.linprog(
        np.append(np.zeros(k), -1.0),
        A_ub=np.column_stack([A, np.ones(len(A))]),
        b_ub=b,
        bounds=[*free, (None, 1.0)],
    )
    if middle.status != 0 or middle.x[-1] <= SLACK:
        return None
    ends = np.full((2, k), np.nan)
    for j in range(k):
        for row, sign in ((0, 1.0), (1, -1.0)):
            found = optimize.linprog(sign * np.eye(k)[j], A_ub=A, b_ub=b, bounds=free)
            ends[row, j] = found.x[j] if found.status == 0 else -sign * math.inf
    return ends[0], ends[1]


def flat(hessian: np.ndarray, sigma: float, n: int) -> str:
    """Why the Hessian of minus the log-likelihood makes no interval; empty where it makes one.

    hessian: (k, k) over coefficients of standardised columns, then a logarithm of σ; sigma: the residual's scale in log
    time; n: runs. Measured in units of σ per coefficient, since a coefficient's standard error is about σ/√n.
    """
    if not np.isfinite(hessian).all():
        return "its Hessian is not finite"
    units = np.append(np.full(len(hessian) - 1, sigma), 1.0)
    scaled = hessian * np.outer(units, units) / n
    if np.linalg.eigvalsh(scaled)[0] < FLATTEST:
        return "its Hessian is not positive definite"
    spread = np.sqrt(np.diag(scaled))
    if np.linalg.eigvalsh(scaled / np.outer(spread, spread))[0] < FLATTEST:
        return "its Hessian cannot tell the coefficients apart"
    return ""
