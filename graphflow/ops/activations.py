"""Activation functions of neural networks, softmax among them. Integers become the default float.

`relu` and `sigmoid` are ops of their own: their gradients need only their outputs, so that inputs can be
overwritten. All others are compositions, which fuse into one kernel on backends that generate code.
"""

from __future__ import annotations

import math
from typing import Any

import ml_dtypes

from graphflow.errors import ArgumentError
from graphflow.graph import Tensor, composition, make_node
from graphflow.op import F, public
from graphflow.ops.arguments import flag
from graphflow.ops.constant import python_number
from graphflow.ops.parameters import positive_number
from graphflow.ops.ufunc import node1, reals, room, unary
from graphflow.types import TensorType

__all__ = [
    "elu",
    "gelu",
    "leaky_relu",
    "log_sigmoid",
    "log_softmax",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "softsign",
    "swish",
]


def _relu_kernel(xp: Any, x: Any, *, out: Any = None) -> Any:
    return xp.maximum(x, 0) if out is None else xp.maximum(x, 0, out=out)


def _sigmoid_kernel(xp: Any, x: Any, *, out: Any = None) -> Any:
    """1 / (1 + exp(-x)): an overflowing exponential gives exactly 0."""
    out = room(xp, x, out)
    if out is None:
        return 1 / (1 + xp.exp(-x))
    xp.negative(x, out=out)
    xp.exp(out, out=out)
    xp.add(out, 1, out=out)
    return xp.divide(1, out, out=out)


RELU = unary(
    "relu",
    "x0 > 0 || x0 != x0 ? x0 : 0",
    lambda node, g: (F.where(F.greater(node.outputs[0], 0), g, 0),),
    kernel=_relu_kernel,
    doc="Negative elements replaced by 0.",
)
SIGMOID = unary(
    "sigmoid",
    "1 / (1 + exp(-x0))",
    lambda node, g: (g * (node.outputs[0] * (1 - node.outputs[0])),),
    kernel=_sigmoid_kernel,
    flops_each=25,
    doc="Logistic function.",
)


def _infer_lowered(x: TensorType, *, lowest: float) -> TensorType:
    return x


def _lowered_kernel(xp: Any, x: Any, *, lowest: float, out: Any = None) -> Any:
    floor = xp.asarray(lowest, dtype=x.dtype)
    return xp.maximum(x, floor) if out is None else xp.maximum(x, floor, out=out)


LOWERED = unary(
    "lowered",
    "x0 < lowest ? lowest : x0",
    lambda node, g: (g,),
    kernel=_lowered_kernel,
    infer=_infer_lowered,
    doc="-inf replaced by the lowest finite number, with the gradient of the identity.",
)


def lowered(t: Tensor) -> Tensor:
    """`t` with -inf replaced by the lowest finite number, whose product with 0 is 0 and not NaN.

    A primitive: `where` would cost more than the activations that need it.
    """
    lowest = float(ml_dtypes.finfo(t.type.dtype).min)  # type: ignore[no-untyped-call]
    return make_node(LOWERED, (t,), {"lowest": lowest}).outputs[0]


# --- rectifiers -----------------------------------------------------------------------------------


@public
def relu(x: Any, name: str | None = None) -> Tensor:
    """`maximum(x, 0)`, NaN for NaN, with gradient 0 at 0. Integers stay integers."""
    return node1(RELU, reals("relu", x, floating=False), name)


@public
def relu6(x: Any, name: str | None = None) -> Tensor:
    """`minimum(relu(x), 6)`. A composition; at 6 half of the gradient passes."""
    with composition("Relu6" if name is None else name) as scope:
        return F.minimum(relu(reals("relu6", x, floating=False)), 6, name=scope)  # type: ignore[no-any-return]


@public
def leaky_relu(x: Any, alpha: Any = 0.2, name: str | None = None) -> Tensor:
    """`x` where positive, else `alpha * x`. A composition; the gradient at 0 is alpha."""
    t = reals("leaky_relu", x)
    with composition("LeakyRelu" if name is None else name) as scope:
        return F.where(F.greater(t, 0), t, t * alpha, name=scope)  # type: ignore[no-any-return]


@public
def elu(x: Any, alpha: Any = 1.0, name: str | None = None) -> Tensor:
    """`x` where positive, else `alpha * (exp(x) - 1)`. A composition; the gradient at 0 is alpha.

    Source: Clevert, Unterthiner and Hochreiter 2015.
    """
    t = reals("elu", x)
    with composition("Elu" if name is None else name) as scope:
        return _elu(t, alpha, 1.0, scope)


@public
def selu(x: Any, name: str | None = None) -> Tensor:
    """`elu` scaled so that activations keep mean 0 and variance 1. A composition.

    Source: Klambauer et al. 2017, with their two constants.
    """
    t = reals("selu", x)
    with composition("Selu" if name is None else name) as scope:
        return _elu(t, 1.6732632423543772, 1.0507009873554805, scope)


def _elu(t: Tensor, alpha: Any, scale: float, scope: str) -> Tensor:
    positive = F.greater(t, 0)
    below = F.expm1(F.where(positive, 0, t)) * alpha  # no exponential of what is not chosen: it may overflow
    if scale == 1.0:
        return F.where(positive, t, below, name=scope)  # type: ignore[no-any-return]
    return F.multiply(F.where(positive, t, below), scale, name=scope)  # type: ignore[no-any-return]


