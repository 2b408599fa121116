"""From an experiment to the settings of its cells."""

from collections.abc import Iterator
from itertools import product
from typing import Any, NamedTuple

from pydantic import ValidationError

from regrok.errors import RegrokError
from regrok.study.blocks import Arm, AtScale, Config, Experiment
from regrok.study.changes import Partial, apply
from regrok.study.messages import explain
from regrok.study.run import TOKENS_ONLY, Settings
from regrok.study.start import Family, Origin
from regrok.study.words import Scale
from regrok.tasks.operations import OPERATIONS


class Cell(NamedTuple):
    """One cell of one experiment."""

    experiment: str
    arm: str
    """Name of the arm; empty where the experiment has none."""
    settings: Settings
    seeds: list[int]
    start: Origin | None = None
    """Where its runs begin, if not with an initialisation of their own."""


def settings_block(config: Config, name: str) -> Partial:
    """The named settings with what they are `like`, as far as they are given."""
    chain: list[str] = []
    following: str | None = name
    while following is not None:
        if following in chain:
            raise RegrokError(f"settings.{name}.like: it is like itself, by way of {chain}")
        chain.append(following)
        following = config.settings[following].like
    settings: Partial = {}
    for each in reversed(chain):
        settings = apply(settings, config.settings[each].listed())
    return settings


def family(config: Config, scale: Scale) -> Family:
    """What finds the parents of the configuration's runs, also in experiments that this build leaves out."""
    return Family(lambda: cells(config, scale, everything=True))


def cells(config: Config, scale: Scale, everything: bool = False) -> Iterator[Cell]:
    """Every cell of every experiment that runs at `scale`, in the order of the file.

    everything: also of experiments that this build leaves out (`only`).

    The settings block comes first, then the experiment's change, the scale's, the arm's and the
    grid's; each has the last word on the keys that it lists.

    Raises:
        RegrokError: a cell's settings are incomplete or do not fit together; names the experiment,
            the arm, the grid point and the key.
    """
    for name, experiment in config.experiments.items():
        at = experiment.scales.get(scale)
        if at is None:
            continue
        if scale == config.scale and not (everything or config.runs_here(name)):
            continue
        block = at.settings or experiment.settings
        start = settings_block(config, block)
        start = apply(apply(start, experiment.change.listed()), at.change.listed())
        shared = experiment.grid if at.grid is None else at.grid
        for arm in at.arms or experiment.arms or [Arm(name="-")]:
            own = arm.seeds if at.arms else None
            seeds = own or at.seeds or arm.seeds or experiment.seeds
            grid = {**shared, **arm.grid}
            bare = apply(start, arm.change.listed())
            for point in product(*grid.values()):
                values = dict(zip(grid, point, strict=True))
                where = f"experiments.{name} at scale {scale} (settings.{block})"
                where += f", arm '{arm.name}'" if arm.name != "-" else ""
                where += "".join(f", {key} = {value!r}" for key, value in values.items())
                settings = complete(apply(bare, _nested(values)), where)
                called = arm.name if arm.name != "-" else ""
                yield Cell(name, called, settings, seeds, _origin(experiment, at, arm))


def _origin(*parts: Experiment | AtScale | Arm) -> Origin | None:
    """The last start that is written out, if that is not null."""
    written = [part.start for part in parts if "start" in part.model_fields_set]
    return written[-1] if written else None


def _nested(values: dict[str, Any]) -> Partial:
    """`{"optimiser.weight_decay": 1}` → `{"optimiser": {"weight_decay": 1}}`."""
    nested: Partial = {}
    for dotted, value in values.items():
        block, _, key = dotted.partition(".")
        nested.setdefault(block, {})[key] = value
    return nested


def complete(settings: Partial, where: str) -> Settings:
    """Validate complete settings; `where` says whose they are.

    Raises RegrokError with a line for each problem: what does not fit together, and ends that no run can keep to.
    """
    try:
        found = Settings.model_validate(settings)
    except ValidationError as error:
        lines = explain(error, Settings, settings)
        raise RegrokError("\n".join(f"{where}: {line}" for line in lines)) from None
    ends = (f"protocol: {each}." for each in found.protocol.overstepped())
    if lines := [*ends, *_seen(found), *_spectral(found)]:
        raise RegrokError("\n".join(f"{where}: {line}" for line in lines))
    return found


UNSEEN = 20
"""With so many inputs left on average, a split that leaves none has a chance of e⁻²⁰."""


def _seen(settings: Settings) -> Iterator[str]:
    """Whether some split would find no input of sparse parity to validate on, which its run says only then."""
    task = settings.task
    if task.name == "sparse_parity" and task.validation_count and task.unseen < UNSEEN:
        yield (
            f"task: {task.train_count} training samples of n = {task.n} bits leave {task.unseen:.1g} of the "
            f"2^{task.n} inputs to validate on; lower train_count or raise n."
        )


def _spectral(settings: Settings) -> Iterator[str]:
    """Spectra over residues that are asked of a task whose tokens stand for something else."""
    task = settings.task
    if task.name != "modular" or OPERATIONS[task.operation].elements == "residues":
        return
    if asked := [name for name in settings.protocol.measure if name in TOKENS_ONLY]:
        yield (
            f"protocol.measure = {asked}: these are spectra over residues, and {task.operation} is on "
            f"{OPERATIONS[task.operation].elements}; leave them out."
        )
