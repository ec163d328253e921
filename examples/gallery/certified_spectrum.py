"""A spectrum with its certificate.

The ten leading Hessian eigenvalues of a network, each between its bounds, beside those of the whole matrix.
"""

from __future__ import annotations

import sys

import torch
from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from torch import nn
from torch.func import functional_call, hessian
from torch.nn.functional import cross_entropy

import lth

K = 10
Data = tuple[torch.Tensor, torch.Tensor]


def trained() -> tuple[nn.Module, Data]:
    """Return a network that has learnt some digits, and the digits."""
    torch.manual_seed(0)
    images, labels = (torch.tensor(each[:500]) for each in load_digits(return_X_y=True))
    data = images / 16, labels
    model = nn.Sequential(nn.Linear(64, 6), nn.Tanh(), nn.Linear(6, 10)).double()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
    for _ in range(300):
        optimiser.zero_grad()
        cross_entropy(model(data[0]), data[1]).backward()
        optimiser.step()
    return model, data


def whole_spectrum(model: nn.Module, data: Data) -> torch.Tensor:
    """Return all eigenvalues of the Hessian, the largest first."""
    weights = {name: value.detach() for name, value in model.named_parameters()}
    blocks = hessian(lambda p: cross_entropy(functional_call(model, p, data[0]), data[1]))(weights)
    rows = [torch.cat([blocks[a][b].reshape(weights[a].numel(), -1) for b in weights], 1) for a in weights]
    return torch.linalg.eigvalsh(torch.cat(rows)).flip(0)


def main() -> Figure:
    """Draw both."""
    model, data = trained()
    found, truth = lth.spectrum(model, data, k=K), whole_spectrum(model, data)[:K].numpy()
    figure, places = Figure(figsize=(6, 3.4), layout="constrained"), range(1, K + 1)
    axes = figure.subplots()
    axes.fill_between(places, found.eigenvalues, found.upper, label="bounds")
    axes.plot(places, truth, "k.", label="the whole matrix")
    axes.set(xlabel="place", ylabel="eigenvalue", yscale="log")
    axes.legend()
    assert found.log_eig_interval[0] <= torch.tensor(truth).log().sum() <= found.log_eig_interval[1]
    return figure


if __name__ == "__main__":
    main().savefig(sys.argv[1], dpi=120)
