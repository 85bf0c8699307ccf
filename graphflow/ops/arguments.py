"""What arguments that are sizes or axes may hold, and how they become attributes of nodes.

A shape argument takes ints, dimensions and, as TensorFlow 1 programs write it, tensors computed from
shapes: `reshape(x, [shape(x)[0], -1])` is followed back to the dimensions it is made of.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

import numpy as np

from graphflow.errors import ArgumentError, ShapeError, shorten
from graphflow.graph import Tensor
from graphflow.types import (
    MAX_NBYTES,
    MAX_RANK,
    Dim,
    DimLike,
    Shape,
    TensorType,
    as_index,
    dim_product,
    exact_quotient,
    normalize_axes,
    python_index,
)

__all__ = [
    "axis_attr",
    "dims_argument",
    "flag",
    "items_of",
    "known_shape",
    "listed",
    "one_dim",
    "static_ints",
    "text",
    "typed",
]


MAX_ITEMS = 200_000
"""Iterators may give fewer than that: some never end."""


def axis_attr(what: str, axis: Any, x: Tensor) -> tuple[int, ...] | None:
    """Axes as an attribute: None, or a tuple of ints, non-negative where the rank of `x` allows.

    An axis that is out of range stays as it is, for `infer` to refuse with the user's line.
    Raises ArgumentError for anything but integers.
    """
    if axis is None:
        return None
    items = axis if isinstance(axis, (tuple, list)) else (axis,)
    axes = tuple([as_index(a, f"{what}: axis") for a in items])
    if x.type.shape is not None:
        ndim = len(x.type.shape)
        axes = tuple([a + ndim if -ndim <= a < 0 else a for a in axes])
    return axes


def flag(value: Any, op: str, what: str) -> bool:
    """A bool from True, False, 1 or 0. Raises ArgumentError for anything else, tensors and texts included."""
    if value is True or value is False:
        return value
    if isinstance(value, (int, np.integer, np.bool_)) and 0 <= value <= 1:
        return bool(value)
    raise ArgumentError(f"{op}: {what} must be True or False, not {shorten(value)}")


def typed(dtype: np.dtype[Any], dims: Shape) -> TensorType:
    """A type whose shape was computed. Raises ShapeError above 64 axes or 2^63 elements.

    Of an array without elements, the sizes besides 0 count: no array library makes one of 0 times 2^63 numbers.
    """
    if len(dims) > MAX_RANK:
        raise ShapeError(f"the result would have {len(dims)} axes, more than {MAX_RANK}")
    elements = math.prod(d for d in dims if type(d) is int and d)
    if elements > MAX_NBYTES:
        raise ShapeError(f"the result {list(dims)} would have {shorten(elements)} elements, more than 2^63")
    if elements * dtype.itemsize > MAX_NBYTES and 0 in [d for d in dims if type(d) is int]:
        raise ShapeError(f"the result {list(dims)} has sizes beside its 0 that make more than 2^63 bytes")
    return TensorType(dtype, dims)


def known_shape(x: Tensor) -> Shape | None:
    """The shape, if every size in it is a number or has a name; None where something is unknown.

    What has a name keeps its meaning in the attributes of any node; an unnamed size may be known
    only together with `x`.
    """
    dims = x.type.shape
    if dims is None:
        return None
    for d in dims:
        if isinstance(d, Dim) and d.is_anonymous:
            return None
    return dims


def listed(value: Any, what: str) -> list[Any]:
    """The items of a list, tuple, 1-d array or tensor made of sizes; a lone int gives a list of one.

    Raises ShapeError, naming `what`, for anything else.
    """
    if hasattr(type(value), "__graphflow_tensor__"):
        found = _symbolic(value.__graphflow_tensor__())
        if found is None or found.ndim > 1:
            raise ShapeError(
                f"{what}: the value of {value!r} is not known before the run; "
                "pass ints, or sizes taken from gf.shape(x)"
            )
        return list(found.reshape(-1))
    if isinstance(value, Dim) or hasattr(value, "__index__"):
        return [value]
    if isinstance(value, (str, bytes, AbstractSet, Mapping)):
        raise ShapeError(f"{what} must be a sequence of ints, not {shorten(value)}")
    try:
        return list(itertools.islice(value, MAX_RANK + 1))
    except TypeError:
        raise ShapeError(f"{what} must be a sequence of ints, not {shorten(value)}") from None


def _dimension(item: Any, what: str, whole: Any) -> DimLike:
    if isinstance(item, Dim):
        return item
    if hasattr(type(item), "__graphflow_tensor__"):
        items = listed(item, what)
        if len(items) == 1:
            return _dimension(items[0], what, whole)
    if item is None:
        raise ShapeError(
            f"{what} {shorten(whole)}: None is no size; take gf.shape(x)[axis] for a size that is not known yet"
        )
    if isinstance(item, (bool, np.bool_)) or not hasattr(item, "__index__"):
        raise ShapeError(f"{what} {shorten(whole)}: {shorten(item)} is not an int")
    try:
        return python_index(item)
    except TypeError:
        raise ShapeError(f"{what} {shorten(whole)}: {shorten(item)} is not an int") from None


def dims_argument(value: Any, what: str, *, wildcard: bool = False) -> Shape:
    """A shape from an int, a sequence of ints, dimensions and size tensors, or a tensor of sizes.

    wildcard: one -1 is allowed and kept.
    Raises ShapeError for negative sizes, non-integers, more than 64 axes or more than 2^63 elements.
    """
    items = listed(value, what)
    if len(items) > MAX_RANK:
        raise ShapeError(f"{what} has more than {MAX_RANK} axes")
    dims = tuple([_dimension(item, what, value) for item in items])
    wild = 0
    for d in dims:
        if type(d) is int and d < 0:
            wild += 1
            if d != -1 or not wildcard:
                raise ShapeError(f"{what} {shorten(value)}: size {shorten(d)} is negative")
    if wild > 1:
        raise ShapeError(f"{what} {shorten(value)}: only one size can be -1")
    elements = math.prod(d for d in dims if type(d) is int and d > 0)
    if elements > MAX_NBYTES:
        raise ShapeError(f"{what} {shorten(value)} has {shorten(elements)} elements, more than 2^63")
    return dims


def one_dim(value: Any, what: str) -> DimLike:
    """One size: an int, a dimension or a size tensor. Raises ShapeError for anything else."""
    dims = dims_argument(value, what)
    if len(dims) != 1:
        raise ShapeError(f"{what} must be one size, not {shorten(value)}")
    return dims[0]


def items_of(value: Any, what: str) -> list[Any]:
    """The items of a list, tuple, array or iterator. Raises ArgumentError for texts, sets, tensors and others."""
    if isinstance(value, (list, tuple)):
        return list(value)
    unordered = isinstance(value, (str, bytes, AbstractSet, Mapping)) or hasattr(
        type(value), "__graphflow_tensor__"
    )
    try:
        items = None if unordered else list(itertools.islice(value, MAX_ITEMS))
    except TypeError:
        items = None
    if items is None or len(items) == MAX_ITEMS:
        raise ArgumentError(f"{what} must be a list, not {shorten(value)}")
    return items


def text(value: Any, what: str) -> str:
    """A str; an empty one for None. Raises ArgumentError for anything else."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ArgumentError(f"{what} must be a text, not {shorten(value)}")
    return value


