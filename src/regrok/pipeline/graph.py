"""What the Snakefile asks: targets, rosters of runs, the source files behind each stage, what to tell a person.

Snakemake decides by file dates, parameters and code whether a job is due. What it cannot see is told to it through
files: which runs a training job has (its roster, rewritten only when it changes), which code trains them (the roster
names it: an edit that is proven to change no bit has the same name), that the run store has lost a run of a finished
job (which the roster counts), and which code other jobs rest on (regrok.pipeline.listings). So an added λ, a deleted
run or other training code makes the jobs due that they concern, and a job trains only what the store lacks.

No torch here: Snakemake reads this module once per job.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

from regrok.errors import RegrokError
from regrok.figures import drawable
from regrok.files import set_aside, whole
from regrok.paper.names import artifact, arxiv, pdf
from regrok.paper.references import refuse_unknown
from regrok.paper.texts import shown_studies
from regrok.pipeline import locks
from regrok.pipeline.listings import listing, write_listings
from regrok.pipeline.rosters import read_or_nothing
from regrok.pipeline.training_jobs import RELEASED, TrainingJobs
from regrok.released import bundle
from regrok.released.probes import path_of
from regrok.study.benched import LAW, listed, refuse_look_ahead
from regrok.study.blocks import Config, Fit
from regrok.study.claims import claims_file, load_claims
from regrok.study.literals import words
from regrok.study.plan import refuse_empty
from regrok.study.published import Published, load_published, published_file, told
from regrok.study.read import load_config, load_panel
from regrok.study.words import FRAMES, STUDIES
from regrok.study.written import CONFIG, folder_of, written_config
from regrok.tables import buildable, reads, scope


class Graph(TrainingJobs):
    """One configuration at one scale, as the workflow sees it. Paths are relative to the checkout."""

    def __init__(self, config: Config, published: Published | None = None):
        """published: what the studies' papers report, where that was read already."""
        super().__init__(config)
        self._reported = published

    def begin(self, arguments: Sequence[str] = ()) -> None:
        """Claim the scale's results for this process, clear up after a killed build, bring the rosters up to date.

        arguments: Snakemake's own. Where another process builds this scale here, a command that only looks (a dry
        run, a report) goes on with the plan as it is, so that all jobs of the build work from the configuration that
        it began with. Raises RegrokError for any other command, and where the configuration has changed since.
        """
        self.refuse_lacking()
        holder = locks.take(self.results)
        if holder is None:
            documents = [name(self.config) for name in (pdf, artifact, arxiv)]
            locks.clear_up(self.results.parent, self.results, documents)
            for path in self.results.glob("*.parquet"):
                if not whole(path):
                    set_aside(path, "it is cut off", "it is made again")
            self.write_rosters()
            write_listings(self)
            return
        busy = f"{holder} is building the {self.config.scale} scale in this folder"
        if not locks.only_looks(arguments):
            raise RegrokError(
                f"{busy}. Wait for it to end, or end it: what it has finished is kept. To build beside it, use "
                "another clone."
            )
        if read_or_nothing(self.results / CONFIG) != self._as_built():
            raise RegrokError(
                f"{busy}, and the configuration has changed since it began. Wait for it to end, then look again."
            )

    def refuse_lacking(self) -> None:
        """Raise RegrokError when the build takes released runs and the bundle is damaged or lacks what it must have."""
        if self.config.source == "missing":
            bundle.refuse_absent(RELEASED, self.config.scale)
            bundle.refuse_damage(RELEASED, f"{self.config.scale}/")
        if self.config.source == "released":
            here = filter(self.config.computes_here, self.config.computations)
            bundle.refuse_lacking(RELEASED, self.config.scale, self.plan.membership, here)

    @property
    def comparable(self) -> list[str]:
        """The released runs and verdicts that a trained build is laid beside; none where nothing was released."""
        trained = self.config.source == "trained"
        return bundle.compared(RELEASED, self.config.scale) if trained else []

    # What the studies say ------------------------------------------------------------------------------

    @property
    def claims_files(self) -> list[str]:
        """The chosen studies' claims."""
        return self._files(claims_file)

    @property
    def published_files(self) -> list[str]:
        """What the chosen studies' papers report, and what the common text quotes."""
        return [*self._files(published_file), f"{STUDIES}/whole.yaml"]

    def _files(self, of: Callable[[Path, str], Path]) -> list[str]:
        paths = [of(Path(STUDIES), study) for study in self.config.studies]
        return [path.as_posix() for path in paths if path.exists()]

    # Analysis ----------------------------------------------------------------------------------------

    def listing(self, rule: str, name: str = "") -> str:
        """The file that lists the code behind a rule, or behind what it makes of a name or wildcard."""
        return listing(self.results, rule, name)

    @property
    def frames(self) -> dict[str, str]:
        """The files of the build's frames, by name."""
        return {name: str(self.results / f"{name}.parquet") for name in FRAMES}

    def fits(self, names: Iterable[str] | None = None) -> list[str]:
        """Files of the named fits, or of all."""
        chosen = self.config.fits if names is None else names
        return [str(self.results / "fits" / f"{name}.json") for name in chosen]

    def computations(self, names: Iterable[str] | None = None) -> list[str]:
        """Files of the named computations, or of all: of those that are computed at this scale."""
        chosen = self.config.computations if names is None else names
        here = filter(self.config.computes_here, chosen)
        return [str(self.results / "computations" / f"{name}.json") for name in here]

    def computed(self, name: str) -> list[str]:
        """The released result of a computation, which a build takes that does not train everything; [] for none."""
        trained = self.config.source == "trained"
        path = None if trained else bundle.computed(RELEASED, self.config.scale, name)
        return [] if path is None else [str(path)]

    def probes(self, names: Iterable[str] | None = None) -> list[str]:
        """Files of the named probes, or of all: of those that are made at this scale."""
        chosen = self.config.probes if names is None else names
        here = filter(self.config.probes_here, dict.fromkeys(chosen))
        return [str(path_of(self.results, name)) for name in here]

    def probed(self, name: str) -> list[str]:
        """The ids of the runs that a probe measures, sorted: as a parameter, a reason to rerun."""
        of = self.config.probes[name].of
        return sorted({row["run_id"] for row in self.plan.membership if row["experiment"] in of})

    def probed_from(self, name: str) -> list[str]:
        """What a probe's job needs: that its runs are trained, and the bundle where runs come from there."""
        runs = set(self.probed(name))
        jobs = [] if self.config.source == "released" else self.training.jobs
        trained = [str(self._trained(job)) for job in jobs if runs & self._trained_by_job[job]]
        if self.config.source == "trained":
            return trained
        released = path_of(RELEASED / self.config.scale, name)
        return [*trained, *self.kept_from, *([str(released)] if released.exists() else [])]

    def probe_block(self, name: str) -> dict[str, Any]:
        """What a probe is told at this scale, as plain values."""
        block, scale = self.config.probes[name], self.config.scale
        at = block.moments(scale).model_dump(mode="json", exclude_none=True)
        return {"probe": block.probe, "at": at, "options": block.told(scale)}

    def read_by(self, name: str) -> list[str]:
        """The probes that a fit reads, and those that it repeats; of those that are made at this scale."""
        every = (self.config.fits[each].probes for each in (name, *self.repeated(name)))
        return self.probes(probe for probes in every for probe in probes)

    def repeated(self, name: str) -> list[str]:
        """The fits that a fit of the law `robustness` repeats; none for any other."""
        fit = self.config.fits[name]
        return list(fit.options.get("fits", [])) if fit.law == "robustness" else []

    def laws(self, name: str) -> list[str]:
        """The modules of a fit's law and of the laws that it repeats, and the signals that it sets side by side."""
        fits = [self.config.fits[each] for each in (name, *self.repeated(name))]
        benches = [fit for fit in fits if fit.law == LAW]
        signals = [f"signals/{signal}.py" for fit in benches for signal in listed(fit)]
        return [*dict.fromkeys([f"laws/{fit.law}.py" for fit in fits] + signals)]

    def fit_block(self, name: str) -> dict[str, Any]:
        """A fit's block as plain values, with the blocks that it repeats and what it reads of the published cells.

        Only what its law reads of them, so that another edit of published.yaml does not redo it.
        """
        own = _plain(self.config.fits[name])
        others = {o: _plain(self.config.fits[o]) for o in self.repeated(name)}
        given = self._told(name)
        return (
            own | ({"repeats": others} if others else {}) | ({"published": given} if given else {})
        )

    def _told(self, name: str) -> dict[str, Any]:
        # Reading the files takes a while, and most laws read none of them.
        reads_none = not words("laws", self.config.fits[name].law, "PUBLISHED")
        return {} if reads_none else told(self._published, self.config, name)

    @cached_property
    def _published(self) -> Published:
        return load_published(self.config) if self._reported is None else self._reported

    @property
    def figures(self) -> list[str]:
        """Figures of this scale; the paper asks the same function which to include."""
        return drawable(self.config)

    @property
    def tables(self) -> list[str]:
        """Tables of this scale, likewise."""
        return buildable(self.config)

    @property
    def elsewhere(self) -> list[str]:
        """The released ledgers of other scales, whose verdicts lead where they judged a claim at a larger one."""
        return [str(path) for path in bundle.other_ledgers(RELEASED, self.config.scale)]

    def scope(self, table: str) -> dict[str, Any]:
        """What a table says of the study itself: scale, titles of its experiments, what is left out."""
        return asdict(scope(self.config, self.config.tables[table].experiments))

    @property
    def shown(self) -> dict[str, Any]:
        """What the paper and the report say of the configuration: which experiments run, which figures there are."""
        config = self.config
        return {
            "experiments": {name: config.runs_here(name) for name in config.experiments},
            "computations": {name: config.computes_here(name) for name in config.computations},
            "figures": {
                name: [block.draw, block.experiments, block.computations]
                for name, block in config.figures.items()
            },
            "tables": {
                name: [block.build, block.experiments, block.computations]
                for name, block in config.tables.items()
            },
        }

    def papers(self, *keys: str) -> list[list[str]]:
        """The chosen studies in their order, each with these of what it says of its paper."""
        studies = self.config.studies.items()
        return [[name, *(getattr(study.paper, key) for key in keys)] for name, study in studies]

    @property
    def sections(self) -> list[str]:
        """The studies of which this build runs something, in their order: those that the paper shows."""
        return shown_studies(self.config)

    def material(self, table: str) -> dict[str, list[str]]:
        """The files that a table is made of, by what they are: those that its module says it reads, and no others."""
        block = self.config.tables[table]
        files: dict[str, Callable[[], list[str]]] = {
            "frames": lambda: list(self.frames.values()),
            "fits": lambda: self.fits(block.fits),
            "computations": lambda: self.computations(block.computations),
            "ledger": lambda: [str(self.results / "ledger.json")],
            "published": lambda: self._files(published_file),
            "benchmarks": self._timed,
            "elsewhere": lambda: self.elsewhere,
            "retests": lambda: [str(path) for path in bundle.retest_files(RELEASED)],
        }
        return {what: files[what]() for what in reads(block.build)}

    def _timed(self) -> list[str]:
        """Benchmark files behind the compute card; none when nothing was computed here but the analysis."""
        if self.config.source == "released":
            return []
        return [
            str(self.results / "benchmarks" / "fit" / f"{name}.tsv") for name in self.config.fits
        ]


