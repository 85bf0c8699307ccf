"""The op behind `scan`, `map_fn` and the gradient of every loop: one body run along the first axis of arrays.

    carry, elems, consts  ->  final carry, stacked ys, stack of each carried value before each iteration

The last ones are computed only where a gradient uses them. The gradient of a scan is a scan in the other
direction over them, which runs the body again and so needs nothing else saved.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graphflow.errors import RunError, ShapeError
from graphflow.graph import Node, Tensor, make_node
from graphflow.op import F
from graphflow.ops.body import INDEX, Body, declare_twins, infer_body, inline, needed, symbols_in
from graphflow.ops.carried import Varying, check_run, own, settle, stack
from graphflow.ops.cast import dtype_of
from graphflow.ops.tracing import Tracer, close
from graphflow.types import DimLike, TensorType, dims_equal, is_floating, unknown_dim

__all__ = ["SCAN", "element_type", "make_scan", "reverse_scan"]


def element_type(t: TensorType) -> TensorType:
    """The type of one element along the first axis. Raises ShapeError for a scalar."""
    if t.shape is None:
        return t
    if not t.shape:
        raise ShapeError(f"scan: elems must have a first axis to go along, got {t}")
    return TensorType(t.dtype, t.shape[1:])


def _length(elems: Sequence[TensorType]) -> DimLike:
    """The common length of the first axes."""
    length: DimLike | None = None
    for t in elems:
        if t.shape is None:
            continue
        if length is None:
            length = t.shape[0]
        elif dims_equal(length, t.shape[0]) is False:
            listed = ", ".join(str(e) for e in elems)
            raise ShapeError(f"scan: elems must have one length along the first axis, got {listed}")
        elif not isinstance(length, int):
            length = t.shape[0]
    return unknown_dim() if length is None else length


def _stacked(t: TensorType, length: DimLike) -> TensorType:
    return TensorType(t.dtype, None if t.shape is None else (length, *t.shape))


def _infer(
    *inputs: TensorType,
    bodies: tuple[Body, ...],
    n_carry: int,
    n_elems: int,
    step: Body,
    reverse: bool,
    varying: Varying,
    sizes: Any,
) -> tuple[TensorType, ...]:
    elems = inputs[n_carry : n_carry + n_elems]
    length = _length(elems)
    rest = [*map(element_type, elems), *inputs[n_carry + n_elems :]]
    state, results = settle(bodies[0], inputs[:n_carry], rest, varying, sizes, "scan")
    stacks = [_stacked(t, length) for t in (*results[n_carry:], *state)]
    return (*state, *stacks)


def _types(node: Node) -> list[list[TensorType]]:
    attrs = node.attrs
    n, m = attrs["n_carry"], attrs["n_elems"]
    types = [t.type for t in node.inputs]
    state = [t.type for t in node.outputs[:n]]
    return [[INDEX, *state, *map(element_type, types[n : n + m]), *types[n + m :]]]


def _kernel(
    xp: Any,
    *inputs: Any,
    bodies: Sequence[Callable[[list[Any]], list[Any]]],
    used: Sequence[bool],
    n_carry: int,
    n_elems: int,
    step: Body,
    reverse: bool,
    varying: Varying,
    sizes: Any = (),
) -> tuple[Any, ...]:
    run = bodies[0]
    carry, elems = list(inputs[:n_carry]), inputs[n_carry : n_carry + n_elems]
    consts = list(inputs[n_carry + n_elems :])
    length = elems[0].shape[0]
    for e in elems[1:]:
        if e.shape[0] != length:
            raise RunError(f"scan: elems have {length} and {e.shape[0]} elements along the first axis")
    n_ys = len(used) - 2 * n_carry
    ys: list[Any] = [None] * n_ys
    wanted = [k for k in range(n_ys) if used[n_carry + k]]
    saved: list[list[Any] | None] = [[] if u else None for u in used[n_carry + n_ys :]]
    kept = [(rows, k) for k, rows in enumerate(saved) if rows is not None]
    shapes = [c.shape for c in carry]
    indices = xp.arange(length, dtype=xp.int64)
    for t in reversed(range(length)) if reverse else range(length):
        for rows, k in kept:
            rows.append(carry[k])
        results = run([indices[t, ...], *carry, *[e[t, ...] for e in elems], *consts])
        new = results[:n_carry]
        now = [c.shape for c in new]
        if now != shapes:
            check_run(carry, new, varying, "scan")
            shapes = now
        carry = new
        for k in wanted:
            value, stacked = results[n_carry + k], ys[k]
            if stacked is None:
                stacked = ys[k] = xp.empty((length, *value.shape), dtype=value.dtype)
            if value.shape != stacked.shape[1:]:
                raise RunError(
                    f"scan: result {k} has shape {list(value.shape)} for element {t}, but {list(stacked.shape[1:])} "
                    "for those before; results are stacked, so they need one shape"
                )
            stacked[t, ...] = value
        results, value = [], None  # what is stacked is not held beside what the next iteration makes
    if not length:
        ys = _empty(xp, step, carry, elems, consts, sizes)
    stacks = [
        None if rows is None else stack(xp, rows[::-1] if reverse else rows, inputs[k], "scan")
        for k, rows in enumerate(saved)
    ]
    return (*own(xp, carry, inputs), *ys, *stacks)


def _empty(
    xp: Any, step: Body, carry: Sequence[Any], elems: Sequence[Any], consts: Sequence[Any], sizes: Any
) -> list[Any]:
    """The stacked results of no iterations."""
    shapes: list[tuple[int, ...]] = [(), *[c.shape for c in carry], *[e.shape[1:] for e in elems]]
    shapes += [c.shape for c in consts]
    types = [TensorType(t.dtype, tuple(s)) for t, s in zip(step.inputs, shapes, strict=True)]
    results = infer_body(step, types, sizes)[len(carry) :]
    return [
        xp.zeros((0, *[d if isinstance(d, int) else 0 for d in t.shape or ()]), dtype=dtype_of(xp, t.dtype))
        for t in results
    ]


def _vjp(node: Node, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
    n, m = node.attrs["n_carry"], node.attrs["n_elems"]
    n_ys = len(node.outputs) - 2 * n
    carry, elems, consts = reverse_scan(
        node,
        node.attrs["bodies"][0],
        final=node.outputs[:n],
        g_final=grads[:n],
        states=node.outputs[n + n_ys :],
        g_states=grads[n + n_ys :],
        g_ys=grads[n : n + n_ys],
        elems=node.inputs[n : n + m],
        consts=node.inputs[n + m :],
        counter=None,
        reverse=not node.attrs["reverse"],
    )
    return (*carry, *elems, *consts)


SCAN = declare_twins(
    "scan", _infer, _kernel, _vjp, _types, "A body run along the first axis of arrays, carrying values."
)


def make_scan(
    tracer: Tracer,
    carry: Sequence[tuple[Tensor, Tensor]],
    elems: Sequence[tuple[Tensor, Tensor]],
    consts: Sequence[tuple[Tensor, Tensor]],
    outputs: Sequence[Tensor],
    varying: Varying,
    *,
    reverse: bool,
    name: str | None,
    prune: bool = False,
) -> Node:
    """Build a scan from a traced body.

    carry, elems, consts: pairs of the body's parameter and what it gets from the outer graph.
    outputs: new carried values, then what is stacked. prune: drop elems and consts that the body does not
        need, but for one of the elems, which says how often to go.
    """
    kept, rest = list(elems), list(consts)
    if prune:
        params = [p for p, _ in (*carry, *elems, *consts)]
        nodes = needed([t.op for t in outputs] + list(tracer.all_effects()), params)
        used = {t for n in nodes for t in n.inputs} | set(outputs)
        kept = [pair for pair in elems if pair[0] in used] or list(elems[:1])
        rest = [pair for pair in consts if pair[0] in used]
    explicit = [*carry, *kept, *rest]
    bodies, captured = close([tracer], [[tracer.index, *[p for p, _ in explicit]]], [outputs])
    attrs = {
        "bodies": bodies,
        "n_carry": len(carry),
        "n_elems": len(kept),
        "step": bodies[0],
        "reverse": reverse,
        "varying": varying,
        "sizes": symbols_in(bodies[0].nodes),
    }
    return make_node(SCAN.choose(bodies), (*[t for _, t in explicit], *captured), attrs, name)


Grads = list[Tensor | None]


def reverse_scan(
    node: Node,
    step: Body,
    *,
    final: Sequence[Tensor],
    g_final: Sequence[Tensor | None],
    states: Sequence[Tensor],
    g_states: Sequence[Tensor | None],
    g_ys: Sequence[Tensor | None],
    elems: Sequence[Tensor],
    consts: Sequence[Tensor],
    counter: Tensor | None,
    reverse: bool,
) -> tuple[Grads, Grads, Grads]:
    """Gradients of a loop with respect to its initial carried values, its elements and its constants.

    step: the loop's body: (index, carried, elements, constants) -> (carried, results). final, states: its
    carried values at the end, and stacked before each iteration; g_...: the gradients that come in.
    counter: int64[n], 0 to n - 1, where there are no elems to go along.
    It goes through the iterations backwards; in each it runs `step` again from the saved state and pulls the
    gradients of what came after through it. Gradients of constants add up.
    """
    n = len(final)
    none: tuple[Grads, Grads, Grads] = ([None] * n, [None] * len(elems), [None] * len(consts))
    if all(g is None or not is_floating(g.dtype) for g in (*g_final, *g_ys, *g_states)):
        return none
    tracer = Tracer("step_grad", loop=True)
    moving = [k for k in range(n) if is_floating(final[k].dtype)]
    live_ys = [k for k, g in enumerate(g_ys) if g is not None and is_floating(g.dtype)]
    live_states = [k for k in moving if g_states[k] is not None]

    def along(t: Tensor) -> Tensor:
        return tracer.param(element_type(t.type), t)

    g_carry = [tracer.param(final[k].type, final[k]) for k in moving]
    state_params = [along(t) for t in states]
    elem_params = [along(t) for t in elems]
    const_params = [tracer.param(t.type, t) for t in consts]
    g_y_outer = [g for g in g_ys if g is not None and is_floating(g.dtype)]
    g_y_params = [along(g) for g in g_y_outer]
    g_state_outer = [g for k in live_states if (g := g_states[k]) is not None]
    g_state_params = dict(zip(live_states, [along(g) for g in g_state_outer], strict=True))
    float_elems = [k for k, t in enumerate(elems) if is_floating(t.dtype)]
    float_consts = [k for k, t in enumerate(consts) if is_floating(t.dtype)]
    with tracer.scope():
        results = inline(step, [tracer.index, *state_params, *elem_params, *const_params])
        found = F.gradients(
            [results[k] for k in moving] + [results[n + k] for k in live_ys],
            [state_params[k] for k in moving]
            + [elem_params[k] for k in float_elems]
            + [const_params[k] for k in float_consts],
            grad_ys=[*g_carry, *g_y_params],
            unconnected_gradients="none",
        )
        new_carry = []
        for k, g in zip(moving, found[: len(moving)], strict=True):
            total = F.zeros_like(state_params[k]) if g is None else g
            new_carry.append(F.add(total, g_state_params[k]) if k in g_state_params else total)
        of_elems = dict(zip(float_elems, found[len(moving) : len(moving) + len(float_elems)], strict=True))
        of_consts = dict(zip(float_consts, found[len(moving) + len(float_elems) :], strict=True))
        reached_elems = [k for k, g in of_elems.items() if g is not None]
        reached_consts = [k for k, g in of_consts.items() if g is not None]
        sums = [tracer.param(consts[k].type, consts[k]) for k in reached_consts]
        new_sums = [F.add(s, of_consts[k]) for s, k in zip(sums, reached_consts, strict=True)]
    start = [F.zeros_like(final[k]) if (g := g_final[k]) is None else g for k in moving]
    start += [F.zeros_like(consts[k]) for k in reached_consts]
    pairs = list(zip(state_params, states, strict=True)) + list(zip(elem_params, elems, strict=True))
    pairs += list(zip(g_y_params, g_y_outer, strict=True))
    pairs += [(g_state_params[k], g) for k, g in zip(live_states, g_state_outer, strict=True)]
    if counter is not None:
        pairs.insert(0, (along(counter), counter))
    made = make_scan(
        tracer,
        list(zip([*g_carry, *sums], start, strict=True)),
        pairs,
        list(zip(const_params, consts, strict=True)),
        [*new_carry, *new_sums, *[g for k in reached_elems if (g := of_elems[k]) is not None]],
        _fixed([t.type for t in start]),
        reverse=reverse,
        name=f"{node.op.default_name}_grad",
        prune=True,
    )
    n_start = len(start)
    for k, t in zip(moving, made.outputs, strict=False):
        none[0][k] = t
    for k, t in zip(reached_consts, made.outputs[len(moving) : n_start], strict=True):
        none[2][k] = t
    for k, t in zip(reached_elems, made.outputs[n_start:], strict=False):
        none[1][k] = t
    return none


def _fixed(types: Sequence[TensorType]) -> Varying:
    """Nothing varies, except where even the number of dimensions is unknown."""
    return tuple(None if t.shape is None else (False,) * len(t.shape) for t in types)
