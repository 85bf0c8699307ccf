"""Tensors made from nothing, diagonals and triangles: bad input, dtypes, sizes that are not known yet."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphflow as gf
from graphflow.errors import ArgumentError, DTypeError, MemoryLimitError, ShapeError
from graphflow.op import F
from tests.ops.refused import Refused, check_bound, check_built, floats, ids

MAKERS = ("zeros", "ones", "empty")

BUILD = [
    *[
        Refused(lambda n=name, s=shape: F.table[n](s), ShapeError, (name, words))
        for name in MAKERS
        for shape, words in (
            ((-1, 2), "-1"),
            ((2, 3.0), "3.0"),
            ((float("nan"),), "nan"),
            ((True,), "True"),
            ("3", "'3'"),
            (None, "None"),
            ((None, 2), "gf.shape"),
            ((2**32, 2**32), "2^63"),
            ((2**64,), "2^63"),
            ((1,) * 65, "64"),
            (3.5, "3.5"),
        )
    ],
    Refused(lambda: gf.zeros(2, "string"), DTypeError, ("zeros", "text")),
    Refused(lambda: gf.full((2,), [1, 2]), ArgumentError, ("full", "[1, 2]")),
    Refused(lambda: gf.full((2,), "x"), DTypeError, ("'x'",)),
    Refused(lambda: gf.full((2,), 300, "int8"), DTypeError, ("300", "int8")),
    Refused(lambda: gf.full((2,), 2.5, "int32"), DTypeError, ("2.5", "int32")),
    Refused(lambda: gf.full((2,), -1, "uint8"), DTypeError, ("-1", "uint8")),
    Refused(lambda: gf.full((-2,), 0), ShapeError, ("full", "-2")),
    Refused(lambda x: gf.full((2,), x), ArgumentError, ("full", "float32[3]"), ((3,),)),
    Refused(lambda x: gf.full_like(x, 1j), DTypeError, ("complex",), ((3,),)),
    Refused(lambda: gf.eye(-1), ShapeError, ("eye", "-1")),
    Refused(lambda: gf.eye(2.0), ShapeError, ("eye", "2.0")),
    Refused(lambda: gf.eye((2, 2)), ShapeError, ("eye", "(2, 2)")),
    Refused(lambda: gf.eye(2, k=0.5), ArgumentError, ("eye: k", "0.5")),
    Refused(lambda: gf.eye(2**40, 2**40), ShapeError, ("eye", "2^63")),
    # ranges: 38
    Refused(lambda: gf.arange(0, 5, 0), ArgumentError, ("arange", "step")),
    Refused(lambda: gf.arange(0, 5, 0.0), ArgumentError, ("arange", "step")),
    Refused(lambda: gf.arange(float("nan")), ArgumentError, ("arange", "nan")),
    Refused(lambda: gf.arange(0, float("inf")), ArgumentError, ("arange", "inf")),
    Refused(lambda: gf.arange(0, 1, float("nan")), ArgumentError, ("arange", "nan")),
    Refused(lambda: gf.arange("5"), ArgumentError, ("arange", "'5'")),
    Refused(lambda: gf.arange(True), ArgumentError, ("arange", "True")),
    Refused(lambda: gf.arange(np.array([1, 2])), ArgumentError, ("arange", "array([1, 2])")),
    Refused(lambda: gf.arange(2j), ArgumentError, ("arange", "2j")),
    Refused(lambda: gf.arange(2**64), ShapeError, ("arange", "2^63")),
    Refused(lambda: gf.arange(0, 1e300, 1e-300), ShapeError, ("arange", "finite")),
    Refused(lambda: gf.arange(300, dtype="int8"), DTypeError, ("299", "int8")),
    Refused(lambda: gf.arange(-1, 3, dtype="uint8"), DTypeError, ("-1", "uint8")),
    Refused(lambda: gf.arange(0, 1, 0.5, dtype="int32"), DTypeError, ("arange", "int32")),
    Refused(lambda: gf.arange(3, dtype="bool"), DTypeError, ("arange", "bool")),
    Refused(lambda x: gf.arange(x), ShapeError, ("arange", "stop must be one number", "float32[3]"), ((3,),)),
    Refused(lambda x: gf.arange(x, dtype="int8"), DTypeError, ("arange", "float32", "int8"), ((),)),
    Refused(lambda x: gf.arange(x, dtype="bool"), DTypeError, ("arange", "bool"), ((),)),
    Refused(lambda: gf.linspace(0, 1, -1), ArgumentError, ("linspace", "-1")),
    Refused(lambda: gf.linspace(0, 1, 2.5), ArgumentError, ("linspace", "2.5")),
    Refused(lambda: gf.linspace(0, 1, 2**63), ArgumentError, ("linspace", "2^63")),
    Refused(lambda: gf.linspace(float("nan"), 1, 5), ArgumentError, ("linspace", "nan")),
    Refused(lambda: gf.linspace(0, float("inf"), 5), ArgumentError, ("linspace", "inf")),
    Refused(lambda: gf.linspace("0", 1, 5), ArgumentError, ("linspace", "'0'")),
    Refused(lambda: gf.linspace(0, 1, 5, dtype="int32"), DTypeError, ("linspace", "int32")),
    Refused(lambda: gf.linspace(0, 1j, 5, dtype="float32"), DTypeError, ("linspace", "float32")),
    Refused(lambda x: gf.linspace(x, 1, 5), ShapeError, ("linspace", "0-d"), ((2,),)),
    # matrices
    *[
        Refused(lambda x, n=name: F.table[n](x), ShapeError, (name, "two axes"), ((3,),))
        for name in ("tril", "triu", "diagonal")
    ],
    *[
        Refused(lambda x, n=name: F.table[n](x, 0.5), ArgumentError, (name, "0.5"), ((3, 3),))
        for name in ("tril", "triu", "diagonal")
    ],
    Refused(lambda x: F.trace(x), ShapeError, ("two axes",), ((3,),)),
    Refused(lambda x: F.diagonal(x, 0, 0, 0), ArgumentError, ("diagonal", "both 0"), ((3, 3),)),
    Refused(lambda x: F.diagonal(x, 0, 0, 5), ArgumentError, ("axis", "5"), ((3, 3),)),
    Refused(lambda x: F.matrix_diag(x), ShapeError, ("matrix_diag", "one axis"), ((),)),
    Refused(lambda x: F.matrix_diag(x, 0, 2, 2), ShapeError, ("matrix_diag", "2 rows"), ((3,),)),
    Refused(lambda x: F.matrix_diag(x, 0, -1), ShapeError, ("matrix_diag", "-1"), ((3,),)),
    Refused(lambda x: F.matrix_diag(x, 2**61), ShapeError, ("matrix_diag", "2^63"), ((3,),)),
    Refused(lambda x: gf.meshgrid(x, indexing="yx"), ArgumentError, ("meshgrid", "'yx'"), ((3,),)),
]

BIND = [
    Refused(lambda x: F.matrix_diag(x, 0, 2, 2), ShapeError, ("2 rows",), ((3,),)),
    Refused(lambda x: gf.broadcast_to(gf.arange(gf.shape(x)[0]), (4,)), ShapeError, ("[4]",), ((3,),)),
]


@pytest.mark.parametrize("case", BUILD, ids=ids)
def test_refused_while_building(case: Refused) -> None:
    check_built(case)


@pytest.mark.parametrize("case", BIND, ids=ids)
def test_refused_before_the_run(case: Refused) -> None:
    check_bound(case)


@pytest.mark.parametrize(
    "build",
    [
        lambda: gf.arange(10**18),
        lambda: gf.zeros((10**9, 10**9)),
        lambda: gf.linspace(0, 1, 10**17),
        lambda: gf.eye(10**9),
    ],
)
def test_what_no_memory_can_hold_is_built_and_refused_by_its_plan(build: Any) -> None:
    y = build()
    session = gf.Session(memory_limit="1GB")
    with pytest.raises(MemoryLimitError):
        session.run(y)


@pytest.mark.parametrize(
    ("build", "dtype"),
    [
        (lambda: gf.zeros(2), "float32"),
        (lambda: gf.full(2, 1), "int64"),
        (lambda: gf.full(2, 1.0), "float32"),
        (lambda: gf.full(2, np.float64(1)), "float64"),
        (lambda: gf.full(2, True), "bool"),
        (lambda: gf.arange(3), "int64"),
        (lambda: gf.arange(3.0), "float32"),
        (lambda: gf.linspace(0, 1, 3), "float32"),
        (lambda: gf.eye(2), "float32"),
    ],
)
def test_default_dtypes(build: Any, dtype: str) -> None:
    assert build().dtype.name == dtype


def test_default_float_follows_the_settings() -> None:
    with gf.config.override(default_float="float64"):
        assert {gf.zeros(2).dtype.name, gf.arange(2.0).dtype.name, gf.linspace(0, 1, 2).dtype.name} == {
            "float64"
        }


def test_like_functions_need_nothing_where_the_shape_is_known() -> None:
    for x in (floats(2, 3), gf.placeholder("float32", ("batch", 3))):
        for function in (gf.zeros_like, gf.ones_like):
            node = function(x).op
            assert (node.type, node.inputs) == ("full", ())
    assert gf.zeros_like(gf.placeholder("float32", (None, 3))).op.type == "full_like"


def test_zeros_like_an_unknown_shape() -> None:
    x = gf.placeholder("float32")
    y = gf.zeros_like(x, "int8")
    value = gf.Session().run(y, {x: np.full((2, 0, 3), np.nan, np.float32)})
    assert (value.shape, value.dtype) == ((2, 0, 3), np.int8)


def test_float_range_does_not_drift() -> None:
    value = gf.Session().run(gf.arange(0, 100_000, 0.1, dtype="float64"))
    np.testing.assert_array_equal(value, np.array(range(1_000_000)) * 0.1)


def test_range_over_an_unknown_batch() -> None:
    x = gf.placeholder("float32", (None, 3))
    y = gf.arange(gf.shape(x)[0])
    assert gf.Session().run(y, {x: np.zeros((4, 3))}).tolist() == [0, 1, 2, 3]
    assert gf.Session().run(y, {x: np.zeros((0, 3))}).tolist() == []


def test_empty_is_the_same_in_every_run() -> None:
    y = gf.empty((1000,))
    assert not gf.Session().run(y).any()


def test_gradients_through_triangles_ignore_the_other_one() -> None:
    x = gf.constant(np.array([[1.0, np.inf], [2.0, 3.0]]))
    (g,) = gf.Session().run(gf.gradients(gf.sum(F.tril(x)), x))
    np.testing.assert_array_equal(g, [[1, 0], [1, 1]])
