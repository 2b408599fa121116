"""How fast this machine trains, for a prediction: its measured rate, and what finished runs took on such a machine."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from regrok.files import read_parquet
from regrok.processor import processor
from regrok.released.bundle import RELEASED

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ["cell", "cohort", "steps", "wall_seconds", "device"]


class Speed(NamedTuple):
    """A rate, and of what it is the rate."""

    rate: float
    """FLOP/s of training steps in each process."""
    processor: str
    kernels: str
    """native or reference."""
    processes: int
    """How many train at once."""

    def __str__(self) -> str:
        return f"{self.processor}, {self.kernels} kernels, {self.processes} at once"


def machine_speed(processes: int) -> Speed:
    """This machine's, with as many training at once as will. Raises RegrokError where no kernels can be had."""
    import torch

    from regrok import kernels
    from regrok.study.cost import machine_rate

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the words of the speed say which kernels
        found = kernels.select(torch.device("cpu"), torch.float32)
    rate = machine_rate(processes=processes, kernels=found)
    return Speed(rate, processor(), found.name, processes)


def arithmetic(device: str) -> str:
    """What will compute runs here, in the words of `regrok.kernels.arithmetic`; empty for a GPU, which may be away."""
    import torch

    from regrok.kernels.arithmetic import arithmetic as words

    if device != "cpu":
        return ""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as a training job does
    try:
        return str(words(torch.device(device), torch.float32))
    finally:
        torch.set_num_threads(threads)


def kernels_problem() -> str:
    """Why there are no native kernels, and the remedy; empty where there are."""
    from regrok.kernels import native

    return native.problem()


def history(device: str, speed: Speed, results: Path = Path("results")) -> pd.DataFrame | None:
    """Finished runs of any scale; None when there are none.

    How many steps a run took is true anywhere. How long it took is kept (else NaN) of runs on the device that is asked
    for, and on a CPU of this processor with these kernels.
    """
    import pandas as pd

    frames = []
    for path in [*results.glob("*/runs.parquet"), *RELEASED.glob("*/runs.parquet")]:
        try:
            frame = read_parquet(path)
            frame = frame.reindex(columns=[*COLUMNS, "processor"])
        except (OSError, ValueError):
            continue  # a prediction can do without a file that the build itself will complain about
        if path.is_relative_to(RELEASED):
            frame["processor"] = frame["processor"].astype(object).fillna(_built_on(path.parent))
        alike = frame["device"].eq(f"cpu: {speed.kernels} kernels")
        alike &= frame["processor"].eq(speed.processor)
        if device != "cpu":
            alike = frame["device"].astype(str).str.startswith(device.partition(":")[0])
        frames.append(frame.assign(wall_seconds=frame["wall_seconds"].where(alike)))
    return pd.concat(frames, ignore_index=True) if frames else None


def _built_on(folder: Path) -> str:
    """The processor of a released scale's build, which stands for its runs where they do not say."""
    try:
        return str(
            json.loads((folder / "provenance.json").read_text("utf-8"))["machine"]["processor"]
        )
    except (OSError, ValueError, KeyError, TypeError):
        return ""
