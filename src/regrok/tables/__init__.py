"""The paper's tables: one module per kind, each with `build(material, entry) -> Built`.

`READS` of the module says which parts of `Material` it is made of: an edit of the others does not build it again.
A table is written twice: as TeX for the paper (booktabs, with its caption and label) and as CSV with plain numbers
for everybody else. Add a table: one file here that defines `build`, one block in a study's study.yaml, one
`\\regroktable` in its section.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from regrok.errors import RegrokError
from regrok.runs.required import refuse_absent
from regrok.study.defaults import option
from regrok.study.messages import nearest

if TYPE_CHECKING:
    import pandas as pd

    from regrok.study.published import Published


@dataclass(frozen=True)
class Built:
    """One table in both forms."""

    tex: str
    """A whole table or longtable environment."""
    frame: pd.DataFrame
    """The same content as plain columns, for the CSV."""


@dataclass(frozen=True)
class Scope:
    """What a table may say of the study itself."""

    scale: str
    """The scale that is built."""
    titles: Mapping[str, str]
    """Experiment → its title."""
    left_out: Sequence[str] = ()
    """Experiments of the scale that `only` leaves out."""


def scope(config: Any, experiments: Iterable[str] | None = None) -> Scope:
    """The scope of a configuration, with the titles of these experiments, or of all."""
    names = config.experiments if experiments is None else experiments
    at_scale = [name for name, each in config.experiments.items() if config.scale in each.scales]
    return Scope(
        config.scale,
        {name: config.experiments[name].title for name in names},
        [name for name in at_scale if not config.runs_here(name)],
    )


@dataclass(frozen=True)
class Material:
    """Everything a table may be made of."""

    frames: Any
    """runs, curves, experiments, spectra."""
    fits: Mapping[str, Mapping[str, Any]]
    """Fit name → content of its JSON."""
    ledger: Mapping[str, Any]
    """The claims with their verdicts."""
    scope: Scope
    """Scale and titles."""
    published: Published | None = None
    """What the studies' papers report; None where nothing is laid beside ours."""
    benchmarks: Sequence[Path] = ()
    """Snakemake's benchmark files, for the compute card; none gives the training rows alone."""
    elsewhere: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Scale → ledger of the other released scales."""
    retests: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Scale → what earlier trainings of its released runs say, for every scale where they were compared."""
    computations: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Name of a computation → content of its JSON."""


MATERIAL = tuple(each.name for each in fields(Material) if each.name != "scope")
"""What a table may say that it reads."""


def kinds() -> list[str]:
    """Names that `build:` may have in a study."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.ispkg)


def module(kind: str) -> ModuleType:
    """The module that builds `kind`. Raises RegrokError naming the nearest kind when there is none."""
    if kind not in kinds():
        raise RegrokError(
            f"build = '{kind}': no kind of table is called so.{nearest(kind, kinds())}"
        )
    return importlib.import_module(f"{__name__}.{kind}")


def reads(kind: str) -> tuple[str, ...]:
    """The parts of `Material` that tables of a kind are made of, beside the scope; all of them where it says nothing.

    Read from the source text: importing the module would load pandas. Raises RegrokError naming a part that is none.
    """
    path = Path(__file__).with_name(f"{kind}.py")
    said = [
        ast.literal_eval(statement.value)
        for statement in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(statement, ast.Assign)
        and [getattr(target, "id", "") for target in statement.targets] == ["READS"]
    ]
    parts = tuple(said[-1]) if said else MATERIAL
    if unknown := [part for part in parts if part not in MATERIAL]:
        raise RegrokError(
            f"{path}: READS names {unknown[0]!r}; a table can read {', '.join(MATERIAL)}"
        )
    return parts


def buildable(config: Any) -> list[str]:
    """Tables that have content at this scale: something that they show is run or computed, or they need nothing."""
    return [
        name
        for name, entry in config.tables.items()
        if not (entry.experiments or entry.computations)
        or any(map(config.runs_here, entry.experiments))
        or any(map(config.computes_here, entry.computations))
    ]


def write_table(
    name: str, entry: Any, material: Material, out_tex: Path | str, out_csv: Path | str
) -> None:
    """Build one table of a study and write it as TeX and CSV. Raises RegrokError naming what it lacks.

    A table of nothing says so in one row; its CSV has its columns and no row.
    """
    kind = module(entry.build)
    try:
        option(entry.options, getattr(kind, "DEFAULTS", {}))
    except RegrokError as error:
        raise RegrokError(f"tables.{name}: {error}") from error
    if "frames" in reads(entry.build):
        try:
            refuse_absent(material.frames, ("runs", "experiments"))
        except RegrokError as error:
            raise RegrokError(f"tables.{name}: {error}") from error
    built = kind.build(name, entry, material)
    for path in (out_tex, out_csv):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(out_tex).write_text(built.tex, encoding="utf-8")
    built.frame.to_csv(out_csv, index=False, lineterminator="\n")
