"""The curvature of kinds of layers, held against central differences of gradients in float64.

Run as a program, it writes the table of docs/curvature.md anew: `python -m tests.layers`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.backends import cudnn
from torch.nn import functional as f
from torch.nn.functional import cross_entropy
from torch.nn.utils import parametrizations
from torch.utils.checkpoint import checkpoint

sys.path.insert(0, str(Path(__file__).parent))

from problems import CPU, random_examples

from lth.errors import InputError
from lth.measure.curvature.hessian import HessianOperator
from lth.network.mask import Mask
from lth.network.space import LevelSpace
from lth.network.weights import Weights

DOUBLE = torch.float64
EXAMPLES = random_examples(6)
_STEP = 1e-5  # of weights of size one: truncation and rounding of the difference are both about 1e-10
TABLE = "<!-- the table: written by `python -m tests.layers` -->"
END = "<!-- the end of the table -->"


class Called(nn.Module):
    """A function of the activations, (n, 4, 6, 6), with the modules that it calls."""

    def __init__(self, call: Callable[..., Tensor], *modules: nn.Module) -> None:
        super().__init__()
        self.call, self.inner = call, nn.ModuleList(modules)

    def forward(self, x: Tensor) -> Tensor:
        return self.call(x, *self.inner)


def words(x: Tensor) -> Tensor:
    """Return the activations as a sequence of nine vectors, (n, 9, 4)."""
    return x.flatten(2)[:, :, :9].transpose(1, 2)


def sequence(module: nn.Module) -> nn.Module:
    """Apply a recurrent layer to the activations as a sequence."""
    return Called(lambda x, layer: layer(words(x))[0], module)


def attention(need_weights: bool) -> nn.Module:
    layer = nn.MultiheadAttention(4, 2, batch_first=True)
    return Called(lambda x, m: m(words(x), words(x), words(x), need_weights=need_weights)[0], layer)


def scaled_dot_product() -> nn.Module:
    def call(x: Tensor, project: nn.Module) -> Tensor:
        query, key, value = project(words(x)).chunk(3, dim=-1)
        return f.scaled_dot_product_attention(query, key, value)

    return Called(call, nn.Linear(4, 12))


def encoder(*, frozen: bool = False) -> nn.Module:
    layer = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)
    layer.requires_grad_(not frozen)
    return Called(lambda x, m: m(words(x)), layer)


def embedding() -> nn.Module:
    return Called(lambda x, table: table(x.abs().mul(4).long().clamp(max=4)), nn.Embedding(5, 3))


def convolution() -> nn.Module:
    return nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.Tanh())


def checkpointed(*, reentrant: bool) -> nn.Module:
    return Called(lambda x, block: checkpoint(block, x, use_reentrant=reentrant), convolution())


def frozen(module: nn.Module) -> nn.Module:
    return module.requires_grad_(False)


class Cube(Function):
    """x³ with a backward that can be differentiated."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, along):
        (x,) = ctx.saved_tensors
        return 3 * x * x * along


class CubeOnce(Cube):
    @staticmethod
    @once_differentiable
    def backward(ctx, along):
        return Cube.backward(ctx, along)


class CubeDetached(Cube):
    @staticmethod
    def backward(ctx, along):
        (x,) = ctx.saved_tensors
        return 3 * x.detach() ** 2 * along


class Sign(Function):
    """A straight-through estimator."""

    @staticmethod
    def forward(ctx, x):
        return x.sign()

    @staticmethod
    def backward(ctx, along):
        return along


class Product(Function):
    """A fully-connected layer whose backward can't be differentiated."""

    @staticmethod
    def forward(ctx, x, weight):
        ctx.save_for_backward(x, weight)
        return x @ weight.T

    @staticmethod
    @once_differentiable
    def backward(ctx, along):
        x, weight = ctx.saved_tensors
        return along @ weight, along.T @ x


def own(function: type[Function]) -> nn.Module:
    return Called(lambda x: function.apply(x))


def rounded(x: Tensor, layer: nn.Conv2d) -> Tensor:
    weight = layer.weight + (layer.weight.mul(4).round().div(4) - layer.weight).detach()
    return f.conv2d(x, weight, layer.bias, padding=1)


@torch.no_grad()
def _scale(layer: nn.Conv2d) -> Tensor:
    return layer.weight.abs().mean()