# --- sigmoids -------------------------------------------------------------------------------------


@public
def sigmoid(x: Any, name: str | None = None) -> Tensor:
    """`1 / (1 + exp(-x))`, exactly 0 and 1 far out, never NaN but for NaN."""
    return node1(SIGMOID, reals("sigmoid", x), name)


@public
def log_sigmoid(x: Any, name: str | None = None) -> Tensor:
    """`log(sigmoid(x))` without overflow: `-softplus(-x)`. A composition."""
    t = reals("log_sigmoid", x)
    with composition("LogSigmoid" if name is None else name) as scope:
        return F.negative(softplus(-t), name=scope)  # type: ignore[no-any-return]


@public
def softplus(x: Any, beta: float = 1.0, threshold: float | None = None, name: str | None = None) -> Tensor:
    """`log(1 + exp(beta x)) / beta` without overflow, by `logaddexp`. A composition.

    beta: a positive number; the larger, the sharper the bend.
    threshold: from `beta x` above it on, the result is `x` itself. None: nowhere, as nothing overflows.
    Raises ArgumentError for another beta or threshold.
    """
    t, sharpness = reals("softplus", x), positive_number("softplus", "beta", beta)
    edge = None if threshold is None else python_number(threshold, "softplus: threshold")
    label = "Softplus" if name is None else name
    if sharpness == 1 and edge is None:
        return F.logaddexp(t, 0, name=label)  # type: ignore[no-any-return]
    with composition(label) as scope:
        scaled = t if sharpness == 1 else t * sharpness
        soft = F.logaddexp(scaled, 0) / sharpness
        return soft if edge is None else F.where(F.greater(scaled, edge), t, soft, name=scope)  # type: ignore[no-any-return]


@public
def softsign(x: Any, name: str | None = None) -> Tensor:
    """`x / (1 + |x|)`. A composition."""
    t = reals("softsign", x)
    with composition("Softsign" if name is None else name) as scope:
        finite = -lowered(-lowered(t))
        return F.divide(finite, F.abs(finite) + 1, name=scope)  # type: ignore[no-any-return]


@public
def silu(x: Any, name: str | None = None) -> Tensor:
    """`x * sigmoid(x)`, also called swish. A composition."""
    t = reals("silu", x)
    with composition("Silu" if name is None else name) as scope:
        return F.multiply(lowered(t), sigmoid(t), name=scope)  # type: ignore[no-any-return]


@public
def swish(x: Any, name: str | None = None) -> Tensor:
    """`silu` by its other name."""
    return silu(x, "Swish" if name is None else name)


@public
def gelu(x: Any, approximate: bool = False, name: str | None = None) -> Tensor:
    """`x` times the normal distribution function of `x`. A composition.

    approximate: by a tanh of a cubic, faster, to 5e-4 absolute; else exact, by `erfc`, which keeps the digits
        of the small values far below 0.
    Source: Hendrycks and Gimpel 2016.
    """
    t = reals("gelu", x)
    with composition("Gelu" if name is None else name) as scope:
        if not flag(approximate, "gelu", "approximate"):
            return F.multiply(lowered(t) * 0.5, F.erfc(t * -math.sqrt(0.5)), name=scope)  # type: ignore[no-any-return]
        inner = (t + t * F.square(t) * 0.044715) * math.sqrt(2 / math.pi)
        return F.multiply(lowered(t) * 0.5, F.tanh(inner) + 1, name=scope)  # type: ignore[no-any-return]


# --- softmax --------------------------------------------------------------------------------------


def axis_of(what: str, axis: Any, dim: Any) -> Any:
    """`axis`, or TensorFlow 1's old name for it; the last one if neither is given."""
    if dim is None:
        return -1 if axis is None else axis
    if axis is not None and axis != -1:
        raise ArgumentError(f"{what}: axis={axis} and dim={dim} are two names of one argument; give one")
    return dim


def below_maximum(x: Tensor, axis: Any) -> Tensor:
    """`x` less its maximum along `axis`: at most 0, so that its exponentials cannot overflow."""
    return F.subtract(x, F.stop_gradient(F.max(x, axis=axis, keepdims=True)))  # type: ignore[no-any-return]


@public
def softmax(x: Any, axis: Any = None, name: str | None = None, dim: Any = None) -> Tensor:
    """`exp(x) / sum(exp(x))` along `axis`, the last one by default, without overflow. A composition.

    NaN where a maximum is infinite. Raises ShapeError for an empty axis. `dim` is TensorFlow 1's old
    name of `axis`.
    """
    axis = axis_of("softmax", axis, dim)
    t = reals("softmax", x)
    with composition("Softmax" if name is None else name) as scope:
        e = F.exp(below_maximum(t, axis))
        return F.divide(e, F.sum(e, axis=axis, keepdims=True), name=scope)  # type: ignore[no-any-return]


@public
def log_softmax(x: Any, axis: Any = None, name: str | None = None, dim: Any = None) -> Tensor:
    """`log(softmax(x))` along `axis`, the last one by default, without overflow or cancellation. A composition."""
    axis = axis_of("log_softmax", axis, dim)
    t = reals("log_softmax", x)
    with composition("LogSoftmax" if name is None else name) as scope:
        z = below_maximum(t, axis)
        total = F.log(F.sum(F.exp(z), axis=axis, keepdims=True))
        return F.subtract(z, total, name=scope)  # type: ignore[no-any-return]
