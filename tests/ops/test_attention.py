"""Attention, masks and positions: bad input, an independent oracle, and what the table of samples cannot say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphflow as gf
from graphflow.errors import ArgumentError, DTypeError, IndexRangeError, ShapeError
from graphflow.ops.attention import additive_attention, scaled_dot_product_attention
from graphflow.ops.attention_masks import alibi_bias, alibi_slopes, causal_mask, sliding_window_mask
from graphflow.ops.multi_head_attention import multi_head_attention
from graphflow.ops.positions import kv_cache_update, rotary_embedding, sinusoidal_encoding
from tests.ops.refused import Refused, check_bound, check_built, floats, ids
from tests.ops.table import array

sdpa = scaled_dot_product_attention
QKV = ((2, 3, 4), (2, 5, 4), (2, 5, 6))


def _multi(x: Any, w: Any, *args: Any, **options: Any) -> Any:
    return multi_head_attention(x, None, None, w, w, w, w, *args, **options)


BUILD = [
    Refused(lambda *a: sdpa(*a), ShapeError, ("scaled_dot_product_attention: q", "[..., length, depth]"), ((4,), *QKV[1:])),
    Refused(lambda *a: sdpa(*a), ShapeError, ("q float32[2, 3, 5] and k float32[2, 5, 4] differ in depth",), ((2, 3, 5), *QKV[1:])),
    Refused(lambda *a: sdpa(*a), ShapeError, ("k float32[2, 5, 4] and v float32[2, 4, 6] differ in the number of keys",), (*QKV[:2], (2, 4, 6))),
    Refused(lambda *a: sdpa(*a), ShapeError, ("broadcast",), ((3, 3, 4), *QKV[1:])),
    Refused(lambda *a: sdpa(*a), ShapeError, ("empty",), ((2, 3, 4), (2, 0, 4), (2, 0, 6))),
    Refused(lambda *a: sdpa(*a, mask=np.ones((3, 5))), DTypeError, ("the mask must be bool", "bias"), QKV),
    Refused(lambda *a: sdpa(*a, mask=np.ones((3, 4), bool)), ShapeError, ("broadcast",), QKV),
    Refused(lambda *a: sdpa(*a, bias=np.ones((2, 5))), ShapeError, ("broadcast",), QKV),
    Refused(lambda *a: sdpa(*a, causal=2), ArgumentError, ("scaled_dot_product_attention: causal", "2"), QKV),
    Refused(lambda *a: sdpa(*a, dropout_rate=1.0), ArgumentError, ("dropout_rate must be in [0, 1), got 1.0",), QKV),
    Refused(lambda *a: sdpa(*a, scale="x"), ArgumentError, ("scaled_dot_product_attention: scale", "'x'"), QKV),
    Refused(lambda *a: additive_attention(*a), ShapeError, ("additive_attention: query", "differ in depth"), ((2, 3, 5), *QKV[1:])),
    Refused(lambda *a: additive_attention(*a, scale=np.ones((4, 1))), ShapeError, ("scale must be a vector",), QKV),
    Refused(lambda *a: additive_attention(*a, scale=np.ones(3)), ShapeError, ("differ in depth",), QKV),
    Refused(lambda x, w: _multi(x, w, 3), ShapeError, ("multi_head_attention: the columns of w_q", "3 heads"), ((3, 4), (4, 4))),
    Refused(lambda x, w: _multi(x, w, 4, 3), ArgumentError, ("num_kv_heads 3 does not divide num_heads 4",), ((3, 4), (4, 4))),
    Refused(lambda x, w: _multi(x, w, 0), ArgumentError, ("num_heads must be positive, got 0",), ((3, 4), (4, 4))),
    Refused(lambda x, w: _multi(x, w, 2, biases=[None]), ArgumentError, ("biases must be a list of four",), ((3, 4), (4, 4))),
    Refused(lambda x, w: _multi(x, w, 2), ShapeError, ("multi_head_attention: w_q must be a matrix",), ((3, 4), (4,))),
    Refused(lambda: causal_mask(-1), ShapeError, ("causal_mask: query_length", "-1")),
    Refused(lambda: causal_mask(3, offset=0.5), DTypeError, ("causal_mask: offset must be an integer",)),
    Refused(lambda: sliding_window_mask(0, 3), ArgumentError, ("window must be positive, got 0",)),
    Refused(lambda: alibi_slopes(0), ArgumentError, ("alibi_slopes: num_heads", "0")),
    Refused(lambda: alibi_bias(2, 3, dtype="int32"), DTypeError, ("alibi_bias: dtype", "int32")),
    Refused(lambda: sinusoidal_encoding(3, 5), ArgumentError, ("sinusoidal_encoding: depth must be even", "5")),
    Refused(lambda: sinusoidal_encoding(3, 4, base=0), ArgumentError, ("base must be positive",)),
    Refused(lambda x: rotary_embedding(x), ArgumentError, ("rotary_embedding: the depth of x must be even", "3"), ((2, 3),)),
    Refused(lambda x: rotary_embedding(x, dims=6), ArgumentError, ("dims 6 is more than the depth",), ((2, 4),)),
    Refused(lambda x: rotary_embedding(x, axis=-1), ArgumentError, ("axis -1 is not one",), ((2, 4),)),
    Refused(lambda x: rotary_embedding(x, np.zeros((2, 2, 2))), ShapeError, ("positions must be [length]",), ((2, 4),)),
    Refused(lambda x: rotary_embedding(x, np.zeros(3)), ShapeError, ("broadcast",), ((2, 4),)),
    Refused(lambda c, n: kv_cache_update(c, n, 0, axis=1), ArgumentError, ("axis must be negative",), ((4, 2), (1, 2))),
    Refused(lambda c, n: kv_cache_update(c, n, 0.5), DTypeError, ("position must be a scalar integer",), ((4, 2), (1, 2))),
]  # fmt: skip


@pytest.mark.parametrize("case", BUILD, ids=ids)
def test_bad_input_is_refused_when_built(case: Refused) -> None:
    check_built(case)


@pytest.mark.parametrize(
    "shapes", [((2, 3, 5), *QKV[1:]), (*QKV[:2], (2, 4, 6)), ((3, 3, 4), *QKV[1:])], ids=str
)
def test_sizes_that_only_the_run_knows(shapes: Any) -> None:
    check_bound(Refused(lambda *a: sdpa(*a), ShapeError, (), shapes))


def test_a_full_cache_is_found_out_at_the_run() -> None:
    position = gf.placeholder("int64", ())
    made = kv_cache_update(floats(4, 2), gf.ones((2, 2)), position)
    (cache,) = [
        n.outputs[0] for n in gf.get_default_graph().operations if n.outputs and n.outputs[0].shape == (4, 2)
    ][:1]
    session = gf.Session()
    np.testing.assert_array_equal(
        session.run(made, {cache: np.zeros((4, 2), np.float32), position: 2}),
        [[0, 0], [0, 0], [1, 1], [1, 1]],
    )
    with pytest.raises(IndexRangeError, match="index 4 is out of range"):
        session.run(made, {cache: np.zeros((4, 2), np.float32), position: 3})


# --- an independent oracle ------------------------------------------------------------------------


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("shared", [1, 2, 4])
def test_attention_equals_pytorchs(causal: bool, shared: int) -> None:
    torch = pytest.importorskip("torch")
    q, k, v = array(2, 4, 3, 6, seed=1), array(2, shared, 5, 6, seed=2), array(2, shared, 5, 2, seed=3)
    tensors = [torch.from_numpy(a).requires_grad_() for a in (q, k, v)]
    expected = torch.nn.functional.scaled_dot_product_attention(*tensors, is_causal=causal, enable_gqa=True)
    (expected**2).sum().backward()
    feeds = [gf.placeholder("float64", a.shape) for a in (q, k, v)]
    result = sdpa(*feeds, causal=causal)
    found = gf.Session().run(
        [result, *gf.gradients(gf.sum(result * result), feeds)], dict(zip(feeds, (q, k, v), strict=True))
    )
    for a, e in zip(found, [expected, *[t.grad for t in tensors]], strict=True):
        np.testing.assert_allclose(a, e.detach().numpy(), rtol=1e-11, atol=1e-13)


def test_multi_head_attention_equals_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    module = torch.nn.MultiheadAttention(6, 3, batch_first=True).double()
    torch.nn.init.normal_(module.in_proj_bias)
    x = array(2, 4, 6, seed=1)
    mask = np.tri(4, dtype=bool)
    expected, weights = module(
        *[torch.from_numpy(x)] * 3, attn_mask=torch.from_numpy(~mask), average_attn_weights=False
    )
    parts = np.split(module.in_proj_weight.detach().numpy().T, 3, axis=1)
    biases = [*np.split(module.in_proj_bias.detach().numpy(), 3), module.out_proj.bias.detach().numpy()]
    w_o = module.out_proj.weight.detach().numpy().T
    found = gf.Session().run(
        multi_head_attention(x, None, None, *parts, w_o, 3, biases=biases, mask=mask, return_weights=True)
    )
    np.testing.assert_allclose(found[0], expected.detach().numpy(), rtol=1e-11)
    np.testing.assert_allclose(found[1], weights.detach().numpy(), rtol=1e-11)


# --- properties -----------------------------------------------------------------------------------


def test_a_query_that_sees_nothing_gets_zeros_and_no_gradient() -> None:
    q, k, v = (gf.placeholder("float64", s) for s in QKV)
    mask = np.ones((3, 5), bool)
    mask[1] = False
    result = sdpa(q, k, v, mask=mask)
    feeds = {q: array(*QKV[0], seed=1), k: array(*QKV[1], seed=2), v: array(*QKV[2], seed=3)}
    grads = gf.gradients(gf.sum(result * result), [q, k, v])
    second = gf.gradients(gf.sum(grads[0] * grads[0]), [q, k, v])
    found = gf.Session().run([result, *grads, *second], feeds)
    assert all(np.isfinite(a).all() for a in found)
    np.testing.assert_array_equal(found[0][:, 1], 0)
    np.testing.assert_array_equal(found[1][:, 1], 0)


def test_nan_and_infinity_in_what_is_seen_show() -> None:
    q, k, v = array(1, 2, seed=1), array(3, 2, seed=2), array(3, 2, seed=3)
    for bad in (np.nan, np.inf):
        k[1, 0] = bad
        q[0, 0] = 1.0
        assert np.isnan(gf.Session().run(sdpa(q, k, v))).all()


def test_a_mask_and_a_bias_of_minus_infinity_are_the_same() -> None:
    q, k, v = (array(*s, seed=k) for k, s in enumerate(QKV))
    mask = np.array([True, False, True, True, False])
    a, b = gf.Session().run([sdpa(q, k, v, mask=mask), sdpa(q, k, v, bias=np.where(mask, 0.0, -np.inf))])
    np.testing.assert_array_equal(a, b)


def test_dropped_weights_keep_the_mean() -> None:
    q, k, v = np.zeros((1, 2)), np.zeros((10_000, 2)), np.ones((10_000, 1))
    result = sdpa(q, k, v, dropout_rate=0.25, seed=3)
    session = gf.Session()
    first, second = session.run(result), session.run(result)
    assert abs(first.item() - 1) < 0.05
    assert first != second


def test_keys_remembered_one_by_one_give_what_causal_attention_gives() -> None:
    q, k, v = array(4, 2, seed=1), array(4, 2, seed=2), array(4, 3, seed=3)
    whole = gf.Session().run(sdpa(q, k, v, causal=True))
    row, keys, values = (
        gf.placeholder("float64", (1, 2)),
        gf.placeholder("float64", (4, 2)),
        gf.placeholder("float64", (4, 3)),
    )
    at, new_k, new_v = (
        gf.placeholder("int64", ()),
        gf.placeholder("float64", (1, 2)),
        gf.placeholder("float64", (1, 3)),
    )
    kept = kv_cache_update(keys, new_k, at), kv_cache_update(values, new_v, at)
    step = sdpa(row, *kept, mask=causal_mask(1, 4, offset=at))
    session, memory = gf.Session(), [np.full((4, 2), np.nan), np.zeros((4, 3))]
    for t in range(4):
        feeds = {
            row: q[t : t + 1],
            keys: memory[0],
            values: memory[1],
            at: t,
            new_k: k[t : t + 1],
            new_v: v[t : t + 1],
        }
        result, *memory = session.run([step, *kept], feeds)
        np.testing.assert_allclose(result, whole[t : t + 1], rtol=1e-13)


def test_rotated_products_depend_on_distances_only() -> None:
    q, k = array(1, 8, seed=1), array(1, 8, seed=2)

    def product(i: int, j: int) -> Any:
        return gf.Session().run(
            gf.matmul(rotary_embedding(q, [i]), rotary_embedding(k, [j]), transpose_b=True)
        )

    np.testing.assert_allclose(product(3, 1), product(103, 101), rtol=1e-9)
    assert not np.allclose(product(3, 1), product(3, 2))


def test_lengths_may_be_computed() -> None:
    n = gf.placeholder("int64", ())
    mask, waves = causal_mask(n), sinusoidal_encoding(n, 2)
    found = gf.Session().run([mask, waves], {n: 3})
    np.testing.assert_array_equal(found[0], np.tri(3, dtype=bool))
    np.testing.assert_allclose(found[1][:, 0], np.sin(np.arange(3)), rtol=1e-6)


def test_slopes_of_many_heads() -> None:
    """Of a count that is no power of two: those of the power below, and every second of the power above."""
    below, above, between = gf.Session().run([alibi_slopes(8), alibi_slopes(16), alibi_slopes(12)])
    np.testing.assert_array_equal(between[:8], below)
    np.testing.assert_array_equal(between[8:], above[0:8:2])


def test_memory_is_that_of_the_scores() -> None:
    n = 512
    q, k, v = floats(n, 4), floats(n, 4), floats(n, 4)
    result = sdpa(q, k, v)
    scores = 4 * n * n
    for fetches, count in (
        (result, 1.2),
        (sdpa(q, k, v, causal=True), 2.4),
        (gf.gradients(gf.sum(result * result), [q, k, v]), 2.2),
    ):
        assert gf.Session().plan(fetches).peak_nbytes < count * scores
