"""What a network is made of: which parameters can be pruned, which are frozen, and why the others stay.

Prunable are the weights of convolutions and fully-connected layers, unless a selection says otherwise: some of
them alone, or weights of transposed convolutions, packed attention, embeddings and recurrent layers too. Biases
and normalisation never are. A weight that several layers share is one parameter, prunable if one of them is
such a layer, under the name that `named_parameters` gives it. A frozen parameter (`requires_grad=False`) does
not move, so it is neither pruned nor a coordinate.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Final

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvTransposeNd
from torch.nn.utils.parametrize import ParametrizationList

from lth.errors import InputError

_PRUNABLE_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
_NORMALISATION = (_NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)
_SHOWN, _LISTED = 3, 8  # names of a kind, and of weights where one is not known

PRUNABLE: Final = "prunable"
FROZEN: Final = "frozen"
LEFT_OUT: Final = "left out by prune_layers"

DEFAULT: Final = ("default",)  # a selection: convolutions and fully-connected layers
_BY_WORD: Final = {
    "default": PRUNABLE,
    "transposed": "transposed convolution",
    "attention": "packed attention",
    "embedding": "embedding",
    "recurrent": "recurrent",
}
_NEVER = frozenset(["bias", "normalisation", "parametrised", "scripted"])


@dataclass(frozen=True)
class Part:
    """One parameter of a network, as one of the layers that hold it sees it."""

    name: str
    layer: str  # the class of that layer
    num_weights: int
    kind: str  # `PRUNABLE`, `FROZEN`, or what it is that is never pruned


def parts(network: nn.Module, selection: Sequence[str] = DEFAULT) -> tuple[Part, ...]:
    """Return every parameter with what becomes of it, in parameter order.

    Args:
        network: Whose.
        selection: Of what is prunable; see `prunable_names`.

    Example:
        >>> network = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
        >>> network[1].weight.requires_grad_(False)[:0]
        tensor([])
        >>> [part.kind for part in parts(network)]
        ['prunable', 'bias', 'frozen', 'normalisation']
    """
    return tuple(
        replace(part, kind=part.kind if parameter.requires_grad else FROZEN)
        for part, parameter in zip(_selected(network, selection), network.parameters(), strict=True)
    )


def prunable_names(network: nn.Module, selection: Sequence[str] = DEFAULT) -> tuple[str, ...]:
    """Return the names of the weights that can be pruned, in parameter order.

    Args:
        network: Whose.
        selection: Words and patterns, each adding to those before it, or taking from them with a `-` in front;
            from the default, if the first does. The words are `default` (convolutions and fully-connected
            layers), `transposed`, `attention` (packed), `embedding` and `recurrent`, and `first` and `last` of
            the default ones; a pattern with `*` is of names of parameters or of the modules that hold them.

    Raises:
        ValueError: If there is none, all are frozen, or a part of the selection is of nothing in the network.

    Example:
        >>> network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2, 2))
        >>> prunable_names(network), prunable_names(network, ["-last"]), prunable_names(network, ["3*"])
        (('0.weight', '3.weight'), ('0.weight',), ('3.weight',))
    """
    names = [part.name for part in _selected(network, selection) if part.kind == PRUNABLE]
    if not names and tuple(selection) == DEFAULT:
        raise InputError("the network has no convolution or fully-connected layer, so nothing can be pruned")
    if not names:
        raise InputError(f"prune_layers={','.join(selection)} leaves nothing to prune; name more")
    frozen = frozen_names(network)
    if frozen.issuperset(names) and tuple(selection) == DEFAULT:
        raise InputError(
            f"every convolution and fully-connected layer is frozen ({_shown(names)}), so nothing can be "
            "pruned; leave requires_grad=True on those that may be"
        )
    if frozen.issuperset(names):
        raise InputError(f"all that prune_layers={','.join(selection)} names is frozen ({_shown(names)})")
    return tuple(name for name in names if name not in frozen)


def _selected(network: nn.Module, selection: Sequence[str]) -> list[Part]:
    """Return every part, those of the selection as prunable and other prunable ones as left out."""
    every = _as_if_none_was_frozen(network)
    if tuple(selection) == DEFAULT:
        return every
    shapes = {name: parameter.ndim for name, parameter in network.named_parameters()}
    able = [part for part in every if part.kind not in _NEVER and shapes[part.name] > 1]
    chosen = set[str]() if not selection[0].startswith("-") else _meant("default", able)
    for said in selection:
        found = _meant(said.removeprefix("-"), able)
        if not found:
            known = ", ".join([*_BY_WORD, "first", "last", *(part.name for part in able[:_LISTED])])
            raise InputError(
                f"prune_layers: {said!r} is of no weight of the network; write some of {known}, "
                "with * for any part of a name"
            )
        chosen = chosen - found if said.startswith("-") else chosen | found
    kinds = {part.name: PRUNABLE if part.name in chosen else LEFT_OUT for part in able}
    return [
        replace(part, kind=kinds[part.name]) if part.name in chosen or part.kind == PRUNABLE else part
        for part in every
    ]


def _meant(said: str, able: Sequence[Part]) -> set[str]:
    """Return the names of the parameters that a word or a pattern is of."""
    if said in _BY_WORD:
        return {part.name for part in able if part.kind == _BY_WORD[said]}
    default = [part.name for part in able if part.kind == PRUNABLE]
    if said in ("first", "last"):
        return set(default[:1] if said == "first" else default[-1:])
    return {
        part.name
        for part in able
        if fnmatchcase(part.name, said) or fnmatchcase(part.name.rpartition(".")[0], said)
    }


def check_hooks(network: nn.Module) -> None:
    """Check that no parameter has a hook on its gradient, which PyTorch leaves out of every copy of a network.

    Raises:
        ValueError: If one has.
    """
    for name, parameter in network.named_parameters():
        if parameter._backward_hooks or getattr(parameter, "_post_accumulate_grad_hooks", None):
            raise InputError(
                f"{name} has a hook on its gradient (register_hook), which copies of the network don't have; "
                "freeze it by requires_grad_(False), or change the gradient in a module or a parametrisation"
            )


def frozen_names(network: nn.Module) -> frozenset[str]:
    """Return the names of the parameters that don't move: those with `requires_grad=False`."""
    return frozenset(name for name, parameter in network.named_parameters() if not parameter.requires_grad)


