"""Activations that are made of pieces: rectifiers, their hard-edged kin, shrinkage and thresholds.

All are compositions. At an edge the gradient is that of the flat side, so it is 0 where a rectifier's is; NaN
stays NaN, and an infinity gives the limit of the function.
"""

from __future__ import annotations

from typing import Any

from graphflow.errors import ArgumentError, DTypeError, ShapeError, shorten
from graphflow.graph import Tensor, composition
from graphflow.op import F, public
from graphflow.ops.arguments import flag
from graphflow.ops.constant import python_number
from graphflow.ops.parameters import at_least_zero, finite_number, positive_number
from graphflow.ops.ufunc import operand, reals, reals2
from graphflow.types import as_index

__all__ = [
    "celu",
    "crelu",
    "hard_sigmoid",
    "hard_swish",
    "hard_tanh",
    "hardshrink",
    "maxout",
    "prelu",
    "rrelu",
    "softshrink",
    "threshold",
    "thresholded_relu",
]


def _between(t: Tensor, low: float, high: float, name: str | None = None) -> Tensor:
    """`t` kept within [low, high]; no gradient passes at the edges or beyond."""
    kept = F.where(F.greater_equal(t, high), high, t)
    return F.where(F.less_equal(t, low), low, kept, name=name)  # type: ignore[no-any-return]


# --- rectifiers -----------------------------------------------------------------------------------


@public
def celu(x: Any, alpha: float = 1.0, name: str | None = None) -> Tensor:
    """`x` where positive, else `alpha * (exp(x / alpha) - 1)`: its slope at 0 is 1 for every alpha. A composition.

    alpha: a positive number. Raises ArgumentError for another. Source: Barron 2017.
    """
    t, width = reals("celu", x), positive_number("celu", "alpha", alpha)
    with composition("Celu" if name is None else name) as scope:
        above = F.greater(t, 0)
        below = F.expm1(F.where(above, 0, t) / width) * width
        return F.where(above, t, below, name=scope)  # type: ignore[no-any-return]


@public
def crelu(x: Any, axis: int = -1, name: str | None = None) -> Tensor:
    """`relu(x)` and `relu(-x)` side by side: `axis` becomes twice as long. A composition.

    Integers stay integers. Raises ArgumentError for an axis out of range. Source: Shang et al. 2016.
    """
    t = reals("crelu", x, floating=False)
    with composition("CRelu" if name is None else name) as scope:
        opposite = F.zeros_like(t) if t.type.dtype.kind == "u" else F.relu(-t)
        return F.concat([F.relu(t), opposite], axis, name=scope)  # type: ignore[no-any-return]


@public
def prelu(x: Any, alpha: Any, name: str | None = None) -> Tensor:
    """`x` where positive, else `alpha * x` with slopes that are learnt. A composition; the gradient at 0 is alpha.

    alpha: a tensor that broadcasts with `x`, such as one slope for each channel; gradients flow to it.
    Source: He et al. 2015, "Delving Deep into Rectifiers".
    """
    t, slope = reals2("prelu", x, alpha)
    with composition("PRelu" if name is None else name) as scope:
        above = F.greater(t, 0)
        return F.where(above, t, F.where(above, 0, t) * slope, name=scope)  # type: ignore[no-any-return]


@public
def rrelu(
    x: Any,
    lower: float = 1 / 8,
    upper: float = 1 / 3,
    training: Any = False,
    seed: int | None = None,
    name: str | None = None,
) -> Tensor:
    """`x` where positive, else `x` times a slope, in training drawn uniformly from [lower, upper). A composition.

    Outside training the slope is the mean of the two.
    training: True, False, or a scalar bool tensor that decides in the run.
    seed: as in `gf.random.uniform`; each element has a slope of its own, and new ones at every run.
    Raises ArgumentError unless `lower <= upper`, both finite. Source: Xu et al. 2015.
    """
    t = reals("rrelu", x)
    low, high = finite_number("rrelu", "lower", lower), finite_number("rrelu", "upper", upper)
    if low > high:
        raise ArgumentError(f"rrelu: lower must be at most upper, got {low} and {high}")
    if seed is not None and not 0 <= as_index(seed, "rrelu: seed") < 2**64:
        raise ArgumentError(f"rrelu: seed must be at least 0 and less than 2^64, not {shorten(seed)}")
    on = training if hasattr(type(training), "__graphflow_tensor__") else flag(training, "rrelu", "training")
    with composition("RRelu" if name is None else name) as scope:
        above = F.greater(t, 0)
        slope: Any = (low + high) / 2
        if low < high and on is not False:
            drawn = F.random_uniform_like(t, low, high, seed=seed)
            slope = drawn if on is True else F.where(_decision(on), drawn, slope)
        return F.where(above, t, F.where(above, 0, t) * slope, name=scope)  # type: ignore[no-any-return]


def _decision(training: Any) -> Tensor:
    t = operand("rrelu", training)
    if t.type.dtype.kind != "b":
        raise DTypeError(f"rrelu: training must be a scalar bool, got {t!r}")
    if t.type.shape is not None and len(t.type.shape):
        raise ShapeError(f"rrelu: training must be a scalar, got {t!r}")
    return t


