"""What a computation, a probe, a fit, a figure or a table is told, checked before anything is trained.

A module of computations/, probes/, laws/, figures/ or tables/ says in literals what it may be told: `DEFAULTS`, option
→ default, whose type a value has too; `REFERS`, option → what its value names; and `NEEDS`, {"options": [those that are
to be given], "fits": [laws, of which one of the block's fits must be], "computations": [modules, likewise], "probes":
[modules, likewise]}. They are read from the source text: importing the modules would load torch, pandas and matplotlib
for a few words.

What `REFERS` may say: `regrok.study.refers`; and

    "arms"           name → what it changes of the module's other options
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from regrok.study.blocks import Computation, Config, Probe, Scale
from regrok.study.literals import PACKAGE, literal, modules
from regrok.study.messages import nearest
from regrok.study.refers import SHAPED, VALUES, Block, Check, names, number, shaped, words

SECTIONS = {
    "computations": ("compute", "computations"),
    "probes": ("probe", "probes"),
    "fits": ("law", "laws"),
    "figures": ("draw", "figures"),
    "tables": ("build", "tables"),
}
"""Section of a configuration → the key that names a module, and the folder of the modules."""


def option_problems(config: Config) -> list[str]:
    """One sentence for each wrong option: section, block, key, value and the nearest right one."""
    return list(problems(config))


def problems(config: Config) -> Iterator[str]:
    """As `option_problems`, one after the other."""
    for section, (key, folder) in SECTIONS.items():
        known = modules(folder)
        for name, block in getattr(config, section).items():
            path, module = f"{section}.{name}", getattr(block, key)
            if module not in known:
                where = f"{path}.{key} = '{module}'"
                yield f"{where}: no such module of regrok.{folder}.{nearest(module, known)}"
                continue
            text = (PACKAGE / folder / f"{module}.py").read_text(encoding="utf-8")
            defaults, refers = literal(text, "DEFAULTS"), literal(text, "REFERS")
            for where, part in _told(path, block):
                yield from _block(f"{where}.options", part, defaults, refers, config)
            yield from _needs(path, block, literal(text, "NEEDS"), config)


def _told(path: str, block: Block) -> Iterator[tuple[str, Block]]:
    """The block, and for each scale of a computation or a probe one with the options that are told there."""
    yield path, block
    for scale, at in block.scales.items() if isinstance(block, Computation | Probe) else ():
        yield f"{path}.scales.{scale}", block.model_copy(update={"options": at.options})


def unread(config: Config, scale: Scale) -> Iterator[str]:
    """Experiments that run at a scale and that no fit names; one that lists none reads all, and names none.

    A configuration without fits makes nothing of its runs, and is not complained of.
    """
    named = {experiment for fit in config.fits.values() for experiment in fit.experiments}
    named |= started_from(config)
    for name, experiment in config.experiments.items():
        if config.fits and scale in experiment.scales and name not in named:
            yield (
                f"experiments.{name}: runs at scale {scale}, and no fit reads its runs; "
                "list it under the experiments of a fit."
            )


def started_from(config: Config) -> set[str]:
    """The experiments from which runs of others start."""
    found: set[str] = set()
    for experiment in config.experiments.values():
        scales = list(experiment.scales.values())
        arms = [*(experiment.arms or ()), *(arm for at in scales for arm in at.arms or ())]
        starts = [experiment.start, *(part.start for part in scales), *(arm.start for arm in arms)]
        found |= {start.experiment for start in starts if start is not None}
    return found


def _block(
    where: str, block: Block, defaults: Mapping[str, Any], refers: Mapping[str, Any], config: Config
) -> Iterator[str]:
    for key, value in block.options.items():
        if key not in defaults:
            none = "" if defaults else " There is none."
            yield f"{where}: unknown option '{key}'.{nearest(key, defaults)}{none}"
        elif unlike := list(_unlike(f"{where}.{key}", value, defaults[key])):
            says = refers.get(key) in (*SHAPED, "arms") and value is not None
            yield from (
                CHECKS[refers[key]](f"{where}.{key}", value, block, config) if says else unlike
            )
        elif isinstance(refers.get(key), list):
            yield from names(f"{where}.{key}", "value", words(value), refers[key])
        elif key in refers and value is not None:
            yield from CHECKS[refers[key]](f"{where}.{key}", value, block, config)
            yield from _unread(f"{where}.{key}", value, refers[key], defaults[key])


def _unread(path: str, value: Any, says: str, default: Any) -> Iterator[str]:
    """Ranges that a module does not read: those of a name that it has no range for, where it names any."""
    if says == "ranges" and default and isinstance(value, dict):
        for name in value:
            if name not in default:
                known = ", ".join(default)
                yield f"{path}.{name}: no such range; there are {known}.{nearest(str(name), default)}"


def _needs(path: str, block: Block, needs: Mapping[str, Any], config: Config) -> Iterator[str]:
    """What a block has to say and does not."""
    for key in needs.get("options", ()):
        if block.options.get(key) in (None, [], {}):
            yield f"{path}.options.{key}: missing."
    laws, named = needs.get("fits", ()), [config.fits[f].law for f in getattr(block, "fits", ())]
    # A law that there is not is complained of where it stands.
    if laws and not any(law in laws or law not in modules("laws") for law in named):
        yield f"{path}.fits: none of them is of the law {' or '.join(laws)}, which it is made of."
    probes, read = needs.get("probes", ()), getattr(block, "probes", [])
    if probes and not any(config.probes[name].probe in probes for name in read):
        yield f"{path}.probes: none of them is by {' or '.join(probes)}, which it is made of."
    wanted, shown = needs.get("computations", ()), getattr(block, "computations", [])
    if wanted and not any(config.computations[name].compute in wanted for name in shown):
        yield f"{path}.computations: none of them is computed by {' or '.join(wanted)}, which it is made of."


MOST = 1_000_000
"""The largest count that an option may be."""


def _unlike(path: str, value: Any, default: Any) -> Iterator[str]:
    """Problems of a value that is not of its default's type; a default of null says nothing about it."""
    if default is None:
        return
    if isinstance(default, bool):
        fits, wish = isinstance(value, bool), "true or false"
    elif isinstance(default, int):
        fits = type(value) is int and 1 <= value <= MOST
        wish = f"a whole number from 1 to {MOST:,}"
    elif isinstance(default, float):
        fits, wish = number(value), "a finite number"
    else:
        kinds: dict[Any, str] = {str: "text", list: "a list", dict: "keys and values"}
        fits, wish = isinstance(value, type(default)), kinds[type(default)]
    if not fits:
        yield f"{path} = {value!r}: should be {wish}."
    elif isinstance(default, list) and default and not isinstance(default[0], list):
        for i, each in enumerate(value):
            yield from _unlike(f"{path}[{i}]", each, default[0])


def _arms(path: str, value: Any, block: Block, config: Config) -> Iterator[str]:
    yield from shaped(path, value, dict, "name → what it changes of the other options")
    if not isinstance(block, Computation) or not isinstance(value, dict):
        return
    text = (PACKAGE / "computations" / f"{block.compute}.py").read_text(encoding="utf-8")
    option = path.rpartition(".")[2]
    others = {k: v for k, v in literal(text, "DEFAULTS").items() if k != option}
    for name, changes in value.items():
        if not re.fullmatch(r"[A-Za-z]\w*", str(name), re.ASCII) or not isinstance(changes, dict):
            yield f"{path}.{name} = {changes!r}: should be a name, and options with their values."
        else:
            part = block.model_copy(update={"options": changes})
            yield from _block(f"{path}.{name}", part, others, literal(text, "REFERS"), config)


CHECKS: dict[str, Check] = {**VALUES, "arms": _arms}
"""The words of `REFERS`."""
