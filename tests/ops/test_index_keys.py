"""Random keys against NumPy; picking from any layout in the memory that is stated."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphflow as gf
from graphflow.errors import GraphflowError
from graphflow.op import OPS
from graphflow.types import TensorType
from tests.ops.interpret import evaluate


@pytest.mark.parametrize("layout", ["C", "F", "reversed", "sliced"])
@pytest.mark.parametrize("count", [0, 3, 3000, 40_000])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_take_picks_the_same_from_any_layout_in_stated_memory(layout: str, count: int, axis: int) -> None:
    rng = np.random.default_rng(count)
    x = rng.standard_normal((6, 7, 5))
    if layout == "F":
        x = np.asfortranarray(x)
    elif layout == "reversed":
        x = x[::-1, :, ::-1]
    elif layout == "sliced":
        x = np.repeat(x, 2, axis=2)[:, :, ::2]
    index = rng.integers(-x.shape[axis], x.shape[axis], count).astype(np.int32)
    want = np.take(np.array(x), index, axis=axis)
    out = np.empty_like(want)
    kernel = OPS["take"].kernel
    assert kernel is not None
    types = [TensorType(a.dtype, a.shape) for a in (x, index, want)]
    assert OPS["take"].workspace is not None
    allowed = OPS["take"].workspace(types[:2], types[2:], axis=axis)
    tracemalloc.start()
    start = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    result = kernel(np, x, index, axis=axis, out=out)
    peak = tracemalloc.get_traced_memory()[1] - start
    tracemalloc.stop()
    assert result is out
    np.testing.assert_array_equal(out, want)
    assert peak <= allowed + 8192


SLICES = st.builds(
    slice,
    st.none() | st.integers(-6, 6),
    st.none() | st.integers(-6, 6),
    st.none() | st.sampled_from([-3, -2, -1, 1, 2, 3]),
)


@st.composite
def _keys(draw: Any) -> tuple[tuple[int, ...], tuple[Any, ...]]:
    shape = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)))
    shared = tuple(draw(st.lists(st.integers(1, 3), max_size=2)))
    key: list[Any] = []
    axis = 0
    while axis < len(shape):
        kind = draw(st.sampled_from(["int", "slice", "new", "array", "mask", "stop"]))
        if kind == "stop":
            break
        if kind == "new":
            key.append(None)
            if len(key) > 6:
                break
            continue
        if kind == "int":
            key.append(draw(st.integers(-shape[axis], shape[axis] - 1)))
        elif kind == "slice":
            key.append(draw(SLICES))
        elif kind == "array":
            seed = draw(st.integers(0, 99))
            key.append(np.random.default_rng(seed).integers(-shape[axis], shape[axis], shared))
        else:
            seed = draw(st.integers(0, 99))
            key.append(np.random.default_rng(seed).random(shape[axis]) < 0.5)
        axis += 1
    if draw(st.booleans()):
        key.insert(draw(st.integers(0, len(key))), ...) if axis == len(shape) else key.append(...)
    return shape, tuple(key)


@settings(max_examples=150, deadline=None)
@given(_keys(), st.booleans())
def test_any_key_means_what_numpy_means(case: Any, symbolic: bool) -> None:
    shape, key = case
    array = np.arange(np.prod(shape), dtype=np.float64).reshape(shape)
    with gf.Graph().as_default():
        x = gf.placeholder("float64", (None,) * len(shape) if symbolic else shape)
        try:
            want = array[key]
        except IndexError:
            with pytest.raises(GraphflowError):
                gf.Session().run(x[key], {x: array})
            return
        y = x[key]
        np.testing.assert_array_equal(evaluate(y, {x: array}), want)
        if y.type.is_static:
            assert y.type.shape == want.shape
        changed = array.copy()
        changed[key] = -1.0
        np.testing.assert_array_equal(evaluate(gf.setitem(x, key, -1.0), {x: array}), changed)
