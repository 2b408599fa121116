"""How every figure of the paper looks: the paper's width and font, colours that survive grey, fixed bytes.

The font is STIX, which matplotlib ships and which matches the Times of `paper/main.tex`. Colours are Okabe and
Ito's for categories (told apart by colour-blind readers, and always doubled by a marker, a dash or a hatch) and a
ramp of falling lightness for ordered values, which keeps its order when printed in grey.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from regrok.figures.parts.isolated import without_date

TEXT_WIDTH = 6.1
"""Inches: the text width of `paper/main.tex`."""

HALF_WIDTH = 2.95
"""Inches: of a figure that stands beside another (`\\regrokbeside`)."""

HALF_HEIGHT = 1.6
"""Inches: of a row of panels in such a figure."""

PNG_DPI = 200
"""Dots per inch of the PNG that the README and the report show."""

BLACK, ORANGE, SKY, GREEN, BLUE, VERMILION, PURPLE = (
    "#000000",
    "#E69F00",
    "#56B4E9",
    "#009E73",
    "#0072B2",
    "#D55E00",
    "#CC79A7",
)
GREY = "#7A7A7A"
LIGHT = "#D9D9D9"

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
DASHES: tuple[str | tuple[int, tuple[float, ...]], ...] = (
    "-",
    (0, (4, 1.5)),
    (0, (1.2, 1.2)),
    (0, (6, 1.5, 1.2, 1.5)),
    (0, (3, 1, 1, 1, 1, 1)),
)

OUTCOME_LOOK = {
    "grokked": (BLUE, "G", ""),
    "memorised only": (SKY, "M", "//"),
    "never memorised": ("#F0E0B0", "N", ".."),
    "collapsed": (ORANGE, "C", "xx"),
    "diverged": (VERMILION, "D", "++"),
}
"""Outcome → (colour, letter, hatch)."""

WORDS = {
    "step": "step",
    "learning_rate": "learning rate $\\eta$",
    "weight_decay": "weight decay $\\lambda$",
    "p": "modulus $p$",
    "n": "input bits $n$",
    "init_scale": "init scale",
    "train_size": "training examples",
    "train_accuracy": "train accuracy",
    "validation_accuracy": "validation accuracy",
    "validation_loss": "validation loss",
    "V": "$V=\\Vert\\theta\\Vert^2$",
    "V_mem": "$V_{\\mathrm{mem}}$",
    "V_final": "$V_{\\mathrm{final}}$",
    "T_mem": "$T_{\\mathrm{mem}}$ (steps)",
    "T_grok": "$T_{\\mathrm{grok}}$ (steps)",
    "delay": "delay $T_{\\mathrm{grok}}-T_{\\mathrm{mem}}$ (steps)",
    "T_esc_th": "$T_{\\mathrm{esc}}$, theory (steps)",
    "T_escape": "$T_{\\mathrm{escape}}$, measured (steps)",
    "rate": "fitted rate $r$",
    "logit_max": "largest logit",
    "residual": "Fourier residual $R$",
    "gap": "validation gap",
    "fraction_grokked": "fraction grokked",
}
"""Column → words on an axis: the same as in the paper's text."""

RC = {
    "font.family": "STIXGeneral",
    "mathtext.fontset": "stix",
    "font.size": 8.0,
    "axes.labelsize": 8.0,
    "axes.titlesize": 8.0,
    "axes.titlelocation": "left",
    "axes.titlepad": 4.0,
    "xtick.labelsize": 7.0,
    "ytick.labelsize": 7.0,
    "legend.fontsize": 7.0,
    "legend.frameon": False,
    "legend.handlelength": 1.8,
    "legend.borderaxespad": 0.3,
    "legend.labelspacing": 0.3,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "axes.axisbelow": True,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.minor.size": 1.5,
    "ytick.minor.size": 1.5,
    "lines.linewidth": 1.1,
    "lines.markersize": 3.4,
    "hatch.linewidth": 0.4,
    "axes.formatter.use_mathtext": True,
    "axes.formatter.useoffset": False,
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.h_pad": 0.045,
    "figure.constrained_layout.w_pad": 0.045,
    "savefig.bbox": None,
    "pdf.fonttype": 42,
    "pdf.compression": 6,
    "svg.hashsalt": "regrok",
    "svg.fonttype": "none",
    "figure.dpi": 100,
    "savefig.dpi": PNG_DPI,
}


