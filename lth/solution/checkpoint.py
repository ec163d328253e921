"""Solutions on disk: safetensors files beside a manifest that names the digest of each.

    manifest.json          what it is, its parameters, and the SHA-256 of every other file and of itself
    mask.safetensors       one byte a prunable weight
    initial.safetensors    where the training started: `parameters/…` and `buffers/…`
    rewind.safetensors     wk: the same, and `momentum/…`, or `held/…` of another optimiser than SGD
    final.safetensors      w(L)
    trajectory/epoch-0004.safetensors

The manifest is written last, so a directory without a valid one is not a checkpoint. Nothing read from a
checkpoint is executed.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, get_args

import torch
from safetensors import SafetensorError
from safetensors.torch import load as tensors_from_bytes
from safetensors.torch import save as tensors_to_bytes
from torch import Tensor

from lth.data.normalisation import Normalisation
from lth.errors import InputError
from lth.network.build import tensor_shapes
from lth.network.mask import Mask
from lth.network.weights import Weights
from lth.plan.place import Kind, Place
from lth.sealed import CheckpointError
from lth.setting.network import NetworkSpec
from lth.setting.setting import setting_from_flat
from lth.solution.solution import Solution
from lth.training.evaluate import Evaluation
from lth.training.train import EpochRecord, TrainingState
from lth.version import __version__

FORMAT_VERSION: Final = 1
MANIFEST: Final = "manifest.json"
TRAJECTORY: Final = "trajectory"


def write_snapshot(directory: Path, epoch: int, weights: Weights) -> Path:
    """Write the weights after `epoch` into the trajectory of the checkpoint being built in `directory`."""
    path = directory / snapshot_file(epoch)
    _write_tensors(path, _named(weights))
    return path


def write_solution(directory: Path, solution: Solution) -> None:
    """Write `solution` into `directory`, beside the snapshots already there, and its manifest last."""
    directory.mkdir(parents=True, exist_ok=True)
    for epoch, weights in solution.trajectory.items():
        write_snapshot(directory, epoch, weights)
    masks = {name: kept.to(torch.uint8) for name, kept in solution.mask.keep.items()}
    momentum = {f"momentum/{name}": tensor for name, tensor in solution.rewind.momentum.items()}
    _write_tensors(directory / "mask.safetensors", masks)
    _write_tensors(directory / "initial.safetensors", _named(solution.initial))
    held = {f"held/{key}": tensor for key, tensor in solution.rewind.held.items()}
    _write_tensors(directory / "rewind.safetensors", {**_named(solution.rewind.weights), **momentum, **held})
    _write_tensors(directory / "final.safetensors", _named(solution.final))
    files = sorted(directory.rglob("*.safetensors"))
    manifest = {
        "format": "lth-solution",
        "version": FORMAT_VERSION,
        "written_by": f"lth {__version__}",
        "kind": solution.kind,
        "level": solution.level,
        "density": solution.density,
        "network": solution.spec.as_json(),
        # In the network's order, by which masks count positions; safetensors keeps none.
        "parameters": {name: list(t.shape) for name, t in solution.final.parameters.items()},
        "buffers": {name: list(t.shape) for name, t in solution.final.buffers.items()},
        **_types(solution.final.buffers),
        "prunable": list(solution.mask.keep),
        **({"frozen": sorted(solution.mask.frozen)} if solution.mask.frozen else {}),
        **({"mask_moved": True} if solution.mask_moved else {}),
        "setting": solution.setting.flat(),
        "momentum": list(solution.rewind.momentum),  # parameters without a gradient have none
        **({"held": _held_as_json(solution.rewind.held)} if solution.rewind.held else {}),
        "rewind_iteration": solution.rewind.step,
        "data_digest": solution.data_digest,
        "key": solution.key,
        "ancestors": list(solution.ancestors),
        **({"normalisation": solution.normalisation.as_json()} if solution.normalisation else {}),
        "history": [record_to_json(record) for record in solution.history],
        "files": {path.relative_to(directory).as_posix(): _digest(path.read_bytes()) for path in files},
    }
    whole = {**manifest, "digest": _manifest_digest(manifest)}
    _write_atomically(directory / MANIFEST, json.dumps(whole, indent=1, allow_nan=False).encode())


def read_solution(directory: Path, *, trajectory: bool = True) -> Solution:
    """Return the solution in `directory`, after checking every file against the manifest.

    No network is built, so that a checkpoint cannot name code to run.

    Args:
        directory: Where `write_solution` wrote.
        trajectory: False leaves out the snapshots, which then need not be there.

    Raises:
        CheckpointError: If a file is missing or altered, or the content doesn't fit together.
    """
    manifest = _read_manifest(directory)
    try:
        files = {
            name: _read_tensors(directory, name, manifest["files"][name])
            for name in files_of(directory, trajectory=trajectory)
        }
        solution = _assemble(manifest, files)
        density = manifest["density"]
    except CheckpointError:
        raise
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise CheckpointError(f"{directory} doesn't describe a solution ({error!r})") from error
    for name, kept in solution.mask.keep.items():
        started = {} if solution.mask_moved else {"initial": solution.initial}
        for what, weights in {**started, "final": solution.final}.items():
            if bool(weights.parameters[name][~kept].any()):
                raise CheckpointError(f"{directory / what}.safetensors: a pruned weight of {name} is not zero")
    if solution.density != density:
        raise CheckpointError(f"{directory}: the mask keeps {solution.density}, the manifest says {density}")
    return solution


def files_of(directory: Path, *, trajectory: bool = True) -> list[str]:
    """Return the files that `read_solution` reads beside the manifest, by that, which alone need be there.

    Raises:
        CheckpointError: If it is missing or damaged.
    """
    manifest = _read_manifest(directory)
    try:
        names = [name for name in manifest["files"] if trajectory or not name.startswith(f"{TRAJECTORY}/")]
    except (KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{directory} doesn't describe a solution ({error!r})") from error
    for name in names:
        if not (directory / name).resolve().is_relative_to(directory.resolve()):
            raise CheckpointError(f"{directory / MANIFEST} names {name!r}, which lies outside the checkpoint")
    return names


def read_outcome(directory: Path) -> tuple[float, tuple[EpochRecord, ...]]:
    """Return density and history of the solution in `directory`, of which only the manifest need be there.

    Raises:
        CheckpointError: If it is missing or damaged.
    """
    manifest = _read_manifest(directory)
    try:
        return float(manifest["density"]), tuple(record_from_json(record) for record in manifest["history"])
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{directory} doesn't describe a solution ({error!r})") from error


def kept_epochs(directory: Path) -> tuple[int, ...]:
    """Return after which epochs the solution in `directory` kept weights; only the manifest need be there.

    Raises:
        CheckpointError: If it is missing or damaged.
    """
    names = map(Path, _read_manifest(directory)["files"])
    return tuple(sorted(_epoch(name) for name in names if name.parent.name == TRAJECTORY))


def read_snapshot(directory: Path, epoch: int) -> Weights:
    """Return the weights that the solution in `directory` had after an epoch; only their file need be there.

    Raises:
        CheckpointError: If it was not kept, is missing or altered.
    """
    manifest, file = _read_manifest(directory), snapshot_file(epoch)
    try:
        tensors = _read_tensors(directory, file, manifest["files"][file])
        return _weights(manifest, file, tensors)
    except CheckpointError:
        raise
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise CheckpointError(
            f"{directory} doesn't describe weights after epoch {epoch} ({error!r})"
        ) from error


def snapshot_file(epoch: int) -> str:
    """Return where a checkpoint keeps the weights after an epoch."""
    return f"{TRAJECTORY}/epoch-{epoch:04d}.safetensors"


def _epoch(file: Path) -> int:
    return int(file.stem.removeprefix("epoch-"))


def _weights(manifest: Mapping[str, Any], file: str, tensors: Mapping[str, Tensor]) -> Weights:
    """Return the tensors of a file in the order of the manifest."""
    parameters = {f"parameters/{name}": shape for name, shape in manifest["parameters"].items()}
    buffers = {f"buffers/{name}": shape for name, shape in manifest["buffers"].items()}
    ordered = _ordered(file, tensors, parameters | buffers, _buffer_types(manifest))
    return Weights(_group(ordered, "parameters"), _group(ordered, "buffers"))


def _buffer_types(manifest: Mapping[str, Any]) -> dict[str, str]:
    return {f"buffers/{name}": type_ for name, type_ in manifest.get("buffer_types", {}).items()}


def _assemble(manifest: Mapping[str, Any], files: Mapping[str, Mapping[str, Tensor]]) -> Solution:
    """Put a solution together from the manifest and the tensors of each file.

    Raises:
        CheckpointError: If names, shapes or types of tensors differ from the manifest.
        KeyError, TypeError, ValueError: If the manifest lacks a field or has an impossible one.
    """
    spec = NetworkSpec.from_json(manifest["network"])
    expected, found = tensor_shapes(spec), {**manifest["parameters"], **manifest["buffers"]}
    if expected is not None and expected != found:
        odd = min(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
        raise CheckpointError(
            f"tensor {odd} has shape {found.get(odd)} where {spec.name} has {expected.get(odd)}; "
            "is it a checkpoint of another network?"
        )
    parameters = {f"parameters/{name}": shape for name, shape in manifest["parameters"].items()}
    buffers = {f"buffers/{name}": shape for name, shape in manifest["buffers"].items()}
    masks = {name: manifest["parameters"][name] for name in manifest["prunable"]}
    types = _buffer_types(manifest)

    def weights(file: str) -> Weights:
        return _weights(manifest, file, files[file])

    momentum = {f"momentum/{name}": manifest["parameters"][name] for name in manifest["momentum"]}
    held = {f"held/{key}": shape for key, (shape, _) in manifest.get("held", {}).items()}
    types |= {f"held/{key}": type_ for key, (_, type_) in manifest.get("held", {}).items()}
    everything = parameters | buffers | momentum | held
    rewound = _ordered("rewind.safetensors", files["rewind.safetensors"], everything, types)
    keep = _ordered("mask.safetensors", files["mask.safetensors"], masks, {})
    if any(bool((tensor > 1).any()) for tensor in keep.values()):
        raise CheckpointError("mask.safetensors holds bytes other than 0 and 1")
    return Solution(
        place=Place(_one_of(manifest["kind"], get_args(Kind)), _count(manifest["level"], "level")),
        spec=spec,
        setting=setting_from_flat(manifest["setting"]),
        mask=Mask({name: tensor.bool() for name, tensor in keep.items()}, _frozen(manifest)),
        initial=weights("initial.safetensors"),
        rewind=TrainingState(
            Weights(_group(rewound, "parameters"), _group(rewound, "buffers")),
            _group(rewound, "momentum"),
            _count(manifest["rewind_iteration"], "rewind_iteration"),
            _group(rewound, "held"),
        ),
        final=weights("final.safetensors"),
        history=tuple(record_from_json(record) for record in manifest["history"]),
        data_digest=str(manifest["data_digest"]),
        key=str(manifest["key"]),
        ancestors=tuple(map(str, manifest["ancestors"])),
        trajectory={_epoch(Path(name)): weights(name) for name in files if name.startswith(f"{TRAJECTORY}/")},
        normalisation=_normalisation(manifest, spec),
        mask_moved=manifest.get("mask_moved") is True,
    )


def _held_as_json(held: Mapping[str, Tensor]) -> dict[str, tuple[list[int], str]]:
    """Return shape and type of all that an optimiser holds besides SGD's momentum."""
    return {key: (list(tensor.shape), str(tensor.dtype)) for key, tensor in held.items()}


