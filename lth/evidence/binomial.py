"""How sure an accuracy is that was counted on a sample of examples.

An interval says which accuracies on all examples of the kind are at odds with what was counted on these: it is
about the test set that was drawn, not about seeds.

Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference"; of the simple
intervals the one whose coverage is nearest to what it says (Brown, Cai and DasGupta 2001).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction

from scipy.special import ndtri

from lth.errors import InputError
from lth.evidence.evidence import Evidence
from lth.plan.place import Place
from lth.setting.terms import terms

_MOST_EXAMPLES = 10**6  # of a test set whose size can be read off accuracies


def wilson_interval(share: float, num_examples: int, *, alpha: float = 0.025) -> tuple[float, float]:
    """Return the interval of a share of independent examples, with an error of about `alpha` at each end.

    (p + z²/2n ± z √(p (1 - p)/n + z²/4n²)) / (1 + z²/n), of which both ends lie in [0, 1].

    Raises:
        ValueError: If the share is not in [0, 1], or there is no example.

    Example:
        >>> [round(end, 3) for end in wilson_interval(9 / 10, 10)]
        [0.596, 0.982]
    """
    if not (0 <= share <= 1 and num_examples > 0):
        raise InputError(f"{share} of {num_examples} examples has no interval; give a share of at least one")
    squared = float(ndtri(1 - alpha)) ** 2 / num_examples  # z²/n
    middle = (share + squared / 2) / (1 + squared)
    half = math.sqrt(squared * (share * (1 - share) + squared / 4)) / (1 + squared)
    return max(0.0, middle - half), min(1.0, middle + half)


def num_examples(shares: Iterable[float]) -> int | None:
    """Return of how many examples some accuracies are shares: their least common denominator.

    It divides the number of examples, so an interval made with it is never too narrow. None where they have no
    denominator up to a million, as those of a network that is not judged by counting.

    Example:
        >>> num_examples([0.5, 0.25, 1 / 3])
        12
    """
    known = [share for share in shares if math.isfinite(share)]
    exact = [Fraction(share).limit_denominator(_MOST_EXAMPLES) for share in known]
    if not exact or any(float(share) != value for share, value in zip(exact, known, strict=True)):
        return None
    found = math.lcm(*(share.denominator for share in exact))
    return found if found <= _MOST_EXAMPLES else None


def accuracy_intervals(evidence: Evidence, places: Sequence[Place]) -> dict[Place, tuple[float, float] | None]:
    """Return the interval of each solution's test accuracy; None where it was not counted."""
    if not terms().is_counted:
        return dict.fromkeys(places)
    attained = {place: evidence.attained[place] for place in places}
    examples = num_examples(record.test.accuracy for reached in attained.values() for record in reached.history)
    return {place: interval_if_any(reached.test_accuracy, examples) for place, reached in attained.items()}


def interval_if_any(share: float, examples: int | None) -> tuple[float, float] | None:
    """Return the interval of a share; None without a number of examples, or of what is no share."""
    return None if examples is None or not 0 <= share <= 1 else wilson_interval(share, examples)
