"""What a body is given: values that never change are captured, once; small constants are made inside."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from graphflow.graph import Node, Tensor, detached
from graphflow.op import OPS
from graphflow.ops.body import Body
from graphflow.ops.constant import CONSTANT
from graphflow.passes.bodies import (
    Roles,
    body_of,
    body_subgraph,
    is_row_major,
    kind_of,
    rewired,
    roles_of,
    with_bodies,
)
from graphflow.passes.fold_constants import FOLD_NBYTES
from graphflow.passes.splice import Now, Splice, splice
from graphflow.subgraph import Subgraph, prune
from graphflow.types import STRING, TensorType, dims_equal

__all__ = ["simplify_captures"]

_HANDS_ON = ("identity", "stop_gradient")


def simplify_captures(subgraph: Subgraph) -> Subgraph:
    """Give bodies as little as they need, so that passes inside them know more.

        %1 = while_loop(%i, %w, bodies=..., n_carry=2)      becomes   %1 = while_loop(%i, %w, bodies=..., n_carry=1)
        with a body that gives its second value back as it got it     and %w wherever %1.1 was used

    - A carried value that the body hands on unchanged becomes a capture.
    - The stack of such a value, as gradients go along it, becomes a capture of that gradient's body.
    - A tensor captured twice is captured once.
    - A constant of at most FOLD_NBYTES bytes is made inside the body that captures it.
    Never fires for a carried value that is a strided view before the loop (inside it would be a copy, which sums may
    round otherwise), for one whose stack anything else needs, nor for the last of the elements that say how often a
    scan goes. O(V + E), with the bodies that change.
    """
    if not any(node.op.is_control for node in subgraph.nodes):
        return subgraph
    return _with_steady_captured(_with_elements_captured(subgraph))


def _with_elements_captured(subgraph: Subgraph) -> Subgraph:
    """Elements that are one value over and over become captures."""
    loops = [node for node in subgraph.nodes if kind_of(node) in ("while_loop", "scan")]
    constant = {node: _unchanged(node) for node in loops}
    fixed = {node: _fixed_elements(node, constant) for node in loops if kind_of(node) == "scan"}
    if not any(fixed.values()):
        return subgraph

    def replace(node: Node, current: Node, now: Now) -> Splice | None:
        elems = {j: now(t) for j, t in fixed.get(node, {}).items()}
        return _Change(current, (), elems).spliced([True] * len(node.outputs)) if elems else None

    return splice(subgraph, replace)


def _with_steady_captured(subgraph: Subgraph) -> Subgraph:
    """Carried values that never change become captures; what is captured is captured once, and no small constant."""
    used = set(subgraph.outputs)
    for node in subgraph.nodes:
        used.update(node.inputs)

    def replace(node: Node, current: Node, now: Now) -> Splice | None:
        kind = kind_of(node)
        if not kind:
            return None
        steady: list[int] = []
        if kind != "cond":
            roles = roles_of(node)
            steady = [k for k in _unchanged(node) if node.outputs[roles.stack(node, k)] not in used]
        return _Change(current, steady, {}).spliced([t in used for t in node.outputs])

    return splice(subgraph, replace)


def _handed_on(t: Tensor) -> Tensor:
    while t.op.op.name in _HANDS_ON and not t.op.control_inputs:
        (t,) = t.op.inputs
    return t


def _unchanged(node: Node) -> dict[int, Tensor]:
    """The carried values of a loop that no iteration changes, with what they are."""
    step: Body = node.attrs["bodies"][-1]
    n = node.attrs["n_carry"]
    return {
        k: node.inputs[k]
        for k in range(n)
        if _handed_on(step.outputs[k]) is step.inputs[1 + k]
        and node.inputs[k].type == node.outputs[k].type
        and is_row_major(node.inputs[k])
    }


def _fixed_elements(node: Node, constant: dict[Node, dict[int, Tensor]]) -> dict[int, Tensor]:
    """The elements of a scan that are one value over and over, with that value."""
    n, m = node.attrs["n_carry"], node.attrs["n_elems"]
    elems = node.inputs[n : n + m]
    found: dict[int, Tensor] = {}
    for j, t in enumerate(elems):
        loop = constant.get(t.op, {})
        k = t.index - (len(t.op.outputs) - t.op.attrs["n_carry"]) if loop else -1
        if k in loop:
            found[j] = loop[k]
    rest = [t for j, t in enumerate(elems) if j not in found]
    if found and not rest:
        rest = [elems[found.popitem()[0]]]
    lengths = [_length(t.type) for t in rest]
    return {j: t for j, t in found.items() if any(_same(_length(elems[j].type), d) for d in lengths)}


def _length(t: TensorType) -> Any:
    return t.shape[0] if t.shape else None


def _same(a: Any, b: Any) -> bool:
    return a is not None and b is not None and bool(dims_equal(a, b))


class _Change:
    """A control-flow node with other captures.

    steady: carried values that become captures. elems: elements that do, with the value that is captured.
    """

    def __init__(self, node: Node, steady: Iterable[int], elems: dict[int, Tensor]) -> None:
        self.node = node
        self.roles: Roles = roles_of(node)
        n = self.roles.n_carry
        moved = {k: node.inputs[k] for k in steady} | {n + j: t for j, t in elems.items()}
        lead, count = self.roles.lead, self.roles.n_carry + self.roles.n_elems
        self.kept = [p for p in range(count) if p not in moved]
        self.steady = [p for p in moved if p < n]
        self.captures: list[tuple[int, Tensor]] = []  # place among the inputs, and what is captured
        self.inside: dict[int, Tensor] = {}  # constants that are made in the body
        self.twins: dict[int, int] = {}  # captured already at another place
        at: dict[Tensor, int] = {}
        places = [*moved.items(), *[(p, t) for p, t in enumerate(node.inputs[lead:]) if p >= count]]
        for p, t in places:
            if t in at:
                self.twins[p] = at[t]
            elif _is_small_constant(t):
                self.inside[p] = t
            else:
                at[t] = p
                self.captures.append((p, t))
        self.changes = bool(moved or self.inside or self.twins)

    def spliced(self, used: Sequence[bool]) -> Splice | None:
        """The changed node and its results; None if nothing changes. used: which outputs anything needs."""
        if not self.changes:
            return None
        node, roles = self.node, self.roles
        n = roles.n_carry
        params = [*self.kept, *[p for p, _ in self.captures]]
        bodies = []
        for number in range(len(node.attrs["bodies"])):
            body = body_subgraph(node, number)
            bodies.append(body_of(self._rewired(body, params, number)))
        kept_carry = [k for k in range(n) if k not in self.steady]
        changes: dict[str, Any] = {}
        numbers = list(range(len(node.outputs)))
        if kind_of(node) != "cond":
            gone = {*self.steady, *[roles.stack(node, k) for k in self.steady]}
            numbers = [k for k in numbers if k not in gone]
            varying = node.attrs["varying"]
            changes = {"n_carry": len(kept_carry), "varying": tuple([varying[k] for k in kept_carry])}
        if kind_of(node) == "scan":
            changes["n_elems"] = len(self.kept) - len(kept_carry)
        lead = node.inputs[: roles.lead]
        inputs = (*lead, *[node.inputs[roles.lead + p] for p in self.kept], *[t for _, t in self.captures])
        fresh = with_bodies(node, inputs, bodies, numbers, **changes)
        outputs: list[Tensor | None] = [None] * len(node.outputs)
        for k, t in zip(numbers, fresh.outputs, strict=True):
            outputs[k] = t
        nodes = [fresh]
        waits = (fresh,) if fresh.op.has_effect else fresh.control_inputs
        for k in self.steady:
            outputs[k] = node.inputs[k]
            if waits and used[k]:  # who uses it waits as before for what prints
                nodes.append(detached(fresh, OPS["identity"], (node.inputs[k],), {}, waits))
                outputs[k] = nodes[-1].outputs[0]
        return Splice(tuple(nodes), tuple(outputs), (fresh,), "captures_simplified")

    def _rewired(self, body: Subgraph, params: list[int], number: int) -> Subgraph:
        first = self.roles.first
        inputs = (*body.inputs[:first], *[body.inputs[first + p] for p in params])
        new = {body.inputs[first + p]: body.inputs[first + q] for p, q in self.twins.items()}
        for p, t in self.inside.items():
            stand_in = body.inputs[first + p]
            new[stand_in] = detached(t.op, CONSTANT, (), t.op.attrs).outputs[0]
        if self.steady and number == len(self.node.attrs["bodies"]) - 1:
            kept = [t for k, t in enumerate(body.outputs) if k not in self.steady]
            body = Subgraph(body.nodes, body.inputs, tuple(kept), body.targets)
        return prune(rewired(body, inputs, new))


def _is_small_constant(t: Tensor) -> bool:
    if t.op.op is not CONSTANT or t.type.dtype is STRING:
        return False
    nbytes = t.type.nbytes
    return nbytes is not None and nbytes <= FOLD_NBYTES
