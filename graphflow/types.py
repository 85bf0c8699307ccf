"""Tensor types: dtypes and their promotion, shapes with symbolic dimensions, broadcasting.

A dimension is an int, or a `Dim`: a polynomial with integer coefficients over named symbols,
so that `batch * 2 + 1` stays exact until the run says what `batch` is. An unnamed unknown
dimension is a symbol of its own, whose name begins with `?`.
"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple, TypeAlias

import ml_dtypes
import numpy as np

from graphflow import config
from graphflow.errors import ArgumentError, DTypeError, GraphflowError, ShapeError, shorten

__all__ = [
    "Dim",
    "DimLike",
    "BY_NAME",
    "STRING",
    "Shape",
    "TensorType",
    "as_dtype",
    "broadcast_shapes",
    "default_float",
    "dim_product",
    "dims_equal",
    "dtype_name",
    "is_floating",
    "is_integer",
    "is_numeric",
    "normalize_axis",
    "normalize_axes",
    "promote",
    "python_index",
    "shape_from_user",
    "substitute",
    "unknown_dim",
]

MAX_NBYTES = 2**63 - 1
MAX_RANK = 64  # NumPy 2's limit
MAX_TERMS = 256  # a product of many sums would grow exponentially: beyond this it is simply unknown


class Dim:
    """A symbolic dimension: a polynomial over named symbols, immutable and hashable.

    `+`, `-`, `*` with ints and Dims are exact and give an int where all symbols cancel.
    `//` is exact where every coefficient divides, otherwise a fresh unknown.
    """

    __slots__ = ("_hash", "terms")

    def __init__(self, terms: Mapping[tuple[str, ...], int] | str) -> None:
        if isinstance(terms, str):
            terms = {(terms,): 1}
        self.terms: tuple[tuple[tuple[str, ...], int], ...] = tuple(
            sorted((monomial, c) for monomial, c in terms.items() if c)
        )
        self._hash = hash(self.terms)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Dim) and self.terms == other.terms)

    def __add__(self, other: DimLike) -> DimLike:
        total = dict(self.terms)
        for monomial, c in _terms(other):
            total[monomial] = total.get(monomial, 0) + c
        return _simplest(total)

    def __mul__(self, other: DimLike) -> DimLike:
        total: dict[tuple[str, ...], int] = {}
        for (m1, c1), (m2, c2) in itertools.product(self.terms, _terms(other)):
            monomial = tuple(sorted(m1 + m2))
            total[monomial] = total.get(monomial, 0) + c1 * c2
        return _simplest(total) if len(total) <= MAX_TERMS else unknown_dim()

    def __sub__(self, other: DimLike) -> DimLike:
        return self + (other * -1)

    def __rsub__(self, other: int) -> DimLike:
        return self * -1 + other

    __radd__ = __add__
    __rmul__ = __mul__

    def __floordiv__(self, other: DimLike) -> DimLike:
        quotient = exact_quotient(self, other)
        return unknown_dim() if quotient is None else quotient

    @property
    def symbols(self) -> tuple[str, ...]:
        """The names that occur, each once, in order."""
        return tuple(dict.fromkeys(name for monomial, _ in self.terms for name in monomial))

    @property
    def is_anonymous(self) -> bool:
        """True if a symbol of it was never named by the user."""
        return any(name.startswith("?") for name in self.symbols)

    def __repr__(self) -> str:
        if self.is_anonymous:
            return "?"
        parts = []
        for monomial, c in reversed(self.terms):
            text = "*".join(monomial)
            parts.append(str(c) if not monomial else text if c == 1 else f"{c}*{text}")
        return " + ".join(parts).replace("+ -", "- ")


DimLike: TypeAlias = int | Dim
Shape: TypeAlias = tuple[DimLike, ...]

_counter = itertools.count()
unknown_made = [False]
"""Set whenever an unknown dimension is made: `Graph.add` asks whether inferring a node's types made one."""


def unknown_dim() -> Dim:
    """A dimension about which nothing is known, different from every other."""
    unknown_made[0] = True
    return Dim(f"?{next(_counter)}")


def _terms(value: DimLike) -> Iterable[tuple[tuple[str, ...], int]]:
    return value.terms if isinstance(value, Dim) else (((), int(value)),)


