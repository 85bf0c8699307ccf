"""What rules about single expressions ask of tensors, and the nodes that they make.

A NaN is a NaN to all of these rules: which sign and which payload it has is not kept, as IEEE 754 leaves it open
which of two NaNs an operation hands on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow.graph import BodyGraph, Node, Tensor, detached
from graphflow.op import OPS, F
from graphflow.ops.constant import CONSTANT, Literal
from graphflow.passes.rules import Inputs
from graphflow.subgraph import Subgraph
from graphflow.types import Dim

__all__ = [
    "ROUNDED_ONCE",
    "UNIFORM",
    "Readers",
    "alias",
    "constant",
    "filled",
    "in_place_of",
    "is_minus_zero",
    "kind",
    "left_constant",
    "lies_in_rows",
    "made",
    "maker",
    "one_value",
    "one_constant",
    "reads_any_layout",
    "respelled",
    "right_constant",
    "stand_in",
    "tells_sizes",
]

# --- values ---------------------------------------------------------------------------------------

_SPREADING = ("broadcast_to", "reshape", "expand_dims", "squeeze", "flatten", "permute_dims")
UNIFORM = ("constant", "full", "full_like", *_SPREADING)
"""Ops whose output may hold one known value everywhere."""

_KINDS = {"i": "i", "u": "i", "f": "f", "V": "f", "c": "c", "b": "b", "O": "O"}
_MOST_SPREADS = 8
_SEARCHED_NBYTES = 1024
"""Constants of more than one element are searched for a second value up to this size."""


def kind(t: Tensor) -> str:
    """What a tensor holds: "i" integers, "f" real floats, "c" complex numbers, "b" bools, "O" text."""
    return _KINDS[t.type.dtype.kind]


def one_value(t: Tensor) -> Any:
    """The number that `t` holds in every place, as a NumPy scalar of its dtype; None where that is not known."""
    node = t.op
    name = node.op.name
    for _ in range(_MOST_SPREADS):
        if name == "constant":
            return _only(node.attrs["value"].array)
        if name in ("full", "full_like"):
            return np.asarray(node.attrs["value"]).astype(node.attrs["dtype"])[()]
        if name not in _SPREADING:
            return None
        node = node.inputs[0].op
        name = node.op.name
    return None


def _only(array: np.ndarray[Any, Any]) -> Any:
    if array.dtype.kind == "O":
        return None
    if not array.ndim:
        return array[()]
    if not array.size or array.nbytes > _SEARCHED_NBYTES:
        return None
    whole = array.tobytes()
    return array.flat[0] if whole == whole[: array.itemsize] * array.size else None


def is_minus_zero(value: Any) -> bool:
    """Whether a real NumPy scalar is -0.0."""
    return bool(value == 0) and bool(np.signbit(value))


def right_constant(inputs: Inputs) -> Any:
    """The value of the second operand where it is the same everywhere, else None."""
    return one_value(inputs[1]) if inputs[1].op.op.name in UNIFORM else None


def left_constant(inputs: Inputs) -> Any:
    """The value of the first operand where it is the same everywhere, else None."""
    return one_value(inputs[0]) if inputs[0].op.op.name in UNIFORM else None


def one_constant(inputs: Inputs) -> tuple[Tensor, Any] | None:
    """Of two operands the one that is no constant and the value of the other; None where neither has one value."""
    value = right_constant(inputs)
    if value is not None:
        return inputs[0], value
    value = left_constant(inputs)
    return None if value is None else (inputs[1], value)


# --- makers and readers ---------------------------------------------------------------------------


def maker(t: Tensor, *ops: str) -> Node | None:
    """The node that makes `t` if it is of one of these ops and runs after nothing by a control edge."""
    node = t.op
    return node if node.op.name in ops and not node.control_inputs else None


class Readers:
    """Who reads each tensor of a subgraph; found out when first asked. O(V + E)."""

    __slots__ = ("_subgraph", "_users")

    def __init__(self, subgraph: Subgraph) -> None:
        self._subgraph = subgraph
        self._users: dict[Tensor, list[Node | None]] = {}

    def users(self, t: Tensor) -> Sequence[Node | None]:
        """The nodes that `t` is an operand of, once for each time, and None for each fetch and each wait for it.

        Of what was made since nothing is known: then as if it were fetched.
        """
        if not self._users:
            self._users = _users(self._subgraph)
        return self._users.get(t, _UNKNOWN)

    def only_one(self, *tensors: Tensor) -> bool:
        """Whether each of these is an operand in one place, and nothing else."""
        for t in tensors:
            users = self.users(t)
            if len(users) != 1 or users[0] is None:
                return False
        return True


_UNKNOWN: tuple[None] = (None,)


def _users(subgraph: Subgraph) -> dict[Tensor, list[Node | None]]:
    users: dict[Tensor, list[Node | None]] = {t: [] for t in subgraph.inputs}
    ends = [t for node in subgraph.targets for t in node.outputs]
    ends.extend(subgraph.outputs)
    for node in subgraph.nodes:
        for t in node.inputs:
            found = users.get(t)
            if found is None:
                users[t] = [node]
            else:
                found.append(node)
        for before in node.control_inputs:
            ends.extend(before.outputs)
    for t in ends:
        users.setdefault(t, []).append(None)
    return users


# --- memory ---------------------------------------------------------------------------------------


_IN_ROWS = ("constant", "variable", "read", "split", "split_like")


def lies_in_rows(t: Tensor) -> bool:
    """Whether the elements of `t` surely lie in row-major order, without gaps.

    Sums and matrix products add in an order that depends on how their operands lie in memory. So a value that a
    kernel wrote, which lies in rows, may be replaced by another tensor only if that does too.
    """
    views = []
    node = t.op
    while node.op.is_view:
        if t.type.shape is None or node.inputs[0].type.shape is None:
            return False
        views.append(node)
        t = node.inputs[0]
        node = t.op
    in_rows = node.op.takes_out or node.op.name in _IN_ROWS
    if node.op.name == "placeholder":
        in_rows = not isinstance(node.graph, BodyGraph)  # whose operands come as they are
    for node in reversed(views):
        seen = node.op.view(node.inputs[0].type, node.outputs[0].type, node.attrs, in_rows)
        in_rows = True if seen is None else seen
    return in_rows


ROUNDED_ONCE = frozenset(
    (
        *("add", "subtract", "multiply", "divide", "negative", "abs", "sign", "square", "sqrt", "reciprocal"),
        *("maximum", "minimum", "relu", "where", "cast", "floor", "ceil", "trunc", "round", "copysign"),
        *("equal", "not_equal", "less", "less_equal", "greater", "greater_equal"),
        *("isnan", "isinf", "isfinite"),
        *("logical_and", "logical_or", "logical_xor", "logical_not"),
        *("bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_invert"),
    )
)
"""Elementwise ops whose results, of real operands, IEEE 754 leaves no choice: however their operands lie in memory."""


def reads_any_layout(user: Node | None) -> bool:
    """Whether a reader gives the same bits however its operand lies in memory; None stands for a fetch."""
    if user is None or user.op.name == "assign":
        return True
    return user.op.name in ROUNDED_ONCE and all(kind(t) != "c" for t in user.inputs)


# --- new nodes ------------------------------------------------------------------------------------


def made(like: Node, op: str, *inputs: Tensor, **attrs: Any) -> Tensor:
    """The output of a new node, with line and device of `like`."""
    if op not in OPS:  # declared in a module that is imported on first use
        getattr(F, op)
    return detached(like, OPS[op], inputs, attrs).outputs[0]


def constant(like: Node, value: Any, dtype: np.dtype[Any]) -> Tensor:
    """A constant without axes."""
    array = np.array(value, dtype)
    return detached(like, CONSTANT, (), {"value": Literal(array)}).outputs[0]


def filled(node: Node, value: Any, like: Tensor) -> Inputs | None:
    """`value` everywhere in the type of the node's output, or None where `like` has not surely its shape."""
    wanted = node.outputs[0].type
    if wanted.is_static:
        return (made(node, "full", shape=wanted.shape, value=value, dtype=wanted.dtype),)
    if like.type.shape is None or like.type.shape != wanted.shape:
        return None
    return (made(node, "full_like", like, value=value, dtype=wanted.dtype),)


