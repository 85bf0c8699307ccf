"""Sums of products over three or more tensors are contracted in the cheapest order of pairs, once sizes are known."""

from __future__ import annotations

import string
from collections.abc import Iterable, Sequence
from functools import lru_cache

from graphflow.graph import Node, Tensor
from graphflow.op import F
from graphflow.passes.match import Now, Plan, Uses, composed, make, rewrite_planned
from graphflow.passes.network import CONTRACTIONS, MOVES, Network, network_of
from graphflow.subgraph import Subgraph
from graphflow.types import is_floating, is_integer

__all__ = ["einsum_path", "einsum_path_fast"]

WORTH = 0.8
"""Another order is taken if it costs at most this part: counts say little about small differences."""

COPY = 4
"""What an element that has to be copied costs, in multiplications."""


def einsum_path(subgraph: Subgraph) -> Subgraph:
    """Contract sums of products of integers in the order that `opt_einsum` finds; every bit stays, as they wrap around.

    `einsum` is a composition: it chooses an order when it is called, and takes a guess for every size that is not
    known by then. What it made, or products and reshapings written out, is read back here as one sum of products over
    labelled axes and built anew where that is cheaper.

        %0 = multiply(%a[:, None], %b)   : [i, j]           %0 = matmul(%b, %c) : [i]
        %1 = matmul(%0, %c)              : [i]     becomes  %1 = multiply(%a, %0) : [i]

    Runs after bind, as it reads sizes; after `order_products`, which does for plain chains without a search.
    Never fires where a value in between is needed elsewhere, so that in training graphs only what the gradients do not
    need is contracted otherwise. `opt_einsum` is imported only where there are three tensors to contract.
    O(V + E) a round, and a search for each such sum, whose result is kept. Source: D. G. A. Smith and J. Gray,
    "opt_einsum", Journal of Open Source Software 3(26), 2018.
    """
    return _contracted(subgraph, floats=False)


def einsum_path_fast(subgraph: Subgraph) -> Subgraph:
    """`einsum_path` for floats too, whose rounding changes: where at least a fifth of the cost is saved."""
    return _contracted(subgraph, floats=True)


_MOST_ROUNDS = 20
"""What was contracted is read back in another order of its parts, for which a search may find less to copy. Each round
saves a part, so that rounds end by themselves; this ends them if they ever do not."""


def _contracted(subgraph: Subgraph, *, floats: bool) -> Subgraph:
    for _ in range(_MOST_ROUNDS):
        changed = _round(subgraph, floats)
        if changed is subgraph:
            break
        subgraph = changed
    return subgraph


def _round(subgraph: Subgraph, floats: bool) -> Subgraph:
    candidates = [
        node for node in subgraph.nodes if node.op.name in ("matmul", "sum") and _is_candidate(node, floats)
    ]
    if not candidates:
        return subgraph
    uses = Uses(subgraph)
    plans: dict[Node, Plan] = {}
    taken: set[Node] = set()
    for node in reversed(candidates):
        if node in taken:
            continue
        node = _top(node, uses)
        network = network_of(node, uses)
        taken.update(network.nodes)
        if sum(any(axes) for _, axes in network.terms) > 2:
            plan = _plan(node, network)
            if plan is not None:
                plans[node] = plan
    return rewrite_planned(subgraph, plans)


def _is_candidate(node: Node, floats: bool) -> bool:
    """Whether it sums over products of others that might be taken later: seen without counting who reads what."""
    for t in node.inputs:
        below = t.op
        while below.op.name in MOVES:
            below = below.inputs[0].op
        if below.op.name in CONTRACTIONS and (below.op.name != "multiply" or _is_outer(below)):
            break
    else:
        return False
    dtype = node.outputs[0].type.dtype
    if node.control_inputs or not (is_integer(dtype) or (floats and is_floating(dtype))):
        return False
    return all(t.type.is_static and 0 not in t.type.dims for t in (*node.inputs, *node.outputs))


