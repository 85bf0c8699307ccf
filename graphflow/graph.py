"""The graph that user code builds: nodes, tensors, names, scopes, origins. It only grows.

A node is frozen once made and its output tensors are made once, so `is` tells tensors apart.
Pure nodes with equal op, inputs and attributes share a *value number*: what was computed or
planned for one serves the other, though both stay nodes of their own.
"""

from __future__ import annotations

import contextlib
import re
import threading
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from types import CodeType, MappingProxyType
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import numpy as np

from graphflow import config, hooks
from graphflow.errors import (
    ArgumentError,
    DTypeError,
    GraphError,
    GraphflowError,
    GraphGrowthWarning,
    NameError,
    shorten,
)
from graphflow.op import OPS, F, Op
from graphflow.operators import Operators
from graphflow.origin import Origin, decode, user_frame
from graphflow.types import Dim, TensorType, unknown_made

if TYPE_CHECKING:
    from typing import Self

__all__ = [
    "BodyGraph",
    "Graph",
    "GraphKeys",
    "Node",
    "Operation",
    "Scope",
    "Tensor",
    "add_to_collection",
    "apply",
    "composition",
    "control_dependencies",
    "current_graph",
    "current_scope",
    "device",
    "get_collection",
    "get_default_graph",
    "make_node",
    "name_scope",
    "reset_default_graph",
    "scoped",
    "symbols_in",
]

_NO_ATTRS: Mapping[str, Any] = MappingProxyType({})
_NAME = re.compile(r"[\w.][\w.\-/>]*")
_DEVICE = re.compile(r"(?:/?device:|/)?([A-Za-z][A-Za-z0-9_]*)(?::(\d{1,4}|\*))?")
MAX_NAME_LENGTH = 1024


class Node:
    """One use of an op: its inputs, attributes, name and device. TensorFlow 1 calls it an Operation."""

    __slots__ = (
        "_code",
        "_lasti",
        "attrs",
        "cause",
        "control_inputs",
        "device",
        "graph",
        "id",
        "inputs",
        "name",
        "op",
        "outputs",
        "__weakref__",
    )

    graph: Graph
    id: int
    op: Op
    inputs: tuple[Tensor, ...]
    attrs: Mapping[str, Any]
    control_inputs: tuple[Node, ...]
    name: str
    device: str | None
    cause: Node | None
    outputs: tuple[Tensor, ...]
    _code: CodeType | Origin | None
    _lasti: int

    @property
    def type(self) -> str:
        """The op's name: `matmul`."""
        return self.op.name

    @property
    def origin(self) -> Origin:
        """File, line and function of the user's code that made this node."""
        return decode(self._code, self._lasti)

    @property
    def place(self) -> str:
        """`node 'hidden', made at model.py:41`, as every error and report says it."""
        if self.cause is not None:
            forward = self.cause
            return (
                f"node '{self.name}', gradient of '{forward.name}' made at {forward.origin}"
                f" (gradient asked for at {self.origin})"
            )
        return f"node '{self.name}', made at {self.origin}"

    def rebuilt(
        self, inputs: tuple[Tensor, ...], attrs: Mapping[str, Any], control: tuple[Node, ...]
    ) -> Node:
        """A detached copy with other inputs; for passes, never in the graph.

        Its types are inferred again where those of the inputs, or the attributes, are others.
        """
        types: list[TensorType] | None = None
        if attrs is self.attrs:
            for new, old in zip(inputs, self.inputs, strict=True):
                if new.type is not old.type and new.type != old.type:
                    break
            else:
                types = [t.type for t in self.outputs]
        return detached(self, self.op, inputs, attrs, control, types=types)

    def run(self, feed_dict: Any = None, session: Any = None) -> None:
        """Run this operation in `session`, or in the default one."""
        hooks.evaluate(self, feed_dict, session)  # type: ignore[arg-type]  # an operation is a fetch too

    def get_attr(self, name: str) -> Any:
        """The attribute `name`. Raises NameError when the node has none of that name."""
        if not isinstance(name, str) or name not in self.attrs:
            raise NameError(f"{self.type}: no attribute {shorten(name)}; attributes: {', '.join(self.attrs)}")
        return self.attrs[name]

    def __repr__(self) -> str:
        return f"<Operation '{self.name}' {self.op.name}>"

    def __copy__(self) -> Node:
        return self

    def __deepcopy__(self, memo: Any) -> Node:
        return self

    def __reduce__(self) -> Any:
        raise GraphError(f"{self!r} cannot be pickled; save its graph with gf.save_graph")


