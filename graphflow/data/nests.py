"""Elements of a data set: arrays, or tuples, lists, named tuples and dictionaries of elements."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from graphflow.errors import ArgumentError, shorten

__all__ = ["describe", "leaves", "mapped", "stacked"]


def leaves(element: Any) -> Iterator[Any]:
    """The arrays of an element, in order; of a dictionary in the order of its keys."""
    if isinstance(element, dict):
        for value in element.values():
            yield from leaves(value)
    elif isinstance(element, (tuple, list)):
        for value in element:
            yield from leaves(value)
    else:
        yield element


def mapped(function: Callable[..., Any], *elements: Any) -> Any:
    """Elements of one structure, merged leaf by leaf into another of that structure.

    Raises ArgumentError where the structures differ.
    """
    first = elements[0]
    if isinstance(first, dict):
        _agree(elements, all(isinstance(e, dict) and list(e) == list(first) for e in elements))
        return {key: mapped(function, *[e[key] for e in elements]) for key in first}
    if isinstance(first, (tuple, list)):
        _agree(elements, all(isinstance(e, type(first)) and len(e) == len(first) for e in elements))
        items = [mapped(function, *parts) for parts in zip(*elements, strict=True)]
        return type(first)(*items) if hasattr(first, "_fields") else type(first)(items)
    return function(*elements)


def _agree(elements: tuple[Any, ...], same: bool) -> None:
    if not same:
        first = describe(elements[0])
        other = next((d for d in map(describe, elements) if d != first), first)
        raise ArgumentError(f"Dataset: elements of different structure: {first} and {other}")


def stacked(elements: list[Any]) -> Any:
    """One element whose arrays have an axis more, in front. Raises ArgumentError where shapes differ."""
    return mapped(_stack, *elements)


def _stack(*arrays: Any) -> Any:
    values = [np.asarray(a) for a in arrays]
    shapes = list(dict.fromkeys([v.shape for v in values]))
    if len(shapes) > 1:
        raise ArgumentError(
            f"Dataset.batch: elements of shapes {list(shapes[0])} and {list(shapes[1])} make no batch; map them to "
            f"one shape first"
        )
    return np.stack(values)


def describe(element: Any) -> str:
    """The structure of an element as text: `(float32[64], int64[])`."""
    if isinstance(element, dict):
        return "{" + ", ".join(f"{key!r}: {describe(value)}" for key, value in element.items()) + "}"
    if isinstance(element, (tuple, list)):
        inside = ", ".join(describe(value) for value in element)
        return f"({inside})" if isinstance(element, tuple) else f"[{inside}]"
    if isinstance(element, (np.ndarray, np.generic)):
        return f"{element.dtype}[{', '.join(str(n) for n in element.shape)}]"
    return shorten(element)
