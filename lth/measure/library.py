"""The geometry of any network on any data, a call a measure: `lth.spectrum(model, data)` and its neighbours.

A model is a plain `nn.Module`, also one that `torch.nn.utils.prune` has pruned; it is copied, put in evaluation
mode and never changed. Data is what the model is called with: `(inputs, targets)`, where inputs are a tensor,
a tuple or a dict, or a `torch.utils.data` data set or loader, which is read once. Everything is computed where
the model is. Results are those of a study.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from lth.data import Examples
from lth.data.drained import examples_of
from lth.errors import InputError
from lth.measure.curvature.density import SpectralDensity, spectral_density
from lth.measure.curvature.hessian import HessianOperator
from lth.measure.curvature.krylov import KrylovBasis
from lth.measure.curvature.spectrum import Spectrum, basis_capacity, leading_spectrum, search
from lth.measure.curvature.subspace import leading_eigenvectors
from lth.measure.curvature.trace import Trace, deflated_trace
from lth.measure.distance import Distances, norm, pairwise
from lth.measure.fits import check_fits, in_type_of
from lth.measure.function_space import Functions, compare_functions, compare_layers
from lth.measure.interpolation import Interpolation, interpolate
from lth.measure.layer_spectra import LayerCurvature, block_of
from lth.measure.mass import Mass, losses_around, noisy_loss, root_mean_square
from lth.measure.radius import BasinRadii, basin_radii, random_directions
from lth.measure.sharpness import Sharpness, sharpness_at
from lth.measure.surface import Surface, loss_surface, plane_through
from lth.measure.volume import LocalVolume, quadratic_preconditioner, volumes_at
from lth.network.layer_groups import EACH, first_names, is_called, layer_groups
from lth.network.mask import Mask
from lth.network.parts import frozen_names, prunable_names
from lth.network.pruned import unpruned_copy
from lth.network.space import LevelSpace
from lth.network.symmetry import PermutationSpec
from lth.network.symmetry import symmetries as read_symmetries
from lth.network.symmetry.activations import activation_pairs
from lth.network.symmetry.derive import traced
from lth.network.symmetry.matching import match, weight_pairs
from lth.network.weights import Weights
from lth.plan.place import Place
from lth.setting.setting import DirectionNorm
from lth.training.batchnorm import StatisticsEstimator
from lth.training.evaluate import Evaluator
from lth.training.objective import Objective, objective_like

Loss: TypeAlias = str | Callable[[Tensor, Tensor], Tensor] | nn.Module | Objective
Kept: TypeAlias = Mask | Mapping[str, Tensor] | None
Chosen: TypeAlias = str | Sequence[str] | Callable[[str], bool] | None

_BATCH = 32  # examples of a pass that is watched for activations
_WINDOW = 0.4  # of the root mean square weight: how wide a Gaussian a mass is of
_DEFLATED = 10  # leading eigenvalues taken out of a trace, whose variance they are most of


@dataclass(frozen=True)
class _Site:
    """A model at its weights, in the space of what is free to move, on examples."""

    network: nn.Module
    weights: Weights
    mask: Mask
    examples: Examples
    objective: Objective

    @cached_property
    def space(self) -> LevelSpace:
        """The coordinates that may move.

        Raises:
            ValueError: If there are none.
        """
        space = LevelSpace(self.mask, self.weights)
        if not space.dimension:
            raise InputError(
                "nothing may move: every parameter is frozen (requires_grad=False), masked, or not chosen by "
                "parameters="
            )
        return space

    @property
    def hessian(self) -> HessianOperator:
        """The Hessian of the mean loss in the space."""
        types = {parameter.dtype for parameter in self.weights.parameters.values()}
        dtype = torch.float64 if types == {torch.float64} else torch.float32
        return HessianOperator(
            self.network, self.weights, self.space, self.examples, dtype=dtype, objective=self.objective
        )

    @property
    def evaluate(self) -> Evaluator:
        """The loss and the metric at any weights."""
        return Evaluator(self.network, self.examples, objective=self.objective)


def _site(model: nn.Module, data: Any, loss: Loss, mask: Kept, parameters: Chosen) -> _Site:
    network, known = _own_copy(model)
    network.eval()
    device = _device_of(network)
    examples = in_type_of(network, examples_of(data).to(device))
    weights = Weights.of(network)
    kept = _mask(network, known if mask is None else mask, parameters)
    objective = objective_like(loss)
    objective.check(examples.labels)
    at = kept.apply(weights)
    check_fits(network, at, examples, objective)
    return _Site(network, at, kept, examples, objective)


def _own_copy(model: nn.Module) -> tuple[nn.Module, Mask | None]:
    """Return a copy without pruning and its mask; in float32 if the model is in half precision.

    In that neither a small step along a direction nor a second derivative would be more than rounding.
    """
    network, known = unpruned_copy(model)
    if any(parameter.dtype in (torch.float16, torch.bfloat16) for parameter in network.parameters()):
        network.float()
    return network, known


def _device_of(network: nn.Module) -> torch.device:
    """Return where a model is.

    Raises:
        ValueError: If it has no parameters, which are what is measured.
    """
    first = next(network.parameters(), None)
    if first is None:
        raise InputError(f"the model, a {type(network).__name__}, has no parameters, so nothing to measure")
    return first.device


def _mask(network: nn.Module, mask: Kept, parameters: Chosen) -> Mask:
    """Return a mask under which what is not chosen, or frozen in the network, does not move.

    Raises:
        ValueError: If it names no parameter of the network, or one of another shape, or nothing is chosen.
    """
    shapes = {name: parameter.shape for name, parameter in network.named_parameters()}
    keep = _by_first_name(network, mask.keep if isinstance(mask, Mask) else mask or {})
    for name, kept in keep.items():
        if name not in shapes or kept.shape != shapes[name]:
            raise InputError(
                f"the mask of {name} is {tuple(kept.shape)}, and the model has "
                f"{f'a parameter of {tuple(shapes[name])}' if name in shapes else 'no such parameter'}; name "
                "masks as model.named_parameters() does"
            )
    chooses, first = _chooser(parameters), first_names(network)
    chosen = {first[name] for name in filter(chooses, first)}
    if not chosen:
        raise InputError(f"parameters={parameters!r} chooses none of {', '.join(list(shapes)[:8])}, …")
    still = frozen_names(network) | (shapes.keys() - chosen)
    whole = {name: kept.cpu() for name, kept in keep.items()}
    return Mask({name: kept for name, kept in whole.items() if name not in still}, frozenset(still))


def _by_first_name(network: nn.Module, keep: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return masks by the names that parameters go by.

    Raises:
        ValueError: If a tied weight has two masks that differ.
    """
    first, found = first_names(network), dict[str, Tensor]()
    for name, kept in keep.items():
        own = first.get(name, name)
        if own in found and not torch.equal(found[own].cpu(), kept.cpu()):
            raise InputError(f"the masks of {own} and {name} differ, and they are one weight; give one of them")
        found[own] = kept
    return found


