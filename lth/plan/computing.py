"""What a study's trainings compute in, once `auto` is resolved on the device that does it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Computing:
    """The format of a training's products, and whether its step is compiled: one decision for a whole study."""

    precision: Literal["fp32", "bf16"]
    compiled: bool

    def written(self) -> dict[str, str]:
        """Return the parameters it decides, as a user would ask for just this."""
        return {"precision": self.precision, "compile": "on" if self.compiled else "off"}
