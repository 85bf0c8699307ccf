"""Constants, and how values become tensors: weak Python scalars, strong NumPy arrays, nests."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np

from graphflow.errors import ArgumentError, DTypeError, GraphflowError, ShapeError, shorten
from graphflow.graph import Tensor, make_node
from graphflow.op import F, Op, Trait, declare, public
from graphflow.ops.numpy_settings import kernel_settings
from graphflow.types import (
    MAX_RANK,
    STRING,
    SUPPORTED,
    TensorType,
    as_dtype,
    default_float,
    is_floating,
    is_integer,
    promote,
    shape_from_user,
)

__all__ = [
    "Literal",
    "as_array",
    "as_text",
    "as_tensor",
    "constant",
    "constant_value",
    "convert_to_tensor",
    "holds_tensor",
    "operands",
    "promoted",
    "python_number",
    "weak_dtype",
]

_PYTHON_SCALARS = (bool, int, float, complex)

KEYED_NBYTES = 4096
"""Constants up to this size are equal when their bytes are; larger ones only when they are the same object."""


class Literal:
    """A constant's value: a read-only array that compares by content where it is small."""

    __slots__ = ("_key", "array")

    def __init__(self, array: np.ndarray[Any, Any]) -> None:
        array.flags.writeable = False
        self.array = array
        small = array.nbytes <= KEYED_NBYTES
        self._key: Any = (array.dtype, array.shape, array.tobytes()) if small else id(self)

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Literal) and self._key == other._key)

    def __hash__(self) -> int:
        return hash(self._key)

    def __repr__(self) -> str:
        text = np.array2string(self.array, threshold=8, edgeitems=2, separator=", ")
        return " ".join(text.split())


def _infer_constant(*, value: Literal) -> TensorType:
    return TensorType(value.array.dtype, value.array.shape)


CONSTANT = declare(
    Op(
        "constant",
        _infer_constant,
        traits=Trait.SOURCE,
        vjp=lambda node, g: (),
        flops=lambda inputs, outputs, value: 0,
        default_name="Const",
        doc="A value known when the graph is built.",
    )
)


def constant_value(t: Tensor) -> np.ndarray[Any, Any] | None:
    """The value of a constant, or of a constant reshaped, which must not be written; None for any other tensor."""
    node = t.op
    if node.op is CONSTANT:
        return node.attrs["value"].array  # type: ignore[no-any-return]
    if node.op.name == "reshape" and node.inputs[0].op.op is CONSTANT and t.type.is_static:
        return node.inputs[0].op.attrs["value"].array.reshape(t.type.shape)  # type: ignore[no-any-return]
    return None


def _of(literal: Literal, name: str | None = None) -> Tensor:
    return make_node(CONSTANT, (), {"value": literal}, name).outputs[0]


@public
def constant(value: Any, dtype: Any = None, shape: Any = None, name: str | None = None) -> Tensor:
    """A constant tensor holding a copy of `value`.

    value: a Python scalar, an array, text, or a nest of them. Python floats become float32 (see
        `gf.config`), Python ints int64; NumPy arrays keep their dtype.
    dtype: cast to it; narrowing that would lose an integer's value is an error.
    shape: broadcast a scalar to it, or reshape to it.
    Raises DTypeError for objects and out-of-range integers, ShapeError for ragged nests.
    """
    wanted_dtype = None if dtype is None else as_dtype(dtype)
    array = as_text(value) if wanted_dtype is None else None
    if array is None:
        array = as_array(value, wanted_dtype)
    if shape is not None:
        wanted = shape_from_user(shape)
        if not all(isinstance(d, int) for d in wanted):
            raise ShapeError(f"constant: shape {shorten(shape)} must be all ints")
        sizes = tuple(int(d) for d in wanted)  # type: ignore[arg-type]
        if array.ndim == 0:
            array = np.full(sizes, array)
        elif array.size != np.prod(sizes, dtype=object):
            raise ShapeError(f"constant: {array.size} values do not fill shape {list(sizes)}")
        array = array.reshape(sizes)
    return _of(Literal(np.array(array, order="C", copy=True)), name)


def as_text(value: Any) -> np.ndarray[Any, Any] | None:
    """An array of bytes from text: `str`, which is encoded as UTF-8, `bytes`, or arrays or nests of them; None of others.

    Raises DTypeError for a mixture of text and something else, ShapeError for ragged nests.
    """
    if isinstance(value, (np.ndarray, np.generic)):
        if np.asarray(value).dtype.kind not in "USTO":
            return None
    elif not any(issubclass(kind, (str, bytes)) for kind in _leaf_types(value)):
        return None
    try:
        array = np.array(value, dtype=STRING)
    except ValueError as error:
        raise ShapeError(f"{shorten(value)} is no rectangular array: {error}") from error
    items = [item.encode() if isinstance(item, str) else item for item in array.ravel().tolist()]
    for item in items:
        if not isinstance(item, bytes):
            raise DTypeError(f"{shorten(item)} is not text, in an array of text")
    made = np.empty(len(items), dtype=STRING)
    made[:] = items
    return made.reshape(array.shape)


