"""`while_loop`: a body run as long as a condition holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graphflow import config
from graphflow.errors import ArgumentError, DTypeError, IterationLimitError, RunError, ShapeError, shorten
from graphflow.graph import Node, Tensor, check_name, make_node
from graphflow.op import F, public
from graphflow.ops.arguments import flag
from graphflow.ops.body import INDEX, Body, declare_twins, infer_body, symbols_in
from graphflow.ops.carried import (
    Varying,
    check_run,
    check_step,
    own,
    relaxed,
    settle,
    stack,
    start_types,
    varying_from_user,
)
from graphflow.ops.constant import as_tensor
from graphflow.ops.nest import Nest, flatten
from graphflow.ops.scan_op import reverse_scan
from graphflow.ops.tracing import Tracer, assign_all, close, describe_function, written
from graphflow.types import SUPPORTED, TensorType, as_index, is_integer, unknown_dim

__all__ = ["while_loop"]


# --- the op -----------------------------------------------------------------------------------------


def _infer(
    *inputs: TensorType,
    bodies: tuple[Body, ...],
    n_carry: int,
    varying: Varying,
    sizes: Any,
    back_prop: bool,
) -> tuple[TensorType, ...]:
    test, step = bodies
    state, _ = settle(step, inputs[:n_carry], inputs[n_carry:], varying, sizes, "while_loop")
    (condition,) = infer_body(test, [INDEX, *state, *inputs[n_carry:]], sizes)
    _check_condition(condition, test.outputs[0])
    count = unknown_dim()
    stacks = [TensorType(t.dtype, None if t.shape is None else (count, *t.shape)) for t in state]
    return (*state, TensorType(SUPPORTED["int64"], (count,)), *stacks)


def _check_condition(type: TensorType, made: Tensor) -> None:
    if type.dtype.kind != "b" or type.shape not in (None, ()):
        error = DTypeError if type.dtype.kind != "b" else ShapeError
        raise error(f"while_loop: the condition must be a scalar bool, got {type} (made at {made.op.origin})")


def _types(node: Node) -> list[list[TensorType]]:
    n = node.attrs["n_carry"]
    types = [INDEX, *[t.type for t in node.outputs[:n]], *[t.type for t in node.inputs[n:]]]
    return [types, list(types)]


def _kernel(
    xp: Any,
    *inputs: Any,
    bodies: Sequence[Callable[[list[Any]], list[Any]]],
    used: Sequence[bool],
    n_carry: int,
    varying: Varying,
    sizes: Any = (),
    back_prop: bool = True,
) -> tuple[Any, ...]:
    test, step = bodies
    carry, consts = list(inputs[:n_carry]), list(inputs[n_carry:])
    saved: list[list[Any] | None] = [[] if u else None for u in used[n_carry + 1 :]]
    limit = config.get().loop_limit
    count = 0
    while True:
        index = xp.asarray(count, dtype=xp.int64)
        (holds,) = test([index, *carry, *consts])
        if holds.ndim:
            raise RunError(f"while_loop: the condition must be a scalar bool, got shape {list(holds.shape)}")
        if not bool(holds):
            break
        if count >= limit:
            raise IterationLimitError(
                f"while_loop: the condition still holds after {limit} iterations; if it is meant to, raise "
                "config.loop_limit (GRAPHFLOW_LOOP_LIMIT)"
            )
        for rows, value in zip(saved, carry, strict=True):
            if rows is not None:
                rows.append(value)
        results = step([index, *carry, *consts])
        check_run(carry, results, varying, "while_loop")
        carry = results
        count += 1
    counter = xp.arange(count, dtype=xp.int64) if used[n_carry] else None
    stacks = [
        None if rows is None else stack(xp, rows, inputs[k], "while_loop") for k, rows in enumerate(saved)
    ]
    return (*own(xp, carry, inputs), counter, *stacks)


def _vjp(node: Node, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
    n = node.attrs["n_carry"]
    if not node.attrs["back_prop"]:
        return (None,) * len(node.inputs)
    carry, _, consts = reverse_scan(
        node,
        node.attrs["bodies"][1],
        final=node.outputs[:n],
        g_final=grads[:n],
        states=node.outputs[n + 1 :],
        g_states=grads[n + 1 :],
        g_ys=(),
        elems=(),
        consts=node.inputs[n:],
        counter=node.outputs[n],
        reverse=True,
    )
    return (*carry, *consts)


WHILE = declare_twins(
    "while_loop", _infer, _kernel, _vjp, _types, "A body run on carried values as long as a condition holds."
)


# --- the public function ----------------------------------------------------------------------------


@public
def while_loop(
    cond: Any,
    body: Any,
    loop_vars: Any,
    shape_invariants: Any = None,
    parallel_iterations: int = 10,
    back_prop: bool = True,
    swap_memory: bool = False,
    name: str | None = None,
    maximum_iterations: Any = None,
    return_same_structure: bool = True,
) -> Any:
    """Run `body` on the loop variables as long as `cond` gives true; gives their last values.

    cond, body: functions that take the loop variables as arguments; `cond` gives a scalar bool, `body` the
        variables' next values, with the same nest, dtypes and shapes. Both are traced once (twice where a
        size that is unknown may change from one iteration to the next). Tensors and variables from outside
        can be used; a variable that `body` assigns is carried along and assigned once, after the loop.
    loop_vars: a list or tuple of values or nests, or one value.
    shape_invariants: the same nest of shapes, with None for each size that may change.
    maximum_iterations: stop after so many: an int, or an integer scalar.
    back_prop: False: gradients do not flow through.
    return_same_structure: False: a list of one variable gives that variable itself, as TensorFlow 1 does.
    parallel_iterations, swap_memory: accepted for TensorFlow 1's sake and ignored.
    Raises DTypeError, ShapeError or ArgumentError where `body` does not keep type and nest; at run time
    IterationLimitError after `config.loop_limit` iterations.
    The gradient saves what each carried value was before each iteration, only when it is asked for.
    """
    what = "while_loop"
    if name is not None:
        check_name(name)
    back_prop = flag(back_prop, what, "back_prop")
    return_same_structure = flag(return_same_structure, what, "return_same_structure")
    leaves, nest = flatten(loop_vars, f"{what}: loop_vars")
    if not leaves:
        raise ArgumentError(f"{what}: loop_vars holds no value")
    init = [as_tensor(leaf) for leaf in leaves]
    invariants = None if shape_invariants is None else _shapes(shape_invariants, nest, what)
    varying = varying_from_user(init, invariants, what)
    limit = None if maximum_iterations is None else _limit(maximum_iterations)
    label = "while" if name is None else name
    traced = _trace(cond, body, init, nest, varying, limit, label)
    if not check_step(traced.params, traced.results, init, varying, what):
        varying = relaxed(init, varying)
        traced = _trace(cond, body, init, nest, varying, limit, label)
        check_step(traced.params, traced.results, init, varying, what)
    return _finish(traced, init, nest, varying, back_prop, return_same_structure, name)


def _shapes(invariants: Any, nest: Nest, what: str) -> list[Any]:
    """One shape for each loop variable; a nest's leaves are shapes here, so its own structure says where they are."""
    if nest.kind is None:
        return [invariants]
    if not isinstance(invariants, (list, tuple)) or len(invariants) != len(nest.children):
        raise ArgumentError(f"{what}: shape_invariants must be {nest.describe()}, as loop_vars is")
    shapes: list[Any] = []
    for child, item in zip(nest.children, invariants, strict=True):
        shapes.extend([item] if child.kind is None else _shapes(item, child, what))
    return shapes


