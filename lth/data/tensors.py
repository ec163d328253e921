"""A whole data set of any shape and type in memory: vectors, signals, tokens, several inputs, any targets."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lth.data.images import ImageData
from lth.data.reading import SPLITS, Reading
from lth.errors import InputError
from lth.inputs import Inputs, each, mapped
from lth.setting.network import FLOATS, TRUTH, WHOLE, NetworkSpec

IGNORED = -100  # a target that is no class, as of padding, and counts for nothing; torch's number


@dataclass(frozen=True)
class TensorData:
    """Training and test examples of any problem, the first axis of every tensor that of the examples.

    Inputs are one tensor, several in a tuple (`network(a, b)`) or in a dict (`network(**inputs)`). Those of
    floating point become float32, whole numbers int64 (tokens, indices), but for uint8 of at least three axes,
    which are pixels. Targets that are whole numbers are classes, one an example or, as of tokens, several;
    those of floating point are what a regression is to. Arrays and lists become tensors where nothing is lost.

    Example:
        >>> x, y = torch.randn(8, 5), torch.randn(8)
        >>> data = TensorData("line", x, y, x, y)
        >>> data.input_shape, data.num_classes, spec_of("lenet-4", data).outputs
        ((5,), 1, (1,))
    """

    name: str
    train_images: Inputs
    train_labels: Tensor
    test_images: Inputs
    test_labels: Tensor
    source: str = "in memory"
    class_names: tuple[str, ...] = ()  # in the order of their numbers; empty if they have none
    reading: Reading = field(default_factory=Reading)
    standardised: bool = True  # floating-point inputs and pixels by channel, to mean 0 and variance 1
    classes: int | None = None  # how many there are, if more than occur

    def __post_init__(self) -> None:
        for what, text in (("name", self.name), ("source", self.source)):
            if not isinstance(text, str) or not text:
                raise InputError(f"the {what} of a TensorData is {text!r}; write a string")
        for split in SPLITS:
            self._take(split)
        train, test = (_forms(getattr(self, f"{split}_images")) for split in SPLITS)
        if train != test:
            raise InputError(f"{self.name}: training inputs are {train}, test inputs {test}; make them equal")
        targets = [_form(getattr(self, f"{split}_labels")) for split in SPLITS]
        if targets[0] != targets[1]:
            raise InputError(
                f"{self.name}: training targets are {targets[0]} an example, test targets {targets[1]}; "
                "make them equal"
            )
        if self.has_classes:
            self._check_classes()

    def _take(self, split: str) -> None:
        """Check inputs and targets of a split, and hold them as tensors."""
        where = f"{self.name}, {split} split"
        given = getattr(self, f"{split}_images")
        if isinstance(given, list):
            given = np.asarray(given)
        if isinstance(given, Mapping | tuple) and not given:
            raise InputError(f"{where}: there are no inputs")
        inputs = mapped(lambda value: value, _tensors(given, where))
        targets = _tensor(getattr(self, f"{split}_labels"), f"{where}: targets")
        targets = targets.float() if targets.is_floating_point() else targets.long()
        counts = {name: len(tensor) for name, tensor in each(inputs)}
        if set(counts.values()) != {len(targets)} or len(targets) == 0:
            raise InputError(f"{where}: {len(targets)} targets for {counts} inputs; give as many, at least one")
        for name, tensor in [*each(inputs), ("targets", targets)]:
            if tensor.is_floating_point() and not tensor.isfinite().all():
                raise InputError(f"{where}: {name or 'an input'} holds NaN or infinity")
            if 0 in tensor.shape:
                raise InputError(
                    f"{where}: {name or 'an input'} is of shape {tuple(tensor.shape)}; nothing is in it"
                )
        object.__setattr__(self, f"{split}_images", inputs)  # frozen from here on
        object.__setattr__(self, f"{split}_labels", targets)

    def _check_classes(self) -> None:
        for split in SPLITS:
            labels: Tensor = getattr(self, f"{split}_labels")
            odd = labels[(labels < 0) & (labels != IGNORED)]
            if len(odd):
                raise InputError(
                    f"{self.name}, {split} split: target {int(odd[0])} is negative; classes are 0, 1, …, and "
                    f"{IGNORED} is no target at all. Write targets.float() if they are numbers to come near"
                )
        if self.num_classes < 2:
            raise InputError(f"{self.name}: targets are all of one class; give at least two")
        if self.classes is not None and self.classes <= self._largest:
            raise InputError(
                f"{self.name}: class {self._largest} occurs, and classes={self.classes}; count all"
            )
        if self.class_names and len(self.class_names) != self.num_classes:
            raise InputError(
                f"{self.name}: {len(self.class_names)} class_names for {self.num_classes} classes; name all"
            )

    @property
    def has_classes(self) -> bool:
        """Whether targets are classes."""
        return not self.train_labels.is_floating_point()

    @property
    def _largest(self) -> int:
        return max(int(self.train_labels.max()), int(self.test_labels.max()))

    @property
    def num_classes(self) -> int:
        """Number of classes, or of outputs where there are none."""
        if not self.has_classes:
            return math.prod(self.train_labels.shape[1:])
        return self._largest + 1 if self.classes is None else self.classes

    @property
    def input_shape(self) -> Any:
        """Shape of an example's input; of several, a tuple of shapes, or by name."""
        return mapped(lambda tensor: tuple(tensor.shape[1:]), self.train_images)

    def is_normalised(self, tensor: Tensor) -> bool:
        """Whether an input is read with mean 0 and variance 1 by channel."""
        return self.standardised and tensor.ndim > 1 and tensor.dtype in (torch.float32, torch.uint8)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over every input and target, their names and types; the name and the source do not count."""
        digest = hashlib.sha256()
        for split in SPLITS:
            inputs = list(each(getattr(self, f"{split}_images")))
            for name, tensor in [*inputs, ("targets", getattr(self, f"{split}_labels"))]:
                digest.update(f"{name}{tensor.dtype}{tuple(tensor.shape)}".encode())
                digest.update(tensor.contiguous().numpy().tobytes())
        digest.update(f"{self.num_classes}{self.standardised}".encode())
        return digest.hexdigest()


def spec_of(network: str, data: ImageData | TensorData) -> NetworkSpec:
    """Return what determines the shape of a network of this name for this data."""
    if isinstance(data, ImageData):
        return NetworkSpec(network, data.input_shape, data.num_classes)
    inputs = dict(each(data.train_images))
    shapes = tuple(tuple(map(int, tensor.shape[1:])) for tensor in inputs.values())
    several = not isinstance(data.train_images, Tensor)
    target = tuple(map(int, data.train_labels.shape[1:]))
    outputs = (*target, data.num_classes) if data.has_classes else target
    return NetworkSpec(
        network,
        shapes if several else shapes[0],
        data.num_classes,
        tuple(_type_read(tensor) for tensor in inputs.values()),
        tuple(inputs) if isinstance(data.train_images, Mapping) else (),
        () if len(outputs) <= 1 else outputs,
    )


def _type_read(tensor: Tensor) -> str:
    """Return the type that a network is called with."""
    if tensor.dtype == torch.bool:
        return TRUTH
    return WHOLE if tensor.dtype == torch.int64 else FLOATS


def _tensors(given: Any, where: str) -> Any:
    """Return inputs in their structure, every one as a tensor that a network can be called with."""
    if isinstance(given, Mapping):
        if odd := [name for name in given if not (isinstance(name, str) and name.isidentifier())]:
            raise InputError(f"{where}: input {odd[0]!r} can't be the name of an argument; write another")
        return {name: _input(value, f"{where}: input {name}") for name, value in given.items()}
    if isinstance(given, tuple):
        return tuple(_input(value, f"{where}: input {number}") for number, value in enumerate(given))
    return _input(given, f"{where}: inputs")


def _input(given: Any, what: str) -> Tensor:
    tensor = _tensor(given, what)
    if tensor.dtype == torch.bool or (tensor.dtype == torch.uint8 and tensor.ndim > 2):
        return tensor
    return tensor.float() if tensor.is_floating_point() else tensor.long()


def _tensor(given: Any, what: str) -> Tensor:
    """Return numbers as a plain tensor on the CPU.

    Raises:
        ValueError: If they are no numbers in one array.
    """
    try:
        array = given if isinstance(given, Tensor | np.ndarray) else np.asarray(given)
        tensor = (array if isinstance(array, Tensor) else torch.as_tensor(array)).detach().cpu()
    except (ValueError, TypeError, RuntimeError) as error:
        raise InputError(f"{what} are no numbers in one array ({error}); make them a tensor") from error
    if tensor.is_complex() or tensor.layout != torch.strided or tensor.is_quantized or tensor.ndim == 0:
        raise InputError(
            f"{what} are {tensor.dtype} of shape {tuple(tensor.shape)}; expected a tensor of numbers"
        )
    return tensor


def _forms(inputs: Inputs) -> dict[str, str]:
    return {name: _form(tensor) for name, tensor in each(inputs)}


def _form(tensor: Tensor) -> str:
    return f"{tensor.dtype} {tuple(tensor.shape[1:])}"
