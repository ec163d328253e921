# %% [markdown]
# # Your own model, pruned by PyTorch
#
# `torch.nn.utils.prune` removes half of the weights. The measures see the space that is left: what is pruned
# does not move.

# %%
import copy

import torch
from torch import nn
from torch.nn.utils import prune

import lth


class Classifier(nn.Module):
    """A convolution, normalised, and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.head = nn.Linear(8, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits of three classes."""
        return self.head(self.features(images).mean((2, 3)))


torch.manual_seed(0)
images, labels = torch.randn(120, 1, 8, 8), torch.arange(120) % 3
images += labels[:, None, None, None] - 1.0
model = Classifier()
optimiser = torch.optim.AdamW(model.parameters(), lr=0.05)
for _ in range(60):
    optimiser.zero_grad()
    nn.functional.cross_entropy(model(images), labels).backward()
    optimiser.step()

# %% [markdown]
# Prune half of it, and compare: in how many dimensions, and how sharply, does each curve?

# %%
pruned = copy.deepcopy(model)
layers = [(pruned.features[0], "weight"), (pruned.head, "weight")]
prune.global_unstructured(layers, prune.L1Unstructured, amount=0.5)
for name, each in {"whole": model, "pruned": pruned}.items():
    space = lth.hessian(each, (images, labels)).dimension
    largest = lth.spectrum(each, (images, labels), k=3).eigenvalues
    print(f"{name}: {space} dimensions, largest eigenvalues {largest.round(3)}")
assert lth.hessian(pruned, (images, labels)).dimension == lth.hessian(model, (images, labels)).dimension - 48

# %% [markdown]
# One layer alone is a block of the Hessian:

# %%
head = lth.spectrum(model, (images, labels), k=3, parameters="head")
print(head.eigenvalues.round(3))
assert head.eigenvalues[0] <= lth.spectrum(model, (images, labels), k=3).eigenvalues[0] * 1.001
