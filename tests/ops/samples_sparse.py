"""Samples of sparse tensors: built from fed parts, given back dense. The references are dense NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphflow.ops.sparse import (
    sparse_add,
    sparse_concat,
    sparse_from_dense,
    sparse_multiply,
    sparse_reduce_max,
    sparse_reduce_sum,
    sparse_reorder,
    sparse_reshape,
    sparse_retain,
    sparse_softmax,
    sparse_tensor_dense_matmul,
    sparse_tensor_to_dense,
    sparse_to_dense,
    sparse_transpose,
)
from graphflow.ops.sparse_tensor import SparseTensor
from tests.ops.table import Sample, array

__all__ = ["SAMPLES"]

PLACES = np.array([[2, 1], [0, 3], [2, 0], [1, 1]])  # in no order
VALUES = array(4, seed=3)
SHAPE = (3, 4)


def dense(values: Any, places: Any = PLACES, shape: Any = SHAPE) -> Any:
    made = np.zeros(shape, np.asarray(values).dtype)
    for place, value in zip(places, values, strict=True):
        made[tuple(place)] += value
    return made


def held(values: Any, places: Any = PLACES, shape: Any = SHAPE) -> SparseTensor:
    return SparseTensor(places, values, np.asarray(shape))


def _fed(
    name: str, build: Callable[..., Any], reference: Callable[..., Any], *more: Any, **options: Any
) -> Sample:
    """A sample whose first input is the values at PLACES,"""
    return Sample(
        f"sparse {name}",
        build,
        (VALUES, *more),
        reference,
        unranked=options.pop("unranked", True),
        **options,
    )


def _todense(sp: SparseTensor) -> Any:
    return sparse_tensor_to_dense(sp)


SAMPLES: list[Sample] = [
    _fed("to_dense", lambda v: _todense(held(v)), dense, grad=True),
    _fed(
        "to_dense default",
        lambda v, d: sparse_tensor_to_dense(held(v), d),
        lambda v, d: np.where(dense(np.ones(4)) > 0, dense(v), d),
        np.float64(7.0),
        grad=True,
    ),
    Sample(
        "sparse to_dense of fed places",
        lambda i, v, s: _todense(SparseTensor(i, v, s)),
        (PLACES, VALUES, np.array(SHAPE)),
        lambda i, v, s: dense(v),
        symbolic=False,
    ),
    Sample(
        "sparse to_dense repeats add up",
        lambda v: sparse_tensor_to_dense(held(v, [[1, 1], [1, 1], [0, 0], [1, 1]]), validate_indices=False),
        (VALUES,),
        lambda v: dense(v, [[1, 1], [1, 1], [0, 0], [1, 1]]),
        grad=True,
    ),
    Sample(
        "sparse to_dense of nothing",
        lambda v: _todense(held(v, np.zeros((0, 2), np.int64))),
        (np.zeros(0),),
        lambda v: np.zeros(SHAPE),
    ),
    Sample(
        "sparse to_dense scalar",
        lambda v: sparse_reduce_sum(held(v)),
        (VALUES,),
        np.sum,
        grad=True,
    ),
    Sample(
        "sparse_to_dense vector",
        lambda v: sparse_to_dense([3, 0], [5], v, -1.0),
        (VALUES[:2],),
        lambda v: np.array([v[1], -1, -1, v[0], -1]),
        unranked=False,
    ),
    *[
        Sample(
            f"sparse to_dense {dtype}",
            lambda v: _todense(held(v)),
            (np.array([1, 2, 3, 1]).astype(dtype),),
            dense,
        )
        for dtype in ("float32", "float16", "int32", "int64", "uint8", "complex64", "complex128")
    ],
    Sample(
        "sparse from_dense",
        lambda x: _todense(sparse_from_dense(x)),
        (dense(VALUES),),
        lambda x: x,
        unranked=False,
    ),
    Sample(
        "sparse from_dense parts",
        lambda x: list(sparse_from_dense(x).__graphflow_parts__()),
        (dense(VALUES),),
        lambda x: (np.argwhere(x), x[x != 0], np.array(x.shape)),
        unranked=False,
    ),
    _fed(
        "matmul",
        lambda v, b: sparse_tensor_dense_matmul(held(v), b),
        lambda v, b: dense(v) @ b,
        array(4, 2),
        grad=True,
    ),
    _fed(
        "matmul adjoint",
        lambda v, b: sparse_tensor_dense_matmul(held(v), b, adjoint_a=True, adjoint_b=True),
        lambda v, b: dense(v).T @ b.T,
        array(2, 3),
        grad=True,
    ),
    Sample(
        "sparse matmul complex adjoint",
        lambda v, b: sparse_tensor_dense_matmul(held(v), b, adjoint_a=True),
        ((VALUES + 1j).astype(np.complex128), array(3, 2) - 2j),
        lambda v, b: dense(v).conj().T @ b,
    ),
    _fed("times scalar", lambda v: _todense(held(v) * 2.0), lambda v: dense(v) * 2),
    _fed(
        "over row",
        lambda v, y: _todense(held(v) / y),
        lambda v, y: dense(v) / y,
        array(4, low=1.0),
        grad=True,
        unranked=False,
    ),
    _fed(
        "multiply column",
        lambda v, y: _todense(sparse_multiply(held(v), y)),
        lambda v, y: dense(v) * y,
        array(3, 1),
        grad=True,
        symbolic=False,
    ),
    _fed("negative", lambda v: _todense(-held(v)), lambda v: -dense(v)),
    _fed(
        "add",
        lambda v: _todense(sparse_add(held(v), held(v[:2] * 3.0, PLACES[1:3]))),
        lambda v: dense(v) + dense(v[:2] * 3, PLACES[1:3]),
        grad=True,
    ),
    _fed("add dense", lambda v, x: held(v) + x, lambda v, x: dense(v) + x, array(3, 4), grad=True),
    *[
        _fed(
            f"reduce_sum axis={axis} keepdims={keep}",
            lambda v, axis=axis, keep=keep: sparse_reduce_sum(held(v), axis, keep),
            lambda v, axis=axis, keep=keep: dense(v).sum(axis=axis, keepdims=keep),
            grad=True,
        )
        for axis in (None, 0, -1, (0, 1))
        for keep in (False, True)
    ],
    _fed(
        "reduce_max",
        lambda v: sparse_reduce_max(held(v), 0),
        lambda v: np.array([v[2], max(v[0], v[3]), 0, v[1]]),
    ),
    _fed(
        "reduce_max all",
        lambda v: sparse_reduce_max(held(v), None, True),
        lambda v: v.max(keepdims=True)[None],
    ),
    _fed(
        "reorder",
        lambda v: list(sparse_reorder(held(v)).__graphflow_parts__()),
        lambda v: (PLACES[[1, 3, 2, 0]], v[[1, 3, 2, 0]], np.array(SHAPE)),
        grad=True,
    ),
    _fed("transpose", lambda v: _todense(sparse_transpose(held(v))), lambda v: dense(v).T, grad=True),
    _fed("transpose perm", lambda v: _todense(sparse_transpose(held(v), [0, 1])), dense),
    _fed(
        "reshape",
        lambda v: _todense(sparse_reshape(held(v), [2, -1])),
        lambda v: dense(v).reshape(2, 6),
        grad=True,
    ),
    _fed(
        "concat",
        lambda v: _todense(sparse_concat(1, [held(v), held(v[:1], [[0, 0]], (3, 1))])),
        lambda v: np.concatenate([dense(v), dense(v[:1], [[0, 0]], (3, 1))], 1),
        grad=True,
    ),
    _fed(
        "retain",
        lambda v: _todense(sparse_retain(held(v), np.array([True, False, True, False]))),
        lambda v: dense(v[[0, 2]], PLACES[[0, 2]]),
        grad=True,
    ),
    _fed(
        "softmax",
        lambda v: _todense(sparse_softmax(held(v))),
        lambda v: np.where(
            dense(np.ones(4)) > 0,
            np.exp(dense(v))
            / np.maximum((np.exp(dense(v)) * (dense(np.ones(4)) > 0)).sum(1, keepdims=True), 1e-300),
            0,
        ),
        grad=True,
    ),
]
