"""RO-Crate metadata for a folder of results: what each file is, who made it, from which commit, under which licence.

RO-Crate (https://w3id.org/ro/crate/1.2) is a JSON-LD file beside the data, so that archives and search engines can
read what a person reads in the data dictionary. It says nothing that the folder and CITATION.cff do not say already,
and the same folder gives the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from regrok.dates import epoch
from regrok.errors import RegrokError
from regrok.files import write_atomically
from regrok.study.yaml import read_yaml

METADATA = "ro-crate-metadata.json"
"""The name that the specification fixes."""

SPECIFICATION = "https://w3id.org/ro/crate/1.2"

CHECKSUMS = ("SHA256SUMS", "checksums.*", "*.sha256")
"""Files that list checksums, this metadata's among them: neither can hold the other's, so theirs are left out here."""

DESCRIPTIONS: dict[str, str] = {
    "*runs.parquet": "One row per run: settings, outcome, T_mem and T_grok at three thresholds, V along the way",
    "*curves.parquet": "Loss, accuracy and V of every run over its steps",
    "*spectra.parquet": "Power spectra of logits and embeddings of the runs that measured them",
    "*experiments.parquet": "Which run belongs to which experiment and arm",
    "*probes/*.parquet": "What was measured on states of the runs, one row per run, step and reading",
    "*fits/*.json": "One law fitted to the runs: estimates with intervals, and the points behind them",
    "*computations/*.json": "A result that rests on no run: estimates, the points behind them, the code that made them",
    "*fits.json": "Every law fitted to the runs: estimates with intervals",
    "*retest.json": "Earlier trainings of the same runs: which verdicts differ, and how far the runs do",
    "*ledger.json": "Every published claim with its evidence and verdict",
    "*numbers.json": "Every number that the paper's text quotes",
    "*checks.json": "What the results were checked against themselves for",
    "*config.json": "The study as it was built",
    "*config.yaml": "The study as it was built",
    "*provenance.json": "Commit, machine, versions and CPU hours behind the results",
    "*tables/*.csv": "A table of the paper",
    "dictionary.*": "Data dictionary: every column with its type, unit and meaning",
    "README.md": "What is in this folder and how to use it",
    "LICENSE": "The licence",
    **dict.fromkeys(CHECKSUMS, "SHA-256 checksum of every other file"),
}
"""Path within the folder, as a pattern → what the file is; the first pattern that fits counts."""

FORMATS = {
    ".parquet": "application/vnd.apache.parquet",
    ".json": "application/json",
    ".yaml": "application/yaml",
    ".csv": "text/csv",
    ".md": "text/markdown",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".tex": "application/x-tex",
}
"""Suffix → media type; anything else is text."""


def crate(
    folder: Path | str,
    citation: Path | str = "CITATION.cff",
    descriptions: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The metadata of a folder as a JSON-LD document: one entity per file, and the context that they need.

    Each provenance.json below the folder (its own, or one per scale) says which build made the files beside it: commit,
    date, machine. The newest is the crate's date; SOURCE_DATE_EPOCH overrides it. descriptions: patterns that come
    before `DESCRIPTIONS`. Raises RegrokError that names a file without a description, a folder without
    provenance.json, or what CITATION.cff lacks.
    """
    folder = Path(folder)
    cited = read_yaml(Path(citation))
    authors = [_author(entry) for entry in _required(cited, "authors", citation)]
    by = _single(_references(authors))
    licence = f"https://spdx.org/licenses/{_required(cited, 'license', citation)}"
    known = {**(descriptions or {}), **DESCRIPTIONS}
    files = [_file(path, folder, known) for path in _paths(folder)]
    builds = _builds(folder, files)
    software = {}
    for build in builds:
        commit = build.pop("commit")
        build |= {"instrument": {"@id": f"#regrok-{commit[:12]}"}, "agent": _references(authors)[0]}
        software[commit] = {
            "@id": f"#regrok-{commit[:12]}",
            # The specification wants source code to be a file of the folder, and an application to have an address.
            "@type": "SoftwareApplication" if "repository-code" in cited else "CreativeWork",
            "name": _required(cited, "title", citation),
            "description": "The code that made the files here",
            "version": str(_required(cited, "version", citation)),
            "identifier": commit,
            "license": {"@id": licence},
            "author": by,
        }
        if "repository-code" in cited:
            software[commit]["url"] = cited["repository-code"]
    root = {
        "@id": "./",
        "@type": "Dataset",
        "name": f"Released results of {_required(cited, 'title', citation)}",
        "description": " ".join(str(_required(cited, "abstract", citation)).split()),
        "datePublished": _date(builds),
        "version": str(_required(cited, "version", citation)),
        "license": {"@id": licence},
        "author": by,
        "publisher": _references(authors)[0],
        "keywords": ", ".join(cited.get("keywords", [])),
        "hasPart": _references(files),
        "mentions": _single(_references(builds)),
    }
    descriptor = {
        "@id": METADATA,
        "@type": "CreativeWork",
        "conformsTo": {"@id": SPECIFICATION},
        "about": {"@id": "./"},
    }
    terms = {
        "@id": licence,
        "@type": "CreativeWork",
        "name": f"{cited['license']} licence",
        "description": f"SPDX licence identifier {cited['license']}",
    }
    graph = [descriptor, root, *files, *builds, *software.values(), *authors, terms]
    return {"@context": f"{SPECIFICATION}/context", "@graph": graph}


