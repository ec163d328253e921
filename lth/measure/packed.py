"""Frozen results on disk: named dataclasses of numbers and arrays in one `.npz`, read without running code."""

from __future__ import annotations

import dataclasses
import io
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, get_origin, get_type_hints

import numpy as np

from lth.errors import InputError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Result = TypeVar("Result", bound="DataclassInstance")
Named = TypeVar("Named")


class PackedResultError(InputError):
    """A file does not hold the results it should."""


def pack(results: Mapping[str, DataclassInstance]) -> bytes:
    """Return the fields of each result as arrays named `result.field`, compressed.

    Fields are arrays, numbers, booleans, texts or tuples of texts; floats keep every bit.

    Raises:
        TypeError: If a field is anything else.
    """
    arrays = {
        f"{name}.{field}": np.asarray(value)
        for name, result in results.items()
        for field, value in vars(result).items()
    }
    for name, array in arrays.items():
        if array.dtype.hasobject:
            raise TypeError(f"{name} is neither an array, a number, a text nor a tuple of texts")
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)  # type: ignore[arg-type]
    return content.getvalue()


# What numpy, zipfile and zlib raise on damage: a flipped bit may claim encryption, an unknown compression, an
# array larger than memory, or that the archive is a single array.
_DAMAGE = (
    ValueError,
    OSError,
    EOFError,
    KeyError,
    TypeError,
    SyntaxError,
    RuntimeError,
    MemoryError,
    zipfile.BadZipFile,
    zlib.error,
)


class Packed:
    """The content of what `pack` wrote.

    Raises:
        PackedResultError: If the bytes are damaged or hold anything but plain arrays.
    """

    def __init__(self, content: bytes) -> None:
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as archive:  # noqa: TID251
                self._arrays = {name: _array(archive[name]) for name in archive.files}
        except _DAMAGE as error:
            raise PackedResultError(f"the results are damaged ({error})") from error

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the results, in the order they were packed in."""
        return tuple(dict.fromkeys(name.rpartition(".")[0] for name in self._arrays))

    def read(self, kind: type[Result], name: str) -> Result:
        """Return the result called `name`; a field that was not stored yet then has its default.

        Raises:
            PackedResultError: If it is not there, or its fields are not those of `kind`.
        """
        types = get_type_hints(kind)
        wanted = {field.name: types[field.name] for field in dataclasses.fields(kind)}
        found = {
            field for field in (full.removeprefix(f"{name}.") for full in self._arrays) if "." not in field
        }
        required = {field.name for field in dataclasses.fields(kind) if field.default is dataclasses.MISSING}
        if not required <= found:
            missing = ", ".join(sorted(required - found))
            raise PackedResultError(f"{name} lacks {missing} of a {kind.__name__}")
        return kind(
            **{
                field: _restore(f"{name}.{field}", self._arrays[f"{name}.{field}"], type_)
                for field, type_ in wanted.items()
                if field in found
            }
        )

    @staticmethod
    def keyed(names: Iterable[str], by_name: Mapping[str, Named]) -> tuple[Named, ...]:
        """Return what stored names stand for.

        Args:
            names: As they were stored.
            by_name: All that was measured.

        Raises:
            PackedResultError: If a name stands for nothing that was measured.
        """
        try:
            return tuple(by_name[name] for name in names)
        except KeyError as error:
            raise PackedResultError(f"the results name {error}, which was not to be measured") from error


def _array(found: object) -> np.ndarray:
    if not isinstance(found, np.ndarray):  # numpy returns a member that is no array as its bytes
        raise InputError("a member is no array")
    return found


def _restore(name: str, array: np.ndarray, type_: Any) -> Any:
    if type_ is np.ndarray:
        return array
    is_tuple = get_origin(type_) is tuple
    if array.ndim != is_tuple:
        expected = type_ if is_tuple else type_.__name__
        raise PackedResultError(f"{name} has shape {array.shape} where a {expected} is expected")
    return tuple(array.tolist()) if is_tuple else array.item()
