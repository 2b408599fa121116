"""The file of claims, and the command that shows them."""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from regrok.cli import main
from regrok.commands import ledger_lines
from regrok.errors import RegrokError
from regrok.judging.verdicts import judge
from regrok.laws.parts.estimate import estimate, exact
from regrok.study.blocks import Config
from regrok.study.claims import Claims, asked_words, command_in, load_claims, stated
from regrok.study.read import load_config
from regrok.study.words import UNJUDGED

ROOT = Path(__file__).parents[1]
STUDIES = ROOT / "studies"

WITHIN = {"kind": "within", "target": 1.0, "tolerance": 0.1}


# The file ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def config() -> Config:
    return load_config(ROOT / "config.yaml")


@pytest.fixture(scope="module")
def claims(config) -> Claims:
    return load_claims(config, STUDIES)


def test_the_file_holds_every_printed_claim_of_paper_a(claims):
    printed = {claim.id.partition("-")[0] for claim in claims.claims if claim.letter == "A"}
    assert {f"A{i}" for i in range(1, 13)} <= printed
    assert len(claims.claims) >= 30


def test_commands_name_the_fit_that_the_estimand_comes_from(claims):
    for claim in claims.claims:
        command = claim.command_at("laptop", ["S2", "S3"])
        assert command.startswith(f"snakemake results/laptop/{claim.file} "), claim.id
        assert command.endswith("--config scale=laptop 'only=[S2,S3]'"), claim.id
        words = f" 'only=[{','.join(claim.experiments)}]'" if claim.experiments else ""
        assert claim.command_at("paper", []).endswith(f"--config scale=paper{words}")


def test_published_value_meets_its_own_predicate(claims):
    """A claim that its own number would fail is a slip of the pen, but for those marked as our stricter reading."""
    for claim in claims.claims:
        if claim.published.value is None:
            continue
        for scale in claim.predicate:
            n = 1000
            # A rule that names a target of its own asks for that: how many stay below what is printed, say.
            asked = getattr(claim.predicate[scale], "target", None)
            meets = claim.published.value if asked is None else asked
            found = exact(meets, n, "published").as_json()
            estimates = {claim.estimand: found}
            if claim.direction:
                estimates.setdefault(claim.direction.estimand, found)
            if claim.choices:
                estimates.setdefault(claim.choices, found)
            entry = judge(claim, estimates, scale, set(claim.experiments))
            reduced = claim.predicate[scale].direction_only
            best = "reproduced in direction only" if reduced else "reproduced"
            assert entry["verdict"] == best, claim.id


CORRECTED = {"date": "2026-01-31", "why": "it counted runs that never grokked"}


def changed(tmp_path, change) -> Path:
    """The studies, with something changed in paper A's claims."""
    path = shutil.copytree(STUDIES, tmp_path / "studies") / "norm_delay/claims.yaml"
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    change(data)
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return tmp_path / "studies"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda d: d["claims"][3].update(id="A1"),
            r"A1: this id is given twice, in \S+, line \d+ and \S+norm_delay/claims.yaml, line \d",
        ),
        (
            lambda d: d["claims"][3].update(id="B1"),
            r"B1: this id is given twice, in \S+norm_delay\S+ line \d+ and \S+depth_and_decay",
        ),
        (lambda d: d["claims"][0].update(id="C1"), "C1: this paper's letter is A"),
        (lambda d: d["claims"][0].pop("origin"), "A1: origin: missing"),
        (lambda d: d["claims"][0].update(origin="print"), "A1: origin = 'print'.*printed"),
        (
            lambda d: d["claims"][0].update(corrected={**CORRECTED, "by": ["A77"]}),
            r"A1: corrected\.by = 'A77': no such claim",
        ),
        (
            # which the file itself corrects
            lambda d: d["claims"][0].update(corrected={**CORRECTED, "by": ["A2-weight-decay"]}),
            r"A1: corrected\.by = 'A2-weight-decay': that entry was corrected too",
        ),
        (
            lambda d: d["claims"][0].update(estimand="sumary.runs"),
            "'sumary'.*Did you mean 'summary'",
        ),
        (
            lambda d: d["claims"][0].update(alternatives={"x": "nofit.key"}),
            r"alternatives\.x = 'nofit.key'",
        ),
        (
            lambda d: d["claims"][0].update(published={"value": None, "text": "many"}),
            "A1: predicate.*target: missing",
        ),
        (lambda d: d["claims"][0].update(experiments=["S22"]), "'S22'.*Did you mean 'S2'"),
        (lambda d: d["claims"][0].update(statment="x"), "statment.*statement"),
        (lambda d: d["claims"][0].pop("place"), "A1: place: missing"),
        (lambda d: d["claims"][0].update(command="x"), "A1: command = 'x': unknown key"),
        (lambda d: d["claims"][0].update(estimand="r_squared"), "estimand"),
        (
            lambda d: d["claims"][0]["predicate"]["paper"].update(tolerance_relative=0.1),
            "give one of tolerance",
        ),
        (
            lambda d: d["claims"][0].update(
                predicate={"paper": {"kind": "all_equal", "target": 0.5, "minimum_runs": 3}}
            ),
            "0 or 1",
        ),
        (lambda d: d["claims"][0].update(predicate={"huge": WITHIN}), "huge"),
        (
            lambda d: d["claims"][0]["predicate"]["paper"].update(kind="wthin"),
            "kind = 'wthin'.*within",
        ),
    ],
)
def test_a_wrong_file_is_refused_by_name(tmp_path, config, change, message):
    with pytest.raises(RegrokError, match=f"(?s){message}"):
        load_claims(config, changed(tmp_path, change))


