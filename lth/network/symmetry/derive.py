"""The permutation symmetries of any network that exports, read off its graph.

The network is exported (`torch.export`), its graph is walked from the inputs to the outputs, and every axis of
every tensor gets a term (`term.py`) by the rule of the operation that it comes from (`rule.py`). Axes of inputs
and outputs are fixed. What is still free then is a group of units.

Some groups are within others: what a head computes with may be permuted in every head by itself, as long as
wherever it is the heads are too. Which are, is found in the end, from all tensors and all contractions.

Source: arXiv 2209.04836 (Git Re-Basin) writes the groups of each architecture by hand. The public `rebasin`
(https://github.com/snimu/rebasin) traces modules, not operations, and has a table of those that it permutes; by
its README little to nothing of a transformer is, because tensors are reshaped before residual blocks.
"""

from __future__ import annotations

import copy
import itertools
import operator
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.export import ExportedProgram, export
from torch.export.graph_signature import InputKind, OutputKind

from lth.brief import brief
from lth.errors import InputError
from lth.inputs import Inputs, mapped
from lth.network.symmetry.rule import Tensors, Walk, arguments, only_shapes, outcome
from lth.network.symmetry.spec import Fixed, Flat, Group, Joint, PermutationSpec, Structure, Units
from lth.network.symmetry.term import (
    Atom,
    Axes,
    Product,
    Sum,
    Term,
    atoms,
    fix,
    fixed,
    resolved,
    settled,
    told_apart,
    unify,
)

_EXAMPLES = 2  # of a batch: one would be taken for an axis that is repeated
_PASSES = 20  # at most, each of which finds another reshape that must tell apart
_STATE = (InputKind.PARAMETER, InputKind.BUFFER)


class _Walked:
    """What a walk of the graph found: the axes of every tensor."""

    def __init__(self, program: ExportedProgram, names: Mapping[str, str], apart: set[str]) -> None:
        self.walk = Walk(apart)
        self.state: dict[str, Axes] = {}
        self.every: list[Axes] = []
        self.of: dict[fx.Node, Axes | list[Axes]] = {}
        self._kinds = {spec.arg.name: spec for spec in program.graph_signature.input_specs}
        self._names = names
        for node in program.graph.nodes:
            if node.op == "placeholder":
                self._enter(node)
            elif node.op == "call_function":
                self._call(node)
            elif node.op == "output":
                self._leave(program, node)

    def _enter(self, node: fx.Node) -> None:
        value, spec = node.meta.get("val"), self._kinds[node.name]
        if not isinstance(value, Tensor) or not node.users:
            return
        if spec.kind in _STATE:
            assert spec.target is not None
            name = self._names.get(spec.target, spec.target)
            if name not in self.state:
                self.state[name] = tuple(map(Atom, value.shape))
            self.of[node] = self.state[name]
        else:
            said = (
                "an input of the network" if spec.kind == InputKind.USER_INPUT else "a constant of the network"
            )
            self.of[node] = tuple(fixed(count, said) for count in value.shape)

    def _call(self, node: fx.Node) -> None:
        value = node.meta.get("val")
        if node.target is operator.getitem:
            source = self.of.get(node.args[0])  # type: ignore[arg-type]
            if isinstance(source, list):
                self.of[node] = source[node.args[1]]  # type: ignore[index]
            return
        made = value if isinstance(value, list | tuple) else [value]
        shapes = [tuple(each.shape) for each in made if isinstance(each, Tensor)]
        self.walk.node, self.walk.shapes = node.name, shapes
        taken = [user for user in node.users if user.target is operator.getitem and user.users]
        self.walk.used = frozenset(user.args[1] for user in taken)  # type: ignore[misc]
        given = arguments(node.target, fx.map_arg(node.args, self._taken), fx.map_arg(node.kwargs, self._taken))
        if not shapes:
            return
        found = outcome(self.walk, node.target, given)
        several = found if isinstance(found, list) else [found]
        self.every += several
        self.of[node] = several if isinstance(value, list | tuple) else several[0]

    def _taken(self, node: fx.Node) -> Any:
        axes = self.of.get(node)
        if isinstance(axes, list):
            return [Tensors(each) for each in axes]
        return node if axes is None else Tensors(axes)

    def _leave(self, program: ExportedProgram, node: fx.Node) -> None:
        for spec, value in zip(program.graph_signature.output_specs, node.args[0], strict=True):  # type: ignore[arg-type]
            axes = self.of.get(value) if isinstance(value, fx.Node) else None
            if not isinstance(axes, tuple):
                continue
            if spec.kind == OutputKind.BUFFER_MUTATION and spec.target is not None:
                name = self._names.get(spec.target, spec.target)
                for a, b in zip(settled(axes), self.state.get(name, ()), strict=False):
                    unify(a, b, f"{name}, which the network writes")
            else:
                fix("an output of the network", *settled(axes))


