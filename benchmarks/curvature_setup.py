"""What every contender of `benchmarks.curvature` finds the leading eigenvalues of."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from lth.data import ImageData
from lth.network import build_network
from lth.setting.network import NetworkSpec

_BATCH, _LEARNING_RATE = 64, 0.05


def peak_bytes() -> int:
    """Return the most memory this process has held; getrusage would not forget that of its parent."""
    status = Path("/proc/self/status").read_text()
    (peak,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(peak) * 1024


@dataclass(frozen=True)
class CurvatureSetup:
    """The Hessian of the mean loss of a trained network on images, all in the file `tensors`."""

    tensors: Path
    k: int
    network: str = "resnet20"

    @property
    def spec(self) -> NetworkSpec:
        """What the network is built from."""
        return NetworkSpec(self.network, (3, 32, 32), 10)


@dataclass(frozen=True)
class Problem:
    """The content of `CurvatureSetup.tensors`."""

    network: nn.Module  # in evaluation mode
    inputs: Tensor  # (n, 3, 32, 32), normalised
    labels: Tensor  # (n,)


@dataclass(frozen=True)
class Found:
    """What a contender found, how long that took, and in how many Hessian-vector products."""

    seconds: float
    products: int
    eigenvalues: tuple[float, ...]  # largest first
    peak_bytes: int  # of its process so far: torch, network and images included

    @classmethod
    def since(cls, began: float, products: int, eigenvalues: tuple[float, ...] = ()) -> Found:
        """Return what was found now, by work that began at `time.perf_counter() == began`."""
        return cls(time.perf_counter() - began, products, eigenvalues, peak_bytes())


def save_problem(setup: CurvatureSetup, images: ImageData, epochs: int, measured: int) -> float:
    """Train the network by SGD; write it with `measured` of the images, evenly drawn; return its loss there."""
    pixels = images.train_images.float() / 255
    inputs = (pixels - pixels.mean(dim=(0, 2, 3), keepdim=True)) / pixels.std(dim=(0, 2, 3), keepdim=True)
    labels = images.train_labels
    network = build_network(setup.spec, 0).train()
    optimiser = torch.optim.SGD(network.parameters(), lr=_LEARNING_RATE, momentum=0.9, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, _LEARNING_RATE, total_steps=epochs * (len(inputs) // _BATCH)
    )
    stream = torch.Generator().manual_seed(0)
    for _ in range(epochs):
        for batch in torch.randperm(len(inputs), generator=stream).split(_BATCH)[: len(inputs) // _BATCH]:
            optimiser.zero_grad()
            cross_entropy(network(inputs[batch]), labels[batch]).backward()
            optimiser.step()
            schedule.step()
    network.eval()
    chosen = torch.arange(measured) * len(inputs) // measured
    inputs, labels = inputs[chosen].contiguous(), labels[chosen].contiguous()
    save_file({"inputs": inputs, "labels": labels, **network.state_dict()}, setup.tensors)
    with torch.no_grad():
        return float(cross_entropy(network(inputs), labels))


def problem_path(directory: Path, network: str, train: int, epochs: int, measured: int) -> Path:
    """Return where a problem is kept, for every benchmark that takes the same one."""
    return directory / f"{network}-{train}-{epochs}-{measured}.safetensors"


def loss_of(problem: Problem) -> float:
    """Return the mean loss over the images, nats."""
    with torch.no_grad():
        return float(cross_entropy(problem.network(problem.inputs), problem.labels))


def load_problem(setup: CurvatureSetup) -> Problem:
    """Return what `save_problem` wrote."""
    content = load_file(setup.tensors)
    inputs, labels = content.pop("inputs"), content.pop("labels")
    network = build_network(setup.spec, 1)
    network.load_state_dict(content)
    return Problem(network.eval(), inputs, labels)
