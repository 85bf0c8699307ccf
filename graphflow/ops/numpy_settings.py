"""NumPy's own settings while kernels run, and the buffers that its iterator takes under them.

Where no one stride leads through an operand, or its elements are converted, NumPy hands a loop copies of some elements
at a time: 8192, if it is not told otherwise, so up to 400 KiB that no one asked for. Copies of 1024 cost no time
(measured: sums and differences along short rows, conversions) and are little beside what a plan counts.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from graphflow.types import TensorType

__all__ = [
    "BUFFER",
    "broadcast_nbytes",
    "buffers_nbytes",
    "fold_nbytes",
    "kernel_settings",
    "set_for_kernels",
]

BUFFER = 1024
"""Elements that a buffer has at most."""


def set_for_kernels() -> None:
    """In this context no kernel warns of what floating point does, and buffers are small."""
    np.seterr(all="ignore")
    np.setbufsize(BUFFER)


@contextlib.contextmanager
def kernel_settings() -> Iterator[None]:
    """The settings under which kernels run, so that they give the same bits wherever they are called."""
    with np.errstate():  # sets the size of buffers back too
        set_for_kernels()
        yield


def buffers_nbytes(elements: Any, *dtypes: np.dtype[Any]) -> int:
    """The most that the buffers of one call take. dtypes: of the operands that may be copied."""
    return min(int(elements), BUFFER) * sum([dtype.itemsize for dtype in dtypes])


def broadcast_nbytes(inputs: Sequence[TensorType], outputs: Sequence[TensorType], **attrs: Any) -> int:
    """The `workspace` rule of an elementwise call: buffers where an operand that is no scalar is broadcast."""
    made = outputs[0]
    shape = made.shape
    for t in inputs:
        if t.shape != shape and t.shape:
            return buffers_nbytes(made.size, *[x.dtype for x in inputs], made.dtype)
    return 0


def fold_nbytes(x: TensorType, accumulator: np.dtype[Any], made: np.dtype[Any]) -> int:
    """Of a ufunc's `reduce` in a dtype of its own, into an array of the dtype `made`."""
    converted = [accumulator for dtype in (x.dtype, made) if dtype != accumulator]
    return buffers_nbytes(x.size, *converted)
