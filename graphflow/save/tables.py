"""The small tables of a saved graph, checked: symbols, dimensions, types, constants, lines; and attribute values.

`encode.py` says what they look like. Everything here raises FormatError for what does not fit, and believes nothing.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from graphflow.errors import FormatError, shorten
from graphflow.ops.body import Body
from graphflow.ops.constant import Literal
from graphflow.origin import Origin
from graphflow.save.container import restored
from graphflow.save.rows import MAX_NESTING, float_text
from graphflow.types import BY_NAME, MAX_NBYTES, MAX_RANK, Dim, TensorType, dtype_name, unknown_dim

__all__ = ["Tables", "integer", "listed", "record", "row_of", "text"]

MAX_TERMS = 256
"""Terms of one dimension, and of the product of the dimensions of one shape: more would take forever to multiply."""
MAX_DEGREE = 64

_T = TypeVar("_T")


# --- checks of one value ----------------------------------------------------------------------------


def integer(value: Any, what: str, low: int, high: int) -> int:
    """An int with low <= value < high; a bool is none."""
    if type(value) is not int or not low <= value < high:
        raise FormatError(f"{what} must be an integer from {low} to {high - 1}, not {shorten(value)}")
    return value


def text(value: Any, what: str) -> str:
    """A str."""
    if type(value) is not str:
        raise FormatError(f"{what} must be text, not {shorten(value)}")
    return value


def listed(value: Any, what: str, length: int | None = None) -> list[Any]:
    """A list, of `length` items where that is given."""
    if type(value) is not list or (length is not None and len(value) != length):
        items = "" if length is None else f" of {length} items"
        raise FormatError(f"{what} must be a list{items}, not {shorten(value)}")
    return value


def record(value: Any, what: str, required: Sequence[str], optional: Sequence[str] = ()) -> dict[str, Any]:
    """A JSON object with all of the required keys and none but the optional ones besides."""
    if type(value) is not dict:
        raise FormatError(f"{what} must be an object, not {shorten(value)}")
    for key in required:
        if key not in value:
            raise FormatError(f"{what} lacks {key!r}")
    if len(value) > len(required):
        for key in value:
            if key not in required and key not in optional:
                raise FormatError(f"{what} has the unknown key {shorten(key)}")
    return value


def row_of(table: Sequence[_T], value: Any, what: str) -> _T:
    """The row of a table that an index refers to."""
    if type(value) is not int or not 0 <= value < len(table):
        raise FormatError(f"{what} {shorten(value)} is not there: there are {len(table)}")
    return table[value]


# --- the tables -------------------------------------------------------------------------------------


class Tables:
    """Everything that nodes refer to by number."""

    def __init__(self, header: Mapping[str, Any], stored: Mapping[str, np.ndarray[Any, Any]]) -> None:
        self.symbols = _symbols(listed(header["symbols"], "symbols"))
        self.dims = [self._dim(k, row) for k, row in enumerate(listed(header["dims"], "dims"))]
        self.types = [self._type(k, row) for k, row in enumerate(listed(header["types"], "types"))]
        self.type_symbols = [_symbols_of(t) for t in self.types]
        self.constants = self._constants(listed(header["constants"], "constants"), stored)
        self.places = [_place(k, row) for k, row in enumerate(listed(header["places"], "places"))]

    def _dim(self, number: int, row: Any) -> Dim:
        what = f"dimension {number}"
        terms: dict[tuple[str, ...], int] = {}
        for term in listed(row, what):
            monomial, coefficient = listed(term, what, 2)
            names = tuple(sorted(row_of(self.symbols, k, f"{what}: symbol") for k in listed(monomial, what)))
            if type(coefficient) is not int or coefficient == 0 or names in terms or len(names) > MAX_DEGREE:
                raise FormatError(f"{what} is no polynomial: {shorten(row)}")
            terms[names] = coefficient
        if not any(terms) or len(terms) > MAX_TERMS:
            raise FormatError(f"{what} is no polynomial, or has more than {MAX_TERMS} terms: {shorten(row)}")
        return Dim(terms)

    def _type(self, number: int, row: Any) -> TensorType:
        what = f"type {number}"
        name, shape = listed(row, what, 2)
        dtype = BY_NAME.get(text(name, what))
        if dtype is None:
            raise FormatError(f"{what}: {shorten(name)} is not a dtype")
        if shape is None:
            return TensorType(dtype, None)
        dims = tuple(self._size(d, what) for d in listed(shape, what))
        if len(dims) > MAX_RANK:
            raise FormatError(f"{what} has {len(dims)} dimensions, more than {MAX_RANK}")
        if math.prod(d for d in dims if isinstance(d, int) and d) > MAX_NBYTES:
            raise FormatError(f"{what} has more than 2^63 elements")
        _check_terms(dims, what)
        return TensorType(dtype, dims)

    def _size(self, value: Any, what: str) -> int | Dim:
        if type(value) is dict:
            return row_of(self.dims, record(value, what, ["dim"])["dim"], f"{what}: dimension")
        return integer(value, f"{what}: a size", 0, MAX_NBYTES + 1)

    def _constants(self, rows: list[Any], stored: Mapping[str, np.ndarray[Any, Any]]) -> list[Literal]:
        if stored.keys() != {str(k) for k in range(len(rows))}:
            raise FormatError(f"the header has {len(rows)} constants, but {len(stored)} others are stored")
        literals = []
        for k, row in enumerate(rows):
            type = self._type(k, row)
            shape = tuple([d for d in type.dims if isinstance(d, int)]) if type.shape is not None else ()
            array = restored(stored[str(k)], dtype_name(type.dtype), shape) if type.is_static else None
            if array is None:
                raise FormatError(f"constant {k} is stored as something else than {type}")
            literals.append(Literal(array))
        return literals

    # --- attributes ---

    def attribute(self, value: Any, body: Callable[[int], Body], depth: int = 0) -> Any:
        """An attribute's value; `body` gives the body of a number."""
        kind = type(value)
        if value is None or kind is bool or kind is int or kind is str:
            return value
        if depth > MAX_NESTING:
            raise FormatError(f"an attribute is nested deeper than {MAX_NESTING} levels")
        if kind is list:
            items = tuple([self.attribute(item, body, depth + 1) for item in value])
            _check_terms(items, "an attribute")
            return items
        if kind is not dict or len(value) != 1:
            raise FormatError(f"{shorten(value)} is no attribute value")
        ((tag, content),) = value.items()
        if tag == "float":
            return _float(content)
        if tag == "complex":
            return complex(*[_float(part) for part in listed(content, "a complex number", 2)])
        if tag == "dtype":
            return _dtype(content)
        if tag == "body":
            return body(content)
        tables: dict[str, Sequence[Any]] = {
            "dim": self.dims,
            "symbol": self.symbols,
            "type": self.types,
            "constant": self.constants,
        }
        if tag not in tables:
            raise FormatError(f"{shorten(value)} is no attribute value")
        return row_of(tables[tag], content, tag)


