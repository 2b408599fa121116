"""The laws: pure functions from frames of runs to estimates with intervals. One module per law.

Each module has

    fit(frames, options, seed) -> {"estimates", "points", "cells"}

or `fit(frames, options, seed, published)` where it names in `PUBLISHED` what it reads of the paper's own cells. A law
that reads a probe names its module in `NEEDS` ({"probes": ["commutator_defect"]}) and finds the tables of its block's
probes in `frames.probes`; one that was neither made nor released is there without a column but run_id.

`estimates` maps a key to an Estimate (regrok.laws.parts.estimate), `points` and `cells` are lists of small records that
figures and tables show; `run_fit` makes JSON of it. What cannot be estimated from the runs at hand is there with value
null and a reason. A new law is a new module here and a block under `fits` in
a study.
"""

from __future__ import annotations

import importlib
import pkgutil
import zlib
from collections.abc import Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pandas as pd

from regrok.errors import RegrokError
from regrok.runs.columns import RUNS
from regrok.runs.frames import Frames, asked
from regrok.study.messages import nearest

if TYPE_CHECKING:
    from regrok.laws.parts.estimate import Result

# scipy is loaded where something is fitted: figures and the comparison pass through here.


def laws() -> list[str]:
    """Names of the laws."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.ispkg)


def law(name: str) -> ModuleType:
    """The module of a law. Raises RegrokError with the nearest name for one that is not there."""
    if name not in laws():
        raise RegrokError(f"law = '{name}': there is no such law.{nearest(name, laws())}")
    return importlib.import_module(f"{__name__}.{name}")


def run_fit(
    name: str,
    entry: Any,
    frames: Frames,
    fits: Mapping[str, Any] | None = None,
    published: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Fit one entry of a study's `fits` to the runs of its experiments (all runs when it lists none).

    entry: anything with `law`, `experiments`, `options` and, where it reads some, `probes`. fits: the whole section,
    which the law `robustness` alone reads. published: experiment → its published cells, for a law with `PUBLISHED`.

    Returns {"fit", "law", "experiments", "options", "runs", "estimates", "points", "cells"}, and "probes" of a law that
    reads some, with every estimate's key prefixed by the fit's name. `runs` are the sorted ids of the runs that were
    read. Raises RegrokError for an unknown law, option or group, or an absent column of the runs, naming the fit.
    """
    from regrok.laws.parts.estimate import json_of

    made: Result
    frames = asked(frames)
    probes = list(getattr(entry, "probes", ()))
    try:
        module = law(entry.law)
        if entry.law == "robustness":
            made = module.fit_variants(frames, fits or {}, entry.options, published or {})
            members = frames.experiments
        else:
            members = frames.experiments
            if entry.experiments:
                members = members[members["experiment"].isin(entry.experiments)]
            own = Frames(
                runs=with_previous(chosen(frames.runs, members)),
                curves=chosen(frames.curves, members),
                experiments=members.reset_index(drop=True),
                spectra=chosen(frames.spectra, members),
                # Without one that was neither made nor released the law says what it lacks.
                probes={probe: chosen(frames.probes.get(probe), members) for probe in probes},
            )
            # A seed of the fit's own, so that adding a fit moves no other fit's interval.
            given = [published or {}] if hasattr(module, "PUBLISHED") else []
            made = module.fit(own, entry.options, zlib.crc32(name.encode()), *given)
    except RegrokError as error:
        raise RegrokError(f"fits.{name}: {error}") from error
    except KeyError as error:
        column = str(error.args[0]) if error.args else ""
        if column not in RUNS or column in frames.runs:
            raise
        raise RegrokError(
            f"fits.{name}: runs.parquet has no column '{column}', which law {entry.law} reads; build it again: "
            "snakemake --cores all"
        ) from error
    return {
        "fit": name,
        "law": entry.law,
        "experiments": list(entry.experiments),
        "options": dict(entry.options),
        **({"probes": probes} if probes else {}),
        "runs": sorted(set(members["run_id"])),
        **json_of(made),
        "estimates": {f"{name}.{key}": json_of(value) for key, value in made["estimates"].items()},
    }


def chosen(frame: pd.DataFrame | None, members: pd.DataFrame) -> pd.DataFrame:
    """The rows of the members' runs, sorted so that the order on disk decides nothing; an absent frame is empty."""
    if frame is None or "run_id" not in frame:
        return pd.DataFrame({"run_id": []})
    order = [c for c in ("run_id", "step", "kind", "index") if c in frame]
    return frame[frame["run_id"].isin(members["run_id"])].sort_values(order, ignore_index=True)


def with_previous(runs: pd.DataFrame) -> pd.DataFrame:
    """Add T_mem_previous and T_grok_previous, the .99 thresholds' lower ends, unless a variant has set them."""
    return runs.assign(
        **{
            f"{event}_previous": runs[f"{event}_99_previous"]
            for event in ("T_mem", "T_grok")
            if f"{event}_previous" not in runs and f"{event}_99_previous" in runs
        }
    )
