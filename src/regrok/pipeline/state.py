"""What a folder of results holds, and what of it is older than what it is made from.

Snakemake alone decides what a build does again; a look at dates costs seconds and answers why. It is the same question
but for small files that were written anew without a change, whose contents Snakemake compares.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from regrok.errors import RegrokError
from regrok.figures import drawable
from regrok.paper import texts
from regrok.paper.names import pdf
from regrok.pipeline.graph import Graph
from regrok.pipeline.listings import sources
from regrok.tables import buildable

if TYPE_CHECKING:
    from regrok.study.blocks import Config

NAMED = 2
"""Names that a line gives of many; the rest it counts."""


@dataclass(frozen=True)
class Stage:
    """Files of one kind."""

    name: str
    absent: Sequence[Path]
    older: Mapping[Path, Path]
    """File → the newest of what it is made from, where that is newer."""
    files: int
    """How many there are to be."""

    @property
    def made(self) -> int:
        return self.files - len(self.absent)


@dataclass
class State:
    """One build: what it holds, and why it would go on."""

    graph: Graph
    changed: list[str] = field(default_factory=list)
    """What the studies say otherwise now than when it was built, in words."""
    missing: int = 0
    """Runs that the store lacks."""

    @cached_property
    def stages(self) -> list[Stage]:
        return [stage(name, files) for name, files in makings(self.graph).items()]

    @property
    def fresh(self) -> bool:
        """Whether nothing is absent, older than its sources or asked for in another way."""
        due = any(each.absent or each.older for each in self.stages)
        return not (due or self.changed or self.missing)

    def reasons(self) -> list[str]:
        """Why a build would go on, a line each; empty where all is as it would be built."""
        lines = list(self.changed)
        if self.missing:
            lines.append(f"{self.missing} of {len(self.graph.plan.runs)} runs are to be trained")
        for each in self.stages:
            if each.absent and each.made:
                lines.append(f"{each.name}: {few(path.stem for path in each.absent)} not made yet")
            elif each.absent:
                lines.append(f"{each.name}: not made yet")
            if each.older:
                newest = max(each.older.values(), key=_date)
                older = few(path.stem for path in each.older)
                lines.append(f"{each.name}: {older} older than {newest}")
        return lines


def few(names: Iterable[str]) -> str:
    """`a, b and 3 more`.

    >>> few(["a"]), few("abcd")
    ('a', 'a, b and 2 more')
    """
    every = list(names)
    more = f" and {len(every) - NAMED} more" if len(every) > NAMED else ""
    return ", ".join(every[:NAMED]) + more


def _date(path: Path) -> float:
    return path.stat().st_mtime


def stage(name: str, made_from: Mapping[str, Iterable[str]]) -> Stage:
    """What there is of some files. made_from: each file and what it is made from, of which what is absent is passed."""
    absent, older = [], {}
    for file, read in made_from.items():
        path = Path(file)
        if not path.exists():
            absent.append(path)
            continue
        there = [source for source in map(Path, read) if source.exists()]
        newest = max(there, key=_date, default=path)
        if _date(newest) > _date(path):
            older[path] = newest
    return Stage(name, absent, older, len(made_from))


def makings(graph: Graph) -> dict[str, dict[str, list[str]]]:
    """Kind of file → each file of that kind and what the workflow's rule makes it from."""
    config, results = graph.config, graph.results
    frames = list(graph.frames.values())
    rosters = [str(graph.results / "trained" / f"{job}.json") for job in graph.jobs]
    rule = {"trained": "collect", "missing": "added", "released": "released"}[config.source]
    judged = str(results / "ledger.json")
    fits, computed = graph.fits(), graph.computations()
    made: dict[str, dict[str, list[str]]] = {
        "runs": {name: [*rosters, *sources(graph, rule)] for name in frames},
        "probes": {
            file: [
                *graph.probed_from(name),
                *sources(graph, "probe", name),
            ]
            for name, file in zip(
                filter(config.probes_here, config.probes), graph.probes(), strict=True
            )
        },
        "fits": {
            file: [*frames, *graph.read_by(name), *sources(graph, "fit", name)]
            for name, file in zip(config.fits, fits, strict=True)
        },
        "computations": {
            file: sources(graph, "computation", name)
            for name, file in zip(
                filter(config.computes_here, config.computations), computed, strict=True
            )
        },
        "verdicts": {judged: [*fits, *computed, *graph.claims_files, *sources(graph, "ledger")]},
        "figures": {
            f"{results}/figures/{name}.pdf": [
                *graph.fits(config.figures[name].fits),
                *graph.computations(config.figures[name].computations),
                *sources(graph, "figure", name),
            ]
            for name in drawable(config)
        },
        "tables": {
            f"{results}/tables/{name}.tex": [
                *(file for files in graph.material(name).values() for file in files),
                *sources(graph, "table", name),
            ]
            for name in buildable(config)
        },
    }
    shown = [file for kind in ("figures", "tables") for file in made[kind]]
    text = [
        *map(str, texts.files(".", config).values()),
        *map(str, texts.bibliographies(".", config)),
    ]
    made["paper"] = {pdf(config): [*shown, judged, *text, *sources(graph, "paper")]}
    return {name: files for name, files in made.items() if files}


def state(built: Config, now: Config) -> State:
    """How a build stands. built: what it was asked; now: what the same build would be asked.

    Raises RegrokError where the studies or the bundle cannot be read.
    """
    graph = Graph(now)
    missing = sum(len(graph.missing(job)) for job in graph.jobs)
    return State(graph, changes(built, now), missing)


SECTIONS = ("experiments", "probes", "fits", "computations", "figures", "tables")


def changes(built: Config, now: Config) -> list[str]:
    """What two configurations say differently, section by section, in words."""
    lines = []
    for section in SECTIONS:
        old, new = getattr(built, section), getattr(now, section)
        kinds = {
            "added": [name for name in new if name not in old],
            "taken out": [name for name in old if name not in new],
            "changed": [name for name in new if name in old and new[name] != old[name]],
        }
        lines += [f"{section}: {few(names)} {kind}" for kind, names in kinds.items() if names]
    return lines


def same_build(folder: Path, panel: Path) -> tuple[Config, Config]:
    """What the build in a folder was asked, and what it would be asked now.

    panel: the control panel. Raises RegrokError where either cannot be read or the folder is another build's now.
    """
    from regrok.study.read import load_config
    from regrok.study.written import results_folder, written_config

    try:
        built = written_config(folder)
    except ValueError:
        raise RegrokError(
            f"{folder}/config.json is none that this version reads; it is written anew when the same build goes on"
        ) from None
    asked = {"scale": built.scale, "source": built.source, "only": list(built.only)}
    now = load_config(panel, asked)
    if results_folder(now) != folder:
        now = load_config(panel, {**asked, "studies": list(built.studies)})
    if results_folder(now) != folder:
        raise RegrokError(f"{folder} was built of other studies than {panel} lists")
    return built, now
