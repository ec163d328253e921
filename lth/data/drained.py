"""A user's `torch.utils.data` as a data set in memory: every example is read once, in order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, RandomSampler, default_collate

from lth.bar import progress
from lth.data.examples import Examples
from lth.data.tensors import TensorData
from lth.errors import InputError
from lth.inputs import each, mapped
from lth.randomness import global_stream
from lth.setting.own_fault import own_faults

_BATCH = 256
_TARGETS = ("labels", "label", "targets", "target", "y")  # what a batch that is a dict calls them

Source = Dataset[Any] | DataLoader[Any]


def is_source(value: object) -> bool:
    """Return whether examples can be read from it one by one."""
    return isinstance(value, Dataset | DataLoader)


def drained(name: str, train: Source, test: Source, *, source: str = "") -> TensorData:
    """Return all examples of two data sets or loaders, training and test.

    A loader is read in the order of its data set, whatever its shuffling, and not by batches of its own size.
    What is drawn on the way, such as by a random transform, is drawn once and the same each time: train with
    `augmentation`, or on several passes over the data.

    An example is `(input, target)`, `(input, …, target)` or a dict with `labels` among others; inputs may
    themselves be tuples or dicts of tensors.

    Args:
        name: Of the data set.
        train: What is trained on.
        test: What is tested with.
        source: Where it is from.

    Raises:
        ValueError: If examples are of several shapes, or name no target.

    Example:
        >>> from torch.utils.data import TensorDataset
        >>> pairs = TensorDataset(torch.arange(6.0).reshape(3, 2), torch.tensor([0, 1, 0]))
        >>> drained("pairs", pairs, DataLoader(pairs, batch_size=2, shuffle=True)).test_labels.tolist()
        [0, 1, 0]
    """
    held: list[tuple[Any, Any]] = []
    for split, given in (("train", train), ("test", test)):
        raised = f"{name}, {split} split: reading an example raised"
        with global_stream(0, "drained", split), own_faults(raised):
            held.append(_all_of(given, f"{name}, {split} split"))
    return TensorData(name, *held[0], *held[1], source or "torch.utils.data")


def examples_of(data: object) -> Examples:
    """Return examples as a model is called with them, of `(inputs, targets)`, a data set or a loader.

    Raises:
        ValueError: If it is none of that.
    """
    if isinstance(data, Examples):
        return data
    if is_source(data):
        with global_stream(0, "drained", "data"):
            inputs, targets = _all_of(data, "the data")  # type: ignore[arg-type]
    elif isinstance(data, tuple | list) and len(data) == 2 and isinstance(data[1], Tensor):
        inputs, targets = data
    else:
        raise InputError(
            f"data is a {type(data).__name__}; expected (inputs, targets), or a torch.utils.data data set or "
            "loader"
        )
    for name, tensor in each(inputs):
        if len(tensor) != len(targets):
            said = f"input {name}".rstrip()
            raise InputError(f"{said} holds {len(tensor)} examples, and there are {len(targets)} targets")
    if len(targets) == 0:
        raise InputError("the data: there is no example; give at least one")
    nothing = mapped(lambda _tensor: None, inputs)
    return Examples(inputs, targets, nothing, nothing)


def _all_of(given: Source, where: str) -> tuple[Any, Any]:
    """Return inputs and targets of every example."""
    batches = [_parted(batch, where) for batch in progress(_in_order(given), f"reading {where}")]
    if not batches:
        raise InputError(f"{where}: there is no example; give at least one")
    inputs, targets = zip(*batches, strict=True)
    return _joined(inputs, where), _joined(targets, where)


def _in_order(given: Source) -> Iterable[Any]:
    """Return batches of all examples, in an order that is the same each time."""
    if not isinstance(given, DataLoader):
        return DataLoader(given, batch_size=_BATCH)
    plain = isinstance(given.sampler, RandomSampler) and not given.sampler.replacement
    if isinstance(given.dataset, IterableDataset) or not (plain or given.batch_size is None or given.drop_last):
        return given
    collate = given.collate_fn if given.batch_size is not None else default_collate
    return DataLoader(
        given.dataset, batch_size=_BATCH, collate_fn=collate, num_workers=given.num_workers, drop_last=False
    )


def _parted(batch: Any, where: str) -> tuple[Any, Tensor]:
    """Return inputs and targets of a batch."""
    if isinstance(batch, Mapping):
        for called in _TARGETS:
            if called in batch and len(batch) > 1:
                rest = {name: value for name, value in batch.items() if name != called}
                return rest, torch.as_tensor(batch[called])
        raise InputError(
            f"{where}: an example holds {', '.join(map(str, batch))}, none of it `labels`; name it so"
        )
    if not isinstance(batch, list | tuple) or len(batch) < 2:
        raise InputError(f"{where}: an example is one {type(batch).__name__}; expected (input, target)")
    *inputs, targets = batch
    only = inputs[0] if len(inputs) == 1 else tuple(inputs)
    return tuple(only) if isinstance(only, list) else only, torch.as_tensor(targets)


def _joined(parts: tuple[Any, ...], where: str) -> Any:
    """Return batches one after the other, in their structure."""
    first = parts[0]
    if isinstance(first, Mapping):
        return {name: _joined(tuple(part[name] for part in parts), where) for name in first}
    if isinstance(first, tuple):
        return tuple(_joined(each, where) for each in zip(*parts, strict=True))
    tensors = [torch.as_tensor(part) for part in parts]
    shapes = {tuple(tensor.shape[1:]) for tensor in tensors}
    if len(shapes) > 1:
        raise InputError(
            f"{where}: examples are of several shapes, {sorted(shapes)[:3]}; pad or cut them to one"
        )
    return torch.cat(tensors)
