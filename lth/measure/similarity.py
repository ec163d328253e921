"""How alike what two layers put out is: linear CKA, which neither a rotation nor a scale of either changes.

Over n examples with features X and Y it is HSIC(K, L) / √(HSIC(K, K) HSIC(L, L)), K = XXᵀ and L = YYᵀ. Where
features outnumber examples the plain estimate goes to 1 whatever they are; here it is the unbiased one of
Song et al. (2012), summed over batches of examples, so that no matrix is larger than a batch.

Source: Kornblith et al. 2019, arXiv 1905.00414; in batches Nguyen, Raghu and Kornblith 2020, arXiv 2010.15327.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lth.errors import InputError

LEAST = 4  # examples of which there is an unbiased HSIC
_FEATURES = 2**15  # at once: float64 copies of all would be gigabytes


def gram(features: Tensor) -> Tensor:
    """Return X Xᵀ of features less their mean over the examples, (n, n), float64.

    Args:
        features: X, (n, p).

    Example:
        >>> gram(torch.tensor([[1.0, 5.0], [3.0, 5.0]])).tolist()
        [[1.0, -1.0], [-1.0, 1.0]]
    """
    found = torch.zeros(len(features), len(features), dtype=torch.float64, device=features.device)
    for part in torch.split(features, _FEATURES, dim=1):
        exact = part.double()
        exact = exact - exact.mean(dim=0)
        found += exact @ exact.T
    return found


def unbiased_hsic(grams: Tensor) -> Tensor:
    """Return the unbiased HSIC of every pair of m matrices, (m, m), float64; it can be below zero.

        [tr(K̃L̃) + 1ᵀK̃1 1ᵀL̃1 / ((n-1)(n-2)) - 2/(n-2) 1ᵀK̃L̃1] / (n(n-3)),  K̃ = K with a diagonal of zeros.

    Args:
        grams: K of each, symmetric, (m, n, n).

    Raises:
        ValueError: If n is below 4.

    Source: Song et al. 2012, "Feature selection via dependence maximization", eq. 4.

    Example:
        >>> x = torch.tensor([[0.0], [0.0], [1.0], [1.0]])
        >>> round(float(unbiased_hsic(gram(x)[None])), 6)
        0.166667
    """
    count = grams.shape[-1]
    if count < LEAST:
        raise InputError(f"{count} examples have no unbiased HSIC; give at least {LEAST}")
    free = grams.clone()
    free.diagonal(dim1=1, dim2=2).zero_()
    flat, rows = free.flatten(1), free.sum(dim=2)
    totals = rows.sum(dim=1)
    both = torch.outer(totals, totals) / ((count - 1) * (count - 2))
    return (flat @ flat.T + both - 2 / (count - 2) * rows @ rows.T) / (count * (count - 3))


def cka_of(hsic: Tensor) -> Tensor:
    """Return HSIC as CKA, divided by that of each with itself, (m, m); NaN of what does not vary.

    It is 1 of one function and 0 of independent ones, on average: an estimate can be a little beyond either.

    Args:
        hsic: Of every pair, a sum or mean over batches, (m, m).

    Example:
        >>> cka_of(torch.tensor([[4.0, 1.0], [1.0, 1.0]])).tolist()
        [[1.0, 0.5], [0.5, 1.0]]
    """
    own = hsic.diagonal()
    lengths = torch.where(own > 0, own, torch.nan).sqrt()
    return hsic / torch.outer(lengths, lengths)


def linear_cka(first: Tensor, second: Tensor) -> float:
    """Return the debiased linear CKA of two layers' outputs on the same examples.

    Args:
        first: X, (n, p), n at least 4.
        second: Y, (n, q), of the same examples in the same order.

    Raises:
        ValueError: If they are of different numbers of examples, or of fewer than 4.

    Source: Kornblith et al. 2019, arXiv 1905.00414, with the unbiased HSIC.

    Example:
        A rotation and a scale of the features change nothing.

        >>> x = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
        >>> round(linear_cka(x, 5 * x.flip(1)), 6)
        1.0
    """
    if len(first) != len(second):
        raise InputError(f"outputs on {len(first)} and {len(second)} examples; give those on the same ones")
    return float(cka_of(unbiased_hsic(torch.stack([gram(first), gram(second)])))[0, 1])
