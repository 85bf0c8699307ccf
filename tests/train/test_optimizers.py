"""Optimizers: values against NumPy's, names and slots, what a step writes and how, bad input."""

from __future__ import annotations

import math

import numpy as np
import pytest

import graphflow as gf
from graphflow import train
from graphflow.errors import ArgumentError, DTypeError, GradientError, GraphError, NameError, ShapeError
from tests.train import reference

CASES = {
    "gradient_descent": (lambda: train.GradientDescentOptimizer(0.1), reference.gradient_descent(0.1)),
    "momentum": (lambda: train.MomentumOptimizer(0.05, 0.9), reference.momentum(0.05, 0.9)),
    "nesterov": (
        lambda: train.MomentumOptimizer(0.05, 0.9, use_nesterov=True),
        reference.momentum(0.05, 0.9, True),
    ),
    "adagrad": (lambda: train.AdagradOptimizer(0.3, 0.2), reference.adagrad(0.3, 0.2)),
    "rmsprop": (lambda: train.RMSPropOptimizer(0.05), reference.rmsprop(0.05, 0.9, 0.0, 1e-10, False)),
    "rmsprop_all": (
        lambda: train.RMSPropOptimizer(0.05, decay=0.8, momentum=0.5, epsilon=1e-3, centered=True),
        reference.rmsprop(0.05, 0.8, 0.5, 1e-3, True),
    ),
    "adam": (lambda: train.AdamOptimizer(0.1), reference.adam(0.1, 0.9, 0.999, 1e-8)),
    "adam_large_epsilon": (
        lambda: train.AdamOptimizer(0.1, beta1=0.7, beta2=0.9, epsilon=0.1),
        reference.adam(0.1, 0.7, 0.9, 0.1),
    ),
    "adamw": (lambda: train.AdamWOptimizer(0.1, 0.2), reference.adam(0.1, 0.9, 0.999, 1e-8, 0.2)),
    "adadelta": (
        lambda: train.AdadeltaOptimizer(1.0, rho=0.9, epsilon=1e-3),
        reference.adadelta(1.0, 0.9, 1e-3),
    ),
    "ftrl": (lambda: train.FtrlOptimizer(0.3), reference.ftrl(0.3, -0.5, 0.1, 0.0, 0.0)),
    "ftrl_all": (
        lambda: train.FtrlOptimizer(
            0.3,
            learning_rate_power=-0.6,
            initial_accumulator_value=0.5,
            l1_regularization_strength=0.4,
            l2_regularization_strength=0.3,
            l2_shrinkage_regularization_strength=0.1,
        ),
        reference.ftrl(0.3, -0.6, 0.5, 0.4, 0.3, 0.1),
    ),
}
EACH = pytest.mark.parametrize("case", CASES)

A = np.array([[0.5, -1.5, 2.0], [-0.25, 0.75, 1.0]])
C = np.array([[1.0, 0.3, 0.7], [0.2, 1.1, 0.9]])
START = np.array([[1.0, -2.0, 0.5], [0.0, 0.3, -0.7]])


def problem(dtype: str) -> tuple[gf.Variable, gf.Variable, gf.Tensor]:
    """A smooth loss of a matrix and a scalar, whose gradients are easy to write down."""
    w = gf.Variable(START.astype(dtype), name="w")
    b = gf.Variable(np.asarray(0.8, dtype), name="b")
    loss = gf.sum(gf.sin(w) * A.astype(dtype) + gf.square(w) * (0.5 * C).astype(dtype)) + b * b * b
    return w, b, loss


def expected(step: reference.Step, n_steps: int) -> tuple[np.ndarray, np.ndarray]:
    w, b = START, np.float64(0.8)
    state_w, state_b = {}, {}
    for t in range(1, n_steps + 1):
        g_w, g_b = np.cos(w) * A + w * C, 3 * b * b
        w, b = step(state_w, w, g_w, t), step(state_b, b, g_b, t)
    return w, b


