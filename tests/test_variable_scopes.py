"""`get_variable` and `variable_scope`: names, sharing, defaults, and what they refuse. The rules are TensorFlow 1's."""

from __future__ import annotations

import numpy as np
import pytest

import graphflow as gf


def test_variables_are_named_by_variable_scopes_alone():
    with gf.name_scope("drawing"), gf.variable_scope("a"), gf.name_scope("inner"), gf.variable_scope("b"):
        w = gf.get_variable("w", [2, 3])
        y = w + 1.0
    assert w.name == "a/b/w:0"
    assert y.name.startswith("drawing/a/inner/b/")
    assert (w.shape, w.dtype) == ((2, 3), gf.float32)


def test_a_scope_entered_again_shares_its_variables():
    with gf.variable_scope("layer") as scope:
        w = gf.get_variable("w", [2])
    with gf.variable_scope("layer", reuse=True):
        assert gf.get_variable("w", [2]) is w
        assert gf.get_variable("w") is w
    with gf.variable_scope("elsewhere"), gf.variable_scope(scope, reuse=True):
        assert gf.get_variable("w", [None]) is w
    with gf.variable_scope("layer", reuse=gf.AUTO_REUSE):
        assert gf.get_variable("w") is w
        assert gf.get_variable("b", [1]).name == "layer/b:0"


def test_reuse_is_inherited_and_cannot_be_undone_inside():
    with gf.variable_scope("a"), gf.variable_scope("b"):
        w = gf.get_variable("w", [1])
    with gf.variable_scope("a", reuse=True), gf.variable_scope("b", reuse=False):
        assert gf.get_variable_scope().reuse is True
        assert gf.get_variable("w") is w


def test_each_graph_has_its_own_variables():
    w = gf.get_variable("w", [1])
    with gf.Graph().as_default():
        assert gf.get_variable("w", [1]) is not w


def test_default_names_are_made_unique():
    names = []
    for _ in range(3):
        with gf.variable_scope(None, default_name="dense") as scope:
            names.append(scope.name)
    with gf.variable_scope("outer"), gf.variable_scope(None, "dense") as scope:
        names.append(scope.name)
    assert names == ["dense", "dense_1", "dense_2", "outer/dense"]


def test_defaults_come_from_the_scopes_around():
    def double(value):
        return 2.0 * gf.sum(value)

    with gf.variable_scope("a", initializer=gf.initializers.Ones(), regularizer=double, dtype="float64"):
        w = gf.get_variable("w", [3])
        with gf.variable_scope("b", initializer=gf.initializers.Constant(7.0)):
            v = gf.get_variable("v", [1], dtype=gf.float32, regularizer=lambda _: None)
    (loss,) = gf.get_collection(gf.GraphKeys.REGULARIZATION_LOSSES)
    with gf.Session() as session:
        session.run(gf.global_variables_initializer())
        assert session.run(loss) == 6.0
        np.testing.assert_array_equal(session.run(w), np.ones(3))
        np.testing.assert_array_equal(session.run(v), np.full(1, 7.0, np.float32))
    assert (w.dtype, v.dtype) == (gf.float64, gf.float32)


@pytest.mark.parametrize(
    ("initializer", "shape", "expected"),
    [
        (3.0, None, np.float32(3.0)),
        (np.arange(3), [3], np.arange(3)),
        (gf.initializers.Zeros, [2], np.zeros(2, np.float32)),
        (lambda shape, dtype: gf.ones(shape, dtype), [2], np.ones(2, np.float32)),
    ],
)
def test_initial_values(initializer, shape, expected):
    w = gf.get_variable("w", shape, initializer=initializer)
    with gf.Session() as session:
        session.run(w.initializer)
        np.testing.assert_array_equal(session.run(w), expected)


def test_integers_start_at_zero_and_floats_as_glorot_draws():
    n = gf.get_variable("n", [4], "int32", trainable=False)
    w = gf.get_variable("w", [300, 500])
    with gf.Session() as session:
        session.run(gf.global_variables_initializer())
        np.testing.assert_array_equal(session.run(n), np.zeros(4, np.int32))
        limit = np.sqrt(6 / 800)
        drawn = session.run(w)
        assert 0.99 * limit < np.abs(drawn).max() <= limit
    assert gf.trainable_variables() == [w]


def test_custom_getters_nest():
    seen = []

    def getter(name):
        def called(below, full, **wanted):
            seen.append((name, full))
            return below(full, **wanted)

        return called

    inner = gf.variable_scope("b", custom_getter=getter("inner"))
    with gf.variable_scope("a", custom_getter=getter("outer")), inner:
        gf.get_variable("w", [1])
    assert seen == [("inner", "a/b/w"), ("outer", "a/b/w")]


def test_a_name_scope_that_is_left_out():
    with gf.variable_scope("a", auxiliary_name_scope=False):
        w = gf.get_variable("w", [1])
        y = gf.identity(w)
    assert w.name == "a/w:0"
    assert not y.name.startswith("a/")


@pytest.mark.parametrize(
    ("again", "error", "message"),
    [
        ({"name": "w"}, gf.errors.GraphError, r"'w' exists already, made at .*test_variable_scopes.py:\d+"),
        ({"name": "v", "reuse": True}, gf.errors.GraphError, "no variable 'v' to reuse"),
        ({"name": "w", "shape": [3], "reuse": True}, gf.errors.ShapeError, r"has shape \[2\], not \[3\]"),
        ({"name": "w", "dtype": "float64", "reuse": True}, gf.errors.DTypeError, "is float32, not float64"),
        ({"name": "v"}, gf.errors.ShapeError, "needs a shape"),
        ({"name": "v", "shape": [None]}, gf.errors.ShapeError, "must be all ints"),
        (
            {"name": "v", "shape": [2], "initializer": [1.0, 2.0, 3.0]},
            gf.errors.ShapeError,
            "cannot start from",
        ),
        ({"name": "v", "shape": [2], "regularizer": 3}, gf.errors.ArgumentError, "regularizer"),
        ({"name": "", "shape": [2]}, gf.errors.NameError, "name"),
        ({"name": None, "shape": [2]}, gf.errors.GraphflowError, "name"),
        ({"name": "v", "shape": [2], "reuse": "yes"}, gf.errors.ArgumentError, "reuse"),
        ({"name": "v", "shape": [2], "dtype": "sofa"}, gf.errors.GraphflowError, "sofa"),
    ],
)
def test_what_is_refused_leaves_nothing_behind(again, error, message):
    gf.get_variable("w", [2])
    before = len(gf.global_variables())
    reuse = again.pop("reuse", None)
    with pytest.raises(error, match=message), gf.variable_scope(gf.get_variable_scope(), reuse=reuse):
        gf.get_variable(**again)
    assert len(gf.global_variables()) == before
    assert gf.get_variable("v", [2]).name == "v:0"


def test_a_scope_is_left_after_an_error():
    with pytest.raises(ZeroDivisionError), gf.variable_scope("a"):
        raise ZeroDivisionError
    assert gf.get_variable_scope().name == ""
