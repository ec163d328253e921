"""Hessian-vector products of the mean training loss in a level's space.

BatchNorm stays in evaluation mode with the statistics of the point, so the loss is a mean over examples and
splitting the examples into chunks changes nothing but rounding. The gradient graphs of as many chunks as the
memory budget allows are kept between products, which saves their forward and first backward pass. Where
BatchNorm follows a convolution it is folded into it, and derivatives pass through its scale to the weights.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial

import torch
from torch import Tensor, nn

from lth.data import Examples
from lth.data.room import free_on
from lth.errors import InputError
from lth.inputs import as_floats, called, each, mapped, taken
from lth.measure.curvature.second_derivative import FastSecondDerivatives
from lth.measure.curvature.second_derivative_check import check_second_derivative
from lth.network.differentiable_kernels import differentiable_kernels
from lth.network.folded import Folded
from lth.network.layout import is_ours
from lth.network.parts import frozen_names
from lth.network.space import LevelSpace
from lth.network.weights import Weights
from lth.randomness import restored
from lth.training.capture import CapturedStep, has_graphs, on_capturing_stream
from lth.training.determinism import repeatable
from lth.training.objective import CROSS_ENTROPY, Objective
from lth.training.precision import full_float32

# Examples a forward pass. On a CPU more leave its cache; a GPU wants to be kept busy, within its memory.
_CHUNK = {"cpu": 128, "cuda": 1000}
_CHUNK_SHARE = 1 / 8
_GRAPH_BUDGET_BYTES = 4 * 2**30  # on a CPU; on a GPU half of what is free there
_COMPARED = 8  # examples whose logits must not change from call to call: dropout may spare a few
# Copies of the weights that a chunk's graph holds: kernels with BatchNorm folded in, some in float64.
_FOLDING = 5


class HessianOperator:
    """The symmetric matrix E^T H E at a point, H the Hessian of the mean training loss over the examples.

    Args:
        network: Gives the structure; copied.
        weights: The point and its BatchNorm statistics.
        space: Which coordinates are free.
        examples: What the loss is the mean over.
        dtype: Precision of the products; float64 for reference.
        graph_budget_bytes: On each device, keep gradient graphs while they take up to about this much memory;
            by default 4 GiB on a CPU, half of what is free on a GPU.
        others: Devices that take an equal share of the examples each, besides the one these are on.
        objective: The loss, that of training.
        checked: Whether `check_second_derivative` is known to pass, as it does elsewhere with this network.

    Raises:
        ValueError: If the loss is no mean over examples: the network draws at random, or mixes the examples of
            a batch, even in evaluation mode. Or if PyTorch's second derivative of it is missing or wrong, or
            the space has coordinates of a frozen parameter.

    Example:
        Of softmax regression at zero, two classes and one example x, the Hessian is ¼ [[1, -1], [-1, 1]] ⊗ xxᵀ.

        >>> from lth.network import Mask
        >>> network = nn.Sequential(nn.Flatten(), nn.Linear(2, 2, bias=False))
        >>> zero = Weights.of(network).map(torch.zeros_like)
        >>> x = Examples(torch.tensor([[[[1.0, 2.0]]]]), torch.tensor([0]), torch.zeros(1), torch.ones(1))
        >>> hessian = HessianOperator(network, zero, LevelSpace(Mask.dense(network), zero), x)
        >>> hessian(torch.tensor([1.0, 0.0, 0.0, 0.0]))
        tensor([ 0.2500,  0.5000, -0.2500, -0.5000])
    """

    def __init__(
        self,
        network: nn.Module,
        weights: Weights,
        space: LevelSpace,
        examples: Examples,
        *,
        dtype: torch.dtype = torch.float32,
        graph_budget_bytes: int | None = None,
        others: Sequence[torch.device] = (),
        objective: Objective = CROSS_ENTROPY,
        checked: bool = False,
    ) -> None:
        self._frozen = frozen_names(network)
        self._check_free(space)
        self._space = space
        self._block: frozenset[str] | None = None  # the parameters that products pass through; None: all
        self._dtype = dtype
        self._device = examples.labels.device
        check_mean_over_examples(network, weights, examples)
        if not checked:
            check_second_derivative(network, weights, space, examples, objective)
        self._others = tuple(others)
        devices = [self._device, *others]
        parts = torch.tensor_split(torch.arange(len(examples)), len(devices))
        self._shares = [
            _Share(
                network,
                weights,
                examples.take(part).to(device),
                len(examples),
                objective,
                dtype,
                graph_budget_bytes,
            )
            for device, part in zip(devices, parts, strict=True)
            if len(part)
        ]
        self.num_products = 0

    def in_space(self, space: LevelSpace) -> HessianOperator:
        """Return the operator at the same point in another space, sharing the graphs that are kept."""
        self._check_free(space)
        other = copy.copy(self)
        other._space, other._block = space, None
        other.num_products = 0
        return other

    def block(self, space: LevelSpace) -> HessianOperator:
        """Return the operator in a space of some of the parameters, whose products pass through no others.

        It is that of `in_space` but for rounding, and takes less: derivatives go back no further than these
        parameters, for the last layers hardly at all.
        """
        other = self.in_space(space)
        other._block = frozenset(space.moving)
        return other

    def _check_free(self, space: LevelSpace) -> None:
        if still := [name for name in space.moving if name in self._frozen]:
            raise InputError(
                f"{still[0]} is frozen in the network (requires_grad=False) and free in the space; "
                "make the mask by Mask.dense(network), or let it move"
            )

    @property
    def dimension(self) -> int:
        """Side of the matrix."""
        return self._space.dimension

    @property
    def device(self) -> torch.device:
        """Where vectors of the space live."""
        return self._device

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the products."""
        return self._dtype

    def __call__(self, vector: Tensor) -> Tensor:
        """Return E^T H E v for `vector`, (dimension,), in the vector's dtype."""
        direction = self._space.embed(vector.to(self._dtype))
        with repeatable(self._device, *self._others), full_float32():
            # Kernels are only queued on a GPU: all of them work before the first sum waits for one.
            products = [share.product(direction, self._block) for share in self._shares]
        total = products[0]
        for product in products[1:]:
            torch._foreach_add_(list(total.values()), [part.to(self._device) for part in product.values()])
        self.num_products += 1
        return self._space.restrict({**direction, **total}).to(vector.dtype)


