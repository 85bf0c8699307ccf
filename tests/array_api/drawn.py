"""What the tests of the Array API share: arrays that hypothesis draws by way of graphflow, and how values are compared."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.array_api import make_strategies_namespace

import graphflow as gf

__all__ = ["FLOATS", "INTEGERS", "NUMBERS", "check", "dtypes", "in_a_new_graph", "names_of", "value", "xps"]

xps = make_strategies_namespace(gf, api_version="2024.12")

INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
FLOATS = ("float32", "float64")
NUMBERS = (*INTEGERS, *FLOATS)
_COMPLEX = ("complex64", "complex128")

_KINDS = {
    "bool": ("bool",),
    "integer": INTEGERS,
    "bits": ("bool", *INTEGERS),
    "real": NUMBERS,
    "float": FLOATS,
    "floating": (*FLOATS, *_COMPLEX),
    "complex": _COMPLEX,
    "number": (*NUMBERS, *_COMPLEX),
    "any": ("bool", *NUMBERS, *_COMPLEX),
}

_F = TypeVar("_F", bound=Callable[..., Any])


def names_of(kind: str) -> tuple[str, ...]:
    """The dtypes of a kind of operands, by name: "real", "floating", "bits" and so on."""
    return _KINDS[kind]


def dtypes(kind: str) -> st.SearchStrategy[str]:
    """One dtype of a kind, by name."""
    return st.sampled_from(names_of(kind))


def in_a_new_graph(test: _F) -> _F:
    """Build each example of a hypothesis test in a graph of its own: draw with `data.draw` inside."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> Any:
        with gf.Graph().as_default():
            return test(*args, **kwargs)

    return run  # type: ignore[return-value]


def value(tensor: Any) -> np.ndarray[Any, Any]:
    """The value on demand; its type is the inferred one."""
    found = np.asarray(tensor)
    assert found.dtype == tensor.dtype
    if None not in tensor.shape:
        assert found.shape == tensor.shape
    return found


def check(tensor: Any, expected: Any, rtol: float = 0.0) -> None:
    """Dtype, shape and values are those of an array; NaN equals NaN, and zeros have the same sign."""
    found, wanted = value(tensor), np.asarray(expected)
    assert found.dtype == wanted.dtype
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, rtol=rtol, atol=0, equal_nan=True)
    if not rtol and found.dtype.kind in "fc":
        for part in (np.real, np.imag):
            numbers = ~np.isnan(part(wanted))
            np.testing.assert_array_equal(np.signbit(part(found))[numbers], np.signbit(part(wanted))[numbers])
