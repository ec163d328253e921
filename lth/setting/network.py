"""What determines a network's shape: its name, its inputs and its outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

from lth.errors import InputError

Shape: TypeAlias = tuple[int, ...]

FLOATS, WHOLE, TRUTH = "float32", "int64", "bool"
_TYPES = (FLOATS, WHOLE, TRUTH)


@dataclass(frozen=True)
class NetworkSpec:
    """Everything that determines a network's shape.

    Of several inputs an example, shapes and types are in the order that the network is called with, and names
    those of its arguments; without names they are called by position.
    """

    name: str
    input_shape: Shape | tuple[Shape, ...]  # of an example: of images (channels, height, width)
    num_classes: int  # or outputs, where those are no classes
    input_types: tuple[str, ...] = (FLOATS,)
    input_names: tuple[str, ...] = ()
    output_shape: Shape = ()  # of an example, where it is not (num_classes,)

    def __post_init__(self) -> None:
        sizes = [size for shape in self.shapes for size in shape]
        if not self.input_shape or any(
            type(size) is not int or size < 1 for size in (*sizes, self.num_classes)
        ):
            raise InputError(
                f"input_shape={self.input_shape}, num_classes={self.num_classes}: sizes are positive integers"
            )
        if len(self.input_types) != len(self.shapes) or set(self.input_types) - set(_TYPES):
            raise InputError(f"input_types={self.input_types} are not one of {', '.join(_TYPES)} an input")

    @property
    def is_of_one(self) -> bool:
        """Whether an example has one input."""
        return not self.input_names and all(isinstance(size, int) for size in self.input_shape)

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """The shape of every input of an example."""
        if self.is_of_one:
            return (self.input_shape,)  # type: ignore[return-value]
        return self.input_shape  # type: ignore[return-value]

    @property
    def given_shape(self) -> Shape | tuple[Shape, ...] | dict[str, Shape]:
        """What a function of the user's is told of the inputs: a shape, several, or several by name."""
        return dict(zip(self.input_names, self.shapes, strict=True)) if self.input_names else self.input_shape

    @property
    def is_of_images(self) -> bool:
        """Whether an example is one image, (channels, height, width)."""
        return self.is_of_one and len(self.input_shape) == 3 and self.input_types == (FLOATS,)

    @property
    def outputs(self) -> Shape:
        """The shape of an example's output."""
        return self.output_shape or (self.num_classes,)

    def as_json(self) -> dict[str, object]:
        """Return a JSON object whose fields build this spec again; what is as of images is left out."""
        unusual = {
            "input_types": list(self.input_types),
            "input_names": list(self.input_names),
            "output_shape": list(self.output_shape),
        }
        usual: dict[str, list[object]] = {"input_types": [FLOATS], "input_names": [], "output_shape": []}
        said = {name: value for name, value in unusual.items() if value != usual[name]}
        known = {name: value for name, value in asdict(self).items() if name not in unusual}
        shape = list(self.input_shape) if self.is_of_one else [list(shape) for shape in self.shapes]
        return {**known, "input_shape": shape, **said}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> NetworkSpec:
        """Return the spec that `as_json` wrote.

        Raises:
            ValueError: If a field is of the wrong type or out of range.
            KeyError: If a field is missing.
        """
        name, shape = content["name"], content["input_shape"]
        if not isinstance(name, str) or not isinstance(shape, list) or not shape:
            raise InputError(f"{dict(content)} does not describe a network")
        return cls(
            name,
            tuple(tuple(part) if isinstance(part, list) else part for part in shape),
            content["num_classes"],
            tuple(content.get("input_types", [FLOATS])),
            tuple(content.get("input_names", [])),
            tuple(content.get("output_shape", [])),
        )
