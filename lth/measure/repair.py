"""REPAIR: activations of an interpolated network brought to the mean and deviation that they have at the ends.

On the way between two solutions the variance of activations collapses, aligned or not, and the loss rises for
that alone. Behind every convolution and fully-connected layer but the last that is called, each unit is
scaled and shifted so that over the training examples

    mean(y_α) = (1-α) mean(y_0) + α mean(y_1),   std(y_α) = (1-α) std(y_0) + α std(y_1),

layer by layer from the inputs on, while BatchNorm's statistics are estimated anew. At the ends nothing changes
but by rounding and by what BatchNorm's own statistics were.

Source: arXiv 2211.08403. There only layers before a BatchNorm have their statistics reset in networks that
have it. What is scaled before a BatchNorm with statistics of its own makes no difference: it is one rule here.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

from lth.data import Examples
from lth.inputs import called, taken
from lth.network.weights import Weights
from lth.randomness import generator
from lth.training.determinism import repeatable
from lth.training.precision import full_float32
from lth.training.threads import threads, threads_for

_BATCH = 500  # at most, as of statistics that are estimated anew
_WANTED, _OWN = ("repair_mean", "repair_std"), ("repair_own_mean", "repair_own_std")


class Repair:
    """Brings the activations of interpolated weights to those of the ends.

    `network` is a copy of the given one that applies what is found; weights of it have buffers more, among them
    the wanted means and deviations, which are interpolated like the weights.

    Args:
        network: Gives the structure.
        examples: Of training.
        seed: Of the order of examples.

    Example:
        >>> network = nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1))
        >>> examples = Examples(torch.tensor([[1.0], [3.0]]), torch.tensor([0, 1]), None, None)
        >>> repair = Repair(network, examples, seed=0)
        >>> prepared = repair.end(Weights.of(network))
        >>> halved = Weights({**prepared.parameters, "0.weight": 0.5 * prepared.parameters["0.weight"]},
        ...     prepared.buffers)
        >>> repair(halved).load_into(repair.network)
        >>> bool(torch.allclose(repair.network(examples.images), network(examples.images), atol=1e-5))
        True
    """

    def __init__(self, network: nn.Module, examples: Examples, *, seed: int) -> None:
        self._examples = examples
        own = copy.deepcopy(network).to(examples.labels.device).eval()
        order = torch.randperm(len(examples), generator=generator(seed, "batchnorm")).to(examples.labels.device)
        self._batches = torch.tensor_split(order, math.ceil(len(order) / _BATCH))
        self._threads = threads_for(network, examples)
        self._norms = [
            module for module in own.modules() if isinstance(module, _BatchNorm) and module.track_running_stats
        ]
        self.layers = self._layers(own)
        for name in self.layers:
            layer, units = own.get_submodule(name), _units(own.get_submodule(name))
            like = next(layer.parameters())
            for buffer, value in zip((*_WANTED, *_OWN), (0.0, 1.0, 0.0, 1.0), strict=True):
                layer.register_buffer(buffer, torch.full((units,), value, dtype=like.dtype, device=like.device))
            layer.register_forward_hook(_corrected)
        self.network = own
        self._measuring = copy.deepcopy(own)
        self._watched = [self._measuring.get_submodule(name) for name in self.layers]

    def end(self, weights: Weights) -> Weights:
        """Return the weights of an end, the means and deviations of its own activations as those wanted."""
        zero = self._with(weights, {})
        self._pass(zero, as_wanted=False, anew=False)
        own = self._read(_OWN)
        return self._with(
            weights, {**own, **{name.replace("repair_own_", "repair_"): value for name, value in own.items()}}
        )

    def __call__(self, weights: Weights) -> Weights:
        """Return interpolated weights with what brings their activations to those wanted."""
        self._pass(weights, as_wanted=True, anew=True)
        norms = {
            name: tensor.clone()
            for name, tensor in self._measuring.named_buffers()
            if name.endswith(("running_mean", "running_var")) and name in weights.buffers
        }
        return Weights(weights.parameters, {**weights.buffers, **norms, **self._read(_OWN)})

    def _layers(self, network: nn.Module) -> tuple[str, ...]:
        """Return the layers whose units are repaired, as they are called, without the last."""
        first: dict[str, None] = {}

        def note(name: str) -> Callable[..., None]:
            return lambda *_: first.setdefault(name)

        hooks = [
            module.register_forward_hook(note(name))
            for name, module in network.named_modules()
            if isinstance(module, nn.Linear | _ConvNd)
        ]
        with torch.no_grad():
            called(network, self._examples.normalise(taken(self._examples.images, self._batches[0][:2])))
        for hook in hooks:
            hook.remove()
        return tuple(first)[:-1]

    def _with(self, weights: Weights, buffers: dict[str, Tensor]) -> Weights:
        """Return weights with the buffers that repairing adds, in the order of the network's."""
        every = {**weights.buffers, **buffers}
        return Weights(
            weights.parameters,
            {name: every.get(name, tensor).clone() for name, tensor in self.network.named_buffers()},
        )

    def _read(self, names: tuple[str, ...]) -> dict[str, Tensor]:
        return {
            name: tensor.clone()
            for name, tensor in self._measuring.named_buffers()
            if name.rpartition(".")[2] in names
        }

    def _pass(self, weights: Weights, *, as_wanted: bool, anew: bool) -> None:
        """Estimate means and deviations over the examples, each layer behind those before it as corrected."""
        weights.load_into(self._measuring)
        norms = [
            module
            for module in self._measuring.modules()
            if isinstance(module, _BatchNorm) and module.track_running_stats
        ]
        averages = [_Average(layer, as_wanted=as_wanted) for layer in self._watched]
        hooks = [average.watch() for average in averages]
        try:
            for norm in norms if anew else ():
                norm.train()
            device = self._examples.labels.device
            with torch.no_grad(), repeatable(device), threads(self._threads), full_float32():
                for count, index in enumerate(self._batches, start=1):
                    for norm in norms if anew else ():
                        norm.momentum = 1.0 / count
                    called(self._measuring, self._examples.normalise(taken(self._examples.images, index)))
        finally:
            for hook in hooks:
                hook()
            for norm in norms:
                norm.eval()
        for average in averages:
            average.keep()


