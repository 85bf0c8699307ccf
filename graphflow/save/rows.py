"""The small tables of a graph that is being saved, filled in the order of first use; attributes as JSON values.

`encode.py` says what they look like; `tables.py` reads them back.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

from graphflow.errors import shorten
from graphflow.graph import Node
from graphflow.ops.body import Body
from graphflow.ops.constant import Literal
from graphflow.origin import UNKNOWN, Origin
from graphflow.save.container import MAX_DIGITS
from graphflow.types import BY_NAME, Dim, TensorType, dtype_name

__all__ = ["MAX_NESTING", "Rows", "float_text", "numbered", "symbol_key"]

MAX_NESTING = 20
"""How deep the tuples of an attribute may be nested."""


def float_text(value: float) -> str:
    """A float as text that gives the very same bits back: hexadecimal, and the payload of a NaN."""
    return "nan" + struct.pack(">d", value).hex() if math.isnan(value) else value.hex()


def numbered(table: dict[Any, int], key: Any) -> int:
    """The number of a row, entered if it is new: a dict is a table whose rows are numbered as they come."""
    return table.setdefault(key, len(table))


class Rows:
    """The tables, and `arrays`, the constants' data."""

    def __init__(self) -> None:
        self._symbols: dict[str, int] = {}
        self._dims: dict[Dim, int] = {}
        self._types: dict[TensorType, int] = {}
        self._constants: dict[Literal, int] = {}
        self._places: dict[Origin, int] = {}
        self._place_of: dict[tuple[int, int], int] = {}
        self.arrays: list[np.ndarray[Any, Any]] = []

    def tables(self) -> dict[str, Any]:
        """All tables as they are written."""
        return {
            "symbols": self._symbol_rows(),
            "dims": [self._terms(d) for d in self._dims],
            "types": [[dtype_name(t.dtype), self._shape(t)] for t in self._types],
            "constants": [[dtype_name(a.dtype), list(a.shape)] for a in self.arrays],
            "places": [[p.file, p.line, p.function] for p in self._places],
        }

    def place(self, node: Node) -> int | None:
        """The number of the line that made a node; None where that is not known."""
        if node._code is None:
            return None
        key = (id(node._code), node._lasti)  # decoding costs more than everything else about a node
        place = self._place_of.get(key)
        if place is None:
            origin = node.origin
            if origin is UNKNOWN:
                return None
            place = self._place_of[key] = numbered(self._places, origin)
        return place

    def value(self, value: Any, bodies: Mapping[Body, int], depth: int = 0) -> Any:
        """An attribute as a JSON value. Raises TypeError, naming what it is, for what is no plain data."""
        kind = value.__class__
        if value is None or kind is bool or kind is str:
            return value
        if kind is int:
            if abs(value) >= 10 ** (MAX_DIGITS - 1):
                raise TypeError("an integer of more digits than allowed")
            return value
        if kind is float:
            return {"float": float_text(value)}
        if kind is complex:
            return {"complex": [float_text(value.real), float_text(value.imag)]}
        if kind is Dim:
            return {"dim": self._dim(value)}
        if kind is Literal:
            return {"constant": self._constant(value)}
        if kind is Body:
            return {"body": bodies[value]}
        if kind is TensorType:
            return {"type": self.type(value)}
        if isinstance(value, np.dtype) and dtype_name(value) in BY_NAME:
            return {"dtype": dtype_name(value)}
        if kind is tuple and depth < MAX_NESTING:
            return self._tuple(value, bodies, depth)
        raise TypeError(shorten(value))

    def _tuple(self, value: tuple[Any, ...], bodies: Mapping[Body, int], depth: int) -> list[Any]:
        if value and all(_is_symbol_pair(item) for item in value):
            # a table of sizes: (symbol, the same as a dimension), by name; names of unknowns differ from run to run
            ordered = sorted(value, key=lambda item: symbol_key(item[0]))
            return [[{"symbol": self._symbol(name)}, {"dim": self._dim(d)}] for name, d in ordered]
        return [self.value(item, bodies, depth + 1) for item in value]

    def _constant(self, literal: Literal) -> int:
        number = numbered(self._constants, literal)
        if number == len(self.arrays):
            self.arrays.append(literal.array)
        return number

    def type(self, type: TensorType) -> int:
        """The number of a type."""
        for d in type.shape or ():
            if isinstance(d, Dim):
                self._dim(d)
        return numbered(self._types, type)

    def _shape(self, type: TensorType) -> list[Any] | None:
        if type.shape is None:
            return None
        return [{"dim": self._dims[d]} if isinstance(d, Dim) else int(d) for d in type.shape]

    def _dim(self, dim: Dim) -> int:
        for name in sorted(dim.symbols, key=symbol_key):
            self._symbol(name)
        return numbered(self._dims, dim)

    def _symbol(self, name: str) -> int:
        return numbered(self._symbols, name)

    def _terms(self, dim: Dim) -> list[Any]:
        rows = [[sorted(self._symbols[name] for name in monomial), c] for monomial, c in dim.terms]
        return sorted(rows)

    def _symbol_rows(self) -> list[str | int]:
        unnamed = sorted((name for name in self._symbols if name.startswith("?")), key=symbol_key)
        ranks = {name: rank for rank, name in enumerate(unnamed)}
        return [ranks.get(name, name) for name in self._symbols]


def symbol_key(name: str) -> tuple[int, str]:
    """Sorts unnamed unknowns by when they were made, as their names are `?` and a running number; others by name."""
    return (len(name), name) if name.startswith("?") else (0, name)


def _is_symbol_pair(value: Any) -> bool:
    if type(value) is not tuple or len(value) != 2 or type(value[0]) is not str:
        return False
    return type(value[1]) is Dim and value[1].symbols == (value[0],)
