"""Samples of scattering."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

import graphflow as gf
from graphflow.op import F
from tests.ops.table import Sample, array

I64 = np.int64


def _ints(*values: Any, dtype: Any = I64) -> Any:
    return np.array(values, dtype=dtype)


UFUNCS = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "min": np.minimum, "max": np.maximum}


def _scattered(x: Any, i: Any, u: Any, mode: str) -> Any:
    """One update after the other, by a loop."""
    result = np.array(x)
    u = np.broadcast_to(u, (*np.shape(i), *x.shape[1:]))
    for place in np.ndindex(np.shape(i)):
        old = result[i[place]]
        result[i[place]] = u[place] if mode == "update" else UFUNCS[mode](old, u[place])
    return result


def _scatter(mode: str, name: str, x: Any, i: Any, u: Any, **options: Any) -> Sample:
    return Sample(
        f"index_scatter/{mode}_{name}",
        lambda x, i, u: F.index_scatter(x, i, u, mode),
        (x, i, u),
        lambda x, i, u: _scattered(x, i, u, mode),
        **options,
    )


MODES = ("update", "add", "sub", "mul", "min", "max")
REPEATED = _ints(1, 3, 1, -3, 1)


def _nd_add(x: Any, i: Any, u: Any) -> Any:
    result = np.array(x)
    np.add.at(result, tuple(np.moveaxis(i, -1, 0)), u)
    return result


def _nd(function: Any, x: Any, i: Any, u: Any) -> Any:
    result = np.array(x)
    for point, value in zip(i.reshape(-1, i.shape[-1]), u.reshape(-1, *x.shape[i.shape[-1] :]), strict=True):
        result[tuple(point)] = function(result[tuple(point)], value)
    return result


SAMPLES = [
    *[_scatter(m, "repeated", array(4, 2), REPEATED, array(5, 2, seed=1), grad=True) for m in MODES],
    *[_scatter(m, "matrix", array(4), _ints([0, 2], [2, 2]), array(2, 2, seed=1), grad=True) for m in MODES],
    *[_scatter(m, "broadcast", array(4, 2), REPEATED, array(2, seed=1), grad=m not in ("min", "max")) for m in MODES],
    *[_scatter(m, "empty", array(4, 2), _ints(), array(0, 2)) for m in MODES],
    *[_scatter(m, "wide_rows", array(3, 1500), _ints(2, 0, 2), array(3, 1500, seed=1)) for m in MODES],
    *[
        _scatter(m, d, array(3, 2, dtype=d, low=0, high=5), _ints(2, 0, 2), array(3, 2, dtype=d, low=0, high=5, seed=1))
        for m in MODES
        for d in ("int8", "uint16", "int64", "float32")
    ],
    *[
        _scatter(m, np.dtype(d).name, array(3, 2, dtype=d, low=0, high=5), _ints(2, 0, 2), array(3, 2, dtype=d, seed=1),
                 strict=False)
        for m in MODES
        for d in ("float16", ml_dtypes.bfloat16)
    ],
    _scatter("mul", "zero_update", array(3) + 4, _ints(2, 0, 2, 0), np.array([0.0, 2, 3, 4]), grad=True),
    _scatter("mul", "complex", array(3, dtype=np.complex64), _ints(2, 0), np.array([1j, 2 - 1j], np.complex64)),
    _scatter("update", "bool", np.array([True, False]), _ints(1, 1), np.array([False, True])),
    _scatter("add", "many", array(50, 3), np.random.default_rng(1).integers(-50, 50, 30_000), array(30_000, 3, seed=2),
             rtol=1e-9),
    _scatter("max", "nan", array(3), _ints(0, 0, 1), np.array([np.nan, 1, 1])),
    Sample("index_scatter/mul_two_zeros", lambda x, i, u: F.index_scatter(x, i, u, "mul"),
           (array(3) + 4, _ints(2, 2, 0), np.array([0.0, 0, 3])), lambda x, i, u: _scattered(x, i, u, "mul"),
           grad=True, second_order=False),
    Sample("index_scatter/strided_updates", lambda x, i, u: F.index_scatter(x, i, u.T, "add"),
           (array(4, 2), _ints(1, 1, 0), array(2, 3)), lambda x, i, u: _scattered(x, i, u.T, "add"), grad=True,
           unranked=False),
    Sample("index_scatter/strided_last_wins", lambda x, i, u: F.index_scatter(x, i, u[:, ::-1].T),
           (array(4, 2), _ints(1, 1, 0), array(2, 3)), lambda x, i, u: _scattered(x, i, u[:, ::-1].T, "update"),
           grad=True, unranked=False),
    Sample("scatter_nd/rows", lambda i, u: gf.scatter_nd(i, u, (5, 2)), (_ints([3], [0], [3]), array(3, 2)),
           lambda i, u: _nd_add(np.zeros((5, 2)), i, u), grad=True, symbolic=False),
    Sample("scatter_nd/points", lambda i, u: gf.scatter_nd(i, u, [2, 3]), (_ints([0, 1], [1, -1], [0, 1]), array(3)),
           lambda i, u: _nd_add(np.zeros((2, 3)), i, u), grad=True, symbolic=False),
    Sample("scatter_nd/constant_points", lambda u: gf.scatter_nd([[0], [2], [0]], u, (3,)), (array(3),),
           lambda u: np.array([u[0] + u[2], 0, u[1]]), grad=True),
    Sample("scatter_nd/int", lambda i, u: gf.scatter_nd(i, u, (3,)), (_ints([1], [1]), _ints(4, 5, dtype=np.int32)),
           lambda i, u: np.array([0, 9, 0], np.int32), symbolic=False),
    Sample("scatter_nd/empty", lambda i, u: gf.scatter_nd(i, u, (3, 2)), (np.zeros((0, 1), I64), array(0, 2)),
           lambda i, u: np.zeros((3, 2)), symbolic=False),
    Sample("scatter_nd/empty_rows", lambda i, u: gf.scatter_nd(i, u, (3, 0)), (_ints([1], [1]), array(2, 0)),
           lambda i, u: np.zeros((3, 0)), symbolic=False),
    *[
        Sample(f"tensor_scatter_nd/{mode}", lambda x, i, u, mode=mode: getattr(gf, f"tensor_scatter_nd_{mode}")(x, i, u),
               (array(3, 4), _ints([0, 1], [2, 3], [0, 1]), array(3, seed=3)),
               lambda x, i, u, f=function: _nd(f, x, i, u), grad=True, symbolic=False)
        for mode, function in (("update", lambda old, new: new), ("add", np.add), ("sub", np.subtract),
                               ("min", np.minimum), ("max", np.maximum))
    ],
    Sample("tensor_scatter_nd/rows", lambda x, i, u: gf.tensor_scatter_nd_add(x, i, u),
           (array(3, 4), _ints([0], [2], [0]), array(3, 4, seed=3)), _nd_add, grad=True, symbolic=False),
]  # fmt: skip
