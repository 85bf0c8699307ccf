"""Reverse mode: gradients as graph nodes, by one walk over the nodes between xs and ys.

All knowledge is in the ops' `vjp` rules. Since the rules build nodes, the result can be
differentiated again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from graphflow.errors import ArgumentError, GradientError, GraphError, ShapeError, VerifyError, shorten
from graphflow.graph import (
    BodyGraph,
    Graph,
    Node,
    Tensor,
    current_graph,
    make_node,
    name_scope,
    scoped,
)
from graphflow.op import F, public
from graphflow.types import dims_equal, is_floating

__all__ = ["gradients", "hessian", "jacobian", "jvp", "replay"]


@public
def gradients(
    ys: Any,
    xs: Any,
    grad_ys: Any = None,
    stop_gradients: Any = None,
    unconnected_gradients: str = "error",
    name: str = "gradients",
) -> list[Any]:
    """Gradients of the sum of `ys` with respect to each of `xs`, as new nodes.

    ys, xs: a tensor (or variable) or a list of them, of floating dtype.
    grad_ys: for each y the gradient that flows into it, of y's type; ones where left out or None, so a
        y that is no scalar is summed.
    stop_gradients: tensors through which nothing flows back.
    unconnected_gradients: what an x that no y depends on gives: "error", "zero" or "none".
    Returns a list with one tensor of x's type (or None) for each x.
    Raises GradientError for integer xs or ys, an op without a gradient (with the path to it), or an
    unconnected x.
    Convention for complex values: the conjugate of the derivative for holomorphic functions, as JAX and
    TensorFlow give it. Cost: O(nodes between xs and ys).
    """
    if unconnected_gradients not in ("error", "zero", "none"):
        raise ArgumentError(
            f"gradients: unconnected_gradients is 'error', 'zero' or 'none', not {shorten(unconnected_gradients)}"
        )
    y_list = [_tensor(y, "ys") for y in _listed(ys)]
    targets = [(x, _targets(x)) for x in _listed(xs)]
    if not y_list:
        raise GradientError("gradients: ys is empty")
    graph = y_list[0].graph
    here = current_graph()
    if graph is not here and isinstance(here, BodyGraph):
        y_list = [t if t.graph is here else here.capture(t) for t in y_list]
        targets = [(x, tuple(t if t.graph is here else here.capture(t) for t in ts)) for x, ts in targets]
        graph = here
    for t in [*y_list, *[t for _, ts in targets for t in ts]]:
        if t.graph is not graph:
            raise GraphError(f"gradients: {t!r} belongs to another graph than {y_list[0]!r}")
    stops = {_tensor(t, "stop_gradients") for t in _listed(stop_gradients)}
    x_tensors = dict.fromkeys(t for _, ts in targets for t in ts)
    with graph_scope(graph), name_scope(name) as prefix:
        seeds = _seeds(y_list, grad_ys)
        found = _backward(y_list, seeds, x_tensors, stops, prefix)
    return [_collect(x, ts, found, unconnected_gradients) for x, ts in targets]


def _listed(values: Any) -> list[Any]:
    if values is None:
        return []
    return list(values) if isinstance(values, (list, tuple)) else [values]


def _tensor(value: Any, what: str) -> Tensor:
    if not hasattr(type(value), "__graphflow_tensor__"):
        raise GradientError(f"gradients: {what} holds {shorten(value)}, which is no tensor")
    tensor: Tensor = value.__graphflow_tensor__()
    if what != "stop_gradients" and not is_floating(tensor.dtype):
        raise GradientError(f"gradients: {tensor!r} in {what} is {tensor.dtype.name}; gradients need floats")
    return tensor


def _targets(x: Any) -> tuple[Tensor, ...]:
    """The tensors that stand for `x`: all reads of a variable, else the tensor."""
    tensor = _tensor(x, "xs")
    reads = getattr(x, "__graphflow_reads__", None)
    return (tensor,) if reads is None else tuple(dict.fromkeys((*reads(), tensor)))


def _seeds(ys: Sequence[Tensor], grad_ys: Any) -> list[Tensor]:
    given = _listed(grad_ys) or [None] * len(ys)
    if len(given) != len(ys):
        raise GradientError(f"gradients: {len(given)} grad_ys for {len(ys)} ys")
    seeds = []
    for y, g in zip(ys, given, strict=True):
        if g is None:
            seeds.append(F.ones_like(y))
            continue
        g = F.convert_to_tensor(g, dtype=y.dtype)
        _check_shape(g, y, "grad_ys")
        seeds.append(g)
    return seeds


def _check_shape(g: Tensor, x: Tensor, what: str) -> None:
    gs, xs = g.type.shape, x.type.shape
    if gs is None or xs is None:
        return
    if len(gs) != len(xs) or any(dims_equal(a, b) is False for a, b in zip(gs, xs, strict=True)):
        raise ShapeError(f"gradients: {what} is {g.type}, but {x!r} needs its own type")


def _between(ys: Sequence[Tensor], xs: Mapping[Tensor, None], stops: set[Tensor]) -> list[Node]:
    """Nodes on a path of floating tensors from xs to ys, in the order of their making."""
    seen: dict[Node, None] = {}
    stack = [y.op for y in ys]
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen[node] = None
        stack.extend(t.op for t in node.inputs if t not in stops and t.op not in seen)
    active: set[Tensor] = set(xs)
    path = []
    for node in sorted(seen, key=lambda n: n.id):
        if any(t in active and t not in stops for t in node.inputs):
            outputs = [t for t in node.outputs if is_floating(t.dtype)]
            active.update(outputs)
            if outputs:
                path.append(node)
    return path


def _backward(
    ys: Sequence[Tensor],
    seeds: Sequence[Tensor],
    xs: Mapping[Tensor, None],
    stops: set[Tensor],
    prefix: str,
) -> dict[Tensor, Tensor]:
    path = _between(ys, xs, stops)
    active = {t for node in path for t in node.outputs} | set(xs)
    partial: dict[Tensor, list[Tensor]] = {}
    reached_from: dict[Node, Node] = {}
    for y, seed in zip(ys, seeds, strict=True):
        partial.setdefault(y, []).append(seed)
    found: dict[Tensor, Tensor] = {}
    for node in reversed(path):
        grads = [_total(partial.pop(t), t) if t in partial else None for t in node.outputs]
        found.update((t, g) for t, g in zip(node.outputs, grads, strict=True) if t in xs and g is not None)
        if all(g is None for g in grads):
            continue
        if node.op.vjp is None:
            raise _no_rule(node, reached_from)
        with scoped(prefix=f"{prefix}{node.name}_grad/", device=node.device, cause=node.cause or node):
            results = tuple(node.op.vjp(node, *grads))
        if len(results) != len(node.inputs):
            raise VerifyError(
                f"{node.op.name}: its gradient rule gave {len(results)} gradients for {len(node.inputs)} inputs"
            ).at(node.place)
        for t, g in zip(node.inputs, results, strict=True):
            if g is None or t not in active or t in stops or not is_floating(t.dtype):
                continue
            _check_shape(g, t, f"the gradient of {node.op.name}")
            partial.setdefault(t, []).append(g)
            reached_from.setdefault(t.op, node)
    for x in xs:
        if x in partial:
            found[x] = _total(partial.pop(x), x)
    return found


def _total(parts: list[Tensor], tensor: Tensor) -> Tensor:
    if len(parts) == 1:
        return parts[0]
    with scoped(device=tensor.op.device, cause=tensor.op.cause or tensor.op):
        total: Tensor = F.add(*parts) if len(parts) == 2 else F.add_n(parts)
    return total


def _no_rule(node: Node, reached_from: Mapping[Node, Node]) -> GradientError:
    path = [node]
    while path[-1] in reached_from and len(path) < 20:
        path.append(reached_from[path[-1]])
    why = node.op.no_gradient
    steps = " <- ".join(f"'{n.name}' ({n.op.name}, {n.origin})" for n in reversed(path))
    error = GradientError(
        f"gradients: op {node.op.name!r} has no gradient{f' ({why})' if why else ''}, and it is on the path {steps}; "
        "use gf.stop_gradient on its input if none should flow"
    )
    error.at(node.place)
    return error


def _collect(
    x: Any, tensors: tuple[Tensor, ...], found: Mapping[Tensor, Tensor], unconnected: str
) -> Tensor | None:
    parts = [found[t] for t in tensors if t in found]
    if parts:
        return _total(parts, tensors[0])
    if unconnected == "none":
        return None
    if unconnected == "zero":
        return F.zeros_like(tensors[0])  # type: ignore[no-any-return]
    raise GradientError(
        f"gradients: no y depends on {x!r}; say unconnected_gradients='zero' or 'none' if that is meant"
    ).at(tensors[0].op.place)


def graph_scope(graph: Graph) -> Any:
    """Make new nodes in `graph`; keeps the name scope if `graph` is the one in force already."""
    if current_graph() is graph:
        return scoped()
    return scoped(graph=graph, prefix="", control=())


def replay(outputs: Iterable[Tensor], replaced: Mapping[Tensor, Tensor]) -> list[Tensor]:
    """Build `outputs` again in the current graph with some tensors replaced; the rest is shared or captured.

    Only nodes that depend on a replaced tensor are made anew, each with the line of its original.
    """
    wanted = list(outputs)
    seen: dict[Node, None] = {}
    stack = [t.op for t in wanted if t not in replaced]
    while stack:
        node = stack.pop()
        if node not in seen:
            seen[node] = None
            stack.extend(t.op for t in node.inputs if t not in replaced and t.op not in seen)
    new: dict[Tensor, Tensor] = dict(replaced)
    for node in sorted(seen, key=lambda n: n.id):
        if not any(t in new for t in node.inputs):
            continue
        inputs = tuple(new.get(t, t) for t in node.inputs)
        made = make_node(node.op, inputs, node.attrs, node.name.rpartition("/")[2])
        made._code, made._lasti, made.cause = node._code, node._lasti, node.cause
        new.update(zip(node.outputs, made.outputs, strict=True))
    return [new.get(t, t) for t in wanted]


@public
def jvp(ys: Any, xs: Any, tangents: Any, name: str = "jvp") -> list[Tensor]:
    """Forward derivatives: for each y the sum over xs of (dy/dx) applied to x's tangent.

    tangents: one value of x's type for each x. Returns a list with one tensor of y's type for each y.
    Two reverse passes: the second differentiates the first, which is linear in its seed
    (J. Townsend, "A new trick for calculating Jacobian vector products", 2017).
    """
    y_list, x_list, t_list = _listed(ys), _listed(xs), _listed(tangents)
    if len(t_list) != len(x_list):
        raise GradientError(f"jvp: {len(t_list)} tangents for {len(x_list)} xs")
    with name_scope(name):
        seeds = [F.zeros_like(_tensor(y, "ys")) for y in y_list]
        reverse = gradients(y_list, x_list, grad_ys=seeds, unconnected_gradients="zero")
        weights = [F.convert_to_tensor(t, dtype=g.dtype) for t, g in zip(t_list, reverse, strict=True)]
        return gradients(reverse, seeds, grad_ys=weights, unconnected_gradients="zero")


@public
def jacobian(y: Any, x: Any, unconnected_gradients: str = "error", name: str = "jacobian") -> Tensor:
    """All derivatives dy[i...]/dx[j...], of shape y.shape + x.shape.

    The reverse pass is built once and mapped over the elements of y by `map_fn`.
    """
    y_t, x_t = _tensor(y, "ys"), _tensor(x, "xs")
    size = y_t.type.size
    if not isinstance(size, int):
        raise GradientError(f"jacobian: the number of elements of {y_t!r} must be known when it is built")
    with name_scope(name):
        seed = F.zeros_like(y_t)
        (g,) = gradients(y_t, x, grad_ys=seed, unconnected_gradients=unconnected_gradients)
        shape = (*y_t.type.dims, *x_t.type.dims)
        if g is None or size == 0:
            return F.zeros(shape, dtype=x_t.dtype)  # type: ignore[no-any-return]
        if not y_t.type.dims:
            (row,) = replay([g], {seed: F.ones_like(y_t)})
            return row
        rows = F.reshape(F.eye(size, dtype=y_t.dtype), (size, *y_t.type.dims))
        stacked = F.map_fn(lambda row: replay([g], {seed: row})[0], rows)
        return F.reshape(stacked, shape)  # type: ignore[no-any-return]


@public
def hessian(y: Any, x: Any, name: str = "hessian") -> Tensor:
    """All second derivatives of the scalar `y`, of shape x.shape + x.shape."""
    y_t = _tensor(y, "ys")
    if y_t.type.dims != ():
        raise GradientError(f"hessian: y must be a scalar, got {y_t!r}")
    x_t = _tensor(x, "xs")
    with name_scope(name):
        (g,) = gradients(y_t, x if hasattr(x, "__graphflow_reads__") else x_t)
        return jacobian(g, x, unconnected_gradients="zero")
