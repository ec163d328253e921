"""Models, data and losses that do not fit each other, as `lth.spectrum` and its neighbours are handed them."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import lth
from lth.errors import InputError

STREAM = torch.Generator().manual_seed(0)
X, CLASSES = torch.randn(10, 4, generator=STREAM), torch.arange(10) % 3


class Returning(nn.Module):
    def __init__(self, what: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.layer, self.what = nn.Linear(4, 3), what

    def forward(self, x: Tensor) -> object:
        return self.what(self.layer(x))


MISFITS = {
    "a dict of outputs": (lambda: Returning(lambda y: {"logits": y}), (X, CLASSES), "returns a dict"),
    "several outputs": (lambda: Returning(lambda y: (y, y)), (X, CLASSES), "returns a tuple"),
    "a single output": (lambda: Returning(lambda y: y.sum()), (X, CLASSES), r"returns \(\) of torch.float32"),
    "too few": (lambda: Returning(lambda y: y[:2]), (X, CLASSES), r"returns \(2, 3\)"),
    "an output an example": (lambda: Returning(lambda y: y[:, 0]), (X, CLASSES), "an output a class"),
    "classes from one": (lambda: nn.Linear(4, 3), (X, CLASSES + 1), "classes from 1 to 3, and .* 3 outputs"),
    "a class below zero": (lambda: nn.Linear(4, 3), (X, CLASSES - 1), "classes from -1 to 1"),
    "inputs of another width": (lambda: nn.Linear(5, 3), (X, CLASSES), r"the model fails on inputs \(8, 4\)"),
    "no parameters": (nn.Flatten, (X, CLASSES), "has no parameters"),
    "all frozen": (lambda: nn.Linear(4, 3).requires_grad_(False), (X, CLASSES), "nothing may move"),
}


@pytest.mark.parametrize("measure", [lambda m, d: lth.spectrum(m, d, 1), lth.radii], ids=["spectrum", "radii"])
@pytest.mark.parametrize(("model", "data", "message"), MISFITS.values(), ids=MISFITS)
def test_what_does_not_fit_is_said_by_its_name(measure, model, data, message):
    with pytest.raises(InputError, match=message):
        measure(model(), data)


@pytest.mark.parametrize("measure", [lth.spectrum, lth.layer_spectra, lth.trace, lth.density])
def test_curvature_of_what_is_no_number_says_where_to_look(measure):
    broken = nn.Linear(4, 3)
    nn.init.constant_(broken.weight[:1], torch.nan)
    for model, inputs in ((broken, X), (nn.Linear(4, 3), X * torch.nan)):
        with pytest.raises(InputError, match="look for NaN in the weights and in the inputs"):
            measure(model, (inputs, CLASSES))


@pytest.mark.parametrize(
    ("of_model", "of_data"),
    [
        (torch.float16, torch.float32),
        (torch.bfloat16, torch.bfloat16),
        (torch.float32, torch.float64),
        (torch.float64, torch.float32),
    ],
)
def test_inputs_of_one_precision_go_into_a_model_of_another(of_model, of_data):
    model, exact = (nn.Linear(4, 3) for _ in range(2))
    model = model.to(of_model)
    exact = exact.double()
    exact.load_state_dict(model.state_dict())
    given = (X.to(of_data), CLASSES)
    wanted = lth.spectrum(exact, (given[0].double(), CLASSES), 1).eigenvalues
    np.testing.assert_allclose(lth.spectrum(model, given, 1).eigenvalues, wanted, rtol=1e-4)
    assert np.isfinite(lth.radii(model, given, directions=1).radii).all()
    assert np.isfinite(lth.line(model, model, given, points=2).train_loss).all()
    assert {parameter.dtype for parameter in model.parameters()} == {of_model}


@pytest.mark.parametrize("loss", ["mse", nn.MSELoss()])
def test_a_regression_may_return_a_number_an_example_without_an_axis_for_it(loss):
    torch.manual_seed(0)
    model = nn.Linear(4, 1)
    flat, targets = nn.Sequential(model, nn.Flatten(0)), torch.linspace(-1, 1, 10)
    expected = lth.spectrum(model, (X, targets[:, None]), 5, loss=loss).eigenvalues
    np.testing.assert_allclose(lth.spectrum(flat, (X, targets), 5, loss=loss).eigenvalues, expected, rtol=1e-5)
    radii = [lth.radii(m, (X, targets), directions=2, loss="mse").radii for m in (model, flat)]
    np.testing.assert_allclose(*radii, rtol=1e-3)


@pytest.mark.parametrize("parameters", ["bias", None], ids=["a bias", "of zeros"])
def test_radii_along_directions_of_no_length_are_refused(parameters):
    model = nn.Linear(4, 3)
    if parameters is None:
        nn.init.zeros_(model.weight)
    with pytest.raises(InputError, match="choose direction_norm=plain"):
        lth.radii(model, (X, CLASSES), parameters=parameters)
    assert lth.radii(model, (X, CLASSES), parameters=parameters, directions=1, direction_norm="plain").mean > 0