def _is_outer(node: Node) -> bool:
    """Whether an operand is smaller than the product, but no number."""
    size = node.outputs[0].type.shape
    return any(t.type.shape != size and t.type.shape for t in node.inputs)


def _top(node: Node, uses: Uses) -> Node:
    """The last product or sum that is made of this one and needs nothing that anything else needs."""
    top = node
    for reader in uses.only_readers(node):
        if reader.op.name not in CONTRACTIONS and reader.op.name not in MOVES:
            break
        if reader.device != node.device or reader.outputs[0].type.dtype != node.outputs[0].type.dtype:
            break
        if not all(t.type.is_static and 0 not in t.type.dims for t in (*reader.inputs, *reader.outputs)):
            break
        if reader.op.name in CONTRACTIONS:
            top = reader
    return top


# --- the cheapest order -----------------------------------------------------------------------------


def _plan(root: Node, network: Network) -> Plan | None:
    labels = {label: string.ascii_letters[k] for k, label in enumerate(network.sizes) if k < 52}
    if len(labels) < len(network.sizes):
        return None
    flat = [_flat(axes) for _, axes in network.terms]
    result = _flat(network.result)
    if len(set(result)) < len(result):
        return None
    text = ",".join("".join(labels[k] for k in term) for term in flat)
    equation = f"{text}->{''.join(labels[k] for k in result)}"
    shapes = tuple([tuple([network.sizes[k] for k in term]) for term in flat])
    before = _cost(network.nodes, [t for t, _ in network.terms])
    if _least_operations(equation, shapes) > WORTH * before:
        return None

    def build(now: Now) -> tuple[Tensor]:
        terms = [_shaped(root, now(t), shape) for (t, _), shape in zip(network.terms, shapes, strict=True)]
        whole = composed(root, lambda *xs: F.einsum(equation, *xs), *terms)
        return (_shaped(root, whole, root.outputs[0].type.dims),)

    trial = build(lambda t: t)[0]
    after = _cost(_made(trial, [t for t, _ in network.terms]), [t for t, _ in network.terms])
    return Plan("einsum_path", build) if after <= WORTH * before else None


def _flat(axes: Iterable[tuple[int, ...]]) -> list[int]:
    return [label for axis in axes for label in axis]


def _shaped(like: Node, t: Tensor, shape: Sequence[object]) -> Tensor:
    return t if t.type.dims == tuple(shape) else make(like, "reshape", t, shape=tuple(shape))


@lru_cache(maxsize=256)
def _least_operations(equation: str, shapes: tuple[tuple[int, ...], ...]) -> float:
    """What the cheapest order takes, in multiplications and additions."""
    import opt_einsum  # type: ignore[import-untyped]

    _, found = opt_einsum.contract_path(equation, *shapes, shapes=True, optimize="auto")
    return float(found.opt_cost)


def _made(t: Tensor, terms: Sequence[Tensor]) -> list[Node]:
    """The nodes that make `t` of the terms, each after those that it reads."""
    given = set(terms)
    done: dict[Node, None] = {}
    pending = [t.op]
    while pending:
        node = pending[-1]
        missing = [x.op for x in node.inputs if x not in given and x.op not in done]
        if missing:
            pending.extend(missing)
        else:
            done[pending.pop()] = None
    return list(done)


def _cost(nodes: Sequence[Node], terms: Sequence[Tensor]) -> int:
    """Operations, and elements that are copied because they do not lie in the order that is asked for."""
    contiguous = dict.fromkeys(terms, True)
    total = 0
    for node in nodes:
        x, y = node.inputs[0], node.outputs[0]
        size: int = y.type.size  # type: ignore[assignment]  # static, as was seen
        if node.op.is_view:
            lies = node.op.view(x.type, y.type, node.attrs, contiguous.get(x, True))
            total += COPY * size if lies is None else 0
            contiguous[y] = lies is not False
        elif node.op.flops is not None:
            total += node.op.flops([t.type for t in node.inputs], [y.type], **node.attrs)
    return total
