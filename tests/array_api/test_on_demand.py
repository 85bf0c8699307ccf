"""Values on demand: the bits of a run, remembered within bounds, and a run only where one is needed."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

import graphflow as gf
from graphflow.errors import DTypeError, GraphflowError, SessionError
from graphflow.gradients import replay
from graphflow.ops.on_demand import LARGEST_NBYTES, SMALL_NBYTES, KnownValues, value_of
from graphflow.session import Session
from tests.random_graphs import Recipe, build, recipes

A = np.array([1.0, 2.0, 3.0], np.float32)


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What sessions were asked to run."""
    asked: list[Any] = []
    run = Session.run

    def counted(self: Session, fetches: Any, *args: Any, **kwargs: Any) -> Any:
        asked.append(fetches)
        return run(self, fetches, *args, **kwargs)

    monkeypatch.setattr(Session, "run", counted)
    return asked


# --- conversions ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "kinds"),
    [
        (True, (bool, int, float, complex)),
        (3, (bool, int, float, complex, operator.index)),
        (2.5, (bool, int, float, complex)),
        (1.5 + 2j, (bool, complex)),
    ],
)
def test_python_numbers_from_scalars(number: Any, kinds: Any) -> None:
    for shape in ((), (1,), (1, 1)):
        x = gf.reshape(gf.asarray(number), shape)
        for kind in kinds:
            assert kind(x) == kind(number)
            assert type(kind(x)) is type(kind(number))
        assert x.item() == number
        for kind in {int, float, operator.index} - set(kinds):
            with pytest.raises(TypeError) as caught:
                kind(x)
            assert isinstance(caught.value, DTypeError)


def test_what_has_more_than_one_element_is_no_number() -> None:
    for x in (gf.ones(2), gf.zeros(0), gf.asarray([1, 2])[gf.asarray([1, 2]) > 0]):
        with pytest.raises(DTypeError, match=r"float\(\) needs a tensor of one element, but .* has [02]"):
            float(x)
    assert float(gf.asarray([1, 2])[gf.asarray([1, 2]) > 1]) == 2.0


def test_special_values_are_true() -> None:
    assert bool(gf.asarray(np.nan))
    assert bool(gf.asarray(-np.inf))
    assert not bool(gf.asarray(-0.0))
    assert bool(gf.asarray(1j))
    assert range(10)[gf.asarray(3)] == 3
    assert [10, 20, 30][gf.argmax(gf.asarray([1, 3, 2]))] == 20


# --- the same values as a run's -------------------------------------------------------------------


@settings(max_examples=25)
@given(recipes(12))
def test_bits_are_those_of_a_run(recipe: Recipe) -> None:
    """Random graphs with constants in place of what is fed."""
    with gf.Graph().as_default() as graph:
        built = build(recipe)
        constants = {t: gf.constant(value) for t, value in built.feeds.items()}
        for y in replay(built.fetches, constants):
            wanted = gf.Session(graph).run(y)
            for found in (value_of(y, gf.Session(graph).run), y.numpy()):
                assert found.dtype == wanted.dtype
                assert found.tobytes() == wanted.tobytes()


