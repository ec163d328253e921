"""Networks of torchvision through a study's tasks: trained, pruned, exported, measured and loaded again."""

from pathlib import Path

import mlflow
import numpy as np
import pytest
import torch
from mlflow import MlflowClient

import lth
from lth.data import ImageData
from lth.plan.jobs import CurvatureJob, LineJob
from lth.plan.place import Place, Point
from lth.tracking.store import Store

SHORT = {
    "dataset": f"{__name__}:images",
    "augmentation": "none",
    "batch_size": "8",
    "epochs": "1",
    "milestones": "none",
    "rewind_step": "1",
    "lr": "0.01",
    "levels": "1",
    "prune_fraction": "0.999",  # so that few coordinates are left, and the spectrum is one of seconds
    "k": "10",
    "trace_probes": "2",
    "hessian_examples": "8",
    "points": "3",
    "precision": "fp32",
    "trajectory": "none",
}


def images(_data_dir: Path | None) -> ImageData:
    stream = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (32, 3, 32, 32), generator=stream, dtype=torch.uint8)
    labels = torch.arange(32) % 4
    return ImageData("noise", pixels[:24], labels[:24], pixels[24:], labels[24:])


@pytest.mark.parametrize(
    ("network", "prune_layers"),
    [
        ("squeezenet1_1", "default"),
        pytest.param("resnet50", "default", marks=pytest.mark.nightly),
        pytest.param("vit_b_16", "default,attention", marks=pytest.mark.nightly),
    ],
)
def test_a_network_of_torchvision_is_trained_exported_measured_and_loaded_again(
    network, prune_layers, tracking
):
    study = lth.open_study("digits", **SHORT, network=f"torchvision:{network}", prune_layers=prune_layers)
    dense, sparse = Place.imp(0), Place.imp(1)
    run = study.solution(sparse)
    jobs = [CurvatureJob(Point.at(sparse)), LineJob(Point.at(dense), Point.at(sparse))]
    for job in jobs:
        study.measurement(job)
    (_, curvature), (_, line) = study.found(jobs)
    assert curvature.spectrum.eigenvalues.shape == (10,)
    assert np.isfinite(curvature.spectrum.eigenvalues).all()
    assert np.isfinite(line.stored.train_loss).all()

    loaded = lth.load_solution(run)
    reached = loaded.network.state_dict()
    assert all(torch.equal(reached[name], tensor) for name, tensor in loaded.weights.parameters.items())
    assert 0 < loaded.density < 0.01
    (model,) = MlflowClient().search_logged_models([Store().experiment_id], f"source_run_id = '{run}'") or [
        None
    ]
    assert mlflow.pytorch.load_model(f"models:/{model.model_id}")(torch.zeros(3, 3, 32, 32)).shape == (3, 4)
