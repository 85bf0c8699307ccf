"""Branches: `cond`, `switch_case` and `case`. Only the branch that is chosen runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from graphflow.errors import (
    ArgumentError,
    AssertError,
    DTypeError,
    IndexRangeError,
    RunError,
    ShapeError,
    shorten,
)
from graphflow.graph import Node, Tensor, check_name, make_node
from graphflow.op import F, public
from graphflow.ops.arguments import flag
from graphflow.ops.body import Body, declare_twins, infer_body, inline, symbols_in
from graphflow.ops.constant import as_tensor
from graphflow.ops.nest import flatten
from graphflow.ops.tracing import Tracer, assign_all, close, describe_function, is_weak, written
from graphflow.types import TensorType, dims_equal, is_floating, is_integer, unknown_dim

__all__ = ["case", "cond", "switch_case"]


# --- the op -----------------------------------------------------------------------------------------


def _infer(
    selector: TensorType,
    *inputs: TensorType,
    bodies: tuple[Body, ...],
    form: str,
    default: bool,
    sizes: tuple[tuple[str, Any], ...],
) -> tuple[TensorType, ...]:
    what, kind = ("predicate", "bool") if form == "cond" else ("index", "integer")
    fits = selector.dtype.kind == "b" if form == "cond" else is_integer(selector.dtype)
    if not fits or selector.shape not in (None, ()):
        raise (ShapeError if fits else DTypeError)(
            f"{form}: the {what} must be a scalar {kind}, got {selector}"
        )
    table = [infer_body(body, inputs, sizes) for body in bodies]
    return tuple([_merged(k, column, bodies, form) for k, column in enumerate(zip(*table, strict=True))])


def _merged(k: int, types: Sequence[TensorType], bodies: tuple[Body, ...], form: str) -> TensorType:
    """The type of result `k`, whichever branch gives it."""
    shapes = [t.shape for t in types]
    first = types[0]
    if any(s is None for s in shapes):
        return TensorType(first.dtype, None)
    for number, t in enumerate(types):
        certain = [dims_equal(a, b) for a, b in zip(first.dims, t.dims, strict=False)]
        if len(t.dims) != len(first.dims) or False in certain:
            raise ShapeError(
                f"{form}: result {k} is {first} in branch 0 (made at {bodies[0].outputs[k].op.origin}) "
                f"but {t} in branch {number} (made at {bodies[number].outputs[k].op.origin}); branches give equal shapes"
            )
    dims = [
        first.dims[i] if all(dims_equal(first.dims[i], t.dims[i]) for t in types) else unknown_dim()
        for i in range(len(first.dims))
    ]
    return TensorType(first.dtype, tuple(dims))


def _kernel(
    xp: Any,
    selector: Any,
    *inputs: Any,
    bodies: Sequence[Callable[[list[Any]], list[Any]]],
    used: Sequence[bool],
    form: str,
    default: bool,
    sizes: Any = (),
) -> tuple[Any, ...]:
    if selector.ndim:
        raise RunError(f"{form}: what chooses the branch must be a scalar, got shape {list(selector.shape)}")
    if form == "cond":
        return tuple(bodies[0 if bool(selector) else 1](list(inputs)))
    chosen = int(selector)
    if not 0 <= chosen < len(bodies):
        if form == "case":
            raise AssertError(
                "case: no predicate is true, and there is no default"
                if chosen > 0
                else "case: more than one predicate is true, and they were said to be exclusive"
            )
        if not default:
            raise IndexRangeError(f"switch_case: index {chosen} is outside [0, {len(bodies)})")
        chosen = len(bodies) - 1
    return tuple(bodies[chosen](list(inputs)))


def _vjp(node: Node, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
    """A branch for each branch: it runs the forward one again, inside, and differentiates it."""
    selector, *inputs = node.inputs
    live = [k for k, g in enumerate(grads) if g is not None and is_floating(g.dtype)]
    seeds = [g for g in grads if g is not None and is_floating(g.dtype)]
    wanted = [i for i, t in enumerate(inputs) if is_floating(t.dtype)]
    found: dict[int, list[tuple[int, Tensor]]] = {i: [] for i in wanted}
    tracers, params = [], []
    for number, body in enumerate(node.attrs["bodies"]):
        tracer = Tracer(f"branch_{number}")
        here = [tracer.param(t.type, t) for t in (*inputs, *seeds)]
        with tracer.scope():
            outputs = inline(body, here[: len(inputs)])
            results = F.gradients(
                [outputs[k] for k in live],
                [here[i] for i in wanted],
                grad_ys=here[len(inputs) :],
                unconnected_gradients="none",
            )
        for i, g in zip(wanted, results, strict=True):
            if g is not None:
                found[i].append((number, g))
        tracers.append(tracer)
        params.append(here)
    reached = [i for i in wanted if found[i]]
    if not reached:
        return (None,) * len(node.inputs)
    outputs_of: list[list[Tensor]] = []
    for number, tracer in enumerate(tracers):
        outputs_of.append([])
        for i in reached:
            g = dict(found[i]).get(number)
            with tracer.scope():
                outputs_of[-1].append(F.zeros_like(params[number][i]) if g is None else g)
    made = _make(
        selector, tracers, params, outputs_of, (*inputs, *seeds), node.attrs["form"], node.attrs["default"]
    )
    result: list[Tensor | None] = [None] * len(inputs)
    for i, t in zip(reached, made.outputs, strict=True):
        result[i] = t
    return (None, *result)


COND = declare_twins(
    "cond",
    _infer,
    _kernel,
    _vjp,
    lambda node: [[t.type for t in node.inputs[1:]] for _ in node.attrs["bodies"]],
    "The results of one of several branches, chosen by a scalar.",
)


def _make(
    selector: Tensor,
    tracers: Sequence[Tracer],
    params: Sequence[Sequence[Tensor]],
    outputs: Sequence[Sequence[Tensor]],
    inputs: Sequence[Tensor],
    form: str,
    default: bool,
    name: str | None = None,
) -> Node:
    bodies, captured = close(tracers, params, outputs)
    sizes = symbols_in(n for body in bodies for n in body.nodes)
    attrs = {"bodies": bodies, "form": form, "default": default, "sizes": sizes}
    return make_node(
        COND.choose(bodies), (selector, *inputs, *captured), attrs, form if name is None else name
    )


# --- public functions -------------------------------------------------------------------------------


def _build(
    form: str,
    selector: Tensor,
    branches: Sequence[Any],
    labels: Sequence[str],
    name: str | None,
    default: bool,
) -> Any:
    tracers, results = [], []
    if name is not None:
        check_name(name)
    for branch, label in zip(branches, labels, strict=True):
        tracer = Tracer(f"{form if name is None else name}/{label}")
        results.append(tracer.call(branch, (), f"{form}: {label}"))
        tracers.append(tracer)
    leaves, nest = flatten(results[0], f"{form}: {labels[0]}")
    rows = [leaves]
    for label, branch, result in zip(labels[1:], branches[1:], results[1:], strict=True):
        what = f"{form}: the result of {label}, {describe_function(branch)},"
        rows.append(nest.leaves_of(result, f"{what} differs from that of {labels[0]}: it"))
    outputs: list[list[Tensor]] = [[] for _ in tracers]
    is_operation = []
    for k, column in enumerate(zip(*rows, strict=True)):
        is_operation.append(all(isinstance(leaf, Node) for leaf in column))
        if is_operation[-1]:
            for tracer, leaf in zip(tracers, column, strict=True):
                tracer.run(leaf, f"{form}: result {k}")
            continue
        for values, t in zip(outputs, _column(form, k, column, tracers, labels), strict=True):
            values.append(t)
    variables = written(tracers)
    for v in variables:
        before = v.read()
        for tracer, values in zip(tracers, outputs, strict=True):
            after = tracer.graph.writes.get(v)
            values.append(tracer.graph.capture(before) if after is None else after)
    if not outputs[0] and not any(tracer.all_effects() for tracer in tracers):
        return nest.pack([F.no_op(name=name) for _ in is_operation])
    node = _make(selector, tracers, [()] * len(tracers), outputs, (), form, default, name)
    n_results = len(node.outputs) - len(variables)
    values, writes = assign_all(variables, node.outputs[n_results:], node.outputs[:n_results])
    if True in is_operation:
        done = F.group(node, *writes, name=f"{form if name is None else name}_done")
        remaining = iter(values)
        return nest.pack([done if single else next(remaining) for single in is_operation])
    return nest.pack(values)


def _column(
    form: str, k: int, column: Sequence[Any], tracers: Sequence[Tracer], labels: Sequence[str]
) -> list[Tensor]:
    """Result `k` of each branch as tensors of one dtype; Python scalars take that of the others."""
    strong = None
    made: dict[int, Tensor] = {}
    for number, (leaf, tracer) in enumerate(zip(column, tracers, strict=True)):
        if not is_weak(leaf):
            made[number] = tracer.value(leaf, None, f"{form}: result {k} of {labels[number]}")
            strong = strong or made[number].dtype
    for number, (leaf, tracer) in enumerate(zip(column, tracers, strict=True)):
        if number not in made:
            made[number] = tracer.value(leaf, strong, f"{form}: result {k} of {labels[number]}")
    tensors = [made[number] for number in range(len(tracers))]
    for label, t in zip(labels, tensors, strict=True):
        if t.dtype != tensors[0].dtype:
            raise DTypeError(
                f"{form}: result {k} is {tensors[0].type} in {labels[0]} (made at {tensors[0].op.origin}) but "
                f"{t.type} in {label} (made at {t.op.origin}); branches give equal dtypes, so cast one"
            )
    return tensors


@public
def cond(pred: Any, true_fn: Any = None, false_fn: Any = None, name: str | None = None) -> Any:
    """What `true_fn()` gives where `pred` is true, else what `false_fn()` gives; the other one does not run.

    pred: a scalar bool. true_fn, false_fn: functions without arguments; each is traced once, and both give
        the same nest (lists, tuples, dicts, None) of values with equal dtypes and shapes. Tensors and
        variables from outside can be used in them; assignments to variables happen only in the branch that
        runs; so do prints, asserts and callbacks. Operations in the place of a value are run.
    Raises DTypeError, ShapeError or ArgumentError where the results differ. The gradient is a `cond` too.
    """
    selector = as_tensor(pred)
    return _build("cond", selector, [true_fn, false_fn], ["true_fn", "false_fn"], name, False)


@public
def switch_case(branch_index: Any, branch_fns: Any, default: Any = None, name: str | None = None) -> Any:
    """What the function number `branch_index` gives; the others do not run.

    branch_index: a scalar integer. branch_fns: a list of functions as `cond` takes them, or a dict from
        0, 1, ... to them. default: the function for any other index; without it, such an index is an
        IndexRangeError at run time.
    Raises ArgumentError for no functions, and what `cond` raises.
    """
    branches = _listed(branch_fns)
    labels = [f"branch {i}" for i in range(len(branches))]
    if default is not None:
        branches.append(default)
        labels.append("default")
    labels = [label.replace(" ", "_") for label in labels]
    return _build("switch_case", as_tensor(branch_index), branches, labels, name, default is not None)


def _listed(branch_fns: Any) -> list[Any]:
    if isinstance(branch_fns, Mapping):
        if sorted(branch_fns, key=repr) != sorted(range(len(branch_fns)), key=repr):
            raise ArgumentError(f"switch_case: the keys must be 0, 1, ..., not {shorten(list(branch_fns))}")
        branch_fns = [branch_fns[i] for i in range(len(branch_fns))]
    if not isinstance(branch_fns, (list, tuple)) or not branch_fns:
        raise ArgumentError(f"switch_case: branch_fns must be a list of functions, not {shorten(branch_fns)}")
    return list(branch_fns)


@public
def case(
    pred_fn_pairs: Any,
    default: Any = None,
    exclusive: bool = False,
    strict: bool = False,
    name: str | None = None,
) -> Any:
    """What the function beside the first true predicate gives.

    pred_fn_pairs: a list of (scalar bool, function) pairs, or a dict of them; all predicates are computed.
    default: the function for the case that none is true; without it that is an AssertError at run time.
    exclusive: then more than one true predicate is an AssertError at run time.
    strict: accepted for TensorFlow 1's sake; results keep their nest in any case.
    A composition of comparisons with a `switch_case`.
    """
    pairs = list(pred_fn_pairs.items()) if isinstance(pred_fn_pairs, Mapping) else pred_fn_pairs
    if not isinstance(pairs, (list, tuple)) or not all(
        isinstance(p, (list, tuple)) and len(p) == 2 for p in pairs
    ):
        raise ArgumentError(
            f"case: pred_fn_pairs must be a list of (predicate, function), not {shorten(pairs)}"
        )
    if not pairs:
        raise ArgumentError("case: pred_fn_pairs is empty")
    predicates = [as_tensor(pred) for pred, _ in pairs]
    for number, t in enumerate(predicates):
        if t.dtype.kind != "b" or t.type.shape not in (None, ()):
            raise DTypeError(f"case: predicate {number} must be a scalar bool, got {t.type}")
    index: Tensor = as_tensor(len(pairs))
    for number in reversed(range(len(pairs))):
        index = F.where(predicates[number], number, index)
    if flag(exclusive, "case", "exclusive"):
        n_true = F.add_n([F.cast(t, "int64") for t in predicates])
        index = F.where(F.greater(n_true, 1), -1, index)
    branches = [function for _, function in pairs]
    labels = [f"branch_{number}" for number in range(len(pairs))]
    if default is not None:
        branches.append(default)
        labels.append("default")
    return _build("case", index, branches, labels, name, default is not None)
