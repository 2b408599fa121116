"""One page for a paper's findings: does each hold, under which settings, and how sure are we.

options: findings, a list of {title, claims, evidence}: claims are ids of claims, evidence a list of
{key, words} with `<fit>.<key>` of the listed fits, or of the listed computations, which have no runs. All but titles
and words is read from the ledger, fits, computations and runs. A claim's verdict and value are those of the largest
scale that judged it, named where that is not this build's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from regrok import latex
from regrok.errors import RegrokError
from regrok.judging.leading import Ruling, leading
from regrok.study.defaults import option
from regrok.study.words import DIRECTION, NO_SUCH_RUN, NOT_REPRODUCED, OUT_OF_SCOPE, REPRODUCED
from regrok.tables import Built, Material
from regrok.tables.parts.booktabs import table

READS = ("frames", "fits", "computations", "ledger", "elsewhere")
DEFAULTS: dict[str, Any] = {"findings": []}
REFERS: dict[str, Any] = {"findings": "findings"}
NEEDS: dict[str, Any] = {"options": ["findings"]}

HEADER = ("", "published", r"here, with 95\,\% interval", "runs (censored)", "verdict")
COLUMNS = (
    r"@{}>{\raggedright\arraybackslash}p{2.05in}>{\raggedright\arraybackslash}p{0.85in}"
    r">{\raggedright\arraybackslash}p{1.35in}l>{\raggedright\arraybackslash}p{0.85in}@{}"
)
REGIME = (
    ("p", "$p={}$"),
    ("width", "MLP width "),
    ("d_model", r"$d_{\mathrm{model}}={}$"),
    ("learning_rate", r"$\eta={}$"),
    ("weight_decay", r"$\lambda={}$"),
    ("max_steps", "budget "),
)
"""Settings that say under which regime a finding was tried, with their sign."""


def holds(verdicts: Iterable[str]) -> str:
    """What the verdicts of a finding's claims say together; the caption states the rule."""
    judged = [v for v in verdicts if v not in (OUT_OF_SCOPE, NO_SUCH_RUN)]
    good = sum(v in (REPRODUCED, DIRECTION) for v in judged)
    bad = sum(v == NOT_REPRODUCED for v in judged)
    if not judged:
        return "not judged"
    if good == len(judged):
        return "holds"
    if good:
        return "holds in part"
    return "does not hold" if bad else "undecided"


def regime(runs: pd.DataFrame) -> str:
    """The settings of these runs in a line of TeX."""
    parts = [
        f"{sign}{latex.listing(runs[column])}"
        for column, sign in REGIME
        if runs[column].notna().any()
    ]
    return ", ".join(parts)


def build(name: str, entry: Any, material: Material) -> Built:
    """The table of a study's entry. Raises RegrokError naming a claim or an estimate that there is not."""
    findings = option(entry.options, DEFAULTS)["findings"]
    if not findings:
        raise RegrokError(f"tables.{name}: options.findings lists no finding")
    claims = leading(material.ledger, material.elsewhere)
    members = {claim["id"]: claim["run_ids"] for claim in material.ledger["claims"]}
    runs = material.frames.runs.drop_duplicates("run_id").set_index("run_id")
    lines: list[Any] = []
    plain: list[dict[str, Any]] = []
    for finding in findings:
        title = finding["title"]
        if unknown := [c for c in finding["claims"] if c not in claims]:
            raise RegrokError(
                f"tables.{name}: finding '{title}' names no claim of ours: {unknown[0]}"
            )
        own = [claims[c] for c in finding["claims"]]
        answer = holds(claim.verdict for claim in own)
        ids = sorted(
            {run for claim in finding["claims"] for run in members[claim]} & set(runs.index)
        )
        lines.append(rf"{latex.escape(title)}: \textbf{{{answer}}}")
        here = runs.loc[ids]
        if ids:
            lines.append(rf"\quad {regime(here)}")
        first = {"finding": title, "answer": answer}
        for claim in own:
            found = claim.entry
            # Runs of another build are not at hand, and how many of them are censored its ledger does not say.
            used = runs.loc[
                [] if claim.released else [r for r in found["run_ids"] if r in runs.index]
            ]
            published = found["published_text"]
            words = f"{found['id']}: {found['statement']}"
            lines.append(_line(words, published, found, used, _verdict(claim)))
            plain.append(first | _plain(found["id"], published, found, used, _verdict(claim)))
        for given in finding.get("evidence", []):
            found, used = _estimate(name, given["key"], material, runs)
            lines.append(_line(given["words"], "", found, used, ""))
            plain.append(first | _plain(given["key"], "", found, used, ""))
    caption = (
        r"\textbf{Findings.} Each published finding with the claims that make it up, and under them the estimates that "
        r"decide what the claims leave open. A finding holds where every judged claim is reproduced, at least in "
        r"direction; in part where some are; it does not hold where none is and one is refuted; else it is undecided. "
        r"A claim counts with the verdict of the largest scale that judged it, which is named where it is not the one "
        r"built here. In italics the settings that were tried here. Censored runs did not grok within their budget; "
        r"means over the runs that grok leave them out, restricted means and time ratios count them."
    )
    tex = table(
        name, COLUMNS, HEADER, lines, caption, long=True, size=r"\fontsize{7}{8.6}\selectfont"
    )
    return Built(tex, pd.DataFrame(plain))


def _verdict(claim: Ruling) -> str:
    return f"{claim.verdict} ({claim.scale} scale)" if claim.released else claim.verdict


def _line(
    words: str, published: str, found: Mapping[str, Any], used: pd.DataFrame, verdict: str
) -> list[str]:
    cells = [words, published, latex.estimate(found), _count(used), verdict]
    return [cell if i in (2, 3) else latex.escape(cell) for i, cell in enumerate(cells)]


def _count(used: pd.DataFrame) -> str:
    if used.empty:
        return latex.NOTHING
    return f"{latex.exact(len(used))} ({latex.exact(int(used.T_grok.isna().sum()))})"


def _plain(
    key: str, published: str, found: Mapping[str, Any], used: pd.DataFrame, verdict: str
) -> dict[str, Any]:
    row = {"key": key, "published": published} | {k: found[k] for k in ("value", "low", "high")}
    censored = int(used.T_grok.isna().sum()) if len(used) else 0
    return row | {"runs": len(used), "censored": censored, "verdict": verdict}


def _estimate(
    name: str, key: str, material: Material, runs: pd.DataFrame
) -> tuple[Mapping[str, Any], pd.DataFrame]:
    """The estimate `<fit>.<key>` and the runs of its fit; an estimate of nothing where the fit read no run.

    A computation's has no runs.
    """
    head = key.split(".")[0]
    computed = material.computations.get(head, {"estimates": {}})["estimates"]
    if key in computed:
        return computed[key], runs.iloc[:0]
    fit = material.fits.get(head)
    if fit is not None and not fit["runs"]:
        return {"value": None, "low": None, "high": None}, runs.iloc[:0]
    if fit is None or key not in fit["estimates"]:
        raise RegrokError(f"tables.{name}: evidence '{key}' is no estimate of the fits at hand")
    return fit["estimates"][key], runs.loc[[r for r in fit["runs"] if r in runs.index]]
