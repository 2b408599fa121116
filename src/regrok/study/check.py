"""What must hold of a merged configuration before anything is planned: names, lists, modules, every cell."""

from collections.abc import Callable, Iterator
from typing import Any

from regrok.errors import RegrokError
from regrok.study import avalanches
from regrok.study.benched import bench_problems
from regrok.study.blocks import Config, Experiment
from regrok.study.changes import known_keys
from regrok.study.computed import computation_problems
from regrok.study.estimands import unestimated_evidence
from regrok.study.expand import Cell, cells, family, settings_block
from regrok.study.messages import nearest
from regrok.study.options import option_problems, unread
from regrok.study.probed import probe_problems
from regrok.study.sizes import least_bytes
from regrok.study.words import SCALES


def problems(config: Config) -> list[str]:
    """One line for each thing that is wrong, beginning with its dotted key.

    What modules are told is looked at where all names hold, and cells where that holds too.
    """
    return (
        list(_names(config))
        or list(_made(config))
        or list(_cells(config))
        or list(probe_problems(config))
        or list(avalanches.probed_problems(config))
        or list(bench_problems(config))
    )


def _made(config: Config) -> Iterator[str]:
    """What is made of the runs: options that no module has, and runs that nothing is made of."""
    yield from option_problems(config)
    yield from unestimated_evidence(config)
    yield from unread(config, config.scale)


def _names(config: Config) -> Iterator[str]:
    """Names that refer to nothing, and lists that say a thing twice."""
    refers = _reference(config.settings)
    for name, block in config.settings.items():
        if block.like is not None:
            yield from refers(f"settings.{name}.like", "settings block", block.like)
    for name, experiment in config.experiments.items():
        yield from _experiment(f"experiments.{name}", experiment, refers)
        yield from _starts(config, name)
    for name in config.only:
        kinds: dict[str, Any] = {**config.experiments, **config.computations}
        yield from _reference(kinds)("only", "experiment or computation", name)
        if name in kinds and not (config.runs_here(name) or config.computes_here(name)):
            listed = ", ".join(kinds[name].scales)
            yield f"only = '{name}': does not run at scale {config.scale}, but at {listed}."
    for section in ("fits", "figures", "tables"):
        for name, block in getattr(config, section).items():
            for key in ("experiments", "fits", "computations", "probes"):
                known = getattr(config, key)
                for each in getattr(block, key, ()):
                    yield from _reference(known)(f"{section}.{name}.{key}", key[:-1], each)
    for name, probe in config.probes.items():
        for each in probe.of:
            yield from _reference(config.experiments)(f"probes.{name}.of", "experiment", each)
    yield from computation_problems(config)


Reference = Callable[[str, str, str], Iterator[str]]


def _reference(known: Any) -> Reference:
    def refers(path: str, kind: str, name: str) -> Iterator[str]:
        if name not in known:
            yield f"{path} = '{name}': no such {kind}.{nearest(name, known)}"

    return refers


def _starts(config: Config, name: str) -> Iterator[str]:
    """Starts from no experiment of the same study, or by keys that no run has."""
    own = config.study_of(name)
    known = [each for each in config.experiments if config.study_of(each) == own]
    for where, part in _parts(f"experiments.{name}", config.experiments[name]):
        if part.start is not None:
            path = f"{where}.start"
            yield from _reference(known)(
                f"{path}.experiment", "experiment of the study", part.start.experiment
            )
            for key, given in (("cell", part.start.cell), ("same", part.start.same)):
                for each in given:
                    yield from _reference(known_keys())(f"{path}.{key}", "key", each)


def _parts(path: str, experiment: Experiment) -> Iterator[tuple[str, Any]]:
    """The experiment, what its scales do differently, and the arms of each of these, with their dotted keys."""
    parts: list[tuple[str, Any]] = [(path, experiment)]
    parts += [(f"{path}.scales.{scale}", at) for scale, at in experiment.scales.items()]
    for where, part in parts:
        yield where, part
    for where, part in parts:
        yield from ((f"{where}.arms.{arm.name}", arm) for arm in part.arms or ())


def _experiment(path: str, experiment: Experiment, refers: Reference) -> Iterator[str]:
    yield from refers(f"{path}.settings", "settings block", experiment.settings)
    if not experiment.scales:
        yield f"{path}.scales = {{}}: no scale runs it; list at least one of {', '.join(SCALES)}."
    for scale, at in experiment.scales.items():
        if at.settings is not None:
            yield from refers(f"{path}.scales.{scale}.settings", "settings block", at.settings)
    parts = list(_parts(path, experiment))
    for where, part in parts:
        names = [arm.name for arm in getattr(part, "arms", None) or ()]
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield f"{where}.arms: the name '{name}' is given twice; each arm needs its own."
    for where, part in parts:
        for seed in sorted({s for s in part.seeds or () if part.seeds.count(s) > 1}):
            yield f"{where}.seeds: the seed {seed} is given twice; seeds must differ."
        for key, values in (part.grid or {}).items():
            if key not in known_keys():
                yield f"{where}.grid: unknown key '{key}'.{nearest(key, known_keys())}"
            for value in values:
                if values.count(value) > 1:
                    yield f"{where}.grid.{key} = {values}: {value!r} is given twice."


def _cells(config: Config) -> Iterator[str]:
    """What is wrong with the cells of each experiment at each scale, once per complaint."""
    for name in config.settings:
        try:
            settings_block(config, name)
        except RegrokError as error:
            yield str(error)
            return
    said: set[str] = set()
    for name, experiment in config.experiments.items():
        alone = config.model_copy(update={"experiments": {name: experiment}})
        for scale in experiment.scales:
            parents = family(config, scale)
            try:
                for cell in cells(alone, scale):
                    if scale == config.scale:
                        _refuse_too_large(cell, config)
                    for seed in cell.seeds if cell.start is not None else ():
                        parents.run(cell, seed)
            except RegrokError as error:
                for line in str(error).splitlines():
                    complaint = line.partition(": ")[2]
                    if complaint not in said:
                        said.add(complaint)
                        yield line


def _refuse_too_large(cell: Cell, config: Config) -> None:
    """Raise RegrokError where one run of the cell takes more memory than a job may."""
    needed, given = least_bytes(cell.settings) / 2**30, config.trainer.memory_gib
    if needed > given:
        raise RegrokError(
            f"experiments.{cell.experiment} at scale {config.scale}: a run of it takes {needed:,.1f} GiB at the least, "
            f"and trainer.memory_gib = {given:g} is what a job may take; make the model or its data smaller, or "
            "raise trainer.memory_gib where the machine has more."
        )
