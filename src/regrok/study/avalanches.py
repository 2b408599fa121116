"""What must hold before D of avalanches can be found: nodes enough, of more than one number, and epochs on both sides.

Computations train networks of exclusive or by themselves, and are told all of it. Runs are measured by the probe
`cascade` and read by the law `avalanches`; how many parameters each has follows from its settings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from regrok.study.blocks import Computation, Config, Probe
from regrok.study.expand import Cell, cells
from regrok.study.literals import PACKAGE, literal
from regrok.study.parameters import parameters
from regrok.study.words import Scale

PROBE, LAW = "cascade", "avalanches"


def computed_problems(path: str, block: Computation) -> Iterator[str]:
    """One line for what a computation of avalanches cannot be told, beginning with its dotted key.

    Of each key the first scale, and there the first arm, that has it is named. Whether a value is of the right kind is
    asked elsewhere, and nothing is said here of one that is not.
    """
    source = PACKAGE / "computations" / f"{block.compute}.py"
    defaults = literal(source.read_text("utf-8"), "DEFAULTS") if source.is_file() else {}
    if not {"attach", "widths"} <= set(defaults):
        return
    said: set[str] = set()
    for scale in block.scales:
        told = {**defaults, **block.at(scale)}
        arms = told.get("arms")
        changes = arms.values() if isinstance(arms, dict) else ()
        for each in (told, *({**told, **arm} for arm in changes if isinstance(arm, dict))):
            for key, why in unfit(each):
                if key not in said:
                    said.add(key)
                    yield f"{path}.options.{key} = {each[key]}: at scale {scale} {why}"


def unfit(told: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Options, all of them, by which no D can be found: key, and why.

    >>> dict(unfit({"attach": 9, "widths": [4, 20]}))
    {'attach': 'a network of width 4 has 17 parameters, fewer nodes than 18 neighbours each; a larger width has more.'}
    """
    yield from _nodes(told)
    yield from _snapshots(told)
    yield from _logged(told)
    before, after = told.get("printed_before"), told.get("printed_after")
    if before is not None and before == after:
        yield "printed_after", "it is what is printed before, so that no sign is printed."


def _whole(*values: Any) -> bool:
    return all(type(value) is int for value in values)


def _too_few(what: str, nodes: int, neighbours: int) -> str:
    has = f"{what} has {nodes:,} parameters, fewer nodes than {neighbours:,} neighbours each"
    return f"{has}; a larger width has more."


def _nodes(told: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    widths = told["widths"]
    if not isinstance(widths, list) or not widths or not _whole(*widths):
        return
    nodes = 4 * min(widths) + 1
    for key in ("attach", "attaches"):
        given = told.get(key, [])
        listed = given if isinstance(given, list) else [given]
        if _whole(*listed) and listed and nodes <= 2 * max(listed):
            yield key, _too_few(f"a network of width {min(widths)}", nodes, 2 * max(listed))


def _snapshots(told: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if "snapshots" not in told:
        return
    given, epochs, transition = told["snapshots"], told["epochs"], told["transition"]
    if not isinstance(given, list) or not _whole(*given, epochs, transition):
        return
    if not given or given[0] < 1 or any(b <= a for a, b in pairwise(given)):
        yield "snapshots", "they should ascend from epoch 1 or later."
    elif given[-1] > epochs:
        yield "snapshots", f"they should end by epochs = {epochs}."
    elif given[-1] < transition:
        yield (
            "transition",
            f"no snapshot is from there on, the last being {given[-1]}, so that nothing is after it.",
        )


def _logged(told: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if "every" not in told or "transition" not in told:
        return
    every, epochs, transition = told["every"], told["epochs"], told["transition"]
    if _whole(every, epochs, transition) and every > 0:
        last = epochs // every * every
        if last < transition:
            yield (
                "transition",
                f"no D is told from there on, the last being at epoch {last}, so that nothing is after it.",
            )


def probed_problems(config: Config) -> Iterator[str]:
    """One line for each probe whose graphs some run is too small for, and for each family without a D.

    Names, options and cells hold already. A model whose parameters nobody counts is let pass.
    """
    for name, probe in config.probes.items():
        if probe.probe == PROBE:
            yield from _too_small(f"probes.{name}", probe, config)
    for name, fit in config.fits.items():
        if fit.law != LAW:
            continue
        groups = fit.options.get("groups") or {"": {}}
        scales = {scale for each in fit.probes for scale in config.probes[each].scales}
        for label, group in groups.items() if isinstance(groups, dict) else ():
            where = f"fits.{name}.options.groups.{label}" if label else f"fits.{name}"
            for scale in sorted(scales):
                members = list(_members(group, fit.experiments, config, scale))
                if problem := _one_number(members):
                    yield f"{where}: at scale {scale} {problem}"
                    break


def _too_small(path: str, probe: Probe, config: Config) -> Iterator[str]:
    source = PACKAGE / "probes" / f"{probe.probe}.py"
    defaults = literal(source.read_text("utf-8"), "DEFAULTS")
    for scale in probe.scales:
        m = {**defaults, **probe.told(scale)}["attach"]
        for cell in _of(probe.of, config, scale):
            nodes = parameters(cell.settings)
            if nodes is not None and nodes <= 2 * m:
                arm = f", arm {cell.arm}," if cell.arm else ""
                why = _too_few(f"a network of {cell.experiment}{arm}", nodes, 2 * m)
                yield f"{path}.options.attach = {m}: at scale {scale} {why}"
                return


def _of(experiments: list[str], config: Config, scale: Scale) -> list[Cell]:
    """The cells of these experiments at a scale, whether this build asks for them or not."""
    chosen = {name: config.experiments[name] for name in experiments}
    alone = config.model_copy(update={"experiments": chosen, "only": []})
    return list(cells(alone, scale))


def _members(
    group: Mapping[str, Any], experiments: list[str], config: Config, scale: Scale
) -> Iterator[Cell]:
    """The cells of a group; none where it is chosen by what its runs are, which is told when they are there."""
    if group.get("within"):
        return
    arms = group.get("arms")
    for cell in _of(group.get("experiments") or experiments, config, scale):
        if arms is None or cell.arm in arms:
            yield cell


def _one_number(members: list[Cell]) -> str:
    """Why a family of these cells has no D; empty where it has one, or where nobody can say."""
    counted = [(cell, parameters(cell.settings)) for cell in members]
    if not counted or any(nodes is None for _, nodes in counted):
        return ""
    of_seed: dict[tuple[int, int | None], Cell] = {}
    for cell, nodes in counted:
        for seed in cell.seeds:
            other = of_seed.setdefault((seed, nodes), cell)
            if other.settings != cell.settings:
                both = f"{other.experiment} {other.arm} and {cell.experiment} {cell.arm}"
                return f"two runs of seed {seed} have {nodes:,} parameters, of {both}; make two groups of them."
    if len({nodes for _, nodes in counted}) < 2:
        return f"all runs have {counted[0][1]:,} parameters; an exponent takes two widths or more."
    return ""
