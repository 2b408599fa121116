"""One scaling law, several readings: the line's R², the log-log exponent, the survival exponent, the product's spread.

fits: fits of law `scaling`, one block of rows each.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from regrok import latex
from regrok.tables import Built, Material
from regrok.tables.parts.booktabs import table

READS = ("fits",)
DEFAULTS: dict[str, Any] = {}

FACTORS = {
    "weight_decay": r"$1/\lambda$",
    "learning_rate": r"$1/\eta$",
    "learning_rate_times_weight_decay": r"$1/(\eta\lambda)$",
    "escape_theory": r"$T_{\mathrm{esc}}$",
    "log_norm_ratio": r"$\log(V_{\mathrm{mem}}/V_{\mathrm{final}})$",
}
RESPONSES = {"T_grok": r"$T_{\mathrm{grok}}$", "delay": "delay"}
KEYS = ("r_squared", "exponent", "exponent_survival", "product_cv")
PLAIN = (
    *("fit", "response", "factor", "n"),
    *(f"{key}{part}" for key in KEYS for part in ("", "_low", "_high")),
)
HEADER = (
    "fit",
    "of",
    "against",
    "$n$",
    "$R^2$ (line)",
    "exponent (log--log)",
    "exponent (survival)",
    "CV of product",
)


def build(name: str, entry: Any, material: Material) -> Built:
    """Two rows (T_grok, delay) for each scaling fit that has runs; exponents of the factor itself."""
    rows, plain = [], []
    for fit in entry.fits:
        made = material.fits.get(fit)
        if made is None or made["law"] != "scaling" or not made["points"]:
            continue
        for response, words in RESPONSES.items():
            found = {key: made["estimates"].get(f"{fit}.{response}.{key}") for key in KEYS}
            n = made["estimates"][f"{fit}.{response}.r_squared"]["n"]
            rows.append(
                [
                    latex.escape(fit.replace("_", " ")),
                    words,
                    FACTORS[made["options"]["factor"]],
                    latex.exact(n),
                    *(latex.estimate(found[key]) for key in KEYS),
                ]
            )
            row: dict[str, Any] = {
                "fit": fit,
                "response": response,
                "factor": made["options"]["factor"],
                "n": n,
            }
            for key, one in found.items():
                for part in ("value", "low", "high"):
                    row[key if part == "value" else f"{key}_{part}"] = one[part] if one else None
            plain.append(row)
    caption = (
        r"\textbf{Three readings of each scaling law.} The published reading is the $R^2$ of a straight line with "
        r"a free "
        r"intercept; an inverse law also needs an exponent of $-1$ in $\lambda$, $\eta$ or $\eta\lambda$ ($+1$ in "
        r"$T_{\mathrm{esc}}$). The survival exponent keeps censored runs. The product is time times factor (time over "
        r"$T_{\mathrm{esc}}$), constant under the law. $n$ runs enter the line; brackets are 95\,\% intervals over "
        r"seeds."
    )
    tex = table(
        name,
        "@{}l" + "@{\\hspace{6pt}}l" * 2 + "@{\\hspace{6pt}}r" + "@{\\hspace{6pt}}l" * 4 + "@{}",
        HEADER,
        rows,
        caption,
        size=r"\fontsize{7}{8.6}\selectfont",
    )
    return Built(tex, pd.DataFrame(plain, columns=list(PLAIN)))
