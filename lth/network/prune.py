"""Which weights go: by smallest magnitude, by the next-larger band, or at random; counts are exact.

All functions are global over the layers of a mask (`prune_to` hands them one at a time), remove only weights
that still survive, and break ties by position (parameter order, then row-major), so that equal weights are
pruned alike on every machine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from lth.errors import InputError
from lth.network.mask import Mask
from lth.network.weights import Weights


def num_to_prune(mask: Mask, fraction: float) -> int:
    """Return how many of the survivors of `mask` go at the next level: `round(fraction · survivors)`.

    Python's `round` is meant: halves go to the even number.

    Raises:
        ValueError: If that would leave no weight at all.

    Example:
        >>> num_to_prune(Mask({"w": torch.ones(10, dtype=torch.bool)}), 0.2)
        2
    """
    return mask.num_kept - survivors(mask.num_kept, fraction, 1)


def survivors(num_weights: int, fraction: float, level: int) -> int:
    """Return how many of `num_weights` survive `level` rounds of pruning `round(fraction · survivors)`.

    Raises:
        ValueError: If a round would leave no weight at all.

    Example:
        >>> [survivors(1000, 0.2, level) for level in range(4)]
        [1000, 800, 640, 512]
    """
    for reached in range(level):
        count = round(fraction * num_weights)
        if count >= num_weights:
            raise InputError(
                f"pruning {count} of {num_weights} weights leaves none after {reached + 1} rounds; "
                "lower prune_fraction or level"
            )
        num_weights -= count
    return num_weights


def prune_to(target: Mapping[str, int], mask: Mask, prune: Callable[[Mask, int], Mask]) -> Mask:
    """Prune every layer for itself, until it keeps so many weights.

    Example:
        >>> from functools import partial
        >>> mask = Mask({name: torch.ones(2, dtype=torch.bool) for name in "ab"})
        >>> weights = Weights({"a": torch.tensor([1.0, 2.0]), "b": torch.tensor([9.0, 8.0])}, {})
        >>> pruned = prune_to({"a": 1, "b": 1}, mask, partial(prune_smallest, weights))
        >>> {name: kept.tolist() for name, kept in pruned.keep.items()}
        {'a': [False, True], 'b': [True, False]}
    """
    keep = {
        name: prune(Mask({name: kept}), int(kept.sum()) - target[name]).keep[name]
        for name, kept in mask.keep.items()
    }
    return Mask(keep, mask.frozen)


def kept_by_layer(mask: Mask, fraction: float) -> dict[str, int]:
    """Return how many weights every layer keeps after `round(fraction · survivors)` of its own went.

    Example:
        >>> mask = Mask({name: torch.ones(size, dtype=torch.bool) for name, size in (("a", 10), ("b", 2))})
        >>> kept_by_layer(mask, 0.2)
        {'a': 8, 'b': 2}
    """
    return {name: survivors(int(kept.sum()), fraction, 1) for name, kept in mask.keep.items()}


def apportioned(shares: Mapping[str, float], sizes: Mapping[str, int], total: int) -> dict[str, int]:
    """Return whole numbers in proportion to positive shares that sum to `total`, none above its size.

    What exceeds a size goes to the others in proportion. Parts that round off go to the largest fractions,
    the first of equals.

    Raises:
        ValueError: If the sizes hold less than `total`.

    Example:
        >>> apportioned({"a": 1.0, "b": 2.0, "c": 9.0}, {"a": 9, "b": 9, "c": 3}, 9)
        {'a': 2, 'b': 4, 'c': 3}
    """
    if total > sum(sizes.values()):
        raise InputError(f"{total} weights are to be kept of {sum(sizes.values())}; lower it")
    full: set[str] = set()
    while True:
        left = total - sum(sizes[name] for name in full)
        scale = left / max(sum(share for name, share in shares.items() if name not in full), 1e-300)
        exact = {name: sizes[name] if name in full else share * scale for name, share in shares.items()}
        over = {name for name in exact if name not in full and exact[name] > sizes[name]}
        if not over:
            break
        full |= over
    counts = {name: int(value) for name, value in exact.items()}
    by_fraction = sorted(exact, key=lambda name: counts[name] - exact[name])
    for name in [name for name in by_fraction if counts[name] < sizes[name]][: total - sum(counts.values())]:
        counts[name] += 1
    return counts


def prune_smallest(weights: Weights, mask: Mask, count: int) -> Mask:
    """Remove the `count` survivors of `mask` with the smallest magnitude in `weights`.

    Raises:
        ValueError: If `count` exceeds the survivors, or a weight is not finite.

    Example:
        >>> w = torch.tensor([0.1, -3.0, 2.0, -0.2])
        >>> mask = Mask({"w": torch.ones(4, dtype=torch.bool)})
        >>> prune_smallest(Weights({"w": w}, {}), mask, 2).keep["w"].tolist()
        [False, True, True, False]
    """
    return _remove(mask, _ascending_survivors(weights, mask)[:count], count)


def prune_lowest(scores: Mapping[str, Tensor], mask: Mask, count: int) -> Mask:
    """Remove the `count` survivors of `mask` with the lowest score, each layer's in its parameter's shape.

    Raises:
        ValueError: If `count` exceeds the survivors, or a score is not finite.

    Example:
        >>> mask = Mask({"w": torch.ones(4, dtype=torch.bool)})
        >>> prune_lowest({"w": torch.tensor([0.1, -3.0, 2.0, -0.2])}, mask, 2).keep["w"].tolist()
        [True, False, True, False]
    """
    return _remove(mask, _ascending(scores, mask)[:count], count)


def prune_next_larger(weights: Weights, mask: Mask, count: int) -> Mask:
    """Keep the `count` smallest survivors and remove the next `count` instead.

    Raises:
        ValueError: If there are fewer than `2 · count` survivors, or a weight is not finite.

    Example:
        >>> w = torch.tensor([0.1, -3.0, 2.0, -0.2])
        >>> mask = Mask({"w": torch.ones(4, dtype=torch.bool)})
        >>> prune_next_larger(Weights({"w": w}, {}), mask, 1).keep["w"].tolist()
        [True, True, True, False]
    """
    return _remove(mask, _ascending_survivors(weights, mask)[count : 2 * count], count)


def prune_random(mask: Mask, count: int, generator: torch.Generator) -> Mask:
    """Remove `count` survivors of `mask`, each subset of that size with equal probability.

    Raises:
        ValueError: If `count` exceeds the survivors.

    Example:
        >>> mask = Mask({"w": torch.tensor([True, True, False, True])})
        >>> pruned = prune_random(mask, 2, torch.Generator().manual_seed(0))
        >>> pruned.num_kept, mask.contains(pruned)
        (1, True)
    """
    survivors = mask.flat().nonzero().squeeze(1)
    order = torch.randperm(len(survivors), generator=generator)
    return _remove(mask, survivors[order[:count].to(survivors.device)], count)


def _ascending_survivors(weights: Weights, mask: Mask) -> Tensor:
    """Return the flat positions of the survivors, smallest magnitude first, ties by position."""
    return _ascending({name: weights.parameters[name].detach().abs() for name in mask.keep}, mask)


def _ascending(scores: Mapping[str, Tensor], mask: Mask) -> Tensor:
    """Return the flat positions of the survivors, lowest score first, ties by position."""
    flat = torch.cat([scores[name].to(mask.device).reshape(-1) for name in mask.keep])
    if not flat.isfinite().all():
        raise InputError("a weight or its score is not finite, so there is no order; the training diverged")
    survivors = mask.flat().nonzero().squeeze(1)
    return survivors[torch.sort(flat[survivors], stable=True).indices]


def _remove(mask: Mask, positions: Tensor, count: int) -> Mask:
    if len(positions) != count:
        raise InputError(f"asked to prune {count} weights, but only {len(positions)} can be; prune fewer")
    kept = mask.flat().clone()
    kept[positions] = False
    return mask.with_flat(kept)