def _chooser(parameters: Chosen) -> Callable[[str], bool]:
    if parameters is None:
        return lambda _name: True
    if callable(parameters):
        return parameters
    patterns = [parameters] if isinstance(parameters, str) else list(parameters)
    return lambda name: any(is_called(name, each) for each in patterns)


def hessian(
    model: nn.Module,
    data: Any,
    *,
    loss: Loss = "cross_entropy",
    mask: Kept = None,
    parameters: Chosen = None,
) -> HessianOperator:
    """Return the Hessian of the mean loss as an operator in the space of what may move.

    Example:
        Of (w x - y)² it is 2 x².

        >>> model, data = nn.Linear(1, 1, bias=False), (torch.tensor([[3.0]]), torch.tensor([[0.0]]))
        >>> hessian(model, data, loss="mse")(torch.ones(1))
        tensor([18.])
    """
    return _site(model, data, loss, mask, parameters).hessian


def spectrum(
    model: nn.Module,
    data: Any,
    k: int = 100,
    *,
    loss: Loss = "cross_entropy",
    mask: Kept = None,
    parameters: Chosen = None,
    seed: int = 0,
    tolerance: float = 1e-3,
    max_products: int | None = None,
    memory_budget: int | None = None,
) -> Spectrum:
    """Return the k largest eigenvalues of the Hessian of the mean loss, with bounds.

    Args:
        model: Any network; it is not changed.
        data: `(inputs, targets)`, or a data set or loader.
        k: How many.
        loss: `cross_entropy`, `mse`, a loss module of torch's, or a function of outputs and targets that
            returns a value an example.
        mask: Which weights are kept, bool tensors by name or a `Mask`; pruned ones are zero and don't move. By
            default that of `torch.nn.utils.prune`, if there is one.
        parameters: Which parameters may move: names or patterns such as `layer1.*`, or a function of a name.
        seed: Of the start vectors.
        tolerance: See `leading_spectrum`.
        max_products: See `leading_spectrum`.
        memory_budget: Bytes that the basis may take, by default 10 GiB, of a GPU at most half; a smaller one is
            restarted, which takes more products.

    Raises:
        ValueError: If model, data, loss and mask do not fit, or the loss has no second derivative.

    Example:
        Of softmax regression at zero, two classes and one example x, the largest eigenvalue is ½ ‖x‖².

        >>> model = nn.Linear(2, 2, bias=False)
        >>> _ = nn.init.zeros_(model.weight)
        >>> found = spectrum(model, (torch.tensor([[3.0, 4.0]]), torch.tensor([0])), k=1)
        >>> found.eigenvalues.round(4).tolist()
        [12.5]
    """
    operator = _site(model, data, loss, mask, parameters).hessian
    return leading_spectrum(
        operator,
        k,
        seed=seed,
        tolerance=tolerance,
        max_products=max_products,
        memory_budget=memory_budget,
    )


