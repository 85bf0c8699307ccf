"""Kernels that NumPy runs faster, or as one call, when bound to fixed arrays.

Each binder gives `(function, arguments)`, or None where the op's own kernel has to do it; the values are those of
the op's own kernel, bit for bit (of products: those of `blas`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from operator import setitem
from typing import Any

import numpy as np

from graphflow.backends.base import Call
from graphflow.backends.numpy.blas import bind_matmul
from graphflow.backends.numpy.convolution import BINDERS as CONVOLUTIONS
from graphflow.op import Op
from graphflow.ops.reduction import working_dtype
from graphflow.ops.ufunc import Ufunc
from graphflow.types import is_floating, is_integer

__all__ = ["OWN", "bind", "ufunc_of"]

Inputs = tuple[Any, ...]

_functions: dict[Op, np.ufunc | None] = {}
"""What `ufunc_of` found so far."""


def ufunc_of(op: Op) -> np.ufunc | None:
    """The one function of NumPy's that an op is, or None."""
    function = _functions.get(op)
    if function is None and op not in _functions:
        found = op.kernel.of(np) if isinstance(op.kernel, Ufunc) else None
        function = _functions[op] = found if isinstance(found, np.ufunc) else None
    return function


def bind(op: Op, attrs: Mapping[str, Any], inputs: Inputs, out: Any) -> Call | None:
    """One call of NumPy's for an op on fixed arrays, or None."""
    function = ufunc_of(op)
    if function is not None:
        return function, (*inputs, out)
    binder = _BINDERS.get(op.name)
    return None if binder is None else binder(inputs, out, **attrs)


def _assign(inputs: Inputs, out: Any) -> Call:
    return setitem, (out, ..., inputs[1])  # unlike np.copyto, runs no Python that an interrupt could stop


def _cast(inputs: Inputs, out: Any, *, dtype: np.dtype[Any]) -> Call | None:
    if is_integer(dtype) and is_floating(inputs[0].dtype):
        return None  # C leaves it undefined what becomes of numbers that do not fit
    return setitem, (out, ..., inputs[0])


def _fold(ufunc: np.ufunc) -> Callable[..., Call]:
    def binder(inputs: Inputs, out: Any, *, axis: Any, keepdims: bool, dtype: Any = None) -> Call:
        accumulator = out.dtype if dtype is None else working_dtype(np, dtype)
        only = axis[0] if isinstance(axis, tuple) and len(axis) == 1 else axis
        return ufunc.reduce, (
            inputs[0],
            only,
            None if accumulator == inputs[0].dtype else accumulator,
            out,
            keepdims,
        )

    return binder


def _position(name: str) -> Callable[..., Call]:
    def binder(inputs: Inputs, out: Any, *, axis: int | None, keepdims: bool) -> Call:
        return partial(getattr(inputs[0], name), axis, out, keepdims=keepdims), ()

    return binder


_BINDERS: dict[str, Callable[..., Call | None]] = {
    "assign": _assign,
    "cast": _cast,
    "matmul": bind_matmul,
    "sum": _fold(np.add),
    "prod": _fold(np.multiply),
    "max": _fold(np.maximum),
    "min": _fold(np.minimum),
    "any": _fold(np.logical_or),
    "all": _fold(np.logical_and),
    "argmax": _position("argmax"),
    "argmin": _position("argmin"),
    **CONVOLUTIONS,
}

OWN = tuple(_BINDERS)
"""The ops that are bound otherwise than by their declared kernel, ufuncs aside."""
