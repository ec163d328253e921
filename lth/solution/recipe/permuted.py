"""m(L) on the rewind point of another initialisation: with its units permuted to match, and as it is.

A network computes the same in every order of its units, and another initialisation finds another order: m(L)
keeps the weights between the units of w(0), which are other units there. So a dense network is trained from
the other initialisation, its units are matched to those of w(0), and the mask goes to where they are.
"""

from __future__ import annotations

from torch import nn

from lth.data.examples import Examples, sample
from lth.errors import InputError
from lth.inputs import taken
from lth.network.mask import Mask
from lth.network.symmetry.activations import activation_pairs
from lth.network.symmetry.derive import Traced, traced
from lth.network.symmetry.matching import match
from lth.setting.amount import Amount
from lth.solution.recipe.score import initialised, scoring
from lth.solution.recipe.start import Ingredients, Recipe, Start

_BATCH = 32  # examples of a pass that is watched for activations
_EXAMPLES = 2048  # at most, as many as places at which units are compared


def _permuted(given: Ingredients) -> Start:
    """m(L) with its units permuted as activations match, from wk of the dense network they are matched to.

    Every group of units is assigned where Σ ⟨Z_other, P(Z)⟩ is greatest, of standardised activations of both
    dense networks, fully trained, on at most 2048 training examples.

    Source: Adnan et al. 2025, arXiv 2505.05143, section 3, after Git Re-Basin, arXiv 2209.04836.
    """
    return _on_other(given, _matched(given))


def _unpermuted(given: Ingredients) -> Start:
    """m(L) as it is, from the same rewind point: the source's naive baseline."""
    return _on_other(given, given.mask)


def _on_other(given: Ingredients, mask: Mask) -> Start:
    return Start(mask, given.other_dense.rewind.masked(mask), given.schedule)


def _matched(given: Ingredients) -> Mask:
    """Return m(L) permuted as units of w(0) are matched to those of the other dense network."""
    network = initialised(given)
    assert given.examples is not None, "`initialised` asked for them"
    seed, device = given.setting.seed, given.examples.labels.device
    amount = Amount(min(_EXAMPLES, len(given.examples)))
    drawn = given.examples.take(sample(len(given.examples), amount, seed, "permuted"))
    ours, theirs = (solution.final.to(device) for solution in (given.other_dense, given.start_of_dense))
    graph = _graph(network, drawn)
    with scoring(device):
        pairs = activation_pairs(graph, ours, theirs, drawn.normalise(drawn.images), seed=seed)
        found = match(graph.spec, pairs, seed=seed)
    return graph.spec.permute_mask(given.mask, found.permutations)


def _graph(network: nn.Module, examples: Examples) -> Traced:
    return traced(network, examples.normalise(taken(examples.images, slice(0, _BATCH))), _BATCH)


def check_permutable(network: nn.Module, examples: Examples, dense: Mask) -> None:
    """Check that a mask of a network may be permuted.

    Raises:
        ValueError: If the network can't be exported, or nothing that is pruned has units to permute.
    """
    spec = _graph(network, examples).spec
    places = {name for axes in spec.where().values() for name in axes}
    if not any(f"{name}.{axis}" in places for name, kept in dense.keep.items() for axis in range(kept.ndim)):
        raise InputError(
            "permuted matches the units of two networks, and no weight that can be pruned has any that may be "
            "permuted here; choose unpermuted"
        )


_OTHER = "on the rewind point of another initialisation, trained"

PERMUTED = Recipe(
    _permuted,
    "the mask of level {level}, its units permuted to match those of a dense network from another "
    f"initialisation, {_OTHER}",
)
UNPERMUTED = Recipe(_unpermuted, f"the mask of level {{level}} as it is {_OTHER}")