def _frozen(manifest: Mapping[str, Any]) -> frozenset[str]:
    """Return which parameters did not move; only manifests of networks that have such say so."""
    frozen = frozenset(map(str, manifest.get("frozen", [])))
    if unknown := frozen - manifest["parameters"].keys():
        raise CheckpointError(f"the manifest says that {min(unknown)} is frozen, and names no such parameter")
    return frozen


def _normalisation(manifest: Mapping[str, Any], spec: NetworkSpec) -> Normalisation | None:
    """Return what inputs are normalised with; manifests of earlier versions do not say."""
    said = manifest.get("normalisation")
    return None if said is None else Normalisation.from_json(said, spec)


def _ordered(
    file: str, tensors: Mapping[str, Tensor], shapes: Mapping[str, list[int]], types: Mapping[str, str]
) -> dict[str, Tensor]:
    """Return the tensors in the order of `shapes`.

    Raises:
        CheckpointError: If a name or a shape differs, or a floating-point type is neither that of `types` nor,
            where that names none, float32.
    """
    found = {name: list(tensor.shape) for name, tensor in tensors.items()}
    if found != dict(shapes):
        odd = min(name for name in shapes.keys() | found.keys() if shapes.get(name) != found.get(name))
        raise CheckpointError(
            f"{file}: tensor {odd} has shape {found.get(odd)} where the manifest says {shapes.get(odd)}"
        )
    for name, tensor in tensors.items():
        expected = types.get(name, str(torch.float32))
        if tensor.is_floating_point() and str(tensor.dtype) != expected:
            raise CheckpointError(f"{file}: {name} is {tensor.dtype}; expected {expected}")
    return {name: tensors[name] for name in shapes}


