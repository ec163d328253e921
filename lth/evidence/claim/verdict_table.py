"""A row for every claim: both verdicts, and the numbers that they and what is said beside them rest on.

`finding.as_table` has the cases with the values of every seed; from these, and the error and the step that
stand here, all of it can be worked out again, for each earlier look that stands too.
"""

from __future__ import annotations

from collections.abc import Sequence

from lth.evidence.claim.finding import Finding
from lth.evidence.claim.wording import where_it_holds
from lth.evidence.power import MOST_SEEDS, SeedsNeeded
from lth.evidence.table import Cell, Table
from lth.setting.seeds import written_seeds
from lth.setting.terms import terms

_NEEDED = ("", "_fewest", "_most")
_HEADINGS = (
    "claim",
    "statement",
    "unit",
    "family",
    "look",
    "seeds_before",
    "earlier_looks",
    "error",
    "step",
    "mean",
    "low",
    "high",
    "p_average",
    "on_average",
    *(f"seeds_needed_on_average{each}" for each in _NEEDED),
    "cases",
    "sign_agrees",
    "of",
    "p_supported",
    "p_refuted",
    "p_holm",
    "p_sign_flip",
    "weakest",
    "weakest_p",
    "in_every_case",
    *(f"seeds_needed{each}" for each in _NEEDED),
    "where",
)


def verdict_table(findings: Sequence[Finding]) -> Table:
    """Return a row for each claim; empty cells are numbers that there are not."""
    return Table(_HEADINGS, tuple(map(_row, findings)))


def _row(finding: Finding) -> tuple[Cell, ...]:
    claim, look, average, judgement = finding.claim, finding.look, finding.average, finding.judgement
    weakest, several = finding.weakest, len(finding.outcomes) > 1
    return (
        claim.id,
        terms().reworded(claim.statement),
        terms().reworded(claim.number),
        claim.family or ("matched loss" if claim.beside else "paper"),
        look.number,
        look.before,
        "; ".join(written_seeds(each.seeds) for each in finding.earlier),
        look.error,
        average.resolution,
        average.mean,
        average.low,
        average.high,
        average.p_above,
        finding.average_verdict if several else "",
        *(_needed(finding.average_needed) if several else (None,) * len(_NEEDED)),
        len(finding.outcomes),
        finding.num_agreeing,
        finding.num_measured,
        judgement.p_supported,
        judgement.p_refuted,
        finding.p_adjusted,
        finding.sign_flip_p,
        "" if weakest is None else weakest.case.label,
        None if weakest is None else weakest.estimate.p_above,
        finding.verdict,
        *_needed(finding.needed),
        where_it_holds(finding),
    )


def _needed(found: SeedsNeeded | None) -> tuple[Cell, ...]:
    if found is None:
        return (None,) * len(_NEEDED)
    counts = (found.expected, found.fewest, found.most)
    return tuple(f">{MOST_SEEDS}" if count is None else count for count in counts)
