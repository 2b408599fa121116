"""What must hold of a bench of signals: that what they read is measured, and costs are what probes say.

That no signal reads the future takes the modules themselves, and is asked once before a build (`refuse_look_ahead`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from regrok.errors import RegrokError
from regrok.study.blocks import Config, Fit, Probe
from regrok.study.literals import modules, stated
from regrok.study.messages import nearest
from regrok.study.probed import effort

LAW = "early_warning"


def bench_problems(config: Config) -> Iterator[str]:
    """One line for each thing that is wrong, beginning with its dotted key. Names and options hold already."""
    for name, fit in config.fits.items():
        if fit.law == LAW:
            yield from _signals(f"fits.{name}", fit, config)
            yield from _costs(f"fits.{name}.options.costs", fit, config)


def listed(fit: Fit) -> list[str]:
    """The signals of a bench: those that its block names, or all."""
    return list(fit.options.get("signals") or modules("signals"))


def _signals(path: str, fit: Fit, config: Config) -> Iterator[str]:
    measured = {config.probes[name].probe for name in fit.probes}
    for name in listed(fit):
        for module in stated("signals", name, "READS").get("probes", ()):
            if module not in measured:
                yield (
                    f"{path}.probes: signal {name} reads a probe of module {module}, and none is listed; list one, or "
                    "give options.signals without it."
                )


def _costs(path: str, fit: Fit, config: Config) -> Iterator[str]:
    """What a probe costs is told, so that the fit knows it, and is what its module and options come to."""
    told = fit.options.get("costs") or {}
    probes = {config.probes[name].probe: config.probes[name] for name in fit.probes}
    for module in told:
        if module not in probes:
            yield f"{path}: no probe of this fit is of module '{module}'.{nearest(module, probes)}"
    for module, probe in probes.items():
        for steps in sorted(_efforts(probe)):
            if told.get(module) != steps:
                yield f"{path}.{module} = {told.get(module)}: a state takes {steps:g} training steps; say so."


def _efforts(probe: Probe) -> set[float]:
    return {effort(probe, scale) for scale in probe.scales}


def refuse_look_ahead(config: Config) -> None:
    """Raise RegrokError naming every signal of the benches that reads the future, or cannot be asked."""
    names: Iterable[Any] = dict.fromkeys(
        name for fit in config.fits.values() if fit.law == LAW for name in listed(fit)
    )
    if not names:
        return
    from regrok.signals import look_ahead_problems  # numpy and pandas, which few builds need here

    if found := look_ahead_problems(names):
        raise RegrokError("\n".join(found))
