"""Training on a GPU: its peak, the rate of one training, and of several at once."""

from __future__ import annotations

import copy
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any
from unittest.mock import patch

import click
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap
from torch.nn.functional import cross_entropy

from benchmarks.environment import ROOT
from benchmarks.gpu_problem import Problem, check, rate, say, timed
from benchmarks.peak import STEP_GFLOP
from lth.data.augment import Augmenter
from lth.network import build_network
from lth.setting.setting import TENTH
from lth.training.capture import CapturedStep
from lth.training.determinism import fix_workspaces, repeatable
from lth.training.moving import Moved
from lth.training.precision import Format, full_float32
from lth.training.sharing import Sharing, hold_to_part
from lth.training.train import Procedure, _Run, train

_SIDE = 8192
_BATCH = 128
_AT_ONCE = (1, 2, 4, 8)
_PROCESSES = (4,)  # which take ten seconds to start
_BY_LAUNCH = partial(CapturedStep, record=lambda work: work)


def peak(problem: Problem, found: dict[str, Any]) -> None:
    """Measure the best matrix product, copy and launch."""
    stream = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, _SIDE, _SIDE, generator=stream).to(problem.device)
    with full_float32():
        for name, (x, y) in {"fp32": (a, b), "bf16": (a.bfloat16(), b.bfloat16())}.items():
            found[f"{name}_tflops"] = _tflops(x, y)
    source, target = torch.empty(2, 2**28, device=problem.device)
    found["copy_gb_a_second"] = 2e-9 * source.nbytes * rate(partial(target.copy_, source))
    small = torch.zeros(1, device=problem.device)

    def launches() -> None:
        for _ in range(1000):
            small.add_(1)

    found["launch_microseconds"] = 1e3 / rate(launches)
    for name, value in found.items():
        say(name, f"{value:.4g}")


def _tflops(x: torch.Tensor, y: torch.Tensor) -> float:
    return 2e-12 * _SIDE**3 * rate(partial(torch.mm, x, y))


def training(problem: Problem, found: dict[str, Any]) -> None:
    """Measure one training in every way a step is taken."""
    fix_workspaces([problem.device])
    best = torch.randn(2, _SIDE, _SIDE, device=problem.device).bfloat16()
    bf16 = 1e3 * _tflops(*best)  # GFLOP/s
    ways: list[tuple[str, Format, bool, bool, int]] = [
        ("bf16, captured", "bf16", False, True, 4),
        ("fp32, captured", "fp32", False, True, 2),
        ("bf16, by launch", "bf16", False, False, 2),
        ("bf16, compiled and captured", "bf16", True, True, 5),
    ]
    for name, precision, compiled, captures, epochs in ways:
        with check(found, name):
            torch.cuda.reset_peak_memory_stats()
            step = CapturedStep if captures else _BY_LAUNCH
            with patch("lth.training.train.CapturedStep", step):
                laps = _epochs(problem, precision, compiled=compiled, epochs=epochs)
            images = len(problem.data.train) / statistics.median(laps["epochs"])
            found[name] = {
                "images_a_second": images,
                "share_of_bf16_peak": images * STEP_GFLOP / bf16,
                "peak_memory_gib": torch.cuda.max_memory_allocated() / 2**30,
                **laps,
            }
            first = laps["epochs_and_start"][0] - statistics.median(laps["epochs"])
            say(f"{name}: images/s with evaluations", f"{images:,.0f} (start-up {first:.1f} s)")
    with check(found, "a user's own network"):
        laps = _epochs(problem, "bf16", compiled=False, epochs=3, network=_as_a_users(problem.network))
        images = len(problem.data.train) / statistics.median(laps["epochs"])
        found["bf16, a user's own network"] = {"images_a_second": images, **laps}
        say("bf16, a user's own network: images/s with evaluations", f"{images:,.0f}")


def _as_a_users(network: nn.Module) -> nn.Module:
    """Return a network as one of a user's own, of which nothing is known: it is captured by trial."""
    own = copy.deepcopy(network)
    own.__class__ = type("Own", (type(network),), {})
    return own


def _epochs(
    problem: Problem, precision: Format, *, compiled: bool, epochs: int, network: nn.Module | None = None
) -> dict[str, list[float]]:
    """Return the seconds of each epoch, with its evaluations, and with what was done once in the first."""
    ends: list[float] = []
    procedure = Procedure("crop_flip", precision, 0, compiled=compiled, epoch_examples=TENTH)
    schedule = problem.schedule(epochs + 1)  # the last evaluates everything in float32, and is not counted

    def train_it() -> None:
        train(
            problem.network if network is None else network,
            problem.start,
            problem.mask,
            problem.data,
            schedule,
            procedure,
            on_epoch=lambda _record, _weights: ends.append(time.perf_counter()),
        )

    timed(train_it)
    laps = [end - begin for begin, end in itertools.pairwise(ends[:-1])]
    return {"epochs": laps[1:], "epochs_and_start": laps}


def wide(problem: Problem, found: dict[str, Any]) -> None:
    """Measure several trainings at once: on streams, as replicas, in processes and under the service."""
    fix_workspaces([problem.device])
    shared = {"processes": None, "processes under MPS": Sharing("cuda:0", max(_PROCESSES))}
    in_one = {"on streams of one process": _on_streams, "as replicas in one step": _as_replicas}
    for name, at_once in in_one.items():
        for n in _AT_ONCE:
            with check(found, f"{n} {name}"):
                images = at_once(problem, n)
                found.setdefault(name, {})[n] = images
                say(f"{n} {name}: images/s", f"{images:,.0f}")
        torch.cuda.empty_cache()
    for name, sharing in shared.items():
        for n in _PROCESSES:
            with check(found, f"{n} {name}"):
                images = in_processes(__name__, n, sharing)
                found.setdefault(name, {})[n] = images
                say(f"{n} in {name}: images/s", f"{images:,.0f}")


