"""What each operation of an exported graph says of the axes of its tensors: one rule an operation.

A rule ties together the axes that must be permuted alike for the operation to give the same result, permuted,
and returns the axes of what comes out. An operation without a rule fixes every axis of what it is given.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch

from lth.network.symmetry.term import (
    Atom,
    Axes,
    Case,
    Pick,
    Product,
    Sum,
    Term,
    at_index,
    atoms,
    factor,
    fix,
    fixed,
    resolved,
    settled,
    size,
    split,
    unify,
)

Given: TypeAlias = Mapping[str, Any]  # arguments by name, a tensor as its `Tensors`
Outcome: TypeAlias = Axes | list[Axes]


@dataclass(frozen=True)
class Tensors:
    """A tensor of the graph, as its axes."""

    axes: Axes


@dataclass(frozen=True)
class Contraction:
    """Sums over letters of a product of operands; an axis whose letter is in several operands is one axis."""

    operands: tuple[Mapping[Hashable, Term], ...]
    summed: frozenset[Hashable]


@dataclass(frozen=True)
class Along:
    """An operation along some axes of a tensor that mixes their entries, for each entry of the rest alike."""

    over: Axes
    rest: Axes


@dataclass
class Walk:
    """What is noted while a graph is walked."""

    apart: set[str]  # reshapes whose leading axis tells apart what is told apart later
    contractions: list[Contraction] = field(default_factory=list)
    alongs: list[Along] = field(default_factory=list)
    asked: set[str] = field(default_factory=set)  # reshapes found to be such
    unknown: set[str] = field(default_factory=set)  # operations without a rule
    node: str = ""
    operation: str = ""
    shapes: list[tuple[int, ...]] = field(default_factory=list)  # of what comes out
    used: frozenset[int] = frozenset()  # which of several tensors that come out are taken

    @property
    def why(self) -> str:
        """What is said of an axis that is fixed here."""
        return f"{self.operation} needs its order ({self.node})"

    def still(self, shape: Sequence[int]) -> Axes:
        """Return the axes of a tensor that can't be permuted."""
        return tuple(fixed(count, self.why) for count in shape)

    def tie(self, a: Term, b: Term) -> None:
        """Make two axes one; one of them may be of one entry, which is repeated."""
        if size(a) != 1 and size(b) != 1:
            unify(a, b, self.why)


def outcome(walk: Walk, operation: Any, given: Given) -> Outcome:
    """Return the axes of what an operation makes of its arguments."""
    name = operation._schema.name.rpartition("::")[2] if hasattr(operation, "_schema") else str(operation)
    walk.operation = name
    rule = _RULES.get(name) or _by_pattern(name)
    tags = {str(tag).rpartition(".")[2] for tag in getattr(operation, "tags", ())}
    pointwise = "pointwise" in tags and not any(tag.startswith("nondeterministic") for tag in tags)
    if rule is None and not pointwise:
        return _unknown(walk, given)
    tensors = _tensors(given.values())
    if name not in _KEEP_CASES and not (pointwise and len(tensors) == 1):
        given = {key: _settled(value) for key, value in given.items()}
    if rule is None:
        return _pointwise(walk, given)
    found = rule(walk, given)
    sizes = [tuple(map(size, axes)) for axes in (found if isinstance(found, list) else [found])]
    wanted = walk.shapes
    return found if sizes == wanted else _unknown(walk, given)


def _by_pattern(name: str) -> Callable[[Walk, Given], Outcome] | None:
    return next((rule for pattern, rule in _PATTERNS if re.fullmatch(pattern, name)), None)


def _tensors(values: Iterable[Any]) -> list[Tensors]:
    found = []
    for value in values:
        if isinstance(value, Tensors):
            found.append(value)
        elif isinstance(value, list | tuple):
            found += _tensors(value)
    return found


def _settled(value: Any) -> Any:
    if isinstance(value, Tensors):
        return Tensors(settled(value.axes))
    return type(value)(map(_settled, value)) if type(value) in (list, tuple) else value


def _unknown(walk: Walk, given: Given) -> Outcome:
    walk.unknown.add(walk.operation)
    why = f"{walk.operation} has no rule ({walk.node})"
    for tensor in _tensors(given.values()):
        fix(why, *tensor.axes)
    every: list[Axes] = [tuple(fixed(count, why) for count in shape) for shape in walk.shapes]
    return every[0] if len(every) == 1 else every