@public
def maxout(x: Any, num_units: int, axis: int = -1, name: str | None = None) -> Tensor:
    """The largest of each group of neighbours along `axis`, which shrinks to `num_units` groups. A composition.

    The gradient goes to the winner, in equal shares at ties. Integers stay integers.
    Raises ArgumentError for a bad axis or a number of units below 1, ShapeError where the axis does not divide
    into so many groups. Source: Goodfellow et al. 2013.
    """
    t = reals("maxout", x, floating=False)
    units, along = as_index(num_units, "maxout: num_units"), as_index(axis, "maxout: axis")
    if units < 1:
        raise ArgumentError(f"maxout: num_units must be at least 1, not {shorten(num_units)}")
    with composition("Maxout" if name is None else name):
        groups = F.unflatten(t, along, (units, -1))
        return F.max(groups, along if along < 0 else along + 1)  # type: ignore[no-any-return]


# --- hard edges -----------------------------------------------------------------------------------


@public
def hard_tanh(x: Any, minval: float = -1.0, maxval: float = 1.0, name: str | None = None) -> Tensor:
    """`x` kept within [minval, maxval]. A composition; no gradient at the edges.

    Integers become the default float. Raises ArgumentError unless minval < maxval.
    """
    t = reals("hard_tanh", x)
    low, high = python_number(minval, "hard_tanh: minval"), python_number(maxval, "hard_tanh: maxval")
    if not low < high:
        raise ArgumentError(f"hard_tanh: minval must be less than maxval, got {low} and {high}")
    with composition("HardTanh" if name is None else name) as scope:
        return _between(t, low, high, scope)


@public
def hard_sigmoid(x: Any, alpha: float = 0.2, beta: float = 0.5, name: str | None = None) -> Tensor:
    """`alpha * x + beta` kept within [0, 1]. A composition; no gradient at the edges.

    alpha: the slope: Keras' and ONNX's 0.2; PyTorch and `hard_swish` have 1/6.
    Raises ArgumentError unless alpha is positive and beta finite.
    """
    t = reals("hard_sigmoid", x)
    slope, middle = (
        positive_number("hard_sigmoid", "alpha", alpha),
        finite_number("hard_sigmoid", "beta", beta),
    )
    with composition("HardSigmoid" if name is None else name) as scope:
        return _between(t * slope + middle, 0.0, 1.0, scope)


@public
def hard_swish(x: Any, name: str | None = None) -> Tensor:
    """`x * relu6(x + 3) / 6`. A composition; its gradient is 0 at -3 and 1 at 3.

    Source: Howard et al. 2019, "Searching for MobileNetV3".
    """
    t = reals("hard_swish", x)
    with composition("HardSwish" if name is None else name) as scope:
        gate = (_between(t, -3.0, 3.0) + 3) / 6
        return F.multiply(F.where(F.less_equal(t, -3), 0, t), gate, name=scope)  # type: ignore[no-any-return]


# --- shrinkage and thresholds ---------------------------------------------------------------------


def _inside(t: Tensor, width: float) -> Tensor:
    return F.logical_and(F.greater_equal(t, -width), F.less_equal(t, width))  # type: ignore[no-any-return]


@public
def hardshrink(x: Any, lambd: float = 0.5, name: str | None = None) -> Tensor:
    """0 where |x| ≤ lambd, else `x`. A composition. Raises ArgumentError for a negative lambd."""
    t, width = reals("hardshrink", x), at_least_zero("hardshrink", "lambd", lambd)
    with composition("HardShrink" if name is None else name) as scope:
        return F.where(_inside(t, width), 0, t, name=scope)  # type: ignore[no-any-return]


@public
def softshrink(x: Any, lambd: float = 0.5, name: str | None = None) -> Tensor:
    """0 where |x| ≤ lambd, else `x` drawn towards 0 by lambd. A composition.

    The proximal map of lambd |x|. Raises ArgumentError for a negative lambd.
    """
    t, width = reals("softshrink", x), at_least_zero("softshrink", "lambd", lambd)
    with composition("SoftShrink" if name is None else name) as scope:
        drawn = t - F.sign(t) * width
        return F.where(_inside(t, width), 0, drawn, name=scope)  # type: ignore[no-any-return]


@public
def threshold(x: Any, threshold: float, value: float = 0.0, name: str | None = None) -> Tensor:
    """`x` where it is above `threshold`, else `value`. A composition.

    threshold, value: numbers. Integers become the default float. Raises ArgumentError for anything else.
    """
    t = reals("threshold", x)
    edge, other = python_number(threshold, "threshold: threshold"), python_number(value, "threshold: value")
    with composition("Threshold" if name is None else name) as scope:
        return F.where(F.less_equal(t, edge), other, t, name=scope)  # type: ignore[no-any-return]


@public
def thresholded_relu(x: Any, theta: float = 1.0, name: str | None = None) -> Tensor:
    """`x` where it is above theta, else 0. A composition. Raises ArgumentError for a theta that is no number.

    Source: Konda, Memisevic and Krueger 2014.
    """
    t, edge = reals("thresholded_relu", x), python_number(theta, "thresholded_relu: theta")
    with composition("ThresholdedRelu" if name is None else name) as scope:
        return F.where(F.less_equal(t, edge), 0, t, name=scope)  # type: ignore[no-any-return]
