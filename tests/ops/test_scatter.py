"""Scattering: order of repeated indices, ties, bad updates, layouts, a second array module."""

from __future__ import annotations

import tracemalloc
from typing import Any

import array_api_strict
import ml_dtypes
import numpy as np
import pytest

import graphflow as gf
from graphflow.errors import ArgumentError, DTypeError, IndexRangeError, RunError, ShapeError
from graphflow.op import OPS, F
from graphflow.ops.numpy_settings import kernel_settings
from graphflow.ops.scatter_kernels import scatter_any
from graphflow.types import TensorType
from tests.ops.interpret import evaluate

UFUNCS = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "min": np.minimum, "max": np.maximum}


def _one_by_one(x: Any, index: Any, u: Any, mode: str) -> Any:
    result = np.array(x)
    for k, i in enumerate(index):
        result[i] = u[k] if mode == "update" else UFUNCS[mode](result[i], u[k])
    return result


@pytest.mark.parametrize("mode", ["update", *UFUNCS])
@pytest.mark.parametrize(
    ("n", "m", "width"), [(5, 300, 3), (40, 20_000, 1), (7, 1500, 20), (3, 5, 2000), (1, 9, 0)]
)
@pytest.mark.parametrize("dtype", ["float32", "int16"])
def test_bits_are_those_of_one_update_after_the_other(
    mode: str, n: int, m: int, width: int, dtype: str
) -> None:
    rng = np.random.default_rng(n)
    x = (rng.standard_normal((n, width)) * 9).astype(dtype)
    u = (rng.standard_normal((m, width)) * 3).astype(dtype)
    index = rng.integers(-n, n, m)
    kernel = OPS["tensor_scatter"].kernel
    assert kernel is not None
    with np.errstate(all="ignore"):
        want = _one_by_one(x, index, u, mode)
        for updates in (u, np.asfortranarray(u), np.repeat(u, 2, axis=0)[::2]):
            got = kernel(np, x, updates, index, axis=0, mode=mode)
            assert got.tobytes() == want.tobytes()


