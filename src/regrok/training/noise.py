"""Noise on the weights at which a step takes its gradient, and on the gradient itself.

2201.02177, Figure 2, has both among its regularisers. The noise of a step is a function of the run's seed and of the
number of the step (`regrok.kernels.noise`), so it need not be saved, and no companion, kill or evaluation moves it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from regrok import kernels
from regrok.kernels.noise import GRADIENT, WEIGHTS
from regrok.models.layout import Layout


class Noise:
    """The noise of one family of runs, which have one standard deviation of each kind; false where there is none."""

    def __init__(
        self,
        spec: Any,
        layout: Layout,
        dtype: torch.dtype,
        device: torch.device,
        runs: int,
        kernels_name: str | None = None,
    ) -> None:
        """spec: an optimiser's block. runs: stacked in each call. kernels_name: see `regrok.kernels.select`."""
        self.weights: float | None = spec.weight_noise
        self.gradient: float | None = spec.gradient_noise
        self._kernels = kernels.select(device, dtype, kernels_name)
        padded = layout.parameters < layout.size
        # Padding is zero and stays zero, or it would count in norms.
        self._mask = layout.mask("all", dtype).to(device)[None] if padded else None
        size = (runs, layout.size)
        self._blurred = (
            None if self.weights is None else torch.zeros(size, dtype=dtype, device=device)
        )

    def __bool__(self) -> bool:
        return self.weights is not None or self.gradient is not None

    def of_weights(self, flat: Tensor, draws: Tensor) -> Callable[[], Tensor]:
        """What gives the weights (R, P) at which the gradient is taken: with noise in a buffer of their own, or `flat`.

        draws: int64 (R, 2), each run's key of noise and the number of its step, read at each call. Both tensors must
        outlive what is returned.
        """
        out = self._blurred
        if self.weights is None or out is None:
            return lambda: flat
        calls = self._bound(flat, draws, WEIGHTS, self.weights, out)

        def blur() -> Tensor:
            for call in calls:
                call()
            return out

        return blur

    def of_gradient(self, grad: Tensor, draws: Tensor) -> Callable[[], None]:
        """What adds the noise to the gradient (R, P) in place; arguments as of `of_weights`."""
        if self.gradient is None:
            return lambda: None
        calls = self._bound(grad, draws, GRADIENT, self.gradient, grad)

        def shake() -> None:
            for call in calls:
                call()

        return shake

    def _bound(
        self, x: Tensor, draws: Tensor, stream: int, scale: float, out: Tensor
    ) -> list[Callable[[], Any]]:
        """x + noise -> out, as calls; native kernels take one run at a time."""
        one = self._kernels.name == "native"
        rows = [slice(r, r + 1) for r in range(len(x))] if one else [slice(None)]
        return [
            self._kernels.bind(
                "noise", x[r].unsqueeze(1), draws[r], stream, scale, self._mask, out[r].unsqueeze(1)
            )
            for r in rows
        ]
