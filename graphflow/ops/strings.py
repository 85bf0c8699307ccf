"""Text: joining, splitting, cutting, converting and hashing. Text is Python's `bytes`; `str` is encoded as UTF-8.

All are primitives whose kernels visit one Python object after the other: text has no arrays of bytes of a fixed size.
They run on the CPU.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphflow.errors import ArgumentError, DTypeError, RunError, ShapeError, shorten
from graphflow.graph import Tensor, apply, composition, make_node
from graphflow.op import F, Op, Trait, declare, public
from graphflow.ops.arguments import flag
from graphflow.ops.constant import as_tensor, as_text, constant
from graphflow.ops.sparse_tensor import SparseTensor
from graphflow.types import (
    STRING,
    SUPPORTED,
    TensorType,
    as_dtype,
    as_index,
    broadcast_shapes,
    dtype_name,
    is_integer,
    normalize_axes,
    unknown_dim,
)

__all__ = [
    "as_string",
    "reduce_join",
    "regex_full_match",
    "regex_replace",
    "string_equal",
    "string_join",
    "string_length",
    "string_lower",
    "string_split",
    "string_strip",
    "string_to_hash_bucket",
    "string_to_number",
    "string_upper",
    "substr",
    "text_of",
]

INT64 = SUPPORTED["int64"]


def text_of(what: str, value: Any) -> Tensor:
    """`value` as a tensor of text. Raises DTypeError for anything else."""
    text = None if hasattr(type(value), "__graphflow_tensor__") else as_text(value)
    t: Tensor = as_tensor(value) if text is None else constant(text)
    if t.type.dtype is not STRING:
        raise DTypeError(f"{what}: takes text, got {t.type}")
    return t


def _each(function: Callable[[Any], Any], x: Any, dtype: np.dtype[Any]) -> Any:
    """`function` of each element."""
    array = np.asarray(x)
    made = np.empty(array.size, dtype=dtype)
    made[:] = [function(item) for item in array.ravel().tolist()]
    return made.reshape(array.shape)


def _unary(name: str, function: Callable[..., Any], dtype: np.dtype[Any], doc: str, **options: Any) -> Op:
    """An op that maps one text to one value of `dtype`; attributes are passed to `function` as keywords."""

    def kernel(xp: Any, x: Any, **attrs: Any) -> Any:
        return _each(lambda item: function(item, **attrs), x, dtype)

    return declare(
        Op(
            name,
            lambda x, **attrs: TensorType(dtype, x.shape),
            kernel,
            dtype=lambda x, **attrs: dtype,
            flops=lambda inputs, outputs, **attrs: 0,
            workspace=lambda inputs, outputs, **attrs: 16 * int(outputs[0].size),
            takes_strings=True,
            doc=doc,
            **options,
        )
    )


# --- one text to one value --------------------------------------------------------------------------------------------


def _length(item: bytes, *, unit: str) -> int:
    return len(item) if unit == "BYTE" else len(item.decode("utf-8", "replace"))


STRING_LENGTH = _unary("string_length", _length, INT64, "The length of each text.")
STRING_LOWER = _unary("string_lower", bytes.lower, STRING, "Each text in lower case (ASCII letters).")
STRING_UPPER = _unary("string_upper", bytes.upper, STRING, "Each text in upper case (ASCII letters).")
STRING_STRIP = _unary("string_strip", bytes.strip, STRING, "Each text without blanks at its ends.")


def _cut(item: bytes, *, pos: int, len: int) -> bytes:
    if not -_size(item) <= pos <= _size(item):
        raise RunError(f"substr: pos {pos} is outside {shorten(item)}, of length {_size(item)}")
    start = pos if pos >= 0 else _size(item) + pos
    return item[start : start + len]


_size = len

SUBSTR = _unary("substr", _cut, STRING, "A part of each text.", traits=Trait.FALLIBLE)


def _replaced(item: bytes, *, pattern: str, rewrite: str, replace_global: bool) -> bytes:
    return re.sub(pattern.encode(), rewrite.encode(), item, count=0 if replace_global else 1)


REGEX_REPLACE = _unary("regex_replace", _replaced, STRING, "Each text with what a pattern matches replaced.")
REGEX_FULL_MATCH = _unary(
    "regex_full_match",
    lambda item, *, pattern: re.fullmatch(pattern.encode(), item) is not None,
    SUPPORTED["bool"],
    "Whether a pattern matches the whole of each text.",
)


def _bucket(item: bytes, *, num_buckets: int) -> int:
    return int.from_bytes(hashlib.blake2b(item, digest_size=8).digest(), "little") % num_buckets


STRING_TO_HASH_BUCKET = _unary("string_to_hash_bucket", _bucket, INT64, "A number from a hash of each text.")


def _infer_number(x: TensorType, *, dtype: np.dtype[Any]) -> TensorType:
    return TensorType(dtype, x.shape)


def _number_kernel(xp: Any, x: Any, *, dtype: np.dtype[Any]) -> Any:
    return _each(lambda item: _number(item, dtype), x, dtype)


def _number(item: bytes, dtype: np.dtype[Any]) -> Any:
    try:
        value = int(item) if is_integer(dtype) else float(item)
        if is_integer(dtype) and not np.iinfo(dtype).min <= value <= np.iinfo(dtype).max:
            raise ValueError(f"out of range for {dtype.name}")
    except ValueError as error:
        raise RunError(f"string_to_number: {shorten(item)} is no {dtype.name}: {error}") from None
    return value


STRING_TO_NUMBER = declare(
    Op(
        "string_to_number",
        _infer_number,
        _number_kernel,
        traits=Trait.FALLIBLE,
        dtype=lambda x, *, dtype: dtype,
        flops=lambda inputs, outputs, **attrs: 0,
        workspace=lambda inputs, outputs, **attrs: 16 * int(outputs[0].size),
        takes_strings=True,
        no_gradient="text has none",
        doc="The number that each text spells.",
    )
)


def _written(xp: Any, x: Any, *, precision: int) -> Any:
    def told(item: Any) -> bytes:
        if isinstance(item, bool):
            return b"true" if item else b"false"
        if isinstance(item, float):
            return (f"{item:.{precision}f}" if precision >= 0 else f"{item:g}").encode()
        return str(item).encode()

    array = np.asarray(x)
    return _each(told, array.astype(np.float64) if array.dtype.kind not in "biuO" else array, STRING)


AS_STRING = declare(
    Op(
        "as_string",
        lambda x, *, precision: TensorType(STRING, x.shape),
        _written,
        dtype=lambda x, **attrs: STRING,
        flops=lambda inputs, outputs, **attrs: 0,
        workspace=lambda inputs, outputs, **attrs: 24 * int(outputs[0].size),
        doc="Each number as text.",
    )
)


@public
def string_length(input: Any, unit: str = "BYTE", name: str | None = None) -> Tensor:
    """int64: the length of each text, in bytes, or with unit "UTF8_CHAR" in characters."""
    if unit not in ("BYTE", "UTF8_CHAR"):
        raise ArgumentError(f"string_length: unit is 'BYTE' or 'UTF8_CHAR', not {shorten(unit)}")
    return apply(STRING_LENGTH, text_of("string_length", input), name=name, unit=unit)  # type: ignore[no-any-return]


@public
def string_lower(input: Any, name: str | None = None) -> Tensor:
    """Each text in lower case; only ASCII letters change."""
    return apply(STRING_LOWER, text_of("string_lower", input), name=name)  # type: ignore[no-any-return]


@public
def string_upper(input: Any, name: str | None = None) -> Tensor:
    """Each text in upper case; only ASCII letters change."""
    return apply(STRING_UPPER, text_of("string_upper", input), name=name)  # type: ignore[no-any-return]


@public
def string_strip(input: Any, name: str | None = None) -> Tensor:
    """Each text without blanks at its ends."""
    return apply(STRING_STRIP, text_of("string_strip", input), name=name)  # type: ignore[no-any-return]


@public
def substr(input: Any, pos: int, len: int, name: str | None = None) -> Tensor:
    """`len` bytes of each text from byte `pos` on, fewer at its end; a negative `pos` counts from the end.

    Raises RunError where `pos` is outside a text.
    """
    start, count = as_index(pos, "substr: pos"), as_index(len, "substr: len")
    if count < 0:
        raise ArgumentError(f"substr: len must not be negative, got {count}")
    return apply(SUBSTR, text_of("substr", input), name=name, pos=start, len=count)  # type: ignore[no-any-return]


MAX_PATTERN = 10_000
"""Characters of a regular expression: Python takes seconds to compile much longer ones."""


def _pattern(what: str, value: Any) -> str:
    pattern = _plain_text(what, "pattern", value)
    if len(pattern) > MAX_PATTERN:
        raise ArgumentError(f"{what}: pattern has {len(pattern)} characters, more than {MAX_PATTERN}")
    try:
        re.compile(pattern.encode())
    except (re.error, OverflowError, RecursionError) as error:
        raise ArgumentError(f"{what}: {shorten(value)} is no regular expression: {error}") from None
    return pattern


def _plain_text(what: str, argument: str, value: Any) -> str:
    """A text that can be stored. Raises ArgumentError for anything else, half of a surrogate pair included."""
    if not isinstance(value, str):
        raise ArgumentError(f"{what}: {argument} must be a str, got {shorten(value)}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ArgumentError(f"{what}: {argument} {shorten(value)} is no text: {error}") from None
    return value


@public
def regex_replace(
    input: Any, pattern: str, rewrite: str, replace_global: bool = True, name: str | None = None
) -> Tensor:
    """Each text with every match of `pattern`, or the first alone, replaced by `rewrite`; Python's regular expressions."""
    rewrite = _plain_text("regex_replace", "rewrite", rewrite)
    checked = _pattern("regex_replace", pattern)
    everywhere = flag(replace_global, "regex_replace", "replace_global")
    try:
        re.sub(checked.encode() + b"|", rewrite.encode(), b"")  # matches, so that the rewrite is read
    except (re.error, IndexError) as error:
        raise ArgumentError(f"regex_replace: rewrite {shorten(rewrite)}: {error}") from None
    attrs = {"pattern": checked, "rewrite": rewrite, "replace_global": everywhere}
    return make_node(REGEX_REPLACE, (text_of("regex_replace", input),), attrs, name).outputs[0]


