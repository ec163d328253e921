from pathlib import Path

import numpy as np
import pytest
import torch
from problems import image_data

from lth.data import ImageData
from lth.data.description import as_json, headline, particulars
from lth.errors import InputError

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


# Arrays of other kinds.

PARTS = ("train_images", "train_labels", "test_images", "test_labels")


def with_images(change, **more: object) -> ImageData:
    """Return the good data with the same change of the images of both splits."""
    return with_parts(train_images=change(GOOD.train_images), test_images=change(GOOD.test_images), **more)


@pytest.mark.parametrize(
    "change",
    [
        lambda images: images.numpy(),
        lambda images: images.numpy()[::-1].copy()[::-1],
        lambda images: np.asfortranarray(images.numpy()),
        lambda images: np.frombuffer(images.numpy().tobytes(), np.uint8).reshape(images.shape),  # read-only
        lambda images: torch.nn.Parameter(images, requires_grad=False),
    ],
    ids=["array", "backwards", "by columns", "read-only", "parameter"],
)
@pytest.mark.filterwarnings("error")
def test_arrays_of_images_are_taken_where_nothing_is_lost(change):
    assert with_images(change).digest == GOOD.digest


@pytest.mark.parametrize(
    "change",
    [
        lambda images: images.numpy().astype(">f4"),
        lambda images: images.half(),
        lambda images: images.bfloat16(),
        lambda images: images.float().requires_grad_(),
        lambda images: images.numpy()[:, :, ::-1].astype(np.float32, order="C")[:, :, ::-1],
    ],
    ids=["big-endian", "half", "bfloat16", "with a graph", "backwards"],
)
def test_short_and_foreign_floats_are_taken_where_nothing_is_lost(change):
    small = with_images(lambda images: (images % 128).float())
    assert with_images(lambda images: change(images % 128)).digest == small.digest
    assert type(small.train_images) is torch.Tensor


def test_images_of_booleans_are_zeros_and_ones():
    assert with_images(lambda images: images > 60).train_images.unique().tolist() == [0, 1]


@pytest.mark.parametrize(
    "change",
    [
        lambda labels: labels.tolist(),
        lambda labels: tuple(labels.tolist()),
        lambda labels: labels.numpy(),
        lambda labels: labels.numpy().astype(np.uint8),
        lambda labels: labels.numpy().astype(">i4"),
        lambda labels: labels.int(),
        lambda labels: [np.int64(label) for label in labels],
    ],
    ids=["list", "tuple", "array", "bytes", "big-endian", "int32", "list of scalars"],
)
def test_whole_numbers_of_any_type_are_labels(change):
    data = with_parts(train_labels=change(GOOD.train_labels), test_labels=change(GOOD.test_labels))
    assert data.digest == GOOD.digest


@pytest.mark.parametrize(
    ("shape", "remedy"),
    [
        ((9, 28, 28, 1), r"permute\(0, 3, 1, 2\)"),
        ((9, 32, 32, 3), r"permute\(0, 3, 1, 2\)"),
        ((9, 20, 30, 3), r"permute\(0, 3, 1, 2\)"),
        ((9, 16, 16, 4), r"permute\(0, 3, 1, 2\)"),
        ((9, 28, 28), r"unsqueeze\(1\)"),
        ((9, 784), r"reshape\(len\(images\), channels, height, width\)"),
    ],
)
def test_another_layout_is_told_with_the_way_to_this_one(shape, remedy):
    with pytest.raises(
        InputError, match=f"train split: images are .* expected uint8 or float32 .* write .*{remedy}"
    ):
        with_parts(train_images=np.zeros(shape, np.uint8))


