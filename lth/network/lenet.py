"""The fully-connected LeNet-300-100 (LeCun et al. 1998), with ReLU and without BatchNorm."""

from __future__ import annotations

import math
from itertools import pairwise

from torch import Tensor, nn

from lth.network.initialise import initialise


class LeNet(nn.Module):
    """Hidden layers of the given widths between the flattened image and the classes."""

    def __init__(self, hidden: tuple[int, ...], input_shape: tuple[int, ...], num_classes: int) -> None:
        super().__init__()
        widths = (math.prod(input_shape), *hidden)
        layers: list[nn.Module] = [nn.Flatten()]
        for fan_in, fan_out in pairwise(widths):
            layers += [nn.Linear(fan_in, fan_out), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Linear(widths[-1], num_classes))
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (n, num_classes), for images (n, channels, height, width)."""
        return self.layers(x)  # type: ignore[no-any-return]
