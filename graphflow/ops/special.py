"""Special functions: the error function and its kin, and the logarithm of the gamma function with its derivatives.

NumPy has none of them: `erf_kernels` and `gamma_kernels` hold the formulas, CuPy has its own library.
Integers become the default float; complex numbers are a DTypeError.
"""

from __future__ import annotations

import math
from typing import Any

from graphflow.errors import ArgumentError, shorten
from graphflow.graph import Tensor, make_node
from graphflow.op import F, Op, public
from graphflow.ops.blockwise import Blockwise
from graphflow.ops.erf_kernels import erf_double, erf_single, erfc_double, erfc_single, erfinv_double
from graphflow.ops.gamma_kernels import digamma_double, lgamma_double, polygamma_double
from graphflow.ops.ufunc import node1, reals, unary
from graphflow.types import TensorType, as_index

__all__ = ["digamma", "erf", "erfc", "erfinv", "lgamma", "polygamma"]

_SLOPE = 2 / math.sqrt(math.pi)


def _special(name: str, expr: str | None, vjp: Any, kernel: Blockwise, doc: str, flops_each: int) -> Op:
    return unary(name, expr, vjp, kernel=kernel, workspace=kernel.workspace, flops_each=flops_each, doc=doc)


def _gaussian(x: Tensor) -> Any:
    """The derivative of erf."""
    return F.exp(-F.square(x)) * _SLOPE


ERF = _special(
    "erf",
    "erf(x0)",
    lambda node, g: (g * _gaussian(node.inputs[0]),),
    Blockwise("erf", erf_double, erf_single, (13, 4.25)),
    "Error function.",
    30,
)
ERFC = _special(
    "erfc",
    "erfc(x0)",
    lambda node, g: (-g * _gaussian(node.inputs[0]),),
    Blockwise("erfc", erfc_double, erfc_single, (13, 3.25)),
    "One minus the error function.",
    40,
)
ERFINV = _special(
    "erfinv",
    "erfinv(x0)",
    lambda node, g: (g * F.exp(F.square(node.outputs[0])) / _SLOPE,),
    Blockwise("erfinv", erfinv_double, temporaries=(12, 12)),
    "Inverse of the error function.",
    60,
)
LGAMMA = _special(
    "lgamma",
    "lgamma(x0)",
    lambda node, g: (g * digamma(node.inputs[0]),),
    Blockwise("gammaln", lgamma_double, temporaries=(16, 16)),
    "Logarithm of the magnitude of the gamma function.",
    80,
)
DIGAMMA = _special(
    "digamma",
    "digamma(x0)",
    lambda node, g: (g * polygamma(1, node.inputs[0]),),
    Blockwise("digamma", digamma_double, temporaries=(14, 14)),
    "Derivative of lgamma.",
    60,
)


def _infer_polygamma(x: TensorType, *, n: int) -> TensorType:
    return x


_POLYGAMMA = Blockwise("polygamma", polygamma_double, temporaries=(12, 12))
POLYGAMMA = unary(
    "polygamma",
    "polygamma(n, x0)",
    lambda node, g: (g * polygamma(node.attrs["n"] + 1, node.inputs[0]),),
    kernel=_POLYGAMMA,
    workspace=_POLYGAMMA.workspace,
    infer=_infer_polygamma,
    flops_each=100,
    doc="Higher derivative of digamma.",
)


@public
def erf(x: Any, name: str | None = None) -> Tensor:
    """2/√π times the integral of exp(-t²) from 0 to `x`; 1 ULP on the CPU."""
    return node1(ERF, reals("erf", x), name)


@public
def erfc(x: Any, name: str | None = None) -> Tensor:
    """`1 - erf(x)` without cancellation, however small; 4 ULP on the CPU."""
    return node1(ERFC, reals("erfc", x), name)


@public
def erfinv(x: Any, name: str | None = None) -> Tensor:
    """The y with `erf(y) = x`: infinite at ±1, NaN outside."""
    return node1(ERFINV, reals("erfinv", x), name)


@public
def lgamma(x: Any, name: str | None = None) -> Tensor:
    """`log |Γ(x)|`: infinite at 0 and the negative integers."""
    return node1(LGAMMA, reals("lgamma", x), name)


@public
def digamma(x: Any, name: str | None = None) -> Tensor:
    """The derivative of `lgamma`: NaN at the negative integers."""
    return node1(DIGAMMA, reals("digamma", x), name)


@public
def polygamma(n: Any, x: Any, name: str | None = None) -> Tensor:
    """The n-th derivative of `digamma` for x > 0; NaN for x < 0.

    n: a Python int from 0 (digamma itself) to 100. Raises ArgumentError for another.
    """
    order = as_index(n, "polygamma: n")
    if not 0 <= order <= 100:
        raise ArgumentError(f"polygamma: n must be from 0 to 100, not {shorten(n)}")
    t = reals("polygamma", x)
    return digamma(t, name) if order == 0 else make_node(POLYGAMMA, (t,), {"n": order}, name).outputs[0]
