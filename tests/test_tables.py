"""Tables: numbers are those of the frames and fits, in both forms."""

from __future__ import annotations

from dataclasses import fields, replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from regrok import latex, tables
from regrok.errors import RegrokError
from regrok.study.words import OUT_OF_SCOPE
from regrok.tables import Material, scales
from regrok.tables.cells import match
from regrok.tables.compute import stages
from regrok.tables.deviations import filled
from regrok.tables.parts.booktabs import table
from regrok.tables.robustness import LETTERS
from studies import material, published, study


def built(made, name):
    entry = made.config.tables[name]
    return tables.module(entry.build).build(name, entry, material(made))


def test_cells_hold_the_medians_of_the_fit_and_the_published_means():
    made = study("laptop")
    frame = built(made, "cells").frame
    row = frame[(frame.experiment == "S2") & (frame.weight_decay == 0.1)].iloc[0]
    runs = made.frames.of("S2").runs.query("weight_decay == 0.1")
    assert row.runs == len(runs)
    assert row.T_grok == runs.T_grok.median()
    assert row.V_mem == pytest.approx(runs.V_mem.mean())
    assert row.published_T_grok == 12_700
    tex = built(made, "cells").tex
    assert latex.number(runs.T_grok.median()) in tex
    assert r"12{,}700 $\pm$ 1{,}295" in tex  # with n − 1


@pytest.mark.parametrize(
    ("tex", "seen"),
    [
        ("default point", "default point"),
        (r"$\eta$ \ensuremath{2\times 10^{-4}}", "η 2×10-4"),
        (r"$\eta$ 0.1, $\lambda$ \ensuremath{10^{-3}}", "η 0.1, λ 10-3"),
        (r"samples 1{,}500", "samples 1,500"),
        (r"\textcolor{regrokgrey}{published}", "published"),
    ],
)
def test_a_name_is_as_long_as_what_the_reader_sees(tex, seen):
    assert latex.printed(tex) == len(seen)


def test_names_wrap_where_several_settings_tell_cells_apart_and_only_there():
    made = study("laptop")
    wrapped = r"\raggedright\arraybackslash}p{0.95in}"
    assert wrapped not in built(made, "cells").tex  # η 2×10⁻³ is short, if not in TeX
    entry = made.config.tables["cells"]
    together = entry.model_copy(update={"experiments": ["B7"]})
    several = tables.module(entry.build).build("cells", together, material(made)).tex
    assert wrapped in several


def test_parity_cells_are_matched_by_input_bits_not_by_number_of_runs():
    frame = built(study("laptop"), "cells").frame
    parity = frame[frame.experiment == "S10"].sort_values("n")
    assert parity.n.tolist() == [20, 30, 40]
    assert parity.published_V_mem.tolist() == [141, 112, 116]
    assert match([{"match": {"n": 20}}], {"n": float("nan")}) is None


def test_a_cell_that_did_not_grok_has_a_dash_and_no_invented_time():
    frame = built(study("laptop"), "cells").frame
    row = frame[(frame.experiment == "S2") & (frame.weight_decay == 5.0)].iloc[0]
    assert row.grokked == 0
    assert pd.isna(row.T_grok)


@pytest.mark.parametrize("scale", ["smoke", "laptop"])
def test_every_table_of_the_scale_is_written_in_both_forms(scale, tmp_path):
    made = study(scale)
    names = tables.buildable(made.config)
    assert {"cells", "claims", "hyperparameters", "deviations", "compute"} <= set(names)
    for name in names:
        tex, csv = tmp_path / f"{name}.tex", tmp_path / f"{name}.csv"
        tables.write_table(name, made.config.tables[name], material(made), tex, csv)
        assert rf"\label{{tab:{name}}}" in tex.read_text(encoding="utf-8")
        # The sketch runs no published cell, so nothing there stands beside the released runs.
        assert len(pd.read_csv(csv)) > 0 or (name, scale) == ("replication", "smoke")


@pytest.mark.parametrize("kind", tables.kinds())
def test_a_table_reads_what_its_module_says_and_nothing_else(kind):
    made = study("laptop")
    given, read = material(made), set()

    class Watched(Material):
        def __getattribute__(self, part):
            read.add(part)
            return super().__getattribute__(part)

    parts = {each.name: getattr(given, each.name) for each in fields(Material)}
    names = [name for name, entry in made.config.tables.items() if entry.build == kind]
    assert names
    for name in names:
        tables.module(kind).build(name, made.config.tables[name], Watched(**parts))
    assert read - {"scope"} == set(tables.reads(kind))