Operation = Node


class Tensor(Operators):
    """A symbolic value: one output of a node, with a type. It holds no data."""

    __slots__ = ("index", "known", "number", "op", "type", "__weakref__")

    op: Node
    index: int
    type: TensorType
    number: int
    known: Any  # the value, where an eager block computed it; otherwise not set

    def __init__(self, op: Node, index: int, type: TensorType, number: int) -> None:
        self.op = op
        self.index = index
        self.type = type
        self.number = number

    __hash__ = object.__hash__

    def __graphflow_tensor__(self) -> Tensor:
        return self

    @property
    def name(self) -> str:
        """`"w/read:0"`."""
        return f"{self.op.name}:{self.index}"

    @property
    def graph(self) -> Graph:
        """The graph it belongs to."""
        return self.op.graph

    @property
    def dtype(self) -> np.dtype[Any]:
        """Element type."""
        return self.type.dtype

    @property
    def shape(self) -> tuple[int | Dim | None, ...] | None:
        """Ints, named dimensions, and None for what is unknown; None alone for an unknown rank."""
        if self.type.shape is None:
            return None
        return tuple(None if type(d) is Dim and d.is_anonymous else d for d in self.type.shape)

    @property
    def device(self) -> str | None:
        """The device asked for, or None."""
        return self.op.device

    def get_shape(self) -> tuple[int | Dim | None, ...] | None:
        """TensorFlow 1's spelling of `shape`."""
        return self.shape

    def set_shape(self, shape: Any) -> None:
        """Refused: the type is inferred once. Give the placeholder a shape, or reshape."""
        raise GraphError(
            f"set_shape: the type of {self!r} is fixed; reshape it, or give the placeholder a shape"
        )

    def consumers(self) -> list[Node]:
        """The nodes that use this tensor, in the order of their making."""
        return self.op.graph.consumers(self)

    def __setitem__(self, key: Any, value: Any, /) -> None:
        """Make this tensor stand for a copy of itself in which `self[key]` is `value`, by a node `gf.setitem`.

        Nodes made before keep the old value, which gets a tensor of its own; what is built, run or fed from now
        on has the new one. A placeholder is still fed by this tensor. Every name that the program has for this
        tensor sees the change, as with an array.
        Raises GraphError for the value of a variable, in a graph that is finalized, and inside a loop body,
        branch or traced function that the tensor is not made in; and whatever `gf.setitem` raises.
        """
        graph = self.op.graph
        graph.check_changeable(self)
        new = F.setitem(self, key, value, name="setitem")
        graph.hand_over(self, new)

    def eval(self, feed_dict: Any = None, session: Any = None) -> np.ndarray[Any, Any]:
        """Run what is needed and give the value; in `session`, the default one, or the graph's own."""
        return hooks.evaluate(self, feed_dict, session)

    def numpy(self) -> np.ndarray[Any, Any]:
        """The value as a NumPy array; runs what is needed."""
        return hooks.evaluate(self)

    def render(self, path: Any = None, **options: Any) -> Any:
        """Draw what this tensor is computed from."""
        return hooks.render(self, path, **options)

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        return hooks.render(self)._repr_mimebundle_(**kwargs)

    def __repr__(self) -> str:
        return f"<Tensor '{self.name}' {self.type}>"

    def __copy__(self) -> Tensor:
        return self

    def __deepcopy__(self, memo: Any) -> Tensor:
        return self

    def __reduce__(self) -> Any:
        raise GraphError(f"{self!r} cannot be pickled; save its graph with gf.save_graph")


@dataclass(frozen=True, slots=True)
class Scope:
    """What surrounds the making of a node: `with` blocks swap this record, so exits always restore it."""

    graph: Graph | None = None
    prefix: str = ""
    device: str | None = None
    control: tuple[Node, ...] = ()
    cause: Node | None = None
    eager: Any = None


_scope: ContextVar[Scope] = ContextVar("graphflow_scope", default=Scope())  # noqa: B039 Scope is frozen


def current_scope() -> Scope:
    """The scope in force in this context."""
    return _scope.get()


@contextmanager
def scoped(**changes: Any) -> Iterator[None]:
    """Change fields of the scope in force inside a `with` block."""
    token = _scope.set(replace(_scope.get(), **changes))
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):  # a generator left half-way is closed in another context
            _scope.reset(token)


