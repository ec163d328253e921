"""The CIFAR ResNets of He et al. (2016, arXiv 1512.03385, section 4.2), with projection shortcuts."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import relu

from lth.errors import InputError
from lth.network.initialise import initialise


class _Block(nn.Module):
    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.shortcut = nn.Sequential()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        residual = self.bn2(self.conv2(relu(self.bn1(self.conv1(x)), inplace=True)))
        residual += self.shortcut(x)
        return relu(residual, inplace=True)


class CifarResNet(nn.Module):
    """Three stages of `(depth - 2) / 6` blocks, of `width`, 2·`width` and 4·`width` channels.

    Depth 20 and width 16 on 3 channels and 10 classes have 272,474 parameters.

    Raises:
        ValueError: If `depth` is not 6·n + 2 with n ≥ 1.
    """

    def __init__(self, depth: int, width: int, in_channels: int, num_classes: int) -> None:
        super().__init__()
        if depth < 8 or (depth - 2) % 6 != 0:
            raise InputError(
                f"a CIFAR ResNet has depth 8, 14, 20, … (6n + 2), got {depth}; those of ImageNet are "
                "torchvision:resnet18 and so on"
            )
        blocks = []
        channels = width
        for stage in range(3):
            for block in range((depth - 2) // 6):
                stride = 2 if stage > 0 and block == 0 else 1
                blocks.append(_Block(channels, width * 2**stage, stride))
                channels = width * 2**stage
        self.conv = nn.Conv2d(in_channels, width, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(width)
        self.blocks = nn.Sequential(*blocks)
        self.fc = nn.Linear(channels, num_classes)
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (n, num_classes), for images (n, channels, height, width)."""
        x = self.blocks(relu(self.bn(self.conv(x)), inplace=True))
        return self.fc(x.mean(dim=(2, 3)))  # type: ignore[no-any-return]


PARTS = frozenset([CifarResNet, _Block, nn.Sequential, nn.Conv2d, nn.BatchNorm2d, nn.Linear])
