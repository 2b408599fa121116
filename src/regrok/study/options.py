"""What a computation, a probe, a fit, a figure or a table is told, checked before anything is trained.

A module of computations/, probes/, laws/, figures/ or tables/ says in literals what it may be told: `DEFAULTS`, option
→ default, whose type a value has too; `REFERS`, option → what its value names; and `NEEDS`, {"options": [those that are
to be given], "fits": [laws, of which one of the block's fits must be], "computations": [modules, likewise], "probes":
[modules, likewise]}. They are read from the source text: importing the modules would load torch, pandas and matplotlib
for a few words.

`REFERS` knows these words (or lists what is allowed, as a list):

    "experiments"    names of experiments
    "fits"           names of fits
    "columns"        columns of runs.parquet, also in lists of lists
    "quantities"     the same, but none that holds words
    "numbers"        a list of numbers
    "number"         one number
    "positive"       a number above 0
    "between 0 and 1"  a number between them, neither of the two, or a list of such numbers
    "widths"         a list of whole numbers of 1 or more, two or more that differ
    "arms"           name → what it changes of the module's other options
    "limits"         column → a pair [low, high], names or one value (regrok.laws.parts.selection.within)
    "ranges"         name → [low, high]
    "groups"         name → {experiments, arms, within}, all optional (regrok.laws.parts.selection.group)
    "searches"       name → {search: group, report: group}
    "of groups"      names of the block's groups or searches
    "ratios"         name → [one, other] of the block's groups or searches
    "signals"        names of modules of regrok.signals (regrok.study.benched)
    "costs"          module of a probe → training steps that a state takes (regrok.study.benched)
    "findings"       a list of {title, claims, evidence}; evidence: a list of {key: <fit>.<estimate>, words}
"""

from __future__ import annotations

import ast
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from regrok.study.blocks import Computation, Config, Figure, Fit, Probe, Scale, Table
from regrok.study.columns import SETTINGS
from regrok.study.messages import nearest

PACKAGE = Path(__file__).parents[1]

SECTIONS = {
    "computations": ("compute", "computations"),
    "probes": ("probe", "probes"),
    "fits": ("law", "laws"),
    "figures": ("draw", "figures"),
    "tables": ("build", "tables"),
}
"""Section of a configuration → the key that names a module, and the folder of the modules."""

GROUP = ("experiments", "arms", "within")
FINDING = ("title", "claims", "evidence")
EVIDENCE = ("key", "words")
SEARCH = ("search", "report")

Block = Computation | Probe | Fit | Figure | Table
Check = Callable[[str, Any, Block, Config], Iterator[str]]
"""(path of the option, its value, the block that it is in, the configuration) → problems."""


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


def modules(folder: str) -> list[str]:
    """The laws, figures or tables that there are."""
    names = os.listdir(PACKAGE / folder)
    return sorted(n.removesuffix(".py") for n in names if n.endswith(".py") and n[0] != "_")


def literal(text: str, name: str) -> dict[str, Any]:
    """The dictionary that a module's source assigns to `name` at its top level; empty where it assigns none.

    The closing brace ends its line, as formatted code has it. Lists and dictionaries in it are not to be changed:
    others are given the same.
    """
    return dict(_literal(text, name))


@cache
def _literal(text: str, name: str) -> dict[str, Any]:
    """As `literal`: a law is asked about by each of its fits, and compiling its words takes a third of a reading."""
    found = re.search(
        rf"^{name}(?::[^=\n]+)? = (\{{.*?\}})(?:  #.*)?$", text, re.MULTILINE | re.DOTALL
    )
    return dict(ast.literal_eval(found[1])) if found else {}


def words(folder: str, module: str, name: str) -> tuple[str, ...]:
    """The words that a module of laws/, figures/ or tables/ lists as `name` at its top level; () where it has none."""
    text = (PACKAGE / folder / f"{module}.py").read_text(encoding="utf-8")
    found = re.search(rf"^{name} = (\(.*?\))$", text, re.MULTILINE | re.DOTALL)
    return tuple(ast.literal_eval(found[1])) if found else ()