def in_place_of(node: Node, t: Tensor) -> Inputs | None:
    """A tensor that a rule made, for the output of `node`; None unless it surely has the same type."""
    old = node.outputs[0].type
    return (t,) if t.type == old and old.shape is not None else None


def respelled(node: Node, t: Tensor) -> Inputs | None:
    """`in_place_of` for what has the shape of the same operands as before, so that sizes not known yet are the same.

    Inference gives each a new name; here it gets the old one back, of which attributes elsewhere may speak.
    """
    old, new = node.outputs[0].type, t.type
    if old.shape is None or new.shape is None or old.dtype != new.dtype or len(old.shape) != len(new.shape):
        return None
    if not all(a == b or (_unknown(a) and _unknown(b)) for a, b in zip(old.shape, new.shape, strict=True)):
        return None
    t.type = old
    return (t,)


def _unknown(d: Any) -> bool:
    return isinstance(d, Dim) and d.is_anonymous


def tells_sizes(t: Tensor, shape: Sequence[Any]) -> bool:
    """Whether `t` has every size without a name that an attribute speaks of.

    Such a size is known together with the tensors of whose types it is: their users alone may speak of it.
    """
    unnamed = {name for d in shape if _unknown(d) for name in d.symbols if name.startswith("?")}
    if not unnamed:
        return True
    dims = t.type.shape or ()
    return unnamed <= {name for d in dims if isinstance(d, Dim) for name in d.symbols}


def alias(node: Node, t: Tensor, spread_by: Sequence[Tensor] = ()) -> Inputs | None:
    """A tensor that is there already, for the output of `node`; None unless type and device are surely the same.

    spread_by: the operands of an elementwise node, which tell that the shape stays even where the rank is unknown.
    """
    old = node.outputs[0].type
    if t.type != old:
        return None
    if old.shape is None and not (spread_by and all(x is t or x.type.shape == () for x in spread_by)):
        return None
    if (node.device is not None and node.device != t.op.device) or t.op.op.name == "variable":
        return None
    return (t,)


def stand_in(node: Node, t: Tensor, spread_by: Sequence[Tensor] = ()) -> Inputs | None:
    """`alias` for what a kernel writes: None too where `t` lies otherwise in memory; see `lies_in_rows`."""
    found = alias(node, t, spread_by)
    return found if found is not None and lies_in_rows(t) else None
