"""Whether training several replicates at once, by torch.func, pays: images a second of all of them together.

    python -m benchmarks.ensemble

Gradients of R networks of one shape, each on its own batch, by `vmap(grad(…))` over stacked weights, beside
the same gradients one network after the other; fp32, BatchNorm with the statistics of the batch. The images are
random: only the time counts.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import cast

import click
import torch
from torch import Tensor
from torch.func import functional_call, grad, stack_module_state, vmap
from torch.nn.functional import cross_entropy

from benchmarks.environment import environment, print_table, usable_cores, write_results
from lth.network import build_network, fastest_memory_format
from lth.setting.network import NetworkSpec

# (network, shape of its images, batch)
PROBLEMS = [("resnet8-w8", (1, 8, 8), 64), ("resnet20", (3, 32, 32), 128)]


@click.command()
@click.option("--replicates", default=4, show_default=True, type=click.IntRange(min=2))
@click.option("--rounds", default=7, show_default=True, type=click.IntRange(min=1))
@click.option("--threads", type=click.IntRange(min=1), help="By default all cores.")
def main(replicates: int, rounds: int, threads: int | None) -> None:
    """Time gradients of several networks at once and one after the other."""
    torch.set_num_threads(threads or usable_cores())
    surroundings = environment(torch.get_num_threads(), {})
    results = {}
    for name, shape, batch in PROBLEMS:
        together, apart = _contenders(name, shape, batch, replicates)
        laps: list[tuple[float, float]] = [(_time(together), _time(apart)) for _ in range(rounds + 1)][1:]
        images = replicates * batch
        results[name] = {
            "batch": batch,
            "together, images/s": statistics.median(images / one for one, _ in laps),
            "one by one, images/s": statistics.median(images / other for _, other in laps),
            "gain": statistics.median(other / one for one, other in laps),
        }
    rows = [[name, *(f"{value:.3g}" for value in found.values())] for name, found in results.items()]
    print_table(f"{replicates} replicates, median of {rounds} rounds", ["", *results["resnet20"]], rows)
    write_results("ensemble", "ensemble", surroundings, {"replicates": replicates, "rounds": rounds}, results)


def _contenders(
    name: str, shape: tuple[int, int, int], batch: int, replicates: int
) -> tuple[Callable[[], object], Callable[[], object]]:
    networks = [build_network(NetworkSpec(name, shape, 10), seed).train() for seed in range(replicates)]
    layout = fastest_memory_format(networks[0], torch.device("cpu"))
    inputs = torch.randn(replicates, batch, *shape)
    labels = torch.randint(10, (replicates, batch))
    parameters, buffers = stack_module_state(networks)
    base = networks[0]

    def loss(weights: dict[str, Tensor], state: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        logits = cast("Tensor", functional_call(base, (weights, state), (x,)))
        return cross_entropy(logits, y)

    gradients = vmap(grad(loss))
    for network in networks:
        network.to(memory_format=layout)

    def one_by_one() -> None:
        for network, x, y in zip(networks, inputs, labels, strict=True):
            network.zero_grad()
            cross_entropy(network(x.contiguous(memory_format=layout)), y).backward()

    return lambda: gradients(parameters, buffers, inputs, labels), one_by_one


def _time(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