# The command ---------------------------------------------------------------------------------------


@pytest.fixture
def ledger_path(tmp_path, claims):
    """A ledger with one judged claim, A3."""
    claim = claims.find("A3")
    estimates = {
        "weight_decay.T_grok.r_squared": estimate(
            0.971, 0.955, 0.98, 20, "least squares"
        ).as_json(),
        "weight_decay.T_grok.slope": estimate(2.0, 1.0, 3.0, 5, "").as_json(),
    }
    entry = {
        "id": "A3", "paper": "A", "place": claim.place, "statement": claim.statement,
        "published_value": 0.97, "published_text": claim.published.text,
        "estimand": claim.estimand, "fit": claim.fit,
        **judge(claim, estimates, "laptop", {"S2"}),
        "robustness": {"threshold .90": {"verdict": "inconclusive", "value": 0.9, "low": 0.8, "high": 1.0}},
        "survives": False, "experiments": ["S2"], "run_ids": ["aaa", "bbb"], "runs": 2, "minutes": 3.5,
        "command": claim.command_at("laptop", ["S2"]),
    }  # fmt: skip
    path = tmp_path / "ledger.json"
    path.write_text(
        json.dumps({"scale": "laptop", "readings": ["threshold .90"], "claims": [entry]}),
        encoding="utf-8",
    )
    return path


def called(capsys, *arguments):
    status = main(["claims", *arguments, "--config", str(ROOT / "config.yaml")])
    return status, capsys.readouterr()


def test_the_table_lists_all_and_says_what_is_not_judged(capsys, ledger_path, claims):
    # Without a bundle the build's own verdicts are all there are.
    given = ("--ledger", str(ledger_path), "--bundle", str(ledger_path.parent))
    status, printed = called(capsys, *given)
    assert status == 0
    standing = [claim for claim in claims.claims if claim.corrected is None]
    rows = [line.split()[0] for line in printed.out.splitlines() if line.strip()]
    shown = [row for row in rows if row in {claim.id for claim in claims.claims}]
    assert sorted(shown) == sorted(claim.id for claim in standing)
    assert f"{len(claims.claims) - len(standing)} more were corrected" in printed.out
    _, whole = called(capsys, *given, "--corrected")
    assert all(f"\n{claim.id} " in whole.out for claim in claims.claims)
    words = printed.out.replace("\n", " ")
    for origin in ("printed", "released", "ours"):
        mine = [c for c in claims.claims if c.origin == origin and c.corrected is None]
        judged = [c for c in mine if c.id == "A3"]
        assert f"{origin}: {len(mine)} claims; {len(mine) - len(judged)} not judged" in words
    assert "snakemake" in printed.err


def test_one_claim_shows_its_evidence(capsys, ledger_path):
    status, printed = called(capsys, "a3", "--ledger", str(ledger_path))
    text = " ".join(printed.out.split())
    assert status == 0
    for part in (
        "2603.13331",
        "0.971",
        "aaa bbb",
        "3.5 minutes",
        "weight_decay.json",
        "threshold .90",
    ):
        assert part in text, part


@pytest.fixture
def bundle_path(tmp_path, ledger_path):
    """A bundle of a laptop and a paper ledger of A3: reproduced in direction only, and not reproduced."""
    made = json.loads(ledger_path.read_text(encoding="utf-8"))
    for scale, verdict, value in (
        ("laptop", "reproduced in direction only", 0.9),
        ("paper", "not reproduced", 0.5),
    ):
        changed = made["claims"][0] | {
            "verdict": verdict,
            "value": value,
            "criterion": f"as {scale} asks",
        }
        folder = tmp_path / "released" / scale
        folder.mkdir(parents=True)
        (folder / "runs.parquet").touch()
        (folder / "ledger.json").write_text(
            json.dumps(made | {"scale": scale, "claims": [changed]}), encoding="utf-8"
        )
    return tmp_path / "released"


