"""An edit redoes what rests on the edited file, and nothing else.

What a job rests on is found twice: by `regrok.pipeline.sources`, which the rules use, and by really importing
(tests/imports.py). What follows a job is read from Snakemake's own list of inputs. Dry runs over a finished laptop
build that holds nothing then show which jobs an edit makes due.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from imports import imported
from regrok.errors import RegrokError
from regrok.pipeline import sources
from regrok.pipeline.graph import Graph
from regrok.pipeline.listings import SCRIPT_OF
from regrok.pipeline.sources import HOUSEKEEPING, PACKAGE, closure
from regrok.study.read import load_config
from test_workflow import LAPTOP, due_jobs, edited, finished_checkout, snakemake

ROOT = Path(__file__).resolve().parents[1]
KINDS = {
    "computation": "computations",
    "probe": "probes",
    "fit": "laws",
    "figure": "figures",
    "table": "tables",
}
MODULES = [
    f"{folder}/{path.name}"
    for folder in (*KINDS.values(), "signals")
    for path in sorted((PACKAGE / folder).glob("[!_]*.py"))
]
SCRIPTS = [f"workflow/scripts/{path.name}" for path in sorted(ROOT.glob("workflow/scripts/*.py"))]
BESIDE = {
    "report/pages.py": ["report.css", *sorted(p.name for p in (PACKAGE / "report").glob("*.j2"))],
    "released/page.py": ["comparison.html.j2"],
    "training/generations.py": ["generations.yaml"],
    "kernels/native.py": sorted(p.name for p in (PACKAGE / "kernels").glob("*.[ch]*")),
}
"""Module → the files beside it that it reads."""

Job = tuple[str, str]
"""Rule, and the value of its wildcard."""


def witness(root: str) -> str:
    """How tests/imports.py names a root."""
    return root if root in SCRIPTS else f"regrok.{root.removesuffix('.py').replace('/', '.')}"


@cache
def really() -> dict[str, set[str]]:
    """Module or script → the package's files that it rests on, found by importing it."""
    found = imported(map(witness, [*MODULES, *SCRIPTS]))
    made = {}
    for root in (*MODULES, *SCRIPTS):
        names = {path.relative_to(PACKAGE).as_posix() for path in found[witness(root)]}
        for module, others in BESIDE.items():
            if module in names:
                names |= {f"{module.rpartition('/')[0]}/{other}" for other in others}
        made[root] = names - set(HOUSEKEEPING)
    return made


def named(paths: Iterable[Path | str]) -> set[str]:
    """Files of the package, relative to it."""
    return {Path(path).as_posix().rpartition("src/regrok/")[2] for path in paths}


# The closure ----------------------------------------------------------------------------------------


@pytest.mark.beside  # with the others that ask `really`: the importing takes a while
@pytest.mark.parametrize("root", [*MODULES, *SCRIPTS])
def test_the_closure_is_what_python_imports_and_what_lies_beside(root, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert named(closure(root)) == really()[root]


PLANTED = {
    "__init__.py": "",
    "a.py": "from typing import TYPE_CHECKING\n"
    "from pack.room import b, word\n"
    "if TYPE_CHECKING:\n    from pack import never\n"
    "else:\n    import pack.otherwise\n"
    "try:\n    pass\nexcept ImportError:\n    import pack.rescue as help\n"
    "def f(kind):\n    import pack.errors\n    from . import late\n    return f'{kind}.html.j2', 'plain.css'\n",
    "late.py": "'''Says table.csv in words alone.'''\n",
    "never.py": "",
    "otherwise.py": "",
    "rescue.py": "",
    "errors.py": "import pack.unseen\n",
    "unseen.py": "",
    "page.html.j2": "{% extends 'base.txt' %}",
    "base.txt": "",
    "plain.css": "",
    "table.csv": "",
    "room/__init__.py": "word = 1\n",
    "room/b.py": "from ..room import c\nfrom .c import x\nread = f'{1}{2}'\n",
    "room/c.py": "x = 1\n",
    "room/word.txt": "",
}


@pytest.fixture
def planted(tmp_path, monkeypatch):
    """A package `pack` of which every kind of import and of named file is known."""
    for name, text in PLANTED.items():
        path = tmp_path / "pack" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    caches = (sources._direct, sources._files, sources._beside)
    for each in caches:
        each.cache_clear()
    monkeypatch.setattr(sources, "PACKAGE", tmp_path / "pack")
    monkeypatch.chdir(tmp_path)
    yield tmp_path / "pack"
    for each in caches:
        each.cache_clear()


def test_every_kind_of_import_and_of_named_file(planted):
    found = {path.relative_to(planted).as_posix() for path in closure("a.py")}
    modules = {"__init__.py", "a.py", "late.py", "otherwise.py", "rescue.py"}
    assert found == modules | {
        *("room/__init__.py", "room/b.py", "room/c.py"),
        *("page.html.j2", "base.txt", "plain.css"),
    }


def test_a_script_outside_the_package_is_a_root_and_no_part_of_what_it_rests_on(planted):
    (planted.parent / "script.py").write_text("from pack.room.c import x\n", encoding="utf-8")
    found = [path.relative_to(planted).as_posix() for path in closure("script.py")]
    assert found == ["__init__.py", "room/__init__.py", "room/c.py"]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("b.py", None, "b.py: no such source file"),
        ("bad.py", "x = 1\ndef", "bad.py, line 2: not Python"),
    ],
)
def test_a_root_that_cannot_be_read_is_named(planted, name, text, words):
    if text is not None:
        (planted / name).write_text(text, encoding="utf-8")
    with pytest.raises(RegrokError, match=words):
        closure(name)