def static_ints(value: Any, what: str) -> Any:
    """A nest of ints with constant tensors replaced by their values. Raises ArgumentError for other tensors."""
    if not hasattr(type(value), "__graphflow_tensor__"):
        return value
    tensor = value.__graphflow_tensor__()
    found = _symbolic(tensor)
    if found is None:
        raise ArgumentError(f"{what} must be known when the graph is built, not computed by {tensor!r}")
    return found.tolist()


# --- tensors made of sizes ------------------------------------------------------------------------

_MAX_NODES = 1000


def _constant(node: Any) -> np.ndarray[Any, Any] | None:
    array = node.attrs["value"].array
    return array.astype(object) if array.dtype.kind in "iu" and array.size <= MAX_RANK else None


def _sizes_of(node: Any) -> np.ndarray[Any, Any] | None:
    dims = node.inputs[0].type.shape
    if dims is None:
        return None
    _note_sources(node.inputs[0])
    if node.type == "shape":
        return _objects(dims)
    if node.type == "rank":
        return _objects(len(dims))
    return _objects(dim_product(dims[a] for a in normalize_axes(node.attrs["axis"], len(dims))))


def _note_sources(t: Tensor) -> None:
    """Tell the graph which node has to run for the sizes of `t` that depend on data to be known."""
    for d in t.type.dims:
        if type(d) is not Dim or not d.is_anonymous:
            continue
        for symbol in d.symbols:
            source = t.op
            while before := [i.op for i in source.inputs if _speaks_of(i, symbol)]:
                source = before[0]
            if symbol.startswith("?") and not source.op.is_source:
                t.graph.size_sources[symbol] = source


