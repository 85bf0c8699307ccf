"""Branches that are known and loops of few iterations are taken apart: their bodies' nodes take their place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from graphflow import config
from graphflow.graph import Node, Tensor, detached
from graphflow.ops.body import Body
from graphflow.ops.constant import CONSTANT, Literal
from graphflow.passes.bodies import body_subgraph, is_row_major, kind_of, roles_of
from graphflow.passes.fold_constants import fold_constants
from graphflow.passes.inlining import Inlining
from graphflow.passes.splice import Now, Splice, copied, splice
from graphflow.subgraph import Subgraph
from graphflow.types import STRING, TensorType, dims_equal

__all__ = ["UNROLLED_NBYTES", "UNROLLED_NODES", "simplify_control_flow"]

UNROLLED_NODES = 32
"""A loop of more than one iteration is unrolled if its iterations have no more nodes than this, all together."""

UNROLLED_NBYTES = 16_384
"""And if what it stacks is no larger than this: one by one, the results would need their bytes twice."""


def simplify_control_flow(subgraph: Subgraph) -> Subgraph:
    """Put the nodes of a branch or loop in its place where what runs is known.

        %0 = constant(True)
        %1 = cond(%0, %x, bodies=(<Body of 1 operations>, ...))     becomes   %1 = exp(%x)

        %2 = scan(%0, %e, bodies=...)  with %e : float32[1, 3]      becomes   %1 = getitem(%e, picks=((0, 0),)), and
                                                                              the body's nodes, once

    A branch: where its predicate or index is a constant. A scan: where its arrays have no element, one, or so few that
    all iterations together have at most UNROLLED_NODES nodes and stack at most UNROLLED_NBYTES bytes. A `while_loop`:
    where its condition depends on constants alone, so that the number of iterations is known, as few.
    Prints, assertions and callbacks of the body happen where and as often as before, in their order.
    Never fires for an index outside the branches (the run says so), where a value may turn out to have a shape that
    the loop would refuse, or where the results of a branch are views: control flow gives arrays of their own, and what
    reads strided ones may round otherwise. Reads sizes: runs after bind. O(V + E), bodies that are inlined included.
    """
    kinds = {node: kind_of(node) for node in subgraph.nodes if node.op.is_control}
    if not kinds:
        return subgraph
    used = set(subgraph.outputs)
    for node in subgraph.nodes:
        used.update(node.inputs)

    def replace(node: Node, current: Node, now: Now) -> Splice | None:
        kind = kinds.get(node)
        if not kind:
            return None
        found = _RULES[kind](current, [t in used for t in node.outputs])
        if found is None or not all(map(_fits, current.outputs, found.outputs)):
            return None
        return found

    return splice(subgraph, replace)


def _fits(old: Tensor, new: Tensor | None) -> bool:
    """True if a tensor is surely what the other one stood for."""
    if new is None:
        return True
    a, b = old.type.shape, new.type.shape
    if old.type.dtype != new.type.dtype or b is None or not is_row_major(new):
        return a is None and b is None and old.type.dtype == new.type.dtype and is_row_major(new)
    return a is None or (
        len(a) == len(b) and all(dims_equal(x, y) is not False for x, y in zip(a, b, strict=True))
    )


def _constant(like: Node, value: Any) -> Tensor:
    return detached(like, CONSTANT, (), {"value": Literal(value)}).outputs[0]


def _index(made: Inlining, number: int) -> Tensor:
    """The running index of an iteration."""
    return made.apply("constant", (), {"value": Literal(np.array(number, np.int64))})


# --- branches ---------------------------------------------------------------------------------------


def _branch(node: Node, used: Sequence[bool]) -> Splice | None:
    selector = node.inputs[0]
    if selector.op.op is not CONSTANT or selector.type.shape != ():
        return None
    count = len(node.attrs["bodies"])
    value = selector.op.attrs["value"].array[()]
    if node.attrs["form"] == "cond":
        chosen = 0 if value else 1
    else:
        chosen = int(value)
        if not 0 <= chosen < count:
            if node.attrs["form"] != "switch_case" or not node.attrs["default"]:
                return None
            chosen = count - 1
    made = Inlining(node)
    results = made.add(body_subgraph(node, chosen), node.inputs[1:])
    outputs = [made.held(t) if t in node.inputs else t for t in results] if node.control_inputs else results
    return Splice(tuple(made.nodes), tuple(outputs), made.ends, "branch_known")


# --- scans ------------------------------------------------------------------------------------------


def _scan(node: Node, used: Sequence[bool]) -> Splice | None:
    n, m = node.attrs["n_carry"], node.attrs["n_elems"]
    elems, consts = node.inputs[n : n + m], node.inputs[n + m :]
    lengths = {t.type.shape[0] if t.type.shape else None for t in elems}
    (length,) = lengths if len(lengths) == 1 else (None,)
    if type(length) is not int or length > UNROLLED_NODES or _has_text(node):
        return None
    if not length:
        return _nothing(node, used, n)
    body = body_subgraph(node, 0)
    if not _few(node, used, n, length * len(body.nodes), length) or not _steady(body, node, 1, n):
        return None
    made = Inlining(node)
    n_ys = len(body.outputs) - n
    carry = list(node.inputs[:n])
    rows: list[list[Tensor | None]] = [[None] * length for _ in range(n_ys + n)]
    for t in reversed(range(length)) if node.attrs["reverse"] else range(length):
        for k in range(n):
            rows[n_ys + k][t] = carry[k]
        items = [made.apply("getitem", (e,), {"picks": ((0, t),)}) for e in elems]
        results = made.add(body, [_index(made, t), *carry, *items, *consts])
        carry = results[:n]
        if t != (0 if node.attrs["reverse"] else length - 1) and not all(map(is_row_major, carry)):
            return None
        for k, y in enumerate(results[n:]):
            rows[k][t] = y
    stacks = [_stacked(made, row) if used[n + k] else None for k, row in enumerate(rows)]
    return Splice(
        tuple(made.nodes), (*_wanted(made, carry, used), *stacks), made.ends, f"scan_of_{length}_unrolled"
    )


def _wanted(made: Inlining, carry: Sequence[Tensor], used: Sequence[bool]) -> list[Tensor | None]:
    return [made.held(t) if use else None for t, use in zip(carry, used, strict=False)]


def _stacked(made: Inlining, rows: Sequence[Tensor | None]) -> Tensor:
    """The rows along a new first axis."""
    parts = tuple([made.apply("expand_dims", (t,), {"axis": (0,)}) for t in rows if t is not None])
    return parts[0] if len(parts) == 1 else made.apply("concat", parts, {"axis": 0})


def _few(node: Node, used: Sequence[bool], n_carry: int, n_nodes: int, trips: int) -> bool:
    """True for one iteration, and for so few that unrolling makes the graph hardly larger."""
    if trips == 1:
        return True
    if n_nodes > UNROLLED_NODES:
        return False
    sizes = [t.type.nbytes for t, use in zip(node.outputs[n_carry:], used[n_carry:], strict=True) if use]
    return all(size is not None and size <= UNROLLED_NBYTES for size in sizes)


def _steady(body: Subgraph, node: Node, first: int, n_carry: int) -> bool:
    """True if every result surely has the shape that the loop asks of it."""
    for k, t in enumerate(body.outputs):
        if k < n_carry and t.type != body.inputs[first + k].type:
            return False
        if not t.type.is_static:
            return False
    return True


def _nothing(node: Node, used: Sequence[bool], n_carry: int) -> Splice | None:
    """No iteration: what is carried stays as it is, and all stacks are empty."""
    made = Inlining(node)
    outputs: list[Tensor | None] = _wanted(made, node.inputs[:n_carry], used)
    for t, use in zip(node.outputs[n_carry:], used[n_carry:], strict=True):
        if not use:
            outputs.append(None)
            continue
        if t.type.shape is None:
            return None
        shape = (0, *t.type.shape[1:])
        if any(type(d) is not int for d in shape):
            return None
        outputs.append(made.apply("constant", (), {"value": Literal(np.zeros(shape, t.type.dtype))}))
    return Splice(tuple(made.nodes), tuple(outputs), made.ends, "no_iteration")


def _has_text(node: Node) -> bool:
    return any(t.type.dtype is STRING for t in (*node.inputs, *node.outputs))


# --- while loops ------------------------------------------------------------------------------------


def _while(node: Node, used: Sequence[bool]) -> Splice | None:
    n = node.attrs["n_carry"]
    test_body, step_body = node.attrs["bodies"]
    n_nodes = len(test_body.nodes) + len(step_body.nodes)
    trips = _trips(node, min(max(1, UNROLLED_NODES // max(1, n_nodes)), config.get().loop_limit))
    if trips is None or _has_text(node):
        return None
    quiet_test = not any(n.op.has_effect for n in test_body.nodes)
    if not trips and quiet_test:
        return _nothing(node, used, n) if not used[n] else _counted(_nothing(node, used, n), node, used)
    test, step = body_subgraph(node, 0), body_subgraph(node, 1)
    if not _steady(step, node, 1, n):
        return None
    made = Inlining(node)
    carry, consts = list(node.inputs[:n]), node.inputs[n:]
    rows: list[list[Tensor | None]] = [[] for _ in range(n)]
    for t in range(trips + 1):
        if not quiet_test:
            made.add(test, [_index(made, t), *carry, *consts])
        if t == trips:
            break
        for k in range(n):
            rows[k].append(carry[k])
        carry = made.add(step, [_index(made, t), *carry, *consts])
        if t < trips - 1 and not all(map(is_row_major, carry)):
            return None
    if not trips:
        return None
    if trips > 1 and not _stacks_are_small(node, used, n, trips, step):
        return None
    counter = None
    if used[n]:
        counter = made.apply("constant", (), {"value": Literal(np.arange(trips, dtype=np.int64))})
    stacks = [_stacked(made, row) if used[n + 1 + k] else None for k, row in enumerate(rows)]
    return Splice(
        tuple(made.nodes),
        (*_wanted(made, carry, used), counter, *stacks),
        made.ends,
        f"while_of_{trips}_unrolled",
    )
