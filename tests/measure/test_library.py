import copy
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from own_training import huber
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import cross_entropy, mse_loss
from torch.nn.utils import prune
from torch.utils.data import DataLoader, TensorDataset

import lth
from lth.errors import InputError
from lth.measure import leading_spectrum
from lth.measure.curvature.matrix import ProductOperator
from lth.network import Mask

STREAM = torch.Generator().manual_seed(0)
X, CLASSES, NUMBERS = (
    torch.randn(10, 4, generator=STREAM),
    torch.arange(10) % 3,
    torch.randn(10, 3, generator=STREAM),
)
TOKENS = torch.randint(5, (10, 4), generator=STREAM)


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table, self.norm = nn.Embedding(5, 4), nn.LayerNorm(4)
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.head = nn.Linear(4, 3)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.norm(self.table(tokens))
        return self.head(self.attention(x, x, x)[0].mean(1))


class Sdpa(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.mixing, self.head = nn.Linear(1, 6), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.mixing(x[:, :, None]).chunk(3, dim=2)
        return self.head(nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True).flatten(1))


LAYERS = {
    "linear": (lambda: nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 3)), X),
    "gelu": (lambda: nn.Sequential(nn.Linear(4, 3), nn.GELU(), nn.LayerNorm(3), nn.Linear(3, 3)), X),
    "silu, groups": (lambda: nn.Sequential(nn.Linear(4, 4), nn.GroupNorm(2, 4), nn.SiLU(), nn.Linear(4, 3)), X),
    "signals": (
        lambda: nn.Sequential(nn.Unflatten(1, (2, 2)), nn.Conv1d(2, 3, 2), nn.Softplus(), nn.Flatten()),
        X,
    ),
    "transposed": (
        lambda: nn.Sequential(nn.Unflatten(1, (4, 1)), nn.ConvTranspose1d(4, 1, 3), nn.Flatten()),
        X,
    ),
    "embedding": (lambda: nn.Sequential(nn.Embedding(5, 2), nn.Flatten(), nn.Tanh(), nn.Linear(8, 3)), TOKENS),
    "attention": (Attention, TOKENS),
    "fused attention": (Sdpa, X),
}


def made(kind: str = "gelu") -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return LAYERS[kind][0]().double()


def exact(
    model: nn.Module, inputs: Tensor, loss: Callable[[Tensor], Tensor], names: Sequence[str] = ()
) -> Tensor:
    """Return the Hessian of a loss of the outputs as a matrix, over some parameters or all."""
    own = {name: p.detach() for name, p in model.named_parameters()}
    free = list(names or own)
    sizes = [own[name].numel() for name in free]

    def of(flat: Tensor) -> Tensor:
        parts = zip(free, flat.split(sizes), strict=True)
        moved = {name: part.view_as(own[name]) for name, part in parts}
        return loss(functional_call(model, {**own, **moved}, (inputs,)))

    return torch.autograd.functional.hessian(of, torch.cat([own[name].reshape(-1) for name in free]))


def as_matrix(operator: Callable[[Tensor], Tensor], dimension: int) -> Tensor:
    return torch.stack([operator(unit) for unit in torch.eye(dimension, dtype=torch.float64)])


@pytest.mark.parametrize("kind", LAYERS)
def test_products_with_any_kind_of_layer_are_those_of_the_dense_hessian(kind):
    model, inputs = made(kind).train(), LAYERS[kind][1]
    inputs = inputs.double() if inputs.is_floating_point() else inputs
    operator = lth.hessian(model, (inputs, CLASSES))
    with sdpa_kernel(SDPBackend.MATH):
        expected = exact(model, inputs, lambda outputs: cross_entropy(outputs, CLASSES))
    torch.testing.assert_close(as_matrix(operator, operator.dimension), expected, rtol=1e-5, atol=1e-8)


LOSSES = {
    "mse": ("mse", lambda outputs: mse_loss(outputs, NUMBERS.double())),
    "a module": (nn.MSELoss(), lambda outputs: mse_loss(outputs, NUMBERS.double())),
    "a function": (huber, lambda outputs: huber(outputs, NUMBERS).mean()),
    "smooth": (
        nn.SmoothL1Loss(beta=0.3),
        lambda o: nn.functional.smooth_l1_loss(o, NUMBERS.double(), beta=0.3),
    ),
}


