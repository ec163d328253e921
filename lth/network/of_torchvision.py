"""torchvision's classifiers by name, with the classes and input channels of the data; nothing is downloaded."""

from __future__ import annotations

from types import ModuleType

from torch import nn

from lth.errors import InputError
from lth.setting.choice import value_meant
from lth.setting.network import NetworkSpec
from lth.setting.own_fault import described, is_out_of_memory
from lth.setting.reference import TORCHVISION
from lth.with_torchvision import importing_torchvision

_RGB = 3  # channels that torchvision's networks read
_WITH_AUXILIARY = ("googlenet", "inception_v3")  # whose second outputs no loss here reads


def torchvision_names() -> list[str]:
    """Return the names of torchvision's classifiers."""
    models = _models("torchvision:")
    return list(models.list_models(models))


def build_of_torchvision(spec: NetworkSpec) -> nn.Module:
    """Return a classifier of torchvision as it stands there, with random weights.

    It has as many outputs as the data has classes. Its first convolution is as it was for images of three
    channels, and for others one of their number in PyTorch's own initialisation. A ViT is of the images' size;
    the auxiliary classifiers of GoogLeNet and Inception are left out.

    Raises:
        ValueError: If there is none of this name, or it can't be of such images.
    """
    models, name = _models(spec.name), spec.name.removeprefix(TORCHVISION)
    known = models.list_models(models)
    if name not in known:
        close = value_meant(name, known)
        hint = f"did you mean {TORCHVISION}{close}?" if close else f"they are {', '.join(known)}"
        raise InputError(f"network={spec.name!r} is none of torchvision {_version()}'s classifiers; {hint}")
    if not spec.is_of_images or spec.output_shape:
        raise InputError(
            f"network={spec.name} is of images (channels, height, width) and one output, and these are "
            f"{spec.given_shape} of {', '.join(spec.input_types)}; choose mlp-300-100 of numbers, transformer2 "
            "of tokens, or one of your own (package.module:function)"
        )
    channels = spec.shapes[0][0]
    try:
        network = models.get_model(name, weights=None, num_classes=spec.num_classes, **_options(name, spec))
    except Exception as error:  # whatever their constructors raise of sizes that they can't be of
        if is_out_of_memory(error) or isinstance(error, NotImplementedError):
            raise
        raise InputError(
            f"network={spec.name} can't be of images {spec.shapes[0]}: {described(error)}"
        ) from error
    assert isinstance(network, nn.Module)
    if channels != _RGB:
        _read_channels(network, channels)
    return network


def _options(name: str, spec: NetworkSpec) -> dict[str, object]:
    """Return what a constructor must be told of the images, and what it would do else."""
    _, height, width = spec.shapes[0]
    if name in _WITH_AUXILIARY:
        return {"aux_logits": False, "init_weights": True}  # True is what they do, with a warning, unasked
    if name.startswith("vit_"):
        if height != width:
            raise InputError(
                f"they are {width}x{height}, and it reads squares; give them one side by image_size=…"
            )
        return {"image_size": height}
    return {"input_size": (height, width)} if name.startswith("maxvit") else {}


def _read_channels(network: nn.Module, channels: int) -> None:
    """Put a convolution of so many channels in the place of the first one."""
    name, old = next((name, part) for name, part in network.named_modules() if isinstance(part, nn.Conv2d))
    assert old.groups == 1
    size, stride, padding, dilation = old.kernel_size, old.stride, old.padding, old.dilation
    new = nn.Conv2d(
        channels,
        old.out_channels,
        size,  # type: ignore[arg-type]  # a pair, which torch's types call a tuple of any length
        stride,  # type: ignore[arg-type]
        padding,  # type: ignore[arg-type]
        dilation,  # type: ignore[arg-type]
        bias=old.bias is not None,
        padding_mode=old.padding_mode,
    )
    parent, _, attribute = name.rpartition(".")
    setattr(network.get_submodule(parent), attribute, new)


def _models(name: str) -> ModuleType:
    """Return torchvision's networks.

    Raises:
        InputError: If it can't be imported, as one that was built for another torch.
    """
    with importing_torchvision(f"network={name} is of"):
        from torchvision import models
    assert isinstance(models, ModuleType)
    return models


def _version() -> str:
    import torchvision

    return str(torchvision.__version__)
