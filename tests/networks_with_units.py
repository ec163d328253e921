"""Networks of every kind of layer whose units may or may not be permuted, each with what it is called with."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lth.inputs import Inputs


class Residual(nn.Module):
    """A stem, a block on it, a strided shortcut that pads channels, BatchNorm and GroupNorm."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.block, self.wide = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 6, 3, padding=1)
        self.groups, self.slope, self.out = nn.GroupNorm(2, 4), nn.PReLU(6), nn.Linear(24, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu_(self.norm(self.stem(x)))
        x = x + self.groups(self.block(x)).relu()
        shortcut = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 1, 1))
        return self.out(
            F.max_pool2d(self.slope(shortcut + self.wide(x)[:, :, ::2, ::2]), 2, padding=1).flatten(1)
        )


class Dense(nn.Module):
    """Concatenation, chunks, a gate, and a slice that tells units apart."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 3, 3, padding=1)
        self.norm, self.c, self.out = nn.BatchNorm2d(7), nn.Conv2d(7, 8, 3, padding=1), nn.Linear(9, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.a(x)
        first, last = self.c(self.norm(torch.cat([x, self.b(x)], 1))).chunk(2, 1)
        together = torch.cat([first * last.sigmoid(), x], 1).mean((2, 3))
        return self.out(torch.cat([together, x[:, 1].amax((1, 2))[:, None]], 1))


class Grouped(nn.Module):
    """Grouped, depthwise and transposed convolutions, channel shuffle and pixel shuffle."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 6, 3), nn.Conv2d(6, 9, 3, groups=3), nn.BatchNorm2d(9), nn.Conv2d(9, 9, 1, groups=9)
        )
        self.up, self.last = nn.ConvTranspose2d(9, 6, 2, groups=3), nn.ConvTranspose2d(6, 8, 2)
        self.small, self.out = nn.Conv2d(2, 3, 1), nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.up(self.body(x))
        count, channels, *positions = x.shape
        x = x.view(count, 3, channels // 3, *positions).transpose(1, 2).reshape(count, channels, *positions)
        return self.out(self.small(F.pixel_shuffle(self.last(x).relu(), 2)).tanh().mean((2, 3)))


class Encoder(nn.Module):
    """nn.MultiheadAttention in a transformer's layer, a class token, learned positions."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.out = nn.Linear(3, 8), nn.Linear(8, 2)
        self.layer = nn.TransformerEncoderLayer(8, 2, 6, batch_first=True)
        self.token, self.positions = nn.Parameter(torch.zeros(1, 1, 8)), nn.Parameter(torch.zeros(1, 5, 8))

    def forward(self, x: Tensor) -> Tensor:
        x = self.enter(x) + self.positions
        return self.out(self.layer(torch.cat([self.token.expand(len(x), -1, -1), x], 1))[:, 0])


class Packed(nn.Module):
    """Queries, keys and values of one layer: unbound, split, and packed by head."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.out = nn.Embedding(7, 8), nn.Linear(8, 2)
        self.unbound, self.split, self.by_head = (nn.Linear(8, 24) for _ in range(3))
        self.leave, self.norm = nn.ModuleList(nn.Linear(8, 8) for _ in range(3)), nn.LayerNorm(8)

    def forward(self, x: Tensor) -> Tensor:
        x = self.enter(x)
        shape = (*x.shape[:2], 4, 2)
        q, k, v = self.unbound(self.norm(x)).reshape(*x.shape[:2], 3, 4, 2).permute(2, 0, 3, 1, 4).unbind(0)
        x = x + self.leave[0](((q @ k.transpose(-2, -1)).softmax(-1) @ v).transpose(1, 2).flatten(2))
        q, k, v = (part.view(shape).transpose(1, 2) for part in self.split(x).split(8, -1))
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.leave[1](attended.transpose(1, 2).reshape(x.shape))
        q, k, v = self.by_head(x).view(*shape[:3], 6).transpose(1, 2).chunk(3, -1)
        shares = torch.einsum("bhqd,bhkd->bhqk", q, k).softmax(-1)
        return self.out((x + self.leave[2]((shares @ v).transpose(1, 2).reshape(x.shape))).mean(1))


class Queries(nn.Module):
    """Keys that several heads share, a norm in each head, and an embedding tied to the output."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.norm, self.of_head = nn.Embedding(7, 8), nn.RMSNorm(8), nn.LayerNorm(2)
        self.q, self.k, self.v, self.o = nn.Linear(8, 8), nn.Linear(8, 4), nn.Linear(8, 4), nn.Linear(8, 8)
        self.out = nn.Linear(8, 7, bias=False)
        self.out.weight = self.enter.weight

    def forward(self, x: Tensor) -> Tensor:
        x = self.enter(x)
        count, length, _ = x.shape
        own = self.norm(x)
        q = self.of_head(self.q(own).view(count, length, 4, 2)).transpose(1, 2)
        k, v = (layer(own).view(count, length, 2, 2).transpose(1, 2) for layer in (self.k, self.v))
        k = k[:, :, None].expand(count, 2, 2, length, 2).reshape(count, 4, length, 2)
        attended = F.scaled_dot_product_attention(q, k, v.repeat_interleave(2, 1))
        return self.out(x + self.o(attended.transpose(1, 2).flatten(2)))


class Recurrent(nn.Module):
    """A recurrent layer between two others."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.recurrent = nn.Linear(3, 4), nn.LSTM(4, 5, batch_first=True)
        self.hidden, self.out = nn.Linear(5, 6), nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.hidden(self.recurrent(self.enter(x))[0]).relu()[:, -1])


