"""Loss and error along the straight line between two solutions, and the barrier on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from lth.bar import progress
from lth.brief import brief
from lth.errors import InputError
from lth.network.weights import Weights, affine_combination
from lth.training.evaluate import Evaluation


@dataclass(frozen=True)
class Interpolation:
    """Evaluations at (1-α) a + α b."""

    alphas: np.ndarray  # (points,), evenly spaced, both ends included
    train_loss: np.ndarray  # (points,), nats an example
    train_error: np.ndarray  # (points,), share of examples
    test_loss: np.ndarray
    test_error: np.ndarray

    __repr__ = brief

    @property
    def is_finite(self) -> bool:
        """Whether every loss on the line is finite."""
        return self.num_not_finite == 0

    @property
    def num_not_finite(self) -> int:
        """At how many points a loss is not finite, so that the line has no barrier."""
        return int((~(np.isfinite(self.train_loss) & np.isfinite(self.test_loss))).sum())

    @property
    def barrier_loss(self) -> float:
        """Barrier of the training loss, nats an example."""
        return barrier(self.train_loss)

    @property
    def barrier_error(self) -> float:
        """Barrier of the test error, share of examples."""
        return barrier(self.test_error)


def interpolate(
    train: Callable[[Weights], Evaluation],
    test: Callable[[Weights], Evaluation],
    start: Weights,
    end: Weights,
    points: int,
    *,
    restate: Callable[[Weights], Weights] | None = None,
    known: Mapping[float, tuple[Evaluation, Evaluation]] = MappingProxyType({}),
    label: str = "line",
) -> Interpolation:
    """Evaluate `points` evenly spaced points of the line from `start` to `end`.

    The ends are bit-equal to the two solutions, so their losses are those that were logged in training.

    Args:
        train: Loss and accuracy on the training examples.
        test: The same on the test examples.
        start: a, at α = 0.
        end: b, at α = 1.
        points: Both ends included.
        restate: Replaces the BatchNorm statistics at each point (`lth.training.batchnorm`). Without it they are
            interpolated like the weights.
        known: Evaluations on training and test examples that need not be taken again, by α.
        label: What the progress bar says.

    Raises:
        ValueError: If `points` is below 2.

    Example:
        Between the minima of (w² - 1)², at -1 and 1, the loss rises to 1.

        >>> import torch
        >>> def double_well(weights: Weights) -> Evaluation:
        ...     return Evaluation(loss=(float(weights.parameters["w"]) ** 2 - 1) ** 2, accuracy=1.0)
        >>> start, end = (Weights({"w": torch.tensor(w)}, {}) for w in (-1.0, 1.0))
        >>> interpolate(double_well, double_well, start, end, points=5).barrier_loss
        1.0
    """
    if points < 2:
        raise InputError(f"a line needs at least 2 points, got {points}")
    alphas = np.linspace(0, 1, points)
    evaluations = []
    for alpha in progress(alphas, label, unit="point"):
        if float(alpha) in known:
            evaluations.append(known[float(alpha)])
            continue
        weights = affine_combination([start, end], [1 - float(alpha), float(alpha)])
        if restate is not None:
            weights = restate(weights)
        evaluations.append((train(weights), test(weights)))
    return Interpolation(
        alphas=alphas,
        train_loss=np.array([on_train.loss for on_train, _ in evaluations]),
        train_error=np.array([on_train.error for on_train, _ in evaluations]),
        test_loss=np.array([on_test.loss for _, on_test in evaluations]),
        test_error=np.array([on_test.error for _, on_test in evaluations]),
    )


def barrier(values: np.ndarray) -> float:
    """Return the greatest height of a path above the chord between its ends.

    B = max_k [v_k - (1 - a_k) v_0 - a_k v_{K-1}], a_k = k / (K - 1).

    Args:
        values: At K >= 2 evenly spaced points, both ends included, (K,).

    Returns:
        B in the unit of `values`; at least 0, because both ends lie on the chord.

    Raises:
        ValueError: If K < 2 or a value is not finite.

    Source: arXiv 2110.06296. `barrier_over_mean` is the form of arXiv 1912.05671.

    Example:
        >>> barrier(np.array([0.0, 3.0, 2.0]))  # half way the chord is at 1
        2.0
    """
    _check_path(values)
    return max(0.0, rise(values)) if len(values) > 2 else 0.0


def rise(values: np.ndarray) -> float:
    """Return the greatest height over the chord between the ends of a path, strictly between them.

    It is the barrier where that is above zero, and says by how much a path without one stays under its chord.

    Raises:
        ValueError: If there is no point between the ends, or a value is not finite.

    Example:
        >>> rise(np.array([0.0, 0.5, 2.0]))  # half way the chord is at 1
        -0.5
    """
    _check_path(values)
    if len(values) < 3:
        raise InputError(f"a path of {len(values)} points has none between its ends; take at least 3")
    position = np.linspace(0, 1, len(values))
    chord = (1 - position) * values[0] + position * values[-1]
    return float((values - chord)[1:-1].max())


def barrier_over_mean(values: np.ndarray) -> float:
    """Return the maximum of a path minus the mean of its two ends (Frankle et al. 2020, arXiv 1912.05671).

    Raises:
        ValueError: If there are fewer than two values, or one is not finite.

    Example:
        >>> barrier_over_mean(np.array([0.0, 0.5, 2.0]))  # of the same path `barrier` is 0
        1.0
    """
    _check_path(values)
    return float(values.max() - (values[0] + values[-1]) / 2)


def _check_path(values: np.ndarray) -> None:
    if values.ndim != 1 or len(values) < 2:
        raise InputError(f"a path is a vector of at least 2 values, got shape {values.shape}")
    if not np.isfinite(values).all():
        first = int((~np.isfinite(values)).nonzero()[0][0])
        raise InputError(f"the value at point {first} of the path is {values[first]}; check both ends")
