"""Values put aside for a while and brought back; placed by the planner to keep a memory limit, never by users.

In between there is a key: an array without elements, which takes no memory of the run and keeps what was put aside.
"""

from __future__ import annotations

import mmap
import tempfile
from typing import Any

import numpy as np

from graphflow.errors import MemoryLimitError, RunError
from graphflow.op import Op, Trait, declare
from graphflow.ops.views import put
from graphflow.types import SUPPORTED, TensorType

__all__ = ["RESTORE", "SPILL"]

_KEY = TensorType(SUPPORTED["uint8"], (0,))


def _spill(xp: Any, x: Any) -> Any:
    """The key to an unnamed temporary file, which goes when the key does."""
    data = np.ascontiguousarray(x)
    if not data.nbytes:
        return np.empty((0,), np.uint8)
    try:
        with tempfile.TemporaryFile(prefix="graphflow-", buffering=0) as file:
            rest = data.reshape(-1).view(np.uint8).data
            while rest:  # one call may write less than all
                rest = rest[file.write(rest) :]
            return np.ndarray((0,), np.uint8, mmap.mmap(file.fileno(), data.nbytes, access=mmap.ACCESS_READ))
    except (OSError, ValueError) as error:
        raise MemoryLimitError(
            f"{data.nbytes:,} bytes could not be put aside in a file in {tempfile.gettempdir()!r}: {error};"
            " the memory limit asks for it: make room there, name another folder in TMPDIR, or raise the limit"
        ) from error


SPILL = declare(
    Op(
        "spill",
        lambda x: _KEY,
        _spill,
        no_gradient="the planner places it, after all gradients are built",
        traits=Trait.FALLIBLE,
        flops=lambda inputs, outputs: 0,
        doc="A value of the host put aside in a file; gives its key.",
    )
)


def _restore(xp: Any, key: Any, *, dtype: np.dtype[Any], shape: Any, out: Any = None) -> Any:
    if 0 in shape:
        return put(np, np.empty(shape, dtype), out)
    kept = key
    while isinstance(kept, np.ndarray):
        kept = kept.base
    if not isinstance(kept, mmap.mmap):
        raise RunError(
            "the key of a value that was put aside was copied: only the key itself leads to the value"
        )
    result = put(np, np.ndarray(shape, dtype, kept), out)
    if hasattr(mmap, "MADV_DONTNEED"):
        kept.madvise(mmap.MADV_DONTNEED)  # what was read stays in no memory of this process
    return result


RESTORE = declare(
    Op(
        "restore",
        lambda key, *, dtype, shape: TensorType(dtype, shape),
        _restore,
        no_gradient="the planner places it, after all gradients are built",
        traits=Trait.OUT,
        flops=lambda inputs, outputs, **attrs: 0,
        doc="What was put aside under a key, in memory again.",
    )
)
