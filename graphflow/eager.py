"""Eager debugging: under `with gf.eager():` each op runs as it is made and its value stays at hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from graphflow.errors import GraphflowError, RunError
from graphflow.graph import BodyGraph, Node, get_default_graph, scoped
from graphflow.op import Trait
from graphflow.ops.numpy_settings import kernel_settings
from graphflow.session import session_for

__all__ = ["eager", "initialize", "run_node"]


@contextmanager
def eager() -> Iterator[None]:
    """Run each op as it is made, keep its value on the tensor, and raise at the user's line.

    The same code builds the same graph. Placeholders have no value, nor what depends on one. Variables get
    their initial value when they are made; they live in the graph's own (or the default) session.
    """
    with scoped(eager=True):
        yield


def run_node(node: Node) -> None:
    """Compute a node that was just made, from the values of its inputs."""
    if isinstance(node.graph, BodyGraph) or node.op.name in ("placeholder", "variable"):
        return
    stateful = node.op.traits & (Trait.STATEFUL | Trait.RANDOM | Trait.CONTROL | Trait.SOURCE)
    if any(not hasattr(t, "known") and t.op.op.name != "variable" for t in node.inputs):
        return
    if stateful or node.op.kernel is None:
        values = _run_in_session(node)
    else:
        values = _run_kernel(node)
    for t, value in zip(node.outputs, values, strict=True):
        t.known = np.array(value)


def _run_kernel(node: Node) -> list[Any]:
    try:
        with kernel_settings():
            result = node.op.kernel(np, *[t.known for t in node.inputs], **node.attrs)  # type: ignore[misc]
    except GraphflowError as error:
        raise error.at(node.place) from error.__cause__
    except Exception as error:
        raise RunError(f"'{node.name}' failed: {type(error).__name__}: {error}").at(node.place) from error
    return list(result) if isinstance(result, tuple) else [result]


def _run_in_session(node: Node) -> list[Any]:
    """State and control flow go through a session, fed with what is known already."""
    session = session_for(None, node.graph)
    if node.control_inputs:
        node = _alone(node)
    feeds = {t: t.known for t in node.inputs if hasattr(t, "known")}
    if not node.outputs:
        session.run(node)
        return []
    if node.op.name == "assign" and node.inputs[1] in feeds:
        return list(session.run(list(node.outputs), {node.inputs[1]: feeds[node.inputs[1]]}))
    return list(session.run(list(node.outputs), feeds))


def _alone(node: Node) -> Node:
    """The node without those that it runs after: they have run, when they were made."""
    made = node.rebuilt(node.inputs, node.attrs, ())
    with node.graph._lock:
        for t in made.outputs:
            (t.number,) = node.graph._fresh_numbers(1)
    return made


def initialize(variable: Any) -> None:
    """Give a variable made in an eager block its initial value."""
    with scoped(graph=get_default_graph(), eager=None):
        session_for(None, variable.graph).run(variable.initializer)
        for t in variable.__graphflow_reads__():
            t.known = np.array(session_for(None, variable.graph).run(t))
