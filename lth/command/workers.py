"""More processes for one command: each takes what is free of the same study, and ends when nothing is left."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import click

# Of this process among those of a command, the command itself being 0. Far from LTH_WORKERS, which users set.
NUMBER = "_LTH_NUMBER_AMONG_PROCESSES"
_LAUNCHED_BY_MLFLOW = "MLFLOW_RUN_ID"  # whose run is the first process's
_MOST = 256
_SECONDS_TO_END = 60  # in which a worker keeps its progress


def parse(_context: click.Context, _parameter: click.Parameter, value: str) -> int | None:
    """Read a number of processes; None for `auto`."""
    from lth.setting.numeral import parse_whole

    if value == "auto":
        return None
    try:
        count = parse_whole(value)
    except ValueError:
        count = 0
    if not 1 <= count <= _MOST:
        raise click.BadParameter(f"{value!r} is no number of processes; write auto, or 1 to {_MOST}")
    return count


def number() -> int:
    """Return which of a command's processes this is: 0 for the command itself."""
    return int(os.environ.get(NUMBER, "0"))


@contextmanager
def working(count: int, arguments: Sequence[str], say: Callable[[str], None]) -> Iterator[None]:
    """Let `count - 1` more processes run `python -m <arguments>` meanwhile; each line is told with its number.

    Where the block ends by an error or an interruption they are asked to keep their progress and end; else they
    are waited for. One that fails does not end the others: what it left, they do.

    Args:
        count: Processes in all, at least 1.
        arguments: A module, and what it is given.
        say: Tells the user.
    """
    others = [_started(index, arguments, say) for index in range(1, count)]
    try:
        yield
    except BaseException:
        for process, _ in others:
            process.terminate()
        raise
    finally:
        for index, (process, reader) in enumerate(others, start=1):
            _ended(process, index, say)
            reader.join()


def _started(
    index: int, arguments: Sequence[str], say: Callable[[str], None]
) -> tuple[subprocess.Popen[str], threading.Thread]:
    environment = {name: value for name, value in os.environ.items() if name != _LAUNCHED_BY_MLFLOW}
    process = subprocess.Popen(
        [sys.executable, "-m", *arguments],
        env={**environment, NUMBER: str(index)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    lines = process.stdout
    assert lines is not None

    def tell() -> None:
        for line in lines:
            say(f"[worker {index}] {line.rstrip()}")

    reader = threading.Thread(target=tell, daemon=True)
    reader.start()
    return process, reader


def _ended(process: subprocess.Popen[str], index: int, say: Callable[[str], None]) -> None:
    try:
        status = process.wait()
    except KeyboardInterrupt:
        process.terminate()
        try:
            process.wait(_SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            process.kill()
        raise
    if status not in (0, 130, -15):
        say(f"worker {index} ended with status {status}; what it left undone, the others do")