def symmetries(network: nn.Module, example: Inputs) -> PermutationSpec:
    """Return the permutations of hidden units that leave a network's function as it is.

    Args:
        network: Any that `torch.export` exports; it is copied, and read in evaluation mode.
        example: What it is called with: examples, of which at most two are used.

    Raises:
        ValueError: If it can't be exported.

    Example:
        The units behind the flatten are those of the convolution, nine positions each.

        >>> network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(36, 2))
        >>> spec = symmetries(network, torch.ones(2, 1, 5, 5))
        >>> spec.where()
        {'0.weight.0': ['0.weight.0', '0.bias.0', '1.weight.0', '1.bias.0', '3.weight.1', '1.running_mean.0', \
'1.running_var.0']}
        >>> spec.axes["3.weight"][1]
        Flat(factors=(Units(size=4, group='0.weight.0'), Units(size=9, group=None)))
    """
    return traced(network, example).spec


@dataclass(frozen=True)
class Traced:
    """The graph of a network for batches of one size, and what of it may be permuted."""

    spec: PermutationSpec
    program: ExportedProgram
    names: Mapping[str, str]  # what a parameter or buffer goes by, by each of its names
    made: Mapping[str, tuple[Structure, ...]]  # axes of what nodes compute and don't merely reshape
    count: int  # examples of a batch

    __repr__ = brief


def traced(network: nn.Module, example: Inputs, count: int = _EXAMPLES) -> Traced:
    """Return the graph of a network for batches of `count` examples, and its symmetries.

    Raises:
        ValueError: If it can't be exported.
    """
    program, names = exported(network, example, count), first_names(network)
    apart: set[str] = set()
    for _ in range(_PASSES):
        found = _Walked(program, names, apart)
        if not found.walk.asked:
            break
        apart = apart | found.walk.asked
    spec, groups = _specified(found)
    made = {
        node.name: tuple(_structure(term, groups) for term in settled(axes))
        for node, axes in found.of.items()
        if isinstance(axes, tuple) and node.op == "call_function" and not only_shapes(node.target)
    }
    return Traced(spec, program, names, made, count)


def exported(network: nn.Module, example: Inputs, count: int = _EXAMPLES) -> ExportedProgram:
    """Return the graph of a network in evaluation mode, of operations that write nothing in place.

    Raises:
        ValueError: If it can't be exported.
    """
    own = copy.deepcopy(network).eval()
    device = next(itertools.chain(own.parameters(), own.buffers()), torch.empty(0)).device
    few = mapped(lambda tensor: _few(tensor, count).to(device), example)
    args, kwargs = (
        ((), dict(few)) if isinstance(few, Mapping) else (few if isinstance(few, tuple) else (few,), {})
    )
    try:
        with _slow_attention(), warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            program: ExportedProgram = export(own, args, kwargs).run_decompositions({})
    except Exception as error:  # whatever the code of a network raises while it is traced
        said = (str(error).strip().splitlines() or [""])[0]
        raise InputError(
            f"the network can't be exported ({type(error).__name__}: {said}), so its symmetries can't be read; "
            "see https://docs.pytorch.org/docs/stable/export.html for what torch.export takes"
        ) from error
    return program


def _few(tensor: Tensor, count: int) -> Tensor:
    """Return so many examples, those that there are repeated."""
    return tensor[torch.arange(count, device=tensor.device) % len(tensor)]


