"""Both spectra of one point: what the second costs alone, and what it would cost if it began from the first.

    python -m benchmarks.two_spaces --data IMAGES --progress DIRECTORY
    python -m benchmarks.two_spaces --drawn --name two_spaces_drawn

A network is trained, the fifth of its weights that is smallest is pruned, and it is trained again from its
initial weights: w(1). The k leading eigenvalues of the Hessian there are certified in level-1 space and in
level-0 space, which has the pruned coordinates besides. Those of level 0 are also certified from all products
of the first search, kept at full length: its basis, embedded, is where the second begins, and what the products
have in the pruned coordinates is how it leaves that basis. Every further vector is the combination of all
residuals that narrows the bounds most, until they would do by an estimate of what is outside; then a random
start proves that, as in any search. The weights are kept in `--progress`.

With `--drawn` the matrix is no Hessian, and takes a minute: its 100 leading eigenvalues are those that
`benchmarks/results/curvature.json` holds of a ResNet-20, followed by 399 that go on falling as the last of
these do and by noise of both signs; its eigenvectors are random, and the smaller space lacks a fifth of its
coordinates.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from benchmarks.environment import RESULTS, environment, print_table, write_results
from benchmarks.images import sample
from lth.data import Examples
from lth.measure.curvature.hessian import HessianOperator
from lth.measure.curvature.krylov import FAILURE_PROBABILITY, KrylovBasis, SymmetricOperator, with_rest
from lth.measure.curvature.matrix import MatrixOperator
from lth.measure.curvature.outside import largest_eigenvalue_bound
from lth.measure.curvature.spectrum import Spectrum, search
from lth.network import Mask, build_network
from lth.network.prune import num_to_prune, prune_smallest
from lth.network.space import LevelSpace
from lth.network.weights import Weights
from lth.randomness import generator
from lth.setting.network import NetworkSpec

_BATCH, _LEARNING_RATE = 64, 0.05
_PRUNED = 0.2
_ROOM = 1000  # vectors: no basis is restarted
_MARGIN = 0.8  # of the tolerance, that is to be reached by an estimate of what is outside
_ABOVE = 0.3  # that estimate lies so far from what the first search proved towards the least eigenvalue
_SIDE, _FALLING, _NOISE = 3000, 399, 1e-2  # of the matrix that is drawn
_LOOKS = 4  # products between two looks at the bounds


@dataclass(frozen=True)
class Found:
    """What one search came to."""

    products: int
    vectors: int
    log_eig_product: float
    log_eig_interval: tuple[float, float]
    seconds: float
    converged: bool


class Recorded:
    """The Hessian in a space, which keeps every product at full length."""

    def __init__(self, whole: SymmetricOperator, kept: Tensor) -> None:
        self._whole, self._kept = whole, kept  # (dimension of `whole`,): which coordinates are of the space
        self.products: list[Tensor] = []

    @property
    def dimension(self) -> int:
        """Side of the matrix."""
        return int(self._kept.sum())

    @property
    def device(self) -> torch.device:
        """Where vectors live."""
        return self._whole.device

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the products."""
        return self._whole.dtype

    def embed(self, vectors: Tensor) -> Tensor:
        """Return vectors of the space, (m, dimension), as vectors of the whole."""
        full = vectors.new_zeros(len(vectors), len(self._kept))
        full[:, self._kept] = vectors
        return full

    def __call__(self, vector: Tensor) -> Tensor:
        """Return the product with `vector`, (dimension,)."""
        product = self._whole(self.embed(vector[None])[0])
        self.products.append(product)
        return product[self._kept]