def trace(
    model: nn.Module,
    data: Any,
    *,
    probes: int = 20,
    loss: Loss = "cross_entropy",
    mask: Kept = None,
    parameters: Chosen = None,
    seed: int = 0,
) -> Trace:
    """Return the trace of the Hessian of the mean loss, with its standard error; arguments as of `spectrum`.

    Example:
        >>> model, data = nn.Linear(2, 2, bias=False), (torch.tensor([[3.0, 4.0]]), torch.tensor([0]))
        >>> _ = nn.init.zeros_(model.weight)
        >>> round(trace(model, data).estimate, 3)
        12.5
    """
    operator = _site(model, data, loss, mask, parameters).hessian
    deflated = min(_DEFLATED, operator.dimension)
    basis = KrylovBasis(operator, seed, basis_capacity(operator, deflated))
    search(basis, deflated, tolerance=1.0)  # as precise as takes their part out
    return deflated_trace(basis, probes, seed=seed)


def layer_spectra(
    model: nn.Module,
    data: Any,
    k: int = 10,
    *,
    layers: str | Sequence[str] = EACH,
    probes: int = 20,
    loss: Loss = "cross_entropy",
    mask: Kept = None,
    seed: int = 0,
    tolerance: float = 1e-3,
) -> dict[str, LayerCurvature]:
    """Return leading eigenvalues and the trace of the Hessian of every layer for itself, by its name.

    Args:
        model: Any network; it is not changed.
        data: As of `spectrum`.
        k: Eigenvalues of each, or as many as it has coordinates.
        layers: `each`, every layer with weights that can be pruned; or names and patterns of parameters or
            modules, each a group for itself, several joined by `+` one together.
        probes: Of each trace.
        loss: As of `spectrum`.
        mask: As of `spectrum`; what it leaves nothing of has no result.
        seed: Of the start vectors and probes.
        tolerance: See `leading_spectrum`.

    Raises:
        ValueError: If `layers` names nothing that moves, or as `spectrum` does.

    Example:
        Of (v w x)² in two linear layers at v = 1, w = 2 and x = 3 the blocks are 2 x² w² and 2 x² v².

        >>> model = nn.Sequential(nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False))
        >>> for layer, weight in zip(model, (1.0, 2.0)):
        ...     _ = nn.init.constant_(layer.weight, weight)
        >>> found = layer_spectra(model, (torch.tensor([[3.0]]), torch.tensor([[0.0]])), loss="mse")
        >>> {name: layer.spectrum.eigenvalues.round(3).tolist() for name, layer in found.items()}
        {'0': [72.0], '1': [18.0]}
    """
    site = _site(model, data, loss, mask, None)
    written = [each.strip() for each in ([layers] if isinstance(layers, str) else layers)]
    if not written:
        raise InputError("layers=[] names none; give each, or names and patterns of layers")
    prunable = prunable_names(site.network) if EACH in written else ()
    found, whole = dict[str, LayerCurvature](), site.hessian
    for name, group in layer_groups(site.network, written, prunable, site.mask.frozen).items():
        block = block_of(whole, site.weights, site.mask, group)
        if block is None:
            continue
        count = min(k, block.dimension)
        basis = KrylovBasis(block, seed, basis_capacity(block, count))
        leading = search(basis, count, tolerance=tolerance, label=f"eigenvalues of {name}")
        total = deflated_trace(basis, probes, seed=seed, label=f"trace of {name}")
        found[name] = LayerCurvature(leading, total, block.dimension)
    return found


