"""Sparse tensors: feeding and fetching them, agreement with SciPy's, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

import graphflow as gf
from graphflow.ops.sparse import (
    sparse_add,
    sparse_concat,
    sparse_from_dense,
    sparse_multiply,
    sparse_reduce_max,
    sparse_reduce_sum,
    sparse_reshape,
    sparse_softmax,
    sparse_tensor_dense_matmul,
    sparse_tensor_to_dense,
    sparse_transpose,
)
from graphflow.ops.sparse_tensor import SparseTensor, SparseTensorValue, sparse_placeholder


def test_it_is_fed_and_fetched_in_three_parts():
    sp = sparse_placeholder("float32", [None, 3], name="sp")
    value = SparseTensorValue(np.array([[0, 1], [4, 2]]), np.float32([5, 6]), np.array([5, 3]))
    with gf.Session() as session:
        fetched, total = session.run([sp, sparse_reduce_sum(sp)], {sp: value})
        assert type(fetched) is SparseTensorValue
        for got, want in zip(fetched, value, strict=True):
            np.testing.assert_array_equal(got, want)
        assert total == 11.0
        parts = session.run({"a": sp}, {sp: ([[0, 0]], [1.0], [1, 3])})["a"]
        assert parts.dense_shape.tolist() == [1, 3]
    assert sp.get_shape() == (None, 3)
    assert [t.name for t in sp.__graphflow_parts__()] == ["sp/indices:0", "sp/values:0", "sp/shape:0"]


def test_a_placeholder_s_known_sizes_are_checked():
    sp = sparse_placeholder("float32", [None, 3])
    dense = sparse_tensor_to_dense(sp)
    with gf.Session() as session, pytest.raises(gf.errors.ShapeError, match="axis 1 is declared with size 3"):
        session.run(dense, {sp: ([[0, 0]], [1.0], [1, 4])})


@given(st.integers(0, 6), st.integers(0, 6), st.integers(0, 4), st.floats(0, 1), st.integers(0, 99))
def test_products_are_scipy_s(m, k, n, density, seed):
    matrix = scipy.sparse.random_array((m, k), density=density, rng=np.random.default_rng(seed)).tocoo()
    other = np.random.default_rng(seed).normal(size=(k, n))
    places = np.stack(matrix.coords, axis=1).astype(np.int64).reshape(-1, 2)
    with gf.Graph().as_default(), gf.Session() as session:
        sp = sparse_placeholder("float64", [None, None])
        y = sparse_tensor_dense_matmul(sp, gf.constant(other))
        got = session.run([y, sparse_reduce_sum(sp, 0)], {sp: (places, matrix.data, [m, k])})
    np.testing.assert_allclose(got[0], matrix @ other, atol=1e-12)
    np.testing.assert_allclose(got[1], matrix.sum(axis=0), atol=1e-12)


def test_a_gradient_flows_to_the_values_alone():
    sp = SparseTensor([[0, 1], [1, 0]], gf.Variable([2.0, 3.0]), [2, 2])
    loss = gf.sum(sparse_tensor_dense_matmul(sp, gf.constant([[1.0], [10.0]])) ** 2)
    (gradient,) = gf.gradients(loss, [sp.values])
    with gf.Session() as session:
        session.run(gf.global_variables_initializer())
        np.testing.assert_allclose(session.run(gradient), [2 * 20.0 * 10.0, 2 * 3.0 * 1.0])


@pytest.mark.parametrize(
    ("places", "error", "message"),
    [
        ([[0, 2]], gf.errors.IndexRangeError, "index 2 is out of range for axis 1 with size 2"),
        ([[-1, 0]], gf.errors.IndexRangeError, "index -1 is out of range for axis 0 with size 2"),
        ([[0, 1], [0, 1]], gf.errors.RunError, r"place \[0, 1\] is given more than once"),
    ],
)
def test_bad_places_are_refused_at_the_run(places, error, message):
    sp = sparse_placeholder("float32", [2, 2])
    dense = sparse_tensor_to_dense(sp)
    feed = {sp: (places, np.ones(len(places), np.float32), [2, 2])}
    with gf.Session() as session, pytest.raises(error, match=message) as caught:
        session.run(dense, feed)
    assert "test_sparse.py" in str(caught.value)


def _matrix() -> Any:
    return SparseTensor([[0, 1]], [2.0], [2, 3])


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: SparseTensor([0], [1.0], [2]), gf.errors.ShapeError, "indices must have 2 axes"),
        (lambda: SparseTensor([[0.5]], [1.0], [2]), gf.errors.DTypeError, "indices must be integers"),
        (lambda: SparseTensor([[0]], [1.0, 2.0], [2]), gf.errors.ShapeError, "differ in number"),
        (lambda: SparseTensor([[0]], [1.0], [2, 2]), gf.errors.ShapeError, "do not fit a dense_shape"),
        (lambda: SparseTensor([[0]], [1.0], [-2]), gf.errors.ShapeError, "negative"),
        (lambda: SparseTensor([[0]], 1.0, [2]), gf.errors.ShapeError, "values must have 1 axes"),
        (lambda: sparse_placeholder("float32"), gf.errors.ShapeError, "rank must be known"),
        (lambda: sparse_placeholder("sofa", [2]), gf.errors.GraphflowError, "sofa"),
        (lambda: sparse_tensor_to_dense(3.0), gf.errors.ArgumentError, "takes a SparseTensor, got 3.0"),
        (lambda: sparse_tensor_to_dense(_matrix(), [1.0, 2.0]), gf.errors.ShapeError, "scalar"),
        (lambda: sparse_tensor_to_dense(_matrix(), 1.0, False), gf.errors.ArgumentError, "default_value 0"),
        (
            lambda: sparse_tensor_dense_matmul(_matrix(), np.ones((2, 2), np.float32)),
            gf.errors.ShapeError,
            "3 and 2",
        ),
        (
            lambda: sparse_tensor_dense_matmul(_matrix(), np.ones((3, 2))),
            gf.errors.DTypeError,
            "float32 times float64",
        ),
        (lambda: sparse_tensor_dense_matmul(_matrix(), np.ones(3)), gf.errors.ShapeError, "takes matrices"),
        (lambda: sparse_multiply(_matrix(), np.ones((2, 2, 3))), gf.errors.ShapeError, "does not broadcast"),
        (
            lambda: sparse_add(_matrix(), SparseTensor([[0, 1]], [2.0], [2, 4])),
            gf.errors.ShapeError,
            "differ",
        ),
        (lambda: sparse_reduce_sum(_matrix(), 2), gf.errors.ArgumentError, "sparse_reduce_sum: axis 2"),
        (lambda: sparse_reduce_max(_matrix(), "x"), gf.errors.GraphflowError, "x"),
        (lambda: sparse_transpose(_matrix(), [0, 0]), gf.errors.ShapeError, "perm"),
        (lambda: sparse_reshape(_matrix(), [4, -1]), gf.errors.ShapeError, "cannot become"),
        (lambda: sparse_reshape(_matrix(), [-1, -1]), gf.errors.ShapeError, "at most one -1"),
        (lambda: sparse_concat(0, []), gf.errors.ArgumentError, "list of SparseTensors"),
        (lambda: sparse_softmax(SparseTensor([[0]], [1.0], [2])), gf.errors.ShapeError, "at least 2 axes"),
        (lambda: sparse_from_dense(gf.placeholder("float32")), gf.errors.ShapeError, "rank"),
        (lambda: np.asarray(_matrix()), gf.errors.DTypeError, "to_dense"),
        (
            lambda: gf.Session().run(_matrix(), {_matrix(): 3}),
            gf.errors.FeedError,
            "indices, values, dense_shape",
        ),
        (
            lambda: gf.Session().run(_matrix(), {_matrix(): ([[0, 0]], [1.0, 2.0], [1, 1])}),
            gf.errors.FeedError,
            "1 indices and 2 values",
        ),
    ],
)
def test_bad_arguments_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()
