"""How long the tasks of a study take: as long as such tasks took, by what their runs say.

A rate is the mean over the finished tasks of a kind. Where none is finished yet, it is what `lth.plan.cost`
predicts, times how much longer than predicted the kinds took that are known.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from statistics import fmean, geometric_mean
from types import MappingProxyType

from lth.plan.place import Beside, OtherDense, Place
from lth.plan.tasks import Analysis, ReportNode, Summary, Task
from lth.study.runs import OPENING
from lth.tracking.store import FoundRun

_TOOK = ("time/training_seconds", "time/measuring_seconds")  # metrics of a run
_TRACKING = "time/tracking_seconds"
PROMPT = "prompt"
_LOGGING_SECONDS = 10.0  # that opening, loading and logging may take besides
_PROMPT_SECONDS = 0.5  # of what only puts together what is known


def is_prompt(task: Task) -> bool:
    """Say whether a task only puts together what others found."""
    return isinstance(task.node, Analysis | Summary | ReportNode)


def group_of(task: Task) -> str:
    """Return what a task has in common with those that take about as long."""
    node = task.node
    if isinstance(node, Beside) and not isinstance(node, OtherDense):
        return node.kind
    if isinstance(node, Place):
        return "fine_tune" if node.kind == "fine_tune" else "dense" if node.level == 0 else "rewound"
    return PROMPT if isinstance(node, Analysis | Summary | ReportNode) else node.measure


def by_group(tasks: Iterable[Task], predicted: Mapping[str, float]) -> dict[str, float]:
    """Return the seconds that are predicted of a task of each kind that computes something, on average.

    Args:
        tasks: Of a study.
        predicted: Seconds of each, by its key.
    """
    seconds: dict[str, list[float]] = defaultdict(list)
    for task in tasks:
        if not is_prompt(task):
            seconds[group_of(task)].append(predicted[task.key])
    return {group: fmean(each) for group, each in seconds.items()}


class Rates:
    """Seconds by kind of task.

    Args:
        predicted: Seconds by kind, as hardware like this one takes.
        took: Seconds of finished tasks, each with its kind.

    Example:
        >>> rates = Rates({"rewound": 20.0, "spectra": 14.0})
        >>> rates.add("rewound", 30.0)
        >>> rates.of("rewound"), rates.of("spectra"), sorted(rates.measured)
        (30.0, 21.0, ['rewound'])
    """

    def __init__(
        self, predicted: Mapping[str, float] = MappingProxyType({}), took: Iterable[tuple[str, float]] = ()
    ) -> None:
        self._predicted = dict(predicted)
        self._took: dict[str, list[float]] = defaultdict(list)
        for group, seconds in took:
            self.add(group, seconds)

    def add(self, group: str, seconds: float) -> None:
        """Note how long a task of a kind took."""
        self._took[group].append(seconds)

    def include(self, other: Rates) -> None:
        """Add what is known of tasks of another study."""
        self._predicted |= other._predicted
        for group, seconds in other._took.items():
            self._took[group] += seconds

    @property
    def measured(self) -> frozenset[str]:
        """Kinds of which at least one task is finished."""
        return frozenset(self._took) - {PROMPT}

    def of(self, group: str) -> float:
        """Return the seconds that a task of a kind takes."""
        if group in self._took:
            return fmean(self._took[group])
        if group not in self._predicted:
            return _PROMPT_SECONDS
        known = self.measured & self._predicted.keys()
        slower = [fmean(self._took[each]) / self._predicted[each] for each in known]
        return self._predicted[group] * (geometric_mean(slower) if all(slower) and slower else 1.0)

    def seconds(self, task: Task) -> float:
        """Return the seconds that a task takes."""
        return self.of(group_of(task))


def took(run: FoundRun) -> float | None:
    """Return how long the task of a finished run took, with its logging; None if the run does not say.

    Where it was done in one go, that is as long as the run was open. One that was interrupted says itself.
    """
    metrics, info = run.data.metrics, run.info
    is_open = info.start_time is not None and info.end_time is not None
    whole = float(info.end_time - info.start_time) / 1000 if is_open else None
    if run.data.tags.get("kind") == "analysis":
        return whole
    worked = next((metrics[name] for name in _TOOK if name in metrics), None)
    if worked is None:
        return None
    worked = float(worked) + metrics.get(_TRACKING, 0.0)
    is_in_one_go = whole is not None and worked <= whole <= 1.5 * worked + _LOGGING_SECONDS
    return (whole if whole is not None and is_in_one_go else worked) + float(metrics.get(OPENING, 0.0))
