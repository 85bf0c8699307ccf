"""Incomplete gamma and beta functions, logarithms of beta functions, and Hurwitz's zeta function."""

from __future__ import annotations

from typing import Any

from graphflow.graph import Tensor, composition, make_node
from graphflow.op import F, Op, public
from graphflow.ops.special_beta_kernels import betainc_double, zeta_double
from graphflow.ops.special_blocks import SeveralBlockwise, common_reals, no_gradient_beyond, special
from graphflow.ops.special_elementary import xlog1py, xlogy
from graphflow.ops.special_gamma_kernels import gamma_p_double, gamma_q_double, variate_slope_double
from graphflow.ops.ufunc import reals, reals2, unbroadcast

__all__ = ["betainc", "betaln", "gammainc", "gammaincc", "igamma", "igammac", "lbeta", "zeta"]

# --- incomplete gamma -----------------------------------------------------------------------------


def _log_density(a: Tensor, x: Tensor) -> Any:
    """The logarithm of the gamma density; -inf at x = 0, or what the power makes of it."""
    return xlogy(a - 1, x) - x - F.lgamma(a)


def _gamma_vjp(sign: float) -> Any:
    """By x the density; by a minus the density times how x moves with a while P stays."""

    def vjp(node: Any, g: Tensor) -> tuple[Tensor, Tensor]:
        a, x = node.inputs
        flow = g * (F.exp(_log_density(a, x)) * sign)
        return unbroadcast(-flow * variate_slope(a, x), a), unbroadcast(flow, x)

    return vjp


IGAMMA = special(
    "igamma",
    SeveralBlockwise("gammainc", gamma_p_double, 21),
    _gamma_vjp(1.0),
    flops_each=800,
    doc="Lower regularised incomplete gamma function.",
)
IGAMMAC = special(
    "igammac",
    SeveralBlockwise("gammaincc", gamma_q_double, 21),
    _gamma_vjp(-1.0),
    flops_each=800,
    doc="Upper regularised incomplete gamma function.",
)


def _slope_vjp(node: Any, g: Tensor) -> tuple[Any, Tensor]:
    """By x from dP/dx = p, d(log p)/da = log x - ψ(a), d(log p)/dx = (a-1)/x - 1. By a none is known."""
    a, x = node.inputs
    by_x = F.digamma(a) - F.log(x) - node.outputs[0] * ((a - 1) / x - 1)
    return F.zeros_like(a), unbroadcast(g * by_x, x)


VARIATE_SLOPE = special(
    "gamma_variate_slope",
    SeveralBlockwise(None, variate_slope_double, 24),
    _slope_vjp,
    flops_each=1200,
    doc="How a gamma variate moves with its shape parameter while its probability stays.",
)


def variate_slope(a: Tensor, x: Tensor) -> Tensor:
    """dx/da where P(a, x) stays; a second derivative by `a` is not known, and a GradientError."""
    shape = no_gradient_beyond(a, "second_derivative_of_igamma_by_a")
    return make_node(VARIATE_SLOPE, (shape, x), {}).outputs[0]


@public
def igamma(a: Any, x: Any, name: str | None = None) -> Tensor:
    """P(a, x), the probability that a gamma variate of shape `a` is below `x`: 1/Γ(a) ∫ from 0 to x of t^(a-1) e^-t dt.

    a, x: real and broadcast, NaN where one is negative. Error on the CPU: 32 ULP, and one ULP more for each unit of
    the result's logarithm. Gradients flow to both; the second derivative by `a` is not known.
    A primitive. Raises DTypeError for complex operands.
    Sources: DiDonato and Morris 1986; Temme 1979.
    """
    s, t = reals2("igamma", a, x)
    return make_node(IGAMMA, (s, t), {}, name).outputs[0]


@public
def igammac(a: Any, x: Any, name: str | None = None) -> Tensor:
    """Q(a, x) = 1 - P(a, x), with all its digits where it is small. Else as `igamma`."""
    s, t = reals2("igammac", a, x)
    return make_node(IGAMMAC, (s, t), {}, name).outputs[0]


