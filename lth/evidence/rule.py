"""The rule of a verdict: what the estimates of a claim's cases, one a level or baseline, say of the claim.

A claim says that a mean over seeds is above zero in every one of its cases.

Supported: a one-sided t test at α in each case, and all of them reject. This is an intersection-union test: the
claim is false if one of its cases is, and that case's own test errs with α. So the level is α whatever the
number of cases and their dependence, and nothing is divided; the p of the claim is the largest of its cases.

Refuted: one case below zero is enough, so there the number of cases counts. Holm's procedure over the one-sided
p values: its first step, m times the smallest p, decides the claim, and the later ones say which cases. Holm
needs nothing of the dependence; differences at successive levels share a solution with opposite sign, so that
Simes' and Hochberg's tests, which need positive dependence, would not be safe.

The two errors exclude each other: where the claim is true only "refuted" is wrong, where it is false only
"supported". Each has all of α, and no claim errs with more.

A claim of its own is that the mean over the cases is above zero: one number a seed, one t test, α on the side
it falls. It says nothing of any single case, and has power at two or three seeds, where the other has little.

Where a study was looked at before, each look has an error of its own (`lth.evidence.looks`), and what one
decided stands in those that follow, as long as the tests over all seeds bear it out at α. That only takes
verdicts away: it can't make errors more frequent.

Sources: Berger 1982, "Multiparameter hypothesis testing and acceptance sampling"; Holm 1979, "A simple
sequentially rejective multiple test procedure"; Shaffer 1980, "Control of directional errors with stagewise
multiple test procedures", whose question a verdict on either side is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from lth.errors import InputError
from lth.evidence.certainty import Estimate

Verdict = Literal["supported", "refuted", "undecided"]


@dataclass(frozen=True)
class Judgement:
    """What the rule says of a claim, and of each of its cases."""

    verdict: Verdict
    by_case: tuple[Verdict, ...]  # in the order of the cases
    p_supported: float | None  # of the claim's test; None if no case can be tested
    p_refuted: float | None
    alpha: float

    @property
    def p(self) -> float | None:
        """The smaller of the two: of the verdict, where there is one."""
        if self.p_supported is None or self.p_refuted is None:
            return None
        return min(self.p_supported, self.p_refuted)


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Return p values adjusted for being several, in the order given.

    The i-th smallest of m becomes max over j <= i of (m - j + 1) p(j), at most 1. Those of at most α may all be
    rejected at once: an error among them has at most probability α, whatever the dependence.

    Raises:
        ValueError: If a value is not between 0 and 1.

    Example:
        >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
        [0.03, 0.06, 0.06]
    """
    if odd := [p for p in p_values if not 0 <= p <= 1]:
        raise InputError(f"a p value is {odd[0]}; expected a number between 0 and 1")
    adjusted, largest = [0.0] * len(p_values), 0.0
    for step, index in enumerate(sorted(range(len(p_values)), key=lambda index: p_values[index])):
        largest = max(largest, min(1.0, (len(p_values) - step) * p_values[index]))
        adjusted[index] = largest
    return tuple(adjusted)


def judge_every(cases: Sequence[Estimate], alpha: float) -> Judgement:
    """Return the verdict on a claim that says that the mean is above zero in every case.

    A case that can't be tested supports and refutes nothing. Where the claim as a whole is not supported, cases
    that hold are those that Holm's procedure over all of them leaves.

    Args:
        cases: One a case; without any, the claim is undecided.
        alpha: Chance of a wrong verdict; with 0 there is none.
    """
    if not any(case.testable for case in cases):
        nothing: Verdict = "undecided"
        return Judgement(nothing, (nothing,) * len(cases), None, None, alpha)
    above = [_p(case, case.p_above) for case in cases]
    below = holm([_p(case, case.p_below) for case in cases])
    verdict = _verdict(max(above), min(below), alpha)
    by_case = (verdict,) * len(cases)
    if verdict != "supported":
        by_case = tuple(_verdict(up, down, alpha) for up, down in zip(holm(above), below, strict=True))
    return Judgement(verdict, by_case, max(above), min(below), alpha)


def judge_mean(estimate: Estimate, alpha: float) -> Verdict:
    """Return the verdict on a claim that says that one mean is above zero."""
    return judge_every([estimate], alpha).verdict


def _p(case: Estimate, p: float | None) -> float:
    return p if case.testable and p is not None else 1.0


def _verdict(p_supported: float, p_refuted: float, alpha: float) -> Verdict:
    if alpha == 0:
        return "undecided"
    if p_supported <= alpha:
        return "supported"
    return "refuted" if p_refuted <= alpha else "undecided"
