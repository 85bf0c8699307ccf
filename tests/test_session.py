"""Running: fetches, feeds, callables, caches, closing, threads, and what bad ones get."""

from __future__ import annotations

import threading
from typing import Any, NamedTuple

import numpy as np
import pytest

import graphflow as gf
from graphflow.compiler import Compiler
from graphflow.errors import ArgumentError, DTypeError, FeedError, FetchError, MemoryLimitError, SessionError


class Pair(NamedTuple):
    first: Any
    second: Any


@pytest.fixture
def xy() -> tuple[gf.Tensor, gf.Tensor]:
    x = gf.placeholder("float32", ["batch", 3], name="x")
    return x, gf.multiply(x, 2.0, name="y")


DATA = np.arange(6, dtype=np.float32).reshape(2, 3)

# --- fetches --------------------------------------------------------------------------------------


def test_any_nest_of_fetches(xy: Any) -> None:
    x, y = xy
    session = gf.Session()
    got = session.run({"a": [y, (x, "y:0")], "b": Pair(y, "y"), "c": []}, {x: DATA})
    np.testing.assert_array_equal(got["a"][0], DATA * 2)
    np.testing.assert_array_equal(got["a"][1][0], DATA)
    assert isinstance(got["b"], Pair)
    assert got["b"].second is None
    assert got["c"] == []
    assert isinstance(got["a"][1], tuple)


@pytest.mark.parametrize("bad", [None, 3, 2.5, [None], {"a": 1}, "nothing", "y:7", object(), {1, 2}])
def test_what_cannot_be_fetched(xy: Any, bad: Any) -> None:
    with pytest.raises(FetchError, match="cannot fetch"):
        gf.Session().run(bad, {xy[0]: DATA})


def test_fetching_from_another_graph(xy: Any) -> None:
    with gf.Graph().as_default(), pytest.raises(FetchError, match="another graph"):
        gf.Session().run(xy[1])


def test_results_are_the_callers_to_keep(xy: Any) -> None:
    x, y = xy
    session = gf.Session()
    for rows in (2, 20_000):  # copied out of the arena; handed out
        data = np.ones((rows, 3), np.float32)
        first = session.run(y, {x: data})
        kept = first.copy()
        session.run(y, {x: data * 5})
        np.testing.assert_array_equal(first, kept)
        first[:] = -1
        np.testing.assert_array_equal(session.run(y, {x: data}), kept)


def test_fetched_constants_and_variables_cannot_be_changed_from_outside() -> None:
    c = gf.constant([1.0, 2.0])
    v = gf.Variable([3.0, 4.0])
    session = gf.Session()
    session.run(v.initializer)
    for fetch in (c, v, v.read()):
        value = session.run(fetch)
        value[:] = 99
    np.testing.assert_array_equal(session.run(c), [1, 2])
    np.testing.assert_array_equal(session.run(v), [3, 4])


def test_fetching_twice_and_what_is_fed(xy: Any) -> None:
    x, y = xy
    a, b, c = gf.Session().run([y, y, x], {x: DATA})
    np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(c, DATA)
    c[:] = 7
    assert DATA[0, 0] == 0


# --- feeds ----------------------------------------------------------------------------------------


def test_a_missing_feed_names_the_placeholder_and_its_line(xy: Any) -> None:
    with pytest.raises(
        FetchError, match=r"placeholder 'x' .* was not fed.*\n.*made at test_session\.py:\d+"
    ) as caught:
        gf.Session().run(xy[1])
    assert isinstance(caught.value, FeedError)


@pytest.mark.parametrize(
    "value",
    [
        DATA,
        DATA.astype(np.float64),
        DATA.astype(np.int8),
        DATA.tolist(),
        np.asfortranarray(DATA),
        DATA[::-1],
        np.broadcast_to(np.float32(1), (2, 3)),
        DATA.astype(">f4"),
        np.frombuffer(b"\0" + DATA.tobytes(), np.uint8)[1:].view(np.float32).reshape(2, 3),
        DATA > 2,
    ],
    ids=[
        "same",
        "wider",
        "int",
        "list",
        "fortran",
        "reversed",
        "zero strides",
        "byte order",
        "unaligned",
        "bool",
    ],
)
def test_good_feeds(xy: Any, value: Any) -> None:
    x, y = xy
    copy = np.array(value)
    np.testing.assert_array_equal(gf.Session().run(y, {x: value}), np.asarray(value).astype(np.float32) * 2)
    np.testing.assert_array_equal(value, copy)


