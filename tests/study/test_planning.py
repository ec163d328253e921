"""What a study would cost is said from what its tasks took, in the order that the scheduler has."""

from types import SimpleNamespace

import pytest
from tiny_problem import make_problem

from lth.plan.order import Frontier, chains, time_with, walk
from lth.plan.place import Place
from lth.plan.rest import duration
from lth.plan.tasks import StudyTasks, Task
from lth.study.planning import WORKERS, one_after_the_other, plan_of
from lth.study.rates import Rates, by_group, group_of, is_prompt, took


def lone(key: str, *needs: Task) -> Task:
    return Task(key, Place.imp(len(needs)), needs)


def study_tasks(levels: str = "2") -> list[Task]:
    tasks = StudyTasks(make_problem(levels=levels).keys, "tiny")
    return [*tasks.trainings(), *tasks.of_levels(), *tasks.measurements(), tasks.summary()]


def rates(targets: list[Task], **took: float) -> Rates:
    """Return what is known of a study whose tasks are each predicted to take five seconds."""
    steps = walk(targets, lambda _task: False)
    return Rates(by_group(steps, {task.key: 5.0 for task in steps}), took.items())


def frontier(targets: list[Task], seconds=lambda _task: 1.0, finished=frozenset()) -> Frontier:
    return Frontier(targets, finished.__contains__, seconds, lambda _task: False)


def test_each_task_comes_after_its_needs_and_once():
    steps = walk(study_tasks(), lambda _task: False)
    place = {task: number for number, task in enumerate(steps)}
    assert len(place) == len(steps)
    assert all(place[need] < place[task] for task in steps for need in task.needs)


def test_what_a_finished_task_needs_is_not_walked_to():
    first = lone("a")
    second = lone("b", first)
    assert walk([lone("c", second)], {second}.__contains__) == [second, lone("c", second)]


def test_a_chain_of_ten_thousand_tasks_is_walked():
    task = lone("0")
    for number in range(1, 10_000):
        task = Task(str(number), Place.imp(0), (task,))
    steps = walk([task], lambda _task: False)
    assert chains(steps, lambda _task: 1.0)[steps[0]] == 10_000


@pytest.mark.parametrize("workers", [1, 2, 3, 7, 64])
def test_no_order_is_faster_than_the_longest_chain_or_than_all_workers_busy(workers):
    targets, rates = study_tasks("4"), Rates(took=[("rewound", 40.0), ("spectra", 28.0), ("radii", 8.0)])
    rest = frontier(targets, rates.seconds)
    total, longest = sum(map(rates.seconds, rest.unfinished)), rest.longest
    found = time_with(rest, workers, rates.seconds)
    assert max(longest, total / workers) - 1e-9 <= found <= longest + total / workers  # Graham's bound
    assert not rest.unfinished


def test_one_worker_takes_the_sum_and_many_take_the_longest_chain():
    first = lone("a")
    leaves = [lone(f"b{number}", first) for number in range(5)]
    assert time_with(frontier(leaves), 1, lambda _task: 2.0) == 12.0
    assert time_with(frontier(leaves), 5, lambda _task: 2.0) == 4.0
    assert time_with(frontier(leaves), 4, lambda _task: 2.0) == 6.0


def test_what_can_not_be_done_without_a_task_is_dropped_with_it_and_nothing_else():
    first = lone("a")
    second, third, other = lone("b", first), lone("c", lone("b", first)), lone("d", first)
    rest = frontier([third, other])
    rest.finish(first)
    assert rest.drop(second) == [third]
    assert rest.ready == [other]


def test_the_plan_counts_what_is_there_and_what_is_to_be_done():
    targets = study_tasks()
    there = {task for task in targets if isinstance(task.node, Place)}
    lines = plan_of(targets, there.__contains__, rates(targets, spectra=10.0), "a CPU").text.splitlines()
    rows = {line.split("  ")[0]: line.split() for line in lines}
    every = walk(targets, lambda _task: False)
    assert rows["all"][1:3] == [str(len(there)), str(len(every) - len(there))]
    assert rows["dense trainings"][2:4] == ["1", "0"]
    assert "predicted" not in rows["spectra"]
    assert "predicted" in rows["radii"]
    assert [line.split()[0] for line in lines[-len(WORKERS) :]] == list(map(str, WORKERS))


