"""Matrix products of NumPy arrays as one call of MKL's gemm, where the arrays are laid out as it takes them."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow.backends.base import Call
from graphflow.backends.mkl.wheel import Mkl

__all__ = ["product_call"]

_ROW_MAJOR = ctypes.c_int(101)
_PLAIN, _TRANSPOSED = ctypes.c_int(111), ctypes.c_int(112)
_size, _place = ctypes.c_int64, ctypes.c_void_p


def product_call(mkl: Mkl, a: Any, b: Any, out: Any) -> Call | None:
    """The call that writes `a @ b` into `out`, or None if MKL does not take these arrays.

    a: [..., m, k], b: [..., k, n], out: C-contiguous [..., m, n] of their dtype; the leading axes broadcast.
    Taken are arrays of two axes or more, of the dtypes of BLAS, that are row-major or transposed in their last
    two axes, evenly spaced in the others, and not empty. The call keeps the arrays alive.
    """
    gemm = mkl.gemm.get(out.dtype.name)
    if gemm is None or not _plain(a, b, out):
        return None
    if b.ndim == 2 and a.ndim > 2 and a.flags.c_contiguous:
        # the rows of all matrices make one product
        a, out = a.reshape(-1, a.shape[-1]), out.reshape(-1, out.shape[-1])
    left, right = _layout(a), _layout(b)
    if left is None or right is None:
        return None
    m, n, k = out.shape[-2], out.shape[-1], a.shape[-1]
    flags = (_ROW_MAJOR, left[0], right[0], _size(m), _size(n), _size(k), gemm.alpha)
    if out.ndim == 2:
        return gemm.single, (*flags, _at(a), left[1], _at(b), right[1], gemm.beta, _at(out), _size(n))
    batch = out.shape[:-2]
    steps = _step(a, batch), _step(b, batch)
    if steps[0] is None or steps[1] is None:
        return None
    first, second = (_at(a), left[1], _size(steps[0])), (_at(b), right[1], _size(steps[1]))
    third = (_at(out), _size(n), _size(m * n))
    return gemm.batch, (*flags, *first, *second, gemm.beta, *third, _size(int(np.prod(batch))))


def _plain(*arrays: Any) -> bool:
    """True for arrays of one dtype and two axes or more, aligned and not empty."""
    dtype = arrays[0].dtype
    return all(x.ndim >= 2 and x.size and x.flags.aligned and x.dtype == dtype for x in arrays)


def _at(x: Any) -> Any:
    """The address of an array, which holds on to it."""
    return x.ctypes.data_as(_place)


def _layout(x: Any) -> tuple[Any, Any] | None:
    """(CBLAS's transposition flag, leading dimension) of matrices, or None where a copy would be needed.

    A row-major matrix may have gaps between its rows, as a slice of columns has; its transpose likewise.
    """
    rows, columns = x.shape[-2:]
    step, one = x.strides[-2:]
    each = x.itemsize
    if (one == each or columns == 1) and (rows == 1 or (step >= columns * each and step % each == 0)):
        return _PLAIN, _size(step // each if rows > 1 else columns)
    if (step == each or rows == 1) and (columns == 1 or (one >= rows * each and one % each == 0)):
        return _TRANSPOSED, _size(one // each if columns > 1 else rows)
    return None


def _step(x: Any, batch: Sequence[int]) -> int | None:
    """Elements from one matrix to the next, the leading axes broadcast to `batch`; None if that varies."""
    strides = np.broadcast_to(x, (*batch, *x.shape[-2:])).strides[:-2]
    step: int | None = None
    expected = 0
    for size, stride in zip(reversed(batch), reversed(strides), strict=True):
        if size == 1:
            continue
        if step is None:
            step = stride
        elif stride != expected:
            return None
        expected = stride * size
    step = step or 0
    return step // x.itemsize if step >= 0 and step % x.itemsize == 0 else None
