"""What LaTeX gets of the environment: where programs and the network are, and none of the user's settings of TeX.

TeX, BibTeX and latexmk read some eighty variables (TEXINPUTS, BIBINPUTS, TEXMFHOME, max_print_line, openout_any …),
a folder of the user's own packages, and rc files. Any of them can put another package, a shorter log or another folder
in the place of ours, so that the same sources give another paper. What is not listed here is not passed on.
"""

from __future__ import annotations

from collections.abc import Mapping

EPOCH = "1767225600"
"""SOURCE_DATE_EPOCH of the PDF, in seconds: the same input gives the same bytes, whatever the environment says."""

KEPT = frozenset(
    {
        *("PATH", "HOME", "USER", "TMPDIR", "TEMP", "TMP", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"),
        *("SYSTEMROOT", "COMSPEC", "PATHEXT", "USERPROFILE", "APPDATA", "LOCALAPPDATA"),
        # Tectonic fetches its packages, and keeps them.
        *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"),
        *("TECTONIC_CACHE_DIR", "XDG_CACHE_HOME"),
    }
)
"""Variables that are passed on, in capitals."""


def surroundings(environment: Mapping[str, str], scratch: str) -> dict[str, str]:
    """The environment of LaTeX's processes.

    scratch: a folder that stands for the user's own trees of packages, formats and fonts, relative to where LaTeX runs:
    TeX would split an absolute path at a comma or a colon. It may be absent; a bitmap font that TeX makes goes there.
    """
    kept = {name: value for name, value in environment.items() if name.upper() in KEPT}
    trees = dict.fromkeys(("TEXMFHOME", "TEXMFCONFIG", "TEXMFVAR"), scratch)
    return {
        **kept,
        **trees,
        "SOURCE_DATE_EPOCH": EPOCH,
        "FORCE_SOURCE_DATE": "1",
        "TZ": "UTC",
        "LC_ALL": "C",
        # Long lines in the log, so that file names and messages are not broken in two.
        "max_print_line": "10000",
    }
