"""What the files of the audit hold: the control panel, a study, what is made of the whole, and all of it merged."""

from collections.abc import Container
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from regrok.study.base import Count, Seed, Strict
from regrok.study.changes import Change
from regrok.study.start import Origin
from regrok.study.words import Scale, Source, source

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
    memory_gib: Annotated[float, Field(gt=0, le=2**20)]
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
    start: Origin | None = None
    """What this arm's runs start from; a null that is written out: their own initialisation."""


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
    start: Origin | None = None
    """Another start; a null that is written out: the runs' own initialisation."""


class Experiment(Strict):
    """A named grid of cells and the question it answers."""

    title: str
    """A few words for tables and headings."""
    question: str
    """What the experiment decides, in a sentence."""
    place: str | None = None
    """What the study's paper calls it: S1, Table 2; null for an experiment of ours."""
    ours: str | None = None
    """Why we run it, where the paper does not."""
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
    start: Origin | None = None
    """The runs from whose state these begin; null: from their own initialisation."""
    scales: dict[Scale, AtScale]
    """The scales at which it runs; one that is not listed does not run it."""

    @model_validator(mode="after")
    def _of_the_paper_or_ours(self) -> "Experiment":
        if (self.place is None) == (self.ours is None):
            raise ValueError(
                "give one of place (what the paper calls the experiment) and ours (why we run it)"
            )
        return self


class ComputedAt(Strict):
    """What a computation does differently at one scale; `{}` computes it as it stands."""

    options: dict[str, Any] = Field(default_factory=dict)
    """Options over the computation's own."""


class Computation(Strict):
    """A result that rests on no run: a model solved, a recursion, a table of ranks."""

    compute: Name
    """Module of regrok.computations."""
    options: dict[str, Any] = Field(default_factory=dict)
    """What the module's `compute` is told."""
    scales: dict[Scale, ComputedAt]
    """The scales at which it is computed."""

    def at(self, scale: Scale) -> dict[str, Any]:
        """Its options at a scale at which it is computed."""
        return {**self.options, **self.scales[scale].options}


class Moments(Strict):
    """The steps of a run at which a probe measures; together, where several are given."""

    every: Count | None = None
    """At step 0 and every so many steps, to the run's last one; a multiple of log_every."""
    steps: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)] | None = None
    """At these logged steps, as far as the run goes."""
    events: Annotated[list[Literal["T_mem", "T_grok", "end"]], Field(min_length=1)] | None = None
    """Where the run memorised, grokked, ended; where it did not, nothing is measured."""

    @model_validator(mode="after")
    def _some(self) -> "Moments":
        if self.every is None and self.steps is None and self.events is None:
            raise ValueError("no moment: give every, steps or events")
        return self


class ProbedAt(Strict):
    """What a probe does differently at one scale; `{}` measures as it stands."""

    at: Moments | None = None
    """Other moments."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Options over the probe's own."""


class Probe(Strict):
    """A measurement on states of finished runs, which trains none."""

    probe: Name
    """Module of regrok.probes."""
    of: Annotated[list[str], Field(min_length=1)]
    """Experiments whose runs it measures."""
    at: Moments
    """When."""
    options: dict[str, Any] = Field(default_factory=dict)
    """What the module's `measure` is told."""
    scales: dict[Scale, ProbedAt]
    """The scales at which it measures."""

    def moments(self, scale: Scale) -> Moments:
        """When, at a scale at which it measures."""
        return self.scales[scale].at or self.at

    def told(self, scale: Scale) -> dict[str, Any]:
        """Its options at such a scale."""
        return {**self.options, **self.scales[scale].options}


class Fit(Strict):
    """A law fitted to some experiments' runs."""

    law: Name
    """Module of regrok.laws."""
    experiments: list[str]
    """Experiments whose runs it reads; an empty list reads all runs."""
    probes: list[str] = Field(default_factory=list)
    """Probes that it reads."""
    options: dict[str, Any] = Field(default_factory=dict)
    """What the module's `fit` is told."""


