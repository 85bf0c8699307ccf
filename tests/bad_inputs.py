"""Bad values for every kind of parameter that public functions have.

Those whose label begins with "!" are refused whatever the function; the others are refused or have a meaning.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import numpy as np

import graphflow as gf

__all__ = ["BAD", "HUGE", "RUN", "endless", "fed", "foreign"]

# --- hostile objects ------------------------------------------------------------------------------


class Everything:
    """An object that claims to have every attribute, as a mock does."""

    def __getattr__(self, name: str) -> Any:
        return self


class BadIndex:
    """`__index__` is there and raises."""

    def __index__(self) -> int:
        raise RuntimeError("no index")


class BadArray:
    """`__array__` raises."""

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise RuntimeError("no array")


class LyingArray:
    """`__array__` gives something else."""

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return "garbage"


class BadRepr:
    """`__repr__` raises."""

    def __repr__(self) -> str:
        raise RuntimeError("no repr")


class LongRepr:
    """`__repr__` gives a megabyte."""

    def __repr__(self) -> str:
        return "x" * 1_000_000


def endless(*_: Any, **__: Any) -> list[Any]:
    """A list that holds itself."""
    a: list[Any] = []
    a.append(a)
    return a


def deep(levels: int = 2000) -> Any:
    """A list in a list, many times."""
    a: Any = 1
    for _ in range(levels):
        a = [a]
    return a


_DEEP = deep()


def foreign(dtype: str = "float32", shape: Any = (3, 3)) -> Any:
    """A tensor of another graph."""
    with gf.Graph().as_default():
        return gf.placeholder(dtype, shape)


def inner() -> Any:
    """A tensor that lives inside a loop's body."""
    found = []

    def body(i: Any) -> Any:
        found.append(i + 1)
        return found[-1]

    gf.while_loop(lambda i: i < 3, body, [gf.constant(0)])
    return found[0]


def fed(dtype: str, *shape: int | None) -> Any:
    """A placeholder."""
    return gf.placeholder(dtype, shape)


# --- bad values -----------------------------------------------------------------------------------

Makers = dict[str, Callable[[], Any]]

OBJECTS: Makers = {
    "!object": object,
    "!everything": Everything,
    "!bad repr": BadRepr,
    "!long repr": LongRepr,
    "!function": lambda: len,
    "!module": lambda: np,
    "!session": lambda: gf.Session(gf.Graph()),
    "!bytes": lambda: b"bytes",
    "!ellipsis": lambda: ...,
    "!not implemented": lambda: NotImplemented,
}
"""Objects that are no value of any kind."""

NUMBERS: Makers = {
    "nan": lambda: float("nan"),
    "inf": lambda: float("inf"),
    "-inf": lambda: float("-inf"),
    "half": lambda: 1.5,
    "whole float": lambda: 1.0,
    "complex": lambda: 1j,
    "true": lambda: True,
    "numpy true": lambda: np.True_,
    "zero": lambda: 0,
    "minus one": lambda: -1,
    "2**31": lambda: 2**31,
    "2**63-1": lambda: 2**63 - 1,
    "2**63": lambda: 2**63,
    "2**70": lambda: 2**70,
    "10**400": lambda: 10**400,
    "10**5000": lambda: 10**5000,
    "-2**63-1": lambda: -(2**63) - 1,
    "numpy float": lambda: np.float64(1.0),
    "uint64": lambda: np.uint64(2**64 - 1),
    "decimal": lambda: Decimal(1),
}

TENSORS: Makers = {
    "foreign": foreign,
    "!operation": gf.no_op,
    "unranked": lambda: gf.placeholder("float32"),
    "unknown size": lambda: fed("float32", None),
    "float tensor": lambda: fed("float32", 2, 2),
    "int tensor": lambda: fed("int64"),
    "bool tensor": lambda: fed("bool", 3),
    "complex tensor": lambda: fed("complex64", 3, 3),
    "wide tensor": lambda: fed("float32", 7, 5, 4, 2),
    "uint64 tensor": lambda: fed("uint64", 3, 3),
    "empty tensor": lambda: fed("float32", 0),
    "empty matrix": lambda: fed("float32", 0, 3),
    "bfloat16 tensor": lambda: fed("bfloat16", 3, 3),
}

