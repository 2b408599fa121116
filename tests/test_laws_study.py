"""All fits of config.yaml on a planted study: what claims ask for is there, it is JSON, and it repeats."""

import json

import pytest

from regrok.errors import RegrokError
from regrok.judging.ledger import ledger, ledger_frame
from regrok.laws import run_fit
from regrok.laws.parts.variants import VARIANTS, Variant, read_as
from regrok.runs.frames import Frames
from studies import lighter, study


@pytest.fixture(scope="module")
def config():
    return study("smoke").config


@pytest.fixture(scope="module")
def frames():
    return study("smoke").frames


@pytest.fixture(scope="module")
def fits(config):
    return {name: study("smoke").fits[name] for name in config.fits}


@pytest.fixture(scope="module")
def claims():
    return study("smoke").claims


def test_every_fit_is_json_and_every_missing_value_has_a_reason(fits):
    for made in fits.values():
        json.dumps(made, allow_nan=False)
        for key, estimate in made["estimates"].items():
            assert key.startswith(made["fit"] + ".")
            if estimate["value"] is None:
                assert estimate["reason"], key


def test_intervals_hold_their_estimates(fits):
    for made in fits.values():
        for key, e in made["estimates"].items():
            if e["value"] is not None and e["low"] is not None and e["high"] is not None:
                assert e["low"] <= e["value"] + 1e-9 * abs(e["value"]), key
                assert e["high"] >= e["value"] - 1e-9 * abs(e["value"]), key


def test_every_claim_on_a_configured_experiment_has_its_estimands(fits, claims, config):
    known = {key for made in fits.values() for key in made["estimates"]}
    for claim in claims.claims:
        # What rests on a computation is asked of tests/test_computations.py.
        if claim.fit in config.computations:
            continue
        if not set(claim.experiments) <= set(config.experiments):
            continue
        wanted = [claim.estimand, *claim.alternatives.values()]
        wanted += [claim.direction.estimand] if claim.direction else []
        assert set(wanted) <= known, claim.id


def test_the_order_of_rows_changes_nothing(config, frames, fits):
    parts = (frames.runs, frames.curves, frames.experiments, frames.spectra)
    shuffled = Frames(*(part.sample(frac=1, random_state=1, ignore_index=True) for part in parts))
    assert not shuffled.runs["run_id"].equals(frames.runs["run_id"])
    for name in ("weight_decay", "contraction", "regimes", "cells", "escape", "spectral"):
        again = run_fit(name, lighter(config.fits[name]), shuffled, config.fits)
        assert json.dumps(again) == json.dumps(fits[name])


def test_an_unknown_option_names_the_fit_and_the_nearest(config, frames):
    entry = config.fits["forecast"].model_copy(update={"options": {"windw": 1}})
    with pytest.raises(RegrokError, match=r"fits\.forecast.*windw.*window"):
        run_fit("forecast", entry, frames)


def test_an_unknown_law_is_refused(config, frames):
    entry = config.fits["forecast"].model_copy(update={"law": "forcast"})
    with pytest.raises(RegrokError, match="forecast"):
        run_fit("mine", entry, frames)


def test_the_published_reading_is_a_variant_that_changes_nothing(frames):
    same = read_as(frames, Variant()).runs
    for column in ("T_mem", "T_grok", "delay", "V_final", "outcome"):
        assert same[column].equals(frames.runs[column]), column


def test_variants_read_what_they_say(frames):
    runs = frames.runs
    low = read_as(frames, VARIANTS["threshold .90"]).runs
    assert low["T_grok"].equals(runs["T_grok_90"].rename("T_grok"))
    assert (low["T_mem"] <= runs["T_mem"])[runs["T_mem"].notna()].all()
    at_grok = read_as(frames, VARIANTS["V_final at T_grok"]).runs
    grokked = runs["T_grok"].notna()
    assert at_grok.loc[grokked, "V_final"].equals(runs.loc[grokked, "V_grok"].rename("V_final"))
    lasting = read_as(frames, VARIANTS["sustained crossing"]).runs
    assert (lasting["T_grok"] >= runs["T_grok"])[lasting["T_grok"].notna()].all()
    # A run that starts grokked crosses at its first log, with none before it.
    later = lasting[lasting["T_grok"].gt(0)]
    assert len(later) and (later["T_grok_previous"] < later["T_grok"]).all()
    assert lasting.loc[lasting["T_grok"].eq(0), "T_grok_previous"].eq(0).all()


def test_the_ledger_judges_every_claim_and_its_counts_add_up(claims, fits, frames):
    made = ledger(claims, fits, frames, "smoke")
    json.dumps(made, allow_nan=False)
    assert [e["id"] for e in made["claims"]] == [c.id for c in claims.claims]
    assert sum(sum(words.values()) for words in made["verdicts"].values()) + made[
        "corrected"
    ] == len(claims.claims)
    judged = [e for e in made["claims"] if e["verdict"] != "out of scope at this scale"]
    assert judged
    for entry in judged:
        assert entry["runs"] > 0
        assert entry["minutes"] > 0
        assert set(entry["robustness"]) <= set(made["readings"])
    frame = ledger_frame(made)
    assert len(frame) == len(claims.claims)
    assert {f"verdict: {label}" for label in VARIANTS} <= set(frame)


def test_claims_of_experiments_without_runs_are_out_of_scope(claims, fits, frames, config):
    about = [claim for claim in claims.claims if claim.fit not in config.computations]
    made = ledger(claims.model_copy(update={"claims": about}), fits, frames, "laptop")
    verdicts = {e["id"]: e["verdict"] for e in made["claims"]}
    assert verdicts["B3-ratio"] == "out of scope at this scale"
    assert verdicts["A9-grid"] == "out of scope at this scale"


def test_intervals_that_hold_at_once_are_asked_of_the_entries_that_stand(fits, frames, claims):
    made = ledger(claims, fits, frames, "smoke")
    judged = [c for c in made["claims"] if c["verdict"] != "out of scope at this scale"]
    standing = [c for c in judged if c["corrected"] is None]
    assert standing
    assert {c["id"] for c in made["claims"] if c["simultaneous"]} == {c["id"] for c in standing}
    # A wider interval settles nothing that the narrow one left open.
    for claim in standing:
        if claim["verdict"] == "inconclusive" and not claim["criterion"].startswith(
            "interval holds"
        ):
            assert claim["simultaneous"] == "inconclusive", claim["id"]
