"""Results that contradict themselves are refused, naming the run."""

import numpy as np
import pandas as pd
import pytest

from regrok.errors import RegrokError
from regrok.measures.events import NOT_STARTED
from regrok.runs.checks import check
from regrok.runs.columns import LOSSES
from regrok.runs.frames import Frames, asked
from regrok.runs.gather import gather
from regrok.runs.store import RunStore
from regrok.study.run import Start
from regrok.training.loop import train_cohort
from small import parity_run, small_run


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Frames of three real runs: two parity runs that generalise, one addition that is censored."""
    folder = tmp_path_factory.mktemp("store")
    store = RunStore(folder, "code")
    cohorts, members = {}, []
    for experiment, runs in (
        ("parity", [parity_run(seed, max_steps=1000) for seed in (0, 1)]),
        ("addition", [small_run(0, protocol={"max_steps": 40})]),
    ):
        train_cohort(experiment, runs, store, slots=2)
        cohorts[experiment] = runs
        members += [(experiment, "", run.run_id, run.cell) for run in runs]
    runs, curves, spectra = gather(cohorts, store)
    experiments = pd.DataFrame(members, columns=["experiment", "arm", "run_id", "cell"])
    return Frames(runs, curves, experiments, spectra)


def copy(frames, **changes):
    names = ("runs", "curves", "experiments", "spectra")
    return Frames(**{name: changes.get(name, getattr(frames, name)).copy() for name in names})


def fits_of(frames):
    names = ["parity", "addition"]
    return {"both": {"experiments": names, "runs": sorted(frames.runs["run_id"])}}


LEDGER = [
    {"id": "A1", "verdict": "reproduced", "value": 3.0, "experiments": ["parity"]},
    {"id": "B1", "verdict": "out of scope at this scale", "value": None, "experiments": ["absent"]},
]


def test_real_results_pass(trained):
    found = check(trained, fits_of(trained), LEDGER)
    assert found["runs"] == 3 and sum(found["outcomes"].values()) == 3
    assert found["logged_points"] == len(trained.curves)


def test_frames_from_before_a_column_of_losses_pass_without_it(trained):
    absent = [
        *LOSSES,
        "validation_accuracy_late",
        *(c for c in trained.runs if c.startswith("start_")),
    ]
    before = copy(trained, runs=trained.runs.drop(columns=absent))
    assert check(before, fits_of(before), LEDGER)["runs"] == 3


def test_a_run_that_was_not_started_passes_and_no_law_sees_it(tmp_path, trained):
    """Its parent never grokked. That one is of use, as what another was to start from."""
    parent = small_run(0, protocol={"max_steps": 40})
    start = Start(run=parent, at="T_grok", optimiser="fresh", examples="own")
    child = parent.model_copy(update={"start": start})
    store = RunStore(tmp_path, "code")
    train_cohort("child", [parent, child], store, slots=1)
    runs, curves, spectra = gather({"c": [parent, child]}, store)
    members = [("scratch", "", parent.run_id, parent.cell), ("child", "", child.run_id, child.cell)]
    experiments = pd.DataFrame(members, columns=["experiment", "arm", "run_id", "cell"])
    frames = Frames(runs, curves, experiments, spectra)
    found = check(frames, {"none": {"experiments": ["child"], "runs": []}}, [])
    assert found["outcomes"][NOT_STARTED] == 1 and sum(found["outcomes"].values()) == 2
    assert list(asked(frames).runs["run_id"]) == [parent.run_id]
    assert len(frames.of("child").runs) == len(frames.of("child").experiments) == 0
    assert len(frames.of("scratch").runs) == 1 and asked(trained) is trained


@pytest.mark.parametrize("verdict", ["no such run here", "inconclusive"])
def test_a_claim_that_could_not_be_asked_has_no_value(trained, verdict):
    entry = {"id": "A3", "verdict": verdict, "value": None, "experiments": ["parity"]}
    check(trained, fits_of(trained), [*LEDGER, entry])


FAULTS = {
    "an outcome that is none": ("runs", "outcome", "won"),
    "a negative time": ("runs", "T_mem_90", -5.0),
    "a run id that is none": ("runs", "run_id", "run one"),
    "more steps than the budget": ("runs", "steps", 10**9),
    "a delay that is not the difference": ("runs", "delay", 1e6),
    "an accuracy above one": ("curves", "validation_accuracy", 1.5),
    "a norm that is not the curve's": ("runs", "V_0", 1.0),
    "a run of no experiment": ("experiments", "run_id", "0" * 12),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_one_corrupted_value_is_found(trained, fault):
    table, column, value = FAULTS[fault]
    frame = getattr(trained, table).copy()
    frame.loc[frame.index[0], column] = value
    with pytest.raises(RegrokError, match=r"contradict"):
        check(copy(trained, **{table: frame}), fits_of(trained), LEDGER)


def test_a_lost_row_is_named(trained):
    lost = trained.runs["run_id"].iloc[-1]
    with pytest.raises(RegrokError, match=lost):
        check(copy(trained, runs=trained.runs.iloc[:-1]), fits_of(trained), LEDGER)


def test_a_grokked_run_needs_its_T_grok(trained):
    runs = trained.runs.copy()
    grokked = runs.index[runs["outcome"] == "grokked"][0]
    runs.loc[grokked, ["T_grok", "delay"]] = np.nan
    with pytest.raises(RegrokError, match="grokked without T_grok"):
        check(copy(trained, runs=runs), fits_of(trained), LEDGER)


def test_a_run_that_no_fit_reads_is_named(trained):
    unused, *others = sorted(trained.runs["run_id"])
    # A fit that lists no experiment reads all runs, and so does not say that they are needed.
    fits = {
        "some": {"experiments": ["parity"], "runs": others},
        "summary": {"experiments": [], "runs": [unused, *others]},
    }
    with pytest.raises(RegrokError, match=f"{unused}: read by no fit"):
        check(trained, fits, LEDGER)


@pytest.mark.parametrize(
    "entry",
    [
        {"id": "A3", "verdict": "reproduced", "value": None, "experiments": ["parity"]},
        {"id": "A3", "verdict": "not reproduced", "value": 1.0, "experiments": ["absent"]},
    ],
)
def test_a_verdict_without_evidence_is_refused(trained, entry):
    with pytest.raises(RegrokError, match="claim A3"):
        check(trained, fits_of(trained), [entry])