def test_a_module_that_says_nothing_reads_everything_and_a_part_that_is_none_is_named(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(tables, "__file__", str(tmp_path / "__init__.py"))
    (tmp_path / "silent.py").write_text("DEFAULTS = {}\n", encoding="utf-8")
    (tmp_path / "wrong.py").write_text('READS = ("fits", "legder")\n', encoding="utf-8")
    assert tables.reads("silent") == tables.MATERIAL
    with pytest.raises(RegrokError, match=r"wrong\.py: READS names 'legder'.*ledger"):
        tables.reads("wrong")


def test_the_ledger_table_shows_every_judged_claim_once():
    made = study("laptop")
    tex = built(made, "claims").tex
    for claim in made.ledger["claims"]:
        judged = claim["verdict"] != "out of scope at this scale"
        assert (rf"{{\textbf{{{claim['id']}}}\quad " in tex) == judged
    assert len(built(made, "claims").frame) == len(made.ledger["claims"])


def test_the_ledger_table_shows_the_largest_scale_and_the_others_beside():
    made = study("laptop")
    stand = [c for c in made.ledger["claims"] if c["corrected"] is None]
    judged, same = [c for c in stand if c["verdict"] != OUT_OF_SCOPE][:2]
    outside = next(c for c in stand if c["verdict"] == OUT_OF_SCOPE)
    known = {"value": 7.25, "low": 7.0, "high": 7.5, "n": 77}
    another = "reproduced" if judged["verdict"] == "inconclusive" else "inconclusive"
    entries = [
        judged | known | {"verdict": another, "simultaneous": "reproduced in direction only"},
        same | known,
        outside | known | {"verdict": "reproduced"},
    ]
    given = replace(material(made), elsewhere={"paper": {"scale": "paper", "claims": entries}})
    entry = made.config.tables["claims"]
    table = tables.module("claims").build("claims", entry, given)
    lines = table.tex.splitlines()
    heads = {c["id"]: rf"\textbf{{{c['id']}}}\quad {latex.escape(c['statement'])}" for c in stand}
    at = [next(i for i, line in enumerate(lines) if heads[c["id"]] in line) for c in entries]
    assert f"({latex.escape(judged['published_text'])})" in lines[at[0]]
    shown = [lines[i + 1].split(" & ") for i in at]
    asked = [latex.escape(c["criterion"]) or latex.NOTHING for c in (judged, same, outside)]
    assert [row[:3] for row in shown] == [[each, "7.25 [7.00, 7.50]", "77"] for each in asked]
    beside = rf"\textcolor{{regrokgrey}}{{(paper; laptop: {judged['verdict']})}}"
    assert shown[0][3] == (
        rf"{another} \emph{{(at once: reproduced in direction only)}} {beside} \\"
    )
    assert shown[1][3].endswith(r"\textcolor{regrokgrey}{(paper, laptop)} \\")
    assert shown[2][3] == r"reproduced \textcolor{regrokgrey}{(paper)} \\"
    frame = table.frame.set_index("id")
    assert frame.verdict[outside["id"]] == OUT_OF_SCOPE  # the build's own
    assert frame.leading_verdict[outside["id"]] == "reproduced"
    assert frame.leading_scale.loc[[judged["id"], outside["id"]]].tolist() == ["paper", "paper"]
    own = [c["id"] for c in stand if c["verdict"] != OUT_OF_SCOPE and c not in (judged, same)]
    assert set(frame.leading_scale[own]) == {"laptop"}
    assert not any(frame.leading_released[own])


def test_settings_come_from_the_runs():
    made = study("laptop")
    frame = built(made, "hyperparameters").frame.set_index("experiment")
    runs = made.frames.of("S2").runs
    assert frame.loc["S2", "runs"] == len(runs)
    assert [float(v) for v in frame.loc["S2", "weight_decay"].split()] == sorted(
        runs.weight_decay.unique()
    )


def test_a_deviation_is_filled_from_the_runs_and_a_wrong_name_is_refused():
    frames = study("laptop").frames
    every = frames.of("S1").runs.log_every.iloc[0]
    assert filled("logged every {S1.log_every} steps", frames) == f"logged every {every} steps"
    with pytest.raises(RegrokError, match=r"\{S1.log_evry\}"):
        filled("{S1.log_evry}", frames)


def test_compute_adds_up_failed_runs_included():
    made = study("laptop")
    frame = built(made, "compute").frame
    runs = made.frames.runs
    assert frame.runs.sum() == len(runs)
    failed = ~runs.outcome.isin(["grokked", "not validated"])  # nothing is asked of the latter
    assert frame.did_not.sum() == failed.sum()
    assert frame.hours.sum() == pytest.approx(runs.wall_seconds.sum() / 3600)


def test_benchmark_files_are_summed_by_rule_and_a_damaged_one_is_named(tmp_path):
    for path, seconds in (
        ("fit/a.tsv", 3600),
        ("fit/b.tsv", 1800),
        ("paper.tsv", 36),
        ("train/c.tsv", 9),
    ):
        file = tmp_path / "benchmarks" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"s\th:m:s\n{seconds}\t0:00:01\n", encoding="utf-8")
    found = stages(sorted((tmp_path / "benchmarks").rglob("*.tsv"))).set_index("stage").hours
    assert found.to_dict() == {"fit": 1.5, "paper": 0.01}
    (tmp_path / "benchmarks/paper.tsv").write_text("", encoding="utf-8")
    with pytest.raises(RegrokError, match=r"paper\.tsv"):
        stages([tmp_path / "benchmarks/paper.tsv"])