class Continued:
    """A basis of the larger space: T = VᵀAV, and R = AV - VT, how A leaves it, all of it."""

    def __init__(self, matrix: SymmetricOperator, vectors: Tensor, products: Tensor) -> None:
        self._matrix = matrix
        self._vectors = torch.empty(_ROOM, matrix.dimension)
        self._residuals = torch.empty(_ROOM, matrix.dimension, dtype=torch.float64)
        self._size = len(vectors)
        self._vectors[: self._size] = vectors
        inner = (vectors.double() @ products.double().T).numpy()
        self.inside: np.ndarray = (inner + inner.T) / 2
        self._residuals[: self._size] = products.double() - torch.from_numpy(self.inside) @ vectors.double()
        held = self._residuals[: self._size]
        self._gram: np.ndarray = (held @ held.T).numpy()
        self.num_products = 0

    def __len__(self) -> int:
        return self._size

    @property
    def leaving(self) -> np.ndarray:
        """C with CᵀC = RᵀR."""
        values, vectors = np.linalg.eigh(self._gram)
        positive = values > 1e-14 * np.abs(self.inside).max() ** 2
        found: np.ndarray = (vectors[:, positive] * np.sqrt(values[positive])).T
        return found

    def heaviest(self, k: int, rest: float) -> Tensor:
        """Return the unit vector that adds up most of Σ rᵢ² / (θᵢ (θᵢ - c)) over the leading residuals."""
        values, vectors = np.linalg.eigh(self.inside)
        ritz, leading = values[::-1][:k], vectors[:, ::-1][:, :k]
        size = np.maximum(ritz, 1e-3 * ritz[0])
        weighed = leading / np.sqrt(size * np.maximum(ritz - rest, 0.05 * size))
        _, directions = np.linalg.eigh(weighed.T @ self._gram @ weighed)
        coefficients = torch.from_numpy(weighed @ directions[:, -1])
        return self.orthogonal(coefficients @ self._residuals[: self._size])

    def orthogonal(self, vector: Tensor) -> Tensor:
        """Return the part of `vector` outside the basis, of length 1."""
        for _ in range(3):
            for part in torch.split(self._vectors[: self._size], 64):
                vector = vector - (part.double() @ vector) @ part.double()
        return vector / vector.norm()

    def add(self, vector: Tensor) -> tuple[float, Tensor]:
        """Add a unit vector that is orthogonal to the basis; return vᵀAv and what A v leaves it by."""
        rounded = vector.float()
        product = self._matrix(rounded).double()
        self.num_products += 1
        held = self._residuals[: self._size]
        column = held @ vector  # of A V along it, as the vector is orthogonal to V
        corner = float(vector @ product)
        held -= torch.outer(column, vector)
        before = torch.cat([part.double() @ product for part in torch.split(self._vectors[: self._size], 64)])
        residual = product - corner * vector
        for part, inner in zip(
            torch.split(self._vectors[: self._size], 64), torch.split(before, 64), strict=True
        ):
            residual = residual - inner @ part.double()
        across = (held @ residual).numpy()
        side = column.numpy()
        gram, length = self._gram - np.outer(side, side), np.full((1, 1), float(residual @ residual))
        self._gram = np.block([[gram, across[:, None]], [across[None], length]])
        self.inside = np.block([[self.inside, side[:, None]], [side[None], np.full((1, 1), corner)]])
        self._vectors[self._size], self._residuals[self._size] = rounded, residual
        self._size += 1
        return corner, residual

    def spectrum(self, k: int, rest: float) -> Spectrum:
        """Return what is known if no eigenvalue outside is above `rest`; nothing is said of rounding."""
        ritz = np.linalg.eigvalsh(self.inside)[::-1][:k]
        upper = np.linalg.eigvalsh(with_rest(self.inside, self.leaving, rest))[::-1][:k]
        upper = np.maximum(upper, np.maximum(ritz, rest))
        nothing = np.zeros_like(ritz)
        return Spectrum(ritz, upper, nothing, 0.0, self.num_products, False, FAILURE_PROBABILITY)


def continued(
    matrix: SymmetricOperator, first: Recorded, basis: KrylovBasis, k: int, tolerance: float
) -> tuple[Spectrum, Continued]:
    """Return the spectrum of the larger space, from all that the search in the smaller one knows."""
    size = len(basis)
    vectors = first.embed(basis.vectors(0, size))
    grown = Continued(matrix, vectors, torch.stack(first.products[:size]))
    least = float(np.linalg.eigvalsh(basis.inside)[-k])
    rest, starts = basis.proved_outside + _ABOVE * (least - basis.proved_outside), 0
    while True:
        while not grown.spectrum(k, rest).meets(_MARGIN * tolerance):
            for _ in range(_LOOKS):
                grown.add(grown.heaviest(k, rest))
        drawn = torch.randn(
            matrix.dimension, dtype=torch.float64, generator=generator(0, "lanczos", basis.num_starts + starts)
        )
        starts += 1
        outside, alphas, betas = matrix.dimension - len(grown), list[float](), list[float]()
        vector = grown.orthogonal(drawn)
        chance = 6 * FAILURE_PROBABILITY / (math.pi * (basis.num_starts + starts)) ** 2
        while True:
            alpha, residual = grown.add(vector)
            alphas.append(alpha)
            betas.append(float(residual.norm()))
            vector = grown.orthogonal(residual)
            if len(alphas) % _LOOKS:
                continue
            proved = largest_eigenvalue_bound(np.array(alphas), np.array(betas), outside, chance)
            if (found := grown.spectrum(k, proved)).meets(tolerance):
                return found, grown
            ritz = float(np.linalg.eigvalsh(_tridiagonal(alphas, betas))[-1])
            if not grown.spectrum(k, max(rest, ritz)).meets(tolerance):
                rest = max(rest, min(ritz, least) + _ABOVE * max(0.0, least - ritz))
                break


