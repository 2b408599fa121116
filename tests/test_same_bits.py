"""`regrok same-bits`: one bit that differs is found, and nothing is declared equal without the proof."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import numpy as np
import pytest
from pydantic import BaseModel

from regrok.commands import same_bits as command
from regrok.study.run import Run
from regrok.training import generations, kinds
from regrok.training.fingerprint import PACKAGE
from regrok.training.generations import Generations
from regrok.training.same_bits import compare, judge, same, train

pytestmark = pytest.mark.beside

CHOSEN = ("full batch", "adam", "sgd, momentum", "transformer, post, last, relu", "clusters")
SOME = [kind for kind in kinds.KINDS if kind.name in CHOSEN]
BASE = "b" * 40


def copy(folder: Path) -> Path:
    shutil.copytree(PACKAGE, folder / "src/regrok", ignore=shutil.ignore_patterns("__pycache__"))
    return folder / "src"


def edit(source: Path, name: str, old: str, new: str) -> Path:
    path = source / "regrok" / name
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")
    return source


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> dict[str, Any]:
    """The bits of this package, of an unchanged copy, and of copies in which a little was changed."""
    folder = tmp_path_factory.mktemp("packages")
    sources = {
        name: copy(folder / name)
        for name in ("same", "eps", "task", "observable", "said", "groups")
    }
    edit(
        sources["eps"],
        "training/slots.py",
        "else float(value)",
        "else float(value) * EPS.get(name, 1)",
    )
    edit(
        sources["eps"],
        "training/slots.py",
        "WARM_UP_STEPS = 3",
        "EPS = {'eps': 1.5}\nWARM_UP_STEPS = 3",
    )
    edit(
        sources["task"], "tasks/xor_clusters.py", "task.train_count**0.51", "task.train_count**0.52"
    )
    edit(sources["observable"], "measures/observables.py", "shares)[-5:]", "shares)[-4:]")
    edit(sources["said"], "training/optim.py", "_CLIP_EPSILON = 1e-6", "_CLIP_EPSILON = 1 / 10**6")
    edit(
        sources["groups"],
        "models/transformer.py",
        '"embedding": [n for n in shapes if n.startswith(("embedding", "position"))]',
        '"embedding": [n for n in shapes if n.startswith("embedding")]',
    )
    edit(
        sources["groups"],
        "models/transformer.py",
        'n.startswith("head")',
        'n.startswith(("head", "position"))',
    )
    names = ["now", *sources]
    return dict(zip(names, train([PACKAGE.parent, *sources.values()], SOME), strict=True))


def entry(trained, name):
    """What generations.yaml says of such code."""
    bits = trained[name]
    codes = {name: sorted(set(by_pair.values())) for name, by_pair in bits["observables"].items()}
    return {"trainers": bits["trainers"], "observables": codes}


def found(trained, name):
    return {each.kind.name: each for each in compare(trained["now"], trained[name], SOME)}


def judged(trained, name, entries=None):
    every = compare(trained["now"], trained[name], SOME)
    return judge(trained["now"], trained[name], every, Generations(entries or {}))


def test_an_unchanged_copy_has_the_same_bits_and_nothing_to_declare(trained):
    assert all(not each.parted and each.runs == 2 for each in found(trained, "same").values())
    verdict = judged(trained, "same")
    assert verdict.equal
    assert not (verdict.to_declare or verdict.anew or verdict.false)


def test_a_changed_epsilon_is_found_in_the_kinds_that_have_one(trained):
    parted = {name: each.parted for name, each in found(trained, "eps").items()}
    assert parted["sgd, momentum"] is None
    for name in set(CHOSEN) - {"sgd, momentum"}:
        assert parted[name].startswith("seed 0: ") and " step " in parted[name]
    verdict = judged(trained, "eps")
    assert not verdict.equal and not verdict.to_declare.get("trainers")
    assert set(verdict.anew) == {"modular/mlp", "modular/transformer", "xor_clusters/mlp"}
    assert not verdict.false, "what is measured on other runs says nothing of the observables"
    assert "DIFFERENT" in command.line(found(trained, "eps")["adam"])


def test_what_all_share_is_not_proven_by_the_kinds_that_it_does_not_touch(trained):
    # The task's edit concerns its own pair; the others say the same and need no declaration.
    verdict = judged(trained, "task")
    assert verdict.anew == ["xor_clusters/mlp"] and not verdict.to_declare and not verdict.false


def test_an_edit_that_changes_no_bit_is_to_be_declared(trained):
    verdict = judged(trained, "said")
    assert verdict.equal and not verdict.anew and not verdict.false
    # An observable takes in the trainer, so what changes this in words changes that as well.
    assert verdict.to_declare == entry(trained, "said")
    declared = judged(trained, "said", {BASE: [entry(trained, "now"), verdict.to_declare]})
    assert not declared.to_declare and not declared.false


def test_what_is_declared_equal_and_is_not_is_said(trained):
    wrong = {"trainers": trained["eps"]["trainers"]}
    verdict = judged(trained, "eps", {BASE: [entry(trained, "now"), wrong]})
    assert set(verdict.false) == {"modular/mlp", "modular/transformer", "xor_clusters/mlp"}
    assert "but it is not" in command.verdict(verdict, BASE, declare=False)[0]


def test_an_observable_is_judged_for_itself(trained):
    verdict = judged(trained, "observable")
    assert verdict.equal and verdict.anew == ["embedding_spectrum"] and not verdict.to_declare
    transformer = found(trained, "observable")["transformer, post, last, relu"]
    assert transformer.parted is None
    assert "top5_share at step 0" in transformer.observables["embedding_spectrum"]
    assert transformer.observables["fourier_low"] is None


def test_what_is_measured_through_the_model_is_measured_anew_after_an_edit_of_it(trained):
    verdict = judged(trained, "groups")
    assert verdict.equal and verdict.anew == ["norm_groups"] and not verdict.false
    assert verdict.to_declare["trainers"] == {
        "modular/transformer": trained["groups"]["trainers"]["modular/transformer"]
    }
    assert set(verdict.to_declare["observables"]) == set(kinds.TOKENS) - {"norm_groups"}


def test_an_observable_that_is_declared_for_one_model_alone_is_judged_for_each(trained):
    # That of the transformers is declared and wrong; that another model's is not declared mends nothing.
    mixed = {
        **trained["groups"],
        "observables": {
            name: {**codes, "modular/mlp": "feedfeedfeed"}
            for name, codes in trained["groups"]["observables"].items()
        },
    }
    every = compare(trained["now"], mixed, SOME)
    wrong = Generations({BASE: [entry(trained, "now"), entry(trained, "groups")]})
    assert judge(trained["now"], mixed, every, wrong).false == ["norm_groups"]


def test_one_bit_is_a_difference():
    values = np.array([1.0, np.nan, 0.0])
    other = np.array([np.nextafter(1.0, 2.0), np.nan, -0.0])
    assert same(values, values).all()
    assert same(values, other).tolist() == [False, True, False]
    assert not same(values, values.astype("float32")).any()


# The command ------------------------------------------------------------------------------------------


@pytest.fixture
def proving(trained, monkeypatch, tmp_path):
    """`prove` with the trainings of the fixture, and a generations.yaml of its own."""
    path = tmp_path / "generations.yaml"
    path.write_text("{}", encoding="utf-8")
    monkeypatch.setattr(generations, "FILE", path)
    for function in (generations.read, generations.declare):
        monkeypatch.setattr(function, "__defaults__", (path,))

    def prove(name, declare=False):
        from contextlib import nullcontext

        monkeypatch.setattr("regrok.released.commits.sources_at", lambda _: nullcontext(Path()))
        monkeypatch.setattr(
            "regrok.training.same_bits.train", lambda *_, **__: [trained["now"], trained[name]]
        )
        some = SOME
        monkeypatch.setattr("regrok.training.same_bits.compare", lambda a, b: compare(a, b, some))
        return command.prove(BASE, declare, "cpu")

    return prove, path


def test_equal_code_is_declared_once_it_is_proven(proving, trained, capsys):
    prove, path = proving
    assert prove("said") == 1
    assert "not declared" in capsys.readouterr().out and path.read_text(encoding="utf-8") == "{}"
    assert prove("said", declare=True) == 0
    written = generations.read(path)
    trainer = trained["said"]["trainers"]["modular/mlp"]
    assert written.commit(trainer, "modular", "mlp") == BASE
    (own, proof) = written.entries[BASE]
    assert own["trainers"] == trained["now"]["trainers"]
    assert proof["runs"] == 2 * len(SOME) and proof["machine"] and proof["proven"]
    capsys.readouterr()
    assert prove("said") == 0
    assert "every stored run of that code serves" in capsys.readouterr().out


def test_code_that_trains_other_bits_is_not_declared(proving, capsys):
    prove, path = proving
    assert prove("eps") == 0
    assert "trained anew" in capsys.readouterr().out
    assert prove("eps", declare=True) == 1
    assert "Nothing of this was declared" in capsys.readouterr().out
    assert "trainers" not in path.read_text(encoding="utf-8")


def test_a_declaration_that_does_not_hold_is_an_error(proving, trained, capsys):
    prove, path = proving
    for name in ("now", "eps"):
        generations.declare(BASE, {"trainers": trained[name]["trainers"]}, path)
    assert prove("eps") == 1
    assert "declared equal to bbbbbbbbbbbb, but it is not" in capsys.readouterr().out


def test_nothing_is_declared_beside_a_declaration_that_does_not_hold(proving, trained, capsys):
    prove, path = proving
    generations.declare(BASE, entry(trained, "now"), path)
    codes = entry(trained, "groups")["observables"]["norm_groups"]
    generations.declare(BASE, {"observables": {"norm_groups": codes}}, path)
    before = path.read_bytes()
    assert prove("groups", declare=True) == 1
    said = capsys.readouterr().out
    assert "declared equal to bbbbbbbbbbbb, but it is not: norm_groups" in said
    assert "Nothing was declared" in said and path.read_bytes() == before


def test_without_the_commit_nothing_is_compared_and_nothing_fails(monkeypatch, capsys):
    monkeypatch.setattr(command, "released_commits", lambda: ["0" * 40])
    from regrok.cli import main

    assert main(["same-bits"]) == 0
    assert "not in this clone" in capsys.readouterr().out
    assert main(["same-bits", "0" * 40]) == 2


# The kinds --------------------------------------------------------------------------------------------


def choices(kind: Any, at: str = "") -> set[tuple[str, Any]]:
    """Every value of every field of the types of a run that has a few values."""
    found: set[tuple[str, Any]] = set()
    if get_origin(kind) is Annotated:
        return choices(get_args(kind)[0], at)
    if get_origin(kind) is Literal:
        return {(at, value) for value in get_args(kind)}
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        for name, field in kind.model_fields.items():
            inner = f"{at}.{name}".lstrip(".")
            if inner != "start.run":  # a run again
                found |= choices(field.annotation, inner)
    elif kind is bool:
        return {(at, True), (at, False)}
    else:
        for each in get_args(kind):
            found |= choices(each, at)
    return found


def values(run: Any, at: str = "") -> set[tuple[str, Any]]:
    if isinstance(run, dict):
        return {v for name, each in run.items() for v in values(each, f"{at}.{name}".lstrip("."))}
    if isinstance(run, list):
        return {(at, each) for each in run}
    return {(at, run)}


def test_every_choice_that_a_run_has_is_in_some_kind():
    trained = {v for kind in kinds.KINDS for run in kind.runs() for v in values(run)}
    assert choices(Run) - trained == set()
    wanted = {"clip_norm", "warmup_steps", "memorise_steps", "train_count", "split_seed"}
    set_somewhere = {at.rpartition(".")[2] for at, value in trained if value}
    assert wanted <= set_somewhere


def test_the_kinds_are_valid_runs_with_names_of_their_own():
    assert len({kind.name for kind in kinds.KINDS}) == len(kinds.KINDS)
    for kind in kinds.KINDS:
        for run in kind.runs():
            assert Run.model_validate(run, strict=False).protocol.max_steps <= 400
    assert {kind.way for kind in kinds.KINDS} == {"trained", "resumed", "reference", "stacked"}
