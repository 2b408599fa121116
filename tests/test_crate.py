"""RO-Crate metadata: every file described once and truly, the same bytes twice, clear refusals."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from rocrate.rocrate import ROCrate

from regrok.errors import RegrokError
from regrok.released.crate import METADATA, crate, write_crate

ROOT = Path(__file__).resolve().parents[1]
CITATION = ROOT / "CITATION.cff"
BUILT = "2026-01-02T03:04:05Z"


@pytest.fixture
def bundle(tmp_path, monkeypatch):
    """A released bundle as it might be, with files in folders."""
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    folder = tmp_path / "released"
    (folder / "fits").mkdir(parents=True)
    provenance = {
        "commit": "a" * 40,
        "built": BUILT,
        "runs": 8,
        "training_hours": 1.5,
        "processor": "A processor",
    }
    (folder / "provenance.json").write_text(json.dumps(provenance), encoding="utf-8")
    for name in ("runs.parquet", "curves.parquet", "experiments.parquet", "spectra.parquet"):
        (folder / name).write_bytes(name.encode())
    for name in ("ledger.json", "fits/contraction.json", "fits/weight_decay.json"):
        (folder / name).write_text("{}", encoding="utf-8")
    (folder / "SHA256SUMS").write_text("", encoding="utf-8")
    return folder


def entities(document):
    return {entity["@id"]: entity for entity in document["@graph"]}


def files(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_every_file_is_described_with_its_size_and_checksum(bundle):
    found = entities(crate(bundle, CITATION))
    listed = {part["@id"] for part in found["./"]["hasPart"]}
    assert listed == files(bundle)
    for name in listed - {"SHA256SUMS"}:
        content = (bundle / name).read_bytes()
        assert found[name]["sha256"] == hashlib.sha256(content).hexdigest()
        assert found[name]["contentSize"] == str(len(content))
        assert len(found[name]["description"]) > 10
    assert found["runs.parquet"]["encodingFormat"] == "application/vnd.apache.parquet"
    # The checksums list the metadata, so the metadata cannot hold theirs.
    assert "sha256" not in found["SHA256SUMS"]


def test_commit_date_licence_and_authors_are_the_bundle_s_and_the_citation_s(bundle):
    found = entities(crate(bundle, CITATION))
    assert found["#regrok-aaaaaaaaaaaa"]["identifier"] == "a" * 40
    assert found["./"]["datePublished"] == BUILT
    assert found["./"]["license"] == {"@id": "https://spdx.org/licenses/MIT"}
    assert found[found["./"]["author"]["@id"]]["name"] == "The Regrok authors"
    assert "8 runs, 1.5 hours of training, on A processor" in found["#build"]["description"]


def test_every_reference_has_its_entity_and_every_entity_is_reached(bundle):
    document = crate(bundle, CITATION)
    found = entities(document)
    assert len(found) == len(document["@graph"])

    def references(value):
        if isinstance(value, dict) and set(value) == {"@id"}:
            return {value["@id"]}
        values = (
            value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        )
        return set().union(*(references(inner) for inner in values))

    wanted = {
        name for name in references(document["@graph"]) if not name.startswith("https://w3id.org/")
    }
    assert wanted == set(found) - {METADATA}


def test_the_reference_library_reads_it(bundle):
    write_crate(bundle, CITATION)
    read = ROCrate(bundle)
    assert {entity.id for entity in read.data_entities} == files(bundle) - {METADATA}
    assert read.root_dataset["license"].id.endswith("/MIT")
    assert read.metadata["conformsTo"] == "https://w3id.org/ro/crate/1.2"


def test_written_twice_it_is_the_same_and_does_not_list_itself(bundle, monkeypatch):
    first = write_crate(bundle, CITATION).read_bytes()
    assert write_crate(bundle, CITATION).read_bytes() == first
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    found = entities(json.loads(write_crate(bundle, CITATION).read_text(encoding="utf-8")))
    assert found["./"]["datePublished"] == "1970-01-01T00:00:00Z"


def test_each_scale_has_its_own_build(bundle):
    """The layout of results/released: a folder per scale, each with its provenance."""
    record = {
        "build": {"commit": "b" * 40, "built": "2026-02-03T04:05:06Z"},
        "machine": {"processor": "Another"},
        "hours": {"cpu": 1.0, "cuda": 2.0},
        "runs": 3,
    }
    (bundle / "laptop/tables").mkdir(parents=True)
    (bundle / "laptop/provenance.json").write_text(json.dumps(record), encoding="utf-8")
    (bundle / "laptop/runs.parquet").write_bytes(b"runs")
    (bundle / "laptop/tables/claims.csv").write_text("id\n", encoding="utf-8")
    found = entities(crate(bundle, CITATION))
    assert {part["@id"] for part in found["./"]["hasPart"]} == files(bundle)
    assert found["./"]["datePublished"] == "2026-02-03T04:05:06Z"
    action = found["#build-laptop"]
    assert "3 runs, 3.0 hours of training, on Another" in action["description"]
    assert found[action["instrument"]["@id"]]["identifier"] == "b" * 40
    assert {part["@id"] for part in action["result"]} == {
        "laptop/provenance.json",
        "laptop/runs.parquet",
        "laptop/tables/claims.csv",
    }


def test_people_are_persons_with_their_identifier(bundle, tmp_path):
    text = CITATION.read_text(encoding="utf-8").replace(
        "  - name: The Regrok authors",
        "  - given-names: A.\n    family-names: Author\n    orcid: https://orcid.org/0000-0000-0000-0000",
    )
    cited = tmp_path / "CITATION.cff"
    cited.write_text(text, encoding="utf-8")
    person = entities(crate(bundle, cited))["https://orcid.org/0000-0000-0000-0000"]
    assert person["@type"] == "Person"
    assert person["name"] == "A. Author"


def test_a_file_that_nobody_described_is_named(bundle):
    (bundle / "mystery.bin").write_bytes(b"?")
    with pytest.raises(RegrokError, match=r"no description of mystery\.bin"):
        crate(bundle, CITATION)
    described = crate(bundle, CITATION, {"*.bin": "What it is"})
    assert entities(described)["mystery.bin"]["description"] == "What it is"


@pytest.mark.parametrize("content", [None, "{", "[]", "{}"])
def test_a_bundle_without_its_provenance_is_refused(bundle, content):
    path = bundle / "provenance.json"
    path.unlink() if content is None else path.write_text(content, encoding="utf-8")
    with pytest.raises(RegrokError, match=r"provenance\.json"):
        crate(bundle, CITATION)