def _tridiagonal(alphas: list[float], betas: list[float]) -> np.ndarray:
    return np.diag(alphas) + np.diag(betas[:-1], 1) + np.diag(betas[:-1], -1)


@click.command()
@click.option("--data", type=click.Path(path_type=Path), help="Directory of the data set.")
@click.option("--dataset", default="imagefolder", show_default=True, help="imagefolder or cifar10, for lth.")
@click.option("--progress", type=click.Path(path_type=Path, file_okay=False), help="Keeps what was trained.")
@click.option("--drawn", is_flag=True, help="Of a matrix that is drawn, without images.")
@click.option("--network", default="resnet20", show_default=True)
@click.option("--train", default=1000, show_default=True, help="Images to train on.")
@click.option("--images", default=64, show_default=True, help="Images that the loss is the mean of.")
@click.option("--epochs", default=40, show_default=True, type=click.IntRange(min=1), help="Of each training.")
@click.option("--k", default=100, show_default=True, type=click.IntRange(min=1), help="Eigenvalues.")
@click.option("--tolerance", default=1e-3, show_default=True, type=float)
@click.option("--threads", default=1, show_default=True, type=click.IntRange(min=1))
@click.option("--name", default="two_spaces", show_default=True, help="Of the file in benchmarks/results.")
def main(
    data: Path | None,
    dataset: str,
    progress: Path | None,
    drawn: bool,
    network: str,
    train: int,
    images: int,
    epochs: int,
    k: int,
    tolerance: float,
    threads: int,
    name: str,
) -> None:
    """Certify both spectra of a point, the second alone and from the first."""
    torch.set_num_threads(threads)
    surroundings = environment(threads, {})
    if drawn:
        whole, space, loss = (*_drawn(), math.nan)
    else:
        path = _pair_of(network, dataset, data, progress, train, epochs)
        whole, space, loss = _operator(network, load_file(path), images)
    wide = whole.dimension
    first = Recorded(whole, space)
    searches: dict[str, Callable[[], tuple[Spectrum, int]]] = {}
    own = KrylovBasis(first, 0, _ROOM)
    alone = KrylovBasis(whole, 0, _ROOM)

    def from_first() -> tuple[Spectrum, int]:
        spectrum, grown = continued(whole, first, own, k, tolerance)
        return spectrum, len(grown)

    searches["level 1"] = lambda: (search(own, k, tolerance=tolerance), len(own))
    searches["level 0, from level 1"] = from_first
    searches["level 0, alone"] = lambda: (search(alone, k, tolerance=tolerance), len(alone))
    found = {what: _timed(what, act, tolerance) for what, act in searches.items()}
    _print(found)
    pair = found["level 1"].products
    sums: dict[str, object] = {
        "products_alone": pair + found["level 0, alone"].products,
        "products_shared": pair + found["level 0, from level 1"].products,
        "bytes_kept_for_the_second": 4 * len(first.products) * wide,
    }
    click.echo(str(sums))
    written = write_results(
        "two_spaces",
        name,
        surroundings,
        {
            "network": "drawn" if drawn else network,
            "train": train,
            "images": images,
            "epochs": epochs,
            "k": k,
            "tolerance": tolerance,
            "pruned": _PRUNED,
        },
        {
            "loss": None if drawn else loss,
            "dimensions": [first.dimension, wide],
            "found": {what: asdict(one) for what, one in found.items()},
            **sums,
        },
    )
    click.echo(f"written to benchmarks/results/{written.name}")


def _pair_of(
    network: str, dataset: str, data: Path | None, progress: Path | None, train: int, epochs: int
) -> Path:
    """Return the file with w(1), trained if it is not there yet."""
    if progress is None:
        raise click.UsageError("name a directory for the weights: --progress; or take --drawn")
    progress.mkdir(parents=True, exist_ok=True)
    path = progress / f"{network}-{train}-{epochs}.safetensors"
    if not path.exists():
        images = sample(dataset, data, train, 10)
        pixels = images.train_images.float() / 255
        inputs = (pixels - pixels.mean(dim=(0, 2, 3), keepdim=True)) / pixels.std(dim=(0, 2, 3), keepdim=True)
        save_file(_trained_pair(network, inputs, images.train_labels, epochs), path)
    return path


