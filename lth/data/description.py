"""What was read of a data set: a few lines for people, and everything for machines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any, TypeAlias

import torch
from torch import Tensor

from lth.data.images import ImageData
from lth.data.reading import SPLITS, listed
from lth.data.tensors import TensorData
from lth.inputs import each

_CLASSES_SHOWN = 10
_FILES_SHOWN = 3
_FILES_KEPT = 200
_OTHER_SCALE = 10  # from this ratio on, the values of two splits are not on one scale


AnyData: TypeAlias = ImageData | TensorData


def headline(data: AnyData) -> str:
    """Return how many examples there are, of what size and in how many classes."""
    if isinstance(data, TensorData):
        return _headline_of_tensors(data)
    shape = " × ".join(map(str, data.input_shape))
    return (
        f"{len(data.train_labels):,} train and {len(data.test_labels):,} test images of {shape}, "
        f"{data.num_classes:,} classes"
    )


def _headline_of_tensors(data: TensorData) -> str:
    counts = f"{len(data.train_labels):,} train and {len(data.test_labels):,} test examples of"
    inputs = [f"{name} {_form(tensor)}".strip() for name, tensor in each(data.train_images)]
    several = f", {data.train_labels[0].numel():,} targets each" if data.train_labels.ndim > 1 else ""
    if data.has_classes:
        return f"{counts} {', '.join(inputs)}{several}, {data.num_classes:,} classes"
    return f"{counts} {', '.join(inputs)}, {data.num_classes:,} numbers to come near"


def _form(tensor: Tensor) -> str:
    kind = str(tensor.dtype).removeprefix("torch.")
    return f"{' × '.join(map(str, tensor.shape[1:])) or 'one'} {kind}"


def particulars(data: AnyData) -> list[str]:
    """Return, in a few lines, the images by class, the files passed over, and what else is to be known."""
    if isinstance(data, TensorData):
        return [f"note: {line}" for line in _odd_of_tensors(data)]
    lines = [f"classes (train + test): {_classes(data)}"]
    lines += [f"passed over, {line}" for line in _files(data.reading.passed_over)]
    return [*lines, *(f"note: {line}" for line in (*_files(data.reading.remarks), *_odd(data)))]


def _odd_of_tensors(data: TensorData) -> Iterator[str]:
    """Yield what nobody told, and the numbers show."""
    for name, tensor in each(data.train_images):
        lead = f"input {name}" if name else "the input"
        if tensor.is_floating_point() and tensor.ndim > 1:
            spread = tensor.double().flatten(2).std((0, 2)) if tensor.ndim > 2 else tensor.double().std(0)
            if still := int((spread == 0).sum()):
                yield f"{lead} has the same value everywhere in {still:,} of {len(spread):,} channels"
    if not data.has_classes and bool((data.train_labels == data.train_labels[:1]).all()):
        yield "the training targets are all the same"


def _as_json_of_tensors(data: TensorData) -> dict[str, Any]:
    return {
        "name": data.name,
        "source": data.source,
        "digest": data.digest,
        "inputs": {name: _form(tensor) for name, tensor in each(data.train_images)},
        "targets": _form(data.train_labels),
        "classes": data.num_classes if data.has_classes else None,
        "examples": {"train": len(data.train_labels), "test": len(data.test_labels)},
        "standardised": data.standardised,
        "notes": list(_odd_of_tensors(data)),
    }


def as_json(data: AnyData, *, is_public: bool) -> dict[str, Any]:
    """Return what was read as a JSON document; a public data set is not looked through for oddities."""
    if isinstance(data, TensorData):
        return _as_json_of_tensors(data)
    train, test = _counts(data)
    document: dict[str, Any] = {
        "name": data.name,
        "source": data.source,
        "digest": data.digest,
        "input_shape": list(data.input_shape),
        "dtype": str(data.train_images.dtype).removeprefix("torch."),
        "images": {"train": len(data.train_labels), "test": len(data.test_labels)},
        "classes": [
            {"number": number, "name": name, "train": train[number], "test": test[number]}
            for number, name in enumerate(_names(data))
        ],
        "passed_over": _some(data.reading.passed_over),
        "remarks": _some(data.reading.remarks),
    }
    if not is_public:
        document |= {"repeated": asdict(data.repeats), "notes": list(_odd(data))}
    return document


def _names(data: ImageData) -> tuple[str, ...]:
    return tuple(map(str, data.class_names)) or ("",) * data.num_classes


def _counts(data: ImageData) -> tuple[list[int], list[int]]:
    """Return the number of images of each class in training, and in test."""
    train, test = (
        torch.bincount(labels, minlength=data.num_classes).tolist()
        for labels in (data.train_labels, data.test_labels)
    )
    return train, test


def _classes(data: ImageData) -> str:
    train, test = _counts(data)
    shown = [
        f"{number} {name} ({train[number]:,} + {test[number]:,})".replace("  ", " ")
        for number, name in enumerate(_names(data))
    ]
    if len(shown) <= _CLASSES_SHOWN:
        return ", ".join(shown)
    return f"{listed(shown, _CLASSES_SHOWN)}; {min(train):,} to {max(train):,} of train each"


def _files(groups: Mapping[str, tuple[str, ...]]) -> list[str]:
    return [f"{reason}: {len(names):,} ({listed(names, _FILES_SHOWN)})" for reason, names in groups.items()]


def _some(groups: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    return {reason: {"count": len(names), "first": names[:_FILES_KEPT]} for reason, names in groups.items()}


def _odd(data: ImageData) -> Iterator[str]:
    """Yield what nobody told, and the pixels and labels show."""
    _, test = _counts(data)
    names = _names(data)
    if missing := [f"{number} {names[number]}".strip() for number, count in enumerate(test) if count == 0]:
        yield f"no test image of {listed(missing)}"
    repeats = data.repeats
    if repeats.test_in_train:
        yield f"test images that are in train, too, pixel by pixel: {repeats.test_in_train:,}"
    if repeats.under_two_labels:
        yield f"images that are there under more than one label: {repeats.under_two_labels:,}"
    for split, count in (("train", repeats.in_train), ("test", repeats.in_test)):
        if count:
            yield f"{split} images that repeat another one: {count:,}"
    for split in SPLITS:
        if count := _blank(getattr(data, f"{split}_images")):
            yield f"{split} images of one value all over: {count:,}"
    (low, high), (test_low, test_high) = map(_range, (data.train_images, data.test_images))
    if _is_other_scale(high - low, test_high - test_low):
        yield f"values of test lie in {test_low:g}…{test_high:g}, those of train in {low:g}…{high:g}"


def _blank(images: Tensor) -> int:
    """Return how many images have the same value at every pixel of a channel."""
    flat = images.flatten(2)
    return int((flat.amax(2) == flat.amin(2)).all(1).sum())


def _range(images: Tensor) -> tuple[float, float]:
    low, high = images.aminmax()
    return float(low), float(high)


def _is_other_scale(one: float, other: float) -> bool:
    return max(one, other) > _OTHER_SCALE * min(one, other)
