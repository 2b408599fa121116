"""The comparison as a page: one HTML file without scripts or links to elsewhere."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from regrok.files import write_atomically
from regrok.released.compare import ADDED, FALSE_ALARM, GONE, MOVED, SAME, Comparison


def number(value: Any, digits: int = 4) -> str:
    """A number for a person, – for none."""
    if value is None or pd.isna(value):
        return "–"
    if math.isinf(value):
        return "∞"
    if value == 0 or 1e-3 <= abs(value) < 1e6:
        text = (
            f"{value:,.{max(0, digits - 1 - math.floor(math.log10(abs(value))))}f}"
            if value
            else "0"
        )
        return text.replace("-", "−")
    return f"{value:.{digits - 1}e}".replace("-", "−")


def interval(low: Any, high: Any) -> str:
    """[low, high], nothing when neither is known."""
    if pd.isna(low) and pd.isna(high):
        return ""
    return f"[{number(low)}, {number(high)}]"


def per_cent(change: Any) -> str:
    """A signed change in per cent."""
    return "–" if change is None or pd.isna(change) else f"{100 * change:+.1f} %".replace("-", "−")


def settings(values: dict[str, Any]) -> str:
    """A cell's settings in words."""
    return ", ".join(
        f"{key} {value:g}" if isinstance(value, float) else f"{key} {value}"
        for key, value in values.items()
    )


def summary(found: Comparison) -> list[str]:
    """Sentences that say what moved; one when nothing did."""
    cells, claims = found.moved_cells, found.flagged_claims
    lines = []
    if not cells and not claims:
        lines.append(
            f"Nothing moved: {compared(found)}, and no difference is beyond its tolerance."
        )
    for cell in cells:
        rows = found.cells[(found.cells["cell"] == cell) & (found.cells["status"] == MOVED)]
        what = ", ".join(f"{r.quantity} {per_cent(r.change)}" for r in rows.itertuples())
        lines.append(
            f"cell {cell} of {', '.join(rows.iloc[0]['experiments'])} ({settings(rows.iloc[0]['settings'])}): {what}"
        )
    flagged = found.claims[found.claims["id"].isin(claims)]
    for row in flagged.itertuples():
        verdicts = (
            f"{row.released_verdict} → {row.fresh_verdict}"
            if row.released_verdict != row.fresh_verdict
            else f"still {row.fresh_verdict}"
        )
        lines.append(f"claim {row.id}: {row.status}; {verdicts}")
    return lines


def compared(found: Comparison) -> str:
    """How much was compared."""
    cells = found.cells[~found.cells["status"].isin([ADDED, GONE])]["cell"].nunique()
    claims = (~found.claims["status"].isin([ADDED, GONE])).sum()
    return f"{cells} cells and {claims} claims are in both"


def write_page(found: Comparison, scale: str, out: Path | str) -> None:
    """Write the page atomically."""
    environment = Environment(
        loader=PackageLoader("regrok.released", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "per_cent": per_cent, "settings": settings}
    environment.globals["interval"] = interval
    claims = found.claims.to_dict("records")
    cells = found.cells.to_dict("records")
    text = environment.get_template("comparison.html.j2").render(
        scale=scale,
        false_alarm=FALSE_ALARM,
        compared=compared(found),
        lines=summary(found),
        moved=bool(found.moved_cells or found.flagged_claims),
        claims=sorted(claims, key=lambda row: row["status"] in (SAME, ADDED, GONE)),
        moved_cells=[row for row in cells if row["status"] == MOVED],
        other_cells=[row for row in cells if row["status"] != MOVED],
    )
    write_atomically(Path(out), text.encode())