def _limit(value: Any) -> Tensor:
    if hasattr(type(value), "__graphflow_tensor__"):
        tensor: Tensor = value.__graphflow_tensor__()
        if not is_integer(tensor.dtype) or tensor.type.shape not in (None, ()):
            raise DTypeError(f"while_loop: maximum_iterations must be an integer scalar, got {tensor.type}")
        return F.cast(tensor, "int64")  # type: ignore[no-any-return]
    number = as_index(value, "while_loop: maximum_iterations")
    if number < 0:
        raise ArgumentError(f"while_loop: maximum_iterations must not be negative, got {shorten(value)}")
    return as_tensor(number)


class _Traced:
    """Both bodies of a loop, still open."""

    def __init__(self, label: str, types: Sequence[TensorType], init: Sequence[Tensor]) -> None:
        self.test = Tracer(f"{label}/cond", loop=True)
        self.step = Tracer(f"{label}/body", loop=True)
        self.test_params = [self.test.param(t, like) for t, like in zip(types, init, strict=True)]
        self.params = [self.step.param(t, like) for t, like in zip(types, init, strict=True)]
        self.results: list[Tensor] = []
        self.condition: Tensor | None = None


def _trace(
    cond: Any,
    body: Any,
    init: Sequence[Tensor],
    nest: Nest,
    varying: Varying,
    limit: Tensor | None,
    label: str,
) -> _Traced:
    what = "while_loop"
    traced = _Traced(label, start_types(init, varying), init)
    spread = nest.kind is not None and issubclass(nest.kind, (list, tuple))
    arguments = nest.pack(traced.test_params)
    holds = traced.test.call(cond, arguments if spread else (arguments,), f"{what}: cond")
    if isinstance(holds, (list, tuple)) and len(holds) == 1:
        (holds,) = holds
    condition = traced.test.value(holds, None, f"{what}: the result of cond")
    _check_condition(condition.type, condition)
    if traced.test.graph.writes:
        raise ArgumentError(f"{what}: cond, {describe_function(cond)}, assigns a variable; only body may")
    if limit is not None:
        with traced.test.scope():
            condition = F.logical_and(condition, F.less(traced.test.index, limit))
    traced.condition = condition
    arguments = nest.pack(traced.params)
    result = traced.step.call(body, arguments if spread else (arguments,), f"{what}: body")
    if spread and len(nest.children) == 1 and not isinstance(result, (list, tuple)):
        result = [result]
    leaves = nest.leaves_of(result, f"{what}: the result of body, {describe_function(body)},")
    traced.results = [
        traced.step.value(leaf, t.dtype, f"{what}: value {k} of body's result")
        for k, (leaf, t) in enumerate(zip(leaves, init, strict=True))
    ]
    return traced