def _on_streams(problem: Problem, count: int) -> float:
    """Return the images a second of so many trainings, whose steps are launched in turn, a stream each."""
    schedule = problem.schedule(10)
    procedure = Procedure("crop_flip", "bf16", 0)
    with repeatable(problem.device), full_float32():
        runs = [
            _Run(problem.network, problem.start, Moved(problem.mask), None, schedule, procedure, problem.device)
            for _ in range(count)
        ]
        augmenter = Augmenter(problem.data.train, "crop_flip", 0)
        draws, index = augmenter.epoch(0), torch.arange(_BATCH, device=problem.device)
        streams = [torch.cuda.Stream() for _ in runs]
        for run in runs:
            run.take_step(*augmenter.batch(index, draws))
        torch.cuda.synchronize()

        def steps() -> None:
            for _ in range(100):
                for run, stream in zip(runs, streams, strict=True):
                    with torch.cuda.stream(stream):
                        run.take_step(*augmenter.batch(index, draws))

        _, seconds = timed(steps)
    return 100 * count * _BATCH / seconds


def _as_replicas(problem: Problem, count: int) -> float:
    """Return the images a second of so many trainings in one captured step; `vmap` groups their kernels.

    It is the least that such a step takes: all in bfloat16, without masks, SGD in plain operations.
    """
    networks = [
        build_network(problem.spec, seed).to(problem.device, torch.bfloat16).train() for seed in range(count)
    ]
    parameters, buffers = stack_module_state(networks)
    weights, momentum = list(parameters.values()), [torch.zeros_like(each) for each in parameters.values()]

    def loss(own: dict[str, Tensor], state: dict[str, Tensor], images: Tensor, labels: Tensor) -> Tensor:
        logits: Tensor = functional_call(networks[0], (own, state), (images,))
        return cross_entropy(logits.float(), labels)

    gradients = vmap(grad(loss))

    @torch.no_grad()
    def step(images: Tensor, labels: Tensor) -> None:
        found = gradients(parameters, buffers, images, labels)
        torch._foreach_mul_(momentum, 0.9)
        torch._foreach_add_(momentum, list(found.values()))
        torch._foreach_add_(weights, momentum, alpha=-0.1)

    inputs = torch.randn(count, _BATCH, *problem.spec.shapes[0], device=problem.device).bfloat16()
    labels = (
        torch.arange(count * _BATCH, device=problem.device).reshape(count, _BATCH) % problem.spec.num_classes
    )
    with repeatable(problem.device), full_float32():
        captured = CapturedStep(step, (inputs, labels), [*weights, *momentum, *buffers.values()])

        def replays() -> None:
            for _ in range(50):
                captured(inputs, labels)

        _, seconds = timed(replays)
    return 50 * count * _BATCH / seconds


def in_processes(
    module: str, count: int, sharing: Sharing | None, environment: Mapping[str, str] = MappingProxyType({})
) -> float:
    """Return what so many processes of their own do a second, all of them together, while all are at it.

    Args:
        module: What each runs: it says that it is ready, waits for a file, and says how much it did a second.
        count: How many.
        sharing: How they share the card.
        environment: What each finds in its own besides.
    """
    command = [sys.executable, "-m", module]
    running: list[subprocess.Popen[str]] = []
    with tempfile.TemporaryDirectory() as folder:
        begin = Path(folder) / "begin"
        try:
            for number in range(count):
                own = {**environment, **({} if sharing is None else sharing.environment(number))}
                if sharing is not None and "CUDA_MPS_PIPE_DIRECTORY" not in {**os.environ, **own}:
                    raise RuntimeError("NVIDIA's multi-process service is not there, or lets nobody in")
                running.append(
                    subprocess.Popen(
                        [*command, str(begin)],
                        cwd=ROOT,
                        stdout=subprocess.PIPE,
                        text=True,
                        env={**os.environ, **own},
                    )
                )
            waiting = [process.stdout.readline() for process in running if process.stdout is not None]
            assert len(waiting) == count
            begin.touch()
            said = [json.loads(process.communicate()[0]) for process in running]
        finally:
            for process in running:
                process.kill()
            if sharing is not None:
                sharing.end()
    return float(sum(said))


@click.command()
@click.argument("begin", type=click.Path(path_type=Path))
def _train_when_told(begin: Path) -> None:
    """Train one network in this process once the file `begin` is there, for five seconds, and say how fast."""
    problem = Problem(torch.device("cuda"), None, 0)
    fix_workspaces([problem.device])
    hold_to_part([problem.device])
    with repeatable(problem.device), full_float32():
        run = _Run(
            problem.network,
            problem.start,
            Moved(problem.mask),
            None,
            problem.schedule(100),
            Procedure("crop_flip", "bf16", 0),
            problem.device,
        )
        augmenter = Augmenter(problem.data.train, "crop_flip", 0)
        draws, index = augmenter.epoch(0), torch.arange(_BATCH, device=problem.device)
        run.take_step(*augmenter.batch(index, draws))
        torch.cuda.synchronize()
        click.echo("ready")
        while not begin.exists():
            time.sleep(0.01)
        began, steps = time.perf_counter(), 0
        while time.perf_counter() - began < 4:
            for _ in range(50):
                run.take_step(*augmenter.batch(index, draws))
            torch.cuda.synchronize()
            steps += 50
        click.echo(json.dumps(steps * _BATCH / (time.perf_counter() - began)))


if __name__ == "__main__":
    _train_when_told()
