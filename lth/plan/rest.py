"""How many tasks are done, and how long the rest may take: predicted at first, then by what they take here."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping

# So much of what was predicted counts as seen: a share of all, and what starting takes.
_TRUST, _TRUST_SECONDS = 0.1, 30.0


class Rest:
    """The tasks of one or several studies, some of them done.

        rest = Σ predicted, of what is left · (p + elapsed) / (p + Σ predicted, of what was done meanwhile)

    with p a tenth of all that was predicted and half a minute. Elapsed is wall time: what other processes do of
    the tasks, and whatever else keeps the machine busy, is in the estimate.

    >>> rest = Rest({"a": 60.0, "b": 60.0, "c": 120.0}, done=["a"], clock=iter([0.0, 0.0]).__next__)
    >>> str(rest)
    '1 of 3 done, about 3 min to go'

    Args:
        predicted: Seconds of each task, by its key.
        done: Which of them are done already.
        clock: Tells seconds.
    """

    def __init__(
        self,
        predicted: Mapping[str, float],
        done: Iterable[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._predicted, self._clock = dict(predicted), clock
        self._found = self._predicted.keys() & set(done)
        self._done = set(self._found)
        self._began = clock()

    def note(self, done: Iterable[str]) -> None:
        """Note which tasks are done by now, by whichever process; of others, nothing."""
        self._done |= self._predicted.keys() & set(done)

    @property
    def keys(self) -> tuple[str, ...]:
        """Of all tasks."""
        return tuple(self._predicted)

    @property
    def num_done(self) -> int:
        """How many tasks are done."""
        return len(self._done)

    @property
    def seconds(self) -> float:
        """How long the rest may take."""
        total = sum(self._predicted.values())
        left = total - sum(self._predicted[key] for key in self._done)
        seen = sum(self._predicted[key] for key in self._done - self._found)
        trust = _TRUST_SECONDS + _TRUST * (total - sum(self._predicted[key] for key in self._found))
        return max(0.0, left) * (trust + self._clock() - self._began) / (trust + seen)

    def __str__(self) -> str:
        return f"{self.num_done} of {len(self._predicted)} done, {roughly(self.seconds)} to go"


def duration(seconds: float) -> str:
    """Return a time for people.

    >>> [duration(each) for each in (0.25, 4.21, 44, 75, 5400, 900_000)]
    ['0.2 s', '4.2 s', '44 s', '1.2 min', '1.5 h', '250 h']
    """
    amount, unit = (seconds, "s")
    if seconds >= 59.5:
        amount, unit = (seconds / 60, "min") if seconds < 3570 else (seconds / 3600, "h")
    return f"{round(amount, 1 if amount < 9.95 else None):g} {unit}"


def roughly(seconds: float) -> str:
    """Return a time as one says it that is known by half.

    >>> [roughly(each) for each in (0.4, 44, 150, 5400, 360000)]
    ['about 1 s', 'about 45 s', 'about 3 min', 'about 1.5 h', 'about 100 h']
    """
    step = 1 if seconds < 10 else 5 if seconds < 57.5 else 60 if seconds < 3570 else 360
    return f"about {duration(max(1, step * round(seconds / step + 1e-9)))}"
