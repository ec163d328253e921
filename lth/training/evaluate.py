"""Mean loss and metric of given weights on given examples, BatchNorm in evaluation mode."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor, nn

from lth.data import Examples
from lth.inputs import Inputs, split
from lth.network.folded import Folded
from lth.network.weights import Weights
from lth.training.determinism import repeatable
from lth.training.objective import CROSS_ENTROPY, Objective
from lth.training.precision import Format, full_float32
from lth.training.threads import threads, threads_for

# On a CPU the activations of 128 images stay in the cache: ResNet-20 ran 1.2 times as fast as in 500s.
# A GPU wants to be kept busy; beyond 1,000 it gains nothing (ResNet-20 on an H100).
BATCH = {"cpu": 128, "cuda": 1000}


@dataclass(frozen=True)
class Evaluation:
    """Mean training loss an example, of cross-entropy in nats, and the mean of the metric beside it."""

    loss: float
    accuracy: float  # by default the share of examples classified right, in [0, 1]

    @property
    def error(self) -> float:
        """What the metric lacks to 1; of accuracy, the share of examples classified wrong."""
        return 1 - self.accuracy


class Evaluator:
    """Evaluates any weights of one network on one set of examples.

    The network is copied, so that the caller's is neither read nor changed afterwards.

    Args:
        network: Gives the structure.
        examples: What to take the mean over, on the device to compute on.
        precision: Format of the products; logits become float64 before their loss is taken.
        batch_size: By default what suits the device.
        together: Points whose weights go through one forward pass in `many`; by default as many as keep a GPU
            busy that one point's examples would not. A CPU takes one after the other: ResNet-20 ran twice as
            fast as with the weights of four points at once.
        objective: The loss and the metric.
    """

    def __init__(
        self,
        network: nn.Module,
        examples: Examples,
        *,
        precision: Format = "fp32",
        batch_size: int | None = None,
        together: int | None = None,
        objective: Objective = CROSS_ENTROPY,
    ) -> None:
        self._device = examples.labels.device
        self._bf16 = precision == "bf16"
        self._network = Folded(network, self._device, torch.bfloat16 if self._bf16 else torch.float32)
        self._examples = examples
        self._objective = objective
        self._score = objective.scorer(examples.labels)
        self._threads = threads_for(network, examples)
        size = batch_size if batch_size is not None else BATCH[self._device.type]
        filled = BATCH["cuda"] // max(1, min(size, len(examples))) if self._device.type == "cuda" else 1
        self._together = max(1, filled if together is None else together) if self._network.is_folded else 1
        self._batches = list(zip(split(examples.images, size), torch.split(examples.labels, size), strict=True))

    def __call__(self, weights: Weights) -> Evaluation:
        """Return loss and metric; sums are taken in float64. Not-finite losses are returned as they are."""
        (evaluation,) = self.many([weights])
        return evaluation

    @torch.no_grad()
    def many(self, points: Iterable[Weights]) -> list[Evaluation]:
        """Return the same of several points, each made when its turn comes; a GPU is waited for once."""
        every, totals = iter(points), []
        while group := [self._network.state(weights) for weights in islice(every, self._together)]:
            totals += [self._totals(group[0])] if len(group) == 1 else self._totals_together(group)
        if not totals:
            return []
        losses, scores = (torch.stack(column).tolist() for column in zip(*totals, strict=True))
        count = len(self._examples)
        return [Evaluation(loss / count, score / count) for loss, score in zip(losses, scores, strict=True)]

    def _totals(self, state: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return the sums of loss and metric over all examples."""
        ((loss, score),) = self._summed(lambda images: self._network(state, images)[None], 1)
        return loss, score

    def _totals_together(self, states: list[dict[str, Tensor]]) -> list[tuple[Tensor, Tensor]]:
        """Return the same of several states, whose products are one for all."""
        stacked = {name: torch.stack([state[name] for state in states]) for name in states[0]}

        def logits(images: Inputs) -> Tensor:
            return torch.vmap(lambda state: self._network(state, images))(stacked)

        return self._summed(logits, len(states))

    def _summed(self, logits: Callable[[Inputs], Tensor], count: int) -> list[tuple[Tensor, Tensor]]:
        losses = [torch.zeros((), dtype=torch.float64, device=self._device) for _ in range(count)]
        scores = [torch.zeros((), dtype=torch.int64, device=self._device) for _ in range(count)]
        with (
            repeatable(self._device),
            threads(self._threads),
            full_float32(),
            torch.autocast(self._device.type, torch.bfloat16, enabled=self._bf16),
        ):
            for images, labels in self._batches:
                for index, found in enumerate(logits(self._examples.normalise(images))):
                    losses[index] += self._objective.total(found.double(), labels)
                    scores[index] = scores[index] + self._score(found, labels)
        return list(zip(losses, scores, strict=True))
