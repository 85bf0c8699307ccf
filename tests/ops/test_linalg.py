"""Products, einsum and norms: bad input, and what the table of samples cannot say."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import graphflow as gf
from graphflow.errors import ArgumentError, DTypeError, ShapeError
from graphflow.op import F
from tests.ops.refused import Refused, check_bound, check_built, floats, ids

TWO = ((2, 3), (3, 4))
BAD = ((2, 3), (4, 5))

BUILD = [
    Refused(
        lambda x, y: gf.matmul(x, y), ShapeError, ("matmul", "float32[2, 3] @ float32[4, 5]", "3 != 4"), BAD
    ),
    Refused(lambda x, y: x @ y, ShapeError, ("matmul", "3 != 4"), BAD),
    Refused(lambda x, y: gf.matmul(x, y), ShapeError, ("matmul", "at least one axis"), ((), (2,))),
    Refused(lambda x, y: gf.matmul(x, y), ShapeError, ("matmul", "3 != 2"), ((3,), (2,))),
    Refused(lambda x, y: gf.matmul(x, y), ShapeError, ("matmul", "broadcast"), ((2, 3, 4), (5, 4, 2))),
    Refused(lambda x, y: gf.matmul(x, y), ShapeError, ("matmul", "2^63"), ((2**40, 0), (0, 2**40))),
    Refused(lambda: gf.matmul(np.ones((2, 2), bool), np.ones((2, 2), bool)), DTypeError, ("matmul", "bool")),
    Refused(
        lambda: gf.matmul(np.ones((2, 2), np.uint64), np.ones((2, 2), np.int64)),
        DTypeError,
        ("uint64", "int64"),
    ),
    Refused(
        lambda x, y: gf.matmul(x, y, transpose_a=True),
        ShapeError,
        ("matrix_transpose", "two axes"),
        ((3,), (3,)),
    ),
    Refused(lambda x, y: gf.matmul(x, y, True, False, True), ArgumentError, ("matmul", "not both"), TWO),
    Refused(lambda x, y: gf.matmul(x, "abc"), DTypeError, ("'abc'",), TWO),
    Refused(lambda x, y: F.outer(x, y), ShapeError, ("outer", "vectors"), ((2, 3), (4,))),
    Refused(lambda x, y: F.vecdot(x, y), ShapeError, ("vecdot", "length"), ((2, 3), (2, 4))),
    Refused(lambda x, y: F.vecdot(x, y, -3), ArgumentError, ("vecdot", "axis -3"), ((2, 3), (2, 3))),
    Refused(lambda x, y: F.vecdot(x, y, 0), ArgumentError, ("vecdot", "axis 0"), ((2, 3), (3,))),
    Refused(lambda x, y: F.dot(x, y), ShapeError, ("matmul", "3 != 4"), BAD),
    Refused(lambda x, y: gf.tensordot(x, y, 1), ShapeError, ("tensordot", "axis 1", "axis 0", "differ"), BAD),
    Refused(lambda x, y: gf.tensordot(x, y, 3), ArgumentError, ("tensordot", "3"), TWO),
    Refused(lambda x, y: gf.tensordot(x, y, -1), ArgumentError, ("tensordot", "-1"), TWO),
    Refused(lambda x, y: gf.tensordot(x, y, ((0,), (0, 1))), ArgumentError, ("tensordot", "pairs"), TWO),
    Refused(
        lambda x, y: gf.tensordot(x, y, ((0, 0), (0, 1))),
        ArgumentError,
        ("tensordot", "twice"),
        ((2, 3), (2, 2)),
    ),
    Refused(lambda x, y: gf.tensordot(x, y, (5, 0)), ArgumentError, ("tensordot", "axis of a 5"), TWO),
    Refused(lambda x, y: gf.tensordot(x, y, (0, 1, 2)), ArgumentError, ("tensordot", "(0, 1, 2)"), TWO),
    Refused(lambda x, y: gf.tensordot(x, y, 1.0), ArgumentError, ("tensordot", "1.0"), TWO),
    # einsum: 37
    *[
        Refused(lambda x, y, e=equation: gf.einsum(e, x, y), ArgumentError, ("einsum", words), TWO)
        for equation, words in (
            ("", "''"),
            ("   ", "einsum"),
            (None, "None"),
            (5, "5"),
            ("ij->ij", "1 operands"),
            ("ij,jk,kl->il", "3 operands"),
            ("ij,jk->ii", "repeated"),
            ("ij,jk->il", "'l'"),
            ("ij,jk->i->k", "'-'"),
            ("i1,1k->ik", "'1'"),
            ("iä,äk->ik", "'ä'"),
            ("ij;jk->ik", "';'"),
            ("i.j,jk->ik", "'.'"),
            ("i....j,jk->ik", "'.'"),
            ("...i...,jk->k", "'.'"),
            ("ij,jk->...ik", "'...'"),
            ("...ij,jk->ik", "must have '...'"),
            ("(ij),jk->ik", "'('"),
        )
    ],
    *[
        Refused(lambda x, y, e=equation: gf.einsum(e, x, y), ShapeError, ("einsum", words), TWO)
        for equation, words in (
            ("ijk,jk->ik", "3 labels"),
            ("i,jk->ik", "1 labels"),
            ("...ijk,jk->...i", "3 labels"),
            ("ij,ik->jk", "'i'"),
            ("ii,jk->ik", "'i'"),
            ("i" * 1000 + ",jk->ik", "1000 labels"),
        )
    ],
    Refused(
        lambda x, y: gf.einsum("...a,...b->...ab", x, y),
        ShapeError,
        ("einsum", "axis -1 of '...'"),
        ((2, 3), (4, 5)),
    ),
    Refused(lambda x: gf.einsum("i" * 1_000_000 + "9", x), ArgumentError, ("einsum", "'9'"), ((2,),)),
    Refused(lambda: gf.einsum("i->", np.ones(2, bool)), DTypeError, ("einsum", "bool")),
    Refused(lambda: gf.einsum("...i->i...", gf.placeholder("float32")), ShapeError, ("einsum", "rank")),
    # norms
    Refused(lambda x: F.vector_norm(x, ord="fro"), ArgumentError, ("vector_norm", "'fro'"), ((3,),)),
    Refused(lambda x: F.vector_norm(x, ord=float("nan")), ArgumentError, ("vector_norm", "nan"), ((3,),)),
    Refused(lambda x: F.matrix_norm(x, ord=3), ArgumentError, ("matrix_norm", "3"), ((3, 3),)),
    Refused(lambda x: F.matrix_norm(x), ShapeError, ("matrix_norm", "two axes"), ((3,),)),
    Refused(lambda x: F.norm(x, "two"), ArgumentError, ("norm", "'two'"), ((3, 3),)),
    Refused(lambda x: F.norm(x, 1), ArgumentError, ("norm", "one or two axes"), ((3, 3, 3),)),
    Refused(lambda x: F.norm(x, axis=3), ArgumentError, ("axis 3",), ((3, 3, 3),)),
    Refused(lambda: F.norm(gf.placeholder("float32"), 1), ShapeError, ("norm", "rank")),
]

BIND = [
    Refused(lambda x, y: gf.matmul(x, y), ShapeError, ("3 != 4",), BAD),
    Refused(lambda x, y: gf.matmul(x, y), ShapeError, ("broadcast",), ((2, 3, 4), (5, 4, 2))),
    Refused(lambda x, y: gf.tensordot(x, y, 1), ShapeError, ("3 != 4",), BAD),
    Refused(lambda x, y: gf.einsum("ij,jk->ik", x, y), ShapeError, ("3 != 4",), BAD),
    Refused(lambda x, y: F.vecdot(x, y), ShapeError, ("3 != 4",), ((2, 3), (2, 4))),
]


@pytest.mark.parametrize("case", BUILD, ids=ids)
def test_refused_while_building(case: Refused) -> None:
    check_built(case)


@pytest.mark.parametrize("case", BIND, ids=ids)
def test_refused_before_the_run(case: Refused) -> None:
    check_bound(case)


def test_inner_size_zero_gives_zeros() -> None:
    x, y = floats(3, 0), floats(0, 2)
    value = gf.Session().run(gf.matmul(x, y), {x: np.zeros((3, 0)), y: np.zeros((0, 2))})
    np.testing.assert_array_equal(value, np.zeros((3, 2)))


@pytest.mark.parametrize("shape", [(3,), (4, 3), (2, 4, 3), (0, 3)])
def test_weights_have_a_gradient_though_the_rank_of_x_is_unknown(shape: tuple[int, ...]) -> None:
    x = gf.placeholder("float64")
    w = gf.constant(np.arange(6.0).reshape(3, 2))
    y = gf.matmul(x, w)
    grads = gf.gradients(gf.sum(y * y), [x, w])
    value = np.random.default_rng(0).standard_normal(shape)
    dx, dw = gf.Session().run(grads, {x: value})
    rows = value.reshape(-1, 3)
    weights = np.arange(6.0).reshape(3, 2)
    np.testing.assert_allclose(dw, 2 * rows.T @ (rows @ weights), atol=1e-12)
    np.testing.assert_allclose(dx, (2 * (rows @ weights) @ weights.T).reshape(shape), atol=1e-12)


def test_gradient_of_two_unknown_ranks_says_what_is_missing() -> None:
    x, y = gf.placeholder("float32"), gf.placeholder("float32")
    with pytest.raises(ShapeError, match="matmul: its gradient needs to know the ranks"):
        gf.gradients(gf.matmul(x, y), [x])


def test_weight_gradient_of_a_batch_is_one_product() -> None:
    """x: float32[8, 5, 3] @ w: float32[3, 2]; dw is [3, 40] @ [40, 2], not a sum of eight products."""
    x, w = floats(8, 5, 3), floats(3, 2)
    (dw,) = gf.gradients(gf.sum(gf.matmul(x, w) ** 2), [w])
    assert dw.op.type == "matmul"
    assert dw.op.inputs[0].type.shape == (3, 40)


def test_transposed_operands_are_views() -> None:
    x, y = floats(300, 200), floats(300, 100)
    plan = gf.Session().plan(gf.matmul(x, y, transpose_a=True))
    assert plan.peak_nbytes <= 2 * 200 * 100 * 4 + 4096


def test_flops_are_counted() -> None:
    plan = gf.Session().plan(gf.matmul(floats(10, 3, 4), floats(4, 5)))
    assert plan.flops == 2 * 10 * 3 * 4 * 5


def test_int_products_wrap_and_keep_their_dtype() -> None:
    x = gf.constant(np.full((1, 2), 100, np.int8))
    y = gf.matmul(x, gf.transpose(x))
    assert y.dtype == np.int8
    assert gf.Session().run(y).tolist() == [[(100 * 100 * 2 + 128) % 256 - 128]]


def test_halves_are_accumulated_in_float32() -> None:
    x = gf.constant(np.ones((1, 5000), np.float16))
    assert gf.Session().run(gf.matmul(x, gf.transpose(x)))[0, 0] == 5000


@pytest.mark.parametrize("equation", ["ij,jk->ik", "ij,jk,kl,lm->im", "ij,kl->ijkl", "ij,ji->"])
def test_einsum_of_unknown_sizes(equation: str) -> None:
    left = equation.split("->", maxsplit=1)[0].split(",")
    rng = np.random.default_rng(1)
    sizes = dict(zip("ijklm", (2, 3, 4, 2, 3), strict=True))
    values = [rng.standard_normal([sizes[c] for c in term]) for term in left]
    tensors = [gf.placeholder("float64", (None,) * v.ndim) for v in values]
    result = gf.Session().run(gf.einsum(equation, *tensors), dict(zip(tensors, values, strict=True)))
    np.testing.assert_allclose(result, np.einsum(equation, *values), rtol=1e-12)


def test_einsum_of_a_chain_takes_the_cheap_order() -> None:
    """Left to right would make a 1000 x 1000 matrix."""
    y = gf.einsum("ij,jk,k->i", floats(1000, 2), floats(2, 1000), floats(1000))
    plan = gf.Session().plan(y)
    assert plan.peak_nbytes < 50_000


def test_einsum_builds_one_product_for_a_matrix_product() -> None:
    graph = gf.Graph()
    with graph.as_default():
        gf.einsum("ij,jk->ik", floats(2, 3), floats(3, 4))
    assert [n.type for n in graph.operations if n.type != "placeholder"] == ["matmul"]


def test_two_operands_do_not_import_opt_einsum() -> None:
    code = (
        "import sys, graphflow as gf\n"
        "gf.einsum('ij,jk->ik', gf.zeros((2, 3)), gf.zeros((3, 4)))\n"
        "assert 'opt_einsum' not in sys.modules\n"
        "gf.einsum('i,i,i->', gf.zeros(2), gf.zeros(2), gf.zeros(2))\n"
        "assert 'opt_einsum' in sys.modules\n"
    )
    done: Any = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_norm_at_zero_has_gradient_zero() -> None:
    x = gf.constant(np.zeros(3))
    for order in (2, 1, 3, np.inf):
        (g,) = gf.Session().run(gf.gradients(F.vector_norm(x, ord=order), x))
        np.testing.assert_array_equal(g, np.zeros(3))
