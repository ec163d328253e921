"""Chromium without a window, told by its debugging protocol over a pipe what to open."""

from __future__ import annotations

import base64
import itertools
import json
import os
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
_OPTIONS = ("--headless", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--remote-debugging-pipe")
# A frame without rights would be a process of its own, which the page's session does not reach.
_ONE_PROCESS = ("--disable-features=IsolateSandboxedIframes", "--disable-site-isolation-trials")
# A promise that is kept with the first value of a condition that counts as true, and broken after two minutes.
_ONCE = """new Promise((keep, fail) => {
  const end = Date.now() + 120000;
  const look = () => {
    const value = (() => { try { return %s; } catch { return null; } })();
    if (value) keep(value instanceof Node || value);
    else if (Date.now() < end) setTimeout(look, 50);
    else fail(new Error(`this has not come, but: ${document.body?.innerText.slice(0, 500)}`));
  };
  look();
})"""
# What a new process does: a program given descriptors of its own is the browser, which knows them by number.
_START = """
import fcntl, os, sys
reads, writes = (fcntl.fcntl(int(each), fcntl.F_DUPFD, 10) for each in sys.argv[1:3])
os.dup2(reads, 3)
os.dup2(writes, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""


class Tab:
    """A page of a browser, and the frame within it that one looks at."""

    def __init__(self, tell: Callable[..., dict[str, Any]], receive: Iterator[dict[str, Any]]) -> None:
        self._tell, self._receive = tell, receive
        self._frame: int | None = None  # the context that scripts run in; None is the page's own

    def tell(self, method: str, **values: Any) -> dict[str, Any]:
        """Give the page a command of the protocol, and return the answer."""
        return self._tell(method, **values)

    def size(self, width: int, height: int) -> None:
        """Make the page so many pixels wide and high."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.tell("Emulation.setDeviceMetricsOverride", **size)

    def go(self, address: str) -> None:
        """Open another page anew: to a browser, addresses that differ after # alone are one page."""
        self._frame = None
        self.tell("Page.navigate", url="about:blank")
        self.tell("Page.navigate", url=address)
        self.waits(f"location.href.startsWith({json.dumps(address.split('#')[0])}) && document.body")

    def enter_frame(self) -> None:
        """Look from now on into the first frame of the page, whatever rights it lacks."""
        (frame, *_) = self.tell("Page.getFrameTree")["frameTree"]["childFrames"]
        self._frame = self.tell("Page.createIsolatedWorld", frameId=frame["frame"]["id"])["executionContextId"]

    def value(self, expression: str) -> Any:
        """Return what an expression in JavaScript comes to; of a promise, what it is kept with."""
        context = {} if self._frame is None else {"contextId": self._frame}
        answer = self.tell(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True, **context
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def waits(self, condition: str) -> Any:
        """Return what a condition in JavaScript comes to once it is true.

        After two minutes it fails with what the page shows.
        """
        return self.value(_ONCE % condition)

    def picture(self) -> bytes:
        """Return what one sees, as PNG."""
        return base64.b64decode(self.tell("Page.captureScreenshot", format="png")["data"])

    def told(self) -> str:
        """Return what the page calls `tell` with next; it must, or this waits until the browser ends."""
        called = (each for each in self._receive if each.get("method") == "Runtime.bindingCalled")
        return str(next(called)["params"]["payload"])


@contextmanager
def opened(profile: Path, width: int = 1400, height: int = 900) -> Iterator[Tab]:
    """Start a browser and give its one page, empty and so wide and high.

    Args:
        profile: An empty folder of the browser's own.
        width: Pixels.
        height: Pixels.
    """
    with _browser(profile) as (send, receive):
        target = send("Target.createTarget", url="about:blank")["targetId"]
        session = send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        tab = Tab(partial(send, session=session), receive)
        tab.size(width, height)
        tab.tell("Runtime.enable")
        tab.tell("Runtime.addBinding", name="tell")
        yield tab


def told_by(address: str, profile: Path) -> str:
    """Open a page and return what it calls `tell` with; the page must, or this waits until the browser ends.

    Args:
        address: Of the page.
        profile: An empty folder of the browser's own.
    """
    with opened(profile) as tab:
        tab.tell("Page.navigate", url=address)
        return tab.told()


@contextmanager
def _browser(profile: Path) -> Iterator[tuple[Any, Iterator[dict[str, Any]]]]:
    """Start the browser, which reads commands on its descriptor 3 and answers on 4."""
    assert BROWSER is not None
    reads, commands = os.pipe()
    answers, writes = os.pipe()
    start = [sys.executable, "-c", _START, str(reads), str(writes)]
    command = [*start, BROWSER, *_OPTIONS, *_ONE_PROCESS, f"--user-data-dir={profile}"]
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, pass_fds=(reads, writes), stdout=quiet, stderr=quiet)
    os.close(reads)
    os.close(writes)
    with os.fdopen(commands, "wb", buffering=0) as out, os.fdopen(answers, "rb") as answered:
        arriving, early = _messages(answered), deque[dict[str, Any]]()
        numbers = itertools.count(1)

        def receive() -> Iterator[dict[str, Any]]:
            """Return what comes unasked, first that which came before an answer."""
            while True:
                yield early.popleft() if early else next(arriving)

        def send(method: str, session: str | None = None, **values: Any) -> dict[str, Any]:
            number = next(numbers)
            message = {"id": number, "method": method, "params": values}
            out.write(json.dumps(message | ({"sessionId": session} if session else {})).encode() + b"\0")
            while (answer := next(arriving)).get("id") != number:
                early.append(answer)
            assert "error" not in answer, answer
            return dict(answer["result"])

        try:
            yield send, receive()
        finally:
            process.kill()
            process.wait()


def _messages(stream: Any) -> Iterator[dict[str, Any]]:
    """Return what the browser says, one message after the other, which end in a zero."""
    rest = b""
    while piece := stream.read1():
        *whole, rest = (rest + piece).split(b"\0")
        yield from map(json.loads, whole)
