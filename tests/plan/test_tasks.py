"""Which task needs which, and in which order those of a study come."""

import subprocess
import sys

import pytest

from lth.plan.jobs import level_jobs
from lth.plan.keys import content_key
from lth.plan.place import BASELINES, Place
from lth.plan.tasks import StudyTasks, Task, report_task, starts_from
from lth.setting.preset import resolve
from lth.setting.setting import Setting


class Keys:
    """Keys that tell tasks apart, without a network or data."""

    former = None

    def __init__(self, setting: Setting, given: tuple[str, ...] = ()) -> None:
        self.setting, self.given = setting, given

    def solution(self, place: Place) -> str:
        return content_key({"task": place.name})

    def measurement(self, job) -> str:
        return content_key({"task": job.name})

    def analysis(self, level: int, jobs) -> str:
        return content_key({"task": level, "jobs": [job.name for job in jobs]})

    def evidence(self) -> str:
        return content_key({"task": "evidence"})


def study(given: tuple[str, ...] = (), **overrides: str) -> StudyTasks:
    return StudyTasks(Keys(resolve("digits", {"levels": "3", **overrides}), given), "a study")


def names(tasks) -> set[str]:
    return {task.name for task in tasks}


def test_a_level_needs_the_level_before_and_the_dense_network_nothing():
    assert names(study().training(Place.imp(3)).needs) == {"level 2"}
    assert study().training(Place.imp(0)).needs == ()


@pytest.mark.parametrize("kind", BASELINES)
def test_a_baseline_needs_the_level_before_and_one_shot_the_dense_network_too(kind):
    wanted = {"level 2", "dense"} if kind == "one_shot" else {"level 2"}
    assert {place.name for place in starts_from(Place(kind, 3))} == wanted


def test_a_level_that_another_study_gives_needs_nothing_here():
    tasks = study(given=("w0", "w1"))
    assert tasks.training(Place.imp(1)).needs == ()
    assert names(tasks.training(Place.imp(2)).needs) == {"level 1"}


def test_a_measurement_needs_the_solutions_that_it_reads():
    job = level_jobs(2)[-1]
    assert names(study().measurement(job).needs) == {"level 1", "level 2"}


def test_an_analysis_needs_its_measurements_and_the_summary_everything():
    tasks = study()
    analysis = tasks.analysis(2, level_jobs(2))
    assert {job.name for job in level_jobs(2)} < names(analysis.needs)
    summary = tasks.summary()
    assert set(summary.needs) == {*tasks.trainings(), *tasks.measurements(), *tasks.of_levels()}
    assert report_task("key", "report", [summary]).needs == (summary,)


@pytest.mark.parametrize("every_level", ["none", "lr_rewind,random_init"])
def test_every_task_of_a_study_comes_after_what_it_needs(every_level):
    tasks = study(every_level=every_level)
    order = [*tasks.trainings(), *tasks.measurements(), *tasks.of_levels(), tasks.summary()]
    for task in order:
        assert all(order.index(need) < order.index(task) for need in task.needs), task.name


def test_tasks_of_one_key_are_one_task():
    first, other = study().training(Place.imp(3)), study().training(Place.imp(3))
    assert first == other
    assert len({first, other, Task("another", Place.imp(3), ())}) == 2


def test_kinds_are_those_that_runs_are_marked_with():
    tasks = study()
    found = [
        tasks.training(Place("one_shot", 3)),
        tasks.measurements()[0],
        *tasks.of_levels()[:1],
        tasks.summary(),
    ]
    assert [task.kind for task in found] == ["one_shot", "measurement", "analysis", "study"]


def test_tasks_are_planned_without_torch_and_mlflow():
    code = "import sys, lth.plan.tasks; sys.exit(bool({'torch', 'mlflow'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
