"""NumPy's reductions, creation and rounding functions with NumPy's signatures, and how such functions are entered.

One small function each: it takes what NumPy takes, refuses what has no meaning for a tensor, and hands the rest
on to graphflow's public function. `numpy_arrays` has those that move elements about.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphflow.errors import DTypeError, shorten
from graphflow.op import F
from graphflow.ops.constant import as_tensor

__all__ = ["FUNCTIONS", "refuse", "stands_for"]

FUNCTIONS: dict[Callable[..., Any], Callable[..., Any]] = {}
"""NumPy function -> what builds its node."""


def refuse(what: str, **arguments: Any) -> None:
    """Raise DTypeError for an argument that is given (not None) though it means nothing for tensors."""
    for name, value in arguments.items():
        if value is not None:
            raise DTypeError(
                f"np.{what}: the argument {name}={shorten(value)} is not supported for a tensor; "
                f"use graphflow's own function, or np.asarray(tensor) for its value"
            )


def stands_for(*functions: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter a builder in the table under NumPy functions."""

    def enter(builder: Callable[..., Any]) -> Callable[..., Any]:
        for function in functions:
            FUNCTIONS[function] = builder
        return builder

    return enter


# --- reductions -----------------------------------------------------------------------------------


def _reduction(function: Callable[..., Any], name: str) -> None:
    def build(a: Any, axis: Any = None, out: Any = None, keepdims: bool = False, **others: Any) -> Any:
        refuse(function.__name__, out=out, **others)
        return getattr(F, name)(a, axis=axis, keepdims=keepdims)

    FUNCTIONS[function] = build


for _function, _name in (
    (np.max, "max"),
    (np.amax, "max"),
    (np.min, "min"),
    (np.amin, "min"),
    (np.any, "any"),
    (np.all, "all"),
    (np.argmax, "argmax"),
    (np.argmin, "argmin"),
):
    _reduction(_function, _name)


@stands_for(np.sum)
def _sum(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False, **others: Any
) -> Any:
    refuse("sum", out=out, **others)
    return F.sum(a, axis=axis, keepdims=keepdims, dtype=dtype)


@stands_for(np.prod)
def _prod(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False, **others: Any
) -> Any:
    refuse("prod", out=out, **others)
    return F.prod(a, axis=axis, keepdims=keepdims, dtype=dtype)


@stands_for(np.mean)
def _mean(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False, **others: Any
) -> Any:
    refuse("mean", out=out, **others)
    return F.mean(a if dtype is None else F.cast(a, dtype), axis=axis, keepdims=keepdims)


def _spread(name: str) -> Callable[..., Any]:
    def build(
        a: Any,
        axis: Any = None,
        dtype: Any = None,
        out: Any = None,
        ddof: float = 0,
        keepdims: bool = False,
        *,
        correction: float | None = None,
        **others: Any,
    ) -> Any:
        refuse(name, out=out, **others)
        t = a if dtype is None else F.cast(a, dtype)
        return getattr(F, name)(
            t, axis=axis, keepdims=keepdims, correction=ddof if correction is None else correction
        )

    return build


FUNCTIONS[np.var] = _spread("var")
FUNCTIONS[np.std] = _spread("std")


@stands_for(np.count_nonzero)
def _count_nonzero(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    return F.count_nonzero(a, axis=axis, keepdims=keepdims)


def _running(name: str) -> Callable[..., Any]:
    def build(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
        refuse(name, out=out)
        if axis is None:
            a, axis = F.reshape(a, (-1,)), 0
        return getattr(F, name)(a if dtype is None else F.cast(a, dtype), axis=axis)

    return build


FUNCTIONS[np.cumsum] = _running("cumulative_sum")
FUNCTIONS[np.cumprod] = _running("cumulative_prod")


# --- creation -------------------------------------------------------------------------------------


def _check_like(what: str, order: Any, shape: Any, device: Any) -> None:
    refuse(what, order=None if order in (None, "K", "C") else order, shape=shape, device=device)


@stands_for(np.zeros_like)
def _zeros_like(
    a: Any, dtype: Any = None, order: Any = "K", subok: bool = True, shape: Any = None, *, device: Any = None
) -> Any:
    _check_like("zeros_like", order, shape, device)
    return F.zeros_like(a, dtype=dtype)


@stands_for(np.ones_like)
def _ones_like(
    a: Any, dtype: Any = None, order: Any = "K", subok: bool = True, shape: Any = None, *, device: Any = None
) -> Any:
    _check_like("ones_like", order, shape, device)
    return F.ones_like(a, dtype=dtype)


@stands_for(np.empty_like)
def _empty_like(
    prototype: Any,
    /,
    dtype: Any = None,
    order: Any = "K",
    subok: bool = True,
    shape: Any = None,
    *,
    device: Any = None,
) -> Any:
    _check_like("empty_like", order, shape, device)
    return F.zeros_like(prototype, dtype=dtype)


@stands_for(np.full_like)
def _full_like(
    a: Any,
    fill_value: Any,
    dtype: Any = None,
    order: Any = "K",
    subok: bool = True,
    shape: Any = None,
    *,
    device: Any = None,
) -> Any:
    _check_like("full_like", order, shape, device)
    return F.full_like(a, fill_value, dtype=dtype)


@stands_for(np.copy)
def _copy(a: Any, order: Any = "K", subok: bool = False) -> Any:
    return F.identity(a)


@stands_for(np.astype)
def _astype(x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Any:
    return F.astype(x, dtype, copy=copy, device=device)


# --- elementwise functions that are no ufuncs -----------------------------------------------------


@stands_for(np.round, np.around)
def _round(a: Any, decimals: int = 0, out: Any = None) -> Any:
    """As NumPy: scaled by a power of ten, rounded half to even, scaled back."""
    refuse("round", out=out)
    if decimals == 0:
        return F.round(a)
    t = as_tensor(a)
    if t.type.dtype.kind in "iu" and decimals > 0:
        return t
    scale = 10 ** abs(int(decimals))
    return F.round(t * scale) / scale if decimals > 0 else F.cast(F.round(t / scale) * scale, t.type.dtype)


@stands_for(np.real)
def _real(val: Any) -> Any:
    return F.real(val)


@stands_for(np.imag)
def _imag(val: Any) -> Any:
    return F.imag(val)


@stands_for(np.angle)
def _angle(z: Any, deg: bool = False) -> Any:
    radians = F.angle(z)
    return radians * (180 / np.pi) if deg else radians


@stands_for(np.iscomplexobj)
def _iscomplexobj(x: Any) -> Any:
    return as_tensor(x).dtype.kind == "c"


@stands_for(np.isrealobj)
def _isrealobj(x: Any) -> Any:
    return as_tensor(x).dtype.kind != "c"


@stands_for(np.result_type)
def _result_type(*arrays_and_dtypes: Any) -> Any:
    return np.result_type(
        *[x.dtype if hasattr(type(x), "__graphflow_tensor__") else x for x in arrays_and_dtypes]
    )
