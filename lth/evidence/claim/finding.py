"""Claims held against the evidence of several seeds: an estimate and a verdict per case, and a verdict."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lth.errors import InputError
from lth.evidence.certainty import Estimate, Verdict, estimate_mean, verdict_on
from lth.evidence.claim.claim import Case, Claim
from lth.evidence.evidence import Evidence
from lth.evidence.table import Table


@dataclass(frozen=True)
class Outcome:
    """What the seeds say of a claim in one case."""

    case: Case
    estimate: Estimate  # its values in the order of `Finding.seeds`
    verdict: Verdict


@dataclass(frozen=True)
class Finding:
    """What the seeds say of a claim."""

    claim: Claim
    seeds: tuple[int, ...]  # ascending
    outcomes: tuple[Outcome, ...]  # in the order of the claim's cases

    @property
    def verdict(self) -> Verdict:
        """The claim's own: `supported` if it is in every case, `refuted` if it is in any, else `undecided`.

        A claim says something of all its cases, so one refuted case refutes it, whatever the others say; which
        one it is stands in `outcomes`. A claim without cases is undecided.
        """
        verdicts = {outcome.verdict for outcome in self.outcomes}
        if "refuted" in verdicts:
            return "refuted"
        return "supported" if verdicts == {"supported"} else "undecided"

    @property
    def num_agreeing(self) -> int:
        """In how many pairs of a seed and a case the statistic is above zero, as the claim says."""
        return sum(outcome.estimate.num_positive for outcome in self.outcomes)

    @property
    def num_measured(self) -> int:
        """In how many pairs of a seed and a case there is a statistic."""
        return sum(len(outcome.estimate.measured) for outcome in self.outcomes)

    @property
    def num_missing(self) -> int:
        """In how many pairs of a seed and a case there is none."""
        return sum(outcome.estimate.num_missing for outcome in self.outcomes)


def evaluate(claims: Sequence[Claim], evidences: Sequence[Evidence]) -> tuple[Finding, ...]:
    """Hold claims against evidence, a finding a claim.

    Args:
        claims: Which, usually `CLAIMS`.
        evidences: One a seed, in any order: the findings are the same.

    Raises:
        ValueError: If there is no evidence, a seed comes twice, or the studies have different last levels.
    """
    if not evidences:
        raise InputError("there is no evidence; give the study of at least one seed")
    ordered = sorted(evidences, key=lambda evidence: evidence.seed)
    seeds = tuple(evidence.seed for evidence in ordered)
    if repeated := sorted({seed for seed in seeds if seeds.count(seed) > 1}):
        raise InputError(f"seed {', '.join(map(str, repeated))} comes more than once; give each seed once")
    if len(lasts := sorted({evidence.last for evidence in ordered})) > 1:
        raise InputError(
            f"the studies end at levels {', '.join(map(str, lasts))}; give studies of one last level"
        )
    return tuple(_finding(claim, seeds, ordered) for claim in claims)


def as_table(findings: Sequence[Finding]) -> Table:
    """Return a row for each case of each claim, with a column for the value of each seed.

    Raises:
        ValueError: If the findings are not all of the same seeds.
    """
    if len({finding.seeds for finding in findings}) > 1:
        raise InputError("the findings are of different seeds; make a table for each")
    seeds = findings[0].seeds if findings else ()
    return Table(
        headings=(
            "claim",
            "case",
            "unit",
            "seeds",
            *[f"seed {seed}" for seed in seeds],
            "mean",
            "low",
            "high",
            "confidence",
            "verdict",
        ),
        rows=tuple(_row(finding, outcome) for finding in findings for outcome in finding.outcomes),
    )


def _finding(claim: Claim, seeds: tuple[int, ...], ordered: Sequence[Evidence]) -> Finding:
    cases = claim.cases(ordered[0].last)
    outcomes = []
    for case in cases:
        values = [_finite(claim.statistic(evidence, case)) for evidence in ordered]
        estimate = estimate_mean(values, comparisons=len(cases))
        outcomes.append(Outcome(case, estimate, verdict_on(estimate)))
    return Finding(claim, seeds, tuple(outcomes))


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _row(finding: Finding, outcome: Outcome) -> tuple[str | int | float | None, ...]:
    estimate = outcome.estimate
    return (
        finding.claim.id,
        outcome.case.label,
        finding.claim.unit,
        len(estimate.measured),
        *estimate.values,
        estimate.mean,
        estimate.low,
        estimate.high,
        None if estimate.low is None else estimate.confidence,
        outcome.verdict,
    )