def test_one_claim_shows_interval_against_rule_at_every_scale_and_which_leads(
    capsys, ledger_path, bundle_path
):
    given = ("--ledger", str(ledger_path), "--bundle", str(bundle_path))
    _, printed = called(capsys, "A3-population", *given)
    assert "paper" not in printed.out.partition("command")[0]  # which neither ledger has
    status, printed = called(capsys, "A3", *given)
    text = " ".join(printed.out.split())
    assert status == 0
    assert "verdict not reproduced, at the paper scale, the largest that judged it" in text
    assert "paper (released) 0.5 [0.955, 0.98]; asked: as paper asks; not reproduced" in text
    assert "laptop (this build) 0.971 [0.955, 0.98]; asked: " in text
    assert "laptop (released)" not in text  # this build has judged that scale itself
    _, printed = called(capsys, *given)
    assert "\nA3 " not in printed.out  # which another has replaced
    _, printed = called(capsys, *given, "--corrected")
    row = printed.out[printed.out.index("\nA3 ") :].splitlines()[1]
    assert row.split()[-1] == "✗●"
    assert "0.5" in row and "├" in row and len(row) <= 100


def test_a_claim_that_another_scale_alone_judged_shows_what_it_rests_on_there(
    capsys, ledger_path, bundle_path
):
    made = json.loads(ledger_path.read_text(encoding="utf-8"))
    none = {"verdict": "out of scope at this scale", "value": None, "low": None, "high": None}
    made["claims"][0] |= {**none, "note": "no runs here"}
    for path in (ledger_path, bundle_path / "laptop/ledger.json"):
        path.write_text(json.dumps(made), encoding="utf-8")
    status, printed = called(
        capsys, "A3", "--ledger", str(ledger_path), "--bundle", str(bundle_path)
    )
    assert status == 0
    assert f"{bundle_path}/paper/fits/weight_decay.json" in printed.out
    assert "no runs here" not in printed.out


@pytest.mark.parametrize(
    ("estimate", "band", "expected"),
    [
        ((2.0, 1.0, 3.0), (2.5, math.inf), " [--o-=]:"),
        ((2.0, 1.0, 3.0), (-math.inf, 2.5), ":[==o==] "),
        ((1.0, 1.0, 1.0), (0.0, 1.0), " ::::::o "),
        ((2.0, 1.0, None), None, " [-----o>"),
        ((2.0, None, None), (1.0, 3.0), " :::o::: "),
        ((None, None, None), (1.0, 3.0), "         "),
    ],
)
def test_an_interval_is_drawn_against_its_band(estimate, band, expected):
    found = dict(zip(("value", "low", "high"), estimate, strict=True))
    drawn = ledger_lines.drawn(found, band, 9, ledger_lines.ASCII)
    assert drawn == expected


def test_numbers_of_many_sizes_are_drawn_by_their_logarithms():
    found = {"value": 100.0, "low": 10.0, "high": 1000.0}
    drawn = ledger_lines.drawn(found, (1.0, 10_000.0), 21, ledger_lines.ASCII)
    assert drawn.index("o") == 10
    assert (drawn.index("[") + drawn.index("]")) / 2 == 10


def test_the_table_is_filtered_by_verdict_paper_and_origin(capsys, ledger_path, bundle_path):
    given = ("--ledger", str(ledger_path), "--bundle", str(bundle_path), "--corrected")

    def listed(*options):
        status, printed = called(capsys, *given, *options, "--format", "json")
        assert status == 0
        return {entry["id"]: entry for entry in json.loads(printed.out)}

    assert set(listed("--verdict", "not-reproduced")) == {"A3"}
    assert listed("--verdict", "reproduced") == {}
    ours = listed("--paper", "b", "--origin", "ours")
    assert ours and {(e["paper"], e["origin"]) for e in ours.values()} == {("B", "ours")}
    status, printed = called(capsys, *given, "--paper", "Z")
    assert status == 2 and "no such paper; there are A, B" in printed.err


def test_lines_fit_a_hundred_columns_in_any_encoding(capsys, monkeypatch, ledger_path):
    given = ("--ledger", str(ledger_path), "--bundle", str(ledger_path.parent), "--corrected")
    for encodes in (True, False):
        monkeypatch.setattr(
            "regrok.commands.claims.shows", lambda encoding, encodes=encodes: encodes
        )
        _, printed = called(capsys, *given)
        rows = [row for row in printed.out.splitlines() if re.match(r"[A-Z]\d+(-|\s)", row)]
        assert len(rows) > 200 and max(map(len, rows)) <= 100
        assert ("├" in printed.out) == encodes