class _Share:
    """The part that some of the examples, all on one device, have in the Hessian of the mean over `total`."""

    def __init__(
        self,
        network: nn.Module,
        weights: Weights,
        examples: Examples,
        total: int,
        objective: Objective,
        dtype: torch.dtype,
        graph_budget_bytes: int | None,
    ) -> None:
        self._device = examples.labels.device
        self._function = Folded(network, self._device)
        self._examples, self._count, self._dtype = examples, total, dtype
        self._objective = objective
        moved = weights.to(self._device)
        self._weights = self._function.leaves(moved, dtype)
        self._free = {name: tensor for name, tensor in self._weights.parameters.items() if tensor.requires_grad}
        self._network = network
        of_example = _graph_bytes_per_example(network, examples, dtype)
        chunk = _chunk_on(self._device, of_example)
        indices = torch.split(torch.arange(len(examples), device=self._device), chunk)
        folding = _FOLDING * sum(p.numel() for p in self._weights.parameters.values()) * dtype.itemsize
        budget = _graph_budget_on(self._device) if graph_budget_bytes is None else graph_budget_bytes
        affordable = budget // (chunk * (of_example + _input_bytes(examples, dtype)) + folding)
        self._rebuilt = indices[affordable:]
        # A product of few images takes a GPU less time than its launches: all of them are made at once.
        self._captures = has_graphs(self._device) and not self._rebuilt
        self._captured: CapturedStep | None = None
        self._total = [torch.zeros_like(parameter) for parameter in self._free.values()]
        stream = on_capturing_stream(self._device) if self._captures else nullcontext()
        with repeatable(self._device), full_float32(), stream:
            self._kept = [self._gradient(index) for index in indices[:affordable]]

    def product(
        self, direction: Mapping[str, Tensor], block: frozenset[str] | None = None
    ) -> dict[str, Tensor]:
        """Return this share of the product with `direction`, of the parameters that are not frozen.

        It is overwritten by the next. Of a `block` it is that of its parameters alone; where the whole product
        is one launch, that takes no more.
        """
        if block is not None and not self._captures:
            return self._of_block(direction, block)
        moved = tuple(direction[name].to(self._device) for name in self._free)
        if self._captures:
            self._captured = self._captured or self._capture(moved)
            self._captured(*moved)
        else:
            self._multiply(*moved)
        return dict(zip(self._free, self._total, strict=True))

    def _capture(self, direction: tuple[Tensor, ...]) -> CapturedStep:
        captured = CapturedStep(self._multiply, direction, ())
        if not self._function.is_folded:  # a user's own derivatives may do anything in Python
            others = [direction, tuple(tensor.flip(0) if tensor.ndim else -tensor for tensor in direction)]
            captured.check([partial(tuple, other) for other in others], lambda: self._total)
        return captured

    def _multiply(self, *direction: Tensor) -> None:
        torch._foreach_zero_(self._total)
        self._add(self._total, range(len(self._free)), direction)

    def _of_block(self, direction: Mapping[str, Tensor], block: frozenset[str]) -> dict[str, Tensor]:
        places = [place for place, name in enumerate(self._free) if name in block]
        names = [name for name in self._free if name in block]
        total = [torch.zeros_like(self._free[name]) for name in names]
        self._add(total, places, tuple(direction[name].to(self._device) for name in names))
        return dict(zip(names, total, strict=True))

    def _add(self, total: list[Tensor], places: Sequence[int], direction: tuple[Tensor, ...]) -> None:
        """Add the product to `total`, both of those parameters that have these places."""
        every = tuple(self._free.values())
        free = tuple(every[place] for place in places)
        for gradient in self._kept:
            chosen = tuple(gradient[place] for place in places)
            torch._foreach_add_(total, self._product(chosen, free, direction, keep=True))
        for index in self._rebuilt:
            gradient = self._gradient(index, free)
            torch._foreach_add_(total, self._product(gradient, free, direction, keep=False))

    def _gradient(self, index: Tensor, free: tuple[Tensor, ...] | None = None) -> tuple[Tensor, ...]:
        """Return the gradient of the share these examples have in the mean loss, with its graph.

        It is that in the parameters `free`, by default all.
        """
        examples = self._examples.take(index)
        inputs = as_floats(examples.normalise(examples.images), self._dtype)
        # A user's own network may do with its convolutions what our function has no rule for.
        with FastSecondDerivatives() if self._function.is_folded else self._kernels():
            logits = self._function(self._function.state(self._weights), inputs)
        loss = self._objective.total(logits, examples.labels) / self._count
        with self._kernels():
            free = tuple(self._free.values()) if free is None else free
            return torch.autograd.grad(loss, free, create_graph=True, materialize_grads=True)

    def _product(
        self,
        gradient: tuple[Tensor, ...],
        free: tuple[Tensor, ...],
        direction: tuple[Tensor, ...],
        *,
        keep: bool,
    ) -> tuple[Tensor, ...]:
        with self._kernels():
            return torch.autograd.grad(gradient, free, direction, retain_graph=keep, materialize_grads=True)

    def _kernels(self) -> AbstractContextManager[None]:
        return nullcontext() if self._function.is_folded else differentiable_kernels(self._network)


