"""Exponential moving averages: values, names, what restores what, bad input."""

from __future__ import annotations

import math

import numpy as np
import pytest

import graphflow as gf
from graphflow import train
from graphflow.errors import ArgumentError, DTypeError, ShapeError


def run_values(ema_arguments, values, dtype="float64"):
    """The averages after each of `values` was assigned to a variable that began at 1."""
    w = gf.Variable(np.asarray(1.0, dtype), name="w")
    x = gf.placeholder(dtype, ())
    ema = train.ExponentialMovingAverage(**ema_arguments)
    assign = w.assign(x)
    with gf.control_dependencies([assign]):
        update = ema.apply([w])
    found = []
    with gf.Session() as session:
        session.run(gf.global_variables_initializer())
        for value in values:
            session.run(update, {x: value})
            found.append(session.run(ema.average(w)))
    return found


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-14), ("float32", 1e-6)])
def test_the_average_of_a_variable(dtype, tolerance):
    want, shadow = [], 1.0
    for value in [2.0, -1.0, 5.0]:
        shadow = 0.9 * shadow + 0.1 * value
        want.append(shadow)
    np.testing.assert_allclose(run_values({"decay": 0.9}, [2.0, -1.0, 5.0], dtype), want, rtol=tolerance)


def test_num_updates_lets_early_averages_move_faster():
    step = gf.Variable(3, name="step", trainable=False)
    decay = min(0.9, (1 + 3) / (10 + 3))
    (found,) = run_values({"decay": 0.9, "num_updates": step}, [2.0])
    assert found == pytest.approx(decay * 1.0 + (1 - decay) * 2.0, rel=1e-14)
    gf.reset_default_graph()
    (found,) = run_values({"decay": 0.9, "num_updates": 1000}, [2.0])
    assert found == pytest.approx(1.1, rel=1e-14)


@pytest.mark.parametrize("debias", [False, True])
def test_the_average_of_a_tensor_begins_at_zero(debias):
    x = gf.placeholder("float64", (2,))
    t = gf.identity(x, name="t")
    ema = train.ExponentialMovingAverage(0.9, zero_debias=debias)
    update = ema.apply([t])
    values = [np.array([1.0, -2.0]), np.array([3.0, 0.5]), np.array([0.0, 7.0])]
    biased = np.zeros(2)
    with gf.Session() as session:
        session.run(gf.global_variables_initializer())
        for n, value in enumerate(values, 1):
            session.run(update, {x: value})
            biased = 0.9 * biased + 0.1 * value
            want = biased / (1 - 0.9**n) if debias else biased
            np.testing.assert_allclose(session.run(ema.average(t)), want, rtol=1e-12)


def test_names_and_collections():
    w = gf.Variable([1.0], name="w")
    v = gf.Variable([1.0], name="v", trainable=False)
    ema = train.ExponentialMovingAverage(0.9)
    assert ema.average_name(w) == "w/ExponentialMovingAverage"
    assert ema.average(w) is None
    update = ema.apply()
    assert update.name == "ExponentialMovingAverage"
    assert ema.average(v) is None
    shadow = ema.average(w)
    assert shadow.op.name == ema.average_name(w) == "w/ExponentialMovingAverage"
    assert not shadow.trainable
    assert gf.get_default_graph().get_collection("moving_average_variables") == [w]
    assert gf.global_variables() == [w, v, shadow]
    other = train.ExponentialMovingAverage(0.9, name="Slow")
    assert other.name == "Slow"
    other.apply([w])
    assert other.average(w).op.name == "w/Slow"
    assert gf.get_default_graph().get_collection("moving_average_variables") == [w]


def test_averages_follow_training_in_one_run():
    w = gf.Variable(np.float64(1.0), name="w")
    train_op = train.GradientDescentOptimizer(0.5).minimize(w)
    ema = train.ExponentialMovingAverage(0.5)
    with gf.control_dependencies([train_op]):
        update = ema.apply([w])
    with gf.Session() as session:
        session.run(gf.global_variables_initializer())
        session.run(update)
        assert session.run([w, ema.average(w)]) == [0.5, 0.75]


def test_averages_are_restored_into_their_variables(tmp_path):
    w = gf.Variable(np.float64(1.0), name="w")
    step = train.get_or_create_global_step()
    ema = train.ExponentialMovingAverage(0.5)
    update = ema.apply([w])
    with gf.Session() as session:
        session.run(gf.global_variables_initializer())
        w.load(3.0, session)
        session.run([update, step.assign_add(7)])
        path = train.Saver().save(session, tmp_path / "model")
    gf.reset_default_graph()
    w = gf.Variable(np.float64(0.0), name="w")
    step = train.get_or_create_global_step()
    names = train.ExponentialMovingAverage(0.5).variables_to_restore()
    assert {name: v.op.name for name, v in names.items()} == {
        "w/ExponentialMovingAverage": "w",
        "global_step": "global_step",
    }
    with gf.Session() as session:
        train.Saver(names).restore(session, path)
        assert session.run([w, step]) == [2.0, 7]


def test_variables_to_restore_of_a_list():
    w, v = gf.Variable(1.0, name="w"), gf.Variable(1.0, name="v")
    names = train.ExponentialMovingAverage(0.5).variables_to_restore([v])
    assert names == {"v/ExponentialMovingAverage": v, "w": w}


@pytest.mark.parametrize("decay", [-0.1, 1.1, math.nan, "0.9", None, True])
def test_a_bad_decay(decay):
    with pytest.raises(ArgumentError, match="ExponentialMovingAverage: decay"):
        train.ExponentialMovingAverage(decay)


def test_bad_input():
    w = gf.Variable(1.0, name="w")
    ema = train.ExponentialMovingAverage(0.9)
    for var_list, error, match in [
        ([], ArgumentError, "no variable to average"),
        ("w", ArgumentError, "must be a list"),
        ([3], ArgumentError, "neither a variable nor a tensor"),
        ([w, w], ArgumentError, "already"),
        ([gf.constant(1)], DTypeError, "int64; averages need floats"),
        ([gf.placeholder("float32", (None,))], ShapeError, "must be known"),
    ]:
        with pytest.raises(error, match=match):
            ema.apply(var_list)
    ema.apply([w])
    with pytest.raises(ArgumentError, match="has a moving average already"):
        ema.apply([w])
    with pytest.raises(ArgumentError, match="neither"):
        ema.average_name("w")
    assert ema.average("w") is None
    with pytest.raises(ArgumentError, match="num_updates"):
        train.ExponentialMovingAverage(0.9, num_updates=-1)