def write_crate(folder: Path | str, citation: Path | str = "CITATION.cff", **options: Any) -> Path:
    """Write the folder's ro-crate-metadata.json; returns its path. Write checksums after it, since they list it."""
    path = Path(folder) / METADATA
    text = json.dumps(crate(folder, citation, **options), indent=1, ensure_ascii=False)
    write_atomically(path, (text + "\n").encode())
    return path


def _paths(folder: Path) -> list[Path]:
    """Every file below the folder but the metadata itself, in a fixed order."""
    found = sorted(
        (path for path in folder.rglob("*") if path.is_file()),
        key=lambda path: path.relative_to(folder).as_posix(),
    )
    return [path for path in found if path != folder / METADATA]


def _file(path: Path, folder: Path, descriptions: Mapping[str, str]) -> dict[str, Any]:
    name = path.relative_to(folder).as_posix()
    described = next(
        (text for pattern, text in descriptions.items() if fnmatch(name, pattern)), None
    )
    if described is None:
        raise RegrokError(
            f"{path}: the bundle's metadata has no description of {name}; add one to DESCRIPTIONS in "
            "src/regrok/released/crate.py, or take the file out of the folder"
        )
    entity: dict[str, Any] = {
        "@id": name,
        "@type": "File",
        "name": name,
        "description": described,
        "encodingFormat": FORMATS.get(path.suffix.lower(), "text/plain"),
    }
    if not any(fnmatch(name, pattern) for pattern in CHECKSUMS):
        content = path.read_bytes()
        # The specification wants the size as a string.
        entity["contentSize"] = str(len(content))
        entity["sha256"] = hashlib.sha256(content).hexdigest()
    return entity


def _builds(folder: Path, files: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """An action for every provenance.json, with its commit beside the entity's own properties."""
    made = []
    for path in sorted(folder.rglob("provenance.json")):
        record = _provenance(path)
        build = record.get("build", record)
        if not build.get("built") or not build.get("commit"):
            raise RegrokError(
                f"{path}: no commit or no date (keys `commit` and `built`) of the build"
            )
        above = path.parent.relative_to(folder).as_posix()
        inside = "" if above == "." else f"{above}/"
        made.append(
            {
                "@id": f"#build-{above}" if inside else "#build",
                "@type": "CreateAction",
                "name": f"Training and analysis{f', {above} scale' if inside else ''}",
                "description": _machine(record),
                "endTime": str(build["built"]),
                "result": [
                    {"@id": file["@id"]} for file in files if file["@id"].startswith(inside)
                ],
                "commit": str(build["commit"]),
            }
        )
    if not made:
        raise RegrokError(
            f"{folder}: no provenance.json; the metadata takes the commit and the date from it"
        )
    return made


def _provenance(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RegrokError(f"{path} cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise RegrokError(f"{path}: expected an object with the keys commit and built")
    return found


def _date(builds: list[dict[str, Any]]) -> str:
    asked = epoch()
    if asked is None:
        return max(build["endTime"] for build in builds)
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(asked))


def _machine(record: Mapping[str, Any]) -> str:
    """What it took and where."""
    hours = record.get("hours", {}).values() or [record.get("training_hours", 0)]
    processor = record.get("machine", record).get("processor") or "a processor unknown"
    return f"{record.get('runs', 'All')} runs, {sum(hours):.1f} hours of training, on {processor}"


def _author(entry: Mapping[str, Any]) -> dict[str, Any]:
    """CITATION.cff's author as an entity: a person where it has a family name, else an organisation."""
    if "family-names" not in entry:
        return {"@id": "#authors", "@type": "Organization", "name": entry["name"]}
    name = " ".join(entry[key] for key in ("given-names", "family-names") if key in entry)
    identifier = entry.get("orcid") or "#" + name.replace(" ", "-").lower()
    return {"@id": identifier, "@type": "Person", "name": name}


def _required(cited: Mapping[str, Any], key: str, path: Path | str) -> Any:
    if not cited.get(key):
        raise RegrokError(f"{path}: no key `{key}`; the bundle's metadata takes it from there")
    return cited[key]


def _single(values: list[dict[str, str]]) -> Any:
    """One value stands alone, as the specification recommends."""
    return values[0] if len(values) == 1 else values


def _references(entities: list[dict[str, Any]]) -> list[dict[str, str]]:
    return [{"@id": entity["@id"]} for entity in entities]
