"""How a run's curves are drawn: specifications by Altair, and the script that draws them, which vl-convert brings.

A specification names its data and holds none; the page puts the chosen run's points there.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from regrok.errors import RegrokError

POINTS = "points"
"""Name of the data set of a run's points: step and the columns of `regrok.site.curves`."""
OTHERS = "others"
"""Name of the data set of the other seeds of its cell: run and the same columns."""
GREY = "#8a949e"
"""Of other seeds: seen on white and on black."""
MARKS = "marks"
"""Name of the data set of T_mem and T_grok: event and step."""
HEIGHT = 190
"""Pixels."""
WANTED = (
    "make site needs altair and vl-convert-python: make install, or pip install -e '.[site]' in an environment of "
    "your own"
)
PANELS: dict[str, tuple[str, dict[str, str], bool]] = {
    "accuracy": (
        "accuracy",
        {"training": "train_accuracy", "validation": "validation_accuracy"},
        False,
    ),
    "loss": ("loss (nat)", {"training": "train_loss", "validation": "validation_loss"}, True),
    "V": ("V = ‖θ‖²", {"all parameters": "V"}, True),
}
"""Chart → title of its axis, legend → column, and whether that axis is logarithmic."""


def specifications() -> dict[str, dict[str, dict[str, Any]]]:
    """ "linear" or "log", how steps are laid out → chart → its Vega-Lite specification.

    Raises RegrokError where Altair is not installed.
    """
    return {
        kind: {name: _chart(name, kind == "log") for name in PANELS} for kind in ("linear", "log")
    }


@cache
def script() -> str:
    """Vega, Vega-Lite and Vega-Embed in one script for the browser, which knows them as `vegaEmbed` afterwards.

    Raises RegrokError where vl-convert is not installed.
    """
    try:
        from altair.utils._importers import vl_version_for_vl_convert
        from vl_convert import javascript_bundle
    except ImportError:
        raise RegrokError(WANTED) from None
    return str(javascript_bundle(None, vl_version=vl_version_for_vl_convert()))


def _chart(name: str, log: bool) -> dict[str, Any]:
    try:
        import altair as alt
    except ImportError:
        raise RegrokError(WANTED) from None
    title, columns, log_y = PANELS[name]
    across = alt.X(
        "step:Q",
        title="steps",
        scale=alt.Scale(type="log" if log else "linear", nice=False),
        axis=alt.Axis(format=",.0f", labelOverlap=True, tickCount=5),
    )
    up = alt.Scale(type="log" if log_y else "linear", zero=name == "accuracy", nice=False)
    shown = [alt.Tooltip("step:Q", format=","), *(alt.Tooltip(f"{c}:Q") for c in columns.values())]

    def known(data: str, column: str) -> Any:
        """The points of a data set at which a column was measured and has a place on the axes."""
        part = alt.Chart(alt.NamedData(name=data)).transform_filter(f"isValid(datum.{column})")
        # A logarithm has no place for step 0, nor for a loss of 0.
        part = part.transform_filter("datum.step > 0") if log else part
        return part.transform_filter(f"datum.{column} > 0") if log_y else part

    last = [*columns.values()][-1]
    layers = [
        known(OTHERS, last)
        .mark_line(strokeWidth=1, opacity=0.6)
        .encode(
            x=across,
            y=alt.Y(f"{last}:Q", title=title, scale=up),
            color=alt.value(GREY),
            detail="run:N",
        )
    ]
    for words, column in columns.items():
        layers.append(
            known(POINTS, column)
            .mark_line(point=alt.OverlayMarkDef(size=14), strokeWidth=1.6)
            .encode(
                x=across,
                y=alt.Y(f"{column}:Q", title=title, scale=up, axis=alt.Axis(tickCount=5)),
                color=alt.ColorDatum(words),
                tooltip=shown,
            )
        )
    marks = alt.Chart(alt.NamedData(name=MARKS))
    rule = marks.mark_rule(strokeDash=[4, 3]).encode(x="step:Q")
    text = marks.mark_text(align="left", dx=3, dy=8, baseline="top").encode(
        x="step:Q", y=alt.value(0), text="event:N"
    )
    return dict(
        alt.layer(*layers, rule, text)
        .properties(width="container", height=HEIGHT)
        .configure_view(stroke=None)
        .configure_legend(title=None, orient="top")
        .to_dict(validate=True)
    )
