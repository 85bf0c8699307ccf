"""What makes a NaN or an infinity: found in values, told in words."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

import numpy as np

from graphflow.checking.stepping import Scope
from graphflow.errors import NumericsError
from graphflow.graph import Node
from graphflow.interpret import Functions, compute, interpret, type_of
from graphflow.ops.constant import CONSTANT
from graphflow.program import Place
from graphflow.subgraph import Subgraph
from graphflow.types import STRING, is_floating

__all__ = ["BOTH", "Attrs", "Kinds", "first_made", "given_error", "holds", "made", "made_again", "made_error"]

Attrs = Mapping[str, Any]
Kinds = tuple[str, ...]

BOTH: Kinds = ("nan", "inf")
"""What is looked for: a NaN, an infinity, or both."""

_TESTS: dict[str, Callable[[Any], Any]] = {"nan": np.isnan, "inf": np.isinf}


def holds(value: Any, kinds: Kinds) -> Kinds:
    """Those of `kinds` that a NumPy array holds. One sum of the array where it holds none."""
    if not is_floating(value.dtype) or not value.size:
        return ()
    with np.errstate(all="ignore"):
        if np.isfinite(np.add.reduce(value, axis=None)):
            return ()
    return tuple([kind for kind in kinds if _TESTS[kind](value).any()])


def made(inputs: Iterable[Any], attrs: Attrs, output: Any, kinds: Kinds) -> Kinds:
    """The kinds that an output holds and that neither an input nor an attribute of its node does."""
    found = holds(output, kinds)
    if not found:
        return ()
    given: set[str] = set()
    for value in inputs:
        given.update(holds(value, found) if isinstance(value, np.ndarray) else ())
    for value in attrs.values():
        if isinstance(value, (float, complex, np.inexact)):
            given.update(holds(np.asarray(value), found))
    return tuple([kind for kind in found if kind not in given])


def first_made(
    subgraph: Subgraph,
    feeds: Sequence[Any],
    state: Mapping[str, Any],
    functions: Functions,
    known: Mapping[int, tuple[Any, ...]] | None = None,
    kinds: Kinds = BOTH,
    scope: Scope = nullcontext,
) -> NumericsError | None:
    """The error of the first node of a subgraph, in its order, that makes one of `kinds`; None where none does.

    Then of the first constant that is a NaN. Arguments as `interpret` takes them.
    """

    def watch(node: Node, attrs: Attrs, inputs: tuple[Any, ...], outputs: tuple[Any, ...]) -> None:
        if node.op.is_view or node.op.name == "assign":
            return
        for k, value in enumerate(outputs):
            found = () if value is None else made(inputs, attrs, value, kinds)
            if found:
                again = partial(made_again, node, attrs, k, functions, scope)
                raise made_error(node, found[0], value, inputs, again)

    try:
        interpret(subgraph, feeds, state, watch=watch, functions=functions, known=known)
    except NumericsError as error:
        return error
    for node in subgraph.nodes:
        if node.op is CONSTANT and "nan" in kinds and holds(node.attrs["value"].array, ("nan",)):
            return given_error("constant", Place(node), "nan", node.attrs["value"].array)
    return None


def made_again(
    node: Node, attrs: Attrs, k: int, functions: Functions, scope: Scope, inputs: Sequence[Any]
) -> Any:
    """Output `k` of a node, computed of given inputs."""
    with scope():
        return compute(node, inputs, functions=functions, attrs=attrs)[k]


def made_error(
    node: Node, kind: str, output: Any, inputs: Sequence[Any], again: Callable[[Sequence[Any]], Any]
) -> NumericsError:
    """The error of a node whose output holds what its inputs do not."""
    output = np.asarray(output)
    index, count = _where(kind, output)
    lines = [
        f"'{node.name}' ({node.op.name}) made {_counted(kind, output, index, count)}; its inputs have none"
    ]
    names = [t.name for t in node.inputs] if len(node.inputs) == len(inputs) else [""] * len(inputs)
    lines += [f"    {name} = {_described(value)}" for name, value in zip(names, inputs, strict=True)]
    error = NumericsError(
        "\n".join(lines),
        kind=kind,
        node=node,
        index=index,
        count=count,
        output=output,
        inputs=[np.asarray(v) for v in inputs],
        again=again,
    )
    error.at(node.place)
    return error


def given_error(source: str, place: Place | None, kind: str, value: Any) -> NumericsError:
    """The error of a feed, variable or constant that holds what is looked for."""
    index, count = _where(kind, value)
    name = "" if place is None else place.name
    told = _counted(kind, value, index, count)
    words = {
        "feed": f"'{name}' was fed {told}",
        "variable": f"variable '{name}' held {told} before the run",
        "constant": f"constant '{name}' is {told}",
    }
    error = NumericsError(
        words[source],
        source=source,
        kind=kind,
        node=None if place is None else place._node,
        index=index,
        count=count,
        output=np.array(value),
    )
    error.at(str(place))
    return error


def _where(kind: str, value: Any) -> tuple[tuple[int, ...], int]:
    mask = np.asarray(_TESTS[kind](value))
    first = np.unravel_index(int(mask.argmax()), mask.shape) if mask.ndim else ()
    return tuple(int(i) for i in first), int(mask.sum())


def _counted(kind: str, value: Any, index: tuple[int, ...], count: int) -> str:
    if not index:
        return "a NaN" if kind == "nan" else "an infinity"
    return f"{'NaN' if kind == 'nan' else 'infinities'} in {count} of {value.size} elements, the first at {list(index)}"


def _described(value: Any) -> str:
    text = str(type_of(value))
    if not value.size or value.dtype is STRING or value.dtype.kind == "c":
        return text
    low, high = float(value.min()), float(value.max())
    if math.isnan(low):
        return f"{text}, with NaN"
    return f"{text}, from {low:.6g} to {high:.6g}" if value.ndim else f"{text} {low:.6g}"