@contextmanager
def _slow_attention() -> Iterator[None]:
    """Have attention computed by operations that can be seen through."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def first_names(network: nn.Module) -> dict[str, str]:
    """Return by every name of a parameter or buffer, of which a shared one has several, the one it goes by."""
    found: dict[str, str] = {}
    for named in (network.named_parameters, network.named_buffers):
        first: dict[int, str] = {}
        for name, tensor in named(remove_duplicate=False):
            found[name] = first.setdefault(id(tensor), name)
    return found


def _specified(found: _Walked) -> tuple[PermutationSpec, dict[Atom, Group]]:
    every = [settled(each) for axes in found.every for each in told_apart(axes)]  # before any is read
    state = {name: settled(axes) for name, axes in found.state.items()}
    groups: dict[Atom, Group] = {}
    for name, axes in state.items():
        for position, axis in enumerate(axes):
            for atom in atoms(axis):
                if atom.size > 1 and not atom.fixed and atom not in groups:
                    taken = {group.name for group in groups.values()}
                    groups[atom] = Group(_free_name(f"{name}.{position}", taken), atom.size)
    outer = _outer([*state.values(), *every], found.walk, set(groups))
    for inner, around in outer.items():
        own, its = groups[inner], groups[around]
        groups[inner] = Group(own.name, own.size, its.name, its.size)
    spec = PermutationSpec(
        groups={group.name: group for group in groups.values()},
        axes={name: tuple(_structure(axis, groups) for axis in axes) for name, axes in state.items()},
        fixed=tuple(
            Fixed(name, position, atom.size, atom.fixed)
            for name, axes in state.items()
            for position, axis in enumerate(axes)
            for atom in atoms(axis)
            if atom.fixed and atom.size > 1
        ),
        unknown=tuple(sorted(found.walk.unknown)),
    )
    return spec, groups


def _free_name(name: str, taken: set[str]) -> str:
    names = itertools.chain([name], (f"{name}#{count}" for count in itertools.count(2)))
    return next(each for each in names if each not in taken)


def _structure(term: Term, groups: Mapping[Atom, Group]) -> Structure:
    term = resolved(term)
    if isinstance(term, Sum):
        return Joint(tuple(_structure(each, groups) for each in term.terms))
    if isinstance(term, Product):
        return Flat(tuple(_structure(each, groups) for each in term.terms))
    assert isinstance(term, Atom)
    return Units(term.size, groups[term].name if term in groups else None)


def _outer(tensors: Sequence[Axes], walk: Walk, free: set[Atom]) -> dict[Atom, Atom]:
    """Return within which other group each one is, of those that are within one.

    It is within one that is in each tensor with it, once, and in front of it, and that no operation mixes while
    it keeps the inner one as it is.
    """
    around: dict[Atom, list[Atom]] = {}
    for axes in tensors:
        for block in _factors(axes):
            own = [atom for atom in block if atom in free]
            once = [atom for atom in own if own.count(atom) == 1]
            for atom in own:
                if atom not in once:
                    around[atom] = []
                    continue
                others = [each for each in once if each is not atom]
                around[atom] = [each for each in around.get(atom, others) if each in others]
    _take_apart(around, walk)
    order = {atom: position for position, atom in enumerate(_in_order(tensors, free))}
    found: dict[Atom, Atom] = {}
    for atom in sorted(around, key=order.__getitem__, reverse=True):
        before = [each for each in around[atom] if order[each] < order[atom]]
        if before and atom not in found.values():
            found[atom] = before[0]
    return {inner: outer for inner, outer in found.items() if outer not in found}


def _in_order(tensors: Iterable[Axes], free: set[Atom]) -> list[Atom]:
    """Return the groups in the order in which they are met, those that lie further out first."""
    met = [atom for axes in tensors for term in axes for atom in atoms(term) if atom in free]
    return list(dict.fromkeys(met))


def _factors(axes: Axes) -> Iterator[list[Atom]]:
    """Yield the atoms of every block of a tensor: of one segment of each axis."""
    choices = [[list(each) for each in _choices(term)] for term in axes]
    for chosen in itertools.product(*choices):
        yield [atom for part in chosen for atom in part]


def _choices(term: Term) -> Iterator[list[Atom]]:
    term = resolved(term)
    if isinstance(term, Sum):
        for each in term.terms:
            yield from _choices(each)
    elif isinstance(term, Product):
        for chosen in itertools.product(*[list(_choices(each)) for each in term.terms]):
            yield [atom for part in chosen for atom in part]
    else:
        yield list(atoms(term))


def _take_apart(around: dict[Atom, list[Atom]], walk: Walk) -> None:
    """Take out the pairs of which an operation mixes the outer one while it keeps the inner one as it is.

    A contraction mixes what it sums over, and keeps what one operand alone has: neither is within the other.
    """

    def forbid(inner: Sequence[Term], outer: Sequence[Term]) -> None:
        mixed = {atom for term in outer for atom in atoms(term)}
        for atom in (atom for term in inner for atom in atoms(term)):
            if atom in around:
                around[atom] = [each for each in around[atom] if each not in mixed]

    for along in walk.alongs:
        forbid(along.rest, along.over)
    for contraction in walk.contractions:
        for letter in contraction.summed:
            holding = [operand for operand in contraction.operands if letter in operand]
            for operand in holding:
                own = [
                    term
                    for other, term in operand.items()
                    if other != letter and not all(other in each for each in holding)
                ]
                forbid([operand[letter]], own)
                forbid(own, [operand[letter]])
