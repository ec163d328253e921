"""How often a task asks a tracking server: each request takes time, and all workers of a lab share one."""

from collections.abc import Callable, Iterator

import pytest
from counted_server import CountedServer, counted_server
from tiny_problem import make_study

from lth.plan.jobs import CurvatureJob, DistanceJob, RadiiJob, SurfaceJob, successive_line
from lth.plan.place import Place, Point
from lth.study import scheduler
from lth.tracking.client import set_request_defaults
from lth.tracking.connection import ConnectionProvider
from lth.tracking.folder import ProgressFolder

DENSE, LEVEL_1, OTHER = Place.imp(0), Place.imp(1), Place("random_init", 1)
THREE = (DENSE, LEVEL_1, OTHER)
# Who looks what there is, asks for a task, opens its run and ends it, has made 8; the rest are results.
A_MEASUREMENT = 12
A_TRAINING = 13  # beside its files, which MLflow takes one at a time
A_TRAINING_WRITES = 14  # a model of seven files, a checkpoint of five, a figure and the setting
A_TRAINING_WITHOUT_MODEL = 17
A_ROW = 1  # of what was measured on the solution's own run, a level's by its analysis, a baseline's each time
A_SOLUTION = 5  # to load one: its manifest, and four files


@pytest.fixture
def server(tracking, monkeypatch) -> Iterator[CountedServer]:
    monkeypatch.setattr(ConnectionProvider, "is_wanted", False)
    # A slow machine would also count looks at what others did, and progress that is kept.
    monkeypatch.setattr(scheduler, "_LEAST_AGE_SECONDS", 3600.0)
    monkeypatch.setattr(ProgressFolder, "is_due", lambda _folder: False)
    for name in ("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "MLFLOW_HTTP_REQUEST_TIMEOUT"):
        monkeypatch.setenv(name, "")  # for this test alone
        monkeypatch.delenv(name)
    set_request_defaults()
    with counted_server(tracking, monkeypatch) as server:
        yield server


def test_a_training_with_its_model_makes_few_requests_beside_one_a_file(server):
    study = make_study(levels="1", trajectory="none")
    study.solution(DENSE)
    server.reset()
    study.solution(LEVEL_1)
    assert server.calls <= A_TRAINING, server.counts  # 18 before
    assert server.files <= A_TRAINING_WRITES, server.counts


def test_a_task_of_each_kind_makes_few_requests(server, without_models):
    def requests(do: Callable[..., str], *arguments: object, **named: object) -> int:
        server.reset()
        do(*arguments, **named)
        return server.total

    study = make_study(levels="1", trajectory="none")
    study.solution(DENSE)
    assert requests(study.solution, LEVEL_1) <= A_TRAINING_WITHOUT_MODEL, server.counts
    study.solution(OTHER)
    study.measurement(CurvatureJob(Point.at(DENSE)))
    of_level = [
        CurvatureJob(Point.at(LEVEL_1)),
        CurvatureJob(Point("projection", LEVEL_1)),
        RadiiJob((Point.at(LEVEL_1),), "plain"),
        successive_line(1),
        DistanceJob(THREE),
    ]
    for job in of_level:
        assert requests(study.measurement, job) <= A_MEASUREMENT, (job.name, server.counts)
    assert requests(study.measurement, SurfaceJob(THREE, THREE)) <= A_MEASUREMENT + 3, server.counts
    assert requests(study.measurement, CurvatureJob(Point.at(OTHER))) <= A_MEASUREMENT + A_ROW, server.counts
    assert requests(study.analysis, 1, ["lines"]) <= A_MEASUREMENT + A_ROW, server.counts
    assert requests(study.analysis, 1, ["lines"]) == 1, server.counts

    # A process that has done nothing of it before loads what it needs.
    again = make_study(levels="1", trajectory="none")
    of_three = A_MEASUREMENT + 3 + 3 * A_SOLUTION
    assert requests(again.measurement, SurfaceJob(THREE, THREE), fresh=True) <= of_three, server.counts
    assert requests(again.measurement, DistanceJob(THREE), fresh=True) <= A_MEASUREMENT, server.counts
