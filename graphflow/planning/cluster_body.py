"""What a cluster is made of: which nodes can be in one, how each reads its inputs, and the body that a backend runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graphflow.graph import Node, Tensor
from graphflow.ops.fused import ClusterBody, Step, row_nbytes
from graphflow.ops.product_panels import bounds, row_panel_count
from graphflow.planning.workspace import workspace_nbytes
from graphflow.types import STRING, TensorType, normalize_axes

__all__ = [
    "MIN_BLOCKS",
    "alignment",
    "cluster_body",
    "common",
    "kind_of",
    "product_of",
    "reads",
    "whole_axes",
]

MIN_BLOCKS = 4
MIN_PANELS = 4
MAX_PANELS = 1 << 16
MAX_PANEL_ROW_NBYTES = 4096
"""Panels have 512 rows and more: with longer rows they would not stay in a cache."""

FOLDS = frozenset(["sum", "prod", "max", "min", "any", "all"])


def kind_of(node: Node) -> str:
    """What a node is in a cluster: "map", "fold", "product" or "view"; empty for what cannot be in one."""
    op = node.op
    if len(node.outputs) != 1 or not op.is_silent or not op.is_pure:
        return ""
    types = [t.type for t in (*node.inputs, *node.outputs)]
    if any(not t.is_static or t.dtype is STRING for t in types):
        return ""
    if op.is_elementwise and op.takes_out and op.kernel is not None:
        return "map"
    if op.name in FOLDS and op.takes_out and _folds_by_rows(node):
        return "fold"
    if op.name == "matmul" and _is_row_product(*types):
        return "product"
    if op.is_view and len(node.inputs) == 1:
        source, out = types[0], types[-1]
        if op.name == "broadcast_to" and source.rank == out.rank:
            return "view"
        if op.name in ("reshape", "expand_dims", "squeeze") and source.size == out.size:
            return "view"
    return ""


def _folds_by_rows(node: Node) -> bool:
    """True where a row's fold has the same bits among any number of rows.

    Not where the elements are converted first: NumPy does that in buffers, and where these end depends on the rows.
    """
    source, made = node.inputs[0].type.dtype, node.outputs[0].type.dtype
    if node.op.name in ("max", "min", "any", "all"):
        return True
    return source == made and source.kind in "iufc" and source.itemsize >= 4


def _is_row_product(a: TensorType, b: TensorType, out: TensorType) -> bool:
    """True for rows times a matrix, where the backend makes it in panels of rows anyway."""
    if a.rank < 2 or b.rank != 2 or out.dtype.kind not in "fc" or out.dtype.itemsize < 4:
        return False
    rows, (inner, columns) = product_of(out.dims[:-1]), (a.dims[-1], out.dims[-1])
    count = row_panel_count(rows, int(inner), int(columns), out.dtype.itemsize)  # type: ignore[arg-type]  # static
    return MIN_PANELS <= count <= MAX_PANELS and row_nbytes(out, out.rank - 1) <= MAX_PANEL_ROW_NBYTES


def common(a: tuple[Any, ...], b: tuple[Any, ...]) -> tuple[Any, ...]:
    """The leading sizes that two shapes share."""
    n = 0
    while n < len(a) and n < len(b) and a[n] == b[n]:
        n += 1
    return a[:n]


def alignment(dims: tuple[Any, ...], out: tuple[Any, ...]) -> int:
    """How many leading axes an operand shares with the result, -1 if it has fewer axes."""
    return len(common(dims, out)) if len(dims) == len(out) else -1


def whole_axes(dims: tuple[Any, ...], out: tuple[Any, ...]) -> int:
    """Over how many leading axes of the result an operand is the same."""
    missing = len(out) - len(dims)
    n = 0
    while n < len(out) and (n < missing or dims[n - missing] == 1):
        n += 1
    return n


def product_of(dims: tuple[Any, ...]) -> int:
    """How many rows leading axes of these sizes make."""
    n = 1
    for d in dims:
        n *= d
    return n


def reads(node: Node, dims: tuple[Any, ...]) -> list[str]:
    """How a cluster walked by rows of `dims` reads each input of a member: by "rows", "whole", or as a "matrix"."""
    kind = kind_of(node)
    rank = node.outputs[0].type.rank if kind == "map" else node.inputs[0].type.rank
    if kind == "product":
        return ["rows", "matrix"]
    return ["rows" if _is_rowed(t, dims, rank) else "whole" for t in node.inputs]


def _is_rowed(t: Tensor, dims: tuple[Any, ...], rank: int) -> bool:
    return len(t.type.dims) == rank and t.type.dims[: len(dims)] == dims and product_of(dims) > 1


def cluster_body(
    members: list[Node], leaving: list[Tensor], dims: tuple[int, ...], workers: int, block_nbytes: int
) -> tuple[ClusterBody, tuple[Tensor, ...]]:
    """The cluster without links into the graph, and the tensors that it reads.

    members: in order. leaving: the results that are needed outside. dims: the leading sizes that are its rows.
    workers: how many threads may share its blocks. block_nbytes: what all arrays of one block may take.
    """
    lead = len(dims)
    inside = {n.outputs[0] for n in members}
    given: dict[tuple[Tensor, str], int] = {}  # what is read in two ways is given twice
    panels: list[tuple[int, int]] = []
    for n in members:
        if kind_of(n) == "product":
            panels = list(bounds(product_of(n.outputs[0].type.dims[:-1])))
        for t, how in zip(n.inputs, reads(n, dims), strict=True):
            if t not in inside:
                given.setdefault((t, how), len(given))
    inputs = tuple([t for t, _ in given])
    rowed = tuple([how == "rows" for _, how in given])
    number: dict[Tensor, int] = {}
    steps: list[Step] = []
    for n in members:
        kind = kind_of(n)
        attrs = n.attrs
        if kind == "fold":
            axes = normalize_axes(n.attrs["axis"], n.inputs[0].type.rank)
            attrs = {**n.attrs, "axis": tuple([a - lead + 1 for a in axes])}
        read = [
            number[t] if t in inside else given[t, how]
            for t, how in zip(n.inputs, reads(n, dims), strict=True)
        ]
        number[n.outputs[0]] = len(inputs) + len(steps)
        steps.append(Step(n.op, attrs, tuple(read), n.outputs[0].type, kind))
    outputs = tuple([number[t] for t in leaving])
    scratch, row_sizes = _scratch(len(inputs), steps, outputs, lead)
    arrays = [row_nbytes(t.type, lead) for t, by_rows in zip(inputs, rowed, strict=True) if by_rows]
    arrays += [row_nbytes(steps[o - len(inputs)].type, lead) for o in outputs]
    arrays += row_sizes
    block = max([b - a for a, b in panels], default=0) or _block_rows(
        arrays, product_of(dims), block_nbytes, workers
    )
    reuses = tuple([tuple(_reusable(o, inputs, steps, rowed)) for o in outputs])
    types = [t.type for t in inputs]
    body = ClusterBody(
        lead,
        product_of(dims),
        tuple(types),
        (*rowed, *[True] * len(steps)),
        tuple(steps),
        outputs,
        tuple([k for k, (_, how) in enumerate(given) if how == "matrix"]),
        block,
        tuple(panels),
        scratch,
        tuple([nbytes * block for nbytes in row_sizes]),
        _hidden_nbytes(types, steps, rowed, block, lead),
        reuses,
        tuple([n.name for n in members]),
        workers,
    )
    return body, inputs


def _hidden_nbytes(
    inputs: list[TensorType], steps: list[Step], rowed: tuple[bool, ...], block: int, lead: int
) -> int:
    """The most that a step's kernel allocates besides its result, for one block."""

    def part(k: int) -> TensorType:
        type_ = inputs[k] if k < len(inputs) else steps[k - len(inputs)].type
        if k < len(inputs) and not rowed[k]:
            return type_
        return TensorType(type_.dtype, (block, *type_.dims[lead:]))

    most = 0
    for k, s in enumerate(steps):
        if s.kind != "view":
            shows = [v for v in s.inputs if v >= len(inputs) and steps[v - len(inputs)].kind == "view"]
            parts = [part(v) for v in s.inputs], [part(len(inputs) + k)]
            most = max(most, workspace_nbytes(s.op, *parts, s.attrs, not shows))
    return most