def _symbols(rows: list[Any]) -> list[str]:
    """Names of the symbols; those that were unnamed get fresh names, in the order in which they were made."""
    ranks = sorted(row for row in rows if type(row) is int)
    if ranks != list(range(len(ranks))):
        raise FormatError("the ranks of the unnamed symbols are not 0, 1, ...")
    fresh = [unknown_dim().symbols[0] for _ in ranks]
    names = []
    for row in rows:
        if type(row) is int:
            names.append(fresh[row])
        elif type(row) is str and row.isidentifier() and len(row) <= 1024:
            names.append(row)
        else:
            raise FormatError(f"{shorten(row)} is not the name of a dimension")
    if len(set(names)) != len(names):
        raise FormatError("a symbol is listed twice")
    return names


def _symbols_of(type: TensorType) -> frozenset[str]:
    return frozenset(name for d in type.shape or () if isinstance(d, Dim) for name in d.symbols)


def _check_terms(items: Sequence[Any], what: str) -> None:
    if math.prod(len(d.terms) for d in items if type(d) is Dim) > MAX_TERMS:
        raise FormatError(f"{what} has a shape whose size is a sum of more than {MAX_TERMS} terms")


def _place(number: int, row: Any) -> Origin:
    what = f"line {number}"
    file, line, function = listed(row, what, 3)
    return Origin(text(file, what), integer(line, what, 0, 2**31), text(function, what))


def _dtype(name: Any) -> np.dtype[Any]:
    dtype = BY_NAME.get(name) if type(name) is str else None
    if dtype is None:
        raise FormatError(f"{shorten(name)} is not a dtype")
    return dtype


def _float(value: Any) -> float:
    content = text(value, "a float")
    try:
        if content.startswith("nan"):
            (result,) = struct.unpack(">d", bytes.fromhex(content[3:]))
        else:
            result = float.fromhex(content)
    except (ValueError, OverflowError, struct.error):
        raise FormatError(f"{shorten(content)} is not a float") from None
    if float_text(result) != content:
        raise FormatError(f"{shorten(content)} is not a float as this format writes it")
    return float(result)