@EACH
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 2e-5)])
@pytest.mark.parametrize("optimize", [True, False])
def test_steps_are_those_of_the_papers(case, dtype, tolerance, optimize):
    make, step = CASES[case]
    w, b, loss = problem(dtype)
    update = make().minimize(loss)
    with gf.Session(optimize=optimize) as session:
        session.run(gf.global_variables_initializer())
        for n in range(1, 8):
            assert session.run(update) is None
            got_w, got_b = session.run([w, b])
            want_w, want_b = expected(step, n)
            assert got_w.dtype == got_b.dtype == dtype
            np.testing.assert_allclose(got_w, want_w, rtol=tolerance, atol=tolerance)
            np.testing.assert_allclose(got_b, want_b, rtol=tolerance, atol=tolerance)


@EACH
def test_optimised_is_unoptimised_to_the_bit(case):
    make, _ = CASES[case]
    _, _, loss = problem("float32")
    update = make().minimize(loss)
    results = []
    for optimize in (True, False):
        with gf.Session(optimize=optimize) as session:
            session.run(gf.global_variables_initializer())
            for _ in range(5):
                session.run(update)
            results.append(session.run(gf.global_variables()))
    for first, second in zip(*results, strict=True):
        np.testing.assert_array_equal(first, second)


@EACH
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_moves_downhill(case, dtype):
    make, _ = CASES[case]
    w = gf.Variable(gf.cast(np.array([1.0, -2.0]), dtype), name="w")
    loss = gf.sum(gf.square(w))
    update = make().minimize(loss)
    with gf.Session() as session:
        session.run(gf.global_variables_initializer())
        before = float(session.run(loss))
        for _ in range(5):
            session.run(update)
        value = session.run(w)
        assert str(value.dtype) == dtype
        assert np.all(np.isfinite(value.astype(np.float32)))
        assert float(session.run(loss)) < before


@pytest.mark.parametrize("nesterov", [False, True])
def test_complex_variables_go_downhill(nesterov):
    w = gf.Variable(np.array([1 + 2j, -1j]), name="w")
    loss = gf.sum(gf.square(gf.abs(w)))
    update = train.MomentumOptimizer(0.1, 0.5, use_nesterov=nesterov).minimize(loss)
    with gf.Session() as session:
        session.run(gf.global_variables_initializer())
        for _ in range(60):
            session.run(update)
        assert np.max(np.abs(session.run(w))) < 1e-3


def test_complex_variables_are_refused_where_squares_would_be_wrong():
    w = gf.Variable(np.array([1 + 2j]), name="w")
    with pytest.raises(DTypeError, match="complex"):
        train.AdamOptimizer().minimize(gf.sum(gf.abs(w)))


# --- against PyTorch ------------------------------------------------------------------------------

TORCH = {
    "SGD": (lambda: train.GradientDescentOptimizer(0.1), {"lr": 0.1}),
    "SGD momentum": (lambda: train.MomentumOptimizer(0.1, 0.9), {"lr": 0.1, "momentum": 0.9}),
    "SGD nesterov": (
        lambda: train.MomentumOptimizer(0.1, 0.9, use_nesterov=True),
        {"lr": 0.1, "momentum": 0.9, "nesterov": True},
    ),
    "Adagrad": (
        lambda: train.AdagradOptimizer(0.1, 0.1),
        {"lr": 0.1, "initial_accumulator_value": 0.1, "eps": 0.0},
    ),
    "Adadelta": (lambda: train.AdadeltaOptimizer(1.0, 0.9, 1e-6), {"lr": 1.0, "rho": 0.9, "eps": 1e-6}),
    "Adam": (lambda: train.AdamOptimizer(0.1, epsilon=0.0), {"lr": 0.1, "eps": 0.0}),
    "AdamW": (
        lambda: train.AdamWOptimizer(0.1, 0.2, epsilon=0.0),
        {"lr": 0.1, "weight_decay": 0.2, "eps": 0.0},
    ),
}


@pytest.mark.parametrize("case", TORCH)
def test_steps_are_those_of_pytorch(case):
    torch = pytest.importorskip("torch", reason="PyTorch is an oracle here, and not a dependency")
    make, options = TORCH[case]
    w, b, loss = problem("float64")
    update = make().minimize(loss)
    tw = torch.tensor(START, requires_grad=True)
    tb = torch.tensor(0.8, dtype=torch.float64, requires_grad=True)
    other = getattr(torch.optim, case.split()[0])([tw, tb], **options)
    with gf.Session() as session:
        session.run(gf.global_variables_initializer())
        for _ in range(6):
            session.run(update)
            other.zero_grad()
            ((torch.sin(tw) * torch.tensor(A) + 0.5 * torch.tensor(C) * tw**2).sum() + tb**3).backward()
            other.step()
            np.testing.assert_allclose(session.run(w), tw.detach().numpy(), rtol=1e-10, atol=1e-12)
            np.testing.assert_allclose(session.run(b), tb.detach().numpy(), rtol=1e-10, atol=1e-12)


