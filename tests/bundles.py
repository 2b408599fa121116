"""A small planted study, released: made-up runs of a few experiments, three fits and the claims that rest on them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import yaml

import synthetic
from regrok.files import write_json, write_parquet
from regrok.released import fill
from regrok.runs.frames import NAMES, Frames
from regrok.study.blocks import Config
from regrok.study.published import told
from regrok.study.read import load_config

ROOT = Path(__file__).resolve().parents[1]
COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPLICATES = 50


def small_config(scale: str = "smoke", experiments: tuple[str, ...] = ()) -> Config:
    """config.yaml with three fits, two tables and no figure; and of its experiments those named, if any is."""
    config = load_config(ROOT / "config.yaml", {"scale": scale})
    laws = {"cells": "cells", "contraction": "contraction", "weight_decay": "scaling"}
    fits = {}
    for name, law in laws.items():
        entry = config.fits[name]
        assert entry.law == law
        options = dict(entry.options)
        if law == "scaling":
            options |= {"replicates": REPLICATES, "survival": False}
        changed = {"options": options}
        if law == "cells":
            # By name: a fit that lists none reads all runs, and so does not say that they are needed.
            changed["experiments"] = list(experiments or config.experiments)
        fits[name] = entry.model_copy(update=changed)
    tables = {name: config.tables[name] for name in ("hyperparameters", "compute")}
    changed = {"fits": fits, "tables": tables, "figures": {}, "computations": {}, "probes": {}}
    if experiments:
        changed["experiments"] = {name: config.experiments[name] for name in experiments}
    return config.model_copy(update=changed)


def small_studies(folder: Path, config: Config) -> Path:
    """The project's studies, with the claims that the small study's fits decide and the constants that these print.

    Returns the folder of the studies; config.yaml lies beside it.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(ROOT / "studies", folder)
    shutil.copy(ROOT / "config.yaml", folder.parent)

    def decided(key: str) -> bool:
        return key.partition(".")[0] in config.fits

    # What refers to claims that are left out goes with them.
    for path in folder.glob("*/study.yaml"):
        held = yaml.safe_load(path.read_text(encoding="utf-8"))
        for section, name in (
            ("figures", "forecast"),
            ("figures", "less_data"),
            ("tables", "findings"),
        ):
            held.get(section, {}).pop(name, None)
        for fit in ("defect", "defect_code", "defect_seeds"):
            for key in ("most", "lead_mean"):
                held.get("fits", {}).get(fit, {}).get("options", {}).pop(key, None)
        write_yaml(path, held)

    for path in folder.glob("*/claims.yaml"):
        stated = yaml.safe_load(path.read_text(encoding="utf-8"))
        stated["claims"] = [
            {**claim, "alternatives": {}}
            for claim in stated["claims"]
            if decided(claim["estimand"])
            and (not claim.get("direction") or decided(claim["direction"]["estimand"]))
        ]
        printed = {claim["id"] for claim in stated["claims"]}
        if printed:
            write_yaml(path, stated)
        else:
            path.unlink()
        published = path.with_name("published.yaml")
        reported = yaml.safe_load(published.read_text(encoding="utf-8"))
        reported["constants"] = {
            key: constant
            for key, constant in reported.get("constants", {}).items()
            if constant.get("claim", None) is None or constant["claim"] in printed
        }
        write_yaml(published, reported)
    return folder


def write_yaml(path: Path, content: dict) -> None:
    path.write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False), encoding="utf-8")


def write_results(folder: Path, config: Config, frames: Frames) -> Path:
    """What a finished build leaves for a release: frames, config.json, provenance.json."""
    for name in NAMES:
        write_parquet(getattr(frames, name), folder / f"{name}.parquet")
    # As the build writes it: whatever the file said, defaults left out.
    text = config.model_dump_json(indent=1, exclude_unset=True)
    (folder / "config.json").write_text(text + "\n", encoding="utf-8")
    built = {"commit": COMMIT, "modified": False, "built": "2026-01-01T00:00:00Z", "cores": 2}
    write_json(built, folder / "provenance.json")
    return folder


def release(results: Path, bundle: Path, studies: Path, **options) -> Path:
    """`fill.release` without asking git (tests/test_commits.py does) and without processes of its own."""

    def here(made, config, published, workers=None, computed=()):
        fill._frames.cache_clear()
        for name in config.fits:
            fill.fit_one(made, config, name, told(published, config, name))

    with (
        mock.patch.object(fill, "commit_of", return_value=COMMIT),
        mock.patch.object(fill, "refit", here),
    ):
        return fill.release(results, bundle, studies, **options)


def planted(folder: Path) -> SimpleNamespace:
    """config, frames, and the folders of results, studies and the bundle made from them."""
    config = small_config()
    frames = synthetic.make_frames(config)
    results = write_results(folder / "results/smoke", config, frames)
    studies = small_studies(folder / "studies", config)
    bundle = folder / "results" / "released"
    release(results, bundle, studies)
    return SimpleNamespace(
        config=config, frames=frames, results=results, studies=studies, bundle=bundle, folder=folder
    )


def read(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))
