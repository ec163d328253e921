"""Problems of data of every shape and type."""

import torch
from own_data import of

from lth.setting.preset import resolve
from lth.solution.problem import Problem, set_up

OVERRIDES = {
    "augmentation": "none",
    "optimizer": "adamw",
    "lr": "0.01",
    "schedule": "cosine",
    "warmup": "10%",
    "grad_clip": "1",
    "epochs": "4",
    "batch_size": "4",
    "rewind_step": "10%",
    "levels": "1",
    "directions": "2",
    "hessian_examples": "all",
    "precision": "fp32",
}


CPU = torch.device("cpu")


def problem_of(kind: str, network: str, *, device: torch.device = CPU, **overrides: str) -> Problem:
    setting = resolve("digits", {**OVERRIDES, "network": network, "dataset": f"own_data:{kind}", **overrides})
    return set_up(setting, of(kind), device)
