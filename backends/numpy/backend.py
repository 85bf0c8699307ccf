"""NumPy on the CPU: arenas are plain arrays, kernels are bound to them once and called in a loop."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from graphflow.backends.base import Backend, Call, DeviceInfo, has_trait
from graphflow.backends.numpy.blas import libraries, matmul, mkl
from graphflow.backends.numpy.kernels import bind, ufunc_of
from graphflow.backends.numpy.threads import SEQUENTIAL_BLAS
from graphflow.backends.numpy.workers import cores
from graphflow.op import Op, Trait
from graphflow.ops.fused import FUSED
from graphflow.program import Program

__all__ = ["NumpyBackend"]

ALIGNMENT = 64


class NumpyBackend(Backend):
    """The CPU through NumPy. Serves `"numpy"`, and `"cpu"` until a compiled backend does."""

    name = "numpy"
    kinds: tuple[str, ...] = ("cpu", "numpy")
    xp = np

    @classmethod
    def devices(cls) -> list[DeviceInfo]:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else None
        named = libraries()
        detail = f"NumPy {np.__version__}, {os.cpu_count()} cores"
        compiled = f"{detail}; served by the numpy backend: the compiled backend is not installed"
        return [
            DeviceInfo("cpu:0", "numpy", True, compiled, memory, named),
            DeviceInfo("numpy:0", "numpy", True, detail, memory, named),
        ]

    def allocate(self, nbytes: int) -> np.ndarray[Any, Any]:
        raw = np.empty(nbytes + ALIGNMENT, np.uint8)
        start = -raw.ctypes.data % ALIGNMENT
        return raw[start : start + nbytes]

    def view(self, memory: Any, offset: int, dtype: np.dtype[Any], shape: Sequence[int]) -> Any:
        if offset < 0:  # NumPy checks the end alone
            raise ValueError(f"a view of {memory.nbytes} bytes begins at byte {offset}, before them")
        return np.ndarray(shape, dtype, memory, offset)

    def from_host(self, value: np.ndarray[Any, Any]) -> Any:
        return np.array(value, order="C")

    def to_host(self, value: Any) -> np.ndarray[Any, Any]:
        return np.array(value, order="C")

    def function(self, op: Op, attrs: Mapping[str, Any]) -> Callable[..., Any]:
        if op is FUSED:
            from graphflow.backends.numpy.clusters import Cluster  # most programs have none

            return Cluster(attrs["body"])
        kernel = super().function(op, attrs)
        return matmul(kernel) if op.name == "matmul" else kernel

    def call(self, op: Op, attrs: Mapping[str, Any], inputs: tuple[Any, ...], out: Any) -> Call:
        return bind(op, attrs, inputs, out) or super().call(op, attrs, inputs, out)

    def direct(self, op: Op) -> Callable[..., Any] | None:
        return ufunc_of(op) if type(self).call is NumpyBackend.call else None

    def workers(self) -> int:
        return cores()

    def cluster_kinds(self) -> frozenset[str]:
        kinds = frozenset(["map", "fold", "view"])
        # MKL's bits depend on where in memory its operands begin
        return kinds if mkl() is not None else kinds | {"product"}

    def scope(self, program: Program) -> AbstractContextManager[None] | None:
        return SEQUENTIAL_BLAS if has_trait(program, Trait.BLAS) else None
