"""The splits of a study's data set as MLflow shows them: what networks are trained and tested on."""

from __future__ import annotations

from torch import Tensor

from lth.data.examples import Examples
from lth.data.normalisation import Statistics
from lth.inputs import by_input, each
from lth.solution.problem import Problem
from lth.tracking.dataset import DataSplit, Tensors


def training_split(problem: Problem) -> DataSplit:
    """Return the training examples, of which `train_examples` may have drawn some."""
    return _split(problem, "train", "training", problem.data.train)


def test_split(problem: Problem) -> DataSplit:
    """Return the test examples."""
    return _split(problem, "test", "evaluation", problem.data.test)


def splits_of_metrics(problem: Problem) -> dict[str, DataSplit | None]:
    """Return on which split each metric is that a solution attains; None for those of the mask alone."""
    train, test = training_split(problem), test_split(problem)
    measured = {f"{split}/{name}": on for split, on in (("train", train), ("test", test)) for name in _ATTAINED}
    return {**measured, "density": None, "density_of_all_parameters": None}


_ATTAINED = ("loss", "accuracy")


def _split(problem: Problem, name: str, context: str, examples: Examples) -> DataSplit:
    images = problem.images
    whole = len(images.train_labels) if name == "train" else len(images.test_labels)
    drawn = "" if len(examples) == whole else f"-{len(examples)}"  # another split, to MLflow too
    return DataSplit(
        name=f"{images.name}-{name}{drawn}",
        digest=images.digest,
        source=images.source,
        context=context,
        features={name: _tensors(tensor) for name, tensor in each(examples.images)},
        targets={"": _tensors(examples.labels)},
        profile={
            "num_examples": len(examples),
            "num_examples_of_whole_split": whole,
            _outputs(examples.labels): images.num_classes,
            **_by_input("channel_mean", examples.mean),
            **_by_input("channel_std", examples.std),
        },
    )


def _outputs(labels: Tensor) -> str:
    return "num_outputs" if labels.is_floating_point() else "num_classes"


def _by_input(name: str, statistics: Statistics) -> dict[str, list[float]]:
    """Return what each input is normalised with, by name; of those that are read as they are, nothing."""
    return {
        f"{name}/{input_}" if input_ else name: values.flatten().tolist()
        for input_, values in by_input(statistics).items()
        if values is not None
    }


def _tensors(array: Tensor) -> Tensors:
    return Tensors(str(array.dtype).removeprefix("torch."), (-1, *array.shape[1:]))
