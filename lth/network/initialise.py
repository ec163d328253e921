"""The initialisation all of our networks share."""

from __future__ import annotations

from torch import nn


def initialise(network: nn.Module) -> None:
    """Draw weights from He's normal distribution (fan in), and set biases to zero; BatchNorm is identity.

    Source: arXiv 1502.01852.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
