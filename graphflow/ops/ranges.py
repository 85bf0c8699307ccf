"""Evenly spaced numbers: arange and linspace."""

from __future__ import annotations

import math
import numbers
from typing import Any

import numpy as np

from graphflow.errors import ArgumentError, DTypeError, ShapeError, shorten
from graphflow.graph import Tensor, composition, make_node
from graphflow.op import F, Op, Trait, declare, public
from graphflow.ops.arguments import flag, static_ints
from graphflow.ops.cast import dtype_of
from graphflow.ops.computed_range import computed_range, whole_numbers
from graphflow.ops.constant import as_tensor, constant_value, operands
from graphflow.ops.creation import no_flops
from graphflow.ops.interchange import on_device
from graphflow.types import (
    MAX_NBYTES,
    SUPPORTED,
    Dim,
    DimLike,
    TensorType,
    as_dtype,
    as_index,
    default_float,
    dtype_name,
    is_floating,
    is_integer,
    promote,
    unknown_dim,
)

__all__ = ["arange", "linspace"]

FLOAT64, COMPLEX128 = SUPPORTED["float64"], SUPPORTED["complex128"]

# --- arange ---------------------------------------------------------------------------------------


def _count(start: Any, stop: Any, step: Any) -> DimLike:
    """How many numbers there are from `start` up to but without `stop`: ceil((stop - start) / step), at least 0."""
    if isinstance(start, Dim) or isinstance(stop, Dim) or isinstance(step, Dim):
        if start == 0 and step == 1:
            return stop  # type: ignore[no-any-return]  # a Dim, which is never negative
        return unknown_dim()
    if isinstance(start, int) and isinstance(stop, int) and isinstance(step, int):
        count = -((start - stop) // step)
    else:
        quotient = (float(stop) - float(start)) / float(step)
        if not math.isfinite(quotient):
            raise ShapeError(
                f"from {start} to {stop} in steps of {step} there is no finite number of elements"
            )
        count = math.ceil(quotient)
    return max(count, 0)


def _infer_arange(*, start: Any, stop: Any, step: Any, dtype: np.dtype[Any]) -> TensorType:
    if not isinstance(step, Dim) and step == 0:
        raise ArgumentError("step must not be 0")
    count = _count(start, stop, step)
    if isinstance(count, int):
        if count > MAX_NBYTES:
            raise ShapeError(
                f"from {start} to {stop} in steps of {step} there are {count} elements, more than 2^63"
            )
        if count and is_integer(dtype):
            limits = np.iinfo(dtype)
            for edge in (start, start + (count - 1) * step):
                if not limits.min <= edge <= limits.max:
                    raise DTypeError(f"{edge} does not fit {dtype.name} ({limits.min} to {limits.max})")
    return TensorType(dtype, (count,))


def _arange_kernel(
    xp: Any, *, start: Any, stop: Any, step: Any, dtype: np.dtype[Any], out: Any = None
) -> Any:
    """Floats are `start + k * step` in double precision, whatever the dtype, so that no error adds up."""
    count = as_index(_count(start, stop, step), "arange")
    if is_integer(dtype) and isinstance(start, int) and isinstance(step, int):
        values = whole_numbers(xp, start, count, step, dtype)
    else:
        values = xp.arange(count, dtype=dtype_of(xp, FLOAT64))
        values *= float(step)
        values += float(start)
    return _delivered(xp, values, dtype, out)


ARANGE = declare(
    Op(
        "arange",
        _infer_arange,
        _arange_kernel,
        lambda node: (),
        Trait.OUT,
        flops=no_flops,
        workspace=lambda inputs, outputs, **attrs: 8 * int(outputs[0].size),
        default_name="range",
        doc="Numbers from a start in equal steps.",
    )
)


def _end(what: str, value: Any) -> Any:
    """An int, a finite float, a dimension, or a tensor whose value is not known now. Raises ArgumentError."""
    if hasattr(type(value), "__graphflow_tensor__"):
        tensor: Tensor = value.__graphflow_tensor__()
        array = constant_value(tensor)
        if array is not None and array.ndim == 0:
            value = array[()]
        else:
            try:
                value = static_ints(tensor, f"arange: {what}")
            except ArgumentError:
                return tensor
    if isinstance(value, Dim):
        return value
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (numbers.Real, np.number, np.ndarray)):
        raise ArgumentError(f"arange: {what} must be a real number, not {shorten(value)}")
    if hasattr(value, "__index__") and not (isinstance(value, np.ndarray) and value.dtype.kind not in "iu"):
        return as_index(value, f"arange: {what}")
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ArgumentError(f"arange: {what} must be a real number, not {shorten(value)}") from None
    if not math.isfinite(number):
        raise ArgumentError(f"arange: {what} must be finite, not {number}")
    return number


@public
def arange(
    start: Any,
    stop: Any = None,
    step: Any = 1,
    dtype: Any = None,
    name: str | None = None,
    *,
    device: Any = None,
) -> Tensor:
    """The numbers start, start + step, ... up to but without `stop`, as a vector; from 0 with one argument.

    Its length is ceil((stop - start) / step), and 0 where the step leads away from `stop`. The three may be
    sizes from `gf.shape`, or 0-d tensors that only a run knows: then the length is unknown before it.
    dtype: int64 if all are ints, else the default float; that of the tensors where they decide the length.
    device: where it is made, as for `gf.device`.
    Raises ArgumentError for a step of 0 or what is not finite, ShapeError for 2^63 elements or more,
    DTypeError for numbers that do not fit the dtype; RunError where only the run shows it.
    """
    if stop is None:
        start, stop = 0, start
    ends = (_end("start", start), _end("stop", stop), _end("step", step))
    if any(type(v) is Tensor for v in ends):
        if any(isinstance(v, Dim) for v in (start, stop, step)):
            raise ArgumentError("arange: beside a tensor a dimension must be one too: say gf.shape(x)[axis]")
        with on_device(device):
            return computed_range(start, stop, step, dtype, name)
    first, last, by = ends
    whole = not any(isinstance(v, float) for v in ends)
    own = (SUPPORTED["int64"] if whole else default_float()) if dtype is None else as_dtype(dtype)
    if own.kind in "bcO":
        raise DTypeError(f"arange: dtype must be an integer or real floating type, not {dtype_name(own)}")
    if not whole and is_integer(own):
        raise DTypeError(f"arange: {first}, {last}, {by} are not all ints, so dtype cannot be {own.name}")
    with on_device(device):
        return make_node(ARANGE, (), {"start": first, "stop": last, "step": by, "dtype": own}, name).outputs[
            0
        ]


