"""A program for any sizes of a kind, so that a new shape is planned in a fraction of the time.

Made once for a cut: passes, order and slots are decided with sizes as symbols. For a new shape only what depends on
numbers is done: types, offsets, the constants that sizes give, and the checks of ops that look at more than equality
of sizes. A template answers None for a shape that could have led to another decision: where two sizes are equal that
were not, or the other way round, where a size is 0 or 1, where a value grows over a threshold of the planner.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from graphflow.bind import bind, match_feeds
from graphflow.errors import GraphflowError
from graphflow.graph import Node, Tensor, _attr_key, detached, symbols_in
from graphflow.lowering import Planned
from graphflow.op import Op, Trait
from graphflow.ops.constant import CONSTANT, Literal
from graphflow.ops.fused import FUSED
from graphflow.ops.numpy_settings import kernel_settings
from graphflow.passes.fold_constants import FOLD_NBYTES, can_fold
from graphflow.passes.pipeline import AFTER_BIND, Passes
from graphflow.planning.arena import Lifetime, plan_arena
from graphflow.planning.fusion import MIN_NBYTES
from graphflow.planning.lane_choice import LARGE_NBYTES
from graphflow.planning.liveness import COPIED_FEED_NBYTES, DIRECT_RESULT_NBYTES, REUSED_NBYTES
from graphflow.planning.workspace import workspace_nbytes
from graphflow.program import Instruction, Kind, Program, Slot
from graphflow.subgraph import Subgraph, prune
from graphflow.types import Dim, Shape, TensorType, substitute

__all__ = ["Template", "is_plain", "make_template"]

_LARGE = min(MIN_NBYTES, LARGE_NBYTES // 4)
"""Values from here on may be fused or run on lanes: they take longer to compute than a plan takes to make."""

_EQUALITY_ONLY = Trait.ELEMENTWISE | Trait.REDUCTION
_SIZES_ARE_EQUAL = frozenset(
    ["matmul", "permute_dims", "matrix_transpose", "expand_dims", "squeeze", "broadcast_to"]
)
"""Ops whose inference, besides those of the traits above, asks of sizes only whether they are equal, or 1."""

Plan = Callable[[Subgraph, Mapping[str, Any]], Planned]


@dataclass(frozen=True, slots=True)
class _SizeNode:
    """A node whose value is known once sizes are: inputs are numbers of earlier ones, constants or types."""

    op: Op
    attrs: Mapping[str, Any]
    inputs: tuple[Any, ...]
    dtype: Any


@dataclass(frozen=True, slots=True)
class _View:
    """What the planner asked about a node whose result may share its input's bytes, and the answer."""

    op: Op
    attrs: Mapping[str, Any]
    source: int
    result: int
    contiguous: bool
    answer: bool | None

    def still(self, sizes: Mapping[str, Any], types: Sequence[TensorType]) -> bool:
        """Whether the answer is the same for these sizes. types: those that `source` and `result` number."""
        attrs = self.attrs
        if _speaks_of_sizes(tuple(attrs.values())):
            attrs = {k: substitute(v, sizes) for k, v in attrs.items()}
        return self.op.view(types[self.source], types[self.result], attrs, self.contiguous) == self.answer


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """program: for the shapes it was made with.

    feeds: for each fed tensor its dtype and, for each axis, a number or the symbol of its size.
    types: the distinct types. resized: slots that may change, with an index into the types, -1 for a type without
        symbols.
    dims: the distinct sizes, symbolic and not; equal: which of them were equal, as `_partition` tells.
    thresholds: for types with symbols, what the planner asked of their bytes.
    buffers: by device, (slot, index of its type or -1, first, last). size_nodes: in order; constants: the slot of each that gives one.
    attrs: by instruction, those with symbols. workspaces: instructions whose kernels allocate, with symbolic types:
        those that take alike together, and whether all that they read is contiguous.
    checks: nodes whose types are inferred again, as they ask more of sizes than whether they are equal.
    """

    program: Program
    feeds: tuple[tuple[Any, tuple[Any, ...]], ...]
    types: tuple[TensorType, ...]
    resized: tuple[tuple[int, int], ...]
    dims: tuple[Any, ...]
    equal: tuple[int, ...]
    thresholds: tuple[tuple[int, tuple[bool, ...]], ...]
    buffers: Mapping[str, tuple[tuple[int, int, int, int], ...]]
    size_nodes: tuple[_SizeNode, ...]
    constants: Mapping[int, int]
    attrs: Mapping[int, Mapping[str, Any]]
    workspaces: tuple[tuple[tuple[int, ...], bool], ...]
    views: tuple[_View, ...]
    checks: tuple[Node, ...]

    def program_for(self, shapes: Sequence[Shape]) -> Program | None:
        """The program for these shapes of the feeds, or None where it has to be planned from the beginning."""
        sizes = self._sizes(shapes)
        if sizes is None or _partition(self.dims, sizes) != self.equal:
            return None
        types = [_sized(t, sizes) for t in self.types]
        nbytes = [t.nbytes or 0 for t in types]
        if any(_thresholds(nbytes[k]) != wanted for k, wanted in self.thresholds):
            return None
        if not all(v.still(sizes, types) for v in self.views) or not all(
            _infers(n, sizes) for n in self.checks
        ):
            return None
        arena, offsets = self._offsets(nbytes)
        slots: list[Slot] = list(self.program.slots)
        view = Kind.VIEW
        for number, k in self.resized:
            kind, type_, device, own, offset, base, value, key, place = slots[number]
            if k >= 0:
                type_, own = types[k], 0 if kind is view else nbytes[k]
            offset = offsets.get(number, offset)
            slots[number] = Slot._make((kind, type_, device, own, offset, base, value, key, place))
        self._fill_constants(slots, sizes)
        instructions = self.program.instructions
        if self.attrs or self.workspaces:
            changed = list(instructions)
            for k, attrs in self.attrs.items():
                changed[k] = changed[k]._replace(
                    attrs={name: substitute(value, sizes) for name, value in attrs.items()}
                )
            for alike, contiguous in self.workspaces:
                workspace = _hidden_nbytes(changed[alike[0]], slots, contiguous)
                if workspace != changed[alike[0]].workspace_nbytes:
                    for k in alike:
                        changed[k] = changed[k]._replace(workspace_nbytes=workspace)
            instructions = tuple(changed)
        return replace(
            self.program,
            slots=tuple(slots),
            instructions=instructions,
            arena_nbytes=arena,
            has_symbols=False,
        )

    def _offsets(self, nbytes: Sequence[int]) -> tuple[dict[str, int], dict[int, int]]:
        """The size of each device's arena and the offset of each buffer. nbytes: of each type."""
        arena: dict[str, int] = {}
        offsets: dict[int, int] = {}
        for device, buffers in self.buffers.items():
            slots = self.program.slots
            lifetimes = [
                Lifetime(nbytes[k] if k >= 0 else slots[n].nbytes or 0, first, last)
                for n, k, first, last in buffers
            ]
            plan = plan_arena(lifetimes)
            arena[device] = plan.nbytes
            offsets.update(zip([b[0] for b in buffers], plan.offsets, strict=True))
        return arena, offsets

    def _sizes(self, shapes: Sequence[Shape]) -> dict[str, Any] | None:
        """The size of every symbol, or None where the shapes are of another kind."""
        sizes: dict[str, Any] = {}
        for (_, dims), shape in zip(self.feeds, shapes, strict=True):
            if len(dims) != len(shape):
                return None
            for d, size in zip(dims, shape, strict=True):
                if type(d) is int:
                    if d != size:
                        return None
                elif sizes.setdefault(d.terms[0][0][0], size) != size:
                    return None
        return sizes

    def _fill_constants(self, slots: list[Slot], sizes: Mapping[str, Any]) -> None:
        values = _values(self.size_nodes, sizes)
        for slot, k in self.constants.items():
            slots[slot] = slots[slot]._replace(value=values[k])


