"""Every column of runs.parquet with its unit and meaning: what a run is, and what came of it.

The settings' columns follow from the types of a run (regrok.study.columns); those of its name and its results are
written here, beside `regrok.runs.rows`, which fills them. Needs no pandas.
"""

from __future__ import annotations

from regrok.measures.events import THRESHOLDS
from regrok.study.columns import SETTINGS

Entry = tuple[str, str]
"""Unit ("" for a pure number or a word) and meaning."""

NAMES: dict[str, Entry] = {
    "run_id": ("", "name of the run: 12 hexadecimal digits of a hash of all that can change its numbers"),
    "cell": ("", "runs that differ in seed alone share it: 10 hexadecimal digits"),
    "condition": ("", "runs that differ in seed, logging, budget and precision alone share it: 10 hexadecimal digits"),
    "cohort": ("", "the runs that were trained side by side; it changes no number"),
    "seed": ("", "seed of initialisation, split (unless split_seed is given) and batch order"),
    "start_run": ("", "the run from whose state this one began; empty for one with an initialisation of its own"),
    "start_at": ("", "the moment of that run: end, T_grok, or one of its steps"),
    "start_optimiser": ("", "kept or fresh: whether the optimiser's averages and step counts went on"),
    "start_examples": ("", "seen: the first train_size of that run's training set; own: the task's"),
    "start_validation": ("", "of seen examples: left_out (all others) or unseen (that run's validation set)"),
}  # fmt: skip
"""What names a run."""

RESULTS: dict[str, Entry] = {
    "outcome": (
        "",
        ("grokked, memorised only, never memorised, collapsed or diverged; or not started, where the run was to start "
        "from a moment of another one at which that never was; or not validated, where it has no validation examples"),
    ),
    "T_mem": ("step", "first logged step with train accuracy ≥ .99; empty when there is none"),
    "T_grok": ("step", "first logged step with validation accuracy ≥ .99; empty when there is none"),
    "delay": ("step", "T_grok − T_mem; empty when either is"),
    "steps": ("step", ("last step of the run; where T_grok is empty, the run was watched until here (right-censored), "
        "unless it has no validation examples")),
    "V_0": ("", "V = ‖θ‖², the sum of squares of all parameters, at initialisation"),
    "V_mem": ("", "V at T_mem"),
    "V_grok": ("", "V at T_grok"),
    "V_final": ("", "V at the run's last step"),
    "rms_0": ("", "√(V/parameters) at initialisation"),
    "rms_grok": ("", "√(V/parameters) at T_grok"),
    "rms_final": ("", "√(V/parameters) at the run's last step"),
    "train_accuracy_final": ("", "share of training examples that are right at the last evaluation"),
    "validation_accuracy_final": ("", "share of validation examples that are right at the last evaluation"),
    "train_accuracy_max": ("", "largest train accuracy that was logged"),
    "validation_accuracy_max": ("", "largest validation accuracy that was logged"),
    "train_loss_final": (
        "nat",
        ("mean cross-entropy on training examples at the last evaluation; the square loss, a pure number, where a "
        "run has that"),
    ),
    "validation_loss_final": (
        "nat",
        ("mean cross-entropy on validation examples at the last evaluation; the square loss, a pure number, where a "
        "run has that"),
    ),
    "T_lost": (
        "step",
        ("first evaluation after T_grok of the first stretch of evaluations with validation accuracy < .90 that lasts "
        "1,000 steps or more; empty when there is none. This column and the four after it are absent from frames that "
        "were released before them"),
    ),
    "T_lost_previous": ("step", "the evaluation before T_lost; the loss lies between the two"),
    "T_regained": (
        "step",
        ("first evaluation after T_lost of the first stretch with validation accuracy ≥ .90 that lasts 1,000 steps or "
        "more; empty when there is none"),
    ),
    "T_regained_previous": ("step", "the evaluation before T_regained; the recovery lies between the two"),
    "validation_accuracy_late": (
        "",
        ("median validation accuracy over the last tenth of max_steps; empty for a run that ended before max_steps"),
    ),
    "wall_seconds": ("s", "the run's share of the time of the job that trained it"),
    "device": ("", "what trained it: processor with native or reference kernels, or the GPU's name"),
    "processor": ("", "name of the processor or GPU that trained it; empty for runs from before it was kept"),
    "arithmetic": (
        "",
        ("what computed it: kernels with the hash of their library, torch with its instruction set, threads; "
        "runs that differ in it or in the processor may differ in their last digits"),
    ),
    "trainer": ("", "fingerprint of the training code: 12 hexadecimal digits; provenance.json names its commit"),
    "T_mem_<threshold>": ("step", "first logged step with train accuracy ≥ .<threshold>; empty when there is none"),
    "T_mem_<threshold>_previous": (
        "step",
        ("the evaluation before the first logged step with train accuracy ≥ .<threshold>; "
        "the crossing lies between the two"),
    ),
    "T_mem_<threshold>_sustained": (
        "step",
        ("first logged step of three evaluations in a row with train accuracy ≥ .<threshold>; empty when there is "
        "none. In frames without the next column: at every later evaluation too"),
    ),
    "T_mem_<threshold>_sustained_previous": (
        "step",
        "the evaluation before the first of three in a row with train accuracy ≥ .<threshold>",
    ),
    "T_grok_<threshold>": (
        "step",
        "first logged step with validation accuracy ≥ .<threshold>; empty when there is none",
    ),
    "T_grok_<threshold>_previous": (
        "step",
        ("the evaluation before the first logged step with validation accuracy ≥ .<threshold>; "
        "the crossing lies between the two"),
    ),
    "T_grok_<threshold>_sustained": (
        "step",
        ("first logged step of three evaluations in a row with validation accuracy ≥ .<threshold>; empty when there is "
        "none. In frames without the next column: at every later evaluation too"),
    ),
    "T_grok_<threshold>_sustained_previous": (
        "step",
        "the evaluation before the first of three in a row with validation accuracy ≥ .<threshold>",
    ),
}  # fmt: skip
"""What came of a run; <threshold> stands for each of `regrok.measures.events.THRESHOLDS`."""


def spelt_out(column: str) -> list[str]:
    """The columns that a name with <threshold> stands for; a name without it is itself.

    >>> spelt_out("T_mem_<threshold>_previous")
    ['T_mem_90_previous', 'T_mem_95_previous', 'T_mem_99_previous']
    """
    return list(dict.fromkeys(column.replace("<threshold>", suffix) for suffix in THRESHOLDS))


RUNS: dict[str, Entry] = (
    NAMES
    | {column.name: (column.unit, column.meaning) for column in SETTINGS}
    | {
        name: (unit, text)
        for column, (unit, meaning) in RESULTS.items()
        for name, text in zip(spelt_out(column), spelt_out(meaning), strict=True)
    }
)
"""Column of runs.parquet → unit and meaning."""

CROSSINGS: tuple[str, ...] = tuple(
    name for column in RESULTS if "<threshold>" in column for name in spelt_out(column)
)
"""The columns that name a logged step at which a threshold was crossed, or the one before."""

LOSSES: tuple[str, ...] = ("T_lost", "T_lost_previous", "T_regained", "T_regained_previous")
"""The columns that name a logged step at which generalisation was lost or regained, or the one before."""
