"""Whether a model, data and a loss fit each other, asked before anything is measured.

Otherwise a model fails deep inside a measure, in words of torch's that name neither data nor loss.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lth.data import Examples
from lth.data.tensors import IGNORED
from lth.errors import InputError
from lth.inputs import as_floats, each
from lth.network.folded import Folded
from lth.network.weights import Weights
from lth.randomness import restored
from lth.setting.own_fault import own_faults
from lth.training.determinism import repeatable
from lth.training.objective import Objective

_TRIED = 8  # examples that the model is called with


def in_type_of(network: nn.Module, examples: Examples) -> Examples:
    """Return the examples with floating-point inputs in the type of the weights, if these are of one.

    Example:
        >>> x = Examples(torch.ones(1, 2), torch.zeros(1), None, None)
        >>> in_type_of(nn.Linear(2, 1).double(), x).images.dtype
        torch.float64
    """
    types = {p.dtype for p in network.parameters() if p.is_floating_point()}
    if len(types) != 1:
        return examples
    return Examples(as_floats(examples.images, *types), examples.labels, examples.mean, examples.std)


@torch.no_grad()
def check_fits(network: nn.Module, weights: Weights, examples: Examples, objective: Objective) -> None:
    """Check that the model can be called with the data, and the loss with what it returns.

    Raises:
        ValueError: If not.

    Example:
        >>> network = nn.Linear(2, 3)
        >>> data = Examples(torch.ones(1, 2), torch.tensor([3]), None, None)
        >>> check_fits(network, Weights.of(network), data, Objective())
        Traceback (most recent call last):
        lth.errors.InputError: targets are classes from 3 to 3, and the model has 3 outputs; count from 0
    """
    device = examples.labels.device
    few = examples.take(torch.arange(min(_TRIED, len(examples))))
    inputs = few.normalise(few.images)
    shapes = ", ".join(f"{tuple(tensor.shape)} of {tensor.dtype}" for _, tensor in each(inputs))
    function = Folded(network, device)
    with repeatable(device), restored(device):
        with own_faults(f"the model fails on inputs {shapes}:"):
            outputs = function(function.state(weights.to(device)), inputs)
        _check_outputs(outputs, len(few))
        if objective.loss == "cross_entropy":
            _check_classes(outputs, examples.labels)
        with own_faults(f"the loss fails on outputs {tuple(outputs.shape)} of the model:"):
            objective.each(outputs, few.labels)


def _check_outputs(outputs: object, count: int) -> None:
    if not isinstance(outputs, Tensor):
        raise InputError(
            f"the model returns a {type(outputs).__name__}, and a loss takes one tensor; wrap the model in a "
            "module whose forward returns the tensor that the loss is of"
        )
    if outputs.is_complex() or outputs.ndim == 0 or len(outputs) != count:
        raise InputError(
            f"the model returns {tuple(outputs.shape)} of {outputs.dtype} for {count} examples; expected real "
            "numbers, examples along the first axis"
        )


def _check_classes(outputs: Tensor, targets: Tensor) -> None:
    if outputs.ndim < 2:
        raise InputError(
            f"loss=cross_entropy is of an output a class, and the model returns {tuple(outputs.shape)}; return "
            "(examples, classes), or choose another loss"
        )
    count = outputs.shape[1 if targets.ndim == 1 else -1]
    counted = targets[targets != IGNORED]
    if len(counted) and not 0 <= counted.min() <= counted.max() < count:
        raise InputError(
            f"targets are classes from {int(counted.min())} to {int(counted.max())}, and the model has {count} "
            "outputs; count from 0"
        )
