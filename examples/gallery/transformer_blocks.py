"""Which part of a transformer curves.

`examples/own_transformer.py` on characters, trained for a moment by AdamW. The leading eigenvalues of
blocks of its Hessian: of the embeddings, of attention, of the hidden layers. A block's largest is never
above that of the whole (Cauchy).
"""

from __future__ import annotations

import sys

import torch
from matplotlib.figure import Figure

import lth
from examples.own_transformer import characters, network

PARTS = {
    "all": "*",
    "embeddings": ["characters*", "places*"],
    "attention": ["*queries_keys_values*", "*.out*"],
    "hidden layers": "*hidden*",
}


def main() -> Figure:
    """Train, and draw the spectra of the parts."""
    torch.manual_seed(0)
    data = characters(None)
    inputs, targets = data.train_images[:128], data.train_labels[:128]
    model = network(tuple(inputs.shape[1:]), data.num_classes)
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(60):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(model(inputs).flatten(0, 1), targets.flatten()).backward()
        optimiser.step()
    figure = Figure(figsize=(6, 3.4), layout="constrained")
    axes, largest = figure.subplots(), {}
    for name, chosen in PARTS.items():
        found = lth.spectrum(model, (inputs, targets), k=8, parameters=chosen)
        largest[name] = float(found.eigenvalues[0])
        axes.plot(range(1, 9), found.eigenvalues, ".-", label=name)
    axes.set(xlabel="place", ylabel="Hessian eigenvalue", yscale="log")
    axes.legend()
    assert all(value <= largest["all"] * (1 + 1e-3) for value in largest.values())
    return figure


if __name__ == "__main__":
    main().savefig(sys.argv[1], dpi=120)
