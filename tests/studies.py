"""Synthetic studies at a scale: configuration, frames, fits, ledger, each made once per test session."""

from __future__ import annotations

import functools
import json
import warnings
from pathlib import Path
from types import SimpleNamespace

import yaml

import synthetic
from regrok.judging.ledger import ledger
from regrok.laws import law, run_fit
from regrok.study.claims import load_claims
from regrok.study.read import load_config
from regrok.tables import Material

ROOT = Path(__file__).resolve().parents[1]
REPLICATES = 30
"""Bootstrap draws: intervals are only drawn and typeset here, never judged."""


OF = {"A": "norm_delay", "B": "depth_and_decay"}
"""Letter → study."""

EVERY = tuple(OF.values())


@functools.cache
def study(
    scale: str,
    anonymous: bool = False,
    studies: tuple[str, ...] = EVERY,
    only: tuple[str, ...] = (),
) -> SimpleNamespace:
    """config, frames, fits, claims and ledger of a build, from planted runs."""
    config = load_config(
        ROOT / "config.yaml", {"scale": scale, "anonymous": anonymous, "only": list(only)}
    )
    config = _chosen(config, studies)
    frames = synthetic.make_frames(config)
    fits = {name: _fit(name, entry, frames, config) for name, entry in config.fits.items()}
    claims = load_claims(ROOT / "paper/claims.yaml")
    own = [claim for claim in claims.claims if OF[claim.paper] in studies]
    claims = claims.model_copy(update={"claims": own})
    judged = ledger(claims, fits, frames, config.scale)
    for claim in judged["claims"]:
        claim.setdefault("explanation", None)
    return SimpleNamespace(
        config=config, frames=frames, fits=fits, claims=claims, ledger=judged, studies=studies
    )


def _chosen(config, studies):
    """The configuration of some studies alone, until config.yaml itself says which there are."""
    papers = {
        "norm_delay": ("A", "2603.13331", "norm-separation delay law", "truong2026norm"),
        "depth_and_decay": ("B", "2603.25009", "systematic empirical study", "manir2026systematic"),
    }
    b = {"depth_factorial", "search_mlp", "search_transformer", "activation_decay", "products_mlp"}
    owner = {
        name: "depth_and_decay" if name in b or name.startswith("B") else "norm_delay"
        for name in config.experiments
    }

    def ours(block):
        return not block.experiments or any(owner[e] in studies for e in block.experiments)

    experiments = {n: e for n, e in config.experiments.items() if owner[n] in studies}
    fits = {n: f for n, f in config.fits.items() if ours(f)}
    robust = fits["robustness"]
    repeated = [name for name in robust.options["fits"] if name in fits]
    fits["robustness"] = robust.model_copy(update={"options": {**robust.options, "fits": repeated}})
    tables = {n: t for n, t in config.tables.items() if ours(t) and set(t.fits) <= set(fits)}
    for name, block in tables.items():
        listed = [e for e in block.experiments if owner[e] in studies]
        tables[name] = block.model_copy(update={"experiments": listed})
    chosen = {}
    for name in studies:
        letter, arxiv, short, cite = papers[name]
        paper = SimpleNamespace(letter=letter, arxiv=arxiv, short=short, cite=cite)
        own = [e for e in experiments if owner[e] == name]
        chosen[name] = SimpleNamespace(paper=paper, experiments=own)
    return config.model_copy(
        update={
            "experiments": experiments,
            "fits": fits,
            "figures": {n: f for n, f in config.figures.items() if ours(f)},
            "tables": tables,
            "studies": chosen,
            "listed": list(EVERY),
        }
    )


def _fit(name, entry, frames, config):
    lighter = dict(entry.options)
    if "replicates" in getattr(law(entry.law), "DEFAULTS", {}):
        # Each draw of these two is a regression.
        lighter["replicates"] = 3 if entry.law in ("factorial", "interaction") else REPLICATES
    if entry.law == "robustness":
        light = ("weight_decay", "contraction", "regimes", "depth", "architecture")
        lighter["fits"] = [name for name in entry.options["fits"] if name in light][:3]
    if entry.law == "spectral":
        lighter["robust_replicates"] = 5
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = run_fit(name, entry.model_copy(update={"options": lighter}), frames, config.fits)
    # As the workflow hands it on: through JSON.
    return json.loads(json.dumps(made))


def paper_data() -> tuple[dict, list]:
    """published.yaml and the entries of deviations.yaml."""
    published = yaml.safe_load((ROOT / "paper/published.yaml").read_text(encoding="utf-8"))
    deviations = yaml.safe_load((ROOT / "paper/deviations.yaml").read_text(encoding="utf-8"))
    return published, deviations["deviations"]


def material(made: SimpleNamespace) -> Material:
    """What the tables of a study are built from."""
    published, deviations = paper_data()
    if "norm_delay" not in made.studies:
        deviations = [one for one in deviations if "{S" not in one["here"]]
    if "depth_and_decay" not in made.studies:
        deviations = [one for one in deviations if "{B" not in one["here"]]
    return Material(made.frames, made.fits, made.ledger, made.config, published, deviations)
