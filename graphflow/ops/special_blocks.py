"""How special functions are declared: kernels of several operands, block by block, and derivatives that are not known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphflow.errors import DTypeError, GraphflowError
from graphflow.graph import Tensor, make_node
from graphflow.op import Op, Trait, declare
from graphflow.ops.arguments import typed
from graphflow.ops.blockwise import BLOCK, Blockwise
from graphflow.ops.cast import cast
from graphflow.ops.constant import operands
from graphflow.ops.functional import hand_on, same_bytes
from graphflow.types import TensorType, broadcast_shapes, default_float, is_floating

__all__ = ["SeveralBlockwise", "common_reals", "no_gradient_beyond", "special"]


class SeveralBlockwise:
    """The kernel of a special function of several operands: our own formula for NumPy, the library's for CuPy.

    function: takes float64 blocks of one length, leaves them as they are, and gives a new one.
    special_name: the name in `cupyx.scipy.special`; None if it has none: the operands then go through the host.
    temporaries: how many float64 blocks `function` makes at most, whatever the elements are: measured where all but a
        few are on the branch that makes most; for the forecast.
    """

    def __init__(self, special_name: str | None, function: Callable[..., Any], temporaries: float) -> None:
        self.special_name = special_name
        self.function = function
        self.temporaries = temporaries

    def __call__(self, xp: Any, *arrays: Any, out: Any = None) -> Any:
        if xp.__name__ == "cupy":
            return self._on_gpu(xp, arrays, out)
        host = [np.asarray(x) for x in arrays]
        target = (
            np.empty(np.broadcast_shapes(*[x.shape for x in host]), host[0].dtype) if out is None else out
        )
        self._fill(host, target)
        return target if xp is np else xp.asarray(target)

    def _fill(self, arrays: list[Any], target: Any) -> None:
        flags: list[Any] = [*[["readonly"]] * len(arrays), ["writeonly"]]
        blocks = np.nditer(
            [*arrays, target],
            flags=["external_loop", "buffered", "zerosize_ok"],
            op_flags=flags,
            op_dtypes=[np.float64] * (len(arrays) + 1),
            casting="unsafe",
            buffersize=BLOCK,
        )
        with blocks:
            for *sources, result in blocks:
                result[...] = self.function(*sources)

    def _on_gpu(self, xp: Any, arrays: tuple[Any, ...], out: Any) -> Any:
        dtype = arrays[0].dtype
        if self.special_name is None:
            host = [x.get() for x in arrays]
            target = np.empty(np.broadcast_shapes(*[x.shape for x in host]), dtype)
            self._fill(host, target)
            result = xp.asarray(target)
        else:
            import cupyx.scipy.special

            result = getattr(cupyx.scipy.special, self.special_name)(*arrays).astype(dtype, copy=False)
        if out is None:
            return result
        xp.copyto(out, result)
        return out

    def workspace(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...], **attrs: Any) -> int:
        """Bytes of one block's temporaries on the worst branch, and of its copies: converted, strided, broadcast."""
        copies = len(inputs) + (outputs[0].dtype != np.float64)
        elements = (outputs[0].nbytes or 0) // outputs[0].dtype.itemsize
        return 16384 + int(min(BLOCK, elements) * 8 * (self.temporaries + copies))

    def __repr__(self) -> str:
        return f"SeveralBlockwise({self.function.__name__})"


# --- declarations ---------------------------------------------------------------------------------


def special(
    name: str,
    kernel: Blockwise | SeveralBlockwise,
    vjp: Callable[..., Any] | None,
    *,
    flops_each: int,
    doc: str,
) -> Op:
    """Declare a special function of one operand or several broadcast ones.

    Not ELEMENTWISE: code generators know no such function, and its cost hides that of the calls around it.
    """
    return declare(
        Op(
            name,
            _broadcast,
            kernel,
            vjp,
            Trait.OUT | Trait.INPLACE,
            flops=lambda inputs, outputs: flops_each * int(outputs[0].size),
            workspace=kernel.workspace,
            default_name="".join(part.capitalize() for part in name.split("_")),
            doc=doc,
        )
    )


def _broadcast(*operands: TensorType) -> TensorType:
    return typed(operands[0].dtype, broadcast_shapes(*[t.dims for t in operands]))


def common_reals(op: str, *values: Any) -> list[Tensor]:
    """Operands in one real floating dtype; integers become the default float. Raises DTypeError, naming `op`."""
    try:
        tensors = operands(*values)
    except GraphflowError as error:
        raise type(error)(f"{op}: {error}") from error.__cause__
    dtype = tensors[0].type.dtype
    if dtype.kind == "c":
        raise DTypeError(f"{op}: the operands are complex, but {op} is defined for real numbers only")
    return tensors if is_floating(dtype) else [cast(t, default_float()) for t in tensors]


# --- where a derivative is not known --------------------------------------------------------------

NO_GRADIENT_BEYOND = declare(
    Op(
        "no_gradient_beyond",
        lambda x: x,
        hand_on,
        None,
        Trait.OUT,
        flops=lambda inputs, outputs: 0,
        view=same_bytes,
        no_gradient="its purpose: the derivative asked for is not known",
        doc="The same value; a gradient that would flow through it is an error.",
    )
)


def no_gradient_beyond(x: Tensor, what: str) -> Tensor:
    """`x`, through which no gradient can be asked for: a GradientError names the node, which is called `what`.

    For operands by which a function has no derivative in closed form, so that the others keep theirs. The function's
    own rule gives zeros for it.
    """
    return make_node(NO_GRADIENT_BEYOND, (x,), {}, what).outputs[0]