# By the name that a reader knows it by: a layer on the activations of a convolution, (n, 4, 6, 6).
RIGHT: Mapping[str, Callable[[], nn.Module]] = {
    "`Linear`": lambda: nn.Linear(6, 5),
    "`Conv1d`": lambda: nn.Sequential(nn.Flatten(2), nn.Conv1d(4, 3, 3)),
    "`Conv2d`": lambda: nn.Conv2d(4, 3, 3, stride=2, padding=1),
    "`Conv2d`, grouped": lambda: nn.Conv2d(4, 6, 3, groups=2),
    "`Conv2d`, depthwise": lambda: nn.Conv2d(4, 4, 3, groups=4),
    "`Conv2d`, dilated, circular": lambda: nn.Conv2d(4, 3, 3, dilation=2, padding=2, padding_mode="circular"),
    "`Conv3d`": lambda: Called(lambda x, m: m(x[:, None]), nn.Conv3d(1, 2, 3)),
    "`ConvTranspose2d`": lambda: nn.ConvTranspose2d(4, 2, 3, stride=2),
    "`Bilinear`": lambda: Called(
        lambda x, m: m(x.flatten(1)[:, :6], x.flatten(1)[:, 6:9]), nn.Bilinear(6, 3, 4)
    ),
    "`BatchNorm2d`, evaluation mode": lambda: nn.BatchNorm2d(4),
    "`LayerNorm`": lambda: nn.LayerNorm([6, 6]),
    "`GroupNorm`": lambda: nn.GroupNorm(2, 4),
    "`InstanceNorm2d`": lambda: nn.InstanceNorm2d(4, affine=True),
    "`RMSNorm`": lambda: nn.RMSNorm([6, 6]),
    "`LocalResponseNorm`": lambda: nn.LocalResponseNorm(2),
    "`ReLU`": nn.ReLU,
    "`ReLU(inplace=True)` after `BatchNorm2d`": lambda: nn.Sequential(nn.BatchNorm2d(4), nn.ReLU(inplace=True)),
    "`PReLU`": lambda: nn.PReLU(4),
    "`GELU`": nn.GELU,
    "`SiLU`": nn.SiLU,
    "`Softplus`": nn.Softplus,
    "`Hardswish`": nn.Hardswish,
    "`Hardsigmoid`": nn.Hardsigmoid,
    "`Mish`": nn.Mish,
    "`GLU`": lambda: nn.GLU(dim=1),
    "`Softmax2d`": nn.Softmax2d,
    "`MaxPool2d`": lambda: nn.MaxPool2d(2),
    "`AvgPool2d`": lambda: nn.AvgPool2d(2),
    "`AdaptiveAvgPool2d`": lambda: nn.AdaptiveAvgPool2d(4),
    "`AdaptiveMaxPool2d`": lambda: nn.AdaptiveMaxPool2d(2),
    "`Unfold`": lambda: nn.Unfold(3),
    "`PixelShuffle`": lambda: nn.PixelShuffle(2),
    "`Upsample`, bilinear": lambda: nn.Upsample(scale_factor=2, mode="bilinear"),
    "`grid_sample`": lambda: Called(
        lambda x, m: f.grid_sample(x, m(x.flatten(1)).tanh().view(-1, 3, 3, 2)), nn.Linear(144, 18)
    ),
    "`Dropout`, evaluation mode": lambda: nn.Dropout(0.5),
    "`Embedding` of rounded activations": embedding,
    "`RNN`": lambda: sequence(nn.RNN(4, 3, batch_first=True)),
    "`LSTM`, two ways": lambda: sequence(nn.LSTM(4, 3, batch_first=True, bidirectional=True)),
    "`GRU`": lambda: sequence(nn.GRU(4, 3, batch_first=True)),
    "`scaled_dot_product_attention`": scaled_dot_product,
    "`MultiheadAttention`": lambda: attention(need_weights=False),
    "`MultiheadAttention` with its weights": lambda: attention(need_weights=True),
    "`TransformerEncoderLayer`": encoder,
    "`weight_norm`": lambda: parametrizations.weight_norm(nn.Conv2d(4, 3, 3)),
    "`weight_norm`, as a hook": lambda: torch.nn.utils.weight_norm(nn.Conv2d(4, 3, 3)),
    "`weight_norm` of an `LSTM`": lambda: sequence(
        parametrizations.weight_norm(nn.LSTM(4, 3, batch_first=True), "weight_hh_l0")
    ),
    "`orthogonal`, Cayley map": lambda: parametrizations.orthogonal(nn.Linear(6, 4), orthogonal_map="cayley"),
    "`spectral_norm`": lambda: parametrizations.spectral_norm(nn.Conv2d(4, 3, 3)),
    "`checkpoint(…, use_reentrant=False)`": lambda: checkpointed(reentrant=False),
    "`torch.compile` of a block": lambda: torch.compile(convolution(), backend="aot_eager"),
    "a scripted block": lambda: torch.jit.script(convolution()),
    "`DataParallel` of a block": lambda: nn.DataParallel(convolution()),
    "a frozen block": lambda: frozen(convolution()),
    "a frozen `TransformerEncoderLayer`": lambda: encoder(frozen=True),
    "an own `Function`, differentiable": lambda: own(Cube),
}
REFUSED: Mapping[str, Callable[[], nn.Module]] = {
    "`checkpoint(…, use_reentrant=True)`": lambda: checkpointed(reentrant=True),
    "`EmbeddingBag`": lambda: Called(
        lambda x, m: m(x[:, 0].flatten(1).abs().mul(4).long().clamp(max=4)), nn.EmbeddingBag(5, 3)
    ),
    "an own `Function`, `once_differentiable`": lambda: own(CubeOnce),
    "an own layer, `once_differentiable`": lambda: Called(
        lambda x, m: Product.apply(x.flatten(1), m.weight), nn.Linear(144, 6)
    ),
    "an own `Function` that detaches": lambda: own(CubeDetached),
    "an own `Function`, straight-through": lambda: own(Sign),
    "rounded weights, straight-through": lambda: Called(rounded, nn.Conv2d(4, 3, 3)),
    "a scale of the weights under `no_grad`": lambda: Called(lambda x, m: m(x) * _scale(m), nn.Conv2d(4, 3, 3)),
}