def _first(given: Given) -> Axes:
    found: Axes = _tensors(given.values())[0].axes
    return found


def _same(_walk: Walk, given: Given) -> Outcome:
    return _first(given)


def _pointwise(walk: Walk, given: Given) -> Outcome:
    """Tie axes that lie over each other, counted from the last."""
    (shape,) = walk.shapes
    tensors = [tensor.axes for tensor in _tensors(given.values())]
    if len(tensors) == 1 and len(tensors[0]) == len(shape):
        return tensors[0]
    return _over_each_other(walk, tensors, len(shape))


def _over_each_other(walk: Walk, tensors: Sequence[Axes], count: int) -> Axes:
    out: list[Term] = []
    for back in range(count, 0, -1):
        lying = [axes[-back] for axes in tensors if len(axes) >= back]
        long = [term for term in lying if size(term) != 1]
        for other in long[1:]:
            walk.tie(long[0], other)
        out.append(long[0] if long else lying[0])
    return tuple(out)


def _prelu(walk: Walk, given: Given) -> Outcome:
    axes = given["self"].axes
    if len(axes) > 1:
        walk.tie(axes[1], given["weight"].axes[0])
    return tuple(axes)


def _glu(walk: Walk, given: Given) -> Outcome:
    """Tie the half that is passed on to the half that gates it."""
    axes, dim = _first(given), given.get("dim", -1)
    position = dim % len(axes)
    half = size(axes[position]) // 2
    first, last = split(axes[position], half, walk.why)
    walk.tie(first, last)
    return (*axes[:position], first, *axes[position + 1 :])


def _uniform(walk: Walk, _given: Given) -> Outcome:
    """Return the axes of one number, repeated: it is the same however it is permuted."""
    (shape,) = walk.shapes
    return tuple(Atom(count) for count in shape)


def _still(walk: Walk, _given: Given) -> Outcome:
    (shape,) = walk.shapes
    return walk.still(shape)


# Contractions


def _contract(walk: Walk, operands: Sequence[tuple[Sequence[Hashable], Axes]], out: Sequence[Hashable]) -> Axes:
    found: dict[Hashable, Term] = {}
    for letters, axes in operands:
        for letter, term in zip(letters, axes, strict=True):
            if letter not in found or size(found[letter]) == 1:
                found[letter] = term
            else:
                walk.tie(found[letter], term)
    noted = tuple(dict(zip(letters, axes, strict=True)) for letters, axes in operands)
    walk.contractions.append(Contraction(noted, frozenset(found.keys() - set(out))))
    return tuple(found[letter] for letter in out)


def _linear(walk: Walk, given: Given) -> Outcome:
    x, weight, bias = given["input"].axes, given["weight"].axes, given.get("bias")
    before = [f"batch {position}" for position in range(len(x) - 1)]
    made = _contract(walk, [([*before, "in"], x), (["out", "in"][-len(weight) :], weight)], [*before, "out"])
    if bias is not None:
        walk.tie(made[-1], bias.axes[0])
    return made


def _matmul(walk: Walk, given: Given) -> Outcome:
    a, b = (tensor.axes for tensor in _tensors(given.values())[-2:])
    left, right = ["row", "in"][-len(a) :], (["in", "column"] if len(b) > 1 else ["in"])
    deep = max(len(a) - 2, len(b) - 2, 0)
    batch = [f"batch {back}" for back in range(deep, 0, -1)]
    letters = (
        [*batch[deep - max(len(a) - 2, 0) :], *left],
        [*batch[deep - max(len(b) - 2, 0) :], *right],
    )
    rows, columns = ["row"] * (len(a) > 1), ["column"] * (len(b) > 1)
    return _contract(walk, [(letters[0], a), (letters[1], b)], [*batch, *rows, *columns])


def _matmul_on(walk: Walk, given: Given) -> Outcome:
    made = _matmul(walk, given)
    assert isinstance(made, tuple)
    return _over_each_other(walk, [made, given["self"].axes], len(made))


