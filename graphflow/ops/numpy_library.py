"""Routines of the matrix library that NumPy is linked to, for what NumPy has no function for, or a slower one.

Triangular systems and LU factors it lacks; its Cholesky factors and inverses of large matrices take 1.4 to 1.8 times
as long (it turns them about, and solves for an identity matrix), its QR in single precision twice as long.

The routines are looked up as symbols that NumPy's own extension module can see, under the names that OpenBLAS has
in NumPy's wheels, in conda and in Linux distributions. Elsewhere (Accelerate, Windows) nothing is found, and callers
go another way. Being the library of NumPy's products, it keeps to the same number of threads.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np

__all__ = [
    "cholesky_stack",
    "factor_stack",
    "has_routine",
    "inverse_stack",
    "qr_stack",
    "solve_stack",
]

_Array = np.ndarray[Any, Any]
_Found = tuple[Callable[..., Any], type[Any]]
_LETTERS = {"float32": "s", "float64": "d", "complex64": "c", "complex128": "z"}

# the numbers of CBLAS, and what turns a matrix about
_ROW_MAJOR, _LEFT = 101, 141
_PLAIN, _TRANSPOSED, _ADJOINT = 111, 112, 113
_UPPER, _LOWER = 121, 122
_NON_UNIT, _UNIT = 131, 132


@cache
def _symbols() -> tuple[ctypes.CDLL, bool] | None:
    """NumPy's extension module, through which its library's symbols are seen, and whether it counts in 64 bits."""
    module: Any = getattr(np.linalg, "_umath_linalg", None)
    try:
        return ctypes.CDLL(module.__file__), bool(module._ilp64)
    except (AttributeError, OSError, TypeError):
        return None


@cache
def _routine(name: str, dtype: str) -> _Found | None:
    """A routine such as `cblas_*trsm` for a dtype, and the type of its integers; None where it is not found."""
    found = _symbols()
    if found is None:
        return None
    library, is_64 = found
    symbol = name.replace("*", _LETTERS[dtype])
    if name == "*orgqr_" and dtype in ("complex64", "complex128"):
        symbol = symbol.replace("or", "un")
    affixes = [("scipy_", "64_"), ("", "64_")] if is_64 else [("scipy_", ""), ("", "")]
    for prefix, suffix in affixes:
        function = getattr(library, f"{prefix}{symbol}{suffix}", None)
        if function is not None:
            function.restype = None
            return function, ctypes.c_int64 if is_64 else ctypes.c_int
    return None


def has_routine(name: str, dtype: np.dtype[Any]) -> bool:
    """Whether a routine, as "cblas_*trsm" or "*getrf_", serves a dtype."""
    return dtype.name in _LETTERS and _routine(name, dtype.name) is not None


def _places(x: _Array, lead: tuple[int, ...]) -> Iterator[ctypes.c_void_p]:
    """The address of each matrix of a stack that is broadcast to `lead`, in C order."""
    x = np.broadcast_to(x, (*lead, *x.shape[-2:]))
    offsets = np.zeros(lead, np.int64)
    for axis, (size, stride) in enumerate(zip(lead, x.strides, strict=False)):
        offsets += (np.arange(size) * stride).reshape(-1, *[1] * (len(lead) - axis - 1))
    first: int = x.__array_interface__["data"][0]
    offsets += first
    flat = offsets.reshape(-1)
    for start in range(0, flat.size, 1024):  # Python's integers take four times the bytes
        yield from map(ctypes.c_void_p, flat[start : start + 1024].tolist())


def _addresses(x: _Array) -> list[ctypes.c_void_p]:
    """The address of each item along the first axis, not empty."""
    first: int = x.__array_interface__["data"][0]
    return [ctypes.c_void_p(first + i * x.strides[0]) for i in range(len(x))]


def _rows_apart(x: _Array) -> int | None:
    """Elements between the rows of each matrix, if BLAS can read them as they lie."""
    step, rest = divmod(x.strides[-2], x.itemsize)
    fits = x.strides[-1] == x.itemsize and rest == 0 and step >= x.shape[-1] and x.flags.aligned
    return step if fits else None


def solve_stack(t: _Array, b: _Array, lower: bool, adjoint: bool, unit_diagonal: bool) -> None:
    """Overwrite `b` with the solutions of triangular systems, by `trsm` on one matrix after the other.

    t: [..., n, n] of any strides, broadcast to b's leading axes. b: C-contiguous [..., n, k], not empty.
    """
    function, integer = _routine("cblas_*trsm", b.dtype.name)  # type: ignore[misc]  # not None: see has_routine
    step, operation = _rows_apart(t), _ADJOINT if adjoint else _PLAIN
    if step is None:
        turned = np.swapaxes(t, -1, -2)
        step = None if adjoint and t.dtype.kind == "c" else _rows_apart(turned)
        if step is None:
            t = np.ascontiguousarray(t)
            step = t.shape[-1]
        else:  # a transposed view: what is its transpose, is the matrix
            t, lower, operation = turned, not lower, _PLAIN if adjoint else _TRANSPOSED
    n, k = (integer(size) for size in b.shape[-2:])
    shape = [ctypes.c_int(v) for v in (_LOWER if lower else _UPPER, operation)]
    shape.append(ctypes.c_int(_UNIT if unit_diagonal else _NON_UNIT))
    lda, lead = integer(step), b.shape[:-2]
    places = zip(_places(t, lead), _places(b, lead), strict=True)
    order = ctypes.c_int(_ROW_MAJOR)
    vector = _routine("cblas_*trsv", b.dtype.name) if b.shape[-1] == 1 else None
    if vector is not None:  # three times as quick for one right side
        for at, bt in places:
            vector[0](order, *shape, n, at, lda, bt, integer(1))
        return
    head = (order, ctypes.c_int(_LEFT), *shape, n, k, _one(b.dtype))
    for at, bt in places:
        function(*head, at, lda, bt, k)


def _one(dtype: np.dtype[Any]) -> Any:
    """The factor 1 as CBLAS takes it: real numbers by value, complex ones by their address."""
    if dtype.kind == "c":
        number = (ctypes.c_float if dtype.name == "complex64" else ctypes.c_double) * 2
        return ctypes.byref(number(1.0, 0.0))
    return ctypes.c_float(1.0) if dtype.name == "float32" else ctypes.c_double(1.0)


# --- in place -------------------------------------------------------------------------------------

_BLOCK = 64
"""The widest block that LAPACK's `ilaenv` asks for: work arrays of so many columns are never too small."""


