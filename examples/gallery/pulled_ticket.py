"""A pulled checkpoint, analysed downstream.

A solution is loaded from the tracking store by its place in a study. It brings its weights, mask and
network: which layers did pruning thin out, and what does pruning more of it without training do to its
loss?
"""

from __future__ import annotations

import os
import sys
import tempfile

import torch
from matplotlib.figure import Figure
from torch import nn
from torch.nn.utils import prune

import lth
from lth.plan.place import Place

SETTING = {"levels": 1, "epochs": 6, "milestones": "4ep", "prune_fraction": 0.5}


def main() -> Figure:
    """Train a ticket as a command would, pull it, and look at it."""
    os.environ.setdefault("MLFLOW_TRACKING_URI", f"sqlite:///{tempfile.mkdtemp()}/mlflow.db")
    study = lth.open_study("digits", **SETTING)
    solution = lth.load_solution(study.solution(Place.imp(1)))
    kept = {name: float(keep.float().mean()) for name, keep in solution.mask.keep.items()}
    images, labels = study.problem.images.train_images[:500], study.problem.images.train_labels[:500]
    losses, shares = [], [0.0, 0.2, 0.4, 0.6, 0.8]
    for share in shares:
        network = lth.load_solution(study.solution(Place.imp(1))).network.eval()
        layers = [(each, "weight") for each in network.modules() if isinstance(each, nn.Conv2d | nn.Linear)]
        prune.global_unstructured(layers, prune.L1Unstructured, amount=0.5 + 0.5 * share)
        with torch.no_grad():
            losses.append(float(nn.functional.cross_entropy(network(solution.normalise(images)), labels)))
    figure = Figure(figsize=(8, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.barh(list(kept), list(kept.values()))
    left.set(xlabel="share that is kept", title=f"{solution.name}, {solution.density:.0%} of the weights")
    left.tick_params(labelsize=6)
    right.plot(shares, losses, "o-")
    right.set(xlabel="share of the survivors pruned, not trained again", ylabel="training loss", yscale="log")
    assert abs(solution.density - 0.5) < 1e-3
    assert losses[-1] > losses[0]
    return figure


if __name__ == "__main__":
    main().savefig(sys.argv[1], dpi=120)
