"""A run: one training, described by its task, model, optimiser, protocol and seed.

The types have no defaults: a study writes every value out, so a value is found in one place.
A field that may be absent has the value null, and null is left out of the identity, so that a later
version can add such a field without renaming every finished run.
"""

import hashlib
import json
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from regrok.study.base import (
    NONE_AT_ZERO,
    Count,
    Momentum,
    NotNegative,
    Positive,
    Role,
    Seed,
    SomeSteps,
    Steps,
    Strict,
    Unit,
    marked,
)
from regrok.study.model import ByAutograd, Model
from regrok.study.task import Task

Observable = Literal[
    "norm_groups", "logit_max", "fourier_low", "fourier_high", "embedding_spectrum"
]

Deviation = Annotated[Positive | None, NONE_AT_ZERO]
"""A standard deviation, or null, which 0 is too."""

Weight = Annotated[Positive | None, NONE_AT_ZERO]
"""Of a penalty, or null, which 0 is too."""

BLOCKS = ("task", "model", "optimiser", "protocol")
"""The blocks of a run's settings."""

Point = Literal["end", "T_grok"] | SomeSteps
"""A moment of a run: its last step, the step of its T_grok, or a given logged step after the first."""

TOKENS_ONLY = ("fourier_low", "fourier_high", "embedding_spectrum")
"""Observables that are spectra over residues."""


