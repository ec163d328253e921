"""The networks of ours by name: each family says how its names are read, what it is of, and how it is built."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from torch import nn

from lth.errors import InputError
from lth.network.decoder import Decoder
from lth.network.lenet import LeNet
from lth.network.open_lth import OPEN_LTH_NAME, open_lth_network
from lth.network.resnet import CifarResNet
from lth.network.vgg import Vgg
from lth.network.vit import Vit
from lth.setting.network import FLOATS, WHOLE, NetworkSpec

EXAMPLES: Final = "resnet20, resnet8-w8, …, vgg11, vgg16, lenet-300-100, mlp-64-64, vit6-w192, transformer2-w64"

_DEFAULT_WIDTH = {"resnet": 16, "vgg": 64, "vit": 192, "transformer": 64}
_PATCH = 4  # pixels a side of a ViT's patches: 64 of them in an image of CIFAR


@dataclass(frozen=True)
class Family:
    """Networks that differ in their sizes alone."""

    pattern: re.Pattern[str]
    check: Callable[[NetworkSpec], None]
    build: Callable[[re.Match[str], NetworkSpec], nn.Module]


def build_of_ours(spec: NetworkSpec) -> nn.Module | None:
    """Return a network of ours; None if there is none of this name.

    Raises:
        ValueError: If it can't be of such sizes or such data.
    """
    for family in _FAMILIES:
        if match := family.pattern.fullmatch(spec.name):
            try:
                family.check(spec)
                return family.build(match, spec)
            except ValueError as error:
                raise InputError(f"network={spec.name}: {error}") from error
    return None


def _of_numbers(spec: NetworkSpec) -> None:
    if not spec.is_of_one or spec.input_types != (FLOATS,) or spec.output_shape:
        raise InputError(f"it is of one input of numbers and one output, and {_these_are(spec)}")


def _of_images(spec: NetworkSpec) -> None:
    _of_numbers(spec)
    if not spec.is_of_images:
        raise InputError(
            f"it is of images, and inputs are {spec.input_shape}; choose mlp-300-100, or one of your own"
        )


def _of_tokens(spec: NetworkSpec) -> None:
    of_one_row = spec.is_of_one and len(spec.input_shape) == 1 and spec.input_types == (WHOLE,)
    if not of_one_row or spec.outputs != (*spec.shapes[0], spec.num_classes):
        raise InputError(f"it is of tokens with a token for a target at each, and {_these_are(spec)}")


def _these_are(spec: NetworkSpec) -> str:
    return (
        f"these are {spec.given_shape} of {', '.join(spec.input_types)} to {spec.outputs}; write one of your "
        "own (network=package.module:function)"
    )


def _width(match: re.Match[str], family: str) -> int:
    width = int(match["width"] or _DEFAULT_WIDTH[family])
    if width < 1:
        raise InputError("a width is at least 1")
    return width


def _resnet(match: re.Match[str], spec: NetworkSpec) -> nn.Module:
    return CifarResNet(int(match["depth"]), _width(match, "resnet"), spec.shapes[0][0], spec.num_classes)


def _vgg(match: re.Match[str], spec: NetworkSpec) -> nn.Module:
    channels, height, width = spec.shapes[0]
    return Vgg(int(match["depth"]), _width(match, "vgg"), channels, (height, width), spec.num_classes)


def _mlp(match: re.Match[str], spec: NetworkSpec) -> nn.Module:
    hidden = tuple(int(size) for size in match["hidden"].split("-")[1:])
    if min(hidden) < 1:
        raise InputError("a hidden width is at least 1")
    return LeNet(hidden, spec.shapes[0], spec.num_classes)


def _vit(match: re.Match[str], spec: NetworkSpec) -> nn.Module:
    channels, height, width = spec.shapes[0]
    return Vit(
        int(match["depth"]),
        _width(match, "vit"),
        int(match["patch"] or _PATCH),
        int(match["heads"]) if match["heads"] else None,
        (channels, height, width),
        spec.num_classes,
    )


def _transformer(match: re.Match[str], spec: NetworkSpec) -> nn.Module:
    heads = int(match["heads"]) if match["heads"] else None
    width = _width(match, "transformer")
    return Decoder(int(match["depth"]), width, heads, spec.shapes[0][0], spec.num_classes)


def _named(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.ASCII)


_FAMILIES = (
    Family(_named(r"resnet(?P<depth>\d{1,4})(-w(?P<width>\d{1,4}))?"), _of_images, _resnet),
    Family(_named(r"vgg(?P<depth>\d{1,4})(-w(?P<width>\d{1,4}))?"), _of_images, _vgg),
    Family(_named(r"(lenet|mlp)(?P<hidden>(-\d{1,5})+)"), _of_numbers, _mlp),
    Family(
        _named(r"vit(?P<depth>\d{1,3})(-w(?P<width>\d{1,5}))?(-p(?P<patch>\d{1,3}))?(-h(?P<heads>\d{1,3}))?"),
        _of_images,
        _vit,
    ),
    Family(
        _named(r"transformer(?P<depth>\d{1,3})(-w(?P<width>\d{1,5}))?(-h(?P<heads>\d{1,3}))?"),
        _of_tokens,
        _transformer,
    ),
    Family(OPEN_LTH_NAME, _of_numbers, lambda _match, spec: open_lth_network(spec)),
)