def density(
    model: nn.Module,
    data: Any,
    *,
    probes: int = 10,
    steps: int = 80,
    loss: Loss = "cross_entropy",
    mask: Kept = None,
    parameters: Chosen = None,
    seed: int = 0,
) -> SpectralDensity:
    """Return the density of all eigenvalues of the Hessian of the mean loss; arguments as of `spectrum`.

    Example:
        >>> model, data = nn.Linear(2, 2, bias=False), (torch.tensor([[3.0, 4.0]]), torch.tensor([0]))
        >>> _ = nn.init.zeros_(model.weight)
        >>> found = density(model, data, probes=3)  # of 12.5 and three times 0
        >>> round(float(found.nodes.max()), 3)
        12.5
    """
    operator = _site(model, data, loss, mask, parameters).hessian
    return spectral_density(operator, probes=probes, steps=min(steps, operator.dimension), seed=seed)


def radii(
    model: nn.Module,
    data: Any,
    *,
    cutoff: float | None = None,
    margin: float = 0.1,
    directions: int = 50,
    direction_norm: DirectionNorm = "filter",
    loss: Loss = "cross_entropy",
    mask: Kept = None,
    parameters: Chosen = None,
    seed: int = 0,
) -> BasinRadii:
    """Return how far the loss stays under a cutoff along random directions; other arguments as of `spectrum`.

    Args:
        model: At the point.
        data: What the loss is the mean over.
        cutoff: In units of the loss; by default `margin` above the loss of the model. Compare models by one.
        margin: See `cutoff`.
        directions: How many.
        direction_norm: `filter` (Li et al. 2018) or `plain`.
        loss: As of `spectrum`.
        mask: As of `spectrum`.
        parameters: As of `spectrum`.
        seed: Of the directions.

    Example:
        (w - 2)² stays under ¼ within ½ of w = 2.

        >>> model, data = nn.Linear(1, 1, bias=False), (torch.tensor([[1.0]]), torch.tensor([[2.0]]))
        >>> _ = nn.init.constant_(model.weight, 2)
        >>> found = radii(model, data, loss="mse", cutoff=0.25, directions=2, direction_norm="plain")
        >>> found.radii.round(2).tolist()
        [0.5, 0.5]
    """
    site = _site(model, data, loss, mask, parameters)
    space, weights, evaluate = site.space, site.weights, site.evaluate
    if direction_norm == "filter" and not any(
        weights.parameters[name].any() for name in space.moving if weights.parameters[name].ndim > 1
    ):
        raise InputError(
            "under direction_norm=filter biases and normalisation stay, and no other weight that may move is "
            "unlike zero; choose direction_norm=plain"
        )

    def moved(flat: torch.Tensor) -> Weights:
        return Weights(space.unflatten(flat), weights.buffers)

    at_point = evaluate(weights).loss
    scale = norm(weights) or 1.0 if direction_norm == "plain" else 1.0
    return basin_radii(
        lambda flat: evaluate(moved(flat)).loss,
        space.flatten(weights.parameters),
        random_directions(space, weights, directions, direction_norm, seed=seed),
        at_point + margin if cutoff is None else cutoff,
        dimension=space.dimension,
        loss_at_point=at_point,
        smallest=0.05 * scale,
        largest=1e4 * scale,
        losses=lambda flats: [found.loss for found in evaluate.many(map(moved, flats))],
    )


