"""Variables: state that outlives a run, and the ops that read and write it.

One write op suffices: `assign_add` and its kin read, compute and assign; the planner lets the
computation write the variable's own bytes. Reads and writes happen in the order in which the
program makes them: a use after a write makes a new read.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from graphflow import hooks
from graphflow.errors import ArgumentError, DTypeError, GraphError, ShapeError, shorten
from graphflow.graph import (
    BodyGraph,
    Graph,
    GraphKeys,
    Node,
    Scope,
    Tensor,
    control_dependencies,
    current_scope,
    get_default_graph,
    make_node,
    name_scope,
    scoped,
)
from graphflow.op import F, Op, Trait, declare, public
from graphflow.operators import Operators
from graphflow.ops.arguments import items_of
from graphflow.ops.constant import as_tensor, weak_dtype
from graphflow.ops.views import put
from graphflow.types import STRING, Shape, TensorType, dims_equal

__all__ = [
    "Variable",
    "assign",
    "assign_add",
    "assign_sub",
    "global_variables",
    "global_variables_initializer",
    "local_variables",
    "local_variables_initializer",
    "trainable_variables",
    "variables_initializer",
]

GLOBAL = GraphKeys.GLOBAL_VARIABLES
TRAINABLE = GraphKeys.TRAINABLE_VARIABLES


def _infer_variable(*, dtype: np.dtype[Any], shape: Shape) -> TensorType:
    return TensorType(dtype, shape)


VARIABLE = declare(
    Op(
        "variable",
        _infer_variable,
        traits=Trait.SOURCE | Trait.STATEFUL,
        vjp=lambda node, g: (),
        flops=lambda inputs, outputs, dtype, shape: 0,
        default_name="Variable",
        doc="State that outlives a run.",
    )
)

READ = declare(
    Op(
        "read",
        lambda handle: handle,
        lambda xp, handle: handle,
        lambda node, g: (g,),
        Trait.STATEFUL,
        view=lambda x, y, attrs, contiguous: contiguous,
        doc="The value of a variable at this point of the program.",
    )
)


def _infer_assign(handle: TensorType, value: TensorType) -> TensorType:
    if handle.dtype != value.dtype:
        raise DTypeError(f"a {handle} variable cannot take {value}; cast it first")
    if len(handle.dims) != len(value.dims) or any(
        dims_equal(a, b) is False for a, b in zip(handle.dims, value.dims, strict=True)
    ):
        raise ShapeError(f"a {handle} variable cannot take {value}; reshape or broadcast it first")
    return handle


def _assign_kernel(xp: Any, handle: Any, value: Any, *, out: Any = None) -> Any:
    if value.shape != handle.shape:  # a size that depends on data; a copy would broadcast
        raise ShapeError(
            f"assign: a variable of shape {list(handle.shape)} cannot take a value of shape {list(value.shape)}"
        )
    return put(xp, value, out)


ASSIGN = declare(
    Op(
        "assign",
        _infer_assign,
        _assign_kernel,
        lambda node, g: (None, g),
        Trait.STATEFUL | Trait.OUT,
        flops=lambda inputs, outputs: 0,
        default_name="Assign",
        doc="Write a variable; gives the new value.",
    )
)


class Variable(Operators):
    """State held by a session: read by using it, written by `assign` and its kin.

    initial_value: an array or nest, a tensor, or a function without arguments that gives one; a static
        shape is needed.
    dtype: cast the initial value to it. name: `Variable` where left out.
    trainable: whether optimizers update it by default.
    Raises ShapeError for an initial value of unknown shape, GraphError inside a loop body or branch.
    """

    def __init__(
        self,
        initial_value: Any = None,
        dtype: Any = None,
        name: str | None = None,
        trainable: bool = True,
        collections: Any = None,
    ) -> None:
        if initial_value is None:
            raise ArgumentError(
                "Variable: an initial value is needed: an array, a tensor, or a function giving one"
            )
        if not isinstance(trainable, (bool, np.bool_)):
            raise ArgumentError(f"Variable: trainable is True or False, not {shorten(trainable)}")
        homes = [GLOBAL] if collections is None else collections
        if not isinstance(homes, (list, tuple)) or not all(isinstance(c, str) for c in homes):
            raise ArgumentError(f"Variable: collections must be a list of names, not {shorten(collections)}")
        graph = get_default_graph()
        if isinstance(graph, BodyGraph):
            raise GraphError(
                "Variable: make it outside the loop body, branch or traced function, and capture it"
            )
        full = graph.unique_name("Variable" if name is None else name)
        try:
            initial = self._first(initial_value, dtype, graph, full)
        except BaseException:
            graph._taken.pop(full, None)  # nothing was made: the name is free again
            raise
        graph = initial.graph
        with name_scope(full + "/", graph), control_dependencies(None):
            with scoped(prefix=""):
                graph._taken.pop(full, None)
                attrs = {"dtype": initial.type.dtype, "shape": initial.type.shape}
                self.handle: Tensor = graph.add(VARIABLE, (), attrs, full, _scope_of(graph)).outputs[0]
            self.initial_value = initial
            self.initializer: Node = make_node(ASSIGN, (self.handle, initial), {}, "Assign")
            self._read: Tensor | None = None
            self._reads: list[Tensor] = []
        self.trainable = bool(trainable)
        self._scope = full
        self.read()
        for collection in homes:
            graph.add_to_collection(collection, self)
        if self.trainable:
            graph.add_to_collection(TRAINABLE, self)
        if current_scope().eager is not None:
            hooks.initial_value(self)

    @staticmethod
    def _first(initial_value: Any, dtype: Any, graph: Graph, full: str) -> Tensor:
        """The initial value as a tensor of a known shape."""
        with name_scope(full + "/", graph), control_dependencies(None):
            value = initial_value() if callable(initial_value) else initial_value
            initial = Variable._initial(value, dtype)
        if initial.type.dtype is STRING:
            raise DTypeError(f"Variable '{full}': a variable holds numbers or bools, not {initial.type}")
        if not initial.type.is_static:
            raise ShapeError(
                f"Variable '{full}': the shape of its initial value, {initial.type}, must be known"
            )
        return initial

    @staticmethod
    def _initial(value: Any, dtype: Any) -> Tensor:
        if hasattr(type(value), "__graphflow_tensor__"):
            tensor: Tensor = value.__graphflow_tensor__()
            return tensor if dtype is None else F.cast(tensor, dtype)
        return as_tensor(value, dtype, name="initial_value")

    # --- reading ---

    def read(self) -> Tensor:
        """The value at this point of the program: the same tensor until the next write."""
        graph = get_default_graph()
        if isinstance(graph, BodyGraph) and graph is not self.graph:
            return self._read_in(graph)
        return self._outer_read()

    value = read
    read_value = read

    def _outer_read(self) -> Tensor:
        if self._read is None:
            with scoped(graph=self.graph, prefix=self._scope + "/", device=self.handle.op.device, control=()):
                self._read = make_node(READ, (self.handle,), {}, "read").outputs[0]
            self._reads.append(self._read)
        return self._read

    def _read_in(self, graph: BodyGraph) -> Tensor:
        known = graph.reads.get(self)
        if known is None:
            parent = graph.parent
            outer = self._read_in(parent) if isinstance(parent, BodyGraph) else self._outer_read()
            known = graph.reads[self] = graph.capture(outer)
        return known

    def __graphflow_tensor__(self) -> Tensor:
        return self.read()

    def __graphflow_fetch__(self) -> Tensor:
        return self.handle

    def __graphflow_reads__(self) -> tuple[Tensor, ...]:
        here = get_default_graph()
        if isinstance(here, BodyGraph) and self in here.reads:
            return (here.reads[self],)
        return tuple(self._reads)

    def initialized_value(self) -> Tensor:
        """The initial value, for initializers of other variables."""
        return self.initial_value

    # --- writing ---

    def assign(self, value: Any, name: str | None = None) -> Tensor:
        """Write `value` (of this variable's type; Python scalars are weak). Gives the new value."""
        return self._write(self._operand(value, "assign"), "Assign" if name is None else name)

    def assign_add(self, delta: Any, name: str | None = None) -> Tensor:
        """Add `delta`, of this variable's type. Gives the new value."""
        with name_scope(self._inner("AssignAdd")):
            value = F.add(self.read(), self._operand(delta, "assign_add"))
        return self._write(value, "AssignAdd" if name is None else name)

    def assign_sub(self, delta: Any, name: str | None = None) -> Tensor:
        """Subtract `delta`, of this variable's type. Gives the new value."""
        with name_scope(self._inner("AssignSub")):
            value = F.subtract(self.read(), self._operand(delta, "assign_sub"))
        return self._write(value, "AssignSub" if name is None else name)

    def scatter_update(self, indices: Any, updates: Any, name: str | None = None) -> Tensor:
        """Replace the slices at `indices` along the first axis; of duplicates the last wins."""
        return self._scatter(indices, updates, "update", "ScatterUpdate" if name is None else name)

    def scatter_add(self, indices: Any, updates: Any, name: str | None = None) -> Tensor:
        """Add to the slices at `indices` along the first axis; duplicates add up."""
        return self._scatter(indices, updates, "add", "ScatterAdd" if name is None else name)

    def scatter_sub(self, indices: Any, updates: Any, name: str | None = None) -> Tensor:
        """Subtract from the slices at `indices` along the first axis; duplicates add up."""
        return self._scatter(indices, updates, "sub", "ScatterSub" if name is None else name)

    def _scatter(self, indices: Any, updates: Any, mode: str, name: str) -> Tensor:
        with name_scope(self._inner(name)):
            value = F.index_scatter(self.read(), indices, updates, mode)
        return self._write(value, name)

    def _inner(self, name: str) -> str:
        """A scope below the variable's own, `w/AssignAdd_op`, entered where the write is made."""
        return f"{self._scope}/{name}_value/"

    def _operand(self, value: Any, what: str) -> Tensor:
        if type(value) in (bool, int, float, complex):
            if weak_dtype(value, self.dtype) != self.dtype:
                raise DTypeError(f"{what}: {self!r} cannot take {shorten(value)}")
            tensor = as_tensor(value, self.dtype)
        else:
            tensor = (
                as_tensor(value)
                if hasattr(type(value), "__graphflow_tensor__")
                else as_tensor(value, self.dtype)
            )
        _infer_assign(self.handle.type, tensor.type) if tensor.type.shape is not None else None
        return tensor

    def _write(self, value: Tensor, name: str) -> Tensor:
        graph = get_default_graph()
        if isinstance(graph, BodyGraph) and graph is not self.graph:
            self._read_in(graph)  # the construct needs the value from before, for the branch not taken
            if value.graph is not graph:
                value = graph.capture(value)
            graph.reads[self] = graph.writes[self] = value
            return value
        with scoped(graph=self.graph, prefix=self._scope + "/", device=self.handle.op.device):
            written = make_node(ASSIGN, (self.handle, value), {}, name).outputs[0]
        self._read = None
        return written

    def load(self, value: Any, session: Any = None) -> None:
        """Set the value in `session` (the default one if None) without adding to the graph."""
        hooks.load_variable(self, value, session)

    def eval(self, session: Any = None) -> np.ndarray[Any, Any]:
        """The value in `session`, the default one, or the graph's own."""
        return hooks.evaluate(self.handle, None, session)

    numpy = eval

    # --- what it is ---

    @property
    def graph(self) -> Graph:
        """The graph it belongs to."""
        return self.handle.graph

    @property
    def op(self) -> Node:
        """The node that stands for the state."""
        return self.handle.op

    @property
    def name(self) -> str:
        """`"w:0"`."""
        return self.handle.name

    @property
    def device(self) -> str | None:
        """The device asked for, or None."""
        return self.handle.device

    def get_shape(self) -> Any:
        """TensorFlow 1's spelling of `shape`."""
        return self.shape

    def __repr__(self) -> str:
        return f"<Variable '{self.name}' {self.handle.type}>"

    __hash__ = object.__hash__

    def __copy__(self) -> Variable:
        return self

    def __deepcopy__(self, memo: Any) -> Variable:
        return self

    def __reduce__(self) -> Any:
        raise GraphError(f"{self!r} cannot be pickled; save its value with gf.train.Saver")


def _scope_of(graph: Graph) -> Scope:
    return replace(current_scope(), graph=graph, control=())


def _variable(ref: Any, what: str) -> Variable:
    if not isinstance(ref, Variable):
        raise ArgumentError(f"{what}: {shorten(ref)} is no variable")
    return ref


@public
def assign(ref: Any, value: Any, name: str | None = None) -> Tensor:
    """`ref.assign(value)`."""
    return _variable(ref, "assign").assign(value, name)


@public
def assign_add(ref: Any, value: Any, name: str | None = None) -> Tensor:
    """`ref.assign_add(value)`."""
    return _variable(ref, "assign_add").assign_add(value, name)


@public
def assign_sub(ref: Any, value: Any, name: str | None = None) -> Tensor:
    """`ref.assign_sub(value)`."""
    return _variable(ref, "assign_sub").assign_sub(value, name)


def global_variables(scope: str | None = None) -> list[Variable]:
    """The variables of the default graph, in the order of their making."""
    return get_default_graph().get_collection(GLOBAL, scope)


def local_variables(scope: str | None = None) -> list[Variable]:
    """The variables that are neither trained nor saved, such as the sums that metrics keep."""
    return get_default_graph().get_collection(GraphKeys.LOCAL_VARIABLES, scope)


def trainable_variables(scope: str | None = None) -> list[Variable]:
    """The variables that optimizers update by default."""
    return get_default_graph().get_collection(TRAINABLE, scope)


def variables_initializer(var_list: Any, name: str = "init") -> Node:
    """One operation that gives the listed variables their initial values, in the order of their making."""
    ops = [
        _variable(v, "variables_initializer").initializer
        for v in items_of(var_list, "variables_initializer: var_list")
    ]
    with control_dependencies(None):
        return F.group(*ops, name=name)  # type: ignore[no-any-return]


def global_variables_initializer() -> Node:
    """One operation that gives every variable made so far its initial value."""
    return variables_initializer(global_variables())


def local_variables_initializer() -> Node:
    """One operation that gives every local variable made so far its initial value: metrics begin anew."""
    return variables_initializer(local_variables(), "init_local")
