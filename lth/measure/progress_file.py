"""The progress of a curvature measurement as files, from which it goes on after its process died.

The vectors of the basis, gigabytes of a large network, never change until the basis is restarted: each is
written once, in a file with its neighbours. A small file holds the rest, as of one moment, and the names of the
files with all vectors of then, which say by their digests that nothing was changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from lth.errors import InputError
from lth.measure.curvature.krylov import BasisState, KrylovBasis, SymmetricOperator
from lth.measure.kind.curvature_progress import CurvatureProgress
from lth.sealed import MALFORMED, CheckpointError, Format, seal, step_of, unseal
from lth.solution.progress_file import cpu_model, progress_environment

KIND: Final = "products"
VECTORS: Final = "vectors"
FINISHED: Final = "finished"
_FORMAT: Final[Format] = ("lth-curvature", 2)  # 1 was of a search that proved less: it can't be gone on from
_VECTORS_FORMAT: Final[Format] = ("lth-vectors", 1)
_FINISHED_FORMAT: Final[Format] = ("lth-finished", 1)
_COUNTERS = ("capacity", "since", "unbroken", "num_products", "num_starts", "num_restarts")
_SIZES = ("largest", "ignored")  # that earlier versions did not keep


_ARRAYS = ("inside", "leaving", "asymmetry")


@dataclass(frozen=True)
class FinishedParts:
    """What came of those parts of a measurement that are finished."""

    content: Mapping[str, bytes]  # by the name of the part
    key: str  # of the measurement
    environment: str
    seconds: float  # measured so far


@dataclass(frozen=True)
class KeptCurvature:
    """What whoever goes on from a curvature's progress has to know, but for the vectors of the basis."""

    state: BasisState
    parts: tuple[str, ...]  # names of the files with its vectors, in their order
    samples: tuple[float, ...]
    key: str  # of the measurement
    environment: str  # what computes: in another one the bits would differ
    seconds: float  # measured so far

    @property
    def step(self) -> int:
        """Products that were taken, those of the trace included."""
        return self.state.num_products + len(self.samples)

    def resume(
        self, matrix: SymmetricOperator, seed: int, capacity: int, read: Callable[[str], bytes]
    ) -> CurvatureProgress:
        """Return the progress with its basis, whose vectors `read` gets by the names of their files.

        Raises:
            CheckpointError: If they are not those of the basis.
        """
        if self.state.capacity != capacity:
            raise CheckpointError(f"its basis has room for {self.state.capacity} vectors, not {capacity}")
        vectors = (unseal(name, read(name), VECTORS, _VECTORS_FORMAT)[1][VECTORS] for name in self.parts)
        try:
            basis = KrylovBasis.resumed(matrix, seed, self.state, vectors)
        except MALFORMED as error:
            if isinstance(error, CheckpointError):
                raise
            raise CheckpointError(f"its vectors are not those of its basis ({error})") from error
        return CurvatureProgress(basis, self.samples)


def measured_by(devices: Sequence[torch.device], threads: int | None = None) -> str:
    """Return what decides the bits of a curvature besides its key: in which only it can be gone on from.

    Args:
        devices: That compute its products.
        threads: That compute on a CPU; by default all that torch has.

    Example:
        >>> f"numpy {np.__version__}" in measured_by([torch.device("cpu")])
        True
    """
    products = [progress_environment(device, "fp32", compiled=False, threads=threads) for device in devices]
    return " and ".join([*products, f"numpy {np.__version__} on {cpu_model()}"])


def write_vectors(start: int, vectors: Tensor) -> tuple[str, bytes]:
    """Return the name and the content of a file with the vectors of a basis from `start` on, (p, n).

    Example:
        >>> name, content = write_vectors(32, torch.eye(2))
        >>> unseal(name, content, VECTORS, _VECTORS_FORMAT)[1][VECTORS].tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """
    return seal(VECTORS, start, _VECTORS_FORMAT, {}, {VECTORS: vectors})