# --- linspace -------------------------------------------------------------------------------------


def _linspace_kernel(
    xp: Any, *, start: Any, stop: Any, num: int, dtype: np.dtype[Any], endpoint: bool, out: Any = None
) -> Any:
    """`start + k * step` in double precision, the last one `stop` itself."""
    gaps = max(num - 1 if endpoint else num, 1)
    step = (stop - start) / gaps
    if not math.isfinite(abs(step)):
        step = stop / gaps - start / gaps
    values = xp.arange(num, dtype=dtype_of(xp, FLOAT64))
    if isinstance(step, complex) or isinstance(start, complex):
        values = _cast(xp, values, COMPLEX128)
    values *= step
    values += start
    if endpoint and num > 1:
        values[-1] = stop
    return _delivered(xp, values, dtype, out)


def _delivered(xp: Any, values: Any, dtype: np.dtype[Any], out: Any) -> Any:
    if out is not None:
        xp.copyto(out, values, casting="unsafe")
        return out
    return values if values.dtype == dtype_of(xp, dtype) else _cast(xp, values, dtype)


def _cast(xp: Any, values: Any, dtype: np.dtype[Any]) -> Any:
    return values.astype(dtype) if hasattr(values, "astype") else xp.astype(values, dtype_of(xp, dtype))


def _infer_linspace(*, start: Any, stop: Any, num: int, dtype: np.dtype[Any], endpoint: bool) -> TensorType:
    return TensorType(dtype, (num,))


LINSPACE = declare(
    Op(
        "linspace",
        _infer_linspace,
        _linspace_kernel,
        lambda node: (),
        Trait.OUT,
        flops=no_flops,
        workspace=lambda inputs, outputs, **attrs: (24 if outputs[0].dtype.kind == "c" else 8) * attrs["num"],
        default_name="LinSpace",
        doc="A number of evenly spaced numbers.",
    )
)


def _number(what: str, value: Any) -> Any:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (numbers.Complex, np.number)):
        raise ArgumentError(f"linspace: {what} must be a number, not {shorten(value)}")
    try:
        number = complex(value)
    except OverflowError:
        raise ArgumentError(f"linspace: {what} {shorten(value)} does not fit a float") from None
    if not (math.isfinite(number.real) and math.isfinite(number.imag)):
        raise ArgumentError(f"linspace: {what} must be finite, not {shorten(value)}")
    return number if isinstance(value, (complex, np.complexfloating)) else number.real


@public
def linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    name: str | None = None,
    *,
    dtype: Any = None,
    endpoint: bool = True,
    device: Any = None,
) -> Tensor:
    """`num` evenly spaced numbers from `start` to `stop`, which is the last one unless `endpoint` is False.

    start, stop: numbers, or 0-d floating tensors, through which gradients flow. dtype: the default float, or
        the complex type that holds it. device: where it is made, as for `gf.device`. Raises ArgumentError for a negative `num`, an infinity or a NaN.
    """
    count = as_index(static_ints(num, "linspace: num"), "linspace: num")
    if not 0 <= count <= MAX_NBYTES:
        raise ArgumentError(f"linspace: num must not be negative, nor above 2^63, got {count}")
    if hasattr(type(start), "__graphflow_tensor__") or hasattr(type(stop), "__graphflow_tensor__"):
        with on_device(device):
            return _linspace_of_tensors(start, stop, count, dtype, endpoint, name)
    first, last = _number("start", start), _number("stop", stop)
    is_complex = isinstance(first, complex) or isinstance(last, complex)
    least = promote(SUPPORTED["complex64"], default_float()) if is_complex else default_float()
    own = least if dtype is None else as_dtype(dtype)
    if not is_floating(own) or (is_complex and own.kind != "c"):
        raise DTypeError(
            f"linspace: dtype must be a {'complex' if is_complex else 'floating'} type, not {own.name}"
        )
    attrs = {
        "start": first,
        "stop": last,
        "num": count,
        "dtype": own,
        "endpoint": flag(endpoint, "linspace", "endpoint"),
    }
    with on_device(device):
        return make_node(LINSPACE, (), attrs, name).outputs[0]


def _linspace_of_tensors(
    start: Any, stop: Any, count: int, dtype: Any, endpoint: bool, name: str | None
) -> Tensor:
    with composition("LinSpace" if name is None else name):
        first, last = operands(start, stop)
        if dtype is not None:
            first, last = F.cast(first, dtype), F.cast(last, dtype)
        if not is_floating(first.dtype):
            raise DTypeError(f"linspace: start and stop must be floating, got {first!r} and {last!r}")
        for end in (first, last):
            if end.type.shape not in (None, ()):
                raise ShapeError(f"linspace: start and stop must be 0-d, got {as_tensor(end)!r}")
        gaps = max(count - 1 if endpoint else count, 1)
        share = F.cast(arange(count), first.dtype) / gaps
        result: Tensor = first * (1 - share) + last * share
    return result
