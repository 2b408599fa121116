"""Which code a run was trained by: fingerprints of the present code, and of what is proven equal to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from regrok.files import whole


@dataclass(frozen=True)
class Equal:
    """One piece of code, and what is proven to do the same to the bit."""

    code: str
    """Fingerprint of the present code."""
    equal: tuple[str, ...]
    """All equal fingerprints in the order in which they were written down, the present code's among them."""

    @property
    def name(self) -> str:
        """One name for all that is equal."""
        return self.equal[0]


@dataclass(frozen=True)
class TrainedBy:
    """The code that trains some runs."""

    trainer: Equal
    observables: Mapping[str, Equal] = field(default_factory=dict)
    """The code of each observable. One that is not here is taken as it is."""

    @classmethod
    def named(cls, name: str) -> TrainedBy:
        """Code of which only a name is known."""
        return cls(Equal(name, (name,)))


def present(root: Path | str, code: TrainedBy, run_id: str) -> bool:
    """Whether the store has a finished run's file that is not cut off (the Snakefile asks this for every run)."""
    return any(whole(Path(root) / each / f"{run_id}.parquet") for each in code.trainer.equal)
