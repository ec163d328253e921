"""Networks of the field by name, their weights as plain tensors, and which of them are kept or pruned."""

from lth.network.build import build_network
from lth.network.layout import fastest_memory_format
from lth.network.mask import Mask
from lth.network.parts import prunable_names
from lth.network.prune import num_to_prune, prune_next_larger, prune_random, prune_smallest, survivors
from lth.network.space import LevelSpace
from lth.network.weights import Weights, affine_combination

__all__ = [
    "LevelSpace",
    "Mask",
    "Weights",
    "affine_combination",
    "build_network",
    "fastest_memory_format",
    "num_to_prune",
    "prunable_names",
    "prune_next_larger",
    "prune_random",
    "prune_smallest",
    "survivors",
]
