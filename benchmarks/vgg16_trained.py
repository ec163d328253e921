"""The leading Hessian eigenvalues of a VGG-16 that has trained, in a basis that a memory limit keeps small.

    python -m benchmarks.vgg16_trained --data IMAGES --progress DIRECTORY

VGG-16 is trained by SGD on some of the images until its loss on them, in evaluation mode, is below 0.1. Then
the k leading eigenvalues of the Hessian of the mean loss are certified to 1e-3. Both keep their progress in
`--progress`, so that the same command goes on where it was stopped.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from benchmarks.curvature_setup import peak_bytes
from benchmarks.environment import environment, print_table, write_results
from benchmarks.images import sample
from benchmarks.kept_basis import Keeper
from lth.data import Examples
from lth.measure.curvature.hessian import HessianOperator
from lth.measure.curvature.krylov import KrylovBasis
from lth.measure.curvature.spectrum import basis_capacity, search
from lth.measure.progress_file import measured_by
from lth.network import Mask, build_network
from lth.network.space import LevelSpace
from lth.network.weights import Weights
from lth.setting.network import NetworkSpec

_SPEC = NetworkSpec("vgg16", (3, 32, 32), 10)
_SEED = 0
_LOSS = 0.1  # trained is what has less
_BATCH, _LEARNING_RATE, _MOMENTUM = 20, 0.003, 0.9
_SETTLED = 0.25  # mean loss of an epoch, from which on the learning rate is a tenth


@dataclass(frozen=True)
class Training:
    """What a training was and came to."""

    images: int
    epochs: int
    batch: int
    loss: float  # in evaluation mode
    accuracy: float
    seconds: float


@click.command()
@click.option("--data", type=click.Path(path_type=Path), help="Directory of the data set.")
@click.option("--dataset", default="imagefolder", show_default=True, help="imagefolder or cifar10, for lth.")
@click.option("--progress", type=click.Path(path_type=Path, file_okay=False), required=True, help="Kept here.")
@click.option("--train", default=500, show_default=True, help="Images to train on.")
@click.option("--images", default=64, show_default=True, help="Of these, that the loss is the mean of.")
@click.option("--k", default=100, show_default=True, type=click.IntRange(min=1), help="Eigenvalues.")
@click.option("--epochs", default=100, show_default=True, type=click.IntRange(min=1), help="At most.")
@click.option("--gib", default=9.5, show_default=True, help="Of memory, for the basis.")
@click.option("--threads", default=1, show_default=True, type=click.IntRange(min=1))
@click.option("--name", default="vgg16_trained", show_default=True, help="Of the file in benchmarks/results.")
def main(
    data: Path | None,
    dataset: str,
    progress: Path,
    train: int,
    images: int,
    k: int,
    epochs: int,
    gib: float,
    threads: int,
    name: str,
) -> None:
    """Train VGG-16, and find its leading Hessian eigenvalues."""
    torch.set_num_threads(threads)
    surroundings = environment(threads, {})
    drawn = sample(dataset, data, train, 10)
    pixels = drawn.train_images.float() / 255
    inputs = (pixels - pixels.mean(dim=(0, 2, 3), keepdim=True)) / pixels.std(dim=(0, 2, 3), keepdim=True)
    labels = drawn.train_labels
    progress.mkdir(parents=True, exist_ok=True)
    network, training = _trained(inputs, labels, epochs, progress)
    click.echo(f"trained to a loss of {training.loss:.4f} in {training.epochs} epochs", err=True)
    chosen = torch.arange(images) * len(inputs) // images
    zero, one = torch.zeros(3, 1, 1), torch.ones(3, 1, 1)
    examples = Examples(inputs[chosen].contiguous(), labels[chosen].contiguous(), zero, one)
    weights = Weights.of(network)
    operator = HessianOperator(network, weights, LevelSpace(Mask.dense(network), weights), examples)
    capacity = basis_capacity(operator, k, int(gib * 2**30))
    keeper = Keeper(progress, _SEED, f"{train} {images} {k}", measured_by([torch.device("cpu")], threads))
    basis = keeper.find(operator, capacity) or KrylovBasis(operator, _SEED, capacity)
    began = time.perf_counter()
    before = keeper.seconds
    found = search(basis, k, keep=lambda: keeper.keep(basis))
    seconds = before + time.perf_counter() - began
    with torch.no_grad():
        measured = float(cross_entropy(network(examples.images), examples.labels))
    interval = found.log_eig_interval
    headings = ["parameters", "images", "k", "vectors", "products", "restarts", "s", "peak GiB"]
    row = [
        f"{operator.dimension:,}",
        str(images),
        str(k),
        str(capacity),
        str(found.num_products),
        str(basis.num_restarts),
        f"{seconds:.0f}",
        f"{peak_bytes() / 2**30:.2f}",
    ]
    print_table(f"VGG-16 trained to {training.loss:.3f}, certified to 1e-3", headings, [row])
    path = write_results(
        "vgg16_trained",
        name,
        surroundings,
        {"data": drawn.name, "train": train, "images": images, "k": k, "gib": gib, "tolerance": 1e-3},
        {
            "parameters": operator.dimension,
            "training": asdict(training),
            "loss": measured,
            "capacity": capacity,
            "products": found.num_products,
            "restarts": basis.num_restarts,
            "starts": basis.num_starts,
            "converged": found.converged,
            "positive": found.num_positive,
            "log_eig_product": found.log_eig_product,
            "log_eig_interval": interval,
            "noise": found.noise,
            "failure_probability": found.failure_probability,
            "seconds": seconds,
            "peak_bytes": peak_bytes(),
            "eigenvalues": found.eigenvalues.tolist(),
            "upper": found.upper.tolist(),
        },
    )
    click.echo(f"written to benchmarks/results/{path.name}")


def _trained(inputs: Tensor, labels: Tensor, epochs: int, progress: Path) -> tuple[nn.Module, Training]:
    """Return the network in evaluation mode, trained until its loss there is low; go on if it was begun."""
    network = build_network(_SPEC, _SEED)
    velocity = {f"velocity.{name}": torch.zeros_like(tensor) for name, tensor in network.named_parameters()}
    path, done, rate, seconds = progress / "training.safetensors", 0, _LEARNING_RATE, 0.0
    if path.exists():
        content = load_file(path)
        done = int(content.pop("done"))
        rate, seconds = (float(content.pop(name)) for name in ("rate", "seconds"))
        velocity = {name: content.pop(name) for name in velocity}
        network.load_state_dict(content)
    while True:
        loss, accuracy = _evaluated(network, inputs, labels)
        if done and (loss < _LOSS or done >= epochs):
            return network, Training(len(inputs), done, _BATCH, loss, accuracy, seconds)
        began = time.perf_counter()
        mean = _epoch(network, velocity, inputs, labels, rate, done)
        seconds += time.perf_counter() - began
        done += 1
        rate = _LEARNING_RATE / 10 if mean < _SETTLED else rate
        click.echo(f"epoch {done}: {mean:.3f} on the way, {loss:.3f} before, {seconds:.0f} s", err=True)
        counters = {
            "done": torch.tensor(done),
            "rate": torch.tensor(rate),
            "seconds": torch.tensor(seconds),
        }
        new = path.with_suffix(".new")
        save_file({**counters, **velocity, **network.state_dict()}, new)
        new.rename(path)


def _epoch(
    network: nn.Module,
    velocity: dict[str, Tensor],
    inputs: Tensor,
    labels: Tensor,
    rate: float,
    epoch: int,
) -> float:
    """Train for an epoch by SGD with momentum; return the mean loss of its batches."""
    network.train()
    parameters = list(network.parameters())
    moved = [velocity[f"velocity.{name}"] for name, _ in network.named_parameters()]
    order = torch.randperm(len(inputs), generator=torch.Generator().manual_seed(epoch))
    batches = order.split(_BATCH)[: len(inputs) // _BATCH]
    total = 0.0
    for batch in batches:
        loss = cross_entropy(network(inputs[batch]), labels[batch])
        gradients = torch.autograd.grad(loss, parameters)
        with torch.no_grad():
            torch._foreach_mul_(moved, _MOMENTUM)
            torch._foreach_add_(moved, gradients)
            torch._foreach_add_(list[Tensor](parameters), moved, alpha=-rate)
        total += loss.item()
    return total / len(batches)


@torch.no_grad()
def _evaluated(network: nn.Module, inputs: Tensor, labels: Tensor) -> tuple[float, float]:
    network.eval()
    logits = torch.cat([network(part) for part in inputs.split(100)])
    return float(cross_entropy(logits, labels)), float((logits.argmax(1) == labels).float().mean())


if __name__ == "__main__":
    main()
