"""Matrix products: what moves and scales less gives the same bits of integers, and the same values of floats."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import graphflow as gf
from graphflow.passes.fold_products import fold_products, fold_products_fast
from graphflow.subgraph import cut
from graphflow.text import format_graph
from tests.passes.exactness import (
    COMPLEX,
    FLOATS,
    INTS,
    Row,
    check_close,
    check_exact,
    check_kept,
    ops_of,
    run,
)

SHAPE = (6, 6)
WIDE = ("float32", "float64", *COMPLEX)


def T(x: gf.Tensor) -> gf.Tensor:
    return gf.matrix_transpose(x)


BOTH = [
    Row("T(T(b) @ a)", lambda a, b: T(T(b) @ a), "permute_dims matmul", (*INTS, *FLOATS, *COMPLEX)),
    Row("T(T(b) @ T(a))", lambda a, b: T(T(b) @ T(a)), "matmul", (*INTS, *FLOATS)),
    Row(
        "narrow product * 3",
        lambda a: (a[:, :2] @ a[:2]) * 3,
        "strided_slice strided_slice multiply matmul",
        INTS,
    ),
    Row(
        "3 * narrow product",
        lambda a: 3 * (a[:, :1] @ a[:1]),
        "strided_slice strided_slice multiply matmul",
        FLOATS,
    ),
    Row("(a * 3) @ narrow", lambda a: (a * 3) @ a[:, :1], "strided_slice matmul multiply", (*INTS, *FLOATS)),
    Row(
        "narrow @ (a * 3)",
        lambda a: a[:1, :5] @ (a[:5] * 3),
        "strided_slice strided_slice multiply matmul",
        INTS,
    ),
]
ONLY_FAST = [
    Row(
        "narrow product / 3",
        lambda a: (a[:, :2] @ a[:2]) / 3,
        "strided_slice strided_slice divide matmul",
        FLOATS,
    ),
    Row("sum(x * y)", lambda x, y: gf.sum(x * y), "reshape reshape matmul", WIDE),
    Row("sum(x x)", lambda x: gf.sum(gf.square(x)), "reshape reshape matmul", WIDE),
]
KEPT = [
    Row("T(a @ b)", lambda a, b: T(a @ b), "", (*INTS, *FLOATS)),
    Row("product * matrix", lambda a, b: (a @ b) * b, "", FLOATS),
    Row("product * 3", lambda a, b: (a @ b) * 3, "", FLOATS),
    Row("product fetched", lambda a, b: _fetched(T(b) @ a), "", FLOATS),
    Row("3 / product", lambda a: 3 / (a[:, :2] @ a[:2]), "", FLOATS),
    Row("short dots", lambda x, y: gf.sum(x * y, -1), "", WIDE),
    Row("halves", lambda x, y: gf.sum(x * y), "", ("float16", "bfloat16")),
    Row("spread along the sum", lambda x: gf.sum(x * x[0, 0]), "", WIDE),
]


def _fetched(y: gf.Tensor) -> list[gf.Tensor]:
    return [T(y), y]


@pytest.mark.parametrize("row", BOTH, ids=str)
def test_integers_keep_every_bit(row: Row) -> None:
    integers = tuple(d for d in row.dtypes if d in INTS)
    check_exact(fold_products, Row(row.text, row.before, row.left, integers), SHAPE)
    floats = tuple(d for d in row.dtypes if d not in INTS)
    check_kept(fold_products, Row(row.text, row.before, "", floats), SHAPE)


@pytest.mark.parametrize("row", [*BOTH, *ONLY_FAST], ids=str)
def test_floats_only_round_anew(row: Row) -> None:
    floats = tuple(d for d in row.dtypes if d not in INTS)
    check_close(fold_products_fast, Row(row.text, row.before, row.left, floats), SHAPE, operations=40)


@pytest.mark.parametrize("row", KEPT, ids=str)
def test_what_would_save_nothing_is_kept(row: Row) -> None:
    check_kept(fold_products_fast, row, SHAPE)


@given(
    kinds=st.lists(st.sampled_from("brcki"), min_size=1, max_size=5),
    keepdims=st.booleans(),
    lead=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_sums_of_products_of_any_axes(kinds: list[str], keepdims: bool, lead: bool, seed: int) -> None:
    """Of whole numbers that float64 has exactly, so that the order of sums cannot be told.

    Axes: b in both operands, r and c in one of them, k summed, i of size 1.
    """
    rng = np.random.default_rng(seed)
    size = [1 if kind == "i" else int(rng.integers(2, 20)) for kind in kinds]
    a_shape = [1 if kind in "ci" else d for kind, d in zip(kinds, size, strict=True)]
    b_shape = [1 if kind in "ri" else d for kind, d in zip(kinds, size, strict=True)]
    while lead and len(a_shape) > 1 and a_shape[0] == 1:
        a_shape.pop(0)
    a, b = (rng.integers(-9, 9, shape).astype("float64") for shape in (a_shape, b_shape))
    axis = tuple(i for i, kind in enumerate(kinds) if kind == "k")
    with gf.Graph().as_default():
        x, y = gf.placeholder("float64", a.shape), gf.placeholder("float64", b.shape)
        before = cut([gf.sum(x * y, axis, keepdims)], (x, y))
        after = fold_products_fast(before)
    assert [t.type for t in after.outputs] == [t.type for t in before.outputs]
    assert np.array_equal(run(before, [a, b])[0], run(after, [a, b])[0])
    if {"r", "c", "k"} <= set(kinds) and len(kinds) == 3:
        assert "matmul" in ops_of(after) or max(size) < 8


def test_sums_of_products_become_products() -> None:
    a, b = gf.placeholder("float32", [30, 20], name="a"), gf.placeholder("float32", [20, 40], name="b")
    w = gf.placeholder("float32", [20, 5], name="w")
    spread = gf.sum(gf.expand_dims(a, 2) * b, axis=1)
    rows = gf.sum(a * a[:, ::-1], axis=1)
    stacked = gf.reshape(a, (3, 10, 20)) @ w
    after = fold_products_fast(cut([spread, gf.sum(a * a), stacked, rows], (a, b, w)))
    text = [line.partition("  #")[0] for line in format_graph(after).splitlines()]
    assert "%2 = matmul(%1, <b:0>) : float32[30, 40]" in text
    products = sorted(line.partition(" : ")[2] for line in text if "matmul" in line)
    assert products == ["float32[30, 40]", "float32[30, 5]", "float32[]"]


def test_sizes_must_be_known() -> None:
    a, w = gf.placeholder("float32", ["n", 4]), gf.placeholder("float32", [4, 9])
    before = cut([(a @ w) * 3.0, gf.sum(a * a), gf.reshape(a, (-1, 2, 4)) @ w], (a, w))
    assert fold_products_fast(before) is before
    after = fold_products_fast(cut([T(T(w) @ T(a))], (a, w)))
    assert ops_of(after) == "matmul"


def test_devices_and_control_edges_are_respected() -> None:
    x, v = gf.placeholder("float32", [6, 2]), gf.Variable([1.0])
    with gf.control_dependencies([v.assign_add([1.0])]):
        later = (x @ T(x)) * 3.0
    before = cut([later], (x,))
    assert fold_products_fast(before) is before
