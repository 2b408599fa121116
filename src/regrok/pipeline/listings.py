"""The code behind each job as one small file that its rule reads: names and digests of the source files.

    results/<scale>/code/<rule>.txt, results/<scale>/code/<rule>/<name>.txt

Snakemake looks at every input of every waiting job whenever a job has ended. With the source files themselves as
inputs, some fifty to a job, that took longer than the fits, figures and tables of a build. A listing is written before
the first job, and only where it says something new, so that an edit makes due what rests on the edited file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from regrok.pipeline.rosters import write_if_changed
from regrok.pipeline.sources import closure

if TYPE_CHECKING:
    from regrok.pipeline.graph import Graph

SCRIPT_OF = {"computation": "compute", "notebook": "run_notebook"}
"""Rule → its script, where that has another name."""

ALONE = (
    *("collect", "added", "released"),
    *("ledger", "check", "provenance", "compare", "numbers"),
    *("paper", "pages", "artifact", "arxiv"),
)
"""The other rules that rest on the package's code as a whole; training's is told by rosters."""


def listing(results: Path, rule: str, name: str = "") -> str:
    """Where the listing of a rule is; `name` may be a wildcard."""
    return str(results / "code" / (f"{rule}/{name}.txt" if name else f"{rule}.txt"))


def roots(graph: Graph, rule: str, name: str = "") -> tuple[str, ...]:
    """The script of a rule and the modules that it looks up by the name of what it makes."""
    config = graph.config
    modules: list[str] = []
    if rule == "fit":
        modules = graph.laws(name)
    elif rule == "computation":
        modules = [f"computations/{config.computations[name].compute}.py"]
    elif rule == "probe":
        modules = [f"probes/{config.probes[name].probe}.py"]
    elif rule == "figure":
        modules = [f"figures/{config.figures[name].draw}.py"]
    elif rule == "table":
        modules = [f"tables/{config.tables[name].build}.py"]
    elif rule == "notebook":
        modules = [f"notebooks/{name}.py"]
    return (f"workflow/scripts/{SCRIPT_OF.get(rule, rule)}.py", *modules)


def sources(graph: Graph, rule: str, name: str = "") -> list[str]:
    """The source files that a rule rests on, relative to the checkout."""
    here = f"{Path.cwd()}/"  # so that a checkout can be moved
    return [str(path).removeprefix(here) for path in closure(*roots(graph, rule, name))]


def _every(graph: Graph) -> Iterator[tuple[str, str]]:
    config = graph.config
    yield from ((rule, "") for rule in ALONE)
    yield from (("fit", name) for name in config.fits)
    yield from (("computation", name) for name in config.computations if config.computes_here(name))
    yield from (("probe", name) for name in config.probes if config.probes_here(name))
    yield from (("figure", name) for name in graph.figures)
    yield from (("table", name) for name in graph.tables)
    yield from (("notebook", path.stem) for path in sorted(Path("notebooks").glob("*.py")))


def write_listings(graph: Graph) -> None:
    """Bring the listings of a configuration up to date. Raises RegrokError for a module that is not Python."""
    digests: dict[str, str] = {}
    for rule, name in _every(graph):
        lines = []
        for path in sources(graph, rule, name):
            if path not in digests:
                digests[path] = hashlib.sha256(Path(path).read_bytes()).hexdigest()
            lines.append(f"{digests[path]}  {path}\n")
        write_if_changed(Path(listing(graph.results, rule, name)), "".join(lines))
