"""How far the functions of several networks are from each other: what they and their layers put out.

Two solutions far apart in weight space may compute one function, and near ones may not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from lth.bar import progress
from lth.brief import brief
from lth.data import Examples
from lth.data.tensors import IGNORED
from lth.errors import InputError
from lth.inputs import Inputs
from lth.measure.layer_outputs import LayerOutputs
from lth.measure.similarity import LEAST, cka_of, gram, unbiased_hsic
from lth.network.weights import Weights
from lth.randomness import generator
from lth.training.determinism import repeatable
from lth.training.objective import CROSS_ENTROPY, Objective
from lth.training.precision import full_float32

_BATCH = 128  # examples at most: the batches that CKA is a sum over


@dataclass(frozen=True)
class Functions:
    """Distances between the outputs of n solutions, and the likeness of their layers."""

    disagreement: np.ndarray  # (n, n): share of examples that two classify differently; NaN of no classes
    kl: np.ndarray  # (n, n): KL(row ‖ column) of predictions, nats an example; NaN if outputs are no logits
    rms: np.ndarray  # (n, n): root mean square difference of outputs
    layers: tuple[str, ...]  # in the order they are called in
    cka: np.ndarray  # (layers, n, n); NaN where a layer does not vary
    examples: int

    __repr__ = brief


class Differences:
    """Sums how far apart the outputs of n functions are, a batch after the other.

    Args:
        count: n.
        objective: Whose outputs they are: those of cross-entropy are logits.

    Example:
        >>> found = Differences(2)
        >>> found.add(torch.tensor([[[0.0, 1.0]], [[1.0, 0.0]]]), torch.tensor([1]))
        >>> [float(each[0, 1].round(4)) for each in (found.disagreement, found.kl, found.rms)]
        [1.0, 0.4621, 1.0]
    """

    def __init__(self, count: int, objective: Objective = CROSS_ENTROPY) -> None:
        self._has_logits = objective.loss == "cross_entropy"
        self._sums = {name: np.zeros((count, count)) for name in ("disagreement", "kl", "squares")}
        self._examples = 0

    def add(self, outputs: Tensor, targets: Tensor) -> None:
        """Add a batch: what each function returned, (n, batch, …), and the targets, (batch, …)."""
        exact, weights = outputs.double(), _weights(targets)  # (n, batch, …), (targets,)
        self._examples += len(targets)
        flat = exact.flatten(2)
        for row, own in enumerate(flat):
            squares = (flat - own).square().mean(dim=2).sum(dim=1)
            self._sums["squares"][row] += squares.cpu().numpy()
        is_of_classes = not targets.is_floating_point() and outputs.ndim == targets.ndim + 2
        if not (is_of_classes and outputs.shape[-1] > 1):
            self._sums["disagreement"] += math.nan
            self._sums["kl"] += math.nan
            return
        scores = exact.reshape(len(exact), -1, exact.shape[-1])  # (n, targets, classes)
        chosen = scores.argmax(dim=2)
        for row, own in enumerate(chosen):
            self._sums["disagreement"][row] += ((chosen != own).double() @ weights).cpu().numpy()
        self._sums["kl"] += _divergences(scores, weights) if self._has_logits else math.nan

    @property
    def disagreement(self) -> np.ndarray:
        """Share of examples with another class of the largest output, (n, n)."""
        return self._sums["disagreement"] / self._examples

    @property
    def kl(self) -> np.ndarray:
        """KL(row ‖ column) of the softmax, nats an example, (n, n)."""
        return self._sums["kl"] / self._examples

    @property
    def rms(self) -> np.ndarray:
        """Root of the mean squared difference of an output, (n, n)."""
        return np.sqrt(self._sums["squares"] / self._examples)


def _weights(targets: Tensor) -> Tensor:
    """Return what each target counts, those of an example 1 together; ignored ones nothing, (targets,)."""
    if targets.is_floating_point() or targets.ndim == 1:
        return torch.ones(targets.numel(), dtype=torch.float64, device=targets.device)
    counted = (targets != IGNORED).flatten(1).double()
    return (counted / counted.sum(dim=1, keepdim=True).clamp_min(1)).flatten()


def _divergences(scores: Tensor, weights: Tensor) -> np.ndarray:
    """Return Σ KL(pₐ ‖ p_b) over targets, of every pair, (n, n)."""
    logs = scores.log_softmax(dim=2)
    found = np.zeros((len(scores), len(scores)))
    for row, own in enumerate(logs):
        divergences = (own.exp() * (own - logs)).sum(dim=2) @ weights  # term by term: nothing cancels
        found[row] = divergences.clamp_min(0).cpu().numpy()
    return found


def compare_functions(
    network: nn.Module,
    solutions: Sequence[Weights],
    examples: Examples,
    *,
    objective: Objective = CROSS_ENTROPY,
    seed: int = 0,
    label: str = "functions",
) -> Functions:
    """Compare what n solutions of one network compute of the same examples, and their layers.

    Args:
        network: Gives the structure.
        solutions: Their weights.
        examples: On the device to compute on.
        objective: Whose outputs they are.
        seed: Of the order of the examples, in whose batches CKA is estimated.
        label: What the progress bar says.

    Raises:
        ValueError: If there are fewer than four examples.

    Example:
        Of two that always name the other class:

        >>> from lth.data.drained import examples_of
        >>> network = nn.Linear(1, 2, bias=False)
        >>> up, down = (Weights({"weight": torch.tensor([[sign], [0.0]])}, {}) for sign in (1.0, -1.0))
        >>> examples = examples_of((torch.tensor([[-2.0], [-1.0], [1.0], [2.0]]), torch.tensor([0, 0, 1, 1])))
        >>> float(compare_functions(network, [up, down], examples).disagreement[0, 1])
        1.0
    """
    if len(examples) < LEAST:
        raise InputError(f"functions can't be compared on {len(examples)} examples; give at least {LEAST}")
    seen, device = LayerOutputs(network, examples), examples.labels.device
    count, layers = len(solutions), seen.layers
    held = [weights.to(device) for weights in solutions]
    sums = torch.zeros(len(layers), count, count, dtype=torch.float64, device=device)
    differences = Differences(count, objective)
    with repeatable(device), full_float32():
        for some in progress(_batches(examples, seed), label, unit="batch"):
            inputs = some.normalise(some.images)
            passes = [_passed(seen, weights, inputs) for weights in held]
            differences.add(torch.stack([outputs for outputs, _ in passes]), some.labels)
            for place, of_layer in enumerate(zip(*(grams for _, grams in passes), strict=True)):
                sums[place] += unbiased_hsic(torch.stack(of_layer))
    cka = [cka_of(each).cpu().numpy() for each in sums]
    return Functions(
        differences.disagreement,
        differences.kl,
        differences.rms,
        layers,
        np.stack(cka) if cka else np.zeros((0, count, count)),
        len(examples),
    )


def compare_layers(
    first: nn.Module, second: nn.Module, examples: Examples, *, seed: int = 0
) -> Mapping[tuple[str, str], float]:
    """Return the debiased linear CKA of every layer of a network with every layer of another one.

    Args:
        first: Whose layers come first in a pair.
        second: Of any architecture that takes the same inputs.
        examples: At least four, on the device of both.
        seed: Of the order of the examples, in whose batches CKA is estimated.

    Raises:
        ValueError: If there are fewer than four examples, or a network shows no layer.

    Source: Kornblith et al. 2019, arXiv 1905.00414, Fig. 2.

    Example:
        >>> from lth.data.drained import examples_of
        >>> network = nn.Sequential(nn.Linear(3, 2))
        >>> found = compare_layers(network, network, examples_of((torch.randn(20, 3), torch.zeros(20))))
        >>> {pair: round(value, 4) for pair, value in found.items()}
        {('0', '0'): 1.0}
    """
    if len(examples) < LEAST:
        raise InputError(f"layers can't be compared on {len(examples)} examples; give at least {LEAST}")
    pair = [LayerOutputs(network, examples) for network in (first, second)]
    weights = [Weights.of(network) for network in (first, second)]
    names = [seen.layers for seen in pair]
    if not all(names):
        raise InputError(
            "a network shows no layer: none of its modules has parameters of its own and an output of every "
            "example, or it is scripted; give the network that it was scripted from"
        )
    total = torch.zeros((), dtype=torch.float64, device=examples.labels.device)
    with repeatable(examples.labels.device), full_float32():
        for some in _batches(examples, seed):
            inputs = some.normalise(some.images)
            passes = [_passed(seen, of, inputs) for seen, of in zip(pair, weights, strict=True)]
            total = total + unbiased_hsic(torch.stack([each for _, grams in passes for each in grams]))
    cka = cka_of(total).cpu().numpy()
    offset = len(names[0])
    return {
        (one, other): float(cka[row, offset + column])
        for row, one in enumerate(names[0])
        for column, other in enumerate(names[1])
    }


def _batches(examples: Examples, seed: int) -> list[Examples]:
    """Return all examples in a random order, in batches as large but for one."""
    order = torch.randperm(len(examples), generator=generator(seed, "function"))
    return [examples.take(index) for index in torch.tensor_split(order, math.ceil(len(order) / _BATCH))]


def _passed(seen: LayerOutputs, weights: Weights, inputs: Inputs) -> tuple[Tensor, list[Tensor]]:
    """Return the outputs of a network, and the Gram matrix of every layer's."""
    grams: dict[str, Tensor] = {}
    outputs = seen(weights, inputs, lambda name, features: grams.update({name: gram(features)}))
    return outputs, [grams[name] for name in seen.layers]
