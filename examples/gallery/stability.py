"""The step from which on training is stable.

Copies that are trained from the same early step, each with its own order of the data, end in one basin or
in two. The height between them, over the step they part at, says where to rewind to (arXiv 1912.05671).
`lth stability` does it for any network.
"""

from __future__ import annotations

import copy
import sys

import torch
from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from torch import nn

import lth

Data = tuple[torch.Tensor, torch.Tensor]


def train(model: nn.Module, data: Data, steps: int, seed: int) -> nn.Module:
    """Return a copy of a network after so many steps of SGD in an order of its own."""
    stream, copied = torch.Generator().manual_seed(seed), copy.deepcopy(model)
    optimiser = torch.optim.SGD(copied.parameters(), lr=0.5)
    for _ in range(steps):
        chosen = torch.randint(len(data[1]), (32,), generator=stream)
        optimiser.zero_grad()
        nn.functional.cross_entropy(copied(data[0][chosen]), data[1][chosen]).backward()
        optimiser.step()
    return copied


def main() -> Figure:
    """Draw the barrier between two copies over the step they part at."""
    images, labels = load_digits(return_X_y=True)
    data = torch.tensor(images[:1000] / 16).float(), torch.tensor(labels[:1000])
    torch.manual_seed(0)
    begun, steps = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10)), (0, 10, 50, 200, 800)
    barriers = []
    for step in steps:
        state = train(begun, data, step, seed=1)
        ends = [train(state, data, 1000 - step, seed) for seed in (2, 3)]
        barriers.append(lth.line(ends[0], ends[1], data, points=11).barrier_loss)
    figure = Figure(figsize=(6, 3.4), layout="constrained")
    axes = figure.subplots()
    axes.plot(steps, barriers, "o-")
    axes.set(xlabel="step at which the copies part", ylabel="barrier, nats", xscale="symlog")
    assert barriers[-1] <= barriers[0]
    return figure


if __name__ == "__main__":
    main().savefig(sys.argv[1], dpi=120)
