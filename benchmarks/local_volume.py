"""How large the basin of a network is, by lth and by the code of the source: a mass in a window, and a volume.

    python -m benchmarks.local_volume --basin-volume ../basin-volume

The network is that of Scherlis and Belrose 2025 (arXiv 2501.18812): 64 inputs, 64 GELU units, 10 classes,
of 1,024 digits, by Adam with weight decay. Its basin is where the mean KL divergence of predictions from its
own is at most 0.01 nats. Two quantities, of which both know each:

mass: log P(KL(w + σ z) ≤ 0.01), z ~ N(0, I), for several σ. That many draws are under it is the truth, told by
    counting them; `lth.mass` splits; the source's code takes radii along 200 directions, without preconditioner
    and preconditioned by the Hessian or its diagonal, with the best of seven ε each, as its authors chose it.
volume: without a window, by the same directions; lth's own preconditioner beside the source's.

EleutherAI/basin-volume is imported from its checkout, untouched; it needs einops and matplotlib, and no more of
what it asks for: only its `volume`, `precondition`, `math`, `utils` and `vectors` are.
"""

from __future__ import annotations

import importlib
import math
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import numpy as np
import torch
from scipy.stats import beta
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, kl_div, log_softmax
from torch.nn.utils import parameters_to_vector, vector_to_parameters

import lth
from benchmarks.environment import environment, print_table, write_results
from lth.data import ImageData, load_images

_IMAGES, _HIDDEN, _CUTOFF = 1024, 64, 1e-2
_EPSILONS = tuple(10.0**power for power in range(-5, 2))  # of the source's notebook
_DIRECTIONS = 200


