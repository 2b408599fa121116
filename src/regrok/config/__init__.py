"""The study's types, and how `config.yaml` becomes them."""

from .load import load_config
from .model import MLP, Model, Transformer
from .run import Optimiser, Protocol, Run, Settings
from .study import SCALES, Arm, AtScale, Config, Experiment, Figure, Fit, Scale, Table, Trainer
from .task import Modular, SparseParity, Task, XorClusters

__all__ = [
    "MLP",
    "SCALES",
    "Arm",
    "AtScale",
    "Config",
    "Experiment",
    "Figure",
    "Fit",
    "Model",
    "Modular",
    "Optimiser",
    "Protocol",
    "Run",
    "Scale",
    "Settings",
    "SparseParity",
    "Table",
    "Task",
    "Trainer",
    "Transformer",
    "XorClusters",
    "load_config",
]
