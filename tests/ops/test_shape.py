"""Shape changes: bad input, exact symbolic shapes, views that move no data."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphflow as gf
from graphflow.errors import ArgumentError, DTypeError, GraphflowError, ShapeError
from graphflow.op import F
from graphflow.ops.numpy_settings import BUFFER
from graphflow.types import substitute
from tests.ops.refused import Refused, check_bound, check_built, floats, ids

S = ((2, 3),)
V = ((4,),)
SCALAR = ((),)

BUILD = [
    # reshape: bad_inputs 1-8
    Refused(lambda x: gf.reshape(x, (-2, 3)), ShapeError, ("reshape", "-2"), S),
    Refused(lambda x: gf.reshape(x, (-1, -1)), ShapeError, ("reshape", "only one"), S),
    Refused(lambda x: gf.reshape(x, (-1, 0)), ShapeError, ("reshape", "ambiguous"), ((0, 3),)),
    Refused(lambda x: gf.reshape(x, (4, 2)), ShapeError, ("reshape", "6 elements", "[4, 2]"), S),
    Refused(lambda x: gf.reshape(x, (4, -1)), ShapeError, ("reshape", "6 elements"), S),
    Refused(lambda x: gf.reshape(x, (2**32, 2**32)), ShapeError, ("reshape", "2^63"), S),
    Refused(lambda x: gf.reshape(x, (2**64 + 6, 1)), ShapeError, ("reshape", "2^63"), S),
    *[
        Refused(lambda x, d=d: gf.reshape(x, (2, d)), ShapeError, ("reshape", words), S)
        for d, words in (
            (3.0, "3.0"),
            (3.5, "3.5"),
            (float("nan"), "nan"),
            (True, "True"),
            ("3", "'3'"),
            (None, "None"),
        )
    ],
    Refused(lambda x: gf.reshape(x, "23"), ShapeError, ("reshape", "'23'"), S),
    Refused(lambda x: gf.reshape(x, None), ShapeError, ("reshape", "None"), S),
    Refused(lambda x: gf.reshape(x, (1,) * 65), ShapeError, ("reshape", "64"), ((1,),)),
    Refused(
        lambda x: gf.reshape(x, [gf.cast(gf.sum(x), "int64"), 1]),
        ShapeError,
        ("reshape", "not known before the run"),
        S,
    ),
    Refused(lambda x: F.unflatten(x, 1, (2, 2)), ShapeError, ("unflatten", "axis 1", "[2, 2]"), S),
    Refused(lambda x: F.unflatten(x, 2, (2, 2)), ArgumentError, ("unflatten", "axis 2"), S),
    Refused(lambda x: gf.flatten(x, 1, 0), ArgumentError, ("flatten", "start_axis 1"), S),
    Refused(lambda x: gf.flatten(x, 0, 2), ArgumentError, ("flatten", "end_axis 2"), S),
    # axes: 12, 24
    Refused(lambda x: gf.expand_dims(x, 3), ArgumentError, ("expand_dims", "axis 3"), S),
    Refused(lambda x: gf.expand_dims(x, (0, -4)), ArgumentError, ("expand_dims", "twice"), S),
    Refused(lambda x: gf.expand_dims(x, 0.5), ArgumentError, ("expand_dims", "0.5"), S),
    Refused(lambda x: gf.squeeze(x, 0), ShapeError, ("squeeze", "axis 0", "size 2"), S),
    Refused(lambda x: gf.squeeze(x, 2), ArgumentError, ("squeeze", "axis 2"), S),
    Refused(lambda x: gf.squeeze(x, (0, 0)), ArgumentError, ("squeeze", "twice"), ((1, 2),)),
    Refused(lambda x: gf.permute_dims(x, (0, 0)), ArgumentError, ("permute_dims", "twice"), S),
    Refused(lambda x: gf.permute_dims(x, (0,)), ArgumentError, ("permute_dims", "[0]"), S),
    Refused(lambda x: gf.permute_dims(x, (0, 2)), ArgumentError, ("permute_dims", "axis 2"), S),
    Refused(lambda x: gf.permute_dims(x, (0, 1, 2)), ArgumentError, ("permute_dims", "axis 2"), S),
    Refused(lambda x: gf.permute_dims(x, (0, "1")), ArgumentError, ("permute_dims", "'1'"), S),
    Refused(lambda x: gf.swapaxes(x, 0, 2), ArgumentError, ("swapaxes", "axis2 2"), S),
    Refused(lambda x: gf.moveaxis(x, 0, 5), ArgumentError, ("moveaxis", "destination 5"), S),
    Refused(lambda x: gf.moveaxis(x, (0, 0), (0, 1)), ArgumentError, ("moveaxis", "twice"), S),
    Refused(lambda x: gf.moveaxis(x, (0, 1), 0), ArgumentError, ("moveaxis", "2 axes"), S),
    Refused(lambda x: gf.matrix_transpose(x), ShapeError, ("matrix_transpose", "two axes"), V),
    Refused(lambda x: gf.flip(x, 2), ArgumentError, ("flip", "axis 2"), S),
    Refused(lambda x: gf.flip(x, (1, -1)), ArgumentError, ("flip", "twice"), S),
    # broadcasting: 14
    Refused(lambda x: gf.broadcast_to(x, (2, 4)), ShapeError, ("broadcast_to", "[2, 4]"), S),
    Refused(lambda x: gf.broadcast_to(x, (3,)), ShapeError, ("broadcast_to", "[3]"), S),
    Refused(lambda x: gf.broadcast_to(x, (-1, 3)), ShapeError, ("broadcast_to", "-1"), S),
    Refused(lambda x: gf.broadcast_to(x, (2**62, 2, 3)), ShapeError, ("broadcast_to", "2^63"), S),
    Refused(
        lambda x, y: gf.broadcast_arrays(x, y),
        ShapeError,
        ("broadcast_arrays", "float32[2, 3]", "float32[4]"),
        ((2, 3), (4,)),
    ),
    # slices: 25
    Refused(lambda x: gf.strided_slice(x, [(0, 1, 0)]), ArgumentError, ("strided_slice", "step"), S),
    Refused(lambda x: gf.strided_slice(x, [(0, 1.5, 1)]), ArgumentError, ("strided_slice", "1.5"), S),
    Refused(lambda x: gf.strided_slice(x, [(0, 1)]), ArgumentError, ("strided_slice", "(0, 1)"), S),
    Refused(lambda x: gf.strided_slice(x, [(0, 1, 1)] * 3), ShapeError, ("strided_slice", "3 slices"), S),
    Refused(
        lambda x, y: F.strided_slice_grad(x, y, [(0, 1, 1)]),
        ShapeError,
        ("strided_slice_grad",),
        ((2, 3), (4, 3)),
    ),
    # concat, stack: 30
    Refused(lambda: gf.concat([]), ArgumentError, ("concat", "at least one")),
    Refused(lambda: gf.concat(5), ArgumentError, ("concat", "5")),
    Refused(lambda x: gf.concat([x, x]), ShapeError, ("concat", "at least one axis"), SCALAR),
    Refused(lambda x, y: gf.concat([x, y]), ShapeError, ("concat", "same rank"), ((2, 3), (3,))),
    Refused(
        lambda x, y: gf.concat([x, y]), ShapeError, ("concat", "axis 1 differs", "3 != 4"), ((2, 3), (2, 4))
    ),
    Refused(lambda x: gf.concat([x, x], 2), ArgumentError, ("concat", "axis 2"), S),
    Refused(lambda x: gf.concat([x, x], "0"), ArgumentError, ("concat", "'0'"), S),
    Refused(lambda: gf.stack([]), ArgumentError, ("stack", "at least one")),
    Refused(lambda x, y: gf.stack([x, y]), ShapeError, ("stack", "one shape"), ((2, 3), (2, 4))),
    Refused(lambda x: gf.stack([x, x], 3), ArgumentError, ("stack", "axis 3"), S),
    # split: 26
    *[
        Refused(lambda x, n=n: gf.split(x, n, 1), ArgumentError, ("split", words), S)
        for n, words in (
            (0, "0"),
            (-1, "-1"),
            (2**63, "9223372036854775808"),
            (1.5, "1.5"),
            ([], "[]"),
            ([-2, 5], "[-2, 5]"),
            ([-1, -1], "[-1, -1]"),
            (None, "None"),
        )
    ],
    Refused(lambda x: gf.split(x, 2, 1), ShapeError, ("split", "size 3", "2 equal parts"), S),
    Refused(lambda x: gf.split(x, 4, 1), ShapeError, ("split", "size 3", "4 equal parts"), S),
    Refused(lambda x: gf.split(x, [1, 1], 1), ShapeError, ("split", "[1, 1]", "size 3"), S),
    Refused(lambda x: gf.split(x, [4, -1], 1), ShapeError, ("split", "[4, -1]", "size 3"), S),
    Refused(lambda x: gf.split(x, 2, 2), ArgumentError, ("split", "axis 2"), S),
    Refused(lambda x: gf.split(x, 1), ShapeError, ("split", "at least one axis"), SCALAR),
    Refused(lambda x: gf.unstack(x, 3), ShapeError, ("unstack", "size 2"), S),
    Refused(lambda x: gf.unstack(x), ShapeError, ("unstack", "at least one axis"), SCALAR),
    Refused(lambda x: gf.unstack(x, axis=2), ArgumentError, ("unstack", "axis 2"), S),
    Refused(lambda: gf.unstack(gf.placeholder("float32", (None, 2))), ShapeError, ("unstack", "say num")),
    # tile, repeat, roll
    Refused(lambda x: gf.tile(x, (-1, 1)), ArgumentError, ("tile", "-1"), S),
    Refused(lambda x: gf.tile(x, (1.5, 1)), ArgumentError, ("tile", "1.5"), S),
    Refused(lambda x: gf.tile(x, (2**40, 2**40)), ShapeError, ("tile", "2^63"), S),
    Refused(lambda: gf.tile(gf.placeholder("float32", (None,)), ("a",)), ArgumentError, ("tile", "'a'")),
    Refused(lambda x: gf.repeat(x, -1, 0), ArgumentError, ("repeat", "-1"), S),
    Refused(lambda x: gf.repeat(x, [1, 2, 3], 0), ShapeError, ("repeat", "3 repeats", "size 2"), S),
    Refused(lambda x: gf.repeat(x, 2, 2), ArgumentError, ("repeat", "axis 2"), S),
    Refused(lambda x: gf.repeat(x, 2**62, 0), ShapeError, ("repeat", "2^63"), S),
    Refused(lambda x: gf.repeat(x, [2**62, 2**62], 0), ShapeError, ("elements",), S),
    Refused(lambda x: gf.repeat(x, 2, 0), ShapeError, ("repeat", "at least one axis"), SCALAR),
    Refused(
        lambda: gf.repeat(gf.placeholder("float32", (None,)), [1, 2], 0),
        ShapeError,
        ("repeat", "unknown size"),
    ),
    Refused(lambda x: gf.roll(x, 1, 2), ArgumentError, ("roll", "axis 2"), S),
    Refused(lambda x: gf.roll(x, (1, 2), 0), ArgumentError, ("roll", "2 shifts"), S),
    Refused(lambda x: gf.roll(x, (1, 2)), ArgumentError, ("roll", "2 shifts"), S),
    Refused(lambda x: gf.roll(x, 1.5, 0), ArgumentError, ("roll", "1.5"), S),
    # pad: 34, 35
    Refused(lambda x: gf.pad(x, [[-1, 0], [0, 0]]), ArgumentError, ("pad", "-1"), S),
    Refused(lambda x: gf.pad(x, [[0, 0]]), ShapeError, ("pad", "1 pairs"), S),
    Refused(lambda x: gf.pad(x, [[0, 0, 0], [1, 1, 1]]), ArgumentError, ("pad", "pair"), S),
    Refused(lambda x: gf.pad(x, [[0, 0.5], [1, 1]]), ArgumentError, ("pad", "0.5"), S),
    Refused(lambda x: gf.pad(x, "12"), ArgumentError, ("pad", "'12'"), S),
    *[
        Refused(lambda x, m=m: gf.pad(x, [[0, 0], [1, 1]], m), ArgumentError, ("pad", "mode"), S)
        for m in ("Reflect", "", "nonsense" * 100_000, 3, None)
    ],
    Refused(
        lambda x: gf.pad(x, [[0, 0], [3, 0]], "reflect"), ShapeError, ("pad", "too wide", "room for 2"), S
    ),
    Refused(
        lambda x: gf.pad(x, [[0, 0], [0, 4]], "symmetric"), ShapeError, ("pad", "too wide", "room for 3"), S
    ),
    Refused(lambda x: gf.pad(x, [[1, 0]], "edge"), ShapeError, ("pad", "too wide"), ((0,),)),
    Refused(lambda x: gf.pad(x, [[2**62, 2**62], [0, 0]]), ShapeError, ("pad", "2^63"), S),
    Refused(lambda x: gf.pad(x, [[0, 0], [0, 0]], constant_values=1j), DTypeError, ("complex",), S),
    Refused(
        lambda x: gf.pad(x, [[0, 0], [0, 0]], constant_values=[1, 2]), ArgumentError, ("pad", "[1, 2]"), S
    ),
    Refused(lambda x: gf.pad(x, gf.cast(x, "int32")), ArgumentError, ("pad", "when the graph is built"), S),
    Refused(lambda x: gf.size(x, 2), ArgumentError, ("axis 2",), S),
    Refused(lambda x: gf.meshgrid(x), ShapeError, ("meshgrid", "vector"), S),
]

BIND = [
    Refused(lambda x: gf.reshape(x, (4, -1)), ShapeError, ("6 elements",), S),
    Refused(lambda x: gf.reshape(x, (5,)), ShapeError, ("6 elements", "[5]"), S),
    Refused(lambda x: gf.squeeze(x, 0), ShapeError, ("axis 0", "size 2"), S),
    Refused(lambda x: gf.broadcast_to(x, (2, 4)), ShapeError, ("[2, 4]",), S),
    Refused(lambda x, y: gf.concat([x, y]), ShapeError, ("axis 1 differs", "3 != 4"), ((2, 3), (2, 4))),
    Refused(lambda x, y: gf.stack([x, y]), ShapeError, ("differs",), ((2, 3), (2, 4))),
    Refused(lambda x: gf.split(x, 2, 1), ShapeError, ("size 3", "2 equal parts"), S),
    Refused(lambda x: gf.split(x, [1, 1], 1), ShapeError, ("[1, 1]", "size 3"), S),
    Refused(lambda x: gf.unstack(x, 3), ShapeError, ("size 2",), S),
    Refused(lambda x: F.unflatten(x, 1, (2, -1)), ShapeError, ("axis 1", "[2, -1]"), S),
    Refused(lambda x: gf.pad(x, [[0, 0], [3, 0]], "reflect"), ShapeError, ("too wide",), S),
    Refused(lambda x: gf.tile(x, (2**40, 2**40)), ShapeError, ("2^63",), S),
]


@pytest.mark.parametrize("case", BUILD, ids=ids)
def test_refused_while_building(case: Refused) -> None:
    check_built(case)


@pytest.mark.parametrize("case", BIND, ids=ids)
def test_refused_before_the_run(case: Refused) -> None:
    check_bound(case)


@pytest.mark.parametrize(
    ("build", "shape"),
    [
        (lambda x: gf.reshape(x, (-1, 784)), "(batch, 784)"),
        (lambda x: gf.reshape(x, (-1,)), "(784*batch,)"),
        (lambda x: gf.reshape(x, (-1, 28)), "(28*batch, 28)"),
        (lambda x: gf.flatten(x, 1), "(batch, 784)"),
        (lambda x: gf.flatten(x, 0, 1), "(28*batch, 28)"),
        (lambda x: gf.transpose(x), "(28, 28, batch)"),
        (lambda x: gf.concat([x, x]), "(2*batch, 28, 28)"),
        (lambda x: gf.tile(x, (3, 1, 2)), "(3*batch, 28, 56)"),
        (lambda x: gf.pad(x, [[1, 1], [0, 0], [2, 0]]), "(batch + 2, 28, 30)"),
        (lambda x: gf.split(gf.concat([x, x]), 2)[0], "(batch, 28, 28)"),
        (lambda x: gf.cumsum(x, 0, exclusive=True), "(batch, 28, 28)"),
        (lambda x: gf.strided_slice(gf.pad(x, [[1, 1], [0, 0], [0, 0]]), [(1, -1, None)]), "(batch, 28, 28)"),
        (lambda x: gf.strided_slice(x, [(None, None, -1)]), "(batch, 28, 28)"),
        (lambda x: gf.stack([x, x], 1), "(batch, 2, 28, 28)"),
        (lambda x: gf.sum(x, 1), "(batch, 28)"),
        (lambda x: gf.broadcast_to(gf.constant(1.0), [gf.shape(x)[0], 2]), "(batch, 2)"),
        (lambda x: gf.zeros([gf.shape(x)[0] + 1, 2]), "(batch + 1, 2)"),
        (lambda x: gf.reshape(x, [gf.shape(x)[0], gf.prod(gf.shape(x)[1:])]), "(batch, 784)"),
        (lambda x: gf.repeat(x, 2, 0), "(2*batch, 28, 28)"),
        (lambda x: F.unflatten(gf.flatten(x), 0, (-1, 784)), "(batch, 784)"),
    ],
)
def test_symbolic_shapes_are_exact(build: Any, shape: str) -> None:
    x = gf.placeholder("float32", ("batch", 28, 28))
    y = build(x)
    assert repr(y.type.shape) == shape
    value = gf.Session().run(y, {x: np.zeros((3, 28, 28), np.float32)})
    assert value.shape == substitute(y.type.shape, {"batch": 3})


def test_reshape_back_and_forth_of_an_unknown_batch() -> None:
    x = gf.placeholder("float32", (None, 6))
    y = gf.reshape(gf.reshape(x, (-1, 2, 3)), (-1, 6))
    assert y.type == x.type


def test_gradient_of_a_reshaped_named_batch_needs_no_value_of_x() -> None:
    x = gf.placeholder("float32", ("batch", 6))
    (g,) = gf.gradients(gf.sum(gf.reshape(x, (-1,))), [x])
    assert g.op.type == "reshape"
    assert gf.Session().run(g, {x: np.ones((2, 6))}).tolist() == np.ones((2, 6)).tolist()


def test_views_are_not_copied() -> None:
    """A chain of views over a large array plans no buffer but that of the last sum."""
    x = gf.placeholder("float32", (1000, 1000))
    y = gf.strided_slice(
        gf.expand_dims(gf.reshape(gf.permute_dims(x, (0, 1)), (100, 10, 1000)), 0),
        [(None, None, None), (0, 50, None)],
    )
    plan = gf.Session().plan(gf.sum(gf.flip(y, -1)))
    assert plan.arena_nbytes < 4096
    assert plan.peak_nbytes - plan.arena_nbytes <= 2 * BUFFER * 4  # in which NumPy gathers what it adds up


def test_split_into_many_has_a_gradient_in_one_piece() -> None:
    x = floats(64, 2)
    graph_before = len(x.graph)
    parts = gf.unstack(x)
    gf.gradients(gf.add_n([p * float(k) for k, p in enumerate(parts)]), [x])
    made = [n.type for n in x.graph.operations[graph_before:]]
    assert made.count("concat") == 1
    assert made.count("strided_slice_grad") == 0


def test_strided_slice_has_one_spelling() -> None:
    x = floats(4, 6)
    for spellings in (
        [((0, 4, 1),), ((None, None, None),), ((-4, 100, 1), (None, 6, None)), ((-100, 2**70, None),)],
        [((1, 3, 1),), ((-3, -1, None),), ((1, 3, None), (0, None, 1))],
        [((None, None, -1),), ((3, None, -1),), ((100, -5, -1),)],
    ):
        attrs = {gf.strided_slice(x, s).op.attrs["slices"] for s in spellings}
        assert len(attrs) == 1, attrs


def test_squeeze_of_unknown_sizes_has_unknown_rank() -> None:
    x = gf.placeholder("float32", (None, 1))
    y = gf.squeeze(x)
    assert y.shape is None
    assert gf.Session().run(y, {x: np.ones((1, 1))}).shape == ()
    assert gf.Session().run(y, {x: np.ones((2, 1))}).shape == (2,)


def test_error_names_both_lines() -> None:
    x, y = floats(2, 3), floats(2, 4)
    with pytest.raises(
        GraphflowError, match=r"(?s)made at .*test_shape.py.*float32\[2, 3\].*float32\[2, 4\]"
    ):
        gf.concat([x, y])


def test_empty_and_scalar_survive_every_view() -> None:
    for shape in ((), (0,), (2, 0, 3)):
        x = gf.placeholder("float32", shape)
        y = gf.reshape(gf.flip(gf.transpose(gf.expand_dims(x, 0))), shape)
        assert gf.Session().run(y, {x: np.zeros(shape, np.float32)}).shape == shape
