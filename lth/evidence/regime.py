"""Whether the training loss has settled: from level to level, and within the training of each level.

A cross-entropy loss that is lower by a factor f has smaller leading eigenvalues for that alone, each by about f
(`lth.measure.kind.matched` says why), so log_eig_product differs by about k ln f between two solutions that
differ in nothing but how far they are fitted. Curvature and radii of solutions compare as they are only where
the loss has settled. That is an equivalence (Schuirmann 1987): shown where the whole interval of the change
over seeds lies within the margin, and not where an interval merely holds zero.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lth.evidence.certainty import Estimate, estimate_mean
from lth.evidence.evidence import Attained, Evidence
from lth.evidence.table import Table, mean_and_deviation
from lth.plan.place import Place
from lth.setting.amount import ALL
from lth.setting.terms import terms
from lth.training.train import EpochRecord

MARGIN = 0.1  # share of the loss; it moves log_eig_product of k eigenvalues by about k / 10
_ALPHA = 0.05  # of each of the two one-sided tests
_LATE = 0.2  # share of the epochs, the last, that the slope is of
_AHEAD = 0.1  # share of the epochs that the slope is said for
_FEWEST = 3  # records that a slope is of

State = Literal["settled", "falling", "rising", "not known"]


@dataclass(frozen=True)
class LevelRegime:
    """How the training loss of a level compares with that of the level before, and how it moved at last."""

    level: int
    losses: tuple[float, ...]  # of w(L), one a seed, nats an example
    from_previous: Estimate | None  # ln loss of w(L) minus that of w(L-1); None at level 0
    late: Estimate  # by how much ln loss would change in another tenth of the training, as it did at last

    @property
    def between(self) -> State:
        """Whether it has settled from level to level; of level 0, which has none before, not known."""
        return "not known" if self.from_previous is None else state(self.from_previous)

    @property
    def within(self) -> State:
        """Whether it has settled within the training."""
        return state(self.late)


def state(change: Estimate) -> State:
    """Return what is shown of a change of the log loss over seeds.

    Example:
        >>> [state(estimate_mean(seeds, alpha=0.05)) for seeds in ([0.01, 0.0, -0.01], [-0.3, -0.32, -0.28])]
        ['settled', 'falling']
        >>> state(estimate_mean([0.4, -0.4, 0.0], alpha=0.05)), state(estimate_mean([0.0], alpha=0.05))
        ('not known', 'not known')
    """
    if change.low is None or change.high is None or change.num_missing:
        return "not known"
    if math.log(1 - MARGIN) < change.low and change.high < math.log(1 + MARGIN):
        return "settled"
    return "falling" if change.high < 0 else "rising" if change.low > 0 else "not known"


def regime(evidences: Sequence[Evidence]) -> tuple[LevelRegime, ...]:
    """Return the regime of every level over seeds."""
    found = []
    for level in range(evidences[0].last + 1):
        changes = [change_from_previous(evidence, level) for evidence in evidences]
        found.append(
            LevelRegime(
                level,
                tuple(evidence.attained[Place.imp(level)].train_loss for evidence in evidences),
                estimate_mean(changes, alpha=_ALPHA) if level > 0 else None,
                estimate_mean([late_change(evidence, level) for evidence in evidences], alpha=_ALPHA),
            )
        )
    return tuple(found)


def change_from_previous(evidence: Evidence, level: int) -> float | None:
    """Return ln loss of w(L) minus ln loss of w(L-1), on all training examples; None where there is none."""
    if level == 0:
        return None
    here, before = (_log(evidence.attained[Place.imp(each)].train_loss) for each in (level, level - 1))
    return None if here is None or before is None else here - before


def late_change(evidence: Evidence, level: int) -> float | None:
    """Return by how much ln loss would change in another tenth of a level's training, as it did at last.

    It is the least-squares slope of ln loss over the last fifth of its epochs, times a tenth of them. A last
    record that is of other examples than those before (`epoch_examples`) is left out.

    Returns:
        None if there are fewer than three records, or a loss is not positive and finite.
    """
    attained = evidence.attained[Place.imp(level)]
    records = _alike(attained, evidence)
    if len(records) < _FEWEST:
        return None
    epochs = attained.history[-1].epoch - attained.history[0].epoch
    late = [record for record in records if record.epoch >= attained.history[-1].epoch - _LATE * epochs]
    late = late if len(late) >= _FEWEST else list(records[-_FEWEST:])
    logs = [_log(record.train.loss) for record in late]
    known = [log for log in logs if log is not None]
    if len(known) < len(logs):
        return None
    slope = float(np.polyfit([record.epoch for record in late], known, 1)[0])
    return slope * _AHEAD * epochs


def regime_table(found: Sequence[LevelRegime], k: int) -> Table:
    """Return a row a level: the loss, both changes with their intervals, and what they show.

    Args:
        found: Of the levels.
        k: Eigenvalues in log_eig_product.
    """
    rows = [
        (
            each.level,
            mean_and_deviation(each.losses),
            *(("–", "–", "–") if each.from_previous is None else _cells(each.from_previous, each.between, k)),
            *_cells(each.late, each.within, k)[::2],
        )
        for each in found
    ]
    headings = (
        "level",
        terms().loss_axis(),
        "from the level before [90 %]",
        "moves log_eig_product by about",
        "from level to level",
        "in another tenth of its training [90 %]",
        "within its training",
    )
    return Table(headings, tuple(rows))


def in_words(found: Sequence[LevelRegime], k: int, *, matched: bool) -> str:
    """Return what the regime means for the claims that compare curvature or radii.

    Args:
        found: Of the levels.
        k: Eigenvalues in log_eig_product.
        matched: Whether claims at one loss stand beside them.
    """
    later = [each for each in found if each.from_previous is not None]
    parts = [
        f"{words} {_levels([each.level for each in later if each.between == name])}"
        for name, words in _WORDS.items()
        if any(each.between == name for each in later)
    ]
    unsettled = [each.level for each in found if each.within not in ("settled", "not known")]
    own = f"; within its own training it still moved {_levels(unsettled)}" if unsettled else ""
    beside = (
        "Their kin “-matched” compare at one loss."
        if matched
        else "With matched_loss=on they are also compared at one loss."
    )
    return (
        f"From level to level the training loss {', '.join(parts)} (settled: within {100 * MARGIN:.0f} %, over "
        f"seeds){own}. A loss lower by a factor f lowers log_eig_product of {k} eigenvalues by about {k} ln f "
        "for that alone, so where it has not settled R1a–R1d, R3 and R7 also compare how far solutions are "
        f"fitted. {beside}"
    )


_WORDS = {
    "settled": "has settled",
    "falling": "still falls",
    "rising": "rises",
    "not known": "is not known to have settled",
}


def _cells(change: Estimate, shown: State, k: int) -> tuple[str, str, str]:
    if change.mean is None:
        return "–", "–", shown
    size = _percent(change.mean)
    if change.low is not None and change.high is not None:
        size += f" [{_percent(change.low)}, {_percent(change.high)}]"
    return size, f"{k * change.mean:+.2g}", shown


def _percent(log_ratio: float) -> str:
    return (
        f"{100 * math.expm1(log_ratio):+.3g} %" if log_ratio < math.log(10) else f"× {math.exp(log_ratio):.3g}"
    )


def _levels(levels: Sequence[int]) -> str:
    return f"at level{'s' if len(levels) > 1 else ''} {', '.join(map(str, levels))}"


def _alike(attained: Attained, evidence: Evidence) -> tuple[EpochRecord, ...]:
    whole = evidence.setting.training.epoch_examples == ALL
    return attained.history if whole else attained.history[:-1]


def _log(loss: float) -> float | None:
    return math.log(loss) if math.isfinite(loss) and loss > 0 else None
