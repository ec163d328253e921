"""How much memory this process may still take, in a container or a batch job less than the machine has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil

_CGROUP = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")
_V1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
_V2 = ("memory.max", "memory.current", "inactive_file")


def available_memory() -> int:
    """Return how many bytes are free on the machine, at most what its cgroups leave this process.

    What they hold of files counts as free where it was not read lately: the system gives it up.
    """
    free = int(psutil.virtual_memory().available)
    return max(0, min([free, *_left()]))


def _left() -> Iterator[int]:
    """Yield what every cgroup above this process leaves of its limit, of version 2 and of version 1."""
    try:
        lines = [line.split(":", 2) for line in _OWN.read_text().splitlines()]
    except OSError:  # not on Linux
        return
    for _, controllers, path in (line for line in lines if len(line) == 3):
        if not controllers:
            yield from _left_of(_CGROUP, path, *_V2)
        elif "memory" in controllers.split(","):
            yield from _left_of(_CGROUP / "memory", path, *_V1)


def _left_of(root: Path, path: str, limit: str, usage: str, given_up: str) -> Iterator[int]:
    own = root / path.strip("/")
    for group in [folder for folder in (own, *own.parents) if folder.is_relative_to(root)]:
        try:
            most, taken = int((group / limit).read_text()), int((group / usage).read_text())
            lines = (line.split() for line in (group / "memory.stat").read_text().splitlines())
            idle = sum(int(count) for name, count in lines if name == given_up)
        except (OSError, ValueError):  # version 2 writes "max" where nothing is limited; the root has no limit
            continue
        yield most - taken + idle