@pytest.mark.parametrize("count", [1, 10, 1000, 5000, 200_000])
def test_small_and_large_arrays(count: int, runs: list[Any]) -> None:
    """Small results are computed here; a large one is run once, and kept for its elements if it is not too large."""
    x = gf.asarray(np.arange(count, dtype=np.float64))
    y = x * 2 + 1
    for k in range(0, count, max(count // 5, 1)):
        assert float(y[k]) == 2 * k + 1
    np.testing.assert_array_equal(y.numpy(), np.arange(count) * 2.0 + 1)
    if 8 * count <= SMALL_NBYTES:
        assert not runs
    elif 8 * count <= LARGEST_NBYTES:
        assert len(runs) == 1


def test_matrix_products_are_left_to_the_backend(runs: list[Any]) -> None:
    x = gf.asarray(np.arange(9.0).reshape(3, 3))
    y = x @ x
    assert float(y[1, 2]) == (np.arange(9.0).reshape(3, 3) @ np.arange(9.0).reshape(3, 3))[1, 2]
    assert float(y[0, 0] + y[2, 2]) == 15.0 + 111.0
    assert len(runs) == 1


def test_sizes_that_depend_on_data(runs: list[Any]) -> None:
    x = gf.asarray([3, 0, 5, 0])
    (places,) = gf.nonzero(x)
    assert places.shape == (None,)
    assert places.size is None
    assert np.asarray(places).tolist() == [0, 2]
    assert int(places[1]) == 2
    assert int(gf.sum(x[x > 0])) == 8
    assert np.asarray(gf.reshape(x[x > 0], (1, -1))).tolist() == [[3, 5]]
    assert len(gf.zeros(3)) == 3
    with pytest.raises(DTypeError, match=r"len\(\)"):
        len(places)


# --- what is remembered ---------------------------------------------------------------------------


def test_equal_questions_are_answered_once() -> None:
    x = gf.asarray(A)
    with gf.Graph().as_default() as graph:
        x = gf.asarray(A)
        for _ in range(50):
            assert float(gf.sum(x * 2)) == 12.0
        assert len(graph.known_values) < 5


def test_what_is_remembered_is_bounded() -> None:
    known = KnownValues()
    for k in range(10_000):
        known.put(k, np.full(100, k))
    assert len(known) == 4096
    assert known.get(0) is None
    assert known.get(9_999).tolist() == [9_999] * 100  # type: ignore[union-attr]
    for k in range(100):
        known.put(-k - 1, np.zeros(LARGEST_NBYTES // 8))
    assert len(known) <= 16
    known.put(-1000, np.zeros(LARGEST_NBYTES // 8 + 1))
    assert known.get(-1000) is None
    known.put(1 << 40, np.zeros(1))
    assert known.get(1 << 40) is not None


def test_a_value_belongs_to_the_caller() -> None:
    y = gf.asarray(A) * 2
    first = y.numpy()
    first[:] = 0
    assert y.numpy().tolist() == [2, 4, 6]
    assert np.asarray(y).flags.writeable
    x = gf.asarray(A)
    x.numpy()[:] = 0
    assert x.numpy().tolist() == [1, 2, 3]


def test_many_small_questions_need_no_runs_and_no_sessions_memory(runs: list[Any]) -> None:
    """float(sum([1, 2] + i)) five hundred times, in one graph."""
    with gf.Graph().as_default() as graph:
        for i in range(500):
            assert float(gf.sum(gf.asarray([1.0, 2.0]) + i)) == 3.0 + 2 * i
    assert not runs
    assert len(graph.known_values) <= 1000
    assert graph.own_session is None or not graph.own_session._signatures


def test_a_chain_of_writes_is_not_computed_again_and_again(runs: list[Any]) -> None:
    x = gf.zeros(50)
    for k in range(50):
        x[k] = float(k) + (float(x[k - 1]) if k else 0.0)
    assert float(x[49]) == sum(range(50))
    assert not runs


# --- where a run is needed ------------------------------------------------------------------------


def test_what_must_be_fed_says_so() -> None:
    x = gf.placeholder("float32", (), name="images")
    with pytest.raises(GraphflowError, match="images"):
        float(x * 2)
    assert (x * 2).eval({x: 3.0}) == 6.0


def test_state_and_chance_are_met_anew() -> None:
    w = gf.Variable(2.0)
    session = gf.Session()
    session.run(w.initializer)
    with session.as_default():
        y = w * 3
        assert float(y) == 6.0
        w.load(5.0)
        assert float(y) == 15.0
        assert float(gf.asarray(1.0) + y) == 16.0
    noise = gf.random.uniform((1000,))
    assert not np.array_equal(noise.numpy(), noise.numpy())


def test_a_device_and_an_order_are_kept(runs: list[Any]) -> None:
    with gf.device("numpy"):
        x = gf.asarray(1.0) + 1
    assert float(x) == 2.0
    seen: list[int] = []
    note = gf.py_func(lambda: seen.append(1) or np.float32(0), [], "float32")
    with gf.control_dependencies([note]):
        y = gf.asarray(1.0) + 2
    assert float(y) == 3.0
    assert seen == [1]
    assert len(runs) == 2


def test_errors_name_the_line() -> None:
    x = gf.asarray([1, 2, 3])
    with pytest.raises(IndexError, match=r"index 9 is out of range.*\n.*test_on_demand\.py"):
        int(x[gf.argmax(x) + 7])
    with pytest.raises(gf.errors.RunError, match=r"negative integer power"):
        np.asarray(x ** (gf.argmax(x) - 5))


def test_a_closed_session_answers_nothing() -> None:
    x = gf.asarray(1.0) + 1
    session = gf.Session()
    with session.as_default():
        assert float(x) == 2.0
        session.close()
        with pytest.raises(SessionError, match="closed"):
            float(x)


def test_a_limit_of_memory_is_kept(runs: list[Any]) -> None:
    x = gf.asarray(np.ones(10)) * 2
    with gf.Session(memory_limit=1).as_default(), pytest.raises(gf.errors.MemoryLimitError):
        x.numpy()
    with gf.Session(memory_limit="1MB").as_default():
        assert x.numpy().tolist() == [2.0] * 10
    assert len(runs) == 2


def test_inside_a_trace_there_is_no_value() -> None:
    def body(x: Any) -> Any:
        return x * float(x)

    with pytest.raises(SessionError, match="no value exists yet"):
        gf.map_fn(body, gf.asarray(A))


def test_under_eager_a_value_is_the_callers_own() -> None:
    with gf.eager():
        x = gf.asarray(A) * 2
    first = x.numpy()
    first[:] = 0
    assert x.numpy().tolist() == [2, 4, 6]


def test_several_threads_ask_at_once() -> None:
    import threading

    x = gf.asarray(np.arange(100.0))
    wrong: list[Any] = []

    def ask(start: int) -> None:
        with x.graph.as_default():
            wrong.extend([k for k in range(start, 100, 4) if float(x[k] * 2) != 2.0 * k])

    threads = [threading.Thread(target=ask, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
