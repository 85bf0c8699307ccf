"""`repeat` by counts that are computed: how long the result is shows only at the run."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow.errors import DTypeError, RunError, ShapeError
from graphflow.graph import Tensor, apply, composition
from graphflow.op import F, Op, Trait, declare
from graphflow.ops.philox import converted
from graphflow.types import SUPPORTED, TensorType, is_integer, unknown_dim

__all__ = ["computed_repeat"]

INT64 = SUPPORTED["int64"]


def _infer(counts: TensorType, size: TensorType) -> TensorType:
    if counts.rank != 1:
        raise ShapeError(f"repeat: repeats must be one count or a vector of them, got {counts}")
    return TensorType(INT64, (unknown_dim(),))


def _kernel(xp: Any, counts: Any, size: Any) -> Any:
    count, wanted = int(counts.shape[0]), int(size)
    if count not in (1, wanted):
        raise RunError(f"repeat: {count} repeats for an axis of size {wanted}")
    least = int(xp.min(counts)) if count else 0
    if least < 0:
        raise RunError(f"repeat: repeats must not be negative, got {least}")
    if xp is np:
        return np.repeat(np.arange(wanted), counts)
    counts = xp.broadcast_to(converted(xp, counts, xp.int64), (wanted,))
    ends = (xp.cumsum if hasattr(xp, "cumsum") else xp.cumulative_sum)(counts)
    total = int(ends[-1]) if wanted else 0
    return converted(xp, xp.searchsorted(ends, xp.arange(total, dtype=xp.int64), side="right"), xp.int64)


REPEAT_PLACES = declare(
    Op(
        "repeat_places",
        _infer,
        _kernel,
        lambda node, g: (None, None),
        Trait.FALLIBLE,
        dtype=lambda counts, size: TensorType(INT64, (unknown_dim(),)),
        flops=lambda inputs, outputs: 0,
        workspace=lambda inputs, outputs: 16 * int(inputs[0].size),
        doc="Each of so many places, as often as its count says.",
    )
)


def computed_repeat(x: Tensor, counts: Tensor, axis: int, name: str | None = None) -> Tensor:
    """Each slice of `x` along `axis` as often as its count, or the one count, says. A composition: places, then `take`.

    Raises DTypeError for counts that are no integers, ShapeError for counts with more than one axis; RunError, at
    the run, for a negative one, or another number of them than of slices.
    """
    if not is_integer(counts.type.dtype):
        raise DTypeError(f"repeat: repeats must be integers, got {counts!r}")
    if counts.type.shape is not None and len(counts.type.shape) > 1:
        raise ShapeError(f"repeat: repeats must be one count or a vector of them, got {counts!r}")
    with composition("repeat" if name is None else name):
        places = apply(REPEAT_PLACES, F.reshape(counts, (-1,)), F.shape(x)[axis])
        result: Tensor = F.take(x, places, axis=axis)
    return result
