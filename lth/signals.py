"""The signals that end a command early, keeping its progress: Ctrl-C, SIGTERM, and SIGUSR1.

SIGUSR1 is what Slurm sends before the time is up, if asked to (`--signal=USR1@120`).
"""

from __future__ import annotations

import signal
import threading
from types import FrameType

ENDING = (signal.SIGINT, signal.SIGTERM, *([signal.SIGUSR1] if hasattr(signal, "SIGUSR1") else []))


def interrupt_on_signals() -> None:
    """Let them interrupt this process, which must do so in its main thread."""
    for number in ENDING:
        signal.signal(number, _interrupt)


def _interrupt(number: int, _frame: FrameType | None) -> None:
    if not threading.main_thread().is_alive():  # the command is done, and Python is shutting down
        signal.signal(number, signal.SIG_DFL)  # where that takes too long, a second one ends it
        return
    # `mlflow run` answers Ctrl-C, which reaches us too, with SIGTERM: what is being kept now goes on.
    for other in ENDING[1:]:
        signal.signal(other, signal.SIG_IGN)
    raise KeyboardInterrupt
