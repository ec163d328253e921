"""SynFlow: prunes before training, without data, what carries the least synaptic flow."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from lth.data.examples import Examples
from lth.errors import InputError
from lth.inputs import called, each, mapped
from lth.network.mask import Mask
from lth.network.prune import prune_lowest
from lth.solution.recipe.score import gradients, initialised, scoring
from lth.solution.recipe.start import Ingredients, Recipe, Start

_ROUNDS = 100


def _start(given: Ingredients) -> Start:
    """w0 pruned in 100 rounds to the density of m(L), scored anew by what is left each time, from w0.

        R = the sum of the outputs for an input of ones, every weight by its absolute value
        score_i = |w_i| ∂R/∂|w_i|;   after round t the share ρ^(t/100) is left, ρ the density of m(L)

    In float64, as products of many layers overflow float32 (2009.08576, appendix), and with BatchNorm in
    evaluation mode, where it is a constant scale.

    Source: Tanaka et al. 2020, arXiv 2006.05467, equation 3 and algorithm 1.
    """
    network, mask = _positive(initialised(given).double().eval()), given.everything
    ones = _ones(given)
    with scoring(next(network.parameters()).device):
        for reached in range(1, _ROUNDS + 1):
            scores = flow_scores(network, mask, ones)
            mask = given.pruned(mask, partial(prune_lowest, scores), reached / _ROUNDS)
    return given.from_initialisation(mask)


def flow_scores(network: nn.Module, mask: Mask, ones: Any) -> dict[str, Tensor]:
    """Return |w| ∂R/∂|w| of every prunable weight of a network whose weights are positive, masked.

    Between layers without bias the scores of every layer sum to R: the flow is conserved.

    Example:
        >>> network = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 1, bias=False)).double()
        >>> for weight in network.parameters():
        ...     _ = nn.init.constant_(weight, 0.5)
        >>> scores = flow_scores(network, Mask.dense(network), torch.ones(1, 2).double())
        >>> {name: float(score.sum()) for name, score in scores.items()}
        {'0.weight': 1.0, '1.weight': 1.0}
    """
    fixed = {name: tensor.detach() for name, tensor in network.state_dict().items()}
    weights = {name: mask.apply_to(name, fixed[name]).detach().requires_grad_() for name in mask.keep}
    outputs = called(partial(_call, network, {**fixed, **weights}), ones)
    slopes = gradients(outputs.sum(), weights)
    return {name: weight.detach() * slopes[name] for name, weight in weights.items()}


def _call(network: nn.Module, state: Mapping[str, Tensor], *inputs: Tensor, **named: Tensor) -> Tensor:
    return functional_call(network, dict(state), inputs, named)  # type: ignore[no-any-return]


def _positive(network: nn.Module) -> nn.Module:
    """Replace every parameter of a network by its absolute value."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.abs_()
    return network


def _ones(given: Ingredients) -> Any:
    """Return an example of ones, float64.

    Raises:
        ValueError: If inputs are whole numbers, such as tokens.
    """
    assert given.examples is not None, "`initialised` asked for them"
    inputs = check_inputs(given.examples)
    return mapped(lambda tensor: torch.ones_like(tensor, dtype=torch.float64), inputs)


def check_inputs(examples: Examples) -> Any:
    """Return one input as a network takes it, if it is of numbers that can be one.

    Raises:
        ValueError: If inputs are whole numbers, such as tokens.
    """
    first = examples.take(torch.zeros(1, dtype=torch.int64))
    inputs = first.normalise(first.images)
    if not all(tensor.is_floating_point() for _, tensor in each(inputs)):
        raise InputError(
            "synflow feeds the network ones, and its inputs are whole numbers, such as tokens; choose another "
            "method"
        )
    return inputs


SYNFLOW = Recipe(
    _start,
    "the initialisation pruned in 100 rounds by SynFlow, without data, trained from the start",
    anew=True,
)
