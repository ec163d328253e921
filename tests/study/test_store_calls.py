"""How often a task asks the tracking store: over HTTP each call is a request, most of a short measurement."""

import pytest
from store_calls import StoreCalls
from tiny_problem import make_study

from lth.plan.jobs import CurvatureJob, successive_line
from lth.plan.place import Place, Point

pytestmark = pytest.mark.usefixtures("tracking", "without_models")


@pytest.fixture
def calls(monkeypatch) -> StoreCalls:
    return StoreCalls(monkeypatch)


def test_a_training_and_a_measurement_make_few_calls(calls):
    study = make_study(trajectory="none")
    study.solution(Place.imp(0))
    calls.reset()
    study.solution(Place.imp(1))
    assert calls.total <= 34, calls.counts  # 80 before, with a model and snapshots
    study.measurement(CurvatureJob(Point.at(Place.imp(0))))
    calls.reset()
    study.measurement(CurvatureJob(Point.at(Place.imp(1))))
    assert calls.total <= 25, calls.counts  # 48 before: it loads the solution
    calls.reset()
    study.measurement(successive_line(1))
    assert calls.total <= 18, calls.counts  # 29 before
    calls.reset()
    study.measurement(successive_line(1))
    assert calls.total == 1, calls.counts