def _value(d: Any, sizes: Mapping[str, Any]) -> Any:
    if type(d) is int:
        return d
    terms = d.terms
    if len(terms) == 1 and terms[0][1] == 1 and len(terms[0][0]) == 1:
        return sizes[terms[0][0][0]]
    return substitute(d, sizes)


def _partition(dims: Sequence[Any], sizes: Mapping[str, Any]) -> tuple[int, ...]:
    """For each size the position of the first equal one."""
    first: dict[Any, int] = {}
    return tuple([first.setdefault(_value(d, sizes), k) for k, d in enumerate(dims)])


def _thresholds(n: int) -> tuple[bool, ...]:
    """What the planner asks about values of n bytes."""
    return (n <= COPIED_FEED_NBYTES, n >= DIRECT_RESULT_NBYTES, n >= REUSED_NBYTES, n >= _LARGE)


def _stand_in(x: Any, sizes: Mapping[str, Any]) -> Any:
    """A constant's array, or an array of the right type that costs no memory."""
    if isinstance(x, TensorType):
        return np.broadcast_to(np.zeros((), x.dtype), substitute(x.shape, sizes))
    return x


def _sized(type_: TensorType, sizes: Mapping[str, Any]) -> TensorType:
    if type_.is_static:
        return type_
    return TensorType(type_.dtype, tuple([_value(d, sizes) for d in type_.dims]))


