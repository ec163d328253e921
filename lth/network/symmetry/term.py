"""How the indices of an axis may be permuted, as a term that is found piece by piece while a graph is walked.

An axis of n entries is one of
- an atom: a set of n units, which may be permuted in any way, or is fixed;
- a sum: segments that lie one behind the other, as behind a concatenation, each permuted by itself;
- a product: row-major, as behind a flatten: channels × positions, heads × dimensions of a head.
An atom that is still free may later turn out to be a sum or a product: it is then bound to that. Two axes that
an addition or a contraction ties together are made one by `unify`; where that can't be, all of both is fixed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(eq=False)
class Atom:
    """Units that are permuted as one; or, if `fixed` says why, not at all."""

    size: int
    fixed: str = ""
    bound: Term | None = None
    site: str = ""  # the reshape that made it the leading factor of an axis


@dataclass(frozen=True)
class Sum:
    """Segments, one behind the other."""

    terms: tuple[Term, ...]


@dataclass(frozen=True)
class Product:
    """Factors, the last one varying fastest."""

    terms: tuple[Term, ...]


@dataclass(frozen=True)
class Pick:
    """An axis that is fixed, and on whose index other axes of the tensor depend: of q, k and v, say."""

    token: str
    size: int


@dataclass(frozen=True)
class Case:
    """What an axis is at each index of the tensor's axis that is `Pick(token)`."""

    token: str
    branches: tuple[Term, ...]


Term: TypeAlias = Atom | Sum | Product | Pick | Case
Axes: TypeAlias = tuple[Term, ...]  # of a tensor
_ALONE = "a single unit, told apart from the others"


def size(term: Term) -> int:
    """Return how many entries an axis has."""
    if isinstance(term, Atom | Pick):
        return term.size
    if isinstance(term, Case):
        return size(term.branches[0])
    sizes = map(size, term.terms)
    return sum(sizes) if isinstance(term, Sum) else math.prod(sizes)


def fixed(count: int, why: str, site: str = "") -> Atom:
    """Return an axis that can't be permuted."""
    return Atom(count, why, site=site)


def resolved(term: Term) -> Term:
    """Return the term with every atom in the place of what it is bound to, in one form.

    Sums hold no sums and products no products, a product of a sum in front is a sum of products, neighbours
    that are fixed are one, and what has one entry or one part is no sum or product.
    """
    if isinstance(term, Atom):
        return term if term.bound is None else resolved(term.bound)
    if isinstance(term, Pick):
        return term
    if isinstance(term, Case):
        return Case(term.token, tuple(map(resolved, term.branches)))
    return _sum(term.terms) if isinstance(term, Sum) else _product(term.terms)


def _sum(terms: Iterable[Term]) -> Term:
    flat: list[Term] = []
    for term in map(resolved, terms):
        for each in term.terms if isinstance(term, Sum) else (term,):
            if flat and (before := _why(flat[-1])) and _why(each):
                flat[-1] = Atom(size(flat[-1]) + size(each), before)
            elif size(each) > 0:
                flat.append(each)
    return flat[0] if len(flat) == 1 else Sum(tuple(flat))


def _product(terms: Iterable[Term]) -> Term:
    flat: list[Term] = []
    for term in map(resolved, terms):
        for each in term.terms if isinstance(term, Product) else (term,):
            if flat and (before := _why(flat[-1])) and _why(each):
                flat[-1] = Atom(size(flat[-1]) * size(each), before)
            elif size(each) != 1:
                flat.append(each)
    if not flat:
        return Atom(1, _ALONE)
    if isinstance(flat[0], Sum) and len(flat) > 1:
        return _sum(Product((segment, *flat[1:])) for segment in flat[0].terms)
    return flat[0] if len(flat) == 1 else Product(tuple(flat))


def _why(term: Term) -> str:
    if not isinstance(term, Atom):
        return ""
    return term.fixed or (_ALONE if term.size == 1 else "")


def atoms(term: Term) -> Iterator[Atom]:
    """Yield the atoms of a term, each as often as it is there."""
    term = resolved(term)
    if isinstance(term, Atom):
        yield term
    elif not isinstance(term, Pick):
        for each in term.branches if isinstance(term, Case) else term.terms:
            yield from atoms(each)


def fix(why: str, *terms: Term) -> None:
    """Fix everything in terms; what is fixed already keeps its first reason."""
    for term in terms:
        for atom in atoms(term):
            atom.fixed = atom.fixed or why


