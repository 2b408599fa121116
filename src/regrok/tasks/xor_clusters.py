"""XOR of Gaussian clusters (Xu et al., 2310.02541): clusters at ±μ₁ and ±μ₂, labelled by axis."""

from typing import TYPE_CHECKING

import torch

from regrok.tasks import Data
from regrok.tasks.streams import generator

if TYPE_CHECKING:
    from regrok.study.task import XorClusters


def make(task: "XorClusters", seed: int) -> Data:
    """x = μ + z with z ~ N(0, I) and μ uniform over {μ₁, −μ₁, μ₂, −μ₂}; label 1 on ±μ₁, 0 on ±μ₂.

    μ₁ and μ₂ lie on the first two axes: the noise and the initialisation are blind to rotation (the
    noise exactly). A share `noise` of the training labels is flipped, each independently;
    validation labels are clean, so validation accuracy measures the rule and not the noise.
    """
    sets = {}
    for name, count in (("train", task.train_count), ("validation", task.validation_count)):
        stream = generator(seed, f"{name} inputs")
        axis = torch.randint(2, (count,), generator=stream)
        sign = 1.0 - 2.0 * torch.randint(2, (count,), generator=stream)
        inputs = torch.randn(count, task.n, generator=stream)
        inputs[torch.arange(count), axis] += sign * mean_norm(task)
        sets[name] = inputs, 1 - axis
    train_inputs, train_labels = sets["train"]
    validation_inputs, validation_labels = sets["validation"]
    stream = generator(seed, "labels")
    if task.labels == "random":
        both = torch.randint(2, (task.train_count + task.validation_count,), generator=stream)
        train_labels, validation_labels = both[: task.train_count], both[task.train_count :]
    flipped = torch.rand(task.train_count, generator=stream) < task.noise
    return Data(
        train_inputs, train_labels ^ flipped, validation_inputs, validation_labels, classes=2
    )


def mean_norm(task: "XorClusters") -> float:
    """‖μ‖ = (m^0.51 · √n)^½ for m training samples in n dimensions.

    The theorems of 2310.02541 assume ‖μ‖² ≥ C m^0.51 √n; C = 1 is our choice.
    """
    return float((task.train_count**0.51 * task.n**0.5) ** 0.5)
