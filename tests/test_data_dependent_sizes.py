"""Sizes that only the run tells, used as sizes of other values: what has to run for them runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphflow as gf

VALUES = np.array([3, 1, 3, 2])

MAKERS = {
    "arange": lambda n, u: (gf.arange(n), np.arange(3)),
    "zeros": lambda n, u: (gf.zeros(gf.shape(u)), np.zeros(3)),
    "ones of a product": lambda n, u: (gf.ones([n * 2, 2]), np.ones((6, 2))),
    "one_hot": lambda n, u: (gf.one_hot(gf.constant([0, 2]), n), np.eye(3)[[0, 2]]),
    "broadcast of a constant": lambda n, u: (gf.broadcast_to(gf.constant(2.0), gf.shape(u)), np.full(3, 2.0)),
    "reshape": lambda n, u: (gf.reshape(u, [n, 1]), np.array([[1], [2], [3]])),
    "segments": lambda n, u: (gf.unsorted_segment_sum(np.ones(2), [0, 0], n), np.array([2.0, 0, 0])),
}


@pytest.mark.parametrize("optimize", [True, False])
@pytest.mark.parametrize("name", MAKERS)
def test_a_size_is_known_though_its_tensor_is_not_asked_for(name: str, optimize: bool) -> None:
    x = gf.placeholder("int64", [None])
    found = gf.unique_values(x)
    made, want = MAKERS[name](gf.size(found), found)
    session = gf.Session(optimize=optimize)
    np.testing.assert_array_equal(session.run(made, {x: VALUES}), want)
    session.run([made, found], {x: VALUES[:1]})


def test_equal_values_have_equal_sizes() -> None:
    x = gf.placeholder("int64", [None])
    first, second = gf.unique_values(x), gf.unique_values(x)
    assert first.type == second.type
    total: Any = gf.zeros(gf.shape(first)) + gf.ones(gf.shape(second))
    assert gf.Session().run(total, {x: VALUES}).tolist() == [1.0, 1.0, 1.0]


def test_sizes_that_feeds_tell_need_nothing_else() -> None:
    x, y = gf.placeholder("float32", [None]), gf.placeholder("float32", [None])
    made = gf.zeros(gf.shape(x * 2.0 + gf.exp(x)))
    assert not made.op.control_inputs
    assert gf.Session().run(made + y[:2], {x: np.ones(2), y: np.ones(3)}).tolist() == [1.0, 1.0]
