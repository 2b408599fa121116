"""Whether the bundle is whole and says what its own runs and rules say; and whether a refit says the same.

`verify` reads the bundle alone: checksums, schemas, counts, data dictionary, and every verdict judged again from
the bundle's fits by the rules of the studies' claims.yaml. `reanalysed` compares with a build from the released runs,
in which every law was fitted again.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from regrok.computations import MADE_BY
from regrok.errors import RegrokError
from regrok.files import read_fits
from regrok.judging.ledger import ledger
from regrok.released import bundle, probes, retest
from regrok.released.dictionary import read_dictionary, unexplained
from regrok.runs import frames as frame_files
from regrok.runs.checks import check
from regrok.study.claims import Claims
from regrok.training.generations import declared

SAME = 1e-5
"""Two fits of the same runs agree when they differ by at most this share of the larger or of the interval's width:
the last digits of a sum, and where an iteration stops, depend on the processor and the library."""

JUDGED = ("estimand", "published_value", "verdict", "value", "low", "high", "level", "n", "runs")
"""What of a ledger's entry a rule and its fit decide; the rest is words."""


def verify(folder: Path | str, claims: Claims) -> list[str]:
    """Check the whole bundle by the rules of these claims; lines that say what was checked.

    Raises RegrokError naming what is wrong.
    """
    folder = Path(folder)
    lines = [f"{folder}: {bundle.refuse_damage(folder)} files match their checksums"]
    held = bundle.scales(folder)
    if not held:
        raise RegrokError(f"{folder}: no scale has been released")
    for scale in held:
        lines += verify_scale(folder, scale, claims)
    return lines


def verify_scale(folder: Path, scale: str, claims: Claims) -> list[str]:
    """Check one scale's frames, fits and ledger."""
    part = folder / scale
    frames = probes.frames_of(part)
    fits = bundle.results(part)
    shipped = read_json(part / "ledger.json")
    record = read_json(part / "provenance.json")
    try:
        check(frames, fits, shipped["claims"])
    except RegrokError as error:
        raise RegrokError(f"{part}: {error}") from error
    for name, expected in record["rows"].items():
        found = len(getattr(frames, name))
        if found != expected:
            raise RegrokError(
                f"{part}/{name}.parquet: {found:,} rows, but provenance.json says {expected:,}"
            )
    known = read_dictionary((folder / "dictionary.csv").read_text(encoding="utf-8"))
    if unknown := unexplained(known, frames, shipped, fits):
        raise RegrokError(f"{folder}/dictionary.csv does not explain {unknown[0]}")
    commits = trainers(frames, record, part)
    judged, later = judge_again(claims, fits, frames, shipped, part)
    computed = sum("compute" in made for made in fits.values())
    counts = f"{len(frames.runs):,} runs, {len(frames.curves):,} logged points, {len(fits) - computed} fits"
    counts += f", {computed} computations" if computed else ""
    whose = ", ".join(f"commit {each[:12]}" for each in commits)
    lines = [
        f"{part}: {counts}; schemas and counts hold, every column is in the data dictionary",
        f"{part}: trained by the code of {whose}, or by code that is proven to train the same bits",
        f"{part}: {judged} verdicts, judged again from the fits by claims.yaml, are those of ledger.json",
    ]
    lines += retest.checked(part)
    if later:
        lines.append(f"{part}: stated since the release, so not judged here: {', '.join(later)}")
    return lines


def trainers(frames: frame_files.Frames, record: Mapping[str, Any], part: Path) -> list[str]:
    """The commits whose code trained the runs, or trains the same bits.

    Raises RegrokError for a run whose code neither provenance.json nor generations.yaml names.
    """
    named = {(e["task"], e["model"], e["trainer"]): e["commit"] for e in record["training"]}
    found: set[str] = set()
    for (task, model, trainer), rows in frames.runs.groupby(["task", "model", "trainer"]):
        commit = named.get((task, model, trainer)) or declared().commit(trainer, task, model)
        if commit is None:
            raise RegrokError(
                f"{part}/runs.parquet: {len(rows)} runs of {task} with {model} were trained by code {trainer}, of "
                "which neither provenance.json nor training/generations.yaml names the commit; release again"
            )
        found.add(commit)
    return sorted(found)


def judge_again(
    claims: Claims,
    fits: Mapping[str, Mapping[str, Any]],
    frames: frame_files.Frames,
    shipped: Mapping[str, Any],
    part: Path,
) -> tuple[int, list[str]]:
    """How many verdicts were judged, and the claims that the shipped ledger does not have yet.

    Raises RegrokError naming the first claim whose rule and fit give something else than the ledger says.
    """
    said = {entry["id"]: entry for entry in shipped["claims"]}
    stated = [claim for claim in claims.claims if claim.id in said]
    later = [claim.id for claim in claims.claims if claim.id not in said]
    if gone := sorted(set(said) - {claim.id for claim in stated}):
        raise RegrokError(
            f"{part}/ledger.json: claim {gone[0]} is not in any study's claims.yaml; release again"
        )
    old = claims.model_copy(update={"claims": stated})
    again = ledger(old, fits, frames, shipped["scale"])
    again = json.loads(json.dumps(again))
    for entry in again["claims"]:
        for key, ours, theirs in _differences(entry, said[entry["id"]]):
            raise RegrokError(
                f"{part}/ledger.json: claim {entry['id']}: {key} is {_text(theirs)} there, but the fits and the rule "
                f"in claims.yaml give {_text(ours)}. If the rule was changed, release again (make release)"
            )
    return len(stated), later


