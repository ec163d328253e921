"""What was declared of a study before it began: its claims, their rules, and the seeds that will judge them.

A finding that was declared can't have been chosen by looking at results. What is compared is the text of a
claim's statement and rule, and the methods it is of: another rule is another claim.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lth.evidence.claim.claim import Claim


@dataclass(frozen=True)
class Declaration:
    """Seeds and claims, as they were written down before the study they are of had any result."""

    where: str  # the run that holds it
    when: str  # in UTC
    seeds: tuple[int, ...]
    claims: Mapping[str, str]  # digest of statement and rule, by the claim's id
    methods: frozenset[str] = frozenset()  # that the study was to train beyond the paper's baselines

    def holds(self, claim: Claim, methods: frozenset[str]) -> bool:
        """Whether a claim of a study that trains these methods was declared, of the same ones.

        Methods that came later widen a claim over all of them; one that is gone may be gone for what it showed.
        """
        of_these = set(claim.over) <= self.methods <= methods if claim.over else True
        return of_these and self.claims.get(claim.id) == digest(claim)


def digest(claim: Claim) -> str:
    """Return what changes with what a claim says or how it is judged."""
    return hashlib.sha256(f"{claim.statement}\n{claim.rule}\n{claim.unit}".encode()).hexdigest()


def as_declared(declarations: Sequence[Declaration], seeds: Sequence[int], claims: Sequence[Claim]) -> str:
    """Return in a sentence which findings of a report were declared, and which came after.

    Args:
        declarations: Of the study, the first one first.
        seeds: Of the report.
        claims: In it.

    Example:
        >>> as_declared([], (0, 1), ())
        'Nothing was declared before this study began: its claims and settings may have been chosen by results.'
    """
    of_these = next((each for each in declarations if set(each.seeds) == set(seeds)), None)
    if of_these is None and not declarations:
        return _NOTHING
    if of_these is None:
        first = declarations[0]
        others = ", ".join(map(str, first.seeds))
        return f"{_written(first)} were seeds {others}, not those of this report: all its findings came after."
    methods = frozenset(kind for claim in claims for kind in claim.over)
    after = [claim.id for claim in claims if not of_these.holds(claim, methods)]
    share = f"{len(claims) - len(after) if after else 'all'} of the {len(claims)} claims"
    sentence = f"{_written(of_these)}, before any result, were these seeds, margins and settings, and {share}"
    return f"{sentence}; {', '.join(after)} came after." if after else f"{sentence}."


_NOTHING = (
    "Nothing was declared before this study began: its claims and settings may have been chosen by results."
)


def _written(declaration: Declaration) -> str:
    return f"Declared on {declaration.when} in run {declaration.where}"