# The rules ------------------------------------------------------------------------------------------


def rules() -> dict[str, str]:
    """Rule → its text."""
    text = "\n".join(
        path.read_text(encoding="utf-8") for path in sorted(ROOT.glob("workflow/rules/*.smk"))
    )
    parts = re.split(r"^ *rule (\w+):\n", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_no_rule_lists_a_file_of_the_package_by_hand():
    for name, text in rules().items():
        script = re.search(r'"../scripts/(\w+)\.py"', text)
        if script is None or name == "train":
            continue
        wildcard = f',"{{{name}}}"' if name in KINDS or name == "notebook" else ""
        assert f'code=graph.listing("{name}"{wildcard})' in re.sub(r"\s+", "", text), name
        assert script[1] == SCRIPT_OF.get(name, name)
        assert "src/regrok" not in text, name


@dataclass(frozen=True)
class Workflow:
    """A finished laptop build that holds nothing, and what Snakemake says that its jobs read and write."""

    folder: Path
    inputs: dict[Job, set[str]]
    outputs: dict[Job, set[str]]

    @property
    def graph(self) -> Graph:
        return Graph(load_config(self.folder / "config.yaml", {"scale": "laptop"}))

    def code(self, job: Job) -> set[str]:
        """The package's files that a job's listing names."""
        lists = [self.folder / path for path in self.inputs[job] if "/code/" in path]
        lines = [line for path in lists for line in path.read_text(encoding="utf-8").splitlines()]
        assert all(re.fullmatch("[0-9a-f]{64}  src/regrok/.+", line) for line in lines)
        return named(line.split("  ", 1)[1] for line in lines)

    def following(self, jobs: set[Job]) -> set[Job]:
        """The jobs, all that read what they write, and so on; with the rule `all` at the end."""
        found = set(jobs)
        while True:
            written = set().union(*(self.outputs[job] for job in found))
            more = {job for job, read in self.inputs.items() if read & written} - found
            if not more:
                return found | {("all", "")} if found else found
            found |= more


@pytest.fixture(scope="module")
def laptop(tmp_path_factory: pytest.TempPathFactory) -> Workflow:
    folder = finished_checkout(tmp_path_factory.mktemp("sources") / "checkout", "laptop")
    inputs: dict[Job, set[str]] = {}
    outputs: dict[Job, set[str]] = {}
    for line in snakemake(folder, "--detailed-summary", *LAPTOP).splitlines():
        cells = line.split("\t")
        if len(cells) < 5 or cells[0] == "output_file":
            continue
        output, rule, read = cells[0], cells[2], cells[4]
        wildcard = Path(output).name.partition(".")[0] if rule in ("train", *KINDS) else ""
        outputs.setdefault((rule, wildcard), set()).add(output)
        inputs[rule, wildcard] = set(read.split(","))
        if rule == "fit":
            # No output in Snakemake's list; the compute card adds up the times of the fits.
            outputs[rule, wildcard].add(f"results/laptop/benchmarks/fit/{wildcard}.tsv")
    return Workflow(folder, inputs, outputs)


def modules_of(graph: Graph, job: Job) -> list[str]:
    """The modules that a job looks up by name: its law, figure or table, and the laws that it repeats."""
    rule, name = job
    if rule == "computation":
        return [f"computations/{graph.config.computations[name].compute}.py"]
    if rule == "probe":
        return [f"probes/{graph.config.probes[name].probe}.py"]
    if rule == "fit":
        fits = [name]
        if graph.config.fits[name].law == "robustness":
            fits += graph.config.fits[name].options["fits"]
        laws = [graph.config.fits[each].law for each in fits]
        signals = MODULES if "early_warning" in laws else []
        return [f"laws/{law}.py" for law in laws] + [
            each for each in signals if each.startswith("signals/")
        ]
    if rule == "figure":
        return [f"figures/{graph.config.figures[name].draw}.py"]
    return [f"tables/{graph.config.tables[name].build}.py"] if rule == "table" else []


def rests_on(graph: Graph, job: Job) -> set[str]:
    """The package's files that a job rests on, found by importing."""
    script = f"workflow/scripts/{SCRIPT_OF.get(job[0], job[0])}.py"
    return set().union(*(really()[root] for root in (script, *modules_of(graph, job))))


@pytest.mark.snakemake
def test_every_job_reads_the_code_that_it_rests_on(laptop):
    graph = laptop.graph
    jobs = [job for job in laptop.inputs if job[0] != "train"]
    assert {rule for rule, _ in jobs} >= {*KINDS, "collect", "ledger", "check", "numbers", "pages"}
    assert len([job for job in jobs if job[0] in KINDS]) == sum(
        map(
            len,
            (
                graph.config.fits,
                graph.computations(),
                graph.probes(),
                graph.figures,
                graph.tables,
            ),
        )
    )
    for job in jobs:
        assert laptop.code(job) == rests_on(graph, job), job


@pytest.mark.snakemake
def test_robustness_rests_on_every_law_that_it_repeats(laptop):
    assert {f"laws/{law}.py" for law in ("robustness", "scaling", "survival", "spectral")} <= (
        laptop.code(("fit", "robustness"))
    )
    assert "laws/spectral.py" not in laptop.code(("fit", "weight_decay"))


def expected(laptop: Workflow, file: str) -> set[Job]:
    """The jobs that an edit of a file of the package makes due.

    `edited` adds a comment. Training rests on what definitions say, which that leaves alone in Python; native sources
    are taken by their bytes.
    """
    graph = laptop.graph
    native = file in {f"kernels/{name}" for name in BESIDE["kernels/native.py"]}
    return laptop.following(
        {
            job
            for job in laptop.inputs
            if (
                native or file in laptop.code(job)
                if job[0] == "train"
                else file in rests_on(graph, job)
            )
        }
    )


EDITS = {
    "laws/comparison.py": {("fit", "depth_factorial"), ("fit", "search")},
    "figures/parts/contrasts.py": {("figure", "depth"), ("figure", "activation")},
    "measures/events.py": {("fit", "summary"), ("figure", "phase_diagram")},
    "laws/spectral.py": {("fit", "spectral"), ("fit", "robustness"), ("figure", "spectral")},
    "runs/gather.py": {("collect", "")},
    "tables/hyperparameters.py": {("table", "hyperparameters"), ("numbers", "")},
    "latex.py": {("figure", "forecast"), ("table", "cells"), ("pages", "")},
    "report/page.html.j2": {("pages", "")},
    "study/messages.py": set(),
    "study/cost.py": set(),
    "commands/plan.py": set(),
}
"""File → some of the jobs that rest on it; none where nothing does."""

OFTEN = ("laws/comparison.py", "figures/parts/contrasts.py", "runs/gather.py", "study/messages.py")
"""Those that are tried in every run of the tests; a dry run takes seconds."""


@pytest.mark.snakemake
@pytest.mark.parametrize(
    "file",
    [each if each in OFTEN else pytest.param(each, marks=pytest.mark.long) for each in EDITS],
)
def test_an_edit_makes_due_what_rests_on_the_file_and_nothing_else(laptop, file):
    with edited(laptop.folder / "src/regrok" / file):
        due = due_jobs(laptop.folder, *LAPTOP)
    assert due >= EDITS[file]
    assert bool(due) == bool(EDITS[file])
    assert due == expected(laptop, file)


@pytest.mark.long
@pytest.mark.snakemake
@pytest.mark.parametrize(
    "file", sorted({*MODULES, *(f for m in MODULES for f in named(closure(m)))})
)
def test_an_edit_of_any_module_behind_a_law_figure_or_table(laptop, file):
    with edited(laptop.folder / "src/regrok" / file):
        assert due_jobs(laptop.folder, *LAPTOP) == expected(laptop, file)


# The studies' own data ------------------------------------------------------------------------------


@pytest.mark.snakemake
def test_a_title_redoes_the_tables_that_show_it_the_report_and_the_paper(laptop):
    graph = laptop.graph
    title = graph.config.experiments["S2"].title
    shown = {
        ("table", name)
        for name in graph.tables
        if graph.config.tables[name].build in ("cells", "hyperparameters", "replication")
        and "S2" in graph.config.tables[name].experiments
    }
    study = laptop.folder / "studies/norm_delay/study.yaml"
    with edited(study, f"title: {title}", f"title: Another {title}"):
        due = due_jobs(laptop.folder, *LAPTOP)
    assert due == shown | {("pages", ""), ("all", "")} | (due & {("paper", "")})
    assert len(shown) == 3
    assert (("paper", "") in due) == (("paper", "") in laptop.inputs)


@pytest.mark.snakemake
def test_a_question_redoes_the_report_alone(laptop):
    question = laptop.graph.config.experiments["S2"].question
    study = laptop.folder / "studies/norm_delay/study.yaml"
    with edited(study, f"question: {question}", "question: Is it so?"):
        assert due_jobs(laptop.folder, *LAPTOP) == {("pages", ""), ("all", "")}


def tables_of(graph: Graph, *kinds: str) -> set[Job]:
    return {("table", n) for n in graph.tables if graph.config.tables[n].build in kinds}


@pytest.mark.snakemake
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("short: norm-separation delay law ", "short: another name "),
        ("cite: truong2026norm ", "cite: power2022grokking "),
    ],
)
def test_what_the_paper_alone_says_of_a_publication_typesets_it(laptop, old, new):
    study = laptop.folder / "studies/norm_delay/study.yaml"
    with edited(study, old, new):
        due = due_jobs(laptop.folder, *LAPTOP)
    assert (("paper", "") in due) == (("paper", "") in laptop.inputs)
    # The report names the paper too, by its short name.
    assert due - {("paper", ""), ("all", "")} == ({("pages", "")} if "short" in old else set())


