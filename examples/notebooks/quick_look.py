# %% [markdown]
# # A quick look
#
# The geometry of a small network on handwritten digits, in a minute and without a study: how sharply the loss
# curves, how far it stays low, and what lies on the way there.

# %%
import torch
from sklearn.datasets import load_digits
from torch import nn

import lth

images, labels = load_digits(return_X_y=True)
data = torch.tensor(images[:500] / 16).float(), torch.tensor(labels[:500])
torch.manual_seed(0)
start = nn.Sequential(nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))
model = nn.Sequential(nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))
model.load_state_dict(start.state_dict())
optimiser = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
for _ in range(100):
    optimiser.zero_grad()
    nn.functional.cross_entropy(model(data[0]), data[1]).backward()
    optimiser.step()

# %% [markdown]
# The ten largest Hessian eigenvalues have a certificate: the log of their product is in `log_eig_interval`.

# %%
spectrum = lth.spectrum(model, data, k=10)
low, high = spectrum.log_eig_interval
print(spectrum.eigenvalues.round(2), f"Σ ln λ in [{low:.3f}, {high:.3f}]")
assert spectrum.converged

# %% [markdown]
# Along random directions, as long as the filters of the weights, the loss stays within 0.1 nats of its value:

# %%
radii = lth.radii(model, data, directions=20)
print(f"mean {radii.mean:.2f}, from {radii.radii.min():.2f} to {radii.radii.max():.2f}")
assert radii.mean > 0

# %% [markdown]
# And on the straight line from the initialisation to the solution:

# %%
line = lth.line(start, model, data, points=11)
print([round(float(loss), 3) for loss in line.train_loss], f"barrier {line.barrier_loss:.3f}")
assert line.train_loss[-1] < line.train_loss[0]
