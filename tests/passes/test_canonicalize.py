"""Canonical form: each spelling becomes the one form, bit for bit, and equal values are found equal afterwards."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

import graphflow as gf
from graphflow.op import OPS, Trait, load_all
from graphflow.passes.canonicalize import COMMUTATIVE, canonicalize
from graphflow.passes.merge_equal import merge_equal
from graphflow.subgraph import cut
from graphflow.text import format_graph
from tests.passes.exactness import (
    BOOL,
    COMPLEX,
    FLOATS,
    INTS,
    NUMBERS,
    REALS,
    Row,
    bits,
    check_exact,
    check_kept,
    ops_of,
    run,
)
from tests.random_graphs import Recipe, build, recipes

ROWS = [
    Row("b + a", lambda a, b: b + a, "add", NUMBERS),
    Row("b * a", lambda a, b: b * a, "multiply", REALS),
    Row("b & a", lambda a, b: b & a, "bitwise_and", (*INTS, *BOOL)),
    Row("b | a", lambda a, b: b | a, "bitwise_or", (*INTS, *BOOL)),
    Row("b ^ a", lambda a, b: b ^ a, "bitwise_xor", (*INTS, *BOOL)),
    Row("b == a", lambda a, b: b == a, "equal", (*NUMBERS, *BOOL)),
    Row("b != a", lambda a, b: b != a, "not_equal", (*NUMBERS, *BOOL)),
    Row("a > b", lambda a, b: a > b, "less", (*REALS, *BOOL)),
    Row("a >= b", lambda a, b: a >= b, "less_equal", (*REALS, *BOOL)),
    Row("x - 3", lambda x: x - 3, "add", ("int8", "int64", *FLOATS, *COMPLEX)),
    Row("x * x", lambda x: x * x, "square", REALS),
    Row("add_n(a, b)", lambda a, b: gf.add_n([a, b]), "add", NUMBERS),
    Row("identity", lambda x: gf.identity(gf.stop_gradient(x)) * 3, "multiply", NUMBERS),
]
KEPT = [
    Row("b * a", lambda a, b: b * a, "", COMPLEX),
    Row("x * x", lambda x: x * x, "", COMPLEX),
    Row("x - 3", lambda x: x - 3, "", ("uint8", "uint64")),
    Row("a - b", lambda a, b: a - b, "", NUMBERS),
    Row("maximum(b, a)", lambda a, b: gf.maximum(b, a), "", REALS),
]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_every_bit_stays(row: Row) -> None:
    check_exact(canonicalize, row)


@pytest.mark.parametrize("row", KEPT, ids=str)
def test_what_would_change_bits_is_kept(row: Row) -> None:
    check_kept(canonicalize, row)


def test_the_commutative_ops_are_those_that_say_so() -> None:
    load_all()
    assert {name for name, op in OPS.items() if op.traits & Trait.COMMUTATIVE} == set(COMMUTATIVE)


def test_equal_values_are_found_equal() -> None:
    a, b = gf.placeholder("float32", [2], name="a"), gf.placeholder("float32", [2], name="b")
    before = cut([gf.exp(a + b) - 2.0, gf.exp(b + a) + -2.0, a > b, b < a], (a, b))
    after = merge_equal(canonicalize(before))
    assert [line.partition("  #")[0] for line in format_graph(after).splitlines()] == [
        "%0 = add(<a:0>, <b:0>) : float32[2]",
        "%1 = exp(%0) : float32[2]",
        "%2 = constant(value=-2.) : float32[]",
        "%3 = add(%1, %2) : float32[2]",
        "%4 = less(<b:0>, <a:0>) : bool[2]",
        "return %3, %3, %4, %4",
    ]


def test_axes_are_named_once_the_rank_is_known() -> None:
    x = gf.placeholder("float32", [2, 3])
    y = gf.placeholder("float32")
    swapped = gf.swapaxes(y, -1, -2)
    feeds = (x, y)
    after = canonicalize(
        cut([gf.sum(x), gf.sum(x, axis=-1), gf.max(x, axis=(1, 0)), swapped, gf.sum(y)], feeds)
    )
    folds = [n.attrs["axis"] for n in after.nodes if n.type in ("sum", "max")]
    assert folds == [(0, 1), (1,), (0, 1), None]
    assert ops_of(after).split().count("swapaxes") == 1


def test_devices_control_edges_and_variables_are_left_alone() -> None:
    x, v = gf.placeholder("float32", [2]), gf.Variable([1.0, 2.0])
    with gf.device("gpu:1"):
        elsewhere = gf.identity(x)
    with gf.control_dependencies([v.assign_add([1.0, 1.0])]):
        later = gf.identity(x)
    before = cut([elsewhere, later], (x,))
    assert [n.type for n in canonicalize(before).nodes].count("identity") == 2


def test_the_users_line_stays_on_what_is_new() -> None:
    x = gf.placeholder("float32", [2])
    y = x - 2.0
    (node,) = [n for n in canonicalize(cut([y], (x,))).nodes if n.type == "add"]
    assert (node.name, node.origin) == (y.op.name, y.op.origin)


@given(recipe=recipes())
def test_random_graphs_keep_their_bits(recipe: Recipe) -> None:
    with gf.Graph().as_default():
        built = build(recipe)
        before = cut(built.fetches, tuple(built.feeds))
        after = canonicalize(before)
        assert canonicalize(after) is after
    feeds = [np.asarray(v) for v in built.feeds.values()]
    for old, new in zip(run(before, feeds), run(after, feeds), strict=True):
        assert bits(old) == bits(new)
