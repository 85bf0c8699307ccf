"""Bytes are shared only where nothing can tell: views, in-place results, feeds, fetches, bodies of control flow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphflow as gf

SIDES = [3, 50, 120]  # float64 squares: 72 B, 20 kB (fed by reference), 115 kB (handed out without a copy)


def _both(fetches: Any, feeds: Any = None) -> Any:
    """The results of an optimised and of a plain session, twice each, which must be the same bits; feeds stay as they are."""
    before = {t: np.array(v) for t, v in (feeds or {}).items()}
    results = []
    for optimize in (True, False):
        with gf.config.override(verify=True):
            session = gf.Session(optimize=optimize)
            for _ in range(2):
                result = session.run(fetches, feeds)
                results.append([np.array(r) for r in result])
                for r in result:
                    if isinstance(r, np.ndarray) and r.ndim:
                        r[...] = 99  # the caller's own: what the session holds must not change
    for result in results[1:]:
        for a, b in zip(result, results[0], strict=True):
            np.testing.assert_array_equal(a, b)
    for t, value in before.items():
        np.testing.assert_array_equal(feeds[t], value)
    return results[0]


def _square(n: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).uniform(-1, 1, (n, n))


# --- results in the place of an input ---------------------------------------------------------------

IN_PLACE: dict[str, Callable[[Any, Any], Any]] = {
    "plus its transpose": lambda m, x: x + m.transpose(x),
    "transpose minus it": lambda m, x: m.transpose(x) - x,
    "reversed": lambda m, x: x * x[::-1],
    "shifted views": lambda m, x: x[1:] - x[:-1],
    "row of itself": lambda m, x: x - x[0],
    "column of itself": lambda m, x: x * x[:, :1],
    "sum of itself": lambda m, x: x / m.sum(x, axis=0),
    "reshaped": lambda m, x: m.reshape(x, (-1,)) + m.reshape(m.transpose(x), (-1,)),
    "own product": lambda m, x: m.matmul(x, x) + x,
    "broadcast view": lambda m, x: x + m.broadcast_to(x[0], x.shape),
    "three uses": lambda m, x: m.where(m.transpose(x) > 0, x, m.transpose(x)),
    "twice transposed": lambda m, x: m.reshape(m.transpose(m.transpose(x)), (-1,)),
}


@pytest.mark.parametrize("n", SIDES)
@pytest.mark.parametrize("name", IN_PLACE)
def test_in_place_only_where_no_view_is_read(name: str, n: int) -> None:
    f = IN_PLACE[name]
    x, value = gf.placeholder("float64", (n, n)), _square(n)
    y = gf.sin(x) * 0.5
    z = f(gf, y)
    inner = np.sin(value) * 0.5
    expected = f(np, inner)
    (alone,) = _both([z], {x: value})
    with_input, kept = _both([z, y], {x: value})
    (direct,) = _both([f(gf, x)], {x: value})
    np.testing.assert_allclose(alone, expected, atol=1e-12)
    np.testing.assert_allclose(with_input, expected, atol=1e-12)
    np.testing.assert_allclose(kept, inner, atol=1e-12)
    np.testing.assert_allclose(direct, f(np, value), atol=1e-12)


@pytest.mark.parametrize("n", SIDES)
@pytest.mark.parametrize("name", IN_PLACE)
def test_a_variable_is_written_in_place_only_where_nothing_reads_it_later(name: str, n: int) -> None:
    f = IN_PLACE[name]
    value = _square(n)
    v = gf.Variable(value)
    old = v.read()
    made = f(gf, old)
    new = v.assign(gf.reshape(made, (n, n))) if made.type.size == n * n else v.assign(made[0] + old)
    expected = f(np, value)
    expected = expected.reshape(n, n) if expected.size == n * n else expected[0] + value
    for fetches in ([new], [v, new.op], [v, old, new], [new, made], [gf.transpose(old), new]):
        session = gf.Session()
        session.run(v.initializer)
        results = session.run(fetches)
        for t, got in zip(fetches, results, strict=True):
            if t is new or t is v:
                np.testing.assert_allclose(got, expected, atol=1e-12)
            elif t is old:
                np.testing.assert_array_equal(got, value)
            if got is not None:
                got[...] = 99
        np.testing.assert_allclose(session.run(v), expected, atol=1e-12)


def test_an_earlier_write_keeps_its_value_when_a_later_one_follows() -> None:
    v = gf.Variable(np.zeros((2, 3)))
    x = gf.placeholder("float64", (2, 3))
    first = v.assign(x * 2.0)
    between = v.read()
    second = v.assign(x * 3.0)
    after = first + 0.5
    session = gf.Session()
    session.run(v.initializer)
    fetches = [first, between, gf.transpose(first), second, after, v]
    for scales in (
        fetches,
        fetches[::-1],
        [first, second],
        [first, after, second, v],
        [first, second, between],
    ):
        got = session.run(scales, {x: np.ones((2, 3))})
        for t, value in zip(scales, got, strict=True):
            want = {id(first): 2.0, id(between): 2.0, id(after): 2.5}.get(id(t), 3.0)
            np.testing.assert_array_equal(value, np.full(value.shape, 2.0 if t is fetches[2] else want))


# --- feeds ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", SIDES)
def test_feeds_of_every_layout(n: int) -> None:
    x = gf.placeholder("float64", (n, n))
    y = gf.sin(x) * 2.0 + gf.transpose(x)
    base = _square(2 * n)
    frozen = _square(n)
    frozen.flags.writeable = False
    unaligned = np.frombuffer(b"\0" + _square(n).tobytes(), np.float64, offset=1).reshape(n, n)
    layouts = [base[:n, :n], base[::-2, ::2], base.T[:n, n:], np.broadcast_to(base[0, :n], (n, n)), frozen]
    layouts += [np.asfortranarray(base[:n, :n]), unaligned, _square(n).astype(">f8"), np.float32(_square(n))]
    windows = np.lib.stride_tricks.sliding_window_view(base.reshape(-1), n)[:n]
    call = gf.Session().make_callable([x, y], [x])
    for value in [*layouts, windows, base[:n, :n].tolist()]:
        same, result = _both([x, y], {x: value})
        np.testing.assert_array_equal(same, value)
        np.testing.assert_allclose(result, np.sin(same) * 2 + same.T, atol=1e-12)
        np.testing.assert_array_equal(call(value)[1], result)


@pytest.mark.parametrize("n", SIDES)
def test_results_are_apart_from_feeds_variables_constants_and_each_other(n: int) -> None:
    x, v, c = gf.placeholder("float64", (n, n)), gf.Variable(_square(n)), gf.constant(_square(n, 1))
    again: list[Callable[[Any], Any]] = [
        lambda t: gf.reshape(gf.transpose(gf.transpose(t)), (-1,)),
        lambda t: gf.reshape(t, (-1,)),
        lambda t: t[:1],
        lambda t: gf.identity(t),
        lambda t: gf.transpose(t),
        lambda t: gf.split(t, 1)[0],
        lambda t: gf.cond(gf.constant(True), lambda: t, lambda: t),
        lambda t: gf.while_loop(lambda i, u: i < 0, lambda i, u: (i + 1, u), [0, t])[1],
        lambda t: gf.map_fn(lambda row: row, t),
    ]
    fetches = [x, v, c]
    for t in (x, v.read(), c, gf.sin(x)):
        fetches += [f(t) for f in again]
    session = gf.Session()
    session.run(v.initializer)
    feed = _square(n, 2)
    first = session.run(fetches, {x: feed})
    kept = [np.array(r) for r in first]
    for k, a in enumerate(first):
        assert not np.shares_memory(a, feed), fetches[k]
        assert not any(np.shares_memory(a, b) for b in first[:k] if a.size), fetches[k]
        a[...] = 99
    feed[...] = _square(n, 2)
    for got, want in zip(session.run(fetches, {x: feed}), kept, strict=True):
        np.testing.assert_array_equal(got, want)


def test_what_is_fed_is_what_counts() -> None:
    x = gf.placeholder("float32", [4])
    c, wide = gf.constant(2.0), gf.broadcast_to(x, (3, 4))
    first, second = gf.split(x, 2)
    again = gf.split(x, 2)
    twice, equal = x * 2.0, x * 2.0
    v = gf.Variable(np.ones(4, np.float32))
    r = v.read()
    with gf.control_dependencies([twice]):
        late = twice + 1.0
    new = v.assign_add(r)
    ones = np.ones(4, np.float32)
    for optimize in (True, False):
        session = gf.Session(optimize=optimize)
        session.run(v.initializer)

        def run(fetch: Any, feeds: Any, session: Any = session) -> Any:
            return session.run(fetch, feeds)

        assert run(c * 3.0, {c: 5.0}) == 15
        assert run(gf.sum(wide * wide), {wide: np.zeros((3, 4))}) == 0
        assert run([twice + equal], {x: ones, twice: ones * 10})[0].tolist() == [12] * 4
        assert run([equal], {x: ones, twice: ones * 10})[0].tolist() == [2] * 4
        assert run(late, {x: ones, twice: ones * 10}).tolist() == [11] * 4
        assert run([twice + 1.0, twice.op], {x: ones, twice: ones * 10})[0].tolist() == [11] * 4
        assert run([x, x.op], {x: ones})[0].tolist() == [1] * 4
        parts = run([first, second, again[0], again[1]], {x: ones, first: [7, 7]})
        assert [p.tolist() for p in parts] == [[7, 7], [1, 1], [1, 1], [1, 1]]
        parts = run([first * 1.0, again[0] * 1.0, again[1]], {x: ones, again[0]: [7, 7]})
        assert [p.tolist() for p in parts] == [[1, 1], [7, 7], [1, 1]]
        assert run([new, v], {r: ones * 3})[1].tolist() == [6] * 4
        assert run([v, r], {r: ones * 3})[0].tolist() == [6] * 4
        assert run([new + 1.0, v], {new: ones * 3})[1].tolist() == [6] * 4


# --- sizes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (0, 5), (1,), (1, 1, 1), (1, 40_000)])
def test_scalars_empty_and_thin_arrays(shape: tuple[int, ...]) -> None:
    x = gf.placeholder("float64", shape)
    value = np.random.default_rng(0).uniform(-1, 1, shape)
    y = gf.sin(x) + x
    fetches = [y, gf.reshape(y, (-1,)), gf.transpose(y), gf.sum(y), gf.stack([y, x]), gf.square(y) - y]
    got = _both(fetches, {x: value})
    want = np.sin(value) + value
    for a, b in zip(
        got, [want, want.ravel(), want.T, want.sum(), [want, value], want**2 - want], strict=True
    ):
        np.testing.assert_allclose(a, b, atol=1e-12)
    v = gf.Variable(value)
    moved = v.assign_add(x)
    session = gf.Session()
    session.run(v.initializer)
    np.testing.assert_array_equal(session.run([moved, v], {x: value})[1], value * 2)


@pytest.mark.parametrize("n", [10, 30_000])
def test_sizes_that_depend_on_data(n: int) -> None:
    x = gf.placeholder("float64", [None])
    positive = gf.boolean_mask(x, x > 0.0)
    pairs = gf.reshape(positive, (-1, 2))
    turned = gf.transpose(pairs)
    flag = gf.sum(x) > 0.0
    fetches = [
        positive,
        gf.reshape(gf.transpose(turned), (-1,)),
        gf.reshape(turned, (-1,)),
        gf.concat([positive, positive[::-1] * 2.0], axis=0),
        gf.sum(pairs + pairs[::-1], axis=0) / 2.0,
        gf.cond(flag, lambda: positive, lambda: positive),
        gf.cond(flag, lambda: gf.reshape(turned, (-1,)) + 0.0, lambda: positive * 0.0),
        gf.while_loop(lambda i, t: i < 2, lambda i, t: (i + 1, t + positive), [0, positive])[1],
        gf.while_loop(lambda i, t: i < 0, lambda i, t: (i + 1, t + positive), [0, positive])[1],
        gf.map_fn(lambda row: row * 2.0, pairs),
        gf.ones_like(positive),
        positive + gf.zeros_like(positive),
    ]
    session = gf.Session()
    for seed in range(3):
        value = np.random.default_rng(seed).uniform(-1, 1, n)
        value[0] *= (-1) ** (np.sum(value[1:] > 0) + (value[0] > 0))  # an even count of positive ones
        p = value[value > 0]
        q = p.reshape(-1, 2)
        other = q.T.ravel() if value.sum() > 0 else p * 0
        wanted = [p, p, q.T.ravel(), np.concatenate([p, p[::-1] * 2]), (q + q[::-1]).sum(axis=0) / 2]
        wanted += [p, other, p * 3, p, q * 2, np.ones_like(p), p]
        for results in (_both(fetches, {x: value}), session.run(fetches, {x: value})):
            for got, want in zip(results, wanted, strict=True):
                np.testing.assert_allclose(got, want, atol=1e-12)


# --- bodies of control flow -------------------------------------------------------------------------


@pytest.mark.parametrize("n", SIDES)
def test_bodies_that_hand_on_what_they_are_given(n: int) -> None:
    x, c, p = gf.placeholder("float64", (n, n)), gf.constant(_square(n, 1)), gf.placeholder("bool", ())
    y = gf.sin(x)
    swapped = gf.while_loop(lambda i, a, b: i < 3, lambda i, a, b: (i + 1, b, a), [0, x, y])
    alike = gf.while_loop(lambda i, a, b: i < 3, lambda i, a, b: (i + 1, gf.transpose(a), a), [0, y, y])
    never = gf.while_loop(lambda i, a, b: i < 0, lambda i, a, b: (i + 1, b, a), [0, gf.transpose(y), x])
    branch = gf.cond(p, lambda: (x, x, gf.transpose(y), c), lambda: (y, y, x, c))
    nested = gf.cond(p, lambda: gf.cond(p, lambda: y, lambda: c), lambda: c)
    inner = gf.map_fn(
        lambda row: gf.while_loop(lambda i, r: i < 2, lambda i, r: (i + 1, r + c[0]), [0, row])[1], y
    )
    fetches = [*swapped[1:], *alike[1:], *never[1:], *branch, nested, inner]
    value = _square(n)
    s, k = np.sin(value), _square(n, 1)
    for flag in (True, False):
        wanted = [s, value, s.T, s, s.T, value, *((value, value, s.T, k) if flag else (s, s, value, k))]
        wanted += [s if flag else k, s + 2 * k[0]]
        session = gf.Session()
        for results in (
            _both(fetches, {x: value, p: np.array(flag)}),
            session.run(fetches, {x: value, p: flag}),
        ):
            for t, got, want in zip(fetches, results, wanted, strict=True):
                np.testing.assert_allclose(got, want, atol=1e-12, err_msg=repr(t))
        for i, a in enumerate(results):
            assert not any(np.shares_memory(a, b) for b in [value, *results[:i]]), fetches[i]


@pytest.mark.parametrize("n", SIDES)
def test_the_parts_of_a_split_are_planned(n: int) -> None:
    x = gf.placeholder("float64", (2 * n, n))
    rows = gf.placeholder("int64", (None,))
    first, second = gf.split(gf.exp(x), 2)
    by_columns = gf.split(first * second, [1, n - 2, 1], axis=1)
    taken = gf.take(x, rows, axis=0)
    one_known, other = gf.split(taken, [2, -1])  # the size of one part depends on data
    fetches = [first, gf.sum(by_columns[1], axis=0) + by_columns[0][0], one_known * 2.0, other, by_columns[2]]
    feeds = {x: np.concatenate([_square(n), _square(n, 1)]), rows: np.arange(n)}
    found = _both(fetches, feeds)
    np.testing.assert_array_equal(found[0], np.exp(feeds[x])[:n])
    np.testing.assert_array_equal(found[2], feeds[x][:2] * 2.0)
    np.testing.assert_array_equal(found[3], feeds[x][2:n])
    program = gf.Session().plan(fetches[1], {x: (2 * n, n)}).program
    kinds = [
        program.slots[s].kind.value for i in program.instructions if i.op.name == "split" for s in i.outputs
    ]
    assert kinds == ["buffer"] * 5
