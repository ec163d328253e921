"""Leading eigenvectors as files: a few of them each, float32, rows in the coordinates of their point's space.

They are gigabytes of a large network, so no more than a file of them is in memory when they are written. What
names the files says by their digests what they hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from lth.measure.curvature.krylov import KrylovBasis
from lth.measure.curvature.subspace import eigenvector_parts
from lth.sealed import CheckpointError, Format, seal, unseal

FOLDER: Final = "eigenvectors"  # of their files among a run's artifacts
_KIND: Final = "eigenvectors"
_FORMAT: Final[Format] = ("lth-eigenvectors", 1)
_FILE_BYTES: Final = 2**26
_LEAST_ROWS: Final = 16  # a file, for each costs a pass over the basis


@dataclass(frozen=True)
class EigenvectorFiles:
    """In which files the eigenvectors of a spectrum are, in its order."""

    names: tuple[str, ...]


def eigenvector_files(basis: KrylovBasis, k: int) -> Iterator[tuple[str, bytes]]:
    """Yield names and contents of files with the k leading eigenvectors that were found in a basis.

    Example:
        >>> from lth.measure.curvature.matrix import MatrixOperator
        >>> from lth.measure.curvature.spectrum import search
        >>> basis = KrylovBasis(MatrixOperator(torch.diag(torch.arange(100.0) + 1)), seed=0, capacity=60)
        >>> found = search(basis, k=2)
        >>> files = dict(eigenvector_files(basis, 2))
        >>> read_eigenvectors(EigenvectorFiles(tuple(files)), files.__getitem__).abs().argmax(dim=1).tolist()
        [99, 98]
    """
    rows = max(_LEAST_ROWS, _FILE_BYTES // (basis.matrix.dimension * torch.float32.itemsize))
    first = 1
    for part in eigenvector_parts(basis, k, rows):
        yield seal(_KIND, first, _FORMAT, {}, {"vectors": part.float()})
        first += len(part)


def read_eigenvectors(kept: EigenvectorFiles, read: Callable[[str], bytes]) -> Tensor:
    """Return the eigenvectors of these files, (k, dimension), float32.

    Args:
        kept: Their names.
        read: Returns the content of a file.

    Raises:
        CheckpointError: If a file is not what was written.

    Example:
        >>> read_eigenvectors(EigenvectorFiles(()), {}.__getitem__)
        Traceback (most recent call last):
        lth.sealed.CheckpointError: the files hold no eigenvectors
    """
    parts = [unseal(name, read(name), _KIND, _FORMAT)[1] for name in kept.names]
    if not parts or any(set(part) != {"vectors"} for part in parts):
        raise CheckpointError("the files hold no eigenvectors")
    return torch.cat([part["vectors"] for part in parts])
