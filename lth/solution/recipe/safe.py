"""SAFE: sharpness-aware steps that draw the dense network to its own nearest sparse one, by dual ascent."""

from __future__ import annotations

import math
from dataclasses import replace

from lth.solution.recipe.start import Ingredients, Recipe, Start
from lth.training.moving import Moved, Movement, Now

_RHO = 0.1  # ρ of its sharpness-aware steps, where sam_rho names none
_EVERY = 32  # K, in steps
_MOVES = 16  # at least, in a training that is shorter than the source's
_PENALTY = 1e-3  # λ, in a training of so many steps
_STEPS = 78_200  # of 200 epochs on CIFAR-10 in batches of 128


def _start(given: Ingredients) -> Start:
    """Everything from w0, by sharpness-aware steps of ρ = 0.1 (or sam_rho) with a pull to a sparse network.

        g + λ(t) (w - z + u),  λ(t) = λ/2 (1 - cos(π t / T))

    takes the place of the gradient g. Every K steps z becomes the projection of w + u on as many weights as
    m(L) keeps, the largest, and u becomes w + u - z; at first z is that of w0, and u zero. At the end w itself
    is projected, and BatchNorm's statistics are estimated anew. K = 32, or a sixteenth of the training if that
    is less. λ = 10⁻³ for as many steps as the source takes of CIFAR-10, 78,200, and in proportion to 1 / T, so
    that all the pull together is the same.

    Source: Lee et al. 2025, arXiv 2506.06866, algorithm 1; its λ = 10⁻³ is for ResNet-20, 10⁻⁴ for VGG-19.
    """
    steps = given.schedule.num_iterations
    every, penalty = _interval(steps), _PENALTY * _STEPS / steps

    def move(now: Now) -> Moved:
        if now.step == steps:
            return Moved(given.pruned_by_size(now.weights, now.mask))
        return _projected(given, now)

    movement = Movement(
        lambda step: step % every == 0 or step == steps,
        move,
        pull=lambda step: penalty / 2 * (1 - math.cos(math.pi * step / steps)),
        restate=True,
    )
    start = given.moving(given.everything, movement)
    recipe = start.schedule.recipe
    sharp = replace(recipe, sam_rho=recipe.sam_rho or _RHO)
    return replace(start, schedule=replace(start.schedule, recipe=sharp))


def _projected(given: Ingredients, now: Now) -> Moved:
    """Return the mask as it is, with the dual variable u held, and z - u pulled towards."""
    sums = {name: weight + now.held[name] if now.held else weight for name, weight in now.weights.items()}
    nearest = given.pruned_by_size(sums, now.mask)
    projections = {name: nearest.apply_to(name, total) for name, total in sums.items()}
    dual = {name: (sums[name] - projections[name]) * bool(now.step) for name in sums}  # at first zero
    return Moved(now.mask, held=dual, towards={name: projections[name] - dual[name] for name in sums})


def _interval(num_steps: int) -> int:
    return min(_EVERY, max(1, num_steps // _MOVES))


SAFE = Recipe(
    _start,
    "trained from the initialisation by SAFE: sharpness-aware steps that draw the dense network to its nearest "
    "sparse one, on which it is projected at the end",
    anew=True,
)
