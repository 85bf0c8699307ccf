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


KERNELS: dict[str, Callable[..., Any]] = {}
"""Op name -> kernel with the signature of the op's own."""
