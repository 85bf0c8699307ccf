"""Which matrix library computes products on the CPU: MKL where it is installed, else what NumPy was built with.

The environment variable GRAPHFLOW_BLAS says otherwise: `mkl` (an error where it is absent), `numpy`, or `auto`.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from graphflow.backends.base import Call
from graphflow.backends.mkl import Mkl, find_mkl, load_mkl, product_call
from graphflow.backends.numpy.threads import numpy_blas
from graphflow.errors import ArgumentError, BackendError, shorten

__all__ = ["MKL_FLOPS", "bind_matmul", "libraries", "matmul", "mkl"]

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


def bind_matmul(inputs: tuple[Any, ...], out: Any) -> Call:
    """The product of two fixed arrays into a third, as one call."""
    a, b = inputs
    library = mkl()
    if library is not None and 2 * out.size * a.shape[-1] >= MKL_FLOPS:
        call = product_call(library, a, b, out)
        if call is not None:
            return call
    return np.matmul, (a, b, out)


def matmul(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """The product of two arrays; `kernel` says it for those that MKL does not take."""

    def product(a: Any, b: Any, *, out: Any = None) -> Any:
        library = mkl()
        if library is None or a.ndim < 2 or b.ndim < 2:
            return kernel(a, b) if out is None else kernel(a, b, out=out)
        batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        result = np.empty((*batch, a.shape[-2], b.shape[-1]), a.dtype) if out is None else out
        function, arguments = bind_matmul((a, b), result)
        function(*arguments)
        return result

    return product
