"""The paper's sources as a tarball that arXiv compiles: plain pdflatex, no BibTeX, nothing from outside the folder.

It is the folder that the build assembled (regrok.paper.assemble), with the bibliography as BibTeX made it. The same
paper gives the same bytes: files in a fixed order, one date, no owner.
"""

from __future__ import annotations

import gzip
import io
import re
import tarfile
from pathlib import Path

from regrok.errors import RegrokError
from regrok.files import write_atomically
from regrok.paper.surroundings import EPOCH
from regrok.paper.texts import argument
from regrok.paper.typeset import BUILD

ESSENTIAL = ("main.tex", "regrok.sty", "numbers.tex", "scope.tex", "studies.tex")
"""Without these the folder is not an assembled one."""

ABSOLUTE = re.compile(rb"(?:/(?:home|root|Users|tmp|mnt|srv|var|opt)/|[A-Z]:\\)[^\s{}]*")
"""A path on somebody's machine."""

LINK = re.compile(r"\\regrokset\{link\}\{[^}]*\}\{\.\..*\}\n")
"""A figure's link to its source beside the PDF: on arXiv there is nothing beside it."""


KINDS = (".tex", ".sty", ".pdf")
"""What of the folder LaTeX reads."""


def sources(folder: Path | str, anonymous: bool = False) -> dict[str, bytes]:
    """Name in the tarball → content, sorted by name.

    folder: what a finished build assembled and typeset. anonymous: main.tex keeps the anonymous side of each
    `\\ifanonymous` alone, so that the sources name nobody either. Raises RegrokError naming a file that is missing, or
    that holds a path of this machine.
    """
    folder = Path(folder)
    bibliography = folder / BUILD / "main.bbl"
    for path in (*(folder / name for name in ESSENTIAL), bibliography):
        if not path.is_file():
            raise RegrokError(
                f"{path} does not exist; build the paper with latexmk first: snakemake --cores all"
            )
    made = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.suffix in KINDS and BUILD not in path.relative_to(folder).parts
    }
    made["main.bbl"] = bibliography.read_bytes()
    if anonymous:
        made["main.tex"] = anonymised(made["main.tex"].decode()).encode()
    made["scope.tex"] = LINK.sub("", made["scope.tex"].decode()).encode()
    for name, content in made.items():
        found = ABSOLUTE.search(content) if not name.endswith(".pdf") else None
        if found:
            raise RegrokError(
                f"{folder / name} holds a path of this machine: {found[0].decode(errors='replace')}"
            )
    return dict(sorted(made.items()))


def pack(folder: Path | str, out: Path | str, anonymous: bool = False) -> Path:
    """Write the tarball of `sources`; its date is the PDF's own. Returns its path."""
    epoch = int(EPOCH)
    buffer = io.BytesIO()
    # Without a name in gzip's header, and its date fixed.
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=buffer, mtime=epoch) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for name, content in sources(folder, anonymous).items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime, entry.mode = len(content), epoch, 0o644
            archive.addfile(entry, io.BytesIO(content))
    out = Path(out)
    write_atomically(out, buffer.getvalue())
    return out


def anonymised(text: str) -> str:
    """TeX with each `\\ifanonymous{first}{second}` replaced by its first argument."""
    macro = r"\ifanonymous"
    start = text.find(macro)
    while start >= 0:
        try:
            first = argument(text, start + len(macro))
            second = argument(text, first[1] + 1)
        except ValueError as error:
            raise RegrokError(f"main.tex: \\ifanonymous: {error}") from None
        text = text[:start] + text[slice(*first)] + text[second[1] + 1 :]
        start = text.find(macro, start)
    return text
