"""Reading the bundle: which files it has, whether they are whole, and its frames as a build's."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regrok.errors import RegrokError
from regrok.files import read_fits, write_atomically
from regrok.study.words import FRAMES

if TYPE_CHECKING:
    from regrok.runs.frames import Frames

# pandas is imported where frames are read: the Snakefile reads this module once per job.

RELEASED = Path("results/released")
SUMS = "SHA256SUMS"
FRAME_FILES = tuple(f"{name}.parquet" for name in FRAMES)
RETEST = "retest.json"
"""What earlier trainings of a scale's runs say (regrok.released.retest), where they were compared."""
SHOWN = 3
"""Problems that a message names; the rest it counts."""

HEADER = "# SHA-256 of the lines below: {digest}. Check all with: sha256sum --check SHA256SUMS"
_HEADER = re.compile(re.escape(HEADER).replace(r"\{digest\}", "([0-9a-f]{64})"))
_LINE = re.compile(r"([0-9a-f]{64})  (\S.*)")


def files(folder: Path | str) -> list[str]:
    """Every file of the bundle but its checksums, relative to `folder`, sorted: what ships, and what is summed."""
    root = Path(folder)
    found = (path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
    return sorted(name for name in found if name != SUMS)


def sha256(path: Path | str) -> str:
    """64 hexadecimal digits."""
    with Path(path).open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def seal(folder: Path | str) -> None:
    """Write SHA256SUMS over all other files; its first line is a checksum of the rest of it."""
    lines = "".join(f"{sha256(Path(folder) / name)}  {name}\n" for name in files(folder))
    header = HEADER.format(digest=hashlib.sha256(lines.encode()).hexdigest())
    write_atomically(Path(folder) / SUMS, f"{header}\n{lines}".encode())


def checksums(folder: Path | str) -> dict[str, str]:
    """File → SHA-256, as SHA256SUMS says. Raises RegrokError when there is no bundle or the list is not whole."""
    path = Path(folder) / SUMS
    try:
        head, _, body = path.read_bytes().partition(b"\n")
    except FileNotFoundError:
        raise RegrokError(
            f"{path} does not exist, so there is no released bundle here; a checkout from git has one, and "
            "`make release` makes one from a finished build"
        ) from None
    except OSError as error:
        raise RegrokError(f"{path} cannot be read ({error.strerror})") from error
    header = _HEADER.fullmatch(head.decode(errors="replace"))
    if header is None or header[1] != hashlib.sha256(body).hexdigest():
        raise RegrokError(f"{path}: the list of checksums itself is damaged; {RESTORE}")
    return {name: digest for digest, name in _LINE.findall(body.decode())}


RESTORE = "get it again with: git checkout -- results/released"


def damage(folder: Path | str, only: str = "") -> list[str]:
    """What is wrong with the bundle's files: one line per file that differs, is missing or is not listed.

    only: a scale, to look at its folder alone. Raises RegrokError when the list of checksums is absent or damaged.
    """
    root = Path(folder)
    expected = checksums(root)
    present = set(files(root))
    wanted = sorted(name for name in {*expected, *present} if name.startswith(only))
    problems = []
    for name in wanted:
        if name not in present:
            problems.append(f"{root / name}: missing, though {SUMS} lists it")
        elif name not in expected:
            problems.append(f"{root / name}: not in {SUMS}; nobody released this file")
        elif sha256(root / name) != expected[name]:
            problems.append(f"{root / name}: its bytes are not those that {SUMS} lists")
    return problems


def refuse_damage(folder: Path | str, only: str = "") -> int:
    """Raise RegrokError naming the damaged files; else the number of files that were read."""
    if problems := damage(folder, only):
        more = f"; and {len(problems) - SHOWN} files more" if len(problems) > SHOWN else ""
        raise RegrokError(f"{'; '.join(problems[:SHOWN])}{more}. {RESTORE[0].upper()}{RESTORE[1:]}")
    return sum(name.startswith(only) for name in checksums(folder))


def results(part: Path | str) -> dict[str, dict[str, Any]]:
    """Name → content of every fit, then of every computation, in a scale's folder. Raises as `read_fits`."""
    return read_fits(
        path
        for kind in ("fits", "computations")
        for path in sorted((Path(part) / kind).glob("*.json"))
    )


def computed(folder: Path | str, scale: str, name: str) -> Path | None:
    """The bundle's result of a computation at a scale; None where it has none."""
    path = Path(folder) / scale / "computations" / f"{name}.json"
    return path if path.is_file() else None


def scales(folder: Path | str) -> list[str]:
    """Scales that the bundle holds."""
    return sorted(path.parent.name for path in Path(folder).glob("*/runs.parquet"))


def refuse_absent(folder: Path | str, scale: str) -> None:
    """Raise RegrokError naming the scales there are when the bundle does not hold this one."""
    held = scales(folder)
    if scale not in held:
        raise RegrokError(
            f"{folder} has no runs of the {scale} scale; it holds {', '.join(held) or 'none'}. Build one of those, "
            f"or train: source: trained"
        )


def frames_of(folder: Path | str, scale: str) -> Frames:
    """The bundle's frames of one scale. Raises RegrokError when it does not hold the scale."""
    from regrok.runs.frames import load

    refuse_absent(folder, scale)
    return load(Path(folder) / scale)


def part_for(
    frames: Frames,
    membership: Iterable[Mapping[str, Any]],
    scale: str,
    folder: Path | str,
    computations: Iterable[str] = (),
) -> Frames:
    """The part of the bundle's frames that a configuration asks for.

    membership: the plan's rows (experiment, arm, run_id, cell). computations: those that it computes. Raises
    RegrokError naming the experiments of which the bundle lacks runs, with an `only` of what it has whole.
    """
    import pandas as pd

    from regrok.runs.frames import Frames

    order = ["experiment", "arm", "cell", "run_id"]
    rows = [{key: row[key] for key in order} for row in membership]
    wanted = pd.DataFrame(rows, columns=order).sort_values(order, ignore_index=True)
    known = set(frames.runs["run_id"])
    absent = wanted[~wanted["run_id"].isin(known)]
    if len(absent):
        lacking = absent.groupby("experiment", sort=True)["run_id"].nunique()
        planned = wanted.groupby("experiment")["run_id"].nunique()
        shown = [f"{name} ({n} of {planned[name]} runs)" for name, n in lacking.items()]
        more = f" and {len(shown) - SHOWN} more" if len(shown) > SHOWN else ""
        whole = [name for name in planned.index if name not in lacking.index]
        # With none of them named all would be computed.
        whole += [name for name in computations if computed(folder, scale, name)] if whole else []
        part_of = f", or build what is whole there: 'only=[{','.join(whole)}]'" if whole else ""
        raise RegrokError(
            f"{Path(folder) / scale}: the released runs lack what the studies ask for at the {scale} scale: "
            f"{', '.join(shown[:SHOWN])}{more}. Train them (source: trained) and release again (make release), "
            f"or take the studies that this bundle was released with{part_of}"
        )
    chosen = set(wanted["run_id"])

    def part(frame: pd.DataFrame) -> pd.DataFrame:
        return frame[frame["run_id"].isin(chosen)].reset_index(drop=True)

    columns = list(frames.experiments.columns)
    return Frames(part(frames.runs), part(frames.curves), wanted[columns], part(frames.spectra))


def refuse_lacking(
    folder: Path | str,
    scale: str,
    membership: Iterable[Mapping[str, Any]],
    computations: Iterable[str] = (),
) -> None:
    """Raise RegrokError when the scale's part is absent, damaged, or lacks runs that the plan's rows name.

    computations: those of the build, of which the released ones are named beside experiments that are there.
    """
    refuse_absent(folder, scale)
    # Before it is read: a damaged file may not be readable.
    refuse_damage(folder, f"{scale}/")
    part_for(frames_of(folder, scale), membership, scale, folder, computations)


def other_ledgers(folder: Path | str, scale: str) -> list[Path]:
    """The ledgers of the bundle's other scales."""
    return [Path(folder) / held / "ledger.json" for held in scales(folder) if held != scale]


def retest(part: Path | str) -> dict[str, Any]:
    """The retests of a scale's folder; empty where none was made."""
    path = Path(part) / RETEST
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def changed(part: Path | str) -> dict[str, list[tuple[str, str]]]:
    """Claim → (commit, its verdict then) for every retest that gave another verdict."""
    found: dict[str, list[tuple[str, str]]] = {}
    for each in retest(part).get("retests", []):
        for claim in each["differ"]:
            found.setdefault(claim["id"], []).append((each["commit"], claim["then"]["verdict"]))
    return found


def retest_files(folder: Path | str) -> list[Path]:
    """The retests of the bundle's scales."""
    paths = (Path(folder) / scale / RETEST for scale in scales(folder))
    return [path for path in paths if path.exists()]


def retests(folder: Path | str) -> dict[str, dict[str, Any]]:
    """Scale → content of its retests."""
    return by_scale(retest_files(folder))


def by_scale(paths: Iterable[Path | str]) -> dict[str, dict[str, Any]]:
    """Scale → content of a file that names its scale."""
    read = (json.loads(Path(path).read_text(encoding="utf-8")) for path in paths)
    return {content["scale"]: content for content in read}


def ledgers(paths: Iterable[Path | str]) -> dict[str, dict[str, Any]]:
    """Scale → content of its ledger. Raises RegrokError naming a file that is no ledger."""
    found = {}
    for path in paths:
        try:
            ledger = json.loads(Path(path).read_text(encoding="utf-8"))
            # Each claim's verdict, by name: what is asked of them.
            dict.fromkeys((claim["id"], claim["verdict"]) for claim in ledger["claims"])
            found[ledger["scale"]] = ledger
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RegrokError(f"{path}: not a ledger ({error}); {RESTORE}") from None
    return found


def compared(folder: Path | str, scale: str) -> list[str]:
    """The files that a trained build is laid beside; none unless all are there."""
    paths = [Path(folder) / scale / name for name in (*FRAME_FILES, "ledger.json")]
    return [str(path) for path in paths] if all(path.exists() for path in paths) else []
