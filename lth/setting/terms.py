"""How a study's loss and metric are called, and in which units: what figures, tables and messages say of them.

A report is of one loss and one metric. What draws it, down to the label of an axis, asks `terms()` for the
words, and who has it drawn says for which study (`speaking`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

_LOSSES = {"cross_entropy": "cross-entropy", "mse": "mean squared error"}
_METRICS = {"accuracy": "accuracy", "r2": "R²"}


@dataclass(frozen=True)
class Terms:
    """The names and units of a loss and a metric; a function of the user's is called by its own name.

    Example:
        >>> Terms().of_loss("0.1"), Terms().loss_axis(), Terms().metric_axis, Terms().error_axis
        ('0.1 nats', 'training loss (nats)', 'test accuracy (%)', 'test error (%)')
        >>> fit = Terms("mse", "r2")
        >>> fit.of_loss("0.1"), fit.loss_axis(), fit.metric_axis, fit.error_axis
        ('0.1', 'training loss (mean squared error)', 'test R²', '1 − test R²')
    """

    loss: str = "cross_entropy"
    metric: str = "accuracy"
    independent: bool = True  # the metric of each example; the tokens of one example are not

    @property
    def is_counted(self) -> bool:
        """Whether the metric is a share of independent examples, which has a binomial interval."""
        return self.is_share and self.independent

    @property
    def loss_name(self) -> str:
        """Such as mean squared error."""
        return _LOSSES.get(self.loss, self.loss.rpartition(":")[2])

    @property
    def has_unit(self) -> bool:
        """Whether losses are in nats, as those of the cross-entropy with natural logarithms are."""
        return self.loss == "cross_entropy"

    def of_loss(self, number: str) -> str:
        """Return a loss, or a difference of two, with its unit if it has one."""
        return f"{number} nats" if self.has_unit else number

    @property
    def loss_unit(self) -> str:
        """What a loss is in: nats, or else its name."""
        return "nats" if self.has_unit else self.loss_name

    def loss_axis(self, what: str = "training loss") -> str:
        """Return what stands beside an axis, or over a column, of losses."""
        return f"{what} ({self.loss_unit})"

    @property
    def curvature_unit(self) -> str:
        """Of second derivatives of the loss."""
        return "nats / L2²" if self.has_unit else "loss / L2²"

    @property
    def is_share(self) -> bool:
        """Whether the metric is a share of examples, which is told in per cent."""
        return self.metric == "accuracy"

    @property
    def scale(self) -> float:
        """What a metric is multiplied by to be told."""
        return 100.0 if self.is_share else 1.0

    @property
    def percent(self) -> str:
        """What stands behind a metric that is told."""
        return " %" if self.is_share else ""

    @property
    def metric_name(self) -> str:
        """Such as accuracy or R²."""
        return _METRICS.get(self.metric, self.metric.rpartition(":")[2])

    @property
    def metric_axis(self) -> str:
        """What stands beside an axis of the metric on the test examples."""
        return f"test {self.metric_name}{' (%)' if self.is_share else ''}"

    @property
    def error_name(self) -> str:
        """What the metric lacks to one, on the test examples."""
        return "test error" if self.is_share else f"1 − test {self.metric_name}"

    @property
    def error_title(self) -> str:
        """The same at the beginning of a title."""
        return self.error_name[0].upper() + self.error_name[1:]

    @property
    def error_axis(self) -> str:
        """What stands beside an axis of that."""
        return f"{self.error_name}{' (%)' if self.is_share else ''}"

    @property
    def error_unit(self) -> str:
        """Of differences of that: percentage points, or else the name of the metric."""
        return "percentage points" if self.is_share else self.metric_name

    @property
    def short_error_unit(self) -> str:
        """The same where there is little room."""
        return "points" if self.is_share else self.metric_name

    def reworded(self, text: str) -> str:
        """Return what was written of cross-entropy and accuracy in these words.

        Example:
            >>> Terms("mse", "r2").reworded("w(N) has higher test accuracy; points of test error")
            'w(N) has higher test R²; points of 1 − test R²'
        """
        if not self.is_share:
            text = text.replace("test accuracy", f"test {self.metric_name}").replace(
                "Test accuracy", f"Test {self.metric_name}"
            )
            text = text.replace("share of test examples", self.metric_name)
            text = text.replace("test-error", self.error_name).replace("test error", self.error_name)
        return text if self.has_unit else text.replace("nats", self.loss_name)


def in_common(spoken: Collection[Terms]) -> Terms:
    """Return the terms of studies side by side; what they differ in has neither a name nor a unit of its own.

    Example:
        >>> in_common([Terms("mse"), Terms()]).loss_axis(), in_common([Terms("mse"), Terms("mse")]).loss_axis()
        ('training loss (each its own)', 'training loss (mean squared error)')
    """
    losses, metrics = {each.loss for each in spoken}, {each.metric for each in spoken}
    return Terms(
        losses.pop() if len(losses) == 1 else "each its own",
        metrics.pop() if len(metrics) == 1 else "metric",
        all(each.independent for each in spoken),
    )


_SPOKEN: ContextVar[Terms] = ContextVar("terms", default=Terms())  # noqa: B039 - frozen


def terms() -> Terms:
    """Return the terms of the study that is being reported; of cross-entropy and accuracy, if none is said."""
    return _SPOKEN.get()


@contextmanager
def speaking(spoken: Terms) -> Iterator[None]:
    """Have all that is drawn and written here say the loss and the metric as they are."""
    token = _SPOKEN.set(spoken)
    try:
        yield
    finally:
        _SPOKEN.reset(token)
