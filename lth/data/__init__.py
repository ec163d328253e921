"""Labelled images: where they come from, which are drawn, how they become batches."""

from lth.data.examples import Examples, TrainingData, prepare
from lth.data.images import ImageData
from lth.data.source import load_images

__all__ = ["Examples", "ImageData", "TrainingData", "load_images", "prepare"]