NESTS: Makers = {
    "none": lambda: None,
    "empty list": list,
    "list": lambda: [1, 1],
    "floats": lambda: [0.5, 1.5],
    "nested": lambda: [[0], [1]],
    "!ragged": lambda: [[1, 2], [3]],
    "!mixed depth": lambda: [1, [2, 3]],
    "!endless": endless,
    "!deep": lambda: _DEEP,
    "!dict": lambda: {"a": 1},
    "!set": lambda: {1, 2},
    "!strings": lambda: ["a", "b"],
    "!string": lambda: "abc",
    "string 3": lambda: "3",
    "!huge string": lambda: "x" * 1_000_000,
    "!nones": lambda: [None, None],
    "!objects": lambda: [object(), object()],
    "array": lambda: np.array([0, 1]),
    "float array": lambda: np.array([0.0, 1.0]),
    "empty array": lambda: np.zeros((0,), np.float32),
    "huge ints": lambda: [2**70, 2**70],
    "negative": lambda: [-1, -1],
    "nans": lambda: [float("nan")],
    "!bad index": BadIndex,
    "generator": lambda: iter([1, 2]),
    "matrix": lambda: np.eye(2).view(np.matrix),
}

ARRAYS: Makers = {
    "!object array": lambda: np.array([object(), None]),
    "!ragged array": lambda: np.array([[1], [1, 2]], dtype=object),
    "!masked": lambda: np.ma.masked_array([1.0, 2.0], mask=[True, False]),
    "!datetime": lambda: np.array(["2020-01-01"], "datetime64[D]"),
    "!structured": lambda: np.zeros(2, [("a", "i4")]),
    "!text array": lambda: np.array(["a"]),
    "!long double": lambda: np.zeros(2, np.longdouble),
    "!bad array": BadArray,
    "!lying array": LyingArray,
    "broadcast view": lambda: np.broadcast_to(np.float32(1), (3, 3)),
    "backwards": lambda: np.eye(3, dtype=np.float32)[::-1],
    "big-endian": lambda: np.eye(3, dtype=">f4"),
    "!generator of floats": lambda: (x for x in (1.0, 2.0)),
    "inner": inner,
}

SIZES: Makers = {
    "!negative size": lambda: [-2, 3],
    "!two wildcards": lambda: [-1, -1],
    "!2**32 squared": lambda: [2**32, 2**32],
    "!wraps to small": lambda: [2**32, 2**32 + 1],
    "!one size of 2**70": lambda: [2**70],
    "terabytes": lambda: [10**6, 10**6],
    "!65 axes": lambda: [1] * 65,
    "!half a size": lambda: [1.5],
    "!nan size": lambda: [float("nan")],
    "!bool size": lambda: [True],
    "!text size": lambda: ["3"],
    "zero sizes": lambda: [0, 0],
    "zero and minus one": lambda: [0, -1],
    "!endless generator": lambda: itertools.repeat(3),
    "!size tensor": lambda: fed("int64", 2),
}

DTYPES: Makers = {
    "!unknown dtype": lambda: "nope",
    "!empty dtype": lambda: "",
    "!dtype object": lambda: "O",
    "!dtype text": lambda: "U5",
    "!dtype datetime": lambda: "datetime64[s]",
    "!dtype structured": lambda: [("a", "i4")],
    "!dtype long double": lambda: np.longdouble,
    "!dtype void": lambda: np.void,
    "!dtype class": lambda: np.floating,
    "!dtype number": lambda: 3,
    "!dtype list": lambda: ["float32", "int8"],
    "!dtype dict": dict,
    "!dtype array": lambda: np.zeros(3),
    "!dtype tensor": lambda: fed("float32", 2),
    "!dtype surrogate": lambda: "\ud800",
    "!dtype with commas": lambda: "f4,f4",
    "other byte order": lambda: ">f4",
    "integers": lambda: "int8",
    "bools": lambda: bool,
    "complexes": lambda: "complex64",
    "uint64": lambda: "uint64",
}

