"""A spectrum with its certificate.

The ten leading Hessian eigenvalues of a small network, each between a lower and an upper bound, beside the eigenvalues of the whole
matrix in float64, which a network of this size still has.
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


def trained() -> tuple[nn.Module, tuple[torch.Tensor, torch.Tensor]]:
    """Return a network that has learnt some digits, and the digits."""
    torch.manual_seed(0)
    images, labels = load_digits(return_X_y=True)
    data = torch.tensor(images[:500] / 16).double(), torch.tensor(labels[:500])
    model = nn.Sequential(nn.Linear(64, 6), nn.Tanh(), nn.Linear(6, 10)).double()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
    for _ in range(300):
        optimiser.zero_grad()
        cross_entropy(model(data[0]), data[1]).backward()
        optimiser.step()
    return model, data


def whole_spectrum(model: nn.Module, data: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """Return all eigenvalues of the Hessian, the largest first."""
    parameters = {name: value.detach() for name, value in model.named_parameters()}
    blocks = hessian(lambda p: cross_entropy(functional_call(model, p, data[0]), data[1]))(parameters)
    rows = [
        torch.cat([blocks[a][b].reshape(parameters[a].numel(), -1) for b in parameters], 1) for a in parameters
    ]
    return torch.linalg.eigvalsh(torch.cat(rows)).flip(0)


def main() -> Figure:
    """Draw both."""
    model, data = trained()
    found, truth = lth.spectrum(model, data, k=K), whole_spectrum(model, data)[:K].numpy()
    figure = Figure(figsize=(6, 3.4), layout="constrained")
    axes, places = figure.subplots(), range(1, K + 1)
    axes.fill_between(places, found.eigenvalues, found.upper, alpha=0.4, label="bounds")
    axes.plot(places, truth, "k.", label="the whole matrix")
    axes.set(xlabel="place", ylabel="eigenvalue", yscale="log", title=f"{found.num_products} products")
    axes.legend()
    low, high = found.log_eig_interval
    assert found.converged
    assert low <= sum(map(torch.log, torch.tensor(truth))) <= high
    return figure


if __name__ == "__main__":
    main().savefig(sys.argv[1], dpi=120)
