"""Networks and a loss as users write them: steps of some can be replayed, others lose something by it."""

import random

import numpy as np
import torch
from torch import nn


class Plain(nn.Module):
    """Two layers, with what several users do between them."""

    def __init__(self):
        super().__init__()
        self.first, self.last, self.unused = nn.Linear(192, 6), nn.Linear(6, 4), nn.Linear(2, 2)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x):
        return self.last(self.between(self.first(x.flatten(1))))

    def between(self, x):
        return x.relu()


class Used(Plain):
    def __init__(self):
        super().__init__()
        del self.unused


class Normed(Plain):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(6)

    def between(self, x):
        return self.norm(x)


class Dropping(Plain):
    def between(self, x):
        return nn.functional.dropout(x, 0.3, self.training)


class CountingInABuffer(Plain):
    def between(self, x):
        self.calls += 1
        return x * self.calls


class Keeping(Plain):
    def between(self, x):
        self.seen = x.detach()
        return x.tanh()


class Counting(Plain):
    number = 0

    def between(self, x):
        self.number += 1
        return x.relu()  # as it will until some call that no trial sees


class Drawing(Plain):
    def between(self, x):
        return x * random.random()


class DrawingByNumpy(Plain):
    def between(self, x):
        return x * float(np.random.rand())  # noqa: NPY002 - as users do


class Looking(Plain):
    def between(self, x):
        return x if x.mean().item() > 100 else x.relu()


class Choosing(Plain):
    def between(self, x):
        return x * x[x > 0].mean()


class ReplacingABuffer(Plain):
    def between(self, x):
        self.calls = self.calls + 1
        return x * self.calls


class Carrying(Plain):
    def between(self, x):
        before = getattr(self, "before", None)
        self.before = x.detach()
        return x if before is None or len(before) != len(x) else x + before


def margins(outputs, targets):
    """A loss of a user's own."""
    own = outputs.gather(1, targets[:, None])
    return (1 + outputs - own).clamp_min(0).square().sum(1)