def columns() -> list[str]:
    """The columns of runs.parquet: settings from the types of a run, names and results from regrok.runs.columns."""
    files = (PACKAGE / "runs" / "columns.py", PACKAGE / "measures" / "events.py")
    return list(_columns_of(*(path.read_text(encoding="utf-8") for path in files)))


@cache
def _columns_of(runs: str, events: str) -> tuple[str, ...]:
    """As `columns`, from the sources of regrok.runs.columns and regrok.measures.events."""
    others = [*literal(runs, "NAMES"), *literal(runs, "RESULTS")]
    thresholds = literal(events, "THRESHOLDS")
    spelt_out = [name.replace("<threshold>", suffix) for name in others for suffix in thresholds]
    return (*dict.fromkeys(spelt_out), *(column.name for column in SETTINGS))


@cache
def wordy() -> frozenset[str]:
    """Columns of runs.parquet that hold words."""
    fields = {c.name: c.words for c in SETTINGS}
    return frozenset([*(name for name, words in fields.items() if words), *NAMED])


NAMED = ("run_id", "cell", "condition", "cohort", "outcome", "device", "trainer")


def _block(
    where: str, block: Block, defaults: Mapping[str, Any], refers: Mapping[str, Any], config: Config
) -> Iterator[str]:
    for key, value in block.options.items():
        if key not in defaults:
            none = "" if defaults else " There is none."
            yield f"{where}: unknown option '{key}'.{nearest(key, defaults)}{none}"
        elif unlike := list(_unlike(f"{where}.{key}", value, defaults[key])):
            shaped = refers.get(key) in SHAPED and value is not None
            yield from (
                CHECKS[refers[key]](f"{where}.{key}", value, block, config) if shaped else unlike
            )
        elif isinstance(refers.get(key), list):
            yield from _names(f"{where}.{key}", "value", _words(value), refers[key])
        elif key in refers and value is not None:
            yield from CHECKS[refers[key]](f"{where}.{key}", value, block, config)


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
        fits, wish = _number(value), "a finite number"
    else:
        kinds: dict[Any, str] = {str: "text", list: "a list", dict: "keys and values"}
        fits, wish = isinstance(value, type(default)), kinds[type(default)]
    if not fits:
        yield f"{path} = {value!r}: should be {wish}."
    elif isinstance(default, list) and default and not isinstance(default[0], list):
        for i, each in enumerate(value):
            yield from _unlike(f"{path}[{i}]", each, default[0])


def _number(value: Any) -> bool:
    """Whether it is a number that a float can hold."""
    return type(value) in (int, float) and abs(value) <= sys.float_info.max


# The words of REFERS ------------------------------------------------------------------------------------------------


def _names(path: str, kind: str, given: Iterable[Any], known: Iterable[str]) -> Iterator[str]:
    known = list(known)
    for name in given:
        if name not in known:
            yield f"{path} = {name!r}: no such {kind}.{nearest(name, known)}"


def _words(value: Any) -> list[Any]:
    """The words of a value that is one, or nested lists of them."""
    return [word for each in value for word in _words(each)] if isinstance(value, list) else [value]


def _shaped(path: str, value: Any, kind: type, wish: str) -> Iterator[str]:
    if not isinstance(value, kind):
        yield f"{path} = {value!r}: should be {wish}."


def _keys(path: str, value: Any, known: Iterable[str], needed: Iterable[str] = ()) -> Iterator[str]:
    """Problems of the keys of a mapping."""
    known = list(known)
    yield from _shaped(path, value, dict, f"keys and values, with the keys {', '.join(known)}")
    if isinstance(value, dict):
        for key in value:
            if key not in known:
                yield f"{path}: unknown key '{key}'.{nearest(key, known)}"
        for key in needed:
            if key not in value:
                yield f"{path}.{key}: missing."


