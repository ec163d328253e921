"""How alike two masks and the signs under them are, beside what two random ones of the same densities would be.

A small share of the weights that both keep says nothing by itself: masks that keep most have most in common.
"""

from __future__ import annotations

import math

from torch import Tensor


def intersection_over_union(first: Tensor, second: Tensor) -> float:
    """Return how many weights both keep, as a share of those that at least one keeps; NaN if neither keeps any.

    Example:
        >>> import torch
        >>> a, b = torch.tensor([True, True, False, False]), torch.tensor([True, False, True, False])
        >>> round(intersection_over_union(a, b), 3)
        0.333
    """
    union = int((first | second).sum())
    return int((first & second).sum()) / union if union else math.nan


def chance_of_iou(first: float, second: float) -> float:
    """Return the same of two random masks of densities p and q: pq / (p + q - pq); NaN if both are 0.

    It is the mean intersection over the mean union, which the share goes to in a layer of many weights.

    Example:
        >>> chance_of_iou(0.5, 0.5), chance_of_iou(1.0, 0.2)
        (0.3333333333333333, 0.2)
    """
    both = first * second
    return both / (first + second - both) if first + second > 0 else math.nan


def sign_agreement(first: Tensor, second: Tensor) -> tuple[float, float]:
    """Return the share of weights with one sign in both, and that by chance; NaN of no weights.

    By chance it is Σ P(s) Q(s) over the signs, P and Q their shares in each: ½ where one of them is balanced.

    Args:
        first: The weights that both keep, in one solution, (n,).
        second: The same in the other.

    Example:
        >>> import torch
        >>> sign_agreement(torch.tensor([1.0, 2.0, -1.0, -3.0]), torch.tensor([1.0, 2.0, -1.0, 3.0]))
        (0.75, 0.5)
    """
    if len(first) == 0:
        return math.nan, math.nan
    agree = float((first.sign() == second.sign()).double().mean())
    shares = [[float((some.sign() == sign).double().mean()) for sign in (-1, 0, 1)] for some in (first, second)]
    return agree, sum(p * q for p, q in zip(*shares, strict=True))
