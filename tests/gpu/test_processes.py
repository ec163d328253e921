"""Processes on a GPU: alone, beside each other, under NVIDIA's service, and after a kill, to the same bits."""

import os
import signal
import sys

import pytest
from gpu_problem import (
    NETWORKS,
    Sharing,
    in_processes,
    train_alone,
    train_and_measure,
    train_on,
    train_until_killed,
)

pytestmark = pytest.mark.gpu


def test_processes_alone_beside_each_other_and_under_the_service_give_the_same_bits():
    (alone,) = in_processes(1, train_and_measure)
    assert alone.returncode == 0, alone.stderr
    assert [line.split()[0] for line in alone.stdout.splitlines()] == list(NETWORKS)
    for beside in in_processes(2, train_and_measure):
        assert beside.stdout == alone.stdout, beside.stderr
    sharing = Sharing("cuda", 2)
    try:
        if "CUDA_MPS_PIPE_DIRECTORY" not in {**os.environ, **sharing.environment(0)}:
            sys.stdout.write("there is no multi-process service: only parts of the memory were tried\n")
        for beside in in_processes(2, train_and_measure, sharing=sharing):
            assert beside.stdout == alone.stdout, beside.stderr
    finally:
        sharing.end()


def test_a_training_that_was_killed_goes_on_to_the_same_bits(tmp_path):
    (killed,) = in_processes(1, train_until_killed, str(tmp_path))
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    (resumed,) = in_processes(1, train_on, str(tmp_path))
    (undisturbed,) = in_processes(1, train_alone)
    assert resumed.stdout == undisturbed.stdout != "", resumed.stderr
