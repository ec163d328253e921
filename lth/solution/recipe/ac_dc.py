"""AC/DC: phases in which all weights train alternate with phases in which the largest alone do."""

from __future__ import annotations

from lth.solution.recipe.start import Ingredients, Recipe, Start
from lth.training.moving import Moved, Movement, Now

# Of the training, in hundredths: that of 100 epochs on ImageNet. The last dense phase is twice as long, and the
# last sparse one three times.
_COMPRESSED = (10, 20, 30, 40, 50, 60, 70, 85)
_DECOMPRESSED = (15, 25, 35, 45, 55, 65, 75)


def _start(given: Ingredients) -> Start:
    """Everything from w0; phases in which all weights train, and in which the largest alone do, in turns.

    The largest, as many as m(L) keeps, train from 10, 20, …, 70 and 85 % of the training on, all from 0, 15,
    25, …, 65 and 75 %. Weights that come back start from zero, and with them the momentum of all is forgotten.
    The largest are those of the whole network, under scope=layer of every layer.

    Source: Peste et al. 2021, arXiv 2106.12379, section 3.2 and algorithm 1; the phases are those of its code
    for 100 epochs of ImageNet, which forgets the momentum at each decompression.
    """
    times = phases(given.schedule.num_iterations)

    def move(now: Now) -> Moved:
        if times[now.step]:
            return Moved(given.pruned_by_size(now.weights, now.mask))
        return Moved(given.everything, forget=True)

    return given.moving(given.everything, Movement(times.__contains__, move))


def phases(num_steps: int) -> dict[int, bool]:
    """Return the steps after which a phase begins, and whether it is a sparse one.

    Example:
        >>> phases(100)[10], phases(100)[15], phases(100)[85]
        (True, False, True)
    """
    hundredths = {**dict.fromkeys(_COMPRESSED, True), **dict.fromkeys(_DECOMPRESSED, False)}
    return {round(hundredth * num_steps / 100): hundredths[hundredth] for hundredth in sorted(hundredths)}


AC_DC = Recipe(
    _start,
    "trained from the initialisation by AC/DC: phases in which all weights train alternate with phases in "
    "which the largest alone do, the last among them",
    anew=True,
)
