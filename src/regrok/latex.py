"""Numbers and words as TeX: one place decides digits, separators and escapes, so text, tables and captions agree."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping

NOTHING = "--"
"""What stands where a quantity does not exist: never memorised, not fitted, not published."""

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\ensuremath{<}",
    ">": r"\ensuremath{>}",
    "|": r"\ensuremath{|}",
    "…": r"\ldots{}",
    "–": "--",
    "—": "---",
    "−": r"\ensuremath{-}",
    "±": r"\ensuremath{\pm}",
    "×": r"\ensuremath{\times}",
    "·": r"\ensuremath{\cdot}",
    "≥": r"\ensuremath{\ge}",
    "≤": r"\ensuremath{\le}",
    "≈": r"\ensuremath{\approx}",
    "≠": r"\ensuremath{\neq}",
    "∝": r"\ensuremath{\propto}",
    "∈": r"\ensuremath{\in}",
    "→": r"\ensuremath{\to}",
    "√": r"\ensuremath{\surd}",
    "∞": r"\ensuremath{\infty}",
    "ℓ": r"\ensuremath{\ell}",
    "∪": r"\ensuremath{\cup}",
    "∘": r"\ensuremath{\circ}",
    "‖": r"\ensuremath{\Vert}",
    "²": r"\ensuremath{^2}",
    "³": r"\ensuremath{^3}",
    "⁻": r"\ensuremath{^{-}}",
    "⁺": r"\ensuremath{^{+}}",
    "¹": r"\ensuremath{^1}",
    "₀": r"\ensuremath{_0}",
    "₁": r"\ensuremath{_1}",
    "₂": r"\ensuremath{_2}",
    "½": r"\ensuremath{\frac12}",
    "’": "'",
    "‘": "`",
    "“": "``",
    "”": "''",
    "\u00a0": "~",
    "\u2009": r"\,",
    "\u202f": r"\,",
}
_GREEK = {
    "α": "alpha",
    "β": "beta",
    "γ": "gamma",
    "δ": "delta",
    "ε": "varepsilon",
    "η": "eta",
    "θ": "theta",
    "κ": "kappa",
    "λ": "lambda",
    "μ": "mu",
    "ν": "nu",
    "ρ": "rho",
    "σ": "sigma",
    "τ": "tau",
    "χ": "chi",
    "Δ": "Delta",
    "Θ": "Theta",
    "Σ": "Sigma",
    "Φ": "Phi",
}

_SYMBOLS = (
    ("T_esc_th", r"\ensuremath{T_{\mathrm{esc}}^{\mathrm{th}}}"),
    ("T_escape", r"\ensuremath{T_{\mathrm{escape}}}"),
    ("T_grok", r"\ensuremath{T_{\mathrm{grok}}}"),
    ("T_mem", r"\ensuremath{T_{\mathrm{mem}}}"),
    ("V_final", r"\ensuremath{V_{\mathrm{final}}}"),
    ("V_grok", r"\ensuremath{V_{\mathrm{grok}}}"),
    ("V_mem", r"\ensuremath{V_{\mathrm{mem}}}"),
    ("V_post", r"\ensuremath{V_{\mathrm{post}}}"),
    ("V_0", r"\ensuremath{V_0}"),
)


def escape(text: object) -> str:
    """Any text as TeX: specials escaped, Greek and mathematical signs and T_mem, V_final, … as mathematics.

    A character outside ASCII with no known spelling is kept: pdfTeX reads UTF-8 and names what it cannot set.
    """
    # A hyphen before a number is a minus sign; within a word or a range it is not.
    return symbols(re.sub(r"(?<![\w.)-])-(?=\d)", "−", str(text)))


def symbols(text: str) -> str:
    """`text` escaped, with the study's quantities (T_grok, V_mem, …) set as mathematics."""
    for word, tex in _SYMBOLS:
        if word in text:
            before, _, after = text.partition(word)
            return symbols(before) + tex + symbols(after)
    return "".join(_character(c) for c in text)


def _character(c: str) -> str:
    if c in _GREEK:
        return rf"\ensuremath{{\{_GREEK[c]}}}"
    return _SPECIAL.get(c, c)


def printed(tex: str) -> int:
    """About how many characters TeX prints: a command is one; `\\ensuremath`, colours and braces are none."""
    bare = re.sub(r"\\textcolor\{\w+\}|\\ensuremath", "", tex)
    return len(re.sub(r"[${}^_]", "", re.sub(r"\\([a-zA-Z]+ ?|.)", "x", bare)))


def _missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and not math.isfinite(value))


