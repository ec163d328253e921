"""From a place in the study (kind, level) to a trained solution; nothing is tracked here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from lth.data import ImageData, TrainingData, prepare
from lth.network import NetworkSpec, build_network
from lth.recipe import Ingredients, Start, start_dense, start_sparse
from lth.schedule import Schedule, resolve_schedule
from lth.setting import Setting
from lth.solution import Kind, Solution, solution_name
from lth.task import TaskKeys
from lth.train import EpochRecord, Procedure, train
from lth.weights import Weights


@dataclass(frozen=True)
class Workbench:
    """A setting made concrete: network, data on the device, schedule and keys that fit together."""

    setting: Setting
    images: ImageData
    data: TrainingData
    network: nn.Module  # at its initialisation w0, on the CPU
    schedule: Schedule
    keys: TaskKeys


def set_up(
    setting: Setting, images: ImageData, device: torch.device, given: Solution | None = None
) -> Workbench:
    """Check that everything fits together, before any long work.

    Args:
        setting: What to train.
        images: The whole data set.
        device: Where to put the examples, and so where everything is computed.
        given: A solution of another study whose lineage replaces the levels up to its own.

    Raises:
        ValueError: If network, data, amounts of examples, schedule and `given` do not fit.
    """
    spec = NetworkSpec(setting.network, images.input_shape, images.num_classes)
    if given is not None and (given.spec, given.data_digest) != (spec, images.digest):
        raise ValueError(
            f"from_run holds {given.spec.name} for data {given.data_digest[:12]}, but this is {spec.name} for "
            f"data {images.digest[:12]}; name a run of the same network and data set"
        )
    if given is not None and given.kind != "imp":
        raise ValueError(f"from_run is a {given.kind} solution; levels are pruned from levels (or dense)")
    data = prepare(images, setting.data.train_examples, setting.seed, device)
    setting.analysis.hessian_examples.of(len(data.train))
    inherited = (*given.ancestors, given.key) if given is not None else ()
    return Workbench(
        setting=setting,
        images=images,
        data=data,
        network=build_network(spec, setting.seed),
        schedule=resolve_schedule(setting.training, len(data.train)),
        keys=TaskKeys(setting, spec, images.digest, inherited),
    )


def plan(bench: Workbench, kind: Kind, level: int, previous: Solution | None, dense: Solution | None) -> Start:
    """Return mask, start and schedule of a solution; w(L-1) and w(0) are needed from level 1 on."""
    if level == 0:
        return start_dense(bench.network, bench.setting, len(bench.data.train))
    if previous is None or dense is None:
        raise ValueError(f"{solution_name(kind, level)} starts from w({level - 1}) and w(0); give both")
    return start_sparse(kind, Ingredients(bench.setting, bench.schedule, level, previous, dense))


def solve(
    bench: Workbench,
    kind: Kind,
    level: int,
    start: Start,
    previous: Solution | None = None,
    on_epoch: Callable[[EpochRecord, Callable[[], Weights]], None] | None = None,
) -> Solution:
    """Train from `start` to the solution of `kind` at `level`.

    Raises:
        TrainingDivergedError: If a loss becomes NaN or infinite.
    """
    training = bench.setting.training
    result = train(
        bench.network,
        start.state,
        start.mask,
        bench.data,
        start.schedule,
        Procedure(bench.setting.data.augmentation, training.precision, bench.setting.seed),
        capture_at=start.capture_at,
        on_epoch=on_epoch,
        label=solution_name(kind, level),
    )
    rewind = result.captured if previous is None else previous.rewind
    assert rewind is not None, "the dense training passes the rewind step: resolve_schedule checked it"
    return Solution(
        kind=kind,
        level=level,
        spec=bench.keys.spec,
        setting=bench.setting,
        mask=start.mask,
        initial=start.state.weights,
        rewind=rewind,
        final=result.final,
        history=result.history,
        data_digest=bench.images.digest,
        key=bench.keys.solution(kind, level),
        ancestors=bench.keys.ancestors(level),
    )
