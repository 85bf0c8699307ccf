"""Layouts of images: as few transposes as any choice needs, the same values, in forward and in training graphs."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import graphflow as gf
from graphflow.passes.choose_layout import choose_layout_fast
from tests.passes.patterns import Rewritten, bound, lines, rewritten, values

TO_FIRST, TO_LAST = (0, 3, 1, 2), (0, 2, 3, 1)


def _fed(*shapes: tuple[int, ...], dtype: str = "float64") -> dict[gf.Tensor, Any]:
    rng = np.random.default_rng(0)
    return {gf.placeholder(dtype, s, name=f"x{k}"): rng.uniform(-1, 1, s) for k, s in enumerate(shapes)}


def _run(fetches: list[gf.Tensor], feeds: dict[gf.Tensor, Any]) -> Rewritten:
    result = rewritten(choose_layout_fast, bound(fetches, feeds))
    for after, before in zip(values(result.after, feeds), values(result.before, feeds), strict=True):
        np.testing.assert_allclose(after, before, rtol=1e-10, atol=1e-10)
    return result


def _turns(result: Rewritten) -> tuple[int, int]:
    return tuple(sum(n.type == "permute_dims" for n in s.nodes) for s in (result.before, result.after))  # type: ignore[return-value]


def _first(x: gf.Tensor, w: gf.Tensor, **options: Any) -> gf.Tensor:
    return gf.nn.conv2d(x, w, 1, "SAME", data_format="NCHW", **options)


def test_what_a_convolution_between_transposes_becomes() -> None:
    feeds = _fed((2, 8, 8, 3), (3, 3, 3, 4))
    x, w = feeds
    y = gf.transpose(gf.nn.relu(_first(gf.transpose(x, TO_FIRST), w)), TO_LAST)
    result = _run([y], feeds)
    assert [n.type for n in result.after.nodes] == ["conv", "relu"]
    assert "channels_first=False" in lines(result.after)[0]


def _chain(
    x: gf.Tensor, w: gf.Tensor, v: gf.Tensor, b: gf.Tensor, layouts: tuple[bool, bool, bool]
) -> gf.Tensor:
    """A convolution with a bias, a pooling and a convolution, each first or last, on an image with channels last."""
    now = False
    for step, first in enumerate(layouts):
        if first != now:
            x = gf.transpose(x, TO_FIRST if first else TO_LAST)
            now = first
        form = "NCHW" if first else "NHWC"
        if step == 1:
            x = gf.nn.max_pool(x, 2, data_format=form)
        else:
            x = gf.tanh(
                gf.nn.bias_add(gf.nn.conv2d(x, (w, v)[step // 2], 1, "SAME", data_format=form), b, form)
            )
    return gf.transpose(x, TO_LAST) if now else x


@pytest.mark.parametrize("number", range(8))
def test_a_chain_that_begins_and_ends_with_channels_last_needs_no_transpose(number: int) -> None:
    feeds = _fed((2, 8, 8, 3), (3, 3, 3, 9), (3, 3, 9, 9), (9,))
    layouts = (bool(number & 4), bool(number & 2), bool(number & 1))
    made = _chain(*feeds, layouts)
    assert _turns(_run([made], feeds))[1] == 0
    trained = _run([made, *gf.gradients(gf.sum(gf.square(made)), list(feeds))], feeds)
    assert not any(n.type == "permute_dims" for n in trained.after.nodes)


def test_batch_normalisation_in_training_goes_along() -> None:
    feeds = _fed((2, 3, 8, 8), (3, 3, 3, 9), (9,), (9,), (3, 3, 9, 9))
    x, w, g, b, v = feeds
    y = gf.nn.fused_batch_norm(_first(x, w), g, b, data_format="NCHW")[0]
    z = gf.nn.avg_pool(_first(gf.nn.relu(y), v), 2, data_format="NCHW")
    loss = gf.sum(gf.mean(z, (2, 3)))
    result = _run([loss, *gf.gradients(loss, [w, g, b, v])], feeds)
    assert result.fired
    assert all(not n.attrs.get("channels_first", False) for n in result.after.nodes)
    turns = [n.inputs[0] for n in result.after.nodes if n.type == "permute_dims"]
    large = [t for t in turns if t.op.op.name not in ("constant", "placeholder", "broadcast_to")]
    assert large == []  # but for x, and the gradient of a mean, which is a broadcast


def test_images_that_others_need_keep_their_layout() -> None:
    feeds = _fed((2, 9, 8, 8), (3, 3, 9, 9))
    x, w = feeds
    y = _first(x, w)
    flat = gf.reshape(y, (2, -1))
    for fetches in ([y], [flat], [y, flat], [gf.sum(y, 2)], [gf.cumulative_sum(y, axis=1)]):
        assert not _run(fetches, feeds).fired  # a transpose costs more than the convolution gains
    deep = _first(gf.nn.max_pool(_first(gf.nn.max_pool(y, 3, 1, "SAME", "NCHW"), w), 3, 1, "SAME", "NCHW"), w)
    result = _run([gf.reshape(deep, (2, -1))], feeds)
    assert _turns(result) == (0, 2)


def test_a_network_with_channels_last_is_left_without_a_look() -> None:
    feeds = _fed((2, 8, 8, 9), (3, 3, 9, 9))
    x, w = feeds
    y = gf.nn.conv2d(x, w)
    assert not _run([y, *gf.gradients(gf.sum(gf.nn.max_pool(y, 2)), [w])], feeds).fired
    assert not _run([gf.transpose(gf.nn.conv2d(x, w), TO_FIRST)], feeds).fired


def test_what_must_not_move() -> None:
    feeds = _fed((2, 8, 8, 8), (3, 3, 8, 8))
    x, w = feeds
    turned = gf.transpose(x, TO_FIRST)
    with gf.control_dependencies([gf.no_op()]):
        late = _first(turned, w)
    assert not _run([gf.transpose(late, TO_LAST)], feeds).fired
    both = _first(x, w) + gf.nn.conv2d(x, w, 1, "SAME")  # of one shape by chance
    assert not _run([gf.nn.max_pool(both, 2)], feeds).fired
    other = gf.transpose(_first(x, w), (0, 2, 1, 3))
    assert not _run([other], feeds).fired


def test_one_and_three_axes() -> None:
    feeds = _fed((2, 9, 20), (3, 9, 9))
    x, w = feeds
    y = gf.nn.conv1d(gf.transpose(x, (0, 2, 1)), w)
    z = gf.nn.max_pool1d(gf.transpose(y, (0, 2, 1)), 2, data_format="NCW")
    assert _turns(_run([z], feeds))[1] <= 1
    feeds = _fed((1, 5, 6, 7, 3), (2, 2, 2, 3, 9))
    x, w = feeds
    y = gf.nn.conv3d(gf.transpose(x, (0, 4, 1, 2, 3)), w, data_format="NCDHW")
    assert _turns(_run([gf.transpose(y, (0, 2, 3, 4, 1))], feeds)) == (2, 0)


_STEPS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 99)), min_size=1, max_size=12)


@given(_STEPS, st.integers(0, 999), st.booleans())
def test_random_networks_keep_their_values_and_gain_no_transposes_for_nothing(
    steps: Any, seed: int, train: bool
) -> None:
    """Square images with as many channels as pixels, so that what lies wrongly has the right shape."""
    rng = random.Random(seed)
    with gf.Graph().as_default():
        feeds = _fed((2, 8, 8, 8), (3, 3, 8, 8), (8,), (2, 8, 8, 8))
        x, w, b, other = feeds
        made: list[tuple[gf.Tensor, bool]] = [(x, False), (other, rng.random() < 0.5)]
        for kind, pick in steps:
            t, first = made[-1 - pick % min(3, len(made))]
            made.append(_step(kind, t, first, w, b, made, rng))
        fetches = [made[-1][0], made[rng.randrange(len(made))][0]]
        if train:
            loss = gf.sum(gf.square(made[-1][0]))
            fetches += gf.gradients(loss, [x, w, b], unconnected_gradients="zero")
        _run(fetches, feeds)


def _step(
    kind: int, t: gf.Tensor, first: bool, w: gf.Tensor, b: gf.Tensor, made: Any, rng: random.Random
) -> tuple[gf.Tensor, bool]:
    form = "NCHW" if first else "NHWC"
    channels = gf.reshape(b, (8, 1, 1)) if first else b
    choices: list[Callable[[], gf.Tensor]] = [
        lambda: gf.nn.conv2d(t, w, 1, "SAME", data_format=form),
        lambda: gf.nn.max_pool(t, 3, 1, "SAME", data_format=form),
        lambda: gf.nn.avg_pool(t, 3, 1, "SAME", data_format=form),
        lambda: gf.nn.depthwise_conv2d(t, w[:, :, :, :1], 1, "SAME", data_format=form),
        lambda: gf.tanh(t) * 0.5 + channels,
        lambda: t * gf.mean(t, (2, 3) if first else (1, 2), keepdims=True),
        lambda: t + gf.sum(t, (0, 2, 3) if first else (0, 1, 2), keepdims=True) * 0.01,
        lambda: t + rng.choice([u for u, f in made if f == first]),
        lambda: gf.where(t > 0.0, t, 0.1 * t),
    ]
    if kind >= len(choices):
        return gf.transpose(t, TO_LAST if first else TO_FIRST), not first
    return choices[kind](), first
