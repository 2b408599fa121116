"""Made-up curves for every run of a study's plan, to test what is drawn and typeset. Never shown as results.

Times follow the norm-separation law with log-normal noise, so figures have something to show and the planted law
is known: T_mem = 0.8/η (init scale 1), delay = log(V_mem/V_final)/(2ηλ). Curves become rows of runs.parquet
through the package's own `regrok.runs.rows`, so columns cannot drift from the trainer's.
"""

from __future__ import annotations

import zlib
from types import SimpleNamespace

import numpy as np
import pandas as pd

from regrok.runs.frames import Frames
from regrok.runs.rows import run_row
from regrok.study.blocks import Config
from regrok.study.plan import make_plan
from regrok.study.run import Run
from regrok.tasks.operations import OPERATIONS
from synthetic_circuits import circuit_curve, of_circuits
from synthetic_probes import planted_probe

PARAMETERS = 223_713
MOST_POINTS = 160
REGIME_ONE = 2e-5
"""ηλ at and below which the planted runs do not grok."""


ACTIVATION = {"gelu": 1.0, "relu": 2.5, "tanh": 4.0}
"""Factor on the planted delay of study two's networks."""


def of_study_two(run: Run) -> bool:
    """Whether the run is one of paper B's, which train on the full batch."""
    return run.protocol.batch == "full" and not of_paper_g(run)


def of_paper_g(run: Run) -> bool:
    """Whether the run is one of paper G's, the only ones that warm up over ten steps."""
    return run.optimiser.warmup_steps == 10


def data_delay(run: Run) -> float:
    """Delay of paper G's networks: steeply less with more data, less again for symmetric operations."""
    task, eta = run.task, run.optimiser.learning_rate
    slow = 1.0 if OPERATIONS[task.operation].symmetric and task.split is None else 1.5
    return 2_000 * slow * (0.5 / task.train_fraction) ** 5 * 1e-3 / eta


def planted_delay(run: Run) -> float:
    """Delay of study two's networks: inverse in η and λ, longer with plain depth and with ReLU and tanh."""
    model, eta, lam = run.model, run.optimiser.learning_rate, run.optimiser.weight_decay
    scale = run.protocol.max_steps / 22_000
    if model.name == "transformer":
        return scale * 6_000 * (3e-3 / eta) / lam**0.5
    depth = (model.depth / 2) ** (0.2 if model.residual else 1.2)
    return scale * 3.5 / lam * (0.03 / eta) * ACTIVATION[model.activation] * depth


def planted_outcome(run: Run) -> str:
    """How the planted law ends this run."""
    if of_circuits(run):
        return "grokked"  # or not, as its curve says: neither collapsed nor diverged
    if of_paper_g(run):
        hopeless = run.task.operation == "a3_ab2_b" or (run.task.outliers or 0) > 1_000
        return "memorised only" if hopeless or not run.optimiser.weight_decay else "grokked"
    if of_study_two(run):
        lam, transformer = run.optimiser.weight_decay, run.model.name == "transformer"
        if not transformer and lam >= 5e-3:
            return "never memorised"
        return "memorised only" if transformer and lam <= 0.01 else "grokked"
    optimiser = run.optimiser
    eta, lam = optimiser.learning_rate, optimiser.weight_decay
    if run.task.name == "modular" and run.task.operation == "a3_ab":
        return "memorised only"  # paper L's control
    if optimiser.name == "sgd":
        if lam >= 0.1:
            return "collapsed"
        if eta / (1 - optimiser.momentum) < 0.3:
            return "never memorised"
        return "grokked" if optimiser.momentum and lam else "memorised only"
    if optimiser.name == "adam" and lam > 5e-3:
        return "diverged"
    if lam >= 5:
        return "never memorised"
    return "memorised only" if eta * lam <= REGIME_ONE else "grokked"


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(x, -50, 50)))


