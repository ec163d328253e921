"""Level-L space as one vector: the coordinates m(L) keeps, plus what moves of all that is never pruned."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from lth.network.mask import Mask
from lth.network.weights import Weights


class LevelSpace:
    """Maps between parameters by name and the vector of the coordinates that are free to move.

    A vector of this space has length `dimension`, in parameter order, then row-major. Embedding writes it
    into otherwise zero parameters; restricting reads it out of them. Restriction is the transpose of
    embedding, so H restricted to the space is the principal submatrix E^T H E.

    Args:
        mask: What the level keeps of the prunable weights, and which parameters are frozen.
        weights: Names, shapes and device of all parameters.

    Example:
        >>> weights = Weights({"weight": torch.tensor([[5.0, 0.0]]), "bias": torch.tensor([7.0])}, {})
        >>> space = LevelSpace(Mask({"weight": torch.tensor([[True, False]])}), weights)
        >>> space.dimension, space.full_dimension, space.restrict(weights.parameters).tolist()
        (2, 3, [5.0, 7.0])
        >>> space.embed(torch.tensor([1.0, 2.0]))
        {'weight': tensor([[1., 0.]]), 'bias': tensor([2.])}
    """

    def __init__(self, mask: Mask, weights: Weights) -> None:
        device = next(iter(weights.parameters.values())).device
        self._shapes = {name: tensor.shape for name, tensor in weights.parameters.items()}
        free = [
            mask.keep[name].reshape(-1)
            if name in mask.keep
            else torch.full((shape.numel(),), name not in mask.frozen)
            for name, shape in self._shapes.items()
        ]
        self._moving = [name for name, kept in zip(self._shapes, free, strict=True) if bool(kept.any())]
        self._free = torch.cat(free).to(device)  # (full_dimension,)
        self._index = self._free.nonzero().squeeze(1)  # (dimension,)

    @property
    def dimension(self) -> int:
        """Number of coordinates that are free to move."""
        return len(self._index)

    @property
    def moving(self) -> list[str]:
        """Names of the parameters that have a free coordinate, in parameter order."""
        return list(self._moving)

    @property
    def full_dimension(self) -> int:
        """Number of parameters of the network."""
        return len(self._free)

    def restrict(self, parameters: Mapping[str, Tensor]) -> Tensor:
        """Return the free coordinates of `parameters`, (dimension,)."""
        return self.flatten(parameters)[self._index]

    def flatten(self, parameters: Mapping[str, Tensor]) -> Tensor:
        """Return all coordinates of `parameters`, pruned ones too, (full_dimension,)."""
        return torch.cat([parameters[name].reshape(-1) for name in self._shapes])

    def embed(self, vector: Tensor) -> dict[str, Tensor]:
        """Return `vector`, (dimension,), as parameters that are zero where they can't move."""
        full = torch.zeros(len(self._free), dtype=vector.dtype, device=vector.device)
        full[self._index] = vector
        return self.unflatten(full)

    def project(self, full: Tensor) -> Tensor:
        """Return `full`, (full_dimension,), with every coordinate that can't move set to zero."""
        return torch.where(self._free, full, 0)

    def unflatten(self, full: Tensor) -> dict[str, Tensor]:
        """Return a vector of all coordinates, (full_dimension,), as parameters by name."""
        sizes = [shape.numel() for shape in self._shapes.values()]
        parts = torch.split(full, sizes)
        return {
            name: part.reshape(shape) for (name, shape), part in zip(self._shapes.items(), parts, strict=True)
        }
