"""What an option may refer to: the words of a module's `REFERS`, and the check of each.

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
    "limits"         column → a pair [low, high], names or one value (regrok.laws.parts.selection.within)
    "ranges"         name → [low, high]; only names that the default has, unless that is empty
    "groups"         name → {experiments, arms, within}, all optional (regrok.laws.parts.selection.group)
    "searches"       name → {search: group, report: group}
    "of groups"      names of the block's groups or searches
    "ratios"         name → [one, other] of the block's groups or searches
    "signals"        names of modules of regrok.signals
    "times"          operation → a time of it, a number above 0
    "findings"       a list of {title, claims, evidence}; evidence: a list of {key: <fit>.<estimate>, words}
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from regrok.study import columns
from regrok.study.blocks import Computation, Config, Figure, Fit, Probe, Table
from regrok.study.literals import modules
from regrok.study.messages import nearest
from regrok.tasks.operations import OPERATIONS

GROUP = ("experiments", "arms", "within")
FINDING = ("title", "claims", "evidence")
EVIDENCE = ("key", "words")
SEARCH = ("search", "report")

Block = Computation | Probe | Fit | Figure | Table
Check = Callable[[str, Any, Block, Config], Iterator[str]]
"""(path of the option, its value, the block that it is in, the configuration) → problems."""


def number(value: Any) -> bool:
    """Whether it is a number that a float can hold."""
    return type(value) in (int, float) and abs(value) <= sys.float_info.max


def names(path: str, kind: str, given: Iterable[Any], known: Iterable[str]) -> Iterator[str]:
    known = list(known)
    for name in given:
        if name not in known:
            yield f"{path} = {name!r}: no such {kind}.{nearest(name, known)}"


def words(value: Any) -> list[Any]:
    """The words of a value that is one, or nested lists of them."""
    return [word for each in value for word in words(each)] if isinstance(value, list) else [value]


def shaped(path: str, value: Any, kind: type, wish: str) -> Iterator[str]:
    if not isinstance(value, kind):
        yield f"{path} = {value!r}: should be {wish}."


def _keys(path: str, value: Any, known: Iterable[str], needed: Iterable[str] = ()) -> Iterator[str]:
    """Problems of the keys of a mapping."""
    known = list(known)
    yield from shaped(path, value, dict, f"keys and values, with the keys {', '.join(known)}")
    if isinstance(value, dict):
        for key in value:
            if key not in known:
                yield f"{path}: unknown key '{key}'.{nearest(key, known)}"
        for key in needed:
            if key not in value:
                yield f"{path}.{key}: missing."


def _experiments(path: str, value: Any, block: Block, config: Config) -> Iterator[str]:
    yield from names(path, "experiment", words(value), config.experiments)


def _signals(path: str, value: Any, block: Block, config: Config) -> Iterator[str]:
    yield from names(path, "signal", words(value), modules("signals"))


def _fits(path: str, value: Any, block: Block, config: Config) -> Iterator[str]:
    yield from names(path, "fit", words(value), config.fits)


def _columns(path: str, value: Any, block: Block, config: Config) -> Iterator[str]:
    yield from names(path, "column of runs.parquet", words(value), columns.names())


def _quantities(path: str, value: Any, block: Block, config: Config) -> Iterator[str]:
    yield from _columns(path, value, block, config)
    for name in words(value):
        if name in columns.wordy():
            yield f"{path} = {name!r}: this column holds words, and numbers are asked for."


def _numbers(path: str, value: Any, block: Block, config: Config) -> Iterator[str]:
    if not isinstance(value, list) or not all(map(number, value)):
        yield f"{path} = {value!r}: should be a list of numbers."


def _one_number(path: str, value: Any, block: Block, config: Config) -> Iterator[str]:
    if not number(value):
        yield f"{path} = {value!r}: should be a number."


def _positive(path: str, value: Any, block: Block, config: Config) -> Iterator[str]:
    if not number(value) or value <= 0:
        yield f"{path} = {value!r}: should be a number above 0."


def _between(path: str, value: Any, block: Block, config: Config) -> Iterator[str]:
    for each in words(value):
        if not number(each) or not 0 < each < 1:
            yield f"{path} = {each!r}: should be a number between 0 and 1, neither of the two."


def _widths(path: str, value: Any, block: Block, config: Config) -> Iterator[str]:
    whole = isinstance(value, list) and all(type(each) is int and each >= 1 for each in value)
    if not whole or len(set(value)) != len(value) or len(value) < 2:
        yield f"{path} = {value!r}: should be two or more whole numbers that differ, as an exponent in N is asked."


def _limits(path: str, value: Any, block: Block, config: Config) -> Iterator[str]:
    yield from shaped(path, value, dict, "column → [low, high], names or one value")
    known = columns.names()
    for column, limit in value.items() if isinstance(value, dict) else ():
        if column not in known:
            yield f"{path}: runs have no column '{column}'.{nearest(column, known)}"
        elif not _limit(limit, column in columns.wordy()):
            wish = (
                "a name or a list of names"
                if column in columns.wordy()
                else "a number or [low, high]"
            )
            yield f"{path}.{column} = {limit!r}: should be {wish}."


def _limit(limit: Any, words: bool) -> bool:
    """Whether a column can be within this: names for a column of words, else a number, a pair, or true or false."""
    several = limit if isinstance(limit, list) else [limit]
    if words:
        return bool(several) and all(isinstance(each, str) for each in several)
    if isinstance(limit, bool):
        return True
    numbers = all(map(number, several))
    return numbers and (limit is not several or (len(several) == 2 and several[0] <= several[1]))


def _ranges(path: str, value: Any, block: Block, config: Config) -> Iterator[str]:
    yield from shaped(path, value, dict, "name → [low, high]")
    for name, pair in value.items() if isinstance(value, dict) else ():
        numbers = isinstance(pair, list) and list(map(number, pair))
        if numbers != [True, True] or pair[0] > pair[1]:
            yield f"{path}.{name} = {pair!r}: should be [low, high], the smaller number first."


def _times(path: str, value: Any, block: Block, config: Config) -> Iterator[str]:
    yield from shaped(path, value, dict, "operation → a number above 0")
    for name, time in value.items() if isinstance(value, dict) else ():
        yield from names(path, "operation", [name], OPERATIONS)
        yield from _positive(f"{path}.{name}", time, block, config)


def _group(path: str, value: Any, block: Block, config: Config) -> Iterator[str]:
    yield from _keys(path, value, GROUP)
    if not isinstance(value, dict):
        return
    read = getattr(block, "experiments", None) or list(config.experiments)
    named = words(value.get("experiments") or [])
    yield from names(f"{path}.experiments", "experiment of this block", named, read)
    those = [config.experiments[name] for name in named or read if name in config.experiments]
    compared = [each.arms or [] for each in those]
    compared += [at.arms or [] for each in those for at in each.scales.values()]
    arms = dict.fromkeys(arm.name for each in compared for arm in each)
    yield from names(f"{path}.arms", "arm", words(value.get("arms") or []), arms)
    yield from _limits(f"{path}.within", value.get("within") or {}, block, config)


def _groups(path: str, value: Any, block: Block, config: Config) -> Iterator[str]:
    yield from shaped(path, value, dict, f"name → a group with the keys {', '.join(GROUP)}")
    for name, group in value.items() if isinstance(value, dict) else ():
        yield from _group(f"{path}.{name}", group, block, config)


def _searches(path: str, value: Any, block: Block, config: Config) -> Iterator[str]:
    yield from shaped(path, value, dict, "name → a search and a report")
    for name, search in value.items() if isinstance(value, dict) else ():
        yield from _keys(f"{path}.{name}", search, SEARCH, needed=SEARCH)
        for part in SEARCH if isinstance(search, dict) else ():
            yield from _group(f"{path}.{name}.{part}", search.get(part, {}), block, config)


def _of_groups(path: str, value: Any, block: Block, config: Config) -> Iterator[str]:
    groups = block.options.get("groups") or block.options.get("architectures") or {}
    yield from names(path, "group", words(value), groups if isinstance(groups, dict) else ())


def _ratios(path: str, value: Any, block: Block, config: Config) -> Iterator[str]:
    yield from shaped(path, value, dict, "name → [one group, the other]")
    for name, pair in value.items() if isinstance(value, dict) else ():
        if not isinstance(pair, list) or len(pair) != 2:
            yield f"{path}.{name} = {pair!r}: should be two groups, the first over the second."
        else:
            yield from _of_groups(f"{path}.{name}", pair, block, config)


def _findings(path: str, value: Any, block: Block, config: Config) -> Iterator[str]:
    yield from shaped(path, value, list, f"a list of findings with the keys {', '.join(FINDING)}")
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


VALUES: dict[str, Check] = {
    "experiments": _experiments,
    "fits": _fits,
    "columns": _columns,
    "quantities": _quantities,
    "numbers": _numbers,
    "number": _one_number,
    "positive": _positive,
    "between 0 and 1": _between,
    "widths": _widths,
    "limits": _limits,
    "ranges": _ranges,
    "groups": _groups,
    "searches": _searches,
    "of groups": _of_groups,
    "ratios": _ratios,
    "times": _times,
    "findings": _findings,
    "signals": _signals,
}
"""The words of `REFERS` that say what values are, whatever module they are told."""

SHAPED = ("limits", "ranges", "groups", "searches", "ratios", "times", "findings")
"""Those that say themselves what shape they ask for."""
