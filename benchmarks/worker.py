"""Contenders in processes of their own, which do one thing when asked and wait otherwise.

A contender is a function `module:name` of (setup, variant) that prepares everything and returns a function of
a command. Nothing is shared between contenders: each imports what it needs afresh, with as many threads.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

from benchmarks.environment import ROOT


class ContenderError(RuntimeError):
    """A contender raised, or its process ended."""


@dataclass(frozen=True)
class _Answer:
    value: Any
    error: str | None


class Worker:
    """The process of one contender, ready when this returns; close it in the end.

    Raises:
        ContenderError: If it can't be prepared.
    """

    def __init__(self, contender: str, setup: object, variant: str, threads: int) -> None:
        self._name = f"{contender}({variant})"
        self._connection, theirs = Pipe()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": str(threads), "CUDA_VISIBLE_DEVICES": ""},
        )
        theirs.close()
        try:
            self((contender, setup, variant, threads))
        except BaseException:
            self.close()
            raise

    def __call__(self, command: object) -> Any:
        """Have the contender do what `command` says, and return its answer.

        Raises:
            ContenderError: If it raises, or its process ends.
        """
        try:
            self._connection.send(command)
            answer: _Answer = self._connection.recv()
        except (EOFError, OSError) as error:
            raise ContenderError(f"the process of {self._name} ended") from error
        if answer.error is not None:
            raise ContenderError(f"{self._name} failed:\n{answer.error}")
        return answer.value

    def close(self) -> None:
        """End the process."""
        self._connection.close()  # the process ends by itself when it finds nobody to wait for
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def serve(connection: Connection) -> None:
    """Prepare the contender that the first message names, then answer one command after the other."""
    act: Callable[[Any], object] = _prepare
    while True:
        try:
            command = connection.recv()
        except EOFError:
            return
        try:
            if act is _prepare:
                act = _prepare(command)
                connection.send(_Answer(None, None))
            else:
                connection.send(_Answer(act(command), None))
        except Exception:
            connection.send(_Answer(None, traceback.format_exc()))


def _prepare(command: tuple[str, object, str, int]) -> Callable[[Any], object]:
    contender, setup, variant, threads = command
    import torch

    torch.set_num_threads(threads)
    module, _, name = contender.partition(":")
    act: Callable[[Any], object] = getattr(importlib.import_module(module), name)(setup, variant)
    if torch.get_num_threads() != threads:
        raise RuntimeError(f"it computes with {torch.get_num_threads()} threads instead of {threads}")
    return act


if __name__ == "__main__":
    # Under its own name, so that what is pickled here is of the same class as at the other end.
    importlib.import_module("benchmarks.worker").serve(Connection(int(sys.argv[1])))
