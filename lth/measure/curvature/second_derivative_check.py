"""Whether a network has the second derivative that curvature is made of: once a network, before any work.

PyTorch differentiates a gradient again without a word where the result is wrong: behind a backward that was not
written to be differentiated, a part is missing. Three tests on a few images tell, with no kernel in common:

    slope      gᵀu is the derivative of the loss along u: else g is not its gradient (straight-through)
    symmetry   uᵀHv = vᵀHu: else H is no second derivative of anything
    product    Hu is the derivative of g along u

The derivatives along u are central differences in float64, about a point near the one that is asked for: there
no ReLU lies on its kink, and no layer that starts at zero hides the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.autograd.function import BackwardCFunction
from torch.overrides import TorchFunctionMode

from lth.data import Examples
from lth.errors import InputError
from lth.inputs import as_floats
from lth.network.differentiable_kernels import differentiable_kernels
from lth.network.folded import Folded
from lth.network.layout import is_ours
from lth.network.space import LevelSpace
from lth.network.weights import Weights
from lth.randomness import generator, restored
from lth.training.determinism import repeatable
from lth.training.objective import CROSS_ENTROPY, Objective
from lth.training.precision import full_float32

_EXAMPLES = 2
_AWAY = 0.05  # of the size of the weights: how far from the point that is asked for

# A step is believed if the difference of the two differences is small against them: no kink was crossed, and
# rounding is small. An activation crosses its kink with a probability of about the step: of the 400,000 of
# ResNet-20 on two images one mostly does at 1e-6, so that the second step comes first.
_BELIEVED, _TOLERANCE = 1e-4, 1e-3
_STEPS: Final = (1e-7, 1e-6, 1e-8)
# A network that computes in float32 alone: its loss can be followed, its gradient can't among kinks.
_COARSE_BELIEVED, _COARSE_TOLERANCE = 3e-2, 1e-1
_COARSE_STEPS: Final = (1e-3, 1e-2)
_COARSE: Final = (torch.bfloat16, torch.float16)
_ASYMMETRY = 1e-3  # of ‖Hu‖ + ‖Hv‖, in which float32 is far below it

_NEEDED = "curvature needs the second derivative of the loss"


def check_second_derivative(
    network: nn.Module,
    weights: Weights,
    space: LevelSpace,
    examples: Examples,
    objective: Objective = CROSS_ENTROPY,
) -> None:
    """Check that the loss near a point has a gradient that can be differentiated, and what comes out is right.

    Networks of ours are not checked: it is known of them. One that can't compute in float64 is checked in
    float32, for its slope and symmetry alone. Neither the network nor the random state is changed.

    Args:
        network: Gives the structure; copied.
        weights: The point.
        space: Which coordinates are free.
        examples: Of which two are used; on the device of the weights.
        objective: The loss.

    Raises:
        ValueError: If the loss has no second derivative, or PyTorch's is another. The message says which.

    Example:
        >>> from lth.network import Mask
        >>> class Rounded(nn.Linear):  # a straight-through estimator
        ...     def forward(self, x):
        ...         weight = self.weight + (self.weight.round() - self.weight).detach()
        ...         return nn.functional.linear(x.flatten(1), weight)
        >>> network = Rounded(4, 3)
        >>> weights = Weights.of(network)
        >>> examples = Examples(torch.ones(2, 1, 2, 2), torch.tensor([0, 1]), torch.zeros(1), torch.ones(1))
        >>> check_second_derivative(network, weights, LevelSpace(Mask.dense(network), weights), examples)
        Traceback (most recent call last):
        lth.errors.InputError: curvature needs the second derivative of the loss, but the gradient is not ...
    """
    if is_ours(network) and not objective.is_own:
        return
    if odd := [name for name, tensor in weights.parameters.items() if tensor.is_complex()]:
        raise InputError(f"{_NEEDED}, but {odd[0]} is complex; keep it as two real tensors")
    few = examples.take(torch.arange(min(_EXAMPLES, len(examples)), device=examples.labels.device))
    device = few.labels.device
    with restored(device), repeatable(device), full_float32(), differentiable_kernels(network):
        try:
            _check(_Probe(network, weights, space, few, objective, torch.float64))
        except InputError:
            raise
        except Exception:
            _check(_in_single(network, weights, space, few, objective))


def _in_single(
    network: nn.Module, weights: Weights, space: LevelSpace, examples: Examples, objective: Objective
) -> _Probe:
    """Return the probe of a network that does not compute in float64.

    Raises:
        InputError: If it does not in float32 either.
    """
    probe = _Probe(network, weights, space, examples, objective, torch.float32)
    try:
        probe.at()
    except Exception as error:
        brief = " ".join(str(error).split()).split(". ")[0]
        raise InputError(
            f"{_NEEDED} with all weights in float32, and there the forward pass fails "
            f"({type(error).__name__}: {brief}); let it compute in the type of its weights"
        ) from error
    return probe


class _Probe:
    """The loss of a few examples near a point, and what PyTorch says are its derivatives."""

    def __init__(
        self,
        network: nn.Module,
        weights: Weights,
        space: LevelSpace,
        examples: Examples,
        objective: Objective,
        dtype: torch.dtype,
    ) -> None:
        self._function = Folded(network, examples.labels.device)
        self._inputs = as_floats(examples.normalise(examples.images), dtype)
        self._labels, self._space, self._dtype = examples.labels, space, dtype
        self._objective = objective
        self.names = [name for name, p in network.named_parameters() if p.requires_grad]
        self.is_exact = dtype == torch.float64
        self._point, self._size = _away_from(weights, space)
        self._temperature: float | None = None
        self._types = _Types()

    @property
    def coarse(self) -> torch.dtype | None:
        """A type of fewer bits than float32 that something which depends on the weights was computed in."""
        return self._types.coarse

    def draw(self, which: str) -> Tensor:
        """Return a direction in the space, standard normal in every coordinate, (dimension,)."""
        stream = generator(0, "second_derivative_check", which)
        drawn = torch.randn(self._space.dimension, generator=stream, dtype=torch.float64)
        return drawn.to(self._labels.device)

    def at(self, moved: Tensor | None = None) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss and the parameters it depends on, `moved` so many sizes of the weights away.

        Logits are divided by the largest: softmax of a trained network saturates, and then rounding is all.
        """
        point = self._point
        if moved is not None:
            by_name = self._space.embed(self._size * moved)
            parameters = {name: tensor + by_name[name] for name, tensor in point.parameters.items()}
            point = Weights(parameters, point.buffers)
        leaves = self._function.leaves(point, self._dtype)
        with self._types:
            logits = self._function(self._function.state(leaves), self._inputs)
        if self._temperature is None:
            self._temperature = max(1.0, float(logits.detach().abs().max()))
        loss = self._objective.mean(logits.to(self._dtype) / self._temperature, self._labels)
        return loss, {name: leaves.parameters[name] for name in self.names}

    def in_space(self, parameters: Sequence[Tensor]) -> Tensor:
        """Return the free coordinates of a gradient or a product, in float64, (dimension,)."""
        every = {name: torch.zeros_like(tensor) for name, tensor in self._point.parameters.items()}
        given = {name: tensor.detach().double() for name, tensor in zip(self.names, parameters, strict=True)}
        return self._space.restrict({**every, **given})

    def by_name(self, vector: Tensor) -> list[Tensor]:
        """Return a vector of the space as what `torch.autograd.grad` takes."""
        embedded = self._space.embed(vector.to(self._dtype))
        return [embedded[name] for name in self.names]

    def ends(self, direction: Tensor, step: float) -> tuple[list[Tensor], list[Tensor]]:
        """Return the losses at both ends of a step, and the gradients."""
        losses, gradients = [], []
        for sign in (1, -1):
            loss, parameters = self.at(sign * step * direction)
            losses.append(loss.detach().double())
            free = list(parameters.values())
            gradients.append(self.in_space(torch.autograd.grad(loss, free, materialize_grads=True)))
        return losses, gradients

    def slope(self, ends: Sequence[Tensor], step: float) -> Tensor:
        """Return the central difference of two ends."""
        return (ends[0] - ends[1]) / (2 * step * self._size)


