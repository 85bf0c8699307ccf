"""What the Array API tells of dtypes: their kinds and limits, the dtype that several meet in, which casts lose nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

from graphflow.errors import ArgumentError, DTypeError, shorten
from graphflow.op import public
from graphflow.ops.constant import as_array, weak_dtype
from graphflow.types import STRING, SUPPORTED, as_dtype, is_floating, promote

__all__ = [
    "KINDS",
    "FloatInfo",
    "IntegerInfo",
    "can_cast",
    "finfo",
    "iinfo",
    "isdtype",
    "kind_names",
    "result_type",
]

KINDS: dict[str, tuple[str, ...]] = {
    "bool": ("bool",),
    "signed integer": ("int8", "int16", "int32", "int64"),
    "unsigned integer": ("uint8", "uint16", "uint32", "uint64"),
    "real floating": ("float16", "bfloat16", "float32", "float64"),
    "complex floating": ("complex64", "complex128"),
}
KINDS["integral"] = (*KINDS["signed integer"], *KINDS["unsigned integer"])
KINDS["numeric"] = (*KINDS["integral"], *KINDS["real floating"], *KINDS["complex floating"])
"""The standard's names for kinds of dtypes, each with the names of its dtypes; 16-bit floats are an extension."""


@dataclass(frozen=True, slots=True)
class FloatInfo:
    """What `finfo` gives, all in Python numbers; for a complex dtype, of its parts.

    bits: the size of one number. eps: the gap between 1 and the next number. max, min: the largest and the
    smallest finite number. smallest_normal: the smallest positive number of full precision.
    dtype: the real floating dtype that this is about.
    """

    bits: int
    eps: float
    max: float
    min: float
    smallest_normal: float
    dtype: np.dtype[Any]


@dataclass(frozen=True, slots=True)
class IntegerInfo:
    """What `iinfo` gives: the size of one integer in bits, the largest and the smallest, and the dtype."""

    bits: int
    max: int
    min: int
    dtype: np.dtype[Any]


def _dtype_of(value: Any) -> np.dtype[Any]:
    """The dtype of a tensor, an array or a NumPy scalar, or the dtype that `value` is."""
    if isinstance(value, np.ndarray) and (value.dtype.kind == "O" or isinstance(value, np.ma.MaskedArray)):
        value = as_array(value, STRING)  # refuses what is not text
    if isinstance(value, (np.ndarray, np.generic)) or hasattr(type(value), "__graphflow_tensor__"):
        return as_dtype(value.dtype)
    return as_dtype(value)


@public
def finfo(type: Any) -> FloatInfo:
    """The limits of a floating dtype, given as such or by a tensor of it; see FloatInfo.

    Raises DTypeError for integers, bools and what is no dtype.
    """
    dtype = _dtype_of(type)
    if not is_floating(dtype):
        raise DTypeError(f"finfo: {dtype.name} is no floating dtype; use gf.iinfo for integers")
    info: Any = ml_dtypes.finfo(dtype) if dtype.name == "bfloat16" else np.finfo(dtype)  # type: ignore[no-untyped-call]
    return FloatInfo(
        int(info.bits),
        float(info.eps),
        float(info.max),
        float(info.min),
        float(info.smallest_normal),
        as_dtype(info.dtype),
    )


@public
def iinfo(type: Any) -> IntegerInfo:
    """The limits of an integer dtype, given as such or by a tensor of it; see IntegerInfo.

    Raises DTypeError for floats, bools and what is no dtype.
    """
    dtype = _dtype_of(type)
    if dtype.kind not in "iu":
        raise DTypeError(f"iinfo: {dtype.name} is no integer dtype; use gf.finfo for floats")
    info = np.iinfo(dtype)
    return IntegerInfo(int(info.bits), int(info.max), int(info.min), dtype)


def kind_names(what: str, kind: Any) -> tuple[str, ...]:
    """The names of the dtypes that a kind, a dtype, or a tuple of them stands for. Raises ArgumentError."""
    if isinstance(kind, tuple):
        return tuple([name for item in kind for name in kind_names(what, item)])
    if isinstance(kind, str) and kind in KINDS:
        return KINDS[kind]
    try:
        return (as_dtype(kind).name,)
    except DTypeError:
        raise ArgumentError(
            f"{what}: {shorten(kind)} is neither a dtype nor one of {', '.join(map(repr, KINDS))}"
        ) from None


@public
def isdtype(dtype: Any, kind: Any) -> bool:
    """Whether `dtype` is of a kind.

    kind: "bool", "signed integer", "unsigned integer", "integral", "real floating", "complex floating" or
        "numeric"; or a dtype, which must be the same; or a tuple of those, of which one must fit.
    Raises DTypeError for what is no dtype, ArgumentError for what is no kind.
    """
    return as_dtype(dtype).name in kind_names("isdtype", kind)


@public
def result_type(*arrays_and_dtypes: Any) -> np.dtype[Any]:
    """The dtype in which tensors, arrays and dtypes meet in an operation, by the rules of promotion.

    Python scalars are weak: they give way to the dtype of the others unless their kind is wider.
    Raises ArgumentError for no arguments at all, DTypeError where there is no such dtype.
    """
    if not arrays_and_dtypes:
        raise ArgumentError("result_type: at least one array, dtype or number is needed")
    weak = [v for v in arrays_and_dtypes if type(v) in (bool, int, float, complex)]
    strong = [_dtype_of(v) for v in arrays_and_dtypes if type(v) not in (bool, int, float, complex)]
    dtype = strong[0] if strong else SUPPORTED["bool"]
    for other in strong[1:]:
        dtype = promote(dtype, other)
    for value in weak:
        dtype = weak_dtype(value, dtype) if strong else promote(dtype, as_array(value).dtype)
    return dtype


@public
def can_cast(from_: Any, to: Any) -> bool:
    """Whether `from_`, a dtype or a tensor, becomes `to` by promotion alone, as an operation would do unasked.

    int64 becomes float32 in that way, int64 does not become int32. Raises DTypeError for what is no dtype.
    """
    source, target = _dtype_of(from_), as_dtype(to)
    try:
        return promote(source, target) == target
    except DTypeError:
        return False