@public
def gammainc(a: Any, x: Any, name: str | None = None) -> Tensor:
    """`igamma` by SciPy's name."""
    return igamma(a, x, name)


@public
def gammaincc(a: Any, x: Any, name: str | None = None) -> Tensor:
    """`igammac` by SciPy's name."""
    return igammac(a, x, name)


# --- beta -----------------------------------------------------------------------------------------


def _betainc_vjp(node: Any, g: Tensor) -> tuple[Any, Any, Tensor]:
    a, b, x = node.inputs
    log_density = xlogy(a - 1, x) + xlog1py(b - 1, -x) - _betaln(a, b)
    return F.zeros_like(a), F.zeros_like(b), unbroadcast(g * F.exp(log_density), x)


BETAINC: Op = special(
    "betainc",
    SeveralBlockwise("betainc", betainc_double, 35),
    _betainc_vjp,
    flops_each=2000,
    doc="Regularised incomplete beta function.",
)


@public
def betainc(a: Any, b: Any, x: Any, name: str | None = None) -> Tensor:
    """I_x(a, b), the probability that a beta variate of shapes `a` and `b` is below `x`.

    a, b, x: real and broadcast, NaN unless a and b are positive and finite and x is in [0, 1].
    Error on the CPU: 1e-12 relative; where a shape is below 0.1 and the result small because of it, 1e-15 absolute.
    Gradients flow to `x`, as in TensorFlow; to ask for one by `a` or `b` is a GradientError.
    A primitive. Raises DTypeError for complex operands.
    """
    tensors = common_reals("betainc", a, b, x)
    guarded = [
        no_gradient_beyond(t, f"betainc_has_no_gradient_by_{what}")
        for t, what in zip(tensors, "ab", strict=False)
    ]
    return make_node(BETAINC, (*guarded, tensors[2]), {}, name).outputs[0]


def _betaln(a: Tensor, b: Tensor) -> Any:
    return F.lgamma(a) + F.lgamma(b) - F.lgamma(a + b)


@public
def betaln(a: Any, b: Any, name: str | None = None) -> Tensor:
    """log |B(a, b)| = lgamma(a) + lgamma(b) - lgamma(a + b). A composition; its error is that of the largest term."""
    s, t = reals2("betaln", a, b)
    with composition("betaln" if name is None else name):
        return _betaln(s, t)  # type: ignore[no-any-return]


@public
def lbeta(x: Any, name: str | None = None) -> Tensor:
    """The logarithm of the beta function of the vectors in the last axis: sum(lgamma(x)) - lgamma(sum(x)).

    x: [..., k]; the result is [...]; 0 for k = 1, infinite for k = 0. A composition.
    Raises ShapeError for a scalar, DTypeError for complex x.
    """
    t = reals("lbeta", x)
    with composition("lbeta" if name is None else name):
        return F.sum(F.lgamma(t), -1) - F.lgamma(F.sum(t, -1))  # type: ignore[no-any-return]


# --- zeta -----------------------------------------------------------------------------------------


def _zeta_vjp(node: Any, g: Tensor) -> tuple[Any, Tensor]:
    x, q = node.inputs
    return F.zeros_like(x), unbroadcast(g * (-x * make_node(ZETA, (x + 1, q), {}).outputs[0]), q)


ZETA: Op = special(
    "zeta",
    SeveralBlockwise("zeta", zeta_double, 12),
    _zeta_vjp,
    flops_each=600,
    doc="Hurwitz's zeta function.",
)


@public
def zeta(x: Any, q: Any, name: str | None = None) -> Tensor:
    """ζ(x, q) = sum over k >= 0 of (k + q)^-x, for x > 1 and q > 0; `zeta(x, 1)` is Riemann's; 8 ULP on the CPU.

    Infinite at x = 1 and where q is 0, -1, -2, ...; NaN for x < 1 and other q < 0. Gradients flow to `q`, as in
    TensorFlow; to ask for one by `x` is a GradientError. A primitive. Raises DTypeError for complex operands.
    """
    s, t = reals2("zeta", x, q)
    return make_node(ZETA, (no_gradient_beyond(s, "zeta_has_no_gradient_by_x"), t), {}, name).outputs[0]
