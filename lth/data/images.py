"""A whole data set in memory, checked, and the digest that names its content."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from lth.brief import brief
from lth.data.arrays import image_tensor, label_tensor
from lth.data.reading import SPLITS, Reading
from lth.data.repeats import Repeats, count_repeats
from lth.errors import InputError


@dataclass(frozen=True)
class ImageData:
    """Training and test images of one classification problem, not yet normalised.

    NumPy arrays, tensors on other devices, and lists of labels become tensors on the CPU where nothing is lost
    by it; whatever else is refused with what to do.
    """

    name: str
    train_images: Tensor  # (n, channels, height, width), uint8 or float32
    train_labels: Tensor  # (n,), int64 in [0, num_classes)
    test_images: Tensor  # (m, channels, height, width)
    test_labels: Tensor  # (m,)
    source: str = "in memory"
    class_names: tuple[str, ...] = ()  # in the order of their numbers; empty if they have none
    reading: Reading = field(default_factory=Reading)  # what became of the files, if there were any

    __repr__ = brief

    def __post_init__(self) -> None:
        for what, text in (("name", self.name), ("source", self.source)):
            if not isinstance(text, str) or not text:
                raise InputError(f"the {what} of an ImageData is {text!r}; write a string")
        for split in SPLITS:
            self._take(split)
        if self.train_images.dtype != self.test_images.dtype:
            types = f"training images are {self.train_images.dtype}, test images {self.test_images.dtype}"
            raise InputError(f"{self.name}: {types}; make them one type")
        if self.train_images.shape[1:] != self.test_images.shape[1:]:
            train, test = tuple(self.train_images.shape[1:]), tuple(self.test_images.shape[1:])
            raise InputError(f"{self.name}: training images are {train}, test images {test}; make them equal")
        classes = torch.unique(self.train_labels)
        if not torch.equal(classes, torch.arange(len(classes))) or len(classes) < 2:
            raise InputError(
                f"{self.name}: training labels are {classes.tolist()[:20]}; "
                "expected every class 0, 1, … to occur, at least two; number those there are from 0 on"
            )
        if int(self.test_labels.max()) >= len(classes):
            raise InputError(f"{self.name}: test label {int(self.test_labels.max())} never occurs in training")
        if self.class_names and len(self.class_names) != len(classes):
            raise InputError(
                f"{self.name}: {len(self.class_names)} class_names for {len(classes)} classes; name all"
            )

    def _take(self, split: str) -> None:
        """Check the images and labels of a split, and hold them as tensors."""
        where = f"{self.name}, {split} split"
        images = image_tensor(getattr(self, f"{split}_images"), where)
        labels = label_tensor(getattr(self, f"{split}_labels"), where, len(images))
        if images.is_floating_point() and not images.isfinite().all():
            raise InputError(f"{where}: an image holds NaN or infinity")
        if int(labels.min()) < 0:
            raise InputError(f"{where}: label {int(labels.min())} is negative; expected 0, 1, …")
        object.__setattr__(self, f"{split}_images", images)  # frozen from here on
        object.__setattr__(self, f"{split}_labels", labels)

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(channels, height, width)."""
        channels, height, width = self.train_images.shape[1:]
        return int(channels), int(height), int(width)

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return int(self.train_labels.max()) + 1

    @cached_property
    def repeats(self) -> Repeats:
        """How many images are there more than once."""
        return count_repeats(self.train_images, self.train_labels, self.test_images, self.test_labels)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over every image and label, hexadecimal; its name and its source do not count."""
        digest = hashlib.sha256()
        for tensor in (self.train_images, self.train_labels, self.test_images, self.test_labels):
            digest.update(f"{tensor.dtype}{tuple(tensor.shape)}".encode())
            digest.update(tensor.contiguous().numpy().data)  # no copy: it may be larger than memory
        return digest.hexdigest()
