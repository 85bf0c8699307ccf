"""Scales and shifts of channels folded into weights: every form of batch normalisation, every layout of channels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphflow as gf
from graphflow.passes.fold_batch_norm import fold_batch_norm_fast
from graphflow.passes.fold_constants import fold_constants
from tests.passes.patterns import bound, lines, rewritten, values

_RNG = np.random.default_rng(0)


def _given(*shapes: tuple[int, ...], dtype: str = "float64") -> dict[gf.Tensor, Any]:
    return {gf.placeholder(dtype, s, name=f"x{k}"): _RNG.uniform(0.5, 2, s) for k, s in enumerate(shapes)}


def test_what_batch_normalisation_after_a_convolution_becomes() -> None:
    feeds = _given((2, 8, 8, 3), (3, 3, 3, 4), (4,), (4,), dtype="float32")
    x, w, f, s = feeds
    after = rewritten(fold_batch_norm_fast, bound([gf.nn.conv2d(x, w, 1, "SAME") * f + s], feeds)).after
    assert [line.partition(", strides")[0] for line in lines(after)] == [
        "%0 = multiply(<x1:0>, <x2:0>) : float32[3, 3, 3, 4]",
        "%1 = conv(<x0:0>, %0",
        "%2 = add(%1, <x3:0>) : float32[2, 8, 8, 4]",
        "return %2",
    ]


FORMS: dict[str, tuple[Callable[..., gf.Tensor], list[str]]] = {
    "batch_norm": (
        lambda y, m, v, b, g: gf.nn.batch_norm(y, m, v, b, g),
        ["multiply", "conv", "add"],
    ),
    "fused": (
        lambda y, m, v, b, g: gf.nn.fused_batch_norm(y, g, b, m, v, is_training=False)[0],
        ["multiply", "conv", "add"],
    ),
    "spelled out": (
        lambda y, m, v, b, g: g * (y - m) / gf.sqrt(v + 1e-3) + b,
        ["multiply", "conv", "add"],
    ),
    "behind a bias, turned around": (
        lambda y, m, v, b, g: b - (m - (y + g)) / gf.sqrt(v + 1e-3),
        ["multiply", "conv", "add"],
    ),
    "only a scale": (lambda y, m, v, b, g: -(y * 0.5) / g, ["multiply", "conv"]),
    "and on": (
        lambda y, m, v, b, g: gf.nn.relu(y * g + b) * 2.0,
        ["multiply", "conv", "add", "relu", "multiply"],
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_form(form: str) -> None:
    build, left = FORMS[form]
    feeds = _given((4, 9, 9, 3), (3, 3, 3, 5), *[(5,)] * 4)
    x, w, *moments = feeds
    result = rewritten(fold_batch_norm_fast, bound([build(gf.nn.conv2d(x, w, 1, "SAME"), *moments)], feeds))
    large = [n.type for n in result.after.nodes if n.outputs[0].type.rank == 4 and n.type != "constant"]
    assert large == left
    np.testing.assert_allclose(values(result.after, feeds)[0], values(result.before, feeds)[0], rtol=1e-11)


def _along(v: gf.Tensor, behind: int) -> gf.Tensor:
    return gf.expand_dims(v, tuple(range(1, behind + 1))) if behind else v


PRODUCTS: dict[str, tuple[list[tuple[int, ...]], Callable[..., gf.Tensor], int]] = {
    "channels first": (
        [(4, 3, 9, 9), (3, 3, 3, 5)],
        lambda x, w: gf.nn.conv2d(x, w, 1, "SAME", data_format="NCHW"),
        2,
    ),
    "depthwise": ([(4, 9, 9, 3), (3, 3, 3, 2)], lambda x, w: gf.nn.depthwise_conv2d(x, w, 1, "SAME"), 0),
    "depthwise, channels first": (
        [(4, 3, 9, 9), (3, 3, 3, 2)],
        lambda x, w: gf.nn.depthwise_conv2d(x, w, 1, "SAME", data_format="NCHW"),
        2,
    ),
    "grouped": ([(4, 9, 9, 4), (3, 3, 2, 6)], lambda x, w: gf.nn.conv(x, w, 1, "SAME", groups=2), 0),
    "one axis": ([(9, 30, 3), (3, 3, 4)], lambda x, w: gf.nn.conv1d(x, w), 0),
    "matrix product": ([(100, 8), (8, 5)], lambda x, w: x @ w, 0),
    "stacked rows": ([(10, 30, 8), (8, 5)], lambda x, w: x @ w, 0),
}


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_product(product: str) -> None:
    shapes, build, behind = PRODUCTS[product]
    made = build(*[gf.placeholder("float64", s) for s in shapes])
    channels = int(made.type.dims[1 if behind else -1])  # type: ignore[arg-type]
    feeds = _given(*shapes, *[(channels,)] * 3)
    x, w, mean, scale, shift = feeds
    y = (build(x, w) - _along(mean, behind)) * _along(scale, behind) + _along(shift, behind)
    result = rewritten(fold_batch_norm_fast, bound([y], feeds))
    assert result.rules == ["fold_batch_norm"]
    np.testing.assert_allclose(values(result.after, feeds)[0], values(result.before, feeds)[0], rtol=1e-11)


def test_constants_fold_away_and_variables_are_read_once() -> None:
    x = gf.placeholder("float32", (4, 9, 9, 2))
    rng = np.random.default_rng(0)
    w, f, s = (rng.uniform(0.5, 2, shape).astype("f4") for shape in ((3, 3, 2, 4), (4,), (4,)))
    feeds = {x: rng.standard_normal((4, 9, 9, 2))}
    y = gf.nn.conv2d(x, w, 1, "SAME") * f + s
    result = rewritten(fold_batch_norm_fast, bound([y], feeds))
    assert [n.type for n in fold_constants(result.after).nodes] == ["constant", "constant", "conv", "add"]
    moving = gf.Variable(np.ones(4, "f4")), gf.Variable(np.ones(4, "f4"))
    y = gf.nn.batch_norm(gf.nn.conv2d(x, gf.Variable(w), 1, "SAME"), *moving)
    result = rewritten(fold_batch_norm_fast, bound([y], feeds))
    assert result.fired
    assert [n.type for n in result.after.nodes].count("read") == 3


def _refused(fetches: list[gf.Tensor], feeds: dict[gf.Tensor, Any]) -> bool:
    return not rewritten(fold_batch_norm_fast, bound(fetches, feeds)).fired


def test_what_is_not_folded() -> None:
    feeds = _given((4, 9, 9, 3), (3, 3, 3, 9), (9,), (9, 1), (9, 1, 1), (4, 1, 1, 1), (9, 9, 9))
    x, w, f, rows, heights, examples, all_places = feeds
    y = gf.nn.conv2d(x, w, 1, "SAME")
    for other in (rows, heights, examples, all_places):
        assert _refused([y * other], feeds)  # not one number for each channel, though 9 is 9
    assert _refused([y * f, y], feeds)
    assert _refused([y * f + gf.sum(y)], feeds)
    assert _refused([f / y], feeds)
    assert _refused([gf.nn.relu(y) * f], feeds)
    assert _refused([y + f], feeds)
    assert _refused([y * y], feeds)
    moments = gf.nn.moments(y, (0, 1, 2))
    assert _refused([gf.nn.batch_norm(y, *moments)], feeds)  # of the batch itself
    scale = y * f
    assert _refused([scale, *gf.gradients(scale, [f])], feeds)  # a scale that is trained
    integers = {gf.placeholder("int64", s): np.ones(s) for s in [(50, 4), (4, 3), (3,)]}
    a, b, c = integers
    assert _refused([(a @ b) * c], integers)


def test_weights_larger_than_what_they_make_are_left() -> None:
    feeds = _given((4, 100), (100, 30), (30,))
    x, w, f = feeds
    assert _refused([x @ w * f], feeds)
    assert _refused([gf.matmul(gf.expand_dims(x, 0), gf.expand_dims(w, 0)) * f], feeds)


def test_training_below_a_frozen_scale_keeps_its_gradients() -> None:
    feeds = _given((4, 9, 9, 3), (3, 3, 3, 5), (5,))
    x, w, f = feeds
    y = gf.nn.conv2d(x, w, 1, "SAME") * f
    result = rewritten(fold_batch_norm_fast, bound([y, *gf.gradients(gf.sum(gf.tanh(y)), [x, w])], feeds))
    assert result.fired
    for a, b in zip(values(result.after, feeds), values(result.before, feeds), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)
