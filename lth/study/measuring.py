"""One measurement as a task of a study: on a tracked run, resumed where a process before this one stopped."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from lth.measure.kind.site import Site
from lth.measure.kind.take import kind_of, take
from lth.measure.packed import Packed, pack
from lth.measure.progress_file import measured_by
from lth.measure.surveyor import Surveyor
from lth.network.weights import Weights
from lth.plan.jobs import Job
from lth.plan.place import Place, Point
from lth.solution.problem import Problem
from lth.solution.solution import Solution
from lth.study.record.curvature_progress import BasisKeeper
from lth.study.record.load import MEASUREMENT
from lth.study.record.measurement import log_measurement
from lth.study.unsent import Unsent
from lth.tracking.run import RunLog


def measure_on(
    run: RunLog,
    problem: Problem,
    job: Job,
    load: Callable[[Place], Solution],
    trajectory: Callable[[Place], Mapping[int, Weights]],
    vectors: Callable[[Point], Tensor],
    surveyor: Surveyor,
    directory: Path,
    *,
    keep_every: float,
    unsent: Unsent,
    say: Callable[[str], None],
) -> Any:
    """Take a measurement, keeping its progress on `run` as it goes, log what came of it, and return that.

    Args:
        run: Is written to; what it kept of an earlier attempt is gone on from, to the same bits.
        problem: The study's.
        job: What to measure.
        load: Returns the solution at a place.
        trajectory: Returns the weights that it kept along its training.
        vectors: Returns the eigenvectors that were kept at a point.
        surveyor: Of the problem.
        directory: Empty; for the numbers.
        keep_every: Seconds between two times that the progress is kept.
        unsent: Keeps the numbers if they can't be logged, and is asked for them before they are taken.
        say: Tells the user.
    """
    kept = unsent.fetch(directory, _read)
    if kept is not None:
        content, seconds = kept
        say("  it was measured before and is not logged yet: logging it now")
    else:
        began, keeper = time.monotonic(), None
        if kind_of(job).goes_on:
            key = problem.keys.measurement(job)
            environment = measured_by(problem.devices, problem.measuring_threads)
            keeper = BasisKeeper(run, key, environment, keep_every, say)
        setting = problem.setting.deciding(job.measure)
        site = Site(load, surveyor, setting, keeper, trajectory, partial(_write, directory), vectors)
        content = pack(take(job, site))
        seconds = keeper.seconds if keeper is not None else time.monotonic() - began
        (directory / MEASUREMENT).write_bytes(content)
    unsent.complete(seconds)
    run.check_owner()
    for path in sorted(directory.glob("*/*")):
        run.file(path.relative_to(directory).as_posix(), path.read_bytes())
    found = log_measurement(run, job, content, surveyor.positions_of(job.share), seconds)
    say(f"  {seconds:.0f} s")
    return found


def _write(directory: Path, name: str, content: bytes) -> None:
    path = directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _read(directory: Path) -> bytes:
    content = (directory / MEASUREMENT).read_bytes()
    Packed(content)  # checks it
    return content