@public
def regex_full_match(input: Any, pattern: str, name: str | None = None) -> Tensor:
    """bool: whether `pattern` matches the whole of each text."""
    checked = _pattern("regex_full_match", pattern)
    return apply(REGEX_FULL_MATCH, text_of("regex_full_match", input), name=name, pattern=checked)  # type: ignore[no-any-return]


@public
def string_to_hash_bucket(input: Any, num_buckets: int, name: str | None = None) -> Tensor:
    """int64 in [0, num_buckets): the same number for the same text everywhere, by BLAKE2b; not TensorFlow's numbers."""
    count = as_index(num_buckets, "string_to_hash_bucket: num_buckets")
    if not 1 <= count < 2**63:
        raise ArgumentError(
            f"string_to_hash_bucket: num_buckets must be from 1 to 2^63 - 1, got {shorten(count)}"
        )
    text = text_of("string_to_hash_bucket", input)
    return apply(STRING_TO_HASH_BUCKET, text, name=name, num_buckets=count)  # type: ignore[no-any-return]


@public
def string_to_number(string_tensor: Any, out_type: Any = "float32", name: str | None = None) -> Tensor:
    """The number that each text spells, of a real dtype. Raises RunError for text that is no such number, at the run."""
    dtype = as_dtype(out_type)
    if dtype.kind not in "fiu":
        raise DTypeError(
            f"string_to_number: out_type must be an integer or real dtype, not {dtype_name(dtype)}"
        )
    return apply(STRING_TO_NUMBER, text_of("string_to_number", string_tensor), name=name, dtype=dtype)  # type: ignore[no-any-return]


