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
# # The runs again, read in another way
#
# No training here: the notebook loads finished runs, refits the laws, changes the accuracy threshold that defines
# T_mem and T_grok, and shows how the estimates and the verdicts move.

# %%
import os
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from regrok.judging.verdicts import judge
from regrok.laws import run_fit
from regrok.laws.parts.variants import Variant, read_as
from regrok.pipeline.interpreter import refuse_foreign
from regrok.runs import frames
from regrok.study.claims import load_claims
from regrok.study.read import load_config
from regrok.study.words import OUT_OF_SCOPE
from regrok.study.written import written_config

ROOT = next(d for d in (Path.cwd(), *Path.cwd().parents) if (d / "config.yaml").exists())
refuse_foreign(ROOT)
os.chdir(ROOT)

# %% [markdown]
# ## The runs
#
# The released runs where there are any, else those of a build. Set `REGROK_RESULTS` to choose a folder.

# %%
released = [Path("results/released") / scale for scale in ("paper", "laptop", "smoke")]
builds = [Path("results") / scale for scale in ("paper", "laptop", "smoke")]
found = [folder for folder in (*released, *builds) if (folder / "runs.parquet").exists()]
RESULTS = Path(os.environ.get("REGROK_RESULTS") or (found or ["results/laptop"])[0])
config = (
    load_config("config.yaml", {"scale": RESULTS.name})
    if RESULTS in released or not (RESULTS / "config.json").exists()
    else written_config(RESULTS)
)
published = frames.load(RESULTS)
print(f"{RESULTS}: {len(published.runs)} runs, {len(published.curves):,} logged points")
published.runs["outcome"].value_counts()

# %% [markdown]
# ## Another threshold
#
# Every run stores its crossings of .90, .95 and .99. The published threshold is .99; this line takes another:

# %%
changed = read_as(published, Variant(threshold="95"))

# %%
columns = ["cell", "seed", "T_mem", "T_grok", "delay", "outcome"]
published.runs[columns].merge(
    changed.runs[columns], on=["cell", "seed"], suffixes=("", " at .95")
).head(8)

# %% [markdown]
# ## The laws again
#
# The fits are those of `studies/`, with fewer bootstrap draws than the paper's 2,000.

# %%
LAWS = ("scaling", "contraction", "regimes", "escape")
here = set(published.experiments["experiment"])
chosen = {n: f for n, f in config.fits.items() if f.law in LAWS and here & set(f.experiments)}


def refit(read: frames.Frames) -> dict:
    """Estimate by <fit>.<key>."""
    estimates = {}
    for name, entry in chosen.items():
        lighter = dict(entry.options)
        if entry.law == "scaling":
            lighter |= {"replicates": 400, "survival": False}
        estimates |= run_fit(name, entry.model_copy(update={"options": lighter}), read)["estimates"]
    return estimates


readings = {".99": refit(published), ".95": refit(changed)}

# %% [markdown]
# ## The verdicts
#
# Each claim's predicate, applied to both readings.

# %%
claims = [c for c in load_claims(config).claims if c.fit in chosen]
rows = []
for claim in claims:
    judged = {q: judge(claim, found, config.scale, here) for q, found in readings.items()}
    if judged[".99"]["verdict"] == OUT_OF_SCOPE:
        continue
    row = {"claim": claim.id, "published": claim.published.text}
    for q, made in judged.items():
        row |= {f"value {q}": made["value"], f"low {q}": made["low"], f"high {q}": made["high"]}
        row |= {f"verdict {q}": made["verdict"]}
    rows.append({**row, "moves": judged[".99"]["verdict"] != judged[".95"]["verdict"]})
verdicts = pd.DataFrame(rows).set_index("claim")
print(f"{int(verdicts['moves'].sum())} of {len(verdicts)} verdicts change with the threshold")
verdicts

# %% [markdown]
# How far each estimate moves, as a multiple of its own value at .99, with both 95 % intervals:

# %%
figure, ax = plt.subplots(figsize=(7, 0.6 + 0.42 * len(verdicts)), layout="constrained")
looks = {".99": ("o", "#0072B2", -0.12), ".95": ("s", "#D55E00", 0.12)}
for q, (marker, colour, shift) in looks.items():
    unit = verdicts["value .99"].where(lambda v: v != 0)
    for i, (claim, row) in enumerate(verdicts.iterrows()):
        low, value, high = (row[f"{end} {q}"] / unit[claim] for end in ("low", "value", "high"))
        ax.plot([low, high], [i + shift] * 2, color=colour, lw=1)
        ax.plot(
            value, i + shift, marker, color=colour, ms=5, label=f"threshold {q}" if i == 0 else None
        )
ax.set_yticks(range(len(verdicts)), verdicts.index)
ax.invert_yaxis()
ax.set_xlabel("estimate over its value at .99")
ax.legend(loc="upper left", bbox_to_anchor=(1, 1))

# %% [markdown]
# The paper's robustness table does the same for every claim and for other readings too: a crossing that lasts, and
# V_final taken at T_grok. They are `Variant(crossing="sustained")` and `Variant(V_final="grok")`.
