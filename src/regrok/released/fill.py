"""Filling the bundle from a finished build of one scale.

What ships is computed from what ships: the curves are thinned first, then the laws are fitted to the thinned runs and
the claims judged on those fits. So whoever refits the bundle gets the fits that are in it. Nothing here depends on
the time, the folder or the user: the same build gives the same bytes.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from regrok.computations import result
from regrok.errors import RegrokError
from regrok.files import parquet_bytes, read_fits, write_atomically, write_json
from regrok.judging.ledger import ledger
from regrok.laws import run_fit
from regrok.paper.numbers import write_numbers
from regrok.released import bundle, probes
from regrok.released.about import about
from regrok.released.added import BUILD, earlier, sampled
from regrok.released.commits import commit_of
from regrok.released.compact import compact
from regrok.released.crate import write_crate
from regrok.released.dictionary import dictionary_csv, read_dictionary, unexplained
from regrok.released.thin import POINTS, rule, thin
from regrok.runs import frames as frame_files
from regrok.runs.arithmetic import kinds
from regrok.runs.checks import check
from regrok.runs.frames import Frames
from regrok.study.blocks import Config
from regrok.study.claims import load_claims
from regrok.study.plan import make_plan
from regrok.study.published import Published, load_published, told
from regrok.study.words import STUDIES, Source
from regrok.study.written import written_config
from regrok.tables import Material, buildable, scope, write_table

LIMIT = 30_000_000
"""Bytes that the whole bundle may have: it is cloned by everybody. Two studies took 8 million, five take 22."""

METADATA: tuple[Callable[[Path], Any], ...] = (write_crate,)
"""Functions of the bundle's folder that describe it in further files; called before the checksums are written."""

THREADS = tuple(f"{library}_NUM_THREADS" for library in ("OMP", "OPENBLAS", "MKL", "NUMEXPR"))
"""What tells linear algebra how many threads to use."""

FAILED = ("never memorised", "collapsed", "diverged")
"""Outcomes that provenance lists run by run."""


