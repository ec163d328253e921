"""m(L) with the weights of every layer dealt anew, a control of which weights it keeps."""

from __future__ import annotations

import torch

from lth.network.mask import Mask
from lth.randomness import generator
from lth.solution.recipe.start import Ingredients, Recipe, Start


def _start(given: Ingredients) -> Start:
    """m(L), every layer's part in a random order, from wk: as many weights a layer, others.

    Source: Frankle et al. 2021, arXiv 2009.08576, section 5.
    """
    stream = generator(given.setting.seed, "shuffled", given.level)
    own = given.mask
    keep = {
        name: kept.reshape(-1)[torch.randperm(kept.numel(), generator=stream)].reshape(kept.shape)
        for name, kept in own.keep.items()
    }
    return given.rewound(Mask(keep, own.frozen))


SHUFFLED = Recipe(
    _start, "the mask of level {level} with every layer's part in a random order, rewound and trained"
)
