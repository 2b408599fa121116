"""AdamW, Adam and SGD for R stacked runs, every hyper-parameter per run, one pass over memory.

The updates are those of `torch.optim` (AdamW; Adam with coupled L2; SGD with momentum, dampening 0)
and clipping is `torch.nn.utils.clip_grad_norm_`. SGD's decoupled decay multiplies the parameters by
1 − ηλ before the momentum step, as AdamW does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from regrok import kernels
from regrok.models.layout import Layout
from regrok.training import descent

HYPER = (
    "learning_rate",
    "weight_decay",
    "beta1",
    "beta2",
    "eps",
    "momentum",
    "clip_norm",
    "warmup_steps",
)

_CLIP_EPSILON = 1e-6  # torch.nn.utils.clip_grad_norm_'s


class Optimiser:
    """One family of updates: algorithm, kind of decay and which parameters decay are shared."""

    def __init__(self, spec: Any, layout: Layout, kernels_name: str | None = None) -> None:
        self.adaptive = spec.name in ("adamw", "adam")
        self.decoupled = spec.decay == "decoupled"
        self.decayed = spec.decayed
        self.towards = getattr(spec, "decay_towards", None) is not None
        self.normalised = getattr(spec, "normalised", None) is not None
        self.penalty: float | None = getattr(spec, "linf_penalty", None)
        self.layout = layout
        self.state_names = ("m", "v") if self.adaptive else ("momentum",)
        self._kernels = kernels_name
        self._masks: dict[tuple[torch.dtype, torch.device], Tensor] = {}

    def state(self, runs: int, dtype: torch.dtype, device: torch.device) -> dict[str, Tensor]:
        """name -> (R, P) zeros: the state before the first step."""
        size = (runs, self.layout.size)
        return {name: torch.zeros(size, dtype=dtype, device=device) for name in self.state_names}

    def bind(
        self,
        flat: Tensor,
        grad: Tensor,
        state: Mapping[str, Tensor],
        hyper: Mapping[str, Tensor],
        steps: Tensor,
        origin: Tensor | None = None,
    ) -> Callable[[], Any]:
        """The update of `flat` and `state` in place, ready to be repeated; (R, P) tensors that outlive it.

        hyper: HYPER name -> (R,) float64; clip_norm is infinite where a run does not clip and
        warmup_steps 0 where it has no warm-up: the learning rate is η · min(1, t / warmup_steps).
        steps: (R,) int64, t of the update, 1 for the first. origin: (R, P), what the decay pulls
        towards where it does not pull towards zero. `grad` is left as it is on a CPU with native
        kernels, and is scratch elsewhere.
        """
        mask = self._mask(flat)
        found = kernels.select(flat.device, flat.dtype, self._kernels)
        before: list[Callable[[], Any]] = []
        if self.penalty is not None:
            before.append(partial(descent.penalise, flat, grad, self.penalty))
        if self.normalised:
            if not self.decoupled:
                decay = hyper["weight_decay"]
                before.append(partial(descent.join_decay, flat, grad, mask, decay))
                hyper = {**hyper, "weight_decay": torch.zeros_like(decay)}
            before.append(partial(descent.normalise, grad))
        if self.towards:
            assert origin is not None
            rate, decay, warm_up = (
                hyper[name] for name in ("learning_rate", "weight_decay", "warmup_steps")
            )
            before.append(partial(pull, flat, origin, mask, rate, decay, warm_up, steps))
            # The decay is all in the pull.
            hyper = {**hyper, "weight_decay": torch.zeros_like(hyper["weight_decay"])}
        update = self._bound(found, flat, grad, state, hyper, steps, mask)
        if not before:
            return update

        def all_of_it(kept: Any = hyper) -> None:
            for each in before:
                each()
            update()

        return all_of_it

    def _bound(
        self,
        found: kernels.Kernels,
        flat: Tensor,
        grad: Tensor,
        state: Mapping[str, Tensor],
        hyper: Mapping[str, Tensor],
        steps: Tensor,
        mask: Tensor | None,
    ) -> Callable[[], Any]:
        """The update with decay towards zero."""
        values = [hyper[name] for name in HYPER]
        states = [state[name] for name in self.state_names]
        if found.name == "native":
            name = "adam_step" if self.adaptive else "sgd_step"
            return found.bind(name, flat, grad, *states, mask, self.decoupled, *values, steps)
        update: Callable[..., None] = adam_step if self.adaptive else sgd_step
        return partial(update, flat, grad, *states, mask, self.decoupled, *values, steps)

    def step(self, *tensors: Any) -> None:
        """One update; the arguments are those of `bind`."""
        self.bind(*tensors)()

    def _mask(self, flat: Tensor) -> Tensor | None:
        """(P,) which elements decay, or None for all of them (padding is zero and stays zero)."""
        if self.decayed == "all":
            return None
        key = (flat.dtype, flat.device)
        if key not in self._masks:
            self._masks[key] = self.layout.mask(self.decayed, flat.dtype).to(flat.device)
        return self._masks[key]


def build(spec: Any, layout: Layout, kernels_name: str | None = None) -> Optimiser:
    """The updates of an optimiser block (name, decay, decayed) for parameters laid out so.

    kernels_name: see `regrok.kernels.select`.
    """
    return Optimiser(spec, layout, kernels_name)


def _prepare(
    flat: Tensor,
    grad: Tensor,
    mask: Tensor | None,
    decoupled: bool,
    learning_rate: Tensor,
    weight_decay: Tensor,
    clip_norm: Tensor,
    warmup_steps: Tensor,
    steps: Tensor,
) -> Tensor:
    """Warm-up, clipping and weight decay in place; the learning rate (R, 1) of this step."""
    rate = warmed(learning_rate, warmup_steps, steps)
    total = torch.linalg.vector_norm(grad, dim=1).double()
    grad.mul_((clip_norm / (total + _CLIP_EPSILON)).clamp_max(1).to(grad.dtype)[:, None])
    if decoupled:
        shrink = (rate * weight_decay).to(flat.dtype)[:, None]
        flat.mul_(1 - (shrink if mask is None else shrink * mask))
    else:
        decay = weight_decay.to(flat.dtype)[:, None]
        grad.add_(decay * (flat if mask is None else flat * mask))
    return rate[:, None]


def warmed(learning_rate: Tensor, warmup_steps: Tensor, steps: Tensor) -> Tensor:
    """(R,) the learning rates of a step, float64."""
    return learning_rate * (steps / warmup_steps.clamp_min(1)).clamp_max(1)


def pull(
    flat: Tensor,
    origin: Tensor,
    mask: Tensor | None,
    learning_rate: Tensor,
    weight_decay: Tensor,
    warmup_steps: Tensor,
    steps: Tensor,
) -> None:
    """θ ← θ − ηλ(θ − θ₀) in place: decoupled decay towards θ₀, `origin`, before the step, as AdamW's is.

    flat, origin: (R, P). mask: (P,), which elements decay; None: all. The others are (R,).
    """
    share = (warmed(learning_rate, warmup_steps, steps) * weight_decay).to(flat.dtype)[:, None]
    flat.lerp_(origin, share if mask is None else share * mask)


def adam_step(
    flat: Tensor,
    grad: Tensor,
    m: Tensor,
    v: Tensor,
    mask: Tensor | None,
    decoupled: bool,
    learning_rate: Tensor,
    weight_decay: Tensor,
    beta1: Tensor,
    beta2: Tensor,
    eps: Tensor,
    momentum: Tensor,
    clip_norm: Tensor,
    warmup_steps: Tensor,
    steps: Tensor,
) -> None:
    """torch.optim.AdamW (decoupled) and torch.optim.Adam with weight_decay (coupled)."""
    rate = _prepare(
        flat, grad, mask, decoupled, learning_rate, weight_decay, clip_norm, warmup_steps, steps
    )
    kind = flat.dtype
    b1, b2, t = beta1[:, None], beta2[:, None], steps[:, None]
    m.lerp_(grad, (1 - b1).to(kind))
    v.mul_(b2.to(kind)).add_(grad * grad * (1 - b2).to(kind))
    root = torch.sqrt(1 - b2**t)
    step_size = rate / (1 - b1**t)
    denominator = v.sqrt() / root.to(kind) + eps[:, None].to(kind)
    flat.sub_(step_size.to(kind) * m / denominator)


def sgd_step(
    flat: Tensor,
    grad: Tensor,
    buffer: Tensor,
    mask: Tensor | None,
    decoupled: bool,
    learning_rate: Tensor,
    weight_decay: Tensor,
    beta1: Tensor,
    beta2: Tensor,
    eps: Tensor,
    momentum: Tensor,
    clip_norm: Tensor,
    warmup_steps: Tensor,
    steps: Tensor,
) -> None:
    """torch.optim.SGD, dampening 0; a buffer that starts at zero is as good as an unset one."""
    rate = _prepare(
        flat, grad, mask, decoupled, learning_rate, weight_decay, clip_norm, warmup_steps, steps
    )
    buffer.mul_(momentum.to(flat.dtype)[:, None]).add_(grad)
    flat.sub_(rate.to(flat.dtype) * buffer)
