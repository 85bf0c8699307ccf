"""Which matrix library computes products on the CPU: MKL where it is installed, else what NumPy was built with.

The environment variable GRAPHFLOW_BLAS says otherwise: `mkl` (an error where it is absent), `numpy`, or `auto`.
"""

from __future__ import annotations

import functools
import itertools
import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from graphflow.backends.base import Call
from graphflow.backends.mkl import Mkl, find_mkl, load_mkl, product_call
from graphflow.backends.numpy.threads import numpy_blas
from graphflow.backends.numpy.workers import run_pieces
from graphflow.errors import ArgumentError, BackendError, shorten
from graphflow.ops.product_panels import bounds, is_split
from graphflow.ops.reduction import is_half

__all__ = ["MKL_FLOPS", "bind_matmul", "libraries", "matmul", "mkl", "one_call"]

MKL_FLOPS = 1 << 19
"""Products of fewer floating point operations go to NumPy's BLAS: laying out a call of MKL takes as long as 7 of
NumPy's, and below 64 x 64 x 64 neither is faster. It depends on sizes alone, so that the same product has the same
bits however its arrays come."""


@functools.cache
def mkl() -> Mkl | None:
    """MKL, loaded on first use, or None where NumPy's BLAS is to be used.

    Raises BackendError where GRAPHFLOW_BLAS asks for MKL and it is absent, ArgumentError for another value of it.
    """
    wanted = os.environ.get("GRAPHFLOW_BLAS", "") or "auto"
    if wanted not in ("auto", "mkl", "numpy"):
        raise ArgumentError(f"environment: GRAPHFLOW_BLAS is 'auto', 'mkl' or 'numpy', not {shorten(wanted)}")
    if wanted == "numpy":
        return None
    path = find_mkl()
    if path is None:
        if wanted == "mkl":
            raise BackendError(
                "GRAPHFLOW_BLAS asks for MKL, which is not here: pip install 'graphflow-engine[mkl]'"
            )
        return None
    try:
        return load_mkl(path)
    except BackendError:
        if wanted == "mkl":
            raise
        return None


def libraries() -> tuple[str, ...]:
    """Matrix libraries in use, the first for products, as `openblas 0.3.31, 1 thread`: threads are of one call."""
    own = [f"{c.internal_api} {c.version or 'of unknown version'}, 1 thread" for c in numpy_blas()]
    used = mkl()
    return tuple(own if used is None else [str(used), *own])


def bind_matmul(inputs: tuple[Any, ...], out: Any) -> Call | None:
    """The product of two fixed arrays of two axes or more into a third, as one call; None for other arrays."""
    a, b = inputs
    if a.ndim < 2 or b.ndim < 2 or is_half(out.dtype):
        return None
    if not is_split(2 * out.size * a.shape[-1], out.nbytes):
        return one_call(a, b, out)
    if out.ndim > 2 and b.ndim == 2 and a.flags.c_contiguous:
        a, out = a.reshape(-1, a.shape[-1]), out.reshape(-1, out.shape[-1])
    pieces = _tiles(a, b, out) if out.ndim == 2 else _matrices(a, b, out)
    calls = [one_call(x, y, z) for x, y, z in pieces]
    return (run_pieces, (calls,)) if len(calls) > 1 else calls[0]


def one_call(a: Any, b: Any, out: Any) -> Call:
    """A product, or a piece of one, as one call of the library that its size asks for."""
    library = mkl()
    if library is not None and 2 * out.size * a.shape[-1] >= MKL_FLOPS:
        taken = product_call(library, a, b, out)
        if taken is not None:
            return taken
    return np.matmul, (a, b, out)


def _tiles(a: Any, b: Any, out: Any) -> Iterator[tuple[Any, Any, Any]]:
    """A product of two matrices as products that each make a tile of the result."""
    rows, columns = (bounds(size) for size in out.shape)
    for (top, bottom), (left, right) in itertools.product(rows, list(columns)):
        yield a[top:bottom], b[:, left:right], out[top:bottom, left:right]


def _matrices(a: Any, b: Any, out: Any) -> Iterator[tuple[Any, Any, Any]]:
    """A product of stacks of matrices as one for each index along the first axis of the result."""
    a, b = (np.broadcast_to(x, (*out.shape[:-2], *x.shape[-2:])) for x in (a, b))
    return zip(a, b, out, strict=True)


def matmul(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """The product of two arrays, with the bits of `bind_matmul`; `kernel` says it where that gives None."""

    def product(a: Any, b: Any, *, out: Any = None) -> Any:
        if a.ndim < 2 or b.ndim < 2 or is_half(a.dtype):
            return kernel(a, b) if out is None else kernel(a, b, out=out)
        batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        result = np.empty((*batch, a.shape[-2], b.shape[-1]), a.dtype) if out is None else out
        function, arguments = bind_matmul((a, b), result)  # type: ignore[misc]  # not None: asked for just above
        function(*arguments)
        return result

    return product