# --- how a step is written ------------------------------------------------------------------------


@pytest.mark.parametrize("case", [c for c in CASES if not c.startswith("ftrl")])
def test_every_write_goes_into_the_variables_own_bytes(case):
    """No copy and no second buffer for a variable or slot: the last op of each update writes it in place."""
    make, _ = CASES[case]
    _, _, loss = problem("float32")
    step = train.get_or_create_global_step()
    update = make().minimize(loss, global_step=step)
    with gf.Session() as session:
        program = session.plan(update).program
    assert program.swaps == ()
    copied = [program.slots[i.outputs[0]].type for i in program.instructions if i.op.name == "assign"]
    assert [t for t in copied if t.size != 1] == []  # one element is copied: NumPy does that faster


def test_gradient_descent_holds_one_buffer_for_each_gradient():
    n = 1 << 16
    w = gf.Variable(gf.ones((n,)), name="w")
    update = train.GradientDescentOptimizer(0.1).minimize(gf.sum(gf.square(w)))
    with gf.Session() as session:
        plan = session.plan(update)
    assert plan.peak_nbytes <= 2.1 * 4 * n


def test_all_gradients_are_taken_before_any_write():
    """Each variable's gradient depends on the other's old value."""
    w, v = gf.Variable(2.0, name="w"), gf.Variable(3.0, name="v")
    update = train.GradientDescentOptimizer(0.1).minimize(w * v)
    with gf.Session() as session:
        session.run(gf.global_variables_initializer())
        session.run(update)
        np.testing.assert_allclose(session.run([w, v]), [2.0 - 0.3, 3.0 - 0.2], rtol=1e-6)


def test_the_loss_fetched_beside_the_step_is_that_from_before():
    w = gf.Variable(2.0, name="w")
    loss = gf.square(w)
    update = train.GradientDescentOptimizer(0.25).minimize(loss)
    with gf.Session() as session:
        session.run(gf.global_variables_initializer())
        assert session.run([loss, update, w]) == [4.0, None, 1.0]


def test_an_error_while_running_changes_nothing():
    x = gf.placeholder("float32", ())
    w = gf.Variable(2.0, name="w")
    checked = gf.Assert(x > 0, [x])
    with gf.control_dependencies([checked]):
        positive = gf.identity(x)
    loss = gf.square(w) * positive
    update = train.AdamOptimizer(0.1).minimize(loss)
    with gf.Session() as session:
        session.run(gf.global_variables_initializer())
        before = session.run(gf.global_variables())
        with pytest.raises(gf.errors.RunError):
            session.run(update, {x: -1.0})
        assert session.run(gf.global_variables()) == before
        session.run(update, {x: 1.0})
        assert session.run(w) < 2.0


def test_training_inside_a_loop_is_training_step_by_step():
    def build() -> tuple[gf.Variable, gf.Tensor, train.Optimizer]:
        w = gf.Variable(np.array([1.0, -2.0]), name="w")
        return w, w, train.MomentumOptimizer(0.1, 0.9)

    def loop():
        with gf.Graph().as_default():
            w, _, optimizer = build()

            def body(i):
                update = optimizer.minimize(gf.sum(gf.square(w)))
                with gf.control_dependencies([update]):
                    return gf.identity(i) + 1

            end = gf.while_loop(lambda i: i < 4, body, [0])
            with gf.Session() as session:
                session.run(gf.global_variables_initializer())
                session.run(end)
                return session.run(w)

    def steps():
        with gf.Graph().as_default():
            w, _, optimizer = build()
            update = optimizer.minimize(gf.sum(gf.square(w)))
            with gf.Session() as session:
                session.run(gf.global_variables_initializer())
                for _ in range(4):
                    session.run(update)
                return session.run(w)

    np.testing.assert_array_equal(loop(), steps())


