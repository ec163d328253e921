"""Where a data set comes from, by its name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import torch
from filelock import FileLock
from torch import Tensor

from lth.data.drained import drained, is_source
from lth.data.folder import load_image_folder, read_tree
from lth.data.idx import find_idx_files, read_idx
from lth.data.images import ImageData
from lth.data.lock import acquire
from lth.data.tensors import TensorData
from lth.data.tiny_imagenet import find_tiny_imagenet
from lth.data.topics import load_topics
from lth.errors import InputError
from lth.setting.choice import value_hint
from lth.setting.own_code import refresh
from lth.setting.reference import call_reference, is_reference
from lth.with_torchvision import importing_torchvision

DEFAULT_DATA_DIR = Path("data")
_DIGITS_TEST_EXAMPLES = 360


def load_images(
    name: str, data_dir: Path | None = None, image_size: tuple[int, int] | None = None
) -> ImageData | TensorData:
    """Return the data set `name`.

    Args:
        name: `digits`, `topics`, `cifar10`, `cifar100`, `mnist`, `fashion-mnist`, `tiny-imagenet`,
            `imagefolder`, or `package.module:function`, a function of the data directory (or None) that returns
            an `ImageData`, a `TensorData`, or two `torch.utils.data` data sets or loaders, training and test.
            Naming a function runs its code.
        data_dir: Where the files are. The torchvision sets are downloaded into it (by default `./data`)
            unless they are there already; torchvision checks their digests.
        image_size: (width, height) that images of a folder are given.

    Raises:
        ValueError: If the name is unknown, the directory is missing, or the content isn't usable.
    """
    if data_dir is not None and not _is_directory(data_dir):
        raise InputError(
            f"data_dir={str(data_dir)!r} is not a directory ({data_dir.absolute()}); "
            "create it or correct the path"
        )
    if is_reference(name):
        refresh(name)
        data = call_reference(name, data_dir)
        refresh(name)  # notes what only calling it has loaded
        return _taken(name, data)
    if name not in _SOURCES:
        known = ", ".join([*_SOURCES, "package.module:function"])
        hint = value_hint(name, _SOURCES, "dataset")
        raise InputError(f"dataset={name!r} is unknown; choose one of {known}{hint}")
    if image_size is None:
        return _SOURCES[name](data_dir)
    if name not in _FOLDERS:
        raise InputError(
            f"image_size is of image folders, and dataset={name} has a size of its own; leave it out"
        )
    return _FOLDERS[name](data_dir, image_size)


def _taken(name: str, data: object) -> ImageData | TensorData:
    """Return what a user's function returned as a data set."""
    if isinstance(data, ImageData | TensorData):
        return data
    if isinstance(data, Mapping) and {"train", "test"} <= data.keys():
        data = (data["train"], data["test"])
    if isinstance(data, tuple) and len(data) == 2 and all(map(is_source, data)):
        return drained(name.partition(":")[2], *data, source=name)
    raise InputError(
        f"{name} returned {type(data).__name__}; expected an lth.data.ImageData: write return "
        "ImageData(name, train_images, train_labels, test_images, test_labels), or a TensorData of the same "
        "for examples that are no images, or two torch.utils.data data sets: train, test"
    )


def is_public(name: str) -> bool:
    """Return whether `name` is a data set that is the same for everybody, so that all is known of it."""
    return name in _SOURCES and name != "imagefolder"


