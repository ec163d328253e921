"""The content key of every task of a study: what determines its result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lth.key import content_key
from lth.network import NetworkSpec
from lth.setting import Setting, spelled
from lth.solution import Kind


@dataclass(frozen=True)
class TaskKeys:
    """Keys under one setting, data set and network.

    Where a file lies, which device computes and how many levels are wanted do not enter: they do not
    determine a result (a device changes only its rounding).
    """

    setting: Setting
    spec: NetworkSpec
    data_digest: str
    network_code: str | None = None  # digest of the user's own code; None for a network of ours
    given: tuple[str, ...] = ()  # keys of w(0), w(1), … that are taken from elsewhere

    def solution(self, kind: Kind, level: int) -> str:
        """Return the key of a solution; the level before is its parent."""
        if kind == "imp" and level < len(self.given):
            return self.given[level]
        training = self._training()
        if kind != "fine_tune":
            training = {name: value for name, value in training.items() if not name.startswith("fine_tune")}
        content: dict[str, Any] = {"task": kind, "level": level, **self._common(), "training": training}
        if level > 0:
            content["prune_fraction"] = str(self.setting.pruning.prune_fraction)
            content["parent"] = self.solution("imp", level - 1)
        return content_key(content)

    def ancestors(self, level: int) -> tuple[str, ...]:
        """Return the keys of w(0), …, w(level-1)."""
        return tuple(self.solution("imp", lower) for lower in range(level))

    def analysis(self, level: int) -> str:
        """Return the key of the analysis of a level."""
        return content_key(
            {
                "task": "analysis",
                "solution": self.solution("imp", level),
                **self._common(),
                "analysis": self._analysis("k", "hessian_examples", "directions", "direction_norm")
                | self._analysis("cutoff_margin", "points"),
            }
        )

    def surface(self, level: int, drawn: Mapping[str, str]) -> str:
        """Return the key of the surface at a level with the solutions drawn on it, key by name."""
        return content_key(
            {
                "task": "surface",
                "level": level,
                "drawn": dict(drawn),
                **self._common(),
                "analysis": self._analysis("hessian_examples", "grid"),
            }
        )

    def study(self) -> str:
        """Return the key of the study as a whole, the parent of all its runs."""
        content = {"task": "study", **self._common(), "training": self._training(), "given": self.given}
        return content_key({**content, "prune_fraction": str(self.setting.pruning.prune_fraction)})

    def _common(self) -> dict[str, Any]:
        return {
            "seed": self.setting.seed,
            "network": self.spec.as_json(),
            "network_code": self.network_code,
            "data_digest": self.data_digest,
            "train_examples": str(self.setting.data.train_examples),
            "augmentation": self.setting.data.augmentation,
        }

    def _training(self) -> dict[str, Any]:
        return dict(spelled(self.setting.training))

    def _analysis(self, *names: str) -> dict[str, Any]:
        analysis = spelled(self.setting.analysis)
        return {name: analysis[name] for name in names}
