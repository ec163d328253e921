"""A training and its measurements that a GPU does, in this process or, by name, in one of its own."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from lth.data import ImageData, TrainingData, prepare
from lth.measure import (
    BasinRadii,
    HessianOperator,
    LevelSpace,
    Spectrum,
    Surface,
    Trace,
    Weights,
    basin_radii,
    deflated_trace,
    loss_surface,
    plane_through,
    random_directions,
    search,
)
from lth.measure.curvature import KrylovBasis
from lth.network import Mask, build_network
from lth.plan.place import Place
from lth.setting.amount import ALL
from lth.setting.network import NetworkSpec
from lth.solution.progress_file import KeptProgress, read_progress, write_progress
from lth.training.determinism import fix_workspaces
from lth.training.evaluate import Evaluator
from lth.training.objective import CROSS_ENTROPY, Objective
from lth.training.optimiser import Recipe
from lth.training.precision import Format
from lth.training.schedule import Schedule
from lth.training.sharing import Sharing, hold_to_part
from lth.training.train import Procedure, Progress, Training, TrainingState, train

ROOT = Path(__file__).resolve().parent.parent
CPU, GPU = torch.device("cpu"), torch.device("cuda")
SHAPE, CLASSES = (3, 8, 8), 4
NETWORKS = ("resnet8-w8", "vgg11-w8", "gpu_problem:attending")  # the last is a user's own
# 60 examples in batches of 16 leave a smaller last one, which is not captured; the rate falls at step 10.
SCHEDULE = Schedule(16, 4, 20, lr=0.05, momentum=0.9, weight_decay=1e-4, milestones=(10,))


def images(count: int = 60) -> ImageData:
    """Return noise whose brightest column depends on the class."""
    stream = torch.Generator().manual_seed(0)
    labels = torch.arange(count) % CLASSES
    pixels = torch.randint(0, 120, (count, *SHAPE), generator=stream)
    pixels[torch.arange(count), :, :, 2 * labels] += 60
    return ImageData("noise", pixels.to(torch.uint8), labels, pixels.to(torch.uint8)[:20], labels[:20])


def examples(device: torch.device) -> TrainingData:
    return prepare(images(), ALL, 0, device)


@dataclass(frozen=True)
class Run:
    """What a training is of, but for what it computes on."""

    name: str = NETWORKS[0]
    precision: Format = "fp32"
    compiled: bool = False
    schedule: Schedule = SCHEDULE
    objective: Objective = field(default=CROSS_ENTROPY)

    @property
    def spec(self) -> NetworkSpec:
        return NetworkSpec(self.name, SHAPE, CLASSES)

    @property
    def mask(self) -> Mask:
        """Half of the weights, drawn."""
        dense = Mask.dense(build_network(self.spec, 0))
        stream = torch.Generator().manual_seed(1)
        return dense.with_flat(torch.rand(dense.num_prunable, generator=stream) < 0.5)

    def train(self, device: torch.device, **options: object) -> Training:
        network = build_network(self.spec, 0)
        start = TrainingState(Weights.of(network), {}, 0).masked(self.mask)
        procedure = Procedure("crop_flip", self.precision, 0, compiled=self.compiled, objective=self.objective)
        return train(network, start, self.mask, examples(device), self.schedule, procedure, **options)


_ADAMW = Recipe("adamw", betas=(0.8, 0.99))
_SHORT = replace(SCHEDULE, num_iterations=8, milestones=(5,))
_COSINE = replace(_SHORT, shape="cosine", warmup=3, milestones=())
# What a step may be made of, besides that of the plain `Run`: each is captured as one graph.
MANNERS = {
    "nesterov": Run(schedule=replace(_SHORT, recipe=Recipe(nesterov=True))),
    "no momentum": Run(schedule=replace(_SHORT, momentum=0.0, shape="linear", warmup=5)),
    "clipped": Run(schedule=replace(_SHORT, recipe=Recipe(grad_clip=0.5))),
    "adamw": Run(schedule=replace(_COSINE, lr=0.01, weight_decay=0.1, recipe=_ADAMW)),
    "clipped adamw": Run(schedule=replace(_COSINE, lr=0.01, recipe=replace(_ADAMW, grad_clip=0.5))),
    "smoothed": Run(schedule=_COSINE, objective=Objective(label_smoothing=0.1)),
    "squares": Run(schedule=_SHORT, objective=Objective("mse")),
    "sharp": Run(schedule=replace(_SHORT, recipe=Recipe(sam_rho=0.05))),
    "sharp clipped adamw": Run(
        schedule=replace(_COSINE, lr=0.01, recipe=replace(_ADAMW, grad_clip=1, sam_rho=0.05))
    ),
    "bf16 adamw": Run(precision="bf16", schedule=replace(_COSINE, lr=0.01, recipe=_ADAMW)),
}


@dataclass(frozen=True)
class Geometry:
    """What is measured at one point."""

    product: Tensor
    spectrum: Spectrum
    trace: Trace
    radii: BasinRadii
    surface: Surface


def measure(run: Run, points: Iterable[Weights], device: torch.device) -> Geometry:
    """Measure the first of three points, and the plane through them."""
    a, b, c = (point.to(device) for point in points)
    network, data, space = build_network(run.spec, 0), examples(device).train, LevelSpace(run.mask, a)
    hessian = HessianOperator(network, a, space, data)
    basis = KrylovBasis(hessian, 0, 60)
    spectrum = search(basis, 5)
    evaluate = Evaluator(network, data)
    directions = random_directions(space, a, 4, "filter", seed=0)
    flat = space.flatten(a.parameters)
    radii = basin_radii(
        lambda vector: evaluate(Weights(space.unflatten(vector), a.buffers)).loss,
        flat,
        directions,
        evaluate(a).loss + 0.1,
        dimension=space.dimension,
    )
    ones = torch.ones(space.dimension, device=device)
    surface = loss_surface(
        lambda weights: evaluate(weights).loss, plane_through(a, b, c), {Place.imp(0): a}, grid=4
    )
    return Geometry(hessian(ones).cpu(), spectrum, deflated_trace(basis, 4, seed=0), radii, surface)


def digest(tensors: Iterable[Tensor]) -> str:
    """Return what any other bit changes."""
    content = hashlib.sha256()
    for tensor in tensors:
        content.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return content.hexdigest()


def digest_of(weights: Weights) -> str:
    return digest([*weights.parameters.values(), *weights.buffers.values()])


def train_and_measure() -> None:
    """Print a digest of a training and of its measurements, of every network."""
    fix_workspaces([GPU])
    hold_to_part([GPU])
    for name in NETWORKS:
        run = Run(name)
        trained = run.train(GPU, capture_at=3)
        found = measure(
            run, [trained.final, trained.captured.weights, Weights.of(build_network(run.spec, 7))], GPU
        )
        numbers = [found.spectrum.eigenvalues, found.trace.samples, found.radii.radii, found.surface.loss]
        said = digest([found.product, *(torch.tensor(array) for array in map(np.ascontiguousarray, numbers))])
        sys.stdout.write(f"{name} {digest_of(trained.final)} {said}\n")


class KillingKeeper:
    """Keeps the progress every five steps in a folder, and kills its process after the second time."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._asked, self._kept = folder, 0, 0

    def is_due(self) -> bool:
        self._asked += 1
        return self._asked % 5 == 0

    def keep(self, progress: Progress) -> None:
        name, content = write_progress(KeptProgress(progress, "key", "environment", 0.0, {}))
        (self._folder / name).write_bytes(content)
        self._kept += 1
        if self._kept == 2:
            os.kill(os.getpid(), signal.SIGKILL)


