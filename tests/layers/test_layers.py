"""Layers: the variables they make, what they compute, sharing, training, and what they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphflow as gf
from graphflow import layers


def _variables() -> dict[str, Any]:
    return {v.name: v.shape for v in gf.global_variables()}


def _run(fetches: Any, feeds: Any = None) -> Any:
    with gf.Session() as session:
        session.run(gf.global_variables_initializer())
        return session.run(fetches, feeds)


# --- what they make and compute ---------------------------------------------------------------------------------------


def test_dense_is_a_product_and_a_bias():
    x = gf.placeholder("float32", ["batch", 7, 3])
    y = layers.dense(x, 4, activation=gf.nn.relu, bias_initializer=gf.initializers.Constant(0.1), name="d")
    assert _variables() == {"d/kernel:0": (3, 4), "d/bias:0": (4,)}
    value = np.random.default_rng(0).normal(size=(2, 7, 3)).astype(np.float32)
    got, kernel = _run([y, gf.global_variables()[0]], {x: value})
    np.testing.assert_allclose(got, np.maximum(value @ kernel + 0.1, 0), rtol=1e-5, atol=1e-6)


def test_a_layer_called_again_by_name_shares_its_variables():
    x = gf.placeholder("float32", [2, 3])
    first = layers.dense(x, 4, name="d")
    again = layers.dense(x, 4, name="d", reuse=True)
    other = layers.dense(x, 4)
    unnamed = layers.dense(x, 4)
    assert list(_variables()) == [
        *("d/kernel:0", "d/bias:0", "dense/kernel:0", "dense/bias:0"),
        *("dense_1/kernel:0", "dense_1/bias:0"),
    ]
    a, b, c, d = _run([first, again, other, unnamed], {x: np.ones((2, 3))})
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)
    assert not np.array_equal(c, d)


@pytest.mark.parametrize(
    ("make", "shape", "result", "variables"),
    [
        (lambda x: layers.conv1d(x, 5, 3), (None, 9, 2), (None, 7, 5), [(3, 2, 5), (5,)]),
        (lambda x: layers.conv2d(x, 5, 3, 2, "same"), (None, 9, 8, 2), (None, 5, 4, 5), [(3, 3, 2, 5), (5,)]),
        (
            lambda x: layers.conv2d(x, 6, (3, 1), groups=2, use_bias=False, dilation_rate=2),
            (None, 9, 8, 2),
            (None, 5, 8, 6),
            [(3, 1, 1, 6)],
        ),
        (
            lambda x: layers.conv2d(x, 5, 3, data_format="channels_first"),
            (None, 2, 9, 8),
            (None, 5, 7, 6),
            [(3, 3, 2, 5), (5,)],
        ),
        (lambda x: layers.conv3d(x, 5, 2), (None, 4, 5, 6, 2), (None, 3, 4, 5, 5), [(2, 2, 2, 2, 5), (5,)]),
        (
            lambda x: layers.conv2d_transpose(x, 5, 3, 2, "same"),
            (None, 4, 5, 2),
            (None, 8, 10, 5),
            [(3, 3, 5, 2), (5,)],
        ),
        (
            lambda x: layers.conv2d_transpose(x, 5, 3, 2),
            (None, 4, 5, 2),
            (None, 9, 11, 5),
            [(3, 3, 5, 2), (5,)],
        ),
        (
            lambda x: layers.conv3d_transpose(x, 5, 2, 2),
            (None, 2, 3, 4, 2),
            (None, 4, 6, 8, 5),
            [(2, 2, 2, 5, 2), (5,)],
        ),
        (
            lambda x: layers.depthwise_conv2d(x, 3, depth_multiplier=2),
            (None, 9, 8, 2),
            (None, 7, 6, 4),
            [(3, 3, 2, 2), (4,)],
        ),
        (
            lambda x: layers.separable_conv2d(x, 5, 3, depth_multiplier=2),
            (None, 9, 8, 2),
            (None, 7, 6, 5),
            [(3, 3, 2, 2), (1, 1, 4, 5), (5,)],
        ),
        (lambda x: layers.max_pooling1d(x, 2, 2), (None, 9, 2), (None, 4, 2), []),
        (lambda x: layers.max_pooling2d(x, 2, 2, "same"), (None, 9, 8, 2), (None, 5, 4, 2), []),
        (lambda x: layers.max_pooling3d(x, 2, 1), (None, 4, 5, 6, 2), (None, 3, 4, 5, 2), []),
        (lambda x: layers.average_pooling1d(x, 2, 2), (None, 9, 2), (None, 4, 2), []),
        (lambda x: layers.average_pooling2d(x, (3, 2), (1, 2)), (None, 9, 8, 2), (None, 7, 4, 2), []),
        (lambda x: layers.average_pooling3d(x, 2, 2), (None, 4, 5, 6, 2), (None, 2, 2, 3, 2), []),
        (layers.flatten, (None, 4, 5), (None, 20), []),
        (layers.batch_normalization, (None, 4, 5), (None, 4, 5), [(5,)] * 4),
        (lambda x: layers.layer_normalization(x, axis=1), (None, 4, 5), (None, 4, 5), [(4,)] * 2),
        (lambda x: layers.group_normalization(x, 2), (None, 3, 6), (None, 3, 6), [(6,)] * 2),
        (lambda x: layers.lstm(x, 3), (None, 4, 5), (None, 3), [(5, 12), (3, 12), (12,)]),
        (lambda x: layers.gru(x, 3, True), (None, 4, 5), (None, 4, 3), [(5, 9), (3, 9), (9,)]),
        (lambda x: layers.simple_rnn(x, 3), (None, 4, 5), (None, 3), [(5, 3), (3, 3), (3,)]),
    ],
)
def test_shapes_before_and_in_the_run(make, shape, result, variables):
    x = gf.placeholder("float32", shape)
    y = make(x)
    assert [d if isinstance(d, int) else None for d in y.shape] == list(result)
    assert list(_variables().values()) == variables
    value = np.random.default_rng(0).normal(size=(2, *shape[1:])).astype(np.float32)
    got = _run([y, *gf.gradients(gf.sum(y), [x])], {x: value})
    assert got[0].shape == (2, *result[1:])
    assert np.isfinite(got[0]).all()
    assert got[1].shape == value.shape


def test_flatten_with_unknown_sizes():
    x = gf.placeholder("float32", [2, None, 3])
    assert _run(layers.flatten(x), {x: np.ones((2, 5, 3))}).shape == (2, 15)
    y = gf.placeholder("float32", [None, None, 3])
    assert _run(layers.flatten(y), {y: np.ones((4, 5, 3))}).shape == (4, 15)


def test_embedding_looks_rows_up():
    ids = gf.placeholder("int32", [None, 2])
    y = layers.embedding(ids, 10, 3)
    got, table = _run([y, gf.global_variables()[0]], {ids: [[1, 9], [0, 1]]})
    np.testing.assert_array_equal(got, table[[[1, 9], [0, 1]]])
    with pytest.raises(gf.errors.IndexRangeError, match="10"):
        _run(y, {ids: [[10, 0]]})


def test_dropout_is_for_training():
    x, training = gf.placeholder("float32", [1000]), gf.placeholder("bool", [])
    y = layers.dropout(x, 0.4, training=training, seed=1)
    assert layers.dropout(x, 0.4) is x or np.all(_run(layers.dropout(x, 0.4), {x: np.ones(1000)}) == 1)
    kept = _run(y, {x: np.ones(1000), training: True})
    assert 0.5 < np.mean(kept > 0) < 0.7
    np.testing.assert_array_equal(_run(y, {x: np.ones(1000), training: False}), np.ones(1000))


def test_batch_normalization_learns_its_averages_with_the_update_operations():
    x, training = gf.placeholder("float32", [None, 2]), gf.placeholder("bool", [])
    y = layers.batch_normalization(x, momentum=0.5, training=training)
    updates = gf.get_collection(gf.GraphKeys.UPDATE_OPS)
    rng = np.random.default_rng(0)
    with gf.Session() as session:
        session.run(gf.global_variables_initializer())
        for _ in range(20):
            batch = rng.normal([5.0, -3.0], [2.0, 0.5], (500, 2)).astype(np.float32)
            normal, *_ = session.run([y, *updates], {x: batch, training: True})
            np.testing.assert_allclose(normal.mean(0), 0, atol=1e-2)
            np.testing.assert_allclose(normal.std(0), 1, atol=1e-2)
        at_rest = session.run(y, {x: np.float32([[5.0, -3.0]]), training: False})
        np.testing.assert_allclose(at_rest, [[0, 0]], atol=0.2)
        kept = {v.name: session.run(v) for v in gf.global_variables()}
    np.testing.assert_allclose(kept["batch_normalization/moving_mean:0"], [5, -3], atol=0.2)
    assert [v.name for v in gf.trainable_variables()] == [
        "batch_normalization/gamma:0",
        "batch_normalization/beta:0",
    ]


def test_regularizers_join_their_collection():
    x = gf.placeholder("float32", [2, 3])
    layers.dense(
        x,
        2,
        kernel_initializer=gf.initializers.Constant(-2.0),
        kernel_regularizer=layers.l2_regularizer(0.1),
        bias_initializer=gf.initializers.Constant(3.0),
        bias_regularizer=layers.l1_regularizer(0.5),
    )
    got = _run(gf.get_collection(gf.GraphKeys.REGULARIZATION_LOSSES))
    np.testing.assert_allclose(got, [0.1 * 6 * 4 / 2, 0.5 * 6], rtol=1e-6)
    assert np.isclose(_run(layers.l1_l2_regularizer(1.0, 1.0)(gf.constant([3.0, -4.0]))), 7 + 12.5)


def test_a_convolutional_network_learns():
    """Upright and lying bars, told apart by a network of ten lines."""
    rng = np.random.default_rng(0)
    images, kinds = rng.normal(0, 0.3, (256, 8, 8, 1)).astype(np.float32), rng.integers(0, 2, 256)
    for image, kind, at in zip(images, kinds, rng.integers(1, 7, 256), strict=True):
        image[(slice(None), at) if kind else (at, slice(None))] += 1.0
    x, y = gf.placeholder("float32", [None, 8, 8, 1]), gf.placeholder("int64", [None])
    net = layers.conv2d(x, 8, 3, activation=gf.nn.relu)
    net = layers.max_pooling2d(net, 2, 2)
    logits = layers.dense(layers.flatten(net), 2)
    loss = gf.nn.sparse_softmax_cross_entropy(labels=y, logits=logits)
    train = gf.train.AdamOptimizer(0.01).minimize(loss)
    right = gf.mean(gf.cast(gf.equal(gf.argmax(logits, axis=1), y), "float32"))
    with gf.Session() as session:
        session.run(gf.global_variables_initializer())
        for images_batch, kinds_batch in (
            gf.data.Dataset.from_arrays((images, kinds)).shuffle().batch(32).repeat(8)
        ):
            session.run(train, {x: images_batch, y: kinds_batch})
        assert session.run(right, {x: images, y: kinds}) > 0.95


# --- what they refuse -------------------------------------------------------------------------------------------------


def _images(*shape: Any) -> Any:
    return gf.placeholder("float32", shape or (None, 8, 8, 3))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.dense(_images(2, None), 4), "size of axis -1"),
        (lambda: layers.dense(_images(2, 3), 0), "units must be at least 1"),
        (lambda: layers.dense(_images(2, 3), 1.5), "units"),
        (lambda: layers.dense(_images(2, 3), 4, activation=3), "activation must be a function"),
        (lambda: layers.dense(_images(2, 3), 4, use_bias="yes"), "use_bias"),
        (lambda: layers.dense(gf.placeholder("int32", [2, 3]), 4), "inputs must be floats"),
        (lambda: layers.dense(gf.placeholder("float32"), 4), "rank"),
        (lambda: layers.dense(1.0, 4), "must have an axis"),
        (lambda: layers.dense(_images(2, 3), 4, name="a b"), "a b"),
        (lambda: layers.dense(_images(2, 3), 4, activity_regularizer=abs), "activity_regularizer"),
        (lambda: layers.conv2d(_images(2, 3), 4, 3), "must have 4 axes"),
        (lambda: layers.conv2d(_images(), 4, (3, 3, 3)), "kernel_size needs 2 ints"),
        (lambda: layers.conv2d(_images(), 4, 3, padding="full"), "padding is 'same' or 'valid'"),
        (lambda: layers.conv2d(_images(), 4, 3, data_format="NWHC"), "data_format"),
        (lambda: layers.conv2d(_images(), 4, 3, groups=2), "groups 2 must divide 3 channels"),
        (lambda: layers.conv2d(_images(), 4, 3, strides=0), "strides must be at least 1"),
        (lambda: layers.conv2d(_images(None, 8, 8, None), 4, 3), "size of axis -1"),
        (lambda: layers.max_pooling2d(_images(), 0, 1), "pool_size"),
        (lambda: layers.flatten(1.0), "batch axis"),
        (lambda: layers.embedding(_images(), 3, 4), "must be integers"),
        (lambda: layers.embedding(gf.placeholder("int32", [2]), 0, 4), "input_dim"),
        (lambda: layers.batch_normalization(_images(), axis=4), "axis 4"),
        (lambda: layers.group_normalization(_images(), 2), "must divide 3 channels"),
        (lambda: layers.lstm(_images(), 4), "must have 3 axes"),
        (lambda: layers.gru(_images(None, 4, None), 4), "size of axis -1"),
        (lambda: layers.l2_regularizer(-1.0), "scale .*-1.0"),
        (lambda: layers.l1_regularizer("a"), "scale"),
    ],
)
def test_bad_arguments_are_refused_and_leave_no_variables(make, message):
    with pytest.raises(gf.errors.GraphflowError, match=message) as caught:
        make()
    assert "test_layers.py" in str(caught.value)
    assert _variables() == {}


def test_a_layer_that_fails_leaves_no_variable_behind() -> None:
    """Neither in the collections nor for `get_variable`: the same call works once the mistake is put right."""
    x = gf.placeholder("float32", (2, 3))
    with pytest.raises(gf.errors.ArgumentError, match="epsilon"):
        gf.layers.batch_normalization(x, epsilon=-1.0, name="norm")
    assert gf.global_variables() == gf.trainable_variables() == []
    gf.layers.batch_normalization(x, name="norm")
    assert (len(gf.global_variables()), len(gf.trainable_variables())) == (4, 2)


@pytest.mark.parametrize(
    ("initializer", "message"),
    [
        ("abc", "initializer is no function"),
        (lambda shape, dtype: None, "initializer gave"),
        (lambda shape, dtype: 1.0, r"of shape \[3, 4\] cannot start from"),
    ],
)
def test_initializers_that_give_no_tensor_of_the_shape_are_refused(initializer: Any, message: str) -> None:
    with pytest.raises(gf.errors.GraphflowError, match=message):
        gf.layers.dense(gf.placeholder("float32", (2, 3)), 4, kernel_initializer=initializer)
    assert gf.global_variables() == []


def test_a_regularizer_gives_a_scalar() -> None:
    with pytest.raises(gf.errors.ShapeError, match="regularizer must give a scalar"):
        gf.layers.dense(gf.placeholder("float32", (2, 3)), 4, kernel_regularizer=lambda w: w)