# --- names, slots, steps --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "name", "slots", "made"),
    [
        (lambda: train.GradientDescentOptimizer(0.1), "GradientDescent", [], []),
        (lambda: train.MomentumOptimizer(0.1, 0.9), "Momentum", ["momentum"], ["w/Momentum"]),
        (lambda: train.AdagradOptimizer(0.1), "Adagrad", ["accumulator"], ["w/Adagrad"]),
        (lambda: train.RMSPropOptimizer(0.1), "RMSProp", ["momentum", "rms"], ["w/RMSProp", "w/RMSProp_1"]),
        (
            lambda: train.RMSPropOptimizer(0.1, centered=True),
            "RMSProp",
            ["mg", "momentum", "rms"],
            ["w/RMSProp", "w/RMSProp_1", "w/RMSProp_2"],
        ),
        (
            lambda: train.AdamOptimizer(),
            "Adam",
            ["m", "v"],
            ["w/Adam", "w/Adam_1", "beta1_power", "beta2_power"],
        ),
        (
            lambda: train.AdamWOptimizer(),
            "AdamW",
            ["m", "v"],
            ["w/AdamW", "w/AdamW_1", "beta1_power", "beta2_power"],
        ),
        (
            lambda: train.AdadeltaOptimizer(),
            "Adadelta",
            ["accum", "accum_update"],
            ["w/Adadelta", "w/Adadelta_1"],
        ),
        (lambda: train.FtrlOptimizer(0.1), "Ftrl", ["accum", "linear"], ["w/Ftrl", "w/Ftrl_1"]),
    ],
)
def test_names_are_those_of_tensorflow_1(make, name, slots, made):
    w = gf.Variable([1.0, 2.0], name="w")
    optimizer = make()
    assert optimizer.get_slot_names() == []
    assert optimizer.get_slot(w, "m") is None
    with gf.name_scope("outer"):
        loss = gf.sum(w)
    update = optimizer.minimize(loss)
    assert update.name == optimizer.get_name() == name
    assert gf.get_default_graph().get_operation_by_name(name) is update
    assert optimizer.get_slot_names() == slots
    assert [v.op.name for v in optimizer.variables()] == made
    assert gf.trainable_variables() == [w]
    assert [v.op.name for v in gf.global_variables()] == ["w", *made]
    for slot in slots:
        v = optimizer.get_slot(w, slot)
        assert (v.dtype, v.shape, v.trainable) == (w.dtype, w.shape, False)


def test_slots_begin_as_tensorflow_1_has_them():
    w = gf.Variable(np.array([1.0, 2.0]), name="w")
    optimizers = (
        train.AdagradOptimizer(0.1),
        train.RMSPropOptimizer(0.1),
        train.FtrlOptimizer(0.1),
        train.AdamOptimizer(),
    )
    for optimizer in optimizers:
        optimizer.minimize(gf.sum(w))
    adagrad, rms, ftrl, adam = optimizers
    with gf.Session() as session:
        session.run(gf.global_variables_initializer())
        np.testing.assert_array_equal(session.run(adagrad.get_slot(w, "accumulator")), [0.1, 0.1])
        np.testing.assert_array_equal(session.run(rms.get_slot(w, "rms")), [1, 1])
        np.testing.assert_array_equal(session.run(ftrl.get_slot(w, "accum")), [0.1, 0.1])
        np.testing.assert_array_equal(session.run(adam.get_slot(w, "m")), [0, 0])
        assert [session.run(v) for v in adam.variables()[-2:]] == [0.9, 0.999]


def test_slots_stand_beside_a_variable_in_a_scope():
    with gf.name_scope("dense"):
        w = gf.Variable([1.0], name="kernel")
    optimizer = train.MomentumOptimizer(0.1, 0.9, name="M")
    optimizer.minimize(gf.sum(w))
    assert optimizer.get_slot(w, "momentum").op.name == "dense/kernel/M"


