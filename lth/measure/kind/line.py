"""Loss and error on the straight line between two points, under both ways of treating BatchNorm statistics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lth.brief import brief
from lth.measure.interpolation import Interpolation, barrier_over_mean, interpolate
from lth.measure.kind.site import Site
from lth.measure.packed import Packed
from lth.measure.surveyor import Surveyor
from lth.network.weights import Weights
from lth.plan.jobs import LineJob
from lth.setting.amount import ALL
from lth.setting.setting import AnalysisSetting
from lth.solution.solution import Solution
from lth.training.batchnorm import StatisticsEstimator
from lth.training.evaluate import Evaluation, Evaluator

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


@dataclass(frozen=True)
class Line:
    """Loss and error between two points under both ways of treating BatchNorm statistics on the way."""

    stored: Interpolation  # interpolated like the weights
    anew: Interpolation | None  # estimated anew at each point; None if the network has none

    __repr__ = brief


def line_between(
    surveyor: Surveyor,
    start: Weights,
    end: Weights,
    analysis: AnalysisSetting,
    label: str,
    known: Mapping[float, tuple[Evaluation, Evaluation]],
) -> Line:
    """Return the line from `start` to `end`.

    Args:
        surveyor: Gives network, data and seed.
        start: At α = 0.
        end: At α = 1.
        analysis: At how many points.
        label: What the progress bar says.
        known: Evaluations of the ends that were logged in training, by α.
    """
    network, data = surveyor.network, surveyor.data
    train, test = (
        Evaluator(network, examples, objective=surveyor.objective) for examples in (data.train, data.test)
    )
    ends = start.to(surveyor.device), end.to(surveyor.device)
    stored = interpolate(train, test, *ends, analysis.points, known=known, label=label)
    estimate = StatisticsEstimator(network, data.train, seed=surveyor.seed)
    if not estimate.has_effect:
        return Line(stored, None)
    anew = interpolate(train, test, *ends, analysis.points, restate=estimate, label=f"{label}, anew")
    return Line(stored, anew)


def take(job: LineJob, site: Site, analysis: AnalysisSetting) -> Mapping[str, DataclassInstance]:
    """Measure the job's line, and return it for storing."""
    known = {
        alpha: logged
        for alpha, point in {0.0: job.start, 1.0: job.end}.items()
        if point.form == "solution" and (logged := _logged(site.load(point.place), site)) is not None
    }
    ends = site.at(job.start).weights, site.at(job.end).weights
    line = line_between(site.surveyor, *ends, analysis, job.name, known)
    return {"stored": line.stored} | ({"anew": line.anew} if line.anew is not None else {})


def read(stored: Packed, _job: LineJob) -> Line:
    """Return what `take` stored."""
    anew = stored.read(Interpolation, "anew") if "anew" in stored.names else None
    return Line(stored.read(Interpolation, "stored"), anew)


def numbers(line: Line, _job: LineJob) -> dict[str, float]:
    """Return what is read off a line, by metric name; without barriers where a loss is not finite."""
    metrics: dict[str, float] = {}
    for name, path in (("", line.stored), ("_anew", line.anew)):
        if path is None:
            continue
        metrics[f"solver/line_points_not_finite{name}"] = path.num_not_finite
        if path.is_finite:
            metrics[f"landscape/barrier_loss{name}"] = path.barrier_loss
            metrics[f"landscape/barrier_error{name}"] = path.barrier_error
            metrics[f"landscape/barrier_loss_over_mean{name}"] = barrier_over_mean(path.train_loss)
            metrics[f"landscape/barrier_error_over_mean{name}"] = barrier_over_mean(path.test_error)
    return metrics


def _logged(solution: Solution, site: Site) -> tuple[Evaluation, Evaluation] | None:
    """Return what was logged at the end of a training, if it was on the examples of this study."""
    own, here = solution.setting.data.train_examples, site.setting.data.train_examples
    if own != here or (here != ALL and solution.setting.seed != site.surveyor.seed):
        return None
    last = solution.history[-1]
    return last.train, last.test