class Graph:
    """An append-only set of nodes with unique names.

    Graphs are not merged or copied: a node belongs to the graph it was made in, for good.
    """

    def __init__(self) -> None:
        self._nodes: list[Node] = []
        self._by_name: dict[str, Node] = {}
        self._taken: dict[str, int] = {}
        self._numbers: dict[tuple[Any, ...], tuple[int, ...]] = {}
        self._next_number = 0
        self._repeats: dict[tuple[Any, ...], int] = {}
        self._uses: dict[Tensor, list[Node]] = {}
        self._uses_until = 0
        self._collections: dict[str, list[Any]] = {}
        self._finalized = False
        self._lock = threading.RLock()
        self._earlier: dict[Tensor, list[tuple[int, Tensor]]] = {}
        self._bodies: WeakSet[BodyGraph] = WeakSet()
        self.seed: int | None = None
        self.version = 0  # how many times a tensor was changed in place
        self.own_session: Any = None  # made on demand by `Tensor.eval` when no session is at hand
        self.known_values: Any = None  # what `ops.on_demand` has computed
        self._unknown_types: dict[
            int, TensorType
        ] = {}  # by value number: types with sizes that depend on data
        self.size_sources: dict[str, Node] = {}  # sizes that depend on data: what has to run to know them
        self.variable_store: Any = None  # what `gf.get_variable` made; see variable_scopes.py

    # --- making nodes ---

    def add(
        self, op: Op, inputs: tuple[Tensor, ...], attrs: Mapping[str, Any], name: str | None, scope: Scope
    ) -> Node:
        """Append a node. Types are inferred first: a node that cannot be leaves no trace."""
        code, lasti = user_frame()
        try:
            if self._finalized:
                raise GraphError("the graph is finalized: no node can be added")
            unknown_made[0] = False
            types = op.infer_types([t.type for t in inputs], attrs)
            has_unknown = unknown_made[0]
        except GraphflowError as error:
            raise _explain(error, op, inputs, name, decode(code, lasti)) from error.__cause__
        node = Node()
        node.op = op
        node.inputs = inputs
        node.attrs = attrs
        node.control_inputs = scope.control
        if self.size_sources and attrs:
            node.control_inputs = self._after_sizes(inputs, attrs, scope.control)
        node.device = scope.device
        node.cause = scope.cause
        node.graph = self
        node._code = code
        node._lasti = lasti
        with self._lock:
            if name is None:
                node.name = self._claim(scope.prefix + (op.default_name or op.name))
            else:
                node.name = self._unique(name, scope.prefix)
            numbers = self._number(op, inputs, attrs, scope, len(types), code, lasti)
            if has_unknown:  # what is equal has equal sizes, and so the same name for a size
                types = tuple(
                    [self._unknown_types.setdefault(k, t) for k, t in zip(numbers, types, strict=True)]
                )
            if len(types) == 1:
                node.outputs = (Tensor(node, 0, types[0], numbers[0]),)
            else:
                node.outputs = tuple(Tensor(node, i, t, numbers[i]) for i, t in enumerate(types))
            node.id = len(self._nodes)
            self._nodes.append(node)
            self._by_name[node.name] = node
        if scope.eager is not None:
            hooks.run_eagerly(node)
        return node

    def rename_sizes(self, t: Tensor) -> None:
        """Nodes equal to that of `t`, whose type was replaced, get its type from now on."""
        if t.number in self._unknown_types:
            self._unknown_types[t.number] = t.type

    def _after_sizes(
        self, inputs: tuple[Tensor, ...], attrs: Mapping[str, Any], control: tuple[Node, ...]
    ) -> tuple[Node, ...]:
        """Control inputs, with the nodes that show the sizes which the attributes speak of."""
        needed = dict.fromkeys(control)
        for symbol in symbols_in(attrs.values()):
            source = self.size_sources.get(symbol)
            if source is not None and source.graph is self and all(t.op is not source for t in inputs):
                needed[source] = None
        return tuple(needed)

    def _number(
        self,
        op: Op,
        inputs: tuple[Tensor, ...],
        attrs: Mapping[str, Any],
        scope: Scope,
        count: int,
        code: CodeType | None,
        lasti: int,
    ) -> tuple[int, ...]:
        """Value numbers of a new node's outputs: those of an equal pure node, or fresh ones."""
        if op.is_pure and not scope.control:
            key: tuple[Any, ...]
            if len(inputs) == 2:
                key = (op.name, inputs[0].number, inputs[1].number)
            else:
                key = (op.name, *[t.number for t in inputs])
            if attrs:
                key += tuple([_attr_key(v) for v in attrs.values()])
            if scope.device is not None:
                key += (scope.device,)
            known = self._numbers.get(key)
            if known is not None:
                if inputs:
                    self._count_repeat(op, known[0], code, lasti)
                return known
            numbers = self._fresh_numbers(count)
            self._numbers[key] = numbers
            return numbers
        return self._fresh_numbers(count)

    def _fresh_numbers(self, count: int) -> tuple[int, ...]:
        first = self._next_number
        self._next_number = first + count
        return (first,) if count == 1 else tuple(range(first, first + count))

    def _count_repeat(self, op: Op, number: int, code: CodeType | None, lasti: int) -> None:
        line = (id(code), lasti, number)
        count = self._repeats.get(line, 0) + 1
        self._repeats[line] = count
        if count == config.get().repeat_limit:
            warnings.warn_explicit(
                f"{decode(code, lasti)} has made the same {op.name!r} node {count + 1} times: the graph grows "
                "with every call; build it once, outside the loop",
                GraphGrowthWarning,
                code.co_filename if code else "<unknown>",
                decode(code, lasti).line,
            )

    def _unique(self, name: Any, prefix: str) -> str:
        if not isinstance(name, str):
            check_name(name)
        if name[-1:] != "/":
            check_name(prefix + name)
            return self._claim(prefix + name)
        full: str = name[
            :-1
        ]  # TensorFlow's habit: a scope's own name, with its slash, means exactly that name
        check_name(full)
        if full in self._by_name:
            return self._claim(full)
        self._taken.setdefault(full, 1)
        return full

    def _claim(self, full: str) -> str:
        taken = self._taken
        count = taken.get(full)
        if count is None:
            taken[full] = 1
            return full
        if len(full) > MAX_NAME_LENGTH:
            check_name(full)
        while True:
            candidate = f"{full}_{count}"
            count += 1
            if candidate not in taken:
                taken[full] = count
                taken[candidate] = 1
                return candidate

    def hand_name_on(self, scope: str) -> None:
        """Give the name of a scope that has just been left to the node made last, if it was made inside."""
        with self._lock:
            node = self._nodes[-1]
            if node.name.startswith(scope + "/") and scope not in self._by_name:
                del self._by_name[node.name]
                node.name = scope
                self._by_name[scope] = node

    def unique_name(self, name: str) -> str:
        """Claim a name in the current scope: `name`, or `name_1`, ... if that is taken."""
        scope = _scope.get()
        with self._lock:
            return self._unique(name, scope.prefix if scope.graph in (None, self) else "")

    # --- looking things up ---

    @property
    def operations(self) -> tuple[Node, ...]:
        """All nodes in the order of their making."""
        return tuple(self._nodes)

    def get_operations(self) -> list[Node]:
        """TensorFlow 1's spelling of `operations`."""
        return list(self._nodes)

    def get_operation_by_name(self, name: str) -> Node:
        """The node of that full name. Raises NameError, listing near names."""
        if not isinstance(name, str):
            raise DTypeError(f"an operation's name is a str, not {shorten(name)}")
        node = self._by_name.get(name)
        if node is None:
            raise NameError(f"no operation is called {shorten(name)}{self._near(name)}")
        return node

    def get_tensor_by_name(self, name: str) -> Tensor:
        """The tensor called `"op:index"`. Raises NameError, listing near names."""
        if not isinstance(name, str):
            raise DTypeError(f"a tensor's name is a str, not {shorten(name)}")
        head, colon, index = name.rpartition(":")
        if not colon or not index.isdecimal():
            raise NameError(f"a tensor's name is 'operation:index', not {shorten(name)}")
        outputs = self.get_operation_by_name(head).outputs
        if len(index) > 9 or int(index) >= len(outputs):
            raise NameError(f"{shorten(name)}: operation '{head}' has {len(outputs)} outputs")
        return outputs[int(index)]

    def as_graph_element(self, obj: Any) -> Node | Tensor:
        """A node or tensor of this graph from itself, its name, or a variable."""
        if isinstance(obj, str):
            return self.get_tensor_by_name(obj) if ":" in obj else self.get_operation_by_name(obj)
        if hasattr(type(obj), "__graphflow_fetch__"):
            obj = obj.__graphflow_fetch__()
        if not isinstance(obj, (Node, Tensor)):
            raise DTypeError(f"{shorten(obj)} is no tensor, operation or name")
        if obj.graph is not self:
            raise GraphError(f"{obj!r} belongs to another graph")
        return obj

    def _near(self, name: str) -> str:
        import difflib

        lowered = {known.lower(): known for known in list(self._by_name)[:20_000]}
        near = difflib.get_close_matches(name[:100].lower(), lowered, n=3, cutoff=0.5)
        return f"; near names: {', '.join(lowered[n] for n in near)}" if near else ""

    def consumers(self, tensor: Tensor) -> list[Node]:
        """The nodes that use `tensor`, in the order of their making."""
        with self._lock:
            for node in self._nodes[self._uses_until :]:
                for t in dict.fromkeys(node.inputs):
                    self._uses.setdefault(t, []).append(node)
            self._uses_until = len(self._nodes)
            return list(self._uses.get(tensor, ()))

    # --- tensors changed in place ---

    def check_changeable(self, tensor: Tensor) -> None:
        """Raise GraphError where `tensor[key] = value` cannot be: see `Tensor.__setitem__`."""
        here = get_default_graph()
        why = ""
        if self._finalized:
            why = "its graph is finalized; build with gf.setitem before that"
        elif here is not self and isinstance(here, BodyGraph):
            why = "it is made outside this loop body, branch or traced function; say y = gf.identity(x) first"
        elif tensor.op.op.name in ("read", "variable") or self._stands_for_state(tensor):
            why = "it is the value of a variable; say .assign or .scatter_update of that, or y = gf.identity(x) first"
        elif any(tensor in body.captures and not body.finalized for body in self._bodies):
            why = "a function with a gradient of its own uses it; say y = gf.identity(x) first"
        if why:
            raise GraphError(f"setitem: {tensor!r} cannot be changed in place: {why}")

    def _stands_for_state(self, tensor: Tensor) -> bool:
        return False

    def hand_over(self, tensor: Tensor, new: Tensor) -> None:
        """Make `tensor` the output that `new` is, which was just made; its old output gets a fresh tensor.

        O(nodes that use the tensor).
        """
        with self._lock:
            old = Tensor(tensor.op, tensor.index, tensor.type, tensor.number)
            if hasattr(tensor, "known"):
                old.known = tensor.known
                del tensor.known
            for node in self.consumers(tensor):
                node.inputs = tuple([old if t is tensor else t for t in node.inputs])
            self._uses[old] = self._uses.pop(tensor, [])
            _put_output(tensor.op, tensor.index, old)
            self._earlier.setdefault(tensor, []).append((self.version, old))
            self.version += 1
            tensor.op, tensor.index, tensor.type, tensor.number = new.op, new.index, new.type, new.number
            if hasattr(new, "known"):
                tensor.known = new.known
            _put_output(new.op, new.index, tensor)

    def as_it_was(self, tensor: Tensor, version: int) -> Tensor:
        """The tensor that stands for what `tensor` was when `self.version` was `version`."""
        for until, old in self._earlier.get(tensor, ()):
            if version <= until:
                return old
        return tensor

    def as_made(self, tensor: Tensor) -> Tensor:
        """The placeholder's output that `tensor` was before it was changed in place; else the tensor itself."""
        first = self.as_it_was(tensor, 0)
        return first if first.op.op.name == "placeholder" else tensor

    # --- collections, finalizing ---

    def add_to_collection(self, name: str, value: Any) -> None:
        """Append `value` to the list called `name`."""
        if not isinstance(name, str):
            raise ArgumentError(f"add_to_collection: the name of a collection is a str, not {shorten(name)}")
        if self._finalized:
            raise GraphError("the graph is finalized: its collections cannot change")
        self._collections.setdefault(name, []).append(value)

    def get_collection(self, name: str, scope: str | None = None) -> list[Any]:
        """A copy of the list called `name`; with `scope`, only the items whose name begins with it."""
        for what, text in (("name", name), ("scope", scope)):
            if not isinstance(text, str) and not (text is None and what == "scope"):
                raise ArgumentError(f"get_collection: {what} is a str, not {shorten(text)}")
        items = self._collections.get(name, [])
        return [item for item in items if scope is None or getattr(item, "name", "").startswith(scope)]

    def get_all_collection_keys(self) -> list[str]:
        """The names of the non-empty collections."""
        return [key for key, items in self._collections.items() if items]

    def finalize(self) -> None:
        """Refuse any further node: a guard against a graph that grows in a training loop."""
        self._finalized = True

    @property
    def finalized(self) -> bool:
        """True once `finalize` was called."""
        return self._finalized

    # --- scopes ---

    @contextmanager
    def as_default(self) -> Iterator[Self]:
        """Make this the graph that new nodes go to, inside the `with` block."""
        with scoped(graph=self, prefix="", device=None, control=()):
            yield self

    def name_scope(self, name: str | None) -> Any:
        """`name_scope` for this graph."""
        return name_scope(name, graph=self)

    def device(self, name: str | None) -> Any:
        """`device`, whatever graph is the default."""
        return device(name)

    def control_dependencies(self, nodes: Sequence[Any] | None) -> Any:
        """`control_dependencies`, whatever graph is the default."""
        return control_dependencies(nodes)

    def render(self, path: Any = None, **options: Any) -> Any:
        """Draw the graph; see `gf.render`."""
        return hooks.render(self, path, **options)

    def to_networkx(self) -> Any:
        """The graph as a `networkx.MultiDiGraph`; nodes carry op, type, device and line."""
        return hooks.visualize_function("to_networkx")(self)

    def to_dot(self, **options: Any) -> str:
        """The graph as DOT text."""
        return str(hooks.visualize_function("to_dot")(self, **options))

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        return hooks.render(self)._repr_mimebundle_(**kwargs)

    def __len__(self) -> int:
        return len(self._nodes)

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"<Graph of {len(self._nodes)} operations>"

    def __str__(self) -> str:
        return hooks.text_of(self)

    def __reduce__(self) -> Any:
        raise GraphError("a graph cannot be pickled; save it with gf.save_graph")

    def __copy__(self) -> Graph:
        raise GraphError("a graph cannot be copied; save and load it")

    def __deepcopy__(self, memo: Any) -> Graph:
        raise GraphError("a graph cannot be copied; save and load it")