class Figure(Strict):
    """A figure of the paper."""

    draw: Name
    """Module of regrok.figures."""
    experiments: list[str] = Field(default_factory=list)
    """Experiments whose runs it shows; it is drawn where the first of them runs."""
    fits: list[str] = Field(default_factory=list)
    """Fits that it shows."""
    computations: list[str] = Field(default_factory=list)
    """Computations that it shows; it is drawn where all of them are computed."""
    options: dict[str, Any] = Field(default_factory=dict)
    """What the module's `draw` is told."""


class Table(Strict):
    """A table of the paper."""

    build: Name
    """Module of regrok.tables."""
    experiments: list[str] = Field(default_factory=list)
    """Experiments whose runs it shows; it is built where one of them runs."""
    fits: list[str] = Field(default_factory=list)
    """Fits that it shows."""
    computations: list[str] = Field(default_factory=list)
    """Computations that it shows."""
    options: dict[str, Any] = Field(default_factory=dict)
    """What the module's `build` is told."""


class Paper(Strict):
    """The publication that a study audits."""

    letter: Annotated[str, Field(pattern=r"^[A-Z]$")]
    """What the ids of its claims begin with."""
    arxiv: Annotated[str, Field(pattern=r"^\d{4}\.\d{4,5}$")] | None
    """arXiv number; null for a study of our own, which audits no paper."""
    short: str
    """A name of a few words."""
    cite: str | None
    """Key of an entry in the study's references.bib; null likewise."""

    @property
    def source(self) -> str:
        """Where its claims are from, in words."""
        return source(self.arxiv)

    @model_validator(mode="after")
    def _whose(self) -> "Paper":
        if (self.arxiv is None) != (self.cite is None):
            raise ValueError("give both arxiv and cite, or null for both: a study of our own")
        return self


class Constant(Strict):
    """A number that the text quotes by \\given{key}."""

    value: float | int | None = None
    """The number, or null where a claim prints it."""
    claim: str | None = None
    """The claim whose printed number it is."""
    times: float | int = 1
    """What the claim's number is multiplied by: 100 for per cent."""
    text: str | None = None
    """How it is written, in TeX, where that is not the number as it stands."""
    where: str
    """Where it is printed, or what it was computed from."""

    @model_validator(mode="after")
    def _one_origin(self) -> "Constant":
        if (self.value is None) == (self.claim is None):
            raise ValueError("give one of value and claim (the claim that prints the number)")
        return self


class Panel(Strict):
    """The whole of config.yaml: what is built, from where, on what machine."""

    scale: Scale
    """How much of each grid, how many seeds, which budgets."""
    source: Source
    """Where the runs come from: trained here, the bundle in results/released, or that and the rest trained here."""
    anonymous: bool
    """Whether the paper hides its authors."""
    only: list[Name] = Field(default_factory=list)
    """Experiments and computations to build; all of either that the scale has where none of its kind is named."""
    studies: Annotated[list[Name], Field(min_length=1)]
    """Folders of studies/, in the order in which the paper takes them."""
    trainer: Trainer
    """The machine's side of training."""


class Whole(Strict):
    """The whole of studies/whole.yaml: what is made of the audit, whichever studies are built."""

    fits: dict[Name, Fit] = Field(default_factory=dict)
    """What is fitted."""
    figures: dict[Name, Figure] = Field(default_factory=dict)
    """What is drawn."""
    tables: dict[Name, Table] = Field(default_factory=dict)
    """What is tabulated."""
    constants: dict[Name, Constant] = Field(default_factory=dict)
    """What the common text quotes."""


