"""What the site shows: the build of the configured scale, else its reanalysis, else the released bundle.

The scales that the build is not of come from the bundle, as everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regrok.errors import RegrokError
from regrok.released import bundle
from regrok.study.claims import unjudged
from regrok.study.words import OUT_OF_SCOPE
from regrok.study.written import folder_of, results_folder

if TYPE_CHECKING:
    from regrok.runs.frames import Frames
    from regrok.study.blocks import Config
    from regrok.study.claims import Claims

NEEDED = ("ledger.json", "runs.parquet", "curves.parquet", "experiments.parquet")
"""Files without which a folder of results is no finished build."""


@dataclass(frozen=True)
class Source:
    """What is read, and from where."""

    config: Config
    """The configuration; its source says where the runs of the build came from."""
    folder: Path | None
    """The results of a build at hand; None: only what is released is shown."""
    bundle: Path
    """The released bundle; it may be absent where there is a build."""

    @property
    def words(self) -> str:
        """Where the site's content comes from, in a few words."""
        if self.folder is None:
            return f"the released bundle, {self.bundle}"
        others = f"; other scales from {self.bundle}" if self.elsewhere else ""
        return f"the build of the {self.config.scale} scale, {self.folder}{others}"

    @property
    def elsewhere(self) -> list[str]:
        """Scales that are shown as they were released."""
        held = bundle.scales(self.bundle)
        return [scale for scale in held if self.folder is None or scale != self.config.scale]

    def folders(self) -> dict[str, Path]:
        """Scale → where its frames and its ledger are: this build's, then those that were released."""
        own = {} if self.folder is None else {str(self.config.scale): self.folder}
        return own | {scale: self.bundle / scale for scale in self.elsewhere}

    def ledger(self, claims: Claims) -> dict[str, Any]:
        """The build's ledger with an entry for every claim; where there is no build, none that is judged.

        Raises RegrokError for a file that is no ledger.
        """
        known: dict[str, Any] = {}
        if self.folder is not None:
            [made] = bundle.ledgers([self.folder / "ledger.json"]).values()
            known = {entry["id"]: entry for entry in made["claims"]}
        else:
            # What is out of every released scale's scope is so, and not unknown; what is judged there speaks itself.
            for made in self.released().values():
                left = [e for e in made["claims"] if e["verdict"] == OUT_OF_SCOPE]
                known |= {entry["id"]: entry for entry in left}
        entries = [known.get(claim.id) or unjudged(claim, claims) for claim in claims.claims]
        return {"scale": self.config.scale, "claims": entries}

    def released(self) -> dict[str, dict[str, Any]]:
        """Scale → released ledger. Raises RegrokError for a file that is no ledger."""
        return bundle.ledgers(self.bundle / scale / "ledger.json" for scale in self.elsewhere)

    def frames(self) -> dict[str, Frames]:
        """Scale → its runs. Raises RegrokError naming a file that cannot be read."""
        from regrok.runs.frames import load

        return {scale: load(folder) for scale, folder in self.folders().items()}


def find(config: Config, folder: Path | str = bundle.RELEASED) -> Source:
    """The source of a site of this configuration; `folder` holds the bundle.

    Raises RegrokError where there is neither a finished build nor a bundle.
    """
    folder = Path(folder)
    reanalysed = config.model_copy(update={"source": "released"})
    for each in (config, reanalysed):
        results = results_folder(each)
        if all((results / name).is_file() for name in NEEDED):
            return Source(each, results, folder)
    if not bundle.scales(folder):
        raise RegrokError(
            f"{folder_of(config, config.whole)} is no finished build and {folder} holds no runs, so there is nothing "
            "to show; build with make paper, or get the bundle with: git checkout -- results/released"
        )
    return Source(config, None, folder)