def write_curvature(kept: KeptCurvature) -> tuple[str, bytes]:
    """Return the name and the content of a file that holds `kept`.

    Example:
        >>> inside, leaving, ends = np.eye(3), np.zeros((0, 3)), torch.zeros(0, 5)
        >>> state = BasisState(9, inside, ends, leaving, np.zeros((3, 3)), 3, True, 9.0, 3, 1, 0)
        >>> kept = KeptCurvature(state, ("a", "b"), (), key="k", environment="e", seconds=1.0)
        >>> write_curvature(kept)[0].split("-")[:2]  # after three products
        ['products', '000000003']
    """
    state = kept.state
    header = {
        "key": kept.key,
        "environment": kept.environment,
        "seconds": kept.seconds,
        "parts": list(kept.parts),
        "counters": {name: getattr(state, name) for name in (*_COUNTERS, *_SIZES)},
    }
    arrays = {name: getattr(state, name) for name in _ARRAYS} | {
        "proved": np.array([state.proved]),  # may be infinite
        "samples": np.array(kept.samples),
    }
    tensors = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}
    tensors |= {"ends": state.ends}
    if len(state.beyond):  # of a basis that is full, and of no other
        tensors |= {"beyond": torch.from_numpy(state.beyond), "tail": state.tail}
    return seal(KIND, kept.step, _FORMAT, header, tensors)


def read_curvature(name: str, content: bytes) -> KeptCurvature:
    """Return what the file of this name holds; nothing in it is executed.

    Raises:
        CheckpointError: If it was not written whole, is damaged, or of another version.

    Example:
        >>> from lth.measure.curvature.matrix import MatrixOperator
        >>> basis = KrylovBasis(MatrixOperator(torch.eye(3)), seed=0, capacity=3)
        >>> kept = KeptCurvature(basis.state(), (), (2.0, 4.0), key="k", environment="e", seconds=1.0)
        >>> read_curvature(*write_curvature(kept)).samples
        (2.0, 4.0)
    """
    header, tensors = unseal(name, content, KIND, _FORMAT)
    try:
        ends = tensors.pop("ends")
        vectors: dict[str, Any] = {}
        if "beyond" in tensors:
            vectors = {"tail": tensors.pop("tail")}
        arrays = {key: tensor.numpy() for key, tensor in tensors.items()}
        are_float64 = [array.dtype == np.float64 for array in arrays.values()]
        are_float64 += [vector.dtype == torch.float64 for vector in (ends, *vectors.values())]
        if not all(are_float64):
            raise InputError("its numbers are not float64")
        counters: dict[str, Any] = {counter: header["counters"][counter] for counter in _COUNTERS}
        counters |= {size: float(header["counters"].get(size, 0.0)) for size in _SIZES}
        (proved,) = map(float, arrays["proved"])
        counters |= {array: arrays[array] for array in (*_ARRAYS, *(["beyond"] if vectors else []))}
        state = BasisState(ends=ends, proved=proved, **counters, **vectors)
        parts = tuple(map(str, header["parts"]))
        if any(step_of(part, VECTORS) is None for part in parts):
            raise InputError("its vectors are in files of other names")
        kept = KeptCurvature(
            state,
            parts=parts,
            samples=tuple(map(float, arrays["samples"])),
            key=str(header["key"]),
            environment=str(header["environment"]),
            seconds=float(header["seconds"]),
        )
        if kept.step != step_of(name, KIND):
            raise InputError("the number of products in its name is another")
        return kept
    except MALFORMED as error:
        raise CheckpointError(f"{name} doesn't describe a curvature's progress ({error!r})") from error


def write_finished(finished: FinishedParts) -> tuple[str, bytes]:
    """Return the name and the content of a file that holds what came of parts of a measurement.

    Example:
        >>> written = write_finished(FinishedParts({"conv": b"12"}, key="k", environment="e", seconds=1.0))
        >>> read_finished(*written).content
        {'conv': b'12'}
    """
    header = {"key": finished.key, "environment": finished.environment, "seconds": finished.seconds}
    tensors = {
        name: torch.frombuffer(bytearray(content), dtype=torch.uint8)
        for name, content in finished.content.items()
    }
    return seal(FINISHED, len(tensors), _FINISHED_FORMAT, header, tensors)


def read_finished(name: str, content: bytes) -> FinishedParts:
    """Return what the file of this name holds; nothing in it is executed.

    Raises:
        CheckpointError: If it was not written whole, is damaged, or of another version.

    Example:
        >>> parts = FinishedParts({"conv": b"12"}, key="k", environment="e", seconds=1.0)
        >>> read_finished(*write_finished(parts)) == parts
        True
    """
    header, tensors = unseal(name, content, FINISHED, _FINISHED_FORMAT)
    try:
        return FinishedParts(
            {part: tensor.numpy().tobytes() for part, tensor in tensors.items()},
            key=str(header["key"]),
            environment=str(header["environment"]),
            seconds=float(header["seconds"]),
        )
    except MALFORMED as error:
        raise CheckpointError(f"{name} doesn't describe finished parts ({error!r})") from error
