"""One sample on two devices: what must be equal, and how closely."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

import graphflow as gf
from graphflow.types import is_floating
from tests.ops.table import Sample

__all__ = ["assert_agrees", "run_on"]

ULPS = 64
"""Units in the last place, relative to the largest element, by which devices may differ: sums have another order."""

_EPS = {"float16": 2.0**-10, "bfloat16": 2.0**-7, "float32": 2.0**-23, "complex64": 2.0**-23}


def run_on(sample: Sample, device: str) -> list[Any]:
    """The outputs of a sample on a device, from a fresh graph with the sample's own seed."""
    with gf.Graph().as_default():
        gf.random.set_seed(zlib.crc32(sample.name.encode()))
        placeholders = [gf.placeholder(np.asarray(x).dtype, np.shape(x)) for x in sample.inputs]
        made = sample.build(*placeholders)
        outputs = list(made) if isinstance(made, (tuple, list)) else [made]
        with gf.Session(device=device) as session:
            results: list[Any] = session.run(outputs, dict(zip(placeholders, sample.inputs, strict=True)))
        return results


def assert_agrees(sample: Sample, results: Sequence[Any], expected: Sequence[Any]) -> None:
    """Results of a device against those of the CPU.

    Integers, bools and uniform draws are equal; floats within `ULPS`, or the sample's own tolerance.
    """
    if sample.check is not None:
        sample.check(*results, *sample.inputs)
    for result, want in zip(results, expected, strict=True):
        assert result.dtype == want.dtype
        assert result.shape == want.shape
        if not is_floating(want.dtype) or "uniform" in sample.tags:
            np.testing.assert_array_equal(result, want)
        elif sample.check is None:
            wide = np.complex128 if want.dtype.kind == "c" else np.float64
            left, right = result.astype(wide), want.astype(wide)
            finite = np.abs(right[np.isfinite(right)])
            eps = ULPS * _EPS.get(want.dtype.name, 2.0**-52)
            scale = float(np.max(finite, initial=0.0))
            np.testing.assert_allclose(
                left, right, rtol=max(eps, sample.rtol), atol=max(eps * scale, sample.atol), equal_nan=True
            )
