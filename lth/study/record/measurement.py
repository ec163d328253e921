"""What a measurement looks like as an MLflow run: its numbers, what is read off them, a figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lth.measure.kind.take import kind_of, numbers, read
from lth.measure.packed import Packed
from lth.plan.jobs import Job
from lth.report.measurement import draw_measurement
from lth.study.record.load import MEASUREMENT
from lth.tracking.run import RunLog


def log_measurement(run: RunLog, job: Job, content: bytes, positions: Sequence[int], seconds: float) -> Any:
    """Log the packed numbers of a measurement, then a figure where it has one, then what is read off them.

    Returns:
        What was measured, as `read` returns it.
    """
    run.file(MEASUREMENT, content)
    if kind_of(job).of_sample:
        run.json(list(positions), "measured_examples.json")
    found = read(Packed(content), job)
    for path, drawn in draw_measurement(job, found).items():
        if isinstance(drawn, str):
            run.file(path, drawn.encode())
        else:
            run.figure(drawn, path)
    run.metrics({**numbers(job, found), "time/measuring_seconds": seconds}, job.level)
    return found
