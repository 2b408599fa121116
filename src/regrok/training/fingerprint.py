"""A fingerprint of the code that trains a run: of every definition that can change one of its bits, and of no other.

The run store keeps runs under it. After an edit that changes what the training code says, the old runs stay where they
are, and the new code trains its own; undoing the edit finds them again. What code says is told in
`regrok.training.code`; which edits are proven to change no bit is written down in generations.yaml (see
`regrok.training.generations`).

What is measured on a run beside loss, accuracy and V changes none of its bits, so each observable has a fingerprint of
its own: a new one leaves every stored run alone, an edited one concerns the runs that were measured with it. It takes
in the trainer's code too, which hands it the network, its groups of parameters, its logits and its evaluations.

No torch here: the Snakefile asks for fingerprints.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

from regrok.errors import RegrokError
from regrok.training.code.closure import BORDERS, Closure, registered
from regrok.training.code.package import Definition, Package

PACKAGE = Path(__file__).resolve().parents[1]

ROOT = "training.loop:train_cohort"
"""Where every training starts."""

OBSERVABLES = "measures.observables:OBSERVABLES"

TYPES = {"study.run": None, "study.task": "task", "study.model": "model"}
"""Modules with the types of a run. Their fields are in the run_id; what is computed from them is code. In those of
tasks and models, the type counts whose `name` is that of the run's."""

NAMING = {"run_id", "cell"}
"""Derived values that name a run: another rule gives another name, and a run of another name is trained anyway."""


class Code:
    """The training code in one folder of the package, the present one or that of another commit."""

    def __init__(self, folder: Path = PACKAGE):
        self.package = Package(folder, BORDERS)

    def trainer(self, task: str, model: str) -> Closure:
        """What runs of this task and model rest on. Raises RegrokError where the code has no such layout."""
        found = Closure(self.package, {task, model})
        found.add(self.package.find(ROOT))
        return self._with_derived(found, task, model)

    def observable(self, name: str, task: str, model: str) -> Closure:
        """What the values of this observable on such a run rest on: the trainer, with the observable's own entry.

        An observable reads the model's layout and logits through an object of which the text tells no type.
        """
        found = Closure(self.package, {name, task, model})
        found.add(self.package.find(ROOT))
        found.add(self.package.find(OBSERVABLES))
        return self._with_derived(found, task, model)

    @property
    def observables(self) -> tuple[str, ...]:
        """The names that `protocol.measure` may hold."""
        return registered(self.package.find(OBSERVABLES))

    def _with_derived(self, found: Closure, task: str, model: str) -> Closure:
        """Add the values derived from settings that the code reads (train_size, batch_size), and what these read."""
        members = self._derived({"task": task, "model": model})
        added: set[str] = set()
        while new := sorted(set(members) & found.attributes - added):
            for name in new:
                for definition in members[name]:
                    found.add(definition)
            added |= set(new)
        return found

    def _derived(self, names: dict[str, str]) -> dict[str, list[Definition]]:
        """Name → definitions of properties and methods of a run's types."""
        found: dict[str, list[Definition]] = {}
        for place, kind in TYPES.items():
            module = self.package.module(f"{self.package.name}.{place}")
            if module is None:
                raise RegrokError(f"{self.package.folder}: there is no {place}")
            for each in module.names.values():
                made = each.statements[0] if isinstance(each, Definition) else None
                if not isinstance(made, ast.ClassDef) or not (
                    kind is None or names[kind] in _called(made)
                ):
                    continue
                for part in made.body:
                    if not isinstance(part, ast.FunctionDef) or part.name.startswith("_"):
                        continue
                    if part.name not in NAMING:
                        member = Definition(module, f"{made.name}.{part.name}", [part])
                        found.setdefault(part.name, []).append(member)
        return found


def _called(made: ast.ClassDef) -> set[str]:
    """The names that the `name` of a type may have: the words of its Literal."""
    return {
        word.value
        for part in made.body
        if isinstance(part, ast.AnnAssign)
        and isinstance(part.target, ast.Name)
        and part.target.id == "name"
        for word in ast.walk(part.annotation)
        if isinstance(word, ast.Constant) and isinstance(word.value, str)
    }


@cache
def present() -> Code:
    """The code of this process."""
    return Code()


@cache
def fingerprint(task: str, model: str) -> str:
    """12 hexadecimal digits of what the code that trains runs of this task and model says."""
    return present().trainer(task, model).digest()


@cache
def observable_fingerprint(name: str, task: str, model: str) -> str:
    """12 hexadecimal digits of what the code that trains such a run and measures this observable on it says."""
    return present().observable(name, task, model).digest()


def training_sources(task: str, model: str) -> list[Path]:
    """The files in which the definitions lie that runs of this task and model rest on."""
    return present().trainer(task, model).files