@pytest.mark.parametrize(("loss", "of_outputs"), LOSSES.values(), ids=LOSSES)
def test_spectrum_trace_and_density_are_of_the_loss_that_is_given(loss, of_outputs):
    model, data = made(), (X.double(), NUMBERS)
    matrix = exact(model, X.double(), of_outputs)
    values = torch.linalg.eigvalsh(matrix).flip(0)
    found = lth.spectrum(model, data, 4, loss=loss)
    np.testing.assert_allclose(found.eigenvalues, values[:4], rtol=1e-4)
    trace = lth.trace(model, data, loss=loss, probes=40)
    assert abs(trace.estimate - float(values.sum())) <= 5 * trace.standard_error + 1e-6
    density = lth.density(model, data, loss=loss, probes=3, steps=30)
    mean, error = density.mean(lambda nodes: nodes)
    assert abs(mean - float(values.mean())) <= 6 * error + 1e-6


def test_a_filter_of_parameters_is_a_block_of_the_hessian():
    model = made()
    for chosen in ("3", ["3.weight", "3.bias"], lambda name: name.startswith("3.")):
        operator = lth.hessian(model, (X.double(), CLASSES), parameters=chosen)
        expected = exact(model, X.double(), lambda o: cross_entropy(o, CLASSES), ["3.weight", "3.bias"])
        torch.testing.assert_close(as_matrix(operator, 12), expected, rtol=1e-5, atol=1e-8)


def test_a_pruned_model_is_measured_in_the_space_that_it_keeps_and_not_changed():
    plain, pruned = made(), made()
    prune.random_unstructured(pruned[0], "weight", amount=5)
    mask = Mask.of_pruned(pruned)
    assert mask.num_kept == 7
    with torch.no_grad():
        plain[0].weight[~mask.keep["0.weight"]] = 0
    before = {name: tensor.clone() for name, tensor in pruned.state_dict().items()}
    data = (X.double(), CLASSES)
    found = [
        lth.spectrum(plain, data, 3, mask=mask),
        lth.spectrum(plain, data, 3, mask=dict(mask.keep)),
        lth.spectrum(pruned, data, 3),
    ]
    matrix = exact(plain, X.double(), lambda o: cross_entropy(o, CLASSES))
    kept = torch.cat(
        [mask.keep.get(n, torch.ones_like(p, dtype=bool)).reshape(-1) for n, p in plain.named_parameters()]
    )
    values = torch.linalg.eigvalsh(matrix[kept][:, kept]).flip(0)[:3]
    for spectrum in found:
        np.testing.assert_allclose(spectrum.eigenvalues, values, rtol=1e-4)
    assert pruned.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in pruned.state_dict().items())
    assert pruned[0].weight.grad_fn is not None
    assert all(parameter.grad is None for parameter in pruned.parameters())


@pytest.mark.parametrize("shuffled", [False, True])
def test_a_loader_is_as_good_as_its_tensors(shuffled):
    loader = DataLoader(TensorDataset(X.double(), CLASSES), batch_size=3, shuffle=shuffled, drop_last=True)
    by_loader, by_tensors = (
        lth.spectrum(made(), data, 3).eigenvalues for data in (loader, (X.double(), CLASSES))
    )
    assert (by_loader == by_tensors).all()


def test_radii_lines_surfaces_and_distances_take_models_and_data():
    models = [copy.deepcopy(made()).float() for _ in range(3)]
    with torch.no_grad():
        for shift, model in enumerate(models):
            for parameter in model.parameters():
                parameter.add_(0.1 * shift * torch.randn(parameter.shape, generator=STREAM))
    data = (X, CLASSES)
    at = [float(cross_entropy(model(X), CLASSES).detach()) for model in models]
    assert lth.radii(models[0], data, directions=3).loss == pytest.approx(at[0], rel=1e-5)
    line = lth.line(models[0], models[1], data, points=3)
    assert (line.train_loss[0], line.train_loss[-1]) == pytest.approx(at[:2], rel=1e-5)
    surface = lth.surface(models, data, grid=3)
    assert [marker.loss for marker in surface.markers] == pytest.approx(at, rel=1e-5)
    assert lth.distances({"a": models[0], "b": models[1]}).euclidean[0, 1] > 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: lth.spectrum(m, X, 3), "data is a Tensor; expected"),
        (lambda m: lth.spectrum(m, (X.double(), CLASSES[:3]), 3), "holds 10 examples, and there are 3 targets"),
        (lambda m: lth.spectrum(m, (X.double(), NUMBERS), 3), "choose loss=mse"),
        (lambda m: lth.spectrum(m, (X.double(), CLASSES), 3, loss="hinge"), "loss='hinge' is unknown"),
        (lambda m: lth.spectrum(m, (X.double(), CLASSES), 3, mask={"a": CLASSES > 0}), "the mask of a is"),
        (lambda m: lth.spectrum(m, (X.double(), CLASSES), 3, parameters="layer9"), "chooses none of"),
        (lambda m: lth.spectrum(m, (X.double(), CLASSES), 999), "k=999"),
        (lambda m: lth.line(m, nn.Linear(4, 3), (X.double(), CLASSES)), "in one model and"),
        (
            lambda m: lth.spectrum(m, (X.double(), CLASSES), 3, loss=nn.NLLLoss(weight=torch.ones(3))),
            "has weights",
        ),
        (lambda _m: Mask.of_pruned(nn.Linear(2, 2)), "has pruned nothing"),
        (lambda m: lth.symmetries(m, (X[:0], CLASSES[:0])), "there is no example"),
        (lambda m: lth.sharpness(m, (X.double(), CLASSES), draws=0), "draws=0"),
        (lambda _m: lth.functions({}, (X, CLASSES)), "no models"),
        (lambda _m: lth.distances({}), "no models"),
        (lambda m: lth.mass(m, (X.double() * torch.inf, CLASSES)), "the loss of the model is"),
        (lambda m: lth.mass(m, (X.double() / 0, NUMBERS.double()), loss="mse"), "the loss of the model is"),
    ],
)
def test_what_does_not_fit_together_is_told(call, message):
    with pytest.raises(InputError, match=message):
        call(made())