def test_the_operation_takes_a_name_of_its_own_and_the_scope_around_it():
    w = gf.Variable([1.0], name="w")
    optimizer = train.GradientDescentOptimizer(0.1)
    with gf.name_scope("training"):
        assert optimizer.minimize(gf.sum(w), name="step").name == "training/step"
        assert optimizer.minimize(gf.sum(w)).name == "training/GradientDescent"
    assert optimizer.minimize(gf.sum(w)).name == "GradientDescent"
    assert optimizer.minimize(gf.sum(w)).name == "GradientDescent_1"


def test_two_minimize_calls_share_the_slots():
    w = gf.Variable([1.0], name="w")
    optimizer = train.AdamOptimizer()
    optimizer.minimize(gf.sum(w))
    made = optimizer.variables()
    optimizer.minimize(gf.sum(gf.square(w)))
    assert optimizer.variables() == made


def test_one_optimizer_serves_two_graphs():
    optimizer = train.AdamOptimizer(0.1)
    values = []
    for _ in range(2):
        with gf.Graph().as_default():
            w = gf.Variable([1.0], name="w")
            update = optimizer.minimize(gf.sum(w))
            with gf.Session() as session:
                session.run(gf.global_variables_initializer())
                session.run(update)
                values.append(session.run(w))
    np.testing.assert_array_equal(*values)


def test_building_outside_of_the_graphs_with_block():
    graph = gf.Graph()
    with graph.as_default():
        w = gf.Variable([1.0], name="w")
        loss = gf.sum(w)
    update = train.AdamOptimizer().minimize(loss)
    assert update.graph is graph
    assert len(gf.get_default_graph()) == 0


def test_global_step_counts_runs_of_the_step():
    w = gf.Variable([1.0], name="w")
    step = train.get_or_create_global_step()
    update = train.GradientDescentOptimizer(0.1).minimize(gf.sum(w), global_step=step)
    with gf.Session() as session:
        session.run(gf.global_variables_initializer())
        for n in range(3):
            assert train.global_step(session, step) == n
            session.run(update)


@pytest.mark.parametrize("dtype", ["int32", "int64", "float32"])
def test_global_step_of_any_number_type(dtype):
    w = gf.Variable([1.0], name="w")
    step = gf.Variable(np.asarray(5, dtype), trainable=False)
    update = train.GradientDescentOptimizer(0.1).minimize(gf.sum(w), global_step=step)
    with gf.Session() as session:
        session.run(gf.global_variables_initializer())
        session.run(update)
        assert session.run(step) == 6


def test_variables_of_several_dtypes_in_one_step():
    a = gf.Variable(np.float32(1), name="a")
    b = gf.Variable(np.float64(1), name="b")
    loss = gf.square(a) + gf.square(b)
    optimizer = train.AdamOptimizer(gf.constant(0.1))
    update = optimizer.minimize(loss)
    assert optimizer.variables()[-1].dtype == "float64"
    with gf.Session() as session:
        session.run(gf.global_variables_initializer())
        session.run(update)
        np.testing.assert_allclose(session.run([a, b]), [0.9, 0.9], rtol=1e-5)


# --- gradients ------------------------------------------------------------------------------------


def test_compute_gradients_gives_pairs_with_none_for_the_unconnected():
    w, v = gf.Variable([1.0, 2.0], name="w"), gf.Variable(1.0, name="v")
    optimizer = train.GradientDescentOptimizer(0.5)
    pairs = optimizer.compute_gradients(gf.sum(gf.square(w)))
    assert [variable for _, variable in pairs] == [w, v]
    assert pairs[1][0] is None
    update = optimizer.apply_gradients([(g if g is None else g * 2, v) for g, v in pairs])
    with gf.Session() as session:
        session.run(gf.global_variables_initializer())
        session.run(update)
        np.testing.assert_array_equal(session.run(w), [-1.0, -2.0])
        assert session.run(v) == 1.0


def test_var_list_and_untrainable_variables():
    w, v = gf.Variable(1.0, name="w"), gf.Variable(1.0, name="v", trainable=False)
    count = gf.Variable(3, name="count")  # trainable by default, but of an integer type
    loss = w * v * gf.cast(count, "float32")
    optimizer = train.GradientDescentOptimizer(0.1)
    assert [x for _, x in optimizer.compute_gradients(loss)] == [w]
    assert [x for _, x in optimizer.compute_gradients(loss, [v])] == [v]
    assert [x for _, x in optimizer.compute_gradients(loss, v)] == [v]
    assert [x for _, x in optimizer.compute_gradients(loss, (x for x in [v, w]))] == [v, w]


