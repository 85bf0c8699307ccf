"""What a caller feeds: checked against the tensor's type and converted before anything runs."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow.errors import DTypeError, FeedError, GraphflowError, shorten
from graphflow.graph import Tensor
from graphflow.ops.constant import as_array
from graphflow.types import STRING, is_floating

__all__ = ["FeedDTypeError", "as_feed"]


class FeedDTypeError(FeedError, DTypeError):
    """A fed value of a dtype that the tensor cannot take."""


def as_feed(t: Tensor, value: Any) -> np.ndarray[Any, Any]:
    """`value` as a C-contiguous array of `t`'s dtype; shared with the caller where it already is one.

    Same or wider kinds are converted, as TensorFlow does: bool and ints to floats, float64 to float32,
    ints to a narrower int if every value fits. Raises FeedError (and DTypeError) for anything else.
    """
    dtype = t.type.dtype
    if dtype is STRING:
        return _as_text(t, value)
    if type(value) is np.ndarray and value.dtype == dtype and value.flags.carray:
        return value
    if (
        type(value) is np.ndarray
        and value.dtype == dtype
        and value.flags.c_contiguous
        and value.flags.aligned
    ):
        return value
    if value is None or hasattr(type(value), "__graphflow_tensor__") or callable(value):
        raise FeedDTypeError(f"'{t.name}' needs {t.type}, was fed {shorten(value)}").at(t.op.place)
    if hasattr(value, "__next__") or isinstance(value, (set, frozenset, dict)):
        raise FeedDTypeError(
            f"'{t.name}' needs {t.type}, was fed {shorten(value)}; make it an array or a list first"
        ).at(t.op.place)
    try:
        array = as_array(value, weak_floats=False)
        if _kind_order(array.dtype) > _kind_order(dtype):
            raise DTypeError(f"{array.dtype.name} cannot become {dtype.name} without a cast")
        array = as_array(array, dtype)
    except DTypeError as error:
        raise FeedDTypeError(f"'{t.name}' needs {t.type}, was fed {_describe(value)}: {error}").at(
            t.op.place
        ) from error.__cause__
    except GraphflowError as error:
        raise FeedError(f"'{t.name}' needs {t.type}, was fed {_describe(value)}: {error}").at(
            t.op.place
        ) from error.__cause__
    if not (array.flags.c_contiguous and array.flags.aligned):
        array = np.array(array, order="C")
    return array


def _as_text(t: Tensor, value: Any) -> np.ndarray[Any, Any]:
    try:
        return as_array(value, STRING)
    except GraphflowError as error:
        raise FeedDTypeError(f"'{t.name}' needs {t.type}, was fed {_describe(value)}: {error}").at(
            t.op.place
        ) from error.__cause__


def _describe(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{list(value.shape)}"
    return shorten(value)


def _kind_order(dtype: np.dtype[Any]) -> int:
    """0 bool, 1 integer, 2 real, 3 complex: a feed may go up, never down."""
    if dtype.kind == "b":
        return 0
    if dtype.kind in "iu":
        return 1
    return 3 if dtype.kind == "c" else 2 if is_floating(dtype) else 4
