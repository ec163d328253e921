import os

import pytest

from lth import cores
from lth.cores import usable_cores


@pytest.fixture
def cgroup(tmp_path, monkeypatch):
    """Return a function that writes files of a container's cgroup, on a machine of 8 cores."""
    monkeypatch.setattr(cores, "_CGROUP", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(8)), raising=False)

    def write(files: dict[str, str]) -> None:
        for name, content in files.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(content)

    return write


def v1(quota: str) -> dict[str, str]:
    return {"cpu/cpu.cfs_quota_us": quota, "cpu/cpu.cfs_period_us": "100000\n"}


def test_a_process_kept_on_two_cores_of_many_has_two(cgroup, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {3, 5})
    assert usable_cores() == 2


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, 8),
        ({"cpu.max": "max 100000\n"}, 8),
        ({"cpu.max": "300000 100000\n"}, 3),
        ({"cpu.max": "20000 100000\n"}, 1),
        ({"cpu.max": "9900000 100000\n"}, 8),
        ({"cpu.max": "nonsense"}, 8),
        (v1("-1\n"), 8),
        (v1("250000\n"), 2),
    ],
)
def test_a_container_has_as_many_as_its_quota_is_worth(files, expected, cgroup):
    cgroup(files)
    assert usable_cores() == expected


def test_a_system_without_affinity_has_all(cgroup, monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert usable_cores() == 1
