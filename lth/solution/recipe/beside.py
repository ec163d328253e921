"""How states of the dense training start, copies from them under other SGD noise, and another dense network.

Source: Frankle et al. 2020, arXiv 1912.05671, algorithm 1; of the other dense network see `permuted`.
"""

from __future__ import annotations

from dataclasses import replace

from lth.network import build_network
from lth.network.mask import Mask
from lth.network.weights import Weights
from lth.plan.place import Copy, DenseState, OtherDense
from lth.randomness import stream_seed
from lth.setting.network import NetworkSpec
from lth.solution.recipe.start import Start
from lth.training.schedule import Schedule
from lth.training.train import TrainingState


def start_state(place: DenseState, dense: Start, reached: TrainingState | None) -> Start:
    """Return the dense training down to a step, from where it was before.

    Args:
        place: Of the state.
        dense: The start of w(0).
        reached: A state of that training before the step; None for its start.
    """
    state = dense.state if reached is None else reached
    return replace(dense, state=state, capture_at=place.step, until=place.step)


def start_copy(mask: Mask, reached: TrainingState, schedule: Schedule) -> Start:
    """Return m(L) from m(L) ⊙ wk, on the schedule from k, with the optimiser as it was there.

    Args:
        mask: m(L).
        reached: wk, of the dense training.
        schedule: The full one, from step 0.
    """
    return Start(mask, reached.masked(mask), schedule, capture_at=reached.step)


def start_other(dense: Start, spec: NetworkSpec, seed: int) -> Start:
    """Return the start of a dense network from another initialisation, on the whole schedule, capturing its wk.

    Args:
        dense: The start of w(0).
        spec: Of the network.
        seed: The study's.
    """
    network = build_network(spec, seed, "other_dense")
    return replace(dense, state=TrainingState(Weights.of(network), {}, 0))


def noise_seed(seed: int, place: Copy | OtherDense) -> int:
    """Return the seed of another SGD noise: of the order of data, augmentation and what the network draws.

    Every copy of every level and step has a stream of its own, and none has that of the study.

    Args:
        seed: The study's.
        place: Of what is trained under it.

    Example:
        >>> len({noise_seed(0, Copy.of(0, step, number)) for step in (0, 100) for number in (1, 2)})
        4
    """
    if isinstance(place, OtherDense):
        return stream_seed(seed, "sgd_noise", "other_dense")
    return stream_seed(seed, "sgd_noise", place.level, place.step, place.number)
