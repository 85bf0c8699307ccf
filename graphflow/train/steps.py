"""The global step: the counter that training increments and schedules read."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow.errors import ArgumentError, DTypeError, GraphError, shorten
from graphflow.graph import BodyGraph, Graph, GraphKeys, get_default_graph, scoped
from graphflow.ops.state import Variable
from graphflow.types import is_integer

__all__ = ["create_global_step", "get_global_step", "get_or_create_global_step", "global_step"]


def _root(graph: Graph | None) -> Graph:
    root = get_default_graph() if graph is None else graph
    if not isinstance(root, Graph):
        raise ArgumentError(f"global step: graph must be a Graph, not {shorten(root)}")
    while isinstance(root, BodyGraph) and root.parent is not None:
        root = root.parent
    return root


def get_global_step(graph: Graph | None = None) -> Variable | None:
    """The graph's global step (the default graph's for None), or None if it has none.

    Raises GraphError if the collection "global_step" holds several, DTypeError if it holds no integer scalar.
    """
    found = _root(graph).get_collection(GraphKeys.GLOBAL_STEP)
    if not found:
        return None
    if len(found) > 1:
        raise GraphError(f"the graph has {len(found)} global steps: {shorten(found)}")
    step = found[0]
    if not isinstance(step, Variable) or not is_integer(step.dtype) or step.handle.type.dims != ():
        raise DTypeError(f"the global step must be an integer scalar variable, not {shorten(step)}")
    return step


def create_global_step(graph: Graph | None = None) -> Variable:
    """A new int64 variable `global_step` that begins at 0. Raises GraphError if the graph has one."""
    root = _root(graph)
    if root.get_collection(GraphKeys.GLOBAL_STEP):
        raise GraphError("create_global_step: the graph has a global step; use get_global_step")
    with scoped(graph=root, prefix="", control=()):
        step = Variable(np.int64(0), name="global_step", trainable=False)
    root.add_to_collection(GraphKeys.GLOBAL_STEP, step)
    return step


def get_or_create_global_step(graph: Graph | None = None) -> Variable:
    """The graph's global step, made on first use."""
    found = get_global_step(graph)
    return create_global_step(graph) if found is None else found


def global_step(sess: Any, global_step_tensor: Any) -> int:
    """The value of the global step in a session, as an int."""
    if not hasattr(type(sess), "run"):
        raise ArgumentError(f"global_step: sess must be a session, not {shorten(sess)}")
    value = np.asarray(sess.run(global_step_tensor))
    if value.ndim or not is_integer(value.dtype):
        raise DTypeError(f"global_step: {global_step_tensor!r} must be an integer scalar")
    return int(value)
