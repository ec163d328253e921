"""A small vision transformer (Dosovitskiy et al. 2021, arXiv 2010.11929) for images such as CIFAR's."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lth.errors import InputError
from lth.network.attention import Block, heads_of, initialise_transformer


class Vit(nn.Module):
    """`depth` blocks over square patches; the mean over them is classified (arXiv 2205.01580), without dropout.

    Depth 6, width 192 and patches of 4 pixels on 3 channels of 32x32 and 10 classes have 2,693,194 parameters.

    Args:
        depth: Blocks.
        width: Channels of every patch.
        patch: Its side in pixels.
        heads: Of the attention; None for one to every 32 channels.
        input_shape: (channels, height, width).
        num_classes: Outputs.

    Raises:
        ValueError: If an image is no whole number of patches, or the width no multiple of the heads.
    """

    def __init__(
        self,
        depth: int,
        width: int,
        patch: int,
        heads: int | None,
        input_shape: tuple[int, int, int],
        num_classes: int,
    ) -> None:
        super().__init__()
        channels, *sides = input_shape
        if patch < 1 or any(side % patch for side in sides):
            raise InputError(
                f"images are {sides[1]}x{sides[0]}, no whole number of patches of {patch}; write another -p"
            )
        if depth < 1:
            raise InputError("a transformer has at least one block")
        self.patches = nn.Conv2d(channels, width, patch, patch)
        self.places = nn.Parameter(torch.empty((sides[0] // patch) * (sides[1] // patch), width))
        heads = heads_of(width, heads)
        self.blocks = nn.Sequential(*[Block(width, heads, is_causal=False) for _ in range(depth)])
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, num_classes)
        initialise_transformer(self)
        nn.init.normal_(self.places, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (n, num_classes), for images (n, channels, height, width)."""
        x = self.blocks(self.patches(x).flatten(2).transpose(1, 2) + self.places)
        return self.head(self.norm(x).mean(1))  # type: ignore[no-any-return]