def test_json_has_every_scale_the_leading_one_first(capsys, ledger_path, bundle_path):
    given = ("--ledger", str(ledger_path), "--bundle", str(bundle_path))
    _, printed = called(capsys, "A3", "--format", "json", *given)
    (entry,) = json.loads(printed.out)
    assert entry["verdict"] == "reproduced"
    assert [(s["scale"], s["released"], s["verdict"]) for s in entry["scales"]] == [
        ("paper", True, "not reproduced"),
        ("laptop", False, "reproduced"),
    ]


def test_json_states_a_claim_that_is_not_judged_as_a_ledger_would(capsys, ledger_path, claims):
    given = ("--ledger", str(ledger_path), "--bundle", str(ledger_path.parent))
    _, printed = called(capsys, "A4", "--format", "json", *given)
    (entry,) = json.loads(printed.out)
    assert entry.items() >= stated(claims.find("A4"), claims).items()
    assert entry["arxiv"] == claims.papers["A"].arxiv
    assert (entry["verdict"], entry["value"], entry["run_ids"]) == (UNJUDGED, None, [])


def test_before_a_build_the_released_verdict_of_its_scale_is_shown_as_released(
    capsys, tmp_path, bundle_path
):
    (bundle_path / "paper/runs.parquet").unlink()  # so that the bundle is of the laptop scale alone
    given = ("--ledger", str(tmp_path / "absent.json"), "--bundle", str(bundle_path))
    status, printed = called(capsys, "A3", *given)
    text = " ".join(printed.out.split())
    assert status == 0
    assert "laptop (released) 0.9 [" in text
    assert "this build" not in text
    assert "absent.json does not exist yet" in " ".join(printed.err.split())


def test_a_released_ledger_that_is_none_is_named(capsys, ledger_path, bundle_path):
    (bundle_path / "paper/ledger.json").write_text("{}", encoding="utf-8")
    given = ("--ledger", str(ledger_path), "--bundle", str(bundle_path))
    status, printed = called(capsys, *given)
    assert status == 2
    assert "paper/ledger.json: not a ledger" in printed.err


def test_json_is_json(capsys, ledger_path):
    status, printed = called(capsys, "A3", "--format", "json", "--ledger", str(ledger_path))
    assert status == 0
    assert json.loads(printed.out)[0]["verdict"] == "reproduced"


@pytest.mark.parametrize(
    ("told", "folder", "words"),
    [
        ({}, "laptop", "scale=laptop"),
        ({"source": "released"}, "laptop-released", "scale=laptop source=released"),
        (
            {"studies": ["norm_delay"], "source": "released"},
            "laptop-norm_delay-released",
            "scale=laptop 'studies=[norm_delay]' source=released",
        ),
        ({"only": ["S2", "S6"]}, "laptop", "scale=laptop 'only=[S2,S6]'"),
    ],
)
def test_a_command_names_the_build_that_it_brings(told, folder, words, claims):
    config = load_config(ROOT / "config.yaml", {"scale": "laptop", **told})
    assert asked_words(config) == words
    made = command_in(config, "weight_decay", ["S2"])
    build = words.partition(" 'only")[0]
    start = (
        f"snakemake results/{folder}/fits/weight_decay.json --cores all --config {build} 'only=["
    )
    assert made.startswith(start)
    here = [e for e in config.fits["weight_decay"].experiments if config.runs_here(e)]
    if not told:
        assert made == claims.find("A3").command_at("laptop", here)


def test_the_command_shown_is_that_of_the_build_asked_for(capsys, ledger_path):
    told = ("--set", "studies=[norm_delay]", "--set", "source=released")
    for form in ((), ("--format", "json")):
        _, printed = called(capsys, "A3", *form, "--ledger", str(ledger_path), *told)
        text = " ".join(printed.out.split())
        assert "--config scale=laptop 'studies=[norm_delay]' source=released" in text
        assert "snakemake results/laptop-norm_delay-released/fits/weight_decay.json" in text


def test_a_wrong_id_suggests_the_nearest(capsys, ledger_path):
    status, printed = called(capsys, "A3-slop", "--ledger", str(ledger_path))
    assert status == 2
    assert "A3-slope" in printed.err


def test_a_damaged_ledger_is_named(capsys, ledger_path):
    ledger_path.write_text("{", encoding="utf-8")
    status, printed = called(capsys, "--ledger", str(ledger_path))
    assert status == 2
    assert str(ledger_path) in printed.err


def test_claims_are_read_without_torch():
    code = "import sys, regrok.study.claims; sys.exit('torch' in sys.modules or 'lifelines' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
