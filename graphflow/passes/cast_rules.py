"""Casts of casts that lose nothing on their way. All of these rules keep every bit."""

from __future__ import annotations

import functools
from typing import Any

import ml_dtypes
import numpy as np

from graphflow.graph import Node
from graphflow.passes.operand_rules import ALWAYS, combined
from graphflow.passes.operands import in_place_of, made, maker, stand_in
from graphflow.passes.rules import Inputs
from graphflow.types import is_floating

__all__ = ["CASTS", "holds", "same_by_way_of"]


def holds(wide: np.dtype[Any], narrow: np.dtype[Any]) -> bool:
    """Whether every value of `narrow` is one of `wide`."""
    return _holds(wide.name, narrow.name)


@functools.lru_cache(maxsize=512)
def _holds(wide: str, narrow: str) -> bool:
    a, b = _dtype(wide), _dtype(narrow)
    if a == b or b.kind == "b":
        return True
    if a.kind == "b" or (b.kind == "c" and a.kind != "c"):
        return False
    if is_floating(b):
        return is_floating(a) and _digits(a) >= _digits(b) and _exponent(a) >= _exponent(b)
    if is_floating(a):
        return _digits(a) >= _digits(b) and _exponent(a) >= _digits(b)
    first, second = np.iinfo(a), np.iinfo(b)
    return bool(first.min <= second.min and first.max >= second.max)


def _dtype(name: str) -> np.dtype[Any]:
    return np.dtype(ml_dtypes.bfloat16 if name == "bfloat16" else name)


def _digits(dtype: np.dtype[Any]) -> int:
    """How many binary digits of an integer, or of a mantissa, a dtype has."""
    if is_floating(dtype):
        return int(ml_dtypes.finfo(dtype).nmant) + 1  # type: ignore[no-untyped-call]
    limits = np.iinfo(dtype)
    return limits.bits - (limits.min < 0)


def _exponent(dtype: np.dtype[Any]) -> int:
    return int(ml_dtypes.finfo(dtype).maxexp)  # type: ignore[no-untyped-call]


def same_by_way_of(start: np.dtype[Any], middle: np.dtype[Any], end: np.dtype[Any]) -> bool:
    """Whether a cast from `start` by way of `middle` to `end` gives what the direct one gives.

    Integers wrap around when they become integers, and are kept within bounds when they come from floats.
    """
    if start.kind == "c" and end.kind not in "cb":
        return False  # there is no direct cast
    if not holds(middle, start):  # integers: what wraps around early wraps around late
        integers = not (is_floating(start) or is_floating(middle) or is_floating(end))
        return integers and "b" not in (middle.kind, end.kind) and middle.itemsize >= end.itemsize
    was_float, is_float = is_floating(start), is_floating(middle)
    return was_float == is_float or is_floating(end) or end.kind == "b" or holds(end, start)


def cast_twice(node: Node, inputs: Inputs) -> Inputs | None:
    """cast(cast(x, wide), dtype) = cast(x, dtype), and x itself where it has that dtype."""
    inner = maker(inputs[0], "cast")
    if inner is None:
        return None
    x, end = inner.inputs[0], node.attrs["dtype"]
    start, middle = x.type.dtype, inner.attrs["dtype"]
    if start == end:
        back = holds(middle, start) or _wraps_back(start, middle)
        return stand_in(node, x) if back else None
    if not same_by_way_of(start, middle, end):
        return None
    return in_place_of(node, made(node, "cast", x, dtype=end))


def _wraps_back(start: np.dtype[Any], middle: np.dtype[Any]) -> bool:
    """Integers that wrap around on their way there and back are the same again."""
    return start.kind in "iu" and middle.kind in "iu" and middle.itemsize >= start.itemsize


def cast_to_itself(node: Node, inputs: Inputs) -> Inputs | None:
    return stand_in(node, inputs[0]) if inputs[0].type.dtype == node.attrs["dtype"] else None


def part_of_real(node: Node, inputs: Inputs) -> Inputs | None:
    """real(cast(x, complex)) = cast(x, real)."""
    inner = maker(inputs[0], "cast")
    if inner is None or inner.inputs[0].type.dtype.kind == "c":
        return None
    x, dtype = inner.inputs[0], node.outputs[0].type.dtype
    if x.type.dtype == dtype:
        return stand_in(node, x)
    return in_place_of(node, made(node, "cast", x, dtype=dtype))


CASTS = combined(
    {
        "cast": {"cast": (cast_twice,), ALWAYS: (cast_to_itself,)},
        "real": {"cast": (part_of_real,)},
    }
)
