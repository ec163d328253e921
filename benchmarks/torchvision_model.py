"""The largest Hessian eigenvalue of a torchvision model on a DataLoader: lth beside curvlinops and PyHessian.

    python -m benchmarks.torchvision_model

What is compared is `examples/torchvision_model.py`, each program asked as its own documentation asks it; the
result is what each finds, and how far it is from what lth proves. It needs both peers, and a minute.
"""

from __future__ import annotations

import time

import click
import torch

from benchmarks.environment import environment, write_results
from examples.torchvision_model import largest_eigenvalues


@click.command()
@click.option("--threads", default=1, show_default=True, type=click.IntRange(min=1), help="Of torch.")
def main(threads: int) -> None:
    """Ask every program that is installed for the largest eigenvalue, and keep the answers."""
    torch.set_num_threads(threads)
    surroundings, began = environment(threads, {}), time.perf_counter()
    found = largest_eigenvalues()
    results = {
        "eigenvalues": found,
        "relative_to_lth": {name: value / found["lth"] - 1 for name, value in found.items()},
        "seconds": time.perf_counter() - began,
    }
    path = write_results("torchvision_model", "torchvision_model", surroundings, {"k": 1}, results)
    click.echo(f"{found}\n{path}")


if __name__ == "__main__":
    main()
