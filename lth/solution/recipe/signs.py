"""Signs or magnitudes of the rewind point alone, or neither, under m(L): which of the two makes a ticket.

                      signs of wk    signs tossed
magnitudes of wk      w(L), IMP's    magnitudes_only
magnitudes dealt      signs_only     distribution_only
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from lth.network.weights import Weights
from lth.randomness import generator
from lth.solution.recipe.start import Ingredients, Recipe, Start
from lth.training.train import TrainingState


def _signs_only(given: Ingredients) -> Start:
    """m(L) from wk with the magnitudes of a layer's kept weights in a random order, under their own signs.

    From k on with a fresh optimiser, as its momentum was of other weights.

    Source: Zhou et al. 2019, arXiv 1905.01067, section 3.
    """
    stream = generator(given.setting.seed, "signs_only", given.level)
    return _with_kept(given, lambda values: values.sign() * _dealt(values, stream))


def _magnitudes_only(given: Ingredients) -> Start:
    """m(L) from wk with a fair random sign for every kept weight; else as `signs_only`."""
    stream = generator(given.setting.seed, "magnitudes_only", given.level)
    return _with_kept(given, lambda values: values.abs() * _tossed(values, stream))


def _distribution_only(given: Ingredients) -> Start:
    """m(L) from wk with the magnitudes of a layer's kept weights in a random order under random signs.

    What is left of the rewind point is how large the weights of each layer are; else as `signs_only`.
    """
    stream = generator(given.setting.seed, "distribution_only", given.level)
    return _with_kept(given, lambda values: _dealt(values, stream) * _tossed(values, stream))


def _dealt(values: Tensor, stream: torch.Generator) -> Tensor:
    return values.abs()[torch.randperm(len(values), generator=stream)]


def _tossed(values: Tensor, stream: torch.Generator) -> Tensor:
    return 2 * torch.randint(2, values.shape, generator=stream) - 1


def _with_kept(given: Ingredients, change: Callable[[Tensor], Tensor]) -> Start:
    """Return m(L) from step k, where the kept weights of every layer were changed, (kept,) to (kept,)."""
    mask, rewind = given.mask, given.previous.rewind
    parameters = dict(mask.apply(rewind.weights).parameters)
    for name, kept in mask.keep.items():
        changed = parameters[name].clone()
        changed[kept.to(changed.device)] = change(changed[kept.to(changed.device)].cpu()).to(changed.device)
        parameters[name] = changed
    weights = Weights(parameters, rewind.weights.buffers)
    return Start(mask, TrainingState(weights, {}, rewind.step), given.schedule)


SIGNS_ONLY = Recipe(
    _signs_only,
    "the mask of level {level} on the signs of the rewind point, its magnitudes dealt anew in each layer, then "
    "trained",
)
MAGNITUDES_ONLY = Recipe(
    _magnitudes_only,
    "the mask of level {level} on the magnitudes of the rewind point under random signs, trained",
)
DISTRIBUTION_ONLY = Recipe(
    _distribution_only,
    "the mask of level {level} on the magnitudes of the rewind point, dealt anew in each layer under random "
    "signs, trained",
)
