"""Which images of a data set are there more than once, as copies of files are, and test images in training."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Repeats:
    """Images that are the same, pixel by pixel, as an image before them."""

    in_train: int  # training images that are there before
    in_test: int  # test images that are there before, among the test images
    test_in_train: int  # test images that are among the training images
    under_two_labels: int  # different images that are there under more than one label


def count_repeats(
    train_images: Tensor, train_labels: Tensor, test_images: Tensor, test_labels: Tensor
) -> Repeats:
    """Count the images that are there more than once.

    Args:
        train_images: (n, channels, height, width).
        train_labels: (n,).
        test_images: (m, channels, height, width).
        test_labels: (m,).
    """
    train, test = list(_digests(train_images)), list(_digests(test_images))
    known = set(train)
    labelled = {*zip(train, train_labels.tolist(), strict=True), *zip(test, test_labels.tolist(), strict=True)}
    labels = Counter(digest for digest, _ in labelled)
    return Repeats(
        in_train=len(train) - len(known),
        in_test=len(test) - len(set(test)),
        test_in_train=sum(digest in known for digest in test),
        under_two_labels=sum(count > 1 for count in labels.values()),
    )


def _digests(images: Tensor) -> Iterator[bytes]:
    for image in images.contiguous().numpy():
        yield hashlib.blake2b(image.data, digest_size=16).digest()