def sharpness(
    model: nn.Module,
    data: Any,
    rho: float | Sequence[float] = (0.01, 0.1),
    *,
    draws: int = 50,
    loss: Loss = "cross_entropy",
    mask: Kept = None,
    parameters: Chosen = None,
    seed: int = 0,
) -> Sharpness:
    """Return how much the loss rises when each weight changes by a share of itself, in its unit.

    On average over δ ~ N(0, ρ² w²) and over δ uniform in `|δᵢ| ≤ ρ|wᵢ|`, draw by draw; at worst in
    `‖δ/|w|‖₂ ≤ ρ` and in `|δᵢ| ≤ ρ|wᵢ|`, of each batch of up to 128 examples, as far as it was found.

    Args:
        model: At the point.
        data: What the loss is the mean over.
        rho: Size of the change, or several.
        draws: That an average is of.
        loss: As of `spectrum`.
        mask: As of `spectrum`; pruned weights stay zero.
        parameters: As of `spectrum`.
        seed: Of the draws and of the batches.

    Raises:
        ValueError: If a size is not positive, or there are no draws.

    Source: Kwon et al. 2021, arXiv 2102.11600; Andriushchenko et al. 2023, arXiv 2302.07011.

    Example:
        (w - 2)² rises from 0 to (2ρ)² at worst.

        >>> model, data = nn.Linear(1, 1, bias=False), (torch.tensor([[1.0]]), torch.tensor([[2.0]]))
        >>> _ = nn.init.constant_(model.weight, 2)
        >>> sharpness(model, data, 0.5, loss="mse").worst_2.tolist()
        [[1.0]]
    """
    site = _site(model, data, loss, mask, parameters)
    return sharpness_at(
        site.network,
        site.weights,
        site.space,
        site.examples,
        rho=np.atleast_1d(rho).tolist(),
        draws=draws,
        objective=site.objective,
        seed=seed,
    )


def volume(
    model: nn.Module,
    data: Any,
    *,
    cutoff: float | None = None,
    margin: float = 0.1,
    directions: int = 100,
    k: int = 100,
    probes: int = 20,
    loss: Loss = "cross_entropy",
    mask: Kept = None,
    parameters: Chosen = None,
    seed: int = 0,
) -> LocalVolume:
    """Return the volume of {loss ≤ cutoff} around a model, as it is seen from there along rays.

    `log Vol = log V + log |det P| + log E[R(P z)ⁿ]`, in nats: R is the radius along P z, z uniform on the unit
    sphere of the n coordinates that may move, V the volume of the unit ball, and P the inverse root of the
    Hessian as its k leading eigenpairs and its trace tell it. Volumes are in units of the weights to the power
    n. Compare models in spaces of equally many dimensions, by one cutoff.

    `estimate` is an estimate only if `is_estimated`; else, as of most networks, a lower bound, and `interval`
    has no upper end. `lth.measure.volume` says why, and cites the source, arXiv 2501.18812.

    Args:
        model: At the point.
        data: What the loss is the mean over.
        cutoff: In units of the loss; by default `margin` above the loss of the model.
        margin: See `cutoff`.
        directions: How many; at least 25 tell whether the mean over them is an estimate.
        k: Eigenvectors; of a space of no more dimensions, all.
        probes: Random vectors for the trace.
        loss: As of `spectrum`.
        mask: As of `spectrum`.
        parameters: As of `spectrum`.
        seed: Of the directions, and of what the spectrum starts from.

    Raises:
        ValueError: If the model lies above the cutoff, or its loss is not finite.

    Example:
        (3 a - 3)² / 2 + (b - 1)² / 2 stays under ½ in an ellipse of half-axes 1/3 and 1, of area π / 3.

        >>> model, data = nn.Linear(2, 1, bias=False), (torch.diag(torch.tensor([3.0, 1.0])), torch.ones(2, 1))
        >>> _ = model.weight.data.copy_(torch.tensor([[1 / 3, 1.0]]))
        >>> found = volume(model, data, loss="mse", cutoff=0.5)
        >>> round(float(torch.tensor(found.estimate).exp()) * 3 / torch.pi, 2), found.is_estimated
        (1.0, True)
    """
    site = _site(model, data, loss, mask, parameters)
    operator, evaluate = site.hessian, site.evaluate
    at_point, count = evaluate(site.weights).loss, min(k, operator.dimension)
    basis = KrylovBasis(operator, seed, basis_capacity(operator, count))
    leading = search(basis, count)
    rest = deflated_trace(basis, probes, seed=seed)
    known = quadratic_preconditioner(
        leading.eigenvalues, leading_eigenvectors(basis, count).float(), rest.estimate, rest.standard_error
    )
    limit = at_point + margin if cutoff is None else cutoff
    found = volumes_at(
        site.space,
        site.weights,
        evaluate,
        known,
        [limit],
        loss_at_point=at_point,
        directions=directions,
        seed=seed,
    )
    return found[limit]