class BodyGraph(Graph):
    """The graph of a loop body, a branch or a traced function: tensors from outside become captures.

    `parent` is the graph around it; `captures` maps an outer tensor to its stand-in here, in
    the order of first use. `reads` and `writes` hold what the body made of variables: writes
    are handed out as extra results, so that a body has no side effect on state.
    `iteration` is the int64 scalar of a loop's running index, or None. `depth` counts the bodies around it, and it.
    """

    def __init__(self, parent: Graph | None) -> None:
        super().__init__()
        self.parent = parent
        self.depth: int = 1 + (parent.depth if isinstance(parent, BodyGraph) else 0)
        self.captures: dict[Tensor, Tensor] = {}
        self.reads: dict[Any, Tensor] = {}
        self.writes: dict[Any, Tensor] = {}
        self.iteration: Tensor | None = None
        if parent is not None:
            self.seed = parent.seed
            parent._bodies.add(self)

    def _stands_for_state(self, tensor: Tensor) -> bool:
        return tensor is self.iteration or any(tensor is t for t in self.reads.values())

    def capture(self, outer: Tensor) -> Tensor:
        """The stand-in for a tensor of an enclosing graph. Raises GraphError if it is of no enclosing graph."""
        known = self.captures.get(outer)
        if known is not None:
            return known
        if outer.graph is not self.parent:
            if not isinstance(self.parent, BodyGraph):
                raise GraphError(f"{outer!r} belongs to another graph")
            outer_here = self.parent.capture(outer)
            known = self.captures.get(outer_here)
            if known is not None:
                self.captures[outer] = known
                return known
            stand_in = self._stand_in(outer_here)
            self.captures[outer_here] = stand_in
            return stand_in
        stand_in = self._stand_in(outer)
        self.captures[outer] = stand_in
        return stand_in

    def _stand_in(self, outer: Tensor) -> Tensor:
        attrs = {"dtype": outer.type.dtype, "shape": outer.type.shape}
        node = self.add(OPS["placeholder"], (), attrs, "capture", Scope(graph=self))
        node._code, node._lasti = outer.op._code, outer.op._lasti
        return node.outputs[0]


