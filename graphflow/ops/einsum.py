"""Einstein summation: an equation over axis labels, composed of transposes, products and sums.

Operands are contracted in pairs, in the order that `opt_einsum` finds cheapest; each pair becomes one
`matmul`, or a broadcast product where nothing is summed. Gradients follow from the parts.
"""

from __future__ import annotations

import string
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from graphflow.errors import ArgumentError, DTypeError, ShapeError, shorten
from graphflow.graph import Tensor, composition
from graphflow.op import public
from graphflow.ops.axes import permute_dims
from graphflow.ops.constant import operands
from graphflow.ops.diagonal import diagonal
from graphflow.ops.linalg import matmul
from graphflow.ops.reduction import sum
from graphflow.ops.shape import expand_dims, flatten, squeeze, unflatten
from graphflow.types import Dim, DimLike, dims_equal

__all__ = ["einsum"]

Label: TypeAlias = str | int
"""A letter, or -k for the k-th last of the axes that an ellipsis stands for."""
Labels: TypeAlias = tuple[Label, ...]

GUESS = 64
"""What a size that is not known yet counts as when the order of contraction is chosen."""


@dataclass(frozen=True, slots=True)
class Term:
    """A tensor and the labels of its axes."""

    tensor: Tensor
    labels: Labels


@public
def einsum(equation: str, *values: Any, name: str | None = None) -> Tensor:
    """Sums of products over labelled axes: `einsum("ij,jk->ik", a, b)` is the matrix product. A composition.

    equation: for each operand one letter an axis, separated by commas, and after "->" those of the result.
        Letters that the result lacks are summed over; one that an operand repeats takes its diagonal. Without
        "->" the result has the letters that occur once, in alphabetical order. "..." stands for further
        axes, which are broadcast.
    Raises ArgumentError for a malformed equation (empty, unknown letters in the result, repeated ones there,
    misplaced dots, another number of operands), ShapeError for ranks or sizes that do not fit it, DTypeError
    for bools.
    """
    inputs, output = _parsed(equation)
    if len(inputs) != len(values):
        raise ArgumentError(
            f"einsum: equation {shorten(equation)} has {len(inputs)} operands, but {len(values)} were given"
        )
    tensors = operands(*values)
    if tensors[0].type.dtype.kind == "b":
        raise DTypeError(f"einsum: {tensors[0]!r} is bool; cast it to a number first")
    with composition("einsum" if name is None else name):
        terms, ellipsis = _labelled(tensors, inputs, equation)
        result = tuple(label for part in output for label in (ellipsis if part == "..." else (part,)))
        sizes = _sizes(terms, equation)
        terms = [_diagonals(t) for t in _without_broadcast_axes(terms, sizes)]
        for i, j in _path(terms, result, sizes):
            left, right = terms[i], terms[j]
            terms = [t for k, t in enumerate(terms) if k not in (i, j)]
            terms.append(_contracted(left, right, _wanted(terms, result), sizes))
        last = _summed(terms[0], dict.fromkeys(result))
        return _ordered(last, result)


# --- the equation ---------------------------------------------------------------------------------


def _parsed(equation: Any) -> tuple[list[tuple[str, ...]], tuple[str, ...]]:
    """The parts of every operand and of the result: letters and "..."."""
    if not isinstance(equation, str) or not equation.strip():
        raise ArgumentError(f"einsum: equation must be a str such as 'ij,jk->ik', not {shorten(equation)}")
    text = equation.replace(" ", "")
    left, arrow, right = text.partition("->")
    inputs = [_parts(term, equation) for term in left.split(",")]
    known = dict.fromkeys(part for term in inputs for part in term)
    if arrow:
        output = _parts(right, equation)
        for part in output:
            if part not in known:
                raise ArgumentError(f"einsum: {part!r} in the result of {shorten(equation)} is in no operand")
            if output.count(part) > 1:
                raise ArgumentError(
                    f"einsum: label {part!r} is repeated in the result of {shorten(equation)}"
                )
        if "..." in known and "..." not in output:
            raise ArgumentError(
                f"einsum: the result of {shorten(equation)} must have '...', as an operand has"
            )
        return inputs, output
    every = [part for term in inputs for part in term]
    once = sorted(part for part in known if part != "..." and every.count(part) == 1)
    return inputs, (*(["..."] if "..." in known else []), *once)


