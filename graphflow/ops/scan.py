"""`scan`, `map_fn`, `foldl` and `foldr`: a function along the first axis of arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphflow.errors import ArgumentError, DTypeError
from graphflow.graph import Node, Tensor, check_name, name_scope
from graphflow.op import F, public
from graphflow.ops.arguments import flag
from graphflow.ops.carried import Varying, check_step, relaxed, start_types
from graphflow.ops.constant import as_tensor
from graphflow.ops.nest import Nest, flatten
from graphflow.ops.scan_op import element_type, make_scan
from graphflow.ops.tracing import Tracer, assign_all, describe_function, written
from graphflow.types import as_dtype

__all__ = ["foldl", "foldr", "map_fn", "scan"]


def _elems(elems: Any, what: str) -> tuple[list[Tensor], Nest]:
    """The arrays to go along. A nest of tensors stays a nest; a list of plain numbers is one array."""
    leaves, nest = flatten(elems, f"{what}: elems")
    if leaves and not any(
        hasattr(type(leaf), "__graphflow_tensor__") or hasattr(leaf, "shape") for leaf in leaves
    ):
        if not isinstance(elems, dict):
            leaves, nest = [elems], Nest(None)
    if not leaves:
        raise ArgumentError(f"{what}: elems holds no value")
    tensors = [as_tensor(leaf) for leaf in leaves]
    for t in tensors:
        element_type(t.type)
    return tensors, nest


class _Run:
    """One traced step of a scan: its parameters, and what it gives."""

    def __init__(self, init: Sequence[Tensor], elems: Sequence[Tensor], varying: Varying, label: str) -> None:
        self.tracer = Tracer(f"{label}/fn", loop=True)
        self.carry = [self.tracer.param(t, x) for t, x in zip(start_types(init, varying), init, strict=True)]
        self.elems = [self.tracer.param(element_type(x.type), x) for x in elems]
        self.results: list[Tensor] = []


def _accumulate(
    what: str,
    fn: Any,
    elems: Sequence[Tensor],
    elem_nest: Nest,
    init: Sequence[Tensor],
    acc_nest: Nest,
    label: str,
) -> tuple[_Run, Varying]:
    """Trace `fn(acc, elem)`; again, with unknown sizes free to change, where they may."""
    varying: Varying = tuple(None if t.type.shape is None else (False,) * len(t.type.shape) for t in init)
    while True:
        run = _Run(init, elems, varying, label)
        given = (acc_nest.pack(run.carry), elem_nest.pack(run.elems))
        result = run.tracer.call(fn, given, f"{what}: fn")
        leaves = acc_nest.leaves_of(result, f"{what}: the result of fn, {describe_function(fn)},")
        run.results = [
            run.tracer.value(leaf, t.dtype, f"{what}: value {k} of fn's result")
            for k, (leaf, t) in enumerate(zip(leaves, init, strict=True))
        ]
        free = relaxed(init, varying)
        if check_step(run.carry, run.results, init, varying, what) or free == varying:
            return run, varying
        varying = free


def _finish(
    run: _Run,
    init: Sequence[Tensor],
    elems: Sequence[Tensor],
    ys: Sequence[Tensor],
    varying: Varying,
    reverse: bool,
    name: str | None,
) -> tuple[Node, list[Tensor]]:
    """The scan node and its stacked results, after the assignments to variables that `fn` made."""
    variables = written([run.tracer])
    before = [v.read() for v in variables]
    carry = list(zip(run.carry, init, strict=True))
    carry += [(run.tracer.adopt(t), t) for t in before]
    outputs = [*run.results, *[run.tracer.graph.writes[v] for v in variables], *ys]
    fixed = tuple((False,) * len(t.type.dims) for t in before)
    node = make_scan(
        run.tracer,
        carry,
        list(zip(run.elems, elems, strict=True)),
        (),
        outputs,
        (*varying, *fixed),
        reverse=reverse,
        name=name,
    )
    n, total = len(init), len(carry)
    given = [*node.outputs[:n], *node.outputs[total : total + len(ys)]]
    values, _ = assign_all(variables, node.outputs[n:total], given)
    return node, values


@public
def scan(
    fn: Any,
    elems: Any,
    initializer: Any = None,
    parallel_iterations: int = 10,
    back_prop: bool = True,
    swap_memory: bool = False,
    infer_shape: bool = True,
    reverse: bool = False,
    name: str | None = None,
) -> Any:
    """All intermediate results of `acc = fn(acc, elem)` along the first axis, stacked.

    fn: takes the nest of accumulated values and the nest of elements, gives the next accumulated values,
        of the same nest, dtypes and shapes. Traced once; see `while_loop` for what it may use.
    elems: an array or a nest of arrays with equal lengths: [n, ...].
    initializer: what `acc` is first; without it the first element is, and is the first result too.
    reverse: go from the last element to the first; results stay in the places of their elements.
    Returns the nest of `acc`, each leaf of shape [n, ...].
    parallel_iterations, swap_memory, infer_shape: accepted for TensorFlow 1's sake and ignored.
    Raises ShapeError for scalars or unequal lengths, DTypeError, ShapeError or ArgumentError where `fn` does
    not keep type and nest.
    """
    back_prop, reverse = flag(back_prop, "scan", "back_prop"), flag(reverse, "scan", "reverse")
    arrays, nest = _elems(elems, "scan")
    if initializer is not None:
        leaves, acc_nest = flatten(initializer, "scan: initializer")
        if not leaves:
            raise ArgumentError("scan: initializer holds no value")
        init = [as_tensor(leaf) for leaf in leaves]
        run, varying = _accumulate("scan", fn, arrays, nest, init, acc_nest, "scan" if name is None else name)
        _, values = _finish(run, init, arrays, run.results, varying, reverse, name)
        results = values[len(init) :]
    else:
        acc_nest = nest
        with name_scope("scan" if name is None else name):
            init, rest = _split(arrays, reverse)
            run, varying = _accumulate("scan", fn, rest, nest, init, nest, "scan" if name is None else name)
            _, values = _finish(run, init, rest, run.results, varying, reverse, None)
            firsts = [F.expand_dims(t, 0) for t in init]
            pairs = list(zip(firsts, values[len(init) :], strict=True))
            results = [F.concat([b, a] if reverse else [a, b], axis=0) for a, b in pairs]
    if not back_prop:
        results = [F.stop_gradient(t) for t in results]
    return acc_nest.pack(results)


def _split(arrays: Sequence[Tensor], reverse: bool) -> tuple[list[Tensor], list[Tensor]]:
    """The element that begins, and the others."""
    for t in arrays:
        if t.type.shape is not None and t.type.shape[0] == 0:
            raise ArgumentError(f"scan: elems are empty, {t.type}, so an initializer is needed")
    if reverse:
        return [t[-1] for t in arrays], [t[:-1] for t in arrays]
    return [t[0] for t in arrays], [t[1:] for t in arrays]


def _fold(
    what: str, fn: Any, elems: Any, initializer: Any, reverse: bool, back_prop: bool, name: str | None
) -> Any:
    back_prop = flag(back_prop, what, "back_prop")
    arrays, nest = _elems(elems, what)
    with name_scope(what if name is None else name):
        if initializer is None:
            acc_nest = nest
            init, arrays = _split(arrays, reverse)
        else:
            leaves, acc_nest = flatten(initializer, f"{what}: initializer")
            init = [as_tensor(leaf) for leaf in leaves]
        run, varying = _accumulate(what, fn, arrays, nest, init, acc_nest, what)
        _, values = _finish(run, init, arrays, (), varying, reverse, None)
    if not back_prop:
        values = [F.stop_gradient(t) for t in values]
    return acc_nest.pack(values)


@public
def foldl(
    fn: Any,
    elems: Any,
    initializer: Any = None,
    parallel_iterations: int = 10,
    back_prop: bool = True,
    swap_memory: bool = False,
    name: str | None = None,
) -> Any:
    """The last result of `acc = fn(acc, elem)` along the first axis: `scan` without its intermediate results."""
    return _fold("foldl", fn, elems, initializer, False, back_prop, name)


@public
def foldr(
    fn: Any,
    elems: Any,
    initializer: Any = None,
    parallel_iterations: int = 10,
    back_prop: bool = True,
    swap_memory: bool = False,
    name: str | None = None,
) -> Any:
    """As `foldl`, from the last element to the first."""
    return _fold("foldr", fn, elems, initializer, True, back_prop, name)


@public
def map_fn(
    fn: Any,
    elems: Any,
    dtype: Any = None,
    parallel_iterations: int | None = None,
    back_prop: bool = True,
    swap_memory: bool = False,
    infer_shape: bool = True,
    name: str | None = None,
) -> Any:
    """`fn(elem)` for each element along the first axis, stacked.

    fn: takes the nest of elements and gives a nest of values; traced once. Elements are taken one after the
        other.
    elems: an array or a nest of arrays with equal lengths: [n, ...]. dtype: the nest of the results' dtypes,
        checked where it is given.
    Returns the nest that `fn` gave, each leaf of shape [n, ...].
    parallel_iterations, swap_memory, infer_shape: accepted for TensorFlow 1's sake and ignored.
    Raises ShapeError for scalars or unequal lengths, DTypeError where a result has another dtype.
    """
    back_prop = flag(back_prop, "map_fn", "back_prop")
    if name is not None:
        check_name(name)
    arrays, nest = _elems(elems, "map_fn")
    run = _Run((), arrays, (), "map" if name is None else name)
    result = run.tracer.call(fn, (nest.pack(run.elems),), "map_fn: fn")
    leaves, result_nest = flatten(result, "map_fn: the result of fn")
    if not leaves:
        raise ArgumentError(f"map_fn: fn, {describe_function(fn)}, gives no value")
    wanted = [None] * len(leaves) if dtype is None else _dtypes(dtype, result_nest)
    ys = []
    for k, (leaf, d) in enumerate(zip(leaves, wanted, strict=True)):
        t = run.tracer.value(leaf, d, f"map_fn: result {k}")
        if d is not None and t.dtype != d:
            raise DTypeError(
                f"map_fn: result {k} is {t.type} (made at {t.op.origin}), but dtype says {d.name}"
            )
        ys.append(t)
    _, values = _finish(run, (), arrays, ys, (), False, "map" if name is None else name)
    if not back_prop:
        values = [F.stop_gradient(t) for t in values]
    return result_nest.pack(values)


def _dtypes(dtype: Any, nest: Nest) -> list[Any]:
    if nest.kind is not None and not isinstance(dtype, (list, tuple, dict)):
        return [as_dtype(dtype)] * _count(nest)
    return [as_dtype(d) for d in nest.leaves_of(dtype, "map_fn: dtype")]


def _count(nest: Nest) -> int:
    return 1 if nest.kind is None else sum(_count(child) for child in nest.children)
