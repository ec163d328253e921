"""How much error a report may spend on a study that was reported before, under fewer seeds say.

Who looks after three seeds, adds two because nothing was decided, and looks again, gives chance another go:
five looks at 5 % on either side find something that is not there in up to 29 of 100 studies. A look is a report
over a set of seeds that could decide anything, two or more, and that had not been reported; the same report
again is the same look. After n different seeds were looked at,

    α(n) = α (1 - 1 / (2 (n - 1)))

is spent: half of α at two seeds, three quarters at three, 97 % at twenty. A look has what its new seeds add to
that, and what it decided stands in those that follow, as long as all seeds bear it out at α. So a wrong verdict
in any look has at most probability α, whatever the looks (Bonferroni over them; it is so for each of several
tests too, which sharper boundaries are not). A study that is looked at once loses little, one that is looked at
again is judged more strictly, and a look that takes some of the seeds seen before and leaves others out, which
may be those that please, decides nothing new.

A report over one seed is no look: it decides nothing. It shows the seed, though, so who reports seeds one by
one, and all of them together once that pleases, errs more often (in 9 of 100 null studies by the fifth seed, 19
by the twentieth). A report says so of seeds that were seen alone (`alone`): their number has to be fixed
before. What else it can't know: reports of which the store holds nothing, unless it is told of them
(`reported`), and other settings that were tried.

Source: Lan and DeMets 1983, "Discrete sequential boundaries for clinical trials", who spend α by what is known
so far over looks that nobody planned.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from lth.errors import InputError
from lth.evidence.certainty import ALPHA


@dataclass(frozen=True)
class Look:
    """Which look at a study a report is, and how many seeds were seen."""

    number: int  # 1 for the first
    before: int  # different seeds in all looks before it
    seen: int  # the same with its own
    known: frozenset[int] = field(
        default=frozenset(), compare=False, repr=False
    )  # seeds of all looks, later ones too
    alone: int = field(default=0, compare=False, repr=False)  # of its seeds, reported one by one before
    fresh: int = field(default=0, compare=False, repr=False)  # of its seeds, in no report before

    @property
    def error(self) -> float:
        """The probability of a wrong verdict that it may have; 0 if it sees no new seed, or may be a choice."""
        return spent(self.seen) - spent(self.before)

    def error_with(self, new: int) -> float:
        """Return what the next look may have if it has all seeds that are known and so many new ones."""
        return spent(len(self.known) + new) - spent(len(self.known))


FIRST = Look(1, 0, 0)


def spent(seeds: int) -> float:
    """Return the error that is spent when so many different seeds were looked at.

    Raises:
        ValueError: If the number is below zero.

    Example:
        >>> [round(spent(seeds), 5) for seeds in (1, 2, 3, 5, 20)]
        [0.0, 0.025, 0.0375, 0.04375, 0.04868]
    """
    if seeds < 0:
        raise InputError(f"{seeds} seeds can't be looked at; expected at least 0")
    return ALPHA * (1 - 1 / (2 * (seeds - 1))) if seeds > 1 else 0.0


def look_at(earlier: Iterable[Sequence[int]], seeds: Sequence[int]) -> Look:
    """Return which look at a study a report is.

    Args:
        earlier: The seeds of every report made before, the first one first.
        seeds: Of this one; if they were reported before, it is that look again.

    Example:
        >>> look_at([[0, 1, 2], [0]], [0, 1, 2, 3, 4])
        Look(number=2, before=3, seen=5)
    """
    reports = [frozenset(each) for each in (*earlier, seeds)]
    known = frozenset[int]().union(*(report for report in reports if len(report) > 1))
    number, before, alone = 1, frozenset[int](), frozenset[int]()
    for report in dict.fromkeys(reports):
        if len(report) < 2:
            alone |= report
            continue
        seen = before | alone
        chosen = bool(seen & report and seen - report)
        if report == frozenset(seeds):
            with_own = before if chosen else before | report
            unseen = report - before - alone
            return Look(number, len(before), len(with_own), known, len(report & alone), len(unseen))
        number, before = number + 1, before | report
    return Look(number, len(before), len(before), known)  # one seed decides nothing


def looks_before(earlier: Iterable[Sequence[int]], seeds: Sequence[int]) -> list[tuple[int, ...]]:
    """Return the seeds of the looks before that of a report whose verdicts stand in it.

    That is of those over some of its seeds: what others saw is not there to be judged.

    Args:
        earlier: The seeds of every report made before, the first one first.
        seeds: Of this one.

    Example:
        >>> looks_before([[0, 1, 2], [0], [3, 4], [0, 1, 2, 3]], [0, 1, 2, 3, 5])
        [(0, 1, 2), (0, 1, 2, 3)]
    """
    found: list[tuple[int, ...]] = []
    for report in dict.fromkeys(tuple(sorted(set(each))) for each in earlier):
        if set(report) == set(seeds):
            break
        if len(report) > 1 and set(report) < set(seeds):
            found.append(report)
    return found