def test_grad_loss_is_the_gradient_that_flows_in():
    w = gf.Variable([1.0, 2.0], name="w")
    loss = w * 3.0
    update = train.GradientDescentOptimizer(1.0).minimize(loss, grad_loss=gf.constant([1.0, 10.0]))
    with gf.Session() as session:
        session.run(gf.global_variables_initializer())
        session.run(update)
        np.testing.assert_array_equal(session.run(w), [-2.0, -28.0])


def test_gradients_given_as_arrays():
    w = gf.Variable([1.0, 2.0], name="w")
    update = train.GradientDescentOptimizer(1.0).apply_gradients([(np.array([1.0, 2.0], np.float32), w)])
    with gf.Session() as session:
        session.run(gf.global_variables_initializer())
        session.run(update)
        np.testing.assert_array_equal(session.run(w), [0.0, 0.0])


def test_a_loss_of_unknown_rank_is_checked_when_it_runs():
    x = gf.placeholder("float32")
    w = gf.Variable(2.0, name="w")
    update = train.GradientDescentOptimizer(0.5).minimize(w * x)
    with gf.Session() as session:
        session.run(gf.global_variables_initializer())
        with pytest.raises(ShapeError):
            session.run(update, {x: [1.0, 2.0]})
        assert session.run(w) == 2.0
        session.run(update, {x: 2.0})
        assert session.run(w) == 1.0


# --- learning rates -------------------------------------------------------------------------------


def test_a_schedule_uses_the_step_from_before_the_increment():
    w = gf.Variable(np.float64(0.0), name="w")
    step = train.get_or_create_global_step()
    rate = train.piecewise_constant(step, [0, 1], [1.0, 10.0, 100.0])
    update = train.GradientDescentOptimizer(rate).minimize(-w, global_step=step)
    with gf.Session() as session:
        session.run(gf.global_variables_initializer())
        values = []
        for _ in range(3):
            session.run(update)
            values.append(float(session.run(w)))
    assert values == [1.0, 11.0, 111.0]


@pytest.mark.parametrize(
    "rate", [lambda: 0.5, lambda: gf.constant(0.5), lambda: gf.Variable(0.5, trainable=False)]
)
def test_a_learning_rate_given_by_a_function(rate):
    w = gf.Variable(2.0, name="w")
    update = train.GradientDescentOptimizer(rate).minimize(w)
    with gf.Session() as session:
        session.run(gf.global_variables_initializer())
        session.run(update)
        assert session.run(w) == 1.5


def test_a_learning_rate_can_be_fed():
    w, rate = gf.Variable(np.float64(2.0), name="w"), gf.placeholder("float32", ())
    update = train.MomentumOptimizer(rate, rate).minimize(w)
    with gf.Session() as session:
        session.run(gf.global_variables_initializer())
        session.run(update, {rate: 0.5})
        assert session.run(w) == 1.5


BAD_NUMBERS = [-1.0, math.nan, math.inf, -math.inf, "0.1", None, True, 1j, [0.1], 10**400, np.complex64(1)]


@EACH
def test_a_bad_learning_rate(case, each):
    kind = type(CASES[case][0]())
    arguments = (0.9,) if kind is train.MomentumOptimizer else ()

    def check(rate):
        with pytest.raises(ArgumentError, match=r"learning_rate must be .* not "):
            kind(rate, *arguments)

    each(BAD_NUMBERS, check)


@pytest.mark.parametrize("rate", [math.nan, "x", -1.0])
def test_a_bad_learning_rate_from_a_function(rate):
    w = gf.Variable(1.0, name="w")
    with pytest.raises(ArgumentError, match="Adam: learning_rate"):
        train.AdamOptimizer(lambda: rate).minimize(w)
    assert gf.global_variables() == [w]


def test_a_bad_learning_rate_tensor():
    with pytest.raises(ShapeError, match="learning_rate must be a scalar"):
        train.GradientDescentOptimizer(gf.constant([0.1, 0.2]))
    with pytest.raises(DTypeError, match="learning_rate must be a real number"):
        train.GradientDescentOptimizer(gf.constant(True))
    with pytest.raises(DTypeError, match="learning_rate must be a real number"):
        train.GradientDescentOptimizer(gf.constant(1j))


