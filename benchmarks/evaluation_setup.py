"""What every contender of `benchmarks.evaluation` evaluates, and at which points."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from lth.data import ImageData
from lth.network import build_network
from lth.setting.network import NetworkSpec

SPEC = NetworkSpec("resnet20", (3, 32, 32), 10)
Coordinates = tuple[tuple[float, float], ...]  # (s, t): the point a + s (b - a) + t (c - a)
Command = Literal["line", "plane"] | Coordinates  # the last: losses at these points, not timed
_NAMES = ("a", "b", "c")
_SCALE = 0.5  # of BatchNorm, in the mean: keeps the losses of random networks near those of trained ones
_DISTANCE = 0.3  # of b and c from a, in the norm of each of its tensors


@dataclass(frozen=True)
class EvaluationSetup:
    """The loss on the images in the file `tensors`, on a line and a plane through the states there."""

    tensors: Path
    loss_landscapes: Path | None
    points: int  # of the line
    grid: int  # a side of the plane


@dataclass(frozen=True)
class Problem:
    """The content of `EvaluationSetup.tensors`."""

    inputs: Tensor  # (n, 3, 32, 32), normalised
    labels: Tensor  # (n,)
    corners: tuple[dict[str, Tensor], ...]  # states of ResNet-20 at a, b and c


@dataclass(frozen=True)
class Tour:
    """The losses at the points of a line or a plane, and the seconds that took."""

    seconds: float
    losses: tuple[float, ...]
    coordinates: Coordinates


def line(points: int) -> Coordinates:
    """Return the points that loss-landscapes' `linear_interpolation` evaluates: a is not one of them."""
    return tuple(((step + 1) / points, 0.0) for step in range(points))


def plane(grid: int) -> Coordinates:
    """Return the points that loss-landscapes' `planar_interpolation` evaluates, row by row of its answer.

    It walks the columns to and fro, and evaluates after every step: all odd columns lie one step lower.
    """
    return tuple(
        (column / grid, (row + (column % 2 == 0)) / grid) for column in range(grid) for row in range(grid)
    )


def save_problem(setup: EvaluationSetup, images: ImageData) -> None:
    """Make three networks as far apart as trained ones, and write them with the images to `setup.tensors`.

    BatchNorm's scales and shifts are random; its statistics are those of `a` on the images, for all three:
    loss-landscapes moves parameters alone, so with others it would not compute the loss of the same networks.
    """
    pixels = images.train_images.float() / 255
    inputs = (pixels - pixels.mean(dim=(0, 2, 3), keepdim=True)) / pixels.std(dim=(0, 2, 3), keepdim=True)
    stream = torch.Generator().manual_seed(0)
    network = build_network(SPEC, 0)
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    with torch.no_grad():
        for norm in norms:
            norm.weight.copy_(_SCALE * (0.5 + torch.rand(norm.weight.shape, generator=stream)))
            norm.bias.copy_(0.2 * torch.randn(norm.bias.shape, generator=stream))
        network.train()
        for batch in torch.split(inputs, 128):
            network(batch)
    a = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    parameters = {name for name, _ in network.named_parameters()}
    corners = [a, *(_moved(a, parameters, stream) for _ in _NAMES[1:])]
    states = {
        f"{corner}/{name}": tensor
        for corner, state in zip(_NAMES, corners, strict=True)
        for name, tensor in state.items()
    }
    save_file({"inputs": inputs.contiguous(), "labels": images.train_labels, **states}, setup.tensors)


def load_problem(setup: EvaluationSetup) -> Problem:
    """Return what `save_problem` wrote."""
    content = load_file(setup.tensors)
    corners = tuple(
        {
            name.removeprefix(f"{corner}/"): tensor
            for name, tensor in content.items()
            if name.startswith(f"{corner}/")
        }
        for corner in _NAMES
    )
    return Problem(content["inputs"], content["labels"], corners)


def _moved(state: dict[str, Tensor], names: set[str], stream: torch.Generator) -> dict[str, Tensor]:
    """Return a state at a random place around another, with the same BatchNorm statistics."""
    moved = {name: tensor.clone() for name, tensor in state.items()}
    for name, tensor in state.items():
        if name in names:
            direction = torch.randn(tensor.shape, generator=stream)
            moved[name] = tensor + _DISTANCE * tensor.norm() / direction.norm() * direction
    return moved
