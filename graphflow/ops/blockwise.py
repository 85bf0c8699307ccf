"""NumPy kernels of one operand that work through an array block by block.

A formula of many steps would otherwise make many whole-array temporaries; here they stay in the cache and
their size is bounded. Blocks are converted to the dtype that the formula is written for, and back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from graphflow.types import TensorType

__all__ = ["BLOCK", "Blockwise", "along_blocks", "blockwise"]

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


def along_blocks(
    arrays: Sequence[Any], out: Any, function: Callable[..., object], block: int = BLOCK
) -> None:
    """Call `function(*sources, target)` for the blocks of broadcast arrays and of `out`, all as 1-D arrays.

    out: of the broadcast shape; it may be the very array of one of the operands.
    """
    flags: list[Any] = [*[["readonly"]] * len(arrays), ["writeonly"]]
    blocks = np.nditer(
        [*arrays, out],
        flags=["external_loop", "buffered", "zerosize_ok"],
        op_flags=flags,
        buffersize=block,
    )
    with blocks:
        for parts in blocks:
            function(*parts)


class Blockwise:
    """The kernel of a special function: our own formula for NumPy, the library's for CuPy.

    double, single: functions of a float64 block; `single` serves float32 and narrower types.
    special_name: the name in `cupyx.scipy.special`.
    temporaries: how many float64 blocks `double` and `single` make at most, whatever the elements are: measured where
        all but a few are on the branch that makes most; for the forecast.
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
        """Bytes of one block's temporaries on the worst branch, and of its copies: in and out, or of strided elements."""
        double = inputs[0].dtype == np.float64
        each = self.temporaries[0] + 1 if double else self.temporaries[1] + 2
        elements = (outputs[0].nbytes or 0) // outputs[0].dtype.itemsize
        return 8192 + int(min(BLOCK, elements) * 8 * each)  # 8192: objects of Python's

    def __repr__(self) -> str:
        return f"Blockwise({self.special_name})"
