"""The geometry of a ticket.

A network is pruned once and trained again from its rewind point. At the point that pruning leaves and at
the new solution, in the same space, along the same directions: how far does the loss stay low, and how
sharply does it curve? After so short a training
the two need not agree: the loss still falls, and curvature compares different losses.
"""

from __future__ import annotations

import os
import sys
import tempfile

from matplotlib.figure import Figure

import lth
from lth.plan.place import Place, Point

SETTING = {
    "levels": 1,
    "epochs": 8,
    "milestones": "4ep,6ep",
    "k": 15,
    "directions": 20,
    "hessian_examples": 256,
}


def main() -> Figure:
    """Train two levels of the digits, and draw what their measurements found."""
    os.environ.setdefault("MLFLOW_TRACKING_URI", f"sqlite:///{tempfile.mkdtemp()}/mlflow.db")
    study = lth.open_study("digits", **SETTING)
    study.analysis(1)
    evidence = study.known()
    points = {"m(1)⊙w(0), pruned": Point.projection(1), "w(1), trained again": Point.at(Place.imp(1))}
    figure = Figure(figsize=(7, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    reach = {}
    for name, point in points.items():
        spectrum = evidence.curvature[point].spectrum
        radii = evidence.radii_at(1, point, "filter")
        reach[name] = radii.mean
        left.plot(spectrum.eigenvalues, ".-", label=f"{name}: Σ ln λ = {spectrum.log_eig_product:.1f}")
        right.plot(sorted(radii.radii), ".-", label=f"{name}: mean {radii.mean:.2f}")
    left.set(xlabel="place", ylabel="Hessian eigenvalue", yscale="log")
    right.set(xlabel="direction, sorted", ylabel="basin radius")
    left.legend(fontsize=7)
    right.legend(fontsize=7)
    pruned, again = points
    assert reach[again] > reach[pruned]  # R1b of the paper, at this level and seed
    return figure


if __name__ == "__main__":
    main().savefig(sys.argv[1], dpi=120)