_default_graph = Graph()


def symbols_in(values: Iterable[Any]) -> Iterator[str]:
    """The names of the sizes that attributes speak of."""
    for value in values:
        if type(value) is Dim:
            for names, _ in value.terms:
                yield from names
        elif type(value) is tuple:
            yield from symbols_in(value)


def get_default_graph() -> Graph:
    """The graph of the innermost `with graph.as_default()`, else the process's own."""
    return _scope.get().graph or _default_graph


current_graph = get_default_graph


class GraphKeys:
    """Names of the collections that graphflow fills itself, as TensorFlow 1 spells them."""

    GLOBAL_VARIABLES = "variables"
    LOCAL_VARIABLES = "local_variables"
    MOVING_AVERAGE_VARIABLES = "moving_average_variables"
    TRAINABLE_VARIABLES = "trainable_variables"
    GLOBAL_STEP = "global_step"
    LOSSES = "losses"
    METRIC_VARIABLES = "metric_variables"
    MODEL_VARIABLES = "model_variables"
    REGULARIZATION_LOSSES = "regularization_losses"
    UPDATE_OPS = "update_ops"


def add_to_collection(name: str, value: Any) -> None:
    """Append `value` to a collection of the default graph."""
    get_default_graph().add_to_collection(name, value)


def get_collection(name: str, scope: str | None = None) -> list[Any]:
    """A copy of a collection of the default graph."""
    return get_default_graph().get_collection(name, scope)