@public
def as_string(input: Any, precision: int = -1, name: str | None = None) -> Tensor:
    """Each number or bool as text; of floats `precision` digits after the point, or -1 for up to six in all."""
    x, digits = as_tensor(input), as_index(precision, "as_string: precision")
    if x.type.dtype is STRING:
        return x
    if x.type.dtype.kind == "c":
        raise DTypeError(f"as_string: {x.type} is complex")
    if not -1 <= digits <= 100:
        raise ArgumentError(f"as_string: precision must be from -1 to 100, got {shorten(precision)}")
    return apply(AS_STRING, x, name=name, precision=digits)  # type: ignore[no-any-return]


def _equal(xp: Any, x: Any, y: Any) -> Any:
    return np.asarray(np.equal(x, y), dtype=np.bool_)


STRING_EQUAL = declare(
    Op(
        "string_equal",
        lambda x, y: TensorType(SUPPORTED["bool"], broadcast_shapes(x.dims, y.dims)),
        _equal,
        dtype=lambda x, y: SUPPORTED["bool"],
        takes_strings=True,
        doc="Whether texts are equal.",
    )
)


@public
def string_equal(x: Any, y: Any, name: str | None = None, what: str = "equal") -> Tensor:
    """Whether texts are equal, broadcast; `==` and `gf.equal` come here."""
    return apply(STRING_EQUAL, text_of(what, x), text_of(what, y), name=name)  # type: ignore[no-any-return]


