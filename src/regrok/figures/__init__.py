"""The paper's figures: one module per kind, each with `draw(shown, fits, options, style)`.

    draw      → matplotlib figure, caption in TeX, description for readers who do not see it
    drawable  → the figures whose first experiment runs at this scale
    write_figure → .pdf, .png and .tex side by side

A module gets only the experiments and fits that its entry in config.yaml lists. Add a figure: one file here that
defines `draw`, one block in config.yaml, one `\\regrokfigure` in paper/sections.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from regrok.errors import RegrokError
from regrok.study.defaults import option

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# matplotlib and pandas are imported where something is drawn: the Snakefile asks `drawable` once per job.


def kinds() -> list[str]:
    """Names that `draw:` may have in config.yaml."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.ispkg)


def module(kind: str) -> ModuleType:
    """The module that draws `kind`. Raises RegrokError naming the nearest kind when there is none."""
    if kind not in kinds():
        near = get_close_matches(kind, kinds(), 1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise RegrokError(
            f"draw: {kind!r} is no kind of figure; there are {', '.join(kinds())}.{hint}"
        )
    return importlib.import_module(f"{__name__}.{kind}")


def source(kind: str) -> Path:
    """The file that draws `kind` (the paper links to it, the workflow lists it as an input)."""
    if kind not in kinds():
        module(kind)  # raises, naming the nearest kind
    return Path(__file__).with_name(f"{kind}.py")


def drawable(config: Any) -> list[str]:
    """Figures that can be drawn at this scale: their first experiment runs, or they need none (simulations)."""
    return [
        name
        for name, entry in config.figures.items()
        if not entry.experiments or config.runs_here(entry.experiments[0])
    ]


def draw(
    name: str, entry: Any, frames: Any, fits: Mapping[str, Mapping], config: Any = None
) -> tuple[Figure, str, str]:
    """Draw one figure: (figure, caption in TeX, plain description).

    entry: the figure's block in config.yaml. frames: anything with `runs`, `curves`, `experiments`, `spectra`.
    fits: fit name → content of its JSON. Raises RegrokError when the figure's first experiment has no runs: a figure
    without data is left out of the paper, not drawn empty.
    """
    from regrok.figures.parts.shown import show
    from regrok.figures.parts.style import Style

    shown = show(frames, entry.experiments)
    if entry.experiments and shown.of(0).empty:
        raise RegrokError(
            f"figure {name}: experiment {entry.experiments[0]!r} has no runs here; "
            "`drawable` lists the figures of this scale"
        )
    chosen = {fit: fits[fit] for fit in entry.fits if fit in fits}
    style = Style()
    with style.context():
        kind = module(entry.draw)
        try:
            options = option(entry.options, getattr(kind, "DEFAULTS", {}))
        except RegrokError as error:
            raise RegrokError(f"figures.{name}: {error}") from error
        figure, caption, description = kind.draw(shown, chosen, options, style)
        figure.draw_without_rendering()
    return figure, caption, description


def write_figure(
    name: str,
    entry: Any,
    frames: Any,
    fits: Mapping[str, Mapping],
    config: Any,
    out_pdf: Path | str,
    out_png: Path | str,
    out_tex: Path | str,
) -> None:
    """Draw one figure and write it: vector PDF, PNG, and a .tex that defines its caption and description."""
    from regrok.figures.parts.style import save

    figure, caption, description = draw(name, entry, frames, fits, config)
    for path in (out_pdf, out_png, out_tex):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    save(figure, Path(out_pdf), Path(out_png))
    Path(out_tex).write_text(
        f"\\regrokcaption{{{name}}}{{{caption}}}\n\\regrokdescription{{{name}}}{{{description}}}\n",
        encoding="utf-8",
    )
