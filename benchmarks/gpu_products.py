"""Where the time of a Hessian's product and of a loss goes on a GPU, and what would cut it.

By the rates of one H100 (`docs/benchmarks.md`) three fifths of measuring are products and the rest is losses.
Both are cuDNN's convolutions, at a sixth of the peak in float32. Launches, of which a product is one, and waits
for the device are next to nothing. So what is tried here changes which convolutions cuDNN computes, or how many
at once:

- kernels: what the GPU's time goes to, by kind, and how much of it the GPU is idle;
- cuDNN may race: it times its routines, and takes the fastest of those that repeat themselves;
- a small workspace: too small for Fourier transforms (CUDNN_CONV_WSCAP_DBG, in MiB);
- directions at once: the products of several vectors as one, by `vmap`; on a CPU they have the same bits;
- processes: several measurements at once under NVIDIA's service, as those of `workers` are.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import click
import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from benchmarks.gpu_problem import Problem, check, rate, say, timed
from benchmarks.gpu_training import in_processes
from lth.measure import Evaluator, HessianOperator, LevelSpace
from lth.training.determinism import fix_workspaces, repeatable
from lth.training.precision import full_float32
from lth.training.sharing import Sharing, hold_to_part

_IMAGES = 1000  # a chunk of the operator's: more are more chunks, at the same rate
_DIRECTIONS = (2, 4, 8)
_PROCESSES = (2, 4)
_SMALL_WORKSPACE = {"CUDNN_CONV_WSCAP_DBG": "32"}
_KINDS = {
    "Fourier transforms": ("fft",),
    "convolutions": ("conv", "gemm", "xmma", "cutlass", "wgrad", "dgrad", "fprop", "winograd"),
}


def products(problem: Problem, found: dict[str, Any]) -> None:
    """Say where the time of products and losses goes, and try what would cut it."""
    fix_workspaces([problem.device])
    hessian, vector = _hessian(problem)
    with check(found, "kernels"):
        found["kernels of a product"] = kernels(partial(hessian, vector))
        evaluate = Evaluator(problem.network, problem.data.train.take(torch.arange(_IMAGES)))
        found["kernels of a loss"] = kernels(partial(evaluate, problem.start.weights.to(problem.device)))
        for name in ("product", "loss"):
            say(f"a {name} of {_IMAGES} images", _told(found[f"kernels of a {name}"]))
    ways: dict[str, Callable[[], float]] = {"as it is": lambda: rate(partial(hessian, vector))}
    ways["cuDNN may race"] = partial(_racing, problem)
    ways |= {f"{n} directions at once": partial(_together, hessian, n) for n in _DIRECTIONS}
    ways["a small workspace"] = lambda: in_processes(__name__, 1, None, _SMALL_WORKSPACE)
    for count in _PROCESSES:
        ways[f"{count} processes under MPS"] = partial(
            lambda n: in_processes(__name__, n, Sharing("cuda:0", n)), count
        )
    found["products_a_second"] = {}
    for way, measured in ways.items():
        with check(found, way):
            found["products_a_second"][way] = measured()
            say(f"products/s of {_IMAGES} images, {way}", f"{found['products_a_second'][way]:.3g}")


def _hessian(problem: Problem) -> tuple[HessianOperator, Tensor]:
    point = problem.start.weights.to(problem.device)
    space, examples = LevelSpace(problem.mask, point), problem.data.train.take(torch.arange(_IMAGES))
    hessian = HessianOperator(problem.network, point, space, examples)
    vector = torch.randn(space.dimension, generator=torch.Generator().manual_seed(0)).to(problem.device)
    return hessian, vector


def kernels(work: Callable[[], object]) -> dict[str, float]:
    """Return how many milliseconds the GPU spends on each kind of kernel, and how long it took in all."""
    work()
    with profile(activities=[ProfilerActivity.CUDA]) as profiled:
        _, seconds = timed(work)
    spent = dict.fromkeys([*_KINDS, "all else"], 0.0)
    for event in profiled.key_averages():
        spent[kind_of(event.key)] += event.self_device_time_total / 1e3
    return {**spent, "taken": 1e3 * seconds}


def kind_of(kernel: str) -> str:
    """Return which kind of kernel one is, by its name.

    >>> kind_of("void fft2d_r2c_32x32<float>"), kind_of("sm80_xmma_fprop_implicit_gemm"), kind_of("Memset")
    ('Fourier transforms', 'convolutions', 'all else')
    """
    name = kernel.lower()
    return next((kind for kind, parts in _KINDS.items() if any(part in name for part in parts)), "all else")


def _told(spent: dict[str, float]) -> str:
    taken = spent["taken"]
    busy = ", ".join(f"{each / taken:.0%} {kind}" for kind, each in spent.items() if kind != "taken")
    return f"{taken:.1f} ms: {busy}"


def _racing(problem: Problem) -> float:
    """Return the products a second where cuDNN chooses by a race, which may give other bits another day."""

    @contextmanager
    def racing(*devices: torch.device) -> Iterator[None]:
        with repeatable(*devices):
            torch.backends.cudnn.benchmark = True
            yield

    with patch("lth.measure.curvature.hessian.repeatable", racing):
        hessian, vector = _hessian(problem)
        return rate(partial(hessian, vector))


def _together(hessian: HessianOperator, count: int) -> float:
    """Return the products a second of so many vectors at a time, launched kernel by kernel."""
    (share,) = hessian._shares
    directions = [torch.randn(count, *each.shape, device=each.device) for each in share._free.values()]
    with repeatable(share._device), full_float32():
        return count * rate(partial(together, share._kept, list(share._free.values()), directions))


def together(
    gradients: Sequence[tuple[Tensor, ...]], parameters: Sequence[Tensor], directions: Sequence[Tensor]
) -> list[Tensor]:
    """Return the products with several directions at once, summed over the chunks, (count, ...) a parameter.

    >>> w = torch.ones(2, requires_grad=True)
    >>> slope = torch.autograd.grad((w**3).sum(), w, create_graph=True)
    >>> together([slope], [w], [torch.eye(2)])
    [tensor([[6., 0.],
            [0., 6.]])]
    """
    total = [torch.zeros_like(each) for each in directions]
    for gradient in gradients:
        found = torch.autograd.grad(
            gradient, parameters, directions, retain_graph=True, is_grads_batched=True, materialize_grads=True
        )
        torch._foreach_add_(total, found)
    return total


@click.command()
@click.argument("begin", type=click.Path(path_type=Path))
def _multiply_when_told(begin: Path) -> None:
    """Take products in this process once the file `begin` is there, for four seconds, and say how fast."""
    problem = Problem(torch.device("cuda"), None, 0)
    fix_workspaces([problem.device])
    hold_to_part([problem.device])
    hessian, vector = _hessian(problem)
    hessian(vector)
    torch.cuda.synchronize()
    click.echo("ready")
    while not begin.exists():
        time.sleep(0.01)
    click.echo(json.dumps(rate(partial(hessian, vector), 4.0)))


if __name__ == "__main__":
    _multiply_when_told()
