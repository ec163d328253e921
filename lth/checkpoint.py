"""Solutions on disk: safetensors files beside a manifest that names the digest of each.

    manifest.json          what it is, its parameters, and the SHA-256 of every other file
    mask.safetensors       one byte a prunable weight
    initial.safetensors    where the training started: `parameters/…` and `buffers/…`
    rewind.safetensors     wk: the same, and `momentum/…`
    final.safetensors      w(L)
    trajectory/epoch-0004.safetensors

The manifest is written last, so a directory without a valid one is not a checkpoint. Nothing read from a
checkpoint is executed.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load as tensors_from_bytes
from safetensors.torch import save as tensors_to_bytes
from torch import Tensor

from lth.evaluate import Evaluation
from lth.mask import Mask
from lth.network import NetworkSpec, build_network
from lth.setting import setting_from_json
from lth.solution import Solution
from lth.train import EpochRecord, TrainingState
from lth.weights import Weights

FORMAT_VERSION: Final = 1
MANIFEST: Final = "manifest.json"
TRAJECTORY: Final = "trajectory"


class CheckpointError(ValueError):
    """A checkpoint is missing, damaged, or not of this version."""


def write_snapshot(directory: Path, epoch: int, weights: Weights) -> None:
    """Write the weights after `epoch` into the trajectory of the checkpoint being built in `directory`."""
    _write_tensors(directory / TRAJECTORY / f"epoch-{epoch:04d}.safetensors", _named(weights))


def write_solution(directory: Path, solution: Solution) -> None:
    """Write `solution` into `directory`, beside the snapshots already there, and its manifest last."""
    directory.mkdir(parents=True, exist_ok=True)
    for epoch, weights in solution.trajectory.items():
        write_snapshot(directory, epoch, weights)
    masks = {name: kept.to(torch.uint8) for name, kept in solution.mask.keep.items()}
    _write_tensors(directory / "mask.safetensors", masks)
    _write_tensors(directory / "initial.safetensors", _named(solution.initial))
    momentum = {f"momentum/{name}": tensor for name, tensor in solution.rewind.momentum.items()}
    _write_tensors(directory / "rewind.safetensors", {**_named(solution.rewind.weights), **momentum})
    _write_tensors(directory / "final.safetensors", _named(solution.final))
    files = sorted(path for path in directory.rglob("*.safetensors"))
    manifest = {
        "format": "lth-solution",
        "version": FORMAT_VERSION,
        "kind": solution.kind,
        "level": solution.level,
        "density": solution.density,
        "network": solution.spec.as_json(),
        "setting": solution.setting.as_json(),
        "rewind_iteration": solution.rewind.step,
        "data_digest": solution.data_digest,
        "key": solution.key,
        "ancestors": list(solution.ancestors),
        "history": [_record_to_json(record) for record in solution.history],
        "files": {path.relative_to(directory).as_posix(): _digest(path.read_bytes()) for path in files},
    }
    _write_atomically(directory / MANIFEST, json.dumps(manifest, indent=1, allow_nan=False).encode())


def read_solution(directory: Path, *, trajectory: bool = True) -> Solution:
    """Return the solution in `directory`, after checking every file against the manifest.

    Args:
        directory: Where `write_solution` wrote.
        trajectory: False leaves out the snapshots, which then need not be there.

    Raises:
        CheckpointError: If a file is missing or altered, or the content doesn't fit together.
    """
    manifest = _read_manifest(directory)
    try:
        files = {
            name: _read_tensors(directory, name, digest)
            for name, digest in manifest["files"].items()
            if trajectory or not name.startswith(f"{TRAJECTORY}/")
        }
        setting = setting_from_json(manifest["setting"])
        spec = NetworkSpec(
            name=manifest["network"]["name"],
            input_shape=tuple(manifest["network"]["input_shape"]),
            num_classes=manifest["network"]["num_classes"],
        )
        shape = Weights.of(build_network(spec, setting.seed))
        prunable = Mask.dense(build_network(spec, setting.seed)).keep
        rewind = files["rewind.safetensors"]
        momentum = {name: t for name, t in rewind.items() if name.startswith("momentum/")}
        return Solution(
            kind=manifest["kind"],
            level=manifest["level"],
            spec=spec,
            setting=setting,
            mask=Mask({n: t.bool() for n, t in _fit(files["mask.safetensors"], prunable).items()}),
            initial=_weights(files["initial.safetensors"], shape),
            rewind=TrainingState(
                _weights({name: t for name, t in rewind.items() if name not in momentum}, shape),
                _fit(momentum, shape.parameters if momentum else {}, "momentum/"),
                manifest["rewind_iteration"],
            ),
            final=_weights(files["final.safetensors"], shape),
            history=tuple(_record_from_json(record) for record in manifest["history"]),
            data_digest=manifest["data_digest"],
            key=manifest["key"],
            ancestors=tuple(manifest["ancestors"]),
            trajectory={
                int(Path(name).stem.removeprefix("epoch-")): _weights(tensors, shape)
                for name, tensors in files.items()
                if name.startswith(f"{TRAJECTORY}/")
            },
        )
    except CheckpointError:
        raise
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise CheckpointError(f"{directory} doesn't describe a solution ({error!r})") from error


def _fit(tensors: Mapping[str, Tensor], like: Mapping[str, Tensor], prefix: str = "") -> dict[str, Tensor]:
    """Return the tensors without `prefix`, in the order of `like`: masks count positions in that order.

    Raises:
        CheckpointError: If a name or a shape differs from `like`.
    """
    found = {name: tensor.shape for name, tensor in tensors.items()}
    expected = {f"{prefix}{name}": tensor.shape for name, tensor in like.items()}
    if found != expected:
        odd = min(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
        raise CheckpointError(
            f"tensor {odd} has shape {found.get(odd)} where the network has {expected.get(odd)}; "
            "is it a checkpoint of another network?"
        )
    return {name: tensors[f"{prefix}{name}"] for name in like}


def _read_manifest(directory: Path) -> dict[str, Any]:
    path = directory / MANIFEST
    try:
        manifest = json.loads(path.read_text())
    except FileNotFoundError:
        raise CheckpointError(
            f"{directory} holds no {MANIFEST}; it is no checkpoint, or not finished"
        ) from None
    except ValueError as error:
        raise CheckpointError(f"{path} is not JSON ({error}); the checkpoint is damaged") from error
    if not isinstance(manifest, dict) or manifest.get("format") != "lth-solution":
        raise CheckpointError(f"{path} is not the manifest of a solution")
    if manifest.get("version") != FORMAT_VERSION:
        raise CheckpointError(
            f"{path} has version {manifest.get('version')}, this lth reads version {FORMAT_VERSION}; "
            "use the version of lth that wrote it"
        )
    return manifest


def _read_tensors(directory: Path, name: str, digest: str) -> dict[str, Tensor]:
    path = directory / name
    if not path.resolve().is_relative_to(directory.resolve()):
        raise CheckpointError(f"{directory / MANIFEST} names {name!r}, which lies outside the checkpoint")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path} can't be read ({error.strerror}); the checkpoint is damaged") from error
    if _digest(content) != digest:
        raise CheckpointError(
            f"{path} is not what was written (its SHA-256 differs); the checkpoint is damaged"
        )
    try:
        return tensors_from_bytes(content)
    except SafetensorError as error:
        raise CheckpointError(f"{path} is not a safetensors file ({error})") from error


def _write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    _write_atomically(path, tensors_to_bytes({name: t.cpu().contiguous() for name, t in tensors.items()}))


def _write_atomically(path: Path, content: bytes) -> None:
    """Write beside `path`, flush to the disk, then rename: readers see the old file or the whole new one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _named(weights: Weights) -> dict[str, Tensor]:
    parameters = {f"parameters/{name}": tensor for name, tensor in weights.parameters.items()}
    return parameters | {f"buffers/{name}": tensor for name, tensor in weights.buffers.items()}


def _weights(tensors: Mapping[str, Tensor], like: Weights) -> Weights:
    parameters = {name: t for name, t in tensors.items() if not name.startswith("buffers/")}
    buffers = {name: t for name, t in tensors.items() if name.startswith("buffers/")}
    return Weights(_fit(parameters, like.parameters, "parameters/"), _fit(buffers, like.buffers, "buffers/"))


def _record_to_json(record: EpochRecord) -> list[float]:
    train, test = record.train, record.test
    return [record.epoch, train.loss, train.accuracy, test.loss, test.accuracy]


def _record_from_json(record: list[float]) -> EpochRecord:
    epoch, train_loss, train_accuracy, test_loss, test_accuracy = record
    return EpochRecord(int(epoch), Evaluation(train_loss, train_accuracy), Evaluation(test_loss, test_accuracy))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