def release(
    results: Path | str,
    folder: Path | str = bundle.RELEASED,
    studies: Path | str = STUDIES,
    points: int = POINTS,
    workers: int | None = None,
    add: bool = False,
) -> Path:
    """Put the finished build in `results` into the bundle, in place of what it had of that scale.

    points: see `thin`. workers: processes that fit, one per core by default. add: the build trained only what the
    bundle lacks (`source: missing`); the runs that it took from there stay as they were released. Returns the scale's
    folder in the bundle. Raises RegrokError, and leaves the bundle as it was, when the build is not finished or not of
    this configuration, when a run was not trained by committed code, when the results contradict themselves or a
    column is not in the data dictionary, and when the bundle would be larger than `LIMIT`.
    """
    results, folder, studies = Path(results), Path(folder), Path(studies)
    config = written_config(results)
    measured = frame_files.load(results)
    refuse_unfinished(measured, config, results, "missing" if add else "trained")
    planned = make_plan(config).runs
    before = earlier(folder, config.scale, planned, measured, points) if add else None
    record = provenance(measured, results, before.commits if before else {})
    staging = folder.with_name(f".release-{os.getpid()}")
    shutil.rmtree(staging, ignore_errors=True)
    try:
        made = staging / config.scale
        curves = thinned_once(measured, points, before.runs if before else ())
        thinned = Frames(measured.runs, curves, measured.experiments, measured.spectra)
        for name in frame_files.NAMES:
            write_atomically(made / f"{name}.parquet", parquet_bytes(getattr(thinned, name)))
        shutil.copyfile(results / "config.json", made / "config.json")
        probes.copy(results, made, config)
        record |= {
            "thinning": {
                "rule": rule(points),
                "points": points,
                "logged": len(measured.curves),
                "released": len(curves),
            },
            "rows": {name: len(getattr(thinned, name)) for name in frame_files.NAMES},
        }
        record |= before.told(measured) if before else {}
        write_json(record, made / "provenance.json")
        analyse(made, config, studies, folder, workers, [results])
        put_in_place(made, folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return folder / config.scale


def thinned_once(frames: Frames, points: int, kept: Container[str]) -> pd.DataFrame:
    """The curves, thinned unless they are of a kept run, whose curve was when it was released."""
    old = frames.curves["run_id"].isin(kept)
    runs = frames.runs[~frames.runs["run_id"].isin(kept)]
    both = [frames.curves[old], thin(runs, frames.curves[~old], points)]
    return pd.concat(both).sort_values(["run_id", "step"], ignore_index=True)


def refuse_unfinished(
    frames: Frames, config: Config, results: Path, source: Source = "trained"
) -> None:
    """Raise RegrokError unless the frames hold exactly the runs that the configuration plans.

    source: where the build's runs have to come from.
    """
    if config.source != source:
        raise RegrokError(
            f"{results}: only a trained build can be released, not one from released runs; one that trained what the "
            "bundle lacks is added to it (--add)"
            if source == "trained"
            else f"{results}: only a build that trained what the bundle lacks can be added to it: "
            + BUILD.format(scale=config.scale)
        )
    keys = ["experiment", "arm", "run_id"]
    planned = {tuple(row[key] for key in keys) for row in make_plan(config).membership}
    held = set(frames.experiments[keys].itertuples(index=False, name=None))
    trained = set(frames.runs["run_id"])
    absent = {run_id for _, _, run_id in planned if run_id not in trained}
    again = f"build it again: snakemake --cores all --config scale={config.scale}"
    if absent:
        raise RegrokError(f"{results}: {len(absent)} planned runs are not trained yet; {again}")
    if planned != held:
        raise RegrokError(
            f"{results}: its runs are not those that {results}/config.json plans; {again}"
        )


def provenance(
    frames: Frames, results: Path, known: Mapping[tuple[str, str, str], str] | None = None
) -> dict[str, Any]:
    """Where the runs come from. Raises RegrokError for a run that no committed code trained.

    known: (task, model, trainer) → commit, of runs that were released before.
    """
    path = results / "provenance.json"
    try:
        built = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RegrokError(
            f"{path} cannot be read ({error}); only a finished build is released: snakemake --cores all"
        ) from error
    if not built.get("commit"):
        reason = built.get("no_commit", "it says no reason")
        raise RegrokError(f"{path}: the build has no commit ({reason}); build in a git checkout")
    runs = frames.runs
    training = [
        {
            "task": task,
            "model": model,
            "trainer": trainer,
            "commit": (known or {}).get((str(task), str(model), str(trainer)))
            or commit_of(str(trainer), str(task), str(model)),
            "runs": len(rows),
            "arithmetic": kinds(rows),
        }
        for (task, model, trainer), rows in runs.groupby(["task", "model", "trainer"], sort=True)
    ]
    named = {(e["task"], e["model"], e["trainer"]): e["commit"] for e in training}
    of = zip(runs["run_id"], runs["task"], runs["model"], runs["trainer"], strict=True)
    commits = {run_id: named[task, model, trainer] for run_id, task, model, trainer in of}
    hours = runs.groupby("device", sort=True)["wall_seconds"].sum() / 3600
    machine = ("system", "processor", "cores", "python", "versions")
    return {
        "training": training,
        "sampled": sampled(frames, commits),
        "build": {key: built.get(key) for key in ("commit", "modified", "built")},
        "machine": {key: built.get(key) for key in machine},
        "hours": {str(device): round(spent, 4) for device, spent in hours.items()},
        "runs": len(runs),
        "outcomes": {
            str(k): int(v) for k, v in runs["outcome"].value_counts().sort_index().items()
        },
        "failed": {
            outcome: sorted(runs.loc[runs["outcome"] == outcome, "run_id"]) for outcome in FAILED
        },
    }


# From the bundle's frames to fits, ledger, numbers and tables ---------------------------------------------------


def analyse(
    made: Path,
    config: Config,
    studies: Path,
    folder: Path,
    workers: int | None = None,
    computed: Sequence[Path] = (),
) -> None:
    """Fit, judge and tabulate from the frames in `made`, as a build does, and check what came out.

    studies: the folder of the studies. folder: the bundle, whose other scales lead where they are larger. computed:
    as for `refit`, beside what the bundle has of the scale.
    """
    claims = load_claims(config, studies)
    published = load_published(config, studies, claims)
    refit(made, config, published, workers, [*computed, folder / config.scale])
    loaded = probes.frames_of(made)
    fitted = read_fits(made / "fits" / f"{name}.json" for name in config.fits)
    here = filter(config.computes_here, config.computations)
    untrained = read_fits(made / "computations" / f"{name}.json" for name in here)
    fits = fitted | untrained
    write_json(ledger(claims, fits, loaded, config.scale), made / "ledger.json")
    judged = json.loads((made / "ledger.json").read_text(encoding="utf-8"))
    check(loaded, fits, judged["claims"])
    if unknown := unexplained(read_dictionary(dictionary_csv()), loaded, judged, fits):
        raise RegrokError(
            f"not in the data dictionary: {', '.join(unknown[:5])}; explain it in "
            "src/regrok/released/dictionary.py, then release again"
        )
    tell(made, config, published, folder, loaded, fits, judged, buildable(config))


def tell(
    made: Path,
    config: Config,
    published: Published,
    folder: Path,
    frames: Frames,
    fits: dict[str, Any],
    judged: dict[str, Any],
    tables: Iterable[str],
) -> None:
    """Write numbers.json and these tables of a scale's folder, with what the bundle's other scales say beside it."""
    elsewhere = bundle.ledgers(bundle.other_ledgers(folder, config.scale))
    # Those of this scale's earlier runs are gone with them.
    retests = {k: v for k, v in bundle.retests(folder).items() if k != config.scale}
    if (made / bundle.RETEST).exists():
        retests |= bundle.by_scale([made / bundle.RETEST])
    material = Material(
        frames=frames,
        fits={name: fit for name, fit in fits.items() if name in config.fits},
        computations={name: one for name, one in fits.items() if name in config.computations},
        ledger=judged,
        scope=scope(config),
        published=published,
        elsewhere=elsewhere,
        retests=dict(sorted(retests.items())),
    )
    with TemporaryDirectory() as scrap:
        write_numbers(
            fits,
            judged,
            config,
            frames,
            published.constants,
            Path(scrap) / "numbers.tex",
            made / "numbers.json",
            elsewhere,
        )
        for name in tables:
            tex, csv = Path(scrap) / f"{name}.tex", made / "tables" / f"{name}.csv"
            write_table(name, config.tables[name], material, tex, csv)


def refit(
    made: Path,
    config: Config,
    published: Published,
    workers: int | None = None,
    computed: Sequence[Path] = (),
) -> None:
    """Write fits/<name>.json for every fit of the configuration, each made in a process with one thread.

    So is computations/<name>.json, for what is computed at the scale, or taken from one of these folders of results,
    `computed`, where the present code made it of the same options.

    With more threads a sum is cut elsewhere and its last digits differ; a job of the workflow has one as well.
    """
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        # Started afresh rather than forked: the libraries here may have threads already.
        with ProcessPoolExecutor(
            workers or os.cpu_count(), mp_context=get_context("spawn")
        ) as pool:
            given = {name: told(published, config, name) for name in config.fits}
            jobs = [pool.submit(fit_one, made, config, name, given[name]) for name in given]
            here = filter(config.computes_here, config.computations)
            jobs += [pool.submit(compute_one, made, config, name, computed) for name in here]
            for each in jobs:
                each.result()
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def fit_one(made: Path, config: Config, name: str, published: dict[str, Any]) -> None:
    """One fit, as the workflow's rule does it. published: what it is told of the published cells."""
    entry = config.fits[name]
    write_json(
        run_fit(name, entry, _frames(made), config.fits, published), made / "fits" / f"{name}.json"
    )


def compute_one(made: Path, config: Config, name: str, computed: Sequence[Path] = ()) -> None:
    """One computation, as the workflow's rule does it. computed: as for `refit`."""
    entry = config.computations[name]
    file = Path("computations") / f"{name}.json"
    held = [read_fits([folder / file])[name] for folder in computed if (folder / file).is_file()]
    found = result(name, entry.compute, entry.at(config.scale), held)
    write_json(found, made / file)


@lru_cache(maxsize=1)
def _frames(made: Path) -> Frames:
    return probes.frames_of(made)


# Into place -----------------------------------------------------------------------------------------------------


def put_in_place(made: Path, folder: Path) -> None:
    """Replace the scale's folder, write what describes the whole bundle, and seal it."""
    compact(made)
    kept = [folder / name for name in _others(folder, made.name)]
    size = sum(path.stat().st_size for path in [*kept, *made.rglob("*")] if path.is_file())
    if size > LIMIT:
        raise RegrokError(
            f"the bundle would have {size / 1e6:.1f} MB, more than {LIMIT / 1e6:.0f}; release with fewer points a "
            f"curve (--points, now {POINTS})"
        )
    folder.mkdir(parents=True, exist_ok=True)
    target, old = folder / made.name, made.with_name("old")
    if target.exists():
        os.replace(target, old)
    os.replace(made, target)
    describe_bundle(folder)


def describe_bundle(folder: Path) -> None:
    """Write what describes the whole bundle (dictionary, README, metadata), and seal it."""
    write_atomically(folder / "dictionary.csv", dictionary_csv(folder).encode())
    write_atomically(folder / "README.md", about(folder).encode())
    # The list of checksums is written last and is described all the same, in a first release as in a second.
    (folder / bundle.SUMS).touch()
    for describe in METADATA:
        describe(folder)
    bundle.seal(folder)


def _others(folder: Path, scale: str) -> list[str]:
    if not folder.exists():
        return []
    return [name for name in bundle.files(folder) if not name.startswith(f"{scale}/")]
