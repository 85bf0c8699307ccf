"""Recurrent layers: bad input, an independent oracle, and what the table of samples cannot say."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

import graphflow as gf
from graphflow.errors import ArgumentError, DTypeError, ShapeError
from graphflow.ops.carry_scan import carry_scan
from graphflow.ops.recurrent import LSTMStateTuple, gru, lstm, rnn
from graphflow.ops.recurrent_stacks import bidirectional, stacked
from tests.ops.refused import Refused, check_bound, check_built, floats, ids
from tests.ops.table import array

X, W, U, B = (2, 3, 4), (4, 20), (5, 20), (20,)
LAYER = (X, W, U, B)


def _pair(x: Any, w: Any, u: Any, b: Any, **options: Any) -> Any:
    return bidirectional(lstm, x, (w, u, b), (w, u, b), **options)


BUILD = [
    Refused(
        lambda *a: lstm(*a),
        ShapeError,
        ("lstm: x must have the axes [batch, time, inputs]",),
        (X[1:], W, U, B),
    ),
    Refused(
        lambda *a: lstm(*a), ShapeError, ("lstm: axis 0 of w", "size of the inputs, 4"), (X, (3, 20), U, B)
    ),
    Refused(
        lambda *a: lstm(*a),
        ShapeError,
        ("lstm: axis 1 of w", "4 times the number of units, 20"),
        (X, (4, 15), U, B),
    ),
    Refused(lambda *a: gru(*a), ShapeError, ("gru: axis 1 of w", "3 times the number of units, 15"), LAYER),
    Refused(
        lambda *a: rnn(*a), ShapeError, ("rnn: axis 1 of u", "the number of units, 5"), (X, (4, 5), U, (5,))
    ),
    Refused(lambda *a: lstm(*a), ShapeError, ("lstm: axis 0 of b", "20"), (X, W, U, (5,))),
    Refused(lambda *a: lstm(*a), ShapeError, ("lstm: b must have the axes [units]",), (X, W, U, (1, 20))),
    Refused(
        lambda x, w, u, h: lstm(x, w, u, initial_state=(h, h)),
        ShapeError,
        ("lstm: axis 0 of initial_state[0]", "size of the batch, 2"),
        (X, W, U, (3, 5)),
    ),
    Refused(
        lambda x, w, u, h: lstm(x, w, u, initial_state=h),
        ArgumentError,
        ("lstm: initial_state must be a pair (c, h)",),
        (X, W, U, (2, 5)),
    ),
    Refused(
        lambda *a: lstm(*a, sequence_length=[1, 2, 3]),
        ShapeError,
        ("lstm: axis 0 of sequence_length", "size of the batch, 2"),
        LAYER,
    ),
    Refused(
        lambda *a: lstm(*a, sequence_length=[1.0, 2.0]),
        DTypeError,
        ("lstm: sequence_length must be integers",),
        LAYER,
    ),
    Refused(
        lambda *a: lstm(*a, reverse=3), ArgumentError, ("lstm: reverse must be True or False, not 3",), LAYER
    ),
    Refused(lambda x, *a: lstm(gf.complex(x, x), *a), DTypeError, ("lstm", "complex"), LAYER),
    Refused(
        lambda *a: rnn(*a, activation=3), ArgumentError, ("rnn: activation must be a function, not 3",), LAYER
    ),
    Refused(
        lambda x, w, u, b: gru(x, w, u, b, reset_after=False, recurrent_bias=b),
        ArgumentError,
        ("gru: recurrent_bias needs reset_after",),
        (X, (4, 15), (5, 15), (15,)),
    ),
    Refused(
        lambda *a: bidirectional("lstn", *a), ArgumentError, ("bidirectional: layer", "'lstn'"), (X, W, U)
    ),
    Refused(
        lambda x, w: bidirectional("lstm", x, w, (w, w)),
        ArgumentError,
        ("bidirectional: forward must be the weights",),
        (X, W),
    ),
    Refused(
        lambda *a: _pair(*a, initial_state=[1]),
        ArgumentError,
        ("bidirectional: initial_state must be a list of 2",),
        LAYER,
    ),
    Refused(lambda x: stacked("rnn", x, []), ArgumentError, ("stacked: weights must list",), (X,)),
    Refused(
        lambda x, w, u, b: stacked("lstm", x, [(w, u, b)], dropout_rate=1.5),
        ArgumentError,
        ("stacked: dropout_rate must be in [0, 1), got 1.5",),
        LAYER,
    ),
]


@pytest.mark.parametrize("case", BUILD, ids=ids)
def test_bad_input_is_refused_when_built(case: Refused) -> None:
    check_built(case)


@pytest.mark.parametrize("shapes", [(X, (3, 20), U, B), (X, (4, 15), U, B), (X, W, U, (7,))], ids=str)
def test_sizes_that_only_the_run_knows(shapes: Any) -> None:
    check_bound(Refused(lambda *a: lstm(*a)[0], ShapeError, (), shapes))


def test_an_unknown_rank_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"gru: x must have the axes \[time, batch, inputs\]"):
        gru(gf.placeholder("float32"), floats(2, 6), floats(2, 6), time_major=True)


# --- an independent oracle ------------------------------------------------------------------------


def _weights(gates: int, seed: int = 0) -> list[Any]:
    return [
        array(3, gates * 4, seed=seed),
        array(4, gates * 4, seed=seed + 1),
        array(gates * 4, seed=seed + 2),
    ]


@pytest.mark.parametrize(("layer", "gates"), [(rnn, 1), (gru, 3), (lstm, 4)], ids=["rnn", "gru", "lstm"])
@pytest.mark.parametrize("masked", [False, True])
def test_layers_equal_pytorchs(layer: Any, gates: int, masked: bool) -> None:
    torch = pytest.importorskip("torch")
    kind = {1: torch.nn.RNN, 3: torch.nn.GRU, 4: torch.nn.LSTM}[gates]
    module = kind(3, 4, batch_first=True).double()
    w, u, b = _weights(gates)
    recurrent = array(gates * 4, seed=9) * (gates == 3)
    with torch.no_grad():
        for name, value in zip(
            ("weight_ih", "weight_hh", "bias_ih", "bias_hh"), (w.T, u.T, b, recurrent), strict=True
        ):
            getattr(module, f"{name}_l0").copy_(torch.from_numpy(value.copy()))
    x, lengths = array(3, 5, 3, seed=5), np.array([5, 1, 3])
    xt = torch.from_numpy(x.copy()).requires_grad_()
    given = xt
    if masked:
        given = torch.nn.utils.rnn.pack_padded_sequence(xt, torch.from_numpy(lengths), True, False)
    expected, state = module(given)
    if masked:
        expected, _ = torch.nn.utils.rnn.pad_packed_sequence(expected, batch_first=True)
    (expected**2).sum().backward()
    feed = gf.placeholder("float64", (None, None, 3))
    options: dict[str, Any] = {"recurrent_bias": recurrent} if gates == 3 else {}
    outputs, last = layer(feed, w, u, b, sequence_length=lengths if masked else None, **options)
    last = last.h if gates == 4 else last
    (g,) = gf.gradients(gf.sum(outputs * outputs), feed)
    found = gf.Session().run([outputs, last, g], {feed: x})
    wanted = [expected, (state[0] if gates == 4 else state)[0], xt.grad]
    for a, e in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, e.detach().numpy(), rtol=1e-12, atol=1e-14)


# --- properties -----------------------------------------------------------------------------------


def test_a_layer_in_two_halves_is_the_whole() -> None:
    w, u, b = _weights(4)
    x = array(2, 6, 3, seed=5)
    whole, last = lstm(x, w, u, b)
    first, state = lstm(x[:, :2], w, u, b)
    second, end = lstm(x[:, 2:], w, u, b, initial_state=state)
    assert isinstance(end, LSTMStateTuple)
    assert end.dtype == np.float64
    found = gf.Session().run([whole, gf.concat([first, second], 1), *last, *end])
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[2], found[4])
    np.testing.assert_array_equal(found[3], found[5])


def test_reverse_is_the_reversed_sequence_in_reversed_order() -> None:
    w, u, b = _weights(3)
    x = array(2, 4, 3, seed=5)
    backward, _ = gru(x, w, u, b, reverse=True)
    forward, _ = gru(x[:, ::-1], w, u, b)
    found = gf.Session().run([backward, gf.flip(forward, 1)])
    np.testing.assert_array_equal(found[0], found[1])


def test_lengths_below_zero_and_beyond_the_end() -> None:
    w, u, b = _weights(1)
    x = array(2, 3, 3, seed=5)
    h = array(2, 4, seed=6)
    outputs, last = rnn(x, w, u, b, h, sequence_length=np.array([-4, 99]))
    plain, end = rnn(x, w, u, b, h)
    a, c, p, e = gf.Session().run([outputs, last, plain, end])
    np.testing.assert_array_equal(a[0], np.zeros((3, 4)))
    np.testing.assert_array_equal(c[0], h[0])
    np.testing.assert_array_equal(a[1], p[1])
    np.testing.assert_array_equal(c[1], e[1])


def test_what_stands_past_the_end_gets_no_gradient() -> None:
    w, u, b = (gf.constant(a) for a in _weights(4))
    x = gf.placeholder("float64", (2, 3, 3))
    outputs, _ = lstm(x, w, u, b, sequence_length=[3, 1])
    grads = gf.gradients(gf.sum(outputs * outputs), [x, w, u, b])
    value = array(2, 3, 3, seed=5)
    value[1, 1:] = np.nan
    found = gf.Session().run(grads, {x: value})
    assert all(np.isfinite(g).all() for g in found)
    np.testing.assert_array_equal(found[0][1, 1:], 0)


def test_a_batch_whose_size_depends_on_data() -> None:
    w, u, b = _weights(4)
    x, keep = gf.placeholder("float64", (None, None, 3)), gf.placeholder("bool", (None,))
    outputs, last = lstm(gf.boolean_mask(x, keep), w, u, b)
    value, mask = array(3, 2, 3, seed=5), np.array([True, False, True])
    expected, end = lstm(value[mask], w, u, b)
    found = gf.Session().run([outputs, last.c], {x: value, keep: mask})
    wanted = gf.Session().run([expected, end.c])
    for a, e in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(a, e)


def test_sixteen_bit_floats_are_rounded_once() -> None:
    w, u, b = (a.astype(np.float16) for a in _weights(4))
    x = array(2, 20, 3, seed=5).astype(np.float16)
    outputs, _ = lstm(x, w, u, b)
    wide, _ = lstm(*(a.astype(np.float32) for a in (x, w, u, b)))
    half, full = gf.Session().run([outputs, gf.cast(wide, "float16")])
    assert half.dtype == np.float16
    np.testing.assert_array_equal(half, full)


def test_a_layer_with_options_of_its_own() -> None:
    w, u, b = _weights(3)
    x = array(2, 3, 3, seed=5)
    before = functools.partial(gru, reset_after=False)
    outputs, (state, _) = bidirectional(before, x, (w, u, b), (w, u))
    expected, last = gru(x, w, u, b, reset_after=False)
    found = gf.Session().run([outputs, state, expected, last])
    np.testing.assert_array_equal(found[0][..., :4], found[2])
    np.testing.assert_array_equal(found[1], found[3])


def test_dropout_is_between_layers_only() -> None:
    w, u, b = _weights(1)
    second = [array(4, 4, seed=7), array(4, 4, seed=8), array(4, seed=9)]
    x = array(2, 3, 3, seed=5)
    one, _ = stacked("rnn", x, [(w, u, b)], dropout_rate=0.5, seed=1)
    plain, _ = rnn(x, w, u, b)
    two, _ = stacked("rnn", x, [(w, u, b), second], dropout_rate=0.5, seed=1)
    dry, _ = stacked("rnn", x, [(w, u, b), second])
    session = gf.Session()
    a, p, t, d = session.run([one, plain, two, dry])
    np.testing.assert_array_equal(a, p)
    assert not np.array_equal(t, d)
    assert not np.array_equal(t, session.run(two))


# --- carry_scan -----------------------------------------------------------------------------------


def test_a_scan_hands_back_state_and_results() -> None:
    x = gf.constant(np.arange(4.0))

    def step(state: Any, items: Any) -> Any:
        return [state[0] + items[0]], [items[0] * 2, state[0]]

    (total,), (double, before) = carry_scan("walk", step, [gf.constant(np.float64(10))], [x])
    found = gf.Session().run([total, double, before])
    assert found[0] == 16
    np.testing.assert_array_equal(found[1], [0, 2, 4, 6])
    np.testing.assert_array_equal(found[2], [10, 10, 11, 13])
    (g,) = gf.gradients(gf.sum(before), x)
    np.testing.assert_array_equal(gf.Session().run(g), [3, 2, 1, 0])


def test_variables_that_a_step_assigns_are_written_once() -> None:
    counter = gf.Variable(np.float64(0), name="counter")

    def step(state: Any, items: Any) -> Any:
        counter.assign_add(items[0])
        return [state[0] + counter], []

    (total,), _ = carry_scan("walk", step, [gf.constant(np.float64(0))], [gf.constant(np.arange(4.0))])
    session = gf.Session()
    session.run(gf.global_variables_initializer())
    assert session.run(total) == 0 + 1 + 3 + 6
    assert session.run(counter) == 6


def test_a_step_must_keep_its_state() -> None:
    x, zero = gf.constant(np.arange(4.0)), gf.constant(np.float64(0))
    with pytest.raises(ArgumentError, match="walk: the step gives 2 values of state for 1"):
        carry_scan("walk", lambda s, i: ([s[0], s[0]], []), [zero], [x])
    with pytest.raises(DTypeError, match=r"walk: value 0 is float64\[\] at the start .*int64"):
        carry_scan("walk", lambda s, i: ([gf.cast(s[0], "int64")], []), [zero], [x])