# --- joining and splitting --------------------------------------------------------------------------------------------


def _joined(xp: Any, *inputs: Any, separator: str) -> Any:
    between = separator.encode()
    arrays = np.broadcast_arrays(*[np.asarray(x) for x in inputs])
    made = np.empty(arrays[0].size, dtype=STRING)
    made[:] = [between.join(items) for items in zip(*[a.ravel().tolist() for a in arrays], strict=True)]
    return made.reshape(arrays[0].shape)


STRING_JOIN = declare(
    Op(
        "string_join",
        lambda *types, separator: TensorType(STRING, broadcast_shapes(*[t.dims for t in types])),
        _joined,
        dtype=lambda *types, separator: STRING,
        flops=lambda inputs, outputs, **attrs: 0,
        workspace=lambda inputs, outputs, **attrs: (8 + 16 * len(inputs)) * int(outputs[0].size),
        takes_strings=True,
        doc="Texts one after another, element by element.",
    )
)


@public
def string_join(inputs: Any, separator: str = "", name: str | None = None) -> Tensor:
    """The texts at each place of tensors that broadcast, joined with `separator` in between."""
    if not isinstance(inputs, (list, tuple)) or not inputs:
        raise ArgumentError(f"string_join: takes a list of tensors of text, got {shorten(inputs)}")
    tensors = tuple([text_of("string_join", x) for x in inputs])
    return make_node(
        STRING_JOIN, tensors, {"separator": _plain_text("string_join", "separator", separator)}, name
    ).outputs[0]


def _infer_reduce(
    x: TensorType, *, axis: tuple[int, ...] | None, keepdims: bool, separator: str
) -> TensorType:
    over = tuple(range(x.rank)) if axis is None else normalize_axes(axis, x.rank)
    if keepdims:
        return TensorType(STRING, tuple([1 if k in over else d for k, d in enumerate(x.dims)]))
    return TensorType(STRING, tuple([d for k, d in enumerate(x.dims) if k not in over]))