def _drawn() -> tuple[SymmetricOperator, Tensor]:
    """Return a matrix with a network's leading eigenvalues, and which of its coordinates are kept."""
    known = json.loads((RESULTS / "curvature.json").read_text(encoding="utf-8"))["results"]["truth"]
    leading = np.array(known)
    half = len(leading) // 2
    slope = np.polyfit(np.arange(half, len(leading)), np.log(leading[half:]), 1)[0]
    falling = leading[-1] * np.exp(slope * np.arange(1, _FALLING + 1))
    stream = np.random.default_rng(0)
    noise = _NOISE * leading[-1] * stream.standard_normal(_SIDE - len(leading) - _FALLING)
    turned, _ = np.linalg.qr(stream.standard_normal((_SIDE, _SIDE)))
    entries = (turned * np.concatenate([leading, falling, noise])) @ turned.T
    kept = torch.ones(_SIDE, dtype=torch.bool)
    kept[torch.from_numpy(stream.permutation(_SIDE)[: int(_PRUNED * _SIDE)])] = False
    return MatrixOperator(torch.from_numpy((entries + entries.T) / 2).float()), kept


def _timed(what: str, act: Callable[[], tuple[Spectrum, int]], tolerance: float) -> Found:
    began = time.perf_counter()
    spectrum, vectors = act()
    seconds = time.perf_counter() - began
    click.echo(f"{what}: {spectrum.num_products} products, {seconds:.0f} s", err=True)
    return Found(
        spectrum.num_products,
        vectors,
        spectrum.log_eig_product,
        spectrum.log_eig_interval,
        seconds,
        spectrum.meets(tolerance),
    )


def _print(found: Mapping[str, Found]) -> None:
    rows = [
        [
            what,
            str(one.products),
            str(one.vectors),
            f"{one.log_eig_product:.3f}",
            f"{one.log_eig_interval[1] - one.log_eig_interval[0]:.3f}",
            f"{one.seconds:.0f}",
        ]
        for what, one in found.items()
    ]
    print_table("two spectra of w(1)", ["", "products", "vectors", "Σ log λ", "width", "s"], rows)


def _operator(network: str, content: dict[str, Tensor], images: int) -> tuple[HessianOperator, Tensor, float]:
    """Return the Hessian at w(1) in level-0 space, which of its coordinates level 1 has, and the loss."""
    inputs, labels = content.pop("inputs"), content.pop("labels")
    chosen = torch.arange(images) * len(inputs) // images
    inputs, labels = inputs[chosen].contiguous(), labels[chosen].contiguous()
    masks = [name for name in content if name.startswith("mask.")]
    keep = {name.removeprefix("mask."): content.pop(name).bool() for name in masks}
    built = build_network(NetworkSpec(network, tuple(inputs.shape[1:]), 10), 0)
    built.load_state_dict(content)
    weights = Weights.of(built.eval())
    wide, space = LevelSpace(Mask.dense(built), weights), LevelSpace(Mask(keep), weights)
    examples = Examples(inputs, labels, torch.zeros(3, 1, 1), torch.ones(3, 1, 1))
    with torch.no_grad():
        loss = float(cross_entropy(built(inputs), labels))
    ones = wide.restrict(space.embed(torch.ones(space.dimension)))
    return HessianOperator(built, weights, wide, examples), ones > 0, loss


def _trained_pair(name: str, inputs: Tensor, labels: Tensor, epochs: int) -> dict[str, Tensor]:
    """Return w(1), its mask and the images."""
    network = build_network(NetworkSpec(name, tuple(inputs.shape[1:]), 10), 0)
    initial = Weights.of(network)
    dense = Mask.dense(network)
    _train(network, dense, inputs, labels, epochs)
    mask = prune_smallest(Weights.of(network), dense, num_to_prune(dense, _PRUNED))
    mask.apply(initial).load_into(network)
    _train(network, mask, inputs, labels, epochs)
    masks = {f"mask.{layer}": kept.float() for layer, kept in mask.keep.items()}
    return {"inputs": inputs, "labels": labels, **masks, **network.state_dict()}


def _train(network: nn.Module, mask: Mask, inputs: Tensor, labels: Tensor, epochs: int) -> None:
    network.train()
    optimiser = torch.optim.SGD(network.parameters(), lr=_LEARNING_RATE, momentum=0.9, weight_decay=1e-4)
    steps = len(inputs) // _BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _LEARNING_RATE, total_steps=epochs * steps)
    stream = torch.Generator().manual_seed(0)
    for epoch in range(epochs):
        for batch in torch.randperm(len(inputs), generator=stream).split(_BATCH)[:steps]:
            optimiser.zero_grad()
            loss = cross_entropy(network(inputs[batch]), labels[batch])
            loss.backward()
            optimiser.step()
            schedule.step()
            mask.apply(Weights.of(network)).load_into(network)
        click.echo(f"epoch {epoch + 1}: {loss.item():.4f}", err=True)
    network.eval()


if __name__ == "__main__":
    main()