def network_with(layer: Callable[[], nn.Module]) -> nn.Module:
    """Return a network of three classes with a layer in its middle, in evaluation mode."""
    torch.manual_seed(0)
    first = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.Tanh())
    network = nn.Sequential(first, layer(), nn.Flatten(), nn.LazyLinear(3)).eval()
    with torch.no_grad():
        network(EXAMPLES.images[:1])
    return network


@dataclass(frozen=True)
class Measured:
    """How far a product with the Hessian is off, relative to its length."""

    error: float  # from the central difference of gradients
    asymmetry: float  # |uᵀHv - vᵀHu| / (‖Hu‖ + ‖Hv‖)


def measured(network: nn.Module, device: torch.device = CPU) -> Measured:
    """Return how far a product with the Hessian is off.

    Raises:
        InputError: If lth refuses the network.
    """
    with torch.no_grad():
        network = network.to(device)
    point = Weights.of(network)
    space = LevelSpace(Mask.dense(network), point)
    hessian = HessianOperator(network, point, space, EXAMPLES.to(device), dtype=DOUBLE)
    stream = torch.Generator().manual_seed(1)
    u, v = torch.randn(2, space.dimension, generator=stream, dtype=DOUBLE).to(device)
    along_u, along_v = hessian(u), hessian(v)
    expected = (gradient(network, space, u, _STEP) - gradient(network, space, u, -_STEP)) / (2 * _STEP)
    return Measured(
        error=float((along_u - expected).norm() / expected.norm()),
        asymmetry=float((u @ along_v - v @ along_u).abs() / (along_u.norm() + along_v.norm())),
    )


def gradient(network: nn.Module, space: LevelSpace, direction: Tensor, step: float) -> Tensor:
    """Return the gradient a step away, of the network itself in float64."""
    network = network.double()
    before = Weights.of(network)
    moved = space.embed(step * direction)
    Weights({n: t + moved[n] for n, t in before.parameters.items()}, before.buffers).load_into(network)
    network.zero_grad()
    examples = EXAMPLES.to(direction.device)
    with cudnn.flags(enabled=False):  # whose recurrent layers have no gradient in evaluation mode
        cross_entropy(network(examples.images.double()), examples.labels).backward()
    before.load_into(network)
    found = {n: torch.zeros_like(p) if p.grad is None else p.grad for n, p in network.named_parameters()}
    return space.restrict(found)


def table() -> str:
    """Return the table of every kind, as Markdown."""
    lines = ["| layer | error of a product | asymmetry | what lth says |", "|---|---|---|---|"]
    for name, layer in {**RIGHT, **REFUSED}.items():
        network = network_with(layer)
        try:
            found = measured(network)
            lines.append(f"| {name} | {found.error:.0e} | {found.asymmetry:.0e} | right |")
        except InputError as error:
            lines.append(f"| {name} | | | refused: {str(error).partition(', but ')[2]} |")
    return "\n".join(lines)


if __name__ == "__main__":
    page = Path(__file__).parent.parent / "docs" / "curvature.md"
    before, _, rest = page.read_text().partition(TABLE)
    after = rest.partition(END)[2]
    page.write_text(f"{before}{TABLE}\n{table()}\n{END}{after}")
