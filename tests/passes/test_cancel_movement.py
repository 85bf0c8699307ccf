"""Movement that is undone or useless: each rule for shapes that tell, bit for bit or within a bound."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

import graphflow as gf
from graphflow.bind import bind, match_feeds
from graphflow.op import F
from graphflow.ops.cast import CAST
from graphflow.passes.cancel_movement import cancel_movement, cancel_movement_fast
from graphflow.passes.canonicalize import canonicalize
from graphflow.passes.cast_rules import holds, same_by_way_of
from graphflow.subgraph import cut
from graphflow.text import format_graph
from graphflow.types import SUPPORTED, TensorType
from tests.passes.exactness import (
    BOOL,
    COMPLEX,
    FLOATS,
    INTS,
    NUMBERS,
    REALS,
    Row,
    bits,
    check_close,
    check_exact,
    check_kept,
    operand_values,
    ops_of,
    run,
)
from tests.random_graphs import Recipe, build, recipes

SHAPE = (2, 3, 4)
ANY = ("float32", "int64", "bool", "complex64")


def T(x: gf.Tensor, *axes: int) -> gf.Tensor:
    return gf.permute_dims(x, axes or None)


EXACT = [
    # axes in another order
    Row("T(T(x))", lambda x: T(T(x)), "", ANY),
    Row("T(T(x, 1 2 0), 1 2 0)", lambda x: T(T(x, 1, 2, 0), 1, 2, 0), "permute_dims", ANY),
    Row("T(x, 0 1 2)", lambda x: T(x, 0, 1, 2), "", ANY),
    Row("flip(flip(x))", lambda x: gf.flip(gf.flip(x, 1), 1), "", ANY),
    Row("flip(flip(x, 0))", lambda x: gf.flip(gf.flip(x, 0)), "flip", ANY),
    # other shapes
    Row("reshape(reshape(x))", lambda x: gf.reshape(gf.reshape(x, (6, 4)), (24,)), "reshape", ANY),
    Row("reshape back", lambda x: gf.reshape(gf.reshape(x, (6, 4)), (2, 3, 4)), "", ANY),
    Row("reshape(x, own)", lambda x: gf.reshape(x, (2, 3, 4)), "", ANY),
    Row("squeeze(expand(x))", lambda x: gf.squeeze(gf.expand_dims(x, 1), 1), "", ANY),
    Row("of a transposed x", lambda x: gf.squeeze(gf.expand_dims(T(x), 1), 1), "permute_dims", ANY),
    Row(
        "expand(expand(x))",
        lambda x: gf.expand_dims(gf.expand_dims(T(x), 1), 0),
        "permute_dims expand_dims",
        ANY,
    ),
    Row(
        "squeeze(squeeze(x))",
        lambda x: gf.squeeze(gf.squeeze(_ones(x), 0), 1),
        "getitem expand_dims permute_dims squeeze",
        ANY,
    ),
    Row(
        "expand(reshape(T))",
        lambda x: gf.expand_dims(gf.reshape(T(x), (24,)), 0),
        "permute_dims reshape",
        ANY,
    ),
    Row(
        "reshape(expand(T))",
        lambda x: gf.reshape(gf.expand_dims(T(x), 0), (24,)),
        "permute_dims reshape",
        ANY,
    ),
    Row("unflatten(flatten(x))", lambda x: F.unflatten(gf.flatten(x, 0, 1), 0, (2, 3)), "", ANY),
    # broadcasts
    Row(
        "broadcast twice",
        lambda x: _to(_to(x[:1, :, :1], 2, 3, 1), 5, 2, 3, 4),
        "strided_slice broadcast_to",
        ANY,
    ),
    Row("broadcast to own", lambda x: _to(x, 2, 3, 4), "", ANY),
    Row("broadcast(expand(x))", lambda x: _to(gf.expand_dims(x, (0, 1)), 5, 6, 2, 3, 4), "broadcast_to", ANY),
    Row("broadcast + x", lambda x, y: _to(x[0, 0], 2, 3, 4) + y, "getitem add", NUMBERS),
    Row(
        "where of broadcasts",
        lambda x, y: gf.where(x == y, _to(x[0, 0, 0], 2, 3, 4), y),
        "equal getitem where",
        ANY,
    ),
    # slices
    Row("x[1:][:2]", lambda x: x[:, 1:, ::2][:, :1, 1:], "strided_slice", ANY),
    Row("x[::-1][::-1]", lambda x: x[::-1][::-1], "", ANY),
    Row("x[::-2][::-1]", lambda x: x[:, :, ::-2][:, :, ::-1], "strided_slice", ANY),
    Row("x[2:][:0]", lambda x: x[:, 2:][:, :0], "strided_slice", ANY),
    Row("x[:]", lambda x: F.strided_slice(x, [(0, 2, 1), (None, None, None)]), "", ANY),
    # joins
    Row("concat([x])", lambda x: gf.concat([x], 1), "", ANY),
    Row("concat(concat)", lambda x, y: gf.concat([gf.concat([x, y], 1), x], -2), "concat", ANY),
    Row("concat(split(x))", lambda x: gf.concat(gf.split(x, [1, 2], 1), 1), "", ANY),
    Row("split(concat)", lambda x, y: gf.split(gf.concat([x, y], 1), 2, 1), "", ANY),
    Row("split into one", lambda x: gf.split(x, 1, 1), "", ANY),
    Row("tile once", lambda x: gf.tile(x, (1, 1, 1)), "", ANY),
    Row("repeat once", lambda x: gf.repeat(x, 1, 0), "", ANY),
    Row("roll twice", lambda x: gf.roll(gf.roll(x, 1, 1), 1, 1), "roll", ANY),
    Row("roll back", lambda x: gf.roll(gf.roll(x, 1, 1), -1, 1), "", ANY),
    Row("pad by nothing", lambda x: gf.pad(x, [(0, 0)] * 3), "", ANY),
    # casts, of which another test has all
    Row("real(complex of x)", lambda x: gf.real(gf.cast(x, "complex64")), "", ("float32",)),
    Row("real(complex of half)", lambda x: gf.real(gf.cast(x, "complex64")), "cast", ("float16", "int8")),
    # reductions
    Row("max over one", lambda x: gf.max(_one(x), 0), "reshape", REALS),
    Row("prod over one", lambda x: gf.prod(_one(x), 0, keepdims=True), "reshape", ("int64", *FLOATS)),
    Row("sum over one", lambda x: gf.sum(_one(x), 0), "reshape", ("int64", "uint64")),
    Row(
        "sum over one, wider",
        lambda x: gf.sum(_one(x), 0),
        "reshape cast squeeze",
        ("int8", "bool", "uint16"),
    ),
    Row("any over one", lambda x: gf.any(_one(x), 0), "reshape cast squeeze", NUMBERS),
    Row("max of a broadcast", lambda x: gf.max(_to(x, 5, 2, 3, 4), 0), "", (*REALS, *BOOL)),
    Row(
        "min of a broadcast",
        lambda x: gf.min(_to(_one(x), 5, 24), 0, keepdims=True),
        "reshape",
        (*REALS, *BOOL),
    ),
    Row("all of a broadcast", lambda x: gf.all(_to(x, 5, 2, 3, 4), (0, 2)), "all", (*NUMBERS, *BOOL)),
    Row("max of a broadcast, more", lambda x: gf.max(_to(x, 5, 2, 3, 4), (0, 2)), "max", (*INTS, *BOOL)),
    Row("sum of a broadcast", lambda x: gf.sum(_to(x, 5, 2, 3, 4), (0, 1)), "sum multiply", (*INTS, *BOOL)),
    Row("sum of sum", lambda x: gf.sum(gf.sum(x, 0, dtype="int64"), 1), "sum", (*INTS, *BOOL)),
    Row(
        "max of max",
        lambda x: gf.max(gf.max(x, 1, keepdims=True), (0, 1), keepdims=True),
        "max",
        (*INTS, *BOOL),
    ),
    Row("any of any", lambda x: gf.any(gf.any(x, 2), 0), "any", (*NUMBERS, *BOOL)),
    Row("sum of T", lambda x: gf.sum(T(x)), "sum", (*INTS, *BOOL)),
    Row("max of T, rows left", lambda x: gf.max(T(x, 2, 0, 1), 0), "max", (*INTS, *BOOL)),
    Row("all of T", lambda x: gf.all(T(x)), "all", NUMBERS),
    Row("sum of reshape(T)", lambda x: gf.sum(gf.reshape(T(x, 1, 0, 2), (24,))), "sum", (*INTS, *BOOL)),
    # transposes around elementwise ops
    Row("T(-T(x))", lambda x: T(-T(x)), "negative", REALS),
    Row("T(-T(x)) * y", lambda x, y: T(-T(x)) * y, "negative multiply", REALS),
    Row("T(abs(T(x)) * 3 + T(y))", lambda x, y: T(gf.abs(T(x)) * 3 + T(y)), "abs multiply add", REALS),
]
KEPT = [
    Row("reshape of T", lambda x: gf.reshape(T(x), (4, 3, 2)), "", ANY),
    Row("max over one of T", lambda x: gf.max(T(x[:1]), 2), "", ANY[:1]),
    Row("sum over one", lambda x: gf.sum(_one(x), 0), "", (*FLOATS, *COMPLEX)),
    Row("max of a broadcast, more", lambda x: gf.max(_to(x, 5, 2, 3, 4), (0, 2)), "", FLOATS),
    Row("broadcast left over", lambda x: gf.max(_to(x, 5, 6, 2, 3, 4), 0), "", FLOATS),
    Row("sum of a broadcast", lambda x: gf.sum(_to(x, 5, 2, 3, 4), 0), "", (*FLOATS, *COMPLEX)),
    Row("sum of sum", lambda x: gf.sum(gf.sum(x, 0), 1), "", (*FLOATS, *COMPLEX)),
    Row("max of max", lambda x: gf.max(gf.max(x, 0), 1), "", FLOATS),
    Row("sum of T", lambda x: gf.sum(T(x)), "", (*FLOATS, *COMPLEX)),
    Row("max of T, turned", lambda x: gf.max(T(x), 0), "", REALS),
    Row("concat(split(T))", lambda x: gf.concat(gf.split(T(x), 2, 0), 0), "", ANY),
    Row("concat turned", lambda x: gf.concat(gf.split(x, 2, 0)[::-1], 0), "", ANY),
    Row("split elsewhere", lambda x, y: gf.split(gf.concat([x, y], 1), [2, 4], 1), "", ANY),
    Row("T(exp(T(x)))", lambda x: T(gf.exp(T(x))), "", FLOATS),
    Row("sum(T(-T(x)))", lambda x: gf.sum(T(-T(x)), 0), "", FLOATS),
    Row("T(-T(x)) twice read", lambda x: _twice(-T(x)), "", FLOATS),
    Row("T(T(x) + y)", lambda x, y: T(T(x) + gf.reshape(y, (4, 3, 2))), "", FLOATS),
    Row("x + broadcast", lambda x: _to(x, 5, 2, 3, 4) + x, "", FLOATS),
]
FAST = [
    Row("sum of a broadcast", lambda x: gf.sum(_to(x, 5, 2, 3, 4), 0), "multiply", (*FLOATS, *COMPLEX)),
    Row("sum of it all", lambda x: gf.sum(_to(x, 5, 2, 3, 4), keepdims=True), "sum multiply reshape", FLOATS),
    Row("sum of sum", lambda x: gf.sum(gf.sum(x, 0), 1), "sum", (*FLOATS, *COMPLEX)),
    Row("max of max", lambda x: gf.max(gf.max(x, 0), 1), "max", FLOATS),
    Row("sum of T", lambda x: gf.sum(T(x)), "sum", (*FLOATS, *COMPLEX)),
    Row("sum of reshape(T)", lambda x: gf.sum(gf.reshape(T(x, 1, 0, 2), (24,))), "sum", FLOATS),
    Row("T(exp(T(x)))", lambda x: T(gf.exp(T(x))), "exp", FLOATS),
    Row("sum(T(-T(x)))", lambda x: gf.sum(T(-T(x)), 0), "negative sum", FLOATS),
]


def _to(x: gf.Tensor, *shape: int) -> gf.Tensor:
    return gf.broadcast_to(x, shape)


def _one(x: gf.Tensor) -> gf.Tensor:
    return gf.reshape(x, (1, 24))


def _ones(x: gf.Tensor) -> gf.Tensor:
    return T(gf.expand_dims(x[:, 0, 0], (0, 2)), 2, 1, 0)


def _twice(y: gf.Tensor) -> list[gf.Tensor]:
    return [T(y), gf.exp(y)]


@pytest.mark.parametrize("row", EXACT, ids=str)
def test_every_bit_stays(row: Row) -> None:
    check_exact(cancel_movement, row, SHAPE)


@pytest.mark.parametrize("row", KEPT, ids=str)
def test_what_would_change_bits_is_kept(row: Row) -> None:
    check_kept(cancel_movement, row, SHAPE)


@pytest.mark.parametrize("row", FAST, ids=str)
def test_fast_rules_only_round_anew(row: Row) -> None:
    check_close(cancel_movement_fast, row, SHAPE, operations=40)


def test_every_pair_of_casts() -> None:
    """What the rules say of casts by way of a third dtype is so, for all of them."""
    for start in SUPPORTED.values():
        (x,) = operand_values(start, 1)
        ways = [(m, e) for m in SUPPORTED.values() for e in SUPPORTED.values() if e != m != start]
        for middle, end in ways:
            if (start.kind == "c" and middle.kind not in "cb") or (
                middle.kind == "c" and end.kind not in "cb"
            ):
                continue
            if end == start and not holds(middle, start):
                continue
            if end != start and not same_by_way_of(start, middle, end):
                continue
            by_way = _cast(_cast(x, middle), end)
            assert bits(by_way) == bits(_cast(x, end)), (start, middle, end)


def _cast(x: np.ndarray, dtype: np.dtype) -> np.ndarray:  # type: ignore[type-arg]
    assert CAST.kernel is not None
    with np.errstate(all="ignore"):
        return np.asarray(CAST.kernel(np, x, dtype=dtype))


def test_casts_as_ops() -> None:
    x, i = gf.placeholder("float32", [2]), gf.placeholder("int16", [2])
    kept = [gf.cast(gf.cast(x, "float16"), "float32"), gf.cast(gf.cast(i, "float64"), "int8")]
    gone = [gf.cast(gf.cast(x, "float64"), "float32"), gf.cast(gf.cast(i, "uint16"), "int16")]
    short = [gf.cast(gf.cast(i, "int64"), "float16"), gf.cast(gf.cast(x, "float64"), "int32")]
    after = cancel_movement(cut([*kept, *gone, *short], (x, i)))
    assert ops_of(after) == "cast cast cast cast cast cast"
    assert after.outputs[2] is x
    assert after.outputs[3] is i


def test_as_text() -> None:
    x, b = gf.placeholder("float32", [5, 3], name="x"), gf.placeholder("float32", [3], name="b")
    moved = gf.transpose(gf.nn.relu(gf.transpose(x))) + gf.broadcast_to(b, (5, 3))
    after = cancel_movement(cut([gf.reshape(gf.reshape(moved, (3, 5)), (15,))], (x, b)))
    assert [line.partition("  #")[0] for line in format_graph(after).splitlines()] == [
        "%0 = relu(<x:0>) : float32[5, 3]",
        "%1 = add(%0, <b:0>) : float32[5, 3]",
        "%2 = reshape(%1, shape=(15,)) : float32[15]",
        "return %2",
    ]
    assert {n.origin.line for n in after.nodes} == {moved.op.origin.line, moved.op.origin.line + 1}


def test_sizes_may_be_unknown() -> None:
    x, y = gf.placeholder("float32", ["n", None]), gf.placeholder("float32", ["n", "m"])
    z = gf.placeholder("float32")
    wanted = {
        T(T(x)): "",
        gf.reshape(gf.reshape(x, (-1,)), (-1, 2)): "reshape",
        gf.flip(gf.flip(x)): "",
        gf.squeeze(gf.expand_dims(z, 1), 0): "expand_dims squeeze",
        T(-T(x)): "negative",
        F.broadcast_to_like(y, y): "",
        F.reshape_like(gf.exp(y), y): "exp",
        gf.sum(gf.sum(gf.cast(y, "int64"), 0), 0): "cast sum",
        gf.max(F.broadcast_to_like(gf.max(y, 0), y), 0): "max broadcast_to max",
        y[0:][::-1][::-1]: "strided_slice strided_slice",
    }
    for t, left in wanted.items():
        assert ops_of(cancel_movement(cut([t], (x, y, z)))) == left


def test_unnamed_sizes_keep_their_names() -> None:
    """A size without a name is known by the node that makes it: its users may speak of it, and it is not dropped."""
    x, y = gf.placeholder("float32", [None]), gf.placeholder("float32", [None])
    both = F.broadcast_to_like(x, y)
    again = gf.broadcast_to(both, (2, *both.type.dims))
    shaped = gf.reshape(gf.reshape(both, (-1, 1)), (1, *both.type.dims))
    before = cut([both + y, again, shaped], (x, y))
    after = cancel_movement(before)
    assert [t.type for t in after.outputs] == [t.type for t in before.outputs]
    values = [np.ones(1, "float32"), np.arange(3, dtype="float32")]
    shapes = [v.shape for v in values]
    types = [TensorType(t.type.dtype, shape) for t, shape in zip((x, y), shapes, strict=True)]
    bound, _ = bind(after, types, match_feeds((x, y), shapes))
    assert [v.shape for v in run(bound, values)] == [(3,), (2, 3), (1, 3)]


def test_devices_and_control_edges_are_respected() -> None:
    x, v = gf.placeholder("float32", [2, 2]), gf.Variable([1.0, 2.0])
    with gf.device("gpu:1"):
        elsewhere = T(T(x))
    with gf.control_dependencies([v.assign_add([1.0, 1.0])]):
        later = T(x)
    before = cut([elsewhere, T(later)], (x,))
    assert ops_of(cancel_movement(before)).count("permute_dims") == 4


@pytest.mark.parametrize("dtype", ["int64", "float64"])
def test_reductions_read_what_their_operands_became(dtype: str) -> None:
    """An assignment whose value changes in the same round is not made twice, nor waited for in its old form."""
    x, v = gf.placeholder(dtype, SHAPE), gf.Variable(np.zeros(SHAPE, dtype))
    written = v.assign(gf.reshape(x, SHAPE))
    folds = [
        gf.sum(_to(written, 5, *SHAPE), 0),
        gf.sum(gf.sum(written, 0), 0),
        gf.sum(T(written)),
        gf.sum(gf.reshape(T(written, 1, 0, 2), (24,))),
    ]
    for fold in folds:
        for function in (cancel_movement, cancel_movement_fast):
            with gf.control_dependencies([written.op]):
                later = gf.exp(gf.cast(x, "float64"))
            after = function(cut([fold, later], (x,)))
            (write,) = [n for n in after.nodes if n.type == "assign"]
            assert after.outputs[1].op.control_inputs == (write,)


@given(recipe=recipes())
def test_random_graphs_keep_their_bits(recipe: Recipe) -> None:
    with gf.Graph().as_default():
        built = build(recipe)
        before = cut(built.fetches, tuple(built.feeds))
        after = cancel_movement(canonicalize(before))
        assert cancel_movement(after) is after
    feeds = [np.asarray(v) for v in built.feeds.values()]
    for old, new in zip(run(before, feeds), run(after, feeds), strict=True):
        assert bits(old) == bits(new)