def split(term: Term, count: int, why: str) -> tuple[Term, Term]:
    """Return the first `count` entries of an axis and the others; it is fixed if they can't be told apart."""
    term = resolved(term)
    rest = size(term) - count
    if isinstance(term, Atom) and not _why(term):
        term.bound = Sum((Atom(count), Atom(rest)))
        return term.bound.terms[0], term.bound.terms[1]
    if isinstance(term, Sum):
        before: list[Term] = []
        for position, segment in enumerate(term.terms):
            if count < size(segment):
                left, right = (
                    split(segment, count, why) if count else (None, segment)
                )  # at a boundary nothing is cut
                pieces = before if left is None else [*before, left]
                return _sum(pieces), _sum((right, *term.terms[position + 1 :]))
            before.append(segment)
            count -= size(segment)
    if isinstance(term, Product):
        width = size(term) // size(term.terms[0])
        if count % width == 0:
            left, right = split(term.terms[0], count // width, why)
            return Product((left, *term.terms[1:])), Product((right, *term.terms[1:]))
    fix(why, term)
    return Atom(count, why), Atom(rest, why)


def factor(term: Term, lead: int, why: str) -> tuple[Term, Term]:
    """Return an axis as a product of `lead` by the rest; where it is none, it is fixed."""
    term = resolved(term)
    inner = size(term) // lead
    if lead == 1:
        return Atom(1, _ALONE), term
    if inner == 1:
        return term, Atom(1, _ALONE)
    if isinstance(term, Atom) and not _why(term):
        term.bound = Product((Atom(lead), Atom(inner)))
        return term.bound.terms[0], term.bound.terms[1]
    if isinstance(term, Case):
        both = [factor(branch, lead, why) for branch in term.branches]
        return (
            Case(term.token, tuple(first for first, _ in both)),
            Case(term.token, tuple(last for _, last in both)),
        )
    if isinstance(term, Product):
        first, others = term.terms[0], term.terms[1:]
        if size(first) % lead == 0:
            outer, within = factor(first, lead, why)
            return outer, _product((within, *others))
        if lead % size(first) == 0:
            outer, within = factor(_product(others), lead // size(first), why)
            return _product((first, outer)), within
    if isinstance(term, Sum) and all(size(segment) % inner == 0 for segment in term.terms):
        both = [factor(segment, size(segment) // inner, why) for segment in term.terms]
        for _, last in both[1:]:
            unify(both[0][1], last, why)
        return _sum(first for first, _ in both), both[0][1]
    fix(why, term)
    return Atom(lead, why), Atom(inner, why)


def unify(a: Term, b: Term, why: str) -> None:
    """Make two axes of one size the same; `why` is said of what is fixed because they can't be."""
    a, b = resolved(a), resolved(b)
    if a is b or a == b:
        return
    if isinstance(a, Case | Pick) or isinstance(b, Case | Pick):
        fix(why, a, b)
    elif (reason := _why(a)) or (reason := _why(b)):
        fix(reason, a, b)
    elif isinstance(a, Atom) or isinstance(b, Atom):
        atom, other = (a, b) if isinstance(a, Atom) else (b, a)
        assert isinstance(atom, Atom)
        if any(each is atom for each in atoms(other)):
            fix(f"{why}, of which one holds the other", other)
        else:
            atom.bound = other
    elif isinstance(a, Sum) or isinstance(b, Sum):
        _unify_sums(a, b, why)
    else:
        _unify_products(a, b, why)


def _unify_sums(a: Term, b: Term, why: str) -> None:
    whole, other = (a, b) if isinstance(a, Sum) else (b, a)
    assert isinstance(whole, Sum)
    count = min(size(whole.terms[0]), size(other.terms[0]) if isinstance(other, Sum) else size(whole.terms[0]))
    (first, rest), (second, remainder) = split(whole, count, why), split(other, count, why)
    unify(first, second, why)
    unify(rest, remainder, why)


def _unify_products(a: Term, b: Term, why: str) -> None:
    assert isinstance(a, Product)
    assert isinstance(b, Product)
    m, n = size(a.terms[0]), size(b.terms[0])
    lead = min(m, n)
    if max(m, n) % lead:
        fix(why, a, b)
        return
    (first, rest), (second, remainder) = factor(a, lead, why), factor(b, lead, why)
    unify(first, second, why)
    unify(rest, remainder, why)


def segments(term: Term) -> list[Term]:
    """Return the segments of an axis."""
    term = resolved(term)
    return list(term.terms) if isinstance(term, Sum) else [term]


def told_apart(axes: Sequence[Term]) -> list[Axes]:
    """Return what a tensor is at each index of an axis on which others depend; itself if there is none."""
    every = tuple(map(resolved, axes))
    for position, term in enumerate(every):
        if isinstance(term, Pick):
            others = (*every[:position], *every[position + 1 :])
            return [
                each for index in range(term.size) for each in told_apart(at_index(others, term.token, index))
            ]
    return [every]


def at_index(axes: Sequence[Term], token: str, index: int) -> Axes:
    """Return what axes are at one index of the axis on which they depend."""
    return tuple(
        term.branches[index] if isinstance(term, Case) and term.token == token else term
        for term in map(resolved, axes)
    )


def settled(axes: Sequence[Term]) -> Axes:
    """Return axes none of which depends on the index of another: what differed is made one."""
    every = [resolved(term) for term in axes]
    return tuple(_settled(term) for term in every)


def _settled(term: Term) -> Term:
    if isinstance(term, Pick):
        return Atom(term.size, "tells apart what lies side by side")
    if isinstance(term, Case):
        branches = [_settled(branch) for branch in term.branches]
        for other in branches[1:]:
            unify(branches[0], other, "lies side by side in one tensor")
        return resolved(branches[0])
    if isinstance(term, Sum | Product):
        return type(term)(tuple(map(_settled, term.terms)))
    return term