def reset_default_graph() -> None:
    """Put a fresh graph in place of the process's own. Raises GraphError inside a graph's `with` block."""
    global _default_graph  # noqa: PLW0603 the process has one default graph
    if _scope.get().graph is not None:
        raise GraphError("reset_default_graph: leave the `with graph.as_default()` block first")
    _default_graph = Graph()


def make_node(op: Op, inputs: tuple[Tensor, ...], attrs: Mapping[str, Any], name: str | None = None) -> Node:
    """Make a node in the graph of its inputs, or in the default graph if it has none."""
    scope = _scope.get()
    graph = scope.graph or _default_graph
    for t in inputs:
        if t.op.graph is not graph:
            graph, inputs, scope = _join_graphs(graph, inputs, scope)
            break
    return graph.add(op, inputs, attrs, name, scope)


def apply(op: Op, *inputs: Tensor, name: str | None = None, **attrs: Any) -> Any:
    """Make a node and give its output tensor, or the tuple of them."""
    outputs = make_node(op, inputs, attrs or _NO_ATTRS, name).outputs
    return outputs[0] if len(outputs) == 1 else outputs


def _join_graphs(
    graph: Graph, inputs: tuple[Tensor, ...], scope: Scope
) -> tuple[Graph, tuple[Tensor, ...], Scope]:
    if isinstance(graph, BodyGraph):
        return graph, tuple(t if t.op.graph is graph else graph.capture(t) for t in inputs), scope
    home = inputs[0].op.graph
    for t in inputs:
        if isinstance(t.op.graph, BodyGraph):
            raise GraphError(
                f"{t!r} lives inside a loop body, branch or function and cannot be used outside; return it"
            )
        if t.op.graph is not home:
            raise GraphError(
                f"the inputs belong to two graphs: {inputs[0]!r} ({inputs[0].op.place}) and {t!r} ({t.op.place})"
            )
    return home, inputs, replace(scope, graph=home, prefix="", control=())


