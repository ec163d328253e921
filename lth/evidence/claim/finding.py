"""Claims held against the evidence of several seeds: a verdict for every case, one on average, and how sure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from lth.errors import InputError
from lth.evidence.certainty import ALPHA, FLOAT32, Estimate, estimate_mean
from lth.evidence.claim.claim import Case, Claim
from lth.evidence.evidence import Evidence
from lth.evidence.looks import Look, look_at, looks_before, spent
from lth.evidence.power import SeedsNeeded, seeds_needed
from lth.evidence.rule import Judgement, Verdict, holm, judge_every, judge_mean
from lth.evidence.sign_flip import sign_flip_p
from lth.evidence.table import Table
from lth.setting.terms import terms


@dataclass(frozen=True)
class Outcome:
    """What the seeds say of a claim in one case."""

    case: Case
    estimate: Estimate  # its values in the order of `Finding.seeds`
    verdict: Verdict  # of all looks


@dataclass(frozen=True)
class Finding:
    """What the seeds say of a claim."""

    claim: Claim
    seeds: tuple[int, ...]  # ascending
    look: Look  # at the study
    outcomes: tuple[Outcome, ...]  # in the order of the claim's cases
    judgement: Judgement  # on every case
    average: Estimate  # of the mean over the cases, which is a claim of its own
    p_adjusted: float | None  # the judgement's p, adjusted for all of its family evaluated together (Holm)
    earlier: tuple[Finding, ...] = ()  # of the looks before, over some of its seeds, the first one first

    @property
    def looks(self) -> tuple[Finding, ...]:
        """The looks before whose verdicts stand here, and this one."""
        return (*self.earlier, self)

    @property
    def error(self) -> float:
        """The probability of a wrong verdict, of all looks that it is of."""
        return math.fsum(each.look.error for each in self.looks)

    @property
    def is_decidable(self) -> bool:
        """Whether a case could be tested in one of these looks."""
        return any(each.judgement.p is not None for each in self.looks)

    @property
    def verdict(self) -> Verdict:
        """Whether the claim holds in every case: the rule is that of `lth.evidence.rule`."""
        return "undecided" if self.decided_by is None else self.decided_by.judgement.verdict

    @property
    def decided_by(self) -> Finding | None:
        """The look that decided that: this one, else the first before it whose verdict stands; None if none.

        What this one decides with the error it has, its tests bear out at α, which is no less.
        """
        borne_out = judge_every([outcome.estimate for outcome in self.outcomes], ALPHA).verdict
        return self._first_with(borne_out, lambda look: look.judgement.verdict)

    @property
    def average_verdict(self) -> Verdict:
        """Whether it holds on average over its cases."""
        return "undecided" if self.average_decided_by is None else self.average_decided_by.own_average_verdict

    @property
    def average_decided_by(self) -> Finding | None:
        """The look that decided that, as `decided_by`."""
        return self._first_with(judge_mean(self.average, ALPHA), lambda look: look.own_average_verdict)

    def _first_with(self, borne_out: Verdict, verdict: Callable[[Finding], Verdict]) -> Finding | None:
        """Return the first look, from this one on, that decided what all seeds bear out."""
        return next((look for look in (self, *self.earlier) if verdict(look) == borne_out != "undecided"), None)

    @property
    def own_average_verdict(self) -> Verdict:
        """Whether this look alone says so."""
        return judge_mean(self.average, self.judgement.alpha)

    @property
    def weakest(self) -> Outcome | None:
        """The case that speaks least for the claim, one that lacks a value first; None if none is testable."""
        if not any(outcome.estimate.testable for outcome in self.outcomes):
            return None

        def against(outcome: Outcome) -> float:
            return (outcome.estimate.p_above or 0.0) if outcome.estimate.testable else 2.0

        return max(self.outcomes, key=against)

    @property
    def sign_flip_p(self) -> float | None:
        """The claim's p by the exact sign-flip test, on the side that its p is of; None below five seeds.

        Of the cases the largest; against the claim Holm's first step, as in the rule.
        """
        up, down = self.judgement.p_supported or 0.0, self.judgement.p_refuted or 0.0
        side = 1.0 if up <= down else -1.0
        values = [
            None
            if each.estimate.num_missing
            else sign_flip_p([side * value for value in each.estimate.measured])
            for each in self.outcomes
        ]
        known = [p for p in values if p is not None]
        if not known or len(known) < len(values):
            return None
        return max(known) if side > 0 else min(1.0, len(known) * min(known))

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

    @property
    def leaning(self) -> Verdict:
        """The verdict that more seeds would give if every mean is what it seems; undecided if none would."""
        means = [outcome.estimate.mean for outcome in self.outcomes]
        if not means or any(mean is None for mean in means):
            return "undecided"
        least = min(mean for mean in means if mean is not None)
        return "supported" if least > 0 else "refuted" if least < 0 else "undecided"

    @property
    def needed(self) -> SeedsNeeded | None:
        """How many seeds in all would decide the claim at the next look, the way it leans.

        None if seeds don't tell: fewer than two, or some without a value, or no mean to either side of zero.
        """
        return self._decided_by(self._next_error)

    @property
    def needed_alone(self) -> int | None:
        """How many other seeds would decide it in a study of their own, whose looks don't count here."""
        needed = self._decided_by(spent)
        return None if needed is None else needed.expected

    @property
    def average_leaning(self) -> Verdict:
        """The side of zero that the mean over the cases is on; undecided if on none."""
        mean = self.average.mean or 0.0
        return "supported" if mean > 0 else "refuted" if mean < 0 else "undecided"

    @property
    def average_needed(self) -> SeedsNeeded | None:
        """How many seeds in all would decide the claim on average at the next look, as `needed` says."""
        return self._average_decided_by(self._next_error)

    @property
    def average_needed_alone(self) -> int | None:
        """The same of other seeds in a study of their own."""
        needed = self._average_decided_by(spent)
        return None if needed is None else needed.expected

    def _decided_by(self, error: Callable[[int], float]) -> SeedsNeeded | None:
        """Return how many seeds decide with the error that so many may spend."""
        estimates = [outcome.estimate for outcome in self.outcomes]
        if not all(estimate.testable for estimate in estimates) or self.leaning == "undecided":
            return None
        if self.leaning == "supported":
            return seeds_needed(list(map(_effect_above, estimates)), len(self.seeds), error)
        least = max(map(_effect_below, estimates))
        return seeds_needed(
            [least], len(self.seeds), lambda seeds: error(seeds) / len(estimates)
        )  # Holm's step

    def _average_decided_by(self, error: Callable[[int], float]) -> SeedsNeeded | None:
        average = self.average
        if not average.testable or not average.mean:
            return None
        effect = _effect_above(average) if average.mean > 0 else _effect_below(average)
        return seeds_needed([effect], len(self.seeds), error)

    def _next_error(self, seeds: int) -> float:
        """Return the error that the next look may spend if it has so many seeds, with all that are known."""
        return self.look.error_with(max(0, seeds - len(self.look.known)))


