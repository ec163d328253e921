"""A way to a sparse network of the user's own."""

from __future__ import annotations

from dataclasses import replace

from lth.errors import InputError
from lth.network.mask import Mask
from lth.setting.own_fault import own_faults
from lth.setting.reference import load_reference
from lth.setting.setting import Setting
from lth.solution.recipe.start import Ingredients, Recipe, Start
from lth.training.moving import Moved, Movement, Now


def _start(given: Ingredients) -> Start:
    """What the function that own_method names makes of the ingredients: a mask, from w0, or a whole start.

    Whatever it returns keeps as many weights as m(L), in the end if its mask moves, and its pruned weights
    start from zero.

    Raises:
        ValueError: If it raises, or returns anything else.
    """
    name = check_named(given.setting)
    function = load_reference(name)
    with own_faults(f"own_method={name} fails at level {given.level}:", name):
        made = function(given)
    start = given.from_initialisation(made) if isinstance(made, Mask) else made
    if not isinstance(start, Start):
        raise InputError(
            f"own_method={name} returned {type(made).__name__}; expected an lth.network.mask.Mask, or a Start "
            "such as given.rewound(mask) or given.from_initialisation(mask)"
        )
    shapes = [
        {part: tuple(kept.shape) for part, kept in mask.keep.items()} for mask in (start.mask, given.everything)
    ]
    if shapes[0] != shapes[1] or (start.movement is None and start.mask.num_kept != given.num_kept):
        raise InputError(
            f"own_method={name} keeps {start.mask.num_kept} weights in {len(shapes[0])} layers, but level "
            f"{given.level} keeps {given.num_kept} in {len(shapes[1])}; prune with given.pruned(mask, prune)"
        )
    moving = None if start.movement is None else _told_as_theirs(start.movement, name)
    ends_with = None if moving is None else given.num_kept
    masked = replace(start.state, weights=start.mask.apply(start.state.weights))
    return replace(start, state=masked, movement=moving, ends_with=ends_with)


def _told_as_theirs(movement: Movement, name: str) -> Movement:
    """Return the movement, whose faults are told by the line of the user's code that they came from."""

    def move(now: Now) -> Moved:
        with own_faults(f"own_method={name} fails after step {now.step}:", name):
            return movement.move(now)

    return replace(movement, move=move)


def check_named(setting: Setting) -> str:
    """Return the name of the function.

    Raises:
        ValueError: If none is named.
    """
    name = setting.analysis.own_method
    if name == "none":
        raise InputError("kind=own_method needs a function; write own_method=package.module:function")
    return name


OWN_METHOD = Recipe(_start, "a mask and a start that a function of the user's made, trained", anew=True)