def test_rates_that_mean_nothing_or_no_step():
    with pytest.raises(ArgumentError, match="above 0"):
        train.FtrlOptimizer(0.0)
    w = gf.Variable(1.0, name="w")
    update = train.AdamOptimizer(0).minimize(w)
    with gf.Session() as session:
        session.run(gf.global_variables_initializer())
        session.run(update)
        assert session.run(w) == 1.0


def test_ftrl_without_history_and_gradient_stays_at_zero():
    """0 / 0 must not become NaN."""
    w = gf.Variable([1.0, 2.0], name="w")
    optimizer = train.FtrlOptimizer(0.1, initial_accumulator_value=0.0)
    update = optimizer.minimize(gf.sum(w * np.array([0.0, 1.0], np.float32)))
    with gf.Session() as session:
        session.run(gf.global_variables_initializer())
        session.run(update)
        assert session.run(w)[0] == 0.0
        assert np.isfinite(session.run(w)).all()


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: train.MomentumOptimizer(0.1, -0.1), "Momentum: momentum"),
        (lambda: train.MomentumOptimizer(0.1, "0.9"), "Momentum: momentum"),
        (lambda: train.MomentumOptimizer(0.1, math.nan), "Momentum: momentum"),
        (lambda: train.AdagradOptimizer(0.1, 0.0), "Adagrad: initial_accumulator_value .* above 0"),
        (
            lambda: train.RMSPropOptimizer(0.1, decay=1.5),
            r"RMSProp: decay must be a number in \[0, 1\], not 1.5",
        ),
        (lambda: train.RMSPropOptimizer(0.1, epsilon=-1e-9), "RMSProp: epsilon"),
        (lambda: train.AdamOptimizer(0.1, beta1=1.0), r"Adam: beta1 must be a number in \[0, 1\), not 1.0"),
        (lambda: train.AdamOptimizer(0.1, beta2=-0.1), "Adam: beta2"),
        (lambda: train.AdamOptimizer(0.1, epsilon=math.inf), "Adam: epsilon"),
        (lambda: train.AdamWOptimizer(0.1, weight_decay=-1), "AdamW: weight_decay"),
        (lambda: train.AdadeltaOptimizer(1.0, rho=2), "Adadelta: rho"),
        (lambda: train.AdadeltaOptimizer(1.0, epsilon=0), "Adadelta: epsilon .* above 0"),
        (lambda: train.FtrlOptimizer(0.1, learning_rate_power=0.5), "Ftrl: learning_rate_power"),
        (lambda: train.FtrlOptimizer(0.1, l1_regularization_strength=-1), "Ftrl: l1"),
        (lambda: train.FtrlOptimizer(0.1, l2_regularization_strength=math.nan), "Ftrl: l2"),
    ],
)
def test_bad_hyperparameters(make, match):
    with pytest.raises(ArgumentError, match=match):
        make()


# --- bad losses and pairs -------------------------------------------------------------------------


def test_a_loss_that_depends_on_no_variable_names_them():
    gf.Variable(1.0, name="w"), gf.Variable(1.0, name="v")
    with pytest.raises(GradientError, match="none of the variables 'w', 'v'"):
        train.AdamOptimizer().minimize(gf.constant(1.0))
    assert all("Adam" not in v.name for v in gf.global_variables())


def test_apply_gradients_without_any_gradient():
    w = gf.Variable(1.0, name="w")
    optimizer = train.AdamOptimizer()
    with pytest.raises(GradientError, match="'w'"):
        optimizer.apply_gradients([(None, w)])
    with pytest.raises(GradientError, match="no gradient"):
        optimizer.apply_gradients([])


