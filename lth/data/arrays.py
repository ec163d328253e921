"""Tensors, NumPy arrays and lists of a user as the tensors of a data set: taken where nothing is lost by it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from lth.errors import InputError

_IMAGES = "uint8 or float32 of shape (examples, channels, height, width)"
_MOST_CHANNELS = 4  # that images with channels last are known to have, and their sides are longer


def image_tensor(given: Any, where: str) -> Tensor:
    """Return images as a uint8 or float32 tensor on the CPU, (n, channels, height, width).

    Booleans and shorter floats are converted, which loses nothing.

    Raises:
        ValueError: If they are of another kind, type or layout; it says how to convert them.
    """
    images = _tensor(given, f"{where}: images")
    if images.dtype == torch.bool:
        images = images.to(torch.uint8)
    elif images.dtype in (torch.float16, torch.bfloat16):
        images = images.float()
    told = f"{where}: images are {images.dtype} of shape {tuple(images.shape)}; expected {_IMAGES}"
    if remedy := _remedy(images):
        raise InputError(f"{told}; write {remedy}")
    if images.ndim != 4 or images.dtype not in (torch.uint8, torch.float32) or 0 in images.shape[1:]:
        raise InputError(told)
    return images


def label_tensor(given: Any, where: str, count: int) -> Tensor:
    """Return the labels of `count` images as an int64 tensor on the CPU, (n,), from whole numbers of any type.

    Raises:
        ValueError: If they are not as many whole numbers, at least one of them.
    """
    if isinstance(given, list | tuple):
        given = _array(given, where)
    labels = _tensor(given, f"{where}: labels")
    told = (
        f"{where}: labels are {labels.dtype} of shape {tuple(labels.shape)}; "
        f"expected int64 of shape ({count},), at least one"
    )
    if labels.ndim == 2 and labels.shape[1] == 1 and len(labels) == count:
        raise InputError(f"{told}; write labels[:, 0]")
    if labels.ndim == 2 and len(labels) == count:
        raise InputError(f"{told}; write labels.argmax(1) if each row has a one at its class")
    if labels.is_floating_point() or labels.is_complex():
        raise InputError(f"{told}; write torch.as_tensor(labels).long() if they are numbers of classes")
    if labels.shape != (count,) or count == 0:
        raise InputError(told)
    return labels.long()


def _remedy(images: Tensor) -> str | None:
    """Return how to convert images whose type or layout gives them away; None for those that do not."""
    if images.ndim == 3:
        return "torch.as_tensor(images).unsqueeze(1) if they are grey"
    if images.ndim == 2:
        return "images.reshape(len(images), channels, height, width)"
    if images.ndim == 4 and _has_channels_last(images):
        return "torch.as_tensor(images).permute(0, 3, 1, 2)"
    if images.ndim == 4 and images.dtype == torch.float64:
        return "torch.as_tensor(images).float()"
    if images.ndim == 4 and not images.is_floating_point() and images.dtype != torch.uint8:
        return "torch.as_tensor(images).to(torch.uint8) if they lie in 0…255, else .float()"
    return None


def _has_channels_last(images: Tensor) -> bool:
    """Say whether these are images whose channels come last: the last axis can be them, the first can not."""
    first, second, last = images.shape[1:]
    if first <= _MOST_CHANNELS or second <= _MOST_CHANNELS:
        return False
    return last in (3, 4) or (last == 1 and first == second)  # signals of one column have many more rows


def _tensor(given: Any, what: str) -> Tensor:
    """Return a plain dense tensor on the CPU, without a graph."""
    if isinstance(given, Tensor):
        if given.layout != torch.strided or given.is_quantized or given.is_meta:
            raise InputError(f"{what} are a {given.layout} tensor of {given.dtype}; expected a dense one")
        plain = given.detach().cpu()
        return plain if type(plain) is Tensor else plain.as_subclass(Tensor)
    if not isinstance(given, np.ndarray) or isinstance(given, np.ma.MaskedArray):
        raise InputError(f"{what} are a {type(given).__name__}; expected one tensor or NumPy array")
    if given.dtype.kind not in "biuf" or given.dtype.itemsize > 8:
        raise InputError(f"{what} are an array of {given.dtype}; expected numbers that a tensor can hold")
    # A copy, where a tensor can't share the memory: it knows no other byte order, and no way backwards.
    shared = given.flags.writeable and given.dtype.isnative and all(step >= 0 for step in given.strides)
    return torch.from_numpy(given if shared else np.array(given, dtype=given.dtype.newbyteorder("=")))


def _array(given: list[Any] | tuple[Any, ...], where: str) -> np.ndarray:
    try:
        return np.asarray(given)
    except (ValueError, TypeError, OverflowError) as error:  # such as lists of several lengths
        raise InputError(f"{where}: labels are no list of whole numbers ({error})") from error