def _einsum(walk: Walk, given: Given) -> Outcome:
    tensors = [tensor.axes for tensor in given["tensors"]]
    left, arrow, right = given["equation"].replace(" ", "").partition("->")
    written = left.split(",")
    spelled = [_letters(each, len(axes)) for each, axes in zip(written, tensors, strict=True)]
    every = [letter for letters in spelled for letter in letters]
    deep = sum(isinstance(letter, int) for letter in set(every))
    if arrow:
        out = _letters(right, deep + len(right.replace("...", "")) if "..." in right else len(right))
    else:
        out = [*range(-deep, 0), *sorted(letter for letter in set(left) - set(",.") if left.count(letter) == 1)]
    found = []
    for letters, axes in zip(spelled, tensors, strict=True):
        for position, letter in enumerate(letters):
            walk.tie(axes[letters.index(letter)], axes[position])
        once = dict(zip(letters, axes, strict=True))
        found.append((list(once), tuple(once.values())))
    return _contract(walk, found, out)


def _letters(written: str, count: int) -> list[Hashable]:
    """Return a letter for each of so many axes; those of an ellipsis are numbered from its end, -1 the last."""
    before, dots, after = written.partition("...")
    return [*before, *(range(len(before) + len(after) - count, 0) if dots else ()), *after]


def _attention(walk: Walk, given: Given) -> Outcome:
    q, k, v = (given[name].axes for name in ("query", "key", "value"))
    if given.get("enable_gqa") or not len(q) == len(k) == len(v):
        return _unknown(walk, given)
    fix(walk.why, q[-2], k[-2], v[-2])
    if (bias := given.get("attn_mask")) is not None:
        _over_each_other(walk, [bias.axes, (*q[:-1], k[-2])], len(q))
    before = [f"batch {position}" for position in range(len(q) - 2)]
    _contract(walk, [([*before, "l", "e"], q), ([*before, "s", "e"], k)], [*before, "l", "s"])
    shares = (*q[:-1], k[-2])
    return _contract(walk, [([*before, "l", "s"], shares), ([*before, "s", "v"], v)], [*before, "l", "v"])


def _convolution(walk: Walk, given: Given) -> Outcome:
    x, weight, bias = given["input"].axes, given["weight"].axes, given.get("bias")
    transposed = given.get("transposed") or "transpose" in walk.operation
    groups, (shape,) = given.get("groups") or 1, walk.shapes
    channels = len(x) - len(weight) + 1  # 0 where there is no batch
    fix(walk.why, *x[channels + 1 :], *weight[2:])
    entering, leaving = (weight[0], weight[1]) if transposed else (weight[1], weight[0])
    if groups > 1:
        across, own = factor(weight[0], groups, walk.why)
        inner = weight[1]
        walk.tie(x[channels], Product((across, own if transposed else inner)))
        made: Term = Product((across, inner)) if transposed else weight[0]
        noted: tuple[Mapping[Hashable, Term], ...] = (
            {"group": across, "in": own if transposed else inner},
            {"group": across, "in": own if transposed else inner, "out": inner if transposed else own},
        )
    else:
        walk.tie(x[channels], entering)
        made, noted = leaving, ({"in": entering}, {"in": entering, "out": leaving})
    batch: dict[Hashable, Term] = {f"batch {position}": term for position, term in enumerate(x[:channels])}
    walk.contractions.append(Contraction(({**batch, **noted[0]}, *noted[1:]), frozenset(["in"])))
    if bias is not None:
        walk.tie(made, bias.axes[0])
    return (*x[:channels], made, *walk.still(shape[channels + 1 :]))


# Normalisation, and what else mixes the entries of an axis


def _along(walk: Walk, axes: Axes, over: Iterable[int]) -> Axes:
    chosen = {position % len(axes) for position in over}
    rest = tuple(term for position, term in enumerate(axes) if position not in chosen)
    walk.alongs.append(Along(tuple(axes[position] for position in chosen), rest))
    return axes


def _softmax(walk: Walk, given: Given) -> Outcome:
    axes = _first(given)
    return _along(walk, axes, [given["dim"]]) if axes else axes


def _layer_norm(walk: Walk, given: Given) -> Outcome:
    axes, over = given["input"].axes, len(given["normalized_shape"])
    for name in ("weight", "bias"):
        if given.get(name) is not None:
            _over_each_other(walk, [axes, given[name].axes], len(axes))
    _along(walk, axes, range(-over, 0))
    return _with_statistics(walk, axes, axes[:-over])


