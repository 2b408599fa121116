"""After a release of one scale: what the bundle's other scales say of the verdicts that lead.

Numbers and tables of a scale name the verdicts of larger ones, so a new ledger makes those of the others out of date.
They are written anew from the fits and the ledger that are there; no law is fitted.
"""

from __future__ import annotations

from pathlib import Path

from regrok.errors import RegrokError
from regrok.released import bundle
from regrok.released.fill import describe_bundle, tell
from regrok.released.verify import read_json
from regrok.runs import frames as frame_files
from regrok.study.claims import load_claims
from regrok.study.published import load_published
from regrok.study.written import written_config
from regrok.tables import buildable, reads


def follow(folder: Path | str, scale: str, studies: Path | str) -> dict[str, str]:
    """Bring the other scales up to date with the ledger of `scale`, and seal the bundle.

    studies: the folder of the studies. Returns scale → why it could not be: its analysis is of other studies than
    these, so it has to be made again as a whole (`regrok release --again`).
    """
    folder = Path(folder)
    behind = {}
    for other in bundle.scales(folder):
        if other == scale:
            continue
        try:
            _follow(folder, folder / other, Path(studies))
        except (
            RegrokError,
            ValueError,
        ) as error:  # ValueError: a configuration of before a key was changed
            behind[other] = str(error).partition("\n")[0]
    describe_bundle(folder)
    return behind


def _follow(folder: Path, part: Path, studies: Path) -> None:
    config = written_config(part)
    published = load_published(config, studies, load_claims(config, studies))
    shown = [n for n in buildable(config) if "elsewhere" in reads(config.tables[n].build)]
    fits = bundle.results(part)
    judged = read_json(part / "ledger.json")
    tell(part, config, published, folder, frame_files.load(part), fits, judged, shown)
