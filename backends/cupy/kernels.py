"""Where CuPy lacks a function that kernels call, or gives another answer than NumPy.

`namespace` fills in names that older versions lack; `KERNELS` replaces the kernels of single ops.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

__all__ = ["KERNELS", "namespace"]


def _astype(x: Any, dtype: Any, *, copy: bool = True) -> Any:
    return x.astype(dtype, copy=copy)


def _matrix_transpose(x: Any) -> Any:
    return x.swapaxes(-1, -2)


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

_WRITTEN_HERE: dict[str, Callable[..., Any]] = {"astype": _astype, "matrix_transpose": _matrix_transpose}


def namespace(cupy: Any) -> Any:
    """The array module for kernels: `cupy` itself, or a copy of it with the names that this version lacks."""
    added = {new: getattr(cupy, old) for new, old in _OLD_NAMES.items() if not hasattr(cupy, new)}
    added |= {name: function for name, function in _WRITTEN_HERE.items() if not hasattr(cupy, name)}
    if not added:
        return cupy
    module = types.ModuleType(cupy.__name__, cupy.__doc__)
    module.__dict__.update({**vars(cupy), **added})
    return module


KERNELS: dict[str, Callable[..., Any]] = {}
"""Op name -> kernel with the signature of the op's own."""