def detached(
    like: Node,
    op: Op,
    inputs: tuple[Tensor, ...],
    attrs: Mapping[str, Any],
    control: tuple[Node, ...] = (),
    name: str | None = None,
    types: Sequence[TensorType] | None = None,
) -> Node:
    """A node outside any graph that takes over name, line and device of `like`; passes make these.

    types: of the outputs, where they are known; else they are inferred.
    """
    node = Node()
    node.op = op
    node.inputs = inputs
    node.attrs = attrs
    node.control_inputs = control
    node.name = name or like.name
    node.device = like.device
    node.cause = like.cause
    node.graph = like.graph
    node._code = like._code
    node._lasti = like._lasti
    node.id = like.id
    if types is None:
        try:
            types = op.infer_types([t.type for t in inputs], attrs)
        except GraphflowError as error:
            raise _prefixed(error, op).at(like.place) from error.__cause__
    if len(types) == 1:
        node.outputs = (Tensor(node, 0, types[0], -1),)
    else:
        node.outputs = tuple([Tensor(node, i, t, -1) for i, t in enumerate(types)])
    return node


def _put_output(node: Node, index: int, tensor: Tensor) -> None:
    outputs = list(node.outputs)
    outputs[index] = tensor
    node.outputs = tuple(outputs)


def _explain(
    error: GraphflowError, op: Op, inputs: tuple[Tensor, ...], name: str | None, origin: Origin
) -> GraphflowError:
    """Add the op, the user's line and the lines of the inputs to an error of inference."""
    made = [f"    {t.type}  '{t.name}', made at {t.op.origin}" for t in inputs[:8]]
    called = f"node '{name}'" if name else f"node '{op.name}'"
    return _prefixed(error, op).at("\n".join([f"{called}, made at {origin}", *made]))