@pytest.mark.parametrize("size", [0.5, np.float32(0.5), torch.tensor(0.5), [0.5], np.array([0.5])])
def test_a_size_is_any_number_or_several(size):
    assert lth.sharpness(made(), (X.double(), CLASSES), size, draws=1).rho.tolist() == [0.5]


class Foreign:
    """A matrix as other libraries have them: with a shape, and multiplied with by `@`."""

    def __init__(self, matrix: Tensor) -> None:
        self.shape, self.dtype, self.device, self._matrix = (
            tuple(matrix.shape),
            matrix.dtype,
            matrix.device,
            matrix,
        )

    def __matmul__(self, vector: Tensor) -> Tensor:
        return self._matrix @ vector


def test_an_operator_of_another_library_goes_into_a_spectrum():
    matrix = torch.diag(torch.arange(1.0, 20.0, dtype=torch.float64))
    found = leading_spectrum(ProductOperator(Foreign(matrix)), 3, seed=0)
    np.testing.assert_allclose(found.eigenvalues, [19, 18, 17], rtol=1e-6)


class Tied(nn.Module):
    """Two layers of one weight, and one of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = (
            nn.Linear(3, 3, bias=False),
            nn.Linear(3, 3, bias=False),
            nn.Linear(3, 2),
        )
        self.second.weight = self.first.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.tanh(self.second(torch.tanh(self.first(x)))))  # type: ignore[no-any-return]


TIED_DATA = (torch.eye(3), torch.tensor([0, 1, 1]))


@pytest.mark.parametrize("name", ["first", "second", "first.weight", "second.weight", ["first", "second"]])
def test_a_tied_weight_is_chosen_and_masked_by_any_of_its_names_and_counted_once(name):
    assert lth.hessian(Tied(), TIED_DATA, parameters=name).dimension == 9
    if str(name).endswith("weight"):
        assert lth.hessian(Tied(), TIED_DATA, mask={name: torch.eye(3).bool()}).dimension == 3 + 8


@pytest.mark.parametrize("pruned", [["first"], ["second"], ["first", "second"]])
def test_a_tied_weight_that_is_pruned_in_one_layer_alone_is_no_one_weight(pruned):
    model, kept = Tied(), {"first": torch.eye(3), "second": torch.ones(3, 3).tril()}
    for layer in pruned:
        prune.custom_from_mask(getattr(model, layer), "weight", kept[layer])
    with pytest.raises(ValueError, match="share one weight"):
        lth.hessian(model, TIED_DATA)


def test_a_tied_weight_that_is_pruned_alike_in_both_layers_is_measured():
    model = Tied()
    for layer in (model.first, model.second):
        prune.custom_from_mask(layer, "weight", torch.eye(3))
    assert lth.hessian(model, TIED_DATA).dimension == 3 + 8


def test_two_masks_of_a_tied_weight_are_refused():
    masks = {"first.weight": torch.eye(3).bool(), "second.weight": torch.ones(3, 3).bool()}
    with pytest.raises(ValueError, match="they are one weight"):
        lth.hessian(Tied(), TIED_DATA, mask=masks)
