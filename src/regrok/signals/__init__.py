"""Signals that claim to foresee grokking: how loud the warning is, by what a run has shown so far. One module each.

Each module has

    score(history, steps, learned) -> (n,) array

`history` is a run as far as it is known (`regrok.signals.parts.history.History`), `steps` (n,) increasing moments at
which the signal is asked; the larger a value, the louder the warning, and NaN says nothing yet. A value may rest on
what was logged or measured up to its own step alone; that a signal answers the same when it is given no more than that
is checked before anything is trained, on made-up histories, and again on every run that it is judged on
(`refuse_look_ahead`). Which way the signal is read (rising or falling) is fixed in the module, from its paper.

`learned` is None, or what the module's

    learn(histories, grokked) -> anything

makes of the runs that its threshold is chosen on, and their T_grok (NaN where a run did not). What the module reads it
says in literals:

    READS      {"curve": columns of the curve, "probes": modules of regrok.probes}
    COST       what one value takes besides its probes, in passes over: "training", all training examples;
               "evaluation", all validation examples; "table", all pairs. The train accuracy comes with training

A new signal is a new module here. The law `early_warning` takes all that there are, or those that its block names.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np

from regrok.errors import RegrokError
from regrok.signals.parts.history import History, planted
from regrok.study.literals import modules
from regrok.study.messages import nearest


def signals() -> list[str]:
    """Names of the modules."""
    return modules("signals")


def signal(name: str) -> ModuleType:
    """The module of a signal. Raises RegrokError with the nearest name for one that is not there."""
    if name not in signals():
        hint = nearest(name, signals())
        raise RegrokError(f"signal '{name}': there is no such signal.{hint}")
    return importlib.import_module(f"{__name__}.{name}")


def learns(name: str) -> bool:
    """Whether what a signal says rests on other runs."""
    return hasattr(signal(name), "learn")


def learned_from(name: str, histories: Iterable[History], grokked: Iterable[float]) -> Any:
    """What a signal learns from these runs; None of one that learns nothing. Raises RegrokError where `learn` fails."""
    if not learns(name):
        return None
    made = signal(name)
    with _named(name, made, "learn"):
        return made.learn(list(histories), np.array(list(grokked), dtype=float))


def scored(name: str, history: History, steps: np.ndarray, learned: Any = None) -> np.ndarray:
    """(n,) values of a signal. Raises RegrokError naming it where `score` fails or gives not one value a step."""
    made = signal(name)
    with _named(name, made, "score"), np.errstate(all="ignore"):
        found = np.asarray(made.score(history, steps, learned), dtype=float)
    if found.shape != steps.shape:
        raise RegrokError(
            f"signal '{name}': score gives {found.shape} values for {len(steps)} steps; give one each"
        )
    return found


@contextmanager
def _named(name: str, made: Any, function: str) -> Iterator[None]:
    """Whatever fails in a signal's function is a RegrokError that names the signal and what it says that it reads."""
    try:
        yield
    except Exception as error:
        raise RegrokError(
            f"signal '{name}': {function} fails ({_said(error)}); READS says {made.READS}"
        ) from error


def _said(error: Exception) -> str:
    """What an error says, after its type where that is not our own."""
    return str(error) if isinstance(error, RegrokError) else f"{type(error).__name__}: {error}"


def refuse_look_ahead(
    name: str, history: History, steps: np.ndarray, learned: Any = None, cuts: int = 5
) -> None:
    """Raise RegrokError where a signal answers otherwise once it is given the past alone.

    The history is cut at `cuts` of the steps, evenly spread. The value there must be the one that the whole history
    gave, to the bit.
    """
    whole = scored(name, history, steps, learned)
    for k in np.unique(np.linspace(0, len(steps) - 1, min(cuts, len(steps))).astype(int)):
        alone = scored(name, history.until(steps[k]), steps[: k + 1], learned)
        same = (alone == whole[: k + 1]) | (np.isnan(alone) & np.isnan(whole[: k + 1]))
        if not same.all():
            at = steps[int(np.argmin(same))]
            raise RegrokError(
                f"signal '{name}' reads the future: its value at step {at:g} is {whole[int(np.argmin(same))]:g} where "
                f"the run is known to its end, and {alone[int(np.argmin(same))]:g} where it is known to step "
                f"{steps[k]:g}; let score use rows up to each step alone (History.at, History.so_far)"
            )


def look_ahead_problems(names: Iterable[str]) -> list[str]:
    """One sentence for each of these signals that reads the future, or fails, on made-up histories."""
    found = []
    for name in names:
        try:
            made = signal(name)
            runs = [planted(made.READS, seed) for seed in range(4)]
        except Exception as error:
            found.append(f"signal '{name}' cannot be asked: {_said(error)}")
            continue
        try:
            learned = learned_from(name, runs, [900.0, 1_200.0, np.nan, 1_000.0])
            for run in runs:
                refuse_look_ahead(name, run, np.arange(0, 2_000, 100.0), learned, cuts=8)
        except RegrokError as error:
            found.append(str(error))
    return found
