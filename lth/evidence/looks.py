"""How much error a report may spend on a study that was reported before, under fewer seeds say.

Who looks after three seeds, adds two because nothing was decided, and looks again, gives chance another go:
five looks at 5 % find something that is not there in up to 26 of 100 studies. A look is a report over a set of
seeds that could decide anything, two or more, and that had not been reported; the same report again is none.
The look k spends

    α₁ = 4/5 α,    α_k = 1/5 α / (k (k - 1)) for k >= 2,

which adds up to α over however many looks, so that a wrong verdict in any of them has at most probability α,
whatever the number of seeds at each (Bonferroni over looks; Lan and DeMets 1983, "Discrete sequential
boundaries for clinical trials", who spend α over looks that nobody planned). The first look has most of it, as
most studies are looked at once; a later one is harder to satisfy, but has more seeds.

What it can't know: reports of which the store holds nothing, and other settings that were tried.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lth.errors import InputError
from lth.evidence.certainty import ALPHA

FIRST_SHARE = 0.8


def error_of_look(number: int) -> float:
    """Return the probability of a wrong verdict that a look may have.

    Args:
        number: 1 for the first.

    Raises:
        ValueError: If it is below 1.

    Example:
        >>> [round(error_of_look(number), 5) for number in (1, 2, 3)]
        [0.04, 0.005, 0.00167]
    """
    if number < 1:
        raise InputError(f"look {number} does not exist; the first is 1")
    if number == 1:
        return FIRST_SHARE * ALPHA
    return (1 - FIRST_SHARE) * ALPHA / (number * (number - 1))


def number_of_look(earlier: Iterable[Sequence[int]], seeds: Sequence[int]) -> int:
    """Return which look at a study a report is.

    Args:
        earlier: The seeds of every report made before, the first one first.
        seeds: Of this one; if they were reported before, it is that look again.

    Example:
        >>> number_of_look([[0, 1, 2], [0]], [0, 1, 2, 3, 4]), number_of_look([[0, 1, 2]], [2, 1, 0])
        (2, 1)
    """
    looks = dict.fromkeys(frozenset(each) for each in (*earlier, seeds) if len(set(each)) > 1)
    return 1 + list(looks).index(frozenset(seeds)) if frozenset(seeds) in looks else len(looks) + 1
