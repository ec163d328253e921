"""How many processor cores this process may use, which in a container are fewer than the machine has."""

from __future__ import annotations

import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


def usable_cores() -> int:
    """Return how many cores the scheduler may run this process on, at most what its cgroup's quota is worth."""
    has_affinity = hasattr(os, "sched_getaffinity")  # not on macOS and Windows
    cores = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    quota = _quota()
    return cores if quota is None else max(1, min(cores, round(quota)))


def _quota() -> float | None:
    """Return the processor time that the container gets, in cores (cgroup v2, else v1); None if unlimited."""
    try:
        if (_CGROUP / "cpu.max").exists():
            limit, period = (_CGROUP / "cpu.max").read_text().split()
        else:
            limit = (_CGROUP / "cpu" / "cpu.cfs_quota_us").read_text()
            period = (_CGROUP / "cpu" / "cpu.cfs_period_us").read_text()
        return int(limit) / int(period) if int(limit) > 0 else None
    except (OSError, ValueError, ZeroDivisionError):  # v2 writes "max" where nothing is limited
        return None