def _speaks_of(t: Tensor, symbol: str) -> bool:
    return any(type(d) is Dim and symbol in d.symbols for d in t.type.shape or ())


def _objects(value: Any) -> np.ndarray[Any, Any]:
    return np.array(value, dtype=object)


def _divided(a: Any, b: Any) -> Any:
    quotient = exact_quotient(a, b)
    if quotient is None and type(a) is int and type(b) is int and b:
        return a // b
    return quotient


def _rearranged(node: Any, *values: Any) -> Any:
    return node.op.kernel(np, *values, **node.attrs)


_MEANING: Mapping[str, Callable[..., Any]] = {
    "add": lambda node, a, b: a + b,
    "subtract": lambda node, a, b: a - b,
    "multiply": lambda node, a, b: a * b,
    "floor_divide": lambda node, a, b: np.frompyfunc(_divided, 2, 1)(a, b),
    "prod": lambda node, x: np.multiply.reduce(x, axis=node.attrs["axis"], keepdims=node.attrs["keepdims"]),
    "sum": lambda node, x: np.add.reduce(x, axis=node.attrs["axis"], keepdims=node.attrs["keepdims"]),
    "cast": lambda node, x: x if node.attrs["dtype"].kind in "iu" else None,
    **dict.fromkeys(
        ("concat", "expand_dims", "getitem", "reshape", "squeeze", "strided_slice", "take", "unflatten"),
        _rearranged,
    ),
}
"""What the ops that programs compute sizes with do to arrays of ints and dimensions."""


def _symbolic(tensor: Tensor) -> np.ndarray[Any, Any] | None:
    """The value of an integer tensor as an object array of ints and Dims, or None where that is not known."""
    env: dict[Tensor, np.ndarray[Any, Any] | None] = {}
    stack = [tensor]
    steps = 0
    while stack:
        t = stack[-1]
        node = t.op
        if t in env:
            stack.pop()
            continue
        steps += 1
        name = node.op.name
        if steps > _MAX_NODES or t.type.dtype.kind not in "iu":
            env[t] = None
        elif name == "constant":
            env[t] = _constant(node)
        elif name in ("shape", "size", "rank"):
            env[t] = _sizes_of(node)
        elif name not in _MEANING:
            env[t] = None
        else:
            missing = [i for i in node.inputs if i not in env]
            if missing:
                stack.extend(missing)
                continue
            env[t] = _applied(node, [env[i] for i in node.inputs])
    return env[tensor]


def _applied(node: Any, values: list[np.ndarray[Any, Any] | None]) -> np.ndarray[Any, Any] | None:
    if any(v is None for v in values):
        return None
    arrays = [
        v.astype(np.int64) if k and node.op.name == "take" and v is not None else v
        for k, v in enumerate(values)
    ]
    try:
        result = _MEANING[node.op.name](node, *arrays)
    except (TypeError, ValueError, IndexError, KeyError):
        return None
    if result is None or any(item is None for item in np.asarray(result, dtype=object).reshape(-1)):
        return None
    return np.asarray(result, dtype=object)
