"""Output to a terminal or a pipe that cannot show every character: it degrades, and never ends a command."""

from __future__ import annotations

import codecs
import logging
import sys
from typing import TextIO

PLAIN = "regrok.plain"
"""Name of the codecs' error handler `plain`."""

SAID = {
    "η": "eta",
    "λ": "lambda",
    "θ": "theta",
    "β": "beta",
    "γ": "gamma",
    "ε": "epsilon",
    "σ": "sigma",
    "τ": "tau",
    "α": "alpha",
    "ρ": "rho",
    "κ": "kappa",
    "Δ": "Delta",
    "‖": "||",
    "₂": "2",
    "²": "^2",
    "³": "^3",
    "×": "x",
    "·": "*",
    "±": "+-",
    "−": "-",
    "–": "-",
    "—": "-",
    "‑": "-",
    "≤": "<=",
    "≥": ">=",
    "≈": "~",
    "≠": "!=",
    "→": "->",
    "←": "<-",
    "…": "...",
    "“": '"',
    "”": '"',
    "‘": "'",
    "’": "'",
    "∞": "inf",
    "√": "sqrt",
    "∈": "in",
}
"""How a character is written in ASCII; one without an entry is escaped, as in \\u2020."""


def plain(error: UnicodeError) -> tuple[str | bytes, int]:
    """An error handler of codecs: what a stream cannot encode, in ASCII."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    refused = error.object[error.start : error.end]
    written = "".join(
        SAID.get(character) or character.encode("ascii", "backslashreplace").decode("ascii")
        for character in refused
    )
    return written, error.end


codecs.register_error(PLAIN, plain)


def degrade(*streams: TextIO) -> None:
    """Have the streams (default: stdout and stderr) write in ASCII what their encoding has no character for."""
    for stream in streams or (sys.stdout, sys.stderr):
        # A stand-in of a test or of a notebook may be no text over bytes, and then refuses nothing.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=PLAIN)


def logs_in_utf8(logger: logging.Logger) -> None:
    """Have a logger's log files hold every character: opened without an encoding they have the locale's."""
    for handler in logger.handlers:
        if isinstance(handler, logging.FileHandler) and handler.stream is not None:
            handler.stream.reconfigure(encoding="utf-8", errors="backslashreplace")
