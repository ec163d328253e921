"""How processes of this machine share its GPUs: which one each gets, how much of it, and how they run at once.

Kernels of several processes take turns on a GPU, so that small trainings gain nothing from company: on an H100
four of ResNet-20 were together as fast as one. Under NVIDIA's multi-process service they run at once, 1.9 times
as fast (`docs/benchmarks.md`). So it is started for them where it is installed and none is running.

Source: docs.nvidia.com/deploy/mps.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import torch

SHARE = "LTH_GPU_SHARE"  # what a worker is told by
WHOLE = 1.0
_VISIBLE = "CUDA_VISIBLE_DEVICES"
_WORKSPACES = "CUBLAS_WORKSPACE_CONFIG"
_PIPES, _LOGS = "CUDA_MPS_PIPE_DIRECTORY", "CUDA_MPS_LOG_DIRECTORY"
_CONTROL = "nvidia-cuda-mps-control"
_RUNNING = Path("/tmp/nvidia-mps/control")  # noqa: S108 - where NVIDIA's own listens
_SHARED = 0.9  # of a GPU's memory; the rest is what CUDA itself takes in each process
_ANY = ("auto", "cuda")  # as users name a device where any will do
_SECONDS = 60.0  # for the service to answer


def parts(device: str, count: int, names: Sequence[str]) -> list[dict[str, str]]:
    """Return what each of `count` processes finds in its environment: its GPU, and its part of that.

    Where the user names no GPU, they are spread over all; else all are on those named.

    Args:
        device: As the user wrote it.
        count: How many processes.
        names: Of the GPUs there are, as CUDA_VISIBLE_DEVICES has them.

    Example:
        >>> parts("auto", 3, ["0", "1"])[2]
        {'CUDA_VISIBLE_DEVICES': '0', 'LTH_GPU_SHARE': '0.45'}
        >>> parts("cuda:1", 4, ["0", "1"])[2]
        {'LTH_GPU_SHARE': '0.225'}
    """
    if device not in _ANY:
        return [{SHARE: _share(count)} for _ in range(count)]
    own = [number % len(names) for number in range(count)]
    return [{_VISIBLE: names[gpu], SHARE: _share(own.count(gpu))} for gpu in own]


def _share(processes: int) -> str:
    return f"{WHOLE if processes == 1 else _SHARED / processes:.3g}"


def visible_gpus() -> list[str]:
    """Return the GPUs that this process sees, as CUDA_VISIBLE_DEVICES names them."""
    count = torch.cuda.device_count()
    written = [name.strip() for name in os.environ.get(_VISIBLE, "").split(",") if name.strip()]
    return written[:count] if len(written) >= count else [str(number) for number in range(count)]


def hold_to_part(devices: Sequence[torch.device], environment: Mapping[str, str] = os.environ) -> None:
    """Let this process take no more of each GPU's memory than the part it was told, so that all have theirs.

    Args:
        devices: Those that it computes on.
        environment: That of a worker, from `Sharing.environment`; without a part in it, nothing is done.
    """
    if SHARE in environment:
        for device in devices:
            hold_to(float(environment[SHARE]), device)


def hold_to(share: float, device: torch.device) -> None:
    """Let this process take so much of a GPU's memory at most; on a CPU there is nothing to hold to.

    What it took before for tasks that are done is given back, to others on the same GPU.
    """
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.set_per_process_memory_fraction(share, device)


class Sharing:
    """GPUs shared by processes; the service is started with the first, and ended by `end`.

    Args:
        device: As the user wrote it.
        count: How many processes.
    """

    def __init__(self, device: str, count: int) -> None:
        self._parts = parts(device, count, visible_gpus())
        self._folder: str | None = None
        self._is_tried = False

    def environment(self, number: int) -> dict[str, str]:
        """Return what a process (of number 0, 1, …) finds in its environment besides what is in this one's."""
        if not self._is_tried:
            self._is_tried = True
            self._start()
        # cuBLAS repeats itself only if this is there before CUDA starts, as it does to hold to a part.
        fixed = {_WORKSPACES: os.environ.get(_WORKSPACES, ":4096:8")}
        return {**fixed, **self._parts[number % len(self._parts)], **self._service}

    def gpu(self, number: int) -> str | None:
        """Return which GPU a process is on, alike for all that share it; None for those that the user named."""
        return self._parts[number % len(self._parts)].get(_VISIBLE)

    def share(self, number: int) -> float:
        """Return how much of its GPU's memory a process may take, of 1."""
        return float(self._parts[number % len(self._parts)][SHARE])

    @property
    def _service(self) -> dict[str, str]:
        return {} if self._folder is None else {_PIPES: self._folder, _LOGS: self._folder}

    def _start(self) -> None:
        """Start the service, unless one is there or the user has said where (to /dev/null: none)."""
        control = shutil.which(_CONTROL)
        alone = all(self.share(number) == WHOLE for number in range(len(self._parts)))
        if control is None or alone or _PIPES in os.environ or _RUNNING.exists():
            return
        self._folder = tempfile.mkdtemp(prefix="lth-mps-")
        try:
            self._call(control, "-d")
            # It says yes and lets no process in where its server can't start, as in some containers.
            self._call(sys.executable, "-c", "import torch; torch.zeros(1, device='cuda').item()")
        except (OSError, subprocess.SubprocessError):
            self.end()

    def _call(self, *command: str, told: str | None = None) -> None:
        subprocess.run(
            command,
            input=told,
            text=True,
            env={**os.environ, **self._service},
            timeout=_SECONDS,
            check=True,
            stdout=subprocess.DEVNULL,  # which a service in the background would hold open
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the workers, which keep their progress by it
        )

    def end(self) -> None:
        """End the service, if it was started here."""
        if self._folder is not None:
            with suppress(OSError, subprocess.SubprocessError):
                self._call(_CONTROL, told="quit\n")
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None
