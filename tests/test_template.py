"""Programs for any sizes: the same bits as planning from the beginning, and None where that could decide otherwise."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

import graphflow as gf
from graphflow.backends import backend_for
from graphflow.compiler import Compiler
from graphflow.runtime import Executable
from graphflow.template import Template


def _templates(session: gf.Session) -> list[Template]:
    return list(dict.fromkeys(t for s in session._alive for t in s.templates if t is not None))


def _training() -> tuple[gf.Tensor, gf.Tensor, list[Any]]:
    x = gf.placeholder("float32", [None, 6], name="x")
    y = gf.placeholder("float32", [None, 2], name="y")
    w = gf.Variable(np.linspace(-1, 1, 12, dtype="f4").reshape(6, 2), name="w")
    b = gf.Variable(np.zeros(2, "f4"), name="b")
    error = gf.tanh(gf.matmul(x, w) + b) - y
    loss = gf.mean(gf.square(error)) + gf.mean(gf.max(error, axis=1))
    return x, y, [loss, gf.train.AdamOptimizer(0.1).minimize(loss), gf.sum(error, axis=0)]


def test_training_with_many_batch_sizes() -> None:
    x, y, fetches = _training()
    rng = np.random.default_rng(0)
    ours, plain = gf.Session(), gf.Session(optimize=False)
    for session in (ours, plain):
        session.run(gf.global_variables_initializer())
    for n in (5, 7, 8, 5, 1, 2, 6, 300, 4, 0, 3000, 9):
        feeds = {x: rng.normal(size=(n, 6)).astype("f4"), y: rng.normal(size=(n, 2)).astype("f4")}
        with np.errstate(all="ignore"):
            a, b = ours.run(fetches, feeds), plain.run(fetches, feeds)
        for value, wanted in zip(a, b, strict=True):
            assert np.asarray(value).tobytes() == np.asarray(wanted).tobytes()


def test_a_template_gives_the_program_that_planning_gives() -> None:
    x, y, fetches = _training()
    session = gf.Session()
    session.run(gf.global_variables_initializer())
    for n in (50, 70):
        session.run(fetches, {x: np.ones((n, 6)), y: np.ones((n, 2))})
    (template,) = _templates(session)
    assert template.program_for([(6, 6), (6, 2)]) is None, "two sizes are equal that were not"
    assert template.program_for([(1, 6), (1, 2)]) is None
    assert template.program_for([(90, 6), (91, 2)]) is None
    made = template.program_for([(90, 6), (90, 2)])
    planned = session.plan(fetches, {x: (90, 6), y: (90, 2)}).program
    assert made is not None
    assert made.arena_nbytes == planned.arena_nbytes
    for i, j in zip(made.instructions, planned.instructions, strict=True):
        assert (i.op, i.attrs, i.workspace_nbytes, i.is_view) == (
            j.op,
            j.attrs,
            j.workspace_nbytes,
            j.is_view,
        )
        for a, b in zip((*i.inputs, *i.outputs), (*j.inputs, *j.outputs), strict=True):
            x, y_ = made.slots[a], planned.slots[b]
            assert (x.kind, x.type, x.nbytes, x.key) == (y_.kind, y_.type, y_.nbytes, y_.key)
            assert x.value is None or np.array_equal(x.value, y_.value)


def _calls(executable: Executable) -> list[list[Any]]:
    """What each call is, with arrays told by their layout and by where in the arena they begin."""
    (arena,) = executable._arenas.values()

    def told(value: Any) -> Any:
        if isinstance(value, list | tuple):
            return [told(part) for part in value]
        if not isinstance(value, np.ndarray):
            return value
        start = value.ctypes.data - arena.ctypes.data
        where = start if 0 <= start < arena.nbytes else None
        return value.dtype, value.shape, value.strides, where

    return [told(call) for call in (*executable._head, *executable._tail)]


@pytest.mark.parametrize("fed_in_place", [False, True])
def test_loading_like_another_makes_the_calls_that_loading_alone_makes(fed_in_place: bool) -> None:
    x, y, fetches = _training()
    n = 4000 if fed_in_place else 90
    session = gf.Session()
    session.run(gf.global_variables_initializer())
    for rows in (n - 40, n - 20):
        session.run(fetches, {x: np.ones((rows, 6)), y: np.ones((rows, 2))})
    (template,) = _templates(session)
    first, second = (template.program_for([(rows, 6), (rows, 2)]) for rows in (n, n + 1))
    assert first is not None
    assert second is not None
    other = Executable(first, backend_for, session._store)
    alone, like = (Executable(second, backend_for, session._store, like=e) for e in (None, other))
    assert any(way is not None for way in other._ways)
    functions = [c[0] for c in _calls(like)]
    assert any(isinstance(f, np.ufunc) for f in functions)
    for ours, wanted in zip(_calls(like), _calls(alone), strict=True):
        assert ours[1:] == wanted[1:]
        assert ours[0] is wanted[0] or type(ours[0]) is type(wanted[0]) is not np.ufunc
    assert (like._places, like._numbers, like._varying) == (alone._places, alone._numbers, alone._varying)
    feeds = [np.ones((n + 1, 6), "f4"), np.ones((n + 1, 2), "f4")]
    state = {key: array.copy() for key, array in session._store.arrays.items()}
    results = []
    for executable in (like, alone):
        for key, array in state.items():
            session._store.arrays[key][...] = array
        results.append([np.asarray(r).tobytes() for r in executable.run(feeds)])
    assert results[0] == results[1]


def test_what_was_forgotten_is_not_kept_to_load_others_like_it() -> None:
    x, y, fetches = _training()
    session = gf.Session()
    session.run(gf.global_variables_initializer())
    for rows in (50, 70, 90, 110):
        session.run(fetches, {x: np.ones((rows, 6)), y: np.ones((rows, 2))})
    signature = next(s for s in session._alive if s.templates)
    assert len(signature.latest) == 1
    signature.loaded.clear()
    gc.collect()
    assert not signature.latest


def test_a_second_shape_is_planned_once(monkeypatch: pytest.MonkeyPatch) -> None:
    planned = []
    plan_bound = Compiler.plan_bound

    def counted(compiler: Compiler, *args: Any, **options: Any) -> Any:
        planned.append(args[0])
        return plan_bound(compiler, *args, **options)

    monkeypatch.setattr(Compiler, "plan_bound", counted)
    x, y, fetches = _training()
    session = gf.Session()
    session.run(gf.global_variables_initializer())
    planned.clear()
    counts = []
    for rows in (50, 70, 90, 50):
        session.run(fetches, {x: np.ones((rows, 6)), y: np.ones((rows, 2))})
        counts.append(len(planned))
    assert counts == [1, 2, 2, 2]


def test_a_shape_that_is_refused_leaves_room_for_a_template() -> None:
    x, y, fetches = _training()
    session = gf.Session()
    session.run(gf.global_variables_initializer())
    session.run(fetches, {x: np.ones((50, 6)), y: np.ones((50, 2))})
    for shape in ((51, 2), (50, 3), (50,), (50, 2, 1)):
        with pytest.raises(gf.errors.GraphflowError):
            session.run(fetches, {x: np.ones((50, 6)), y: np.ones(shape)})
    assert not _templates(session)
    session.run(fetches, {x: np.ones((70, 6)), y: np.ones((70, 2))})
    assert len(_templates(session)) == 1


def test_the_user_hears_of_sizes_that_do_not_fit() -> None:
    x = gf.placeholder("float32", [None, None], name="x")
    y = gf.reshape(x, (-1, 6))[3]
    session = gf.Session()
    for n in (4, 5, 6):
        session.run(y, {x: np.ones((n, 12))})
    with pytest.raises(gf.errors.GraphflowError, match=r"test_template\.py"):
        session.run(y, {x: np.ones((5, 11))})
    with pytest.raises(gf.errors.GraphflowError, match=r"test_template\.py"):
        session.run(y, {x: np.ones((1, 12))})


STEPS: list[Callable[[Any, Any], Any]] = [
    lambda a, b: a + b if a.ndim == b.ndim else a * 2.0,
    lambda a, b: gf.matmul(a, gf.transpose(b)) if a.ndim == b.ndim == 2 else a,
    lambda a, b: a - gf.mean(a, axis=0, keepdims=True) if a.ndim else a,
    lambda a, b: gf.sum(a, axis=-1) if a.ndim else a,
    lambda a, b: gf.concat([a, a], axis=0) if a.ndim else a,
    lambda a, b: gf.reshape(a, (-1,)),
    lambda a, b: a[1:] if a.ndim else a,
    lambda a, b: a[:, :2] if a.ndim == 2 else a,
    lambda a, b: gf.zeros_like(a) + gf.cast(gf.size(b), "float64"),
    lambda a, b: gf.transpose(a),
    lambda a, b: gf.broadcast_to(gf.mean(a), gf.shape(b)) if b.type.shape is not None else a,
    lambda a, b: gf.tanh(a) * gf.ones_like(a),
    lambda a, b: gf.gradients(gf.sum(gf.square(a) * gf.mean(b)), a)[0],
]
sizes = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=3, max_size=6)


@given(st.lists(st.tuples(*[st.integers(0, 10_000)] * 3), min_size=1, max_size=8), sizes)
def test_random_graphs_of_random_sizes(
    steps: list[tuple[int, int, int]], shapes: list[tuple[int, int]]
) -> None:
    with gf.Graph().as_default():
        feeds = [gf.placeholder("float64", [None, 4]), gf.placeholder("float64", ["n", "m"])]
        values = list(feeds)
        for number, i, j in steps:
            a, b = values[i % len(values)], values[j % len(values)]
            try:
                values.append(STEPS[number % len(STEPS)](a, b))
            except gf.errors.GraphflowError:
                values.append(gf.tanh(a))
        fetches = values[-2:]
        session, plain = gf.Session(), gf.Session(optimize=False)
        for n, m in shapes:
            given_now = {feeds[0]: np.linspace(-1, 1, n * 4).reshape(n, 4), feeds[1]: np.full((n, m), 0.5)}
            ours, wanted = (_outcome(s, fetches, given_now) for s in (session, plain))
            assert ours == wanted


def _outcome(session: gf.Session, fetches: Any, feeds: Any) -> Any:
    try:
        return [(v.shape, np.asarray(v).tobytes()) for v in session.run(fetches, feeds)]
    except gf.errors.GraphflowError as error:
        return type(error)
