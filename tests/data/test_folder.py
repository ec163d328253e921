from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lth.data import load_images


def write_image(path: Path, value: int, size: tuple[int, int] = (5, 4), mode: str = "L") -> None:
    """Write a constant image of `size` (width, height), its top left pixel one brighter."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (size[1], size[0]) if mode == "L" else (size[1], size[0], 3)
    pixels = np.full(shape, value, dtype=np.uint8)
    pixels[0, 0] += 1
    Image.fromarray(pixels).save(path)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for value, name in enumerate(
        ["train/b/2.png", "train/b/10.png", "train/a/x.png", "train/c/y.png", "test/c/z.png", "test/a/w.png"]
    ):
        write_image(tmp_path / name, 10 * value)
    return tmp_path


def test_images_are_in_the_order_of_class_then_file_name(tree):
    data = load_images("imagefolder", tree)
    assert data.train_labels.tolist() == [0, 1, 1, 2]
    assert data.train_images[:, 0, -1, -1].tolist() == [20, 10, 0, 30]  # a/x, b/10, b/2, c/y
    assert data.test_labels.tolist() == [0, 2]
    assert data.test_images[:, 0, -1, -1].tolist() == [50, 40]


def test_grey_images_have_one_channel_and_rows_come_before_columns(tree):
    data = load_images("imagefolder", tree)
    assert data.input_shape == (1, 4, 5)
    assert data.train_images[0, 0, 0].tolist() == [21, 20, 20, 20, 20]


def test_one_coloured_image_makes_all_of_them_rgb(tree):
    write_image(tree / "train/c/colour.png", 90, mode="RGB")
    data = load_images("imagefolder", tree)
    assert data.input_shape == (3, 4, 5)
    assert (data.train_images[0] == data.train_images[0, :1]).all()
    assert data.train_images[3, :, -1, -1].tolist() == [90, 90, 90]


def test_channels_keep_their_order(tree):
    red = np.zeros((4, 5, 3), dtype=np.uint8)
    red[..., 0] = 200
    Image.fromarray(red).save(tree / "train/a/red.png")
    data = load_images("imagefolder", tree)
    assert data.train_images[0, :, 0, 0].tolist() == [200, 0, 0]


def test_a_jpeg_and_an_upper_case_name_are_read_and_other_files_are_not(tree):
    write_image(tree / "train/a/PHOTO.JPG", 100)
    (tree / "train/a/notes.txt").write_text("not an image")
    assert len(load_images("imagefolder", tree).train_labels) == 5


def test_an_image_of_another_size_raises_and_both_files_are_named(tree):
    write_image(tree / "train/c/odd.png", 1, size=(4, 5))
    with pytest.raises(ValueError, match=r"train/c/odd\.png differs in size from .*train/a/x\.png"):
        load_images("imagefolder", tree)


@pytest.mark.parametrize("damage", ["text", "cut", "empty"])
def test_an_image_that_cannot_be_decoded_raises_and_is_named(tree, damage):
    path = tree / "train/c/y.png"
    content = {"text": b"hello", "cut": path.read_bytes()[: path.stat().st_size // 2], "empty": b""}[damage]
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"train/c/y\.png can't be decoded .* replace or remove it"):
        load_images("imagefolder", tree)


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_missing_split_raises_and_says_what_is_expected(tree, split):
    (tree / split).rename(tree / "elsewhere")
    with pytest.raises(ValueError, match=f"{split} has no class directories; expected train/<class>"):
        load_images("imagefolder", tree)


def test_a_class_without_images_raises_and_is_named(tree):
    (tree / "train/d").mkdir()
    with pytest.raises(ValueError, match=r"train/d holds no image"):
        load_images("imagefolder", tree)


def test_a_test_split_without_any_image_raises_and_names_it(tree):
    for path in tree.glob("test/*/*"):
        path.unlink()
    with pytest.raises(ValueError, match=r"test.*(no image|at least one)"):
        load_images("imagefolder", tree)


def test_a_class_that_only_test_has_raises_and_is_named(tree):
    write_image(tree / "test/e/q.png", 1)
    with pytest.raises(ValueError, match="test has classes that train lacks: e"):
        load_images("imagefolder", tree)


def test_a_class_that_only_train_has_is_fine(tree):
    assert load_images("imagefolder", tree).num_classes == 3


def test_sixteen_bit_grey_images_keep_their_contrast_or_raise(tree):
    """Pillow's own conversion to RGB clips everything above 255 to white, without a word."""
    ramp = np.linspace(0, 65535, 20, dtype=np.uint16).reshape(4, 5)
    Image.fromarray(ramp).save(tree / "train/a/x.png")
    try:
        data = load_images("imagefolder", tree)
    except ValueError as error:
        assert "x.png" in str(error)  # noqa: PT017
        return
    assert len(data.train_images[0].unique()) > 10


def test_the_folder_must_be_named_and_be_there(tmp_path):
    with pytest.raises(ValueError, match="imagefolder needs data_dir"):
        load_images("imagefolder")
    with pytest.raises(ValueError, match=r"is not a directory .*; create it or correct the path"):
        load_images("imagefolder", tmp_path / "nowhere")
