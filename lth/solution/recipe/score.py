"""What methods that prune before training share: w0 in a network of its own, one mini-batch, and scores."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lth.data.examples import sample
from lth.errors import InputError
from lth.inputs import called
from lth.network.differentiable_kernels import differentiable_kernels
from lth.network.mask import Mask
from lth.randomness import restored, seed_global
from lth.setting.amount import Amount
from lth.solution.recipe.start import Ingredients
from lth.training.determinism import repeatable
from lth.training.objective import Objective
from lth.training.precision import full_float32

_OF_A_CLASS = 10  # examples, as GraSP takes and arXiv 2009.08576 takes for SNIP too
_LEAST = 100  # of all, as SNIP takes


@dataclass(frozen=True)
class Untrained:
    """A network of its own at w0, and the mini-batch that it is scored on."""

    network: nn.Module
    inputs: Any
    targets: Tensor
    objective: Objective

    def prunable(self, mask: Mask) -> dict[str, Tensor]:
        """Return the weights that can be pruned, by name, as the network holds them."""
        parameters = dict(self.network.named_parameters())
        return {name: parameters[name] for name in mask.keep}

    def loss(self) -> Tensor:
        """Return the mean loss of the mini-batch, (), BatchNorm normalising by it as in training."""
        return self.objective.mean(called(self.network, self.inputs), self.targets)


@contextmanager
def untrained(given: Ingredients, purpose: str) -> Iterator[Untrained]:
    """Yield w0 in training mode, with 10 examples a class (at least 100), drawn by seed and level.

    The caller's network and generators stay as they are.
    """
    if given.examples is None:
        raise InputError(f"{purpose} scores weights by training examples; give them")
    network = initialised(given).train()
    device = given.examples.labels.device
    wanted = max(_LEAST, _OF_A_CLASS * given.previous.spec.num_classes)
    amount = Amount(min(wanted, len(given.examples)))
    seed = given.setting.seed
    drawn = given.examples.take(sample(len(given.examples), amount, seed, f"{purpose}/{given.level}"))
    with scoring(device), restored(device), differentiable_kernels(network):
        seed_global(device, seed, purpose, given.level)  # dropout
        yield Untrained(network, drawn.normalise(drawn.images), drawn.labels, given.objective)


@contextmanager
def scoring(device: torch.device) -> Iterator[None]:
    """Compute scores to the same bits again: a training that goes on makes its mask anew from them."""
    with repeatable(device), full_float32():
        yield


def initialised(given: Ingredients) -> nn.Module:
    """Return a network of its own at w0, where the examples are."""
    if given.network is None:
        raise InputError("scores of weights before training need the network; give it")
    network = copy.deepcopy(given.network)
    given.start_of_dense.initial.load_into(network)
    return network if given.examples is None else network.to(given.examples.labels.device)


def gradients(loss: Tensor, weights: Mapping[str, Tensor], *, twice: bool = False) -> dict[str, Tensor]:
    """Return the derivatives of a loss by name, zero where it does not depend on a weight."""
    found = torch.autograd.grad(loss, list(weights.values()), create_graph=twice, materialize_grads=True)
    return dict(zip(weights, found, strict=True))
