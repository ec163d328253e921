"""BatchNorm statistics estimated anew at a point that no training visited.

Between two solutions, interpolated statistics are not those of the interpolated network: activations of an
average of weights have a smaller variance than the average variance, so the loss there is that of a badly
normalised network as well as that of the weights (Jordan et al. 2022, arXiv 2211.08403, "REPAIR").
"""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from lth.data import Examples
from lth.errors import InputError
from lth.inputs import called, taken
from lth.network.layout import fastest_memory_format
from lth.network.weights import Weights
from lth.randomness import generator
from lth.training.determinism import repeatable
from lth.training.precision import full_float32
from lth.training.threads import threads, threads_for

_BATCH = 500  # at most, on every device: the statistics of deeper layers depend on it


class StatisticsEstimator:
    """Replaces running means and variances by those of a pass over the examples.

    Each is the average over batches of the batch's own, the batches drawn in a shuffled order that depends on
    the seed alone. Their sizes differ by at most one, so that every example counts alike. The network is
    copied.

    Raises:
        ValueError: If there are fewer than two examples, which have no variance.

    Example:
        >>> one, three = torch.tensor([1.0, 3.0]).reshape(2, 1, 1, 1)
        >>> examples = Examples(torch.stack([one, three]), torch.tensor([0, 1]), torch.zeros(1), torch.ones(1))
        >>> network = nn.BatchNorm2d(1)
        >>> found = StatisticsEstimator(network, examples, seed=0)(Weights.of(network)).buffers
        >>> float(found["running_mean"]), float(found["running_var"])  # of 1 and 3, without bias
        (2.0, 2.0)
    """

    def __init__(self, network: nn.Module, examples: Examples, *, seed: int) -> None:
        self._network = copy.deepcopy(network).to(examples.labels.device).eval()
        self._averages: list[_CumulativeAverage] = []
        self._buffers: list[str] = []
        for name, module in self._network.named_modules():
            if isinstance(module, _BatchNorm) and module.track_running_stats:
                module.train()  # the others, such as dropout, stay in evaluation mode
                self._averages.append(_CumulativeAverage(module))
                self._buffers += [f"{name}.{buffer}" if name else buffer for buffer in module._buffers]
        if self._buffers and len(examples) < 2:
            raise InputError(f"{len(examples)} examples have no BatchNorm statistics; give at least 2")
        order = torch.randperm(len(examples), generator=generator(seed, "batchnorm")).to(examples.labels.device)
        self._layout = fastest_memory_format(network, examples.labels.device)
        self._examples = examples
        self._batches = torch.tensor_split(order, math.ceil(len(order) / _BATCH)) if self._buffers else ()
        self._threads = threads_for(network, examples)

    @property
    def has_effect(self) -> bool:
        """Whether the network has running statistics at all."""
        return bool(self._buffers)

    @torch.no_grad()
    def __call__(self, weights: Weights) -> Weights:
        """Return the weights with their running statistics estimated anew."""
        if not self.has_effect:
            return weights
        zeroed: dict[str, Tensor] = {
            name: (torch.zeros_like(tensor) if name in self._buffers else tensor)
            for name, tensor in weights.buffers.items()
        }
        Weights(weights.parameters, zeroed).load_into(self._network)
        for average in self._averages:
            average.count = 0
        with repeatable(self._examples.labels.device), threads(self._threads), full_float32():
            for index in self._batches:
                inputs = self._examples.normalise(taken(self._examples.images, index))
                if isinstance(inputs, Tensor):
                    inputs = inputs.contiguous(memory_format=self._layout)
                called(self._network, inputs)
        estimated = {
            name: tensor.clone()
            for name, tensor in self._network.named_buffers()
            if name in self._buffers and not name.endswith("num_batches_tracked")
        }
        return Weights(weights.parameters, {**weights.buffers, **estimated})


class _CumulativeAverage:
    """Makes the statistics of a BatchNorm the average over all its calls since `count` was 0.

    Its own `momentum=None` means the same, but reads the number of calls from the device, every time.
    """

    def __init__(self, module: _BatchNorm) -> None:
        self.count = 0
        module.register_forward_pre_hook(self._weigh)

    def _weigh(self, module: nn.Module, _inputs: object) -> None:
        self.count += 1
        module.momentum = 1.0 / self.count  # type: ignore[assignment]
