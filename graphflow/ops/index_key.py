"""Reading an index key: its items, the axes that each is for, and what it asks for in all.

NumPy's rule for where the axes of several index arrays go: in the place of the first, if arrays and ints stand
side by side; else to the front.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from graphflow.errors import ArgumentError, DTypeError, IndexRangeError, ShapeError, shorten
from graphflow.graph import Tensor
from graphflow.op import F
from graphflow.ops.arguments import listed
from graphflow.ops.constant import constant, constant_value
from graphflow.ops.flat_index import as_indices, tensor_of
from graphflow.ops.masking import MaskError, as_mask, places
from graphflow.ops.slicing import FULL, Triple
from graphflow.types import Dim, as_index

__all__ = ["Item", "Request", "request_of"]

# --- reading a key --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Item:
    """One item of a key: its kind, its value, and how many axes of `x` it takes up."""

    kind: (
        str  # "int", "slice", "new", "index", "mask"; "rest": an Ellipsis; "gap": one that stands for no axes
    )
    value: Any = None
    axes: int = 1
    at: int = 0  # the axis of x, counted from the end after a "rest" of unknown length
    place: int = 0  # the axis once slices, ints and new axes are done, likewise

    @property
    def is_advanced(self) -> bool:
        """True for index arrays and masks."""
        return self.kind in ("index", "mask")

    @property
    def width(self) -> int:
        """Axes that are left of it once slices, ints and new axes are done."""
        return 0 if self.kind in ("int", "gap") else max(self.axes, 1)


def _items(op: str, x: Tensor, key: Any) -> list[Item]:
    """The items of a key, with the axes that each is for."""
    parts = key if isinstance(key, tuple) else (key,)
    items = [item for part in parts for item in _item(op, part)]
    rests = sum(item.kind == "rest" for item in items)
    if rests > 1:
        raise ArgumentError(f"{op}: a key can have only one Ellipsis, got {shorten(key)}")
    if not rests:
        items.append(Item("rest"))
    where = next(k for k, item in enumerate(items) if item.kind == "rest")
    used = sum(item.axes for item in items if item.kind != "rest")
    shape = x.type.shape
    if shape is not None:
        if used > len(shape):
            raise IndexRangeError(f"{op}: {shorten(key)} has {used} indices, too many for {x.type}")
        filling = [Item("slice", FULL)] * (len(shape) - used)
        items[where : where + 1] = filling or [Item("gap", axes=0)]
    return _placed(_with_masks_resolved(op, x, _placed(items)))


def _item(op: str, part: Any) -> list[Item]:
    if part is None:
        return [Item("new", axes=0)]
    if part is Ellipsis:
        return [Item("rest")]
    if isinstance(part, slice):
        return [Item("slice", _triple(op, part))]
    if isinstance(part, (bool, np.bool_)):
        return [_flag(bool(part))]
    if hasattr(type(part), "__graphflow_tensor__") or isinstance(part, (np.ndarray, list)):
        return [_array(op, part)]
    if isinstance(part, (float, complex, str, bytes)) or not hasattr(part, "__index__"):
        if hasattr(part, "__array__") or isinstance(part, (range, tuple)):
            return [_array(op, list(part) if isinstance(part, (range, tuple)) else part)]
        raise DTypeError(
            f"{op}: {shorten(part)} is no index; use ints, slices, Ellipsis, None, or arrays of ints or bools"
        )
    return [Item("int", as_index(part, f"{op}: index"))]


def _array(op: str, part: Any) -> Item:
    tensor = tensor_of(op, "index", part)
    if tensor.type.dtype.kind != "b":
        index = as_indices(op, part if isinstance(part, list) else tensor)
        array = constant_value(index)
        return Item("int", int(array)) if array is not None and array.ndim == 0 else Item("index", index)
    mask = as_mask(op, tensor)
    if mask.type.rank:
        return Item("mask", mask, mask.type.rank)
    known = constant_value(mask)
    if known is not None:
        return _flag(bool(known))
    return Item("mask", F.reshape(mask, (1,)), 0)


def _flag(value: bool) -> Item:
    """A lone True or False: a new axis of one or no element."""
    return Item("index", constant(np.zeros(int(value), np.int64)), axes=0)


def _triple(op: str, part: slice) -> Triple:
    start, stop, step = [
        _bound(value, f"{op}: slice {what}")
        for value, what in ((part.start, "start"), (part.stop, "stop"), (part.step, "step"))
    ]
    if isinstance(step, int) and step == 0:
        raise ArgumentError(f"{op}: the step of a slice cannot be 0")
    step = None if step == 1 else step
    return None if step is None and start == 0 else start, stop, step


def _bound(value: Any, what: str) -> Any:
    if value is None or isinstance(value, Dim):
        return value
    if hasattr(type(value), "__graphflow_tensor__"):
        found = listed(value, what)
        if value.__graphflow_tensor__().type.shape != () or len(found) != 1:
            raise ShapeError(f"{what} must be a scalar, got {value!r}")
        return found[0]
    return as_index(value, what)


def _placed(items: Sequence[Item]) -> list[Item]:
    """The items with their axes: counted from the front before a "rest", from the end after it."""
    result = list(items)
    rest = next((k for k, item in enumerate(items) if item.kind == "rest"), len(items))
    at = place = 0
    for k in range(rest):
        result[k] = replace(items[k], at=at, place=place)
        at, place = at + items[k].axes, place + items[k].width
    at = place = 0
    for k in range(len(items) - 1, rest, -1):
        at, place = at - items[k].axes, place - items[k].width
        result[k] = replace(items[k], at=at, place=place)
    return result


def _with_masks_resolved(op: str, x: Tensor, items: list[Item]) -> list[Item]:
    """Masks that are constants, or that stand beside other arrays, as index arrays; any other mask stays."""
    alone = sum(item.is_advanced for item in items) == 1
    result = []
    for item in items:
        if item.kind != "mask":
            result.append(item)
            continue
        mask: Tensor = item.value
        covered = (
            None if x.type.shape is None or not item.axes else x.type.shape[item.at : item.at + item.axes]
        )
        value = constant_value(mask)
        if covered is not None and all(type(d) is int for d in covered) and mask.type.is_static:
            if covered != mask.type.shape:
                if not _picks_nothing(covered, mask.type.dims):
                    raise MaskError(f"{op}: mask {mask.type} does not fit {x.type} from axis {item.at} on")
                value = np.zeros(covered, bool)
        if value is not None and (not item.axes or covered == value.shape):
            found = [constant(i) for i in np.nonzero(value)]
        elif alone:
            result.append(item)
            continue
        else:
            found = list(places(mask))
        result.extend(Item("index", i, min(item.axes, 1)) for i in found)
    return result


def _picks_nothing(covered: Sequence[Any], dims: Sequence[Any]) -> bool:
    """Whether a mask has no elements and each of its sizes is right or 0: NumPy takes that for a mask of False."""
    fits = all(d in (size, 0) for size, d in zip(covered, dims, strict=True))
    return fits and any(d == 0 for d in dims)


# --- what a key asks for --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Request:
    """A key, taken apart: a regular part, then new axes, then what arrays or a mask pick of that."""

    part: dict[str, Any]
    is_whole: bool
    new: tuple[int, ...]
    advanced: tuple[Item, ...]
    to_front: bool


def request_of(op: str, x: Tensor, key: Any) -> Request:
    items = _items(op, x, key)
    slices: dict[bool, dict[int, Triple]] = {False: {}, True: {}}
    for item in items:
        if item.kind == "slice" and item.value != FULL:
            slices[item.at < 0][item.at] = item.value
    lead = tuple([slices[False].get(k, FULL) for k in range(max(slices[False], default=-1) + 1)])
    trail = tuple([slices[True].get(k, FULL) for k in range(min(slices[True], default=0), 0)])
    picks = tuple([(item.at, item.value) for item in items if item.kind == "int"])
    advanced = tuple([item for item in items if item.is_advanced])
    new = [item.place for item in items if item.kind == "new" or (item.is_advanced and not item.axes)]
    together = [k for k, item in enumerate(items) if item.kind == "int" or item.is_advanced]
    apart = bool(together) and len(together) <= together[-1] - together[0]
    return Request(
        {"slices": lead, "trailing": trail, "picks": picks},
        not (lead or trail or picks),
        tuple(new),
        advanced,
        bool(advanced) and apart,
    )
