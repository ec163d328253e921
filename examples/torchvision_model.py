"""The curvature of a torchvision model on a DataLoader, beside curvlinops' and PyHessian's where installed.

    python examples/torchvision_model.py

Each finds the largest eigenvalue of the Hessian of the same mean loss: lth by Lanczos with bounds, curvlinops
by ARPACK on its operator, PyHessian by power iteration. Nothing is downloaded.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

import torch
from scipy.sparse.linalg import eigsh
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from torchvision.models import MobileNetV2

import lth

_BLOCKS = [[1, 16, 1, 1], [4, 24, 2, 2]]  # expansion, channels, repeats, stride


def images(count: int) -> DataLoader[tuple[Tensor, ...]]:
    """Return handwritten digits as RGB images of 32 × 32, in batches."""
    digits = load_digits()
    grey = torch.from_numpy(digits.images[:count]).float().unsqueeze(1) / 8 - 1
    coloured = nn.functional.interpolate(grey, size=32).expand(-1, 3, -1, -1)
    return DataLoader(TensorDataset(coloured, torch.from_numpy(digits.target[:count])), batch_size=count)


def largest_eigenvalues() -> dict[str, float]:
    """Return what each program says that the largest eigenvalue is."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = MobileNetV2(10, 0.25, _BLOCKS, dropout=0).eval()
    loader, loss = images(32), nn.CrossEntropyLoss()
    found = {"lth": float(lth.spectrum(model, loader, k=1).eigenvalues[0])}
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if find_spec("curvlinops") is not None:
        curvlinops = import_module("curvlinops")
        hessian = curvlinops.HessianLinearOperator(model, loss, parameters, loader).to_scipy()
        found["curvlinops"] = float(eigsh(hessian, 1, which="LA", return_eigenvectors=False)[0])
    if find_spec("pyhessian") is not None:
        peer = import_module("pyhessian").hessian(model, loss, data=next(iter(loader)), cuda=False)
        found["pyhessian"] = float(peer.eigenvalues(maxIter=300, tol=1e-5, top_n=1)[0][0])
    return found


if __name__ == "__main__":
    every = largest_eigenvalues()
    print(every)  # noqa: T201
    assert all(abs(value / every["lth"] - 1) < 1e-2 for value in every.values()), every