@pytest.mark.snakemake
def test_what_is_published_redoes_the_tables_that_show_it_and_no_others(laptop):
    with edited(laptop.folder / "studies/norm_delay/published.yaml"):
        due = due_jobs(laptop.folder, *LAPTOP)
    shown = tables_of(laptop.graph, "cells", "deviations")
    assert {job for job in due if job[0] == "table"} == shown
    assert due == laptop.following(shown | {("numbers", "")})


@pytest.mark.snakemake
def test_a_claim_s_file_redoes_the_tables_of_the_ledger_alone(laptop):
    with edited(laptop.folder / "studies/norm_delay/claims.yaml"):
        due = due_jobs(laptop.folder, *LAPTOP)
    shown = tables_of(laptop.graph, "claims", "robustness", "scales", "findings")
    assert {job for job in due if job[0] == "table"} == shown


@pytest.mark.snakemake
def test_a_law_redoes_no_table_that_is_made_of_runs_or_other_fits(laptop):
    with edited(laptop.folder / "src/regrok/laws/comparison.py"):
        due = {job for job in due_jobs(laptop.folder, *LAPTOP) if job[0] == "table"}
    of_runs = tables_of(laptop.graph, "hyperparameters", "deviations", "cells", "readings")
    assert due
    assert of_runs
    assert not due & of_runs


