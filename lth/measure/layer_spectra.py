"""The Hessian of one layer, or of some together: the block of their own coordinates, all others held still.

    λᵢ(block) ≤ λᵢ(H)        for every i (Cauchy): no block is sharper than the whole
    Σ tr(block) = tr(H)      over blocks that share no coordinate and leave none out

What couples layers is in no block. Each is a matrix of its own, and certified as the whole is.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from lth.brief import brief
from lth.measure.curvature.hessian import HessianOperator
from lth.measure.curvature.spectrum import Spectrum
from lth.measure.curvature.trace import Trace
from lth.network.layer_groups import only
from lth.network.mask import Mask
from lth.network.space import LevelSpace
from lth.network.weights import Weights


@dataclass(frozen=True)
class LayerCurvature:
    """The block of the Hessian that is of one layer, or of some together."""

    spectrum: Spectrum  # of the leading k, or of as many as there are
    trace: Trace
    dimension: int  # coordinates of the block

    __repr__ = brief


def block_of(
    hessian: HessianOperator, weights: Weights, mask: Mask, names: Collection[str]
) -> HessianOperator | None:
    """Return the block of the Hessian that is of the parameters of these names; None if none of them moves.

    Example:
        Of Σᵢ (wᵢ xᵢ + b)² it is 2 xxᵀ for the weight, and 2 for the bias.

        >>> import torch
        >>> from lth.measure.library import hessian
        >>> model = torch.nn.Linear(2, 1)
        >>> whole = hessian(model, (torch.tensor([[1.0, 3.0]]), torch.tensor([[0.0]])), loss="mse")
        >>> block = block_of(whole, Weights.of(model), Mask({}), ["weight"])
        >>> block(torch.tensor([1.0, 0.0])).tolist()
        [2.0, 6.0]
    """
    space = LevelSpace(only(mask, weights.parameters, names), weights)
    return hessian.block(space) if space.dimension else None
