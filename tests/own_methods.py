"""Ways to a sparse network as a user would write them, right ones and wrong ones."""

from lth.network.mask import Mask
from lth.solution.recipe import Ingredients, Start
from lth.training.moving import Moved, Movement, Now


def first_weights(given: Ingredients) -> Mask:
    return given.pruned(given.everything, _without_last)


def _without_last(mask: Mask, count: int) -> Mask:
    kept = mask.flat().clone()
    kept[len(kept) - count :] = False
    return mask.with_flat(kept)


def everything(given: Ingredients) -> Mask:
    return given.everything


def one_layer(given: Ingredients) -> Mask:
    name, kept = next(iter(given.everything.keep.items()))
    return Mask({name: kept})


def nothing(given: Ingredients) -> None:
    return None


def failing(given: Ingredients) -> Mask:
    return Mask({"w": given.everything.flat()[: given.level // 0]})


def moving_too_far(given: Ingredients) -> Start:
    return given.moving(given.everything, Movement(lambda step: step == 3, lambda now: Moved(now.mask)))


def moving_to_nothing(given: Ingredients) -> Start:
    return given.moving(given.everything, Movement(lambda step: step == 3, lambda now: now.mask))


def moving_another_layer(given: Ingredients) -> Start:
    return given.moving(given.everything, Movement(lambda step: step == 3, lambda now: Moved(one_layer(given))))


def moving_badly(given: Ingredients) -> Start:
    def move(now: Now) -> Moved:
        return Moved(now.mask, held={"half": now.weights["absent"]})

    return given.moving(given.everything, Movement(lambda step: step == 3, move))
