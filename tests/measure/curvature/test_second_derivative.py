import itertools

import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv2d, relu

from lth.measure.curvature.second_derivative import FastSecondDerivatives

DOUBLE = torch.float64
GEOMETRIES = {
    "plain": {},
    "as in a ResNet": {"padding": 1},
    "strided": {"stride": 2, "padding": 1},
    "uneven": {"stride": (2, 1), "padding": (0, 2), "dilation": (1, 2)},
    "of lists of one": {"stride": [2], "padding": [1]},
    "dilated": {"dilation": 2, "padding": 2},
    "grouped": {"groups": 2},
    "same": {"padding": "same"},
    "valid": {"padding": "valid"},
}


def arguments(groups: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    stream = torch.Generator().manual_seed(0)
    shapes = (2, 4, 6, 5), (6, 4 // groups, 3, 3), (6,)
    x, weight, bias = (torch.randn(*shape, generator=stream, dtype=DOUBLE) for shape in shapes)
    return x, weight, bias


def derivatives(options: dict[str, object], wanted: tuple[bool, bool, bool], fast: bool) -> list[Tensor]:
    """Return the output, its gradients along a direction, and the gradients of those along another."""
    tensors = [t.requires_grad_(w) for t, w in zip(arguments(options.get("groups", 1)), wanted, strict=True)]
    stream = torch.Generator().manual_seed(1)
    free = [tensor for tensor in tensors if tensor.requires_grad]

    def like(tensor: Tensor) -> Tensor:
        return torch.randn(tensor.shape, generator=stream, dtype=DOUBLE)

    if fast:
        with FastSecondDerivatives():
            output = conv2d(*tensors, **options)
    else:
        output = conv2d(*tensors, **options)
    # of a square: a linear function of the output would leave some second derivatives zero
    first = torch.autograd.grad((like(output) * output**2).sum(), free, create_graph=True)
    second = torch.autograd.grad(first, free, [like(tensor) for tensor in first])
    return [output, *first, *second]


@pytest.mark.parametrize("options", GEOMETRIES.values(), ids=GEOMETRIES.keys())
@pytest.mark.parametrize(
    "wanted", [pattern for pattern in itertools.product([False, True], repeat=3) if any(pattern[:2])]
)
def test_two_derivatives_are_those_of_torch(options, wanted):
    ours, theirs = (derivatives(options, wanted, fast) for fast in (True, False))
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def test_two_derivatives_are_those_of_finite_differences():
    x, weight, bias = (tensor.requires_grad_() for tensor in arguments())

    def function(*tensors: Tensor) -> Tensor:
        with FastSecondDerivatives():
            return conv2d(*tensors, stride=2, padding=1).tanh()

    assert torch.autograd.gradcheck(function, (x, weight, bias))
    assert torch.autograd.gradgradcheck(function, (x, weight, bias))


def test_part_of_the_gradients_can_be_differentiated_alone():
    for of in (0, 1):
        found = []
        for fast in (True, False):
            tensors = [tensor.requires_grad_() for tensor in arguments()]
            with FastSecondDerivatives() if fast else torch.enable_grad():
                output = conv2d(*tensors)
            gradient = torch.autograd.grad((output**2).sum(), tensors[of], create_graph=True)[0]
            found.append(torch.autograd.grad((gradient**2).sum(), tensors[:2]))
        for one, other in zip(*found, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-9)


def test_channels_last_float32_tensors_have_the_same_derivatives():
    found = []
    for fast in (True, False):
        tensors = [tensor.float() for tensor in arguments()]
        tensors[:2] = [tensor.contiguous(memory_format=torch.channels_last) for tensor in tensors[:2]]
        for tensor in tensors:
            tensor.requires_grad_()
        with FastSecondDerivatives() if fast else torch.enable_grad():
            output = conv2d(*tensors, padding=1)
        first = torch.autograd.grad((output**2).sum(), tensors, create_graph=True)
        found.append([output, *first, *torch.autograd.grad(sum((g**2).sum() for g in first), tensors)])
    assert type(found[0][0].grad_fn).__name__ == "_ConvolutionBackward"
    assert found[0][0].is_contiguous(memory_format=torch.channels_last)
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4 * float(other.detach().abs().max()))


def test_a_third_derivative_is_refused():
    x, weight, _ = (tensor.requires_grad_() for tensor in arguments())
    with FastSecondDerivatives():
        output = conv2d(x, weight)
    first = torch.autograd.grad((output**2).sum(), weight, create_graph=True)[0]
    second = torch.autograd.grad((first**2).sum(), weight, create_graph=True)[0]
    with pytest.raises(RuntimeError, match="once_differentiable"):
        second.sum().backward()


def test_an_image_without_its_batch_is_convolved_by_torch():
    x, weight, bias = arguments()
    with FastSecondDerivatives():
        assert torch.equal(conv2d(x[0], weight, bias), conv2d(x[:1], weight, bias)[0])


def test_nothing_is_changed_outside():
    x, weight, _ = (tensor.requires_grad_() for tensor in arguments())
    with FastSecondDerivatives():
        pass
    assert "Convolution" in type(conv2d(x, weight).grad_fn).__name__
    assert type(conv2d(x, weight).grad_fn).__name__ != "_ConvolutionBackward"


@pytest.mark.parametrize("inplace", [False, True])
def test_two_derivatives_of_relu_are_those_of_torch(inplace):
    """At zero too, where both take the slope to be zero."""
    found = []
    for fast in (True, False):
        x, weight, bias = (tensor.requires_grad_() for tensor in arguments())
        stream = torch.Generator().manual_seed(1)
        with FastSecondDerivatives() if fast else torch.enable_grad():
            output = relu(relu(conv2d(x, weight, bias), inplace=inplace) - 0.5, inplace=inplace)
            output = relu(output * torch.tensor([-1.0, 0.0, 1.0], dtype=DOUBLE)) ** 3
        first = torch.autograd.grad(output.sum(), (x, weight, bias), create_graph=True)
        along = [torch.randn(tensor.shape, generator=stream, dtype=DOUBLE) for tensor in first]
        found.append([output, *first, *torch.autograd.grad(first, (x, weight, bias), along)])
    assert (found[0][0] == 0).any()
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def test_relu_of_a_nan_is_a_nan():
    with FastSecondDerivatives():
        output = relu(torch.tensor([float("nan"), -1.0, 2.0]).requires_grad_())
    assert output.isnan().tolist() == [True, False, False]
    assert output[1:].tolist() == [0.0, 2.0]