TEXTS: Makers = {
    "!empty text": lambda: "",
    "!blank": lambda: "a b",
    "!newline": lambda: "a\n",
    "!nul": lambda: "a\0b",
    "!markup": lambda: '"><svg onload=x>',
    "!right to left": lambda: "\u202eabc",
    "!megabyte": lambda: "x" * 1_000_000,
    "!surrogate": lambda: "\ud800",
    "!number for text": lambda: 3,
    "!bool for text": lambda: True,
    "!list for text": lambda: ["a"],
    "!dict for text": dict,
    "!tensor for text": lambda: fed("float32"),
    "!path": lambda: "a/../b",
}

NAMES: Makers = {
    "!slash": lambda: "/",
    "!dots": lambda: "..",
    "!double slash": lambda: "a//b",
    "!leading slash": lambda: "/a",
    "!colon": lambda: "a:0",
    "!index": lambda: "^a",
    "trailing slash": lambda: "a/",
    "letters": lambda: "größe",
}

FLAGS: Makers = {
    "!ambiguous": lambda: np.array([True, False]),
    "!tensor for a flag": lambda: fed("bool"),
    "text for a flag": lambda: "yes",
    "two": lambda: 2,
    "none": lambda: None,
    "nan": lambda: float("nan"),
}

CALLABLES: Makers = {
    "none": lambda: None,
    "!number for a function": lambda: 3,
    "!text for a function": lambda: "f",
    "!list for a function": lambda: [len],
    "!tensor for a function": lambda: fed("float32"),
    "gives none": lambda: lambda *a, **k: None,
    "gives text": lambda: lambda *a, **k: "text",
    "gives an object": lambda: lambda *a, **k: object(),
    "gives another graph's": lambda: lambda *a, **k: foreign(),
    "gives an endless list": lambda: endless,
    "gives three": lambda: lambda *a, **k: (1.0, 2.0, 3.0),
    "gives ragged": lambda: lambda *a, **k: [[1, 2], [3]],
    "gives complex": lambda: lambda *a, **k: 1j,
    "gives a bool matrix": lambda: lambda *a, **k: np.eye(3) > 0,
    "takes nothing": lambda: lambda: 1.0,
    "takes five": lambda: lambda a, b, c, d, e: a,
    "a class": lambda: object,
    "a generator": lambda: _generator,
}


def _generator(*args: Any, **kwargs: Any) -> Iterator[Any]:
    yield 1.0


LISTS: Makers = {
    "list of nones": lambda: [None],
    "!list with another graph's": lambda: [fed("float32", 3, 3), foreign()],
    "mixed ranks": lambda: [fed("float32", 3), fed("float32", 3, 3)],
    "mixed dtypes": lambda: [fed("float32", 3, 3), fed("int64", 3, 3)],
    "uint64 and int64": lambda: [fed("uint64", 3, 3), fed("int64", 3, 3)],
    "list of unranked": lambda: [gf.placeholder("float32"), gf.placeholder("float32")],
    "!list with an object": lambda: [fed("float32", 3, 3), object()],
    "!list with text": lambda: [fed("float32", 3, 3), "abc"],
    "list with a nest": lambda: [fed("float32", 2), [fed("float32", 2)]],
    "list of numbers": lambda: [1.0, 2.0],
}

PATHS: Makers = {
    "!empty path": lambda: "",
    "!nul": lambda: "a\0b",
    "!surrogate": lambda: "\ud800/x",
    "!long path": lambda: "x" * 5000,
    "!descriptor": lambda: 0,
    "!true": lambda: True,
    "none": lambda: None,
    "!list": lambda: ["a"],
    "!folder": lambda: ".",
    "!device": lambda: "/dev/null/x",
    "!tensor": lambda: fed("float32"),
}


def _meant(makers: Makers, *labels: str) -> Makers:
    """`makers`, of which those with these labels may have a meaning after all."""
    return {name.lstrip("!") if name.lstrip("!") in labels else name: make for name, make in makers.items()}


_VALUES = {**OBJECTS, **NUMBERS, **NESTS, **TENSORS, **ARRAYS}
_WRITTEN = ("bytes", "string", "strings", "huge string", "text array")
_NESTED = (
    "ragged",
    "ragged array",
    "mixed depth",
    "nones",
    "generator of floats",
    "operation",
    "long double",
)

_PRINTED = tuple(n.lstrip("!") for n in TEXTS if "for text" not in n and n != "!surrogate")