def _plain(fit: Fit) -> dict[str, Any]:
    """A fit's block as plain values; of a law that reads no probe as it was before there were any."""
    return fit.model_dump(mode="json", exclude=None if fit.probes else {"probes"})


def read_graph(
    path: str | Path,
    overrides: dict[str, Any],
    over: Sequence[str | Path] = (),
    alone: bool = False,
) -> Graph:
    """What a control panel asks for, with the files that are laid over it (`regrok.study.read.load_config`).

    Raises RegrokError before any job starts where a study's file is refused.
    """
    # numpy and scipy, which the build's first process needs and none that reads the graph after it.
    from regrok.judging.power import refuse_powerless

    config = load_config(path, overrides, over, alone)
    root = Path(path).parent
    claims = load_claims(config, root / STUDIES)
    refuse_powerless(claims.claims)
    refuse_look_ahead(config)
    published = load_published(config, root / STUDIES, claims=claims)
    refuse_unknown(root, config, published)
    graph = Graph(config, published)
    refuse_empty(graph.plan, config)
    return graph


def begun_graph(
    path: str | Path,
    overrides: dict[str, Any],
    over: Sequence[str | Path] = (),
    alone: bool = False,
) -> Graph:
    """The graph as the build began with it: what a job on another machine works from, whatever was edited since."""
    return Graph(written_config(folder_of(*load_panel(path, overrides, over, alone))))
