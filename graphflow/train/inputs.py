"""What a user hands to an optimizer: a loss, variables, pairs of gradient and variable, each checked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from graphflow.errors import ArgumentError, DTypeError, GradientError, GraphError, ShapeError, shorten
from graphflow.graph import BodyGraph, Graph, GraphKeys, Tensor
from graphflow.op import F
from graphflow.ops.state import Variable
from graphflow.types import dims_equal, is_floating

__all__ = ["GradVar", "checked_loss", "checked_pairs", "chosen_variables", "names"]

GradVar = tuple[Any, Variable]
"""A gradient, or None, and its variable."""


def checked_loss(label: str, loss: Any, has_gradient: bool) -> Tensor:
    """The loss as a real floating scalar; of any shape where the gradient that flows into it is given."""
    if not hasattr(type(loss), "__graphflow_tensor__"):
        raise ArgumentError(f"{label}: loss must be a tensor, not {shorten(loss)}")
    tensor: Tensor = loss.__graphflow_tensor__()
    if not is_floating(tensor.dtype) or tensor.dtype.kind == "c":
        raise DTypeError(f"{label}: loss must be a real floating scalar, got {tensor!r}").at(tensor.op.place)
    if has_gradient:
        return tensor
    if tensor.type.shape is None:
        return F.reshape(tensor, ())  # type: ignore[no-any-return]  # the size is checked when it is known
    if tensor.type.shape:
        raise ShapeError(
            f"{label}: loss must be a scalar, got {tensor!r}; reduce it with gf.mean or gf.sum"
        ).at(tensor.op.place)
    return tensor


def chosen_variables(label: str, graph: Graph, var_list: Any, complex_too: bool) -> list[Variable]:
    """The variables of `var_list`, or the trainable floating ones of the graph for None."""
    if var_list is None:
        while isinstance(graph, BodyGraph) and graph.parent is not None:
            graph = graph.parent
        listed = [v for v in graph.get_collection(GraphKeys.TRAINABLE_VARIABLES) if is_floating(v.dtype)]
        if not listed:
            raise ArgumentError(f"{label}: the graph has no trainable variable; give var_list")
    else:
        listed = [var_list] if isinstance(var_list, Variable) else _iterated(var_list, f"{label}: var_list")
        if not listed:
            raise ArgumentError(f"{label}: var_list is empty")
    for v in listed:
        _check_variable(label, v, "var_list", complex_too)
    return listed


def checked_pairs(label: str, grads_and_vars: Any, complex_too: bool) -> list[GradVar]:
    """The pairs that have a gradient, as tensors of their variables' types, all of one graph."""
    what = f"{label}: grads_and_vars"
    pairs: list[GradVar] = []
    seen: dict[Variable, None] = {}
    for item in _iterated(grads_and_vars, what):
        if not isinstance(item, (tuple, list)) or len(item) != 2:
            raise ArgumentError(f"{what} holds {shorten(item)}; pairs (gradient, variable) are needed")
        g, v = item
        _check_variable(label, v, "grads_and_vars", complex_too)
        if v in seen:
            raise ArgumentError(f"{what}: variable '{v.op.name}' stands there twice; add its gradients up")
        seen[v] = None
        if g is not None:
            pairs.append((_gradient_of(g, v, what), v))
    if not pairs:
        raise GradientError(
            f"{label}: no gradient {f'of the variables {names(seen)} ' if seen else ''}is given"
        )
    first = pairs[0][1]
    for _, v in pairs:
        if v.graph is not first.graph:
            raise GraphError(f"{what}: {v!r} and {first!r} belong to two graphs")
    return pairs


def _check_variable(label: str, v: Any, where: str, complex_too: bool) -> None:
    if not isinstance(v, Variable):
        raise ArgumentError(f"{label}: {where} holds {shorten(v)}, which is no variable")
    if not is_floating(v.dtype):
        raise DTypeError(f"{label}: {v!r} is {v.dtype.name}; only floating variables can be trained")
    if v.dtype.kind == "c" and not complex_too:
        raise DTypeError(
            f"{label}: {v!r} is complex; only gradient descent and momentum train such variables"
        )


def _gradient_of(g: Any, v: Variable, what: str) -> Tensor:
    if hasattr(type(g), "__graphflow_tensor__"):
        tensor: Tensor = g.__graphflow_tensor__()
    else:
        with v.graph.as_default():
            tensor = F.convert_to_tensor(g, dtype=v.dtype)
    if tensor.dtype != v.dtype:
        raise DTypeError(f"{what}: the gradient of {v!r} is {tensor!r}; it must be {v.dtype.name}")
    dims, wanted = tensor.type.shape, v.handle.type.dims
    if dims is not None and (
        len(dims) != len(wanted) or any(dims_equal(a, b) is False for a, b in zip(dims, wanted, strict=True))
    ):
        raise ShapeError(f"{what}: the gradient of {v!r} is {tensor!r}; it must have the variable's shape")
    return tensor


def _iterated(values: Any, what: str) -> list[Any]:
    if isinstance(values, (str, bytes, dict)) or hasattr(type(values), "__graphflow_tensor__"):
        raise ArgumentError(f"{what} must be a list, not {shorten(values)}")
    try:
        return list(values)
    except TypeError:
        raise ArgumentError(f"{what} must be a list, not {shorten(values)}") from None


def names(variables: Iterable[Variable], limit: int = 10) -> str:
    """The names of variables for a message, the first `limit` of them."""
    listed = [f"'{v.op.name}'" for v in variables]
    return ", ".join(listed[:limit]) + (f" and {len(listed) - limit} more" if len(listed) > limit else "")
