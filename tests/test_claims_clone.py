"""`regrok claims` where nothing was built: it reads what there is, and says which."""

from __future__ import annotations

import json

from test_claims import bundle_path, called, claims, config, ledger_path

__all__ = ["bundle_path", "claims", "config", "ledger_path"]
"""Fixtures of those tests."""


def test_a_clone_shows_the_build_else_the_reanalysed_else_what_ships_and_says_which(
    capsys, tmp_path, monkeypatch, ledger_path, bundle_path
):
    (bundle_path / "paper/runs.parquet").unlink()  # so that the bundle is of the laptop scale alone
    monkeypatch.chdir(tmp_path)
    given = ("A3", "--bundle", "released")
    status, printed = called(capsys, *given)
    text = " ".join(printed.out.split())
    assert status == 0 and printed.err == ""
    assert "this is released/laptop/ledger.json, as it ships" in text
    assert "verdict reproduced in direction only" in text and "laptop (released) 0.9" in text
    assert "released/laptop/fits/weight_decay.json" in text and "figures/" not in text
    for folder, words in (
        ("laptop-released", "this is results/laptop-released/ledger.json, fitted here to the"),
        ("laptop", ""),
    ):
        built = tmp_path / "results" / folder / "ledger.json"
        built.parent.mkdir(parents=True)
        built.write_bytes(ledger_path.read_bytes())
        _, printed = called(capsys, *given)
        text = " ".join(printed.out.split())
        assert words in text and ("this is" in text) == bool(words)
        assert "laptop (this build) 0.971" in text
        assert f"results/{folder}/fits/weight_decay.json" in text
        assert f"results/{folder}/figures/" in text
    _, printed = called(
        capsys, "A3", "--ledger", "released/laptop/ledger.json", "--bundle", "released"
    )
    assert "laptop (released) 0.9" in " ".join(printed.out.split())


def test_json_says_on_stderr_that_it_is_of_what_ships(capsys, tmp_path, monkeypatch, bundle_path):
    monkeypatch.chdir(tmp_path)
    _, printed = called(capsys, "A3", "--format", "json", "--bundle", "released")
    (entry,) = json.loads(printed.out)
    assert entry["verdict"] == "reproduced in direction only" and entry["value"] == 0.9
    assert [(s["scale"], s["released"]) for s in entry["scales"]] == [
        ("paper", True),
        ("laptop", True),
    ]
    assert "as it ships" in printed.err
