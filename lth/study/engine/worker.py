"""A process that does tasks for another, as `lth.study.engine.processes` has them done: `python -m` this.

It reads lines of JSON, and writes them.

    {"open": {…}}                                           how to open the studies; `Worker` says what is in it
    {"do": key, "study": 0, "fresh": …, "runs": {key: run}}  do a task; the runs of what it needs

    {"ready": true}
    {"said": line}
    {"run": run}                                            the run of the result; null if others were first
    {"error": kind, "text": …}                              why there is none

It ends by SIGTERM, SIGINT or SIGUSR1, keeping its progress, and so it does where the other process ends.
"""

from __future__ import annotations

import hashlib
import json
import os
import queue
import re
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import IO

import torch

from lth.plan.order import walk
from lth.plan.stability import Probe
from lth.plan.tasks import Task
from lth.signals import interrupt_on_signals
from lth.study.engine.message import Message, message_of
from lth.study.engine.node import facts_of
from lth.study.open import Opening, build_study, parse_devices
from lth.study.study import Study
from lth.tracking.address import use_store
from lth.tracking.client import set_request_defaults, without_password
from lth.tracking.store import Store
from lth.training.sharing import hold_to_part

_LONGEST_NAME = 100  # of a file; more is cut
_INTERRUPTED = 130  # the exit status


class Worker:
    """Does tasks of studies, which it opens when the first of theirs is asked for.

    Args:
        opened: `opening` (the fields of an `Opening`), `seeds`, `tracking` (the address of the store),
            `experiment`, `threads` and `logs` (a directory); where not the studies themselves are done but what
            tells their stability, `probe` (the fields of a `Probe`).
        tell: Tells the other process.
    """

    def __init__(self, opened: Message, tell: Callable[[Message], None]) -> None:
        self.tell, self._logs = tell, Path(opened["logs"])
        torch.set_num_threads(opened["threads"])
        set_request_defaults()
        use_store(opened["tracking"])
        opening, experiment = Opening(**opened["opening"]), opened["experiment"]
        hold_to_part(parse_devices(opening.device))
        self._store = Store(
            opening.patience,
            self.say,
            adopts=False,
            creates=False,
            experiment=experiment,
            waits=True,  # who asks for a worker has opened it
        )
        self._probe = Probe.of(opened["probe"]) if "probe" in opened else None
        self._openings = [opening.with_seed(seed) for seed in opened["seeds"]] or [opening]
        self._studies: dict[int, tuple[Study, dict[str, Task]]] = {}
        self._last: Study | None = None

    def say(self, line: str) -> None:
        """Tell the user, and write it into the log of the task."""
        _write(line)
        self.tell({"said": line})

    def do(self, message: Message) -> Message:
        """Do a task, and return what came of it."""
        log = self._logs / "worker.log"
        _log_to(log)
        try:
            study, tasks = self._opened(message["study"])
            task = tasks[message["do"]]
            log = self._logs / _file_name(study.name) / f"{_file_name(task.name)}.log"
            _log_to(log)
            study.desk.refer(message["runs"])
            return {"run": study.desk.do(task, adopt=False, fresh=message["fresh"])}
        except Exception as error:
            _write("".join(traceback.format_exception(error)))
            return message_of(error, str(log))

    @cached_property
    def facts(self) -> dict[str, str]:
        """What decides the results of the first study here (`lth.study.engine.node`)."""
        return facts_of(self._opened(0)[0])

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self._opened(0)[0].problem.devices[0]

    def _opened(self, number: int) -> tuple[Study, dict[str, Task]]:
        if number not in self._studies:
            sibling = next((study for study, _ in self._studies.values()), None)
            study = build_study(self._openings[number], self._store, self.say, sibling=sibling, describe=False)
            targets = study.targets() if self._probe is None else self._probe.tasks(study.tasks)
            tasks = walk(targets, lambda _task: False)
            for task in tasks:
                study.desk.check(task)
            self._studies[number] = study, {task.key: task for task in tasks}
        study, tasks_by_key = self._studies[number]
        if self._last is not None and self._last is not study:
            self._last.desk.release()
        self._last = study
        return study, tasks_by_key


def _file_name(name: str) -> str:
    """Return a name for files: a long one cut, and told apart from others that begin alike."""
    whole = re.sub(r"[^\w.=+-]+", "-", name).strip("-.")
    if len(whole) <= _LONGEST_NAME:
        return whole
    return f"{whole[:_LONGEST_NAME]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _log_to(path: Path) -> None:
    """Let what this process and its libraries print go to a file, from now on; where that fails, nowhere."""
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)


def _write(text: str) -> None:
    with suppress(OSError):
        now = datetime.now(UTC).isoformat(timespec="seconds")
        os.write(1, f"{now} {without_password(text)}\n".encode())


def _read(lines: IO[str], heard: queue.SimpleQueue[Message]) -> None:
    """Hand on what is asked; end this process, as a signal would, where nobody asks any more."""
    for line in lines:
        heard.put(json.loads(line))
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    """Do what is asked for, until that ends."""
    interrupt_on_signals()
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print is no answer

    def tell(message: Message) -> None:
        answers.write(json.dumps(message) + "\n")

    heard: queue.SimpleQueue[Message] = queue.SimpleQueue()
    try:
        threading.Thread(target=_read, args=(sys.stdin, heard), daemon=True).start()
        worker: Worker | None = None
        while True:
            message = heard.get()
            if worker is None:
                try:
                    worker = Worker(message["open"], tell)
                except Exception as error:
                    tell({"unable": without_password(f"{error}")})
                    raise
                tell({"ready": True})
            else:
                tell(worker.do(message))
    except KeyboardInterrupt:
        os._exit(_INTERRUPTED)  # threads of libraries may be waiting for a store that does not answer
    except BrokenPipeError:
        os._exit(_INTERRUPTED)


if __name__ == "__main__":
    main()