def test_plans_one_after_the_other_take_the_sum_of_their_times_with_any_number_of_workers():
    plans = {
        name: plan_of(study_tasks(), lambda _task: False, Rates(took=[("spectra", seconds)]), "a CPU")
        for name, seconds in {"first": 3600.0, "second": 7200.0}.items()
    }
    assert all(
        plan.to_do == {task.key for task in walk(study_tasks(), lambda _task: False)} for plan in plans.values()
    )
    told = one_after_the_other(list(plans.items()))
    assert told.startswith("first\n" + plans["first"].text)
    last = told.split("\n\n")[-1].splitlines()
    assert last[0] == f"all 2, one after the other: {2 * len(plans['first'].to_do)} tasks to do"
    for line, workers, *seconds in zip(
        last[1:], WORKERS, *(plan.seconds for plan in plans.values()), strict=True
    ):
        assert line.split(maxsplit=2) == [str(workers), line.split()[1], duration(sum(seconds))]


def test_nothing_is_left_of_a_study_that_is_complete():
    plan = plan_of(study_tasks(), lambda _task: True, Rates(took=[("spectra", 10.0)]), "a CPU").text
    assert "workers" not in plan


def run(seconds: float, opened: float, **metrics: float) -> SimpleNamespace:
    info = SimpleNamespace(start_time=0, end_time=int(opened * 1000))
    data = SimpleNamespace(metrics={"time/training_seconds": seconds, **metrics}, tags={"kind": "imp"})
    return SimpleNamespace(info=info, data=data)


def test_a_task_took_as_long_as_its_run_was_open_unless_it_was_interrupted():
    assert took(run(40.0, 44.0)) == 44.0
    assert took(run(40.0, 9000.0)) == 40.0
    assert took(run(40.0, 9000.0, **{"time/tracking_seconds": 3.0})) == 43.0
    assert took(run(40.0, 44.0, **{"time/opening_seconds": 2.0})) == 46.0


@pytest.mark.parametrize(("took", "expected"), [({}, 7.0), ({"rewound": 30.0}, 21.0), ({"rewound": 0.0}, 7.0)])
def test_a_kind_that_was_never_done_takes_what_is_predicted_as_much_longer_as_others_took(took, expected):
    known = Rates({"rewound": 10.0, "spectra": 7.0}, took.items())
    assert known.of("spectra") == pytest.approx(expected)


@pytest.mark.parametrize(
    ("done", "said"), [({}, "nothing was done here yet"), ({"dense": 3.0}, "was never done")]
)
def test_a_plan_says_whose_rates_tell_the_hours_of_what_was_never_done(done, said):
    targets = study_tasks()
    (line,) = [
        line
        for line in plan_of(targets, lambda _task: False, rates(targets, **done), "a CPU").text.splitlines()
        if line.startswith("predicted: ")
    ]
    assert said in line
    assert "the rates of a CPU" in line


def test_a_plan_of_what_was_all_done_before_predicts_nothing():
    targets = study_tasks()
    kinds = {group_of(task) for task in walk(targets, lambda _task: False) if not is_prompt(task)}
    plan = plan_of(targets, lambda _task: False, rates(targets, **dict.fromkeys(kinds, 2.0)), "a CPU").text
    assert "predicted" not in plan


def test_one_worker_is_a_worker_and_more_are_workers():
    targets = study_tasks()
    lines = plan_of(targets, lambda _task: False, rates(targets), "a CPU").text.splitlines()[-len(WORKERS) :]
    assert [line.split()[1] for line in lines] == ["worker", *["workers"] * (len(WORKERS) - 1)]


def test_every_task_of_a_study_is_of_a_kind_whose_time_is_known_or_guessed():
    known = rates(study_tasks(), rewound=40.0)
    for task in walk(study_tasks(), lambda _task: False):
        assert known.seconds(task) > 0
        assert is_prompt(task) is (group_of(task) == "prompt")
