"""Where CuPy lacks a function that kernels call, or gives another answer than NumPy.

`namespace` fills in names that older versions lack; `KERNELS` replaces the kernels of single ops.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

__all__ = ["KERNELS", "namespace"]


_OLD_NAMES = {
    "acos": "arccos",
    "acosh": "arccosh",
    "asin": "arcsin",
    "asinh": "arcsinh",
    "atan": "arctan",
    "atan2": "arctan2",
    "atanh": "arctanh",
    "bitwise_invert": "invert",
    "bitwise_left_shift": "left_shift",
    "bitwise_right_shift": "right_shift",
    "bool": "bool_",
    "concat": "concatenate",
    "permute_dims": "transpose",
    "pow": "power",
}
"""CuPy 14 has the Array API's names; 13 has these."""


def namespace(cupy: Any) -> Any:
    """The array module for kernels: `cupy` itself, or a copy of it with what this version lacks of the Array API."""
    if hasattr(cupy, "astype"):
        return cupy

    def asarray(x: Any, dtype: Any = None, *, copy: bool | None = None) -> Any:
        return cupy.array(x, dtype=dtype, copy=True) if copy else cupy.asarray(x, dtype=dtype)

    def astype(x: Any, dtype: Any, *, copy: bool = True) -> Any:
        return x.astype(dtype, copy=copy)

    def matrix_transpose(x: Any) -> Any:
        return x.swapaxes(-1, -2)

    module = types.ModuleType(cupy.__name__, cupy.__doc__)
    added = {new: getattr(cupy, old) for new, old in _OLD_NAMES.items()}
    written = {"asarray": asarray, "astype": astype, "matrix_transpose": matrix_transpose}
    module.__dict__.update({**vars(cupy), **added, **written})
    return module


def _floor_divide(xp: Any, x: Any, y: Any, *, out: Any = None) -> Any:
    """Floats by way of the exact remainder, as NumPy divides them, but floor(x / y) where one is infinite.

    CuPy has only the latter: 1.0 // 0.1 is 9, although 1.0 / 0.1 rounds to 10. Source: `npy_divmod` of NumPy's npymath.
    """
    if x.dtype.kind in "iu":
        return xp.floor_divide(x, y, out=out)
    ratio = xp.divide(x, y)
    rest = xp.fmod(x, y)
    quotient = xp.divide(xp.subtract(x, rest), y)
    quotient = xp.where((rest != 0) & ((rest < 0) != (y < 0)), quotient - 1, quotient)
    whole = xp.floor(quotient)
    whole = xp.where(quotient - whole > 0.5, whole + 1, whole)
    whole = xp.where(quotient == 0, xp.copysign(xp.zeros_like(ratio), ratio), whole)
    result = xp.where((y == 0) | xp.isinf(x) | xp.isinf(y), xp.floor(ratio), whole)
    if out is None:
        return result
    xp.copyto(out, result)
    return out


KERNELS: dict[str, Callable[..., Any]] = {"floor_divide": _floor_divide}
"""Op name -> kernel with the signature of the op's own."""
