"""What statistics read off evidence: None where something was not measured, does not exist or is not finite."""

from __future__ import annotations

import math

from lth.evidence.binomial import num_examples
from lth.evidence.claim.claim import Case
from lth.evidence.evidence import Evidence, log_eig_product
from lth.measure.interpolation import Interpolation, rise
from lth.measure.kind.curvature import Curvature
from lth.measure.radius import BasinRadii
from lth.plan.jobs import LineJob, MatchedJob, SurfaceJob
from lth.plan.place import Place, Point

LOG_EIG_UNIT = "Σ ln λ"
LOSS_UNIT = "nats"


def difference(larger: float | None, smaller: float | None) -> float | None:
    """Return `larger - smaller`, or None if either is."""
    return None if larger is None or smaller is None else larger - smaller


def train_loss(evidence: Evidence, place: Place) -> float | None:
    """Return the training loss of a solution."""
    attained = evidence.attained.get(place)
    return None if attained is None else _finite(attained.train_loss)


def test_accuracy(evidence: Evidence, place: Place) -> float | None:
    """Return the share of test examples that a solution classifies right; None if its loss diverged."""
    attained = evidence.attained.get(place)
    if attained is None or _finite(attained.train_loss) is None:
        return None
    return _finite(attained.test_accuracy)


def test_step(evidence: Evidence) -> float:
    """Return the share of one test example, the least by which two accuracies of a study differ if they do.

    It is one over the common denominator of the accuracies after all epochs; 0 where they have none, as those
    of a network that is not judged by counting.
    """
    examples = num_examples(
        {record.test.accuracy for attained in evidence.attained.values() for record in attained.history}
    )
    return 0.0 if examples is None else 1 / examples


def log_eig_gap(evidence: Evidence, larger: Point, smaller: Point) -> float | None:
    """Return log_eig_product at `larger` minus that at `smaller`, if both spectra converged."""
    if larger not in evidence.curvature or smaller not in evidence.curvature:
        return None
    return difference(*(_log_eig_product(evidence.curvature[point]) for point in (larger, smaller)))


def log_eig_above_solution(evidence: Evidence, case: Case) -> float | None:
    """Return log_eig_product of a baseline minus that of w(N), each in the space of its own mask."""
    return log_eig_gap(evidence, Point.at(case.place), Point.at(Place.imp(case.level)))


def log_eig_gap_at_one_loss(evidence: Evidence, job: MatchedJob) -> float | None:
    """Return log_eig_product at the sharper point minus that at the flatter, at one loss.

    The one that ended lower is taken from where its training had the other's loss.
    None if its training never had that loss, as far as it was kept.
    """
    found = evidence.matched.get(job)
    if found is None or not found.reached.is_there:
        return None
    spectra = {job.sharper, job.flatter} & set(evidence.curvature)
    if len(spectra | {found.moved}) < 2:
        return None
    return difference(
        *(
            _log_eig_product(found.curvature if point == found.moved else evidence.curvature[point])
            for point in (job.sharper, job.flatter)
        )
    )


def radius_gap_at_one_loss(evidence: Evidence, job: MatchedJob) -> float | None:
    """Return the mean radius at the flatter point minus that at the sharper, as `log_eig_gap_at_one_loss` does.

    The cutoff is the same for both, as it was without matching, and so are the draws of the directions.
    """
    found, norm = evidence.matched.get(job), evidence.setting.analysis.direction_norm
    if found is None or not found.reached.is_there or norm not in found.radii:
        return None
    wider, narrower = (
        found.radii[norm] if point == found.moved else _radii(evidence, job.level, point)
        for point in (job.flatter, job.sharper)
    )
    return _wider_by(wider, narrower)


def radius_gap(evidence: Evidence, level: int, wider: Point, narrower: Point) -> float | None:
    """Return the mean radius at `wider` minus that at `narrower`, as they were compared at a level.

    A mean with a censored radius is a lower bound, and the gap then a bound too. It is returned if the true gap
    must have its sign, and else is None, which leaves the claim undecided.
    """
    return _wider_by(_radii(evidence, level, wider), _radii(evidence, level, narrower))


def _wider_by(first: BasinRadii | None, second: BasinRadii | None) -> float | None:
    if first is None or second is None:
        return None
    gap = first.mean - second.mean
    undetermined = (first.num_censored > 0 and gap <= 0) or (second.num_censored > 0 and gap >= 0)
    return None if undetermined else gap


def mass_gap(evidence: Evidence, larger: Point, smaller: Point) -> float | None:
    """Return the log mass at `larger` minus that at `smaller`, nats, under the cutoff that they share.

    Where one of them is but bounded from above, the gap is returned if the interval of the other one settles
    its sign, and else is None, which leaves the claim undecided.
    """
    first, second = evidence.mass(larger, smaller), evidence.mass(smaller, larger)
    if first is None or second is None:
        return None
    (low, high), (other_low, other_high) = first.interval, second.interval
    is_known = first.is_estimated and second.is_estimated
    is_settled = low > other_high or other_low > high
    return first.estimate - second.estimate if is_known or is_settled else None


def line(evidence: Evidence, start: Point, end: Point, *, anew: bool = False) -> Interpolation | None:
    """Return the line between two points, if all its losses are finite.

    Args:
        evidence: Of a seed.
        start: At α = 0.
        end: At α = 1.
        anew: With BatchNorm statistics estimated anew at each point, instead of interpolated like the weights;
            the same line if the network has none.
    """
    found = evidence.lines.get(LineJob(start, end))
    if found is None:
        return None
    path = found.anew if anew and found.anew is not None else found.stored
    return path if path.is_finite else None


def highest_loss(path: Interpolation | None) -> float | None:
    """Return the largest training loss on a line, ends included."""
    return None if path is None else float(path.train_loss.max())


def barrier_above_margin(evidence: Evidence, path: Interpolation | None) -> float | None:
    """Return the greatest height of the training loss over the chord of a line, minus `loss_margin`.

    The height is the barrier, or below zero where there is none, so that it varies between seeds also there.
    """
    return None if path is None else rise(path.train_loss) - evidence.setting.analysis.loss_margin


def barrier_from_projection(evidence: Evidence, case: Case) -> float | None:
    """Return the loss barrier on the line from m(N)⊙w(N-1) to a baseline, minus `loss_margin`."""
    return barrier_above_margin(evidence, line(evidence, Point.projection(case.level), Point.at(case.place)))


def sublevel_cutoff(evidence: Evidence) -> float | None:
    """Return c, the same as in Fig. 13 (`Evidence.sublevel_cutoff`)."""
    measured = any(isinstance(job, SurfaceJob) for job in evidence.measured)
    return _finite(evidence.sublevel_cutoff) if measured else None


def steepness(evidence: Evidence, level: int, beside: int) -> float | None:
    """Return how fast the log training loss of `level` falls over the epochs it shares with `beside`."""
    if Place.imp(level) not in evidence.attained or Place.imp(beside) not in evidence.attained:
        return None
    return evidence.steepness(level, beside)


def _log_eig_product(curvature: Curvature) -> float | None:
    return log_eig_product(curvature.spectrum) if curvature.spectrum.converged else None


def _radii(evidence: Evidence, level: int, point: Point) -> BasinRadii | None:
    try:
        return evidence.radii_at(level, point)
    except KeyError:  # not measured
        return None


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