@pytest.mark.parametrize(
    "value",
    [
        None,
        "text",
        object(),
        np.ones(3),
        np.ones((2, 4)),
        np.ones((2, 3, 1)),
        1.0,
        DATA.astype(np.complex64),
        [[1, 2, 3], [4, 5]],
        np.array([[None] * 3]),
        iter([1, 2, 3]),
        (v for v in DATA),
        np.ma.masked_array(DATA, DATA > 2),
        {1, 2, 3},
        np.full((1, 3), 1e300),
        lambda: DATA,
    ],
)
def test_bad_feeds_are_refused_before_anything_runs(xy: Any, value: Any) -> None:
    x, y = xy
    seen: list[int] = []
    probe = gf.py_func(lambda a: (seen.append(1), a)[1], [y], gf.float32)
    session = gf.Session()
    with pytest.raises(FeedError, match=r"'x:0'.*float32\[batch, 3\](.|\n)*test_session\.py"):
        session.run(probe, {x: value})
    assert not seen
    np.testing.assert_array_equal(session.run(y, {x: DATA}), DATA * 2)


def test_integers_are_not_silently_narrowed() -> None:
    i = gf.placeholder("int32", [None], name="i")
    session = gf.Session()
    np.testing.assert_array_equal(session.run(i + 1, {i: np.array([5], np.int64)}), [6])
    with pytest.raises(DTypeError, match="does not fit int32"):
        session.run(i, {i: [2**40]})
    with pytest.raises(DTypeError, match="without a cast"):
        session.run(i, {i: [1.5]})


def test_one_symbol_has_one_size() -> None:
    a = gf.placeholder("float32", ["n"], name="a")
    b = gf.placeholder("float32", ["n", 2], name="b")
    session = gf.Session()
    with pytest.raises(FeedError, match=r"dimension 'n' is 3 in 'a:0'.*but 4 in 'b:0'"):
        session.run([a, b], {a: np.ones(3), b: np.ones((4, 2))})
    session.run([a, b], {a: np.ones(3), b: np.ones((3, 2))})


@pytest.mark.parametrize("key", ["nothing:0", 3, None, "y:5"])
def test_unknown_feeds(xy: Any, key: Any) -> None:
    with pytest.raises(FeedError):
        gf.Session().run(xy[1], {xy[0]: DATA, key: 1.0})


def test_any_tensor_may_be_fed(xy: Any) -> None:
    _, y = xy
    c = gf.constant(3.0)
    v = gf.Variable(10.0)
    z = y + c + v
    session = gf.Session()
    np.testing.assert_array_equal(session.run(z, {y: DATA, c: 1.0, v: 2.0}), DATA + 3)
    np.testing.assert_array_equal(session.run(z, {"x:0": DATA, y: DATA, c: 1.0, v.read(): 2.0}), DATA + 3)
    np.testing.assert_array_equal(session.run(gf.exp(y) * 0.0 + z, {z: DATA, y: DATA}), DATA + 0.0)


def test_feeding_one_of_two_equal_nodes_changes_only_that_one(xy: Any) -> None:
    x, _ = xy
    a, b = gf.exp(x), gf.exp(x)
    got = gf.Session().run([a, b], {x: DATA, a: DATA})
    np.testing.assert_array_equal(got[0], DATA)
    np.testing.assert_array_equal(got[1], np.exp(DATA))


# --- callables, caches ----------------------------------------------------------------------------


def test_make_callable(xy: Any) -> None:
    x, y = xy
    session = gf.Session()
    call = session.make_callable(y, [x])
    pair = session.make_callable({"y": y, "x": x}, [x])
    for rows in (2, 5, 2):
        data = np.ones((rows, 3), np.float32) * rows
        np.testing.assert_array_equal(call(data), data * 2)
        np.testing.assert_array_equal(pair(data)["x"], data)
    np.testing.assert_array_equal(call([[1, 2, 3]]), [[2, 4, 6]])
    with pytest.raises(FeedError, match="takes 1 arrays, got 2"):
        call(DATA, DATA)
    with pytest.raises(FeedError):
        call(np.ones((2, 4), np.float32))
    with pytest.raises(FeedError, match="twice"):
        session.make_callable(y, [x, x])


