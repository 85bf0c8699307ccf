"""Values put aside for a while and brought back; placed by the planner to keep a memory limit, never by users."""

from __future__ import annotations

import mmap
import tempfile
from typing import Any

import numpy as np

from graphflow.errors import MemoryLimitError
from graphflow.op import Op, Trait, declare
from graphflow.ops.views import put

__all__ = ["RESTORE", "SPILL"]


def _spill(xp: Any, x: Any, *, to: str) -> Any:
    """x as it is in host memory, or as an array over an unnamed temporary file, which goes when the array does."""
    if to == "host" or not x.nbytes:
        return x
    data = np.ascontiguousarray(x).reshape(-1).view(np.uint8)
    try:
        with tempfile.TemporaryFile(prefix="graphflow-", buffering=0) as file:
            rest = data.data
            while rest:  # one call may write less than all
                rest = rest[file.write(rest) :]
            mapped = mmap.mmap(file.fileno(), data.nbytes, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:
        raise MemoryLimitError(
            f"{data.nbytes:,} bytes could not be put aside in a file in {tempfile.gettempdir()!r}: {error};"
            " the memory limit asks for it: make room there, name another folder in TMPDIR, or raise the limit"
        ) from error
    return np.frombuffer(mapped, x.dtype).reshape(x.shape)


SPILL = declare(
    Op(
        "spill",
        lambda x, *, to: x,
        _spill,
        lambda node, g: (g,),
        Trait.FALLIBLE,
        flops=lambda inputs, outputs, to: 0,
        doc="A value put aside: in a file that is mapped (`to='disk'`), or in the host's memory (`to='host'`).",
    )
)


def _restore(xp: Any, x: Any, *, out: Any = None) -> Any:
    result = put(xp, x, out)
    mapped = _mapping(x)
    if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)  # what was read stays in no memory of this process
    return result


def _mapping(x: Any) -> mmap.mmap | None:
    """The mapped file that an array shows, if it shows one."""
    base = x
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, memoryview):
        base = base.obj
    return base if isinstance(base, mmap.mmap) else None


RESTORE = declare(
    Op(
        "restore",
        lambda x: x,
        _restore,
        lambda node, g: (g,),
        Trait.OUT,
        flops=lambda inputs, outputs: 0,
        doc="What was put aside, in memory again.",
    )
)