@pytest.mark.snakemake
def test_how_often_to_measure_trains_nothing_where_nothing_is_measured(laptop):
    study = laptop.folder / "studies/norm_delay/study.yaml"
    rosters = {path: path.read_bytes() for path in laptop.folder.glob("results/laptop/plan/*")}
    change = ("measure_every: 50      # steps between", "measure_every: 100     # steps between")
    with edited(study, *change):
        assert due_jobs(laptop.folder, *LAPTOP) == set()
    assert rosters == {path: path.read_bytes() for path in rosters}


@pytest.mark.snakemake
def test_the_machine_s_side_and_comments_redo_nothing(laptop):
    with (
        edited(laptop.folder / "studies/depth_and_decay/study.yaml"),
        edited(laptop.folder / "config.yaml", "checkpoint_seconds: 60 ", "checkpoint_seconds: 61 "),
        edited(laptop.folder / "README.md"),
    ):
        assert due_jobs(laptop.folder, *LAPTOP) == set()


@pytest.mark.snakemake
def test_a_fit_s_options_redo_the_fit_and_robustness_which_repeats_it(laptop):
    study = laptop.folder / "studies/norm_delay/study.yaml"
    with edited(
        study,
        "options: {factor: learning_rate} ",
        "options: {factor: learning_rate, replicates: 9} ",
    ):
        due = due_jobs(laptop.folder, *LAPTOP)
    assert {name for rule, name in due if rule == "fit"} == {"learning_rate", "robustness"}
    assert due == laptop.following({job for job in due if job[0] == "fit"})