@pytest.mark.parametrize("shape", [(9, 3, 6, 4), (9, 1, 1, 1), (9, 12, 1000, 1), (9, 64, 1, 1), (9, 4, 4, 3)])
def test_narrow_images_and_signals_of_one_column_are_taken_as_they_are(shape):
    images = torch.zeros(shape, dtype=torch.uint8)
    assert with_parts(train_images=images, test_images=images[:6]).input_shape == shape[1:]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_images": GOOD.train_images.long()}, r"torch\.int64 .* write .*to\(torch\.uint8\)"),
        ({"train_images": GOOD.train_images.numpy() / 255}, r"torch\.float64 .* write .*\.float\(\)"),
        ({"train_images": list(GOOD.train_images)}, "images are a list; expected one tensor or NumPy array"),
        ({"train_images": np.ma.masked_array(GOOD.train_images.numpy())}, "images are a MaskedArray"),
        ({"train_images": GOOD.train_images.to_sparse()}, "sparse_coo tensor .* expected a dense one"),
        ({"train_images": np.array([None] * 9)}, "images are an array of object"),
        ({"train_images": GOOD.train_images.numpy().astype(complex)}, "images are an array of complex128"),
        ({"train_images": GOOD.train_images[..., :0]}, "expected uint8 or float32 of shape"),
        (
            {"train_images": GOOD.train_images.float()},
            r"training images are torch\.float32, test images torch\.uint8",
        ),
        ({"train_labels": ["cat"] * 9}, "labels are an array of <U3"),
        ({"train_labels": [[1], [1, 2]]}, "labels are no list of whole numbers"),
        ({"train_labels": torch.eye(9)}, r"write labels\.argmax\(1\)"),
        ({"train_labels": GOOD.train_labels[:, None]}, r"write labels\[:, 0\]"),
        ({"train_labels": GOOD.train_labels.double()}, r"float64 .* write .*\.long\(\)"),
        ({"train_labels": GOOD.train_labels + 1}, r"labels are \[1, 2, 3\].*number those there are from 0 on"),
        ({"train_labels": None}, "labels are a NoneType"),
        ({"source": Path("here")}, "the source of an ImageData is .*; write a string"),
        ({"class_names": ("cat", "dog")}, "2 class_names for 3 classes"),
    ],
)
def test_what_would_lose_something_is_refused_with_the_remedy(changes, message):
    with pytest.raises(InputError, match=message):
        with_parts(**changes)


# What is said of it.


def test_size_channels_and_images_by_class_are_said():
    data = with_parts(class_names=("cat", "dog", "fox"))
    assert headline(data) == "9 train and 6 test images of 1 × 6 × 6, 3 classes"
    assert particulars(data)[0] == "classes (train + test): 0 cat (3 + 2), 1 dog (3 + 2), 2 fox (3 + 2)"


def test_many_classes_are_said_in_one_short_line():
    images = torch.arange(4000, dtype=torch.float32).reshape(1000, 1, 2, 2)
    data = ImageData("made", images, torch.arange(1000) % 200, images + 0.5, torch.arange(1000) % 200)
    assert particulars(data)[0].endswith("9 (5 + 5) and 190 more; 5 to 5 of train each")
    assert len(as_json(data, is_public=False)["classes"]) == 200


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"test_images": GOOD.train_images[:6]}, "test images that are in train, too, pixel by pixel: 6"),
        (
            {"train_images": GOOD.train_images[[0, 1, 2, 0, 4, 5, 6, 7, 8]]},
            "train images that repeat another one: 1",
        ),
        (
            {"train_images": GOOD.train_images[[0, 0, 2, 3, 4, 5, 6, 7, 8]]},
            "images that are there under more than one label: 1",
        ),
        ({"test_labels": torch.tensor([0, 1] * 3)}, "no test image of 2"),
        ({"test_images": GOOD.test_images * 0 + 7}, "test images of one value all over: 6"),
        (
            {"train_images": GOOD.train_images.float(), "test_images": GOOD.test_images / 255},
            "values of test lie in 0",
        ),
    ],
)
def test_what_pixels_and_labels_show_is_said_and_logged(changes, note):
    data = with_parts(**changes)
    assert any(line.startswith(f"note: {note}") for line in particulars(data))
    assert any(line.startswith(note) for line in as_json(data, is_public=False)["notes"])


def test_nothing_is_noted_of_data_without_oddities():
    assert [line for line in particulars(GOOD) if line.startswith("note")] == []


def test_a_public_data_set_is_not_looked_through():
    assert as_json(GOOD, is_public=True).keys() & {"repeated", "notes"} == set()
    assert "repeats" not in vars(with_parts())