def as_array(
    value: Any, dtype: np.dtype[Any] | None = None, *, weak_floats: bool = True, overflow: bool = False
) -> np.ndarray[Any, Any]:
    """A NumPy array of a supported dtype from anything but tensors; of text only where the dtype says so.

    weak_floats: Python floats become the default float; else they keep their 64 bits.
    overflow: numbers too large for a floating dtype become infinite; else they are refused.

    Raises DTypeError or ShapeError for what is no array of numbers; errors raised inside a foreign
    `__array__` are chained. May share memory with `value`.
    """
    if isinstance(value, np.ma.MaskedArray):
        raise DTypeError("a masked array has no plain values; use .filled() first")
    if dtype is STRING:
        text = as_text(value)
        if text is None:
            raise DTypeError(f"{shorten(value)} is not text")
        return text
    if isinstance(value, (np.ndarray, np.generic)):
        array = np.asarray(value)
        strong = True
    else:
        leaves = _leaf_types(value)
        strong = not all(kind in _PYTHON_SCALARS for kind in leaves)
        array = _from_foreign(value)
        if array.dtype.kind == "f" and int in leaves and not strong and float not in leaves:
            array = _large_integers(value, array, dtype)
    if array.dtype.kind in "OSUVMmT" and array.dtype != SUPPORTED["bfloat16"]:
        raise DTypeError(f"{shorten(value)} (dtype {array.dtype}) is not an array of numbers or bools")
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if not strong and dtype is None:
        if not weak_floats:
            pass
        elif array.dtype.kind == "f":
            dtype = default_float()
        elif array.dtype.kind == "c":
            dtype = promote(SUPPORTED["complex64"], default_float())
        elif array.dtype.kind == "u":
            raise DTypeError(f"{shorten(value)} does not fit int64; say dtype='uint64'")
    if dtype is not None and dtype != array.dtype:
        array = _cast_exact(array, dtype, value, overflow)
    as_dtype(array.dtype)
    return array


def _from_foreign(value: Any) -> np.ndarray[Any, Any]:
    try:
        return np.asarray(value)
    except GraphflowError:
        raise
    except OverflowError:
        raise DTypeError(f"{shorten(value)} does not fit any integer type") from None
    except ValueError as error:
        raise ShapeError(f"{shorten(value)} is no rectangular array: {error}") from error
    except Exception as error:  # whatever a foreign __array__ raises
        raise DTypeError(f"{shorten(value)} could not be converted to an array: {error!r}") from error


def _leaf_types(value: Any) -> dict[type, None]:
    """The types of the leaves of a nest of lists and tuples, each once; each list is looked at once a level.

    Raises ShapeError for more than 64 levels: a list may hold itself.
    """
    leaves: dict[type, None] = {}
    level: dict[int, Any] = {0: (value,)}
    for _ in range(MAX_RANK + 2):
        deeper: dict[int, Any] = {}
        for nest in level.values():
            for item in nest:
                if isinstance(item, (list, tuple)):
                    deeper[id(item)] = item
                else:
                    leaves[type(item)] = None
        if not deeper:
            return leaves
        level = deeper
    raise ShapeError(f"a nest of more than {MAX_RANK} levels, or a list that holds itself, is no array")


def _large_integers(
    value: Any, array: np.ndarray[Any, Any], dtype: np.dtype[Any] | None
) -> np.ndarray[Any, Any]:
    """Python integers of which some fit no int64, and which NumPy therefore made floats of.

    Raises DTypeError unless a dtype is asked for that has them all.
    """
    if dtype is not None and not is_integer(dtype):
        return array
    wanted = SUPPORTED["int64"] if dtype is None else dtype
    try:
        return np.asarray(value, wanted)
    except OverflowError:
        hint = "; say dtype='uint64'" if dtype is None else ""
        raise DTypeError(f"{shorten(value)} does not fit {wanted.name}{hint}") from None


def _cast_exact(
    array: np.ndarray[Any, Any], dtype: np.dtype[Any], value: Any, overflow: bool
) -> np.ndarray[Any, Any]:
    """Cast, refusing what would lose meaning: complex to real, non-integers and out-of-range to int."""
    if array.dtype.kind == "c" and dtype.kind != "c":
        raise DTypeError(f"{shorten(value)} is complex and cannot become {dtype.name}; take its real part")
    if is_floating(array.dtype) and not is_floating(dtype):
        raise DTypeError(
            f"{shorten(value)} is {array.dtype.name} and cannot become {dtype.name} without a cast"
        )
    if dtype.kind == "b" and array.dtype.kind != "b":
        raise DTypeError(f"{shorten(value)} is {array.dtype.name} and cannot become bool without a cast")
    with kernel_settings():
        result = array.astype(dtype)
    if is_integer(dtype) and array.size and array.dtype.kind in "iu":
        limits = np.iinfo(dtype)
        if int(array.min()) < limits.min or int(array.max()) > limits.max:
            raise DTypeError(f"{shorten(value)} does not fit {dtype.name} ({limits.min} to {limits.max})")
    elif not overflow and is_floating(dtype) and array.size and not np.isfinite(result).all():
        if bool(np.any(np.isinf(result) & ~np.isinf(array))):
            raise DTypeError(f"{shorten(value)} does not fit {dtype.name}: it would overflow to infinity")
    return result


