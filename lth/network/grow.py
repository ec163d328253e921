"""Which pruned weights come back: by largest score or at random; counts are exact, ties go by position."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from lth.errors import InputError
from lth.network.mask import Mask


def grow_highest(scores: Mapping[str, Tensor], mask: Mask, count: int) -> Mask:
    """Bring back the `count` pruned weights with the highest score, each layer's in its parameter's shape.

    Raises:
        ValueError: If `count` exceeds what is pruned, or a score is not finite.

    Example:
        >>> mask = Mask({"w": torch.tensor([True, False, False, False])})
        >>> grow_highest({"w": torch.tensor([9.0, 0.1, 3.0, 2.0])}, mask, 2).keep["w"].tolist()
        [True, False, True, True]
    """
    flat = torch.cat([scores[name].detach().reshape(-1) for name in mask.keep]).to(mask.device)
    if not flat.isfinite().all():
        raise InputError("a score is not finite, so there is no order; the training diverged")
    pruned = _pruned(mask)
    return _added(mask, pruned[torch.sort(flat[pruned], descending=True, stable=True).indices[:count]], count)


def grow_random(mask: Mask, count: int, generator: torch.Generator) -> Mask:
    """Bring back `count` pruned weights, each subset of that size with equal probability.

    Raises:
        ValueError: If `count` exceeds what is pruned.

    Example:
        >>> mask = Mask({"w": torch.tensor([True, False, False, True])})
        >>> grown = grow_random(mask, 1, torch.Generator().manual_seed(0))
        >>> grown.num_kept, grown.contains(mask)
        (3, True)
    """
    pruned = _pruned(mask)
    order = torch.randperm(len(pruned), generator=generator)  # on the CPU, whatever the device
    return _added(mask, pruned[order[:count].to(pruned.device)], count)


def _pruned(mask: Mask) -> Tensor:
    return (~mask.flat()).nonzero().squeeze(1)


def _added(mask: Mask, positions: Tensor, count: int) -> Mask:
    if len(positions) != count:
        raise InputError(
            f"asked to bring back {count} weights, but only {len(positions)} are pruned; ask fewer"
        )
    kept = mask.flat().clone()
    kept[positions] = True
    return mask.with_flat(kept)