@pytest.mark.parametrize("mode", ["update", "add"])
def test_layouts_of_indices_and_updates_do_not_change_the_order(mode: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((4, 3)).astype(np.float32)
    index = rng.integers(0, 4, (6, 5))
    u = rng.standard_normal((6, 5, 3)).astype(np.float32)
    kernel = OPS["tensor_scatter"].kernel
    assert kernel is not None
    want = kernel(np, x, u, index, axis=0, mode=mode)
    assert want.tobytes() == _one_by_one(x, index.reshape(-1), u.reshape(-1, 3), mode).tobytes()
    for i in (np.asfortranarray(index), np.array(index[::-1, ::-1])[::-1, ::-1]):
        for v in (np.asfortranarray(u), np.array(u[::-1, ::-1])[::-1, ::-1]):
            assert kernel(np, x, v, i, axis=0, mode=mode).tobytes() == want.tobytes()


@pytest.mark.parametrize("mode", ["update", *UFUNCS])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_second_array_module_agrees(mode: str, axis: int) -> None:
    rng = np.random.default_rng(axis)
    x = rng.standard_normal((3, 4, 5))
    n = x.shape[axis]
    index = rng.integers(0, n, 11)
    shape = list(x.shape)
    shape[axis] = 11
    u = rng.standard_normal(shape)
    want = scatter_any(np, "s", x, u, [index], (n,), axis, mode, None)
    xp = array_api_strict
    got = scatter_any(xp, "s", xp.asarray(x), xp.asarray(u), [xp.asarray(index)], (n,), axis, mode, None)
    np.testing.assert_allclose(np.asarray(got), want, rtol=1e-12)


@pytest.mark.parametrize("shape", [(300, 7, 40), (20, 30, 1), (1000, 5), (6, 2000)])
@pytest.mark.parametrize("mode", ["update", "add"])
def test_memory_stays_below_what_is_stated(shape: tuple[int, ...], mode: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal(shape)
    index = rng.integers(-shape[1], shape[1], 50)
    u = rng.standard_normal((shape[0], 50, *shape[2:]))
    op = OPS["tensor_scatter"]
    out = np.empty_like(x)
    assert op.kernel is not None
    assert op.workspace is not None
    types = [TensorType(a.dtype, a.shape) for a in (x, u, index)]
    allowed = op.workspace(types, types[:1], axis=1, mode=mode)
    tracemalloc.start()
    start = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    with kernel_settings():
        op.kernel(np, x, u, index, axis=1, mode=mode, out=out)
    peak = tracemalloc.get_traced_memory()[1] - start
    tracemalloc.stop()
    want = x.copy()
    if mode == "add":
        np.add.at(want, (slice(None), index), u)
    else:
        want[:, index] = u
    np.testing.assert_array_equal(out, want)
    assert peak <= allowed + 8192


def test_half_types_add_in_their_own_precision() -> None:
    for dtype in (np.float16, ml_dtypes.bfloat16):
        x = np.zeros(2, dtype)
        got = evaluate(F.index_scatter(gf.constant(x), [1, 1, 0], np.array([1, 2, 3], dtype), "add"))
        assert got.dtype == dtype
        assert got.tolist() == [3, 3]


# --- gradients ------------------------------------------------------------------------------------


def test_gradient_of_an_embedding_adds_repeated_rows() -> None:
    table = gf.placeholder("float32", (5, 2))
    ids = gf.placeholder("int32", (None,))
    (g,) = gf.gradients(gf.sum(gf.gather(table, ids)), table)
    got = evaluate(g, {table: np.zeros((5, 2), "f4"), ids: np.array([1, 4, 1, -1], "i4")})
    assert got.tolist() == [[0, 0], [2, 2], [0, 0], [0, 0], [2, 2]]


def test_only_the_last_of_repeated_updates_gets_a_gradient() -> None:
    x, u = gf.placeholder("float64", (3,)), gf.placeholder("float64", (4,))
    y = F.index_scatter(x, [2, 0, 2, 2], u)
    gx, gu = evaluate(gf.gradients(gf.sum(y * y), [x, u]), {x: np.ones(3), u: np.array([5.0, 6, 7, 8])})
    assert gx.tolist() == [0, 2, 0]
    assert gu.tolist() == [0, 12, 0, 16]


def test_ties_share_the_gradient() -> None:
    x, u = gf.placeholder("float64", (1,)), gf.placeholder("float64", (3,))
    y = F.index_scatter(x, [0, 0, 0], u, "max")
    gx, gu = evaluate(gf.gradients(y, [x, u]), {x: np.array([2.0]), u: np.array([2.0, 1.0, 2.0])})
    assert gx.tolist() == pytest.approx([1 / 3])
    assert gu.tolist() == pytest.approx([1 / 3, 0, 1 / 3])


def test_scattered_twice_and_read_back() -> None:
    x = gf.placeholder("float64", (2, 2))
    y = gf.setitem(gf.setitem(x, 0, x[1]), (slice(None), 1), 0.0)
    (g,) = gf.gradients(gf.sum(y * y), x)
    value = np.array([[1.0, 2], [3, 4]])
    assert evaluate(y, {x: value}).tolist() == [[3, 0], [3, 0]]
    assert evaluate(g, {x: value}).tolist() == [[0, 0], [12, 0]]


# --- mistakes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("build", "error", "text"),
    [
        (lambda x: F.index_scatter(x, [0], 1.0, "replace"), ArgumentError, "mode is one of update, add"),
        (lambda x: F.index_scatter(x, [0], 1.0, None), ArgumentError, "not None"),
        (lambda x: F.index_scatter(x, [0.5], 1.0), DTypeError, "index_scatter: indices must be integers"),
        (lambda x: F.index_scatter(x, [3], 1.0), IndexRangeError, "index_scatter: index 3 is out of range"),
        (lambda x: F.index_scatter(x, [0, 1], np.zeros((3, 4))), ShapeError, "float64[3, 4]"),
        (
            lambda x: F.index_scatter(x, [0], np.zeros((2, 4), complex)),
            DTypeError,
            "updates complex128[2, 4]",
        ),
        (
            lambda x: F.index_scatter(gf.cast(x, "float32"), [0], np.zeros(4)),
            DTypeError,
            "do not fit float32[3, 4]",
        ),
        (lambda x: F.index_scatter(x > 0, [0], True, "add"), DTypeError, "'add' is not defined for bool"),
        (
            lambda x: F.index_scatter(gf.cast(x, "complex64"), [0], 1.0, "max"),
            DTypeError,
            "'max' is not defined",
        ),
        (lambda x: F.index_scatter(gf.constant(1.0), [0], 1.0), ShapeError, "is a scalar"),
        (
            lambda x: gf.tensor_scatter_nd_add(x, [[0, 4]], [1.0]),
            IndexRangeError,
            "index 4 is out of range for axis 1",
        ),
        (lambda x: gf.tensor_scatter_nd_update(x, [[0, 0, 0]], [1.0]), ShapeError, "3 coordinates"),
        (lambda x: gf.tensor_scatter_nd_update(x, [[0, 0]], [[1.0, 2.0]]), ShapeError, "float64[1, 2]"),
        (
            lambda x: gf.scatter_nd([[0]], np.zeros((1, 4)), (3, 5)),
            ShapeError,
            "updates must have shape [1, 5]",
        ),
        (lambda x: gf.scatter_nd([[3]], np.zeros((1, 4)), (3, 4)), IndexRangeError, "scatter_nd: index 3"),
        (lambda x: gf.scatter_nd([[0]], np.zeros(1), (-3,)), ShapeError, "-3"),
        (lambda x: gf.scatter_nd([[0]], np.zeros(1), (2**40, 2**40)), ShapeError, "2^63"),
        (lambda x: gf.scatter_nd([[0]], np.zeros(1), (2.5,)), ShapeError, "2.5"),
        (lambda x: gf.scatter_nd([[0]], [True], (3,)), DTypeError, "updates must be numbers"),
        (lambda x: gf.scatter_nd(0, np.zeros(1), (3,)), ShapeError, "last axis of known size"),
        (lambda x: gf.scatter_nd([[0]], np.zeros(1), ()), ShapeError, "1 coordinates, more than the 0 axes"),
    ],
)
def test_bad_scatters_are_refused_when_the_graph_is_built(build: Any, error: Any, text: str) -> None:
    with pytest.raises(error) as caught:
        build(gf.placeholder("float64", (3, 4)))
    assert text in str(caught.value)


def test_a_mask_must_pick_as_many_elements_as_there_are_values() -> None:
    x, m, v = (
        gf.placeholder("float64", (4,)),
        gf.placeholder("bool", (4,)),
        gf.placeholder("float64", (None,)),
    )
    y = gf.setitem(x, m, v)
    session = gf.Session()
    feeds = {x: np.zeros(4), m: np.array([True, False, True, False])}
    with pytest.raises(RunError, match="the mask picks 2 elements, but 3 values were given"):
        session.run(y, {**feeds, v: np.ones(3)})
    assert session.run(y, {**feeds, v: np.array([5.0, 6])}).tolist() == [5, 0, 6, 0]


def test_inputs_are_never_written() -> None:
    x, u = np.arange(6.0).reshape(3, 2), np.ones((2, 2))
    x.flags.writeable = u.flags.writeable = False
    for mode in ("update", *UFUNCS):
        kernel = OPS["tensor_scatter"].kernel
        assert kernel is not None
        kernel(np, x, u, np.array([0, 2]), axis=0, mode=mode)
    assert x.tolist() == [[0, 1], [2, 3], [4, 5]]


@pytest.mark.parametrize(
    ("name", "inputs", "attrs"),
    [
        ("tensor_scatter", ([5, 6, 7], [1, 2, 3], [2, 0, 2]), {"axis": 0, "mode": "update"}),
        ("tensor_scatter", ([5, 6, 7], [1, 2, 3], [2, 0, 2]), {"axis": 0, "mode": "add"}),
        ("set_part", ([5, 6, 7], [1, 2, 3]), {"slices": ((None, None, -1),), "trailing": (), "picks": ()}),
        ("mask_scatter", ([5, 6, 7], [True, False, True], [1, 2]), {"axis": 0}),
    ],
)
def test_the_output_may_be_the_first_input(name: str, inputs: tuple[Any, ...], attrs: dict[str, Any]) -> None:
    op, arrays = OPS[name], [np.array(x) for x in inputs]
    assert op.kernel is not None
    want = op.kernel(np, *arrays, **attrs)
    assert op.kernel(np, *arrays, out=arrays[0], **attrs).tolist() == want.tolist()
    first, second, third = object(), object(), object()
    assert op.donors((first, second, third)) == (first,)
    assert op.donors((first, first, third)) == ()


@pytest.mark.parametrize("same", [False, True])
def test_the_updates_give_no_bytes_to_the_result(same: bool) -> None:
    x, index = gf.placeholder("float64", [4000]), np.arange(3999, -1, -1)
    made = gf.exp(x)
    updates = made if same else gf.sin(x)  # neither is needed afterwards
    result = gf.tensor_scatter_nd_update(made, index[:, None], updates)
    values = np.linspace(0.0, 1.0, 4000)
    want = (np.exp(values) if same else np.sin(values))[::-1]
    total, changed = gf.Session(optimize=False).run([gf.sum(result * 2.0), result], {x: values})
    np.testing.assert_array_equal(changed, want)
    assert total == pytest.approx(2 * want.sum())
    plan = gf.Session(optimize=False).plan(gf.sum(result * 2.0), {x: (4000,)})
    step = next(i for i in plan.program.instructions if i.op.name == "tensor_scatter")
    assert (step.outputs[0] == step.inputs[0]) is not same
    assert step.outputs[0] not in step.inputs[1:]
