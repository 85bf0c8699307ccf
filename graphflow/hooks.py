"""The two places where the core's classes reach above themselves: evaluation and rendering.

Everything is imported when called, so that the files below stay free of what is above them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from graphflow.graph import Tensor

__all__ = [
    "evaluate",
    "initial_value",
    "load_variable",
    "render",
    "run_eagerly",
    "save_plan",
    "text_of",
    "visualize_function",
]


def evaluate(tensor: Tensor, feed_dict: Any = None, session: Any = None) -> np.ndarray[Any, Any]:
    """The tensor's value: in `session`, else the default session, else the graph's own."""
    from graphflow.session import evaluate as run

    value: np.ndarray[Any, Any] = run(tensor, feed_dict, session)
    return value


def run_eagerly(node: Any) -> None:
    """Run a node that was just made, under `gf.eager()`."""
    from graphflow.eager import run_node

    run_node(node)


def render(obj: Any, path: Any = None, **options: Any) -> Any:
    """Draw a graph, tensors or a plan; see `graphflow.visualize.render`."""
    from graphflow.visualize import render as draw

    return draw(obj, path, **options)


def save_plan(plan: Any, path: Any) -> None:
    """Write a plan to a file."""
    from graphflow.save.plan_file import save_plan as save

    save(plan, path)


def initial_value(variable: Any) -> None:
    """Under `gf.eager()`: give a new variable its first value at once."""
    from graphflow.eager import initialize

    initialize(variable)


def visualize_function(name: str) -> Any:
    """A function of `graphflow.visualize` by name."""
    from graphflow import visualize

    return getattr(visualize, name)


def text_of(graph: Any) -> str:
    """A graph as text, one line a node."""
    from graphflow.text import format_graph

    return format_graph(graph)


def load_variable(variable: Any, value: Any, session: Any = None) -> None:
    """Set a variable's value in `session`, the default one, or the graph's own."""
    from graphflow.session import session_for

    session_for(session, variable.graph).load(variable, value)
