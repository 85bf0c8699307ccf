"""What elementwise declarations share: kernels that are one ufunc, inference, gradients of broadcasting, dtype rules.

`scalar_expr` is written in a small language that C, CUDA and an LLVM generator can all read: operands `x0`, `x1`;
C's operators, `?:` and `sizeof`; integer literals; the names of attributes; C99 function names (`fabs`,
`expm1`) in the operand's own precision. An expression with a function call holds for real floating types
only, one of operators alone for integers and bools too (signed overflow wraps); neither holds for complex
types, for which there are only the names of C's `complex.h`. The result is converted to the output's
dtype. A generator that does not know a function leaves the op to its kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from graphflow.errors import DTypeError, GraphflowError
from graphflow.graph import Tensor, make_node
from graphflow.op import F, Op, Trait, declare
from graphflow.ops.arguments import typed
from graphflow.ops.cast import cast
from graphflow.ops.constant import as_tensor, promoted
from graphflow.ops.numpy_settings import broadcast_nbytes
from graphflow.types import (
    SUPPORTED,
    TensorType,
    broadcast_shapes,
    default_float,
    dims_equal,
    is_floating,
)

__all__ = [
    "BOOL",
    "ELEMENTWISE",
    "Ufunc",
    "binary",
    "broadcast",
    "floats",
    "floats2",
    "is_cuda",
    "node1",
    "node2",
    "numbers",
    "numbers2",
    "operand",
    "operands2",
    "predicate",
    "reals",
    "reals2",
    "room",
    "same",
    "truth",
    "unary",
    "unbroadcast",
]

BOOL = SUPPORTED["bool"]
ELEMENTWISE = Trait.ELEMENTWISE | Trait.OUT | Trait.INPLACE
_NO_ATTRS: Mapping[str, Any] = MappingProxyType({})

# --- kernels --------------------------------------------------------------------------------------


class Ufunc:
    """A kernel that is one function of the array module, known by its Array API name."""

    __slots__ = ("name",)
    single_call = True  # cannot fail half-way: may follow the first write of a variable

    def __init__(self, name: str) -> None:
        self.name = name

    def of(self, xp: Any) -> Callable[..., Any]:
        """The bare function, for a backend that calls it many times."""
        function: Callable[..., Any] = getattr(xp, self.name)
        return function

    def __call__(self, xp: Any, *inputs: Any, out: Any = None) -> Any:
        function = self.of(xp)
        return function(*inputs) if out is None else function(*inputs, out=out)

    def __repr__(self) -> str:
        return f"Ufunc({self.name})"


def is_cuda(xp: Any) -> bool:
    """True for CuPy, where some functions of integers differ from NumPy's at the edges."""
    return bool(xp.__name__ == "cupy")


def room(xp: Any, x: Any, out: Any) -> Any:
    """`out`, or a new array like `x`; None for an array module whose functions take no `out=`."""
    if out is None and hasattr(xp, "copyto"):
        return xp.empty(x.shape, dtype=x.dtype)
    return out


# --- inference ------------------------------------------------------------------------------------


def same(x: TensorType) -> TensorType:
    """Unary inference: the type of the input."""
    return x


def truth(x: TensorType) -> TensorType:
    """Inference of unary predicates: the shape of the input, bool."""
    return TensorType(BOOL, x.shape)


def broadcast(a: TensorType, b: TensorType) -> TensorType:
    """Binary inference: the broadcast shape, the dtype that both have."""
    first, second = a.shape, b.shape
    if first == second or not second:
        return a
    if not first:
        return b
    shape = broadcast_shapes(a.dims, b.dims)
    return a if shape == first else b if shape == second else typed(a.dtype, shape)


def predicate(a: TensorType, b: TensorType) -> TensorType:
    """Inference of comparisons: the broadcast shape, bool."""
    return TensorType(BOOL, broadcast(a, b).shape)


def unbroadcast(g: Tensor, x: Tensor) -> Tensor:
    """Sum a gradient down to the shape of `x`, which was broadcast to the gradient's."""
    gs, xs = g.type.shape, x.type.shape
    if gs is not None and xs is not None and len(gs) == len(xs):
        if all(dims_equal(a, b) for a, b in zip(gs, xs, strict=True)):
            return g
    return F.sum_to_like(g, x)  # type: ignore[no-any-return]


# --- declarations ---------------------------------------------------------------------------------


