"""A stand-in for libmkl_rt: its few functions, in NumPy, over the same pointers, sizes and strides."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["FakeLibrary"]

VERSION = (
    b"Intel(R) oneAPI Math Kernel Library Version 2026.2-Product Build 20260915 for Intel(R) 64 architecture"
)
_DTYPES = {"s": np.float32, "d": np.float64, "c": np.complex64, "z": np.complex128}


class FakeLibrary:
    """What `ctypes.CDLL` gives. calls: names of the functions called, with what they were told.

    missing: a name that this build of the library does not have.
    """

    def __init__(self, missing: str = "") -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.missing = missing
        for letter, dtype in _DTYPES.items():
            setattr(self, f"cblas_{letter}gemm_64", self._single(letter, dtype))
            setattr(self, f"cblas_{letter}gemm_batch_strided_64", self._batch(letter, dtype))

    def __getattribute__(self, name: str) -> Any:
        if name == object.__getattribute__(self, "__dict__").get("missing"):
            raise AttributeError(f"undefined symbol: {name}")
        return object.__getattribute__(self, name)

    def MKL_Set_Threading_Layer(self, layer: int) -> int:
        self.calls.append(("layer", layer))
        return layer

    def MKL_CBWR_Set(self, mode: int) -> int:
        self.calls.append(("cbwr", mode))
        return 0

    def MKL_Set_Num_Threads_Local(self, n: int) -> int:
        self.calls.append(("threads", n))
        return 0

    def MKL_Get_Max_Threads(self) -> int:
        return 1

    def MKL_Get_Version_String(self, buffer: Any, length: int) -> None:
        buffer.value = VERSION[: length - 1]

    def _single(self, letter: str, dtype: Any) -> Callable[..., None]:
        def gemm(
            order: Any, ta: Any, tb: Any, m: Any, n: Any, k: Any, alpha: Any, a: Any, lda: Any, b: Any, ldb: Any,
            beta: Any, c: Any, ldc: Any,
        ) -> None:  # fmt: skip
            self.calls.append((f"{letter}gemm", m.value, n.value, k.value))
            assert order.value == 101
            assert (_scalar(alpha), _scalar(beta)) == (1, 0)
            left = _matrix(a.value, dtype, m.value, k.value, lda.value, ta.value)
            right = _matrix(b.value, dtype, k.value, n.value, ldb.value, tb.value)
            _matrix(c.value, dtype, m.value, n.value, ldc.value, 111)[...] = left @ right

        return gemm

    def _batch(self, letter: str, dtype: Any) -> Callable[..., None]:
        def gemm(
            order: Any, ta: Any, tb: Any, m: Any, n: Any, k: Any, alpha: Any, a: Any, lda: Any, sa: Any, b: Any,
            ldb: Any, sb: Any, beta: Any, c: Any, ldc: Any, sc: Any, size: Any,
        ) -> None:  # fmt: skip
            self.calls.append((f"{letter}gemm_batch", m.value, n.value, k.value, size.value))
            single = self._single(letter, dtype)
            each = np.dtype(dtype).itemsize
            for i in range(size.value):
                pa, pb, pc = (
                    ctypes.c_void_p(p.value + i * s.value * each) for p, s in ((a, sa), (b, sb), (c, sc))
                )
                single(order, ta, tb, m, n, k, alpha, pa, lda, pb, ldb, beta, pc, ldc)

        return gemm


def _scalar(value: Any) -> complex:
    return complex(*value.contents) if hasattr(value, "contents") else value.value


def _matrix(address: int, dtype: Any, rows: int, columns: int, lead: int, flag: int) -> Any:
    """A view of memory as BLAS understands it."""
    if flag == 112:
        return _matrix(address, dtype, columns, rows, lead, 111).T
    assert lead >= columns
    each = np.dtype(dtype).itemsize
    raw = (ctypes.c_char * (((rows - 1) * lead + columns) * each)).from_address(address)
    return np.ndarray((rows, columns), dtype, raw, 0, (lead * each, each))
