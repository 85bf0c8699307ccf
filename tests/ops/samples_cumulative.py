"""Samples of running sums and products, and of linear recurrences."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

import graphflow as gf
from tests.ops.table import Sample, array

A = array(2, 3, 4, seed=1)
M = array(3, 4, seed=2)
V = array(5, seed=3)
EMPTY = np.zeros((3, 0))
REVERSED = np.ascontiguousarray(M[::-1, ::-1])[::-1, ::-1]  # negative strides
HALVES = [np.float16, ml_dtypes.bfloat16]


def _wide(x: Any) -> Any:
    return x.astype({"b": np.int64, "i": np.int64, "u": np.uint64}.get(x.dtype.kind, np.float64))


def _running_samples() -> list[Sample]:
    samples = []
    for name, ufunc, initial in (("cumulative_sum", np.add, 0), ("cumulative_prod", np.multiply, 1)):
        function = getattr(gf, name)

        def reference(x: Any, axis: int, first: bool, ufunc: Any = ufunc, initial: int = initial) -> Any:
            y = ufunc.accumulate(_wide(x), axis=axis)
            if first:
                shape = list(y.shape)
                shape[axis] = 1
                y = np.concatenate([np.full(shape, initial, y.dtype), y], axis=axis)
            return y

        for label, x, axis in (
            ("vector", V, 0),
            ("first", M, 0),
            ("last", A, -1),
            ("empty", EMPTY, 1),
            ("strides", REVERSED, 1),
        ):
            samples += [
                Sample(
                    f"{name}-{label}{'-initial' if first else ''}",
                    lambda x, f=function, axis=axis, first=first: f(x, axis=axis, include_initial=first),
                    (x,),
                    lambda x, reference=reference, axis=axis, first=first: reference(x, axis, first),
                    grad=True,
                )
                for first in (False, True)
            ]
        samples.append(
            Sample(
                f"{name}-no-axis",
                function,
                (V,),
                lambda x, reference=reference: reference(x, 0, False),
                unranked=False,
            )
        )
        samples += [
            Sample(
                f"{name}-{np.dtype(dtype).name}",
                lambda x, f=function: f(x, axis=0),
                (array(3, 2, seed=8, low=1, high=3).astype(dtype),),
                lambda x, ufunc=ufunc: ufunc.accumulate(x if x.dtype.kind == "c" else _wide(x), axis=0),
            )
            for dtype in (np.int8, np.uint16, np.float32, np.complex128, *HALVES)
        ]
    for name, ufunc, initial in (("cumsum", np.add, 0), ("cumprod", np.multiply, 1)):
        for exclusive in (False, True):
            for backwards in (False, True):

                def tensorflow(
                    x: Any,
                    ufunc: Any = ufunc,
                    initial: int = initial,
                    e: bool = exclusive,
                    r: bool = backwards,
                ) -> Any:
                    y = x[:, ::-1] if r else x
                    y = ufunc.accumulate(y, axis=1)
                    if e:
                        y = np.concatenate([np.full((len(x), 1), initial, float), y[:, :-1]], axis=1)
                    return y[:, ::-1] if r else y

                samples += [
                    Sample(
                        f"{name}-{exclusive}-{backwards}-axis{axis}",
                        lambda x, n=name, e=exclusive, r=backwards, axis=axis: getattr(gf, n)(x, axis, e, r),
                        (M,),
                        tensorflow,
                        grad=True,
                    )
                    for axis in (1, -1)
                ]
    holes = np.array([[1.5, 0.0, 2.0, 0.5], [0.0, 0.0, 1.0, 3.0]])
    samples.append(
        Sample(
            "cumprod-zeros",
            lambda x: gf.cumprod(x, 1),
            (holes,),
            lambda x: np.multiply.accumulate(x, axis=1),
            grad=True,
        )
    )
    return samples


def _recurrence(a: Any, b: Any, axis: int, backwards: bool) -> Any:
    a, b = np.moveaxis(a, axis, 0), np.moveaxis(b, axis, 0)
    order = range(len(b))[::-1] if backwards else range(len(b))
    y = np.zeros_like(b)
    state = np.zeros(b.shape[1:])
    for k in order:
        state = y[k] = a[k] * state + b[k]
    return np.moveaxis(y, 0, axis)


SAMPLES: list[Sample] = [
    *_running_samples(),
    *[
        Sample(
            f"linear_recurrence-axis{axis}-{backwards}",
            lambda a, b, axis=axis, r=backwards: gf.linear_recurrence(a, b, axis, r),
            (array(3, 4, seed=9), array(3, 4, seed=10)),
            lambda a, b, axis=axis, r=backwards: _recurrence(a, b, axis, r),
            grad=True,
        )
        for axis in (0, 1, -1)
        for backwards in (False, True)
    ],
    Sample(
        "linear_recurrence-empty",
        gf.linear_recurrence,
        (np.zeros((0, 2)), np.zeros((0, 2))),
        lambda a, b: b,
        grad=True,
    ),
]
