"""`x[key]` and its functional counterpart of `x[key] = value`, with NumPy's meaning of a key.

Slices become `strided_slice`, ints `getitem`, None `expand_dims`, integer arrays and tensors one `take`, a mask
`boolean_mask`; all but the last two are views.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from graphflow.errors import DTypeError, ShapeError
from graphflow.graph import Tensor, composition
from graphflow.op import F, public
from graphflow.ops.basic_index import Picks, get_part, pick, set_part
from graphflow.ops.constant import as_tensor
from graphflow.ops.flat_index import tensor_of
from graphflow.ops.index_key import Item, Request, request_of
from graphflow.ops.masking import mask_at, set_where
from graphflow.ops.scatter import scattered
from graphflow.ops.take import take_at
from graphflow.types import promote

__all__ = ["getitem", "setitem"]


def _side_by_side(advanced: Sequence[Item]) -> bool:
    first = advanced[0].place
    return all(item.place == first + k for k, item in enumerate(advanced))


def _front_order(op: str, x: Tensor, advanced: Sequence[Item]) -> tuple[int, ...]:
    """The order of axes that brings those of the arrays to the front."""
    if x.type.shape is None:
        raise ShapeError(f"{op}: index arrays that stand apart need a tensor of known rank, got {x!r}")
    moved = [item.place + k for item in advanced for k in range(item.width)]
    return (*moved, *[k for k in range(x.type.rank) if k not in moved])


def _lone_ints(x: Tensor, key: Any) -> Picks:
    """What a key of Python ints alone picks, none for any other key: the short way for programs that look at elements."""
    parts = key if type(key) is tuple else (key,)
    shape = x.type.shape
    if shape is None or len(parts) > len(shape):
        return ()
    for part in parts:
        if type(part) is not int or part.bit_length() > 64:
            return ()
    return tuple(enumerate(parts))


# --- public ---------------------------------------------------------------------------------------


@public
def getitem(x: Any, key: Any, name: str | None = None) -> Tensor:
    """`x[key]`, as NumPy has it.

    key: ints, slices, Ellipsis, None, arrays and tensors of integers (broadcast together), masks; or a tuple
        of those. Bounds of slices may be dimensions, and sizes taken from `shape(t)`. Regular keys are views.
    A mask that is no constant, in `x[mask]`, gives an axis whose length is known only at the run.
    Raises IndexRangeError for an index that is out of range, as early as it can be known, and for too many
    indices; DTypeError for floats and other things that are no indices; ShapeError for a mask that does not fit.
    """
    x = as_tensor(x)
    picks = _lone_ints(x, key)
    if picks:
        return pick(x, picks, name)
    request = request_of("getitem", x, key)
    advanced = request.advanced
    if not advanced and not request.new:
        return get_part(x, **request.part, name=name)
    if not advanced and request.is_whole:
        return F.expand_dims(x, request.new, name=name)  # type: ignore[no-any-return]
    if request.is_whole and not request.new and not request.to_front:
        return _pick(x, advanced, name)
    with composition("getitem" if name is None else name):
        y = get_part(x, **request.part)
        if request.new:
            y = F.expand_dims(y, request.new)
        if not advanced:
            return y
        if not request.to_front:
            return _pick(y, advanced)
        if _side_by_side(advanced):
            return _result_to_front(_pick(y, advanced), y, advanced)
        y = F.permute_dims(y, _front_order("getitem", y, advanced))
        return take_at(y, [item.value for item in advanced], 0, "getitem")


def _pick(x: Tensor, advanced: Sequence[Item], name: str | None = None) -> Tensor:
    first = advanced[0]
    if first.kind == "mask":
        return mask_at(x, first.value, first.place, name)
    return take_at(x, [item.value for item in advanced], first.place, "getitem", name)


def _result_to_front(picked: Tensor, x: Tensor, advanced: Sequence[Item]) -> Tensor:
    if picked.type.shape is None or x.type.shape is None:
        raise ShapeError(f"getitem: index arrays that stand apart from an int need known ranks, got {x!r}")
    removed = sum(item.width for item in advanced)
    count = picked.type.rank - x.type.rank + removed
    first = advanced[0].place % x.type.rank
    moved = range(first, first + count)
    order = (*moved, *[k for k in range(picked.type.rank) if k not in moved])
    return picked if order == tuple(range(len(order))) else F.permute_dims(picked, order)


@public
def setitem(x: Any, key: Any, value: Any, name: str | None = None) -> Tensor:
    """A copy of `x` in which `x[key]` is `value`; `x` stays as it is.

    key: as for `getitem`; where index arrays name a place again, the last value stays.
    value: broadcast to the shape of `x[key]`, cast where nothing is lost; gradients flow to both.
    Raises as `getitem`; ShapeError for a value that does not broadcast, DTypeError for one that x's dtype
    cannot hold; at the run RunError for another number of values than a mask picks.
    """
    x = as_tensor(x)
    value = _value(x, value)
    request = request_of("setitem", x, key)
    advanced = request.advanced
    if not advanced and not request.new:
        return set_part(x, _trimmed(value, x, request), **request.part, name=name)
    if request.is_whole and not request.new and not request.to_front:
        return _put(x, advanced, value, name)
    with composition("setitem" if name is None else name):
        y = get_part(x, **request.part)
        if request.new:
            y = F.expand_dims(y, request.new)
        if not advanced:
            y = F.broadcast_to_like(value, y)
        elif request.to_front:
            order = _front_order("setitem", y, advanced)
            moved = F.permute_dims(y, order)
            front = [
                replace(item, place=sum(a.width for a in advanced[:k])) for k, item in enumerate(advanced)
            ]
            y = F.permute_dims(_put(moved, front, value), tuple(np.argsort(order).tolist()))
        else:
            y = _put(y, advanced, value)
        if request.new:
            y = F.squeeze(y, request.new)
        return y if request.is_whole else set_part(x, y, **request.part)


def _value(x: Tensor, value: Any) -> Tensor:
    dtype = x.type.dtype
    tensor = tensor_of("setitem", "value", value, None if hasattr(value, "dtype") else dtype)
    if tensor.type.dtype != dtype:
        if promote(tensor.type.dtype, dtype) != dtype:
            raise DTypeError(f"setitem: {tensor.type} does not fit {x.type}; cast it first")
        tensor = F.cast(tensor, dtype)
    return tensor


def _trimmed(value: Tensor, x: Tensor, request: Request) -> Tensor:
    """The value without leading axes of size 1 that the part does not have, as NumPy allows."""
    if x.type.shape is None or value.type.shape is None:
        return value
    extra = value.type.rank - (x.type.rank - len(request.part["picks"]))
    if extra > 0 and all(type(d) is int and d == 1 for d in value.type.dims[:extra]):
        return F.squeeze(value, tuple(range(extra)))  # type: ignore[no-any-return]
    return value


def _put(x: Tensor, advanced: Sequence[Item], value: Tensor, name: str | None = None) -> Tensor:
    first = advanced[0]
    if first.kind == "mask":
        return set_where(x, first.value, value, first.place, name)
    return scattered("setitem", x, [item.value for item in advanced], value, first.place, "update", name)