@pytest.mark.parametrize(
    ("loss", "error", "match"),
    [
        (lambda w: w * np.ones(3, np.float32), ShapeError, r"scalar, got .*\[3\].*gf.mean"),
        (lambda w: gf.cast(w, "int32"), DTypeError, "real floating scalar"),
        (lambda w: gf.cast(w, "complex64"), DTypeError, "real floating scalar"),
        (lambda w: w > 0, DTypeError, "real floating scalar"),
        (lambda w: 1.0, ArgumentError, "loss must be a tensor, not 1.0"),
        (lambda w: None, ArgumentError, "loss must be a tensor, not None"),
        (lambda w: lambda: w, ArgumentError, "loss must be a tensor"),
    ],
)
def test_a_bad_loss(loss, error, match):
    w = gf.Variable(1.0, name="w")
    with pytest.raises(error, match=match):
        train.GradientDescentOptimizer(0.1).minimize(loss(w))


@pytest.mark.parametrize(
    ("var_list", "error", "match"),
    [
        ([], ArgumentError, "var_list is empty"),
        (["w"], ArgumentError, "no variable"),
        ("w", ArgumentError, "must be a list"),
        (3, ArgumentError, "must be a list"),
        ([None], ArgumentError, "None"),
    ],
)
def test_a_bad_var_list(var_list, error, match):
    w = gf.Variable(1.0, name="w")
    with pytest.raises(error, match=match):
        train.GradientDescentOptimizer(0.1).minimize(w * w, var_list=var_list)


def test_a_tensor_or_an_integer_variable_in_var_list():
    w, n = gf.Variable(1.0, name="w"), gf.Variable(1, name="n")
    optimizer = train.GradientDescentOptimizer(0.1)
    with pytest.raises(ArgumentError, match="no variable"):
        optimizer.minimize(w * w, var_list=[w.read()])
    with pytest.raises(DTypeError, match="int64; only floating"):
        optimizer.minimize(w * w, var_list=[n])


def test_no_trainable_variable_at_all():
    with pytest.raises(ArgumentError, match="no trainable variable"):
        train.GradientDescentOptimizer(0.1).minimize(gf.constant(1.0))


def test_bad_pairs():
    w, v = gf.Variable([1.0, 2.0], name="w"), gf.Variable(1.0, name="v")
    optimizer = train.GradientDescentOptimizer(0.1)
    g = gf.constant([1.0, 1.0])
    for pairs, error, match in [
        ([(g, w), (g, w)], ArgumentError, "'w' stands there twice"),
        ([(g, v)], ShapeError, "must have the variable's shape"),
        ([(gf.constant([1.0, 1.0], "float64"), w)], DTypeError, "must be float32"),
        ([(g, g)], ArgumentError, "no variable"),
        ([g], ArgumentError, "pairs"),
        ([(g, w, 3)], ArgumentError, "pairs"),
        (g, ArgumentError, "must be a list"),
        (None, ArgumentError, "must be a list"),
        ([("x", w)], DTypeError, "x"),
    ]:
        with pytest.raises(error, match=match):
            optimizer.apply_gradients(pairs)
    with pytest.raises(ArgumentError, match="global_step must be a variable, not 3"):
        optimizer.apply_gradients([(g, w)], global_step=3)
    with pytest.raises(NameError):
        optimizer.apply_gradients([(g, w)], name="a b")


def test_variables_of_two_graphs():
    w = gf.Variable(1.0, name="w")
    with gf.Graph().as_default():
        v = gf.Variable(1.0, name="v")
        g = gf.constant(1.0)
    with pytest.raises(GraphError):
        train.GradientDescentOptimizer(0.1).minimize(w * w, var_list=[w, v])
    with pytest.raises(GraphError):
        train.GradientDescentOptimizer(0.1).apply_gradients([(gf.constant(1.0), w), (g, v)])


def test_a_bad_name():
    with pytest.raises(NameError):
        train.AdamOptimizer(name="two words")


def test_repr_says_what_it_is():
    assert repr(train.AdamOptimizer(0.5)) == "<AdamOptimizer 'Adam', learning rate 0.5>"
    assert "scheduled" in repr(train.AdamOptimizer(lambda: 0.5))


def test_a_thousand_variables_are_built_and_run_without_recursion():
    variables = [gf.Variable(1.0, name=f"w{i}") for i in range(1000)]
    update = train.GradientDescentOptimizer(0.5).minimize(gf.add_n(variables))
    with gf.Session() as session:
        session.run(gf.global_variables_initializer())
        session.run(update)
        assert set(session.run(variables)) == {np.float32(0.5)}