def _is_directory(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # such as a name that no file system takes
        return False


def _digits(data_dir: Path | None) -> ImageData:
    """Return the 1,797 handwritten digits (8x8, grey levels 0…16) that scikit-learn embeds.

    They are ordered by writer, so the last 360 (a fifth) make a test set of writers not trained on.
    """
    from sklearn.datasets import load_digits

    if data_dir is not None:
        raise InputError(
            f"dataset=digits is embedded and reads no data_dir, got {str(data_dir)!r}; leave it out"
        )
    bunch = load_digits()
    images = torch.from_numpy(bunch.images).to(torch.uint8).unsqueeze(1)  # (1797, 1, 8, 8)
    labels = torch.from_numpy(bunch.target).long()
    cut = len(labels) - _DIGITS_TEST_EXAMPLES
    return ImageData("digits", images[:cut], labels[:cut], images[cut:], labels[cut:], "sklearn.datasets")


def _cifar10(data_dir: Path | None) -> ImageData:
    return _from_torchvision("cifar10", "CIFAR10", data_dir)


def _cifar100(data_dir: Path | None) -> ImageData:
    return _from_torchvision("cifar100", "CIFAR100", data_dir)


def _mnist(data_dir: Path | None) -> ImageData:
    return _from_idx("mnist", "MNIST", data_dir)


def _fashion_mnist(data_dir: Path | None) -> ImageData:
    return _from_idx("fashion-mnist", "FashionMNIST", data_dir)


def _from_idx(name: str, dataset_class: str, data_dir: Path | None) -> ImageData:
    """Return MNIST or a successor from the four idx files in `data_dir`, else through torchvision."""
    files = find_idx_files(data_dir) if data_dir is not None else None
    if files is None:
        return _from_torchvision(name, dataset_class, data_dir)
    train_images, train_labels, test_images, test_labels = map(read_idx, files)
    return ImageData(
        name,
        train_images.unsqueeze(1),
        train_labels.long(),
        test_images.unsqueeze(1),
        test_labels.long(),
        str(data_dir),
    )


def _image_folder(data_dir: Path | None, size: tuple[int, int] | None = None) -> ImageData:
    if data_dir is None:
        raise InputError("dataset=imagefolder needs data_dir, a tree of train/<class>/* and test/<class>/*")
    return load_image_folder(data_dir, size)


def _tiny_imagenet(data_dir: Path | None, size: tuple[int, int] | None = None) -> ImageData:
    if data_dir is None:
        raise InputError("dataset=tiny-imagenet needs data_dir, the unpacked tiny-imagenet-200")
    return read_tree("tiny-imagenet", data_dir, find_tiny_imagenet(data_dir), size)


_FOLDERS: dict[str, Callable[[Path | None, tuple[int, int] | None], ImageData]] = {
    "tiny-imagenet": _tiny_imagenet,
    "imagefolder": _image_folder,
}

_SOURCES: dict[str, Callable[[Path | None], ImageData | TensorData]] = {
    "digits": _digits,
    "topics": load_topics,
    "cifar10": _cifar10,
    "cifar100": _cifar100,
    "mnist": _mnist,
    "fashion-mnist": _fashion_mnist,
    "tiny-imagenet": _tiny_imagenet,
    "imagefolder": _image_folder,
}


def _from_torchvision(name: str, dataset_class: str, data_dir: Path | None) -> ImageData:
    root = DEFAULT_DATA_DIR if data_dir is None else data_dir
    dataset = getattr(_datasets(name), dataset_class)
    try:
        with _one_at_a_time(root, name):
            train, test = (dataset(root=str(root), train=train, download=True) for train in (True, False))
    except (OSError, RuntimeError) as error:
        raise InputError(
            f"{name} is not in {str(root)!r} and could not be downloaded ({error}); "
            "put torchvision's files there, or name another data_dir"
        ) from error
    names = tuple(getattr(train, "classes", ()))
    return ImageData(name, *_split(train), *_split(test), str(root), names)


def _datasets(name: str) -> ModuleType:
    """Return torchvision's data sets.

    Raises:
        InputError: If it can't be imported, as one that was built for another torch.
    """
    with importing_torchvision(f"dataset={name} is read by"):
        from torchvision import datasets
    assert isinstance(datasets, ModuleType)
    return datasets


@contextmanager
def _one_at_a_time(root: Path, name: str) -> Iterator[None]:
    """Keep other processes waiting that come here, for none to read what another is still writing.

    Where no lock can be written, as in a directory that can only be read, nothing can be downloaded either.
    """
    lock = FileLock(root / f".{name}.lock")
    try:
        root.mkdir(parents=True, exist_ok=True)
        acquire(lock, f"waiting for another process that checks or downloads {name} in {root}")
    except (OSError, NotImplementedError):
        pass
    try:
        yield
    finally:
        lock.release()  # if it was acquired


def _split(dataset: object) -> tuple[Tensor, Tensor]:
    """Return a torchvision data set's images as (n, channels, height, width) uint8, and its labels."""
    images = torch.as_tensor(dataset.data)  # type: ignore[attr-defined]
    images = images.unsqueeze(1) if images.ndim == 3 else images.permute(0, 3, 1, 2).contiguous()
    return images, torch.as_tensor(dataset.targets).long()  # type: ignore[attr-defined]
