"""A study: settings, the experiments that vary them, and what is made of the results."""

from typing import Annotated, Any, Literal

from pydantic import Field

from regrok.study.base import Count, Seed, Strict
from regrok.study.changes import Change
from regrok.study.words import Scale

Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]
Seeds = Annotated[list[Seed], Field(min_length=1)]
Grid = dict[str, Annotated[list[Any], Field(min_length=1)]]


class Trainer(Strict):
    """The machine's side of training: none of it changes a run's numbers on the CPU."""

    slots: Count
    """Runs that one job trains at once: a few on a CPU core, a hundred or more on a GPU."""
    threads: Literal[1]
    """Threads of a training job: 1, since with more the arithmetic would depend on their number."""
    checkpoint_seconds: Annotated[float, Field(gt=0)]
    """Seconds between checkpoints of unfinished runs."""
    cohort_parts: Count
    """Jobs over which the runs of one shape are spread: the number of cores, or more on a cluster."""
    device: Literal["cpu", "cuda"]
    """Where to train."""
    memory_gib: Annotated[float, Field(gt=0)]
    """Memory that one training job may take, in GiB."""


class SettingsBlock(Change):
    """Named settings: a complete block, or one that is `like` another but for what it lists."""

    like: str | None = None
    """The settings block that this one starts from."""


class Arm(Strict):
    """One of the conditions that an experiment compares."""

    name: Annotated[str, Field(min_length=1)]
    """What legends and tables call the arm."""
    change: Change = Field(default_factory=Change)
    """What the arm changes in the experiment's settings."""
    grid: Grid = Field(default_factory=dict)
    """Grid axes of this arm alone, added to the experiment's; the same key replaces it."""
    seeds: Seeds | None = None
    """Seeds of this arm alone."""


class AtScale(Strict):
    """What one scale does differently; `{}` runs the experiment as it stands."""

    settings: str | None = None
    """Another settings block."""
    change: Change = Field(default_factory=Change)
    """Further changes, after the experiment's own."""
    arms: Annotated[list[Arm], Field(min_length=1)] | None = None
    """Other arms."""
    grid: Grid | None = None
    """Another grid."""
    seeds: Seeds | None = None
    """Other seeds."""


class Experiment(Strict):
    """A named grid of cells and the question it answers."""

    title: str
    """A few words for tables and headings."""
    question: str
    """What the experiment decides, in a sentence."""
    paper: str
    """arXiv number and the experiment's name there, or why it is ours."""
    settings: str
    """The settings block to start from."""
    change: Change = Field(default_factory=Change)
    """What the experiment changes in it."""
    arms: Annotated[list[Arm], Field(min_length=1)] | None = None
    """The conditions it compares; without arms there is one."""
    grid: Grid = Field(default_factory=dict)
    """Dotted key → values; the cells are all their combinations."""
    seeds: Seeds
    """One run of every cell per seed."""
    scales: dict[Scale, AtScale]
    """The scales at which it runs; one that is not listed does not run it."""


class Fit(Strict):
    """A law fitted to some experiments' runs."""

    law: Name
    """Module of regrok.laws."""
    experiments: list[str]
    """Experiments whose runs it reads."""
    options: dict[str, Any]
    """What the module's `fit` is told."""


class Figure(Strict):
    """A figure of the paper."""

    draw: Name
    """Module of regrok.figures."""
    experiments: list[str]
    """Experiments whose runs it shows."""
    fits: list[str]
    """Fits that it shows."""
    options: dict[str, Any]
    """What the module's `draw` is told."""


class Table(Strict):
    """A table of the paper."""

    build: Name
    """Function of regrok.tables."""
    experiments: list[str]
    """Experiments whose runs it shows."""
    fits: list[str]
    """Fits that it shows."""
    options: dict[str, Any]
    """What the function is told."""


class Config(Strict):
    """The whole of config.yaml."""

    scale: Scale
    """How much of each grid, how many seeds, which budgets."""
    source: Literal["trained", "released"]
    """Where the runs come from: trained here, or the bundle in results/released."""
    anonymous: bool
    """Whether the paper hides its authors."""
    only: list[Name] = Field(default_factory=list)
    """Experiments to build; all that run at the scale where it is empty."""
    trainer: Trainer
    """The machine's side of training."""
    settings: dict[Name, SettingsBlock]
    """Named settings of a run."""
    experiments: dict[Name, Experiment]
    """What is run."""
    fits: dict[Name, Fit]
    """What is fitted."""
    figures: dict[Name, Figure]
    """What is drawn."""
    tables: dict[Name, Table]
    """What is tabulated."""

    def runs_here(self, experiment: str) -> bool:
        """Whether this build runs the experiment: its scale has it, and `only` does not leave it out."""
        known = self.experiments.get(experiment)
        chosen = not self.only or experiment in self.only
        return known is not None and chosen and self.scale in known.scales
