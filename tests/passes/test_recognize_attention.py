"""Attention spelled out: scaled and divided where there are fewer numbers, equal to the function of `gf.nn`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphflow as gf
from graphflow.passes.recognize_attention import recognize_attention_fast
from graphflow.passes.stabilize import stabilize_fast
from tests.passes.patterns import bound, lines, rewritten, values

SHAPES = [(2, 4, 10, 4), (2, 4, 12, 4), (2, 4, 12, 3)]


def _fed(shapes: list[tuple[int, ...]] = SHAPES) -> dict[gf.Tensor, Any]:
    rng = np.random.default_rng(0)
    return {
        gf.placeholder("float32", s, name=name): rng.standard_normal(s)
        for name, s in zip("qkv", shapes, strict=True)
    }


def _attention(q: gf.Tensor, k: gf.Tensor, v: gf.Tensor) -> gf.Tensor:
    return gf.nn.softmax(gf.matmul(q, k, transpose_b=True) * 0.5) @ v


def test_what_attention_becomes() -> None:
    feeds = _fed()
    assert lines(rewritten(recognize_attention_fast, bound([_attention(*feeds)], feeds)).after) == [
        "%0 = permute_dims(<k:0>, axes=(0, 1, 3, 2)) : float32[2, 4, 4, 12]",
        "%1 = constant(value=0.5) : float32[]",
        "%2 = multiply(<q:0>, %1) : float32[2, 4, 10, 4]",
        "%3 = matmul(%2, %0) : float32[2, 4, 10, 12]",
        "%4 = max(%3, axis=(3,), keepdims=True) : float32[2, 4, 10, 1]",
        "%5 = stop_gradient(%4) : float32[2, 4, 10, 1]",
        "%6 = subtract(%3, %5) : float32[2, 4, 10, 12]",
        "%7 = exp(%6) : float32[2, 4, 10, 12]",
        "%8 = sum(%7, axis=(3,), keepdims=True, dtype=dtype('float32')) : float32[2, 4, 10, 1]",
        "%9 = matmul(%7, <v:0>) : float32[2, 4, 10, 3]",
        "%10 = divide(%9, %8) : float32[2, 4, 10, 3]",
        "return %10",
    ]


@pytest.mark.parametrize("scale", ["product", "quotient", "keys"])
def test_spelled_out_it_is_the_function_of_nn(scale: str) -> None:
    """From the naive exponential on, with a bias and a mask between the halves."""
    feeds = _fed([(2, 4, 30, 4), SHAPES[1], SHAPES[2]] if scale == "keys" else SHAPES)
    q, k, v = feeds
    scores = gf.matmul(q, k, transpose_b=True)
    scores = scores / 2.0 if scale == "quotient" else 0.5 * scores
    mask = np.tri(q.type.dims[-2], 12, dtype=bool)  # type: ignore[arg-type]
    scores = gf.where(mask, scores + 1.0, -1e9)
    e = gf.exp(scores)
    spelled = (e / gf.sum(e, -1, True)) @ v
    stable = rewritten(stabilize_fast, bound([spelled], feeds)).after
    result = rewritten(recognize_attention_fast, stable)
    assert result.rules == ["early_scale", "late_division"]
    scaled = next(n for n in result.after.nodes if n.type in ("multiply", "divide"))
    assert scaled.outputs[0].type.shape == ((2, 4, 4, 12) if scale == "keys" else (2, 4, 10, 4))
    meant = gf.nn.scaled_dot_product_attention(q, k, v, mask=mask, bias=1.0, scale=0.5)
    (value,), (right,) = values(result.after, feeds), values(bound([meant], feeds), feeds)
    np.testing.assert_allclose(value, right, rtol=1e-5, atol=1e-6)


def test_what_is_left() -> None:
    feeds = _fed()
    q, k, v = feeds
    scores = gf.matmul(q, k, transpose_b=True)
    weights = gf.nn.softmax(scores)
    e = gf.exp(scores)
    assert not rewritten(recognize_attention_fast, bound([weights @ v, weights], feeds)).fired
    assert not rewritten(
        recognize_attention_fast, bound([e / gf.sum(e, -1, True) @ v], feeds)
    ).fired  # may overflow
    assert not rewritten(recognize_attention_fast, bound([scores * 0.5, scores], feeds)).fired
    assert not rewritten(recognize_attention_fast, bound([scores * 1e-9], feeds)).fired
    assert not rewritten(recognize_attention_fast, bound([scores * q[0, 0, 0, 0]], feeds)).fired
    assert not rewritten(recognize_attention_fast, bound([gf.nn.softmax(scores, axis=-2) @ v], feeds)).fired
    half = gf.nn.softmax(gf.cast(scores, "float16")) @ gf.cast(v, "float16")
    assert not rewritten(recognize_attention_fast, bound([half], feeds)).fired  # sums of 16 bits may overflow
    wide = _fed([*SHAPES[:2], (2, 4, 12, 12)])
    q, k, v = wide
    result = rewritten(recognize_attention_fast, bound([_attention(q, k, v)], wide))
    assert result.rules == ["early_scale"]  # the division would have no fewer elements


def test_in_training_the_weights_stay_and_the_scale_moves() -> None:
    feeds = _fed()
    made = _attention(*feeds)
    result = rewritten(recognize_attention_fast, bound([made, *gf.gradients(made, list(feeds))], feeds))
    assert result.rules == ["early_scale"]
    for a, b in zip(values(result.after, feeds), values(result.before, feeds), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