def mass(
    model: nn.Module,
    data: Any,
    *,
    cutoff: float | None = None,
    margin: float = 0.1,
    sigma: float | None = None,
    draws: int = 60,
    loss: Loss = "cross_entropy",
    mask: Kept = None,
    parameters: Chosen = None,
    seed: int = 0,
) -> Mass:
    """Return which share of a Gaussian around a model lies in {loss ≤ cutoff}: the volume of that in a window.

    `log P(L(w + σ z) ≤ cutoff)`, in nats, with an interval of 95 %; below e^-15 a bound, and `is_estimated` is
    False. `lth.measure.mass` says how, with its sources. Compare models by one σ and one cutoff.

    Args:
        model: At the point.
        data: What the loss is the mean over.
        cutoff: In units of the loss; by default `margin` above the loss of the model.
        margin: See `cutoff`.
        sigma: Of the Gaussian; by default 0.4 of the root mean square of the weights that may move.
        draws: Of it, in four runs.
        loss: As of `spectrum`.
        mask: As of `spectrum`.
        parameters: As of `spectrum`.
        seed: Of the draws.

    Raises:
        ValueError: If the model lies above the cutoff, its loss is not finite, or draws are too few.

    Example:
        a² stays under 1 from -1 to 1, which holds 68 % of a standard normal.

        >>> model, data = nn.Linear(1, 1, bias=False), (torch.ones(1, 1), torch.zeros(1, 1))
        >>> _ = nn.init.zeros_(model.weight)
        >>> found = mass(model, data, loss="mse", cutoff=1.0, sigma=1.0, draws=400)
        >>> low, high = (float(torch.tensor(end).exp()) for end in found.interval)
        >>> low < 0.683 < high
        True
    """
    site = _site(model, data, loss, mask, parameters)
    evaluate = site.evaluate
    at_point = evaluate(site.weights).loss
    if not math.isfinite(at_point):
        raise InputError(
            f"the loss of the model is {at_point}, and no mass is under that; give one of finite loss"
        )
    limit = at_point + margin if cutoff is None else cutoff
    own = root_mean_square([site.space.restrict(site.weights.parameters)])
    found = noisy_loss(
        losses_around(site.space, site.weights, evaluate),
        site.space.dimension,
        _WINDOW * own if sigma is None else sigma,
        limit,
        loss_at_point=at_point,
        draws=draws,
        seed=seed,
        device=site.examples.labels.device,
    )
    return found.under(limit)


def line(
    start: nn.Module,
    end: nn.Module,
    data: Any,
    test: Any = None,
    *,
    points: int = 31,
    loss: Loss = "cross_entropy",
    metric: str = "auto",
    anew: bool = False,
    seed: int = 0,
) -> Interpolation:
    """Return loss and error on the straight line between two models of one shape.

    Args:
        start: At α = 0.
        end: At α = 1.
        data: What the training loss is the mean over.
        test: What the test error is of; by default `data`.
        points: Both ends included.
        loss: As of `spectrum`.
        metric: `accuracy`, `r2`, or by default the one of the two that the targets have.
        anew: Whether BatchNorm statistics are estimated anew at every point, instead of interpolated.
        seed: Of the order that they are estimated in.

    Example:
        >>> first, last = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
        >>> _ = nn.init.constant_(first.weight, -1), nn.init.constant_(last.weight, 1)
        >>> data = (torch.tensor([[1.0]]), torch.tensor([[0.0]]))
        >>> line(first, last, data, points=3, loss="mse").train_loss.tolist()
        [1.0, 0.0, 1.0]
    """
    site = _site(start, data, loss, None, None)
    tested = site.examples if test is None else examples_of(test).to(site.examples.labels.device)
    objective = objective_like(loss, metric)
    on_train, on_test = (
        Evaluator(site.network, examples, objective=objective) for examples in (site.examples, tested)
    )
    restate = StatisticsEstimator(site.network, site.examples, seed=seed) if anew else None
    first, last = _weights_of([start, end])
    return interpolate(on_train, on_test, first, last, points, restate=restate)


