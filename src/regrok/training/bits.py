"""Trains small runs by whichever state of the package is on the path, and writes down every bit of them.

    PYTHONPATH=SOURCE python -P bits.py KINDS.json OUT.pickle DEVICE SOURCE     # SOURCE: src of some commit

This is a script: it runs under other commits than the one that it belongs to, so it imports nothing of the package but
by `PLACES`. Whoever moves one of these modules adds a line there and leaves the old ones.
"""

from __future__ import annotations

import json
import pickle
import sys
import tempfile
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

PLACES: tuple[dict[str, str], ...] = (
    {
        "loop": "regrok.training.loop",
        "slots": "regrok.training.slots",
        "store": "regrok.runs.store",
        "run": "regrok.study.run",
        "fingerprint": "regrok.training.fingerprint",
    },
    {
        "loop": "regrok.train",
        "slots": "regrok.engine",
        "store": "regrok.store",
        "run": "regrok.config.run",
        "fingerprint": "regrok.provenance",
    },
)
"""Where things lie, the newest layout first."""

STACKED_STEPS = (0, 1, 4, 20, 20, 20)
"""Steps between the evaluations of stacked runs."""

ENDED_AFTER = 7
"""Logged points after which a run that is to be resumed is ended."""


class Ended(Exception):
    """Raised to end a training half-way."""


class EndsAfter:
    """Progress that ends the training."""

    def __init__(self, updates: int):
        self.left = updates

    def update(self, trainer: Any) -> None:
        self.left -= 1
        if self.left == 0:
            raise Ended

    def finish(self, trainer: Any) -> None:
        """Nothing to say."""


def modules() -> dict[str, Any]:
    """The package's modules by what they hold. Raises SystemExit where no layout fits."""
    for places in PLACES:
        try:
            if all(find_spec(place) for place in places.values()):
                return {name: import_module(place) for name, place in places.items()}
        except ModuleNotFoundError:
            continue
    raise SystemExit("this commit's package is laid out as none that same-bits knows")


def arrays(tensors: dict[str, Any]) -> dict[str, Any]:
    return {name: tensor.detach().cpu().numpy().copy() for name, tensor in tensors.items()}


def trained(places: dict[str, Any], runs: list[Any], way: str, device: str) -> list[dict[str, Any]]:
    """Train the runs side by side; curve, spectra, parameters and the optimiser's state of each."""
    engine = places["slots"].Engine
    clear, ends = engine.clear, {}

    def keep(self: Any, slot: int) -> None:
        state = self.checkpoint(slot)
        tensors = {"parameters": state["flat"], **state["state"]}
        ends[self.runs[slot].run_id] = {"step": state["step"], "tensors": arrays(tensors)}
        clear(self, slot)

    engine.clear = keep
    options: dict[str, Any] = {"slots": len(runs), "device": device}
    try:
        with tempfile.TemporaryDirectory() as folder:
            store = places["store"].RunStore(folder, "bits")
            train = places["loop"].train_cohort
            if way == "resumed":
                try:
                    ending = EndsAfter(ENDED_AFTER)
                    train("bits", runs, store, checkpoint_seconds=0, progress=ending, **options)
                    raise SystemExit("a run was over before it could be resumed")
                except Ended:
                    pass
            train("bits", runs, store, **options)
            found = [store.read(run.run_id) for run in runs]
    finally:
        engine.clear = clear
    return [
        {
            "curve": {name: stored.curve[name].to_numpy() for name in stored.curve.columns},
            "spectra": [
                (int(step), str(kind), [float(x) for x in power])
                for step, kind, power in stored.spectra.itertuples(index=False)
            ],
            "measured": {
                name: each["columns"] for name, each in getattr(stored, "measured", {}).items()
            },
            **ends[stored.run_id],
        }
        for stored in found
    ]


def stacked(places: dict[str, Any], runs: list[Any]) -> list[dict[str, Any]]:
    """Step the runs as a GPU does, all in each call; losses and accuracies, parameters and state of each."""
    engine = places["slots"].Engine(runs[0], len(runs), group=len(runs), stacked=True)
    for slot, run in enumerate(runs):
        engine.start(slot, run)
    logged: list[list[dict[str, float]]] = [[] for _ in runs]
    step = 0
    for steps in STACKED_STEPS:
        if steps:
            engine.advance(steps)
            step += steps
        for which in ("train", "validation"):
            found = engine.evaluate(which, dict.fromkeys(range(len(runs))))
            for slot, each in found.items():
                if which == "train":
                    logged[slot].append({"step": step})
                logged[slot][-1] |= {
                    f"{which}_{name}": float(getattr(each, name))
                    for name in ("loss", "accuracy", "logit_max", "spread")
                }
    made = []
    for slot, rows in enumerate(logged):
        state = engine.checkpoint(slot)
        tensors = {"parameters": state["flat"], **state["state"]}
        import numpy as np

        made.append(
            {
                "curve": {name: np.array([row[name] for row in rows]) for name in rows[0]},
                "spectra": [],
                "measured": {},
                "step": step,
                "tensors": arrays(tensors),
            }
        )
    return made


def one(places: dict[str, Any], kind: dict[str, Any], device: str) -> dict[str, Any]:
    """The runs of one kind, or why this state of the code has none such."""
    try:
        runs = [places["run"].Run.model_validate(run, strict=False) for run in kind["runs"]]
    except ValueError as error:
        return {"refused": str(error)}
    native: Any = import_module("regrok.kernels.native")
    load = native.load
    if kind["way"] in ("reference", "stacked"):
        native.load = lambda: None
    try:
        if kind["way"] == "stacked":
            return {"runs": stacked(places, runs)}
        return {"runs": trained(places, runs, kind["way"], device)}
    finally:
        native.load = load


def fingerprints(
    places: dict[str, Any], pairs: list[str], observables: list[str]
) -> dict[str, Any]:
    """Under which names this code stores runs; those of observables where it has them."""
    module = places["fingerprint"]
    trainers = {pair: module.fingerprint(*pair.split("/")) for pair in pairs}
    own = getattr(module, "observable_fingerprint", None)
    if own is None:  # one fingerprint for all that the code does
        return {"trainers": trainers, "observables": dict.fromkeys(observables, trainers)}
    known = set(module.present().observables)
    named = {
        name: {pair: own(name, *pair.split("/")) for pair in pairs}
        for name in observables
        if name in known
    }
    return {"trainers": trainers, "observables": named}


def main(kinds_file: str, out: str, device: str, source: str) -> None:
    package = Path(str(import_module("regrok").__file__)).resolve()
    if Path(source).resolve() not in package.parents:
        raise SystemExit(f"{package} was imported in place of the code in {source}")
    asked = json.loads(Path(kinds_file).read_text(encoding="utf-8"))
    places = modules()
    found = {kind["name"]: one(places, kind, device) for kind in asked["kinds"]}
    known = [
        pair
        for pair in asked["pairs"]
        if any("runs" in found[k["name"]] for k in asked["kinds"] if k["pair"] == pair)
    ]
    names = fingerprints(places, known, asked["observables"])
    Path(out).write_bytes(pickle.dumps({"kinds": found, **names}))


if __name__ == "__main__":
    main(*sys.argv[1:])
