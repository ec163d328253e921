import os
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

from lth.data import ImageData, load_images
from lth.data.description import particulars
from lth.data.folder import load_image_folder


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


def save(tree: Path, name: str, pixels: object, **options: object) -> None:
    """Write an image of any mode and format: an array, or an image of Pillow's."""
    path = tree / name
    path.parent.mkdir(parents=True, exist_ok=True)
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(np.asarray(pixels))
    image.save(path, **options)


def said_of(data: ImageData) -> str:
    return "\n".join(particulars(data))


GREYS = np.arange(20, dtype=np.uint8).reshape(4, 5) * 12
COLOURS = np.stack([GREYS, GREYS[::-1], GREYS[:, ::-1]], axis=-1)


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


@pytest.mark.parametrize("coloured", [["train/b/2.png"], ["test/a/w.png"], ["train/a/x.png", "train/c/y.png"]])
def test_that_a_few_coloured_images_make_all_rgb_is_said_with_their_names(tree, coloured):
    for name in coloured:
        save(tree, name, COLOURS)
    said = f"read as RGB too: {len(coloured)} ({', '.join(coloured)})"
    assert said in said_of(load_images("imagefolder", tree))


def test_that_a_few_grey_images_are_read_as_rgb_is_said_with_their_names(tree):
    for path in tree.rglob("*.png"):
        save(tree, str(path.relative_to(tree)), COLOURS)
    assert "RGB" not in said_of(load_images("imagefolder", tree))
    save(tree, "train/b/2.png", GREYS)
    said = "grey, read as RGB because the others are coloured: 1 (train/b/2.png)"
    assert said in said_of(load_images("imagefolder", tree))


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


# What lies in the folders besides images.


@pytest.mark.parametrize(
    "name",
    [
        *(
            "train/.ipynb_checkpoints/x-checkpoint.png",
            "train/__MACOSX/a/x.png",
            "train/a/._x.png",
            "train/.DS_Store",
        ),
        *(
            "train/a/.hidden.png",
            "train/a/Thumbs.db",
            "test/a/desktop.ini",
            "train/a/x.png~",
            "train/a/#x.png#",
        ),
        *(
            "test/@eaDir/w.png",
            "train/a/.ipynb_checkpoints/x.png",
            "__MACOSX/train/a/x.png",
            "train/lost+found/1.png",
        ),
    ],
)
def test_what_systems_and_editors_leave_behind_is_passed_over_and_said(tree, name):
    before = load_images("imagefolder", tree).digest
    (tree / name).parent.mkdir(parents=True, exist_ok=True)
    (tree / name).write_bytes(b"\x00\x05\x16\x07 no image")
    data = load_images("imagefolder", tree)
    assert data.digest == before
    assert data.class_names == ("a", "b", "c")
    assert "passed over, hidden, or left behind by a system or an editor: 1 (" in said_of(data)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("train/a/picture.svg", "not read: .svg: 1 (train/a/picture.svg)"),
        ("train/a/pixels.npy", "not read: .npy: 1"),
        ("test/a/README", "not read: no suffix: 1"),
        ("train/x.png", "directly in train, so of no class: 1 (train/x.png)"),
        ("test/labels.csv", "directly in test, so of no class: 1"),
        ("val/a/x.png", "beside train and test: 1 (val)"),
    ],
)
def test_what_is_not_read_is_said_by_reason(tree, name, reason):
    (tree / name).parent.mkdir(parents=True, exist_ok=True)
    (tree / name).write_bytes(b"")
    assert f"passed over, {reason}" in said_of(load_images("imagefolder", tree))