def _types(buffers: Mapping[str, Tensor]) -> dict[str, dict[str, str]]:
    """Return a field of the manifest with the floating-point types that are not float32; none if all are."""
    floating = {name: tensor.dtype for name, tensor in buffers.items() if tensor.is_floating_point()}
    others = {name: str(dtype) for name, dtype in floating.items() if dtype != torch.float32}
    return {"buffer_types": others} if others else {}


def _group(tensors: Mapping[str, Tensor], group: str) -> dict[str, Tensor]:
    prefix = f"{group}/"
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}


def _one_of(value: Any, choices: tuple[Any, ...]) -> Any:
    if value not in choices:
        raise InputError(f"{value!r} is none of {', '.join(choices)}")
    return value


def _count(value: Any, name: str) -> int:
    if type(value) is not int or value < 0:
        raise InputError(f"{name}={value!r} is not a count")
    return value


def _read_manifest(directory: Path) -> dict[str, Any]:
    path = directory / MANIFEST
    try:
        manifest = json.loads(path.read_text())
    except OSError as error:
        raise CheckpointError(
            f"{directory} holds no {MANIFEST} ({error.strerror}); it is no checkpoint, or not finished"
        ) from None
    except ValueError as error:
        raise CheckpointError(f"{path} is not JSON ({error}); the checkpoint is damaged") from error
    if not isinstance(manifest, dict) or manifest.get("format") != "lth-solution":
        raise CheckpointError(f"{path} is not the manifest of a solution")
    if manifest.get("version") != FORMAT_VERSION:
        raise CheckpointError(
            f"{path} has version {manifest.get('version')}, and this lth reads version {FORMAT_VERSION}; "
            f"use the version that wrote it ({manifest.get('written_by', 'lth 0.1.0')})"
        )
    has_digest = bool({"written_by", "digest"} & manifest.keys())  # the first manifests had neither
    if has_digest and manifest.get("digest") != _manifest_digest(manifest):
        raise CheckpointError(f"{path} is not what was written (its digest differs); the checkpoint is damaged")
    return manifest


