"""Where a study measures: its solutions, and the points that pruning leaves before any retraining."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from lth.errors import InputError
from lth.setting.choice import value_hint

_OfPaper = Literal[
    "imp",  # level 0 is the dense network
    "one_shot",
    "fine_tune",
    "lr_rewind",
    "random_init",
    "random_prune",
    "random_prune_one_shot",
    "prune_larger",
]
_Method = Literal[
    # pruned before training
    "magnitude_at_init",
    "erk",
    "snip",
    "grasp",
    "synflow",
    # pruned during training
    "rigl",
    "set",
    "gradual",
    "ac_dc",
    "safe",
    # controls of the mask and of the rewind point
    "layer_magnitude",
    "shuffled",
    "signs_only",
    "magnitudes_only",
    "distribution_only",
    "cyclic_random",
    "permuted",
    "unpermuted",
    "own_method",  # of the user's: own_method=package.module:function
]
_Beside = Literal[  # trained beside a study's solutions
    "dense_state",  # what stability is told by, with its copies
    "copy",
    "other_dense",  # what `permuted` and `unpermuted` start from
]
Kind = Literal[_OfPaper, _Method, _Beside]

BASELINES: tuple[Kind, ...] = get_args(_OfPaper)[1:]
METHODS: tuple[Kind, ...] = get_args(_Method)  # beyond the paper: trained if a study is asked to (methods=…)
SOLUTIONS: tuple[Kind, ...] = (*get_args(_OfPaper), *METHODS)  # those of a study, a row each in its tables


@dataclass(frozen=True, order=True)
class Place:
    """A solution's place in a study: what kind it is, at which level."""

    kind: Kind
    level: int

    @classmethod
    def imp(cls, level: int) -> Place:
        """Return the place of w(L)."""
        return cls("imp", level)

    @property
    def name(self) -> str:
        """What a person calls the solution: `dense`, `level 3`, `one_shot at level 3`."""
        if self.kind == "imp":
            return "dense" if self.level == 0 else f"level {self.level}"
        return f"{self.kind} at level {self.level}"


@dataclass(frozen=True, order=True)
class Beside(Place):
    """The place of a training that is none of a study's solutions; most go along its dense one for a while."""

    step: int  # of the schedule, down to which it is the dense training itself


@dataclass(frozen=True, order=True)
class DenseState(Beside):
    """The place of the dense network as it is on the way: all that its training goes on from after a step."""

    @classmethod
    def after(cls, step: int) -> DenseState:
        """Return the place of the state after so many steps."""
        return cls("dense_state", 0, step)

    @property
    def name(self) -> str:
        """What a person calls it: `dense at step 500`."""
        return f"dense at step {self.step}"


@dataclass(frozen=True, order=True)
class Copy(Beside):
    """The place of a training to the end from the dense state after a step, under SGD noise of its own.

    The noise is the order of the data, its augmentation and what the network draws. At a level above 0 the
    state is masked by m(L).
    """

    number: int  # from 1 on

    @classmethod
    def of(cls, level: int, step: int, number: int) -> Copy:
        """Return the place of one copy under a level's mask."""
        return cls("copy", level, step, number)

    @property
    def name(self) -> str:
        """What a person calls it: `copy 1 of level 3 from step 500`."""
        return f"copy {self.number} of {self.origin}"

    @property
    def origin(self) -> str:
        """What it is a copy of."""
        return f"{Place.imp(self.level).name} from step {self.step}"


@dataclass(frozen=True, order=True)
class OtherDense(Beside):
    """The place of a dense network from another initialisation, trained under SGD noise of its own."""

    @classmethod
    def trained(cls) -> OtherDense:
        """Return its place, of which there is one: no step is that of the study's dense training."""
        return cls("other_dense", 0, 0)

    @property
    def name(self) -> str:
        """What a person calls it."""
        return "dense from another initialisation"


Form = Literal[
    "solution",  # w, as it was trained
    "projection",  # m(L) ⊙ w(L-1): the smallest weights pruned, the baseline of level L
    "reverse",  # w(L) in level L-1 space, where what L pruned is zero but free to move
    "next_larger",  # w(L-1) with the next-larger band pruned instead
]


@dataclass(frozen=True)
class Point:
    """Weights at which the landscape is measured, and the space they are seen in."""

    form: Form
    place: Place  # the solution itself; for what is left of w(L-1), level L

    @classmethod
    def at(cls, place: Place) -> Point:
        """Return the point of a solution itself."""
        return cls("solution", place)

    @classmethod
    def projection(cls, level: int) -> Point:
        """Return m(L) ⊙ w(L-1)."""
        return cls("projection", Place.imp(level))

    @classmethod
    def reverse(cls, level: int) -> Point:
        """Return w(L) as it is seen in level L-1 space."""
        return cls("reverse", Place.imp(level))

    @classmethod
    def next_larger(cls, level: int) -> Point:
        """Return w(L-1) without the band that `prune_larger` prunes."""
        return cls("next_larger", Place.imp(level))

    @property
    def name(self) -> str:
        """What a person calls it, such as `level 3`, `projection on level 3`, `level 3 in level-2 space`."""
        level = self.place.level
        words = {
            "solution": self.place.name,
            "projection": f"projection on level {level}",
            "reverse": f"{self.place.name} in level-{level - 1} space",
            "next_larger": f"next-larger pruned on level {level}",
        }
        return words[self.form]

    @property
    def symbol(self) -> str:
        """The same as a formula: `w(3)`, `m(3)⊙w(2)`, `w(3) in level-2 space`; baselines keep their name."""
        level = self.place.level
        solution = f"w({level})" if self.place.kind == "imp" else self.place.kind
        words = {
            "solution": solution,
            "projection": f"m({level})⊙w({level - 1})",
            "reverse": f"{solution} in level-{level - 1} space",
            "next_larger": f"m′({level})⊙w({level - 1})",
        }
        return words[self.form]

    @property
    def needs(self) -> tuple[Place, ...]:
        """The solutions it is made of; the first holds its weights, the last its mask."""
        if self.form == "solution":
            return (self.place,)
        before = Place.imp(self.place.level - 1)
        return {"projection": (before, self.place), "reverse": (self.place, before)}.get(self.form, (before,))


def parse_place(written: str, last: int, kinds: Sequence[Kind] = BASELINES) -> Place:
    """Read `3` or `last` as a level, and the name of a baseline or method as the one at level `last`.

    Args:
        written: By a user.
        last: Level.
        kinds: The baselines and methods of the study.

    Raises:
        ValueError: If it is none of them, the level is above `last`, or there are no baselines at level 0.
    """
    if written == "last":
        return Place.imp(last)
    baselines = tuple(kinds) if last > 0 else ()
    if written in baselines:
        return Place(written, last)
    if last > 0 and written in METHODS:
        raise InputError(
            f"{written} is no solution of this study, which trains it nowhere; add methods={written}"
        )
    if not written.isdecimal() or int(written) > last:
        names = ", ".join(["last", *baselines])
        raise InputError(
            f"{written!r} is no solution of this study; write a level from 0 to {last}, or one of {names}"
            f"{value_hint(written, ['last', *baselines])}"
        )
    return Place.imp(int(written))