def surface(
    models: Sequence[nn.Module],
    data: Any,
    *,
    grid: int = 25,
    loss: Loss = "cross_entropy",
) -> Surface:
    """Return the loss on the plane through the first three models, and where all of them lie over it.

    Markers are called after their position: the model at position 3 has `marker.place.level == 3`.

    Example:
        >>> models = [nn.Linear(2, 1, bias=False) for _ in range(3)]
        >>> for model, weight in zip(models, [[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]], strict=True):
        ...     model.load_state_dict({"weight": torch.tensor([weight])})
        <All keys matched successfully>
        <All keys matched successfully>
        <All keys matched successfully>
        >>> data = (torch.eye(2), torch.zeros(2, 1))
        >>> [round(marker.loss, 3) for marker in surface(models, data, grid=3, loss="mse").markers]
        [0.0, 0.5, 2.0]
    """
    if len(models) < 3:
        raise InputError(f"a plane goes through three models, and these are {len(models)}")
    site = _site(models[0], data, loss, None, None)
    every, evaluate = _weights_of(models), site.evaluate
    placed = {Place.imp(position): weights for position, weights in enumerate(every)}
    plane = plane_through(every[0], every[1], every[2])
    return loss_surface(lambda weights: evaluate(weights).loss, plane, placed, grid)


def symmetries(model: nn.Module, data: Any) -> PermutationSpec:
    """Return which hidden units of a model may be permuted without changing what it computes.

    Groups of units with the axes of parameters that they are in, and every axis that is fixed, with the reason.
    It is read off the graph that `torch.export` makes of the model, whatever layers that has.

    Args:
        model: Any that exports.
        data: What it is called with; two examples are enough.

    Raises:
        ValueError: If it can't be exported.

    Example:
        >>> model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
        >>> data = (torch.ones(2, 3), torch.zeros(2, dtype=torch.long))
        >>> symmetries(model, data).where()
        {'0.weight.0': ['0.weight.0', '0.bias.0', '2.weight.1']}
    """
    network, _ = unpruned_copy(model)
    return read_symmetries(network, examples_of(data).images)


def align(
    start: nn.Module,
    end: nn.Module,
    data: Any,
    *,
    by: Literal["weights", "activations"] = "weights",
    seed: int = 0,
) -> nn.Module:
    """Return a copy of `end` that computes the same, its units permuted to match those of `start`.

    Zeros of pruned weights go along: what is pruned of `end` is so of the copy, in other places.

    Args:
        start: What is matched to.
        end: Whose units are permuted.
        data: Examples; of activations all are used, in batches of 32.
        by: Which are compared: weights (arXiv 2209.04836), or activations on the examples (arXiv 1511.07543).
        seed: Of the order in which groups are matched, and of the places where activations are compared.

    Raises:
        ValueError: If the models differ in a shape, or can't be exported.

    Example:
        Of two models that differ by the order of their units, a line between leaves no barrier.

        >>> start = nn.Sequential(nn.Linear(1, 2), nn.Tanh(), nn.Linear(2, 1))
        >>> end = nn.Sequential(nn.Linear(1, 2), nn.Tanh(), nn.Linear(2, 1))
        >>> turned = {name: tensor.flip(-1 if name == "2.weight" else 0) for name, tensor in
        ...     start.state_dict().items()}
        >>> _ = end.load_state_dict(turned)
        >>> data = (torch.linspace(-1, 1, 8).reshape(8, 1), torch.zeros(8, 1))
        >>> aligned = align(start, end, data)
        >>> bool((aligned[0].weight == start[0].weight).all())
        True
    """
    if by not in ("weights", "activations"):
        raise InputError(f"by={by!r} is unknown; match units by weights or by activations")
    ours, theirs = _weights_of([start, end])
    network, _ = unpruned_copy(end)
    network.eval()
    examples = examples_of(data).to(_device_of(network))
    graph = traced(network, examples.images, min(_BATCH, max(2, len(examples))))
    if by == "weights":
        pairs = weight_pairs(graph.spec, ours, theirs)
    else:
        pairs = activation_pairs(graph, ours, theirs, examples.images, seed=seed)
    found = match(graph.spec, pairs, seed=seed)
    graph.spec.permute(theirs, found.permutations).load_into(network)
    return network.train(end.training)


