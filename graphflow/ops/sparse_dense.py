"""The one primitive that sparse tensors need: elements put at their places in a dense array."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphflow.errors import IndexRangeError, RunError, ShapeError
from graphflow.op import F, Op, Trait, declare
from graphflow.ops.arguments import typed
from graphflow.ops.scatter_kernels import scatter_any, scatter_workspace
from graphflow.types import STRING, Shape, TensorType

__all__ = ["SPARSE_TO_DENSE"]


def _infer(
    values: TensorType,
    indices: TensorType,
    dense_shape: TensorType,
    default: TensorType,
    *,
    shape: Shape,
    repeats: str,
) -> TensorType:
    return typed(values.dtype, shape)


def _kernel(
    xp: Any, values: Any, indices: Any, dense_shape: Any, default: Any, *, shape: Shape, repeats: str
) -> Any:
    sizes = tuple([int(n) for n in dense_shape])
    _check(xp, indices, values, sizes, shape)
    if not sizes:
        total = xp.sum(values) if values.shape[0] else default
        return xp.asarray(total, dtype=values.dtype, copy=True)
    columns = [indices[:, k] for k in range(len(sizes))]
    if getattr(values.dtype, "kind", "") == "O":  # array-api-strict's dtypes have no kind
        _refuse_repeats(np, columns, sizes)
        texts = np.full(sizes, default, dtype=STRING)
        texts[tuple(columns)] = values
        return texts
    base = xp.broadcast_to(xp.asarray(default, dtype=values.dtype), sizes)
    if repeats == "add":
        return scatter_any(xp, "sparse_to_dense", sizes, values, columns, sizes, 0, "add", None)
    _refuse_repeats(xp, columns, sizes)
    return scatter_any(xp, "sparse_to_dense", base, values, columns, sizes, 0, "update", None)


def _check(xp: Any, indices: Any, values: Any, sizes: tuple[int, ...], shape: Shape) -> None:
    if any(n < 0 for n in sizes):
        raise ShapeError(f"dense_shape must not be negative, got {list(sizes)}")
    for axis, (given, known) in enumerate(zip(sizes, shape, strict=True)):
        if isinstance(known, int) and given != known:
            raise ShapeError(f"dense_shape is {list(sizes)}, but axis {axis} is declared with size {known}")
    if indices.shape[0] != values.shape[0]:
        raise ShapeError(f"{indices.shape[0]} indices for {values.shape[0]} values; the numbers must agree")
    if math.prod(sizes) >= 2**63:
        raise ShapeError(f"dense_shape {list(sizes)} has more than 2^63 elements")
    for axis, size in enumerate(sizes):  # negative places count from nothing here
        column = indices[:, axis]
        if column.shape[0] and (int(xp.min(column)) < 0 or int(xp.max(column)) >= size):
            bad = int(xp.min(column)) if int(xp.min(column)) < 0 else int(xp.max(column))
            raise IndexRangeError(f"index {bad} is out of range for axis {axis} with size {size}")


def _refuse_repeats(xp: Any, columns: list[Any], sizes: tuple[int, ...]) -> None:
    if columns[0].shape[0] < 2:
        return
    flat = xp.zeros(columns[0].shape, dtype=xp.int64)
    for column, size in zip(columns, sizes, strict=True):
        flat = flat * size + column
    flat = xp.sort(flat)
    again = flat[1:] == flat[:-1]
    if bool(xp.any(again)):
        k = int(xp.argmax(xp.astype(again, xp.int8)) if hasattr(xp, "astype") else xp.argmax(again))
        place = np.unravel_index(int(flat[k]), sizes)
        raise RunError(f"the place {[int(i) for i in place]} is given more than once")


def _vjp(node: Any, g: Any) -> tuple[Any, ...]:
    values, indices, _, default = node.inputs
    picked = F.gather_nd(g, indices) if len(node.attrs["shape"]) else F.ones_like(values) * g
    rest = F.sum(g) - F.sum(picked) if node.attrs["repeats"] == "refuse" else F.zeros_like(default)
    return picked, None, None, rest


SPARSE_TO_DENSE = declare(
    Op(
        "sparse_to_dense",
        _infer,
        _kernel,
        _vjp,
        Trait.FALLIBLE,
        flops=lambda inputs, outputs, **attrs: int(inputs[0].size) if attrs["repeats"] == "add" else 0,
        workspace=lambda inputs, outputs, **attrs: (
            scatter_workspace(
                [inputs[1]] * len(outputs[0].dims), inputs[0], outputs[0].dims, 0, attrs["repeats"]
            )
            + 48 * int(inputs[0].size)
        ),
        dtype=lambda values, *rest, **attrs: TensorType(values.dtype, attrs["shape"]),
        takes_strings=True,
        doc="A dense array with given elements at given places; those of one place refused, or added up.",
    )
)