def trained(images: Tensor, labels: Tensor, steps: int) -> nn.Sequential:
    """Return the source's network, trained by its optimiser on all images at once."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(64, _HIDDEN), nn.GELU(), nn.Linear(_HIDDEN, 10))
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=5e-4)
    for _ in range(steps):
        optimiser.zero_grad()
        cross_entropy(model(images), labels).backward()
        optimiser.step()
    return model


def divergence(logits: Tensor, own: Tensor) -> Tensor:
    """Return the KL divergence of each example's prediction from the network's own, which `own` are."""
    return kl_div(log_softmax(logits, 1), own, reduction="none").sum(1)


@click.command()
@click.option("--basin-volume", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Checkout.")
@click.option("--steps", default=200, show_default=True, type=click.IntRange(min=1), help="Of the training.")
@click.option("--sigma", "sigmas", multiple=True, type=float, default=(0.04, 0.06, 0.08), show_default=True)
@click.option("--draws", default=50_000, show_default=True, help="That are counted.")
@click.option("--name", default="local_volume", show_default=True, help="Of the file in benchmarks/results.")
def main(basin_volume: Path | None, steps: int, sigmas: tuple[float, ...], draws: int, name: str) -> None:
    """Measure the basin by all of them, print what they find, and keep it."""
    torch.set_num_threads(1)
    surroundings = environment(1, {} if basin_volume is None else {"basin_volume": basin_volume.resolve()})
    digits = load_images("digits", None)
    assert isinstance(digits, ImageData)
    images = digits.train_images[:_IMAGES].flatten(1).float() / 16
    labels = digits.train_labels[:_IMAGES]
    model = trained(images, labels, steps)
    logits = model(images).detach()
    own = logits.softmax(1)
    weights = parameters_to_vector(model.parameters()).detach()
    click.echo(
        f"{len(weights):,} weights of root mean square {weights.square().mean().sqrt():.3f}, loss "
        f"{cross_entropy(logits, labels):.4f}",
        err=True,
    )

    def away(step: Tensor | int) -> Tensor:
        """Return the mean divergence where the weights differ by a step."""
        with torch.no_grad():
            vector_to_parameters(weights + step, model.parameters())
            found = divergence(model(images), own).mean()
            vector_to_parameters(weights, model.parameters())
        return found

    masses: dict[str, dict[str, Any]] = {}
    source = None if basin_volume is None else Source(basin_volume, hessian(model, images, own), away)
    for sigma in sigmas:
        count = counted(away, len(weights), sigma, draws)
        mass = lth.mass(model, (images, own), loss=divergence, cutoff=_CUTOFF, sigma=sigma, draws=200)
        masses[f"{sigma:g}"] = {
            "counted": count,
            "lth": [mass.estimate, *mass.interval],
            **({} if source is None else {"source": source.masses(sigma)}),
        }
        click.echo(f"σ = {sigma:g}: {masses[f'{sigma:g}']}", err=True)
    volume = lth.volume(model, (images, own), loss=divergence, cutoff=_CUTOFF, directions=_DIRECTIONS)
    volumes = {
        "lth": {
            "bound": volume.estimate,
            "is_estimated": volume.is_estimated,
            "typical": volume.typical,
        },
        **({} if source is None else source.volumes()),
    }
    headings = ["σ", "counted", "lth", *([] if source is None else source.names)]
    rows = [
        [sigma, _interval(found["counted"]), _interval(found["lth"]), *_bounds(found.get("source", {}))]
        for sigma, found in masses.items()
    ]
    print_table("log P(KL ≤ 0.01) in a window of σ, nats", headings, rows)
    print_table(
        f"log volume without a window, nats, {_DIRECTIONS} directions",
        ["by", "mean over directions", "of a typical one"],
        [[by, f"{found['bound']:.1f}", f"{found['typical']:.1f}"] for by, found in volumes.items()],
    )
    parameters = {"images": _IMAGES, "cutoff": _CUTOFF, "steps": steps, "draws": draws}
    found = {"weights": len(weights), "masses": masses, "volumes": volumes}
    path = write_results("local_volume", name, surroundings, parameters, found)
    click.echo(f"written to benchmarks/results/{path.name}")


def counted(away: Callable[[Tensor], Tensor], dimension: int, sigma: float, draws: int) -> list[float]:
    """Return log P by counting draws, with the ends of its interval of 95 % (Clopper and Pearson 1934)."""
    stream = torch.Generator().manual_seed(1)
    under = sum(bool(away(sigma * torch.randn(dimension, generator=stream)) <= _CUTOFF) for _ in range(draws))
    low = beta.ppf(0.025, under, draws - under + 1) if under else 0.0
    high = beta.ppf(0.975, under + 1, draws - under) if under < draws else 1.0
    return [math.log(share) if share else -math.inf for share in (under / draws, low, high)]


def hessian(model: nn.Module, images: Tensor, own: Tensor) -> Tensor:
    """Return the Hessian of the mean divergence from the predictions, (n, n)."""
    operator = lth.hessian(model, (images, own), loss=divergence)
    rows = [operator(row) for row in torch.eye(operator.dimension)]
    return torch.stack(rows)


class Source:
    """The estimators of EleutherAI/basin-volume.

    Args:
        checkout: Where it is.
        curvature: The Hessian of the divergence, (n, n).
        away: The divergence, of a step.
    """

    def __init__(self, checkout: Path, curvature: Tensor, away: Callable[[Tensor | int], Tensor]) -> None:
        self._volume, precondition = (_module(checkout, name) for name in ("volume", "precondition"))
        self._away, self._dimension = away, len(curvature)
        by = {
            "hessian": (precondition.matrix_preconditioner, curvature),
            "diagonal": (precondition.diag_preconditioner, curvature.diagonal()),
        }
        self._by: dict[str, list[Callable[[Tensor], Tensor] | None]] = {"none": [None]}
        for name, (make, of) in by.items():
            self._by[name] = [make(of, eps=epsilon) for epsilon in _EPSILONS]

    @property
    def names(self) -> list[str]:
        """What it preconditions by."""
        return [f"source, by {name}" for name in self._by]

    def masses(self, sigma: float) -> dict[str, float]:
        """Return the log of the mean over directions, of the best ε each."""
        return {
            name: max(_log_mean(self._found(sigma, way)) for way in ways) for name, ways in self._by.items()
        }

    def volumes(self) -> dict[str, dict[str, float]]:
        """Return the same without a window: of one so wide that its density is constant over the basin."""
        wide = 1e3
        around = self._dimension / 2 * math.log(2 * math.pi * wide**2)
        found = {
            name: max((self._found(wide, way) + around for way in ways), key=_log_mean)
            for name, ways in self._by.items()
        }
        return {
            f"source, by {name}": {"bound": _log_mean(values), "typical": float(np.median(values))}
            for name, values in found.items()
        }

    def _found(self, sigma: float, preconditioner: Callable[[Tensor], Tensor] | None) -> np.ndarray:
        """Return what each direction stands for; the window lies around the weights, theirs around zero."""
        result = self._volume.get_estimates_vectorized_gauss(
            _DIRECTIONS,
            torch.tensor(sigma),
            preconditioner=preconditioner,
            fn=lambda _center, step: self._away(step),
            params=torch.zeros(self._dimension),
            cutoff=_CUTOFF,
            tol=1.0,  # as in its notebook
            y_tol=10,
            with_tqdm=False,
        )
        estimates: np.ndarray = result.estimates.double().numpy()
        return estimates


def _module(checkout: Path, name: str) -> ModuleType:
    """Import a module of the checkout without its package, which wants transformers and datasets."""
    if "tyche" not in sys.modules:
        package = ModuleType("tyche")
        package.__path__ = [str(checkout / "src" / "tyche")]
        sys.modules["tyche"] = package
    return importlib.import_module(f"tyche.{name}")


def _log_mean(values: np.ndarray) -> float:
    return float(np.logaddexp.reduce(values)) - math.log(len(values))


def _interval(found: list[float]) -> str:
    estimate, low, high = found
    return f"{estimate:.2f} [{low:.2f}, {high:.2f}]"


def _bounds(found: Mapping[str, float]) -> list[str]:
    return [f"{value:.1f}" for value in found.values()]


if __name__ == "__main__":
    main()
