"""Where the sources can be read online, for the paper's links from each figure to the file that draws it.

CITATION.cff may say it (`repository-code`); else the address that the checkout was cloned from is taken, if it is one
of a known hosting service. A folder on somebody's machine, a user's name or a token never gets into the paper.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from regrok import checkout
from regrok.checkout import NoCommit
from regrok.errors import RegrokError

SSH = re.compile(r"(?:ssh://)?[\w.-]+@(?P<host>[\w.-]+)(?::\d+/|[:/])(?P<path>[\w./-]+)")
"""git@host:owner/name.git and ssh://git@host/owner/name.git"""


def source_links(root: Path | str = ".") -> str | None:
    """The address that a source file's path is appended to; None when the sources are only beside the PDF.

    Raises RegrokError when CITATION.cff gives an address that no link can be made of.
    """
    cited = _cited(Path(root) / "CITATION.cff")
    if cited is not None:
        links = links_within(cited)
        if links is None:
            raise RegrokError(
                f"CITATION.cff: repository-code = {cited!r}; give the https address of the repository at a "
                "hosting service whose name contains github or gitlab, or leave the line out"
            )
        return links
    return links_within(_cloned_from(root))


def links_within(address: str | None) -> str | None:
    """The folder of a repository's newest sources at its hosting service; None for any other address.

    `HEAD` is the default branch there, so that the same sources give the same PDF whatever the branch is called.
    """
    if not address:
        return None
    ssh = SSH.fullmatch(address)
    if ssh:
        host, path = ssh["host"], ssh["path"]
    else:
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            return None
        # Without what may stand before the host: a user's name, a token.
        host, path = parts.hostname, parts.path
    path = path.strip("/").removesuffix(".git")
    if path.count("/") < 1:
        return None
    for service, folder in (("github", "blob/HEAD"), ("gitlab", "-/blob/HEAD")):
        if service in host:
            return f"https://{host}/{path}/{folder}"
    return None


def _cited(path: Path) -> str | None:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8")).get("repository-code")
    except FileNotFoundError:
        return None
    except (yaml.YAMLError, AttributeError) as error:
        raise RegrokError(f"{path} cannot be read: {error}") from error


def _cloned_from(root: Path | str) -> str | None:
    """Not the address of another repository around the project's folder."""
    try:
        checkout.refuse_another(root)
        return checkout.ask("remote", "get-url", "origin", folder=root).decode().strip()
    except (NoCommit, UnicodeDecodeError):
        return None