def distances(models: Mapping[str, nn.Module]) -> Distances:
    """Return Euclidean distances and cosines between all pairs of models of one shape, over all parameters.

    Example:
        >>> first, last = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
        >>> _ = nn.init.constant_(first.weight, -1), nn.init.constant_(last.weight, 1)
        >>> float(distances({"first": first, "last": last}).euclidean[0, 1])
        2.0
    """
    return pairwise(dict(zip(models, _weights_of(models.values()), strict=True)))


def functions(
    models: Mapping[str, nn.Module], data: Any, *, loss: Loss = "cross_entropy", seed: int = 0
) -> Functions:
    """Return how far what models of one shape compute is from each other, in the order they are given.

    The share of examples that two classify differently, KL(row ‖ column) of their predictions in nats, the root
    mean square difference of their outputs, and the debiased linear CKA of every layer.

    Args:
        models: By name; not changed.
        data: The examples, at least four.
        loss: As of `spectrum`; outputs are logits where it is `cross_entropy`.
        seed: Of the batches that CKA is a sum over.

    Raises:
        ValueError: If the models have other parameters, or there are fewer examples.

    Source: Kornblith et al. 2019, arXiv 1905.00414, for CKA.

    Example:
        >>> up, down = nn.Linear(1, 2, bias=False), nn.Linear(1, 2, bias=False)
        >>> _ = up.load_state_dict({"weight": torch.tensor([[1.0], [0.0]])})
        >>> _ = down.load_state_dict({"weight": torch.tensor([[-1.0], [0.0]])})
        >>> data = (torch.tensor([[-2.0], [-1.0], [1.0], [2.0]]), torch.tensor([0, 0, 1, 1]))
        >>> found = functions({"up": up, "down": down}, data)
        >>> float(found.disagreement[0, 1]), found.layers, round(float(found.cka[0, 0, 1]), 6)
        (1.0, ('network',), 1.0)
    """
    every = _weights_of(models.values())
    site = _site(next(iter(models.values())), data, loss, None, None)
    return compare_functions(site.network, every, site.examples, objective=site.objective, seed=seed)


def cka(first: nn.Module, second: nn.Module, data: Any, *, seed: int = 0) -> Mapping[tuple[str, str], float]:
    """Return the debiased linear CKA of every layer of a model with every layer of another, by both names.

        HSIC(XXᵀ, YYᵀ) / √(HSIC(XXᵀ, XXᵀ) HSIC(YYᵀ, YYᵀ)), X and Y what the two put out

    It is 1 of outputs that differ by a rotation and a scale, about 0 of independent ones, and NaN of one that
    does not vary. A layer is a module with parameters of its own.

    Args:
        first: Not changed.
        second: Of any architecture that takes the same inputs.
        data: The examples, at least four; their targets are not read.
        seed: Of the batches that it is a sum over.

    Raises:
        ValueError: If there are fewer examples.

    Source: Kornblith et al. 2019, arXiv 1905.00414, with the unbiased HSIC of Song et al. 2012.

    Example:
        >>> narrow, wide = nn.Sequential(nn.Linear(3, 2)), nn.Sequential(nn.Linear(3, 8), nn.Linear(8, 2))
        >>> found = cka(narrow, wide, (torch.randn(20, 3), torch.zeros(20)))
        >>> list(found)
        [('0', '0'), ('0', '1')]
    """
    networks = [unpruned_copy(model)[0] for model in (first, second)]
    examples = examples_of(data).to(_device_of(networks[0]))
    return compare_layers(networks[0], networks[1], examples, seed=seed)


def _weights_of(models: Iterable[nn.Module]) -> list[Weights]:
    """Return the weights of models, on the device of the first.

    Raises:
        ValueError: If there are none, or they have other parameters.
    """
    every = [Weights.of(_own_copy(model)[0]) for model in models]
    if not every:
        raise InputError("there are no models to compare; give at least one")
    shapes = [{name: tensor.shape for name, tensor in weights.parameters.items()} for weights in every]
    for found in shapes[1:]:
        if found != shapes[0]:
            odd = min(
                name for name in found.keys() | shapes[0].keys() if found.get(name) != shapes[0].get(name)
            )
            raise InputError(f"{odd} is {found.get(odd)} in one model and {shapes[0].get(odd)} in another")
    device = next(iter(every[0].parameters.values())).device
    return [weights.to(device) for weights in every]
