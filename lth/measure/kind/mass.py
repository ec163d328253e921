"""The mass at a point: the share of a Gaussian as wide as a part of the rewind point's weights, in its basin.

The rewind point is one for all solutions of a seed, so all points of a study are seen through one window. The
loss under noise is followed down to `cutoff_margin` above that of the point, and tells of every larger cutoff,
such as that which it shares with a worse point.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from lth.measure.kind.site import Site
from lth.measure.mass import NoisyLoss, losses_around, noisy_loss, root_mean_square
from lth.measure.packed import Packed
from lth.plan.jobs import MassJob
from lth.setting.setting import AnalysisSetting
from lth.training.evaluate import Evaluator

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def take(job: MassJob, site: Site, analysis: AnalysisSetting) -> Mapping[str, DataclassInstance]:
    """Measure the loss under noise, and return it for storing."""
    surveyor = site.surveyor
    evaluate = Evaluator(surveyor.network, surveyor.examples, objective=surveyor.objective)
    located = site.at(job.point).to(surveyor.device)
    own, rewound = evaluate(located.weights).loss, site.load(job.point.place).rewind.weights
    found = noisy_loss(
        losses_around(located.space, located.weights, evaluate),
        located.space.dimension,
        analysis.mass_window * root_mean_square(rewound.parameters[name] for name in located.space.moving),
        own + analysis.cutoff_margin,
        loss_at_point=own,
        draws=analysis.mass_draws,
        seed=surveyor.seed,
        device=surveyor.device,
        label=job.name,
    )
    return {"mass": found}


def read(stored: Packed, _job: MassJob) -> NoisyLoss:
    """Return what `take` stored."""
    return stored.read(NoisyLoss, "mass")


def numbers(found: NoisyLoss, _job: MassJob) -> dict[str, float]:
    """Return the mass under the lowest cutoff, by metric name."""
    mass = found.under(found.lowest)
    lower, upper = mass.interval
    return {
        "landscape/log_mass": mass.estimate,
        **({"solver/log_mass_lower": lower} if math.isfinite(lower) else {}),
        "solver/log_mass_upper": upper,
        "solver/log_mass_estimated": float(mass.is_estimated),
        "solver/log_mass_sigma": found.sigma,
        "solver/log_mass_accepted": found.accepted,
        "solver/log_mass_evaluations": found.num_evaluations,
    }
