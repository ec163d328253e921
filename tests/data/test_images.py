import pytest
import torch
from problems import image_data

from lth.data import ImageData

GOOD = image_data(9, 6)


def with_parts(**changes: object) -> ImageData:
    parts = {
        "train_images": GOOD.train_images.clone(),
        "train_labels": GOOD.train_labels.clone(),
        "test_images": GOOD.test_images.clone(),
        "test_labels": GOOD.test_labels.clone(),
        **changes,
    }
    return ImageData("made", **parts)


def test_shape_and_classes_are_those_of_the_images():
    assert GOOD.input_shape == (1, 6, 6)
    assert GOOD.num_classes == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"train_images": torch.zeros(9, 6, 6, dtype=torch.uint8)},
            r"made, train split: images are .*\(9, 6, 6\)",
        ),
        ({"test_images": torch.zeros(6, 1, 6, 6, dtype=torch.float64)}, "test split: images are torch.float64"),
        ({"train_labels": torch.zeros(9)}, "train split: labels are torch.float32"),
        ({"train_labels": torch.arange(8) % 3}, r"shape \(8,\); expected int64 of shape \(9,\)"),
        ({"test_images": GOOD.test_images[:0], "test_labels": GOOD.test_labels[:0]}, "at least one"),
        ({"train_labels": torch.arange(9) % 3 - 1}, "label -1 is negative"),
        (
            {"train_labels": torch.zeros(9, dtype=torch.int64)},
            r"training labels are \[0\]; expected every class",
        ),
        ({"train_labels": torch.arange(9) % 3 * 2}, r"training labels are \[0, 2, 4\]"),
        ({"test_labels": torch.arange(6)}, "test label 5 never occurs in training"),
        ({"test_images": torch.zeros(6, 1, 6, 5, dtype=torch.uint8)}, r"training images are \(1, 6, 6\), test"),
        ({"train_images": torch.full((9, 1, 6, 6), float("nan"))}, "train split: an image holds NaN"),
        ({"test_images": torch.full((6, 1, 6, 6), float("inf"))}, "test split: an image holds NaN or infinity"),
    ],
)
def test_images_and_labels_that_do_not_fit_raise_and_name_the_split(changes, message):
    with pytest.raises(ValueError, match=message):
        with_parts(**changes)


@pytest.mark.parametrize("part", ["train_images", "train_labels", "test_images", "test_labels"])
@pytest.mark.parametrize("position", [0, -1])
def test_digest_changes_with_any_one_pixel_or_label(part, position):
    changed = getattr(GOOD, part).clone()
    flat = changed.view(-1)
    flat[position] = (flat[position] + 1) % 3
    assert with_parts(**{part: changed}).digest != GOOD.digest


def test_digest_does_not_change_with_name_or_source():
    parts = (GOOD.train_images, GOOD.train_labels, GOOD.test_images, GOOD.test_labels)
    assert ImageData("another", *parts, "elsewhere").digest == GOOD.digest
    assert image_data(9, 6).digest == GOOD.digest


def test_digest_tells_shapes_and_types_apart_whose_bytes_agree():
    pixels = torch.zeros(9, 1, 6, 6, dtype=torch.uint8)
    wide = with_parts(
        train_images=pixels.reshape(9, 1, 4, 9),
        test_images=torch.zeros(6, 1, 4, 9, dtype=torch.uint8),
    )
    square = with_parts(train_images=pixels, test_images=torch.zeros(6, 1, 6, 6, dtype=torch.uint8))
    assert wide.digest != square.digest


def test_digest_is_of_the_values_and_not_of_their_memory():
    strided = GOOD.train_images.permute(0, 1, 3, 2).contiguous().permute(0, 1, 3, 2)
    assert not strided.is_contiguous()
    assert with_parts(train_images=strided).digest == GOOD.digest
