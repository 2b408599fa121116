"""Test and retest: earlier trainings of the same runs, judged by today's laws and rules beside those that ship.

The bundle's history in git holds runs of the same settings and seeds that code of other rounding trained. Training
amplifies a last digit, so two trainings differ as two machines would; how many verdicts differ between them is how
often a verdict here is that of the rounding.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from regrok.checkout import ROOT, NoCommit, ask
from regrok.errors import RegrokError
from regrok.files import parquet_bytes, read_fits, write_atomically, write_json
from regrok.judging.verdicts import judge
from regrok.laws.parts import estimate as est
from regrok.released import bundle, commits, fill
from regrok.released.added import chosen
from regrok.released.completed import completed
from regrok.runs import frames as frame_files
from regrok.runs.frames import Frames
from regrok.study.blocks import Config
from regrok.study.claims import Claim, load_claims
from regrok.study.plan import make_plan
from regrok.study.published import load_published
from regrok.study.words import OUT_OF_SCOPE
from regrok.tables import Material, buildable, scope, write_table

PROVENANCE = "provenance.json"
EVENTS = ("T_mem", "T_grok")
KEPT = ("verdict", "value", "low", "high", "n")
"""What of a judgement is kept of either training."""


def frames_at(commit: str, scale: str) -> tuple[Frames, list[str]]:
    """The frames that the bundle held of a scale in a commit, and the commits whose code trained them.

    Raises RegrokError when there is no such commit, or no released run of the scale in it.
    """
    place = f"{commit}:{bundle.RELEASED.as_posix()}/{scale}"
    try:
        with tempfile.TemporaryDirectory(prefix="regrok-commit-") as folder:
            for name in (*bundle.FRAME_FILES, PROVENANCE):
                write_atomically(Path(folder) / name, ask("show", f"{place}/{name}", folder=ROOT))
            frames = frame_files.load(folder)
            record = json.loads((Path(folder) / PROVENANCE).read_text(encoding="utf-8"))
    except NoCommit as error:
        raise RegrokError(
            f"commit {commit[:12]} holds no released runs of the {scale} scale ({error}); those that do: "
            f"git log --oneline -- {bundle.RELEASED.as_posix()}/{scale}/runs.parquet"
        ) from error
    return frames, list(dict.fromkeys(part["commit"] for part in record["training"]))


def retest(
    then: Frames,
    config: Config,
    studies: Path,
    folder: Path,
    workers: int | None = None,
) -> dict[str, Any]:
    """What an earlier training of a scale's runs says, beside the one that ships; only runs of both take part.

    then: the earlier frames. config: what is asked now (`again.config_again`). Returns `runs` (common, and how many
    each training has), `outcomes` (equal, of), for each of `EVENTS` how its step compares, `compared` and `corrected`
    (the claims that were judged, those that stand and those that others took the place of), and `differ`: the claims
    whose verdict is another one, with value, interval and n of `now` and `then`. Raises RegrokError when the two
    trainings have no run in common.
    """
    now = bundle.frames_of(folder, config.scale)
    planned = make_plan(config).runs
    common = set(now.runs["run_id"]) & set(then.runs["run_id"]) & set(planned)
    if not common:
        raise RegrokError(f"{folder / config.scale}: no run of it was trained in that commit")
    both = {
        side: completed(chosen(frames, common), planned)
        for side, frames in (("now", now), ("then", then))
    }
    # The same runs serve today's experiments in both.
    both["then"] = replace(both["then"], experiments=both["now"].experiments)
    return {
        "runs": {"common": len(common), "now": len(now.runs), "then": len(then.runs)},
        **compared_runs(both["now"].runs, both["then"].runs),
        **compared_claims(both, config, studies, workers),
    }


def compared_runs(now: pd.DataFrame, then: pd.DataFrame) -> dict[str, Any]:
    """Run by run: outcomes that are equal, and for each event of both trainings the ratio of its steps, then to now.

    Both frames have the same run_ids. median and maximum are of |log ratio|; ratio is the geometric mean with its
    interval over runs, 1 without a bias.
    """
    pairs = now.merge(then, on="run_id", suffixes=("_now", "_then"))
    equal = int((pairs["outcome_now"] == pairs["outcome_then"]).sum())
    found: dict[str, Any] = {"outcomes": {"equal": equal, "of": len(pairs)}}
    for event in EVENTS:
        one, other = (pairs[f"{event}_{side}"].to_numpy(float) for side in ("now", "then"))
        reached = (one > 0) & (other > 0)
        ratio = other[reached] / one[reached]
        away = np.abs(np.log(ratio))
        found[event] = {
            "equal": int((ratio == 1).sum()),
            "of": int(reached.sum()),
            "median": float(np.median(away)) if away.size else None,
            "maximum": float(away.max()) if away.size else None,
            "ratio": est.json_of(est.mean(ratio, log=True)),
        }
    return found


def compared_claims(
    both: Mapping[str, Frames], config: Config, studies: Path, workers: int | None
) -> dict[str, Any]:
    """The claims that both trainings judge, and those whose verdicts differ."""
    claims = load_claims(config, studies)
    published = load_published(config, studies, claims)
    fits = {name for claim in claims.claims for name in fits_of(claim)}
    used = {name: fit for name, fit in config.fits.items() if name in fits}
    # What rests on no run is the same in both.
    part = config.model_copy(update={"fits": used, "computations": {}})
    estimates: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory(prefix="regrok-retest-") as scrap:
        for side, frames in both.items():
            made = Path(scrap) / side
            for name in frame_files.NAMES:
                content = parquet_bytes(getattr(frames, name))
                write_atomically(made / f"{name}.parquet", content)
            fill.refit(made, part, published, workers)
            read = read_fits(made / "fits" / f"{name}.json" for name in part.fits)
            estimates[side] = {k: v for fit in read.values() for k, v in fit["estimates"].items()}
    ran = set(both["now"].experiments["experiment"])
    of_runs = [claim for claim in claims.claims if all(map(part.fits.get, fits_of(claim)))]
    judged = {
        claim.id: {side: judge(claim, estimates[side], config.scale, ran) for side in both}
        for claim in of_runs
    }
    judged = {
        k: v
        for k, v in judged.items()
        if OUT_OF_SCOPE not in (v["now"]["verdict"], v["then"]["verdict"])
    }
    standing = {claim.id for claim in claims.claims if claim.correction is None}
    return {
        "compared": [name for name in judged if name in standing],
        "corrected": [name for name in judged if name not in standing],
        "differ": [
            {"id": name, **{side: {key: found[side][key] for key in KEPT} for side in both}}
            for name, found in judged.items()
            if found["now"]["verdict"] != found["then"]["verdict"]
        ],
    }


def fits_of(claim: Claim) -> list[str]:
    """The fits, or the computations, whose estimates decide a claim."""
    keys = [claim.estimand, *([claim.direction.estimand] if claim.direction else [])]
    return [key.partition(".")[0] for key in keys]


# Into the bundle --------------------------------------------------------------------------------------------------


def add_retests(
    names: Iterable[str],
    config: Config,
    studies: Path | str,
    folder: Path | str = bundle.RELEASED,
    workers: int | None = None,
) -> Path:
    """Compare a scale's runs with those of earlier commits, and write the outcome into the bundle; retest.json there.

    names: commits. An entry of the same commit is replaced; those of other commits are kept while the bundle has the
    runs that they were compared with. Raises RegrokError, and leaves the bundle as it was, for a commit that holds no
    run of the scale.
    """
    folder, studies = Path(folder), Path(studies)
    part = folder / config.scale
    bundle.refuse_absent(folder, config.scale)
    bundle.refuse_damage(folder)
    made: dict[str, dict[str, Any]] = {}
    for name in names:
        commit = commits.resolve(name)
        then, trained_by = frames_at(commit, config.scale)
        about = {"commit": commit, "trained_by": trained_by}
        made[commit] = {**about, **retest(then, config, studies, folder, workers)}
    runs = bundle.sha256(part / "runs.parquet")
    old = bundle.retest(part)
    before = {each["commit"]: each for each in old["retests"]} if old.get("runs") == runs else {}
    content = {
        "scale": config.scale,
        "runs": runs,
        "ledger": bundle.sha256(part / "ledger.json"),
        "retests": list((before | made).values()),
    }
    put_in_place(content, config, folder)
    return part / bundle.RETEST


def put_in_place(content: Mapping[str, Any], config: Config, folder: Path) -> None:
    """Write retest.json and the tables that show it, of this scale and of the others."""
    with tempfile.TemporaryDirectory(prefix=".retest-", dir=folder.parent) as scrap:
        made = Path(scrap) / config.scale
        shutil.copytree(folder / config.scale, made)
        write_json(content, made / bundle.RETEST)
        retests = {**bundle.retests(folder), config.scale: content}
        material = Material(None, {}, {}, scope(config), retests=retests)
        for name in buildable(config):
            entry = config.tables[name]
            if entry.build == "retest":
                csv = made / "tables" / f"{name}.csv"
                write_table(name, entry, material, Path(scrap) / "table.tex", csv)
                for other in {*bundle.scales(folder)} - {config.scale}:
                    write_atomically(folder / other / "tables" / csv.name, csv.read_bytes())
        fill.put_in_place(made, folder)


def checked(part: Path) -> list[str]:
    """Lines that say what a scale's retests found; none where there are none.

    Raises RegrokError where they compared other runs than the folder holds.
    """
    content = bundle.retest(part)
    if not content:
        return []
    names = " ".join(each["commit"][:12] for each in content["retests"])
    again = f"regrok retest {names} --scale {content['scale']}"
    if content["runs"] != bundle.sha256(part / "runs.parquet"):
        raise RegrokError(
            f"{part / bundle.RETEST}: made of other runs than {part} holds; make it again: {again}"
        )
    lines = []
    for each in content["retests"]:
        differ = sum(claim["id"] in each["compared"] for claim in each["differ"])
        lines.append(
            f"{part}: {differ} of {len(each['compared'])} verdicts differ where the {each['runs']['common']} runs that "
            f"commit {each['commit'][:12]} holds too are judged"
        )
    if content["ledger"] != bundle.sha256(part / "ledger.json"):
        lines.append(f"{part}: the ledger was made anew since; compare again: {again}")
    return lines
