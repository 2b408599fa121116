"""What computes the bits of a run beside its code and settings, in words: processor, kernels, instructions, libraries.

Two runs of one code with the same words have the same bits. With other words their last digits may differ, so the words
are kept with each run, a checkpoint is continued by the same alone, and a build that mixes them says so.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from regrok.processor import processor

if TYPE_CHECKING:
    import torch

SETTINGS = {
    "cpu": (
        *("MKL_CBWR", "MKL_DEBUG_CPU_TYPE", "MKL_ENABLE_INSTRUCTIONS", "OPENBLAS_CORETYPE"),
        *("ONEDNN_DEFAULT_FPMATH_MODE", "DNNL_DEFAULT_FPMATH_MODE"),
        *("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "GLIBC_TUNABLES"),
    ),
    "cuda": (
        *("NVIDIA_TF32_OVERRIDE", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE"),
        *("CUBLAS_WORKSPACE_CONFIG", "CUBLASLT_WORKSPACE_SIZE"),
    ),
}
"""Variables by which the libraries below torch choose their arithmetic; those that are set are part of the words."""


class Arithmetic(NamedTuple):
    """What computes."""

    processor: str
    """The processor's or the GPU's name."""
    words: str
    """Kernels with the hash of their library, torch with its instruction set, threads, settings."""

    def __str__(self) -> str:
        return f"{self.processor}: {self.words}"


def arithmetic(device: torch.device, dtype: torch.dtype, slots: int = 1) -> Arithmetic:
    """What computes in this process, as it stands now. slots: runs in one call, by which a GPU's library chooses."""
    import torch

    settings = [
        f"{name}={os.environ[name]}" for name in SETTINGS[device.type] if os.environ.get(name)
    ]
    if device.type == "cuda":
        made = torch.cuda.get_device_properties(device)
        words = [
            f"torch {torch.__version__} kernels",
            f"CUDA {torch.version.cuda}",
            f"compute capability {made.major}.{made.minor}",
            f"{slots} runs a call",
            *settings,
        ]
        return Arithmetic(torch.cuda.get_device_name(device), ", ".join(words))

    from regrok import kernels

    found = kernels.select(device, dtype)
    own = getattr(found, "library", "")
    threads = torch.get_num_threads()
    words = [
        f"{found.name} kernels" + (f" {own.removeprefix('kernels-')}" if own else ""),
        f"torch {torch.__version__} with {torch.backends.cpu.get_cpu_capability()}",
        f"{threads} thread" + ("s" if threads > 1 else ""),
        *settings,
    ]
    return Arithmetic(processor(), ", ".join(words))
