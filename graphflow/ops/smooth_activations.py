"""Smooth activations beyond the common ones: mish, squareplus, tanhshrink, and the gated linear units.

All are compositions. They are written so that nothing overflows on the way and small values keep their digits; an
infinity gives the limit of the function.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphflow.graph import Tensor, composition
from graphflow.op import F, public
from graphflow.ops.activations import lowered
from graphflow.ops.parameters import positive_number
from graphflow.ops.ufunc import reals
from graphflow.types import as_index

__all__ = ["geglu", "glu", "mish", "reglu", "squareplus", "swiglu", "tanhshrink"]


@public
def mish(x: Any, name: str | None = None) -> Tensor:
    """`x * tanh(softplus(x))`. A composition.

    With e = exp(x) that is x n / (n + 2), where n = e (e + 2): one exponential, and nothing cancels.
    Source: Misra 2019.
    """
    t = reals("mish", x)
    enough = 5.0 if t.type.dtype.name == "float16" else 40.0  # from there on n / (n + 2) rounds to 1
    with composition("Mish" if name is None else name) as scope:
        e = F.exp(F.where(F.greater(t, enough), enough, t))
        n = e * (e + 2)
        return F.multiply(lowered(t), n / (n + 2), name=scope)  # type: ignore[no-any-return]


@public
def squareplus(x: Any, b: float = 4.0, name: str | None = None) -> Tensor:
    """`(x + sqrt(x² + b)) / 2`, a softplus without exponentials. A composition.

    Below 0 it is b/2 / (sqrt(x² + b) - x), which keeps its digits.
    b: a positive number. Raises ArgumentError for another. Source: Barron 2021.
    """
    t, width = reals("squareplus", x), positive_number("squareplus", "b", b)
    with composition("Squareplus" if name is None else name) as scope:
        above = F.greater_equal(t, 0)
        total = F.hypot(t, width**0.5) + F.where(above, t, -t)
        return F.where(above, total * 0.5, width / 2 / total, name=scope)  # type: ignore[no-any-return]


@public
def tanhshrink(x: Any, name: str | None = None) -> Tensor:
    """`x - tanh(x)`. A composition; near 0 only the absolute error is small."""
    t = reals("tanhshrink", x)
    with composition("TanhShrink" if name is None else name) as scope:
        return F.subtract(t, F.tanh(t), name=scope)  # type: ignore[no-any-return]


# --- gated linear units ---------------------------------------------------------------------------


def _gated(what: str, x: Any, axis: Any, gate: Callable[[Tensor], Tensor], name: str) -> Tensor:
    """The first half of `x` along an axis times `gate` of the second."""
    t, along = reals(what, x), as_index(axis, f"{what}: axis")
    with composition(name) as scope:
        values, gates = F.split(t, 2, along)
        return F.multiply(values, gate(gates), name=scope)  # type: ignore[no-any-return]


@public
def glu(x: Any, axis: int = -1, name: str | None = None) -> Tensor:
    """The first half of `x` along `axis` times the sigmoid of the second half. A composition.

    Raises ShapeError where the axis does not halve, ArgumentError where there is none.
    Source: Dauphin et al. 2017.
    """
    return _gated("glu", x, axis, F.sigmoid, "Glu" if name is None else name)


@public
def geglu(x: Any, axis: int = -1, approximate: bool = False, name: str | None = None) -> Tensor:
    """The first half of `x` along `axis` times the `gelu` of the second half. A composition; raises as `glu`.

    approximate: as in `gelu`. Source: Shazeer 2020, "GLU Variants Improve Transformer".
    """
    return _gated(
        "geglu", x, axis, lambda gates: F.gelu(gates, approximate), "GeGlu" if name is None else name
    )


@public
def swiglu(x: Any, axis: int = -1, name: str | None = None) -> Tensor:
    """The first half of `x` along `axis` times the `silu` of the second half. A composition; raises as `glu`.

    Source: Shazeer 2020, "GLU Variants Improve Transformer".
    """
    return _gated("swiglu", x, axis, F.silu, "SwiGlu" if name is None else name)


@public
def reglu(x: Any, axis: int = -1, name: str | None = None) -> Tensor:
    """The first half of `x` along `axis` times the `relu` of the second half. A composition; raises as `glu`.

    Source: Shazeer 2020, "GLU Variants Improve Transformer".
    """
    return _gated("reglu", x, axis, F.relu, "ReGlu" if name is None else name)