def evaluate(
    claims: Sequence[Claim], evidences: Sequence[Evidence], earlier: Sequence[Sequence[int]] = ()
) -> tuple[Finding, ...]:
    """Hold claims against evidence, a finding a claim: the paper's first, then those that stand beside them.

    The two are families of their own: what is adjusted for all claims is adjusted for those of its family.

    Args:
        claims: Which, usually `CLAIMS`.
        evidences: One a seed, in any order: the findings are the same.
        earlier: The seeds of every report that was made of this study before, the first one first: each look
            leaves less error to the next (`lth.evidence.looks`), and what it decided stands where all seeds
            bear it out.

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
    before = looks_before(earlier, seeds)

    def at(claim: Claim, seen: tuple[int, ...], looks: tuple[Finding, ...] = ()) -> Finding:
        of_these = [evidence for evidence in ordered if evidence.seed in seen]
        return _finding(claim, seen, of_these, look_at(earlier, seen), looks)

    found = [at(claim, seeds, tuple(at(claim, each) for each in before)) for claim in claims]
    return tuple(finding for family in families(found) for finding in _adjusted(family))


_BESIDE: Mapping[str, str] = {
    "": "at one training loss",
    "methods": "on methods beyond the paper's",
    "volume": "by volumes that were sampled",
    "aligned": "with units matched",
    "function": "on what solutions compute",
    "sharpness": "by adaptive sharpness",
    "forecast": "on forecasts of pruning",
}  # what a family of claims beside the paper's is on


def family_name(family: Sequence[Finding]) -> str:
    """Return what the claims of a family beside the paper's are on, such as `with units matched`."""
    return _BESIDE[family[0].claim.family]


