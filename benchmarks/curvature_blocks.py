"""Several Hessian-vector products through one graph, beside one after the other.

    python -m benchmarks.curvature_blocks

Every contender multiplies the same block of vectors with the Hessian of a network at its initialisation, on
images and labels drawn at random, which a product's time does not depend on:

- lth: `HessianOperator`, vector by vector, through the graph that it keeps;
- batched: a double backward through a graph of PyTorch's own that is kept, vectorised over the block
  (`is_grads_batched`); lth's convolutions have no rule for that;
- forward: `vmap` over `jvp` of `grad`: tangents through one forward and one backward pass.

All take turns in one process; times are a vector's. Agreement is the largest difference to lth's product, over
the largest of its entries.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial

import click
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, jvp, vmap
from torch.nn.functional import cross_entropy

from benchmarks.environment import environment, print_table, write_results
from benchmarks.rounds import Spread, interleaved, ratios
from lth.data import Examples
from lth.measure.curvature.hessian import HessianOperator
from lth.network import Mask, build_network
from lth.network.space import LevelSpace
from lth.network.weights import Weights
from lth.setting.network import NetworkSpec

_CLASSES = 10
_POINTS = (
    "resnet20:3x32x32:32",
    "resnet20-w8:3x32x32:64",
    "resnet8:1x8x8:128",
    "vgg11-w8:3x32x32:32",
    "lenet-300-100:1x28x28:1000",
    "mlp-32-32:1x8x8:150",
)


@dataclass(frozen=True)
class Block:
    """What one contender took of one point."""

    network: str
    images: int
    block: int
    contender: str
    seconds: list[float]  # a vector, a round
    times_one_by_one: Spread  # how many times as fast as lth, vector by vector
    disagreement: float


@click.command()
@click.option("--point", "points", multiple=True, default=_POINTS, help="network:shape:images; repeatable.")
@click.option("--block", "blocks", multiple=True, default=(2, 8), show_default=True, type=int)
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(min=1))
@click.option("--threads", default=1, show_default=True, type=click.IntRange(min=1))
@click.option("--name", default="curvature_blocks", show_default=True, help="Of the results' file.")
def main(points: tuple[str, ...], blocks: tuple[int, ...], rounds: int, threads: int, name: str) -> None:
    """Measure what blocks of vectors take, vector by vector and together."""
    torch.set_num_threads(threads)
    surroundings = environment(threads, {})
    found = [block for point in points for size in blocks for block in _measured(point, size, rounds)]
    rows = [
        [
            one.network,
            str(one.images),
            str(one.block),
            one.contender,
            f"{1e3 * Spread.of(one.seconds).median:.2f}",
            str(one.times_one_by_one),
            f"{one.disagreement:.0e}",
        ]
        for one in found
    ]
    headings = ["", "images", "block", "", "ms a vector", "times one by one", "disagreement"]
    print_table("products of a block of vectors", headings, rows)
    asked = {"points": list(points), "blocks": list(blocks), "rounds": rounds}
    results = {"blocks": [asdict(one) for one in found]}
    path = write_results("curvature_blocks", name, surroundings, asked, results)
    click.echo(f"written to benchmarks/results/{path.name}")


def _measured(point: str, size: int, rounds: int) -> list[Block]:
    name, shape, written = point.split(":")
    images = int(written)
    channels, height, width = map(int, shape.split("x"))
    network = build_network(NetworkSpec(name, (channels, height, width), _CLASSES), 0)
    stream = torch.Generator().manual_seed(0)
    inputs = torch.randn(images, channels, height, width, generator=stream)
    labels = torch.randint(_CLASSES, (images,), generator=stream)
    weights = Weights.of(network)
    examples = Examples(inputs, labels, torch.zeros(1), torch.ones(1))
    operator = HessianOperator(network, weights, LevelSpace(Mask.dense(network), weights), examples)
    block = torch.randn(size, operator.dimension, generator=stream)
    contenders: dict[str, Callable[[Tensor], Tensor]] = {
        "lth": lambda vectors: torch.stack([operator(vector) for vector in vectors]),
        "batched": _batched(network, inputs, labels),
        "forward": _forward(network, inputs, labels),
    }
    expected = contenders["lth"](block)
    timed = {contender: partial(_seconds, act, block) for contender, act in contenders.items()}
    seconds = interleaved(timed, rounds, 1, label=f"{point}, {size} at once, round")
    return [
        Block(
            name,
            images,
            size,
            contender,
            [total / size for total in seconds[contender]],
            ratios(seconds["lth"], seconds[contender]),
            float((act(block) - expected).abs().max() / expected.abs().max()),
        )
        for contender, act in contenders.items()
    ]


def _seconds(act: Callable[[Tensor], Tensor], block: Tensor) -> float:
    began = time.perf_counter()
    act(block)
    return time.perf_counter() - began


def _batched(network: nn.Module, inputs: Tensor, labels: Tensor) -> Callable[[Tensor], Tensor]:
    parameters = tuple(network.parameters())
    gradient = torch.autograd.grad(cross_entropy(network(inputs), labels), parameters, create_graph=True)

    def act(block: Tensor) -> Tensor:
        along = _by_parameter(block, parameters)
        found = torch.autograd.grad(gradient, parameters, along, retain_graph=True, is_grads_batched=True)
        return torch.cat([part.reshape(len(block), -1) for part in found], dim=1)

    return act


def _forward(network: nn.Module, inputs: Tensor, labels: Tensor) -> Callable[[Tensor], Tensor]:
    names = [name for name, _ in network.named_parameters()]
    values = tuple(parameter.detach() for parameter in network.parameters())
    buffers = dict(network.named_buffers())

    def loss(*parameters: Tensor) -> Tensor:
        state = {**buffers, **dict(zip(names, parameters, strict=True))}
        return cross_entropy(functional_call(network, state, inputs), labels)

    slope = grad(loss, argnums=tuple(range(len(values))))

    def act(block: Tensor) -> Tensor:
        along = _by_parameter(block, values)
        found = vmap(lambda *tangents: jvp(slope, values, tangents)[1])(*along)
        return torch.cat([part.reshape(len(block), -1) for part in found], dim=1)

    return act


def _by_parameter(block: Tensor, parameters: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    parts = block.split([parameter.numel() for parameter in parameters], dim=1)
    return tuple(part.reshape(-1, *parameter.shape) for part, parameter in zip(parts, parameters, strict=True))


if __name__ == "__main__":
    main()
