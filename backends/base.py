"""The protocol of a backend: a name, its devices, and a few verbs over arrays.

The runtime makes a loop over kernels from these verbs. A backend that has something better for
a whole program (one compiled function, a captured graph) overrides `load`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from operator import setitem
from typing import Any

import numpy as np

from graphflow.errors import BackendError
from graphflow.op import Op, Trait
from graphflow.ops.fused import FUSED
from graphflow.program import Program

__all__ = ["THREADS", "Backend", "Call", "DeviceInfo", "has_trait"]

Call = tuple[Callable[..., Any], tuple[Any, ...]]
"""A kernel with its arguments bound: run by `function(*arguments)`."""


THREADS: ContextVar[int | None] = ContextVar("graphflow_threads", default=None)
"""How many threads a call may use, the caller's own included; None for one a core."""


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """One row of `gf.list_devices()`.

    name: `"cpu:0"`. backend: which backend serves it. available: whether it can be used now.
    detail: what it is; or what is missing and which extra installs it. memory_nbytes: in all, or None.
    libraries: matrix libraries with version and thread count.
    """

    name: str
    backend: str
    available: bool
    detail: str
    memory_nbytes: int | None = None
    libraries: tuple[str, ...] = field(default=())

    def __str__(self) -> str:
        words = "; ".join((self.detail, *self.libraries))
        return f"{self.name:8} {self.backend:8} {'ok' if self.available else 'missing':8} {words}"


class Backend:
    """Base of all backends: override what differs from NumPy's way.

    name: what `gf.device` is told. kinds: the device names it serves (`("gpu",)`).
    xp: the array module its kernels get. alignment: of arena offsets, in bytes.
    A backend instance serves one device: `Backend(index)`.
    """

    name = "base"
    kinds: tuple[str, ...] = ()
    xp: Any = None

    def __init__(self, index: int = 0) -> None:
        self.index = index

    @classmethod
    def devices(cls) -> list[DeviceInfo]:
        """The devices that this backend serves or could serve."""
        raise BackendError(f"backend {cls.name!r} does not say which devices it has")

    # --- memory ---

    def allocate(self, nbytes: int) -> Any:
        """Uninitialised bytes, aligned to 64."""
        raise BackendError(f"backend {self.name!r} cannot allocate")

    def view(self, memory: Any, offset: int, dtype: np.dtype[Any], shape: Sequence[int]) -> Any:
        """A C-contiguous array over bytes of `allocate`."""
        raise BackendError(f"backend {self.name!r} cannot view memory")

    def empty(self, dtype: np.dtype[Any], shape: Sequence[int]) -> Any:
        """An array of its own."""
        return self.view(
            self.allocate(max(1, int(np.prod(shape, dtype=object)) * dtype.itemsize)), 0, dtype, shape
        )

    def from_host(self, value: np.ndarray[Any, Any]) -> Any:
        """A copy of a NumPy array on this device."""
        raise BackendError(f"backend {self.name!r} cannot copy from the host")

    def to_host(self, value: Any) -> np.ndarray[Any, Any]:
        """A copy of a device array as a NumPy array; waits for the kernels that make it."""
        raise BackendError(f"backend {self.name!r} cannot copy to the host")

    def copy_into(self, target: Any, source: Any) -> None:
        """Fill a device array from another of this device, converting the dtype."""
        self.xp.copyto(target, source)

    def contiguous(self, value: Any) -> Any:
        """`value` itself, or a C-contiguous copy."""
        return self.xp.ascontiguousarray(value) if value.ndim else self.xp.asarray(value)

    def copy(self, value: Any) -> Any:
        """A new C-contiguous array equal to `value`."""
        return self.xp.array(value, order="C")

    def store(self, target: Any, source: Any) -> Call:
        """The call that fills `target` from `source`, of one type, at a commit: no Python in it may be interrupted."""
        return setitem, (target, ..., source)

    def advance(self, counter: Any) -> Call:
        """The call that adds one to an int64[] of this device at a commit: see `store`."""
        return self.xp.add, (counter, 1, counter)

    # --- kernels ---

    def function(self, op: Op, attrs: Mapping[str, Any]) -> Callable[..., Any]:
        """The kernel of an op with its attributes bound: `f(*inputs)` or `f(*inputs, out=array)`."""
        if op.kernel is None:
            raise BackendError(f"op {op.name!r} has no kernel on backend {self.name!r}")
        return partial(op.kernel, self.xp, **attrs)

    def call(self, op: Op, attrs: Mapping[str, Any], inputs: tuple[Any, ...], out: Any) -> Call:
        """A kernel bound to fixed arrays, writing `out`."""
        return partial(self.function(op, attrs), out=out), inputs

    def direct(self, op: Op) -> Callable[..., Any] | None:
        """`f` where `call` gives `f, (*inputs, out)` whatever the arrays are, else None: new sizes then cost less."""
        return None

    def workers(self) -> int:
        """How many threads can share work on this device: lanes, and the blocks of a cluster."""
        return 1

    def cluster_kinds(self) -> frozenset[str]:
        """What may be in a cluster, as in `ops.fused.Step.kind`; empty where running by blocks gains nothing."""
        return frozenset()

    # --- control ---

    def scope(self, program: Program) -> AbstractContextManager[Any] | None:
        """What each run of a program with nodes on this device enters, the same every time; None for nothing."""
        return None

    def synchronize(self) -> None:
        """Wait until everything launched has finished."""

    def close(self) -> None:
        """Give memory back."""

    def load(self, program: Program, store: Any) -> Any:
        """An executable for a whole program that runs on this device alone, or None for the runtime's loop."""
        return None


def has_trait(program: Program, trait: Trait) -> bool:
    """Whether an instruction of the program, or of a control-flow body in it, has a trait."""
    stack = [program]
    while stack:
        ops: set[Op] = set()
        for i in stack.pop().instructions:
            if i.op is FUSED:
                ops.update([s.op for s in i.attrs["body"].steps])
            else:
                ops.add(i.op)
            if i.bodies:
                stack.extend(i.bodies)
        if any(op.traits & trait for op in ops):
            return True
    return False
