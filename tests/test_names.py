"""Names of a build's documents: no two builds share one, and the plain name is the whole study's at laptop scale."""

from __future__ import annotations

import itertools
from pathlib import Path
from types import SimpleNamespace

import pytest

from regrok.paper import names

LISTED = ("norm_delay", "depth_and_decay")


def config(scale="laptop", studies=LISTED, only=(), source="trained"):
    return SimpleNamespace(
        scale=scale,
        source=source,
        only=list(only),
        studies=dict.fromkeys(studies),
        whole=studies == LISTED,
    )


@pytest.mark.parametrize(
    ("build", "name"),
    [
        (config(), "regrok"),
        (config("smoke"), "regrok-smoke"),
        (config("paper", source="released"), "regrok-paper-released"),
        (config("smoke", ["norm_delay"]), "regrok-smoke-norm_delay"),
        (config("laptop", ["norm_delay"], source="released"), "regrok-norm_delay-released"),
        (config(only=["S1", "S6"]), "regrok-S1-S6"),
    ],
)
def test_the_name_says_what_sets_a_build_apart(build, name):
    assert names.pdf(build) == f"paper/{name}.pdf"
    assert names.artifact(build) == f"paper/{name.replace('regrok', 'artifact')}.pdf"
    assert names.arxiv(build) == f"paper/{name}-arxiv.tar.gz"
    assert names.folder(names.pdf(build)) == Path("paper/generated") / name


def test_no_two_builds_share_a_document():
    builds = [
        config(scale, studies, only, source)
        for scale, studies, only, source in itertools.product(
            ("smoke", "laptop", "paper"),
            (LISTED, LISTED[:1], LISTED[1:]),
            ((), ("S1",), ("S1", "S2"), tuple(f"S{n}" for n in range(40)), ("S9",) * 30),
            ("trained", "released"),
        )
    ]
    made = [name(build) for build in builds for name in (names.pdf, names.artifact, names.arxiv)]
    assert len(set(made)) == len(made)
    assert max(len(Path(name).name) for name in made) < 150
