"""A sweep, and one question asked of all its studies.

Does the ticket of half the weights keep the accuracy, whichever the learning rate? Two studies of two
levels each; `lth.results` is one data frame of them.
"""

from __future__ import annotations

import os
import sys
import tempfile

from matplotlib.figure import Figure

import lth
from lth.plan.place import Place

RATES = (0.03, 0.1)
SETTING = {"levels": 2, "epochs": 6, "milestones": "4ep", "prune_fraction": 0.3}


def main() -> Figure:
    """Train the levels of every study, and draw their accuracy over density."""
    os.environ.setdefault("MLFLOW_TRACKING_URI", f"sqlite:///{tempfile.mkdtemp()}/mlflow.db")
    for rate in RATES:
        lth.open_study("digits", lr=rate, **SETTING).solution(Place.imp(2))
    frame = lth.results(kind="imp").sort_values("density")
    figure = Figure(figsize=(6, 3.4), layout="constrained")
    axes = figure.subplots()
    for rate, rows in frame.groupby("lr"):
        axes.plot(rows["density"], rows["test_accuracy"], "o-", label=f"lr {rate}")
    axes.set(xlabel="share of the weights that is kept", ylabel="test accuracy")
    axes.invert_xaxis()
    axes.legend()
    assert len(frame) == 3 * len(RATES)
    assert frame["test_accuracy"].min() > 0.5  # of ten classes
    return figure


if __name__ == "__main__":
    main().savefig(sys.argv[1], dpi=120)
