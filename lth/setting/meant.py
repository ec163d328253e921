"""Which parameter is meant by a name that is none: as other programs call it, or misspelt."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches
from typing import Final

_ELSEWHERE: Final = {
    "learning_rate": "lr",
    "optimiser": "optimizer",
    "optim": "optimizer",
    "wd": "weight_decay",
    "decay": "weight_decay",
    "scheduler": "schedule",
    "lr_schedule": "schedule",
    "lr_scheduler": "schedule",
    "milestone_steps": "milestones",
    "lr_milestones": "milestones",
    "warmup_steps": "warmup",
    "warmup_epochs": "warmup",
    "clip": "grad_clip",
    "max_grad_norm": "grad_clip",
    "gradient_clip_val": "grad_clip",
    "criterion": "loss",
    "loss_fn": "loss",
    "loss_function": "loss",
    "smoothing": "label_smoothing",
    "model": "network",
    "model_name": "network",
    "arch": "network",
    "data": "dataset",
    "dataset_name": "dataset",
    "num_epochs": "epochs",
    "training_steps": "epochs",
    "rewinding_steps": "rewind_step",
    "rewind_steps": "rewind_step",
    "pruning_fraction": "prune_fraction",
    "pruning_strategy": "scope",
    "pruning_layers_to_ignore": "prune_layers",
    "replicate": "seed",
}


def meant_by(name: str, known: Collection[str]) -> str | None:
    """Return the parameter of `known` that a name is for; None if none comes near.

    Example:
        >>> known = ["lr", "epochs", "batch_size"]
        >>> meant_by("learning_rate", known), meant_by("batchsize", known), meant_by("colour", known)
        ('lr', 'batch_size', None)
    """
    plain = name.lower().replace("-", "_")
    if _ELSEWHERE.get(plain) in known:
        return _ELSEWHERE[plain]
    return next(iter(get_close_matches(plain, known, n=1, cutoff=0.75)), None)