class StudyFile(Strict):
    """The whole of studies/<name>/study.yaml: all that one paper's audit runs and makes."""

    paper: Paper
    """What is audited."""
    settings: dict[Name, SettingsBlock] = Field(default_factory=dict)
    """Named settings of a run."""
    experiments: dict[Name, Experiment] = Field(default_factory=dict)
    """What is run."""
    computations: dict[Name, Computation] = Field(default_factory=dict)
    """What is computed without a run."""
    probes: dict[Name, Probe] = Field(default_factory=dict)
    """What is measured on states of runs."""
    fits: dict[Name, Fit] = Field(default_factory=dict)
    """What is fitted."""
    figures: dict[Name, Figure] = Field(default_factory=dict)
    """What is drawn."""
    tables: dict[Name, Table] = Field(default_factory=dict)
    """What is tabulated."""
    extend: dict[str, Annotated[list[str], Field(min_length=1)]] = Field(default_factory=dict)
    """Dotted key of a list in studies/whole.yaml → what this study adds to it."""


class Study(Strict):
    """One study as the merged configuration keeps it: its paper, and the names of what is its own."""

    paper: Paper
    """What is audited."""
    experiments: list[str] = Field(default_factory=list)
    """Its experiments, in the order of its file."""
    computations: list[str] = Field(default_factory=list)
    """Its computations."""
    probes: list[str] = Field(default_factory=list)
    """Its probes."""
    fits: list[str] = Field(default_factory=list)
    """Its fits."""
    figures: list[str] = Field(default_factory=list)
    """Its figures."""
    tables: list[str] = Field(default_factory=list)
    """Its tables."""


class Config(Strict):
    """What is built: the control panel and the chosen studies, merged in their order.

    Names are global, so a run, a seed or a number does not depend on which studies are built beside it.
    """

    scale: Scale
    """How much of each grid, how many seeds, which budgets."""
    source: Source
    """Where the runs come from: trained here, the bundle in results/released, or that and the rest trained here."""
    anonymous: bool
    """Whether the paper hides its authors."""
    only: list[Name] = Field(default_factory=list)
    """Experiments and computations to build; all of either that the scale has where none of its kind is named."""
    whole: bool = True
    """Whether every study of config.yaml is built; a build of some has results and a PDF of its own."""
    studies: dict[Name, Study] = Field(default_factory=dict)
    """The chosen studies, in the order in which the paper takes them."""
    trainer: Trainer
    """The machine's side of training."""
    settings: dict[Name, SettingsBlock]
    """Named settings of a run."""
    experiments: dict[Name, Experiment]
    """What is run."""
    computations: dict[Name, Computation] = Field(default_factory=dict)
    """What is computed without a run."""
    probes: dict[Name, Probe] = Field(default_factory=dict)
    """What is measured on states of runs."""
    fits: dict[Name, Fit]
    """What is fitted."""
    figures: dict[Name, Figure]
    """What is drawn."""
    tables: dict[Name, Table]
    """What is tabulated."""

    def runs_here(self, experiment: str) -> bool:
        """Whether this build runs the experiment: its scale has it, and `only` does not leave it out."""
        known = self.experiments.get(experiment)
        return (
            known is not None
            and self.scale in known.scales
            and self._chosen(experiment, self.experiments)
        )

    def computes_here(self, computation: str) -> bool:
        """Whether this build computes it: its scale does, and `only` does not leave it out."""
        known = self.computations.get(computation)
        return (
            known is not None
            and self.scale in known.scales
            and self._chosen(computation, self.computations)
        )

    def _chosen(self, name: str, kind: Container[str]) -> bool:
        """Whether `only` names it, or nothing of its kind: experiments leave computations in, and the reverse."""
        named = [each for each in self.only if each in kind]
        return not named or name in named

    def probes_here(self, probe: str) -> bool:
        """Whether this build makes the probe: its scale does, and runs an experiment whose runs it measures."""
        known = self.probes.get(probe)
        return (
            known is not None and self.scale in known.scales and any(map(self.runs_here, known.of))
        )

    def study_of(self, experiment: str) -> Study | None:
        """The study that the experiment belongs to."""
        return next((s for s in self.studies.values() if experiment in s.experiments), None)
