"""Reductions: bad input, and what the table of samples cannot say."""

from __future__ import annotations

import numpy as np
import pytest

import graphflow as gf
from graphflow.errors import ArgumentError, DTypeError, ShapeError
from graphflow.op import F
from tests.ops.refused import Refused, check_bound, check_built, ids

S23 = ((2, 3),)

BUILD = [
    *[
        Refused(lambda x, n=name, a=axis: F.table[n](x, a), ArgumentError, (name, words), S23)
        for name in (
            "sum",
            "prod",
            "mean",
            "max",
            "min",
            "any",
            "all",
            "var",
            "std",
            "logsumexp",
            "count_nonzero",
        )
        for axis, words in (
            (2, "axis 2"),
            (-3, "axis -3"),
            ((0, -2), "twice"),
            (1.0, "1.0"),
            ("0", "'0'"),
            (2**70, "axis"),
        )
        if not (
            name in ("mean", "var", "std", "logsumexp", "count_nonzero") and axis in (2, -3, (0, -2), 2**70)
        )
    ],
    *[
        Refused(lambda x, n=name, a=axis: F.table[n](x, a), ArgumentError, (words,), S23)
        for name in ("mean", "var", "std", "logsumexp", "count_nonzero", "vector_norm")
        for axis, words in ((2, "axis 2"), (-3, "axis -3"), ((0, -2), "twice"), (2**70, "axis"))
    ],
    *[
        Refused(lambda x, n=name, a=axis: F.table[n](x, a), ArgumentError, (name, words), S23)
        for name in ("argmax", "argmin")
        for axis, words in (
            (2, "axis 2"),
            (True, "True"),
            ((0, 1), "(0, 1)"),
            (0.0, "0.0"),
            (-(2**63), "axis"),
        )
    ],
    *[
        Refused(lambda x, n=name: F.table[n](x, 1), ShapeError, (name, "empty"), ((2, 0),))
        for name in ("max", "min", "argmax", "argmin")
    ],
    Refused(lambda x: gf.logsumexp(x), ShapeError, ("max", "empty"), ((0,),)),
    *[
        Refused(lambda n=name: F.table[n](gf.zeros((2,), "complex64")), DTypeError, (name, "complex"))
        for name in ("max", "min", "argmax", "argmin")
    ],
    Refused(lambda x: gf.sum(x, dtype="int32"), DTypeError, ("sum", "int32"), S23),
    Refused(lambda x: gf.sum(x, dtype="nonsense"), DTypeError, ("'nonsense'",), S23),
    Refused(lambda: gf.prod(gf.zeros(2, "complex64"), dtype="float32"), DTypeError, ("prod", "complex")),
    Refused(lambda: gf.sum(gf.zeros(2, "int8"), dtype="bool"), DTypeError, ("sum", "bool")),
    Refused(lambda x: gf.var(x, correction="1"), ArgumentError, ("correction", "'1'"), S23),
    Refused(lambda x: gf.cumsum(x, 2), ArgumentError, ("cumulative_sum", "axis 2"), S23),
    Refused(lambda x: gf.cumulative_prod(x, axis=None), ShapeError, ("cumulative_prod", "axis"), S23),
    Refused(
        lambda x: gf.cumulative_sum(x, axis=0), ShapeError, ("cumulative_sum", "at least one axis"), ((),)
    ),
    Refused(
        lambda x, y: gf.linear_recurrence(x, y),
        ShapeError,
        ("linear_recurrence", "same shape"),
        ((2, 3), (2, 4)),
    ),
    Refused(
        lambda: gf.linear_recurrence(np.ones(2, int), np.ones(2, int)),
        DTypeError,
        ("linear_recurrence", "int64"),
    ),
    Refused(lambda x, y: F.sum_to_like(x, y), ShapeError, ("sum_to_like",), ((2, 3), (2, 4))),
    Refused(lambda x, y: F.sum_to_like(x, y), ShapeError, ("sum_to_like", "fewer axes"), ((3,), (2, 3))),
    Refused(lambda x: gf.sum(x, object()), ArgumentError, ("sum: axis", "object"), S23),
]

BIND = [
    Refused(lambda x: gf.max(x, 1), ShapeError, ("axis 1", "empty"), ((2, 0),)),
    Refused(lambda x: gf.argmin(x), ShapeError, ("axis 0", "empty"), ((0, 2),)),
    Refused(lambda x, y: gf.linear_recurrence(x, y), ShapeError, ("same shape",), ((2, 3), (2, 4))),
    Refused(lambda x, y: F.sum_to_like(x, y), ShapeError, ("broadcast",), ((2, 3), (2, 4))),
]