def _manifest_digest(manifest: Mapping[str, Any]) -> str:
    """Return the SHA-256 of all that a manifest says but for its digest."""
    said = {name: value for name, value in manifest.items() if name != "digest"}
    return _digest(json.dumps(said, sort_keys=True, separators=(",", ":")).encode())


def _read_tensors(directory: Path, name: str, digest: str) -> dict[str, Tensor]:
    path = directory / name
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
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.tmp")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _named(weights: Weights) -> dict[str, Tensor]:
    parameters = {f"parameters/{name}": tensor for name, tensor in weights.parameters.items()}
    return parameters | {f"buffers/{name}": tensor for name, tensor in weights.buffers.items()}


def record_to_json(record: EpochRecord) -> list[float | None]:
    """Return a record as JSON numbers, which keep every bit; null where nothing was recorded."""
    train, test = record.train, record.test
    numbers = (record.epoch, train.loss, train.accuracy, test.loss, test.accuracy)
    return [None if math.isnan(number) else number for number in numbers]


def record_from_json(record: Sequence[float | None]) -> EpochRecord:
    """Return the record that `record_to_json` wrote."""
    numbers = (math.nan if number is None else number for number in record)
    epoch, train_loss, train_accuracy, test_loss, test_accuracy = numbers
    return EpochRecord(int(epoch), Evaluation(train_loss, train_accuracy), Evaluation(test_loss, test_accuracy))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
