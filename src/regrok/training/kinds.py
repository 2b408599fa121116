"""Small runs of every kind: what `regrok same-bits` trains by two states of the code.

Every task, variant of a model, optimiser, batch and precision is in one of them, and every way in which a run ends; a
test holds them to the types of a run, so a new variant needs a kind. Each trains in tenths of a second.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from regrok.tasks.operations import OPERATIONS

Values = dict[str, Any]

SEEDS = (0, 1)
"""Each kind is trained with these, side by side."""

MODULAR: Values = {
    "name": "modular",
    "operation": "add",
    "p": 11,
    "zero": "include",
    "ordered": True,
    "train_fraction": 0.6,
    "train_count": None,
    "split_seed": None,
    "labels": "true",
}
PARITY: Values = {
    "name": "sparse_parity",
    "n": 10,
    "k": 2,
    "train_count": 500,
    "validation_count": 200,
    "labels": "true",
}
CLUSTERS: Values = {
    "name": "xor_clusters",
    "n": 24,
    "noise": 0.1,
    "train_count": 60,
    "validation_count": 40,
    "labels": "true",
}

TRANSFORMER: Values = {
    "name": "transformer",
    "norm": "post",
    "readout": "last",
    "d_model": 32,
    "heads": 4,
    "ffn": 64,
    "activation": "relu",
    "init_scale": 1.0,
}
DECODER: Values = {
    "name": "decoder",
    "layers": 2,
    "d_model": 32,
    "heads": 4,
    "ffn": 64,
    "activation": "relu",
    "norm": "post",
    "biases": False,
    "operator": True,
    "positions": "sinusoidal",
    "tied": False,
    "init_scale": 1.0,
}
MLP: Values = {
    "name": "mlp",
    "input": "concat",
    "depth": 1,
    "width": 32,
    "activation": "relu",
    "residual": False,
    "init_scale": 1.0,
}
QUADRATIC: Values = {"name": "quadratic", "width": 64, "init_scale": 1.0}
ENCODER: Values = {
    "name": "encoder",
    "d_model": 32,
    "heads": 4,
    "ffn": 64,
    "activation": "gelu",
    "layers": 2,
    "init_scale": 1.0,
}
VECTORS: Values = {**MLP, "input": "vector"}

ADAMW: Values = {
    "name": "adamw",
    "learning_rate": 2e-3,
    "weight_decay": 0.5,
    "decay": "decoupled",
    "decayed": "all",
    "beta1": 0.9,
    "beta2": 0.98,
    "eps": 1e-8,
    "momentum": 0.0,
    "clip_norm": None,
    "warmup_steps": 0,
}
ADAM: Values = {**ADAMW, "name": "adam", "decay": "coupled", "weight_decay": 1e-3}
SGD: Values = {
    **ADAMW,
    "name": "sgd",
    "decay": "coupled",
    "learning_rate": 0.1,
    "weight_decay": 1e-3,
    "beta1": 0.0,
    "beta2": 0.0,
    "eps": 0.0,
}

PROTOCOL: Values = {
    "batch": 32,
    "replacement": True,
    "max_steps": 100,
    "memorise_steps": None,
    "log_every": 5,
    "curve_every": 20,
    "tail_steps": 40,
    "measure": [],
    "measure_every": 20,
    "products": "float32",
}
FULL: Values = {"batch": "full", "replacement": False}
START: Values = {
    "at": "end",
    "optimiser": "kept",
    "examples": "own",
    "settings": {"task": MODULAR},
}
TOKENS = ["norm_groups", "logit_max", "fourier_low", "fourier_high", "embedding_spectrum"]


@dataclass(frozen=True)
class Kind:
    """One kind of run."""

    name: str
    task: Values
    model: Values
    optimiser: Values
    protocol: Values
    start: Values | None = None
    """What each run starts from, but for the run itself: one like it, and of its seed, with other `settings`."""
    way: str = "trained"
    """trained: by `train_cohort`. resumed: ended half-way and trained on from its checkpoint. reference: without the
    native kernels, as where there is no compiler. stacked: the two seeds in each call, as on a GPU."""

    @property
    def pair(self) -> str:
        """`task/model`, by which code is known."""
        return f"{self.task['name']}/{self.model['name']}"

    def runs(self) -> list[Values]:
        """The runs as plain values."""
        parts = {
            "task": self.task,
            "model": self.model,
            "optimiser": self.optimiser,
            "protocol": self.protocol,
        }
        runs = [{**parts, "seed": seed} for seed in SEEDS]
        if self.start is not None:
            begun, change = dict(self.start), self.start["settings"]
            del begun["settings"]
            runs = [{**run, "start": {**begun, "run": {**run, **change}}} for run in runs]
        return deepcopy(runs)


def _kind(
    name: str,
    task: Values = MODULAR,
    model: Values = MLP,
    optimiser: Values = ADAMW,
    way: str = "trained",
    start: Values | None = None,
    **protocol: Any,
) -> Kind:
    return Kind(name, task, model, optimiser, {**PROTOCOL, **protocol}, start, way)


def _with(values: Values, **changes: Any) -> Values:
    return {**values, **changes}


SUM = _with(MLP, input="sum", depth=2)
BLOCKS = _with(MLP, input="sum", depth=2, residual=True)
PRE = _with(DECODER, norm="pre", positions="learned", biases=True)
BARE = _with(DECODER, layers=1, norm="none", positions="learned", operator=False)

SQUARE: Values = {**ADAM, "loss": "square", "centring": "batch", "reduction": "sum"}

TOWARDS: Values = {"decay_towards": "initialisation"}

FIRST = ("add", "subtract", "multiply", "divide", "xor")
"""Operations whose kinds have names of their own; every other one's is its name."""

