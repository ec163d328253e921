"""Layers of a network by name: which parameters a group of them holds, and the coordinates of those alone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Final

from torch import nn

from lth.errors import InputError
from lth.network.mask import Mask

EACH: Final = "each"  # every layer with weights that can be pruned, for itself
_LISTED = 8  # names, where one is not known


def is_called(name: str, pattern: str) -> bool:
    """Say whether a parameter, the module that holds it, or one that this is in, is called so.

    Example:
        >>> [is_called("block.1.conv.weight", each) for each in ("block", "*.conv", "block.1.*", "conv")]
        [True, True, True, False]
    """
    parts = name.split(".")
    outer = (".".join(parts[:count]) for count in range(1, len(parts) + 1))
    return any(fnmatchcase(each, pattern) for each in outer)


def first_names(network: nn.Module) -> dict[str, str]:
    """Return by every name of a parameter, of which a tied one has several, the one that it goes by."""
    first = {id(parameter): name for name, parameter in network.named_parameters()}
    every = network.named_parameters(remove_duplicate=False)
    return {name: first[id(parameter)] for name, parameter in every}


def layer_groups(
    network: nn.Module, written: Sequence[str], prunable: Collection[str], frozen: Collection[str]
) -> dict[str, tuple[str, ...]]:
    """Return the names of the parameters in every group of layers, in parameter order, by the group's name.

    Args:
        network: Whose.
        written: Each is a group: `each`, which stands for a group for every layer that has weights which can be
            pruned; or names and patterns of parameters or modules, several joined by `+`.
        prunable: Parameters that can be pruned.
        frozen: Parameters that don't move, and are in no group.

    Raises:
        ValueError: If a name or pattern is of no parameter that moves.

    Example:
        >>> network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2, 2))
        >>> groups = layer_groups(network, ["each", "0+1"], ["0.weight", "3.weight"], [])
        >>> list(groups), groups["0+1"]
        (['0', '3', '0+1'], ('0.weight', '0.bias', '1.weight', '1.bias'))
    """
    first = {name: own for name, own in first_names(network).items() if own not in frozen}
    order = [name for name, _ in network.named_parameters() if name not in frozen]
    groups = dict[str, tuple[str, ...]]()
    for said in map(str.strip, written):
        if said == EACH:
            groups |= _each(order, prunable)
            continue
        chosen = {own for pattern in said.split("+") for own in _called(first, pattern.strip(), said)}
        groups[said] = tuple(name for name in order if name in chosen)
    return groups


def _each(order: Iterable[str], prunable: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Return the parameters of every module that has a prunable one, by its name, or that of the weight."""
    layers = dict[str, list[str]]()
    for name in order:
        layers.setdefault(name.rpartition(".")[0], []).append(name)
    return {layer or names[0]: tuple(names) for layer, names in layers.items() if set(prunable) & set(names)}


def _called(first: Mapping[str, str], pattern: str, said: str) -> set[str]:
    found = {own for name, own in first.items() if is_called(name, pattern)}
    if not found:
        known = list(dict.fromkeys(name.rpartition(".")[0] or name for name in first))
        shown = ", ".join([*known[:_LISTED], *["…"] * (len(known) > _LISTED)])
        raise InputError(
            f"layers={said!r}: {pattern!r} is of no parameter that moves; write {EACH}, or some of {shown}, "
            "with * for any part of a name and + between those that are one group"
        )
    return found


def only(mask: Mask, parameters: Iterable[str], names: Iterable[str]) -> Mask:
    """Return the mask under which of all parameters of a network these alone move, by their names.

    Example:
        >>> network = nn.Linear(2, 1)
        >>> only(Mask.dense(network), ["weight", "bias"], ["bias"]).frozen
        frozenset({'weight'})
    """
    chosen = set(names) - mask.frozen
    keep = {name: kept for name, kept in mask.keep.items() if name in chosen}
    return Mask(keep, mask.frozen | (set(parameters) - chosen))
