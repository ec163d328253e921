"""What every layer of a network puts out, for any weights, seen by hooks on a private copy.

A layer is a module that has parameters of its own and is called. An output is looked at when it is made, for
what follows may change it in place. A layer whose output has no axis of examples, as a reparametrised weight,
is left out.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from lth.data import Examples
from lth.errors import InputError
from lth.inputs import Inputs, called, mapped
from lth.network.weights import Weights
from lth.randomness import restored

See = Callable[[str, Tensor], None]  # gets the name of a layer, and what it put out, (n, features)
_FEW, _MORE = 2, 3  # examples, by which the axis of examples is told from the others


class LayerOutputs:
    """Calls one network with any weights, BatchNorm in evaluation mode, and shows what its layers put out.

    The network is copied. A layer that is called several times in a pass is several layers.

    Args:
        network: Gives the structure.
        examples: On the device to compute on; the first three are passed once.

    Raises:
        ValueError: If there are fewer than three examples.

    Example:
        >>> network = nn.Sequential(nn.Linear(1, 2), nn.ReLU(inplace=True), nn.Linear(2, 1))
        >>> examples = Examples(torch.zeros(3, 1), torch.zeros(3), None, None)
        >>> outputs = LayerOutputs(network, examples)
        >>> _ = outputs(Weights.of(network), torch.ones(3, 1), lambda name, of: print(name, list(of.shape)))
        0 [3, 2]
        2 [3, 1]
    """

    def __init__(self, network: nn.Module, examples: Examples) -> None:
        if len(examples) < _MORE:
            raise InputError(
                f"{len(examples)} examples don't tell layers' outputs apart; give at least {_MORE}"
            )
        self._device = examples.labels.device
        self._network = copy.deepcopy(network).to(self._device).eval()
        self._show: See | None = None
        self._calls: Counter[str] = Counter()
        for name, module in self._network.named_modules():
            if isinstance(module, torch.jit.ScriptModule):  # which takes no hooks
                continue
            own = any(parameter is not None for parameter in module._parameters.values())
            if own or is_parametrized(module):
                module.register_forward_hook(partial(self._made, name or "network"))
        few, more = (self._shapes(examples, count) for count in (_FEW, _MORE))
        axes = {name: _axis_of_examples(few[name], more[name]) for name in few if name in more}
        self._axes = {name: axis for name, axis in axes.items() if axis is not None}

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers, in the order they are called in."""
        return tuple(self._axes)

    @torch.no_grad()
    def __call__(self, weights: Weights, inputs: Inputs, see: See) -> Tensor:
        """Return the outputs of normalised inputs, and show those of every layer on the way."""
        weights.load_into(self._network)

        def show(name: str, output: Tensor) -> None:
            if (axis := self._axes.get(name)) is not None:
                count = len(next(iter(_tensors(inputs))))
                see(name, output.movedim(axis, 0).reshape(count, -1))

        outputs: Tensor = self._passed(inputs, show)
        return outputs

    def _passed(self, inputs: Inputs, show: See) -> Any:
        own = mapped(lambda tensor: tensor.clone(memory_format=torch.contiguous_format), inputs)
        self._show, self._calls = show, Counter()
        try:
            return called(self._network, own)  # which may change them in place
        finally:
            self._show = None

    def _made(self, name: str, _module: nn.Module, _inputs: object, output: object) -> None:
        found = next(iter(_tensors(output)), None)  # of several, as of attention, the first
        if self._show is None or found is None:
            return
        self._calls[name] += 1
        again = f" ({self._calls[name]})" if self._calls[name] > 1 else ""
        self._show(name + again, torch.view_as_real(found) if found.is_complex() else found)

    @torch.no_grad()
    def _shapes(self, examples: Examples, count: int) -> dict[str, torch.Size]:
        shapes: dict[str, torch.Size] = {}
        few = examples.take(torch.arange(count, device=self._device))
        with restored(self._device):
            self._passed(few.normalise(few.images), lambda name, output: shapes.update({name: output.shape}))
        return shapes


def _tensors(structure: object) -> list[Tensor]:
    if isinstance(structure, Tensor):
        return [structure]
    if isinstance(structure, dict):
        return [tensor for part in structure.values() for tensor in _tensors(part)]
    if isinstance(structure, tuple | list):
        return [tensor for part in structure for tensor in _tensors(part)]
    return []


def _axis_of_examples(few: torch.Size, more: torch.Size) -> int | None:
    """Return the one axis that grows with the number of examples, None if there is no such."""
    if len(few) != len(more):
        return None
    grown = [axis for axis, sizes in enumerate(zip(few, more, strict=True)) if sizes[0] != sizes[1]]
    is_one = len(grown) == 1 and few[grown[0]] * _MORE == more[grown[0]] * _FEW
    return grown[0] if is_one else None