KINDS = (
    # Tasks
    _kind("subtraction", _with(MODULAR, operation="subtract")),
    _kind("multiplication", _with(MODULAR, operation="multiply", zero="exclude")),
    _kind("division", _with(MODULAR, operation="divide")),
    _kind("xor", _with(MODULAR, operation="xor", p=16)),
    *(
        _kind(
            name, _with(MODULAR, operation=name, p=next(filter(each.sizes.fits, range(11, 1025))))
        )
        for name, each in OPERATIONS.items()
        if name not in FIRST
    ),
    _kind("mirror images on one side", _with(MODULAR, split="unordered")),
    _kind("outliers", _with(MODULAR, outliers=9)),
    _kind("unordered pairs", _with(MODULAR, ordered=False, train_fraction=None, train_count=40)),
    _kind("the whole table", _with(MODULAR, train_fraction=None, train_count=121), max_steps=60),
    _kind("one split", _with(MODULAR, split_seed=7)),
    _kind("random labels", _with(MODULAR, labels="random"), optimiser=_with(ADAMW, weight_decay=0)),
    _kind("parity", PARITY, VECTORS, max_steps=400, measure=["norm_groups", "logit_max"]),
    _kind("parity, random labels", _with(PARITY, labels="random"), VECTORS, **FULL),
    _kind("clusters", CLUSTERS, VECTORS, **FULL),
    _kind("clusters, random labels", _with(CLUSTERS, labels="random"), VECTORS, SGD),
    # Transformers
    *(
        _kind(f"transformer, {norm}, {readout}, {activation}", model=model, measure=TOKENS)
        for norm in ("post", "pre")
        for readout in ("last", "mean")
        for activation in ("relu", "gelu")
        for model in [_with(TRANSFORMER, norm=norm, readout=readout, activation=activation)]
    ),
    _kind("transformer, a table an operand", model=_with(TRANSFORMER, embeddings="separate")),
    _kind("transformer, large start", model=_with(TRANSFORMER, init_scale=2.0), **FULL),
    # Decoders
    _kind("decoder, post", model=DECODER, measure=TOKENS),
    _kind("decoder, pre, biases", model=_with(PRE, layers=1, activation="gelu"), measure=TOKENS),
    _kind("decoder, pre, tied", model=_with(PRE, tied=True, init_scale=0.5), replacement=False),
    _kind("decoder, no norm, no operator", model=BARE, measure=TOKENS, **FULL),
    _kind("decoder, bfloat16", model=DECODER, products="bfloat16"),
    # Perceptrons
    *(
        _kind(f"mlp, {activation}", model=_with(MLP, activation=activation), measure=TOKENS)
        for activation in ("relu", "gelu", "tanh", "quadratic")
    ),
    _kind("mlp, summed", model=SUM),
    _kind("mlp, residual, summed", model=BLOCKS, measure=TOKENS),
    _kind("mlp, residual, side by side", model=_with(BLOCKS, input="concat", activation="gelu")),
    _kind("mlp, residual, vectors", PARITY, _with(BLOCKS, input="vector"), max_steps=60),
    _kind("mlp, small start", model=_with(MLP, init_scale=0.5)),
    # Networks by autograd
    _kind("quadratic", model=QUADRATIC, measure=["norm_groups", "fourier_high"]),
    _kind("quadratic, square", model=QUADRATIC, optimiser=SQUARE, precision="float64"),
    _kind(
        "quadratic, resumed",
        model=_with(QUADRATIC, neuron_scale=0.5),
        optimiser=_with(SQUARE, centring=None, reduction=None),
        way="resumed",
        **FULL,
    ),
    _kind("encoder", model=ENCODER, optimiser=_with(ADAMW, clip_norm=1.0), measure=TOKENS),
    _kind("encoder, alike", model=_with(ENCODER, layer_starts="alike", position_scale=0.5)),
    _kind("encoder, epochs", model=_with(ENCODER, activation="relu"), replacement=False),
    # Optimisers
    _kind("adam", optimiser=ADAM),
    _kind("adam, matrices decay", optimiser=_with(ADAM, decayed="matrices")),
    _kind("adamw, matrices decay", model=TRANSFORMER, optimiser=_with(ADAMW, decayed="matrices")),
    _kind("adamw, clipped", optimiser=_with(ADAMW, clip_norm=0.1)),
    _kind("adamw, warm-up", model=TRANSFORMER, optimiser=_with(ADAMW, warmup_steps=30)),
    _kind("sgd", optimiser=SGD),
    _kind("sgd, momentum", optimiser=_with(SGD, momentum=0.9)),
    _kind("sgd, decoupled", optimiser=_with(SGD, decay="decoupled", momentum=0.9)),
    _kind(
        "sgd, clipped, warm-up",
        model=TRANSFORMER,
        optimiser=_with(SGD, momentum=0.9, clip_norm=0.5, warmup_steps=30, decayed="matrices"),
    ),
    _kind(
        "normalised descent",
        model=QUADRATIC,
        optimiser=_with(SGD, normalised="gradient", linf_penalty=1e-4),
        precision="float64",
        **FULL,
    ),
    # Dropout, noise, and decay towards the first weights
    *(_kind(f"{m['name']}, dropout", model=_with(m, dropout=0.2)) for m in (DECODER, MLP)),
    _kind("dropout in blocks, full batch", model=_with(BLOCKS, dropout=0.1), **FULL),
    _kind("noisy weights", model=PRE, optimiser=_with(ADAMW, weight_noise=0.02)),
    _kind("noisy gradients", optimiser=_with(ADAM, gradient_noise=0.01), replacement=False),
    _kind("towards the first weights", optimiser=_with(ADAMW, **TOWARDS), way="resumed"),
    _kind(
        "towards the parent's weights, noisy",
        _with(MODULAR, train_fraction=None, train_count=40),
        _with(DECODER, dropout=0.1),
        _with(SGD, decay="decoupled", decayed="matrices", weight_noise=0.01, **TOWARDS),
        way="resumed",
        start=_with(START, examples="seen", validation="left_out"),
    ),
    # Batches and precision
    _kind("full batch", **FULL),
    _kind("epochs", replacement=False),
    _kind("transformer, epochs", model=TRANSFORMER, replacement=False),
    _kind("mirror images merged", _with(MODULAR, split_seed=7), SUM, **FULL),
    _kind("bfloat16", products="bfloat16", **FULL),
    _kind("float64", precision="float64"),
    _kind("transformer, bfloat16", model=TRANSFORMER, products="bfloat16"),
    # Ends
    _kind("collapses", optimiser=_with(SGD, weight_decay=1.0), max_steps=400),
    _kind("diverges", optimiser=_with(SGD, learning_rate=1e6, weight_decay=0)),
    _kind("gives up", _with(MODULAR, labels="random"), memorise_steps=40),
    _kind("resumed", way="resumed", measure=TOKENS),
    _kind("transformer, resumed", model=TRANSFORMER, way="resumed"),
    _kind("stops by its budget", PARITY, VECTORS, max_steps=400, stop="budget"),
    _kind("keeps states", PARITY, VECTORS, max_steps=400, keep=[20, "T_grok", "end"]),
    # Starts
    _kind("starts, all kept", start=_with(START, settings={})),
    _kind("starts anew, resumed", way="resumed", start=_with(START, optimiser="fresh", at=50)),
    _kind(
        "transformer, on what was seen",
        _with(MODULAR, train_fraction=None, train_count=40),
        TRANSFORMER,
        start=_with(START, examples="seen", validation="left_out"),
    ),
    _kind(
        "on a part of the whole table",
        _with(MODULAR, train_fraction=None, train_count=40),
        start={
            **_with(START, examples="seen", validation="left_out"),
            "settings": {"task": _with(MODULAR, train_fraction=None, train_count=121)},
        },
    ),
    _kind(
        "from T_grok, on what was seen",
        _with(PARITY, train_count=300),
        VECTORS,
        start={
            **_with(START, at="T_grok", examples="seen", validation="unseen"),
            "settings": {"task": PARITY, "protocol": {**PROTOCOL, "max_steps": 400}},
        },
    ),
    # Without the native kernels, and as on a GPU
    *(
        _kind(f"{name}, {way}", model=model, optimiser=optimiser, way=way, **protocol)
        for way in ("reference", "stacked")
        for name, model, optimiser, protocol in (
            ("mlp", MLP, ADAMW, {}),
            ("mlp, residual, sgd", BLOCKS, _with(SGD, momentum=0.9), FULL),
            ("transformer", TRANSFORMER, ADAMW, {"products": "bfloat16"}),
            ("transformer, pre, mean", _with(TRANSFORMER, norm="pre", readout="mean"), ADAM, {}),
            ("quadratic", QUADRATIC, SQUARE, {}),
            ("encoder", ENCODER, ADAMW, FULL),
            ("mlp, epochs", SUM, _with(ADAMW, clip_norm=0.1), {"replacement": False}),
            ("decoder", _with(PRE, layers=3), ADAMW, {"measure": TOKENS}),
            (
                "noisy",
                _with(PRE, dropout=0.1),
                _with(ADAMW, weight_noise=0.01, gradient_noise=0.01, **TOWARDS),
                {},
            ),
        )
    ),
)