def number(value: float | int | None, digits: int = 3, half_width: float | None = None) -> str:
    """A measured number, right in text and in mathematics alike.

    With `half_width` (of its interval) the last digit shown is the second digit of that width, never more than 5
    significant digits; otherwise `digits` significant ones. Whole numbers of 1,000 and more get separators; below
    1e-3 and from 1e6 on, powers of ten. NaN and None give `NOTHING`.
    """
    if value is None or _missing(value):
        return NOTHING
    value = float(value)
    if value == 0:
        return "0"
    magnitude = math.floor(math.log10(abs(value)))
    if half_width and math.isfinite(half_width) and half_width > 0:
        last = math.floor(math.log10(half_width)) - 1
        digits = min(max(magnitude - last + 1, 2), 5)
    rounded = float(f"{value:.{digits - 1}e}")
    if rounded == 0:
        return "0"
    magnitude = math.floor(math.log10(abs(rounded)))
    if not -3 <= magnitude < 6:
        mantissa = f"{rounded / 10.0**magnitude:.{digits - 1}f}"
        factor = "" if float(mantissa) == 1 else rf"{mantissa}\times "
        return rf"\ensuremath{{{factor}10^{{{magnitude}}}}}"
    decimals = max(digits - 1 - magnitude, 0)
    # Whole steps are shown whole: rounding 1,843 to three digits would invent a zero.
    shown = rounded if decimals else value
    text = f"{shown:,.{decimals}f}".replace(",", "{,}")
    return text if shown >= 0 else rf"\ensuremath{{-{text[1:]}}}"


def exact(value: float | int | str | bool | None) -> str:
    """A setting, as it was given: 0.001 → 10⁻³, 2000.0 → 2,000, true → yes, text escaped."""
    if value is None or _missing(value):
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return escape(value)
    value = float(value)
    if value == int(value) and abs(value) < 1e7:
        return f"{int(value):,}".replace(",", "{,}").replace("-", r"\ensuremath{-}")
    magnitude = math.floor(math.log10(abs(value)))
    if magnitude < -2 or magnitude >= 7:
        mantissa = f"{value / 10.0**magnitude:.6g}"
        factor = "" if mantissa == "1" else rf"{mantissa}\times "
        return rf"\ensuremath{{{factor}10^{{{magnitude}}}}}"
    text = f"{value:.10g}"
    return text if value >= 0 else rf"\ensuremath{{-{text[1:]}}}"


def interval(low: float | None, high: float | None, digits: int = 3) -> str:
    """[low, high], both to the precision that their distance deserves; ∞ for an infinite end, -- for an unknown one."""
    ends = [None if _missing(end) and not _infinite(end) else end for end in (low, high)]
    if ends == [None, None]:
        return NOTHING
    known = [end for end in ends if end is not None and not _infinite(end)]
    width = (known[1] - known[0]) / 2 if len(known) == 2 else None
    words = [
        _infinity(end) if end is not None and _infinite(end) else number(end, digits, width)
        for end in ends
    ]
    return f"[{words[0]}, {words[1]}]"


def _infinite(end: float | None) -> bool:
    return end is not None and math.isinf(end)


def _infinity(end: float) -> str:
    return rf"\ensuremath{{{'-' if end < 0 else ''}\infty}}"


def listing(values: Iterable, word: str = "and") -> str:
    """0.1, 0.3 and 1: distinct values in order, each as given; long runs of whole numbers as a range."""
    shown = sorted({v for v in values if not _missing(v)}, key=lambda v: (isinstance(v, str), v))
    if not shown:
        return NOTHING
    whole = all(not isinstance(v, str | bool) and float(v).is_integer() for v in shown)
    if whole and len(shown) > 3 and shown[-1] - shown[0] == len(shown) - 1:
        return f"{exact(shown[0])}--{exact(shown[-1])}"
    parts = [exact(v) for v in shown]
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} {word} {parts[-1]}"


def estimate(found: Mapping | None, bounds: bool = True) -> str:
    """An estimate of the laws as `value [low, high]`; NOTHING without a value, no interval where none is known."""
    if found is None or found["value"] is None:
        return NOTHING
    low, high = found["low"], found["high"]
    width = (high - low) / 2 if low is not None and high is not None else None
    shown = number(found["value"], half_width=width)
    if not bounds or (low is None and high is None):
        return shown
    return f"{shown} {interval(low, high)}"


_COUNTS = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
]


def stacked(words: str) -> str:
    """The first word above the others, for the head of a narrow column."""
    first, _, rest = words.partition(" ")
    return rf"\makecell{{{escape(first)}\\{escape(rest)}}}" if rest else escape(first)


def count(value: int, noun: str = "", plural: str | None = None) -> str:
    """`3, "run"` → "three runs": small counts in words, as prose has them."""
    shown = _COUNTS[value] if 0 <= value < len(_COUNTS) else exact(int(value))
    if not noun:
        return shown
    return f"{shown} {noun if value == 1 else plural or noun + 's'}"
