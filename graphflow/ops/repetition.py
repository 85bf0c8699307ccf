"""Elements repeated or moved around along axes: tile, repeat, roll."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow.errors import ArgumentError, ShapeError, shorten
from graphflow.graph import Tensor, composition, make_node
from graphflow.op import F, Op, Trait, declare, public
from graphflow.ops.arguments import axis_attr, listed, static_ints, typed
from graphflow.ops.computed_repeat import computed_repeat
from graphflow.ops.constant import as_tensor, constant_value
from graphflow.ops.joining import one_axis
from graphflow.ops.shape import expand_dims, flatten, unflatten
from graphflow.types import TensorType, as_index, is_integer, normalize_axes, normalize_axis

__all__ = ["repeat", "roll", "tile"]

# --- tile -----------------------------------------------------------------------------------------


def _infer_tile(x: TensorType, *, repetitions: tuple[int, ...]) -> TensorType:
    if len(repetitions) != x.rank:
        raise ShapeError(f"{len(repetitions)} repetitions {list(repetitions)} for the {x.rank} axes of {x}")
    return typed(x.dtype, tuple([d * r for d, r in zip(x.dims, repetitions, strict=True)]))


def _interleaved(x: Any, repetitions: tuple[int, ...], places: Sequence[int]) -> tuple[Any, tuple[int, ...]]:
    """`x` with a new axis at each place (0: before its axis, 1: behind), and the shape that repeats these."""
    key: list[Any] = []
    shape: list[int] = []
    for d, r, place in zip(x.shape, repetitions, places, strict=True):
        key += [slice(None), None] if place else [None, slice(None)]
        shape += [d, r] if place else [r, d]
    return x[tuple(key)] if key else x, tuple(shape)


def _repeated(xp: Any, x: Any, repetitions: tuple[int, ...], places: Sequence[int], out: Any) -> Any:
    """Broadcast over the new axes, then copied once into the result."""
    source, shape = _interleaved(x, repetitions, places)
    if out is None:
        out = xp.empty(tuple([d * r for d, r in zip(x.shape, repetitions, strict=True)]), dtype=x.dtype)
    xp.reshape(out, shape)[...] = source
    return out


def _tile_kernel(xp: Any, x: Any, *, repetitions: tuple[int, ...], out: Any = None) -> Any:
    if not hasattr(xp, "copyto"):
        return xp.tile(x, repetitions)
    return _repeated(xp, x, repetitions, (0,) * x.ndim, out)


def _tile_vjp(node: Any, g: Tensor) -> tuple[Tensor]:
    x, repetitions = node.inputs[0], node.attrs["repetitions"]
    if 0 in repetitions:
        return (F.zeros_like(x),)
    for axis, r in enumerate(repetitions):
        if r != 1:
            g = F.sum(unflatten(g, axis, (r, -1)), axis)
    return (g,)


TILE = declare(
    Op(
        "tile",
        _infer_tile,
        _tile_kernel,
        _tile_vjp,
        Trait.OUT,
        flops=lambda inputs, outputs, repetitions: 0,
        default_name="Tile",
        doc="The whole tensor repeated along each axis.",
    )
)


@public
def tile(x: Any, repetitions: Any, name: str | None = None) -> Tensor:
    """`x` repeated as a whole along each axis: [a, b] twice is [a, b, a, b].

    repetitions: one count for each axis; where there are more than axes, axes of size 1 are put in front, where
        fewer, the leading axes are not repeated.
    Raises ArgumentError for negative or non-integer counts, ShapeError for a result above 2^63 elements or
    an unknown rank with a count that would need it.
    """
    x = as_tensor(x)
    counts = [as_index(r, "tile: repetitions") for r in listed(repetitions, "tile: repetitions")]
    if any(r < 0 for r in counts):
        raise ArgumentError(f"tile: repetitions must not be negative, got {shorten(repetitions)}")
    if x.type.shape is not None:
        missing = len(counts) - len(x.type.shape)
        if missing > 0:
            x = expand_dims(x, tuple(range(missing)))
        counts = [1] * -missing + counts
    return make_node(TILE, (x,), {"repetitions": tuple(counts)}, name).outputs[0]


# --- repeat ---------------------------------------------------------------------------------------


def _infer_repeat(x: TensorType, *, repeats: int, axis: int) -> TensorType:
    axis = normalize_axis(axis, x.rank)
    return typed(x.dtype, (*x.dims[:axis], x.dims[axis] * repeats, *x.dims[axis + 1 :]))


def _repeat_kernel(xp: Any, x: Any, *, repeats: int, axis: int, out: Any = None) -> Any:
    if not hasattr(xp, "copyto"):
        return xp.repeat(x, repeats, axis=axis)
    counts = [1] * x.ndim
    counts[axis] = repeats
    return _repeated(xp, x, tuple(counts), (1,) * x.ndim, out)


def _repeat_vjp(node: Any, g: Tensor) -> tuple[Tensor]:
    repeats, axis = node.attrs["repeats"], node.attrs["axis"]
    if repeats == 0:
        return (F.zeros_like(node.inputs[0]),)
    return (F.sum(unflatten(g, axis, (-1, repeats)), axis + 1 if axis >= 0 else axis),)


REPEAT = declare(
    Op(
        "repeat",
        _infer_repeat,
        _repeat_kernel,
        _repeat_vjp,
        Trait.OUT,
        flops=lambda inputs, outputs, repeats, axis: 0,
        doc="Each element repeated along an axis.",
    )
)


@public
def repeat(x: Any, repeats: Any, axis: int | None = None, name: str | None = None) -> Tensor:
    """Each element of `x` repeated along `axis`: [a, b] twice is [a, a, b, b]; flattened first without an axis.

    repeats: one count, or one for each element of the axis. Where a run computes them, the length of the axis
        is unknown before it.
    Raises ArgumentError for negative or non-integer counts or a bad axis, ShapeError for a wrong number of counts;
    RunError for a negative count that only the run shows.
    """
    x = as_tensor(x)
    if axis is None:
        x, axis = flatten(x), 0
    if x.type.shape == ():
        raise ShapeError(f"repeat: x must have at least one axis for axis={axis}, got {x!r}")
    place = one_axis("repeat", axis, x)
    counts = _known_counts(repeats)
    if isinstance(counts, Tensor):
        return computed_repeat(x, counts, place, name)
    if isinstance(counts, np.ndarray):
        counts = counts.tolist()
    listed_counts = [counts] if not isinstance(counts, (list, tuple)) else list(counts)
    numbers = [as_index(r, "repeat: repeats") for r in listed_counts]
    if any(r < 0 for r in numbers):
        raise ArgumentError(f"repeat: repeats must not be negative, got {shorten(repeats)}")
    if len(numbers) == 1:
        return make_node(REPEAT, (x,), {"repeats": numbers[0], "axis": place}, name).outputs[0]
    size = None if x.type.shape is None else x.type.shape[normalize_axis(place, x.type.rank, "repeat: axis")]
    if size != len(numbers):
        raise ShapeError(
            f"repeat: {len(numbers)} repeats for axis {place} of {x!r}, which has "
            f"{'an unknown size' if not isinstance(size, int) else f'size {size}'}"
        )
    typed(x.dtype, (sum(numbers),))
    with composition("repeat" if name is None else name):
        result: Tensor = F.take(x, np.repeat(np.arange(len(numbers)), numbers), place)
    return result


def _known_counts(repeats: Any) -> Any:
    """Counts as they are given, or the value of a tensor that is known now; any other tensor itself."""
    if not hasattr(type(repeats), "__graphflow_tensor__"):
        return repeats
    tensor: Tensor = repeats.__graphflow_tensor__()
    value = constant_value(tensor)
    if value is not None and is_integer(value.dtype) and value.ndim <= 1:
        return value
    try:
        return static_ints(tensor, "repeat: repeats")
    except ArgumentError:
        return tensor


# --- roll -----------------------------------------------------------------------------------------


def _infer_roll(x: TensorType, *, shift: tuple[int, ...], axis: tuple[int, ...]) -> TensorType:
    normalize_axes(axis, x.rank)
    return x


def _roll_kernel(xp: Any, x: Any, *, shift: tuple[int, ...], axis: tuple[int, ...], out: Any = None) -> Any:
    """Each axis is cut in two pieces, and every combination of pieces is copied to its new place."""
    if out is None:
        out = xp.empty(x.shape, dtype=x.dtype)
    pieces: list[list[tuple[slice, slice]]] = [[(slice(None), slice(None))]] * x.ndim
    for s, a in zip(shift, axis, strict=True):
        n = x.shape[a]
        first = s % n if n else 0
        if first:
            pieces[a] = [(slice(0, n - first), slice(first, n)), (slice(n - first, n), slice(0, first))]
    for combination in itertools.product(*pieces):
        source, target = (tuple([pair[k] for pair in combination]) for k in (0, 1))
        out[(*target, ...)] = x[(*source, ...)]
    return out


ROLL = declare(
    Op(
        "roll",
        _infer_roll,
        _roll_kernel,
        lambda node, g: (roll(g, tuple([-s for s in node.attrs["shift"]]), node.attrs["axis"]),),
        Trait.OUT,
        flops=lambda inputs, outputs, shift, axis: 0,
        doc="The elements moved along axes, those that fall off coming in at the other end.",
    )
)


@public
def roll(
    x: Any, shift: int | Sequence[int], axis: int | Sequence[int] | None = None, name: str | None = None
) -> Tensor:
    """`x` with its elements moved `shift` places along `axis`; what falls off the end comes in at the front.

    shift: one for all axes, or one for each; negative ones move to the front. Without an axis the tensor is
        rolled as if it were flat.
    Raises ArgumentError for a bad axis or a number of shifts that is not that of the axes.
    """
    x = as_tensor(x)
    shifts = [as_index(s, "roll: shift") for s in (shift if isinstance(shift, (tuple, list)) else (shift,))]
    if axis is None:
        if len(shifts) != 1:
            raise ArgumentError(f"roll: {len(shifts)} shifts {shorten(shift)} need the axes they are for")
        with composition("roll" if name is None else name):
            line = roll(flatten(x), shifts[0], 0)
            result: Tensor = F.reshape_like(line, x)
        return result
    axes = axis_attr("roll", axis, x) or ()
    if len(shifts) == 1:
        shifts *= len(axes)
    if len(shifts) != len(axes):
        raise ArgumentError(
            f"roll: {len(shifts)} shifts {shorten(shift)} for {len(axes)} axes {shorten(axis)}"
        )
    return make_node(ROLL, (x,), {"shift": tuple(shifts), "axis": axes}, name).outputs[0]