class _Types(TorchFunctionMode):
    """Within it, notes the coarsest type that something with a gradient is computed in."""

    coarse: torch.dtype | None = None

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call `func` as it is."""
        returned = func(*args, **(kwargs or {}))
        if isinstance(returned, Tensor) and returned.requires_grad and returned.dtype in _COARSE:
            self.coarse = returned.dtype
        return returned


@dataclass(frozen=True)
class _Derivatives:
    """What PyTorch says of a probe, in the coordinates of the space and float64."""

    loss: Tensor
    gradient: Tensor
    products: tuple[Tensor, Tensor]  # with two directions
    own: str  # which functions with a backward of their own there are, the first to suspect; may be empty
    idle: tuple[str, ...]  # parameters that are free, and that no gradient reaches


def _check(probe: _Probe) -> None:
    directions = probe.draw("u"), probe.draw("v")
    found = _differentiated(probe, directions)
    every = torch.cat([found.loss.reshape(1), found.gradient, *found.products])
    if not bool(every.isfinite().all()):
        return  # a loss that is not finite near the point: whoever computes it there says so
    (u, v), (along_u, along_v) = directions, found.products
    _check_differences(probe, found, u)
    asymmetry = float((u @ along_v - v @ along_u).abs())
    if asymmetry > _ASYMMETRY * float(along_u.norm() + along_v.norm()):
        raise InputError(
            f"{_NEEDED}, but PyTorch's is not symmetric, uᵀHv = {float(u @ along_v):.4g} and "
            f"vᵀHu = {float(v @ along_u):.4g}: {_suspected(found.own)}"
        )


_ANY = "a backward of the network's own"
_REMEDY = "write it in differentiable operations of its inputs (torch.autograd.gradgradcheck tests a function)"


def _differentiated(probe: _Probe, directions: tuple[Tensor, Tensor]) -> _Derivatives:
    """Return loss, gradient and products.

    Raises:
        InputError: If there is no gradient, or it has none.
    """
    loss, parameters = probe.at()
    free = list(parameters.values())
    if not free or not loss.requires_grad:
        raise InputError(
            f"{_NEEDED}, but the loss depends on no parameter that is not frozen; switch gradients off neither "
            "in `forward` nor in evaluation mode (torch.no_grad, inference_mode, detach)"
        )
    if coarse := probe.coarse:
        raise InputError(
            f"{_NEEDED}, but the network computes in {coarse} (autocast, half), whose rounding has none: "
            "let it do so in training mode alone, or leave that to `precision`"
        )
    try:
        slopes = torch.autograd.grad(loss, free, create_graph=True, allow_unused=True)
    except Exception as error:
        raise InputError(f"{_NEEDED}, but {_reason(error, _own_functions(loss))}") from error
    if all(slope is None for slope in slopes):
        raise InputError(
            f"{_NEEDED}, but the loss depends on none of the network's parameters that is not frozen: does its "
            "forward use parameters of another module, or detach what it computes?"
        )
    gradient = [
        torch.zeros_like(parameter, requires_grad=True) if slope is None else slope
        for parameter, slope in zip(free, slopes, strict=True)
    ]
    try:
        products = [
            torch.autograd.grad(gradient, free, probe.by_name(along), retain_graph=True, materialize_grads=True)
            for along in directions
        ]
    except Exception as error:
        raise InputError(f"{_NEEDED}, but {_reason(error, _own_functions(loss))}") from error
    u, v = (probe.in_space(product) for product in products)
    idle = tuple(name for name, slope in zip(probe.names, slopes, strict=True) if slope is None)
    return _Derivatives(loss.detach().double(), probe.in_space(gradient), (u, v), _own_functions(loss), idle)


def _own_functions(loss: Tensor) -> str:
    """Return which functions with a backward of their own a loss was computed with, as a message says it."""
    names, seen, waiting = set[str](), set[object](), [loss.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if issubclass(type(node), BackwardCFunction):
            names.add(type(node).__name__.removesuffix("Backward"))
        waiting += [following for following, _ in node.next_functions]
    return f"the backward of {', '.join(sorted(names))}" if names else ""


def _suspected(own: str) -> str:
    if own:
        return f"{own} can't be differentiated twice; {_REMEDY}"
    return (
        "something that depends on the weights is taken for a constant (detach, torch.no_grad, .data), or a "
        "layer of PyTorch's is not differentiated right; measure a network without it"
    )


def _reason(error: Exception, own: str) -> str:
    """Return why a gradient can't be computed or differentiated."""
    said = " ".join(str(error).split())
    if "use_reentrant" in said or "Checkpointing is not compatible" in said:
        return "torch.utils.checkpoint can't give it with use_reentrant=True; call it with use_reentrant=False"
    if "once_differentiable" in said:
        return f"{own or _ANY} is once_differentiable; {_REMEDY}"
    if "does not require grad" in said:
        return f"the gradient has none at all: {own or _ANY} detaches it; {_REMEDY}"
    brief = said.split(". ")[0].rstrip(".")
    return f"PyTorch can't compute it ({type(error).__name__}: {brief}); use another layer in its place"


