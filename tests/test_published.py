"""Published cells: what is refused of them, and which fits are told of them."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from regrok.pipeline.graph import Graph
from regrok.study.published import Cells, Published, Row, load_published, told
from regrok.study.read import load_config

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def config():
    return load_config(ROOT / "config.yaml", {"scale": "paper"})


@pytest.fixture(scope="module")
def published(config):
    return load_published(config, ROOT / "studies")


def test_a_row_has_what_all_its_experiment_s_cells_share(published):
    cells = published.cells["S2"].plain()
    assert cells["log_every"] == 500
    first = cells["rows"][0]
    assert first["match"]["learning_rate"] == 0.001
    assert first["match"]["weight_decay"] == 0.001
    assert (first["max_steps"], cells["rows"][2]["max_steps"]) == (15_000, 80_000)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"grokked": 6}, "grokked = 6, of 5 runs"),
        ({"delay_sd": 3.0}, "delay_sd without delay"),
    ],
)
def test_a_row_that_contradicts_itself_is_refused(row, words):
    with pytest.raises(ValidationError, match=words):
        Row.model_validate({"match": {}, "runs": 5} | row)


@pytest.mark.parametrize(
    ("key", "low", "words"),
    [("T_grok.slope", 2.0, "lies outside"), ("T_grok.slop", 0.0, "pattern")],
)
def test_a_statistic_that_there_cannot_be_is_refused(key, low, words):
    number = {"value": 1.0, "low": low, "high": 3.0, "n": 4, "where": "x"}
    given = {"rows": [{"match": {}, "runs": 5}], "statistics": {key: number}}
    with pytest.raises(ValidationError, match=words):
        Cells.model_validate(given)


def test_a_law_that_reads_published_cells_is_told_of_its_experiments_and_no_other_law_is(
    config, published
):
    given = told(published, config, "replication")
    assert set(given) == set(config.fits["replication"].experiments)
    assert set(given["S3"]) == {"log_every", "rows", "statistics"}
    assert told(published, config, "weight_decay") == {}
    repeated = told(published, config, "robustness")
    assert repeated["S2"] == {"log_every": 500}
    assert "B1" not in repeated or repeated["B1"]["log_every"] is None


def test_an_edit_of_a_released_mean_makes_that_fit_due_and_an_edit_of_a_constant_none(
    config, published, monkeypatch
):
    monkeypatch.chdir(ROOT)

    def blocks(given: Published) -> dict[str, object]:
        graph = Graph(config)
        graph.__dict__["_published"] = given
        return {name: graph.fit_block(name) for name in ("replication", "robustness", "survival")}

    before = blocks(published)
    rows = [row.model_copy(update={"delay": 1}) for row in published.cells["S3"].rows]
    cells = {**published.cells, "S3": published.cells["S3"].model_copy(update={"rows": rows})}
    after = blocks(published.model_copy(update={"cells": cells}))
    assert [name for name in before if before[name] != after[name]] == ["replication"]
    assert blocks(published.model_copy(update={"constants": {}})) == before
    grid = published.cells["S3"].model_copy(update={"log_every": 100})
    coarse = blocks(published.model_copy(update={"cells": {**published.cells, "S3": grid}}))
    changed = [name for name in before if before[name] != coarse[name]]
    assert changed == ["replication", "robustness"]
