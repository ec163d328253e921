"""What a study would cost: its tasks, what is there of them, hours, and the time with many workers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import repeat

from lth.plan.order import Frontier, time_with
from lth.plan.place import SOLUTIONS, Place
from lth.plan.rest import duration
from lth.plan.tasks import Task
from lth.solution.problem import Problem
from lth.study.rates import PROMPT, Rates, group_of, is_prompt, took
from lth.tracking.store import Store, is_finished

WORKERS = (1, 2, 8, 64, 512)
_WORDS = {
    "dense": "dense trainings",
    "rewound": "other trainings",
    "fine_tune": "fine-tunings",
    "dense_state": "dense states",
    "copy": "copies",
    PROMPT: "sums",
}


@dataclass(frozen=True)
class Plan:
    """What is to be done.

    Args:
        text: It, for people.
        to_do: The keys of its tasks.
        seconds: That so many workers take, a number for each of `WORKERS`.
    """

    text: str
    to_do: frozenset[str]
    seconds: tuple[float, ...]


def plan_of(targets: Sequence[Task], is_there: Callable[[Task], bool], rates: Rates, by: str) -> Plan:
    """Plan what is wanted.

    Args:
        targets: What is wanted.
        is_there: Says of a task that its result is there.
        rates: How long tasks take.
        by: The hardware whose rates tell it of what was never done.
    """
    every = Frontier(targets, lambda _task: False, rates.seconds, is_prompt).steps
    rest = Frontier(targets, is_there, rates.seconds, is_prompt)
    wanted = Counter(map(group_of, every))
    left = Counter(map(group_of, rest.unfinished))
    lines = [f"{'tasks':<18}{'there':>7}{'to do':>7}{'each':>10}{'together':>10}"]
    for group, count in sorted(wanted.items(), key=lambda item: item[0] == PROMPT):
        each = rates.of(group)
        known = "" if group in rates.measured or group == PROMPT else "  predicted"
        lines.append(
            f"{_WORDS.get(group, group):<18}{count - left[group]:>7}{left[group]:>7}"
            f"{duration(each):>10}{duration(each * left[group]):>10}{known}"
        )
    total = sum(map(rates.seconds, rest.unfinished))
    to_do = len(rest.unfinished)
    lines.append(f"{'all':<18}{len(every) - to_do:>7}{to_do:>7}{'':>10}{duration(total):>10}")
    if wanted.keys() - rates.measured - {PROMPT}:
        taken = " and how much longer the others took" if rates.measured else ""
        what = "what was never done in this experiment" if rates.measured else "nothing was done here yet: all"
        lines.append(f"predicted: {what} is told by the rates of {by}{taken}")
    frontiers = (Frontier(targets, is_there, rates.seconds, is_prompt) for _ in WORKERS)
    takes = tuple(map(time_with, frontiers, WORKERS, repeat(rates.seconds)))
    if rest.unfinished:
        lines += ["", f"longest chain: {duration(rest.longest)}, which no number of workers shortens"]
        lines += [
            f"{_said(workers, seconds)}, each busy {total / workers / seconds:.0%} of the time"
            for workers, seconds in zip(WORKERS, takes, strict=True)
        ]
    return Plan("\n".join(lines), frozenset(task.key for task in rest.unfinished), takes)


def one_after_the_other(plans: Sequence[tuple[str, Plan]]) -> str:
    """Return for people what is to be done where each plan, by its name, waits for the one before."""
    parts = [f"{name}\n{plan.text}" for name, plan in plans]
    count = sum(len(plan.to_do) for _, plan in plans)
    lines = [f"all {len(plans)}, one after the other: {count} tasks to do"]
    if count:
        totals = map(sum, zip(*(plan.seconds for _, plan in plans), strict=True))
        lines += [_said(workers, seconds) for workers, seconds in zip(WORKERS, totals, strict=True)]
    return "\n\n".join([*parts, "\n".join(lines)])


def _said(workers: int, seconds: float) -> str:
    return f"{workers:>4} {'worker' if workers == 1 else 'workers':<7}{duration(seconds):>10}"


def rates_elsewhere(store: Store, problem: Problem) -> Rates:
    """Return how long tasks took in studies of the same network and data in this experiment.

    Trainings count by their epochs; measurements as they are, though they may have been finer or coarser.
    """
    rates = Rates()
    epochs = problem.setting.training.epochs
    tags = {"network": problem.setting.network, "data_digest": problem.images.digest}
    found = store.search(" AND ".join(f"tags.`{name}` = '{value}'" for name, value in tags.items()))
    for run in filter(is_finished, found):
        tags, seconds = run.data.tags, took(run)
        if seconds is None or "level" not in tags:
            continue
        if tags["kind"] in ("measurement", "analysis"):
            rates.add(tags.get("measure", PROMPT), seconds)
        else:
            scale = (
                1.0 if tags["kind"] == "fine_tune" else epochs / float(run.data.params.get("epochs", epochs))
            )
            place = Place(tags["kind"], int(tags["level"]))
            group = group_of(Task("", place, ())) if place.kind in SOLUTIONS else place.kind
            rates.add(group, seconds * scale)
    return rates
