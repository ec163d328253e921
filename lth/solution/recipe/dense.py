"""How w(0) starts."""

from __future__ import annotations

from torch import nn

from lth.network.mask import Mask
from lth.network.weights import Weights
from lth.setting.setting import Setting
from lth.solution.recipe.start import Start
from lth.training.schedule import resolve_schedule, rewind_iteration
from lth.training.train import TrainingState


def start_dense(network: nn.Module, setting: Setting, num_examples: int) -> Start:
    """Return the start of w(0): everything kept, from w0 at step 0, capturing wk on the way."""
    schedule = resolve_schedule(setting.training, num_examples)
    state = TrainingState(Weights.of(network), {}, 0)
    return Start(
        Mask.dense(network, setting.pruning.prune_layers),
        state,
        schedule,
        rewind_iteration(setting.training, schedule),
    )
