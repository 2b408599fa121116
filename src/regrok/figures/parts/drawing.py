"""One figure from its block, the frames and the fits: drawn, and written as .pdf, .png and .tex side by side."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from regrok.errors import RegrokError
from regrok.figures import module
from regrok.figures.parts.blank import say_where_blank
from regrok.figures.parts.shown import show
from regrok.figures.parts.style import Style, save
from regrok.runs.required import refuse_absent
from regrok.study.defaults import option


def draw(
    name: str, entry: Any, frames: Any, fits: Mapping[str, Mapping]
) -> tuple[Figure, str, str]:
    """Draw one figure: (figure, caption in TeX, plain description).

    entry: the figure's block in its study. frames: anything with `runs`, `curves`, `experiments`, `spectra`. fits: name
    of a fit or computation → content of its JSON. A panel for which the runs have nothing says so. Raises RegrokError
    when the figure's first experiment has no runs (a figure without data is left out of the paper, not drawn empty),
    and for a column that every run has and the frames lack.
    """
    kind = module(entry.draw)
    try:
        options = option(entry.options, getattr(kind, "DEFAULTS", {}))
    except RegrokError as error:
        raise RegrokError(f"figures.{name}: {error}") from error
    try:
        refuse_absent(frames)
    except RegrokError as error:
        raise RegrokError(f"figure {name}: {error}") from error
    shown = show(frames, entry.experiments)
    if entry.experiments and shown.of(0).empty:
        raise RegrokError(
            f"figure {name}: experiment {entry.experiments[0]!r} has no runs here; "
            "`drawable` lists the figures of this scale"
        )
    chosen = {name: fits[name] for name in (*entry.fits, *entry.computations) if name in fits}
    style = Style()
    with style.context():
        figure, caption, description = kind.draw(shown, chosen, options, style)
        say_where_blank(figure)
        figure.draw_without_rendering()
        # Where everything stands is found; each file that is written would look for it again.
        figure.set_layout_engine("none")
    return figure, caption, description


def write_figure(
    name: str,
    entry: Any,
    frames: Any,
    fits: Mapping[str, Mapping],
    out_pdf: Path | str,
    out_png: Path | str,
    out_tex: Path | str,
) -> None:
    """Draw one figure and write it: vector PDF, PNG, and a .tex that defines its caption and description."""
    figure, caption, description = draw(name, entry, frames, fits)
    for path in (out_pdf, out_png, out_tex):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    save(figure, Path(out_pdf), Path(out_png))
    Path(out_tex).write_text(
        f"\\regrokcaption{{{name}}}{{{caption}}}\n\\regrokdescription{{{name}}}{{{description}}}\n",
        encoding="utf-8",
    )