@torch.no_grad()
def check_mean_over_examples(network: nn.Module, weights: Weights, examples: Examples) -> None:
    """Check that the loss is a mean over examples, so that it has a Hessian which is one too.

    Networks of ours are not checked: it is known of them. The random state is left as it was.

    Raises:
        ValueError: If the network draws at random, or mixes the examples of a batch, in evaluation mode.

    Example:
        >>> images = torch.tensor([1.0, 3.0]).reshape(2, 1, 1, 1)
        >>> examples = Examples(images, torch.tensor([0, 1]), torch.zeros(1), torch.ones(1))
        >>> network = nn.Sequential(nn.BatchNorm2d(1, track_running_stats=False), nn.Flatten(), nn.Linear(1, 2))
        >>> check_mean_over_examples(network, Weights.of(network), examples)
        Traceback (most recent call last):
        lth.errors.InputError: an image's logits depend on the others of its batch in evaluation mode, so ...
    """
    if is_ours(network):
        return
    few = examples.take(torch.arange(min(_COMPARED, len(examples))))
    dtype = next(iter(weights.parameters.values())).dtype
    inputs = as_floats(few.normalise(few.images), dtype)
    function = Folded(network, examples.labels.device)
    state = function.state(weights.to(examples.labels.device))
    with repeatable(examples.labels.device), restored(examples.labels.device), full_float32():
        together, again = function(state, inputs), function(state, inputs)
        first = mapped(lambda tensor: tensor[:1].expand_as(tensor), inputs)
        other = function(state, first)
    if together.isnan().any():
        raise InputError(
            "the network's outputs are not numbers (NaN), so the loss has no curvature; look for NaN in the "
            "weights and in the inputs"
        )
    near = 1e-3 * float(together.abs().max())  # far above the rounding of another batch size
    if not torch.allclose(together, again, rtol=0, atol=near, equal_nan=True):
        raise InputError(
            "the network gives the same images different logits in evaluation mode, so its loss has no "
            "Hessian; let its dropout follow `self.training`"
        )
    if not torch.allclose(together[:1], other[:1], rtol=0, atol=near, equal_nan=True):
        raise InputError(
            "an image's logits depend on the others of its batch in evaluation mode, so the loss is no "
            "mean over images; keep BatchNorm's track_running_stats=True"
        )


