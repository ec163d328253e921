"""What the units of two networks do on the same examples, to match them by.

Every tensor that the graph computes, and whose axes are units, is compared: each unit's activations over
examples and positions, at places drawn once for both networks, less their mean and over their length, so that
a product of two is their correlation.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, fx
from torch.export.graph_signature import InputKind

from lth.inputs import Inputs, count_of, each, taken
from lth.network.symmetry.derive import Traced
from lth.network.symmetry.matching import Pair
from lth.network.symmetry.spec import blocks
from lth.network.weights import Weights
from lth.randomness import generator

_PLACES = 2048  # of a tensor, at which units are compared: correlations are then known within 1 / √2048


def activation_pairs(graph: Traced, ours: Weights, theirs: Weights, inputs: Inputs, *, seed: int) -> list[Pair]:
    """Return the standardised activations of both networks.

    Args:
        graph: Of the network.
        ours: Weights of the one.
        theirs: Weights of the other.
        inputs: Of the examples, as the network is called with them; whole batches of the graph's are used.
        seed: Of the places.

    Raises:
        ValueError: If there is not one batch of examples.
    """
    found = [_activations(graph, weights, inputs, seed) for weights in (ours, theirs)]
    return [
        Pair(_standardised(a), _standardised(b), groups) for (a, groups), (b, _) in zip(*found, strict=True)
    ]


def _activations(
    graph: Traced, weights: Weights, inputs: Inputs, seed: int
) -> list[tuple[Tensor, tuple[str | None, ...]]]:
    """Return the activations of units, of each block of each tensor, (units, …, places), with their groups."""
    batches = max(1, count_of(inputs) // graph.count)
    parts = defaultdict[tuple[str, int], list[Tensor]](list)
    groups: dict[tuple[str, int], tuple[str | None, ...]] = {}
    with torch.no_grad():
        for batch in range(batches):
            index = torch.arange(batch * graph.count, (batch + 1) * graph.count) % count_of(inputs)
            for name, value in _run(graph, weights, taken(inputs, index)):
                for number, (block, own) in enumerate(blocks(value, graph.made[name])):
                    if any(own):
                        key = name, number
                        stream = generator(seed, "align", "places", name, number, batch)
                        parts[key].append(_drawn(block, own, math.ceil(_PLACES / batches), stream))
                        groups[key] = (*(group for group in own if group is not None), None)
    return [(torch.cat(drawn, -1), groups[key]) for key, drawn in parts.items()]


def _drawn(block: Tensor, groups: tuple[str | None, ...], count: int, stream: torch.Generator) -> Tensor:
    """Return the units of a block at places that are drawn, (units, …, places)."""
    units = [position for position, group in enumerate(groups) if group is not None]
    others = [position for position, group in enumerate(groups) if group is None]
    flat = block.permute(*units, *others).reshape([block.shape[position] for position in units] + [-1])
    places = torch.randperm(flat.shape[-1], generator=stream)[:count].to(flat.device)
    return flat[..., places].float()


def _standardised(values: Tensor) -> Tensor:
    centred = values - values.mean(-1, keepdim=True)
    length = centred.norm(dim=-1, keepdim=True)
    # What is the same everywhere but for rounding says nothing.
    silent = length <= 1e-6 * values.norm(dim=-1, keepdim=True)
    return torch.where(silent, 0, centred / length.clamp_min(torch.finfo(values.dtype).tiny))


def _run(graph: Traced, weights: Weights, batch: Inputs) -> Iterator[tuple[str, Tensor]]:
    """Return the tensors that a network computes of a batch, by the names of their nodes."""
    state = {**weights.parameters, **weights.buffers}
    device = next(iter(weights.parameters.values())).device
    given, by_name = iter(each(batch)), dict(each(batch)) if isinstance(batch, Mapping) else {}
    values: list[Any] = []
    for spec in graph.program.graph_signature.input_specs:
        name = getattr(spec.arg, "name", "")
        if spec.kind in (InputKind.PARAMETER, InputKind.BUFFER):
            assert spec.target is not None
            values.append(state[graph.names.get(spec.target, spec.target)])
        elif spec.kind == InputKind.USER_INPUT:
            values.append((by_name[name] if name in by_name else next(given)[1]).to(device))
        else:
            constant = graph.program.constants[str(spec.target)]
            values.append(constant.to(device) if isinstance(constant, Tensor) else constant)
    seen = _Seen(graph)
    seen.run(*values)
    return iter(seen.found)


class _Seen(fx.Interpreter):
    """Keeps the tensors that have units."""

    def __init__(self, graph: Traced) -> None:
        super().__init__(graph.program.graph_module)
        self._made = graph.made
        self.found: list[tuple[str, Tensor]] = []

    def run_node(self, n: fx.Node) -> Any:
        """Compute a node."""
        value = super().run_node(n)
        if n.name in self._made and isinstance(value, Tensor) and value.is_floating_point():
            self.found.append((n.name, value))
        return value