class TwoInputs(nn.Module):
    """A layer shared by two inputs, a buffer of units, a constant, a bare parameter, weight norm."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.shared = nn.Linear(3, 6), nn.Linear(4, 6), nn.Linear(6, 6)
        self.register_buffer("scale", torch.arange(1.0, 7.0))
        self.gain = nn.Parameter(torch.ones(6))
        self.normed = nn.utils.parametrizations.weight_norm(nn.Linear(6, 5))
        self.out, self.unused = nn.Linear(5, 2), nn.Linear(6, 6)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        a, b = self.shared(self.a(x)).relu(), self.shared(self.b(y)).tanh() * self.scale
        return self.out(self.normed(a * self.gain + b).relu())


class Ordered(nn.Module):
    """Nothing but what needs an order: running sums, flips, rolls, the index of the largest."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c, self.out = (nn.Linear(*sizes) for sizes in ((3, 6), (6, 6), (6, 6), (6, 2)))

    def forward(self, x: Tensor) -> Tensor:
        x = self.a(x)
        x = self.b(x.flip(1)).cumsum(1) + self.c(x).roll(1, 1)
        return self.out(x) + x.argmax(1, keepdim=True)


class OverHeads(nn.Module):
    """A softmax over heads, dimension by dimension: dimensions of heads have one order in all of them."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.out = nn.Linear(3, 8), nn.Linear(8, 8), nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.b(self.a(x)).view(-1, 2, 4).softmax(1).flatten(1))


class Mixed(nn.Module):
    """Heads added to sums over heads, dimension by dimension, which have one order in all of them then."""

    def __init__(self, mixed: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.mixed, self.matrix = mixed, nn.Parameter(torch.ones(3, 3))
        self.a, self.out = nn.Linear(3, 12), nn.Linear(12, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.a(x).view(-1, 3, 4)
        return self.out((x + self.mixed(x, self.matrix)).relu().flatten(1))


class TwoGroupings(nn.Module):
    """Units that two norms group differently, which makes three factors of them."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.coarse, self.fine = nn.Linear(3, 24), nn.GroupNorm(3, 24), nn.GroupNorm(6, 24)
        self.b, self.out = nn.Linear(24, 24), nn.Linear(24, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.coarse(self.a(x)).relu()
        return self.out(x + self.fine(self.b(x)).relu())


class InPlace(nn.Module):
    """Parts of a tensor written over."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.out = nn.Linear(3, 8), nn.Linear(8, 8), nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.a(x)
        y = self.b(x).clone()
        y[:, 2:5] = x[:, :3]
        y[:, 7] += 1
        return self.out(torch.stack([x, torch.where(y > 0, y, x * 0.1)], 1).amax(1))


class Gated(nn.Module):
    """Pixels weighted by the mean and the largest of channels (CBAM), and which channel is the largest."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.gate = nn.Conv2d(1, 8, 3), nn.Conv2d(2, 1, 1)
        self.b, self.out = nn.Conv2d(8, 6, 1), nn.Linear(16, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.a(x)
        largest, _ = x.max(1, keepdim=True)
        x = x * self.gate(torch.cat([x.mean(1, keepdim=True), largest], 1)).sigmoid()
        _, which = self.b(x).max(1)
        lowest = torch.minimum(x.min(1).values, x.median(1).values)
        return self.out((which + lowest).flatten(1))


class Letters(nn.Module):
    """Products in all spellings of Einstein's, and a length that is divided by."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(3, 8), nn.Parameter(torch.randn(8, 6))
        self.c, self.out = nn.Parameter(torch.randn(5, 6)), nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.einsum("...d,de->...e", self.a(x).relu(), self.b)
        x = torch.einsum("...e,we", x, self.c / torch.vdot(self.c[0], self.c[0]))
        return self.out(torch.einsum("b...->...b", x).movedim(-1, 0))


IMAGES, WORDS, ROWS = torch.randn(32, 1, 6, 6), torch.randint(0, 7, (32, 5)), torch.randn(32, 5, 3)
NETWORKS: dict[str, tuple[Callable[[], nn.Module], Inputs, int]] = {  # and how many groups it has
    "residual": (Residual, IMAGES, 2),
    "dense": (Dense, IMAGES, 3),
    "grouped": (Grouped, IMAGES, 6),
    "encoder": (Encoder, ROWS, 5),
    "packed": (Packed, WORDS, 10),
    "queries": (Queries, WORDS, 5),
    "recurrent": (Recurrent, ROWS, 1),
    "two inputs": (TwoInputs, (torch.randn(32, 3), torch.randn(32, 4)), 3),
    "ordered": (Ordered, torch.randn(32, 3), 0),
    "over heads": (OverHeads, torch.randn(32, 3), 3),
    "mixed by a layer": (lambda: Mixed(lambda x, w: F.linear(x.mT, w).mT), torch.randn(32, 3), 2),
    "mixed by a product": (lambda: Mixed(lambda x, w: w @ x), torch.randn(32, 3), 2),
    "mixed by letters": (lambda: Mixed(lambda x, w: torch.einsum("bhd,gh->bgd", x, w)), torch.randn(32, 3), 2),
    "mixed by a convolution": (
        lambda: Mixed(lambda x, w: F.conv1d(x.mT.reshape(-1, 3, 1), w[..., None]).view(-1, 4, 3).mT),
        torch.randn(32, 3),
        2,
    ),
    "two groupings": (TwoGroupings, torch.randn(32, 3), 3),
    "gated": (Gated, IMAGES, 1),
    "letters": (Letters, ROWS, 3),
    "in place": (InPlace, torch.randn(32, 3), 1),
}
