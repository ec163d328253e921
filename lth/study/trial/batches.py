"""The numbers of images that trainings and evaluations call a network with, besides the few of a trial."""

from __future__ import annotations

import torch
from torch import nn

from lth.errors import InputError
from lth.inputs import called
from lth.setting.own_fault import own_faults
from lth.study.trial.subject import Subject
from lth.training.evaluate import BATCH


def try_batches(subject: Subject, network: nn.Module) -> None:
    """Call a network with the last batch of a training, and with the largest and a single one of evaluations.

    They are as large as they will be: what a network can't divide, or has no room for, no smaller batch shows.

    Args:
        subject: Whose network it is.
        network: A copy of it where it is trained.

    Raises:
        ValueError: If it fails, or does not return one row of logits an image.
    """
    problem = subject.problem
    train, test = problem.data.train, problem.data.test
    size, most = problem.schedule.batch_size, BATCH[subject.device.type]
    counts = [len(train), len(test), problem.setting.training.epoch_examples.of(len(train))]
    in_training = {len(train) % size or min(size, len(train))}
    in_evaluation = {min(most, max(counts)), *({1} if 1 in {count % most for count in counts} else ())}
    larger = train if len(train) >= len(test) else test
    for mode, sizes in (("training", in_training), ("evaluation", in_evaluation)):
        network.train(mode == "training")
        for count in sorted(sizes):
            images = larger.take(torch.arange(count))
            fails = f"{subject.whose} fails in {mode} mode on {count} images:"
            with torch.no_grad(), subject.in_format(), own_faults(fails, subject.name):
                logits = called(network, images.normalise(images.images))
            expected = (count, *problem.keys.spec.outputs)
            if logits.shape != expected:
                raise InputError(
                    f"{subject.whose} maps {count} images to {tuple(logits.shape)} in {mode} mode; "
                    f"expected {expected}"
                )
