"""Everything measured at one level of a study, and its names as metrics.

In level-L space: w(L) and its baseline m(L) ⊙ w(L-1), the "projected" point. In level L-1 space: w(L), the
"reverse" projection, and w(L-1), the "previous" solution. The two points of a space share one cutoff and
one set of directions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn

from lth.data import Examples, TrainingData
from lth.data.examples import draw
from lth.evaluate import Evaluator
from lth.measure.hessian import HessianOperator
from lth.measure.interpolation import Interpolation, barrier_over_mean, interpolate
from lth.measure.radius import BasinRadii, basin_radii, random_directions
from lth.measure.spectrum import Spectrum, leading_spectrum
from lth.setting import AnalysisSetting
from lth.solution import Solution
from lth.space import LevelSpace
from lth.weights import Weights

# Suffixes of the metrics; the solution itself, in its own space, has none.
SOLUTION, PROJECTED, REVERSE, PREVIOUS = "", "_projected", "_reverse", "_previous"


@dataclass(frozen=True)
class LevelAnalysis:
    """The geometry of level L, by the suffixes of this module; level 0 has no previous level."""

    level: int
    density: float
    spectra: Mapping[str, Spectrum]  # at SOLUTION, and PROJECTED and REVERSE where L > 0
    radii: Mapping[str, BasinRadii]  # the same and PREVIOUS
    line: Interpolation | None  # from w(L-1) to w(L)
    drawn: Tensor  # (m,), int64: positions in the full training split that curvature and radii are of

    def metrics(self) -> dict[str, float]:
        """Return the numbers to log, by metric name, without those that `warnings` says there are none of."""
        numbers: dict[str, float] = {}
        for suffix, spectrum in self.spectra.items():
            if spectrum.num_positive == len(spectrum.eigenvalues):
                numbers[f"landscape/log_eig_product{suffix}"] = spectrum.log_eig_product
        for suffix, radii in self.radii.items():
            numbers[f"landscape/radius_mean{suffix}"] = radii.mean
        if self.line is not None and self.line.is_finite:
            numbers["landscape/barrier_loss"] = self.line.barrier_loss
            numbers["landscape/barrier_error"] = self.line.barrier_error
            numbers["landscape/barrier_loss_over_mean"] = barrier_over_mean(self.line.train_loss)
            numbers["landscape/barrier_error_over_mean"] = barrier_over_mean(self.line.test_error)
        return numbers

    def diagnostics(self) -> dict[str, float]:
        """Return what it took to get the numbers and how far they can be trusted, by metric name."""
        numbers: dict[str, float] = {}
        for suffix, spectrum in self.spectra.items():
            numbers[f"solver/positive_eigenvalues{suffix}"] = spectrum.num_positive
            numbers[f"solver/hessian_products{suffix}"] = spectrum.num_products
            numbers[f"solver/spectrum_converged{suffix}"] = float(spectrum.converged)
        for suffix, radii in self.radii.items():
            numbers[f"solver/radius_censored{suffix}"] = radii.num_censored
            numbers[f"solver/radius_cutoff{suffix}"] = radii.cutoff
        return numbers

    def warnings(self) -> list[str]:
        """Return what a reader of the numbers must know: what is missing, not converged or only a bound."""
        found = []
        for suffix, spectrum in self.spectra.items():
            if spectrum.num_positive < len(spectrum.eigenvalues):
                found.append(
                    f"log_eig_product{suffix} does not exist: only {spectrum.num_positive} of the "
                    f"{len(spectrum.eigenvalues)} leading eigenvalues are positive; lower k"
                )
            if not spectrum.converged:
                found.append(f"log_eig_product{suffix} did not converge in {spectrum.num_products} products")
        for suffix, radii in self.radii.items():
            if radii.num_censored:
                found.append(
                    f"radius_mean{suffix} is a lower bound: {radii.num_censored} of {len(radii.radii)} "
                    "directions never left the basin"
                )
        if self.line is not None and not self.line.is_finite:
            found.append("the line to the level before has losses that are not finite, so it has no barrier")
        return found

    def arrays(self) -> dict[str, np.ndarray]:
        """Return every raw number by name, from which the figures can be drawn again."""
        raw: dict[str, np.ndarray] = {"drawn_examples": self.drawn.numpy()}
        for suffix, spectrum in self.spectra.items():
            raw[f"eigenvalues{suffix}"] = spectrum.eigenvalues
            raw[f"eigenvalue_residuals{suffix}"] = spectrum.residuals
        for suffix, radii in self.radii.items():
            raw[f"radii{suffix}"] = radii.radii
            raw[f"radii_direction_lengths{suffix}"] = radii.lengths
            raw[f"radii_censored{suffix}"] = radii.censored
        if self.line is not None:
            raw |= {f"line_{name}": values for name, values in vars(self.line).items()}
        return raw


def analyse_level(
    network: nn.Module,
    solution: Solution,
    previous: Solution | None,
    data: TrainingData,
    setting: AnalysisSetting,
    *,
    seed: int,
) -> LevelAnalysis:
    """Measure curvature, radii and the line to the level before at `solution`.

    Args:
        network: Gives the structure.
        solution: w(L).
        previous: w(L-1); None at level 0, where only w(0) itself is measured.
        data: Training and test examples on the device.
        setting: How finely.
        seed: Of the examples drawn, the start vector and the directions.

    Raises:
        ValueError: If more examples or eigenvalues are asked for than there are.
    """
    device = data.train.labels.device
    chosen = draw(len(data.train), setting.hessian_examples, seed, "hessian_examples")
    examples, drawn = data.train.take(chosen), data.drawn[chosen]
    here = solution.final.to(device)
    inside = LevelSpace(solution.mask, here)
    if previous is None:
        return LevelAnalysis(
            level=solution.level,
            density=solution.density,
            spectra={SOLUTION: _spectrum(network, here, inside, examples, setting, seed)},
            radii=_shared_radii(network, {SOLUTION: here}, inside, examples, setting, seed),
            line=None,
            drawn=drawn,
        )
    before = previous.final.to(device)
    projected = solution.mask.apply(before)
    outside = LevelSpace(previous.mask, here)
    return LevelAnalysis(
        level=solution.level,
        density=solution.density,
        spectra={
            SOLUTION: _spectrum(network, here, inside, examples, setting, seed),
            PROJECTED: _spectrum(network, projected, inside, examples, setting, seed),
            REVERSE: _spectrum(network, here, outside, examples, setting, seed),
        },
        radii={
            **_shared_radii(network, {SOLUTION: here, PROJECTED: projected}, inside, examples, setting, seed),
            **_shared_radii(network, {REVERSE: here, PREVIOUS: before}, outside, examples, setting, seed),
        },
        line=interpolate(
            Evaluator(network, data.train),
            Evaluator(network, data.test),
            before,
            here,
            setting.points,
            label=f"line to {solution.name}",
        ),
        drawn=drawn,
    )


def _spectrum(
    network: nn.Module,
    point: Weights,
    space: LevelSpace,
    examples: Examples,
    setting: AnalysisSetting,
    seed: int,
) -> Spectrum:
    return leading_spectrum(HessianOperator(network, point, space, examples), setting.k, seed=seed)


def _shared_radii(
    network: nn.Module,
    points: Mapping[str, Weights],
    space: LevelSpace,
    examples: Examples,
    setting: AnalysisSetting,
    seed: int,
) -> dict[str, BasinRadii]:
    """Measure the points under one cutoff, `cutoff_margin` above the worst of them, along the same draws."""
    evaluate = Evaluator(network, examples)
    cutoff = max(evaluate(point).loss for point in points.values()) + setting.cutoff_margin
    return {
        suffix: basin_radii(
            lambda flat, point=point: evaluate(Weights(space.unflatten(flat), point.buffers)).loss,  # type: ignore[misc]
            space.flatten(point.parameters),
            random_directions(space, point, setting.directions, setting.direction_norm, seed=seed),
            cutoff,
            dimension=space.dimension,
            label=f"radii{suffix}",
        )
        for suffix, point in points.items()
    }
