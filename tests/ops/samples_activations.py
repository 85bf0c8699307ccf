"""Samples of the activations beyond the common ones: hard-edged, smooth, gated, and sparsemax."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.special

import graphflow as gf
from graphflow.op import F
from graphflow.ops import rectifiers, smooth_activations, sparsemax
from tests.ops.table import Sample, array

TIGHT = 1e-13
NAN, INF = np.nan, np.inf
SPECIAL = np.array([NAN, INF, -INF, 0.0, -0.0, 800.0, -800.0, 40.0, -40.0])
AT = np.array([-3.4, -2.0, -0.7, -0.3, 0.2, 0.6, 1.3, 2.2, 3.3])
"""Away from every edge of the functions below."""

sigmoid = scipy.special.expit


def _quiet(reference: Callable[..., Any]) -> Callable[..., Any]:
    """A reference that is asked for infinities too, where NumPy would warn."""

    def quiet(*arrays: Any) -> Any:
        with np.errstate(all="ignore"):
            return reference(*arrays)

    return quiet


def _celu(x: Any, alpha: float = 1.0) -> Any:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0) / alpha))


def _mish(x: Any) -> Any:
    with np.errstate(invalid="ignore"):
        y = x * np.tanh(np.logaddexp(x, 0))
    return np.where(x == -INF, 0, y)


def _hard_swish(x: Any) -> Any:
    with np.errstate(invalid="ignore"):
        return np.where(x <= -3, 0, np.where(x >= 3, x, x * (x + 3) / 6))


def _squareplus(x: Any, b: float = 4.0) -> Any:
    wide = np.asarray(x, np.longdouble)
    root = np.hypot(wide, np.sqrt(np.longdouble(b)))
    with np.errstate(invalid="ignore"):
        return np.where(x > 0, (wide + root) / 2, b / 2 / (root - wide)).astype(np.float64)


def _shrink(x: Any, width: float = 0.5, soft: bool = False) -> Any:
    kept = x - np.sign(x) * width if soft else x
    return np.where(np.abs(x) <= width, 0, kept)


# name, function, reference
ACTIVATIONS: list[tuple[str, Callable[..., Any], Callable[..., Any]]] = [
    ("celu", rectifiers.celu, _celu),
    ("celu-alpha", lambda x: rectifiers.celu(x, 0.4), lambda x: _celu(x, 0.4)),
    ("hard_sigmoid", rectifiers.hard_sigmoid, lambda x: np.clip(0.2 * x + 0.5, 0, 1)),
    ("hard_sigmoid-sixth", lambda x: rectifiers.hard_sigmoid(x, 1 / 6), lambda x: np.clip(x / 6 + 0.5, 0, 1)),
    ("hard_swish", rectifiers.hard_swish, _hard_swish),
    ("hard_tanh", rectifiers.hard_tanh, lambda x: np.clip(x, -1, 1)),
    ("hard_tanh-bounds", lambda x: rectifiers.hard_tanh(x, -0.5, 2.0), lambda x: np.clip(x, -0.5, 2.0)),
    ("hardshrink", rectifiers.hardshrink, _shrink),
    ("softshrink", rectifiers.softshrink, lambda x: _shrink(x, soft=True)),
    ("threshold", lambda x: rectifiers.threshold(x, 0.1, -7.0), lambda x: np.where(x <= 0.1, -7.0, x)),
    ("thresholded_relu", rectifiers.thresholded_relu, lambda x: np.where(x <= 1, 0, x)),
    ("rrelu", rectifiers.rrelu, lambda x: np.where(x > 0, x, x * (1 / 8 + 1 / 3) / 2)),
    ("mish", smooth_activations.mish, _mish),
    ("squareplus", smooth_activations.squareplus, _squareplus),
    ("tanhshrink", smooth_activations.tanhshrink, lambda x: x - np.tanh(x)),
    ("softplus-beta", lambda x: F.softplus(x, 3.0), lambda x: np.logaddexp(3 * x, 0) / 3),
    (
        "softplus-threshold",
        lambda x: F.softplus(x, 2.0, 1.0),
        lambda x: np.where(2 * x > 1, x, np.logaddexp(2 * x, 0) / 2),
    ),
]


def _elementwise() -> list[Sample]:
    found = []
    common: dict[str, Any] = {"rtol": TIGHT, "atol": 1e-15}
    for name, f, formula in ACTIVATIONS:
        reference = _quiet(formula)

        def single(x: Any, r: Callable[..., Any] = reference) -> Any:
            return r(x.astype(np.float64))

        found += [
            Sample(f"{name}-f64", f, (AT,), reference, grad=True, **common),
            Sample(f"{name}-f32", f, (array(3, 4, dtype=np.float32)[::-1, ::2],), single, **common),
            Sample(f"{name}-f16", f, (np.float16(0.7),), single, **common),
            Sample(f"{name}-bf16", f, (array(2, 1, 3, dtype=gf.bfloat16),), single, strict=False),
            Sample(f"{name}-empty", f, (np.zeros((0, 2)),), reference, **common),
            Sample(f"{name}-special", f, (SPECIAL,), reference, rtol=TIGHT, atol=1e-300),
        ]
    far = np.array([-1e10, -1e5, -3e4, 1e5])
    found += [
        Sample("squareplus-far", smooth_activations.squareplus, (far,), _squareplus, rtol=TIGHT, atol=0),
        Sample("hard_tanh-int", rectifiers.hard_tanh, (np.array([-3, 0, 3]),), lambda x: np.clip(x, -1.0, 1)),
        Sample(
            "silu-special",
            F.silu,
            (SPECIAL,),
            _quiet(lambda x: np.where(x == -INF, 0, x * sigmoid(x))),
            atol=1e-300,
        ),
        Sample(
            "gelu-special",
            F.gelu,
            (SPECIAL,),
            _quiet(lambda x: np.where(x == -INF, 0, x * scipy.special.ndtr(x))),
            strict=False,
            atol=1e-300,
        ),
        Sample(
            "softsign-special",
            F.softsign,
            (SPECIAL,),
            _quiet(lambda x: np.where(np.isinf(x), np.sign(x), x / (1 + np.abs(x)))),
        ),
    ]
    return found


def _others() -> list[Sample]:
    x, slopes = array(2, 3, 4), array(4, seed=1)
    return [
        Sample(
            "prelu",
            rectifiers.prelu,
            (x, slopes),
            lambda v, a: np.where(v > 0, v, v * a),
            grad=True,
            rtol=TIGHT,
        ),
        Sample(
            "prelu-scalar",
            lambda v: rectifiers.prelu(v, 0.3),
            (x.astype("f4"),),
            lambda v: np.where(v > 0, v, v * np.float32(0.3)),
        ),
        Sample(
            "prelu-slope-at-infinity",
            lambda v, a: gf.gradients(rectifiers.prelu(v, a), a)[0],
            (np.array([INF, -2.0]), np.array([0.5, 0.5])),
            lambda v, a: np.array([0.0, -2.0]),
        ),
        Sample(
            "rrelu-training",
            lambda v: rectifiers.rrelu(v, 0.1, 0.3, training=True, seed=3),
            (np.tile(AT, (20, 5)),),
            check=_slopes(0.1, 0.3),
            strict=False,
            tags=("random",),
        ),
        Sample(
            "rrelu-fed",
            lambda v, t: rectifiers.rrelu(v, 0.1, 0.3, training=t),
            (AT, np.array(False)),
            lambda v, t: np.where(v > 0, v, 0.2 * v),
            strict=False,
            tags=("random",),
            rtol=TIGHT,
        ),
        Sample(
            "crelu",
            rectifiers.crelu,
            (AT,),
            lambda v: np.concatenate([np.maximum(v, 0), np.maximum(-v, 0)]),
            grad=True,
        ),
        Sample(
            "crelu-axis",
            lambda v: rectifiers.crelu(v, 0),
            (x,),
            lambda v: np.concatenate([np.maximum(v, 0), np.maximum(-v, 0)], 0),
        ),
        Sample(
            "crelu-uint8",
            rectifiers.crelu,
            (np.array([0, 5, 255], np.uint8),),
            lambda v: np.concatenate([v, 0 * v]),
        ),
        Sample(
            "maxout",
            lambda v: rectifiers.maxout(v, 2),
            (x,),
            lambda v: v.reshape(2, 3, 2, 2).max(-1),
            grad=True,
        ),
        Sample(
            "maxout-axis",
            lambda v: rectifiers.maxout(v, 3, 1),
            (x,),
            lambda v: v.reshape(2, 3, 1, 4).max(2),
        ),
        Sample(
            "maxout-int",
            lambda v: rectifiers.maxout(v, 1, 0),
            (np.array([3, 9, -2]),),
            lambda v: v.max(keepdims=True),
        ),
        *_gated(),
    ]


def _slopes(low: float, high: float) -> Callable[..., None]:
    def check(result: Any, x: Any) -> None:
        np.testing.assert_array_equal(result[x > 0], x[x > 0])
        slopes = result[x < 0] / x[x < 0]
        assert ((slopes >= low) & (slopes < high)).all()
        assert slopes.std() > 0.04

    return check


def _gated() -> list[Sample]:
    x = array(2, 3, 4)

    def halves(gate: Callable[[Any], Any], axis: int = -1) -> Callable[..., Any]:
        def reference(v: Any) -> Any:
            a, b = np.split(v, 2, axis)
            return a * gate(b)

        return reference

    gates: list[tuple[str, Callable[..., Any], Callable[..., Any], bool]] = [
        ("glu", smooth_activations.glu, sigmoid, True),
        ("geglu", smooth_activations.geglu, lambda b: b * scipy.special.ndtr(b), False),
        ("swiglu", smooth_activations.swiglu, lambda b: b * sigmoid(b), True),
        ("reglu", smooth_activations.reglu, lambda b: np.maximum(b, 0), True),
    ]
    found = []
    for name, f, gate, standard in gates:
        found += [
            Sample(name, f, (x,), halves(gate), grad=True, strict=standard, rtol=1e-12, atol=1e-15),
            Sample(
                f"{name}-axis",
                lambda v, f=f: f(v, axis=0),
                (x,),
                halves(gate, 0),
                strict=standard,
                rtol=1e-12,
                atol=1e-15,
            ),
        ]
    found.append(
        Sample(
            "geglu-approximate",
            lambda v: smooth_activations.geglu(v, approximate=True),
            (x,),
            halves(lambda b: 0.5 * b * (1 + np.tanh(np.sqrt(2 / np.pi) * (b + 0.044715 * b**3)))),
            rtol=1e-12,
        )
    )
    return found


# --- softmin and sparsemax ------------------------------------------------------------------------


def _project(z: Any) -> Any:
    """The nearest point of the simplex to a vector, by trying every size of the support."""
    ordered = np.sort(z)[::-1]
    for k in range(len(z), 0, -1):
        tau = (ordered[:k].sum() - 1) / k
        if ordered[k - 1] > tau:
            return np.maximum(z - tau, 0)
    raise AssertionError("a support of one always fits")


def _sparsemax(x: Any, axis: int = -1) -> Any:
    return np.apply_along_axis(_project, axis, x.astype(np.float64)) if x.size else x


def _probabilities() -> list[Sample]:
    x = array(2, 3, 4)
    wide = array(4, 6, low=-0.4, high=0.4, seed=7)  # a support of several
    f = sparsemax.sparsemax
    return [
        Sample("softmin", sparsemax.softmin, (x,), lambda v: scipy.special.softmax(-v, -1), grad=True),
        Sample(
            "softmin-axis", lambda v: sparsemax.softmin(v, 0), (x,), lambda v: scipy.special.softmax(-v, 0)
        ),
        Sample("sparsemax", f, (wide,), _sparsemax, grad=True, rtol=TIGHT, atol=1e-15),
        Sample("sparsemax-few", f, (x,), _sparsemax, grad=True, rtol=TIGHT, atol=1e-15),
        Sample("sparsemax-axis", lambda v: f(v, 1), (x[:, ::-1],), lambda v: _sparsemax(v, 1), rtol=TIGHT),
        Sample("sparsemax-f32", f, (wide.astype("f4"),), _sparsemax, atol=1e-6),
        Sample("sparsemax-f16", f, (wide.astype("f2"),), _sparsemax, atol=1e-3),
        Sample("sparsemax-bf16", f, (wide.astype(gf.bfloat16),), _sparsemax, atol=1e-2, strict=False),
        Sample("sparsemax-int", f, (np.array([3, 3, 1]),), lambda v: np.array([0.5, 0.5, 0])),
        Sample("sparsemax-one", f, (np.array([7.0]),), lambda v: np.array([1.0])),
        Sample("sparsemax-far", f, (np.array([1e9, -1e9, 1e9]),), lambda v: np.array([0.5, 0, 0.5])),
        Sample("sparsemax-no-rows", f, (np.zeros((0, 3)),), _sparsemax),
        Sample(
            "sparsemax-special",
            f,
            (np.array([[NAN, 1.0], [-INF, 2.0], [INF, 0.0]]),),
            lambda v: np.array([[NAN, NAN], [0.0, 1.0], [NAN, NAN]]),
        ),
    ]


SAMPLES: list[Sample] = [*_elementwise(), *_others(), *_probabilities()]
