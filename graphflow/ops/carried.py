"""Loop-carried values: their types while the loop runs, checked at build, at bind and at run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from graphflow.errors import DTypeError, RunError, ShapeError, shorten
from graphflow.graph import Tensor
from graphflow.ops.body import INDEX, Body, infer_body
from graphflow.ops.views import fresh
from graphflow.types import Dim, DimLike, TensorType, dims_equal, shape_from_user, unknown_dim

__all__ = [
    "Varying",
    "check_run",
    "check_step",
    "own",
    "relaxed",
    "settle",
    "stack",
    "start_types",
    "varying_from_user",
]

Varying: TypeAlias = tuple[tuple[bool, ...] | None, ...]
"""For each carried value: which axes may change their size from one iteration to the next; None: any."""


def varying_from_user(init: Sequence[Tensor], invariants: Sequence[Any] | None, what: str) -> Varying:
    """What `shape_invariants` allows: sizes given as None there may change, all others may not.

    Raises ShapeError for an invariant that the initial value does not have.
    """
    result: list[tuple[bool, ...] | None] = []
    for k, t in enumerate(init):
        if invariants is None or t.type.shape is None:
            result.append(None if t.type.shape is None else (False,) * len(t.type.shape))
            continue
        wanted = invariants[k]
        if wanted is None:
            result.append(None)
            continue
        wanted = wanted.shape if hasattr(type(wanted), "__graphflow_tensor__") else wanted
        dims = shape_from_user(wanted, unknown=True, what=f"{what}: shape invariant {k}")
        if len(dims) != len(t.type.dims):
            raise ShapeError(f"{what}: shape invariant {shorten(wanted)} does not fit value {k}, {t.type}")
        free = tuple([isinstance(d, Dim) and d.is_anonymous for d in dims])
        for d, actual, may_vary in zip(dims, t.type.dims, free, strict=True):
            if not may_vary and dims_equal(d, actual) is False:
                raise ShapeError(
                    f"{what}: shape invariant {shorten(wanted)} does not fit value {k}, {t.type}"
                )
        result.append(free)
    return tuple(result)


def relaxed(init: Sequence[Tensor], varying: Varying) -> Varying:
    """As `varying`, with every axis of unknown size allowed to change too."""
    return tuple(
        None if axes is None else tuple([v or _is_unknown(d) for v, d in zip(axes, t.type.dims, strict=True)])
        for t, axes in zip(init, varying, strict=True)
    )


def _is_unknown(d: DimLike) -> bool:
    return isinstance(d, Dim) and d.is_anonymous


def start_types(init: Sequence[Tensor], varying: Varying) -> list[TensorType]:
    """The types with which a body is traced: those of the initial values, fresh unknowns where sizes may change."""
    types = []
    for t, axes in zip(init, varying, strict=True):
        if axes is None:
            types.append(TensorType(t.dtype, None))
        else:
            dims = [unknown_dim() if v else d for v, d in zip(axes, t.type.dims, strict=True)]
            types.append(TensorType(t.dtype, tuple(dims)))
    return types


def check_step(
    params: Sequence[Tensor], results: Sequence[Tensor], init: Sequence[Tensor], varying: Varying, what: str
) -> bool:
    """Whether each result surely has the type of its carried value; False where a size may turn out to vary.

    Raises DTypeError or ShapeError where a type surely differs and may not.
    """
    certain = True
    for k, (p, t, start, axes) in enumerate(zip(params, results, init, varying, strict=True)):
        place = f"(made at {start.op.origin}) but {t.type} after one iteration (made at {t.op.origin})"
        if p.dtype != t.dtype:
            raise DTypeError(
                f"{what}: value {k} is {start.type} at the start {place}; cast it, its dtype must not change"
            )
        if axes is None or t.type.shape is None:
            continue
        same_rank = len(t.type.shape) == len(axes)
        for a, b, may_vary in zip(p.type.dims, t.type.shape, axes, strict=False) if same_rank else ():
            if may_vary:
                continue
            equal = dims_equal(a, b)
            if _is_unknown(a):
                certain = certain and bool(equal)
            elif equal is False:
                same_rank = False
        if not same_rank:
            raise ShapeError(
                f"{what}: value {k} is {start.type} at the start {place}; its shape must not change, unless "
                "shape_invariants says so"
            )
    return certain


def settle(
    body: Body,
    carried: Sequence[TensorType],
    rest: Sequence[TensorType],
    varying: Varying,
    sizes: Any,
    what: str,
) -> tuple[list[TensorType], list[TensorType]]:
    """Types of the carried values that hold in every iteration, and the types of all results of the body.

    A size that may vary and does becomes unknown; that is repeated until nothing changes. Raises ShapeError
    for a size that changes and may not.
    """
    state = list(carried)
    static = all(t.is_static for t in (*carried, *rest))
    loose: set[tuple[int, int]] = set()
    while True:
        results = infer_body(body, [INDEX, *state, *rest], sizes)
        changed = False
        for k, (t, new, axes) in enumerate(zip(state, results, varying, strict=False)):
            if t.shape is None or (new.shape is None and axes is not None):
                continue
            if new.shape is None or len(new.shape) != len(t.shape):
                if axes is not None:
                    raise _changes(what, k, t, new, body)
                state[k] = TensorType(t.dtype, None)
                changed = True
                continue
            dims = list(t.shape)
            for axis, (a, b) in enumerate(zip(t.shape, new.shape, strict=True)):
                equal = dims_equal(a, b)
                may_vary = axes is None or axes[axis]
                if equal or (k, axis) in loose or (equal is None and not may_vary and not static):
                    continue
                if equal is False and not may_vary:
                    raise _changes(what, k, t, new, body)
                loose.add((k, axis))
                dims[axis] = unknown_dim()
            if tuple(dims) != t.shape:
                state[k] = TensorType(t.dtype, tuple(dims))
                changed = True
        if not changed:
            return state, results


def _changes(what: str, k: int, old: TensorType, new: TensorType, body: Body) -> ShapeError:
    return ShapeError(
        f"{what}: value {k} is {old} before an iteration but {new} after it (made at {body.outputs[k].op.origin}); "
        "its shape must not change, unless shape_invariants says so"
    )


def check_run(old: Sequence[Any], new: Sequence[Any], varying: Varying, what: str) -> None:
    """Raise RunError where a carried array changed a size that may not change: the last word, while it runs."""
    for k, axes in enumerate(varying):
        a, b = old[k].shape, new[k].shape
        if a == b or axes is None:
            continue
        if len(a) != len(b) or any(x != y and not free for x, y, free in zip(a, b, axes, strict=True)):
            raise RunError(
                f"{what}: value {k} has shape {list(a)} before an iteration but {list(b)} after it; "
                "its shape must not change, unless shape_invariants says so"
            )


def stack(xp: Any, rows: list[Any], like: Any, what: str) -> Any:
    """Saved values of one carried value, stacked along a new first axis. Raises RunError if their shapes differ."""
    if not rows:
        return xp.zeros((0, *like.shape), dtype=like.dtype)
    for row in rows:
        if row.shape != rows[0].shape:
            raise RunError(
                f"{what}: a gradient needs carried values of one shape, but one went from {list(rows[0].shape)} "
                f"to {list(row.shape)}"
            )
    return xp.stack(rows)


def own(xp: Any, results: Sequence[Any], inputs: Sequence[Any]) -> list[Any]:
    """Copies of the results that are inputs, as they are when no iteration ran; the others as they are."""
    given = {id(x) for x in inputs}
    return [fresh(xp, x) if id(x) in given else x for x in results]