BAD: dict[str, Makers] = {
    **dict.fromkeys(("tensor", "scalar", "ints", "bools"), _VALUES),
    "tensors": _meant({**_VALUES, **LISTS}, *_NESTED),
    "texts": _meant(_VALUES, *_NESTED, *_WRITTEN),
    "text": _meant(_VALUES, *_WRITTEN),
    "numbers": _meant(_VALUES, "long double", "generator of floats"),
    "initializer": _meant(
        {**_VALUES, **CALLABLES}, "function", "number for a function", "tensor for a function", "long double"
    ),
    "axis": {**OBJECTS, **NUMBERS, **NESTS, **TENSORS, "!false": lambda: False},
    "size": {**OBJECTS, **NUMBERS, **NESTS, **TENSORS},
    "nest of sizes": _meant(
        {**OBJECTS, **NUMBERS, **NESTS, **TENSORS}, "ragged", "mixed depth", "dict", "nones"
    ),
    "sizes": {**OBJECTS, **NUMBERS, **NESTS, **TENSORS, **SIZES},
    "fed sizes": _meant({**OBJECTS, **NUMBERS, **NESTS, **TENSORS, **SIZES}, "size tensor"),
    "partial": _meant({**OBJECTS, **NUMBERS, **NESTS, **TENSORS, **SIZES}, "nones", "strings"),
    "number": _VALUES,
    "key": _meant({**_VALUES, "!zero step": lambda: slice(None, None, 0)}, "ellipsis"),
    "seed": {**OBJECTS, **NUMBERS, **NESTS, **TENSORS},
    "dtype": {**OBJECTS, **NUMBERS, **DTYPES, **NESTS},
    "any dtype": _meant({**OBJECTS, **NUMBERS, **DTYPES, **NESTS}, "dtype object"),
    "dtype or array": _meant(
        {**OBJECTS, **NUMBERS, **DTYPES, **NESTS}, "dtype object", "dtype array", "dtype tensor"
    ),
    "dtypes": _meant({**OBJECTS, **NUMBERS, **DTYPES, **NESTS}, "dtype list", "dtype object"),
    "name": _meant({**OBJECTS, **TEXTS, **NAMES, "none": lambda: None}, "empty text"),
    "scope": _meant({**OBJECTS, **TEXTS}, *_PRINTED, "surrogate"),
    "string": _meant({**OBJECTS, **TEXTS}, *_PRINTED),
    "padding": _meant(
        {**OBJECTS, **NUMBERS, **TEXTS, "none": lambda: None}, "number for text", "bool for text"
    ),
    "choice": _meant({**OBJECTS, **NUMBERS, **TEXTS, "none": lambda: None}, "bool for text"),
    "labels": _meant({**OBJECTS, **NESTS, **TEXTS}, "strings", "list for text"),
    "flag": {**FLAGS, **NUMBERS, **OBJECTS},
    "switch": _meant({**FLAGS, **NUMBERS, **OBJECTS, **TENSORS}, "tensor for a flag"),
    "function": _meant({**OBJECTS, **CALLABLES}, "function"),
    "graph": {**OBJECTS, **TEXTS, "none": lambda: None},
    "path": _meant({**OBJECTS, **PATHS}, "bytes"),
    "lookup": _meant({**OBJECTS, **PATHS}, "bytes", "folder", "device", "long path", "surrogate"),
    "sparse": {**OBJECTS, **NUMBERS, **NESTS, **TENSORS},
    "ignored": {},
}
"""Bad values of every kind of parameter, by a short name."""

HUGE = ("2**", "10**", "terabytes", "megabyte", "huge", "endless", "wraps", "65 axes")
"""Words in the labels of values that might make a call allocate much: there the bytes are counted."""

RUN = (
    *("nan", "inf", "complex", "zero", "minus one", "2**63-1", "uint64", "negative", "empty list", "nans"),
    *("unranked", "unknown size", "int tensor", "bool tensor", "complex tensor", "bfloat16 tensor"),
    *("empty tensor", "empty matrix", "backwards", "big-endian", "terabytes", "zero sizes"),
)
"""Values that are run where they are accepted: what is wrong with them may be known only then."""
