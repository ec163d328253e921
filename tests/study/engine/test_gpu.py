"""Which GPU is a task's for torch, and how much of its memory, on a machine that may have none."""

import pytest
import torch

from lth.study.engine.gpu import name_of
from lth.training.sharing import hold_to


@pytest.mark.parametrize(
    ("given", "visible", "name"),
    [
        ([], None, None),
        ([], "0,1", None),
        ([0], None, "cuda:0"),
        ([3], None, "cuda:3"),
        (["3"], "2,3", "cuda:1"),
        ([2], "2, 3", "cuda:0"),
        (["GPU-5e"], "GPU-3f,GPU-5e", "cuda:1"),
        (["0"], "0", "cuda:0"),
    ],
)
def test_the_gpu_that_a_process_was_given_has_the_number_that_torch_counts_to_it(given, visible, name):
    assert name_of(given, visible) == name


@pytest.mark.parametrize("share", [0.25, 0.5, 1.0])
def test_a_process_gives_back_what_it_took_and_is_held_to_its_part_of_the_gpu(monkeypatch, share):
    done = []
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: done.append("emptied"))
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", lambda *held: done.append(held))
    hold_to(share, torch.device("cpu"))
    assert done == []
    hold_to(share, torch.device("cuda:1"))
    assert done == ["emptied", (share, torch.device("cuda:1"))]