def _group_norm(walk: Walk, given: Given) -> Outcome:
    axes, groups = given["input"].axes, given["num_groups" if "num_groups" in given else "group"]
    across, within = factor(axes[1], groups, walk.why)
    whole = Product((across, within))
    for name in ("weight", "bias"):
        if given.get(name) is not None:
            walk.tie(whole, given[name].axes[0])
    walk.alongs.append(Along((within, *axes[2:]), (axes[0], across)))
    return _with_statistics(walk, axes, (axes[0], across))


def _batch_norm(walk: Walk, given: Given) -> Outcome:
    axes = given["input"].axes
    for name in ("weight", "bias", "running_mean", "running_var"):
        if given.get(name) is not None:
            walk.tie(axes[1], given[name].axes[0])
    walk.alongs.append(Along((axes[0], *axes[2:]), (axes[1],)))
    return _with_statistics(walk, axes, (axes[1],))


def _with_statistics(walk: Walk, axes: Axes, kept: Axes) -> Outcome:
    """Return the axes of a normalised tensor, and of the statistics that come out beside it."""
    if len(walk.shapes) == 1:
        return axes
    return [axes, *(_statistics(shape, kept) for shape in walk.shapes[1:])]


def _statistics(shape: tuple[int, ...], kept: Axes) -> Axes:
    if 0 in shape or len(shape) < len(kept):
        return tuple(map(Atom, shape))  # empty, in evaluation mode
    return (*kept, *(Atom(1) for _ in range(len(shape) - len(kept))))


def _weight_norm(walk: Walk, given: Given) -> Outcome:
    direction, length = (tensor.axes for tensor in _tensors(given.values()))
    _over_each_other(walk, [direction, length], len(direction))
    kept = [position for position, term in enumerate(length) if size(term) != 1]
    _along(walk, direction, [position for position in range(len(direction)) if position not in kept])
    return direction


def _reduce(walk: Walk, given: Given) -> Outcome:
    axes, dims = _first(given), given.get("dim")
    if isinstance(dims, int):
        dims = [dims]
    chosen = {position % len(axes) for position in (dims or range(len(axes)))} if axes else set()
    if given.get("keepdim"):
        made = tuple(Atom(1) if position in chosen else term for position, term in enumerate(axes))
    else:
        made = tuple(term for position, term in enumerate(axes) if position not in chosen)
    return made if len(walk.shapes) == 1 else [made for _ in walk.shapes]


def _extreme(walk: Walk, given: Given) -> Outcome:
    """Return the axes of extremes along an axis, whose places are in its order, where these are taken."""
    if "other" in given:
        return _pointwise(walk, given)
    if "dim" in given and 1 in walk.used:
        _fix_dims(walk, given)
    return _reduce(walk, given)


def _fix_dims(walk: Walk, given: Given) -> Outcome:
    """Fix the axes along which entries have an order: a running sum, a flip, a roll."""
    axes, dims = _first(given), given.get("dim", given.get("dims"))
    every = range(len(axes)) if dims is None or dims == [] else [dims] if isinstance(dims, int) else dims
    fix(walk.why, *(axes[position] for position in every))
    return axes if len(walk.shapes) == 1 else [axes for _ in walk.shapes]


def _fix_matrix(walk: Walk, given: Given) -> Outcome:
    axes = _first(given)
    fix(walk.why, *axes[-2:])
    return axes


# Shapes


def _permute(_walk: Walk, given: Given) -> Outcome:
    axes = _first(given)
    return tuple(axes[position] for position in given["dims"])


def _transpose(_walk: Walk, given: Given) -> Outcome:
    axes = list(_first(given))
    if len(axes) > 1:
        a, b = given.get("dim0", -2), given.get("dim1", -1)
        axes[a], axes[b] = axes[b], axes[a]
    return tuple(axes)


def _unsqueeze(_walk: Walk, given: Given) -> Outcome:
    axes = list(_first(given))
    position = given["dim"] % (len(axes) + 1)
    return (*axes[:position], Atom(1), *axes[position:])


def _squeeze(_walk: Walk, given: Given) -> Outcome:
    axes, dims = _first(given), given.get("dim")
    chosen = range(len(axes)) if dims is None else [dims] if isinstance(dims, int) else dims
    out = {position % len(axes) for position in chosen} if axes else set()
    return tuple(term for position, term in enumerate(axes) if position not in out or size(term) != 1)


