"""How states of the dense training start, and copies from them under other SGD noise.

Source: Frankle et al. 2020, arXiv 1912.05671, algorithm 1.
"""

from __future__ import annotations

from dataclasses import replace

from lth.network.mask import Mask
from lth.plan.place import Copy, DenseState
from lth.randomness import stream_seed
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


def noise_seed(seed: int, copy: Copy) -> int:
    """Return the seed of a copy's SGD noise: of the order of its data, augmentation and what the network draws.

    Every copy of every level and step has a stream of its own, and none has that of the study.

    Args:
        seed: The study's.
        copy: Which copy.

    Example:
        >>> len({noise_seed(0, Copy.of(0, step, number)) for step in (0, 100) for number in (1, 2)})
        4
    """
    return stream_seed(seed, "sgd_noise", copy.level, copy.step, copy.number)
