"""Made-up tables of probes for the runs of a study's plan, by module. Never shown as results."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import pandas as pd

from regrok.probes import probe
from regrok.probes.parts.table import table
from regrok.study.blocks import Config
from regrok.study.plan import Plan
from regrok.study.probed import moments


def planted_probe(
    name: str, config: Config, plan: Plan, rows: list[dict[str, Any]]
) -> pd.DataFrame:
    """The table of one probe. rows: the planted rows of runs.parquet."""
    block = config.probes[name]
    served = {row["run_id"] for row in plan.membership if row["experiment"] in block.of}
    found: list[dict[str, Any]] = []
    for run in rows:
        if run["run_id"] in served:
            steps = moments(block.moments(config.scale), run["steps"], run)
            found += [
                {"run_id": run["run_id"], "step": step, **PLANTED[block.probe](run, step)}
                for step in steps
            ]
    return table(found, probe(block.probe).COLUMNS)


def planted_defect(run: dict[str, Any], step: int) -> dict[str, float]:
    """A defect of about 5 that rises 600-fold between a third and two thirds of the time to grokking."""
    end = run["T_grok"] if np.isfinite(run["T_grok"]) else 10 * run["steps"]
    rng = np.random.default_rng(zlib.crc32(f"{run['run_id']}:{step}".encode()))
    late = np.clip((step / end - 0.33) / 0.33, 0, 1)
    value = 5 * 600**late * np.exp(rng.normal(0, 0.05))
    return {
        "defect": value,
        "defect_low": 0.8 * value,
        "defect_high": 1.3 * value,
        "defect_single": 1.01 * value,
        "gradient": 600 ** (-0.7 * late),
        "rounding": 1e-3 * value,
    }


def planted_cascade(run: dict[str, Any], step: int) -> dict[str, float]:
    """Sizes that go as N^1.12 before grokking, as N^.92 after it; as N^1.12 without."""
    rng = np.random.default_rng(zlib.crc32(f"{run['run_id']}:{step}".encode()))
    width = run["d_model"] if pd.notna(run.get("d_model")) else 40
    nodes = 12.0 * width**2
    D = 0.92 if step >= run["T_grok"] else 1.12
    return {
        "nodes": nodes,
        "size": 0.1 * nodes**D * np.exp(rng.normal(0, 0.03)),
        "first": 0.1 * nodes,
        "sweeps": 20.0,
        "sum_before": 0.5,
        "sum_after": 0.5,
        "gradient": 1.0,
    }


def planted_coefficient(run: dict[str, Any], step: int) -> dict[str, float]:
    """A coefficient of one chain that rises to 100 half-way to grokking and falls to 60; 100 without grokking."""
    end = run["T_grok"] if np.isfinite(run["T_grok"]) else np.inf
    rng = np.random.default_rng(zlib.crc32(f"{run['run_id']}:{step}".encode()))
    value = 60.0 if step >= end else 100.0 * min(1.0, (step + 1) / 500)
    return {
        "chain": 0.0,
        "coefficient": value * np.exp(rng.normal(0, 0.02)),
        "diverged": 0.0,
        "enough": np.nan,
        "loss": 0.1,
        "trace": 1.0,
        "trace_error": np.nan,
        "rank": np.nan,
    }


def planted_gini(run: dict[str, Any], step: int) -> dict[str, float]:
    """A Gini coefficient of .33 that rises to .6 by the end of the run."""
    return {"gini": 0.33 + 0.27 * min(1.0, step / max(run["steps"], 1))}


PLANTED = {
    "commutator_defect": planted_defect,
    "cascade": planted_cascade,
    "learning_coefficient": planted_coefficient,
    "parameter_gini": planted_gini,
}
"""Module of regrok.probes → the values that a run has at a step."""
