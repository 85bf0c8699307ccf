"""Samples of indexing, gathering and masking."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

import graphflow as gf
from tests.ops.table import Sample, array

I64 = np.int64


def _ints(*values: Any, dtype: Any = I64) -> Any:
    return np.array(values, dtype=dtype)


MASK4 = np.array([True, False, True, True])
MASK34 = np.array([[True, False, True, True], [False] * 4, [False, True, False, True]])

# --- getitem and setitem --------------------------------------------------------------------------

# name, shape, key, whether it needs a known rank
KEYS: list[tuple[str, tuple[int, ...], Any, bool]] = [
    ("int", (4,), 2, False),
    ("negative_int", (4, 3), -1, False),
    ("ints", (4, 3, 2), (1, -1, 0), False),
    ("inner_int", (4, 3, 2), (slice(None), 1), False),
    ("numpy_int", (4, 3), np.int32(2), False),
    ("array_0d", (4, 3), np.array(2), False),
    ("whole", (4, 3), (), False),
    ("ellipsis", (4, 3), ..., False),
    ("slice", (6, 3), slice(1, 5, 2), False),
    ("slice_reversed", (6,), slice(None, None, -1), False),
    ("slice_beyond", (6, 2), slice(-100, 100), False),
    ("slice_empty", (6, 2), slice(4, 2), False),
    ("slices", (5, 4, 3), (slice(1, None), slice(None, -1), slice(None, None, 2)), False),
    ("ellipsis_int", (5, 4, 3), (..., 1), False),
    ("ellipsis_slice", (5, 4, 3), (0, ..., slice(1, None)), False),
    ("ellipsis_middle", (2, 3, 4, 2), (1, ..., slice(None, None, -1), 0), False),
    ("newaxis", (4, 3), None, False),
    ("newaxes", (4, 3), (None, slice(None), None, 1, None), False),
    ("newaxis_last", (4, 3), (..., None), False),
    ("scalar_newaxis", (), None, False),
    ("empty_axis", (0, 3), slice(None, None, 2), False),
    ("list", (4, 3), [2, 0, 2], False),
    ("negative_list", (4, 3), [-1, -4], False),
    ("empty_list", (4, 3), [], False),
    ("matrix", (4, 3), _ints([0, 1], [3, 3]), False),
    ("int8_array", (4, 3), _ints(3, -2, dtype=np.int8), False),
    ("uint64_array", (4, 3), _ints(3, 1, dtype=np.uint64), False),
    ("array_axis1", (4, 3, 2), (slice(None), [2, 2, 0, 1]), False),
    ("array_last", (4, 3), (..., [2, 0]), False),
    ("two_arrays", (4, 3), ([0, 3, 1], [2, 2, 0]), False),
    ("two_arrays_broadcast", (4, 3, 2), (_ints([0], [3]), [2, 1, 0]), False),
    ("two_arrays_inner", (2, 4, 3), (slice(None), [0, 3], [1, -1]), False),
    ("arrays_apart", (2, 4, 3), ([0, 1], slice(None), [1, -1]), True),
    ("arrays_apart_by_newaxis", (2, 4, 3), ([0, 1], None, [1, -1]), True),
    ("int_and_array", (2, 4, 3), (1, [0, 3]), False),
    ("int_beside_array", (2, 4, 3), (slice(None), 1, [0, 2]), False),
    ("int_apart_from_array", (2, 4, 3), (0, slice(None), [2, 0]), True),
    ("array_apart_from_int", (2, 4, 3), ([1, 0], ..., 2), True),
    ("slice_and_array", (5, 4, 3), (slice(1, 4), [0, 3, 3]), False),
    ("array_and_newaxis", (4, 3), (None, [1, 1], slice(None, 2)), False),
    ("mask", (4, 3), MASK4, False),
    ("mask_2d", (3, 4, 2), MASK34, False),
    ("mask_list", (2, 3), [True, False], False),
    ("mask_inner", (2, 4, 3), (slice(None), MASK4), False),
    ("mask_and_array", (3, 3, 4), ([0, 2, 1], slice(None), MASK4), True),
    ("mask_none", (4, 3), np.zeros(4, bool), False),
    ("mask_and_int", (4, 3), (MASK4, -1), False),
    ("true", (4, 3), True, False),
    ("false", (4, 3), False, False),
]


def _getitem(name: str, shape: tuple[int, ...], key: Any, ranked: bool) -> Sample:
    return Sample(
        f"getitem/{name}",
        lambda x: x[key],
        (array(*shape),),
        lambda x: x[key],
        grad=bool(np.zeros(shape)[key].size),
        symbolic=not ranked,
    )


def _numpy_set(x: Any, key: Any, value: Any) -> Any:
    result = np.array(x)
    result[key] = value
    return result


def _setitem(name: str, shape: tuple[int, ...], key: Any, ranked: bool) -> Sample:
    part = np.zeros(shape)[key].shape
    return Sample(
        f"setitem/{name}",
        lambda x, v: gf.setitem(x, key, v),
        (array(*shape), array(*part, seed=1)),
        lambda x, v: _numpy_set(x, key, v),
        grad=bool(np.prod(shape)),
        symbolic=not ranked,
    )


DTYPES = ("bool", "int8", "uint8", "int64", "uint64", "float16", "float32", "complex128", ml_dtypes.bfloat16)

GETITEM = [
    *[_getitem(*row) for row in KEYS],
    *[
        Sample(
            f"getitem/{np.dtype(d).name}",
            lambda x: (x[1], x[::-1, 1:], x[[2, 0]], x[MASK34[:, 0]]),
            (array(3, 4, dtype=d, low=0, high=5),),
            lambda x: (x[1], x[::-1, 1:], x[[2, 0]], x[MASK34[:, 0]]),
            strict=d not in ("float16", ml_dtypes.bfloat16),
        )
        for d in DTYPES
    ],
    Sample("getitem/mask_of_other_rank", lambda x: x[MASK4], (array(4, 2, 3),), lambda x: x[MASK4], grad=True),
    Sample("getitem/negative_strides", lambda x: x[1:, [0, 2]], (array(4, 3)[::-1, ::-1],), lambda x: x[1:, [0, 2]]),
    Sample("getitem/nan", lambda x: x[[1, 1, 0]], (np.array([np.nan, -0.0]),), lambda x: x[[1, 1, 0]]),
    Sample("getitem/scalar_tensor", lambda x, i: x[i], (array(4, 3), I64(-2)), lambda x, i: x[i], grad=True),
    Sample("getitem/scalar_tensors", lambda x, i, j: x[i, :, j], (array(4, 3, 2), I64(1), np.int32(0)),
           lambda x, i, j: x[i, :, j], grad=True, unranked=False),
    Sample("getitem/index_tensor", lambda x, i: x[i], (array(4, 3), _ints(3, 3, -4)), lambda x, i: x[i], grad=True),
    Sample("getitem/index_tensors", lambda x, i, j: x[:, i, j], (array(2, 4, 3), _ints([0], [2]), _ints(1, 2)),
           lambda x, i, j: x[:, i, j], grad=True),
    Sample("getitem/mask_tensor", lambda x, m: x[m], (array(4, 3), MASK4), lambda x, m: x[m], grad=True, unranked=False),
    Sample("getitem/mask_tensor_2d", lambda x, m: x[:, m], (array(2, 3, 4), MASK34), lambda x, m: x[:, m],
           grad=True, unranked=False),
    Sample("getitem/mask_tensor_and_int", lambda x, m: x[0, :, m], (array(2, 3, 4), MASK4), lambda x, m: x[0, :, m],
           grad=True, unranked=False),
    Sample("getitem/mask_tensor_and_array", lambda x, m: x[m, [0, 2, 1]], (array(4, 3), MASK4),
           lambda x, m: x[m, [0, 2, 1]], grad=True, unranked=False),
    Sample("getitem/mask_tensor_none", lambda x, m: x[m], (array(4, 3), np.zeros(4, bool)), lambda x, m: x[m],
           unranked=False),
    Sample("getitem/mask_tensor_0d", lambda x, m: x[m], (array(4, 3), np.bool_(True)), lambda x, m: x[m],
           grad=True, unranked=False),
    Sample("getitem/size_bound", lambda x, y: x[: gf.shape(y)[0] - 1], (array(5), array(3)),
           lambda x, y: x[: y.shape[0] - 1], unranked=False),
]  # fmt: skip

SETITEM = [
    *[_setitem(*row) for row in KEYS],
    Sample("setitem/scalar", lambda x, v: gf.setitem(x, (slice(None), 1), v), (array(4, 3), np.float64(7)),
           lambda x, v: _numpy_set(x, (slice(None), 1), v), grad=True),
    Sample("setitem/python_scalar", lambda x: gf.setitem(x, [0, 2], 1.5), (array(4, 3),),
           lambda x: _numpy_set(x, [0, 2], 1.5), grad=True),
    Sample("setitem/leading_ones", lambda x, v: gf.setitem(x, 1, v), (array(4, 3), array(1, 1, 3)),
           lambda x, v: _numpy_set(x, 1, v), grad=True, symbolic=False),
    Sample("setitem/broadcast_row", lambda x, v: gf.setitem(x, [3, 1], v), (array(4, 3), array(3)),
           lambda x, v: _numpy_set(x, [3, 1], v), grad=True),
    Sample("setitem/repeated", lambda x, i, v: gf.setitem(x, i, v), (array(4, 2), _ints(1, 1, 3, 1), array(4, 2)),
           lambda x, i, v: _numpy_set(x, i, v), grad=True),
    Sample("setitem/widened", lambda x, v: gf.setitem(x, 0, v), (array(4, 2), array(2, dtype=np.float32)),
           lambda x, v: _numpy_set(x, 0, v)),
    Sample("setitem/mask_tensor_scalar", lambda x, m: gf.setitem(x, m, 0.0), (array(4, 3), MASK4),
           lambda x, m: _numpy_set(x, m, 0), grad=True, unranked=False),
    Sample("setitem/mask_tensor_rows", lambda x, m, v: gf.setitem(x, m, v), (array(4, 3), MASK4, array(3, 3)),
           lambda x, m, v: _numpy_set(x, m, v), grad=True, unranked=False),
    Sample("setitem/mask_tensor_column", lambda x, m, v: gf.setitem(x, (slice(None), m), v),
           (array(3, 4, 2), MASK4, array(3, 1)), lambda x, m, v: _numpy_set(x, (slice(None), m), v),
           grad=True, unranked=False),
    Sample("setitem/mask_tensor_2d", lambda x, m, v: gf.setitem(x, m, v), (array(3, 4), MASK34, array(5)),
           lambda x, m, v: _numpy_set(x, m, v), grad=True, unranked=False),
    Sample("setitem/mask_tensor_1d_of_each", lambda x, m, v: gf.setitem(x, (..., m), v),
           (array(3, 4), MASK4, array(3, 3)), lambda x, m, v: _numpy_set(x, (..., m), v), grad=True, unranked=False),
    *[
        Sample(f"setitem/{np.dtype(d).name}", lambda x, v: gf.setitem(gf.setitem(x, 0, v), [2], v),
               (array(3, 2, dtype=d, low=0, high=5), array(2, dtype=d, seed=1, low=0, high=5)),
               lambda x, v: np.stack([v, x[1], v]), strict=d not in ("float16", ml_dtypes.bfloat16))
        for d in DTYPES
    ],
]  # fmt: skip

# --- take, gather, one_hot, boolean_mask ----------------------------------------------------------


def _batched(p: Any, i: Any) -> Any:
    return np.stack([row[:, index] for row, index in zip(p, i, strict=True)])


def _one_hot(i: Any, depth: int, axis: int = -1, on: Any = 1, off: Any = 0, dtype: Any = np.float32) -> Any:
    places = np.arange(depth)
    hot = np.asarray(i)[..., None] == places
    return np.moveaxis(np.where(hot, on, off).astype(dtype), -1, axis)


TAKE = [
    *[
        Sample(f"take/axis_{axis}", lambda x, i, axis=axis: gf.take(x, i, axis=axis),
               (array(3, 4, 2), _ints([1, -1, 0], [1, 1, 1])), lambda x, i, axis=axis: np.take(x, i, axis=axis), grad=True)
        for axis in (0, 1, 2, -1, -3)
    ],
    Sample("take/no_axis", lambda x, i: gf.take(x, i), (array(4), _ints(3, 0, 3)), np.take, grad=True),
    Sample("take/scalar", lambda x, i: gf.take(x, i, axis=0), (array(4, 2), I64(3)), lambda x, i: x[i], grad=True),
    Sample("take/empty", lambda x, i: gf.take(x, i, axis=1), (array(3, 4), _ints()), lambda x, i: np.take(x, i, axis=1)),
    Sample("take/from_empty", lambda x, i: gf.take(x, i, axis=0), (array(0, 4), _ints()), lambda x, i: x),
    Sample("take/empty_rows", lambda x, i: gf.take(x, i, axis=0), (array(3, 0), _ints(2, 2)), lambda x, i: x[i]),
    Sample("take/strided", lambda x, i: gf.take(x.T, i, axis=0), (array(3, 4), _ints(3, 0, 0)),
           lambda x, i: x.T[i], grad=True, unranked=False),
    Sample("take/strided_indices", lambda x, i: gf.take(x, i[::-2], axis=1), (array(3, 4), _ints(3, 0, 1, 2)),
           lambda x, i: x[:, i[::-2]], grad=True),
    Sample("take/many", lambda x, i: gf.take(x, i, axis=1),
           (array(2, 5), np.random.default_rng(0).integers(-5, 5, 40_000)), lambda x, i: x[:, i]),
    *[
        Sample(f"take/by_{d}", lambda x, i: gf.take(x, i, axis=0), (array(4, 3), _ints(3, 1, 1, dtype=d)), lambda x, i: x[i])
        for d in ("int8", "int16", "int32", "uint8", "uint16", "uint32", "uint64")
    ],
    *[
        Sample(f"take/{np.dtype(d).name}", lambda x, i: gf.take(x, i, axis=-1),
               (array(2, 4, dtype=d, low=0, high=5), _ints(3, -1)), lambda x, i: x[:, i],
               strict=d not in ("float16", ml_dtypes.bfloat16))
        for d in DTYPES
    ],
    Sample("gather/rows", lambda p, i: gf.gather(p, i), (array(5, 3), _ints([4, 0], [4, 4])), lambda p, i: p[i], grad=True),
    Sample("gather/axis", lambda p, i: gf.gather(p, i, axis=1), (array(2, 5), _ints(4, 0)), lambda p, i: p[:, i], grad=True),
    Sample("gather/batch", lambda p, i: gf.gather(p, i, axis=1, batch_dims=1), (array(2, 5, 3), _ints([4, 0], [1, 1])),
           lambda p, i: np.stack([p[0][i[0]], p[1][i[1]]]), grad=True, unranked=False),
    Sample("gather/batch_inner_axis", lambda p, i: gf.gather(p, i, axis=2, batch_dims=1),
           (array(2, 3, 5), _ints([4, 0], [1, 1])), _batched, grad=True, unranked=False),
    Sample("gather/batch_only", lambda p, i: gf.gather(p, i, axis=1, batch_dims=1), (array(3, 4), _ints(3, 0, -1)),
           lambda p, i: p[np.arange(3), i], grad=True, unranked=False),
    Sample("gather_nd/points", lambda p, i: gf.gather_nd(p, i), (array(3, 4), _ints([0, 1], [2, -1], [0, 1])),
           lambda p, i: p[i[:, 0], i[:, 1]], grad=True, symbolic=False),
    Sample("gather_nd/rows", lambda p, i: gf.gather_nd(p, i), (array(3, 4), _ints([[0], [2]])),
           lambda p, i: p[i[..., 0]], grad=True, symbolic=False),
    Sample("gather_nd/no_coordinates", lambda p, i: gf.gather_nd(p, i), (array(3), np.zeros((2, 0), I64)),
           lambda p, i: np.stack([p, p]), grad=True, symbolic=False),
    Sample("gather_nd/constant", lambda p: gf.gather_nd(p, [[0, 1], [2, 3]]), (array(3, 4),), lambda p: p[[0, 2], [1, 3]],
           grad=True),
    *[
        Sample(f"take_along_axis/axis_{axis}", lambda x, i, axis=axis: gf.take_along_axis(x, i, axis=axis),
               (array(3, 4), np.argsort(array(3, 4, seed=1), axis=axis)),
               lambda x, i, axis=axis: np.take_along_axis(x, i, axis), grad=True)
        for axis in (0, 1, -1)
    ],
    Sample("take_along_axis/repeated", lambda x, i: gf.take_along_axis(x, i), (array(2, 3), _ints([0, 0, -1, 2], [1, 1, 1, 1])),
           lambda x, i: np.take_along_axis(x, i, -1), grad=True),
    Sample("take_along_axis/broadcast", lambda x, i: gf.take_along_axis(x, i, axis=1), (array(1, 3, 2), _ints([[0], [2]])),
           lambda x, i: np.take_along_axis(x, np.broadcast_to(i, (1, 2, 2)), 1), grad=True),
    Sample("take_along_axis/broadcast_x", lambda x, i: gf.take_along_axis(x, i, axis=1), (array(1, 3), _ints([0, 2], [2, 2])),
           lambda x, i: np.take_along_axis(np.broadcast_to(x, (2, 3)), i, 1), grad=True),
    Sample("take_along_axis/unsigned", lambda x, i: gf.take_along_axis(x, i), (array(4), _ints(3, 0, dtype=np.uint64)),
           lambda x, i: x[[3, 0]]),
    Sample("take_along_axis/empty", lambda x, i: gf.take_along_axis(x, i), (array(2, 3), np.zeros((2, 0), I64)),
           lambda x, i: np.zeros((2, 0))),
]  # fmt: skip

ONE_HOT = [
    Sample("one_hot/default", lambda i: gf.one_hot(i, 4), (_ints(0, 3, -1, 4),), lambda i: _one_hot(i, 4)),
    Sample("one_hot/2d", lambda i: gf.one_hot(i, 3, axis=1), (_ints([0, 2], [1, 5]),), lambda i: _one_hot(i, 3, 1),
           unranked=False),
    Sample("one_hot/first_axis", lambda i: gf.one_hot(i, 3, axis=-3), (_ints([0, 2], [1, 5]),),
           lambda i: _one_hot(i, 3, 0)),
    Sample("one_hot/values", lambda i: gf.one_hot(i, 3, 5.0, -1.0, dtype="float64"), (_ints(0, 2),),
           lambda i: _one_hot(i, 3, -1, 5, -1, np.float64)),
    Sample("one_hot/bool", lambda i: gf.one_hot(i, 3, True, False), (_ints(0, 2, dtype=np.uint8),),
           lambda i: _one_hot(i, 3, dtype=bool)),
    Sample("one_hot/int", lambda i: gf.one_hot(i, 3, dtype="int32"), (_ints(0, 2, dtype=np.uint64),),
           lambda i: _one_hot(i, 3, dtype=np.int32)),
    Sample("one_hot/depth_0", lambda i: gf.one_hot(i, 0), (_ints(0, 2),), lambda i: np.zeros((2, 0), np.float32)),
    Sample("one_hot/scalar", lambda i: gf.one_hot(i, 2), (I64(1),), lambda i: np.array([0, 1], np.float32)),
    Sample("one_hot/tensor_values", lambda i, v: gf.one_hot(i, 3, v, 0.0, dtype="float64"), (_ints(0, 2), np.float64(2)),
           lambda i, v: _one_hot(i, 3, -1, v, 0, np.float64), grad=True),
    Sample("one_hot/size_depth", lambda i, x: gf.one_hot(i, gf.shape(x)[0]), (_ints(0, 2), array(3)),
           lambda i, x: _one_hot(i, 3), unranked=False),
    Sample("boolean_mask/rows", lambda x, m: gf.boolean_mask(x, m), (array(4, 3), MASK4), lambda x, m: x[m],
           grad=True, unranked=False),
    Sample("boolean_mask/axis", lambda x, m: gf.boolean_mask(x, m, axis=1), (array(2, 4, 3), MASK4),
           lambda x, m: x[:, m], grad=True, unranked=False),
    Sample("boolean_mask/2d", lambda x, m: gf.boolean_mask(x, m, axis=-2), (array(2, 3, 4), MASK34),
           lambda x, m: x[:, m], grad=True, unranked=False),
    Sample("boolean_mask/constant", lambda x: gf.boolean_mask(x, MASK4), (array(4, 3),), lambda x: x[MASK4], grad=True),
    Sample("boolean_mask/used", lambda x, m: gf.sum(gf.boolean_mask(x, m) ** 3, axis=0), (array(4, 3), MASK4),
           lambda x, m: (x[m] ** 3).sum(0), grad=True, unranked=False),
]  # fmt: skip

SAMPLES = [*GETITEM, *SETITEM, *TAKE, *ONE_HOT]