def _infers(node: Node, sizes: Mapping[str, Any]) -> bool:
    """Whether the types of a node, inferred for these sizes, are those that its symbols say."""
    attrs = {k: substitute(v, sizes) for k, v in node.attrs.items()}
    try:
        types = node.op.infer_types([_sized(t.type, sizes) for t in node.inputs], attrs)
    except GraphflowError:
        return False  # planning from the beginning says what is wrong
    return all(t == _sized(o.type, sizes) for t, o in zip(types, node.outputs, strict=True))


def _hidden_nbytes(i: Instruction, slots: Sequence[Slot], contiguous: bool) -> int:
    inputs = [slots[s].type for s in i.inputs]
    outputs = [slots[s].type for s in i.outputs]
    return workspace_nbytes(i.op, inputs, outputs, i.attrs, contiguous)


# --- making one -----------------------------------------------------------------------------------


def is_plain(program: Program) -> bool:
    """Whether a program has neither clusters nor lanes nor control flow, so that one like it may have a template."""
    return not any(i.op is FUSED or i.lane or i.bodies for i in program.instructions)


def make_template(
    subgraph: Subgraph, shapes: Sequence[Shape], passes: Passes, plan: Plan, usual: Program
) -> Template | None:
    """A template of a cut, from the shapes of its feeds; None where sizes cannot be symbols, or do not fit.

    plan: from a bound subgraph and the sizes of its symbols to all decisions.
    usual: a plain program of the same cut, planned with numbers for sizes.
    """
    bound = _symbolic(subgraph, shapes, passes)
    if bound is None:
        return None
    sizes = _symbols(shapes, bound.inputs)
    size_nodes, place_of = _size_nodes(bound)
    try:
        concrete, tensor_of = _concrete(bound, sizes, size_nodes, place_of)
    except GraphflowError:
        return None  # planning from the beginning says what is wrong
    planned = plan(concrete, {})
    program = planned.program
    if planned.lanes is not None or not is_plain(program):
        return None
    if len(program.instructions) > 1.05 * len(usual.instructions) + 1:
        return None  # the concrete sizes told the passes more
    if any(s.nbytes is None or not s.type.is_static for s in program.slots):
        return None
    symbolic = {concrete_t: t for t, concrete_t in tensor_of.items()}
    if any(t not in symbolic for t in planned.slot_of):
        return None  # values were moved between devices
    return _Maker(bound, planned, symbolic, sizes, size_nodes, place_of).template()


def _symbolic(subgraph: Subgraph, shapes: Sequence[Any], passes: Passes) -> Subgraph | None:
    """The cut with a symbol for every size of the feeds that was not declared, after the passes that read sizes."""
    try:
        match_feeds(subgraph.inputs, shapes)
    except GraphflowError:
        return None  # planning from the beginning says what is wrong
    symbols: dict[Any, Dim] = {}
    types = []
    for t, shape in zip(subgraph.inputs, shapes, strict=True):
        declared = t.type.shape or (None,) * len(shape)
        dims = tuple(
            [
                d
                if type(d) is int
                else size
                if size < 2
                else symbols.setdefault(size, Dim(f"#{len(symbols)}"))
                for d, size in zip(declared, shape, strict=True)
            ]
        )
        types.append(TensorType(t.type.dtype, dims))
    try:
        sizes = match_feeds(subgraph.inputs, [t.dims for t in types])
        bound, _ = bind(subgraph, types, sizes)
    except GraphflowError:
        return None
    forms = {p.name: p.symbolic for p in AFTER_BIND}
    for name, _ in passes.after:
        form = forms[name]
        if form is not None:
            bound = form(bound)
        elif not passes.exact:
            return None  # its result would depend on which shape came first
    known = {d for t in types for d in t.dims if isinstance(d, Dim)}
    names = {d.terms[0][0][0] for d in known}
    for node in bound.nodes:
        if not names.issuperset(symbols_in(node.attrs.values())):
            return None
        for t in node.outputs:
            if t.type.shape is None or any(
                isinstance(d, Dim) and not names.issuperset(d.symbols) for d in t.type.shape
            ):
                return None  # a size that depends on data, or on which of two others is 1
    return bound


