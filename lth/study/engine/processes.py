"""Processes of this machine, each at one task at a time: `python -m lth.study.engine.worker`.

They are told what to do, and tell what came of it, as lines of JSON; nothing is unpickled. One that dies is
noticed at once, for its end of the line closes, and is started again for the next task. What does not fit into
a process's part of a GPU is done once more with the whole of it, as soon as the others there are done.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lth.errors import InputError
from lth.plan.tasks import Task
from lth.study.engine.engine import SECONDS_TO_END, LostWorkerError, Outcome, Terms
from lth.study.engine.gpu import does_not_fit
from lth.study.engine.message import Message, error_of
from lth.training.sharing import SHARE, WHOLE, Sharing

_PROGRAM = "lth.study.engine.worker"
_RUN_OF_MLFLOW = "MLFLOW_RUN_ID"  # which is this process's
_SECONDS_TO_LEAVE = 10.0  # for one that is at nothing, and in the way on a GPU
_MOST_FALSE_STARTS = 3  # in a row, of all workers


@dataclass
class _Worker:
    """One process.

    Args:
        number: Of all of them, from 0.
        process: It; another one after it died.
        is_ready: Whether it has opened the studies.
        task: What it is at.
        asked: How it was asked for that.
        alone: Whether its task gets a GPU of its own: `waits` for it, or `has` it.
    """

    number: int
    process: subprocess.Popen[str]
    is_ready: bool = False
    task: Task | None = None
    asked: Message | None = None
    alone: Literal["no", "waits", "has"] = "no"

    @property
    def name(self) -> str:
        """What a person calls it."""
        return f"worker {self.number + 1}"


class Processes:
    """So many processes, started where there is something to do.

    Args:
        terms: What they are told, and what is made of what they tell.
        sharing: How they share GPUs, if they compute on some.
    """

    def __init__(self, terms: Terms, sharing: Sharing | None = None) -> None:
        self.count, self._sharing = terms.count, sharing
        self._terms = terms
        self._workers: dict[int, _Worker] = {}  # by their numbers
        self._heard: queue.SimpleQueue[tuple[_Worker, subprocess.Popen[str], Message | None]] = (
            queue.SimpleQueue()
        )
        self._false_starts = 0

    @property
    def free(self) -> int:
        """How many more tasks they take now; none on a GPU that one waits for or has alone."""
        return sum(map(self._is_free, range(self.count)))

    def submit(self, task: Task, *, adopt: bool, fresh: bool, runs: Mapping[str, str]) -> str:
        """Have a free process do a task; `adopt` is not for others than the command itself."""
        assert not adopt, "a worker has no run of `mlflow run`"
        number = next(number for number in range(self.count) if self._is_free(number))
        if number not in self._workers:
            self._workers[number] = _Worker(number, self._started(number))
            self._listen(self._workers[number])
        worker = self._workers[number]
        if worker.process.poll() is not None:
            self._restart(worker)
        worker.task, worker.asked = task, self._terms.asked(task, fresh=fresh, runs=runs)
        self._tell(worker, worker.asked)
        return worker.name

    def outcome(self, seconds: float) -> Outcome | None:
        """Return what became of a task; what workers say meanwhile is told.

        Raises:
            InputError: If no worker can open the studies.
        """
        while True:
            try:
                worker, process, message = self._heard.get(timeout=seconds)
            except queue.Empty:
                return None
            if process is not worker.process:
                continue  # of one that is started again already
            if message is None:
                if (outcome := self._ended(worker)) is not None:
                    return outcome
            elif "said" in message:
                self._terms.say(f"[{self._terms.label(worker.name, worker.task)}] {message['said']}")
            elif "unable" in message:
                raise InputError(f"no worker can be started: {message['unable']}")
            elif "ready" in message:
                worker.is_ready, self._false_starts = True, 0
            elif worker.task is not None and not self._is_to_be_alone(worker, message):
                return self._answered(worker, message)

    def _answered(self, worker: _Worker, message: Message) -> Outcome:
        task = worker.task
        assert task is not None
        self._leave(worker)
        return Outcome(task, message.get("run"), error_of(message, self._terms.lost))

    def _leave(self, worker: _Worker) -> None:
        """Take that a worker is at nothing any more; the next one that waits for the GPU alone may get it."""
        worker.task = worker.asked = None
        if worker.alone == "has":
            self._end(worker)  # the next one of its number has but a part
        worker.alone = "no"
        self._give_alone()

    def _beside(self, number: int) -> list[_Worker]:
        """Return the workers on the GPU of a worker of a number, that one among them; without a GPU none."""
        sharing = self._sharing
        if sharing is None:
            return []
        return [other for other in self._workers.values() if sharing.gpu(other.number) == sharing.gpu(number)]

    def _is_free(self, number: int) -> bool:
        worker = self._workers.get(number)
        is_idle = worker is None or worker.task is None
        return is_idle and all(other.alone == "no" for other in self._beside(number))

    def _is_to_be_alone(self, worker: _Worker, message: Message) -> bool:
        """Let a task that does not fit into a part of a GPU wait for the whole; return whether it is so."""
        if message.get("error") != "memory" or self._sharing is None or worker.alone == "has":
            return False
        part = self._sharing.share(worker.number)
        if part == WHOLE:
            return False
        assert worker.task is not None
        self._terms.say(does_not_fit(worker.task.name, part))
        worker.alone = "waits"
        self._give_alone()
        return True

    def _give_alone(self) -> None:
        """Let those that wait for a GPU alone have it where no other is at a task there."""
        for worker in self._workers.values():
            others = [other for other in self._beside(worker.number) if other is not worker]
            if worker.alone == "waits" and all(o.task is None or o.alone == "waits" for o in others):
                for each in [worker, *others]:
                    self._end(each)  # it holds memory, also of what is done
                worker.alone = "has"
                self._restart(worker)
                assert worker.asked is not None
                self._tell(worker, worker.asked)

    @staticmethod
    def _end(worker: _Worker) -> None:
        """End a process that is at nothing."""
        worker.process.terminate()
        try:
            worker.process.wait(_SECONDS_TO_LEAVE)
        except subprocess.TimeoutExpired:
            worker.process.kill()
            worker.process.wait()

    def cancel(self) -> None:
        """Ask all to keep their progress and end; kill those that have not after a minute."""
        self._terms.say_ending(sum(worker.task is not None for worker in self._workers.values()))
        for worker in self._workers.values():
            worker.process.terminate()
        self._join()

    def close(self) -> None:
        """Let all end, which are at nothing any more."""
        for worker in self._workers.values():
            with suppress(OSError):
                assert worker.process.stdin is not None
                worker.process.stdin.close()
        self._join()

    def _join(self) -> None:
        until = time.monotonic() + SECONDS_TO_END
        for worker in self._workers.values():
            try:
                worker.process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                worker.process.kill()
                worker.process.wait()
        self._workers.clear()
        if self._sharing is not None:
            self._sharing.end()

    def _started(self, number: int) -> subprocess.Popen[str]:
        environment = {name: value for name, value in os.environ.items() if name != _RUN_OF_MLFLOW}
        environment["PYTHONPATH"] = os.pathsep.join(path or str(Path.cwd()) for path in sys.path)
        if self._sharing is not None:
            environment |= self._sharing.environment(number)
            if number in self._workers and self._workers[number].alone == "has":
                environment[SHARE] = f"{WHOLE:g}"
        return subprocess.Popen(
            [sys.executable, "-m", _PROGRAM],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,  # Ctrl-C reaches this process, which passes it on
        )

    def _restart(self, worker: _Worker) -> None:
        worker.process, worker.is_ready = self._started(worker.number), False
        self._listen(worker)

    def _listen(self, worker: _Worker) -> None:
        """Hand on what a process says, and that it has ended."""
        process = worker.process
        lines = process.stdout
        assert lines is not None

        def listen() -> None:
            for line in lines:
                with suppress(json.JSONDecodeError):  # of one that was killed while it spoke
                    self._heard.put((worker, process, json.loads(line)))
            process.wait()
            self._heard.put((worker, process, None))

        threading.Thread(target=listen, daemon=True).start()
        self._tell(worker, {"open": self._terms.opened})

    @staticmethod
    def _tell(worker: _Worker, message: Message) -> None:
        lines = worker.process.stdin
        assert lines is not None
        with suppress(OSError):  # it is dead, which is heard of
            lines.write(json.dumps(message) + "\n")
            lines.flush()

    def _ended(self, worker: _Worker) -> Outcome | None:
        """Take that a worker is gone; return what became of its task, if it was at one."""
        status, task = worker.process.returncode, worker.task
        if worker.alone == "waits":
            return None  # it left for another, and begins again when it is its turn
        self._leave(worker)
        if not worker.is_ready:
            self._false_starts += 1
            if self._false_starts >= _MOST_FALSE_STARTS:
                raise InputError(
                    f"no worker can be started: of {self._false_starts} in a row, the last {_how(status)}"
                )
        if task is None:
            return None
        return Outcome(task, error=LostWorkerError(f"{worker.name} {_how(status)}"))


def _how(status: int) -> str:
    return f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