def _experiments(path: str, value: Any, block: Block, config: Config) -> Iterator[str]:
    yield from _names(path, "experiment", _words(value), config.experiments)


def _fits(path: str, value: Any, block: Block, config: Config) -> Iterator[str]:
    yield from _names(path, "fit", _words(value), config.fits)


def _columns(path: str, value: Any, block: Block, config: Config) -> Iterator[str]:
    yield from _names(path, "column of runs.parquet", _words(value), columns())


def _quantities(path: str, value: Any, block: Block, config: Config) -> Iterator[str]:
    yield from _columns(path, value, block, config)
    for name in _words(value):
        if name in wordy():
            yield f"{path} = {name!r}: this column holds words, and numbers are asked for."


def _numbers(path: str, value: Any, block: Block, config: Config) -> Iterator[str]:
    if not isinstance(value, list) or not all(map(_number, value)):
        yield f"{path} = {value!r}: should be a list of numbers."


def _one_number(path: str, value: Any, block: Block, config: Config) -> Iterator[str]:
    if not _number(value):
        yield f"{path} = {value!r}: should be a number."


def _positive(path: str, value: Any, block: Block, config: Config) -> Iterator[str]:
    if not _number(value) or value <= 0:
        yield f"{path} = {value!r}: should be a number above 0."


def _between(path: str, value: Any, block: Block, config: Config) -> Iterator[str]:
    for each in _words(value):
        if not _number(each) or not 0 < each < 1:
            yield f"{path} = {each!r}: should be a number between 0 and 1, neither of the two."


def _widths(path: str, value: Any, block: Block, config: Config) -> Iterator[str]:
    whole = isinstance(value, list) and all(type(each) is int and each >= 1 for each in value)
    if not whole or len(set(value)) != len(value) or len(value) < 2:
        yield f"{path} = {value!r}: should be two or more whole numbers that differ, as an exponent in N is asked."


def _arms(path: str, value: Any, block: Block, config: Config) -> Iterator[str]:
    yield from _shaped(path, value, dict, "name → what it changes of the other options")
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


def _limits(path: str, value: Any, block: Block, config: Config) -> Iterator[str]:
    yield from _shaped(path, value, dict, "column → [low, high], names or one value")
    known = columns()
    for column, limit in value.items() if isinstance(value, dict) else ():
        if column not in known:
            yield f"{path}: runs have no column '{column}'.{nearest(column, known)}"
        elif not _limit(limit, column in wordy()):
            wish = "a name or a list of names" if column in wordy() else "a number or [low, high]"
            yield f"{path}.{column} = {limit!r}: should be {wish}."


def _limit(limit: Any, words: bool) -> bool:
    """Whether a column can be within this: names for a column of words, else a number, a pair, or true or false."""
    several = limit if isinstance(limit, list) else [limit]
    if words:
        return bool(several) and all(isinstance(each, str) for each in several)
    if isinstance(limit, bool):
        return True
    numbers = all(map(_number, several))
    return numbers and (limit is not several or (len(several) == 2 and several[0] <= several[1]))


def _ranges(path: str, value: Any, block: Block, config: Config) -> Iterator[str]:
    yield from _shaped(path, value, dict, "name → [low, high]")
    for name, pair in value.items() if isinstance(value, dict) else ():
        numbers = isinstance(pair, list) and list(map(_number, pair))
        if numbers != [True, True] or pair[0] > pair[1]:
            yield f"{path}.{name} = {pair!r}: should be [low, high], the smaller number first."


