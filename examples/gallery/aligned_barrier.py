"""A barrier before and after alignment.

Two networks that were trained from different initialisations number their hidden units differently. On the
straight line between them the loss is high; permuted to match, much of that barrier is gone (arXiv
2209.04836).
"""

from __future__ import annotations

import sys

import torch
from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from torch import nn

import lth


def trained(seed: int, data: tuple[torch.Tensor, torch.Tensor]) -> nn.Module:
    """Return a network that has learnt digits from an initialisation of its own."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 10))
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(150):
        optimiser.zero_grad()
        nn.functional.cross_entropy(model(data[0]), data[1]).backward()
        optimiser.step()
    return model


def main() -> Figure:
    """Draw the loss on both lines."""
    images, labels = load_digits(return_X_y=True)
    data = torch.tensor(images[:1000] / 16).float(), torch.tensor(labels[:1000])
    start, end = trained(0, data), trained(1, data)
    turned = lth.align(start, end, data)
    lines = {
        "as they are": lth.line(start, end, data, points=21),
        "units matched": lth.line(start, turned, data, points=21),
    }
    figure = Figure(figsize=(6, 3.4), layout="constrained")
    axes = figure.subplots()
    for name, line in lines.items():
        axes.plot(line.alphas, line.train_loss, label=f"{name}: barrier {line.barrier_loss:.2f}")
    axes.set(xlabel="α from one network to the other", ylabel="training loss")
    axes.legend()
    with torch.no_grad():
        assert torch.allclose(end(data[0]), turned(data[0]), atol=1e-3)  # the same function
    assert lines["units matched"].barrier_loss < 0.5 * lines["as they are"].barrier_loss
    return figure


if __name__ == "__main__":
    main().savefig(sys.argv[1], dpi=120)