def _symbols(shapes: Sequence[Shape], inputs: Sequence[Tensor]) -> dict[str, Any]:
    return {
        d.terms[0][0][0]: size
        for t, shape in zip(inputs, shapes, strict=True)
        for d, size in zip(t.type.dims, shape, strict=True)
        if isinstance(d, Dim)
    }


def _size_nodes(subgraph: Subgraph) -> tuple[list[_SizeNode], dict[Tensor, int]]:
    """The nodes whose values sizes alone give, and the place of each value in the list."""
    found: list[_SizeNode] = []
    place_of: dict[Tensor, int] = {}
    for node in subgraph.nodes:
        if not can_fold(node) or (node.op.is_view and node.outputs[0].type.rank > 1):
            continue  # what reads a strided view may add in another order
        out = node.outputs[0].type
        if out.nbytes is None or out.nbytes > FOLD_NBYTES:
            continue
        if not node.op.shape_only and not (
            any(t in place_of for t in node.inputs)
            and all(t in place_of or t.op.op is CONSTANT for t in node.inputs)
        ):
            continue
        inputs = [
            place_of[t] if t in place_of else t.op.attrs["value"].array if t.op.op is CONSTANT else t.type
            for t in node.inputs
        ]
        place_of[node.outputs[0]] = len(found)
        found.append(_SizeNode(node.op, node.attrs, tuple(inputs), out.dtype))
    return found, place_of


def _values(size_nodes: Sequence[_SizeNode], sizes: Mapping[str, Any]) -> list[Any]:
    values: list[Any] = []
    with kernel_settings():
        for node in size_nodes:
            arrays = [values[x] if type(x) is int else _stand_in(x, sizes) for x in node.inputs]
            attrs = {k: substitute(v, sizes) for k, v in node.attrs.items()}
            value = node.op.kernel(np, *arrays, **attrs)  # type: ignore[misc]  # `can_fold` says it has one
            values.append(np.array(value, dtype=node.dtype, order="C"))
    return values


def _concrete(
    subgraph: Subgraph,
    sizes: Mapping[str, Any],
    size_nodes: Sequence[_SizeNode],
    place_of: Mapping[Tensor, int],
) -> tuple[Subgraph, dict[Tensor, Tensor]]:
    """The subgraph with numbers for symbols, and the tensor that each of its tensors became."""
    values = _values(size_nodes, sizes)
    new: dict[Tensor, Tensor] = {}
    moved: dict[Node, Node] = {}
    for t in subgraph.inputs:
        type_ = _sized(t.type, sizes)
        attrs: Mapping[str, Any] = {"dtype": type_.dtype, "shape": type_.shape}
        new[t] = detached(t.op, t.op.op, (), attrs).outputs[0]
    nodes = []
    for node in subgraph.nodes:
        first = node.outputs[0] if node.outputs else None
        if first is not None and first in place_of:
            fresh = detached(node, CONSTANT, (), {"value": Literal(values[place_of[first]])})
        else:
            attrs = {k: substitute(v, sizes) for k, v in node.attrs.items()}
            control = tuple([moved[n] for n in node.control_inputs])
            fresh = detached(node, node.op, tuple([new[t] for t in node.inputs]), attrs, control)
        moved[node] = fresh
        new.update(zip(node.outputs, fresh.outputs, strict=True))
        nodes.append(fresh)
    outputs = tuple([new[t] for t in subgraph.outputs])
    targets = tuple([moved[n] for n in subgraph.targets])
    inputs = tuple([new[t] for t in subgraph.inputs])
    return prune(Subgraph(tuple(nodes), inputs, outputs, targets)), new


