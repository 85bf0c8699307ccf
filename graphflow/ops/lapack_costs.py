"""What decompositions cost: floating point operations by the usual counts, and the bytes of hidden temporaries.

Operations, for m x n matrices: LAPACK Working Note 41 (Blackford and Dongarra, "Installation Guide for LAPACK",
appendix C) for LU, Cholesky, QR and triangular systems; Golub and Van Loan, "Matrix Computations", 4th edition,
figure 8.6.1 and sections 7.5.6 and 8.3.5 for what is iterative. Complex numbers count four times.
Bytes: NumPy hands LAPACK one matrix of a stack at a time, copied to column order, with LAPACK's own work arrays (the
sizes of its reference) beside it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from graphflow.types import TensorType

__all__ = [
    "SCANNED",
    "Cost",
    "flops",
    "geqrf",
    "getrf",
    "group_nbytes",
    "group_size",
    "orgqr",
    "potrf",
    "svd_flops",
    "svdvals_flops",
    "work",
]

Cost = Callable[[int, int], float]
"""(rows, columns) -> operations or numbers for one matrix."""

SCANNED = 4096
"""Elements that are looked through for NaN at a time."""

_GROUP = 16384
"""Elements of the small matrices that are computed together."""

_BLOCK = 64
"""LAPACK works on blocks of so many columns, at most."""


def _sizes(x: TensorType) -> tuple[int, int, int]:
    """Matrices in the stack, rows, columns."""
    sizes: list[Any] = list(x.dims)  # static by then
    *lead, rows, cols = [int(d) for d in sizes]
    return math.prod(lead), rows, cols


def flops(each: Cost) -> Callable[..., int]:
    """The `flops` rule of an op on the matrices of its first input."""

    def rule(inputs: Sequence[TensorType], outputs: Sequence[TensorType], **attrs: Any) -> int:
        count, rows, cols = _sizes(inputs[0])
        return round(count * each(rows, cols)) * (4 if inputs[0].dtype.kind == "c" else 1)

    return rule


def work(each: Cost, *, scan: bool = False) -> Callable[..., int]:
    """The `workspace` rule of an op on the matrices of its first input.

    each: numbers of the matrices' dtype that are held while one matrix is decomposed.
    scan: before there are any outputs, the stack is looked through for NaN, piece after piece: a byte an element,
        and a copy of what is strided.
    """

    def rule(inputs: Sequence[TensorType], outputs: Sequence[TensorType], **attrs: Any) -> int:
        count, rows, cols = _sizes(inputs[0])
        itemsize = inputs[0].dtype.itemsize
        one = round(each(rows, cols)) * itemsize if count else 0
        made = sum([t.nbytes or 0 for t in outputs])
        return max(one, min(count * rows * cols, SCANNED) * (1 + itemsize) - made if scan else 0)

    return rule


def group_size(elements: int) -> int:
    """How many matrices of so many elements are computed together."""
    return max(1, _GROUP // max(elements, 1))


def group_nbytes(copies: float) -> Callable[..., int]:
    """The `workspace` rule of an op on square matrices in groups.

    copies: arrays of a group's size that are alive at once, the group's result apart.
    """

    def rule(inputs: Sequence[TensorType], outputs: Sequence[TensorType], **attrs: Any) -> int:
        count, rows, cols = _sizes(inputs[0])
        step = group_size(rows * cols)
        alive = copies if count <= step else copies + 1
        each = alive * rows * cols * inputs[0].dtype.itemsize + 8  # a number for each matrix, its norm
        return round(min(count, step) * each)

    return rule


# --- operations -----------------------------------------------------------------------------------


def potrf(n: int, _: int) -> float:
    """Cholesky."""
    return n**3 / 3


def getrf(m: int, n: int) -> float:
    """LU."""
    long, short = max(m, n), min(m, n)
    return long * short**2 - short**3 / 3


def geqrf(m: int, n: int) -> float:
    """The triangular factor of QR."""
    long, short = max(m, n), min(m, n)
    return 2 * long * short**2 - 2 * short**3 / 3


def orgqr(m: int, n: int, k: int) -> float:
    """`n` columns of the orthogonal factor from `k` reflections."""
    return 4 * m * n * k - 2 * (m + n) * k**2 + 4 * k**3 / 3


def svdvals_flops(m: int, n: int) -> float:
    """Singular values alone."""
    long, short = max(m, n), min(m, n)
    return min(4 * long * short**2 - 4 * short**3 / 3, 2 * long * short**2 + 2 * short**3)


def svd_flops(m: int, n: int) -> float:
    """Singular values and vectors, reduced."""
    long, short = max(m, n), min(m, n)
    return min(14 * long * short**2 + 8 * short**3, 6 * long * short**2 + 20 * short**3)


# --- work arrays ----------------------------------------------------------------------------------


def blocked(m: int, n: int) -> int:
    """The work array of LAPACK's blocked reductions."""
    return (m + n) * _BLOCK
