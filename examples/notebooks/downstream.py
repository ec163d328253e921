# %% [markdown]
# # A pulled ticket
#
# A study trains, you pull what it made and go on with it. Here one level of the digits is trained first, as
# `mlflow run . -e imp_level -P level=1 -P epochs=3 -P milestones=none` does, in a store of its own.

# %%
import os
import tempfile

import torch
from torch import nn

import lth
from lth.plan.place import Place

os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{tempfile.mkdtemp()}/mlflow.db"
study = lth.open_study("digits", epochs=3, milestones="none", levels=1)
study.solution(Place.imp(1))

# %% [markdown]
# By its place in the study, without its run's id:

# %%
ticket = lth.load_solution(level=1, changes="epochs=3 milestones=none")
print(ticket.name, f"{ticket.density:.0%} of the weights")
assert ticket.level == 1

# %% [markdown]
# Its network takes normalised images. Train it on with the mask held, as a downstream task would:

# %%
images, labels = study.problem.images.train_images[:256], study.problem.images.train_labels[:256]
inputs, network = ticket.normalise(images), ticket.network.train()
optimiser = torch.optim.SGD(network.parameters(), lr=0.01)
losses = []
for _ in range(10):
    optimiser.zero_grad()
    loss = nn.functional.cross_entropy(network(inputs), labels)
    loss.backward()
    optimiser.step()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name in ticket.mask.keep:
                parameter *= ticket.mask.keep[name]
    losses.append(float(loss.detach()))
print([round(each, 3) for each in losses])
assert losses[-1] < losses[0]

# %% [markdown]
# All solutions of a store are one data frame:

# %%
frame = lth.results(kind="imp")
print(frame[["level", "density", "test_accuracy"]])
assert sorted(frame["level"]) == [0, 1]
