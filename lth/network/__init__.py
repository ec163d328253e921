"""The networks of the field, by name, for any input size, number of channels and of classes."""

from lth.network.build import build_network
from lth.network.layout import fastest_memory_format

__all__ = ["build_network", "fastest_memory_format"]
