"""Chromium without a window, told by its debugging protocol over a pipe what to open."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
_OPTIONS = ("--headless", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--remote-debugging-pipe")
# What a new process does: a program given descriptors of its own is the browser, which knows them by number.
_START = """
import fcntl, os, sys
reads, writes = (fcntl.fcntl(int(each), fcntl.F_DUPFD, 10) for each in sys.argv[1:3])
os.dup2(reads, 3)
os.dup2(writes, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""


def told_by(address: str, profile: Path) -> str:
    """Open a page and return what it calls `tell` with; the page must, or this waits until the browser ends.

    Args:
        address: Of the page.
        profile: An empty folder of the browser's own.
    """
    with _browser(profile) as (send, receive):
        target = send("Target.createTarget", url="about:blank")["targetId"]
        session = send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for method, values in (
            ("Runtime.enable", {}),
            ("Runtime.addBinding", {"name": "tell"}),
            ("Page.navigate", {"url": address}),
        ):
            send(method, session=session, **values)
        return str(
            next(each["params"]["payload"] for each in receive if each.get("method") == "Runtime.bindingCalled")
        )


@contextmanager
def _browser(profile: Path) -> Iterator[tuple[Any, Iterator[dict[str, Any]]]]:
    """Start the browser, which reads commands on its descriptor 3 and answers on 4."""
    assert BROWSER is not None
    reads, commands = os.pipe()
    answers, writes = os.pipe()
    start = [sys.executable, "-c", _START, str(reads), str(writes)]
    command = [*start, BROWSER, *_OPTIONS, f"--user-data-dir={profile}"]
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, pass_fds=(reads, writes), stdout=quiet, stderr=quiet)
    os.close(reads)
    os.close(writes)
    with os.fdopen(commands, "wb", buffering=0) as out, os.fdopen(answers, "rb") as answered:
        receive = _messages(answered)
        numbers = itertools.count(1)

        def send(method: str, session: str | None = None, **values: Any) -> dict[str, Any]:
            number = next(numbers)
            message = {"id": number, "method": method, "params": values}
            out.write(json.dumps(message | ({"sessionId": session} if session else {})).encode() + b"\0")
            answer = next(each for each in receive if each.get("id") == number)
            assert "error" not in answer, answer
            return dict(answer["result"])

        try:
            yield send, receive
        finally:
            process.kill()
            process.wait()


def _messages(stream: Any) -> Iterator[dict[str, Any]]:
    """Return what the browser says, one message after the other, which end in a zero."""
    rest = b""
    while piece := stream.read1():
        *whole, rest = (rest + piece).split(b"\0")
        yield from map(json.loads, whole)
