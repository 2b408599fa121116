"""Networks of arXiv 2603.01192 that are trained together, their states, and the coefficients that chains give these."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from regrok.computations.parts.square_loss import Adam, Stack, batches, pairs, started, train
from regrok.errors import RegrokError
from regrok.measures.learning_coefficient import (
    Protocol,
    Sampled,
    largest_curvature,
    refusal,
    sample,
)

TRAINING = ("p", "width", "fraction", "scale", "learning_rate", "decay", "batch", "budget", "draws")
"""Options that decide what is trained."""

SAMPLING = ("step", "n_beta", "localisation", "chains", "burn_in", "kept", "minibatch")
"""Options that decide how a state is sampled."""


def check(options: Mapping[str, Any]) -> None:
    """Raises RegrokError naming an option that nothing can be trained with."""
    for key, least in (("p", 4), ("width", 2), ("batch", 2)):
        if options[key] < least:
            raise RegrokError(f"options.{key} = {options[key]}: should be {least} or more")
    if not 0 < options["fraction"] < 1:
        raise RegrokError(f"options.fraction = {options['fraction']:g}: should lie between 0 and 1")
    if options["decay"] < 0:
        raise RegrokError(f"options.decay = {options['decay']:g}: should be 0 or above")


def protocol(options: Mapping[str, Any]) -> Protocol:
    """How the options sample. Raises RegrokError naming one that nothing can be sampled with."""
    if options["minibatch"] < 2:
        raise RegrokError(f"options.minibatch = {options['minibatch']}: should be 2 or more")
    how = (options[key] for key in SAMPLING[:-1])
    try:
        return Protocol(*how)
    except RegrokError as error:
        raise RegrokError(f"options.{error}") from error


def generators(seed: int, draws: int, purpose: int) -> list[np.random.Generator]:
    """One for each draw: of training sets 0, starts 1, batches 2."""
    return [np.random.default_rng([seed, i, purpose]) for i in range(draws)]


class States:
    """All draws of one setting, trained together; each draw's numbers are its own."""

    def __init__(self, options: Mapping[str, Any], seed: int) -> None:
        check(options)
        self.options, self.seed = options, seed
        p, width, draws = int(options["p"]), int(options["width"]), int(options["draws"])
        a, b = pairs(p, options["fraction"], generators(seed, draws, 0))
        self.stack = Stack(p, width, a, b)
        if a.shape[1] < 2:
            raise RegrokError(f"options.fraction = {options['fraction']:g}: leaves no two pairs")

    def trained(self, steps: Sequence[int], kept: Sequence[int]) -> list[dict[str, Any]]:
        """One record a step, in order: {"step", "told": as `Stack.told`, "flat": a copy where `kept` has the step}."""
        options, draws = self.options, int(self.options["draws"])
        torch.set_num_threads(1)  # as a training job does
        flat = started(
            self.stack.p, self.stack.width, options["scale"], generators(self.seed, draws, 1)
        )
        feed = batches(
            self.stack.a.shape[1], int(options["batch"]), generators(self.seed, draws, 2)
        )
        how = Adam(options["learning_rate"], options["decay"])
        made = []
        for step, now in train(self.stack, flat, how, feed, steps):
            told = self.stack.told(now)
            made.append({"step": step, "told": told, "flat": now.clone() if step in kept else None})
        return made

    def sampled(self, record: Mapping[str, Any], options: Mapping[str, Any]) -> Sampled:
        """Coefficients of all draws at one record whose `flat` was kept, by the sampling that the options ask for."""
        how, draws = protocol(options), int(self.options["draws"])
        stack = self.stack.repeated(how.chains)
        n = self.stack.a.shape[1]
        step = int(record["step"])
        rngs = [
            np.random.default_rng([self.seed, i, 3, step, chain])
            for i in range(draws)
            for chain in range(how.chains)
        ]
        feed = batches(n, int(options["minibatch"]), rngs)
        noise = torch.Generator().manual_seed(self.seed + step)
        return sample(
            lambda flat, draw: stack.loss_and_gradient(flat, next(feed)),
            record["flat"],
            record["told"]["loss"],
            how,
            noise,
        )

    def refused(
        self, record: Mapping[str, Any], draw: int, options: Mapping[str, Any], iterations: int = 30
    ) -> str:
        """What is said of one draw whose chains diverged at a record."""
        one = Stack(self.stack.p, self.stack.width, *(x[draw : draw + 1] for x in self._pairs()))
        every = torch.arange(self.stack.a.shape[1])[None]
        curved = largest_curvature(
            lambda point: one.loss_and_gradient(point[None], every)[1][0],
            record["flat"][draw].double(),
            torch.Generator().manual_seed(self.seed),
            iterations,
        )
        return refusal(protocol(options), curved, f"draw {draw}, step {record['step']}")

    def _pairs(self) -> tuple[Tensor, Tensor]:
        return self.stack.a, self.stack.b


def first(steps: Sequence[int], reached: Sequence[bool]) -> float:
    """The first logged step at which something is reached; NaN where it never is."""
    return next((float(s) for s, yes in zip(steps, reached, strict=True) if yes), math.nan)


def geometric(start: int, end: int, count: int) -> list[int]:
    """So many steps from start to end, each about the same factor above the one before, without repeats."""
    made = np.unique(np.round(np.geomspace(start, end, count)).astype(int))
    return [int(step) for step in made]


def ceiling(p: int, width: int, fraction: float) -> float:
    """½·min(K(3p − 2), (n − 1)·p): half the parameters that count on n training pairs (`parameter_ranks`)."""
    n = round(fraction * p * p)
    return min(width * (3 * p - 2), (n - 1) * p) / 2