def _simplest(terms: dict[tuple[str, ...], int]) -> DimLike:
    dim = Dim(terms)
    if not dim.terms:
        return 0
    if len(dim.terms) == 1 and not dim.terms[0][0]:
        return dim.terms[0][1]
    return dim


def exact_quotient(a: DimLike, b: DimLike) -> DimLike | None:
    """`a / b` where it is surely exact, else None."""
    if isinstance(a, int) and isinstance(b, int):
        return a // b if b and a % b == 0 else None
    divisor = tuple(_terms(b))
    if len(divisor) != 1:
        return 1 if a == b else None
    monomial, c = divisor[0]
    result: dict[tuple[str, ...], int] = {}
    for m, k in _terms(a):
        rest = list(m)
        for name in monomial:
            if name not in rest:
                return None
            rest.remove(name)
        if c == 0 or k % c:
            return None
        result[tuple(rest)] = k // c
    return _simplest(result)


def dims_equal(a: DimLike, b: DimLike) -> bool | None:
    """True or False where it is certain, None where only the run can tell."""
    if a is b:
        return True
    if isinstance(a, int) and isinstance(b, int):
        return a == b
    difference = a - b
    return difference == 0 if isinstance(difference, int) else None


def substitute(value: Any, sizes: Mapping[str, DimLike]) -> Any:
    """Replace the symbols in a dimension, or in the dimensions inside tuples; others pass through."""
    if isinstance(value, Dim):
        total: DimLike = 0
        for monomial, c in value.terms:
            product: DimLike = c
            for name in monomial:
                product = product * sizes.get(name, Dim(name))
            total = total + product
        return total
    if isinstance(value, tuple):
        changed = [substitute(item, sizes) for item in value]
        for new, old in zip(changed, value, strict=True):
            if new is not old:
                return type(value)(*changed) if hasattr(value, "_fields") else tuple(changed)
    return value


class TensorType(NamedTuple):
    """Dtype and shape of a tensor, printed `float32[8, 3]`; a shape of None is an unknown rank."""

    dtype: np.dtype[Any]
    shape: Shape | None

    @property
    def rank(self) -> int:
        """Number of dimensions. Raises ShapeError where it is unknown."""
        return len(self.dims)

    @property
    def dims(self) -> Shape:
        """The dimensions. Raises ShapeError where the rank is unknown."""
        if self.shape is None:
            raise ShapeError(f"the rank of {self} is unknown here; give the placeholder a shape")
        return self.shape

    @property
    def is_static(self) -> bool:
        """True if every dimension is a number."""
        if self.shape is None:
            return False
        for d in self.shape:  # noqa: SIM110 twice as fast as all(): asked many times for every node
            if type(d) is not int:
                return False
        return True

    @property
    def size(self) -> DimLike:
        """Number of elements, symbolic where the shape is."""
        return dim_product(self.dims)

    @property
    def nbytes(self) -> int | None:
        """Bytes of the data, or None where the shape is not static."""
        return math.prod(self.shape) * self.dtype.itemsize if self.is_static else None  # type: ignore[arg-type]

    def __repr__(self) -> str:
        inside = "..." if self.shape is None else ", ".join(map(repr, self.shape))
        return f"{dtype_name(self.dtype)}[{inside}]"

    def __str__(self) -> str:
        return repr(self)


def dim_product(dims: Iterable[DimLike]) -> DimLike:
    """Product of dimensions, 1 for none."""
    product: DimLike = 1
    for d in dims:
        product = product * d
    return product


# --- dtypes ---------------------------------------------------------------------------------------

_INTEGERS = [f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)]
_NAMES = ["bool", *_INTEGERS, "float16", "float32", "float64", "complex64", "complex128"]
SUPPORTED: dict[str, np.dtype[Any]] = {name: np.dtype(name) for name in _NAMES}
SUPPORTED["bfloat16"] = np.dtype(ml_dtypes.bfloat16)
STRING: np.dtype[Any] = np.dtype(object)
"""Text: arrays of Python's `bytes`, as TensorFlow 1 has them; for the few ops that take it. Called `string`."""
BY_NAME = SUPPORTED | {"string": STRING}
"""Every dtype that a tensor can have, by the name that it is printed and saved with."""
_NAME_OF = {dtype: name for name, dtype in BY_NAME.items()}
"""The other way round: NumPy takes 5 us to say the name of a dtype, which it makes up anew each time."""
_PYTHON = {bool: "bool", int: "int64", complex: "complex64"}
_ABSTRACT: tuple[type, ...] = (
    np.generic,
    np.number,
    np.inexact,
    np.floating,
    np.complexfloating,
    np.integer,
    np.signedinteger,
    np.unsignedinteger,
)  # NumPy takes these for float64 or int64, and warns
_known: dict[Any, np.dtype[Any]] = {STRING: STRING, "string": STRING} | {d: d for d in SUPPORTED.values()}


