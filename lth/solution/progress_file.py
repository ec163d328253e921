"""The progress of a training as one file, from which it goes on after its process died.

The header holds the content key of the solution, what must be the same for the same bits, and the history.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from lth.errors import InputError
from lth.network.mask import Mask
from lth.network.weights import Weights
from lth.sealed import MALFORMED, CheckpointError, Format, seal, step_of, unseal
from lth.solution.checkpoint import record_from_json, record_to_json
from lth.training.moving import Moved
from lth.training.train import EpochRecord, Progress, TrainingState

KIND: Final = "step"
_FORMAT: Final[Format] = ("lth-progress", 1)


@dataclass(frozen=True)
class KeptProgress:
    """A training's progress, and what whoever goes on from it has to know."""

    progress: Progress
    key: str  # of the solution that is being trained
    environment: str  # what computes: in another one the bits would differ
    seconds: float  # trained so far
    snapshots: Mapping[str, str]  # trajectory files logged so far, with their SHA-256


def progress_environment(
    device: torch.device, precision: str, *, compiled: bool, threads: int | None = None
) -> str:
    """Return what, besides the parameters, decides the bits of a training on this machine.

    Args:
        device: What computes.
        precision: Of the products.
        compiled: Whether the step is.
        threads: That compute on a CPU; by default all that torch has.
    """
    if device.type == "cuda":
        processor = torch.cuda.get_device_name(device)
    else:
        capability = torch.backends.cpu.get_cpu_capability()
        threads = torch.get_num_threads() if threads is None else threads
        processor = f"{cpu_model()} ({capability}), {threads} {'thread' if threads == 1 else 'threads'}"
    return f"torch {torch.__version__}, {processor}, {precision}{', compiled' if compiled else ''}"


def cpu_model() -> str:
    """Return the name of the processor; one of the same instruction set may sum in another order."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def write_progress(kept: KeptProgress) -> tuple[str, bytes]:
    """Return the name and the content of a file that holds `kept`."""
    progress = kept.progress
    states = {"state": progress.state}
    if progress.captured is not None:
        states["captured"] = progress.captured
    header = {
        "key": kept.key,
        "environment": kept.environment,
        "seconds": kept.seconds,
        "snapshots": dict(kept.snapshots),
        "history": [_recorded(record) for record in progress.history],
        # In the network's order, which safetensors does not keep.
        "states": {
            name: {
                "step": state.step,
                "parameters": list(state.weights.parameters),
                "buffers": list(state.weights.buffers),
                "momentum": list(state.momentum),
                **({"held": list(state.held)} if state.held else {}),
            }
            for name, state in states.items()
        },
        **({} if progress.moved is None else {"moved": _moved_as_json(progress.moved)}),
    }
    tensors = {
        f"{name}/{group}/{parameter}": tensor
        for name, state in states.items()
        for group, members in _groups(state).items()
        for parameter, tensor in members.items()
    }
    if progress.moved is not None:
        tensors |= {
            f"moved/{group}/{name}": tensor
            for group, members in _moved_groups(progress.moved).items()
            for name, tensor in members.items()
        }
    return seal(KIND, progress.state.step, _FORMAT, header, tensors)


def _recorded(record: EpochRecord) -> list[float | None]:
    """Return a record of a training that goes on, which has every number.

    Raises:
        ValueError: If one is not finite.
    """
    numbers = record_to_json(record)
    if None in numbers:
        raise ValueError(f"epoch {record.epoch} has a loss or a metric that is no number: not JSON compliant")
    return numbers


def read_progress(name: str, content: bytes) -> KeptProgress:
    """Return what the file of this name holds; nothing in it is executed.

    Raises:
        CheckpointError: If it was not written whole, is damaged, or of another version.
    """
    header, tensors = unseal(name, content, KIND, _FORMAT)
    try:
        states = {key: _state(key, fields, tensors) for key, fields in header["states"].items()}
        if states["state"].step != step_of(name, KIND):
            raise InputError("the step in its name is another")
        history = tuple(record_from_json(record) for record in header["history"])
        return KeptProgress(
            Progress(states["state"], states.get("captured"), history, _moved(header.get("moved"), tensors)),
            key=str(header["key"]),
            environment=str(header["environment"]),
            seconds=float(header["seconds"]),
            snapshots={str(file): str(digest) for file, digest in header["snapshots"].items()},
        )
    except MALFORMED as error:
        raise CheckpointError(f"{name} doesn't describe a training's progress ({error!r})") from error


def _moved_groups(moved: Moved) -> dict[str, Mapping[str, Tensor]]:
    """Return what has to be kept of a mask that moves, as tensors that a file can hold."""
    keep = {name: kept.to(torch.uint8) for name, kept in moved.mask.keep.items()}
    return {"keep": keep, "held": moved.held, "towards": moved.towards}


def _moved_as_json(moved: Moved) -> dict[str, list[str]]:
    """Return the names of it all in their order, and which parameters don't move."""
    names = {group: list(members) for group, members in _moved_groups(moved).items()}
    return {**names, "frozen": sorted(moved.mask.frozen)}


def _moved(fields: Mapping[str, Any] | None, tensors: Mapping[str, Tensor]) -> Moved | None:
    """Return what was kept of a mask that moves; None of one that stays."""
    if fields is None:
        return None
    keep, held, towards = (
        {name: tensors[f"moved/{group}/{name}"] for name in fields[group]}
        for group in ("keep", "held", "towards")
    )
    mask = Mask({name: kept.bool() for name, kept in keep.items()}, frozenset(map(str, fields["frozen"])))
    return Moved(mask, held=held, towards=towards)


def _groups(state: TrainingState) -> dict[str, Mapping[str, Tensor]]:
    return {
        "parameters": state.weights.parameters,
        "buffers": state.weights.buffers,
        "momentum": state.momentum,
        "held": state.held,
    }


def _state(name: str, fields: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> TrainingState:
    named = {"held": [], **fields}  # by SGD nothing else is held
    parameters, buffers, momentum, held = (
        {member: tensors[f"{name}/{group}/{member}"] for member in named[group]}
        for group in ("parameters", "buffers", "momentum", "held")
    )
    return TrainingState(Weights(parameters, buffers), momentum, int(fields["step"]), held)