def _reduced(xp: Any, x: Any, *, axis: tuple[int, ...] | None, keepdims: bool, separator: str) -> Any:
    array, between = np.asarray(x), separator.encode()
    over = tuple(range(array.ndim)) if axis is None else tuple([k % array.ndim for k in axis])
    kept = [k for k in range(array.ndim) if k not in over]
    rows = array.transpose(*kept, *over).reshape(
        int(np.prod([array.shape[k] for k in kept], dtype=np.int64)), -1
    )
    made = np.empty(len(rows), dtype=STRING)
    made[:] = [between.join(row) for row in rows.tolist()]
    shape = [1 if k in over else n for k, n in enumerate(array.shape) if keepdims or k not in over]
    return made.reshape(shape)


REDUCE_JOIN = declare(
    Op(
        "reduce_join",
        _infer_reduce,
        _reduced,
        flops=lambda inputs, outputs, **attrs: 0,
        workspace=lambda inputs, outputs, **attrs: 24 * int(inputs[0].size) + 16 * int(outputs[0].size),
        takes_strings=True,
        doc="Texts along axes joined to one.",
    )
)


@public
def reduce_join(
    inputs: Any, axis: Any = None, keepdims: bool = False, separator: str = "", name: str | None = None
) -> Tensor:
    """The texts along axes, all of them if None, joined in the order of the axes with `separator` in between."""
    x = text_of("reduce_join", inputs)
    over = axis if axis is None else tuple([as_index(k, "reduce_join: axis") for k in _listed(axis)])
    attrs = {
        "axis": over,
        "keepdims": flag(keepdims, "reduce_join", "keepdims"),
        "separator": _plain_text("reduce_join", "separator", separator),
    }
    return apply(REDUCE_JOIN, x, name=name, **attrs)  # type: ignore[no-any-return]


def _listed(axis: Any) -> Sequence[Any]:
    return axis if isinstance(axis, (list, tuple)) else (axis,)


def _infer_split(x: TensorType, *, sep: str, skip_empty: bool) -> tuple[TensorType, ...]:
    if x.rank != 1:
        raise ShapeError(f"takes a vector of text, got {x}")
    count = unknown_dim()
    return TensorType(INT64, (count, 2)), TensorType(STRING, (count,)), TensorType(INT64, (2,))


def _split(xp: Any, x: Any, *, sep: str, skip_empty: bool) -> tuple[Any, ...]:
    rows = []
    for item in np.asarray(x).tolist():
        parts = item.split(sep.encode()) if sep else item.split()
        rows.append([p for p in parts if p] if skip_empty else parts)
    places = [(i, k) for i, row in enumerate(rows) for k in range(len(row))]
    values = np.empty(len(places), dtype=STRING)
    values[:] = [part for row in rows for part in row]
    longest = max((len(row) for row in rows), default=0)
    indices = np.asarray(places, dtype=np.int64).reshape(-1, 2)
    return indices, values, np.asarray([len(rows), longest], dtype=np.int64)


STRING_SPLIT = declare(
    Op(
        "string_split",
        _infer_split,
        _split,
        dtype=lambda x, **attrs: (
            TensorType(INT64, (unknown_dim(), 2)),
            TensorType(STRING, (unknown_dim(),)),
            TensorType(INT64, (2,)),
        ),
        flops=lambda inputs, outputs, **attrs: 0,
        takes_strings=True,
        doc="The parts of each text: places, parts and the shape of the table they fill.",
    )
)


@public
def string_split(
    source: Any, sep: str = " ", skip_empty: bool = True, name: str | None = None
) -> SparseTensor:
    """The parts of each text of a vector, as a sparse table: row i holds the parts of text i.

    sep: what stands between parts; "" for any run of blanks. skip_empty: leave empty parts out.
    """
    text = text_of("string_split", source)
    attrs = {
        "sep": _plain_text("string_split", "sep", sep),
        "skip_empty": flag(skip_empty, "string_split", "skip_empty"),
    }
    with composition("string_split" if name is None else name):
        indices, values, shape = make_node(STRING_SPLIT, (text,), attrs).outputs
        if text.type.shape is None:
            indices, shape = F.reshape(indices, [-1, 2]), F.reshape(shape, [2])
        return SparseTensor(indices, values, shape)
