"""The paper's figures: one module per kind, each with `draw(shown, fits, options, style)`.

    drawable  → the figures whose first experiment runs at this scale, and whose computations are computed there
    regrok.figures.parts.drawing → draws one and writes it

A module gets only the experiments, fits and computations that its entry in a study lists, the last two together as
`fits`. Add a figure: one file here that
defines `draw`, one block in a study's study.yaml, one `\\regrokfigure` in its section.
"""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from types import ModuleType
from typing import Any

from regrok.errors import RegrokError
from regrok.study.messages import nearest

# No matplotlib and no pandas here: the Snakefile, the paper and the report ask `drawable`.


def kinds() -> list[str]:
    """Names that `draw:` may have in a study."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.ispkg)


def module(kind: str) -> ModuleType:
    """The module that draws `kind`. Raises RegrokError naming the nearest kind when there is none."""
    if kind not in kinds():
        raise RegrokError(
            f"draw = '{kind}': no kind of figure is called so.{nearest(kind, kinds())}"
        )
    return importlib.import_module(f"{__name__}.{kind}")


def source(kind: str) -> Path:
    """The file that draws `kind` (the paper links to it, the workflow lists it as an input)."""
    if kind not in kinds():
        module(kind)  # raises, naming the nearest kind
    return Path(__file__).with_name(f"{kind}.py")


def drawable(config: Any) -> list[str]:
    """Figures that can be drawn at this scale: their first experiment runs, or they need none (simulations).

    All that they show of computations is computed there.
    """
    return [
        name
        for name, entry in config.figures.items()
        if (not entry.experiments or config.runs_here(entry.experiments[0]))
        and all(map(config.computes_here, entry.computations))
    ]