def _differences(
    ours: Mapping[str, Any], theirs: Mapping[str, Any]
) -> Iterator[tuple[str, Any, Any]]:
    """(key, ours, theirs) of what differs between two entries of a claim."""
    width = _width(theirs)
    for key in JUDGED:
        if not same(ours.get(key), theirs.get(key), width):
            yield key, ours.get(key), theirs.get(key)
    for reading, other in ours["robustness"].items():
        shipped = theirs["robustness"].get(reading, {})
        if other["verdict"] != shipped.get("verdict"):
            yield f"the verdict under “{reading}”", other["verdict"], shipped.get("verdict")


def _width(estimate: Mapping[str, Any]) -> float:
    low, high = estimate.get("low"), estimate.get("high")
    return 0.0 if low is None or high is None else float(high) - float(low)


def same(one: Any, other: Any, width: float = 0.0) -> bool:
    """Equal, or numbers that differ by no more than SAME of the larger of them or of `width`."""
    numbers = isinstance(one, int | float) and isinstance(other, int | float)
    if not numbers or isinstance(one, bool) or isinstance(other, bool):
        return bool(one == other)
    return math.isclose(one, other, rel_tol=SAME, abs_tol=SAME * width)


def _text(value: Any) -> str:
    return "absent" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def read_json(path: Path) -> Any:
    """A JSON file's content. Raises RegrokError naming it."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RegrokError(f"{path} does not exist") from None
    except (OSError, ValueError) as error:
        raise RegrokError(f"{path} cannot be read ({error})") from error


# A build from released runs against the bundle ------------------------------------------------------------------


def _content(path: Path) -> bytes:
    """A file's bytes; a computation's without what says by which code and on which machine it was made."""
    if path.parent.name != "computations":
        return path.read_bytes()
    kept = {key: value for key, value in read_json(path).items() if key not in MADE_BY}
    return json.dumps(kept).encode()


def reanalysed(results: Path | str, part: Path | str) -> list[str]:
    """Compare a build's fits, ledger, numbers and tables with the bundle's; lines that say how they agree.

    results: folder of a build with source: released. part: the scale's folder in the bundle. Raises RegrokError
    naming the fits' estimates or the claims that differ, or what the build lacks.
    """
    results, part = Path(results), Path(part)
    shipped = bundle.results(part)
    again = read_fits(
        results / ("computations" if "compute" in made else "fits") / f"{name}.json"
        for name, made in shipped.items()
    )
    problems, estimates = [], 0
    for name, fit in shipped.items():
        for key, theirs in fit["estimates"].items():
            estimates += 1
            ours = again[name]["estimates"].get(key, {})
            width = _width(theirs)
            wrong = [
                k for k in ("value", "low", "high", "n") if not same(ours.get(k), theirs[k], width)
            ]
            problems += [
                f"{key}: {k} is {_text(ours.get(k))}, released {_text(theirs[k])}" for k in wrong
            ]
    claims = {entry["id"]: entry for entry in read_json(results / "ledger.json")["claims"]}
    released = read_json(part / "ledger.json")["claims"]
    for entry in released:
        if entry["id"] not in claims:
            problems.append(f"claim {entry['id']}: absent")
            continue
        for key, ours, theirs in _differences(claims[entry["id"]], entry):
            problems.append(
                f"claim {entry['id']}: {key} is {_text(ours)}, released {_text(theirs)}"
            )
    if problems:
        more = f"\n  and {len(problems) - 10} more" if len(problems) > 10 else ""
        raise RegrokError(
            f"{results} was fitted to the runs of {part}, but differs from what was released:\n  "
            + "\n  ".join(problems[:10])
            + more
        )
    compared = [
        path.relative_to(part)
        for path in [
            *(part / "fits").glob("*.json"),
            *(part / "computations").glob("*.json"),
            *(part / "tables").glob("*.csv"),
            part / "ledger.json",
            part / "numbers.json",
        ]
    ]
    differ = sorted(
        str(name)
        for name in compared
        if not (results / name).exists() or _content(results / name) != _content(part / name)
    )
    alike = f"{len(compared) - len(differ)} of {len(compared)}"
    computed = any("compute" in made for made in shipped.values())
    made = "fits, computations" if computed else "fits"
    lines = [
        f"{results}: {estimates} estimates of {len(shipped)} {made} and {len(released)} claims equal those of {part}",
        f"{results}: {alike} files ({made}, ledger, numbers, tables) are the same to the byte",
    ]
    if differ:
        lines.append(f"{results}: same within rounding only: {', '.join(differ)}")
    return lines
