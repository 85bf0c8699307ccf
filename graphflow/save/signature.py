"""Which attributes an op takes, and of what type, by the signatures of its own rules: nothing is listed twice."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from graphflow.errors import FormatError
from graphflow.op import Op, Trait
from graphflow.types import Dim

__all__ = ["attribute_types"]

_TYPES: dict[str, tuple[type, ...]] = {
    "None": (type(None),),
    "bool": (bool,),
    "int": (int, Dim),
    "float": (float, int),
    "str": (str,),
    "Shape": (tuple,),
}
"""Annotations, as text, that say what an attribute is; nothing is concluded from others. Sizes may be symbolic."""


@lru_cache(maxsize=1024)  # asking a rule for its signature takes longer than making the node
def attribute_types(op: Op, n_inputs: int, attrs: tuple[str, ...]) -> Mapping[str, tuple[type, ...]]:
    """The types that each of these attributes may have, where the inference rule says so.

    Raises FormatError if one of the two does not take that many inputs with attributes of those names.
    """
    rules: list[tuple[Callable[..., Any], int, dict[str, Any]]] = [(op.infer, n_inputs, dict.fromkeys(attrs))]
    if op.kernel is not None:
        extra = {"used": ()} if op.traits & Trait.CONTROL else {}
        rules.append((op.kernel, n_inputs + 1, {**dict.fromkeys(attrs), **extra}))
    found: dict[str, tuple[type, ...]] = {}
    for function, n, keywords in rules:
        try:
            signature = inspect.signature(function)
        except (TypeError, ValueError):  # functions written in C do not always say
            continue
        try:
            signature.bind(*[None] * n, **keywords)
        except TypeError as error:
            listed = ", ".join(attrs) or "none"
            raise FormatError(f"{n_inputs} inputs and the attributes {listed} do not fit: {error}") from None
        for name, parameter in signature.parameters.items():
            types = _allowed(parameter.annotation) if function is op.infer and name in attrs else ()
            if types:
                found[name] = types
    return found


def _allowed(annotation: Any) -> tuple[type, ...]:
    """`int | None` as types; nothing where a part of the annotation is not in the table."""
    if not isinstance(annotation, str):
        return ()
    parts = [
        _TYPES.get(part.strip(), (tuple,) if part.strip().startswith("tuple[") else ())
        for part in annotation.split(" | ")
    ]
    return tuple(t for types in parts for t in types) if all(parts) else ()
