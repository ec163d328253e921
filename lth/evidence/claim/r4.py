"""Result 4: a barrier between successive solutions, in the training loss and hardly in the test error."""

from __future__ import annotations

from lth.evidence.claim.claim import Case, Claim, every_level
from lth.evidence.claim.reading import LOSS_UNIT, barrier_above_margin, line, test_step
from lth.evidence.evidence import Evidence
from lth.measure.interpolation import Interpolation, rise
from lth.plan.place import Place, Point

_R4A = """\
Loss barrier on the straight line from w(L-1) to w(L), minus `loss_margin`, L = 1 … N.

Training loss above the chord between the ends, BatchNorm statistics interpolated like the weights. Refuted
means that the barrier is smaller than the margin.

Paper: Fig. 12, 28."""


def _loss_barrier(evidence: Evidence, case: Case) -> float | None:
    return barrier_above_margin(evidence, _successive(evidence, case))


_R4B = """\
`error_margin` minus the test-error barrier on the straight line from w(L-1) to w(L), L = 1 … N.

Error above the chord between the ends, BatchNorm statistics interpolated like the weights; below zero where all
points between the ends stay under the chord. Supported means that the barrier is smaller than the margin: an
equivalence test. A test example is the smallest step that an error can take, within half of which the statistic
counts as uncertain. The paper says it of the lines whose loss it draws, and shows no error.

Paper: section IV-D, beside Fig. 12."""


def _error_barrier(evidence: Evidence, case: Case) -> float | None:
    path = _successive(evidence, case)
    return None if path is None else evidence.setting.analysis.error_margin - rise(path.test_error)


_R4C = """\
Loss barrier from w(L-1) to w(L), BatchNorm statistics estimated anew, minus `loss_margin`, L = 1 … N.

As R4a, with the statistics of each point taken from the training examples at that point. It tells a barrier
of the landscape from one that interpolated statistics make; without BatchNorm it is R4a again.

Paper: beyond it; its Fig. 12, 28 do not say how the statistics are treated."""


def _loss_barrier_anew(evidence: Evidence, case: Case) -> float | None:
    return barrier_above_margin(evidence, _successive(evidence, case, anew=True))


def _successive(evidence: Evidence, case: Case, *, anew: bool = False) -> Interpolation | None:
    return line(evidence, Point.at(Place.imp(case.level - 1)), Point.at(Place.imp(case.level)), anew=anew)


CLAIMS = (
    Claim(
        id="R4a",
        statement="A loss barrier separates w(L-1) from w(L)",
        paper="Fig. 12, 28",
        unit=LOSS_UNIT,
        cases=every_level,
        statistic=_loss_barrier,
        quantity="barrier − margin",
        rule=_R4A,
    ),
    Claim(
        id="R4b",
        statement="Next to no test-error barrier separates w(L-1) from w(L)",
        paper="section IV-D, beside Fig. 12",
        unit="share of test examples",
        cases=every_level,
        statistic=_error_barrier,
        quantity="margin − barrier",
        rule=_R4B,
        resolution=test_step,
    ),
    Claim(
        id="R4c",
        statement="R4a with BatchNorm statistics estimated anew (beyond the paper)",
        paper="beyond it; its Fig. 12, 28 do not say how the statistics are treated",
        unit=LOSS_UNIT,
        cases=every_level,
        statistic=_loss_barrier_anew,
        quantity="barrier − margin",
        rule=_R4C,
    ),
)