def train_until_killed(folder: str) -> None:
    fix_workspaces([GPU])
    Run().train(GPU, capture_at=3, keeper=KillingKeeper(Path(folder)))


def train_on(folder: str) -> None:
    """Print a digest of the training that goes on from the last file in a folder."""
    fix_workspaces([GPU])
    last = max(Path(folder).iterdir(), key=lambda path: path.stat().st_mtime_ns)
    kept = read_progress(last.name, last.read_bytes()).progress
    trained = Run().train(GPU, capture_at=3, resumed=kept)
    sys.stdout.write(f"{digest_of(trained.final)} {digest_of(trained.captured.weights)}\n")


def train_alone() -> None:
    """Print a digest of the training that `train_until_killed` begins."""
    fix_workspaces([GPU])
    trained = Run().train(GPU, capture_at=3)
    sys.stdout.write(f"{digest_of(trained.final)} {digest_of(trained.captured.weights)}\n")


def in_processes(
    count: int, function: Callable[..., None], *arguments: str, sharing: Sharing | None = None
) -> list[subprocess.CompletedProcess[str]]:
    """Call a function of this module in so many processes at once, and return how each ended."""
    program = f"import gpu_problem; gpu_problem.{function.__name__}(*{arguments!r})"
    environment = {name: value for name, value in os.environ.items() if name != "CUBLAS_WORKSPACE_CONFIG"}
    environment["PYTHONPATH"] = os.pathsep.join(
        [str(ROOT), str(ROOT / "tests"), environment.get("PYTHONPATH", "")]
    )
    running = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            env={**environment, **({} if sharing is None else sharing.environment(number))},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(count)
    ]
    ended = [(process, *process.communicate()) for process in running]
    return [subprocess.CompletedProcess(p.args, p.returncode, out, err) for p, out, err in ended]


class Attending(nn.Module):
    """A user's network: patches that attend to each other, normalised by layer."""

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        self.patches = nn.Conv2d(channels, 8, 4, stride=4)
        self.norm = nn.LayerNorm(8)
        self.queries = nn.Linear(8, 24)
        self.classes = nn.Linear(8, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.norm(self.patches(images).flatten(2).transpose(1, 2))
        query, key, value = self.queries(tokens).chunk(3, dim=-1)
        attended = nn.functional.scaled_dot_product_attention(query, key, value)
        return self.classes(nn.functional.gelu(tokens + attended).mean(dim=1))


def attending(input_shape: tuple[int, int, int], num_classes: int) -> nn.Module:
    return Attending(input_shape[0], num_classes)
