"""What the machine does while a run is written, where MLflow's own switch for that is on."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from mlflow.environment_variables import MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING
from mlflow.system_metrics import system_metrics_monitor

SWITCH = MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING.name


@contextmanager
def measured_system(run_id: str) -> Iterator[None]:
    """Log processor, memory, disk, network and GPU every ten seconds as metrics of a run, if that is asked for.

    MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING=true asks for it, or `mlflow.enable_system_metrics_logging()`.
    """
    if not MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING.get():
        yield
        return
    logging.getLogger(system_metrics_monitor.__name__).setLevel(logging.WARNING)  # it tells of each run
    monitor = system_metrics_monitor.SystemMetricsMonitor(run_id, resume_logging=True)
    monitor.start()
    try:
        yield
    finally:
        monitor.finish()
