"""GPUs shared by processes, with small programs in place of NVIDIA's service and of Python."""

import os
import stat
from pathlib import Path

import pytest
import torch

from lth.measure.curvature.hessian import _graph_budget_on
from lth.measure.curvature.spectrum import budget_on
from lth.training import sharing as module
from lth.training.sharing import SHARE, Sharing, hold_to_part, parts, visible_gpus

GPU, GIB = torch.device("cuda"), 2**30
PIPES = "CUDA_MPS_PIPE_DIRECTORY"


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Return a function that puts a program in a machine with a service, and where its calls are written."""
    calls = tmp_path / "calls"
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(module, "_RUNNING", tmp_path / "nobody")
    monkeypatch.setattr(module, "visible_gpus", lambda: ["0"])
    monkeypatch.delenv(PIPES, raising=False)

    def put(name, then="exit 0"):
        program = tmp_path / name
        said = f'"{name} $1 $([ "$1" = "-d" ] || cat)" "${PIPES}"'
        program.write_text(f"#!/bin/sh\nprintf '%s in %s\\n' {said} >> {calls}\n{then}\n")
        program.chmod(program.stat().st_mode | stat.S_IEXEC)
        return str(program)

    put("nvidia-cuda-mps-control")
    monkeypatch.setattr(module.sys, "executable", put("python"))
    return put, lambda: calls.read_text().splitlines() if calls.exists() else []


def test_the_service_is_started_once_for_all_that_share_a_gpu_and_ended_with_them(machine):
    _, calls = machine
    sharing = Sharing("auto", 3)
    environments = [sharing.environment(number) for number in (0, 1, 2, 0)]
    (folder,) = {environment[PIPES] for environment in environments}
    assert Path(folder).is_dir()
    sharing.end()
    assert calls() == [
        f"nvidia-cuda-mps-control -d  in {folder}",
        f"python -c  in {folder}",
        f"nvidia-cuda-mps-control  quit in {folder}",
    ]
    assert not Path(folder).exists()
    assert {environment[SHARE] for environment in environments} == {"0.3"}
    assert {environment["CUBLAS_WORKSPACE_CONFIG"] for environment in environments} == {":4096:8"}


@pytest.mark.parametrize(
    ("device", "count", "gpus", "shares"),
    [
        ("auto", 3, ["0", "1", "0"], [0.45, 1.0, 0.45]),
        ("cuda", 2, ["0", "1"], [1.0, 1.0]),
        ("cuda:1", 2, [None, None], [0.45, 0.45]),
    ],
)
def test_those_on_one_gpu_and_how_much_of_it_they_have_is_known(monkeypatch, device, count, gpus, shares):
    monkeypatch.setattr(module, "visible_gpus", lambda: ["0", "1"])
    sharing = Sharing(device, count)
    assert [sharing.gpu(number) for number in range(count)] == gpus
    assert [sharing.share(number) for number in range(count)] == shares


@pytest.mark.parametrize("failing", ["nvidia-cuda-mps-control", "python"])
def test_a_service_that_lets_nobody_in_is_done_without(machine, failing):
    put, _ = machine
    put(failing, then="exit 1")
    sharing = Sharing("auto", 2)
    environment = sharing.environment(0)
    assert PIPES not in environment
    assert environment[SHARE] == "0.45"


@pytest.mark.parametrize(
    "reason", ["there is one", "the user said where", "one process a GPU", "not installed"]
)
def test_no_service_is_started_where_none_is_needed(machine, reason, monkeypatch, tmp_path):
    _, calls = machine
    if reason == "there is one":
        (tmp_path / "nobody").touch()
    elif reason == "the user said where":
        monkeypatch.setenv(PIPES, "/dev/null")
    elif reason == "not installed":
        (tmp_path / "nvidia-cuda-mps-control").unlink()
    elif reason == "one process a GPU":
        monkeypatch.setattr(module, "visible_gpus", lambda: ["0", "1"])
    environment = Sharing("cuda", 2).environment(1)
    assert PIPES not in environment
    assert calls() == []


@pytest.mark.parametrize(
    ("device", "count", "names", "gpus", "shares"),
    [
        ("auto", 2, ["0"], ["0", "0"], ["0.45", "0.45"]),
        ("cuda", 2, ["3", "5"], ["3", "5"], ["1", "1"]),
        ("auto", 3, ["GPU-a", "GPU-b"], ["GPU-a", "GPU-b", "GPU-a"], ["0.45", "1", "0.45"]),
        ("cuda:1", 2, ["0", "1"], [None, None], ["0.45", "0.45"]),
        ("cuda:0,cuda:1", 2, ["0", "1"], [None, None], ["0.45", "0.45"]),
    ],
)
def test_processes_are_spread_over_the_gpus_unless_the_user_names_some(device, count, names, gpus, shares):
    found = parts(device, count, names)
    assert [part.get("CUDA_VISIBLE_DEVICES") for part in found] == gpus
    assert [part[SHARE] for part in found] == shares


@pytest.mark.parametrize(
    ("written", "count", "names"),
    [(None, 2, ["0", "1"]), ("5,7", 2, ["5", "7"]), ("GPU-a", 1, ["GPU-a"]), ("0,-1,2", 1, ["0"])],
)
def test_gpus_are_named_as_the_environment_names_them(written, count, names, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if written is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", written)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    assert visible_gpus() == names


def test_a_process_that_was_told_its_part_is_held_to_it_on_every_device(monkeypatch):
    held = []
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", lambda *given: held.append(given))
    devices = [torch.device("cuda:0"), torch.device("cuda:1")]
    hold_to_part(devices, {})
    assert held == []
    hold_to_part(devices, {SHARE: "0.45"})
    assert held == [(0.45, device) for device in devices]


@pytest.mark.parametrize(
    ("free", "part", "taken", "budget"), [(60, 1.0, 10, 30), (60, 0.25, 4, 8), (10, 0.5, 4, 5), (60, 0.1, 9, 0)]
)
def test_graphs_take_half_of_what_is_free_of_the_part_of_a_process(free, part, taken, budget, monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _device: (free * GIB, 80 * GIB))
    monkeypatch.setattr(torch.cuda, "get_per_process_memory_fraction", lambda _device: part, raising=False)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _device: taken * GIB)
    assert _graph_budget_on(GPU) == budget * GIB


@pytest.mark.parametrize(("memory", "budget"), [(80, 10), (24, 10), (12, 6)])
def test_a_basis_takes_no_more_than_half_of_a_gpu(memory, budget, monkeypatch):
    class Card:
        total_memory = memory * GIB

    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _device: Card)
    assert budget_on(GPU) == budget * GIB
