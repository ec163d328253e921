"""Gradual magnitude pruning: a dense network is pruned on its way, fast at first and slower later."""

from __future__ import annotations

from lth.solution.recipe.start import Ingredients, Recipe, Start
from lth.training.moving import Moved, Movement, Now

_FIRST, _LAST = 0.2, 0.75  # of the training, from which and until which it is pruned
_MOVES = 55  # one each hundredth of the training


def _start(given: Ingredients) -> Start:
    """Everything from w0, pruned at t_0, …, t_n, in equal steps from 20 % to 75 % of the training.

        s_i = s_N (1 - (1 - i / n)³),  s_N the sparsity of m(L),

    the smallest weights first: of all layers together, as in m(L), or of every layer under scope=layer, as in
    the source. What is pruned stays zero, where TensorFlow's code keeps its last value and may bring it back.

    Source: Zhu and Gupta 2017, arXiv 1710.01878, equation 1, whose Δt is 100 to 1000 steps. n = 55, and where
    it begins and ends, are of RigL's code on CIFAR-10: each 1000 of 97,656 steps, from 20,000 to 75,000.
    """
    times = moments(given.schedule.num_iterations)

    def move(now: Now) -> Moved:
        share = sparsity_share(times[now.step], max(times.values()))
        return Moved(given.pruned_by_size(now.weights, now.mask, share))

    return given.moving(given.everything, Movement(times.__contains__, move))


def moments(num_steps: int) -> dict[int, int]:
    """Return the steps after which weights are pruned, with the number i of each; the last is n.

    Example:
        >>> moments(20)
        {4: 0, 5: 1, 6: 2, 7: 3, 8: 4, 9: 5, 10: 6, 11: 7, 12: 8, 13: 9, 14: 10, 15: 11}
    """
    first, last = int(_FIRST * num_steps), int(_LAST * num_steps)
    count = min(_MOVES, last - first)
    if count == 0:
        return {num_steps: 0}
    return {first + number * (last - first) // count: number for number in range(count + 1)}


def sparsity_share(number: int, last: int) -> float:
    """Return which share of all that is pruned in the end is pruned at t_i, 1 - (1 - i / n)³.

    Example:
        >>> [sparsity_share(number, 4) for number in range(5)]
        [0.0, 0.578125, 0.875, 0.984375, 1.0]
    """
    return 1.0 if number == last else 1 - (1 - number / last) ** 3


GRADUAL = Recipe(
    _start,
    "trained from the initialisation and pruned on the way, the smallest weights first, along a cubic schedule",
    anew=True,
)