def default_float() -> np.dtype[Any]:
    """The dtype of Python floats: float32 unless `config` says float64."""
    return SUPPORTED[config.get().default_float]


def as_dtype(value: Any) -> np.dtype[Any]:
    """A supported dtype from a dtype, its name, a NumPy scalar type or `bool`, `int`, `float`, `complex`.

    Raises DTypeError for anything else; byte order is made native.
    """
    try:
        known = _known.get(value)
    except TypeError:
        known = None
    if known is not None:
        return known
    if value is float:
        return default_float()
    if value is bool or value is int or value is complex:
        return SUPPORTED[_PYTHON[value]]
    if isinstance(value, str) and value.startswith("a"):
        pass  # NumPy's old letter for bytes, with a warning
    elif isinstance(value, (str, type, np.dtype)) and value not in _ABSTRACT:
        try:
            dtype = SUPPORTED["bfloat16"] if value == "bfloat16" else np.dtype(value).newbyteorder("=")
        except (TypeError, ValueError):
            dtype = None
        if dtype is not None and dtype in _known and dtype.kind != "O":
            return _known[dtype]
    raise DTypeError(f"{shorten(value)} is not a dtype of graphflow; dtypes: {', '.join(SUPPORTED)}, string")


def dtype_name(dtype: np.dtype[Any]) -> str:
    """NumPy's name, but `string` for text."""
    return _NAME_OF.get(dtype) or dtype.name


def is_floating(dtype: np.dtype[Any]) -> bool:
    """True for real and complex floating types: those that gradients flow through."""
    return dtype.kind in "fc" or dtype == SUPPORTED["bfloat16"]


def is_integer(dtype: np.dtype[Any]) -> bool:
    """True for signed and unsigned integers."""
    return dtype.kind in "iu"


def is_numeric(dtype: np.dtype[Any]) -> bool:
    """True for everything but bool and text."""
    return dtype.kind not in "bO"


def _promote_uncached(a: np.dtype[Any], b: np.dtype[Any]) -> np.dtype[Any] | None:
    if a == b or b.kind == "b":
        return a
    if a.kind == "b":
        return b
    if is_floating(a) != is_floating(b):  # the floating type wins
        return a if is_floating(a) else b
    names = {a.name, b.name}
    if names == {"float16", "bfloat16"}:
        return SUPPORTED["float32"]
    if "bfloat16" in names:
        return b if a.name == "bfloat16" else a
    if "uint64" in names and {a.kind, b.kind} == {"i", "u"}:
        return None
    return np.result_type(a, b)


_promotions: dict[tuple[np.dtype[Any], np.dtype[Any]], np.dtype[Any] | None] = {
    (a, b): _promote_uncached(a, b) for a in SUPPORTED.values() for b in SUPPORTED.values()
} | {(STRING, STRING): STRING}