def _chunk_on(device: torch.device, bytes_per_example: int) -> int:
    """Return how many examples pass at once: of a device and a network alone, for the bits depend on it."""
    most = _CHUNK[device.type]
    if device.type != "cuda":
        return most
    memory = torch.cuda.get_device_properties(device).total_memory
    return max(1, min(most, int(_CHUNK_SHARE * memory) // bytes_per_example))


def _graph_budget_on(device: torch.device) -> int:
    """Return how much memory graphs may take; what is not kept is computed again, to the same bits."""
    if device.type != "cuda":
        return _GRAPH_BUDGET_BYTES
    return free_on(device) // 2


def _graph_bytes_per_example(network: nn.Module, examples: Examples, dtype: torch.dtype) -> int:
    """Estimate what an example's gradient graph holds, from the sizes of the layers' outputs.

    ResNet-20 on 256 images was measured to hold 4.2 MB an image, 6.1 MB once a product was taken, at 1.9 MB of
    layer outputs in float32: outputs are counted four times.
    """
    sizes: list[int] = []
    probe = copy.deepcopy(network).to(examples.labels.device).eval()
    for module in probe.modules():
        if not list(module.children()) and not isinstance(module, torch.jit.ScriptModule):
            module.register_forward_hook(lambda _module, _inputs, output: sizes.append(_num_elements(output)))
    with torch.no_grad():
        called(probe, examples.normalise(taken(examples.images, slice(0, 1))))
    return max(1, 4 * sum(sizes) * torch.empty((), dtype=dtype).element_size())


def _input_bytes(examples: Examples, dtype: torch.dtype) -> int:
    """Return what an example's normalised inputs take, which its graph holds, too."""
    return dtype.itemsize * sum(tensor[:1].numel() for _, tensor in each(examples.images))


def _num_elements(output: object) -> int:
    """Count the elements of a layer's output, which may be a tuple (recurrent layers)."""
    if isinstance(output, Tensor):
        return output.numel()
    return sum(_num_elements(part) for part in output) if isinstance(output, tuple | list) else 0