def _check_differences(probe: _Probe, found: _Derivatives, u: Tensor) -> None:
    """Check gᵀu and Hu against central differences along u, each at the first step that is believed."""
    slope, product = (found.gradient @ u).reshape(1), found.products[0]
    steps = [(step, _BELIEVED, _TOLERANCE) for step in _STEPS if probe.is_exact]
    steps += [(step, _COARSE_BELIEVED, _COARSE_TOLERANCE) for step in _COARSE_STEPS]
    slope_checked, product_checked = False, not probe.is_exact
    for step, believed, tolerance in steps:
        if slope_checked and product_checked:
            return
        losses, gradients = probe.ends(u, step)
        is_fine = step in _STEPS
        if is_fine and not _is_believed(gradients, found.gradient, believed, step):
            continue
        if not slope_checked and _is_believed(losses, found.loss, believed, step):
            slope_checked = True
            measured = probe.slope(losses, step).reshape(1)
            if float((measured - slope).abs()) > tolerance * float(found.gradient.norm()):
                raise InputError(_not_its_gradient(found, slope, measured))
        if is_fine and not product_checked:
            product_checked = True
            measured = probe.slope(gradients, step)
            error = float((measured - product).norm())
            size = max(float(measured.norm()), float(product.norm()))
            if error > tolerance * size:
                raise InputError(
                    f"{_NEEDED}, but PyTorch's is {error / size:.1%} off the change of the gradient: "
                    f"{_suspected(found.own)}"
                )


