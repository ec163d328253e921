"""Ctrl-C, SIGTERM and SIGUSR1 as interruptions, held back while something must not be left half done."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from lth.signals import ENDING

_Handler = Callable[[int, FrameType | None], object]


@contextmanager
def held_back() -> Iterator[None]:
    """Let signals that Python handles take effect only when the block is done; handlers are then as before.

    Outside the main thread, where no handler ever runs, this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers = {number: handler for number in ENDING if callable(handler := signal.getsignal(number))}
    hold = _Hold()
    try:
        for number, handler in handlers.items():
            signal.signal(number, hold.instead_of(handler))
        yield
    finally:
        hold.is_over = True
        # A signal between two of these lines takes effect, and leaves nothing but a handler that passes on.
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if (
            hold.arrived
        ):  # not raised again as a signal: where it is blocked, as in Ray's workers, it would never come
            handlers[hold.arrived[0]](hold.arrived[0], None)


class _Hold:
    """Notes the signals that arrive until it is over, and from then on passes them on."""

    def __init__(self) -> None:
        self.is_over = False
        self.arrived: list[signal.Signals] = []

    def instead_of(self, handler: _Handler) -> _Handler:
        def note(number: int, frame: FrameType | None) -> None:
            if self.is_over:
                handler(number, frame)
            else:
                self.arrived.append(signal.Signals(number))

        return note
