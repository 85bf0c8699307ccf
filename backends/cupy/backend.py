"""CUDA through CuPy: arenas and variables stay on the GPU, kernels are the ops' own with `xp=cupy`.

Only `transfer` instructions move values between host and GPU: at feeds, at fetches and where
devices meet. Everything is launched on CuPy's current stream, in the program's order, so that a
copy to the host waits for the kernels before it. `load` is where a plan over several streams or a
captured CUDA graph comes in: arenas have fixed addresses already, which is what both need.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import numpy as np

from graphflow.backends.base import Backend, Call, DeviceInfo
from graphflow.backends.cupy.kernels import KERNELS, namespace
from graphflow.backends.cupy.wheel import device_rows, import_cupy
from graphflow.errors import BackendError, MemoryLimitError
from graphflow.op import Op
from graphflow.ops.ufunc import Ufunc
from graphflow.program import Program

__all__ = ["CupyBackend"]


class CupyBackend(Backend):
    """One GPU, through CuPy. Serves `"gpu:N"`.

    Raises BackendError where CuPy does not import or the GPU cannot run a first, tiny kernel.
    """

    name = "cupy"
    kinds = ("gpu",)

    def __init__(self, index: int = 0) -> None:
        super().__init__(index)
        self._cupy = import_cupy()
        self.xp = namespace(self._cupy)
        self._has_bfloat16 = int(self._cupy.__version__.partition(".")[0]) >= 14
        self._is_alone = self._cupy.cuda.runtime.getDeviceCount() == 1
        self._run_first_kernel()

    @classmethod
    def devices(cls) -> list[DeviceInfo]:
        return device_rows(cls.name)

    def _run_first_kernel(self) -> None:
        """Find out now, and not at some node, whether CUDA's compiler and libraries are there."""
        try:
            with self._device():
                (self._cupy.zeros(1, np.float32) + 1).get()
        except Exception as error:  # of any kind: RuntimeError, ImportError, CompileException
            raise BackendError(
                f"device 'gpu:{self.index}' cannot run kernels ({type(error).__name__}: {error}); CuPy needs the "
                "libraries of a CUDA toolkit: install one, or add them with pip install 'cupy-cuda12x[ctk]' "
                "(cupy-cuda13x[ctk] for CUDA 13)"
            ) from error

    # --- memory ---

    def allocate(self, nbytes: int) -> Any:
        try:
            with self._device():
                return self._cupy.cuda.alloc(nbytes)
        except MemoryError as error:
            free, total = self._cupy.cuda.runtime.memGetInfo()
            raise MemoryLimitError(
                f"gpu:{self.index}: {nbytes} bytes do not fit: {free} of {total} bytes are free"
            ) from error

    def view(self, memory: Any, offset: int, dtype: np.dtype[Any], shape: Sequence[int]) -> Any:
        return self._cupy.ndarray(tuple(shape), self._storable(dtype), memory + offset)

    def from_host(self, value: np.ndarray[Any, Any]) -> Any:
        self._storable(value.dtype)
        with self._device():
            return self._cupy.array(value, order="C")

    def to_host(self, value: Any) -> np.ndarray[Any, Any]:
        with self._device():
            return value.get(order="C")  # type: ignore[no-any-return]

    def copy_into(self, target: Any, source: Any) -> None:
        with self._device():
            self._cupy.copyto(target, source, casting="unsafe")

    def contiguous(self, value: Any) -> Any:
        if value.flags.c_contiguous:
            return value
        with self._device():
            return value.copy(order="C")

    def _storable(self, dtype: np.dtype[Any]) -> np.dtype[Any]:
        if dtype.name == "bfloat16" and not self._has_bfloat16:
            raise BackendError(
                f"CuPy {self._cupy.__version__} has no bfloat16 (version 14 has): cast to float32 or float16 before "
                f"gpu:{self.index}, or keep these nodes on the CPU"
            )
        return dtype

    def copy(self, value: Any) -> Any:
        with self._device():
            return value.copy(order="C")

    def store(self, target: Any, source: Any) -> Call:
        function, arguments = super().store(target, source)
        return self._here(function), arguments

    def advance(self, counter: Any) -> Call:
        function, arguments = super().advance(counter)
        return self._here(function), arguments

    # --- kernels ---

    def function(self, op: Op, attrs: Mapping[str, Any]) -> Callable[..., Any]:
        kernel = KERNELS.get(op.name, op.kernel)
        if kernel is None:
            raise BackendError(f"op {op.name!r} has no kernel on backend {self.name!r}")
        return self._here(partial(kernel, self.xp, **attrs))

    def call(self, op: Op, attrs: Mapping[str, Any], inputs: tuple[Any, ...], out: Any) -> Call:
        if isinstance(op.kernel, Ufunc) and op.name not in KERNELS:
            return self._here(partial(op.kernel.of(self.xp), out=out)), inputs
        return super().call(op, attrs, inputs, out)

    def _here(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function` run with this GPU as the current one; itself where there is no other."""
        if self._is_alone:
            return function

        def on_this_device(*args: Any, **kwargs: Any) -> Any:
            with self._device():
                return function(*args, **kwargs)

        return on_this_device

    # --- control ---

    def scope(self, program: Program) -> AbstractContextManager[Any] | None:
        return None if self._is_alone else self._device()

    def _device(self) -> Any:
        return self._cupy.cuda.Device(self.index)

    def synchronize(self) -> None:
        self._device().synchronize()

    def close(self) -> None:
        """Give CuPy's unused blocks back to CUDA. Arenas and variables are unused once nothing refers to them.

        What only reference cycles hold (programs with loops, tracebacks of errors) is collected first.
        """
        with self._device():
            pool = self._cupy.get_default_memory_pool()
            if pool.used_bytes():
                gc.collect()
            pool.free_all_blocks()
            self._cupy.get_default_pinned_memory_pool().free_all_blocks()
