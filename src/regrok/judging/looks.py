"""How a verdict looks as a tile of the ledger at a glance, in README's picture and in the paper's figure."""

from __future__ import annotations

from regrok.study.words import (
    DIRECTION,
    INCONCLUSIVE,
    NO_SUCH_RUN,
    NOT_REPRODUCED,
    REPRODUCED,
    UNDERSPECIFIED,
)

LOOKS = {
    REPRODUCED: ("R", "#1b7837", "#ffffff"),
    DIRECTION: ("d", "#a6dba0", "#1f2328"),
    INCONCLUSIVE: ("?", "#e3e3e3", "#1f2328"),
    NOT_REPRODUCED: ("X", "#b2182b", "#ffffff"),
    UNDERSPECIFIED: ("U", "#c9b3e0", "#1f2328"),
    NO_SUCH_RUN: ("0", "#ffffff", "#1f2328"),
}
"""Verdict → the letter in its tile, the tile's colour, the letter's; told apart without colour too."""