@pytest.mark.parametrize("case", BUILD, ids=ids)
def test_refused_while_building(case: Refused) -> None:
    check_built(case)


@pytest.mark.parametrize("case", BIND, ids=ids)
def test_refused_before_the_run(case: Refused) -> None:
    check_bound(case)


def test_unknown_rank_is_checked_before_the_run() -> None:
    x = gf.placeholder("float32")
    y = gf.sum(x, 2)
    with pytest.raises(ArgumentError, match=r"axis 2 is out of range for rank 1"):
        gf.Session().run(y, {x: np.zeros(3, np.float32)})


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        ("bool", "int64"),
        ("int8", "int64"),
        ("int32", "int64"),
        ("uint8", "uint64"),
        ("uint64", "uint64"),
        ("float16", "float16"),
        ("bfloat16", "bfloat16"),
        ("complex64", "complex64"),
    ],
)
def test_accumulators(dtype: str, expected: str) -> None:
    x = gf.zeros((2, 3), dtype)
    for function in (gf.sum, gf.prod):
        assert function(x).dtype.name == expected
    assert gf.cumsum(x).dtype.name == expected


def test_mean_is_one_sum_and_one_division() -> None:
    graph = gf.Graph()
    with graph.as_default():
        gf.mean(gf.placeholder("float32", (3, 4)), 1)
    assert [n.type for n in graph.operations] == ["placeholder", "sum", "constant", "divide"]


def test_mean_of_named_batch_needs_only_the_size() -> None:
    x = gf.placeholder("float32", ("batch", 4))
    y = gf.mean(x, 0)
    assert y.type.shape == (4,)
    np.testing.assert_allclose(gf.Session().run(y, {x: np.arange(8.0).reshape(2, 4)}), [2, 3, 4, 5])


def test_gradient_of_a_bias_does_not_depend_on_the_bias() -> None:
    """x: float32[batch, 4] plus b: float32[4]; db is a plain sum over the batch."""
    x, b = gf.placeholder("float32", ("batch", 4)), gf.placeholder("float32", (4,))
    (db,) = gf.gradients(gf.sum((x + b) * x), [b])
    assert db.op.type == "sum"
    assert db.op.attrs["axis"] == (0,)


def test_sums_of_unsigned_and_bytes_do_not_overflow() -> None:
    x = np.full(1000, 255, np.uint8)
    assert gf.Session().run(gf.sum(x)) == 255_000
    assert gf.Session().run(gf.cumsum(np.full(1000, -128, np.int8)))[-1] == -128_000


def test_gradient_of_prod_of_a_long_vector_with_one_zero() -> None:
    x = np.full(2000, 1.001)
    x[700] = 0
    t = gf.constant(x)
    (g,) = gf.Session().run(gf.gradients(gf.prod(t), t))
    assert np.flatnonzero(g).tolist() == [700]
    np.testing.assert_allclose(g[700], 1.001**1999, rtol=1e-10)


def test_third_derivative_of_prod_at_zeros() -> None:
    """The mixed derivative of x0 x1 x2 x3 by x0, x1 and x2 is x3, at zero too."""
    x = gf.constant(np.array([0.0, 0.0, 0.0, 5.0]))
    g = gf.gradients(gf.prod(x), x)[0]
    h = gf.gradients(g[0], x)[0]
    third = gf.gradients(h[1], x)[0]
    np.testing.assert_array_equal(gf.Session().run(third), [0, 0, 5, 0])


def test_ties_share_the_gradient_and_it_sums_to_one() -> None:
    x = gf.constant(np.array([[2.0, 2.0, 1.0], [0.0, -0.0, 0.0]]))
    (g,) = gf.Session().run(gf.gradients(gf.max(x, 1), x))
    np.testing.assert_allclose(g, [[0.5, 0.5, 0], [1 / 3, 1 / 3, 1 / 3]])


def test_integers_have_no_gradient_but_do_not_break_one() -> None:
    x = gf.constant(np.array([1.0, 2.0]))
    y = x * gf.cast(gf.sum(gf.constant(np.array([1, 2]))), "float64")
    np.testing.assert_array_equal(gf.Session().run(gf.gradients(y, x)[0]), [3, 3])
