"""What must hold of computations: no fit is called so, some scale computes them, and what shows them can."""

from __future__ import annotations

from collections.abc import Iterator

from regrok.study.avalanches import computed_problems
from regrok.study.blocks import Config, Figure, Table
from regrok.study.literals import PACKAGE, literal, words
from regrok.study.words import SCALES


def computation_problems(config: Config) -> Iterator[str]:
    """One line for each thing that is wrong, beginning with its dotted key."""
    for name, block in config.computations.items():
        path = f"computations.{name}"
        if name in config.fits:
            yield f"{path}: a fit has this name too, and estimands begin with it; rename one of them."
        yield from computed_problems(path, block)
        if not block.scales:
            yield f"{path}.scales = {{}}: no scale computes it; list at least one of {', '.join(SCALES)}."
    for name, figure in config.figures.items():
        if figure.computations and not _shows(figure):
            yield f"figures.{name}.computations: figures drawn by {figure.draw} show none."
    for name, table in config.tables.items():
        if table.computations and not _shows(table):
            yield f"tables.{name}.computations: tables built by {table.build} show none."


def _shows(block: Figure | Table) -> bool:
    """Whether a module says that it shows computations: NEEDS of a figure, READS of a table; true of none there is."""
    if isinstance(block, Table):
        path = PACKAGE / "tables" / f"{block.build}.py"
        return not path.is_file() or "computations" in words("tables", block.build, "READS")
    path = PACKAGE / "figures" / f"{block.draw}.py"
    return not path.is_file() or "computations" in literal(path.read_text("utf-8"), "NEEDS")