def planted_curve(run: Run) -> pd.DataFrame:
    """The run's curve; the same run always gives the same one."""
    rng = np.random.default_rng(zlib.crc32(run.run_id.encode()))
    if of_circuits(run):
        return circuit_curve(run, rng)
    outcome = planted_outcome(run)
    eta, lam = run.optimiser.learning_rate, run.optimiser.weight_decay
    every, budget = run.protocol.log_every, run.protocol.max_steps
    parity = run.task.name == "sparse_parity"

    def noisy(x: float, size: float = 0.08) -> float:
        return float(x * np.exp(rng.normal(0, size)))

    def logged(x: float) -> float:
        return every * max(1.0, round(x / every))

    v_0 = 150.0 if parity else 13_500 * run.model.init_scale**2 * run.task.p / 97
    v_mem, v_final = noisy(0.35 * v_0, 0.05), noisy(200 if parity else 300, 0.05)
    t_mem = logged(noisy(0.8 / eta if run.optimiser.name != "sgd" else 400))
    if of_study_two(run):
        t_mem = logged(noisy(300))
    theory = np.log(max(v_mem / v_final, 1.5)) / (2 * eta * max(lam, 1e-4))
    if run.optimiser.name == "sgd":
        theory = 1_500.0
    if of_study_two(run):
        theory = planted_delay(run)
    if of_paper_g(run):
        theory = data_delay(run)
    if parity:
        theory = 0.0 if run.task.train_size > 5_000 else 3e6 / run.task.train_size
    t_grok = t_mem + (logged(noisy(theory, 0.12)) if theory else 0)
    grokked = outcome == "grokked" and t_grok <= budget
    memorised = outcome in ("grokked", "memorised only") and t_mem <= budget
    steps = t_grok + run.protocol.tail_steps if grokked else min(budget, 15_000)
    if run.protocol.stop == "budget":
        steps = budget

    grid = every * np.unique(np.linspace(0, steps / every, MOST_POINTS).round())
    near = [t + d for t in (t_mem, t_grok) for d in (-every, 0) if 0 <= t + d <= steps]
    step = np.unique(np.r_[grid, near])
    train = np.full(step.size, 0.011)
    validation = np.full(step.size, 0.012)
    V = v_0 * np.exp(-2 * eta * lam * step)
    if (
        outcome == "never memorised"
    ):  # the gradient keeps the weights from vanishing: published, 232 at λ = 5
        V = np.maximum(V, v_0 / 60)
    if memorised:
        train = _sigmoid(4.6 * (2 * step / t_mem - 1) + 0.05)
        contracted = v_final + (v_mem - v_final) * np.exp(-1.5 * eta * lam * (step - t_mem))
        V = np.where(step < t_mem, v_0 + (v_mem - v_0) * step / t_mem, contracted)
    if grokked:
        validation = _sigmoid(4.6 * (2 * step / t_grok - 1) + 0.05)
    if outcome == "diverged":
        V = v_0 * (1 + step)
    curve = pd.DataFrame(
        {
            "step": step.astype(int),
            "train_loss": 4.6 * (1 - train) + 1e-3,
            "train_accuracy": train,
            "train_examples": run.task.train_size,
            "validation_loss": 9 * (1 - validation) + 1e-2,
            "validation_accuracy": validation,
            "validation_examples": run.task.validation_size,
            "V": V,
        }
    )
    for name in run.protocol.measure:
        if name.startswith("fourier"):
            low = 0.97 if name.endswith("low") else 1.0
            residual = np.clip(
                low * (0.95 - 0.9 * validation + rng.normal(0, 0.02, step.size)), 0.002, 1
            )
            curve[f"fourier_residual_{name.removeprefix('fourier_')}"] = residual
        elif name == "embedding_spectrum":
            curve["top5_share"] = 0.2 + 0.6 * validation
        elif name == "logit_max":
            curve["logit_max"] = 30 * train + 1
    return curve


def planted_spectra(run: Run, curve: pd.DataFrame) -> pd.DataFrame:
    """Spectra that sharpen onto three frequencies as the run generalises; empty when none is measured."""
    found = []
    kinds = [n for n in run.protocol.measure if n.startswith(("fourier", "embedding"))]
    for kind in kinds:
        index = np.arange(run.task.p // 2 + 1)
        for row in curve.iloc[:: max(1, len(curve) // 12)].itertuples():
            noise = (1 - 0.98 * row.validation_accuracy) * 0.3
            power = np.where(np.isin(index, [5, 17, 31]), 1.0, noise)
            if kind == "embedding_spectrum":  # shares of the energy
                power = power / power.sum()
            found.append(
                pd.DataFrame(
                    {
                        "run_id": run.run_id,
                        "step": row.step,
                        "kind": kind,
                        "index": index,
                        "power": power,
                    }
                )
            )
    columns = ["run_id", "step", "kind", "index", "power"]
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=columns)


def make_frames(config: Config) -> Frames:
    """runs, curves, experiments and spectra of the configuration's scale, all planted."""
    plan = make_plan(config)
    cohorts = {run.run_id: name for name, cohort in plan.cohorts.items() for run in cohort.runs}
    rows, curves, spectra = [], [], []
    for run in plan.runs.values():
        curve, outcome = planted_curve(run), planted_outcome(run)
        sizes = SimpleNamespace(
            train_size=run.task.train_size, validation_size=run.task.validation_size
        )
        row = run_row(
            run,
            curve,
            sizes,
            PARAMETERS,
            collapsed=outcome == "collapsed",
            diverged=outcome == "diverged",
        )
        made = {
            "cohort": cohorts[run.run_id],
            "wall_seconds": 0.008 * row["steps"],
            "device": "cpu",
            "processor": "planted",
            "arithmetic": "planted",
        }
        rows.append({**row, **made, "trainer": "0123456789ab"})
        curves.append(curve.assign(run_id=run.run_id))
        spectra.append(planted_spectra(run, curve))
    runs = pd.DataFrame(rows)
    # As in the store: a number that does not apply is NaN, a word that does not apply is missing.
    numeric = ["p", "n", "k", "d_model", "heads", "ffn", "depth", "width", "clip_norm"]
    runs[numeric] = runs[numeric].astype(float)
    return Frames(
        runs=runs.sort_values("run_id", ignore_index=True),
        curves=pd.concat(curves, ignore_index=True).sort_values(["run_id", "step"]),
        experiments=plan.experiments,
        spectra=pd.concat([s for s in spectra if len(s)] or spectra[:1], ignore_index=True),
        probes={
            name: planted_probe(name, config, plan, rows)
            for name in filter(config.probes_here, config.probes)
        },
    )