def test_a_run_takes_the_plan_that_was_asked_for(xy: Any, monkeypatch: Any) -> None:
    made = []
    compile_ = Compiler.compile

    def counted(compiler: Compiler, *args: Any) -> Any:
        made.append(args[1])
        return compile_(compiler, *args)

    monkeypatch.setattr(Compiler, "compile", counted)
    x, y = xy
    session = gf.Session()
    plan = session.plan(y, {x: (2, 3)})
    np.testing.assert_array_equal(session.run("y:0", {"x": DATA}), DATA * 2)
    assert made == [((2, 3),)]
    (executable,) = next(iter(session._alive)).loaded.values()
    assert executable.program is plan.program
    np.testing.assert_array_equal(
        session.run(y, {x: DATA[:1]}), DATA[:1] * 2
    )  # another shape: from a template
    session.plan([y, x], {x: (2, 3)})
    with gf.config.override(certify=not gf.config.get().certify):  # other settings
        session.run([y, x], {x: DATA})
    session.plan(y + 1.0, {x: (2, 3)})
    session.run(y + 1.0, {x: DATA}, memory_limit="1MB")  # a limit that it was not planned for
    assert made == [((2, 3),)] * 5


def test_a_second_run_does_no_graph_work(xy: Any, monkeypatch: Any) -> None:
    x, y = xy
    session = gf.Session()
    first = session.run([y, x], {x: DATA})

    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("graph work in a repeated run")

    for name in ("cut", "bind", "plan_subgraph", "run_passes"):
        monkeypatch.setattr(f"graphflow.compiler.{name}", refuse)
    for name in ("load", "resolve_fetches"):
        monkeypatch.setattr(f"graphflow.session.{name}", refuse)
    again = session.run([y, x], {x: DATA})
    np.testing.assert_array_equal(first[0], again[0])


# --- sessions -------------------------------------------------------------------------------------


def test_closing(xy: Any) -> None:
    x, y = xy
    session = gf.Session()
    session.run(y, {x: DATA})
    session.close()
    session.close()
    for use in (lambda: session.run(y, {x: DATA}), lambda: session.plan(y, {x: (2, 3)}), session.__enter__):
        with pytest.raises(SessionError, match="closed"):
            use()


def test_with_session_makes_it_the_default() -> None:
    v = gf.Variable(2.0)
    with gf.Session() as session:
        assert gf.get_default_session() is session
        v.initializer.run()
        assert v.eval() == 2.0
        assert (v * 3.0).eval() == 6.0
        assert float(v + 1.0) == 3.0
    assert gf.get_default_session() is None
    with pytest.raises(SessionError):
        session.run(v)


def test_values_on_demand_without_a_session() -> None:
    t = gf.constant([1.0, 2.0]) + 1.0
    np.testing.assert_array_equal(t.numpy(), [2, 3])
    np.testing.assert_array_equal(np.asarray(t), [2, 3])
    assert float(gf.sum(t)) == 5.0
    assert int(gf.constant(3)) == 3
    assert bool(gf.constant(True))
    assert [10, 20, 30][gf.constant(1)] == 20
    with pytest.raises(FetchError, match="was not fed"):
        float(gf.placeholder("float32", []))


@pytest.mark.parametrize("limit", [0, -1, "lots", "2 gigabytes", float("nan"), True, "", "0GB", [1]])
def test_bad_limits(limit: Any) -> None:
    with pytest.raises(ArgumentError, match="memory_limit"):
        gf.Session(memory_limit=limit)


def test_a_limit_is_checked_before_the_run() -> None:
    x = gf.placeholder("float64", [None], name="x")
    y = gf.exp(x, name="big") * 2.0
    session = gf.Session(memory_limit="1MB")
    assert session.run(y, {x: np.ones(1000)}).shape == (1000,)
    with pytest.raises(MemoryLimitError, match=r"limit is 1,000,000 bytes(.|\n)*test_session\.py:\d+"):
        session.run(y, {x: np.ones(1_000_000)})
    assert session.run(y, {x: np.ones(1_000_000)}, memory_limit="1GiB").shape == (1_000_000,)


@pytest.mark.parametrize(
    "options",
    [{"optimize": "turbo"}, {"optimize": 3}, {"threads": 0}, {"threads": 1.5}, {"graph": 5}, {"device": 7}],
)
def test_bad_session_options(options: Any) -> None:
    with pytest.raises(ArgumentError):
        gf.Session(**options)


