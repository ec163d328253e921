"""RigL: every so often the smallest weights of a layer go, and those with the largest gradient come back."""

from __future__ import annotations

import math
from functools import partial

from lth.network.grow import grow_highest
from lth.network.mask import Mask
from lth.network.prune import prune_smallest
from lth.network.weights import Weights
from lth.solution.recipe.erk import erk_mask
from lth.solution.recipe.start import Ingredients, Recipe, Start
from lth.training.moving import Moved, Movement, Now

_SHARE = 0.3  # α, of a layer's weights that go at first
_LAST = 0.75  # of the training, after which the mask stays
_EVERY = 100  # ΔT, in steps
_MOVES = 16  # at least, in a training that is shorter than the source's
_LEAST = 2  # ΔT of the shortest, as a step that moves the mask updates no weight


def _start(given: Ingredients) -> Start:
    """The mask of `erk` from w0, moved at t = 0, ΔT, 2ΔT, … up to T_end, three quarters of the training.

        ⌊α/2 (1 + cos(π t / T_end)) · kept⌋

    weights of every layer go then, the smallest, and as many come back, those with the largest |∂loss/∂w| of
    the batch of step t, which updates no weight. They start from zero, without momentum; one that goes and
    comes back at once keeps both. α = 0.3, and ΔT = 100 or a sixteenth of T_end if that is less.

    Source: Evci et al. 2020, arXiv 1911.11134, section 3 and algorithm 1.
    """
    last, every = interval(given.schedule.num_iterations)
    movement = Movement(lambda step: step < last and step % every == 0, partial(_move, last), by_gradient=True)
    return given.moving(erk_mask(given), movement)


def interval(num_steps: int) -> tuple[int, int]:
    """Return T_end and ΔT of a training of so many steps.

    Example:
        >>> interval(97_656), interval(690), interval(20)
        ((73242, 100), (517, 32), (15, 2))
    """
    last = int(_LAST * num_steps)
    return last, min(_EVERY, max(_LEAST, last // _MOVES))


def share_at(step: int, last: int) -> float:
    """Return the share of a layer's weights that go at a step, α/2 (1 + cos(π step / last)).

    Example:
        >>> [round(share_at(step, 100), 3) for step in (0, 50, 99)]
        [0.3, 0.15, 0.0]
    """
    return _SHARE / 2 * (1 + math.cos(math.pi * step / last))


def _move(last: int, now: Now) -> Moved:
    keep = {}
    for name, kept in now.mask.keep.items():
        layer = Mask({name: kept})
        count = int(share_at(now.step, last) * layer.num_kept)
        left = prune_smallest(Weights(now.weights, {}), layer, count)
        keep[name] = grow_highest({name: now.gradients[name].abs()}, left, count).keep[name]
    return Moved(Mask(keep, now.mask.frozen))


RIGL = Recipe(
    _start,
    "trained from the initialisation under a mask that moves by RigL, with the layer densities of Erdős–Rényi "
    "kernels: the smallest weights go, those with the largest gradients come back",
    anew=True,
)
