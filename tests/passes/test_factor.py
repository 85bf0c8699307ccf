"""Factoring: integers keep every bit, floats stay within a bound; products that are needed elsewhere are left alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

import graphflow as gf
from graphflow.passes.canonicalize import canonicalize
from graphflow.passes.factor import factor, factor_fast
from graphflow.subgraph import cut
from graphflow.text import format_graph
from tests.passes.exactness import (
    COMPLEX,
    FLOATS,
    INTS,
    Row,
    bits,
    check_close,
    check_exact,
    check_kept,
    ops_of,
    run,
)
from tests.random_graphs import Recipe, build, recipes

SHAPE = (4, 4)

BOTH = [
    Row("a * b + a * c", lambda a, b, c: a * b + a * c, "add multiply", (*INTS, *FLOATS, *COMPLEX)),
    Row("b * a - c * a", lambda a, b, c: b * a - c * a, "subtract multiply", (*INTS, *FLOATS, *COMPLEX)),
    Row("a * 3 + a * 5", lambda a: a * 3 + a * 5, "multiply", (*INTS, *FLOATS)),
    Row("x + x * 3", lambda x: x + x * 3, "multiply", (*INTS, *FLOATS)),
    Row("x - x * 3", lambda x: x - x * 3, "multiply", (*INTS, *FLOATS)),
    Row("x * 3 - x", lambda x: x * 3 - x, "multiply", (*INTS, *FLOATS)),
    Row("a @ b + a @ c", lambda a, b, c: a @ b + a @ c, "add matmul", (*INTS, *FLOATS, *COMPLEX)),
    Row("a @ c - b @ c", lambda a, b, c: a @ c - b @ c, "subtract matmul", (*INTS, *FLOATS, *COMPLEX)),
    Row("sum(x * 3)", lambda x: _sum(x * 3), "sum multiply", (*INTS, *FLOATS, *COMPLEX)),
    Row("sum(-x)", lambda x: _sum(-x, 0), "sum negative", (*INTS, *FLOATS)),
    Row("sum(x * row)", lambda x: _sum(x * x[1], 0), "getitem sum multiply", (*INTS, *FLOATS)),
    Row(
        "sum(x * column)",
        lambda x: _sum(x * x[:, :1], 1),
        "strided_slice sum squeeze multiply",
        (*INTS, *FLOATS),
    ),
    Row(
        "sum(.., keepdims)",
        lambda x: _sum(x * x[:, :1], 1, True),
        "strided_slice sum multiply",
        (*INTS, *FLOATS),
    ),
]
ONLY_FAST = [
    Row("a / c + b / c", lambda a, b, c: a / c + b / c, "add divide", (*FLOATS, *COMPLEX)),
    Row("sum(x / 3)", lambda x: _sum(x / 3), "sum divide", FLOATS),
]
KEPT = [
    Row("product fetched", lambda a, b, c: _fetched(a * b, a * c), "", ("int32", "float32")),
    Row("product read twice", lambda a, b: _squared(a * b, a), "", ("int32", "float32")),
    Row("no common factor", lambda a, b: a * a + b * b, "", ("int32", "float32")),
    Row("divisors differ", lambda a, b: a / b + b / a, "", ("float32",)),
    Row("sum(x * row) along it", lambda x: _sum(x * x[1], 1), "", ("int32", "float32")),
    Row("sum of what is spread", lambda x: _sum(x[:1] * x[1, 1], 0), "", ()),
    Row("sum in a wider dtype", lambda x: gf.sum(x * 3), "", ("int8", "int16", "uint32")),
]


def _sum(x: gf.Tensor, axis: int | None = None, keepdims: bool = False) -> gf.Tensor:
    return gf.sum(x, axis, keepdims, dtype=x.dtype)


def _fetched(p: gf.Tensor, q: gf.Tensor) -> list[gf.Tensor]:
    return [p + q, p]


def _squared(p: gf.Tensor, a: gf.Tensor) -> gf.Tensor:
    return (p + a * p) * p


@pytest.mark.parametrize("row", BOTH, ids=str)
def test_integers_keep_every_bit(row: Row) -> None:
    integers = tuple(d for d in row.dtypes if d in INTS)
    check_exact(factor, Row(row.text, row.before, row.left, integers), SHAPE)
    floats = tuple(d for d in row.dtypes if d not in INTS)
    check_kept(factor, Row(row.text, row.before, "", floats), SHAPE)
    check_exact(factor_fast, Row(row.text, row.before, row.left, integers), SHAPE)


@pytest.mark.parametrize("row", [*BOTH, *ONLY_FAST], ids=str)
def test_floats_only_round_anew(row: Row) -> None:
    floats = tuple(d for d in row.dtypes if d not in INTS)
    check_close(factor_fast, Row(row.text, row.before, row.left, floats), SHAPE, operations=40)


@pytest.mark.parametrize("row", KEPT, ids=str)
def test_what_would_save_nothing_is_kept(row: Row) -> None:
    check_kept(factor_fast, row, SHAPE)


def test_as_text() -> None:
    w, g = gf.placeholder("float32", [3], name="w"), gf.placeholder("float32", [3], name="g")
    after = factor_fast(cut([w - w * 0.25, gf.sum(g * w + w * 2.0)], (w, g)))
    assert [line.partition("  #")[0] for line in format_graph(after).splitlines()] == [
        "%0 = constant(value=0.75) : float32[]",
        "%1 = multiply(<w:0>, %0) : float32[3]",
        "%2 = constant(value=2.) : float32[]",
        "%3 = add(<g:0>, %2) : float32[3]",
        "%4 = multiply(<w:0>, %3) : float32[3]",
        "%5 = sum(%4, axis=None, keepdims=False, dtype=dtype('float32')) : float32[]",
        "return %1, %5",
    ]


def test_sizes_may_be_unknown() -> None:
    a, b = gf.placeholder("int64", [None]), gf.placeholder("int64", ["n"])
    c = gf.placeholder("int64")
    before = cut([a * b + a * b[:1], gf.sum(b * c), gf.sum(c * gf.sum(b))], (a, b, c))
    after = factor(before)
    assert [t.type for t in after.outputs] == [t.type for t in before.outputs]
    assert ops_of(after).startswith("strided_slice add multiply")
    assert after.outputs[1].op.type == "sum"


@given(recipe=recipes())
def test_random_graphs_keep_their_bits(recipe: Recipe) -> None:
    """Random graphs are of floats: exact factoring leaves them alone, the fast one hardly changes them."""
    with gf.Graph().as_default():
        built = build(recipe)
        before = canonicalize(cut(built.fetches, tuple(built.feeds)))
        assert factor(before) is before
        after = factor_fast(before)
        assert factor_fast(after) is after
    feeds = [np.asarray(v) for v in built.feeds.values()]
    for old, new in zip(run(before, feeds), run(after, feeds), strict=True):
        if bits(old) != bits(new):
            assert np.allclose(old, new, rtol=1e-9, atol=1e-9, equal_nan=True)