def promote(a: np.dtype[Any], b: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype that two strong dtypes meet in, by the Array API's table.

    Where the standard is silent the floating type wins: int64 with float32 is float32.
    Raises DTypeError for uint64 with a signed integer: no integer type holds both.
    """
    result = _promotions.get((a, b))
    if result is None:
        if STRING in (a, b):
            raise DTypeError(f"{dtype_name(a)} and {dtype_name(b)} have no common type")
        raise DTypeError(f"{a.name} and {b.name} have no common integer type; cast one of them first")
    return result


# --- shapes ---------------------------------------------------------------------------------------


def broadcast_shapes(*shapes: Shape) -> Shape:
    """The shape that `shapes` broadcast to, by NumPy's rule, symbolic dimensions included.

    Two different symbols give a fresh unknown: one of them may turn out to be 1.
    Raises ShapeError where it is certain that they do not fit.
    """
    first = shapes[0]
    if all(s == first for s in shapes[1:]):
        return first
    rank = max(map(len, shapes))
    result: list[DimLike] = []
    for axis in range(-rank, 0):
        best: DimLike = 1
        for shape in shapes:
            if -axis > len(shape):
                continue
            d = shape[axis]
            if d is best or d == best or (type(d) is int and d == 1):
                continue
            if type(best) is int and best == 1:
                best = d
            elif type(d) is int and type(best) is int:
                listed = " and ".join(str(list(s)) for s in shapes)
                raise ShapeError(f"shapes {listed} do not broadcast ({best} against {d})")
            elif type(d) is int:
                best = d  # the symbol must be 1 or d: checked when it is bound
            elif type(best) is not int:
                best = unknown_dim()
        result.append(best)
    return tuple(result)


def normalize_axis(axis: Any, rank: int, what: str = "axis") -> int:
    """A non-negative axis. Raises ArgumentError for a non-integer, or one outside [-rank, rank)."""
    index = as_index(axis, what)
    if not -rank <= index < rank:
        raise ArgumentError(f"{what} {index} is out of range for rank {rank}")
    return index % rank


def normalize_axes(axis: Any, rank: int) -> tuple[int, ...]:
    """Non-negative axes, all of them for None. Raises ArgumentError for a repeated or bad one."""
    if axis is None:
        return tuple(range(rank))
    listed = axis if isinstance(axis, (tuple, list)) else (axis,)
    axes = tuple(normalize_axis(a, rank) for a in listed)
    if len(set(axes)) != len(axes):
        raise ArgumentError(f"axis {shorten(axis)} names an axis twice")
    return axes


def as_index(value: Any, what: str) -> int:
    """A Python int from an integer-like (not bool). Raises ArgumentError, naming `what`."""
    if isinstance(value, (bool, np.bool_)) or not hasattr(value, "__index__"):
        raise ArgumentError(f"{what} must be an integer, not {shorten(value)}")
    try:
        index = python_index(value)
    except TypeError:
        raise ArgumentError(f"{what} must be an integer, not {shorten(value)}") from None
    if index.bit_length() > 1024:  # nothing has such a size, and Python refuses to print much larger ones
        raise ArgumentError(
            f"{what} is an integer of {index.bit_length()} bits, far outside what can be meant"
        )
    return index


def python_index(value: Any) -> int:
    """`operator.index(value)`, with TypeError for whatever a foreign `__index__` raises."""
    try:
        return operator.index(value)
    except GraphflowError:
        raise
    except Exception as error:  # whatever a foreign __index__ raises
        raise TypeError(f"{shorten(value)} is no integer") from error


def shape_from_user(shape: Any, *, unknown: bool = False, what: str = "shape") -> Shape:
    """A shape from an int or a sequence of ints, dimensions and (where `unknown`) None and names.

    Raises ShapeError for negative sizes, non-integers, more than 64 axes, or more than 2^63 elements.
    """
    if isinstance(shape, (str, bytes, AbstractSet, Mapping)):
        raise ShapeError(f"{what} must be a sequence of ints, not {shorten(shape)}")
    if isinstance(shape, Dim) or hasattr(shape, "__index__"):
        shape = (shape,)
    try:
        items: Sequence[Any] = tuple(itertools.islice(shape, MAX_RANK + 1))
    except TypeError:
        raise ShapeError(f"{what} must be a sequence of ints, not {shorten(shape)}") from None
    if len(items) > MAX_RANK:
        raise ShapeError(f"{what} has more than {MAX_RANK} dimensions")
    dims: list[DimLike] = []
    for item in items:
        if isinstance(item, Dim):
            dims.append(item)
        elif item is None and unknown:
            dims.append(unknown_dim())
        elif isinstance(item, str) and unknown:
            if not item.isidentifier():
                raise ShapeError(f"{what}: dimension name {shorten(item)} must be an identifier")
            dims.append(Dim(item))
        else:
            if isinstance(item, (bool, np.bool_)) or not hasattr(item, "__index__"):
                raise ShapeError(f"{what} {shorten(shape)}: {shorten(item)} is not an int")
            try:
                size = python_index(item)
            except TypeError:
                raise ShapeError(f"{what} {shorten(shape)}: {shorten(item)} is not an int") from None
            if size < 0:
                raise ShapeError(f"{what} {shorten(shape)}: dimension {shorten(size)} is negative")
            dims.append(size)
    elements = math.prod(d for d in dims if isinstance(d, int) and d)
    if elements > MAX_NBYTES:
        raise ShapeError(f"{what} {shorten(shape)} has {shorten(elements)} elements, more than 2^63")
    return tuple(dims)
