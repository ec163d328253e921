"""What workers answer that are in another process: plain values, and errors as their kind and their words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lth.errors import InputError, MendableError
from lth.study.engine.engine import OutOfMemoryError, RemoteFaultError
from lth.study.record.load import LostResultError
from lth.tracking.client import StoreError, is_of_memory, told, without_password
from lth.tracking.run import LostRunError

Message = dict[str, Any]
_KINDS: dict[str, type[Exception]] = {  # the first that fits
    "store": StoreError,
    "lost_run": LostRunError,
    "input": InputError,
    "fault": RemoteFaultError,
    "memory": OutOfMemoryError,
    "mendable": MendableError,
}


def message_of(error: Exception, log: str) -> Message:
    """Return what is said of an error.

    Args:
        error: Which.
        log: Where its traceback is.
    """
    if isinstance(error, LostResultError):
        return {"error": "lost_result", "lost_run": error.run_id, "sought": error.sought}
    kind = next((name for name, of in _KINDS.items() if isinstance(error, of)), None)
    if kind is not None:
        return {"error": kind, "text": str(error)}
    if (text := told(error)) is not None:
        return {"error": "memory" if is_of_memory(error) else "mendable", "text": text}
    what = without_password(f"{type(error).__name__}: {error}")
    return {"error": "fault", "text": f"{what}; no user's mistake: report it, its traceback is in {log}"}


def error_of(message: Message, lost: Callable[[str, str], LostResultError]) -> Exception | None:
    """Return the error that a message is of; None if it is of none.

    Args:
        message: As `message_of` made it, or of a result.
        lost: Returns the error that says that what a run held is gone from a place.
    """
    if "error" not in message:
        return None
    if message["error"] == "lost_result":
        return lost(message["lost_run"], message["sought"])
    return _KINDS[message["error"]](message["text"])
