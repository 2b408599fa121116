# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A tour: one run, from its settings to T_grok
#
# A network *groks* when it generalises long after it has memorised its training set. This notebook trains one that
# does, on a case small enough for a few seconds, and looks at it with the functions that the whole study uses.

# %%
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import numpy as np

from regrok.laws.contraction import fit_curve
from regrok.measures.events import THRESHOLDS, crossing
from regrok.pipeline.interpreter import refuse_foreign
from regrok.runs import gather
from regrok.runs.store import RunStore
from regrok.study.changes import apply
from regrok.study.expand import complete, settings_block
from regrok.study.read import load_config
from regrok.study.run import Run
from regrok.training.loop import train_cohort

ROOT = next(d for d in (Path.cwd(), *Path.cwd().parents) if (d / "config.yaml").exists())
refuse_foreign(ROOT)

# %% [markdown]
# ## Settings
#
# `studies/norm_delay/study.yaml` holds every setting of paper A's audit. We start from its default point (modular
# addition, a one-layer transformer, AdamW) and make it smaller: fewer residues, half the width, a larger step.

# %%
config = load_config(ROOT / "config.yaml")
small = {
    "task": {"p": 23, "train_fraction": 0.7},
    "model": {"d_model": 64, "ffn": 128},
    "optimiser": {"learning_rate": 4e-3},
    "protocol": {
        "batch": 128,
        "max_steps": 3000,
        "log_every": 10,
        "curve_every": 10,
        "tail_steps": 300,
    },
}
settings = complete(apply(settings_block(config, "addition"), small), "the tour")
settings.model_dump()["optimiser"]

# %% [markdown]
# A run is settings and a seed. Its id is a hash of all that can change its numbers.

# %%
run = Run.model_validate({**settings.model_dump(), "seed": 42})
run.run_id, run.task.train_size, run.task.validation_size

# %% [markdown]
# ## Training
#
# `train_cohort` trains whatever its store lacks. Ours is a temporary folder; the study's is `results/store`.

# %%
with TemporaryDirectory() as folder:
    store = RunStore(folder, "tour")
    train_cohort("tour", [run], store, slots=1)
    stored = store.read(run.run_id)
row, curve = gather.row(stored), stored.curve
print(f"{row['outcome']} after {row['steps']} steps in {row['wall_seconds']:.1f} s")
curve.head()

# %% [markdown]
# ## The curve
#
# T_mem and T_grok are the first logged steps at which train and validation accuracy reach the threshold; the delay
# lies between them.

# %%
figure, (top, bottom) = plt.subplots(2, 1, figsize=(7, 5), sharex=True, layout="constrained")
top.plot(curve["step"], curve["train_accuracy"], color="#999999", ls="--", label="train")
top.plot(curve["step"], curve["validation_accuracy"], color="#0072B2", label="validation")
bottom.plot(curve["step"], curve["V"], color="#D55E00")
for ax in (top, bottom):
    for event, word in (("T_mem", "mem"), ("T_grok", "grok")):
        ax.axvline(row[event], color="black", lw=0.6, ls=":")
        ax.text(
            row[event],
            1.0,
            rf"$T_\mathrm{{{word}}}$",
            transform=ax.get_xaxis_transform(),
            va="bottom",
            ha="center",
        )
top.set(ylabel="accuracy")
top.legend(loc="center right")
bottom.set(xlabel="step", ylabel=r"$V = \|\theta\|^2$", yscale="log")
# %% [markdown]
# ## Events
#
# The events are read from the curve alone, so any threshold can be asked afterwards. A crossing that is seen at one
# logged step happened after the logged step before it; the survival models use that interval.

# %%
steps = curve["step"].to_numpy()
for name, threshold in THRESHOLDS.items():
    mem = crossing(steps, curve["train_accuracy"].to_numpy(), threshold)
    grok = crossing(steps, curve["validation_accuracy"].to_numpy(), threshold)
    print(
        f".{name}: T_mem in ({mem.previous:.0f}, {mem.first:.0f}], T_grok in ({grok.previous:.0f}, {grok.first:.0f}], "
        f"delay {grok.first - mem.first:.0f}"
    )
    assert (mem.first, grok.first) == (row[f"T_mem_{name}"], row[f"T_grok_{name}"])

# %% [markdown]
# ## The law
#
# Paper A says: after memorisation weight decay contracts the norm, $V_t = A\,r^t + C$ with $r$ near $1 - 2\eta\lambda$,
# and the delay is the time that the contraction takes, $\log(V_\mathrm{mem}/V_\mathrm{final})/(2\eta\lambda)$ up to a
# factor. On this one run:

# %%
after = curve[curve["step"] >= row["T_mem"]]
fitted = fit_curve(after["step"].to_numpy(float), after["V"].to_numpy(float))
eta, lam = run.optimiser.learning_rate, run.optimiser.weight_decay
theory = np.log(row["V_mem"] / row["V_final"]) / (2 * eta * lam)
print(
    f"1 − r     fitted {fitted['rate_loss']:.2e}   2ηλ {2 * eta * lam:.2e}   R² {fitted['r_squared']:.4f}"
)
print(
    f"delay     measured {row['delay']:.0f}   log(V_mem/V_final)/(2ηλ) {theory:.0f}   ratio {row['delay'] / theory:.2f}"
)

# %%
figure, ax = plt.subplots(figsize=(7, 3), layout="constrained")
ax.plot(curve["step"], curve["V"], color="#D55E00", label="V")
t = after["step"].to_numpy(float)
ax.plot(
    t,
    fitted["A"] * fitted["rate"] ** (t - t[0]) + fitted["C"],
    color="black",
    ls="--",
    label=r"$A\,r^t + C$",
)
ax.set(xlabel="step", ylabel=r"$V = \|\theta\|^2$", yscale="log")
ax.legend()

# %% [markdown]
# One run decides nothing. The study trains whole grids of them, keeps those that never grok as censored times, and
# puts an interval on every number: `regrok plan` lists the runs, `regrok claims` the verdicts, and `reanalyse.py`
# beside this file reads finished runs in another way.
