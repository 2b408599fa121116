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
# # The pilot: which regime study two has at laptop scale
#
# Paper B (2603.25009) trains its networks for 400,000 to 600,000 steps on a GPU. At laptop scale the study needs a
# smaller regime. This notebook chooses it, by a rule that was written before it was run:
#
# 1. It looks at the baseline alone (depth 2, GELU, SGD with momentum 0.9), never at a contrast under test.
# 2. What may change is the modulus, the share of pairs to train on, the width, and one factor each on *every* η and
#    *every* λ of the paper. Architectures, depths, activations, optimisers and all ratios between settings stay.
# 3. Each candidate gets two pilot seeds and 20,000 steps. It stays in if both grok with a delay of at least five
#    times T_mem.
# 4. The candidate whose runs cost the fewest seconds gets five further seeds and is taken if at least four of them
#    (80 %) pass the same test; otherwise the next is tried.
# 5. The budget is three times the median T_grok of those five, rounded up to 1,000 steps; a run that has not memorised
#    after 15 % of it ends (published: 60,000 of 400,000). A first version said five times, which the laptop's time
#    does not allow.
#
# A first version preferred the published η and λ over cost, and had no width of 32. With its best candidate
# (p = 31, width 64, T_grok of 15,000 steps and more) a run that never groks would cost several minutes and the study
# hours, so the order became cost alone. Nothing but the baseline had been looked at.
#
# The seeds (100 and up) are not among those that the study reports. Finished runs are kept in the run store, so a
# second execution trains nothing.

# %%
from itertools import product
from math import ceil
from pathlib import Path

import pandas as pd

from regrok.pipeline.interpreter import refuse_foreign
from regrok.runs import gather
from regrok.runs.store import RunStore
from regrok.study.changes import apply
from regrok.study.expand import settings_block
from regrok.study.read import load_config
from regrok.study.run import Run
from regrok.training.generations import trained_by
from regrok.training.loop import train_cohort

ROOT = next(d for d in (Path.cwd(), *Path.cwd().parents) if (d / "config.yaml").exists())
refuse_foreign(ROOT)
baseline = settings_block(load_config(ROOT / "config.yaml"), "mlp")
store = RunStore(ROOT / "results" / "store", trained_by("modular", "mlp"))

SIZES = [(31, 0.5, 32), (31, 0.5, 64), (31, 0.5, 128), (43, 0.4, 64)]
FACTORS = [(3.0, 1.0), (3.0, 0.5), (1.0, 1.0)]  # on η, on λ
BUDGET = 20_000


def trained(candidate: tuple, seeds: range) -> pd.DataFrame:
    """One row per seed of the candidate's baseline: T_mem, T_grok, delay and seconds."""
    (p, share, width), (on_rate, on_decay) = candidate
    change = {
        "task": {"p": p, "train_fraction": share},
        "model": {"width": width},
        "optimiser": {
            "learning_rate": on_rate * baseline["optimiser"]["learning_rate"],
            "weight_decay": on_decay * baseline["optimiser"]["weight_decay"],
        },
        "protocol": {
            "max_steps": BUDGET,
            "memorise_steps": BUDGET,
            "log_every": 25,
            "curve_every": 100,
            "measure_every": 100,
            "tail_steps": 0,
        },
    }
    runs = [Run.model_validate(apply(baseline, change) | {"seed": seed}) for seed in seeds]
    train_cohort(f"pilot-p{p}-w{width}", runs, store, slots=4)
    return pd.DataFrame([gather.row(store.read(run.run_id)) for run in runs])


def passes(rows: pd.DataFrame) -> pd.Series:
    """Grokked, with a delay of at least five times T_mem."""
    return rows["T_grok"].notna() & (rows["delay"] >= 5 * rows["T_mem"])


# %% [markdown]
# ## Two seeds of every candidate

# %%
shown = []
for candidate in product(SIZES, FACTORS):
    rows = trained(candidate, range(100, 102))
    (p, share, width), (on_rate, on_decay) = candidate
    shown.append(
        {
            "candidate": candidate,
            "p": p,
            "train share": share,
            "width": width,
            "η": rows["learning_rate"].iloc[0],
            "λ": rows["weight_decay"].iloc[0],
            "T_mem": rows["T_mem"].tolist(),
            "T_grok": rows["T_grok"].tolist(),
            "seconds": rows["wall_seconds"].mean(),
            "passes": passes(rows).all(),
        }
    )
    print({k: v for k, v in shown[-1].items() if k != "candidate"}, flush=True)
table = pd.DataFrame(shown)
table.drop(columns="candidate")

# %% [markdown]
# ## Five further seeds of the first that passes

# %%
order = table[table["passes"]].sort_values("seconds")
chosen = None
for candidate in order["candidate"]:
    rows = trained(candidate, range(102, 107))
    print(candidate, rows[["T_mem", "T_grok", "delay"]].to_dict("list"))
    if passes(rows).mean() >= 0.8:
        chosen = candidate
        break
assert chosen is not None, "no candidate passes: widen SIZES or FACTORS"

# %%
budget = ceil(3 * rows["T_grok"].fillna(BUDGET).median() / 1000) * 1000
patience = round(0.15 * budget / 25) * 25
print(
    f"p = {chosen[0][0]}, train share {chosen[0][1]}, width {chosen[0][2]}, "
    f"η × {chosen[1][0]}, λ × {chosen[1][1]}; budget {budget:,} steps, T_mem within {patience:,}"
)

# %% [markdown]
# ## Frozen
#
# `studies/depth_and_decay/study.yaml` has width 64, η × 3 and a budget of 22,000 steps: what this rule gave on the
# machine on which the study was designed. The cost in step 4 is a wall time, and the two cheapest candidates are close:
# on another machine width 32 took 4.1 s a run against 4.8 s for width 64, so it came first there, and passed with four
# of five further seeds. The regime was not changed then, because contrasts had been looked at in the meantime.
