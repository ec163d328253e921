"""Masked SGD along a schedule, and the evaluation of what it reaches; knows neither levels nor methods.

The training itself is `lth.training.train.train`: a function can't be named here like the module it is in.
"""

from lth.training.evaluate import Evaluation, Evaluator
from lth.training.precision import full_float32, training_format
from lth.training.schedule import Schedule, resolve_schedule
from lth.training.train import (
    EpochRecord,
    Procedure,
    Training,
    TrainingDivergedError,
    TrainingState,
)

__all__ = [
    "EpochRecord",
    "Evaluation",
    "Evaluator",
    "Procedure",
    "Schedule",
    "Training",
    "TrainingDivergedError",
    "TrainingState",
    "full_float32",
    "resolve_schedule",
    "training_format",
]
