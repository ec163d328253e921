"""One measurement as a task of a study: on a tracked run, resumed where a process before this one stopped."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from lth.graph import CurvatureJob, DensityJob, Job
from lth.landscape import Surveyor
from lth.packed import pack
from lth.place import Place
from lth.resume_curvature import measured_by
from lth.solution import Solution
from lth.solve import Workbench
from lth.survey import perform
from lth.tracking.curvature_progress import BasisKeeper
from lth.tracking.measurement import log_measurement
from lth.tracking.run import RunLog
from lth.tracking.store import MEASUREMENT
from lth.unsent import Unsent


def measured_in(bench: Workbench, job: Job) -> str | None:
    """Return what decides the bits of a measurement besides its key, where it can be gone on from.

    Only curvature is resumed, and must go on where it was begun; all else is taken in one go.
    """
    return measured_by(bench.devices) if isinstance(job, CurvatureJob) else None


def measure_on(
    run: RunLog,
    bench: Workbench,
    job: Job,
    load: Callable[[Place], Solution],
    surveyor: Surveyor,
    *,
    keep_every: float,
    unsent: Unsent,
    say: Callable[[str], None],
) -> None:
    """Take a measurement, keeping its progress on `run` as it goes, and log what came of it.

    Args:
        run: Is written to; what it kept of an earlier attempt is gone on from, to the same bits.
        bench: The study's.
        job: What to measure.
        load: Returns the solution at a place.
        surveyor: Of the bench.
        keep_every: Seconds between two times that the progress is kept.
        unsent: Where the numbers are kept if they can't be logged, and looked for before they are taken.
        say: Tells the user.
    """
    key = bench.keys.measurement(job)
    if not isinstance(job, CurvatureJob | DensityJob):
        surveyor.release()
    with tempfile.TemporaryDirectory() as name:
        stored = Path(name, MEASUREMENT)
        seconds = unsent.fetch(stored.parent)
        if seconds is not None:
            say("  it was measured before, but could not be logged: logging it now")
        else:
            began, environment = time.monotonic(), measured_in(bench, job)
            keeper = BasisKeeper(run, key, environment, keep_every, say) if environment else None
            stored.write_bytes(pack(perform(job, load, surveyor, bench.network, bench.setting, keeper)))
            seconds = keeper.seconds if keeper is not None else time.monotonic() - began
        with unsent.rescuing(stored.parent, seconds):
            log_measurement(run, job, stored.read_bytes(), surveyor.drawn, seconds)
            run.flush()
    say(f"  {seconds:.0f} s")
