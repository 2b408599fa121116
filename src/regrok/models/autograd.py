"""Networks written in torch.nn alone: autograd gives their gradients, torch.func stacks them over runs.

Such a network is one short file with a subclass of `Autograd`, which makes the plain module; first values, layout,
groups of parameters, stacking and evaluation follow. It keeps what the hand-written ones promise
(`regrok.models.Model`): a run's numbers depend on its seed and settings alone. So a module draws nothing in its forward
pass and keeps no running averages. Attention is computed by its definition, for which there are rules of stacking.

On a CPU a run is stepped by itself, on a module whose parameters are views of the run's row; on a GPU all runs are in
one call, `vmap` of `grad_and_value`, which a CUDA graph captures.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from regrok.errors import RegrokError
from regrok.models.layers import EVALUATION_ROWS, Scores
from regrok.models.layout import Layout
from regrok.models.losses import CrossEntropy, Loss
from regrok.models.program import Workspace

GAINED = (nn.LayerNorm, nn.RMSNorm, nn.GroupNorm)
"""Layers whose weights are gains, which `init_scale` spares."""

KEPT = 64
"""Rows of parameters of which the module is kept, those last used."""


class Bound(NamedTuple):
    """A module on one run's row."""

    module: nn.Module
    """Its parameters are views of `flat`."""
    parameters: list[nn.Parameter]
    flat: Tensor
    """Held, so that its address stays its own."""


class Room(Workspace):
    """What a step needs beside parameters and gradient: autograd allots it, so only its size is known here."""

    sample: Callable[[], tuple[Tensor, list[nn.Parameter]]] | None = None
    """The loss of one run on a batch, as a step computes it, and what it depends on: by these the sizes are told."""

    def narrowed(self, batch: int) -> Workspace:
        if batch > self.batch:
            raise ValueError(f"a workspace for {self.batch} examples cannot hold {batch}")
        return self

    @property
    def flops(self) -> int:
        """Floating-point operations of the products of one run's step; 0 before the first."""
        if self.sample is None:
            return 0
        with FlopCounterMode(display=False) as counter:
            torch.autograd.grad(*self.sample(), allow_unused=True)
        return int(counter.get_total_flops())

    @property
    def bytes(self) -> int:
        """Of what autograd keeps for the backward pass of all runs, twice: gradients of it are as large."""
        if self.sample is None:
            return 0
        kept: dict[int, int] = {}

        def keep(tensor: Tensor) -> Tensor:
            storage = tensor.untyped_storage()
            kept[storage.data_ptr()] = storage.nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            found = self.sample()
        del found
        return 2 * self.runs * sum(kept.values())


