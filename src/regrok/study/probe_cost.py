"""What a build's probes will take: states, steps that are trained again for them, seconds of one core."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from regrok.study.probed import effort, moments

if TYPE_CHECKING:
    import pandas as pd

    from regrok.study.blocks import Config


class ProbeCost(NamedTuple):
    """One probe of a build, where no row of it is kept and no state is stored."""

    name: str
    module: str
    runs: int
    states: int
    """At which it measures, over all runs."""
    replayed: int
    """Steps that its runs are trained again."""
    seconds: float
    """Of one core: one job makes a probe."""

    def __str__(self) -> str:
        return (
            f"{self.name} ({self.module}): {self.states:,} states of {self.runs} runs, {self.replayed:,} steps trained "
            f"again; about {self.seconds / 60:.1f} minutes on one core"
        )


def probe_cost(name: str, config: Config, runs: Iterable[str], planned: pd.DataFrame) -> ProbeCost:
    """What a probe takes over these runs. planned: a row for each (`regrok.study.plan.plan_frame`)."""
    probe, scale = config.probes[name], config.scale
    a_state, at = effort(probe, scale), probe.moments(scale)
    known = planned.set_index("run_id")[["expected_steps", "seconds_per_step"]]
    counted, states, replayed, seconds = 0, 0, 0, 0.0
    for run_id in runs:
        end, per_step = known.loc[run_id]
        steps = moments(at, int(end))
        last = steps[-1] if steps else 0
        counted, states, replayed = counted + 1, states + len(steps), replayed + last
        seconds += (last + a_state * len(steps)) * float(per_step)
    return ProbeCost(name, probe.probe, counted, states, replayed, seconds)
