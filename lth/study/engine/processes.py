"""Processes of this machine, each at one task at a time: `python -m lth.study.engine.worker`.

They are told what to do, and tell what came of it, as lines of JSON; nothing is unpickled. One that dies is
noticed at once, for its end of the line closes, and is started again for the next task.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lth.errors import InputError
from lth.plan.tasks import Task
from lth.study.engine.engine import LostWorkerError, Outcome, Terms
from lth.study.engine.message import Message, error_of
from lth.training.sharing import Sharing

_PROGRAM = "lth.study.engine.worker"
_RUN_OF_MLFLOW = "MLFLOW_RUN_ID"  # which is this process's
_SECONDS_TO_END = 60.0  # in which a worker keeps its progress
_MOST_FALSE_STARTS = 3  # in a row, of all workers


@dataclass
class _Worker:
    """One process.

    Args:
        number: Of all of them, from 0.
        process: It; another one after it died.
        is_ready: Whether it has opened the studies.
        task: What it is at.
    """

    number: int
    process: subprocess.Popen[str]
    is_ready: bool = False
    task: Task | None = None

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
        self._workers: list[_Worker] = []
        self._heard: queue.SimpleQueue[tuple[_Worker, subprocess.Popen[str], Message | None]] = (
            queue.SimpleQueue()
        )
        self._false_starts = 0

    @property
    def free(self) -> int:
        """How many more tasks they take now."""
        return self.count - sum(worker.task is not None for worker in self._workers)

    def submit(self, task: Task, *, adopt: bool, fresh: bool, runs: Mapping[str, str]) -> str:
        """Have a free process do a task; `adopt` is not for others than the command itself."""
        assert not adopt, "a worker has no run of `mlflow run`"
        worker = next((worker for worker in self._workers if worker.task is None), None)
        if worker is None:
            number = len(self._workers)
            worker = _Worker(number, self._started(number))
            self._workers.append(worker)
            self._listen(worker)
        elif worker.process.poll() is not None:
            self._restart(worker)
        worker.task = task
        self._tell(worker, self._terms.asked(task, fresh=fresh, runs=runs))
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
            elif worker.task is not None:
                task, worker.task = worker.task, None
                return Outcome(task, message.get("run"), error_of(message, self._terms.lost))

    def cancel(self) -> None:
        """Ask all to keep their progress and end; kill those that have not after a minute."""
        for worker in self._workers:
            worker.process.terminate()
        self._join()

    def close(self) -> None:
        """Let all end, which are at nothing any more."""
        for worker in self._workers:
            with suppress(OSError):
                assert worker.process.stdin is not None
                worker.process.stdin.close()
        self._join()

    def _join(self) -> None:
        for worker in self._workers:
            try:
                worker.process.wait(_SECONDS_TO_END)
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
        worker.task = None
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