def _by(integer: type[Any], *values: int) -> list[Any]:
    """Integers as Fortran takes them."""
    return [ctypes.byref(integer(v)) for v in values]


def cholesky_stack(x: _Array, upper: bool) -> tuple[_Array, int, int]:
    """Cholesky factors by `potrf`, with zeros in the other triangle; the first matrix that has none, and its minor.

    Rows read as columns are the conjugate matrix, whose factor is the transposed one: so nothing is turned about.
    The second number is -1 where all went well, else the third is the order of the minor that is not positive.
    """
    potrf, integer = _routine("*potrf_", x.dtype.name)  # type: ignore[misc]  # not None: see has_routine
    laset, _ = _routine("*laset_", x.dtype.name)  # type: ignore[misc]
    n = x.shape[-1]
    made = np.array(x, order="C")
    size, rest = _by(integer, n, n - 1)
    info, zero = integer(0), (ctypes.c_double * 2)(0.0, 0.0)
    kept, cleared = (b"L", b"U") if upper else (b"U", b"L")
    beside = (n if upper else 1) * x.itemsize
    length = ctypes.c_size_t(1)  # Fortran's hidden argument for each text
    for i, place in enumerate(_addresses(made.reshape(_count(x), n, n))):
        potrf(kept, size, place, size, ctypes.byref(info), length)
        if info.value > 0:
            return made, i, int(info.value)
        if n > 1:
            corner = ctypes.c_void_p((place.value or 0) + beside)
            laset(cleared, rest, rest, zero, zero, corner, size, length)
    return made, -1, 0


