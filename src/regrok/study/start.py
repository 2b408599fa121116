"""Where an experiment's runs begin: in the state of runs of another experiment, which are trained before them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from regrok.errors import RegrokError
from regrok.study.base import Role, Seed, Strict, marked
from regrok.study.run import Point, Run, Settings, Start
from regrok.study.sizes import run_info, task_info

if TYPE_CHECKING:
    from regrok.study.expand import Cell

SPLIT = ("train_count", "train_fraction")
"""Keys of a task that only say how many examples train: in these a task may differ from that of a run's parent."""


class Origin(Strict):
    """The runs that an experiment's runs start from, and what they take over from them."""

    experiment: str
    """The experiment of the same study that trains the parents."""
    arm: str | None = None
    """Its arm; null where it has none."""
    cell: dict[str, Any] = Field(default_factory=dict)
    """Dotted key → value: which of the arm's cells; not needed where there is one."""
    same: list[str] = Field(default_factory=list)
    """Dotted keys in which the parent's settings equal the run's own."""
    seed: Seed | None = None
    """Seed of the one parent of all; null: the run with seed s starts from the parent with seed s."""
    at: Point
    """end, T_grok, or a logged step of the parent; a run whose parent never reached it is not started."""
    optimiser: Literal["kept", "fresh"]
    """kept: the optimiser's averages and step counts go on; fresh: they begin at 0."""
    examples: Literal["seen", "own"]
    """seen: the first train_count of the parent's own shuffled training set; own: the task's."""
    validation: Literal["left_out", "unseen"] | None = None
    """Of seen examples: left_out validates on all the others; unseen on the parent's validation set alone."""

    @model_validator(mode="after")
    def _consistent(self) -> Origin:
        if (self.examples == "seen") == (self.validation is None):
            needed = "'left_out' or 'unseen'" if self.examples == "seen" else "null"
            raise ValueError(
                f"validation = {self.validation!r} with examples = '{self.examples}'; it needs {needed}"
            )
        return self


class Family:
    """The cells of a configuration at one scale, among which parents are found."""

    def __init__(self, all_cells: Callable[[], Iterator[Cell]]):
        """all_cells: every cell that runs at the scale, whatever else a build leaves out; asked once, if at all."""
        self._all = all_cells
        self._cells: dict[tuple[str, str], list[Cell]] | None = None

    def run(self, cell: Cell, seed: int, descent: tuple[tuple[str, str], ...] = ()) -> Run:
        """The cell's run with this seed, with all that it starts from.

        descent: experiment and arm of its descendants, the last first. Raises RegrokError, naming the experiment, where
        the start is not in the study, cannot be taken over, or comes back to itself.
        """
        origin = cell.start
        if origin is None:
            return Run.model_construct(**dict(cell.settings), seed=seed)
        here = cell.experiment, cell.arm
        if here in descent:
            way = " → ".join(" ".join(filter(None, each)) for each in (*descent, here))
            raise RegrokError(
                f"{_where(cell)}: a cycle of starts: {way}; no run of it could be first."
            )
        parent = self.parent(cell)
        wanted = seed if origin.seed is None else origin.seed
        if wanted not in parent.seeds:
            raise RegrokError(
                f"{_where(cell)}: no run of {_named(parent)} has the seed {wanted}, but {_some(parent.seeds)}."
            )
        start = Start.model_construct(
            run=self.run(parent, wanted, (*descent, here)),
            **origin.model_dump(include={"at", "optimiser", "examples", "validation", "seed"}),
        )
        if problem := unvalidated(start):
            raise RegrokError(f"{_where(cell)}: {problem}")
        return Run.model_construct(**dict(cell.settings), seed=seed, start=start)

    def parent(self, cell: Cell) -> Cell:
        """The one cell that the cell's runs start from. Raises RegrokError as `run` does."""
        origin, where = cell.start, _where(cell)
        assert origin is not None
        if self._cells is None:
            self._cells = {}
            for each in self._all():
                self._cells.setdefault((each.experiment, each.arm), []).append(each)
        arms = {arm for experiment, arm in self._cells if experiment == origin.experiment}
        if not arms:
            raise RegrokError(
                f"{where}: experiment = '{origin.experiment}' does not run at this scale, so nothing can start from it."
            )
        if (origin.arm or "") not in arms:
            known = ", ".join(sorted(filter(None, arms))) or "none, so leave arm out"
            raise RegrokError(
                f"{where}: arm = {origin.arm!r}: {origin.experiment} has no such arm (it has: {known})."
            )
        wanted = origin.cell | {key: _value(cell.settings, key) for key in origin.same}
        candidates = self._cells[origin.experiment, origin.arm or ""]
        found = [
            each
            for each in candidates
            if all(_value(each.settings, key) == value for key, value in wanted.items())
        ]
        if len(found) != 1:
            asked = ", ".join(f"{key} = {value!r}" for key, value in wanted.items()) or "no cell"
            raise RegrokError(
                f"{where}: {len(found)} of the {len(candidates)} cells of {origin.experiment} fit, and one is needed "
                f"(asked for: {asked}); name it by start.cell or start.same."
            )
        for line in problems(cell.settings, found[0].settings, origin):
            raise RegrokError(f"{where}: {line}")
        return found[0]


