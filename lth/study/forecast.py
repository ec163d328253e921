"""How long the tasks of a study may take on the device that they are computed on."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from lth.plan.cost import CPU, H100, Hardware, Size, seconds_of
from lth.plan.tasks import Task
from lth.solution.problem import Problem
from lth.training.threads import products_of, threads_for


def hardware_of(problem: Problem) -> Hardware:
    """Return the hardware like the device of a problem of which rates were measured."""
    return CPU if problem.data.train.labels.device.type == "cpu" else H100


def forecast(problem: Problem) -> Callable[[Task], float]:
    """Return what predicts the seconds of a task, by the rates that were measured of hardware like the device.

    Args:
        problem: The study's.
    """
    train, products = problem.data.train, 0
    with suppress(Exception):  # of a network that can't be passed; its trial says so, and better
        products = products_of(problem.network, train.images)
    size = Size(len(train), len(problem.data.test), products)
    precision, setting = problem.keys.computing.precision, problem.setting

    hardware = hardware_of(problem)
    if hardware is not CPU:
        return lambda task: seconds_of(task, setting, size, hardware, precision)
    threads = threads_for(problem.network, train, problem.schedule.batch_size) if products else 1
    return lambda task: seconds_of(task, setting, size, hardware, precision, threads)
