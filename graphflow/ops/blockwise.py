"""NumPy kernels of one operand that work through an array block by block.

A formula of many steps would otherwise make many whole-array temporaries; here they stay in the cache and
their size is bounded. Blocks are converted to the dtype that the formula is written for, and back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from graphflow.types import TensorType

__all__ = ["BLOCK", "Blockwise", "blockwise"]

BLOCK = 8192
"""Elements of a block: small enough that a formula's temporaries stay in the second-level cache."""


def blockwise(x: Any, out: Any, function: Callable[[Any], Any], dtype: Any = np.float64) -> None:
    """Write `function(block)` for the blocks of `x`, as 1-D arrays of `dtype`, into `out` of the same shape."""
    blocks = np.nditer(
        [x, out],
        flags=["external_loop", "buffered", "zerosize_ok"],
        op_flags=[["readonly"], ["writeonly"]],
        op_dtypes=[dtype, dtype],
        casting="unsafe",
        buffersize=BLOCK,
    )
    with blocks:
        for source, target in blocks:
            target[...] = function(source)


class Blockwise:
    """The kernel of a special function: our own formula for NumPy, the library's for CuPy.

    double, single: functions of a float64 block; `single` serves float32 and narrower types.
    special_name: the name in `cupyx.scipy.special`.
    temporaries: how many float64 blocks `double` and `single` hold at most, measured; for the forecast.
    Attributes of the op are passed to the formula as keywords.
    """

    def __init__(
        self,
        special_name: str,
        double: Callable[..., Any],
        single: Callable[..., Any] | None = None,
        temporaries: tuple[float, float] = (16, 16),
    ) -> None:
        self.special_name = special_name
        self.double = double
        self.single = single or double
        self.temporaries = temporaries

    def __call__(self, xp: Any, x: Any, *, out: Any = None, **attrs: Any) -> Any:
        if xp.__name__ == "cupy":
            return self._on_gpu(xp, x, out, attrs)
        x = np.asarray(x)
        target = np.empty(x.shape, x.dtype) if out is None else out
        function = self.double if x.dtype == np.float64 else self.single
        blockwise(x, target, (lambda block: function(block, **attrs)) if attrs else function)
        return target if xp is np else xp.asarray(target)

    def _on_gpu(self, xp: Any, x: Any, out: Any, attrs: Mapping[str, Any]) -> Any:
        import cupyx.scipy.special

        function = getattr(cupyx.scipy.special, self.special_name)
        if out is not None and not attrs:
            return function(x, out=out)
        result = function(*attrs.values(), x).astype(x.dtype, copy=False)
        if out is None:
            return result
        xp.copyto(out, result)
        return out

    def workspace(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...], **attrs: Any) -> int:
        """Bytes of the temporaries of one block."""
        each = self.temporaries[0 if inputs[0].dtype == np.float64 else 1]
        elements = (outputs[0].nbytes or 0) // outputs[0].dtype.itemsize
        return 8192 + int(min(BLOCK, elements) * 8 * each)  # 8192: objects of Python's

    def __repr__(self) -> str:
        return f"Blockwise({self.special_name})"
