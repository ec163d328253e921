"""Result 0: weight rewinding beats every baseline of its level."""

from __future__ import annotations

from lth.evidence.claim.claim import Case, Claim, baselines
from lth.evidence.claim.reading import LOSS_UNIT, difference, test_accuracy, test_step, train_loss
from lth.evidence.evidence import Evidence
from lth.plan.place import BASELINES, Place

_R0A = """\
Training loss of the baseline minus training loss of w(N), at the last level N.

Both on all training examples, without augmentation, with BatchNorm in evaluation mode, after the last epoch
of each one's own schedule. lr_rewind and prune_larger are not among the paper's comparisons; they are held
to the same claim here, and each baseline has its own verdict.

Paper: Fig. 2, 24."""


def _train_loss(evidence: Evidence, case: Case) -> float | None:
    return difference(train_loss(evidence, case.place), train_loss(evidence, Place.imp(case.level)))


_R0B = """\
Test accuracy of w(N) minus test accuracy of the baseline, at the last level N.

Both on all test examples after the last epoch, never the best epoch. A test example is the smallest step it can
take, within half of which it counts as uncertain. lr_rewind and prune_larger are not
among the paper's comparisons; they are held to the same claim here, and each baseline has its own verdict.

Paper: Fig. 2, 24."""


def _test_accuracy(evidence: Evidence, case: Case) -> float | None:
    return difference(test_accuracy(evidence, Place.imp(case.level)), test_accuracy(evidence, case.place))


CLAIMS = (
    Claim(
        id="R0a",
        statement="w(N) has lower training loss than every baseline",
        paper="Fig. 2, 24",
        unit=LOSS_UNIT,
        cases=baselines(*BASELINES),
        statistic=_train_loss,
        rule=_R0A,
    ),
    Claim(
        id="R0b",
        statement="w(N) has higher test accuracy than every baseline",
        paper="Fig. 2, 24",
        unit="share of test examples",
        cases=baselines(*BASELINES),
        statistic=_test_accuracy,
        rule=_R0B,
        resolution=test_step,
    ),
)
