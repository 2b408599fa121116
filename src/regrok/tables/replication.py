"""Our runs beside the authors' released ones, cell by cell, with the tests that tell them apart.

experiments: in the order shown; those without a cell that both sides have run are left out. fits: of law `replication`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from regrok import latex
from regrok.errors import RegrokError
from regrok.tables import Built, Material
from regrok.tables.cells import SETTINGS
from regrok.tables.parts.booktabs import table

READS = ("fits",)
DEFAULTS: dict[str, Any] = {}

MEASURES = {
    "T_mem": r"$T_{\mathrm{mem}}$",
    "T_grok": r"$T_{\mathrm{grok}}$",
    "delay": "delay",
    "V_mem": r"$V_{\mathrm{mem}}$",
    "V_final": r"$V_{\mathrm{final}}$",
    "rate_loss": r"$10^3(1-r)$",
}
"""Quantity of law `replication` → its head."""
SCALE = {"rate_loss": 1000}
"""Factor on what is shown."""
LEVEL = 0.05


def build(name: str, entry: Any, material: Material) -> Built:
    """Two rows for each cell, ours and theirs. Raises RegrokError when no fit of law `replication` is listed."""
    fits = [material.fits[f] for f in entry.fits if f in material.fits]
    fits = [fit for fit in fits if fit["law"] == "replication"]
    if not fits:
        raise RegrokError(
            f"table {name}: needs a fit of law 'replication'; its fits are {list(entry.fits)}"
        )
    lines: list[Any] = []
    together: set[int] = set()
    for experiment in entry.experiments:
        for fit in fits:
            tests = [test for test in fit["cells"] if test["experiment"] == experiment]
            if not tests:
                continue
            title = latex.escape(material.scope.titles[experiment])
            head = f"{latex.escape(experiment)}: {title}; {counted(fit, experiment)}"
            lines.append(head)
            varying = differing(tests)
            for cell in dict.fromkeys(test["cell"] for test in tests):
                own = {t["quantity"]: t for t in tests if t["cell"] == cell}
                together.add(len(lines))
                lines += rows(own, varying)
    caption = (
        r"\textbf{Our runs against the released ones.} Means $\pm$ standard deviations (with $n-1$) of ours, and in "
        r"grey of the runs that the authors released, both as the published logging grid shows them. $n$ runs, and "
        r"how many grokked. Each pair of means is put to Welch's test on the logarithm of its ratio, shares to "
        r"Fisher's exact test: a star marks a $p$ below .05, bold what is still below it after Holm's correction "
        r"over the experiment. A cell in which a run of either side did not finish has no times to compare. $r$: the "
        r"rate of contraction after $T_{\mathrm{mem}}$. Our runs end up to one step of the grid earlier than theirs, "
        r"which $V_{\mathrm{final}}$ shows."
    )
    columns = r"@{}l@{\hspace{3pt}}r@{\hspace{3pt}}l" + r"@{\hspace{3pt}}l" * len(MEASURES) + "@{}"
    tex = table(
        name,
        columns,
        ("cell", "$n$", "grokked", *MEASURES.values()),
        lines,
        caption,
        long=True,
        together=frozenset(together),
        size=r"\fontsize{7}{8.1}\selectfont",
    )
    return Built(tex, pd.DataFrame([plain(t) for fit in fits for t in fit["cells"]], columns=PLAIN))


def counted(fit: Mapping[str, Any], experiment: str) -> str:
    """How many tests there are, and how many of them tell ours and theirs apart."""
    tests, below, rejected = (
        int(fit["estimates"][f"{fit['fit']}.{experiment}.{key}"]["value"] or 0)
        for key in ("tests", "below", "rejected")
    )
    if not tests:
        return "nothing to compare"
    return (
        f"{latex.count(tests, 'test')}, {latex.count(below) if below else 'none'} below .05, "
        f"{latex.count(rejected) if rejected else 'none'} after Holm's correction"
    )


def differing(tests: list[Mapping[str, Any]]) -> list[str]:
    """The settings that tell an experiment's cells apart."""
    found = [c for c in SETTINGS if len({repr(test.get(c)) for test in tests}) > 1]
    return [c for c in found if c != "train_size" or "p" not in found]  # which it follows from


def rows(own: Mapping[str, Mapping[str, Any]], varying: list[str]) -> list[list[str]]:
    """One cell's two rows from its tests by quantity."""
    first = next(iter(own.values()))
    words = [f"{SETTINGS[c]} {latex.exact(first[c])}".strip() for c in varying if c in first]
    ours = [", ".join(words) or "default point", latex.exact(first["runs"])]
    theirs = [r"\quad released", latex.exact(first["released_runs"])]
    ours.append(marked(latex.exact(first["grokked"]), own.get("grokked")))
    theirs.append(latex.exact(first["released_grokked"]))
    for quantity in MEASURES:
        test = own.get(quantity)
        ours.append(marked(mean(test, "ours", quantity), test))
        theirs.append(mean(test, "released", quantity))
    return [ours, [rf"\textcolor{{regrokgrey}}{{{cell}}}" for cell in theirs]]


def mean(test: Mapping[str, Any] | None, side: str, quantity: str) -> str:
    """Mean ± standard deviation of one side; NOTHING where the quantity is not compared."""
    if test is None:
        return latex.NOTHING
    scale = SCALE.get(quantity, 1)
    value, spread = (test[f"{side}_{part}"] * scale for part in ("mean", "sd"))
    if quantity in SCALE:
        return rf"{latex.number(value)} $\pm$ {latex.number(spread, 2)}"
    return rf"{latex.exact(round(value))} $\pm$ {latex.exact(round(spread))}"


def marked(words: str, test: Mapping[str, Any] | None) -> str:
    """The words as a test's p marks them."""
    if test is None or test["p_value"] >= LEVEL:
        return words
    return rf"\textbf{{{words}}}" if test["p_holm"] < LEVEL else rf"{words}\,*"


PLAIN = [
    *("experiment", "cell", *SETTINGS, "runs", "released_runs", "grokked", "released_grokked"),
    *("quantity", "ours_mean", "ours_sd", "released_mean", "released_sd"),
    *("ours_count", "released_count", "ratio", "ratio_low", "ratio_high"),
    *("difference", "difference_low", "difference_high", "p_value", "p_holm"),
]
"""Columns of the CSV: one row a test."""


def plain(test: Mapping[str, Any]) -> dict[str, Any]:
    """A test as plain columns."""
    row = {key: test.get(key) for key in PLAIN}
    for how in ("ratio", "difference"):
        if how in test:
            row |= {how: test[how]["value"]}
            row |= {f"{how}_{end}": test[how][end] for end in ("low", "high")}
    return row
