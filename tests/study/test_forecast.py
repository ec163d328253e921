"""What a study says of how much there is to do, and of the rest with each task."""

import re

import pytest
from tiny_problem import make_problem

from lth.plan.tasks import StudyTasks
from lth.study.forecast import forecast, hardware_of

COUNTED = re.compile(r"\((\d+) of (\d+) done, about \S+ (?:s|min|h) to go\)$")


def test_a_study_says_at_its_start_how_long_it_may_take(finished_study):
    (line,) = [line for line in finished_study.said.splitlines() if "to do" in line]
    assert re.search(
        r"\d+ of \d+ trainings and measurements to do, about \d+ (s|min) by the rates of a CPU", line
    )


def test_every_task_is_told_with_how_many_are_done_and_how_long_the_rest_may_take(finished_study):
    begun = [line for line in finished_study.said.splitlines() if line.startswith(("training ", "measuring "))]
    counts = [tuple(map(int, COUNTED.search(line).groups())) for line in begun]
    assert [done for done, _ in counts] == list(range(counts[0][0], counts[0][0] + len(begun)))
    assert {total for _, total in counts} == {counts[-1][0] + 1}


def test_every_task_of_a_study_has_a_time_and_a_training_of_more_epochs_a_longer_one(tracking):
    problem, longer = make_problem(), make_problem(epochs="600")
    tasks = StudyTasks(problem.keys, "tiny").results()
    assert all(forecast(problem)(task) > 0 for task in tasks)
    training = tasks[0]
    assert forecast(longer)(training) > forecast(problem)(training)
    assert hardware_of(problem).name.startswith("a CPU")


@pytest.mark.parametrize("raised", [RuntimeError, ValueError])
def test_a_network_that_cannot_be_passed_leaves_its_fault_to_the_trial(raised, monkeypatch):
    def refuse(*_):
        raise raised

    monkeypatch.setattr("lth.study.forecast.products_of", refuse)
    problem = make_problem()
    assert forecast(problem)(StudyTasks(problem.keys, "tiny").trainings()[0]) > 0
