"""The loss that a network is trained on and measured in, and the metric that is read beside it.

Every loss is a mean over examples of a value an example, so that chunks and shares of the examples add up
exactly. Training, evaluation, curvature, radii, lines and surfaces are handed the same objective.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from lth.data.tensors import IGNORED
from lth.errors import InputError
from lth.setting.choice import value_hint
from lth.setting.own_fault import own_faults
from lth.setting.parameter import LOSSES
from lth.setting.reference import is_reference, load_reference
from lth.setting.setting import TrainingSetting

Scorer = Callable[[Tensor, Tensor], Tensor]  # from outputs and targets to the sum of the metric


@dataclass(frozen=True)
class Objective:
    """What is minimised, a mean over examples, and what is counted.

        cross_entropy    of classes; where an example has several targets (tokens), the mean over them, classes
                         along the last axis of the outputs, targets of -100 left out
        mse              mean over the outputs of an example of (output - target)²; a class is one-hot
        own function     of outputs and targets, a value an example

    Example:
        >>> import torch
        >>> outputs = torch.tensor([[1.0, 3.0], [0.0, 0.0]])
        >>> mse = Objective("mse")
        >>> mse.each(outputs, torch.tensor([[1.0, 1.0], [0.0, 0.0]])).tolist()
        [2.0, 0.0]
        >>> float(mse.mean(outputs, torch.tensor([[1.0, 1.0], [0.0, 0.0]])))
        1.0
    """

    loss: str | Scorer = "cross_entropy"
    label_smoothing: float = 0.0
    metric: str = "auto"

    @property
    def is_own(self) -> bool:
        """Whether a function of the user's makes the loss."""
        return not isinstance(self.loss, str) or is_reference(self.loss)

    def mean(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean loss of these examples, ()."""
        if self._is_plain(targets):
            return cross_entropy(outputs, targets, label_smoothing=self.label_smoothing)
        return self.each(outputs, targets).mean()

    def total(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the sum of the losses of these examples, ()."""
        if self._is_plain(targets):
            return cross_entropy(outputs, targets, reduction="sum", label_smoothing=self.label_smoothing)
        return self.each(outputs, targets).sum()

    def each(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of every example, (n,).

        Raises:
            ValueError: If targets and outputs do not fit each other, or a function of the user's returns
                anything else.
        """
        if self.loss == "cross_entropy":
            return self._cross_entropies(outputs, targets)
        if self.loss == "mse":
            return _by_example((outputs - _as_outputs(outputs, targets)).square())
        return _called("loss", self.loss, outputs, targets)

    def _is_plain(self, targets: Tensor) -> bool:
        return self.loss == "cross_entropy" and targets.ndim == 1

    def _cross_entropies(self, outputs: Tensor, targets: Tensor) -> Tensor:
        smoothing = self.label_smoothing
        if targets.ndim == 1:
            return cross_entropy(outputs, targets, reduction="none", label_smoothing=smoothing)
        rows, flat = outputs.reshape(-1, outputs.shape[-1]), targets.reshape(-1)
        losses = cross_entropy(rows, flat, reduction="none", label_smoothing=smoothing, ignore_index=IGNORED)
        counted = (targets != IGNORED).flatten(1).sum(1).clamp_min(1)
        return losses.reshape(targets.shape).flatten(1).sum(1) / counted

    def scorer(self, targets: Tensor) -> Scorer:
        """Return what sums the metric over some of the examples that have these targets."""
        name = self.metric_of(targets)
        if name == "accuracy":
            return _num_correct
        if name == "r2":
            spread = _variance(targets)
            return lambda outputs, some: (1 - Objective("mse").each(outputs.double(), some) / spread).sum()
        return lambda outputs, some: _called("metric", name, outputs, some).double().sum()

    def metric_of(self, targets: Tensor) -> str:
        """Return the metric: of `auto`, the accuracy of classes, and r2 of all else."""
        if self.metric != "auto":
            return self.metric
        return "r2" if targets.is_floating_point() else "accuracy"

    def check(self, targets: Tensor) -> None:
        """Check that the targets of a data set are such as the loss and the metric take.

        Raises:
            ValueError: If they are not.
        """
        if targets.is_floating_point() and self.loss == "cross_entropy":
            raise InputError(
                f"loss=cross_entropy is of classes, and the targets are {targets.dtype}; choose loss=mse, or a "
                "function of your own (loss=package.module:function)"
            )
        if targets.is_floating_point() and self.metric == "accuracy":
            raise InputError(
                f"metric=accuracy is of classes, and the targets are {targets.dtype}; choose metric=r2"
            )
        if not targets.is_floating_point() and self.metric == "r2":
            raise InputError("metric=r2 is of numbers, and the targets are classes; choose metric=accuracy")


CROSS_ENTROPY = Objective()


def told(metric: str, value: float, digits: int = 2) -> str:
    """Return a metric and its value as a person reads them, a share in percent with so many digits.

    Example:
        >>> told("accuracy", 0.97222), told("r2", 0.9312), told("mine.scores:mean_error", 3.0)
        ('accuracy 97.22%', 'R² 0.9312', 'mean_error 3')
    """
    if metric == "accuracy":
        return f"accuracy {value:.{digits}%}"
    return f"{'R²' if metric == 'r2' else metric.rpartition(':')[2]} {value:.{digits + 2}g}"


def objective_like(loss: str | Scorer | nn.Module | Objective, metric: str = "auto") -> Objective:
    """Return the objective of a loss by name, by a function or by a module of torch's.

    A module that takes a mean by itself is asked for its values; those of an example are averaged.

    Raises:
        ValueError: If its mean is no mean over examples, as that of weighted classes is not, or it is unknown.

    Example:
        >>> import torch
        >>> targets = torch.tensor([[1.0, 0.0], [1.0, 1.0]])
        >>> objective_like(nn.MSELoss()).each(torch.zeros(2, 2), targets).tolist()
        [0.5, 1.0]
    """
    if isinstance(loss, Objective):
        return loss
    if isinstance(loss, str):
        if loss not in LOSSES and not is_reference(loss):
            hint = value_hint(loss, LOSSES, "loss")
            raise InputError(
                f"loss={loss!r} is unknown; choose one of {', '.join(LOSSES)}, or a function{hint}"
            )
        return Objective(loss, metric=metric)
    if isinstance(loss, nn.CrossEntropyLoss) and loss.weight is None and loss.ignore_index == IGNORED:
        return Objective(label_smoothing=loss.label_smoothing, metric=metric)
    if isinstance(loss, nn.Module) and hasattr(loss, "reduction"):
        if getattr(loss, "weight", None) is not None:
            raise InputError(
                f"{type(loss).__name__} has weights, so that its mean is none over examples; write a function "
                "of outputs and targets that returns a value an example"
            )
        values = copy.copy(loss)
        setattr(values, "reduction", "none")  # noqa: B010 - a module's attributes have no types
        return Objective(lambda outputs, targets: _by_example(values(outputs, targets)), metric=metric)
    return Objective(loss, metric=metric)


def _by_example(values: Tensor) -> Tensor:
    return values.flatten(1).mean(1) if values.ndim > 1 else values


def objective_of(training: TrainingSetting) -> Objective:
    """Return the objective of a training, as a user writes it."""
    return Objective(training.loss, training.label_smoothing, training.metric)


def _as_outputs(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return targets in shape and type of the outputs; classes as one-hot vectors.

    Raises:
        ValueError: If they have no such form: broadcasting would compare every target with every output.
    """
    if not targets.is_floating_point() and outputs.ndim == targets.ndim + 1:
        return one_hot(targets, outputs.shape[-1]).to(outputs.dtype)
    if targets.numel() != outputs.numel() or len(targets) != len(outputs):
        raise InputError(
            f"outputs are {tuple(outputs.shape)} and targets {tuple(targets.shape)}; loss=mse compares as many"
        )
    return targets.reshape(outputs.shape).to(outputs.dtype)


def _num_correct(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return how many classes are right, (); of several an example, the share of them, summed over examples."""
    if targets.ndim == 1:
        return (outputs.argmax(dim=1) == targets).sum()
    right = (outputs.argmax(dim=-1) == targets).flatten(1).double().sum(1)
    return (right / (targets != IGNORED).flatten(1).sum(1).clamp_min(1)).sum()


def _variance(targets: Tensor) -> float:
    """Return the mean over outputs of their variance over examples; 1 where they do not vary."""
    values = targets.double().flatten(1) if targets.ndim > 1 else targets.double()[:, None]
    return float(values.var(dim=0, correction=0).mean()) or 1.0


def _called(what: str, name: str | Scorer, outputs: Tensor, targets: Tensor) -> Tensor:
    """Return what a function of the user's makes of every example, (n,)."""
    function = load_reference(name) if isinstance(name, str) else name
    name = name if isinstance(name, str) else getattr(name, "__name__", type(name).__name__)
    with own_faults(f"{what}={name} raised", name):
        values = function(outputs, targets)
    if not isinstance(values, Tensor) or values.shape != (len(targets),):
        found = tuple(values.shape) if isinstance(values, Tensor) else f"a {type(values).__name__}"
        raise InputError(
            f"{what}={name} returned {found} for {len(targets)} examples; return a value an example, "
            f"({len(targets)},): reduction='none', and the mean over all axes but the first"
        )
    return values