class Optimiser(Strict):
    """The update and its hyper-parameters, in torch.optim's semantics.

    A field that the named optimiser does not have (betas of SGD, momentum of Adam) is stored as 0,
    so that it cannot tell two equal runs apart.
    """

    name: Literal["adamw", "adam", "sgd"]
    """adamw, adam (coupled L2) or sgd."""
    learning_rate: Annotated[Positive, Unit("1/step"), Role.FREE]
    """η."""
    weight_decay: Annotated[NotNegative, Role.FREE]
    """λ."""
    decay: Literal["decoupled", "coupled"]
    """decoupled (AdamW): θ shrinks by 1 − ηλ; coupled (Adam): λθ joins the gradient."""
    decayed: Literal["all", "matrices"]
    """Which parameters decay: all of them, or only weight matrices and embeddings."""
    momentum: Annotated[Momentum, Role.FREE]
    """SGD's momentum; 0 is none."""
    beta1: Annotated[Momentum, Role.FREE, Role.UNNAMED]
    """Adam's β₁."""
    beta2: Annotated[Momentum, Role.FREE, Role.UNNAMED]
    """Adam's β₂."""
    eps: Annotated[NotNegative, Role.FREE, Role.UNNAMED]
    """Adam's ε."""
    clip_norm: Annotated[Positive | None, Role.FREE]
    """Gradient norm to clip at; null does not clip."""
    warmup_steps: Annotated[Steps, Unit("step"), Role.UNNAMED]
    """Steps of linear warm-up: η·min(1, t/warmup_steps)."""
    weight_noise: Deviation = None
    """Standard deviation of normal noise, anew in each step, on all weights that the gradient is taken at; the weights
    themselves are kept clean. null: none."""
    gradient_noise: Deviation = None
    """Standard deviation of normal noise on each element of the gradient of each step, before clipping; null: none."""
    decay_towards: Literal["initialisation"] | None = None
    """initialisation: decoupled decay pulls towards the weights θ₀ that the run began with, θ ← θ − ηλ(θ − θ₀); null:
    towards 0."""
    loss: Literal["square"] | None = None
    """square: ½‖y − ŷ‖² with the one-hot y of the label, for networks whose gradients are autograd's; null:
    cross-entropy."""
    centring: Literal["batch"] | None = None
    """batch: the square loss leaves out the residuals' mean over the batch, ½‖(Y − Ŷ)P‖²; null: as they are."""
    reduction: Literal["sum"] | None = None
    """sum: the square loss of a batch is the sum over its examples; null: their mean, as that of cross-entropy. Logged
    are means."""
    linf_penalty: Weight = None
    """Weight of ‖θ‖∞ in what is minimised, all parameters together; logged losses are without it. null: none."""
    normalised: Literal["gradient"] | None = None
    """gradient: SGD's step is η g/‖g‖ for the gradient g of loss, penalty and coupled decay; null: η g."""

    @model_validator(mode="before")
    @classmethod
    def _only_its_own(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        foreign = {"sgd": ("beta1", "beta2", "eps"), "adam": ("momentum",), "adamw": ("momentum",)}
        named = given.get("name")
        zero = dict.fromkeys(foreign.get(named, ()), 0.0) if isinstance(named, str) else {}
        # Without decay there is nothing that it could pull towards.
        aimless = {"decay_towards": None} if given.get("weight_decay") == 0 else {}
        return {**given, **zero, **aimless}

    @model_validator(mode="after")
    def _consistent(self) -> "Optimiser":
        own = {"adamw": "decoupled", "adam": "coupled"}.get(self.name, self.decay)
        if self.decay != own:
            raise ValueError(f"decay = '{self.decay}' with {self.name}; {self.name} has '{own}'")
        if self.decay_towards is not None and self.decay != "decoupled":
            raise ValueError(
                f"decay_towards = '{self.decay_towards}' with decay = '{self.decay}': it is a pull on the weights, "
                "apart from the gradient; it needs decay = 'decoupled' (adamw, or sgd with it)"
            )
        if self.normalised is not None and (self.name != "sgd" or self.clip_norm is not None):
            with_ = self.name if self.name != "sgd" else f"clip_norm = {self.clip_norm}"
            raise ValueError(
                f"normalised = '{self.normalised}' with {with_}: it is of sgd without clipping; set it to null, or "
                "name: sgd and clip_norm: null"
            )
        for key in ("centring", "reduction"):
            if getattr(self, key) is not None and self.loss is None:
                raise ValueError(
                    f"{key} = '{getattr(self, key)}' with cross-entropy: it is of the square loss; set loss: square, "
                    f"or {key} to null"
                )
        return self


ENDS = ("max_steps", "tail_steps")


class Protocol(Strict):
    """How a run is fed, stopped, logged and measured."""

    batch: Annotated[Count | Literal["full"], Unit("example")]
    """Examples per step, or full."""
    replacement: bool
    """Whether a batch is drawn with replacement; false with a full batch."""
    max_steps: Annotated[SomeSteps, Unit("step"), Role.FREE, Role.LOGGING]
    """Budget, a multiple of log_every: a run that has not grokked by then is censored."""
    memorise_steps: Annotated[SomeSteps | None, Unit("step"), Role.FREE, Role.LOGGING] = None
    """A run that has not memorised by this step, a multiple of log_every, ends; null waits for the budget."""
    log_every: Annotated[SomeSteps, Unit("step"), Role.LOGGING]
    """Steps between logged points; crossings are known to this precision."""
    curve_every: Annotated[SomeSteps, Unit("step"), Role.LOGGING]
    """Steps between full evaluations, a multiple of log_every."""
    tail_steps: Annotated[Steps, Unit("step"), Role.FREE, Role.LOGGING]
    """Steps trained on after T_grok, a multiple of log_every."""
    stop: Annotated[Literal["budget"] | None, Role.FREE, Role.LOGGING] = None
    """budget: a run that groks trains on until max_steps, as one must that begins grokked; null: until tail_steps."""
    measure: Annotated[tuple[Observable, ...], Field(strict=False), Role.FREE, Role.UNSEEN]
    """Observables beyond loss, accuracy and V; they do not change the run."""
    measure_every: Annotated[SomeSteps, Unit("step"), Role.FREE, Role.UNSEEN]
    """Steps between measurements, a multiple of log_every."""
    keep: Annotated[tuple[Point, ...] | None, Field(strict=False), Role.FREE, Role.UNSEEN] = None
    """Moments of which weights and optimiser are kept in the run store; null: those that other runs start from."""
    products: Annotated[Literal["float32", "bfloat16"], Role.LOGGING]
    """Precision of the matrix products."""
    precision: Annotated[Literal["float64"] | None, Role.LOGGING] = None
    """float64: parameters, gradients, the optimiser's averages and with them all products in double precision; null:
    float32."""

    @model_validator(mode="after")
    def _consistent(self) -> "Protocol":
        for key in ("curve_every", "measure_every", "memorise_steps"):
            if (getattr(self, key) or 0) % self.log_every:
                raise ValueError(self._between_logs(key))
        if self.batch == "full" and self.replacement:
            raise ValueError(
                "replacement = true with batch = 'full': a full batch is not drawn; set it to false"
            )
        if self.precision is not None and self.products != "float32":
            raise ValueError(
                f"precision = '{self.precision}' with products = '{self.products}': that rounds what the other keeps; "
                "set products to float32, or precision to null"
            )
        if len(set(self.measure)) < len(self.measure):
            raise ValueError(f"measure = {list(self.measure)} names an observable twice")
        for point in self.keep or ():
            if problem := self.unreached(point):
                raise ValueError(f"keep = {list(self.keep or ())}: {problem}")
        return self

    def keeping(self, points: Iterable[Point]) -> "Protocol":
        """The protocol with these moments among those that it keeps, in one order however they came together."""
        every = {*(self.keep or ()), *points}
        kept = tuple(sorted(every, key=lambda point: (isinstance(point, str), point)))
        return self.model_copy(update={"keep": kept or None})

    def unreached(self, point: Point) -> str | None:
        """Why no run of this protocol can be at `point` when it is logged; None where one can."""
        if not isinstance(point, int):
            return None
        if point > self.max_steps:
            return f"step {point} is beyond max_steps = {self.max_steps}"
        if point % self.log_every:
            return (
                f"step {point} is not logged: it is not a multiple of log_every = {self.log_every}"
            )
        return None

    def _between_logs(self, key: str) -> str:
        steps, every = getattr(self, key), self.log_every
        below = steps - steps % every
        near = f"{below} or {below + every}" if below else str(every)
        return f"{key} = {steps} is not a multiple of log_every = {every}; {near} is"

    def overstepped(self) -> list[str]:
        """What a study must not ask for, though a run can be trained by it: ends that no run can keep to.

        A run is looked at, and ends, every log_every steps, so one of 210 steps logged every 25 would take 225.
        """
        found = [self._between_logs(k) for k in ENDS if getattr(self, k) % self.log_every]
        if self.memorise_steps is not None and self.memorise_steps > self.max_steps:
            found.append(
                f"memorise_steps = {self.memorise_steps} is more than max_steps = {self.max_steps}, so no run "
                "would end by it; lower it, or set it to null"
            )
        return found


def digest(value: Any, length: int) -> str:
    """The first `length` hexadecimal digits of the SHA-256 of `value` as canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:length]


class Settings(Strict):
    """Everything about a run but its seed."""

    task: Task
    """What is learned, from which examples."""
    model: Model
    """What learns it."""
    optimiser: Optimiser
    """How it learns."""
    protocol: Protocol
    """Batches, budget, logging and measurement."""

    @model_validator(mode="after")
    def _consistent(self) -> "Settings":
        tokens = self.task.name == "modular"
        if self.model.name != "mlp" and not tokens:
            raise ValueError(
                f"model.name = '{self.model.name}' reads token pairs; task {self.task.name} needs 'mlp'"
            )
        if self.model.name == "mlp" and (self.model.input == "vector") == tokens:
            needed = "'sum' or 'concat'" if tokens else "'vector'"
            raise ValueError(
                f"model.input = '{self.model.input}' with task {self.task.name}; it needs {needed}"
            )
        spectral = [name for name in self.protocol.measure if name in TOKENS_ONLY]
        if spectral and not tokens:
            raise ValueError(
                f"protocol.measure = {spectral} reads residues mod p, and task "
                f"{self.task.name} has none"
            )
        tables = self.model.name == "transformer" and self.model.embeddings == "separate"
        if tables and "embedding_spectrum" in self.protocol.measure:
            raise ValueError(
                "protocol.measure = embedding_spectrum reads one table of embeddings, and "
                "model.embeddings = 'separate' has two; leave one of them out"
            )
        self._refuse_autograd_s()
        batch = self.protocol.batch
        if not self.protocol.replacement and batch != "full" and batch > self.task.train_size:
            raise ValueError(
                f"protocol.batch = {batch} is more than the {self.task.train_size} training "
                "examples that can be drawn without replacement; use full, or replacement: true"
            )
        return self

    def _refuse_autograd_s(self) -> None:
        """Raise ValueError where networks by autograd, or the others alone, have no such thing."""
        name, autograd = self.model.name, isinstance(self.model, ByAutograd)
        if self.optimiser.loss is not None and not autograd:
            raise ValueError(
                f"optimiser.loss = '{self.optimiser.loss}' with model.name = '{name}', whose backward pass is "
                "written out for cross-entropy; set it to null"
            )
        if self.protocol.products != "float32" and autograd:
            raise ValueError(
                f"protocol.products = '{self.protocol.products}' with model.name = '{name}', whose products are "
                "autograd's; set it to float32"
            )
        if name == "quadratic" and "embedding_spectrum" in self.protocol.measure:
            raise ValueError(
                "protocol.measure = embedding_spectrum reads a table of embeddings, and model.name = 'quadratic' has "
                "none; leave it out"
            )

    @property
    def batch_size(self) -> int:
        """Examples per step, the training set's size for a full batch."""
        return self.task.train_size if self.protocol.batch == "full" else self.protocol.batch

    def identity(self) -> dict[str, Any]:
        """All that can change a run's numbers, as plain JSON values without nulls: no setting of Role.UNSEEN."""
        return self._plain(Role.UNSEEN)

    def _plain(self, *roles: Role) -> dict[str, Any]:
        """As plain values without nulls, without what a run starts from and without settings of these roles."""
        left_out: dict[str, Any] = {"start": True, **self._bearing(*roles)}
        return self.model_dump(mode="json", exclude_none=True, exclude=left_out)

    def _bearing(self, *roles: Role) -> dict[str, set[str]]:
        """Block → its fields that bear one of the roles."""
        return {
            block: {name for role in roles for name in marked(getattr(self, block).__class__, role)}
            for block in BLOCKS
        }


class Start(Strict):
    """Another run's state, from which a run begins in place of an initialisation of its own."""

    run: "Run"
    """The run that is trained first."""
    at: Point
    """When: at the parent's end, at its T_grok, or at one of its logged steps."""
    optimiser: Literal["kept", "fresh"]
    """kept: the optimiser's averages and its count of steps go on, so bias correction and warm-up are not repeated,
    and so does the count of the batch stream; fresh: all begin at 0."""
    examples: Literal["seen", "own"]
    """seen: the first train_size of the parent's own shuffled training set; own: the task's, drawn by the seed."""
    validation: Literal["left_out", "unseen"] | None = None
    """Of seen examples: left_out validates on all that it does not train on, also what the parent trained on;
    unseen on the parent's validation set alone. Null with own examples."""
    seed: Seed | None = None
    """Seed of the parent where all runs of a cell start from one; null: the run's own."""

    @property
    def parent(self) -> "Run":
        """The run that is trained first, keeping what this start takes of it."""
        return self.run.model_copy(update={"protocol": self.run.protocol.keeping((self.at,))})

    def named(self, **parent: str) -> dict[str, Any]:
        """What the start adds to an identity: itself, with its parent by a name."""
        return parent | self.model_dump(mode="json", exclude_none=True, exclude={"run": True})


class Run(Settings):
    """One training."""

    seed: Seed
    """Seed of the run's three streams: initialisation, split, batch order."""
    start: Start | None = None
    """What the run begins from; null: its own initialisation."""

    @property
    def run_id(self) -> str:
        """12 hexadecimal digits: a hash of what can change the run's numbers, and only that."""
        return digest(self.identity(), 12)

    def identity(self) -> dict[str, Any]:
        """As of settings, with the seed, and the parent by its run_id."""
        begun = {} if self.start is None else {"start": self.start.named(run=self.start.run.run_id)}
        return self._plain(Role.UNSEEN) | begun

    @property
    def cell(self) -> str:
        """10 hexadecimal digits, shared by the runs that differ in seed alone (and whose parents do)."""
        identity = self.identity() | self._cell_of_parent()
        del identity["seed"]
        return digest(identity, 10)

    def _cell_of_parent(self) -> dict[str, Any]:
        return {} if self.start is None else {"start": self.start.named(cell=self.start.run.cell)}

    @property
    def condition(self) -> str:
        """10 hexadecimal digits, shared by the runs that differ in seed and in settings of Role.LOGGING alone.

        Two runs of one condition and one seed repeat the same training, logged, cut off or rounded in another way.
        """
        settings = self._plain(Role.UNSEEN, Role.LOGGING) | self._cell_of_parent()
        del settings["seed"]
        return digest(settings, 10)

    @property
    def generation(self) -> int:
        """0 for a run with an initialisation of its own, 1 for one that starts from such a run, and so on."""
        return 0 if self.start is None else 1 + self.start.run.generation


Start.model_rebuild()
