"""Running extremes, differences, sequences, index arithmetic, blocks and scatters into variables."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

import graphflow as gf
from graphflow.errors import ArgumentError, DTypeError, IndexRangeError, ShapeError
from graphflow.op import OPS
from graphflow.ops import (
    blocks,
    index_arithmetic,
    running,
    scatter,
    scatter_variables,
    sequences,
)
from graphflow.ops.numpy_settings import kernel_settings
from graphflow.types import TensorType
from tests.ops.refused import Refused, check_bound, check_built, ids

X = ((4, 6),)


def _variable() -> Any:
    return gf.Variable(np.arange(12.0, dtype=np.float32).reshape(4, 3))


BUILD = [
    Refused(running.cumulative_max, ArgumentError, ("cumulative_max", "axis 0", "rank 0"), ((),)),
    Refused(lambda x: running.cumulative_min(x, 2), ArgumentError, ("cumulative_min", "axis 2"), X),
    Refused(lambda x: running.cumulative_logsumexp(x, "0"), ArgumentError, ("cumulative_logsumexp: axis", "'0'"), X),
    Refused(lambda x: running.cumulative_max(x, 0, 2), ArgumentError, ("cumulative_max", "exclusive", "2"), X),
    Refused(lambda x: running.cumulative_max(x, 0, reverse=[]), ArgumentError, ("cumulative_max", "reverse"), X),
    Refused(lambda: running.cumulative_max(np.ones(3) * 1j), DTypeError, ("cumulative_max", "complex")),
    Refused(lambda: running.cumulative_min(np.ones(3, bool)), DTypeError, ("cumulative_min", "bool")),
    Refused(lambda: running.cumulative_logsumexp(np.ones(3) * 1j), DTypeError, ("cumulative_logsumexp", "complex")),
    Refused(running.diff, ArgumentError, ("diff: axis -1", "rank 0"), ((),)),
    Refused(lambda x: running.diff(x, 5), ArgumentError, ("diff: axis 5",), X),
    Refused(lambda x: running.diff(x, 0, -1), ArgumentError, ("diff: n", "-1"), X),
    Refused(lambda x: running.diff(x, 0, 1.5), ArgumentError, ("diff: n", "1.5"), X),
    Refused(lambda: running.diff(gf.placeholder("float32", (None,)), 0, 99), ArgumentError, ("diff: n", "64", "99")),
    Refused(lambda x, y: running.diff(x, 1, prepend=y), ShapeError, ("concat",), ((4, 6), (3, 1))),
    Refused(sequences.sequence_mask, DTypeError, ("sequence_mask: lengths", "integers"), X),
    Refused(lambda: sequences.sequence_mask([1], -1), ArgumentError, ("sequence_mask: maxlen", "-1")),
    Refused(lambda: sequences.sequence_mask([1], 2.5), ShapeError, ("sequence_mask: maxlen", "2.5")),
    Refused(lambda x: sequences.reverse_sequence(x, [1, 2, 3, 4]), ArgumentError, ("reverse_sequence", "seq_axis"), X),
    Refused(lambda x: sequences.reverse_sequence(x, [1, 2, 3, 4], 0), ArgumentError, ("reverse_sequence", "differ"), X),
    Refused(lambda x: sequences.reverse_sequence(x, [1, 2, 3], 1), ShapeError, ("seq_lengths", "axis 0"), X),
    Refused(lambda x: sequences.reverse_sequence(x, [1, 2, 3, 7], 1), IndexRangeError, ("length 7", "0 to 6"), X),
    Refused(lambda x: sequences.reverse_sequence(x, [1, 2, 3, -1], 1), IndexRangeError, ("length -1",), X),
    Refused(lambda x: sequences.reverse_sequence(x, [1, 2, 3, 1.0], 1), DTypeError, ("seq_lengths", "1.0"), X),
    Refused(lambda x: sequences.reverse_sequence(x, [1, 2, 3, 4], 2), ArgumentError, ("seq_axis 2",), X),
    Refused(lambda x: index_arithmetic.unravel_index(x, (2, 3)), DTypeError, ("unravel_index", "integers"), X),
    Refused(lambda: index_arithmetic.unravel_index([1], (2, -3)), ShapeError, ("unravel_index: dims", "-3")),
    Refused(lambda: index_arithmetic.ravel_multi_index(([1], [2]), (2,)), ShapeError, ("ravel_multi_index", "2 coordinates")),
    Refused(lambda: index_arithmetic.ravel_multi_index(([1],), (2,), "pad"), ArgumentError, ("ravel_multi_index: mode", "'pad'")),
    Refused(lambda: index_arithmetic.ravel_multi_index(([1.5],), (2,)), DTypeError, ("multi_index", "1.5")),
    Refused(lambda x: blocks.space_to_batch_nd(x, [0], [[0, 0]]), ArgumentError, ("space_to_batch_nd: block_shape", "[0]"), X),
    Refused(lambda x: blocks.space_to_batch_nd(x, [2], [[0, -1]]), ArgumentError, ("paddings", "negative"), X),
    Refused(lambda x: blocks.space_to_batch_nd(x, [2], [0, 0]), ArgumentError, ("paddings", "1 pairs"), X),
    Refused(lambda x: blocks.space_to_batch_nd(x, [4], [[0, 0]]), ShapeError, ("space_to_batch_nd", "size 6", "multiple of 4"), X),
    Refused(lambda x: blocks.space_to_batch_nd(x, [2, 2], [[0, 0]] * 2), ShapeError, ("space_to_batch_nd", "2 axes"), X),
    Refused(lambda x: blocks.batch_to_space_nd(x, [3], [[0, 0]]), ShapeError, ("batch_to_space_nd", "multiple of the 3"), X),
    Refused(lambda x: blocks.batch_to_space_nd(x, [2], [[9, 9]]), ShapeError, ("crops", "12 elements"), X),
    Refused(lambda: blocks.batch_to_space_nd(gf.placeholder("float32"), [2], [[0, 0]]), ShapeError, ("rank",)),
    Refused(lambda x: scatter_variables.scatter_add(x, [0], 1.0), ArgumentError, ("scatter_add", "no variable"), X),
    Refused(lambda: scatter_variables.scatter_add(_variable(), [4], 1.0), IndexRangeError, ("scatter_add", "4", "size 4")),
    Refused(lambda: scatter_variables.scatter_mul(_variable(), [0.5], 1.0), DTypeError, ("scatter_mul", "0.5")),
    Refused(lambda: scatter_variables.scatter_update(_variable(), [0], [1.0, 2.0]), ShapeError, ("[1, 3]",)),
    Refused(lambda: scatter_variables.scatter_max(_variable(), [0], np.ones(3)), DTypeError, ("scatter_max", "float64")),
    Refused(lambda: scatter_variables.scatter_div(gf.Variable([1, 2]), [0], 2), DTypeError, ("scatter_div", "int64")),
    Refused(lambda: scatter_variables.scatter_nd_add(_variable(), [[0, 9]], [1.0]), IndexRangeError, ("9", "axis 1")),
    Refused(lambda: scatter.tensor_scatter_nd_div([1, 2], [[0]], [2]), DTypeError, ("tensor_scatter_nd_div", "int64")),
]  # fmt: skip

BIND = [
    Refused(lambda x: sequences.reverse_sequence(x, [1, 2, 3], 1), ShapeError, ("axis 0",), X),
]


@pytest.mark.parametrize("case", BUILD, ids=ids)
def test_refused_while_building(case: Refused) -> None:
    check_built(case)


@pytest.mark.parametrize("case", BIND, ids=ids)
def test_refused_before_the_run(case: Refused) -> None:
    check_bound(case)


@pytest.mark.parametrize(
    ("build", "value", "words"),
    [
        (lambda i: sequences.reverse_sequence(np.ones((2, 3)), i, 1), [1, 4], "reverse_sequence: length 4"),
        (lambda i: index_arithmetic.unravel_index(i, (2, 3)), [0, 6], r"6 is no place .*\[2, 3\].* 6 elements"),
        (lambda i: index_arithmetic.unravel_index(i, (2, 3)), [-1, 0], "-1 is no place"),
        (lambda i: index_arithmetic.unravel_index(i, (0,)), [0, 0], "0 is no place"),
        (lambda i: index_arithmetic.ravel_multi_index([i, i], (3, 2)), [1, 2], "ravel_multi_index: index 2 .* axis 1"),
        (lambda i: index_arithmetic.ravel_multi_index([i], (3,)), [0, -2], "-2 of axis 0 is negative"),
        (lambda i: index_arithmetic.ravel_multi_index([i], (0,), "wrap"), [0, 0], "empty"),
        (lambda i: scatter_variables.scatter_sub(_variable(), i, 1.0), [0, 4], "index 4"),
    ],
)  # fmt: skip
def test_refused_at_the_run(build: Any, value: Any, words: str) -> None:
    i = gf.placeholder("int64", (2,))
    made = build(i)
    session = gf.Session()
    session.run(gf.global_variables_initializer())
    with pytest.raises(IndexRangeError, match=words) as caught:
        session.run(made, {i: value})
    assert "made at" in str(caught.value)


# --- running --------------------------------------------------------------------------------------


def test_the_gradient_of_a_running_maximum_goes_to_the_first_of_equals() -> None:
    x = gf.constant([1.0, 3.0, 2.0, 3.0, 4.0])
    (g,) = gf.gradients(running.cumulative_max(x), x)
    assert gf.Session().run(g).tolist() == [1, 3, 0, 0, 1]
    (g,) = gf.gradients(running.cumulative_max(x, reverse=True), x)
    assert gf.Session().run(g).tolist() == [0, 0, 0, 0, 5]


def test_a_running_logsumexp_of_nothing_has_gradient_zero() -> None:
    x = gf.constant([-np.inf, -np.inf, 0.0, 800.0, -np.inf])
    y = running.cumulative_logsumexp(x)
    assert gf.Session().run(y).tolist() == [-np.inf, -np.inf, 0, 800, 800]
    (g,) = gf.gradients(y, x, grad_ys=[np.float32([1, 1, 1, 1, 1])])
    assert gf.Session().run(g).tolist() == [0, 0, 1, 2, 0]


def test_a_long_running_logsumexp_is_precise() -> None:
    x = np.random.default_rng(0).standard_normal(2000) * 50
    got = gf.Session().run(running.cumulative_logsumexp(x))
    want = [np.logaddexp.reduce(x[: k + 1]) for k in range(0, 2000, 97)]
    np.testing.assert_allclose(got[::97], want, rtol=1e-13)


def test_all_differences_of_an_unknown_size() -> None:
    x = gf.placeholder("float64", (None,))
    y = running.diff(x, n=3)
    session = gf.Session()
    for n in (0, 2, 3, 9):
        value = np.arange(n) ** 3.0
        np.testing.assert_array_equal(session.run(y, {x: value}), np.diff(value, 3) if n > 3 else np.zeros(0))


# --- blocks ---------------------------------------------------------------------------------------


def test_space_goes_to_the_batch_and_back() -> None:
    x = gf.placeholder("float32", (None, None, 6, 3))
    there = blocks.space_to_batch_nd(x, [2, 3], [[1, 0], [0, 0]])
    back = blocks.batch_to_space_nd(there, [2, 3], [[1, 0], [0, 0]])
    assert back.shape[2:] == (6, 3)
    value = np.random.default_rng(0).standard_normal((2, 5, 6, 3)).astype(np.float32)
    y, z = gf.Session().run([there, back], {x: value})
    assert y.shape == (12, 3, 2, 3)
    np.testing.assert_array_equal(z, value)


def test_indices_and_back() -> None:
    places = np.random.default_rng(0).integers(0, 60, (4, 5))
    spelled = index_arithmetic.unravel_index(places, (3, 4, 5))
    assert spelled.shape == (3, 4, 5)
    np.testing.assert_array_equal(
        gf.Session().run(index_arithmetic.ravel_multi_index(spelled, (3, 4, 5))), places
    )


# --- variables ------------------------------------------------------------------------------------

REPEATED = [2, 0, 2]
FUNCTIONS = {
    "update": lambda old, new: new,
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "min": np.minimum,
    "max": np.maximum,
}


@pytest.mark.parametrize("mode", list(FUNCTIONS))
def test_rows_of_a_variable_are_written_in_order(mode: str) -> None:
    start = np.arange(1.0, 13.0, dtype=np.float32).reshape(4, 3)
    updates = np.float32([[1, 2, 4], [0.5, 8, 2], [2, 2, 2]])
    want = start.copy()
    for row, u in zip(REPEATED, updates, strict=True):
        want[row] = FUNCTIONS[mode](want[row], u)
    w = gf.Variable(start, name=f"w_{mode}")
    written = getattr(scatter_variables, f"scatter_{mode}")(w, REPEATED, updates)
    after = w.read()
    session = gf.Session()
    session.run(gf.global_variables_initializer())
    got, read = session.run([written, after])
    np.testing.assert_allclose(got, want, rtol=1e-6)
    np.testing.assert_array_equal(read, got)
    np.testing.assert_array_equal(session.run(w), got)


@pytest.mark.parametrize("mode", ["update", "add", "sub", "min", "max"])
def test_points_of_a_variable_are_written_in_order(mode: str) -> None:
    points, updates = np.array([[0, 1], [3, 2], [0, 1]]), np.float32([5, 1, 7])
    want = np.arange(12.0, dtype=np.float32).reshape(4, 3)
    for point, u in zip(points, updates, strict=True):
        want[tuple(point)] = FUNCTIONS[mode](want[tuple(point)], u)
    w = _variable()
    written = getattr(scatter_variables, f"scatter_nd_{mode}")(
        w, points, updates, use_locking=True, name="write"
    )
    assert "write" in written.name
    session = gf.Session()
    session.run(gf.global_variables_initializer())
    np.testing.assert_array_equal(session.run(written), want)
    np.testing.assert_array_equal(session.run(w), want)


# --- memory ---------------------------------------------------------------------------------------

F8 = np.random.default_rng(1).standard_normal((250, 200))
I8 = np.random.default_rng(2).integers(0, 200, (250, 200))
MEMORY: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    *[(name, (x,), {"axis": 0, "reverse": r}) for name in ("cumulative_max", "cumulative_logsumexp") for x in (F8, F8.T)
      for r in (False, True)],
    ("sequence_mask", (I8[0],), {"maxlen": 300}),
    ("reverse_sequence", (F8, I8[:, 0]), {"seq_axis": 1, "batch_axis": 0}),
    ("reverse_sequence", (F8, I8[0]), {"seq_axis": 0, "batch_axis": 1}),
    ("unravel_index", (I8,), {"dims": (20, 30)}),
    *[("ravel_multi_index", (i, i), {"dims": (200, 200), "mode": m}) for i in (I8, I8.astype(np.uint8)) for m in ("raise", "wrap", "clip")],
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "inputs", "attrs"), MEMORY, ids=[f"{k}-{m[0]}" for k, m in enumerate(MEMORY)]
)
def test_hidden_memory_is_within_what_is_stated(name: str, inputs: Any, attrs: Any) -> None:
    op = OPS[name]
    types = [TensorType(x.dtype, x.shape) for x in inputs]
    assert op.kernel is not None
    first = op.kernel(np, *inputs, **attrs)
    options = {"out": np.empty_like(first)} if op.takes_out else {}
    given = 0 if op.takes_out else first.nbytes
    made = [TensorType(first.dtype, first.shape)]
    allowed = 0 if op.workspace is None else op.workspace(types, made, **attrs)
    del first
    with kernel_settings():
        tracemalloc.start()
        start = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        op.kernel(np, *inputs, **attrs, **options)
        peak = tracemalloc.get_traced_memory()[1] - start
        tracemalloc.stop()
    assert peak - given <= allowed + 8192
