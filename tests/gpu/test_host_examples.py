"""Examples that a GPU has no room for: read from the host, to the same bits."""

import numpy as np
import pytest
import torch
from gpu_problem import GPU, Run, digest, digest_of, examples, measure

from lth.network import Weights, build_network
from lth.training.determinism import fix_workspaces

pytestmark = pytest.mark.gpu


@pytest.fixture(autouse=True)
def _workspaces():
    fix_workspaces([GPU])


@pytest.mark.parametrize("name", ["resnet8-w8", "gpu_problem:attending"])
def test_a_training_and_its_measurements_have_the_same_bits_where_examples_stay_on_the_host(name, monkeypatch):
    found = []
    for fits in (True, False):
        monkeypatch.setattr("lth.data.examples.has_room", lambda *_, fits=fits: fits)
        assert examples(GPU).train.images.device.type == ("cuda" if fits else "cpu")
        run = Run(name)
        trained = run.train(GPU, capture_at=3)
        third = Weights.of(build_network(run.spec, 7))
        measured = measure(run, [trained.final, trained.captured.weights, third], GPU)
        numbers = [measured.spectrum.eigenvalues, measured.radii.radii, measured.surface.loss]
        tensors = [measured.product, *(torch.tensor(np.ascontiguousarray(array)) for array in numbers)]
        found.append((digest_of(trained.final), digest(tensors)))
    assert found[0] == found[1]


def test_bordered_copies_that_a_gpu_has_no_room_for_are_made_batch_by_batch(monkeypatch):
    digests = set()
    for fits in (True, False):
        monkeypatch.setattr("lth.data.augment.has_room", lambda *_, fits=fits: fits)
        digests.add(digest_of(Run().train(GPU).final))
    assert len(digests) == 1
