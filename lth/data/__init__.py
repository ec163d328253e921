"""Examples with their targets: where they come from, which are drawn, how they become batches."""

from lth.data.examples import Examples, TrainingData, prepare
from lth.data.images import ImageData
from lth.data.source import load_images
from lth.data.tensors import TensorData

__all__ = ["Examples", "ImageData", "TensorData", "TrainingData", "load_images", "prepare"]
