"""Numbers as TeX: digits by interval, separators, escapes; and the keys that the text may quote."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regrok import latex
from regrok.paper.numbers import NOT_ESTIMATED, PHRASES, numbers, write_numbers
from regrok.study.words import ORIGINS, VERDICTS
from studies import published, study


@pytest.mark.parametrize(
    ("value", "half_width", "shown"),
    [
        (1843.2, None, "1{,}843"),
        (0.97114, None, "0.971"),
        (-0.7984, None, r"\ensuremath{-0.798}"),
        (0.998600, 7e-5, "0.99860"),
        (12_150, 1_343, "12{,}150"),
        (1.5e-5, None, r"\ensuremath{1.50\times 10^{-5}}"),
        (1e-8, None, r"\ensuremath{10^{-8}}".replace("10", "10")),
        (0.0, None, "0"),
        (math.nan, None, latex.NOTHING),
        (None, None, latex.NOTHING),
        (99.96, None, "100"),
    ],
)
def test_number(value, half_width, shown):
    assert latex.number(value, half_width=half_width) == shown


@given(st.floats(min_value=1e-9, max_value=1e12))
def test_a_number_is_shown_to_three_digits_at_least(value):
    text = latex.number(value).replace("{,}", "").replace(r"\ensuremath{", "").rstrip("}")
    if r"\times 10^{" in text:
        mantissa, power = text.split(r"\times 10^{")
        read = float(mantissa) * 10.0 ** int(power)
    elif text.startswith("10^{"):
        read = 10.0 ** int(text[4:])
    else:
        read = float(text)
    assert read == pytest.approx(value, rel=5.1e-3)


def test_intervals_and_unknown_ends():
    assert latex.interval(0.92, 0.98) == "[0.920, 0.980]"
    assert latex.interval(1000, math.inf) == r"[1{,}000, \ensuremath{\infty}]"
    assert latex.interval(1000, None) == "[1{,}000, --]"
    assert latex.interval(None, None) == latex.NOTHING


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (97.0, "97"),
        (0.001, r"\ensuremath{10^{-3}}"),
        (0.0005, r"\ensuremath{5\times 10^{-4}}"),
        (0.3, "0.3"),
        (True, "yes"),
        ("post", "post"),
        (50_000, "50{,}000"),
        (-120, r"\ensuremath{-}120"),
    ],
)
def test_settings_are_shown_as_given(value, shown):
    assert latex.exact(value) == shown


def test_listing():
    assert latex.listing([1.0, 0.1, 0.1, 0.3]) == "0.1, 0.3 and 1"
    assert latex.listing([42, 43, 44, 45, 46]) == "42--46"
    assert latex.listing([math.nan]) == latex.NOTHING


def test_escape_sets_signs_as_mathematics():
    assert latex.escape("50 % & R² ≥ T_grok") == (
        r"50 \% \& R\ensuremath{^2} \ensuremath{\ge} \ensuremath{T_{\mathrm{grok}}}"
    )
    assert latex.escape("-1.5 to -0.5, log-normal") == (
        r"\ensuremath{-}1.5 to \ensuremath{-}0.5, log-normal"
    )


def test_every_estimate_verdict_and_setting_has_its_key():
    made = study("laptop")
    found = numbers(
        made.fits, made.ledger, made.config, made.frames, published(made.config).constants
    )
    slope = made.fits["weight_decay"]["estimates"]["weight_decay.T_grok.slope"]
    assert found["result"]["weight_decay.T_grok.slope"] == latex.estimate(slope, bounds=False)
    assert found["nruns"]["weight_decay.T_grok.slope"] == str(slope["n"])
    assert set(found["verdict"]) == {claim.id for claim in made.claims.claims}
    assert found["setting"]["S2.weight_decay"].startswith("0.01, 0.1, 0.3")
    assert found["given"]["A_runs"] == "293"
    for origin in ORIGINS:
        mine = [c for c in made.ledger["claims"] if c["origin"] == origin and not c["corrected"]]
        words = [f"verdict.{origin}.{v.replace(' ', '_')}" for v in VERDICTS]
        assert sum(int(found["counted"][word]) for word in words) == len(mine)
        assert found["counted"][f"claims.{origin}"] == str(len(mine))


def test_what_could_not_be_estimated_says_so():
    made = study("smoke")
    found = numbers(
        made.fits, made.ledger, made.config, made.frames, published(made.config).constants
    )
    assert found["result"]["learning_rate.T_grok.slope"] == NOT_ESTIMATED
    assert found["setting"]["S5A.learning_rate"] == latex.NOTHING


def test_every_verdict_has_a_phrase():
    assert set(PHRASES) == set(VERDICTS)


def test_both_files_hold_the_same_values(tmp_path):
    made = study("smoke")
    tex, js = tmp_path / "numbers.tex", tmp_path / "numbers.json"
    write_numbers(
        made.fits, made.ledger, made.config, made.frames, published(made.config).constants, tex, js
    )
    lines = set(tex.read_text(encoding="utf-8").splitlines())
    for kind, keys in json.loads(js.read_text(encoding="utf-8")).items():
        for key, text in keys.items():
            assert f"\\regrokset{{{kind}}}{{{key}}}{{{text}}}" in lines
