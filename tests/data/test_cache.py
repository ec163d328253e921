import errno
import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lth.data import load_images, prepare
from lth.data.augment import Augmenter
from lth.data.decode import Decoder
from lth.data.description import as_json
from lth.data.room import BESIDE
from lth.network import Mask, Weights, build_network
from lth.setting.amount import ALL, Amount
from lth.setting.network import NetworkSpec
from lth.training.evaluate import Evaluator
from lth.training.schedule import Schedule
from lth.training.train import Procedure, TrainingState, train

CPU = torch.device("cpu")
NAMES = [f"train/{name}/{i}.png" for name in ("cat", "dog") for i in range(6)] + [
    "test/cat/z.png",
    "test/dog/z.png",
]


def write(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def pixels(number: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, shape, dtype=np.uint8)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Grey images of which the fifth is coloured: the file begins with one channel."""
    for number, name in enumerate(NAMES):
        write(tmp_path / "pets" / name, pixels(number, 8, 8, 3) if number == 4 else pixels(number, 8, 8))
    return tmp_path / "pets"


@pytest.fixture
def on_disk(monkeypatch, tmp_path):
    monkeypatch.setenv("LTH_IMAGE_MEMORY", "0")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))


@pytest.fixture
def decoded(monkeypatch) -> list[str]:
    """Every file that is decoded, by name."""
    names: list[str] = []
    read = Decoder.read

    def counted(self, path):
        names.append("/".join(path.parts[-3:]))
        return read(self, path)

    monkeypatch.setattr(Decoder, "read", counted)
    return names


def in_memory(monkeypatch, *given):
    with monkeypatch.context() as patch:
        patch.setenv("LTH_IMAGE_MEMORY", "1")
        return load_images(*given)


def is_mapped(images: torch.Tensor, folder: Path) -> bool:
    """Look where the system says that the memory of a tensor is."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        start, end = (int(part, 16) for part in line.split()[0].split("-"))
        if start <= images.data_ptr() < end:
            return str(folder) in line
    return False


def same(one, other) -> bool:
    return one.digest == other.digest and as_json(one, is_public=False) == as_json(other, is_public=False)


def as_tiny_imagenet(folder: Path) -> None:
    for number in range(4):
        write(folder / f"train/n0{number % 2}/images/n0{number % 2}_{number}.JPEG", pixels(number, 8, 8, 3))
        write(folder / f"val/images/val_{number}.JPEG", pixels(number + 9, 8, 8, 3))
    lines = [f"val_{number}.JPEG\tn0{number % 2}\t0\t0\t1\t1\n" for number in range(4)]
    (folder / "val/val_annotations.txt").write_text("".join(lines))


@pytest.mark.parametrize("kind", ["grey", "coloured", "resized", "tiny-imagenet"])
def test_images_of_a_file_are_those_in_memory_and_are_decoded_once(tree, on_disk, decoded, monkeypatch, kind):
    if kind == "grey":
        write(tree / NAMES[4], pixels(4, 8, 8))
    if kind == "tiny-imagenet":
        tree = tree.parent / "tiny"
        as_tiny_imagenet(tree)
    given = ("tiny-imagenet" if kind == "tiny-imagenet" else "imagefolder", tree)
    given = (*given, (6, 5)) if kind == "resized" else given
    expected = in_memory(monkeypatch, *given)
    decoded.clear()
    first, second = load_images(*given), load_images(*given)
    assert len(decoded) == len(set(decoded)) == len(expected.train_labels) + len(expected.test_labels)
    for data in (first, second):
        assert same(data, expected)
        assert is_mapped(data.train_images, tree / BESIDE)
        assert is_mapped(data.test_images, tree / BESIDE)


def rewritten(tree: Path) -> None:
    """Other pixels in a file of the same size and time."""
    path, before = tree / NAMES[3], (tree / NAMES[3]).stat()
    other = tree.parent / "other.png"
    write(other, 255 - np.asarray(Image.open(path)))
    path.write_bytes(other.read_bytes())
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


CHANGES = {
    "pixels alone": rewritten,
    "an image more": lambda tree: write(tree / "train/dog/new.png", pixels(99, 8, 8)),
    "an image less": lambda tree: (tree / NAMES[0]).unlink(),
    "another class": lambda tree: (tree / NAMES[0]).rename(tree / "train/dog/moved.png"),
    "two exchanged": lambda tree: [
        (tree / one).rename(tree / other)
        for one, other in ((NAMES[0], "kept"), (NAMES[7], NAMES[0]), ("kept", NAMES[7]))
    ],
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_has_changed_is_decoded_again(tree, on_disk, monkeypatch, change):
    before = load_images("imagefolder", tree)
    CHANGES[change](tree)
    after = load_images("imagefolder", tree)
    assert after.digest != before.digest
    assert same(after, in_memory(monkeypatch, "imagefolder", tree))


@pytest.mark.parametrize("times", ["touched", "copied"])
def test_files_of_other_times_and_the_same_content_are_not_decoded_again(tree, on_disk, decoded, times):
    before = load_images("imagefolder", tree)
    decoded.clear()
    if times == "touched":
        os.utime(tree / NAMES[2])
    else:
        shutil.copytree(tree, tree.parent / "copy" / "pets")
        tree = tree.parent / "copy" / "pets"
    assert load_images("imagefolder", tree).digest == load_images("imagefolder", tree).digest == before.digest
    assert decoded == []


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


DAMAGE = {
    "cut short": lambda npy, _about: os.truncate(npy, npy.stat().st_size - 1),
    "empty": lambda npy, _about: os.truncate(npy, 0),
    "missing": lambda npy, _about: npy.unlink(),
    "one bit": lambda npy, _about: flipped(npy),
    "foreign": lambda npy, _about: npy.write_bytes(b"PK\x03\x04" * 99),
    "another array": lambda npy, _about: np.save(npy, np.zeros((14, 3, 8, 8), dtype=np.float32)),
    "in another order": lambda npy, _about: np.save(npy, np.asfortranarray(np.load(npy))),
    "fewer images": lambda npy, _about: np.save(npy, np.load(npy)[:-1]),
    "description cut short": lambda _npy, about: os.truncate(about, 40),
    "no description": lambda _npy, about: about.unlink(),
    "foreign description": lambda _npy, about: about.write_text("[1, 2]"),
    "another description": lambda _npy, about: about.write_text(json.dumps({"shape": [14, 3, 8, 8]})),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_file_that_is_not_what_was_written_is_made_again(tree, on_disk, decoded, damage):
    digest = load_images("imagefolder", tree).digest
    ((npy,), (about,)) = ((tree / BESIDE).glob(f"*.{suffix}") for suffix in ("npy", "json"))
    DAMAGE[damage](npy, about)
    decoded.clear()
    assert load_images("imagefolder", tree).digest == digest
    assert len(decoded) == len(NAMES)
    assert load_images("imagefolder", tree).digest == digest
    assert len(decoded) == len(NAMES)


def test_several_at_once_decode_once(tree, on_disk, decoded):
    with ThreadPoolExecutor(4) as pool:
        digests = {data.digest for data in pool.map(lambda _: load_images("imagefolder", tree), range(4))}
    assert len(digests) == 1
    assert sorted(decoded) == sorted(NAMES)


def test_nothing_is_left_of_images_that_can_not_be_used(tree, on_disk):
    (tree / NAMES[-1]).write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"z\.png can't be decoded"):
        load_images("imagefolder", tree)
    assert [path.suffix for path in (tree / BESIDE).iterdir() if path.suffix != ".lock"] == []


def test_where_the_folder_can_not_be_written_another_is_taken_and_that_is_said(tree, on_disk, decoded, capfd):
    (tree / BESIDE).write_text("in the way")
    for _ in range(2):
        data = load_images("imagefolder", tree)
    refused, kept = capfd.readouterr().err.splitlines()
    assert f"decoded images can't be kept in {tree / BESIDE} (" in refused
    assert f"decoded images are kept in {tree.parent / 'home' / 'lth'}" in kept
    assert is_mapped(data.train_images, tree.parent / "home" / "lth")
    assert len(decoded) == len(NAMES)


def test_where_no_folder_can_be_written_memory_takes_what_it_has_room_for(tree, on_disk, monkeypatch, capfd):
    expected = in_memory(monkeypatch, "imagefolder", tree)
    for folder in (tree / BESIDE, tree.parent / "home"):
        folder.write_text("in the way")
    assert same(load_images("imagefolder", tree), expected)
    _, refused = capfd.readouterr().err.splitlines()
    assert refused.endswith("; they go to memory, if it has room")


@pytest.mark.parametrize("files", [0, 1])  # the first is of grey images, the second of coloured ones
def test_a_full_disk_leaves_images_to_memory(tree, on_disk, monkeypatch, files):
    room = iter(range(files))

    def full(*_):
        if next(room, None) is None:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    data = load_images("imagefolder", tree)
    assert same(data, in_memory(monkeypatch, "imagefolder", tree))
    assert [path.suffix for path in (tree / BESIDE).iterdir()] == [".lock"]


def test_a_folder_that_is_named_is_used_alone(tree, on_disk, monkeypatch):
    monkeypatch.setenv("LTH_CACHE", str(tree.parent / "a" / "named"))
    assert is_mapped(load_images("imagefolder", tree).test_images, tree.parent / "a" / "named")
    assert not (tree / BESIDE).exists()
    monkeypatch.setenv("LTH_CACHE", str(tree / NAMES[0]))
    with pytest.raises(ValueError, match=r"set LTH_CACHE to a folder that can be written"):
        load_images("imagefolder", tree)


def test_images_that_memory_takes_leave_no_file(tree, monkeypatch):
    in_memory(monkeypatch, "imagefolder", tree)
    assert not (tree / BESIDE).exists()


@pytest.mark.parametrize("written", ["much", "-1", "nan"])
def test_a_size_of_memory_that_is_none_is_told(tree, monkeypatch, written):
    monkeypatch.setenv("LTH_IMAGE_MEMORY", written)
    with pytest.raises(ValueError, match=rf"LTH_IMAGE_MEMORY='{written}' is no size; write a number of GiB"):
        load_images("imagefolder", tree)


@pytest.mark.parametrize("available", [0.9, 1.1])
def test_half_of_the_memory_that_is_available_is_taken(tree, on_disk, monkeypatch, available):
    class Memory:
        pass

    Memory.available = int(2 * available * len(NAMES) * 8 * 8 * 3)
    monkeypatch.delenv("LTH_IMAGE_MEMORY")
    monkeypatch.setattr("psutil.virtual_memory", Memory)
    assert is_mapped(load_images("imagefolder", tree).train_images, tree / BESIDE) == (available < 1)


def test_examples_of_a_file_are_read_where_they_are(tree, on_disk):
    data = load_images("imagefolder", tree)
    prepared = prepare(data, ALL, 0, CPU)
    folder = tree / BESIDE
    for examples in (prepared.train, prepared.test, prepared.train.take(torch.arange(2, 5))):
        assert is_mapped(examples.images, folder)
        for images, _ in Evaluator(torch.nn.Flatten(), examples)._batches:
            assert is_mapped(images, folder)
    assert not is_mapped(prepare(data, Amount(5), 0, CPU).train.images, folder)


@pytest.mark.parametrize("augmentation", ["none", "crop", "crop_flip"])
def test_a_training_on_a_file_has_the_bits_of_one_in_memory(tree, on_disk, monkeypatch, augmentation):
    network = build_network(NetworkSpec("resnet8-w2", (3, 8, 8), 2), 0)
    start = TrainingState(Weights.of(network), {}, 0)
    finals = []
    for data in (load_images("imagefolder", tree), in_memory(monkeypatch, "imagefolder", tree)):
        prepared = prepare(data, ALL, 0, CPU)
        schedule = Schedule(4, 3, 4, 0.1, 0.9, 0.0, ())
        procedure = Procedure(augmentation, "fp32", 0)
        finals.append(train(network, start, Mask.dense(network), prepared, schedule, procedure))
    assert finals[0].history == finals[1].history
    for name, tensor in finals[0].final.parameters.items():
        assert torch.equal(tensor, finals[1].final.parameters[name])


def test_an_augmented_batch_copies_its_own_images_alone(tree, on_disk):
    train = prepare(load_images("imagefolder", tree), ALL, 0, CPU).train
    augmenter = Augmenter(train, "crop", 0)
    assert augmenter._windows is None
    assert augmenter.batch(torch.tensor([3, 1]), augmenter.epoch(0))[0].shape == (2, 3, 8, 8)