def unvalidated(start: Start) -> str | None:
    """What cannot be had of a parent that validates on nothing, as one that trains on the whole table does."""
    if run_info(start.run).validation_size:
        return None
    if start.at == "T_grok":
        return "at = T_grok: the parent has no validation examples, and so no T_grok; start at its end or at a step."
    if start.validation == "unseen":
        return (
            "validation = 'unseen': the parent has seen all examples, and none is left to validate on; "
            "use 'left_out'."
        )
    return None


def problems(child: Settings, parent: Settings, origin: Origin) -> Iterator[str]:
    """What the child cannot take over of its parent, a line each."""
    mine, theirs = child.task.model_dump(), parent.task.model_dump()
    shapes = [
        (info.kind, info.tokens, info.width, info.classes)
        for info in map(task_info, (child.task, parent.task))
    ]
    if child.task.name != parent.task.name or shapes[0] != shapes[1]:
        yield (
            f"a run of task {child.task.name} with {_shape(child)} cannot start from one of {parent.task.name} with "
            f"{_shape(parent)}: their inputs or classes differ."
        )
        return
    if differ := _differing(child.model, parent.model):
        yield f"the model is of another shape than its parent's: they differ in model.{', model.'.join(differ)}."
    if origin.optimiser == "kept" and _averages(child) != _averages(parent):
        yield (
            f"optimiser = 'kept': {child.optimiser.name} keeps other averages than the parent's "
            f"{parent.optimiser.name}; use fresh."
        )
    if problem := parent.protocol.unreached(origin.at):
        yield f"at = {origin.at}: in the parent, {problem}."
    if origin.examples == "seen":
        differ = [f"task.{k}" for k in mine if k not in SPLIT and mine[k] != theirs.get(k)]
        if differ:
            yield (
                f"examples = 'seen': the training set is no part of the parent's, which differs in {', '.join(differ)}."
            )
        if child.task.train_size > parent.task.train_size:
            yield (
                f"examples = 'seen': {child.task.train_size} training examples are more than the "
                f"{parent.task.train_size} that the parent has seen."
            )


def _differing(child: Strict, parent: Strict) -> list[str]:
    """Keys of two models that give their parameters another shape or meaning: not the initialisation's scale, and not
    what only training steps do."""
    one, other = child.model_dump(), parent.model_dump()
    free = marked(type(child), Role.FREE) | {"dropout"}
    return [k for k in {**one, **other} if k not in free and one.get(k) != other.get(k)]


def _averages(settings: Settings) -> str:
    return "momentum" if settings.optimiser.name == "sgd" else "Adam's"


def _shape(settings: Settings) -> str:
    info = task_info(settings.task)
    return f"{info.tokens or info.width} {'tokens' if info.tokens else 'inputs'} and {info.classes} classes"


def _value(settings: Settings, key: str) -> Any:
    block, _, name = key.partition(".")
    return getattr(getattr(settings, block, None), name, None)


def _where(cell: Cell) -> str:
    arm = f", arm '{cell.arm}'" if cell.arm else ""
    return f"experiments.{cell.experiment}{arm}: start"


def _named(cell: Cell) -> str:
    return f"{cell.experiment}, arm '{cell.arm}'" if cell.arm else cell.experiment


def _some(seeds: list[int]) -> str:
    return ", ".join(map(str, seeds[:6])) + (", …" if len(seeds) > 6 else "")