def as_tensor(value: Any, dtype: Any = None, name: str | None = None) -> Tensor:
    """`value` as a tensor: itself if it is one, a stack for a nest that holds tensors, else a constant.

    Raises DTypeError when a tensor has another dtype than asked.
    """
    if type(value) is Tensor:
        tensor = value
    elif hasattr(type(value), "__graphflow_tensor__"):
        tensor = value.__graphflow_tensor__()
    elif isinstance(value, (list, tuple)) and holds_tensor(value):
        tensor = F.stack(list(value))
    else:
        array = as_array(value, None if dtype is None else as_dtype(dtype))
        return _of(Literal(np.array(array, order="C", copy=True)), name)
    if dtype is not None and tensor.type.dtype != as_dtype(dtype):
        raise DTypeError(
            f"{tensor!r} is {tensor.type.dtype.name}, not {as_dtype(dtype).name}; cast it with gf.cast"
        )
    return tensor


def holds_tensor(value: Any) -> bool:
    """True if a nest of lists and tuples holds a tensor or what stands for one."""
    return any(hasattr(kind, "__graphflow_tensor__") for kind in _leaf_types(value))


_scalars: dict[tuple[type, Any, np.dtype[Any]], Literal] = {}


def _weak(value: Any, dtype: np.dtype[Any]) -> Tensor:
    """A Python scalar as a constant of a dtype that can hold it."""
    key = (type(value), value if type(value) is not float else value.hex(), dtype)
    literal = _scalars.get(key)
    if literal is None:
        literal = Literal(np.asarray(as_array(value, dtype)).copy())
        if len(_scalars) < 10_000:
            _scalars[key] = literal
    return _of(literal)


def weak_dtype(value: Any, dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype in which a Python scalar and a tensor of `dtype` meet: the tensor's, unless the kind is wider."""
    kind = type(value)
    if kind is bool:
        return dtype
    if kind is int:
        return SUPPORTED["int64"] if dtype.kind == "b" else dtype
    if kind is float:
        return dtype if is_floating(dtype) else default_float()
    if dtype.kind == "c":
        return dtype
    return SUPPORTED["complex128"] if dtype == SUPPORTED["float64"] else SUPPORTED["complex64"]


def operands(*values: Any) -> list[Tensor]:
    """Values that meet in one dtype, as tensors of it: Python scalars are weak, all else is strong."""
    tensors: list[Any] = [v if type(v) in _PYTHON_SCALARS else as_tensor(v) for v in values]
    strong = [t.type.dtype for t in tensors if type(t) is Tensor]
    if not strong:
        arrays = [as_tensor(v) for v in tensors]
        strong = [t.type.dtype for t in arrays]
        tensors = list(arrays)
    dtype = strong[0]
    for other in strong[1:]:
        if other is not dtype:
            dtype = promote(dtype, other)
    for v in tensors:
        if type(v) is not Tensor:
            dtype = weak_dtype(v, dtype)
    return [
        _weak(t, dtype) if type(t) is not Tensor else t if t.type.dtype == dtype else F.cast(t, dtype)
        for t in tensors
    ]


def promoted(a: Any, b: Any) -> tuple[Tensor, Tensor]:
    """`operands` of two, with a short way for the common cases."""
    if type(a) is Tensor:
        if type(b) is Tensor and a.type.dtype == b.type.dtype:
            return a, b
        if type(b) in _PYTHON_SCALARS:
            dtype = weak_dtype(b, a.type.dtype)
            return (a if dtype == a.type.dtype else F.cast(a, dtype)), _weak(b, dtype)
    first, second = operands(a, b)
    return first, second


def python_number(value: Any, what: str) -> float:
    """A finite-or-not real Python number for a parameter. Raises ArgumentError for anything else."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (numbers.Real, np.number)):
        raise ArgumentError(f"{what} must be a real number, not {shorten(value)}")
    try:
        return float(value)
    except OverflowError:
        raise ArgumentError(f"{what} {shorten(value)} does not fit a float") from None


@public
def convert_to_tensor(value: Any, dtype: Any = None, name: str | None = None) -> Tensor:
    """`value` as a tensor: itself if it is one (of that dtype), a stack for a nest of tensors, else a constant."""
    return as_tensor(value, dtype, name)