def _expand(walk: Walk, given: Given) -> Outcome:
    (shape,), axes = walk.shapes, _first(given)
    whole = (*[Atom(1)] * (len(shape) - len(axes)), *axes)
    return tuple(
        Atom(count) if size(term) == 1 and count != 1 else term
        for count, term in zip(shape, whole, strict=True)
    )


def _repeat(walk: Walk, given: Given) -> Outcome:
    (shape,), axes = walk.shapes, _first(given)
    whole = (*[Atom(1)] * (len(shape) - len(axes)), *axes)
    return tuple(Product((Atom(count // size(term)), term)) for count, term in zip(shape, whole, strict=True))


def _repeat_interleave(walk: Walk, given: Given) -> Outcome:
    axes, repeats, dim = _first(given), given.get("repeats"), given.get("dim")
    if not isinstance(repeats, int) or dim is None:
        return _unknown(walk, given)
    position = dim % len(axes)
    return (*axes[:position], Product((axes[position], Atom(repeats))), *axes[position + 1 :])


def _reshape(walk: Walk, given: Given) -> Outcome:
    (shape,), axes = walk.shapes, tuple(map(resolved, _first(given)))
    if 0 in shape:
        return walk.still(shape)
    out: list[Term] = []
    for sources, targets in _chunks([size(term) for term in axes], shape):
        chunk = [axes[position] for position in sources if size(axes[position]) != 1]
        sizes = [shape[position] for position in targets]
        if any(isinstance(term, Pick) for term in chunk) and (len(chunk) > 1 or size(chunk[0]) not in sizes):
            return _reshape(walk, {**given, "self": Tensors(settled(axes))})
        out += _divided(walk, chunk, sizes, targets)
    return tuple(out)


def _chunks(old: Sequence[int], new: Sequence[int]) -> list[tuple[list[int], list[int]]]:
    """Return which axes become which, in the smallest sets of neighbours of one product."""
    found, i, j = [], 0, 0
    while i < len(old) or j < len(new):
        sources, targets, have, need = list[int](), list[int](), 1, 1
        while not sources or not targets or have != need:
            if i < len(old) and (have <= need or j == len(new)):
                have *= old[i]
                sources.append(i)
                i += 1
            elif j < len(new):
                need *= new[j]
                targets.append(j)
                j += 1
            else:
                break
        found.append((sources, targets))
    return found


def _divided(walk: Walk, terms: list[Term], sizes: Sequence[int], targets: Sequence[int]) -> list[Term]:
    """Return a product of axes as axes of other sizes."""
    out, left = [], list(terms)
    for need, target in zip(sizes, targets, strict=True):
        taken: list[Term] = []
        while need > 1:
            term = left.pop(0)
            count = size(term)
            if need % count == 0:
                taken.append(term)
                need //= count
            elif count % need == 0:
                lead, rest = _lead(walk, term, need, f"{walk.node} {target}")
                taken.append(lead)
                left.insert(0, rest)
                need = 1
            else:
                fix(walk.why, *terms)
                return list(walk.still(sizes))
        out.append(_joined(taken))
    return out


def _joined(terms: list[Term]) -> Term:
    """Return a product of factors, for each index of another axis on which some of them depend."""
    token = next((term.token for term in terms if isinstance(term, Case)), None)
    if len(terms) == 1 or token is None:
        return resolved(Product(tuple(terms)))
    if {term.token for term in terms if isinstance(term, Case)} != {token}:
        return resolved(Product(settled(terms)))
    count = next(len(term.branches) for term in terms if isinstance(term, Case))
    return Case(
        token,
        tuple(
            Product(tuple(term.branches[index] if isinstance(term, Case) else term for term in terms))
            for index in range(count)
        ),
    )


def _lead(walk: Walk, term: Term, count: int, site: str) -> tuple[Term, Term]:
    """Return the leading factor of an axis and the rest; or what the rest is at each index of it."""
    if site in walk.apart and not isinstance(term, Case):
        pieces, left = [], resolved(term)
        for _ in range(count - 1):
            piece, left = split(left, size(term) // count, walk.why)
            pieces.append(piece)
        return Pick(site, count), Case(site, (*pieces, left))
    lead, rest = factor(term, count, walk.why)
    lead = resolved(lead)
    if isinstance(lead, Atom) and lead.fixed:
        return fixed(lead.size, lead.fixed, site), rest
    for atom in atoms(lead):
        atom.site = site
    return lead, rest


# Parts of axes


def _ask_apart(walk: Walk, term: Term) -> None:
    walk.asked |= {atom.site for atom in atoms(term) if atom.site} - walk.apart


def _between(walk: Walk, term: Term, start: int, end: int) -> tuple[Term, Term, Term]:
    """Return an axis before, between and behind two positions; None of nothing."""
    nothing = Atom(0)
    first, rest = split(term, start, walk.why) if 0 < start < size(term) else (nothing, term)
    if end - start == size(rest):
        return first, rest, nothing
    middle, last = split(rest, end - start, walk.why) if end > start else (nothing, rest)
    return first, middle, last


def _select(walk: Walk, given: Given) -> Outcome:
    axes = tuple(map(resolved, _first(given)))
    position, index = given["dim"] % len(axes), given["index"]
    term, index = axes[position], index % size(axes[position])
    others = (*axes[:position], *axes[position + 1 :])
    if isinstance(term, Pick):
        return at_index(others, term.token, index)
    _ask_apart(walk, term)
    if isinstance(term, Case):
        return _select(walk, {**given, "self": Tensors(settled(axes))})
    _between(walk, term, index, index + 1)
    return others


def _unbind(walk: Walk, given: Given) -> Outcome:
    axes, dim = _first(given), given.get("dim") or 0
    found = [_select(walk, {"self": Tensors(axes), "dim": dim, "index": at}) for at in range(size(axes[dim]))]
    return [each for each in found if isinstance(each, tuple)]


def _slice(walk: Walk, given: Given) -> Outcome:
    axes = tuple(map(resolved, _first(given)))
    position = (given.get("dim") or 0) % len(axes)
    count = size(axes[position])
    start, end, step = slice(given.get("start"), given.get("end"), given.get("step") or 1).indices(count)
    if (start, end, step) == (0, count, 1):
        return axes
    if step != 1:
        axes = settled(axes)
        fix(walk.why, axes[position])
        return (*axes[:position], fixed(len(range(start, end, step)), walk.why), *axes[position + 1 :])
    return _piece(walk, axes, position, start, max(start, end))


def _piece(walk: Walk, axes: Axes, position: int, start: int, end: int) -> Axes:
    term = axes[position]
    if isinstance(term, Pick):
        if end - start == 1:
            axes = (*axes[:position], Atom(1), *axes[position + 1 :])
            return at_index(axes, term.token, start)
        axes = settled(axes)
    elif isinstance(term, Case):
        axes = settled(axes)
    _ask_apart(walk, axes[position])
    _, middle, _ = _between(walk, axes[position], start, end)
    return (*axes[:position], middle, *axes[position + 1 :])


def _split(walk: Walk, given: Given) -> Outcome:
    axes = tuple(map(resolved, _first(given)))
    position, start, found = (given.get("dim") or 0) % len(axes), 0, []
    for shape in walk.shapes:
        found.append(_piece(walk, tuple(map(resolved, axes)), position, start, start + shape[position]))
        start += shape[position]
    return found


def _cat(walk: Walk, given: Given) -> Outcome:
    tensors = [tensor.axes for tensor in given["tensors"] if [*map(size, tensor.axes)] != [0]]
    position = (given.get("dim") or 0) % len(tensors[0])
    for axes in tensors[1:]:
        for other, (a, b) in enumerate(zip(tensors[0], axes, strict=True)):
            if other != position:
                walk.tie(a, b)
    whole = Sum(tuple(axes[position] for axes in tensors))
    return (*tensors[0][:position], whole, *tensors[0][position + 1 :])


def _stack(walk: Walk, given: Given) -> Outcome:
    tensors = [tensor.axes for tensor in given["tensors"]]
    for axes in tensors[1:]:
        for a, b in zip(tensors[0], axes, strict=True):
            walk.tie(a, b)
    position = (given.get("dim") or 0) % (len(tensors[0]) + 1)
    return (*tensors[0][:position], fixed(len(tensors), walk.why), *tensors[0][position:])


def _scatter(walk: Walk, given: Given) -> Outcome:
    """Tie what is put in the place of a part of an axis to that part."""
    whole, part = given["self"].axes, given["src"].axes
    position = (given.get("dim") or 0) % len(whole)
    count = size(whole[position])
    if "index" in given:
        start = given["index"] % count
        end, part = start + 1, (*part[:position], Atom(1), *part[position:])
    else:
        start, end, step = slice(given.get("start"), given.get("end"), given.get("step") or 1).indices(count)
        if step != 1:
            return _unknown(walk, given)
    _, middle, _ = _between(walk, whole[position], start, end)
    for a, b in zip((*whole[:position], middle, *whole[position + 1 :]), part, strict=True):
        walk.tie(a, b)
    return tuple(whole)


def _pad(walk: Walk, given: Given) -> Outcome:
    axes, pad = list(_first(given)), given["pad"]
    constant = given.get("mode", "constant") == "constant"
    (shape,) = walk.shapes
    for back in range(len(pad) // 2):
        before, after, position = pad[2 * back], pad[2 * back + 1], len(axes) - 1 - back
        if (before, after) == (0, 0):
            continue
        if constant and min(before, after) >= 0:
            axes[position] = Sum((Atom(before), axes[position], Atom(after)))
        else:
            fix(walk.why, axes[position])
            axes[position] = fixed(shape[position], walk.why)
    return tuple(axes)


def _index(walk: Walk, given: Given) -> Outcome:
    """Fix the axes that are indexed, if they are neighbours."""
    axes, indices = given["self"].axes, given["indices"]
    at = [position for position, index in enumerate(indices) if index is not None]
    if at != list(range(at[0], at[-1] + 1)):
        return _unknown(walk, given)
    fix(walk.why, *axes[at[0] : at[-1] + 1])
    (shape,) = walk.shapes
    for index in indices[at[0] : at[-1] + 1]:
        fix(walk.why, *index.axes)
    behind = axes[at[-1] + 1 :]
    return (*axes[: at[0]], *walk.still(shape[at[0] : len(shape) - len(behind)]), *behind)


def _embedding(walk: Walk, given: Given) -> Outcome:
    weight, indices = given["weight"].axes, given["indices"].axes
    fix(walk.why, weight[0], *indices)
    return (*indices, weight[1])


# Images


def _spatial(walk: Walk, given: Given) -> Outcome:
    """Fix positions, for each channel alike."""
    count = re.search(r"(\d)d", walk.operation)
    assert count is not None
    axes = _first(given)
    positions = int(count[1])
    fix(walk.why, *axes[-positions:])
    found = [(*axes[:-positions], *walk.still(shape[-positions:])) for shape in walk.shapes]
    return found[0] if len(found) == 1 else found


def _pixel_shuffle(walk: Walk, given: Given) -> Outcome:
    axes, (shape,) = _first(given), walk.shapes
    channels, within = factor(axes[-3], shape[-3], walk.why)
    fix(walk.why, within, *axes[-2:])
    return (*axes[:-3], channels, *walk.still(shape[-2:]))


def _pixel_unshuffle(walk: Walk, given: Given) -> Outcome:
    axes, (shape,) = _first(given), walk.shapes
    fix(walk.why, *axes[-2:])
    within = fixed(shape[-3] // size(axes[-3]), walk.why)
    return (*axes[:-3], Product((axes[-3], within)), *walk.still(shape[-2:]))


def _channel_shuffle(walk: Walk, given: Given) -> Outcome:
    axes = _first(given)
    across, within = factor(axes[1], given["groups"], walk.why)
    return (axes[0], Product((within, across)), *axes[2:])


_RULES: Mapping[str, Callable[[Walk, Given], Outcome]] = {
    **dict.fromkeys(
        ("clone", "alias", "detach", "contiguous", "_to_copy", "to", "lift_fresh_copy", "dropout"), _same
    ),
    **dict.fromkeys(("feature_dropout", "alpha_dropout", "type_as", "expand_as_self"), _same),
    **dict.fromkeys(("full", "zeros", "ones", "scalar_tensor", "empty"), _uniform),
    **dict.fromkeys(
        ("full_like", "zeros_like", "ones_like", "new_full", "new_zeros", "new_ones", "fill"), _uniform
    ),
    **dict.fromkeys(("arange", "linspace", "eye"), _still),
    "copy": _pointwise,
    # Pointwise operations that PyTorch doesn't tag so.
    **dict.fromkeys(("hardswish", "hardsigmoid", "hardtanh", "relu6", "silu", "mish", "selu", "celu"), _same),
    **dict.fromkeys(("leaky_relu", "softplus", "softshrink", "hardshrink", "threshold", "log_sigmoid"), _same),
    **dict.fromkeys(("gelu", "elu", "rrelu", "nan_to_num", "softsign", "tanhshrink", "logit"), _same),
    "glu": _glu,
    "prelu": _prelu,
    "_prelu_kernel": _pointwise,
    "linear": _linear,
    **dict.fromkeys(("matmul", "mm", "bmm", "mv", "dot", "vdot"), _matmul),
    **dict.fromkeys(("addmm", "baddbmm"), _matmul_on),
    "einsum": _einsum,
    "scaled_dot_product_attention": _attention,
    **dict.fromkeys(("softmax", "_softmax", "log_softmax", "_log_softmax", "_safe_softmax"), _softmax),
    **dict.fromkeys(("layer_norm", "native_layer_norm", "rms_norm"), _layer_norm),
    **dict.fromkeys(("group_norm", "native_group_norm"), _group_norm),
    **dict.fromkeys(("batch_norm", "instance_norm"), _batch_norm),
    "_weight_norm": _weight_norm,
    **dict.fromkeys(("sum", "mean", "amax", "amin", "logsumexp", "linalg_vector_norm", "norm"), _reduce),
    **dict.fromkeys(("var", "std", "var_mean", "std_mean", "any", "all", "prod"), _reduce),
    **dict.fromkeys(("max", "min", "median", "nanmedian"), _extreme),
    "aminmax": _reduce,
    **dict.fromkeys(("cumsum", "cumprod", "flip", "roll", "sort"), _fix_dims),
    **dict.fromkeys(("triu", "tril"), _fix_matrix),
    "permute": _permute,
    **dict.fromkeys(("transpose", "t", "mT", "swapaxes", "swapdims"), _transpose),
    "unsqueeze": _unsqueeze,
    "squeeze": _squeeze,
    "expand": _expand,
    "repeat": _repeat,
    "repeat_interleave": _repeat_interleave,
    **dict.fromkeys(("view", "reshape", "_unsafe_view", "flatten", "unflatten"), _reshape),
    "select": _select,
    "unbind": _unbind,
    "slice": _slice,
    **dict.fromkeys(("split", "split_with_sizes", "chunk"), _split),
    **dict.fromkeys(("cat", "concat"), _cat),
    "stack": _stack,
    **dict.fromkeys(("select_scatter", "slice_scatter"), _scatter),
    **dict.fromkeys(("pad", "constant_pad_nd"), _pad),
    "index": _index,
    "embedding": _embedding,
    "pixel_shuffle": _pixel_shuffle,
    "pixel_unshuffle": _pixel_unshuffle,
    **dict.fromkeys(("channel_shuffle", "native_channel_shuffle"), _channel_shuffle),
}
_PATTERNS: tuple[tuple[str, Callable[[Walk, Given], Outcome]], ...] = (
    (r"conv\dd|conv_transpose\dd|convolution", _convolution),
    (r"_?native_batch_norm.*|_native_batch_norm_legit.*|cudnn_batch_norm", _batch_norm),
    (r"_?(adaptive_)?(max|avg)_pool\dd(_with_indices)?", _spatial),
    (r"upsample_\w+\dd|_upsample_\w+\dd", _spatial),
)
_KEEP_CASES = frozenset(  # which may meet axes that depend on the index of another
    [
        "clone",
        "alias",
        "detach",
        "contiguous",
        "_to_copy",
        "to",
        "dropout",
        "permute",
        "transpose",
        "t",
        "mT",
        "unsqueeze",
        "squeeze",
        "view",
        "reshape",
        "_unsafe_view",
        "flatten",
        "unflatten",
        "select",
        "unbind",
        "slice",
        "split",
        "split_with_sizes",
        "chunk",
    ]
)


def only_shapes(operation: Any) -> bool:
    """Return whether an operation computes nothing, but lays entries out in another way."""
    name = operation._schema.name.rpartition("::")[2] if hasattr(operation, "_schema") else ""
    return name in _KEEP_CASES or name in ("cat", "stack", "expand", "repeat", "copy")


def arguments(operation: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a call by their names in the operation's schema, those with defaults left out."""
    if not isinstance(operation, torch._ops.OpOverload):
        return {str(position): value for position, value in enumerate([*args, *kwargs.values()])}
    names = [argument.name for argument in operation._schema.arguments]
    return {**dict(zip(names, args, strict=False)), **kwargs}
