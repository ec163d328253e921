"""The same study under several seeds, by one process or by several."""

from types import SimpleNamespace

import pytest
import torch

from lth.study import replication
from lth.study.replication import Replication

CPU, GPU = torch.device("cpu"), torch.device("cuda")


class Named:
    """A study that notes when it is completed."""

    def __init__(self, name: str, done: list[str], problem: object = None) -> None:
        self.name, self.store, self.problem = name, None, problem
        self._done = done
        self.tasks = SimpleNamespace(results=list)

    def predicted(self, tasks: list[object]) -> dict[str, float]:
        return {str(task): 1.0 for task in tasks}

    def finished(self) -> list[str]:
        return []

    def complete(self) -> None:
        self._done.append(self.name)


@pytest.mark.parametrize(
    ("devices", "cores", "threads", "seeds", "count"),
    [
        ((CPU,), 2, 1, 3, 2),
        ((CPU,), 64, 1, 3, 6),  # a training, and a measurement beside it, of each seed
        ((CPU,), 64, 16, 3, 4),
        ((CPU,), 2, 2, 3, 1),
        ((CPU,), 1, 4, 1, 1),
        ((GPU,), 64, 1, 3, 1),
        ((CPU, GPU), 64, 1, 3, 1),
    ],
)
def test_as_many_processes_are_worth_it_as_there_are_cores_for_and_work(
    devices, cores, threads, seeds, count, monkeypatch
):
    monkeypatch.setattr(replication, "usable_cores", lambda: cores)
    problem = SimpleNamespace(devices=devices, measuring_threads=threads)
    studies = [Named(str(seed), [], problem) for seed in range(seeds)]
    assert Replication(studies, print).worthwhile_workers == count