@pytest.mark.parametrize("depth", ["images", "images/more", "folder.png"])
def test_images_at_any_depth_of_a_class_are_of_that_class(tree, depth):
    for split in ("train", "test"):
        for folder in list((tree / split).iterdir()):
            for path in list(folder.iterdir()):
                (folder / depth).mkdir(parents=True, exist_ok=True)
                path.rename(folder / depth / (path.stem + ".JPEG"))
    data = load_images("imagefolder", tree)
    assert data.train_labels.tolist() == [0, 1, 1, 2]
    assert data.train_images[:, 0, -1, -1].tolist() == [20, 10, 0, 30]
    assert data.class_names == ("a", "b", "c")


def test_folders_within_a_class_are_of_one_class_and_that_is_said(tree):
    write_image(tree / "train/b/inner/1.png", 7)
    data = load_images("imagefolder", tree)
    assert data.train_labels.tolist() == [0, 1, 1, 1, 2]
    assert "classes with images in several folders, all of them of the one class: 1 (b (2 folders))" in said_of(
        data
    )


def test_links_are_followed_and_those_that_lead_back_are_said(tree):
    (tree / "train/a/again").symlink_to(tree / "train", target_is_directory=True)
    (tree / "train/b/loop").symlink_to(tree / "train/b", target_is_directory=True)
    (tree / "elsewhere").mkdir()
    write_image(tree / "elsewhere/far.png", 77)
    (tree / "train/c/linked").symlink_to(tree / "elsewhere", target_is_directory=True)
    data = load_images("imagefolder", tree)
    assert data.train_images[data.train_labels == 2][:, 0, -1, -1].tolist() == [77, 30]
    assert "links back to a folder above: 2 (train/a/again, train/b/loop)" in said_of(data)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.symlink_to("nowhere.png"), "No such file"),
        (lambda path: path.symlink_to(path), "symbolic links"),
        (lambda path: os.mkfifo(path), "is no regular file; remove it"),
    ],
)
def test_what_is_called_an_image_and_is_no_file_is_refused_and_not_waited_for(tree, make, message):
    make(tree / "train/a/q.png")
    with pytest.raises(ValueError, match=rf"train/a/q\.png .*{message}"):
        load_images("imagefolder", tree)


def test_a_class_of_other_files_alone_is_told_with_what_it_holds(tree):
    for name in ("d", "e"):
        (tree / "train" / name).mkdir()
        (tree / "train" / name / "drawing.svg").write_text("<svg/>")
    with pytest.raises(
        ValueError, match=r"train/d holds no image .*, nor do e; it holds drawing\.svg; fill or"
    ):
        load_images("imagefolder", tree)


@pytest.mark.parametrize(
    ("train", "test"),
    [("cat", "Cat"), ("caf\u00e9", "cafe\u0301"), ("dog", "dog "), ("STRASSE", "stra\u00dfe")],
)
def test_a_class_that_test_spells_otherwise_is_told_with_the_spelling_of_train(tree, train, test):
    write_image(tree / f"train/{train}/1.png", 1)
    write_image(tree / f"test/{test}/1.png", 1)
    with pytest.raises(ValueError, match=rf"lacks: {test} \(train has '{train}', spelled otherwise\)"):
        load_images("imagefolder", tree)


def test_classes_that_differ_in_case_only_are_two_and_that_is_said(tree):
    write_image(tree / "train/A/1.png", 1)
    data = load_images("imagefolder", tree)
    assert data.class_names == ("A", "a", "b", "c")
    assert "classes whose names differ in case or spelling only: 2 (A, a)" in said_of(data)


@pytest.mark.parametrize(
    ("before", "after", "hint"),
    [
        ("train", "Train", "has the folders Train, test: rename what is meant"),
        ("test", "testing", "has the folders testing, train"),
    ],
)
def test_a_split_of_another_name_is_told_with_the_folders_that_there_are(tree, before, after, hint):
    (tree / before).rename(tree / after)
    with pytest.raises(ValueError, match=f"{before} has no class directories; expected train/<class>.*{hint}"):
        load_images("imagefolder", tree)