def coordinates_to_name(network: nn.Module) -> dict[str, list[str]] | None:
    """Return what is prunable and what is frozen where a content key must name it, else None.

    It follows from the network's code where nothing is frozen and every prunable weight has the name that its
    layer gives it: then it always was what it is now.
    """
    plain = {
        f"{name}.weight" if name else "weight"
        for name, module in network.named_modules()
        if isinstance(module, _PRUNABLE_LAYERS)
    }
    names, frozen = prunable_names(network), frozen_names(network)
    if not frozen and plain.issuperset(names):
        return None
    return {"prunable": list(names), "frozen": sorted(frozen)}


def described(network: nn.Module, selection: Sequence[str] = DEFAULT) -> str:
    """Return in a line what can be pruned of a network, and what is left out and why.

    Example:
        >>> described(nn.Sequential(nn.Linear(10, 16), nn.Embedding(2, 32)))
        'prunable: 160 of 240 parameters (66.7%), in 1 layer; never pruned: 64 embedding (1.weight), 16 bias'
    """
    every = parts(network, selection)
    total, counts = sum(part.num_weights for part in every), counts_of(every)
    layers = sum(part.kind == PRUNABLE for part in every)
    prunable = counts.get(PRUNABLE, 0)
    said = (
        f"prunable: {prunable:,} of {total:,} parameters ({prunable / total:.1%}), in {layers} "
        f"layer{'s' * (layers != 1)}"
    )
    stay = [kind for kind in counts if kind not in (PRUNABLE, FROZEN)]
    if stay:
        said += "; never pruned: " + ", ".join(_count(every, kind) for kind in stay)
    if FROZEN in counts:
        said += f"; neither pruned nor moved nor measured: {_count(every, FROZEN)}"
    return said


def counts_of(every: Sequence[Part]) -> dict[str, int]:
    """Return how many numbers there are of each kind, by falling count."""
    counts = defaultdict[str, int](int)
    for part in every:
        counts[part.kind] += part.num_weights
    return dict(sorted(counts.items(), key=lambda pair: -pair[1]))


def _as_if_none_was_frozen(network: nn.Module) -> list[Part]:
    holders = defaultdict[int, list[tuple[nn.Module, str]]](list)
    for module in network.modules():
        for attribute, parameter in module._parameters.items():
            holders[id(parameter)].append((module, attribute))
    found = []
    for name, parameter in network.named_parameters():
        seen = [
            Part(name, type(module).__name__, parameter.numel(), _kind(module, attribute))
            for module, attribute in holders[id(parameter)]
        ]
        # A scripted module shows copies of its parameters.
        unseen = Part(name, type(network).__name__, parameter.numel(), "scripted")
        found.append(next((part for part in seen if part.kind == PRUNABLE), seen[0] if seen else unseen))
    return found


def _kind(module: nn.Module, attribute: str) -> str:
    """Return what a parameter that is not frozen is to a module that holds it."""
    kinds = {
        PRUNABLE: isinstance(module, _PRUNABLE_LAYERS) and attribute == "weight",
        "parametrised": isinstance(module, ParametrizationList) or attribute.endswith(("_g", "_v", "_orig")),
        "scripted": isinstance(module, torch.jit.ScriptModule),
        "normalisation": isinstance(module, _NORMALISATION),
        "bias": attribute.startswith("bias") or attribute.endswith("bias"),
        "recurrent": isinstance(module, nn.RNNBase | nn.RNNCellBase),
        "transposed convolution": isinstance(module, _ConvTransposeNd),
        "packed attention": isinstance(module, nn.MultiheadAttention),
        "embedding": isinstance(module, nn.Embedding | nn.EmbeddingBag),
    }
    return next((kind for kind, holds in kinds.items() if holds), f"own of {type(module).__name__}")


def _count(every: Sequence[Part], kind: str) -> str:
    """Return `240 recurrent (1.weight_ih_l0, …)`; what every network has needs no names."""
    of_kind = [part for part in every if part.kind == kind]
    named = "" if kind in ("bias", "normalisation") else f" ({_shown([part.name for part in of_kind])})"
    return f"{sum(part.num_weights for part in of_kind):,} {kind}{named}"


def _shown(names: Sequence[str]) -> str:
    return ", ".join([*names[:_SHOWN], *["…"] * (len(names) > _SHOWN)])