def _finish(
    traced: _Traced,
    init: Sequence[Tensor],
    nest: Nest,
    varying: Varying,
    back_prop: bool,
    same_structure: bool,
    name: str | None,
) -> Any:
    test, step = traced.test, traced.step
    variables = written([step])
    start = [*init, *[v.read() for v in variables]]
    adopted = [(test.adopt(t), step.adopt(t)) for t in start[len(init) :]]
    test_params = [test.index, *traced.test_params, *[p for p, _ in adopted]]
    step_params = [step.index, *traced.params, *[p for _, p in adopted]]
    outputs = [*traced.results, *[step.graph.writes[v] for v in variables]]
    condition: Any = traced.condition
    bodies, captured = close([test, step], [test_params, step_params], [[condition], outputs])
    fixed = tuple((False,) * len(t.type.dims) for t in start[len(init) :])
    attrs = {
        "bodies": bodies,
        "n_carry": len(start),
        "varying": (*varying, *fixed),
        "sizes": symbols_in(n for body in bodies for n in body.nodes),
        "back_prop": bool(back_prop),
    }
    node = make_node(WHILE.choose(bodies), (*start, *captured), attrs, "while" if name is None else name)
    values, _ = assign_all(variables, node.outputs[len(init) : len(start)], node.outputs[: len(init)])
    result = nest.pack(values)
    unwrap = not same_structure and isinstance(result, (list, tuple)) and len(result) == 1
    return result[0] if unwrap else result