class Autograd:
    """Base of the networks that are written in torch.nn; see `regrok.models.build` for the arguments.

    loss: what is minimised, cross-entropy by default. Raises RegrokError for a module that draws in its forward pass
    or keeps running averages, and for products in bfloat16, which it does not have.
    """

    def __init__(
        self,
        model: Any,
        task: Any,
        dtype: torch.dtype,
        device: torch.device,
        *,
        products: str = "float32",
        kernels: str | None = None,
        stacked: bool | None = None,
        loss: Loss | None = None,
    ) -> None:
        if products != "float32":
            raise RegrokError(
                f"protocol.products = '{products}' with model.name = '{model.name}', whose products are autograd's; "
                "set it to float32"
            )
        self.spec = model
        self.task = task
        self.dtype = dtype
        self.device = device
        self.stacked = device.type != "cpu" if stacked is None else stacked
        self.classes = int(task.classes)
        self.loss: Loss = CrossEntropy() if loss is None else loss
        self.plain = self._made(torch.Generator()).to(device, dtype)
        self._refuse()
        shapes = {name: tuple(x.shape) for name, x in self.plain.named_parameters()}
        self.layout = Layout(shapes, self.groups(list(shapes)))
        self.evaluation_bytes = 0
        self._bound: OrderedDict[int, Bound] = OrderedDict()
        self._gradients: OrderedDict[int, tuple[list[Tensor], Tensor]] = OrderedDict()

    # What a subclass provides.

    def module(self) -> nn.Module:
        """The plain module, for `self.spec` (the model's block) and `self.task` (its sizes): inputs (B, 2) int64 or
        (B, n) -> outputs (B, C). Its constructor draws from torch's own generator, as modules do."""
        raise NotImplementedError

    def groups(self, names: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """Group -> names of parameters, each in one; by default the first words of the names."""
        found: dict[str, list[str]] = {}
        for name in names:
            found.setdefault(name.partition(".")[0], []).append(name)
        return found

    def initialise(self, generator: torch.Generator) -> Mapping[str, Tensor]:
        """First values from the run's stream; by default what the module's constructor draws."""
        return dict(self._made(generator).named_parameters())

    # What `regrok.models.Model` promises.

    def init(self, generator: torch.Generator) -> Tensor:
        drawn = self.initialise(generator)
        scale = float(self.spec.init_scale)
        gains = {
            f"{name}.weight"
            for name, part in self.plain.named_modules()
            if isinstance(part, GAINED)
        }
        scaled = {n: v.detach() * (1.0 if n in gains else scale) for n, v in drawn.items()}
        return self.layout.pack(scaled)

    def workspace(self, runs: int, batch: int, *, weighted: bool = False) -> Room:
        runs = runs if self.stacked else 1
        return Room(runs, batch, self.dtype, self.device, weighted=weighted)

    def loss_and_gradient(
        self,
        flat: Tensor,
        grad: Tensor,
        inputs: Tensor,
        labels: Tensor,
        workspace: Workspace,
        weights: Tensor | None = None,
        draws: Tensor | None = None,
    ) -> Tensor:
        if (weights is not None) != workspace.weighted:
            raise ValueError("weights go with a weighted workspace, and with no other")
        if draws is not None:
            raise ValueError("draws go with a model that has dropout, and with no other")
        if isinstance(workspace, Room) and workspace.sample is None:
            first = None if weights is None else weights[:1].clone()
            batch = (flat[:1], inputs[:1].clone(), labels[:1].clone(), first)
            workspace.sample = lambda: (self._of_row(*batch), self._on(batch[0]).parameters)
        if self.stacked:
            return self._together(flat, grad, inputs, labels, weights)
        runs = [slice(r, r + 1) for r in range(flat.shape[0])]
        some = ((one, None if weights is None else weights[one]) for one in runs)
        losses = [self._alone(flat[r], grad[r], inputs[r], labels[r], own) for r, own in some]
        return losses[0] if len(losses) == 1 else torch.cat(losses)

    def logits(self, flat: Tensor, inputs: Tensor) -> Tensor:
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
            if self.stacked:
                return vmap(self._outputs)(self.layout.views(flat), inputs)
            rows = [
                torch.cat([module(part) for part in aligned(inputs[r]).split(EVALUATION_ROWS)])
                for r, module in enumerate(self._on(one).module for one in flat.split(1))
            ]
            return torch.stack(rows)

    def scores(self, flat: Tensor, parts: Iterable[tuple[Tensor, Tensor]]) -> Iterator[Scores]:
        for inputs, labels in parts:
            z = self.logits(flat, inputs)
            self.evaluation_bytes = max(self.evaluation_bytes, 4 * z.nbytes)
            hit = (z.argmax(-1) == labels).to(z.dtype)
            residuals = self.loss.residuals(z, labels)
            yield Scores(self.loss.each(z, labels), hit, z.amin(1), z.amax(1), residuals)

    # One run, and all of them.

    def _alone(
        self, flat: Tensor, grad: Tensor, inputs: Tensor, labels: Tensor, weights: Tensor | None
    ) -> Tensor:
        """A step of one run by plain autograd; tensors as in `loss_and_gradient`, of one run."""
        loss = self._of_row(flat, inputs, labels, weights)
        parameters = self._on(flat).parameters
        found: Sequence[Tensor | None] = torch.autograd.grad(loss, parameters, allow_unused=True)
        for to, gradient in zip(self._views(grad), found, strict=True):
            if gradient is None:
                to.zero_()
            else:
                to.copy_(gradient)
        return loss.detach()[None]

    def _of_row(
        self, flat: Tensor, inputs: Tensor, labels: Tensor, weights: Tensor | None
    ) -> Tensor:
        """() the loss of one run."""
        own = None if weights is None else aligned(weights[0])
        with sdpa_kernel(SDPBackend.MATH):
            return self.loss(self._on(flat).module(aligned(inputs[0])), labels[0], own)

    def _together(
        self, flat: Tensor, grad: Tensor, inputs: Tensor, labels: Tensor, weights: Tensor | None
    ) -> Tensor:
        """A step of all runs in each call."""
        every = (0, 0, 0, None if weights is None else 0)
        with sdpa_kernel(SDPBackend.MATH):
            found, losses = vmap(grad_and_value(self._loss_of), every)(
                self.layout.views(flat), inputs, labels, weights
            )
        grad.zero_()
        for name, view in self.layout.views(grad).items():
            view.copy_(found[name])
        return losses

    def _loss_of(
        self, θ: dict[str, Tensor], inputs: Tensor, labels: Tensor, weights: Tensor | None
    ) -> Tensor:
        return self.loss(self._outputs(θ, inputs), labels, weights)

    def _outputs(self, θ: dict[str, Tensor], inputs: Tensor) -> Tensor:
        return functional_call(self.plain, θ, (inputs,))

    # Modules.

    def _made(self, generator: torch.Generator) -> nn.Module:
        """The module with what its constructor draws from this stream, which goes on; torch's own is left alone."""
        with torch.random.fork_rng(devices=[]):
            torch.set_rng_state(generator.get_state())
            module = self.module()
            generator.set_state(torch.get_rng_state())
        return module

    def _refuse(self) -> None:
        for name, part in self.plain.named_modules():
            drops = isinstance(part, nn.modules.dropout._DropoutNd) and part.p > 0
            if drops or isinstance(part, nn.modules.batchnorm._NormBase):
                raise RegrokError(
                    f"model.name = '{self.spec.name}': its part {name} ({type(part).__name__}) draws in the forward "
                    "pass or keeps running averages, which would hang on what is trained beside a run; leave it out"
                )

    def _on(self, flat: Tensor) -> Bound:
        """The module on one run's row (1, P)."""
        key = flat.data_ptr()
        if key not in self._bound:
            module = deepcopy(self.plain)
            views = self.layout.views(flat[0])
            for name, parameter in module.named_parameters():
                parameter.data = views[name]
            self._bound[key] = Bound(module, list(module.parameters()), flat)
            if len(self._bound) > KEPT:
                self._bound.popitem(last=False)
        self._bound.move_to_end(key)
        return self._bound[key]

    def _views(self, grad: Tensor) -> list[Tensor]:
        """The gradients' places in a row (1, P), whose padding is set to 0."""
        key = grad.data_ptr()
        if key not in self._gradients:
            grad.zero_()
            self._gradients[key] = list(self.layout.views(grad[0]).values()), grad
            if len(self._gradients) > KEPT:
                self._gradients.popitem(last=False)
        self._gradients.move_to_end(key)
        return self._gradients[key][0]


def aligned(x: Tensor) -> Tensor:
    """Numbers at an address of their own, as a product's bits may depend on it; integers as they are."""
    return x.clone() if x.is_floating_point() else x
