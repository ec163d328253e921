"""Permutation symmetries of a network, read off its exported graph, and units of two networks matched."""

from lth.network.symmetry.derive import symmetries
from lth.network.symmetry.spec import Group, Permutations, PermutationSpec

__all__ = ["Group", "PermutationSpec", "Permutations", "symmetries"]
