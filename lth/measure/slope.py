"""The mean loss of a network over examples and its gradient, as a function of one vector of all parameters."""

from __future__ import annotations

import torch
from torch import Tensor

from lth.data import Examples
from lth.inputs import as_floats
from lth.network.folded import Folded
from lth.network.space import LevelSpace
from lth.network.weights import Weights
from lth.training.determinism import repeatable
from lth.training.objective import Objective
from lth.training.precision import full_float32


def loss_and_slope(
    function: Folded,
    weights: Weights,
    space: LevelSpace,
    examples: Examples,
    objective: Objective,
    flat: Tensor,
) -> tuple[float, Tensor]:
    """Return the mean loss of a network over examples, and its gradient, zero of frozen parameters.

    Example:
        Of (w - 2)² at w = 1:

        >>> from lth.data.drained import examples_of
        >>> from lth.network.mask import Mask
        >>> network, point = torch.nn.Linear(1, 1, bias=False), torch.tensor([1.0])
        >>> weights = Weights({"weight": point.reshape(1, 1)}, {})
        >>> function, space = Folded(network, point.device), LevelSpace(Mask.dense(network), weights)
        >>> examples = examples_of((torch.tensor([[1.0]]), torch.tensor([[2.0]])))
        >>> loss, slope = loss_and_slope(function, weights, space, examples, Objective("mse"), point)
        >>> loss, slope.tolist()
        (1.0, [-2.0])
    """
    dtype = torch.float64 if flat.dtype == torch.float64 else torch.float32
    leaves = function.leaves(Weights(space.unflatten(flat), weights.buffers), dtype)
    free = {name: tensor for name, tensor in leaves.parameters.items() if tensor.requires_grad}
    with repeatable(flat.device), full_float32(), torch.enable_grad():
        inputs = as_floats(examples.normalise(examples.images), dtype)
        outputs = function(function.state(leaves), inputs)
        loss = objective.total(outputs.double(), examples.labels) / len(examples)
        slopes = torch.autograd.grad(loss, tuple(free.values()), materialize_grads=True)
    every = {name: torch.zeros_like(tensor) for name, tensor in leaves.parameters.items()}
    return float(loss.detach()), space.flatten({**every, **dict(zip(free, slopes, strict=True))}).to(flat.dtype)
