r"""Whether ways to a sparse network do what public implementations do: scores and masks, layer by layer.

    python -m benchmarks.methods --synaptic-flow ../Synaptic-Flow --rigl-torch ../rigl-torch \
        --set ../sparse-evolutionary-artificial-neural-networks --itop ../In-Time-Over-Parameterization \
        --jaxpruner ../jaxpruner --acdc ../ACDC

Each peer is imported from its checkout, untouched, and asked for the same network, weights and mini-batch: the
digits, and w0 of a network pruned in one go to a tenth. What it is asked, and in which variant, its function in
`benchmarks.methods_peers` says. Of every layer results have how many weights each keeps, how many both do, and
how far apart scores are at most, as a share of the largest, each by the sum of its magnitudes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import click
import torch

from benchmarks import methods_peers as peers
from benchmarks.environment import environment, print_table, write_results
from benchmarks.methods_peers import Case, Compared

_PEERS: Mapping[str, tuple[Callable[[Path, Case], Mapping[str, Compared]], ...]] = {
    "synaptic_flow": (peers.magnitude, peers.snip, peers.grasp, peers.synflow),
    "rigl_torch": (peers.rigl,),
    "set": (peers.set_by_its_authors,),
    "itop": (peers.set_by_itop,),
    "jaxpruner": (peers.erk, peers.gradual),
    "acdc": (peers.phases,),
}
_CHECKOUT = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command()
@click.option("--synaptic-flow", type=_CHECKOUT, help="Checkout of ganguli-lab/Synaptic-Flow.")
@click.option("--rigl-torch", type=_CHECKOUT, help="Checkout of nollied/rigl-torch.")
@click.option(
    "--set", type=_CHECKOUT, help="Checkout of dcmocanu/sparse-evolutionary-artificial-neural-networks."
)
@click.option("--itop", type=_CHECKOUT, help="Checkout of Shiweiliuiiiiiii/In-Time-Over-Parameterization.")
@click.option("--jaxpruner", type=_CHECKOUT, help="Checkout of google-research/jaxpruner; needs no JAX.")
@click.option("--acdc", type=_CHECKOUT, help="Checkout of IST-DASLab/ACDC; its settings are read.")
@click.option("--network", "networks", multiple=True, default=("lenet-300-100", "resnet20"), show_default=True)
@click.option("--density", default=0.1, show_default=True, help="Share of the weights that is kept.")
@click.option("--name", default="methods", show_default=True, help="Of the results.")
def main(networks: tuple[str, ...], density: float, name: str, **checkouts: Path | None) -> None:
    """Compare, print the agreement, and keep it."""
    given = {peer: path.resolve() for peer, path in checkouts.items() if path is not None}
    if not given:
        raise click.UsageError("name the checkout of a peer, such as --synaptic-flow ../Synaptic-Flow")
    torch.set_num_threads(1)
    surroundings = environment(1, given)
    found: dict[str, dict[str, object]] = {}
    for network in networks:
        case, rows = Case.of(network, density), []
        for peer, path in given.items():
            for compare in _PEERS[peer]:
                for what, compared in compare(path, case).items():
                    found.setdefault(network, {})[what] = compared.as_json()
                    rows.append((what, peer, *compared.cells()))
        headings = ("method", "peer", "kept", "by both", "worst layer", "scores differ by", "note")
        print_table(f"{network}, density {density}", headings, rows)
    path = write_results("methods", name, surroundings, {"networks": list(networks), "density": density}, found)
    click.echo(f"\nkept in {path}")


if __name__ == "__main__":
    main()