def _block_rows(arrays: list[int], rows: int, block_nbytes: int, workers: int) -> int:
    """arrays: bytes of one row of each. rows: all there are."""
    share = min(block_nbytes // 4, block_nbytes // max(1, min(len(arrays), 8)))
    block = max(1, share // max(*arrays, 1))
    return min(block, max(1, rows // (2 * MIN_BLOCKS * workers)))


def _scratch(
    n_inputs: int, steps: list[Step], outputs: tuple[int, ...], lead: int
) -> tuple[tuple[int, ...], list[int]]:
    """A scratch array for each value that stays inside, and bytes of one row of each; used again when a value is dead."""
    last: dict[int, int] = {}
    source = {n_inputs + k: s.inputs[0] for k, s in enumerate(steps) if s.kind == "view"}

    def root(k: int) -> int:
        while k in source:
            k = source[k]
        return k

    for k, s in enumerate(steps):
        for v in s.inputs:
            last[root(v)] = k
    sizes: list[int] = []
    taken: list[int] = [-1] * (n_inputs + len(steps))
    free: list[int] = []
    for k, s in enumerate(steps):
        number = n_inputs + k
        ending = [v for v in dict.fromkeys(map(root, s.inputs)) if last[v] == k and taken[v] >= 0]
        own_place = s.op.in_place and s.kind == "map"
        if own_place:  # the result may take the place of an operand of its size that is needed no more
            free.extend(taken[v] for v in ending if _same_bytes(steps[v - n_inputs], s))
        if s.kind != "view" and number not in outputs:
            nbytes = row_nbytes(s.type, lead)
            best = max((f for f in free if sizes[f] >= nbytes), key=lambda f: (-sizes[f], f), default=-1)
            if best < 0:
                sizes.append(nbytes)
                best = len(sizes) - 1
            else:
                free.remove(best)
            taken[number] = best
        free.extend(taken[v] for v in ending if not (own_place and _same_bytes(steps[v - n_inputs], s)))
    return tuple(taken), sizes


def _same_bytes(a: Step, b: Step) -> bool:
    return a.type == b.type and a.kind != "view"


def _reusable(
    output: int, inputs: tuple[Tensor, ...], steps: list[Step], rowed: tuple[bool, ...]
) -> Iterator[int]:
    """Inputs whose bytes an output may take over: of its type, walked by rows, and not read once it is written."""
    n = len(inputs)
    at = output - n
    views = {n + k: s.inputs[0] for k, s in enumerate(steps) if s.kind == "view"}

    def root(k: int) -> int:
        while k in views:
            k = views[k]
        return k

    for k, t in enumerate(inputs):
        if not rowed[k] or t.type != steps[at].type or sum(1 for other in inputs if other is t) > 1:
            continue
        readers = [j for j, s in enumerate(steps) if any(root(v) == k for v in s.inputs)]
        direct = all(v == k or root(v) != k for v in steps[at].inputs)
        if max(readers) < at or (max(readers) == at and steps[at].op.in_place and direct):
            yield k
