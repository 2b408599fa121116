"""What must hold of probes: some scale makes them, their runs are at the moments asked for, and a fit reads them.

    moments(probe, scale, protocol) → the steps that a run of this protocol may be measured at

The plan counts a probe's cost by it, before any run exists.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from regrok.errors import RegrokError
from regrok.study.blocks import Config, Moments, Probe
from regrok.study.expand import cells
from regrok.study.literals import PACKAGE, literal
from regrok.study.words import SCALES, Scale

if TYPE_CHECKING:
    from regrok.study.run import Protocol

EVENTS = ("T_mem", "T_grok", "end")
"""Moments that a run's own curve decides."""


def probe_problems(config: Config) -> Iterator[str]:
    """One line for each thing that is wrong, beginning with its dotted key. Names hold already."""
    read = {name for fit in config.fits.values() for name in fit.probes}
    for name, probe in config.probes.items():
        path = f"probes.{name}"
        if not probe.scales:
            yield f"{path}.scales = {{}}: no scale makes it; list at least one of {', '.join(SCALES)}."
        if config.fits and name not in read:
            yield f"{path}: no fit reads it; list it under the probes of a fit."
        for scale in probe.scales:
            yield from _at_scale(path, probe, scale, config)


def _at_scale(path: str, probe: Probe, scale: Scale, config: Config) -> Iterator[str]:
    running = [name for name in probe.of if scale in config.experiments[name].scales]
    if not running:
        listed = ", ".join(probe.of)
        yield f"{path}.scales.{scale}: none of its experiments runs at that scale ({listed})."
    own = probe.scales[scale].at is not None
    where = f"{path}.scales.{scale}.at" if own else f"{path}.at"
    said: set[str] = set()
    for name in running:
        alone = config.model_copy(
            update={"experiments": {name: config.experiments[name]}, "only": []}
        )
        for cell in cells(alone, scale):
            for problem in _unreached(probe.moments(scale), cell.settings.protocol):
                line = f"{where}.{problem} in runs of {name} at scale {scale}."
                if line not in said:
                    said.add(line)
                    yield line


def _unreached(at: Moments, protocol: Protocol) -> Iterator[str]:
    """Moments at which no run of this protocol can be."""
    if at.every is not None and (problem := protocol.unreached(at.every)):
        yield f"every = {at.every}: {problem}"
    for step in at.steps or ():
        if problem := protocol.unreached(step):
            yield f"steps = {step}: {problem}"


def moments(at: Moments, end: int, events: Mapping[str, float] | None = None) -> list[int]:
    """The steps of a run that a probe measures at, in order, each once.

    end: the run's last step. events: the steps of T_mem and T_grok, NaN where there is none; null counts both, for a
    prediction, as if they were near the end.

    >>> moments(Moments(every=40, events=["end"]), 100, {})
    [0, 40, 80, 100]
    """
    found = set(range(0, end + 1, at.every)) if at.every is not None else set()
    found |= {step for step in at.steps or () if step <= end}
    for number, event in enumerate(at.events or ()):
        if event == "end":
            found.add(end)
        elif events is None:
            found.add(max(0, end - 1 - number))
        elif events.get(event) == events.get(event):  # NaN is no step
            found.add(int(events[event]))
    return sorted(found)


def effort(probe: Probe, scale: Scale) -> float:
    """What one measured moment takes, in training steps of the run.

    Its module says in a literal COST: option, or options joined by `*`, → steps for each of so many; "" → whatever they
    say. Raises RegrokError where the module has none.
    """
    text = (PACKAGE / "probes" / f"{probe.probe}.py").read_text(encoding="utf-8")
    costs = literal(text, "COST")
    if not costs:
        raise RegrokError(
            f"src/regrok/probes/{probe.probe}.py: there is no COST; see regrok.probes"
        )
    told = {**literal(text, "DEFAULTS"), **probe.told(scale)}
    total = 0.0
    for names, steps in costs.items():
        times = 1.0
        for name in filter(None, names.split("*")):
            times *= float(told[name])
        total += times * float(steps)
    return total
