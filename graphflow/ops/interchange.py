"""Arrays and tensors that come in and go out: `asarray`, `from_dlpack`, DLPack export, and moves between devices."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from graphflow.errors import ArgumentError, DTypeError, GraphflowError, shorten
from graphflow.graph import Tensor, canonical_device
from graphflow.graph import device as place
from graphflow.op import F, public
from graphflow.operators import ExportError
from graphflow.ops.arguments import flag
from graphflow.ops.constant import as_array, as_tensor, as_text, constant, holds_tensor
from graphflow.types import as_dtype

__all__ = ["asarray", "from_dlpack", "on_device", "to_device"]


def on_device(device: Any) -> AbstractContextManager[None]:
    """Make nodes on a device; None leaves that to the scope in force and to the session."""
    return nullcontext() if device is None else place(device)


def _moved(x: Tensor, device: Any, name: str | None) -> Tensor:
    """`x` on a device, where it is asked for another one."""
    if device is None or x.device == canonical_device(device):
        return x
    with place(device):
        return F.identity(x, name=name)  # type: ignore[no-any-return]


@public
def to_device(x: Any, device: Any, /, *, stream: Any = None, name: str | None = None) -> Tensor:
    """`x` on a device: itself, if that is where it was asked to be, else a node there that hands it on.

    device: as for `gf.device`. stream: None, as graphflow orders the work itself.
    Raises ArgumentError for a device that is none, or a stream.
    """
    if stream is not None:
        raise ArgumentError(
            f"to_device: streams are graphflow's own; stream must be None, not {shorten(stream)}"
        )
    canonical_device(device)
    return _moved(as_tensor(x), device, name)


@public
def asarray(
    obj: Any, /, *, dtype: Any = None, device: Any = None, copy: bool | None = None, name: str | None = None
) -> Tensor:
    """`obj` as a tensor.

    obj: a tensor, which comes back itself unless something has to change; a Python number, an array, or anything
        that NumPy can read (buffers, `__array__`, DLPack), copied into a constant; a nest of all those.
    dtype: cast to it. Left out: that of the array; of Python numbers bool, int64, the default float or the
        complex type that holds it. Floats too large for it become infinite, as in any other array library.
    device: where the tensor is wanted; see `gf.device`.
    copy: True makes a tensor of its own, which `y[k] = v` can change without changing `obj`; False refuses with
        ArgumentError what cannot do without one; None copies where needed.
    Raises DTypeError for what is no array of numbers, or does not fit the dtype.
    """
    wanted = None if dtype is None else as_dtype(dtype)
    always = False if copy is None else flag(copy, "asarray", "copy")
    if not hasattr(type(obj), "__graphflow_tensor__"):
        if copy is False:
            raise ArgumentError(f"asarray: a constant is a copy, so copy=False cannot be for {shorten(obj)}")
        try:
            return _from_values(obj, wanted, device, name)
        except GraphflowError as error:
            if error.located or error.text.startswith("asarray"):
                raise
            raise type(error)(f"asarray: {error}") from error.__cause__
    x: Tensor = obj.__graphflow_tensor__()
    y = x if wanted is None or x.dtype == wanted else F.cast(x, wanted, name=name)
    y = _moved(y, device, name)
    if y is x:
        return F.identity(x, name=name) if always else x
    if copy is False:
        raise ArgumentError(f"asarray: {x!r} must be copied for {shorten(dtype)} on {shorten(device)}")
    return y


def _from_values(obj: Any, wanted: Any, device: Any, name: str | None) -> Tensor:
    with on_device(device):
        if isinstance(obj, (list, tuple)):
            if not holds_tensor(obj):
                return constant(_numbers(obj, wanted), wanted, name=name)
            stacked = as_tensor(obj)
            return stacked if wanted is None else F.cast(stacked, wanted, name=name)
        if not hasattr(type(obj), "__array__") and hasattr(type(obj), "__dlpack__"):
            obj = _imported("asarray", obj)
        if wanted is None or type(obj) in (bool, int, float, complex):
            return constant(_numbers(obj, wanted), wanted, name=name)
        array = as_array(obj)
        if array.dtype == wanted:
            return constant(array, name=name)
        return F.cast(constant(array), wanted, name=name)  # type: ignore[no-any-return]


def _numbers(obj: Any, wanted: Any) -> Any:
    """The array, or the text, that `constant` is to hold: floats too large for it have become infinite."""
    text = as_text(obj) if wanted is None else None
    return as_array(obj, wanted, overflow=True) if text is None else text


# --- DLPack ---------------------------------------------------------------------------------------


def _imported(what: str, x: Any) -> np.ndarray[Any, Any]:
    """An array that speaks DLPack as a NumPy array, brought to the host."""
    if isinstance(x, np.ma.MaskedArray):
        raise DTypeError(f"{what}: a masked array has no plain values; use .filled() first")
    try:
        return np.from_dlpack(x, device="cpu")
    except Exception as error:  # whatever a foreign __dlpack__ raises
        raise ExportError(f"{what}: {shorten(x)} cannot be read by DLPack: {error!r}") from error


@public
def from_dlpack(
    x: Any, /, *, device: Any = None, copy: bool | None = None, name: str | None = None
) -> Tensor:
    """An array of any library that speaks DLPack as a tensor: a tensor itself, anything else as a constant.

    device: where the tensor is wanted; see `gf.device`. copy: as for `asarray`.
    Raises DTypeError for what has no `__dlpack__`, BufferError for what it cannot give, or for copy=False where
    the values must be copied: constants always are.
    """
    if hasattr(type(x), "__graphflow_tensor__"):
        try:
            return asarray(x, device=device, copy=copy, name=name)
        except ArgumentError as error:
            raise ExportError(f"from_dlpack: {error}") from None
    if not hasattr(type(x), "__dlpack__"):
        raise DTypeError(f"from_dlpack: {shorten(x)} has no __dlpack__; use gf.asarray")
    if copy is not None and not flag(copy, "from_dlpack", "copy"):
        raise ExportError(f"from_dlpack: a constant is a copy, so copy=False cannot be for {shorten(x)}")
    with on_device(device):
        return constant(_imported("from_dlpack", x), name=name)