def unary(
    name: str,
    expr: str | None,
    vjp: Callable[..., Sequence[Any]] | None,
    *,
    doc: str,
    kernel: Callable[..., Any] | None = None,
    flops_each: int = 1,
    infer: Callable[..., TensorType] = same,
    dtype: Callable[..., Any] | None = None,
    workspace: Callable[..., int] | None = None,
    traits: Trait = Trait.NONE,
    default_name: str = "",
) -> Op:
    """Declare an op of one operand; its nodes are called as TensorFlow 1 calls them (`Exp`, `LessEqual`)."""
    return declare(
        Op(
            name,
            infer,
            kernel or Ufunc(name),
            vjp,
            ELEMENTWISE | traits,
            dtype=dtype,
            scalar_expr=expr,
            flops=lambda inputs, outputs, **attrs: flops_each * int(outputs[0].size),
            workspace=workspace,
            doc=doc,
            default_name=default_name or "".join(part.capitalize() for part in name.split("_")),
        )
    )


def binary(
    name: str,
    expr: str | None,
    vjp: Callable[..., Sequence[Any]] | None,
    *,
    doc: str,
    kernel: Callable[..., Any] | None = None,
    flops_each: int = 1,
    infer: Callable[..., TensorType] = broadcast,
    dtype: Callable[..., Any] | None = None,
    workspace: Callable[..., int] | None = None,
    traits: Trait = Trait.NONE,
    default_name: str = "",
) -> Op:
    """Declare an op of two broadcast operands."""
    return unary(
        name,
        expr,
        vjp,
        doc=doc,
        kernel=kernel,
        flops_each=flops_each,
        infer=infer,
        dtype=dtype,
        workspace=broadcast_nbytes if workspace is None else workspace,
        traits=traits,
        default_name=default_name,
    )


# --- building nodes -------------------------------------------------------------------------------


def node1(op: Op, x: Tensor, name: str | None) -> Tensor:
    """The output of a new node of one operand and no attributes."""
    return make_node(op, (x,), _NO_ATTRS, name).outputs[0]


def node2(op: Op, a: Tensor, b: Tensor, name: str | None) -> Tensor:
    """The output of a new node of two operands and no attributes."""
    return make_node(op, (a, b), _NO_ATTRS, name).outputs[0]


def operand(what: str, x: Any) -> Tensor:
    """`as_tensor`, with the op named in errors."""
    if type(x) is Tensor:
        return x
    try:
        return as_tensor(x)
    except GraphflowError as error:
        raise _named(error, what) from error.__cause__


def operands2(what: str, x: Any, y: Any) -> tuple[Tensor, Tensor]:
    """`promoted`, with the op named in errors."""
    try:
        return promoted(x, y)
    except GraphflowError as error:
        raise _named(error, what) from error.__cause__


def _named(error: GraphflowError, what: str) -> GraphflowError:
    text = error.text
    if not text.startswith(what):
        error.args = (f"{what}: {text}",)
    return error


def numbers(what: str, x: Any) -> Tensor:
    """An operand of any dtype but bool. Raises DTypeError, naming `what`."""
    t = operand(what, x)
    if t.type.dtype.kind == "b":
        raise _no_bool(what, t)
    return t


def floats(what: str, x: Any) -> Tensor:
    """An operand of a real or complex floating dtype; integers and bools become the default float."""
    t = operand(what, x)
    return t if t.type.dtype.kind in "fc" or is_floating(t.type.dtype) else cast(t, default_float())


def reals(what: str, x: Any, *, floating: bool = True) -> Tensor:
    """`floats`, or `numbers`, without complex ones. Raises DTypeError, naming `what`."""
    t = floats(what, x) if floating else numbers(what, x)
    if t.type.dtype.kind == "c":
        raise _no_complex(what, t)
    return t


def numbers2(what: str, x: Any, y: Any) -> tuple[Tensor, Tensor]:
    """Two operands in one dtype that is not bool. Raises DTypeError, naming `what`."""
    if type(x) is Tensor and type(y) is Tensor and x.type.dtype == y.type.dtype:  # the common case, fast
        a, b = x, y
    else:
        a, b = operands2(what, x, y)
    if a.type.dtype.kind == "b":
        raise _no_bool(what, a)
    return a, b


def floats2(what: str, x: Any, y: Any) -> tuple[Tensor, Tensor]:
    """Two operands in one floating dtype; integers and bools become the default float."""
    a, b = operands2(what, x, y)
    if a.type.dtype.kind in "biu":
        return cast(a, default_float()), cast(b, default_float())
    return a, b


def reals2(what: str, x: Any, y: Any, *, floating: bool = True) -> tuple[Tensor, Tensor]:
    """`floats2`, or `numbers2`, without complex ones. Raises DTypeError, naming `what`."""
    a, b = floats2(what, x, y) if floating else numbers2(what, x, y)
    if a.type.dtype.kind == "c":
        raise _no_complex(what, a)
    return a, b


def _no_bool(what: str, x: Tensor) -> DTypeError:
    return DTypeError(f"{what}: {x!r} is bool; use the logical ops, or cast it to a number first")


def _no_complex(what: str, x: Tensor) -> DTypeError:
    return DTypeError(f"{what}: {x!r} is complex, but {what} is defined for real numbers only")
