"""Whether a network can be trained on a batch of one example, where the last of an epoch holds no more."""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from lth.data import Examples
from lth.errors import InputError
from lth.inputs import called, zeros_like
from lth.randomness import restored


def check_last_batch(network: nn.Module, examples: Examples, batch_size: int) -> None:
    """Check that a network can take the last batch of an epoch, if that holds a single example.

    A network without BatchNorm is tried. With it, such a batch is refused even where the layer still has
    several values a channel, one a pixel: they are of one image, and enter the running ones like all others.

    Args:
        network: Is copied.
        examples: What it is trained on.
        batch_size: Of all batches but the last.

    Raises:
        ValueError: If it can't.
    """
    if len(examples) % batch_size != 1 and batch_size != 1:
        return
    batch = f"{len(examples)} training examples in batches of {batch_size} leave a last batch of one"
    remedy = "change batch_size or train_examples by one"
    layers = [name for name, module in network.named_modules() if isinstance(module, _BatchNorm)]
    if layers and batch_size == 1:
        raise InputError(f"batch_size=1 is out of range; expected at least 2 (BatchNorm) for layer {layers[0]}")
    if layers:
        raise InputError(f"{batch}, which BatchNorm can't normalise (layer {layers[0]}); {remedy}")
    probe, first = copy.deepcopy(network).cpu().train(), zeros_like(examples.images, 1)
    try:
        with torch.no_grad(), restored(torch.device("cpu")):
            shape = tuple(called(probe, first).shape)
    except Exception as error:  # whatever a user's network raises
        raise InputError(
            f"{batch}, of which the network makes {type(error).__name__}: {error}; {remedy}"
        ) from error
    if not shape or shape[0] != 1:
        raise InputError(f"{batch}, which the network maps to {shape}; let it keep the first axis, or {remedy}")
