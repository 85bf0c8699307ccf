"""A whole backend in one page: device "toy", whose memory nothing else may touch, on a graph placed partly on it.

Its arrays are NumPy's, but to the rest of graphflow they are as far away as a GPU's.
"""

from __future__ import annotations

import types
from typing import Any

import numpy as np

import graphflow as gf
from graphflow.backends import Backend, DeviceInfo, backend_for, register


class ToyBackend(Backend):
    """One toy device. Arenas are bytearrays; bytes copied to and from the host are counted in `moved`."""

    name = "toys"  # what `gf.list_devices()` calls it
    kinds = ("toy",)  # what it serves: "toy", "toy:1" ...
    xp = types.SimpleNamespace(**vars(np))  # the array module that kernels get; np itself would mean the host

    def __init__(self, index: int = 0) -> None:
        super().__init__(index)
        self.moved = 0

    @classmethod
    def devices(cls) -> list[DeviceInfo]:
        return [DeviceInfo("toy:0", cls.name, available=True, detail="a toy, on the CPU")]

    def allocate(self, nbytes: int) -> Any:
        return bytearray(nbytes)

    def view(self, memory: Any, offset: int, dtype: np.dtype[Any], shape: Any) -> Any:
        return np.ndarray(shape, dtype, memory, offset)

    def from_host(self, value: Any) -> Any:
        self.moved += value.nbytes
        return np.array(value, order="C")

    to_host = from_host


if __name__ == "__main__":
    register(ToyBackend)
    x = gf.placeholder("float32", (3,), name="x")
    with gf.device("toy"):
        y = gf.exp(x) * 2.0
    print(gf.Session().run(gf.sum(y), {x: np.zeros(3, np.float32)}))
    toy: Any = backend_for("toy")
    print(toy.moved, "bytes moved: x and the constant there, y back")
