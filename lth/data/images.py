"""A whole data set in memory, checked, and the digest that names its content."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from lth.errors import InputError


@dataclass(frozen=True)
class ImageData:
    """Training and test images of one classification problem, not yet normalised."""

    name: str
    train_images: Tensor  # (n, channels, height, width), uint8 or float32
    train_labels: Tensor  # (n,), int64 in [0, num_classes)
    test_images: Tensor  # (m, channels, height, width)
    test_labels: Tensor  # (m,)
    source: str = "in memory"

    def __post_init__(self) -> None:
        for split, images, labels in (
            ("train", self.train_images, self.train_labels),
            ("test", self.test_images, self.test_labels),
        ):
            self._check(split, images, labels)
        if self.train_images.shape[1:] != self.test_images.shape[1:]:
            train, test = tuple(self.train_images.shape[1:]), tuple(self.test_images.shape[1:])
            raise InputError(f"{self.name}: training images are {train}, test images {test}; make them equal")
        classes = torch.unique(self.train_labels)
        if not torch.equal(classes, torch.arange(len(classes))) or len(classes) < 2:
            raise InputError(
                f"{self.name}: training labels are {classes.tolist()[:20]}; "
                "expected every class 0, 1, … to occur"
            )
        if int(self.test_labels.max()) >= len(classes):
            raise InputError(f"{self.name}: test label {int(self.test_labels.max())} never occurs in training")

    def _check(self, split: str, images: Tensor, labels: Tensor) -> None:
        where = f"{self.name}, {split} split"
        if images.ndim != 4 or images.dtype not in (torch.uint8, torch.float32):
            raise InputError(
                f"{where}: images are {images.dtype} of shape {tuple(images.shape)}; "
                "expected uint8 or float32 of shape (examples, channels, height, width)"
            )
        if labels.dtype != torch.int64 or labels.shape != images.shape[:1] or len(labels) == 0:
            raise InputError(
                f"{where}: labels are {labels.dtype} of shape {tuple(labels.shape)}; "
                f"expected int64 of shape ({len(images)},), at least one"
            )
        if images.is_floating_point() and not images.isfinite().all():
            raise InputError(f"{where}: an image holds NaN or infinity")
        if int(labels.min()) < 0:
            raise InputError(f"{where}: label {int(labels.min())} is negative; expected 0, 1, …")

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
    def digest(self) -> str:
        """SHA-256 over every image and label, hexadecimal; its name and its source do not count."""
        digest = hashlib.sha256()
        for tensor in (self.train_images, self.train_labels, self.test_images, self.test_labels):
            digest.update(f"{tensor.dtype}{tuple(tensor.shape)}".encode())
            digest.update(tensor.contiguous().numpy().tobytes())
        return digest.hexdigest()
