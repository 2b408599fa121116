"""What must hold of a bench of signals: that what they read is measured, once, and costs are what probes say.

That no signal reads the future takes the modules themselves, and is asked once before a build (`refuse_look_ahead`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from regrok.errors import RegrokError
from regrok.study.blocks import Config, Fit
from regrok.study.literals import modules, stated
from regrok.study.messages import nearest
from regrok.study.probed import effort

LAW = "early_warning"


def bench_problems(config: Config) -> Iterator[str]:
    """One line for each thing that is wrong, beginning with its dotted key. Names and options hold already."""
    for name, fit in config.fits.items():
        if fit.law == LAW:
            yield from _signals(f"fits.{name}", fit, config)
            yield from _twice(f"fits.{name}", fit, config)
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


def _twice(path: str, fit: Fit, config: Config) -> Iterator[str]:
    """A signal reads a module: of two probes of it nothing says which."""
    first: dict[str, str] = {}
    for name in fit.probes:
        module = config.probes[name].probe
        other = first.setdefault(module, name)
        if other != name:
            yield f"{path}.probes: {other} and {name} are both of module {module}; list one of them."


def _costs(path: str, fit: Fit, config: Config) -> Iterator[str]:
    """What a probe costs follows from its module and options; what is told besides has to be that."""
    told = fit.options.get("costs") or {}
    probes = {config.probes[name].probe: config.probes[name] for name in fit.probes}
    costs = _efforts(fit, config)
    for module, value in told.items():
        if module not in probes:
            yield f"{path}: no probe of this fit is of module '{module}'.{nearest(module, probes)}"
        elif module in costs and value != costs[module]:
            yield (
                f"{path}.{module} = {value}: a state takes {costs[module]:g} training steps; say so, or leave it out."
            )


def _efforts(fit: Fit, config: Config) -> dict[str, float]:
    """Module → training steps that a state takes, of the probes of a fit that are made at the configuration's scale."""
    probes = [config.probes[name] for name in fit.probes]
    return {
        probe.probe: effort(probe, config.scale) for probe in probes if config.scale in probe.scales
    }


def with_costs(config: Config) -> Config:
    """The configuration, in which each bench is told what a state takes in training steps at this scale.

    A law knows its options, and no probe: the number is filled in where the configuration is read.
    """
    filled = {
        name: fit.model_copy(
            update={
                "options": fit.options
                | {"costs": {**(fit.options.get("costs") or {}), **_efforts(fit, config)}}
            }
        )
        for name, fit in config.fits.items()
        if fit.law == LAW and fit.probes
    }
    return config.model_copy(update={"fits": {**config.fits, **filled}}) if filled else config


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