class _Average:
    """Means and deviations of a layer's units, averaged over its calls.

    While it watches, the layer's own correction is out of effect; if `as_wanted`, its units have in each batch
    what is wanted, so that the layers behind it see what they will.
    """

    def __init__(self, layer: nn.Module, *, as_wanted: bool) -> None:
        self._layer, self._as_wanted = layer, as_wanted
        self._means: list[Tensor] = []
        self._deviations: list[Tensor] = []

    def watch(self) -> Callable[[], None]:
        """Begin, and return what ends it."""
        before = dict(self._layer._forward_hooks)
        self._layer._forward_hooks.clear()
        self._layer.register_forward_hook(self._see)

        def end() -> None:
            self._layer._forward_hooks.clear()
            self._layer._forward_hooks.update(before)

        return end

    def keep(self) -> None:
        """Write what was seen into the layer's buffers."""
        for name, seen in zip(_OWN, (self._means, self._deviations), strict=True):
            self._layer.get_buffer(name).copy_(torch.stack(seen).mean(0))

    def _see(self, layer: nn.Module, _inputs: object, output: Tensor) -> Tensor | None:
        rest = [axis for axis in range(output.ndim) if axis != _axis(layer, output)]
        values = output.double()
        mean, deviation = values.mean(rest), values.std(rest, correction=0)
        self._means.append(mean.to(output.dtype))
        self._deviations.append(deviation.to(output.dtype))
        if not self._as_wanted:
            return None
        return _rescaled(layer, output, self._means[-1], self._deviations[-1])


def _corrected(layer: nn.Module, _inputs: object, output: Tensor) -> Tensor:
    return _rescaled(layer, output, *(layer.get_buffer(name) for name in _OWN))


def _rescaled(layer: nn.Module, output: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
    """Return the output with the mean and deviation that are wanted in the place of these."""
    wanted, spread = (layer.get_buffer(name) for name in _WANTED)
    shape = [1] * output.ndim
    shape[_axis(layer, output)] = -1
    silent = deviation <= 1e-6 * mean.abs().clamp_min(1e-6)  # constant but for rounding
    scale = torch.where(silent, 1, spread / torch.where(silent, 1, deviation))
    return (output - mean.reshape(shape)) * scale.reshape(shape) + wanted.reshape(shape)


def _units(layer: nn.Module) -> int:
    return int(layer.out_features if isinstance(layer, nn.Linear) else layer.out_channels)  # type: ignore[arg-type]


def _axis(layer: nn.Module, output: Tensor) -> int:
    """Return which axis of a layer's output is of its units."""
    if isinstance(layer, nn.Linear):
        return output.ndim - 1
    return output.ndim - len(layer.kernel_size) - 1  # type: ignore[arg-type]