@dataclass(frozen=True)
class Style:
    """What a figure module needs to look like the others."""

    width: float = TEXT_WIDTH
    rc: dict = field(default_factory=lambda: dict(RC))

    def context(self) -> AbstractContextManager:
        """The rc settings, from matplotlib's own defaults: the user's matplotlibrc takes no part."""
        return mpl.rc_context({**mpl.rcParamsDefault, "backend": "agg", **self.rc})

    def panels(
        self, rows: int, columns: int, height: float, width: float | None = None, **options
    ) -> tuple[Figure, np.ndarray]:
        """A figure with rows × columns axes, `height` inches a row, lettered (a), (b), …

        width: inches; None for the paper's.
        """
        figure = Figure(figsize=(width or self.width, rows * height))
        FigureCanvasAgg(figure)
        axes = figure.subplots(rows, columns, squeeze=False, **options)
        if axes.size > 1:
            for letter, ax in zip("abcdefghijklmnop", axes.flat, strict=False):
                ax.set_title(f"({letter})", fontweight="bold")
        return figure, axes.ravel()

    def ramp(self, count: int) -> list:
        """`count` colours for ordered values, light to dark; the last is always the darkest."""
        import seaborn as sns  # half a second of CPU that most figures need not spend

        if count == 1:
            return [sns.color_palette("crest", 3)[-1]]
        return list(sns.color_palette("crest", count))


def label(ax: Axes, x: str, y: str) -> None:
    """Name both axes with the paper's words; an unknown word is used as it stands."""
    ax.set_xlabel(WORDS.get(x, x))
    ax.set_ylabel(WORDS.get(y, y))


def plain_ticks(
    ax: Axes, which: str, values: Iterable[float], limit: int = 8, least: float = 0.065
) -> None:
    """Ticks at the values that were run, written plainly (0.1, 0.3, 1), once the axis has its scale.

    Every second value has one while they are more than `limit`. A label that would stand within `least`, a share of
    the axis, of the last label is left out.
    """
    shown = sorted(set(values))
    while len(shown) > limit:
        shown = shown[::2]
    axis = getattr(ax, f"{which}axis")
    place = np.log10 if axis.get_scale() == "log" else np.asarray
    room = least * np.ptp(place(axis.get_view_interval()))
    labels: list[str] = []
    last = -np.inf
    for value, at in zip(shown, place(shown), strict=True):
        apart = at - last >= room
        labels.append(short_number(value) if apart else "")
        last = at if apart else last
    axis.set_ticks(shown, labels)
    axis.set_minor_locator(mpl.ticker.NullLocator())


def from_zero(ax: Axes) -> None:
    """A y axis from zero to a little above the highest point or bar."""
    highest = ax.dataLim.y1
    ax.set_ylim(0, 1.12 * highest if np.isfinite(highest) and highest > 0 else 1)


def log_scale(ax: Axes, which: str) -> None:
    """Log axes, once something positive is drawn: matplotlib refuses a log axis without data."""
    for name, least in (("x", ax.dataLim.minposx), ("y", ax.dataLim.minposy)):
        if name in which and np.isfinite(least):
            getattr(ax, f"set_{name}scale")("log")


WIDE = {"x": 40, "y": 200}
"""Ends of a log axis further apart than this leave no room for labels at 2 and 5; side by side they need more."""


def decades(ax: Axes, which: str) -> None:
    """On log axes a few plain ticks (200, 500, 1000), or the powers of ten alone where they span much."""
    for name in which:
        axis = getattr(ax, f"{name}axis")
        if axis.get_scale() != "log":
            continue
        low, high = axis.get_view_interval()
        if high > WIDE[name] * low:
            axis.set_major_locator(mpl.ticker.LogLocator(10, numticks=6))
            axis.set_major_formatter(mpl.ticker.LogFormatterMathtext())
        else:
            axis.set_major_locator(mpl.ticker.LogLocator(10, subs=(1.0, 2.0, 5.0), numticks=6))
            axis.set_major_formatter(FuncFormatter(lambda value, _: short_number(value)))
        axis.set_minor_formatter(mpl.ticker.NullFormatter())


def short_number(value: float) -> str:
    """1e-3 → 10⁻³ in mathtext, 0.3 → 0.3, 1200 → 1200: as short as it can be written."""
    if value == 0:
        return "0"
    exponent = int(np.floor(np.log10(abs(value))))
    if -3 < exponent < 5:
        return f"{value:.6g}"
    mantissa = value / 10.0**exponent
    if abs(mantissa - 1) < 1e-9:
        return f"$10^{{{exponent}}}$"
    return f"${mantissa:.3g}{{\\times}}10^{{{exponent}}}$"


def thousands(ax: Axes, which: str, most: int = 5) -> None:
    """Thin-spaced thousands on a linear axis of steps, which has room for `most` intervals."""
    axis = getattr(ax, f"{which}axis")
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}".replace(",", "\u2009")))
    axis.set_major_locator(mpl.ticker.MaxNLocator(most, steps=[1, 2, 5, 10]))


def save(figure: Figure, pdf: Path, png: Path) -> None:
    """Write the figure as vector PDF and as PNG; the same figure gives the same bytes at any time and place."""
    fixed = {"CreationDate": None, "ModDate": None, "Creator": "regrok", "Producer": "matplotlib"}
    with Style().context(), without_date():
        figure.savefig(pdf, format="pdf", metadata=fixed)
        figure.savefig(png, format="png", dpi=PNG_DPI, metadata={"Software": None})