def test_a_table_without_its_fit_says_which():
    made = study("smoke")
    entry = SimpleNamespace(experiments=["S1"], fits=["summary"], options={})
    with pytest.raises(RegrokError, match="'cells'"):
        tables.module("cells").build("cells", entry, material(made))


def test_a_row_of_the_wrong_width_is_refused():
    with pytest.raises(ValueError, match="2 cells in a table of 3"):
        table("x", "lll", ["a", "b", "c"], [["1", "2"]], "caption")


def test_a_claim_judged_at_another_released_scale_stands_beside_the_verdict_here():
    made = study("laptop")
    claim = next(c for c in made.ledger["claims"] if c["verdict"] != OUT_OF_SCOPE)
    other = {"scale": "paper", "claims": [claim | {"verdict": "inconclusive", "n": 77}]}
    given = replace(material(made), elsewhere={"paper": other})
    entry = made.config.tables["scales"]
    beside = tables.module(entry.build).build("scales", entry, given)
    (row,) = [line for line in beside.tex.splitlines() if line.startswith(f"{claim['id']} & ")]
    letters = [LETTERS["inconclusive"], LETTERS[claim["verdict"]]]
    apart = letters[0] != letters[1]
    assert row.removesuffix(r" \\").split(" & ")[3::3] == [
        rf"\textbf{{{letter}}}" if apart else letter for letter in letters
    ]
    frame = beside.frame
    assert frame.id.tolist() == [claim["id"]] * 2
    # The largest scale leads.
    assert frame.scale.tolist() == ["paper", "laptop"]
    assert frame.released.tolist() == [True, False]
    assert frame.verdict.tolist() == ["inconclusive", claim["verdict"]]
    assert frame.n.tolist() == [77, claim["n"]]
    alone = built(made, "scales")
    assert alone.frame.id.tolist() == [scales.NONE]
    assert scales.NONE in alone.tex


def test_ours_and_theirs_stand_beside_each_other_with_what_the_tests_say():
    made = study("laptop")
    frame = built(made, "replication").frame
    cell = frame[(frame.experiment == "S2") & (frame.weight_decay == 0.1)].set_index("quantity")
    ours = made.frames.of("S2").runs.query("weight_decay == 0.1")
    assert cell.ours_mean["T_grok"] == (np.ceil(ours.T_grok / 500) * 500).mean()
    assert cell.released_mean["T_grok"] == 12_700
    assert cell.released_sd["T_grok"] == 1295
    estimates = made.fits["replication"]["estimates"]
    held = frame[frame.experiment == "S2"]
    assert len(held) == estimates["replication.S2.tests"]["value"]
    assert (held.p_holm < 0.05).sum() == estimates["replication.S2.rejected"]["value"] > 0
    tex = built(made, "replication").tex
    shown = latex.exact(round(cell.ours_mean["T_grok"]))
    words = rf"{shown} $\pm$ {latex.exact(round(cell.ours_sd['T_grok']))}"
    p = cell.loc["T_grok"]
    marked = (
        rf"\textbf{{{words}}}" if p.p_holm < 0.05 else words + (r"\,*" if p.p_value < 0.05 else "")
    )
    assert f"& {marked} &" in tex
    assert r"12{,}700 $\pm$ 1{,}295" in tex


def test_the_released_runs_that_are_counted_are_all_of_them():
    made = study("laptop")
    given = published(made.config)
    counted = made.fits["replication"]["estimates"]["replication.released_runs"]["value"]
    assert counted == given.constants["A_released_runs"]


def test_the_table_of_operations_counts_every_run_and_says_where_the_median_lies_beyond():
    made = study("laptop")
    table_of = built(made, "operations")
    shown = {"G_operations", "G_permutations"}
    members = made.frames.experiments[made.frames.experiments.experiment.isin(shown)]
    assert table_of.frame.runs.sum() == members.run_id.nunique()
    assert (table_of.frame.censored == table_of.frame.runs - table_of.frame.grokked).all()
    never = table_of.frame[table_of.frame.operation == "a3_ab2_b"]
    assert never.grokked.sum() == 0 and never.T_grok.isna().all()
    assert r"$a^3+ab^2+b$ & $>$4{,}000 (0/3)" in table_of.tex
