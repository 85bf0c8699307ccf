"""Functions about the graph rather than about values: identity, gradients cut or replaced, operations grouped."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from graphflow.errors import ArgumentError, GradientError, GraphError, GraphflowError, shorten
from graphflow.graph import BodyGraph, Node, Tensor, apply, control_dependencies, current_graph, make_node
from graphflow.op import F, Op, Trait, declare, public
from graphflow.ops.arguments import items_of
from graphflow.ops.body import Body, inline
from graphflow.ops.constant import as_tensor
from graphflow.ops.nest import flatten
from graphflow.ops.tracing import Tracer, close, describe_function
from graphflow.ops.views import fresh
from graphflow.types import TensorType, dims_equal, is_floating

__all__ = [
    "custom_gradient",
    "group",
    "hand_on",
    "identity",
    "no_op",
    "same_bytes",
    "stop_gradient",
    "tuple_",
]


def same_bytes(x: TensorType, y: TensorType, attrs: Any, contiguous: bool) -> bool:
    """The view rule of ops that hand their first input on."""
    return contiguous


def hand_on(xp: Any, x: Any, *others: Any, out: Any = None, **attrs: Any) -> Any:
    """The kernel of ops that hand their first input on."""
    if out is None:
        return x
    xp.copyto(out, x)
    return out


def _no_flops(inputs: Any, outputs: Any, **attrs: Any) -> int:
    return 0


# --- identity, stop_gradient ------------------------------------------------------------------------

IDENTITY = declare(
    Op(
        "identity",
        lambda x: x,
        hand_on,
        lambda node, g: (g,),
        Trait.OUT,
        flops=_no_flops,
        view=same_bytes,
        takes_strings=True,
        doc="The same value as another tensor.",
    )
)
STOP_GRADIENT = declare(
    Op(
        "stop_gradient",
        lambda x: x,
        hand_on,
        lambda node, g: (None,),
        Trait.OUT,
        flops=_no_flops,
        view=same_bytes,
        doc="The same value, through which no gradient flows.",
    )
)


@public
def identity(x: Any, name: str | None = None) -> Tensor:
    """The value of `x` as a tensor of its own, for a name or for control dependencies. Copies nothing."""
    return apply(IDENTITY, as_tensor(x), name=name)  # type: ignore[no-any-return]


@public
def stop_gradient(x: Any, name: str | None = None) -> Tensor:
    """The value of `x`, taken as a constant by gradients: for them nothing before it is connected."""
    return apply(STOP_GRADIENT, as_tensor(x), name=name)  # type: ignore[no-any-return]


# --- operations grouped -----------------------------------------------------------------------------

NO_OP = declare(
    Op(
        "no_op",
        lambda: (),
        lambda xp: (),
        lambda node: (),
        flops=_no_flops,
        default_name="NoOp",
        doc="Nothing; runs after its control inputs.",
    )
)


@public
def no_op(name: str | None = None) -> Node:
    """An operation that does nothing, but after its control dependencies."""
    return make_node(NO_OP, (), {}, name)


@public
def group(*inputs: Any, name: str | None = None) -> Node:
    """One operation that is done when all `inputs` are: operations, tensors, variables, or nests of them."""
    leaves, _ = flatten(list(inputs), "group")
    with control_dependencies(leaves):
        return no_op("group_deps" if name is None else name)


@public
def tuple_(tensors: Any, name: str | None = None, control_inputs: Any = None) -> list[Tensor | None]:
    """The tensors, none of which is ready before all of them are, and `control_inputs` too.

    tensors: a list; None in it stays None. Raises ArgumentError if it holds no tensor.
    """
    if not isinstance(tensors, (list, tuple)) or all(t is None for t in tensors):
        raise ArgumentError(f"tuple: tensors must be a list with a tensor in it, not {shorten(tensors)}")
    given = [None if t is None else as_tensor(t) for t in tensors]
    waits = [t for t in given if t is not None]
    with control_dependencies(
        [*waits, *([] if control_inputs is None else items_of(control_inputs, "tuple: control_inputs"))]
    ):
        return [None if t is None else identity(t, name) for t in given]


# --- custom_gradient --------------------------------------------------------------------------------


class Rule:
    """What a function decorated with `custom_gradient` said about one call: its body, traced apart.

    The gradient function is traced into the same body when a gradient is first asked for (at once inside a
    loop or branch), so that it may use what the function computed. Holds Python functions: a graph with one
    can be saved, but not differentiated after it was loaded.
    """

    __slots__ = ("_body", "_tracer", "function", "grad_fn", "xs", "ys")

    def __init__(
        self, function: Any, grad_fn: Callable[..., Any], tracer: Tracer, xs: list[Tensor], ys: list[Tensor]
    ) -> None:
        self.function = function
        self.grad_fn = grad_fn
        self.xs = xs
        self.ys = ys
        self._tracer = tracer
        self._body: Body | None = None

    def __repr__(self) -> str:
        return f"<gradient of {describe_function(self.function)}>"

    @property
    def body(self) -> Body:
        """(xs, gradients of floating ys, captures) -> gradients of floating xs."""
        if self._body is None:
            seeds = {k: self._tracer.param(y.type, y) for k, y in enumerate(self.ys) if is_floating(y.dtype)}
            given = [seeds.get(k) for k in range(len(self.ys))]
            result = self._tracer.call(self.grad_fn, given, f"{self!r}")
            grads = self._checked(result)
            (body,), _ = close([self._tracer], [[*self.xs, *seeds.values()]], [grads], final=False)
            self._body = body
        return self._body

    def _checked(self, result: Any) -> list[Tensor]:
        what = f"custom_gradient: the gradient function {describe_function(self.grad_fn)}"
        listed = list(result) if isinstance(result, (list, tuple)) else [result]
        if len(listed) != len(self.xs):
            raise GradientError(f"{what} gave {len(listed)} gradients for {len(self.xs)} inputs")
        grads = []
        for k, (g, x) in enumerate(zip(listed, self.xs, strict=True)):
            if not is_floating(x.dtype):
                continue
            if g is None:
                with self._tracer.scope():
                    grads.append(F.zeros_like(x))
                continue
            try:
                t = self._tracer.value(g, x.dtype, f"{what}: gradient {k}")
            except GraphflowError as error:
                raise GradientError(f"{error}") from error
            if t.dtype != x.dtype or _differ(t.type, x.type):
                raise GradientError(f"{what} gave {t.type} for input {k}, which is {x.type}").at(t.op.place)
            grads.append(t)
        return grads


def _differ(a: TensorType, b: TensorType) -> bool:
    if a.shape is None or b.shape is None:
        return False
    return len(a.shape) != len(b.shape) or any(
        dims_equal(x, y) is False for x, y in zip(a.shape, b.shape, strict=True)
    )


def _infer_custom(*inputs: TensorType, rule: Rule) -> tuple[TensorType, ...]:
    return inputs[: len(rule.ys)]


def _custom_kernel(xp: Any, *inputs: Any, rule: Rule) -> tuple[Any, ...]:
    return tuple([fresh(xp, x) for x in inputs[: len(rule.ys)]])


def _custom_vjp(node: Node, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
    rule: Rule = node.attrs["rule"]
    n_ys, n_xs = len(rule.ys), len(rule.xs)
    ys, xs, extra = node.inputs[:n_ys], node.inputs[n_ys : n_ys + n_xs], node.inputs[n_ys + n_xs :]
    body = rule.body
    seeds = [
        F.zeros_like(y) if g is None else g for y, g in zip(ys, grads, strict=True) if is_floating(y.dtype)
    ]
    found = iter(inline(body, [*xs, *seeds, *(extra or body.captures)]))
    of_xs = [next(found) if is_floating(x.dtype) else None for x in xs]
    return (*[None] * n_ys, *of_xs, *[None] * len(extra))


CUSTOM = declare(
    Op(
        "custom_gradient",
        _infer_custom,
        hand_on,
        _custom_vjp,
        Trait.OUT,
        dtype=_infer_custom,
        flops=_no_flops,
        view=same_bytes,
        doc="The first input's value, whose gradient a function of the user's gives.",
    )
)
CUSTOM_MANY = declare(
    Op(
        "custom_gradients",
        _infer_custom,
        _custom_kernel,
        _custom_vjp,
        dtype=_infer_custom,
        flops=_no_flops,
        default_name="custom_gradient",
        doc="The first inputs' values, whose gradients a function of the user's gives.",
    )
)


@public
def custom_gradient(f: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator for functions that say their own gradient.

    f: `f(*xs)` takes tensors and gives `(y, grad_fn)`: a tensor or nest of them, and a function that takes the
        gradient of each y (None for one of integers) and gives the gradient of each x: one, or a list of
        them, with None for zeros. Keyword arguments are handed on to `f` as they are.
    What `f` uses without taking it as an argument gets no gradient through it. `grad_fn` is differentiated
    in turn for second derivatives. The gradient function is traced when it is first needed.
    Raises ArgumentError if `f` gives something else; GradientError, when the gradient is asked for, naming
    the function and its line, if `grad_fn` gives a wrong number, dtype or shape.
    """
    if not callable(f):
        raise ArgumentError(f"custom_gradient: it decorates a function, not {shorten(f)}")

    @functools.wraps(f)
    def decorated(*args: Any, **kwargs: Any) -> Any:
        xs = [as_tensor(a) for a in args]
        tracer = Tracer(getattr(f, "__name__", "custom_gradient").strip("<>"))
        params = [tracer.param(x.type, x) for x in xs]
        result = tracer.call(functools.partial(f, **kwargs), params, "custom_gradient")
        if not isinstance(result, tuple) or len(result) != 2 or not callable(result[1]):
            raise ArgumentError(
                f"custom_gradient: {describe_function(f)} must give (y, gradient function), not {shorten(result)}"
            )
        leaves, nest = flatten(result[0], f"custom_gradient: the result of {describe_function(f)}")
        if not leaves:
            raise ArgumentError(f"custom_gradient: {describe_function(f)} gives no y")
        if tracer.graph.writes:
            raise GraphError(
                f"custom_gradient: {describe_function(f)} assigns a variable; do that outside it"
            )
        ys = [tracer.value(leaf, None, f"custom_gradient: y {k}") for k, leaf in enumerate(leaves)]
        rule = Rule(f, result[1], tracer, params, ys)
        (forward,), captured = close([tracer], [params], [ys], final=False)
        extra: Sequence[Tensor] = rule.body.captures if isinstance(current_graph(), BodyGraph) else ()
        values = inline(forward, [*xs, *captured], effects=True)
        op = CUSTOM if len(values) == 1 else CUSTOM_MANY
        return nest.pack(make_node(op, (*values, *xs, *extra), {"rule": rule}, tracer.label).outputs)

    return decorated