def _parts(term: str, equation: str) -> tuple[str, ...]:
    before, dots, behind = term.partition("...")
    letters = before + behind
    for c in letters:
        if c not in string.ascii_letters:
            what = "only one '...' is allowed in an operand" if c == "." else "labels are letters from a to Z"
            raise ArgumentError(f"einsum: {c!r} in equation {shorten(equation)}: {what}")
    return (*before, *(["..."] if dots else []), *behind)


# --- operands -------------------------------------------------------------------------------------


def _labelled(
    tensors: Sequence[Tensor], inputs: Sequence[tuple[str, ...]], equation: str
) -> tuple[list[Term], Labels]:
    """Operands with a label for every axis, and the labels that "..." stands for."""
    terms = []
    widest = 0
    for k, (x, parts) in enumerate(zip(tensors, inputs, strict=True)):
        letters = len(parts) - ("..." in parts)
        shape = x.type.shape
        if shape is None:
            if letters != len(parts):
                raise ShapeError(f"einsum: operand {k} has '...', but the rank of {x!r} is not known here")
            x = permute_dims(x, range(letters))  # which checks at the run that this is its rank
            shape = x.type.dims
        extra = len(shape) - letters
        if extra < 0 or (extra > 0 and letters == len(parts)):
            raise ShapeError(
                f"einsum: operand {k} of {shorten(equation)} has {letters} labels, but {x!r} has {len(shape)} axes"
            )
        widest = max(widest, extra)
        dots = range(-extra, 0)
        terms.append(
            Term(x, tuple(label for part in parts for label in (dots if part == "..." else (part,))))
        )
    return terms, tuple(range(-widest, 0))


def _sizes(terms: Sequence[Term], equation: str) -> dict[Label, DimLike]:
    """The size of every label. Raises ShapeError where two axes of one label differ."""
    sizes: dict[Label, DimLike] = {}
    owner: dict[Label, int] = {}
    for k, term in enumerate(terms):
        for label, d in zip(term.labels, term.tensor.type.dims, strict=True):
            known = sizes.get(label)
            if known is None or (isinstance(label, int) and known == 1):
                sizes[label], owner[label] = d, k
            elif isinstance(label, int) and d == 1:
                continue
            elif dims_equal(known, d) is False:
                what = f"label {label!r}" if isinstance(label, str) else f"axis {label} of '...'"
                raise ShapeError(
                    f"einsum: {what} of {shorten(equation)} has size {known} in operand {owner[label]} "
                    f"({terms[owner[label]].tensor!r}), but {d} in operand {k} ({term.tensor!r})"
                )
            elif isinstance(known, Dim) and isinstance(d, int):
                sizes[label], owner[label] = d, k
    return sizes


def _without_broadcast_axes(terms: Sequence[Term], sizes: Mapping[Label, DimLike]) -> list[Term]:
    """Drop the axes of size 1 that an ellipsis stretches, as long as another operand keeps the label."""
    result = []
    for term in terms:
        gone = [
            axis
            for axis, (label, d) in enumerate(zip(term.labels, term.tensor.type.dims, strict=True))
            if isinstance(label, int) and isinstance(d, int) and d == 1 and sizes[label] != 1
        ]
        if gone:
            labels = tuple(label for axis, label in enumerate(term.labels) if axis not in gone)
            term = Term(squeeze(term.tensor, gone), labels)
        result.append(term)
    return result


def _diagonals(term: Term) -> Term:
    """Each label once: a label of two axes becomes their diagonal."""
    x, labels = term.tensor, list(term.labels)
    for label in dict.fromkeys(term.labels):
        while labels.count(label) > 1:
            first = labels.index(label)
            second = labels.index(label, first + 1)
            x = diagonal(x, 0, first, second)
            labels = [v for axis, v in enumerate(labels) if axis not in (first, second)] + [label]
    return Term(x, tuple(labels))


# --- contraction ----------------------------------------------------------------------------------


