"""What a claim is: a statement, the cases it is about, and the statistic that it says is above zero in each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lth.evidence.evidence import Evidence
from lth.plan.place import Kind, Place


@dataclass(frozen=True)
class Case:
    """A level, or a comparison with a baseline at a level, that a claim is tested at."""

    place: Place

    @property
    def label(self) -> str:
        """What a person calls it: `level 3`, `one_shot`."""
        return f"level {self.level}" if self.place.kind == "imp" else self.place.kind

    @property
    def level(self) -> int:
        """The level it is logged at."""
        return self.place.level


def continuous(_evidence: Evidence) -> float:
    """Return the resolution of a statistic that can take any value."""
    return 0.0


@dataclass(frozen=True)
class Claim:
    """One of the paper's results, in a form that numbers can refute."""

    id: str  # of docs/protocol.md, section 5, with a letter where a result says several things
    statement: str
    paper: str  # where the paper shows it
    unit: str  # of the statistic
    cases: Callable[[int], tuple[Case, ...]]  # of a study, by its last level
    statistic: Callable[[Evidence, Case], float | None]  # > 0 if the claim holds; None if undefined
    rule: str  # how the statistic is computed, and which figure of the paper shows it
    resolution: Callable[[Evidence], float] = continuous  # by how much two values differ at least, if they do
    beside: str = ""  # the paper's claim that it is a variant of; empty for one of the paper's own
    family: str = ""  # of claims that stand beside the paper's, what is judged together
    over: tuple[Kind, ...] = ()  # methods that a study names and it is of: with others it is another claim
    left_out: str = ""  # which cases it would be about elsewhere, and why it is not here
    quantity: str = ""  # what the statistic is, where it is held against a margin and not against its like

    @property
    def number(self) -> str:
        """What its numbers are: `nats`, or `barrier − margin (nats)`."""
        return f"{self.quantity} ({self.unit})" if self.quantity else self.unit


def every_level(last: int) -> tuple[Case, ...]:
    """Return the levels that have a level before them: 1 … last."""
    return tuple(Case(Place.imp(level)) for level in range(1, last + 1))


def baselines(*kinds: Kind) -> Callable[[int], tuple[Case, ...]]:
    """Return the function to these baselines at the last level; a study of the dense network alone has none."""

    def at_last(last: int) -> tuple[Case, ...]:
        return tuple(Case(Place(kind, last)) for kind in kinds) if last > 0 else ()

    return at_last
