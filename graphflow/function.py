"""`gf.function`: a Python function traced once per signature and called with arrays."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from graphflow.errors import ArgumentError, shorten
from graphflow.graph import Graph, Tensor, check_name, get_default_graph, name_scope
from graphflow.ops.constant import as_array
from graphflow.ops.placeholder import placeholder
from graphflow.session import session_for

__all__ = ["function"]


def function(wrapped: Callable[..., Any] | None = None, *, name: str | None = None) -> Any:
    """Decorate a function of tensors so that it can be called with arrays.

    Called with arrays (positional; keyword arguments are Python constants) it is traced into the default
    graph once for each signature (shapes and dtypes, constants), and run in the default session or the
    graph's own. Called with tensors it simply builds: functions compose.
    `f.trace_count` counts the traces.
    """
    if name is not None:
        check_name(name)
    if wrapped is None:
        return functools.partial(function, name=name)
    if not callable(wrapped):
        raise ArgumentError(f"function: {shorten(wrapped)} is not callable")
    return _Function(wrapped, name or str(getattr(wrapped, "__name__", "")).strip("<>") or "function")


class _Function:
    """A traced function; its traces live as long as the graphs they were made in."""

    def __init__(self, wrapped: Callable[..., Any], name: str) -> None:
        functools.update_wrapper(self, wrapped)
        self._wrapped = wrapped
        self._name = name
        self._traces: dict[Any, tuple[Graph, Any, Callable[..., Any]]] = {}
        self.trace_count = 0

    def __call__(self, *args: Any, **constants: Any) -> Any:
        if any(hasattr(type(a), "__graphflow_tensor__") for a in args):
            return self._wrapped(*args, **constants)
        arrays = [a if type(a) is np.ndarray else as_array(a) for a in args]
        graph = get_default_graph()
        session = session_for(None, graph)
        key = (id(graph), id(session), tuple((a.dtype, a.shape) for a in arrays), _constants_key(constants))
        found = self._traces.get(key)
        if found is None or found[0] is not graph or found[1] is not session:
            found = self._traces[key] = (graph, session, self._trace(arrays, constants, session))
        return found[2](*arrays)

    def _trace(self, arrays: list[Any], constants: dict[str, Any], session: Any) -> Callable[..., Any]:
        with name_scope(self._name):
            inputs: list[Tensor] = [
                placeholder(a.dtype, a.shape, name=f"arg{n}") for n, a in enumerate(arrays)
            ]
            result = self._wrapped(*inputs, **constants)
        self.trace_count += 1
        return session.make_callable(result, inputs)  # type: ignore[no-any-return]

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        bound = _Function(self._wrapped.__get__(instance, owner), self._name)
        if hasattr(instance, "__dict__"):
            instance.__dict__[self._wrapped.__name__] = bound  # found first from now on: traces are kept
        return bound


def _constants_key(constants: dict[str, Any]) -> Any:
    key = tuple(sorted((name, type(value).__name__, value) for name, value in constants.items()))
    try:
        hash(key)
    except TypeError:
        raise ArgumentError(
            f"function: keyword arguments must be hashable constants, not {shorten(constants)}"
        ) from None
    return key
