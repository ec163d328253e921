"""VGG for small images (Simonyan & Zisserman 2015, arXiv 1409.1556), with BatchNorm and one linear layer."""

from __future__ import annotations

from torch import Tensor, nn

from lth.errors import InputError
from lth.network.initialise import initialise

# Convolutions of each stage; a stage ends by halving the image.
_STAGES: dict[int, tuple[int, int, int, int, int]] = {
    11: (1, 1, 2, 2, 2),
    13: (2, 2, 2, 2, 2),
    16: (2, 2, 3, 3, 3),
    19: (2, 2, 4, 4, 4),
}


class Vgg(nn.Module):
    """`depth` counts weight layers of the original; here its three linear layers are one.

    Each stage halves the image while it has at least 2 pixels a side; what is left is averaged, so any input
    size works. VGG-16 of width 64 has 13 convolutions without bias and 14,724,042 parameters. With
    `averages_last` what the last stage finds is averaged without being halved.

    Raises:
        ValueError: If `depth` is not 11, 13, 16 or 19.
    """

    def __init__(
        self,
        depth: int,
        width: int,
        in_channels: int,
        input_size: tuple[int, int],
        num_classes: int,
        *,
        conv_bias: bool = False,
        averages_last: bool = False,
    ) -> None:
        super().__init__()
        if depth not in _STAGES:
            raise InputError(f"VGG has depth {', '.join(map(str, _STAGES))}, got {depth}")
        layers: list[nn.Module] = []
        channels, side = in_channels, min(input_size)
        for stage, num_convolutions in enumerate(_STAGES[depth]):
            out_channels = width * min(2**stage, 8)
            for _ in range(num_convolutions):
                layers += [
                    nn.Conv2d(channels, out_channels, 3, padding=1, bias=conv_bias),
                    nn.BatchNorm2d(out_channels),
                    nn.ReLU(inplace=True),
                ]
                channels = out_channels
            if side >= 2 and not (averages_last and stage == len(_STAGES[depth]) - 1):
                layers.append(nn.MaxPool2d(2))
                side //= 2
        self.features = nn.Sequential(*layers)
        self.fc = nn.Linear(channels, num_classes)
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (n, num_classes), for images (n, channels, height, width)."""
        return self.fc(self.features(x).mean(dim=(2, 3)))  # type: ignore[no-any-return]


PARTS = frozenset([Vgg, nn.Sequential, nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.MaxPool2d, nn.Linear])
