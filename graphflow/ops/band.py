"""Matrices cut to a band around the diagonal, and with another diagonal."""

from __future__ import annotations

from typing import Any

from graphflow.errors import ShapeError
from graphflow.graph import Tensor, apply, composition
from graphflow.op import F, Op, Trait, declare, public
from graphflow.ops.arguments import static_ints
from graphflow.ops.constant import as_tensor, operands
from graphflow.ops.diagonal import diagonal, tril, triu
from graphflow.ops.matrices import check_matrix, shorter
from graphflow.ops.views import put
from graphflow.types import TensorType, as_index, broadcast_shapes, dims_equal

__all__ = ["band_part", "matrix_diag_part", "matrix_set_diag"]

# --- bands ----------------------------------------------------------------------------------------


@public
def band_part(input: Any, num_lower: Any, num_upper: Any, name: str | None = None) -> Tensor:
    """The last two axes with zeros outside a band: TensorFlow's `matrix_band_part`. A composition.

    num_lower, num_upper: how many diagonals below and above the main one are kept; all for a negative number.
    Raises ArgumentError for what is no integer or known only at the run, ShapeError for fewer than two axes.
    """
    x = as_tensor(input)
    lower = as_index(static_ints(num_lower, "band_part: num_lower"), "band_part: num_lower")
    upper = as_index(static_ints(num_upper, "band_part: num_upper"), "band_part: num_upper")
    if x.type.shape is not None and len(x.type.shape) < 2:
        raise ShapeError(f"band_part: input must have at least two axes, got {x!r}")
    with composition("MatrixBandPart" if name is None else name):
        kept = x if lower < 0 else triu(x, -lower)
        if upper >= 0:
            kept = tril(kept, upper)
        return F.identity(x) if kept is x else kept


# --- diagonals ------------------------------------------------------------------------------------


def _infer(x: TensorType, d: TensorType) -> TensorType:
    check_matrix(x)
    if d.rank < 1:
        raise ShapeError(f"diagonal must have at least one axis, got {d}")
    *lead, last = d.dims
    if dims_equal(last, shorter(x)) is False:
        raise ShapeError(f"diagonal {d} does not fill the diagonal of {x}, which has {shorter(x)} elements")
    if len(broadcast_shapes(x.dims[:-2], tuple(lead))) != x.rank - 2:
        raise ShapeError(f"diagonal {d} has more axes than the diagonals of {x}")
    for a, b in zip(reversed(x.dims[:-2]), reversed(lead), strict=False):
        if dims_equal(b, 1) is not True and dims_equal(a, b) is False:
            raise ShapeError(f"diagonal {d} does not fit the stack {x}")
    return x


def _kernel(xp: Any, x: Any, d: Any, *, out: Any = None) -> Any:
    made = x if out is x else put(xp, x, out)
    height, width = x.shape[-2:]
    flat = xp.reshape(made, (*x.shape[:-2], height * width))
    n = min(height, width)
    if n:
        flat[..., slice(0, (n - 1) * (width + 1) + 1, width + 1)] = d
    return made


def _vjp(node: Any, g: Tensor) -> tuple[Tensor, Tensor]:
    d = node.inputs[1]
    kept: Tensor = apply(MATRIX_SET_DIAG, g, F.zeros_like(d))
    return kept, F.sum_to_like(diagonal(g), d)


MATRIX_SET_DIAG = declare(
    Op(
        "matrix_set_diag",
        _infer,
        _kernel,
        _vjp,
        Trait.OUT,
        flops=lambda inputs, outputs: 0,
        default_name="MatrixSetDiag",
        doc="Matrices with their diagonal replaced.",
    )
)


@public
def matrix_set_diag(input: Any, diagonal: Any, name: str | None = None) -> Tensor:
    """Copies of the matrices in the last two axes of `input` with `diagonal` as their main diagonal.

    diagonal: [..., min(m, n)] for [..., m, n], or fewer axes, broadcast. A primitive: a copy and a strided write.
    Raises ShapeError where it does not fit.
    """
    x, d = operands(as_tensor(input), diagonal)
    made: Tensor = apply(MATRIX_SET_DIAG, x, d, name=name)
    return made


@public
def matrix_diag_part(input: Any, name: str | None = None) -> Tensor:
    """The main diagonal of each matrix: `diagonal` by TensorFlow's name. A view."""
    return diagonal(input, name=name)