def inverse_stack(x: _Array) -> tuple[_Array, int]:
    """Inverses by `getrf` and `getri`, and the first matrix that has none, or -1.

    The inverse of the transposed matrix is the transposed inverse: so nothing is turned about.
    """
    getrf, integer = _routine("*getrf_", x.dtype.name)  # type: ignore[misc]  # not None: see has_routine
    getri, _ = _routine("*getri_", x.dtype.name)  # type: ignore[misc]
    n = x.shape[-1]
    made = np.array(x, order="C")
    info = integer(0)
    room = np.empty(n * _BLOCK, x.dtype)
    pivots = np.empty(n, np.int64 if integer is ctypes.c_int64 else np.int32)
    size, length = _by(integer, n, room.size)
    exchanged, buffer = ctypes.c_void_p(pivots.ctypes.data), ctypes.c_void_p(room.ctypes.data)
    for i, place in enumerate(_addresses(made.reshape(_count(x), n, n))):
        getrf(size, size, place, size, exchanged, ctypes.byref(info))
        if info.value > 0:
            return made, i
        getri(size, place, size, exchanged, buffer, length, ctypes.byref(info))
    return made, -1


def _count(x: _Array) -> int:
    """How many matrices a stack holds."""
    return math.prod(x.shape[:-2])


# --- factorizations -------------------------------------------------------------------------------


def _in_columns(a: _Array) -> _Array:
    """A copy of a stack as one list of matrices, column after column, as LAPACK wants them: [count, n, m]."""
    m, n = a.shape[-2:]
    columns = np.empty((_count(a), n, m), a.dtype)
    columns[...] = np.swapaxes(a, -1, -2).reshape(columns.shape)
    return columns


def _in_rows(columns: _Array, shape: tuple[int, ...]) -> _Array:
    """The stack of that shape from a list of matrices in columns."""
    a = np.empty(shape, columns.dtype)
    a.reshape(len(columns), *shape[-2:])[...] = np.swapaxes(columns, -1, -2)
    return a


def factor_stack(a: _Array, packed: _Array) -> _Array:
    """Write the LU factors of each matrix, with partial pivoting, by `getrf`, into `packed`, both [count, m, n].

    The result, int64[count, min(m, n)], says for each step which row (from 0) changed places with it.
    """
    function, integer = _routine("*getrf_", a.dtype.name)  # type: ignore[misc]  # not None: see has_routine
    m, n = a.shape[-2:]
    columns = _in_columns(a)
    pivots = np.zeros((len(columns), min(m, n)), np.int64 if integer is ctypes.c_int64 else np.int32)
    rows, cols, info = _by(integer, m, n, 0)
    if columns.size:
        for one, pivot in zip(_addresses(columns), _addresses(pivots), strict=True):
            function(rows, cols, one, rows, pivot, info)
    packed[...] = np.swapaxes(columns, -1, -2)
    del columns
    made = pivots.astype(np.int64, copy=False)
    made -= 1
    return made


def qr_stack(a: _Array, width: int) -> tuple[_Array, _Array]:
    """Q [..., m, width] and R [..., width, n] of each matrix, by `geqrf` and `orgqr`. `a` is not empty.

    `np.linalg.qr` has it in double precision alone, and takes 1.2 times as long there.
    """
    geqrf, integer = _routine("*geqrf_", a.dtype.name)  # type: ignore[misc]  # not None: see has_routine
    orgqr, _ = _routine("*orgqr_", a.dtype.name)  # type: ignore[misc]
    *lead, m, n = a.shape
    k = min(m, n)
    columns = np.empty((_count(a), max(n, width), m), a.dtype)
    columns[:, :n] = np.swapaxes(a, -1, -2).reshape(len(columns), n, m)
    tau = np.empty((len(columns), k), a.dtype)
    work = np.empty(max(n, width) * _BLOCK, a.dtype)
    rows, cols, wide, short, info, room = _by(integer, m, n, width, k, 0, work.size)
    buffer = ctypes.c_void_p(work.ctypes.data)
    places = list(zip(_addresses(columns), _addresses(tau), strict=True))
    for one, t in places:
        geqrf(rows, cols, one, rows, t, buffer, room, info)
    r = np.triu(np.swapaxes(columns[:, :n, :width], -1, -2))
    for one, t in places:
        orgqr(rows, wide, short, one, rows, t, buffer, room, info)
    q = _in_rows(columns[:, :width], (*lead, m, width))
    return q, r.reshape(*lead, width, n)
