"""Fashion-MNIST with a fifth of its test images: all 10,000 would take most of a study's hours on a CPU."""

from __future__ import annotations

from pathlib import Path

from lth.data.images import ImageData
from lth.data.source import load_images

_TEST_IMAGES = 2000


def fewer_test_images(data_dir: Path | None) -> ImageData:
    """Return Fashion-MNIST whose test set is the first 2,000 of its 10,000 images."""
    whole = load_images("fashion-mnist", data_dir)
    assert isinstance(whole, ImageData)
    return ImageData(
        "fashion-mnist-2000-test",
        whole.train_images,
        whole.train_labels,
        whole.test_images[:_TEST_IMAGES],
        whole.test_labels[:_TEST_IMAGES],
        whole.source,
    )