@dataclass(slots=True, eq=False)
class _Maker:
    bound: Subgraph
    planned: Planned
    symbolic: Mapping[Tensor, Tensor]  # from concrete tensors
    sizes: Mapping[str, Any]
    size_nodes: list[_SizeNode]
    place_of: Mapping[Tensor, int]

    def template(self) -> Template:
        planned, program = self.planned, self.planned.program
        types: dict[TensorType, int] = {}
        slot_type = [-1] * len(program.slots)
        constants: dict[int, int] = {}
        dims: dict[Any, None] = {0: None, 1: None}
        for concrete, slot in planned.slot_of.items():
            t = self.symbolic[concrete]
            dims.update(dict.fromkeys(t.type.dims))
            if not t.type.is_static and slot_type[slot] < 0:
                slot_type[slot] = types.setdefault(t.type, len(types))
            if t in self.place_of and program.slots[slot].kind is Kind.CONSTANT:
                constants[slot] = self.place_of[t]
        node_of = {concrete.op: t.op for concrete, t in self.symbolic.items()}
        views: dict[Any, _View] = {}
        checks = []
        for concrete_node in planned.subgraph.nodes:
            node = node_of.get(concrete_node)
            if node is None or not _has_symbols(node):
                continue
            if node.op.is_view:
                view = self._view(node, concrete_node, types)
                attrs_key = tuple([(name, _attr_key(value)) for name, value in node.attrs.items()])
                views[view.op, attrs_key, view.source, view.result, view.contiguous] = view
                dims.update(dict.fromkeys(_numbers(node.attrs.values())))
            if not (node.op.traits & _EQUALITY_ONLY or node.op.name in _SIZES_ARE_EQUAL or not node.inputs):
                checks.append(node)
        attrs = {}
        workspaces: dict[Any, list[int]] = {}
        for k, concrete_node in enumerate(planned.nodes):
            node = node_of[concrete_node]
            if any(_speaks_of_sizes(v) for v in node.attrs.values()):
                attrs[k] = node.attrs
            contiguous = all(planned.contiguous[s] for s in program.instructions[k].inputs)
            if (node.op.workspace is not None or not contiguous) and _has_symbols(node):
                named = tuple([(name, _attr_key(value)) for name, value in node.attrs.items()])
                read, made = [t.type for t in node.inputs], [t.type for t in node.outputs]
                workspaces.setdefault((contiguous, node.op, named, *read, None, *made), []).append(k)
        buffers: dict[str, list[tuple[int, int, int, int]]] = {}
        for slot, (first, last) in planned.lifetimes.items():
            buffers.setdefault(program.slots[slot].device, []).append((slot, slot_type[slot], first, last))
        used = {k: n for n, k in enumerate(slot_type) if k >= 0}
        return Template(
            program,
            tuple([(t.type.dtype, t.type.dims) for t in self.bound.inputs]),
            tuple(types),
            tuple([(n, k) for n, k in enumerate(slot_type) if k >= 0 or n in planned.lifetimes]),
            tuple(dims),
            _partition(tuple(dims), self.sizes),
            tuple([(k, _thresholds(program.slots[n].type.nbytes or 0)) for k, n in used.items()]),
            {d: tuple(found) for d, found in buffers.items()},
            tuple(self.size_nodes),
            constants,
            attrs,
            tuple([(tuple(alike), key[0]) for key, alike in workspaces.items()]),
            tuple(views.values()),
            tuple(checks),
        )

    def _view(self, node: Node, concrete: Node, types: dict[TensorType, int]) -> _View:
        source = types.setdefault(node.inputs[0].type, len(types))
        result = types.setdefault(node.outputs[0].type, len(types))
        contiguous = self.planned.contiguous[self.planned.slot_of[concrete.inputs[0]]]
        answer = node.op.view(concrete.inputs[0].type, concrete.outputs[0].type, concrete.attrs, contiguous)
        return _View(node.op, node.attrs, source, result, contiguous, answer)


def _has_symbols(node: Node) -> bool:
    return any(not t.type.is_static for t in (*node.inputs, *node.outputs))


def _speaks_of_sizes(value: Any) -> bool:
    if type(value) is tuple:
        return any(_speaks_of_sizes(item) for item in value)
    return isinstance(value, Dim)


def _numbers(values: Any) -> Iterator[Any]:
    """The sizes that attributes speak of."""
    for value in values:
        if isinstance(value, tuple):
            yield from _numbers(value)
        elif isinstance(value, Dim) or type(value) is int:
            yield value