def test_the_folder_above_is_told_which_one_is_meant(tree, tmp_path):
    (tmp_path / "up").mkdir()
    for split in ("train", "test"):
        (tree / split).rename(tmp_path / "up" / split)
    with pytest.raises(ValueError, match=r"write data_dir=.*/up, which has both"):
        load_images("imagefolder", tmp_path)


def test_a_single_class_is_told_to_be_one(tree):
    for split in ("train", "test"):
        (tree / "inner" / split).mkdir(parents=True)
        (tree / split).rename(tree / "inner" / split / "images")
    with pytest.raises(ValueError, match="a single class, images; expected a folder for each class"):
        load_images("imagefolder", tree / "inner")


# What images may be like.


def huge_png() -> bytes:
    """Return a PNG that says it has 20,000 × 20,000 pixels and holds none of them."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">2I5B", 20_000, 20_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    )


def bmp(width: int, height: int, palette: int = 0) -> bytes:
    """Return a BMP whose header says so much, and which holds hardly anything."""
    header = struct.pack("<I2i2H6I", 40, width, height, 1, 8, 0, 0, 0, 0, palette, 0)
    return b"BM" + struct.pack("<I2HI", 200, 0, 0, 54) + header + bytes(2000)


DAMAGED = {
    "really_big.bmp": bmp(3_000_000, 2_000_000),
    "bad_width.bmp": bmp(-64, 64),
    "oversized_palette.bmp": bmp(5, 4, palette=300),
    "huge.png": huge_png(),
    "page.jpg": b"<!DOCTYPE html><title>404</title>",
    "pointer.png": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12\n",
    "empty.gif": b"",
    "cut.tif": b"II*\x00\x08\x00\x00\x00\x01",
    "endless.pgm": b"P5 99999999999 9 255\n",
}


@pytest.mark.parametrize("name", DAMAGED)
@pytest.mark.parametrize("place", ["a/0", "c/z"])  # the first of all images, and the last one of train
def test_whatever_ails_a_file_the_message_names_it(tree, name, place):
    path = (tree / "train" / place).with_name(f"{place[-1]}{name}")
    path.write_bytes(DAMAGED[name])
    with pytest.raises(
        ValueError, match=rf"train/{place}{name} can't be decoded \(.+\); replace or remove it$"
    ):
        load_images("imagefolder", tree)


def test_all_images_that_can_not_be_used_are_in_one_message_of_bounded_length(tree):
    for name, content in DAMAGED.items():
        (tree / "train/a" / name).write_bytes(content)
    write_image(tree / "train/c/odd.png", 1, size=(4, 5))
    with pytest.raises(ValueError, match=r"10 of 16 images under .* can't be used: ") as error:
        load_images("imagefolder", tree)
    assert all(name in str(error.value) for name in [*DAMAGED, "odd.png"])
    assert "\n" not in str(error.value)
    for number in range(100):
        (tree / f"train/a/{number}.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"110 of 116 images .* and 99 more; .*odd\.png differs in size"):
        load_images("imagefolder", tree)


@pytest.mark.parametrize("odd", ["train/a/0.png", "train/c/z.png", "test/c/0.png"])
def test_the_image_of_the_unusual_size_is_told_wherever_it_stands(tree, odd):
    write_image(tree / odd, 1, size=(300, 200))
    with pytest.raises(ValueError, match=rf"{odd} differs in size from .* others of 5 × 4; resize all images"):
        load_images("imagefolder", tree)


def test_an_image_of_another_size_is_not_decoded(tree):
    """A body of random bytes would be told as damage, if anybody looked at it."""
    write_image(tree / "train/c/odd.png", 1, size=(4000, 4000))
    content = (tree / "train/c/odd.png").read_bytes()
    (tree / "train/c/odd.png").write_bytes(content[:60])
    with pytest.raises(ValueError, match=r"odd\.png differs in size"):
        load_images("imagefolder", tree)


def test_images_that_neither_memory_nor_disk_can_hold_are_refused_before_any_is_decoded(tree, monkeypatch):
    class Little:
        available = 20

    class Full:
        free = 100

    monkeypatch.setattr("psutil.virtual_memory", Little)
    monkeypatch.setattr("shutil.disk_usage", lambda _folder: Full)
    with pytest.raises(ValueError, match=r"6 images of 5 × 4 take .* GiB of memory or disk; .* are free"):
        load_images("imagefolder", tree)


def with_palette(colours: np.ndarray) -> Image.Image:
    image = Image.fromarray(np.arange(20, dtype=np.uint8).reshape(4, 5)).convert("P")
    image.putpalette([*colours.reshape(-1, 3).ravel().tolist(), *[255, 0, 0] * 5])  # the last five are not used
    return image


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (with_palette(np.stack([GREYS] * 3, axis=-1)), GREYS),
        (Image.fromarray(GREYS > 100), np.where(GREYS > 100, 255, 0)),
        (Image.fromarray(np.stack([GREYS, np.full_like(GREYS, 255)], axis=-1)), GREYS),
    ],
    ids=["palette", "1 bit", "opaque alpha"],
)
def test_grey_images_of_any_mode_have_one_channel(tree, image, expected):
    save(tree, "train/a/x.png", image)
    data = load_images("imagefolder", tree)
    assert data.input_shape == (1, 4, 5)
    assert data.train_images[0, 0].tolist() == expected.tolist()


@pytest.mark.parametrize(
    "image",
    [with_palette(COLOURS), Image.fromarray(np.dstack([COLOURS, np.full_like(GREYS, 255)]))],
    ids=["palette", "opaque alpha"],
)
def test_coloured_images_of_any_mode_have_three_channels(tree, image):
    save(tree, "train/a/x.png", image)
    data = load_images("imagefolder", tree)
    assert data.train_images[0].permute(1, 2, 0).tolist() == COLOURS.tolist()


def half_transparent(mode: str) -> Image.Image:
    image = Image.fromarray(np.dstack([COLOURS, 255 - GREYS]))
    return image if mode == "RGBA" else image.convert(mode)


@pytest.mark.parametrize(
    ("name", "image", "options"),
    [
        ("q.png", half_transparent("RGBA"), {}),
        ("q.webp", half_transparent("RGBA"), {"lossless": True}),
        ("q.png", half_transparent("LA"), {}),
        ("q.tif", half_transparent("RGBA"), {}),
        ("q.png", with_palette(COLOURS), {"transparency": 3}),
        ("q.png", with_palette(COLOURS), {"transparency": bytes(range(20))}),
        ("q.gif", with_palette(COLOURS), {"transparency": 3}),
        ("q.png", Image.fromarray(GREYS), {"transparency": 12}),
        ("q.png", Image.fromarray(COLOURS), {"transparency": tuple(COLOURS[0, 0].tolist())}),
    ],
)
def test_transparent_pixels_have_no_colour_and_are_refused(tree, name, image, options):
    save(tree, f"train/a/{name}", image, **options)
    with pytest.raises(ValueError, match=rf"train/a/{name} has transparent pixels.* put it on a background"):
        load_images("imagefolder", tree)


@pytest.mark.parametrize(
    ("name", "image"),
    [
        ("q.tif", Image.fromarray(np.linspace(0, 1, 20, dtype=np.float32).reshape(4, 5))),
        ("q.tif", Image.fromarray(np.arange(20, dtype=np.int32).reshape(4, 5) * 1000)),
        ("q.pgm", Image.fromarray(np.arange(20, dtype=np.uint16).reshape(4, 5) * 3000)),
    ],
)
def test_pixels_of_more_than_8_bits_are_refused_and_not_clipped(tree, name, image):
    save(tree, f"train/a/{name}", image)
    with pytest.raises(ValueError, match=rf"train/a/{name} has [IF].* pixels; convert it to 8 bits a channel"):
        load_images("imagefolder", tree)


def png_of_16_bits() -> bytes:
    rows = b"".join(
        b"\x00" + struct.pack(">15H", *(257 * COLOURS[row].ravel().astype(int)).tolist()) for row in range(4)
    )

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = chunk(b"IHDR", struct.pack(">2I5B", 5, 4, 16, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def test_colours_of_16_bits_keep_their_upper_8_and_that_is_said(tree):
    (tree / "train/a/q.png").write_bytes(png_of_16_bits())
    data = load_images("imagefolder", tree)
    assert data.train_images[0].permute(1, 2, 0).tolist() == COLOURS.tolist()
    assert "16 bits a channel, of which the upper 8 are read: 1 (train/a/q.png)" in said_of(data)


@pytest.mark.parametrize("name", ["q.gif", "q.png", "q.tif", "q.webp"])
def test_of_several_pictures_in_one_file_the_first_is_read_and_that_is_said(tree, name):
    first, second = (Image.fromarray(np.full((4, 5, 3), value, np.uint8)) for value in (40, 200))
    save(tree, f"train/a/{name}", first, save_all=True, append_images=[second])
    data = load_images("imagefolder", tree)
    assert int(data.train_images[0].float().mean()) == 40
    assert f"several pictures in one file, of which the first is read: 1 (train/a/{name})" in said_of(data)


@pytest.mark.parametrize("name", ["q.png", "q.tif", "q.webp"])
@pytest.mark.parametrize("orientation", [2, 3, 6, 8])
def test_images_are_turned_as_viewers_turn_them_and_that_is_said(tree, name, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    shown = COLOURS
    undo = {2: lambda x: x[:, ::-1], 3: lambda x: x[::-1, ::-1], 6: np.rot90, 8: lambda x: np.rot90(x, -1)}
    stored = np.ascontiguousarray(undo[orientation](shown))
    save(
        tree,
        f"train/a/0{name}",
        stored,
        exif=exif,
        **({"lossless": True, "exact": True} if "webp" in name else {}),
    )
    data = load_images("imagefolder", tree)
    assert data.train_images[0].permute(1, 2, 0).tolist() == shown.tolist()
    assert f"turned as their EXIF orientation says: 1 (train/a/0{name})" in said_of(data)


def test_cmyk_is_converted_and_that_is_said(tree):
    save(tree, "train/a/q.jpg", Image.fromarray(np.full((4, 5, 4), 90, np.uint8), "CMYK"))
    data = load_images("imagefolder", tree)
    assert data.input_shape == (3, 4, 5)
    assert "CMYK, converted to RGB without a colour profile: 1 (train/a/q.jpg)" in said_of(data)


@pytest.mark.filterwarnings("error")
def test_what_pillow_warns_of_is_said_with_the_file(tree, monkeypatch):
    opened = Image.open

    def warning(path: Path, *arguments: object) -> Image.Image:
        if Path(path).name == "y.png":
            warnings.warn("Corrupt EXIF data.\n  Expecting more", stacklevel=1)
        return opened(path, *arguments)

    monkeypatch.setattr(Image, "open", warning)
    data = load_images("imagefolder", tree)
    assert "Pillow warns: Corrupt EXIF data. Expecting more: 1 (train/c/y.png)" in said_of(data)


@pytest.mark.parametrize("suffix", [".gif", ".jfif", ".pbm", ".jp2", ".avif", ".JPE", ".WebP"])
def test_every_usual_suffix_is_read(tree, suffix):
    if suffix.lower() not in Image.registered_extensions():
        pytest.skip("this Pillow knows no such images")
    form = {".jfif": "JPEG", ".jpe": "JPEG"}.get(suffix.lower())
    save(tree, f"train/b/3{suffix}", Image.new("1" if suffix == ".pbm" else "RGB", (5, 4)), format=form)
    assert load_images("imagefolder", tree).train_labels.tolist() == [0, 1, 1, 1, 2]


@pytest.mark.parametrize("name", [b"caf\xe9.png", b"two\nlines.png", "d\u00e9j\u00e0 vu.png".encode()])
def test_names_of_any_bytes_are_said_on_one_line_that_can_be_printed(tree, name):
    path = Path(os.fsdecode(bytes(tree / "train/a") + b"/" + name))
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="can't be decoded") as error:
        load_images("imagefolder", tree)
    str(error.value).encode()
    assert "\n" not in str(error.value)
    path.unlink()
    Path(f"{path}.txt").write_bytes(b"")
    (tree / "train/c").rename(path.parent.parent / path.stem)
    (tree / "test/c").rename(tree / "test" / path.stem)
    lines = particulars(load_images("imagefolder", tree))
    assert len(lines) == len("\n".join(lines).encode().splitlines())


def test_a_truncated_image_is_refused_also_where_a_program_lets_pillow_fill_it_up(tree, monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    save(tree, "train/c/y.jpg", np.zeros((4, 5, 3), np.uint8))
    (tree / "train/c/y.jpg").write_bytes((tree / "train/c/y.jpg").read_bytes()[:-20])
    with pytest.raises(ValueError, match=r"train/c/y\.jpg can't be decoded"):
        load_images("imagefolder", tree)
    assert ImageFile.LOAD_TRUNCATED_IMAGES


def sized_tree(root: Path, test: str = "test") -> Path:
    """Make a folder with images of three sizes: left of the middle dark, right of it bright."""
    for split, name, size in [
        ("train", "a", (8, 8)),
        ("train", "b", (16, 8)),
        (test, "a", (8, 24)),
    ]:
        pixels = np.zeros((size[1], size[0]), dtype=np.uint8)
        pixels[:, size[0] // 2 :] = 200
        (root / split / name).mkdir(parents=True)
        Image.fromarray(pixels).save(root / split / name / "0.png")
    return root


def test_images_of_several_sizes_are_given_one_where_one_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"let image_size=\d+x\d+ do it"):
        load_image_folder(sized_tree(tmp_path))
    data = load_image_folder(tmp_path, (4, 6))
    assert data.input_shape == (1, 6, 4)
    for images in (data.train_images, data.test_images):
        assert int(images[..., 0].max()) == 0
        assert int(images[..., -1].min()) == 200


@pytest.mark.parametrize("name", ["val", "valid", "validation"])
def test_a_folder_of_validation_is_the_test_where_there_is_no_other(tmp_path, name):
    data = load_image_folder(sized_tree(tmp_path, name), (4, 4))
    assert (len(data.train_labels), len(data.test_labels)) == (2, 1)
    assert data.reading.passed_over == {}


def test_tiny_imagenet_is_read_as_it_is_unpacked(tmp_path):
    for place, name in enumerate(["n02", "n01"]):
        (tmp_path / "train" / name / "images").mkdir(parents=True)
        (tmp_path / "train" / name / f"{name}_boxes.txt").write_text("")
        Image.fromarray(np.full((4, 4, 3), 10 * place, np.uint8)).save(
            tmp_path / "train" / name / "images" / f"{name}_0.JPEG"
        )
    (tmp_path / "val" / "images").mkdir(parents=True)
    Image.fromarray(np.full((4, 4, 3), 90, np.uint8)).save(tmp_path / "val" / "images" / "val_0.JPEG")
    (tmp_path / "val" / "val_annotations.txt").write_text("val_0.JPEG\tn02\t0\t0\t3\t3\n")
    data = load_images("tiny-imagenet", tmp_path)
    assert data.class_names == ("n01", "n02")
    assert data.train_labels.tolist() == [0, 1]
    assert data.test_labels.tolist() == [1]
    assert load_images("tiny-imagenet", tmp_path, (2, 2)).input_shape == (3, 2, 2)


def test_a_folder_that_is_no_tiny_imagenet_is_told(tmp_path):
    with pytest.raises(ValueError, match="unpack tiny-imagenet-200"):
        load_images("tiny-imagenet", tmp_path)