def families(findings: Sequence[Finding]) -> tuple[tuple[Finding, ...], ...]:
    """Return the findings on the paper's own claims, and those on each family of claims beside them."""
    beside = dict.fromkeys(each.claim.family for each in findings if each.claim.beside)
    return tuple(
        part
        for part in (
            tuple(each for each in findings if not each.claim.beside),
            *(
                tuple(each for each in findings if each.claim.beside and each.claim.family == name)
                for name in beside
            ),
        )
        if part
    )


def expected_errors(findings: Sequence[Finding]) -> float:
    """Return how many wrong verdicts to expect among the findings, at most: the error of each that can be."""
    return sum(finding.error for finding in findings if finding.is_decidable)


def as_table(findings: Sequence[Finding]) -> Table:
    """Return a row for each case of each claim, with a column for the value of each seed, after one on average.

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
            "p",
            "verdict",
        ),
        rows=tuple(row for finding in findings for row in _rows(finding)),
    )


def _finding(
    claim: Claim,
    seeds: tuple[int, ...],
    ordered: Sequence[Evidence],
    look: Look,
    earlier: tuple[Finding, ...],
) -> Finding:
    alpha = look.error or ALPHA  # of intervals, where nothing may be decided
    cases = claim.cases(ordered[0].last)
    resolution = max(claim.resolution(evidence) for evidence in ordered)
    values = [[_finite(claim.statistic(evidence, case)) for evidence in ordered] for case in cases]
    estimates = [estimate_mean(of_case, alpha=alpha, resolution=resolution) for of_case in values]
    means = [_mean([of_case[seed] for of_case in values]) for seed in range(len(seeds))]
    # It varies in finer steps, but what rounding does to a seed's cases may have the same sign in all of them.
    average = estimate_mean(means, alpha=alpha, resolution=resolution)
    judgement = judge_every(estimates, look.error)
    # What a look decided of a case stands if all seeds bear it out, as in `Finding.decided_by` of the claim.
    said = zip(judgement.by_case, *(each.judgement.by_case for each in earlier), strict=True)
    borne_out = judge_every(estimates, ALPHA).by_case
    verdicts: list[Verdict] = [
        now if now in by_look else "undecided" for now, by_look in zip(borne_out, said, strict=True)
    ]
    outcomes = map(Outcome, cases, estimates, verdicts)
    return Finding(claim, seeds, look, tuple(outcomes), judgement, average, None, earlier)


def _adjusted(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Return the findings of one family with their p adjusted for all of them that can be decided."""
    known = [finding.judgement.p for finding in findings if finding.judgement.p is not None]
    adjusted = iter(holm([min(1.0, p) for p in known]))
    return tuple(
        finding if finding.judgement.p is None else replace(finding, p_adjusted=next(adjusted))
        for finding in findings
    )


def _effect_above(estimate: Estimate) -> float:
    return estimate.effect_low or 0.0


def _effect_below(estimate: Estimate) -> float:
    return -(estimate.effect_high or 0.0)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    if not known or len(known) < len(values):
        return None
    total = math.fsum(known)
    only_rounding = abs(total) <= FLOAT32 * max(map(abs, known))  # of cases that cancel
    return 0.0 if only_rounding else total / len(known)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _rows(finding: Finding) -> list[tuple[str | int | float | None, ...]]:
    def row(case: str, estimate: Estimate, verdict: Verdict) -> tuple[str | int | float | None, ...]:
        return (
            finding.claim.id,
            case,
            terms().reworded(finding.claim.number),
            len(estimate.measured),
            *estimate.values,
            estimate.mean,
            estimate.low,
            estimate.high,
            None if estimate.low is None else estimate.confidence,
            estimate.p_above,
            verdict,
        )

    whole = [row("on average", finding.average, finding.average_verdict)] if len(finding.outcomes) > 1 else []
    return whole + [row(each.case.label, each.estimate, each.verdict) for each in finding.outcomes]
