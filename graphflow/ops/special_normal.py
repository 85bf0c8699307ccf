"""Functions of the normal distribution, the scaled complementary error function, and the logit."""

from __future__ import annotations

import math
from typing import Any

from graphflow.errors import ArgumentError
from graphflow.graph import Tensor, composition
from graphflow.op import F, public
from graphflow.ops.blockwise import Blockwise
from graphflow.ops.parameters import at_least_zero
from graphflow.ops.special_blocks import special
from graphflow.ops.special_normal_kernels import (
    erfcx_double,
    log_ndtr_double,
    logit_double,
    ndtr_double,
    ndtri_double,
)
from graphflow.ops.ufunc import node1, reals

__all__ = ["erfcx", "expit", "log_ndtr", "logit", "ndtr", "ndtri"]

_ROOT_HALF = math.sqrt(0.5)


def _density(x: Tensor) -> Any:
    """The normal density."""
    return F.exp(F.square(x) * -0.5) * (1 / math.sqrt(2 * math.pi))


ERFCX = special(
    "erfcx",
    Blockwise("erfcx", erfcx_double, temporaries=(18, 18)),
    lambda node, g: (g * (2 * node.inputs[0] * node.outputs[0] - 2 / math.sqrt(math.pi)),),
    flops_each=60,
    doc="exp(x²) erfc(x).",
)
NDTR = special(
    "ndtr",
    Blockwise("ndtr", ndtr_double, temporaries=(17.5, 17.5)),
    lambda node, g: (g * _density(node.inputs[0]),),
    flops_each=60,
    doc="The normal distribution function.",
)
LOG_NDTR = special(
    "log_ndtr",
    Blockwise("log_ndtr", log_ndtr_double, temporaries=(18.5, 18.5)),
    lambda node, g: (g * (math.sqrt(2 / math.pi) / erfcx(node.inputs[0] * -_ROOT_HALF)),),
    flops_each=80,
    doc="The logarithm of the normal distribution function.",
)
NDTRI = special(
    "ndtri",
    Blockwise("ndtri", ndtri_double, temporaries=(11, 11)),
    lambda node, g: (g * (F.exp(F.square(node.outputs[0]) * 0.5) * math.sqrt(2 * math.pi)),),
    flops_each=60,
    doc="The inverse of the normal distribution function.",
)
LOGIT = special(
    "logit",
    Blockwise("logit", logit_double, temporaries=(6.5, 6.5)),
    lambda node, g: (g / (node.inputs[0] * (1 - node.inputs[0])),),
    flops_each=40,
    doc="log(p / (1 - p)).",
)


@public
def erfcx(x: Any, name: str | None = None) -> Tensor:
    """exp(x²) erfc(x), which goes to 0 as 1 / (x √π) and overflows below -26.6; 4 ULP on the CPU.

    A primitive: its two factors overflow and underflow. Raises DTypeError for complex x.
    """
    return node1(ERFCX, reals("erfcx", x), name)


@public
def ndtr(x: Any, name: str | None = None) -> Tensor:
    """The probability that a standard normal variate is below `x`; 8 ULP on the CPU, in the tail too.

    A primitive: 1/2 erfc(-x / √2) loses x² ULP in the tail. Raises DTypeError for complex x.
    """
    return node1(NDTR, reals("ndtr", x), name)


@public
def log_ndtr(x: Any, name: str | None = None) -> Tensor:
    """log(ndtr(x)), about -x²/2 for negative x, where `ndtr` underflows; 4 ULP on the CPU.

    A primitive. Its gradient holds in both tails. Raises DTypeError for complex x.
    """
    return node1(LOG_NDTR, reals("log_ndtr", x), name)


@public
def ndtri(p: Any, name: str | None = None) -> Tensor:
    """The x with ndtr(x) = `p`: infinite at 0 and 1, NaN outside; 8 ULP on the CPU.

    A primitive: by erfinv(2p - 1), small p would lose their digits. Raises DTypeError for complex p.
    """
    return node1(NDTRI, reals("ndtri", p), name)


@public
def logit(p: Any, epsilon: float | None = None, name: str | None = None) -> Tensor:
    """log(p / (1 - p)), the inverse of `sigmoid`: infinite at 0 and 1, NaN outside; 2 ULP on the CPU.

    epsilon: a number in [0, 1/2] within which of 0 and 1 `p` is kept away; None keeps it as it is.
    A primitive: both branches of a composition would be computed. Raises DTypeError for complex p, ArgumentError
    for another epsilon.
    """
    t = reals("logit", p)
    if epsilon is None:
        return node1(LOGIT, t, name)
    margin = at_least_zero("logit", "epsilon", epsilon)
    if margin > 0.5:
        raise ArgumentError(f"logit: epsilon must be at most 0.5, got {margin}")
    with composition("logit" if name is None else name):
        return node1(LOGIT, F.clip(t, margin, 1 - margin), None)


@public
def expit(x: Any, name: str | None = None) -> Tensor:
    """`sigmoid` by SciPy's name."""
    return F.sigmoid(x, name)  # type: ignore[no-any-return]
