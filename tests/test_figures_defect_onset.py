"""Whose defect the figure of the onset draws where a group has several operations."""

from __future__ import annotations

import pandas as pd

from regrok.figures.defect_onset import called, shown_run


def test_the_figure_shows_addition_and_says_which_operation_it_shows():
    rows = [
        {"group": group, "operation": operation, "run_id": f"{operation}-{i}", "step": 50 * step}
        for group, operations in (("default", ("subtract", "add")), ("control", ("a3_ab",)))
        for operation in operations
        for i in range(2)
        for step in range(3)
    ]
    points = pd.DataFrame(rows)
    shown = shown_run(points, "default")
    assert set(shown["run_id"]) == {"add-0"} and len(shown) == 3
    assert called(shown) == "addition"
    alone = shown_run(points[points["operation"] != "add"], "default")
    assert set(alone["run_id"]) == {"subtract-0"} and called(alone) == "subtraction"
    assert set(shown_run(points, "control")["run_id"]) == {"a3_ab-0"}
    assert called(shown_run(points[:0], "default")) == "addition"
