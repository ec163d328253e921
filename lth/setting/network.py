"""What determines a network's shape: its name, its inputs and its classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from lth.errors import InputError


@dataclass(frozen=True)
class NetworkSpec:
    """Everything that determines a network's shape."""

    name: str
    input_shape: tuple[int, int, int]  # (channels, height, width)
    num_classes: int

    def __post_init__(self) -> None:
        if any(type(size) is not int or size < 1 for size in (*self.input_shape, self.num_classes)):
            raise InputError(
                f"input_shape={self.input_shape}, num_classes={self.num_classes}: sizes are positive integers"
            )

    def as_json(self) -> dict[str, object]:
        """Return a JSON object whose fields build this spec again."""
        return {**asdict(self), "input_shape": list(self.input_shape)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> NetworkSpec:
        """Return the spec that `as_json` wrote.

        Raises:
            ValueError: If a field is of the wrong type or out of range.
            KeyError: If a field is missing.
        """
        name, shape = content["name"], content["input_shape"]
        if not isinstance(name, str) or not isinstance(shape, list) or len(shape) != 3:
            raise InputError(f"{dict(content)} does not describe a network")
        return cls(name, (shape[0], shape[1], shape[2]), content["num_classes"])
