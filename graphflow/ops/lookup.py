"""Tables from text to numbers and back: `gf.strings.lookup` and TensorFlow 1's table objects."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow.errors import ArgumentError, DTypeError, ShapeError, shorten
from graphflow.graph import Tensor, apply
from graphflow.op import Op, declare, public
from graphflow.ops.constant import Literal, as_array, as_tensor, as_text, constant
from graphflow.ops.ufunc import is_cuda
from graphflow.types import STRING, TensorType, dtype_name

__all__ = ["LookupTable", "index_table_from_tensor", "index_to_string_table_from_tensor", "lookup_table"]


def _infer(keys: TensorType, *, known: Literal, values: Literal, default: Literal) -> TensorType:
    return TensorType(values.array.dtype, keys.shape)


def _kernel(xp: Any, keys: Any, *, known: Literal, values: Literal, default: Literal) -> Any:
    table = dict(zip(known.array.tolist(), range(known.array.size), strict=True))
    array = xp.asnumpy(keys) if is_cuda(xp) else np.asarray(keys)  # dictionaries live on the host
    places = np.asarray([table.get(key, -1) for key in array.ravel().tolist()], dtype=np.int64)
    found = values.array[places] if values.array.size else np.full(places.shape, default.array)
    result = np.where(places < 0, default.array, found).reshape(array.shape).astype(values.array.dtype)
    return xp.asarray(result) if is_cuda(xp) else result


LOOKUP = declare(
    Op(
        "lookup_table",
        _infer,
        _kernel,
        dtype=lambda keys, *, values, **attrs: values.array.dtype,
        flops=lambda inputs, outputs, **attrs: 0,
        workspace=lambda inputs, outputs, known, values, default: (
            200 * int(known.array.size) + 64 * int(outputs[0].size)
        ),
        takes_strings=True,
        no_gradient="a table has steps",
        doc="The value that a table holds for each key.",
    )
)


def _vector(what: str, value: Any) -> np.ndarray[Any, Any]:
    text = as_text(value)
    array = as_array(value) if text is None else text
    if array.ndim != 1:
        raise ShapeError(f"lookup_table: {what} must have one axis, got {list(array.shape)}")
    return np.array(array)


class LookupTable:
    """A fixed table: `table.lookup(keys)` gives the value of each key, or the default.

    keys: text or integers [n], each once. values: text or numbers [n]. default_value: of the values' dtype.
    Raises ShapeError where keys and values differ in number, ArgumentError for repeated keys, DTypeError for a
    default of another kind.
    """

    def __init__(self, keys: Any, values: Any, default_value: Any) -> None:
        known, held = _vector("keys", keys), _vector("values", values)
        if known.dtype.kind not in "iuO":
            raise DTypeError(f"lookup_table: keys must be text or integers, got {known.dtype.name}")
        if known.shape != held.shape:
            raise ShapeError(f"lookup_table: {known.size} keys for {held.size} values")
        seen: set[Any] = set()
        for key in known.tolist():
            if key in seen:
                raise ArgumentError(f"lookup_table: the key {shorten(key)} is given more than once")
            seen.add(key)
        default = as_array(default_value, held.dtype)
        if default.ndim:
            raise ShapeError(f"lookup_table: default_value must be a scalar, got {shorten(default_value)}")
        self._attrs = {
            "known": Literal(known),
            "values": Literal(held),
            "default": Literal(np.array(default)),
        }

    @property
    def key_dtype(self) -> np.dtype[Any]:
        """The dtype of the keys."""
        dtype: np.dtype[Any] = self._attrs["known"].array.dtype
        return dtype

    @property
    def value_dtype(self) -> np.dtype[Any]:
        """The dtype of the values."""
        dtype: np.dtype[Any] = self._attrs["values"].array.dtype
        return dtype

    def __len__(self) -> int:
        return int(self._attrs["known"].array.size)

    def lookup(self, keys: Any, name: str | None = None) -> Tensor:
        """The value of each key, the default for those that the table does not hold."""
        wanted = self.key_dtype
        text = as_text(keys) if not hasattr(type(keys), "__graphflow_tensor__") else None
        t = as_tensor(keys) if text is None else constant(text)
        if t.type.dtype is not wanted and (wanted is STRING or t.type.dtype.kind not in "iu"):
            raise DTypeError(f"lookup_table: the keys of this table are {dtype_name(wanted)}, got {t.type}")
        return apply(LOOKUP, t, name=name, **self._attrs)  # type: ignore[no-any-return]


@public
def lookup_table(keys: Any, values: Any, default_value: Any) -> LookupTable:
    """A fixed table from text or integers to text or numbers; see LookupTable."""
    return LookupTable(keys, values, default_value)


@public
def index_table_from_tensor(mapping: Any, default_value: int = -1) -> LookupTable:
    """A table from each text of a vector to its place in it."""
    texts = _vector("mapping", mapping)
    return LookupTable(texts, np.arange(texts.size), default_value)


@public
def index_to_string_table_from_tensor(mapping: Any, default_value: Any = "UNK") -> LookupTable:
    """A table from a place in a vector of text to the text."""
    texts = _vector("mapping", mapping)
    return LookupTable(np.arange(texts.size), texts, default_value)
