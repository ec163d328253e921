import gzip
import struct
from pathlib import Path

import pytest
import torch

from lth.data import load_images
from lth.data.idx import find_idx_files, read_idx


def idx_bytes(values: torch.Tensor) -> bytes:
    header = bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
    return header + values.numpy().tobytes()


VALUES = (torch.arange(3 * 4 * 5) * 7 % 256).to(torch.uint8).reshape(3, 4, 5)


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


@pytest.mark.parametrize("name", ["images", "images.gz"])
def test_values_are_read_plain_and_gzipped(tmp_path, name):
    assert torch.equal(read_idx(write(tmp_path / name, idx_bytes(VALUES))), VALUES)


@pytest.mark.parametrize("length", [0, 1, 3, 4, 9, 15, 16, 17, 75])
@pytest.mark.parametrize("name", ["images", "images.gz"])
def test_a_file_cut_short_anywhere_raises_and_is_named(tmp_path, name, length):
    path = write(tmp_path / name, idx_bytes(VALUES)[:length])
    with pytest.raises(ValueError, match=str(path)):
        read_idx(path)


def test_a_file_that_is_too_long_raises_and_is_named(tmp_path):
    path = write(tmp_path / "images", idx_bytes(VALUES) + b"x")
    with pytest.raises(
        ValueError, match=rf"{path} holds 61 bytes where its header says \(3, 4, 5\); fetch it again"
    ):
        read_idx(path)


@pytest.mark.parametrize("start", [b"\x00\x00\x09\x01", b"\x01\x00\x08\x01", b"\x89PNG"])
def test_a_file_of_another_kind_raises_and_is_named(tmp_path, start):
    path = write(tmp_path / "images", start + bytes(20))
    with pytest.raises(ValueError, match=f"{path} is not an idx file of unsigned bytes"):
        read_idx(path)


def test_gzip_damaged_anywhere_raises_and_is_named(tmp_path):
    whole = gzip.compress(idx_bytes(VALUES))
    for position in (0, 10, 12, len(whole) // 2, len(whole) - 5):
        content = bytearray(whole)
        content[position] ^= 0xFF
        path = tmp_path / f"damaged-{position}.gz"
        path.write_bytes(content)
        with pytest.raises(ValueError, match=str(path)):
            read_idx(path)


def test_gzip_cut_short_raises_and_is_named(tmp_path):
    path = tmp_path / "images.gz"
    path.write_bytes(gzip.compress(idx_bytes(VALUES))[:-10])
    with pytest.raises(ValueError, match=f"{path} can't be read"):
        read_idx(path)


def write_all(directory: Path, suffix: str = "") -> None:
    for split, count in (("train", 20), ("t10k", 10)):
        images = (torch.arange(count * 9) % 251).to(torch.uint8).reshape(count, 3, 3)
        labels = (torch.arange(count) % 10).to(torch.uint8)
        write(directory / f"{split}-images-idx3-ubyte{suffix}", idx_bytes(images))
        write(directory / f"{split}-labels-idx1-ubyte{suffix}", idx_bytes(labels))


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_fashion_mnist_is_read_from_four_files(tmp_path, suffix):
    write_all(tmp_path, suffix)
    data = load_images("fashion-mnist", tmp_path)
    assert data.train_images.shape == (20, 1, 3, 3)
    assert data.train_images.flatten().tolist() == [i % 251 for i in range(180)]
    assert data.test_labels.tolist() == list(range(10))
    assert data.num_classes == 10


def test_files_are_found_only_if_all_four_are_there(tmp_path):
    assert find_idx_files(tmp_path) is None
    write_all(tmp_path)
    assert [path.name.split("-")[0] for path in find_idx_files(tmp_path)] == ["train", "train", "t10k", "t10k"]
    (tmp_path / "t10k-labels-idx1-ubyte").unlink()
    assert find_idx_files(tmp_path) is None
