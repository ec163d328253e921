"""What figures were taken on, where they are kept, and how they are shown."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import click
import torch

from lth.solution.progress_file import cpu_model

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
_COUNTED = ("lth", "benchmarks", ":(exclude)benchmarks/results")  # what makes the checkout count as changed


def environment(threads: int, peers: Mapping[str, Path]) -> dict[str, object]:
    """Return what the figures of a run depend on; call it before any work, so that the load is that of others.

    Args:
        threads: How many threads torch computes with in every contender.
        peers: Checkouts of the programs compared with, by name.
    """
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": cpu_model(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "cores": os.cpu_count(),
        "usable_cores": usable_cores(),
        "threads": threads,
        "load_average_before": list(os.getloadavg()),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "torchvision", "numpy")},
        "lth": checkout(ROOT, *_COUNTED),
        **{name: checkout(path) for name, path in peers.items()},
    }


def usable_cores() -> int:
    """Return how many cores this process may run on."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def checkout(directory: Path, *counted: str) -> dict[str, object]:
    """Return the commit of a git checkout, and whether its files (or only those `counted`) differ from it."""
    commit = _git(directory, "rev-parse", "HEAD")
    changed = _git(directory, "status", "--porcelain", "--", *counted)
    return {"commit": commit, "dirty": None if changed is None else changed != ""}


def write_results(
    benchmark: str,
    name: str,
    environment: Mapping[str, object],
    parameters: Mapping[str, object],
    results: Mapping[str, object],
) -> Path:
    """Write one run, with the load it ends under, to `benchmarks/results/<name>.json`, whole or not at all.

    Returns:
        The path.
    """
    content = {
        "benchmark": benchmark,
        "environment": {**environment, "load_average_after": list(os.getloadavg())},
        "parameters": parameters,
        "results": results,
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{name}.json"
    temporary = path.with_suffix(f".{os.getpid()}.new")
    temporary.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    temporary.replace(path)
    return path


def print_table(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table in plain text, the first column flush left, the others flush right."""
    widths = [max(len(row[column]) for row in [headings, *rows]) for column in range(len(headings))]
    click.echo(f"\n{title}")
    for row in [headings, ["-" * width for width in widths], *rows]:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))]
        click.echo("  ".join(cells).rstrip())


def _git(directory: Path, *arguments: str) -> str | None:
    try:
        return subprocess.run(
            ["git", "-C", str(directory), *arguments], capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
