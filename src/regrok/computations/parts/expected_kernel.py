"""The expected tangent kernel of a two-layer network with squares, and its ridgeless predictor in closed form.

For W ~ N(0, s²) and V ~ N(0, r²), all independent, E(w·x)²(w·x')² = s⁴·(‖x‖²‖x'‖² + 2(x·x')²) by Isserlis, so that the
kernel of one output is, a neuron (derived here),

    K(x, x') = s⁴·‖x‖²·‖x'‖² + β·(x·x')²,   β = 2s⁴ + 4r²s²,

and that between two outputs is zero. With one-hot inputs ‖x‖² is their number and x·x' that of coordinates that agree.

Two inputs. Of pairs, (x·x')² = 1[a = a'] + 1[b = b'] + 2·1[both], so that on distinct training pairs K = ZZᵀ + 2βI with
Z = (2s², √β·e_a, √β·e_b). It is regular whatever the pairs. Off the training pairs the last term is absent, so that the
ridgeless predictor of the kernel is ridge regression on Z with the penalty 2β:

    f(a, b) = z(a, b)ᵀ(ZᵀZ + 2βI)⁻¹Zᵀy  off the training pairs,  f = y on them.

It is a sum of a function of a and one of b. On triples an output is selected by c, so each c is such a problem.

Three inputs. (x·x')² is 1[a = a'] + … + 2·1[a = a', b = b'] + …, a kernel of features of single and of paired values,
1 + 3p + 3p² of them. Above that many triples, or below, it may be singular; the predictor is then the least-squares
one of least norm.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

TOLERANCE = 1e-10
"""A singular value of the features below this share of the largest is taken for zero."""


@dataclass(frozen=True)
class Variances:
    """Of the two layers' weights."""

    hidden: float = 1.0
    """s²."""
    output: float = 1.0
    """r²."""

    @property
    def agreeing(self) -> float:
        """β: what multiplies (x·x')²."""
        return 2 * self.hidden**2 + 4 * self.output * self.hidden

    def kernel(self, agree: np.ndarray, inputs: int) -> np.ndarray:
        """K, a neuron. agree: how many of the one-hot inputs are the same; inputs: how many there are."""
        return np.asarray(self.hidden**2 * inputs**2 + self.agreeing * agree**2)


def additive(seen: np.ndarray, values: np.ndarray, variances: Variances) -> np.ndarray:
    """The ridgeless predictor over all pairs, for any number of problems.

    seen: (..., p, p) whether a pair is in training. values: (..., p, p, m) targets; those of unseen pairs are not
    looked at. Returns (..., p, p, m).
    """
    p = seen.shape[-1]
    level, beta = 2 * variances.hidden, variances.agreeing
    root = math.sqrt(beta)
    counted = seen.astype(float)
    rows, columns = counted.sum(-1), counted.sum(-2)
    total = rows.sum(-1)
    gram = np.zeros((*seen.shape[:-2], 2 * p + 1, 2 * p + 1))
    gram[..., 0, 0] = level**2 * total
    sides = level * root * np.concatenate([rows, columns], -1)
    gram[..., 0, 1:] = gram[..., 1:, 0] = sides
    gram[..., 1 : p + 1, p + 1 :] = beta * counted
    gram[..., p + 1 :, 1 : p + 1] = beta * np.swapaxes(counted, -1, -2)
    diagonal = np.arange(1, 2 * p + 1)
    gram[..., diagonal, diagonal] += beta * np.concatenate([rows, columns], -1)
    every = np.arange(2 * p + 1)
    gram[..., every, every] += 2 * beta
    known = np.where(seen[..., None], values, 0.0)
    of_a, of_b = known.sum(-2), known.sum(-3)
    right = np.concatenate([level * of_a.sum(-2, keepdims=True), root * of_a, root * of_b], axis=-2)
    weights = np.linalg.solve(gram, right)
    constant = level * weights[..., :1, :]
    first, second = root * weights[..., 1 : p + 1, :], root * weights[..., p + 1 :, :]
    predicted = constant[..., None, :] + first[..., :, None, :] + second[..., None, :, :]
    return np.asarray(np.where(seen[..., None], values, predicted))


def paired_features(p: int, variances: Variances) -> np.ndarray:
    """(p³, 1 + 3p + 3p²) features of all triples whose products are the kernel of three inputs."""
    a, b, c = np.indices((p, p, p)).reshape(3, -1)
    root, single, double = math.sqrt(variances.agreeing), np.eye(p), np.eye(p * p)
    parts = [np.full((p**3, 1), 3 * variances.hidden)]
    parts += [root * single[x] for x in (a, b, c)]
    parts += [root * math.sqrt(2) * double[x * p + y] for x, y in ((a, b), (a, c), (b, c))]
    return np.concatenate(parts, 1)


def least_norm(
    features: np.ndarray, chosen: np.ndarray, values: np.ndarray
) -> tuple[np.ndarray, int]:
    """Ridgeless prediction for every row of features (N, D) from the chosen ones, and how many directions are singular.

    chosen: (n,) rows. values: (n,) targets. A singular kernel is one of fewer than n directions, by `TOLERANCE`.
    """
    weights, _, rank, _ = np.linalg.lstsq(features[chosen], values, rcond=TOLERANCE)
    return features @ weights, len(chosen) - int(rank)
