"""One row a solution: what was measured of it stands on its own run, beside what it attains.

A level's row has the numbers of its analysis, which is of several measurements; a baseline's those of each of
its own measurements. So scatter plots, the compare page and searches find accuracy and geometry in one run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from lth.plan.jobs import CurvatureJob, Job, LineJob, RadiiJob
from lth.plan.place import Place, Point
from lth.setting.setting import DirectionNorm
from lth.solution.problem import Problem
from lth.study.record.data_splits import training_split
from lth.study.record.solution import measuring
from lth.tracking.run import RunLog
from lth.tracking.store import FoundRun, model_of

MEASURING = "lth.measuring"  # on a run: what the numbers of measurements on it were measured with
_GEOMETRY = ("landscape/", "solver/")


def jobs_of_baseline(place: Place, last: int) -> dict[Job, str]:
    """Return what is measured of a baseline, with what its metrics end in on the baseline's run."""
    here = Point.at(place)
    return {
        CurvatureJob(here): "",
        LineJob(Point.at(Place.imp(last)), here): "_from_imp",
        **{RadiiJob((here,), norm): "" for norm in get_args(DirectionNorm)},
    }


def baseline_of(job: Job, last: int) -> Place | None:
    """Return the baseline whose row a measurement belongs to; None if it belongs to none."""
    point = None
    if isinstance(job, CurvatureJob):
        point = job.point
    elif isinstance(job, LineJob):
        point = job.end
    elif isinstance(job, RadiiJob):
        point = job.points[0]
    if point is None or point.form != "solution" or point.place.kind == "imp":
        return None
    return point.place if job in jobs_of_baseline(point.place, last) else None


def geometry(numbers: Mapping[str, float], ending: str = "") -> dict[str, float]:
    """Return those of a run's metrics that are of the landscape or how sure it is, by their names on a row."""
    return {f"{name}{ending}": value for name, value in numbers.items() if name.startswith(_GEOMETRY)}


def log_row(log: RunLog, run: FoundRun, numbers: Mapping[str, float], problem: Problem) -> bool:
    """Put what was measured of a solution on its run, if all there was measured alike; return whether it was.

    Args:
        log: Of the solution's run.
        run: The same, as it was last seen.
        numbers: By metric name; what the run has already is not logged again.
        problem: The study's.
    """
    alike = measuring(problem)
    if run.data.tags.get(MEASURING, alike) != alike:
        return False
    new = {name: value for name, value in numbers.items() if run.data.metrics.get(name) != value}
    if new:
        log.metrics_of_model(new, model_of(run), training_split(problem), {MEASURING: alike})
    return True
