"""Samples of what the Array API asks for beyond the ops of the other tables: computed ranges, asarray, devices."""

from __future__ import annotations

from typing import Any

import numpy as np

import graphflow as gf
from graphflow.ops.interchange import asarray, from_dlpack, to_device
from tests.ops.table import Sample, array

M = array(3, 4)
N = np.array(7)


def _range(name: str, build: Any, inputs: tuple[Any, ...], reference: Any, **options: Any) -> Sample:
    return Sample(f"computed-range-{name}", build, inputs, reference, **options)


def _floats(start: float, stop: float, step: float) -> Any:
    return start + step * np.arange(int(np.ceil((stop - start) / step)))


SAMPLES: list[Sample] = [
    _range("stop", lambda n: gf.arange(n), (N,), lambda n: np.arange(7)),
    _range("both", lambda a, n: gf.arange(a, n, 2), (np.array(-3), N), lambda a, n: np.arange(-3, 7, 2)),
    _range(
        "down",
        lambda a, n, s: gf.arange(a, n, s),
        (N, np.array(-2), np.array(-3)),
        lambda a, n, s: np.array([7, 4, 1]),
    ),
    _range("nothing", lambda n: gf.arange(n, 0), (N,), lambda n: np.zeros(0, np.int64)),
    _range("int32", lambda n: gf.arange(n), (np.int32(4),), lambda n: np.arange(4, dtype=np.int32)),
    _range("int8", lambda n: gf.arange(n, dtype="int8"), (N,), lambda n: np.arange(7, dtype=np.int8)),
    _range(
        "uint64",
        lambda n: gf.arange(n, n + 2),
        (np.array(2**63, np.uint64),),
        lambda n: np.array([2**63, 2**63 + 1], np.uint64),
    ),
    _range(
        "as-float", lambda n: gf.arange(n, dtype="float32"), (N,), lambda n: np.arange(7, dtype=np.float32)
    ),
    _range(
        "float",
        lambda a, s: gf.arange(a, 2.05, s),
        (np.array(0.3), np.array(0.5)),
        lambda a, s: _floats(0.3, 2.05, 0.5),
        grad=True,
    ),
    _range(
        "half",
        lambda n: gf.arange(0.0, n, 0.5),
        (np.array(2.0, np.float16),),
        lambda n: np.array([0.0, 0.5, 1.0, 1.5], np.float16),
    ),
    _range(
        "many", lambda n: gf.sum(gf.arange(n, dtype="float32")), (np.array(20_000),), lambda n: 199990000.0
    ),
    Sample(
        "computed-repeat",
        lambda x, n: gf.repeat(x, n, axis=1),
        (M, np.array([2, 0, 1, 3])),
        lambda x, n: np.repeat(x, n, axis=1),
        grad=True,
    ),
    Sample(
        "computed-repeat-one",
        lambda x, n: gf.repeat(x, n, axis=-2),
        (M, np.array(2, np.int8)),
        lambda x, n: np.repeat(x, 2, axis=0),
        grad=True,
    ),
    Sample(
        "computed-repeat-flat", lambda x, n: gf.repeat(x, n), (M, np.array([2])), lambda x, n: np.repeat(x, 2)
    ),
    Sample(
        "computed-repeat-nothing",
        lambda x, n: gf.repeat(x, n, axis=0),
        (np.zeros((0, 2)), np.zeros(0, np.int64)),
        lambda x, n: np.zeros((0, 2)),
    ),
    Sample("asarray-itself", lambda x: asarray(x), (M,), lambda x: x, grad=True),
    Sample("asarray-copy", lambda x: asarray(x, copy=True), (M,), lambda x: x, grad=True),
    Sample("asarray-dtype", lambda x: asarray(x, dtype="float32"), (M,), lambda x: x.astype(np.float32)),
    Sample("asarray-nest", lambda x: asarray([x, x]), (M,), lambda x: np.stack([x, x]), grad=True),
    Sample(
        "asarray-nest-dtype",
        lambda x: asarray([x[0, 0], 2], dtype="complex128"),
        (M,),
        lambda x: np.array([x[0, 0], 2], np.complex128),
    ),
    Sample("asarray-device", lambda x: asarray(x, device="cpu"), (M,), lambda x: x, grad=True),
    Sample("from-dlpack", lambda x: from_dlpack(x), (M,), lambda x: x, grad=True),
    Sample("from-dlpack-array", lambda: from_dlpack(M), (), lambda: M),
    Sample("to-device", lambda x: to_device(x, "cpu:0"), (M,), lambda x: x, grad=True),
    Sample("method-to-device", lambda x: x.to_device("/cpu:0"), (M,), lambda x: x),
]