def _path(terms: Sequence[Term], result: Labels, sizes: Mapping[Label, DimLike]) -> list[tuple[int, int]]:
    """Which pair to contract next, at each step; a result goes to the end of the list."""
    if len(terms) < 3:
        return [(0, 1)] if len(terms) == 2 else []
    import opt_einsum  # type: ignore[import-untyped]

    symbol = {label: opt_einsum.get_symbol(k) for k, label in enumerate(sizes)}
    text = ",".join("".join(symbol[v] for v in t.labels) for t in terms)
    shapes = [tuple(_guess(sizes[v]) for v in t.labels) for t in terms]
    equation = f"{text}->{''.join(symbol[v] for v in result)}"
    steps, _ = opt_einsum.contract_path(equation, *shapes, shapes=True, optimize="auto")
    pairs: list[tuple[int, int]] = []
    count = len(terms)
    for step in steps:
        chosen = sorted(step)
        while len(chosen) > 1:  # a step of several operands is done in pairs, each result the last one
            i, j = chosen[0], chosen[1]
            pairs.append((i, j))
            count -= 1
            chosen = [k - 2 for k in chosen[2:]] + [count - 1]
    return pairs


def _guess(d: DimLike) -> int:
    return max(d, 1) if isinstance(d, int) else GUESS


def _wanted(terms: Iterable[Term], result: Labels) -> dict[Label, None]:
    """The labels that are still needed after a contraction."""
    return dict.fromkeys([*result, *[label for t in terms for label in t.labels]])


def _summed(term: Term, wanted: Mapping[Label, None]) -> Term:
    """Without the axes whose label nothing else needs."""
    axes = tuple(axis for axis, label in enumerate(term.labels) if label not in wanted)
    if not axes:
        return term
    total = sum(term.tensor, axes, dtype=term.tensor.dtype)
    return Term(total, tuple(label for label in term.labels if label in wanted))


def _ordered(term: Term, labels: Labels) -> Tensor:
    """The tensor with its axes in the order of `labels`."""
    if term.labels == labels:
        return term.tensor
    return permute_dims(term.tensor, [term.labels.index(label) for label in labels])


def _contracted(a: Term, b: Term, wanted: Mapping[Label, None], sizes: Mapping[Label, DimLike]) -> Term:
    """One pair: labels of both that are wanted are batches, the others of both are summed over."""
    a = _summed(a, dict.fromkeys((*wanted, *b.labels)))
    b = _summed(b, dict.fromkeys((*wanted, *a.labels)))
    shared = [label for label in a.labels if label in b.labels]
    batch = tuple(label for label in shared if label in wanted)
    inner = tuple(label for label in shared if label not in wanted)
    free_a = tuple(label for label in a.labels if label not in shared)
    free_b = tuple(label for label in b.labels if label not in shared)
    labels = (*batch, *free_a, *free_b)
    if not inner:
        left, right = _ordered(a, (*batch, *free_a)), _ordered(b, (*batch, *free_b))
        left = _expanded(left, range(len(batch) + len(free_a), len(labels)))
        right = _expanded(right, range(len(batch), len(batch) + len(free_a)))
        return Term(left * right, labels)
    n = len(batch)
    left = _grouped(_ordered(a, (*batch, *free_a, *inner)), n, len(free_a), len(inner))
    right = _grouped(_ordered(b, (*batch, *inner, *free_b)), n, len(inner), len(free_b))
    product = _regrouped(matmul(left, right), n + 1, free_b, sizes)
    return Term(_regrouped(product, n, free_a, sizes), labels)


def _expanded(x: Tensor, axes: Sequence[int]) -> Tensor:
    return expand_dims(x, tuple(axes)) if axes else x


def _grouped(x: Tensor, lead: int, rows: int, cols: int) -> Tensor:
    """Matrices: behind `lead` axes, `rows` axes merged into one and then `cols` axes merged into one."""
    for first, count in ((lead + rows, cols), (lead, rows)):
        if count > 1:
            x = flatten(x, first, first + count - 1)
        elif count == 0:
            x = expand_dims(x, first)
    return x


def _regrouped(x: Tensor, axis: int, labels: Labels, sizes: Mapping[Label, DimLike]) -> Tensor:
    """The axis of a product divided into those of the labels that were merged into it."""
    if not labels:
        return squeeze(x, axis)
    if len(labels) == 1:
        return x
    return unflatten(x, axis, tuple(sizes[label] for label in labels))