def _group(path: str, value: Any, block: Block, config: Config) -> Iterator[str]:
    yield from _keys(path, value, GROUP)
    if not isinstance(value, dict):
        return
    read = getattr(block, "experiments", None) or list(config.experiments)
    named = _words(value.get("experiments") or [])
    yield from _names(f"{path}.experiments", "experiment of this block", named, read)
    those = [config.experiments[name] for name in named or read if name in config.experiments]
    compared = [each.arms or [] for each in those]
    compared += [at.arms or [] for each in those for at in each.scales.values()]
    arms = dict.fromkeys(arm.name for each in compared for arm in each)
    yield from _names(f"{path}.arms", "arm", _words(value.get("arms") or []), arms)
    yield from _limits(f"{path}.within", value.get("within") or {}, block, config)


def _groups(path: str, value: Any, block: Block, config: Config) -> Iterator[str]:
    yield from _shaped(path, value, dict, f"name → a group with the keys {', '.join(GROUP)}")
    for name, group in value.items() if isinstance(value, dict) else ():
        yield from _group(f"{path}.{name}", group, block, config)


def _searches(path: str, value: Any, block: Block, config: Config) -> Iterator[str]:
    yield from _shaped(path, value, dict, "name → a search and a report")
    for name, search in value.items() if isinstance(value, dict) else ():
        yield from _keys(f"{path}.{name}", search, SEARCH, needed=SEARCH)
        for part in SEARCH if isinstance(search, dict) else ():
            yield from _group(f"{path}.{name}.{part}", search.get(part, {}), block, config)


def _of_groups(path: str, value: Any, block: Block, config: Config) -> Iterator[str]:
    groups = block.options.get("groups") or block.options.get("architectures") or {}
    yield from _names(path, "group", _words(value), groups if isinstance(groups, dict) else ())


def _ratios(path: str, value: Any, block: Block, config: Config) -> Iterator[str]:
    yield from _shaped(path, value, dict, "name → [one group, the other]")
    for name, pair in value.items() if isinstance(value, dict) else ():
        if not isinstance(pair, list) or len(pair) != 2:
            yield f"{path}.{name} = {pair!r}: should be two groups, the first over the second."
        else:
            yield from _of_groups(f"{path}.{name}", pair, block, config)


def _findings(path: str, value: Any, block: Block, config: Config) -> Iterator[str]:
    yield from _shaped(path, value, list, f"a list of findings with the keys {', '.join(FINDING)}")
    for i, finding in enumerate(value if isinstance(value, list) else ()):
        yield from _keys(f"{path}[{i}]", finding, FINDING, needed=("title", "claims"))
        evidence = finding.get("evidence") if isinstance(finding, dict) else None
        for j, each in enumerate(evidence if isinstance(evidence, list) else ()):
            where = f"{path}[{i}].evidence[{j}]"
            yield from _keys(where, each, EVIDENCE, needed=EVIDENCE)
            key = str(each.get("key", "")) if isinstance(each, dict) else ""
            known = [*getattr(block, "fits", ()), *getattr(block, "computations", ())]
            if key and key.partition(".")[0] not in known:
                hint = nearest(key.partition(".")[0], known)
                yield f"{where}.key = '{key}': its fit is none of this block's.{hint}"


def _benched(path: str, value: Any, block: Block, config: Config) -> Iterator[str]:
    """What a bench of signals is told is looked at where all names hold (`regrok.study.benched`)."""
    yield from ()


CHECKS: dict[str, Check] = {
    "experiments": _experiments,
    "fits": _fits,
    "columns": _columns,
    "quantities": _quantities,
    "numbers": _numbers,
    "number": _one_number,
    "positive": _positive,
    "between 0 and 1": _between,
    "widths": _widths,
    "arms": _arms,
    "limits": _limits,
    "ranges": _ranges,
    "groups": _groups,
    "searches": _searches,
    "of groups": _of_groups,
    "ratios": _ratios,
    "findings": _findings,
    "signals": _benched,
    "costs": _benched,
}
"""The words of `REFERS`."""

SHAPED = ("limits", "ranges", "groups", "searches", "ratios", "findings", "arms")
"""Those that say themselves what shape they ask for."""
