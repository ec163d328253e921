"""open_lth in `benchmarks.training`: its own loop; the variant is the number of its data loader's workers.

Everything runs from its checkout: `training.train.train` with `standard_callbacks`, a `PrunedModel` of its
ResNet-20, and `datasets.registry`'s loader over its CIFAR-10 with its transforms. Changed at run time is only
what it would not run without: its data set takes our images instead of downloading; NumPy 2 gets
`numpy.product` back; and its class for distributed training, which is not used, derives from `DataParallel`,
because Python refuses the order of its bases with the present torch.
"""

from __future__ import annotations

import copy
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import import_module
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from benchmarks.training_setup import Lap, TrainingSetup, load_problem
from lth.data import ImageData


def prepare(setup: TrainingSetup, variant: str) -> Callable[[object], Lap]:
    """Return a function that trains one epoch and evaluates test and training set.

    Raises:
        ValueError: If the setup names no checkout.
    """
    if setup.open_lth is None:
        raise ValueError("open_lth needs its checkout")
    sys.path.insert(0, str(setup.open_lth))
    vars(np).setdefault("product", np.prod)
    with patch("torch.nn.parallel.DistributedDataParallel", torch.nn.DataParallel):
        _module("models.registry")
    problem = load_problem(setup)
    platform = _module("platforms.local").Platform(num_workers=int(variant))
    _module("platforms.platform")._PLATFORM = platform
    train_loader, test_loader = _loaders(problem.images, setup.batch_size)

    hparams = _module("foundations.hparams")
    dense = _module("models.registry").get(
        hparams.ModelHparams("cifar_resnet_20", "kaiming_normal", "fixed"), outputs=10
    )
    dense.load_state_dict(problem.state)
    mask = _module("pruning.mask").Mask({name: kept.int() for name, kept in problem.mask.items()})
    model = _module("pruning.pruned_model").PrunedModel(dense, mask)
    training = hparams.TrainingHparams(
        optimizer_name="sgd",
        lr=setup.lr,
        momentum=setup.momentum,
        weight_decay=setup.weight_decay,
        training_steps="1ep",
    )

    def lap(_command: object) -> Lap:
        return _lap(training, copy.deepcopy(model), train_loader, test_loader)

    return lap


def _module(name: str) -> Any:
    """Return a module of the checkout, which comes first on the path; nothing is known of its types."""
    return import_module(name)


def _loaders(images: ImageData, batch_size: int) -> tuple[Any, Any]:
    """Return open_lth's loaders of its CIFAR-10 data set, which is given our images."""
    content = {
        True: (images.train_images, images.train_labels),
        False: (images.test_images, images.test_labels),
    }

    def in_memory(*, train: bool, **_where: object) -> SimpleNamespace:
        pixels, labels = content[train]
        return SimpleNamespace(data=pixels.permute(0, 2, 3, 1).contiguous().numpy(), targets=labels.tolist())

    _module("datasets.cifar10").CIFAR10 = in_memory
    registry, hparams = _module("datasets.registry"), _module("foundations.hparams")
    dataset = hparams.DatasetHparams("cifar10", batch_size)
    return registry.get(dataset, train=True), registry.get(dataset, train=False)


def _lap(training: Any, model: Any, train_loader: Any, test_loader: Any) -> Lap:
    """Train one epoch by open_lth's loop with its standard callbacks, timed between them.

    Of these the first evaluates the training set, the second the test set, and the others save. Before the
    first step they are left out: to evaluate while its workers load ahead would give it batches for nothing.
    Its loop fetches the first batch of the next epoch before the callbacks at the end of this one run, so the
    time of the steps is that of loading as many batches as were trained on.
    """
    standard = _module("training.standard_callbacks").standard_callbacks
    default = standard(training, train_loader, test_loader, verbose=False)
    both = standard(training, train_loader, test_loader, eval_on_train=True, verbose=False)
    times: dict[tuple[str, int], float] = {}
    loggers: list[Any] = []

    def mark(name: str) -> Callable[..., None]:
        def callback(_location: str, step: Any, _model: Any, _optimiser: Any, _logger: Any) -> None:
            times[name, step.iteration] = time.perf_counter()

        return callback

    def keep_logger(_location: str, _step: Any, _model: Any, _optimiser: Any, logger: Any) -> None:
        loggers[:] = [logger]

    def unless_first(callback: Callable[..., None]) -> Callable[..., None]:
        def wrapped(location: str, step: Any, *arguments: Any) -> None:
            if step.iteration > 0:
                callback(location, step, *arguments)

        return wrapped

    if len(both) - len(default) != 1:
        raise RuntimeError("open_lth's standard callbacks are not those of the commit this was written for")
    on_train, on_test, *saving = [unless_first(callback) for callback in both]
    marks = [mark(name) for name in ("trained", "evaluated train", "evaluated test", "saved")]
    callbacks = [marks[0], on_train, marks[1], on_test, marks[2], *saving, marks[3], keep_logger]
    with tempfile.TemporaryDirectory() as directory:
        _module("training.train").train(training, model, train_loader, directory, callbacks)
    end = train_loader.iterations_per_epoch
    return Lap(
        steps=times["trained", end] - times["saved", 0],
        evaluate_test=times["evaluated test", end] - times["evaluated train", end],
        evaluate_train=times["evaluated train", end] - times["trained", end],
        evaluate_some=None,
        save=times["saved", end] - times["evaluated test", end],
        test_loss=loggers[0].get_data("test_loss")[-1][1],
        test_accuracy=loggers[0].get_data("test_accuracy")[-1][1],
    )