def _prefixed(error: GraphflowError, op: Op) -> GraphflowError:
    """The error with the op's name in front, unless it is there."""
    if not error.located and not error.text.startswith(op.name):
        error.args = (f"{op.name}: {error.text}",)
    return error


def check_name(name: Any) -> None:
    """Raise NameError unless `name` is a legal full name: letters, digits and `_ . - / >`, at most 1024."""
    if isinstance(name, str) and len(name) <= MAX_NAME_LENGTH and _NAME.fullmatch(name):
        if not any(part in ("", ".", "..") for part in name.split("/")):
            return
    raise NameError(
        f"{shorten(name)} is not a name: use letters, digits, '_', '.', '-' and '/' between scopes, "
        f"beginning with a letter, digit, '_' or '.', at most {MAX_NAME_LENGTH} characters"
    )


def _attr_key(value: Any) -> Any:
    """A hashable key that tells 1, 1.0, True, -0.0 and 0.0 apart."""
    kind = type(value)
    if kind is float:
        return ("float", value.hex())
    if kind is bool or kind is complex:
        return (kind.__name__, repr(value))
    if kind is tuple or isinstance(value, tuple):
        return tuple([_attr_key(item) for item in value])
    return value


@contextmanager
def name_scope(name: str | None, graph: Graph | None = None) -> Iterator[str]:
    """Put the names of new nodes below `name/`; gives the scope's full name, with its slash.

    A name ending in "/" enters that very scope again; None goes back to the top.
    Raises NameError for a malformed name.
    """
    scope = _scope.get()
    if graph is not None and not isinstance(graph, Graph):
        raise ArgumentError(f"name_scope: graph must be a Graph, not {shorten(graph)}")
    graph = graph or scope.graph or _default_graph
    prefix = scope.prefix if scope.graph is None or graph is scope.graph else ""
    if name is None or (isinstance(name, str) and not name):
        prefix = ""
    elif isinstance(name, str) and name.endswith("/"):
        check_name(name[:-1])
        prefix = name
    else:
        check_name(name)
        with graph._lock:
            prefix = graph._claim(prefix + name) + "/"
    with scoped(prefix=prefix):
        yield prefix


@contextmanager
def composition(name: str) -> Iterator[str]:
    """A name scope around the nodes of one composed function, whose last node takes the scope's own name.

    So that `gf.mean(x, name="loss")` is found as `loss:0`, as in TensorFlow 1.
    """
    graph = get_default_graph()
    before = len(graph)
    if not isinstance(name, str) or name == "":  # a scope's empty name means the top; a function's is no name
        check_name(name)
    with name_scope(name) as prefix:
        yield prefix
    if len(graph) > before:
        graph.hand_name_on(prefix[:-1])


def canonical_device(name: str) -> str:
    """`"gpu:0"` from any spelling: `"gpu"`, `"/gpu:0"`, `"/device:GPU:0"`. Raises ArgumentError."""
    match = _DEVICE.fullmatch(name) if isinstance(name, str) and len(name) < 100 else None
    if match is None:
        raise ArgumentError(f"{shorten(name)} is not a device name such as 'cpu', 'gpu', 'gpu:1' or '/gpu:0'")
    return f"{match[1].lower()}:{int(match[2]) if match[2] and match[2] != '*' else 0}"


@contextmanager
def device(name: str | None) -> Iterator[None]:
    """Place new nodes on a device: `"cpu"`, `"gpu"`, `"gpu:1"`, `"numpy"`, `"/gpu:0"`; None undoes outer ones."""
    with scoped(device=None if name is None else canonical_device(name)):
        yield


@contextmanager
def control_dependencies(nodes: Sequence[Any] | None) -> Iterator[None]:
    """Make new nodes run after `nodes` (operations or tensors); None clears outer ones."""
    if nodes is None:
        with scoped(control=()):
            yield
        return
    if isinstance(nodes, (str, bytes, Tensor, Node)) or not isinstance(nodes, Sequence):
        raise ArgumentError(f"control_dependencies takes a list of operations, not {shorten(nodes)}")
    scope = _scope.get()
    graph = scope.graph or _default_graph
    listed: list[Node] = []
    for item in nodes:
        element = graph.as_graph_element(item)
        listed.append(element.op if isinstance(element, Tensor) else element)
    with scoped(control=tuple(dict.fromkeys((*scope.control, *listed)))):
        yield
