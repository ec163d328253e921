"""What was declared of a study before it began: its claims, their rules, and the seeds that will judge them.

A finding that was declared can't have been chosen by looking at results. What is compared is the text of a
claim's statement and rule, and the methods it is of: another rule is another claim.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from lth.evidence.claim.claim import Claim
from lth.setting.parameter import PARAMETERS

_MOST_NAMES = 4  # of settings that differ, in a sentence
# What parameters of claims beside the paper's decide, by family; those of all others are in the study's key.
_READ_BY: Mapping[str, frozenset[str]] = {
    "": frozenset({"matched"}),
    "volume": frozenset({"volume", "mass"}),
    "methods": frozenset({"own_method"}),
}


@dataclass(frozen=True)
class Declaration:
    """Seeds and claims, as they were written down before the study they are of had any result."""

    where: str  # the run that holds it
    when: str  # in UTC
    seeds: tuple[int, ...]
    claims: Mapping[str, str]  # digest of statement and rule, by the claim's id
    methods: frozenset[str] = frozenset()  # that the study was to train beyond the paper's baselines
    settings: Mapping[str, str] = field(default_factory=dict)  # by the names of parameters
    reported: frozenset[int] = frozenset()  # seeds of the study that were reported before

    def holds(self, claim: Claim, methods: frozenset[str], settings: Mapping[str, str]) -> bool:
        """Whether a claim of a study that trains these methods was declared, of the same ones.

        Methods that came later widen a claim over all of them; one that is gone may be gone for what it showed.
        With other settings of what it reads, it is another claim.
        """
        of_these = set(claim.over) <= self.methods <= methods if claim.over else True
        same = not self.changed(claim, settings)
        return of_these and same and self.claims.get(claim.id) == digest(claim)

    def changed(self, claim: Claim, settings: Mapping[str, str]) -> frozenset[str]:
        """Return the parameters of what a claim reads that have other values than were declared."""
        if not claim.beside or (claim.family == "methods" and "own_method" not in claim.over):
            return frozenset()
        read = _READ_BY.get(claim.family, frozenset({claim.family}))
        names = [parameter.name for parameter in PARAMETERS if read & set(parameter.decides)]
        return frozenset(name for name in names if self.settings.get(name) != settings.get(name))


def digest(claim: Claim) -> str:
    """Return what changes with what a claim says or how it is judged."""
    return hashlib.sha256(f"{claim.statement}\n{claim.rule}\n{claim.unit}".encode()).hexdigest()


def as_declared(
    declarations: Sequence[Declaration],
    seeds: Sequence[int],
    claims: Sequence[Claim],
    settings: Mapping[str, str] = MappingProxyType({}),
    elsewhere: Sequence[Declaration] = (),
) -> str:
    """Return in a sentence or two which findings of a report were declared, and which came after.

    Args:
        declarations: Of the study, the first one first.
        seeds: Of the report.
        claims: In it.
        settings: Of it, by the names of parameters.
        elsewhere: Declarations of studies with other settings.

    Example:
        >>> as_declared([], (0, 1), ())
        'Nothing was declared before this study began: its claims and settings may have been chosen by results.'
    """
    if not declarations:
        return " ".join(filter(None, (_NOTHING, _nearest(elsewhere, settings))))
    of_these = [each for each in declarations if set(each.seeds) == set(seeds)]
    others = list(dict.fromkeys(_listed(each.seeds) for each in declarations if each not in of_these))
    if not of_these:
        named = ", and seeds ".join(others)
        all_after = "not those of this report: all its findings came after."
        return f"{_written(declarations)} were seeds {named}, {all_after}"
    sentences = [
        _share(of_these, claims, settings),
        _reported_before(of_these),
        f"Declared were seeds {', and seeds '.join(others)} as well: one could choose among them."
        if others
        else "",
    ]
    return " ".join(filter(None, sentences))


_NOTHING = (
    "Nothing was declared before this study began: its claims and settings may have been chosen by results."
)


def _share(of_these: Sequence[Declaration], claims: Sequence[Claim], settings: Mapping[str, str]) -> str:
    """Return how many of the claims were declared, in whichever of the declarations, and which came after."""
    methods = frozenset(kind for claim in claims for kind in claim.over)
    held = {
        claim.id: next((each for each in of_these if each.holds(claim, methods, settings)), None)
        for claim in claims
    }
    after = [claim for claim in claims if held[claim.id] is None]
    holding = [each for each in of_these if each in held.values()] or of_these[:1]
    share = f"{len(claims) - len(after) if after else 'all'} of the {len(claims)} claims"
    result = "any other result" if of_these[0].reported else "any result"
    sentence = f"{_written(holding)}, before {result}, were these seeds, margins and settings, and {share}"
    if not after:
        return f"{sentence}."
    first = of_these[0]
    changed = sorted(
        {name for each in after if each.id in first.claims for name in first.changed(each, settings)}
    )
    why = f" (declared with {_assigned(first, changed)})" if changed else ""
    return f"{sentence}; {', '.join(claim.id for claim in after)} came after{why}."


def _reported_before(of_these: Sequence[Declaration]) -> str:
    reported = sorted(of_these[0].reported)
    return f"Seeds {_listed(reported)} of the study had been reported before." if reported else ""


def _nearest(elsewhere: Sequence[Declaration], settings: Mapping[str, str]) -> str:
    """Return what was declared of the same network and data with the fewest other settings."""

    def differing(each: Declaration) -> list[str]:
        return [name for name in {**each.settings, **settings} if each.settings.get(name) != settings.get(name)]

    alike = [each for each in elsewhere if not {"network", "dataset"} & set(differing(each))]
    if not alike:
        return ""
    nearest = min(alike, key=lambda each: len(differing(each)))
    names = differing(nearest)
    shown = _assigned(nearest, names[:_MOST_NAMES])
    more = f" and {len(names) - _MOST_NAMES} more that differ" if len(names) > _MOST_NAMES else ""
    return f"{_written([nearest])} was a study with {shown}{more}."


def _assigned(declaration: Declaration, names: Sequence[str]) -> str:
    return ", ".join(f"{name}={declaration.settings.get(name, 'its default')}" for name in names)


def _listed(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, seeds))


def _written(declarations: Sequence[Declaration]) -> str:
    return "Declared " + " and ".join(f"on {each.when} in run {each.where}" for each in declarations)
