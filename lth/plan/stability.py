"""What tells from which step on a training is stable: copies of it under other SGD noise, and lines between.

    dense at 0 -> dense at 125 -> dense at 250 -> …     states of the one dense training
       v v            v v             v v
     copies         copies          copies              each to the end, masked by m(L) at a level above 0
       --             --              --                lines between all copies of a state and a level

Source: Frankle et al. 2020, arXiv 1912.05671, algorithm 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

from lth.plan.jobs import LineJob
from lth.plan.place import Copy, DenseState, Place, Point
from lth.plan.tasks import StudyTasks, Task

# By default: the initialisation, then steps that double, as shares of the training in per cent.
DEFAULT_STEPS = "0,0.5%,1%,2%,4%,8%,16%,32%"
DEFAULT_LEVELS = "0"
DEFAULT_COPIES = 2


@dataclass(frozen=True)
class Probe:
    """From which states copies are trained, and how many of each.

    Args:
        steps: Of the dense training, ascending: the candidates for a rewind step.
        levels: Whose masks the copies have; 0 is dense.
        copies: Of each state and level, at least 2.
    """

    steps: tuple[int, ...]
    levels: tuple[int, ...] = (0,)
    copies: int = DEFAULT_COPIES

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Probe:
        """Return what `told` said, after it was JSON on the way."""
        return cls(tuple(told["steps"]), tuple(told["levels"]), told["copies"])

    def told(self) -> dict[str, Any]:
        """Return it in plain values."""
        return asdict(self)

    def sites(self) -> Iterator[tuple[int, int]]:
        """Yield every level and step that copies are trained of."""
        return ((level, step) for level in self.levels for step in self.steps)

    @property
    def couples(self) -> list[tuple[int, int]]:
        """The numbers of all copies, two by two."""
        return list(combinations(range(1, self.copies + 1), 2))

    def lines(self, level: int, step: int) -> list[LineJob]:
        """Return the lines between all copies of a state under a level's mask."""
        ends = [[Point.at(Copy.of(level, step, number)) for number in couple] for couple in self.couples]
        return [LineJob(start, end) for start, end in ends]

    def every_line(self) -> list[LineJob]:
        """Return the lines of all levels and states."""
        return [line for site in self.sites() for line in self.lines(*site)]

    def tasks(self, study: StudyTasks) -> list[Task]:
        """Return all tasks of a study that it takes, each after those it needs."""
        study.keep_states(step for step in self.steps if step > 0)
        states = [study.training(DenseState.after(step)) for step in self.steps if step > 0]
        masked = [study.training(Place.imp(level - 1)) for level in self.levels if level > 0]
        lines = [study.measurement(line) for line in self.every_line()]
        copies = dict.fromkeys(need for line in lines for need in line.needs)
        return list(dict.fromkeys([*states, *masked, *copies, *lines]))