def _not_its_gradient(found: _Derivatives, slope: Tensor, measured: Tensor) -> str:
    said = (
        f"{_NEEDED}, but the gradient is not that of the loss, whose slope is {float(measured):.4g} where the "
        f"gradient says {float(slope):.4g}: "
    )
    if found.idle:
        return (
            f"{said}none reaches {found.idle[0]} (detach, torch.no_grad), which is not frozen; freeze what is "
            "to stay, by requires_grad_(False), or let the gradient reach it"
        )
    return (
        f"{said}rounding, detach, torch.no_grad or {found.own or _ANY} stands in "
        "between; measure a network without it"
    )


def _is_believed(ends: Sequence[Tensor], middle: Tensor, share: float, step: float) -> bool:
    """Return whether the function is a straight line between two ends but for a share of its change.

    That it does not change at all is believed of the larger steps only, which float32 does not round away.
    """
    change = float((ends[0] - ends[1]).norm())
    bend = float((ends[0] + ends[1] - 2 * middle).norm())
    return bend <= share * change and (change > 0 or step >= max(_STEPS))


def _away_from(weights: Weights, space: LevelSpace) -> tuple[Weights, float]:
    """Return a point near `weights` in float64, and the size of its free coordinates, a root mean square."""
    exact = {name: tensor.detach().double() for name, tensor in weights.parameters.items()}
    free = space.restrict(exact)
    size = float(free.square().mean().sqrt()) or 1.0
    stream = generator(0, "second_derivative_check", "point")
    noise = torch.randn(space.dimension, generator=stream, dtype=torch.float64).to(free.device)
    # In proportion, so that what must be positive stays so; from zero, anywhere.
    shift = space.embed(_AWAY * noise * torch.where(free == 0, size, free))
    return Weights({name: tensor + shift[name] for name, tensor in exact.items()}, weights.buffers), size