def test_threads_take_turns() -> None:
    v = gf.Variable(np.zeros(100))
    step = v.assign_add(1.0 * gf.ones((100,), dtype="float64"))
    session = gf.Session()
    session.run(v.initializer)
    threads = [threading.Thread(target=lambda: [session.run(step.op) for _ in range(50)]) for _ in range(16)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    np.testing.assert_array_equal(session.run(v), np.full(100, 800.0))


def test_a_callback_cannot_reenter() -> None:
    session = gf.Session()
    inner = gf.constant(1.0)
    again = gf.py_func(lambda: session.run(inner), [], gf.float32)
    with pytest.raises(gf.errors.CallbackError) as caught:
        session.run(again)
    assert isinstance(caught.value.__cause__, SessionError)
    assert session.run(inner) == 1.0


def test_profile_names_lines_and_libraries() -> None:
    x = gf.placeholder("float32", [64, 64])
    y = gf.matmul(x, x, name="product")
    session = gf.Session()
    session.run(y, {x: np.ones((64, 64))}, profile=True)
    assert session.profile is not None
    (event,) = [e for e in session.profile.events if e.name == "product"]
    assert event.origin.startswith("test_session.py:")
    assert event.seconds > 0
    assert " thread" in str(session.profile)


@pytest.mark.parametrize("check", ["nan", "only_nan", "reference"])
def test_checked_sessions_give_what_others_give(check: str) -> None:
    v = gf.Variable([1.0, 2.0], name="v")
    x = gf.placeholder("float32", ["n"], name="x")
    step = v.assign_add(gf.sqrt(x))
    sessions = [gf.Session(check=check), gf.Session()]
    for s in sessions:
        s.run(v.initializer)
        s.run(step, {x: [4, 9]})
        s.make_callable(step, [x])(np.float32([1, 1]))
        s.run(step, {x: [4, 9]}, check="nan")
    np.testing.assert_array_equal(sessions[0].run(v), sessions[1].run(v))


def test_a_checked_run_names_the_node_and_is_undone() -> None:
    v = gf.Variable([1.0, 2.0], name="v")
    x = gf.placeholder("float32", ["n"], name="x")
    step = v.assign_add(gf.sqrt(x, name="root"))
    session = gf.Session(check="nan")
    session.run(v.initializer)
    call = session.make_callable(step, [x])
    for run in (lambda: session.run(step, {x: [4, -9]}), lambda: call(np.float32([4, -9]))):
        with pytest.raises(
            gf.debug.NumericsError, match=r"'root' \(sqrt\) made NaN(.|\n)*test_session\.py:\d+"
        ) as caught:
            run()
        assert gf.debug.replay(caught.value).tobytes() == caught.value.output.tobytes()
        assert session.run(v).tolist() == [1, 2]
    assert np.isnan(session.run(step, {x: [4, -9]}, check=False)[1])
    with pytest.raises(gf.debug.NumericsError, match="variable 'v' held NaN"):
        session.run(v + 1.0)


def test_bad_checks() -> None:
    x = gf.placeholder("float32", [2], name="x")
    for check in ("nans", 3, True, ["nan"]):
        with pytest.raises(ArgumentError, match="checks: 'nan': the first node"):
            gf.Session(check=check)  # type: ignore[arg-type]
        with pytest.raises(ArgumentError, match=r"run: check .* is not known"):
            gf.Session().run(x, {x: [1, 2]}, check=check)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="memory_limit do not go together"):
        gf.Session(check="reference", memory_limit="1GB")
    with pytest.raises(ArgumentError, match="memory_limit do not go together"):
        gf.Session(memory_limit="1GB").run(x, {x: [1, 2]}, check="reference")
    with pytest.raises(ArgumentError, match="profile=True do not go together"):
        gf.Session(check="nan").run(x, {x: [1, 2]}, profile=True)
    with pytest.raises(FeedError, match=r"'x' .* was not fed"):
        gf.Session(check="nan").run(x + 1.0)


def test_settings_say_what_is_wrong_at_the_users_line() -> None:
    with pytest.raises(gf.errors.ArgumentError, match=r"default_float[\s\S]*test_session\.py"):
        gf.config.set(default_float="float99")
    with (
        gf.config.override(disabled_passes=("fusse",)),
        pytest.raises(gf.errors.ArgumentError, match="disabled_passes: there is no pass 'fusse'"),
    ):
        gf.Session()
    plan = gf.Session(threads=np.int64(2)).plan(gf.ones((2,)) * 2.0)
    for rows in (None, "a", 1.5, -1, True):
        with pytest.raises(gf.errors.ArgumentError, match="explain: rows is an int"):
            plan.explain(rows)  # type: ignore[arg-type]
    assert plan.fits(np.float32(1e6))
    with pytest.raises(gf.errors.ArgumentError, match=r"not '0\.0000000001GB'"):
        plan.fits("0.0000000001GB")


def test_names_of_disabled_passes_may_have_spaces_around_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAPHFLOW_DISABLED_PASSES", "fuse, lanes,")
    assert gf.config._from_environment().disabled_passes == ("fuse", "lanes")
