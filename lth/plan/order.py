"""Which task goes first: the ready one from which the longest chain of others follows.

What no chain can be shortened by may wait, so with more workers than one this ends nearly as early as any order
can (Graham, 1966: list scheduling by critical path). What takes no time, as sums of what is known do, goes
before everything: it delays nothing, and is there to be looked at.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence

from lth.plan.tasks import Task

Seconds = Callable[[Task], float]


def walk(targets: Iterable[Task], is_finished: Callable[[Task], bool]) -> list[Task]:
    """Return all tasks that targets need, each after its own needs; not what finished ones need."""
    found: dict[Task, None] = {}
    for target in targets:
        stack = [(target, False)]
        while stack:
            task, are_needs_there = stack.pop()
            if task in found:
                continue
            if are_needs_there or is_finished(task):
                found[task] = None
            else:
                stack.append((task, True))
                stack += [(need, False) for need in reversed(task.needs)]
    return list(found)


def chains(tasks: Sequence[Task], seconds: Seconds) -> dict[Task, float]:
    """Return the seconds from the beginning of each task to the end of all that needs it.

    Args:
        tasks: Each after its needs.
        seconds: That a task takes.

    Example:
        >>> first, last = Task("a", None, ()), Task("b", None, (Task("a", None, ()),))
        >>> [chains([first, last], lambda _task: 2.0)[task] for task in (first, last)]
        [4.0, 2.0]
    """
    after = dict.fromkeys(tasks, 0.0)
    length: dict[Task, float] = {}
    for task in reversed(tasks):
        length[task] = after[task] + seconds(task)
        for need in task.needs:
            if need in after:
                after[need] = max(after[need], length[task])
    return length


class Frontier:
    """What of a graph of tasks can be begun, as its tasks are finished or fail.

    Args:
        targets: What is wanted.
        is_finished: Says so of a task at the beginning.
        seconds: That a task takes.
        is_prompt: Says of a task that it takes no time.
    """

    def __init__(
        self,
        targets: Iterable[Task],
        is_finished: Callable[[Task], bool],
        seconds: Seconds,
        is_prompt: Callable[[Task], bool],
    ) -> None:
        self.steps = walk(targets, is_finished)
        self.unfinished = {task for task in self.steps if not is_finished(task)}
        self._lacks = {
            task: {need for need in task.needs if need in self.unfinished} for task in self.unfinished
        }
        self._needed_by: dict[Task, list[Task]] = {task: [] for task in self.unfinished}
        for task in self.steps:
            for need in self._lacks.get(task, ()):
                self._needed_by[need].append(task)
        length = chains([task for task in self.steps if task in self.unfinished], seconds)
        self._rank = {
            task: (not is_prompt(task), -length[task], place)
            for place, task in enumerate(self.steps)
            if task in self.unfinished
        }
        self.longest = max(length.values(), default=0.0)
        self._ready = {task for task in self.unfinished if not self._lacks[task]}

    @property
    def ready(self) -> list[Task]:
        """What can be begun, the first to be done first."""
        return sorted(self._ready, key=self._rank.__getitem__)

    def finish(self, task: Task) -> list[Task]:
        """Take a task as finished, and return what is ready by it."""
        if task not in self.unfinished:
            return []
        self.unfinished.discard(task)
        self._ready.discard(task)
        freed = []
        for other in self._needed_by[task]:
            self._lacks[other].discard(task)
            if not self._lacks[other] and other in self.unfinished:
                freed.append(other)
        self._ready.update(freed)
        return freed

    def drop(self, task: Task) -> list[Task]:
        """Take a task as one that is never finished, and return what can't be done for it."""
        dropped: list[Task] = []
        stack = [task]
        while stack:
            gone = stack.pop()
            if gone in self.unfinished:
                self.unfinished.discard(gone)
                self._ready.discard(gone)
                dropped.append(gone)
                stack += self._needed_by[gone]
        return dropped[1:]

    def rank(self, task: Task) -> tuple[bool, float, int]:
        """Return what orders tasks that are ready, the first to be done lowest."""
        return self._rank[task]


def time_with(frontier: Frontier, workers: int, seconds: Seconds) -> float:
    """Return the seconds in which so many workers finish all tasks; the frontier is used up.

    Each worker that is free begins the first task that is ready, as the scheduler of a study has it.
    """
    ready = [(frontier.rank(task), task) for task in frontier.ready]
    heapq.heapify(ready)
    running: list[tuple[float, int, Task]] = []
    now = 0.0
    while ready or running:
        while ready and len(running) < workers:
            (_, _, place), task = heapq.heappop(ready)
            heapq.heappush(running, (now + seconds(task), place, task))
        now, _, task = heapq.heappop(running)
        for freed in frontier.finish(task):
            heapq.heappush(ready, (frontier.rank(freed), freed))
    return now
