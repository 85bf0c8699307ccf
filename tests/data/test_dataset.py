"""Data sets: orders, batches, threads, and what is refused."""

from __future__ import annotations

import threading
import time
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import graphflow as gf
from graphflow.data import Dataset, progress

counts = st.integers(0, 23)
sizes = st.integers(1, 9)


def _values(dataset: Any) -> list[Any]:
    return [np.asarray(e).tolist() for e in dataset]


# --- rows -------------------------------------------------------------------------------------------------------------


class Pair(NamedTuple):
    x: Any
    y: Any


def test_rows_of_a_nest_keep_its_structure():
    x, y = np.arange(12.0).reshape(4, 3), np.arange(4)
    for nest in ((x, y), {"x": x, "y": y}, Pair(x, y), [x, y]):
        first = next(iter(Dataset.from_arrays(nest).batch(3)))
        assert type(first) is type(nest)
        parts = list(first.values()) if isinstance(first, dict) else list(first)
        np.testing.assert_array_equal(parts[0], x[:3])
        np.testing.assert_array_equal(parts[1], y[:3])


@given(counts, sizes, st.booleans())
def test_batches_are_what_numpy_splits(n, size, drop):
    x = np.arange(n * 2).reshape(n, 2)
    dataset = Dataset.from_arrays(x).batch(size, drop_remainder=drop)
    want = [x[i : i + size].tolist() for i in range(0, n, size)]
    if drop and n % size:
        want.pop()
    assert _values(dataset) == want
    assert len(dataset) == len(want)
    streamed = Dataset.from_generator(lambda: iter(x)).batch(size, drop)
    assert _values(streamed) == want
    assert _values(dataset.unbatch()) == [row for group in want for row in group]


def test_a_batch_is_no_way_to_change_the_array():
    x = np.zeros(4)
    (batch,) = Dataset.from_arrays(x).batch(4)
    assert np.shares_memory(batch, x)
    with pytest.raises(ValueError, match="read-only"):
        batch[0] = 1.0


def test_files_are_mapped_and_not_read(tmp_path):
    x, y = np.arange(20.0).reshape(10, 2), np.arange(10)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", y)
    dataset = Dataset.from_files((tmp_path / "x.npy", str(tmp_path / "y.npy")))
    assert isinstance(dataset._rows.arrays[0], np.memmap)  # type: ignore[union-attr]
    got = [np.concatenate(parts) for parts in zip(*dataset.shuffle(seed=3).batch(4), strict=True)]
    np.testing.assert_array_equal(got[0], x[got[1]])
    assert sorted(got[1].tolist()) == list(range(10))


# --- order ------------------------------------------------------------------------------------------------------------


@given(counts, st.one_of(st.none(), sizes), st.integers(0, 5))
def test_shuffling_keeps_every_element_once(n, buffer, seed):
    for source in (Dataset.range(n), Dataset.from_generator(lambda: iter(range(n)))):
        dataset = source.shuffle(buffer, seed=seed)
        assert sorted(_values(dataset)) == list(range(n))
        if buffer == 1:
            assert _values(dataset) == list(range(n))


def test_the_order_changes_from_epoch_to_epoch_and_is_the_same_in_every_program():
    def epochs(**options: Any) -> list[Any]:
        dataset = Dataset.range(50).shuffle(seed=1, **options).batch(50)
        return [_values(dataset)[0] for _ in range(3)]

    first, again, still = epochs(), epochs(), epochs(reshuffle_each_iteration=False)
    assert first == again
    assert first[0] != first[1] != first[2]
    assert still[0] == still[1] == still[2]
    repeated = _values(Dataset.range(50).shuffle(seed=1).repeat(2))
    assert repeated[:50] != repeated[50:]
    assert sorted(repeated[:50]) == sorted(repeated[50:]) == list(range(50))


def test_every_order_has_the_same_chance():
    seen: dict[tuple[int, ...], int] = {}
    dataset = Dataset.range(3).shuffle(seed=0)
    for _ in range(1200):
        order = tuple(_values(dataset))
        seen[order] = seen.get(order, 0) + 1
    assert len(seen) == 6
    assert max(abs(n - 200) for n in seen.values()) < 5 * np.sqrt(200 * 5 / 6)


@given(counts, st.integers(0, 3), st.integers(0, 30), st.integers(0, 30), sizes)
def test_lengths_are_those_of_the_elements(n, times, taken, skipped, shards):
    base = Dataset.range(n)
    for dataset in (
        base.repeat(times),
        base.take(taken),
        base.skip(skipped),
        base.shard(shards, shards - 1),
        base.concatenate(base),
        Dataset.zip(base, base.skip(skipped)),
        base.enumerate(2),
        base.cache(),
        base.prefetch(3),
        base.map(lambda x: x + 1),
        base.repeat().take(taken) if n else base,
    ):
        assert len(dataset) == len(list(dataset))


def test_an_endless_data_set_can_be_taken_from():
    assert _values(Dataset.range(3).repeat().take(7)) == [0, 1, 2, 0, 1, 2, 0]
    assert _values(Dataset.range(0).repeat()) == []
    with pytest.raises(TypeError, match="endless"):
        len(Dataset.range(3).repeat())
    with pytest.raises(TypeError, match="not known"):
        len(Dataset.range(3).filter(bool))


# --- functions and threads --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [None, 1, 3])
def test_map_keeps_the_order(threads):
    def slow_first(x: Any) -> Any:
        time.sleep(0.02 if x == 0 else 0)
        return x * 2

    assert _values(Dataset.range(20).map(slow_first, threads)) == list(range(0, 40, 2))
    pairs = Dataset.from_arrays((np.arange(3), np.arange(3) * 10)).map(lambda a, b: a + b, threads)
    assert _values(pairs) == [0, 11, 22]


def test_filter_and_shard():
    assert _values(Dataset.range(6).filter(lambda x: x % 2)) == [1, 3, 5]
    parts = [_values(Dataset.range(7).shard(3, k)) for k in range(3)]
    assert parts == [[0, 3, 6], [1, 4], [2, 5]]


def test_a_cache_reads_once():
    reads: list[int] = []

    def generate() -> Any:
        reads.append(1)
        yield from range(3)

    dataset = Dataset.from_generator(generate).cache()
    assert next(iter(dataset)) == 0  # given up half-way: nothing is kept
    assert [_values(dataset) for _ in range(3)] == [[0, 1, 2]] * 3
    assert len(reads) == 2


def test_prefetching_gives_the_same_elements_in_order():
    plain = Dataset.range(100).shuffle(seed=2).batch(7)
    ahead = Dataset.range(100).shuffle(seed=2).batch(7).prefetch(3)
    for _ in range(3):
        assert _values(plain) == _values(ahead)


def test_prefetching_works_ahead_and_no_further():
    made: list[int] = []

    def generate() -> Any:
        for i in range(100):
            made.append(i)
            yield i

    iterator = iter(Dataset.from_generator(generate).prefetch(2))
    assert next(iterator) == 0
    deadline = time.monotonic() + 5
    while len(made) < 4 and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(0.02)
    assert len(made) == 4  # one taken, two ready, one waiting for room


@pytest.mark.parametrize("make", [lambda d: d.prefetch(2), lambda d: d.map(lambda x: x, 2)])
def test_an_error_comes_where_its_element_would_have_been(make):
    def generate() -> Any:
        yield 1
        raise RuntimeError("no more")

    iterator = iter(make(Dataset.from_generator(generate)))
    with pytest.raises(RuntimeError, match="no more"):
        list(iterator)
    assert not [t for t in threading.enumerate() if t.name.startswith("graphflow-")]


def test_threads_end_when_an_iteration_is_given_up():
    def endless() -> Any:
        i = 0
        while True:
            yield i
            i += 1

    iterator = iter(Dataset.from_generator(endless).prefetch(2))
    assert [next(iterator) for _ in range(3)] == [0, 1, 2]
    iterator.close()  # type: ignore[attr-defined]  # it is a generator
    assert not [t for t in threading.enumerate() if t.name == "graphflow-prefetch"]


# --- use --------------------------------------------------------------------------------------------------------------


def test_it_feeds_a_training_loop():
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(200, 1)).astype(np.float32)
    outputs = inputs * 3 - 1
    x, y = gf.placeholder("float32", [None, 1]), gf.placeholder("float32", [None, 1])
    w, b = gf.Variable(np.float32(0.0)), gf.Variable(np.float32(0.0))
    train = gf.train.GradientDescentOptimizer(0.1).minimize(gf.mean((x * w + b - y) ** 2))
    with gf.Session() as session:
        session.run(gf.global_variables_initializer())
        for inp, out in (
            gf.data.Dataset.from_arrays((inputs, outputs)).shuffle().batch(20).repeat(10).prefetch()
        ):
            session.run(train, {x: inp, y: out})
        np.testing.assert_allclose(session.run([w, b]), [3, -1], atol=1e-3)


def test_progress_hands_everything_on(capsys):
    assert list(progress(range(3), "three")) == [0, 1, 2]
    assert list(progress(iter("ab"), total=2)) == ["a", "b"]
    assert _values(progress(Dataset.range(2))) == [0, 1]
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("missing", [(), ("rich",), ("rich", "tqdm")])
def test_progress_draws_with_what_is_installed(missing, monkeypatch, capsys):
    import sys

    for name in missing:
        for module in (name, f"{name}.console", f"{name}.progress"):
            monkeypatch.setitem(sys.modules, module, None)
    if "tqdm" not in missing:
        pytest.importorskip("tqdm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert list(progress(range(4), "counting")) == [0, 1, 2, 3]
    drawn = capsys.readouterr().err
    assert ("counting" in drawn) is ("tqdm" not in missing)


def test_what_it_is_made_of_is_shown():
    dataset = Dataset.from_arrays((np.zeros((5, 64), np.float32), np.zeros(5, np.int64)))
    assert repr(dataset) == "<Dataset of (float32[0, 64], int64[0]), length 5>"
    assert repr(dataset.filter(bool)) == "<Dataset, length unknown>"


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda d: d.batch(0), r"batch_size must be an int of at least 1, got 0"),
        (lambda d: d.batch(2.5), "batch_size"),
        (lambda d: d.batch(True), "batch_size"),
        (lambda d: d.batch(None), "batch_size"),
        (lambda d: d.shuffle(0), "buffer_size"),
        (lambda d: d.shuffle(seed="a"), "seed"),
        (lambda d: d.repeat(-1), "repeat: count"),
        (lambda d: d.take(-1), "take: count"),
        (lambda d: d.skip("x"), "skip: count"),
        (lambda d: d.shard(2, 2), "index must be below num_shards 2"),
        (lambda d: d.shard(0, 0), "num_shards"),
        (lambda d: d.prefetch(0), "prefetch"),
        (lambda d: d.map(3), "takes a function, got 3"),
        (lambda d: d.map(abs, 0), "num_parallel_calls"),
        (lambda d: d.filter(None), "takes a function"),
        (lambda d: d.concatenate([1]), "takes a Dataset"),
        (lambda d: Dataset.zip(d, 3), "takes a Dataset"),
        (lambda d: Dataset.zip(), "at least one"),
        (lambda d: d.enumerate("a"), "enumerate"),
        (lambda d: Dataset.range(1.5), "range"),
        (lambda d: Dataset.range(), "range"),
        (lambda d: Dataset.range(0, 3, 0), "range"),
        (lambda d: Dataset.from_arrays(()), "there is no array"),
        (lambda d: Dataset.from_arrays((np.zeros(3), np.zeros(4))), "different lengths: 3, 4"),
        (lambda d: Dataset.from_arrays(3.0), "scalar and has no rows"),
        (lambda d: Dataset.from_arrays(np.array([object()])), "arrays of numbers"),
        (lambda d: Dataset.from_generator([1, 2]), "function that gives an iterator"),
        (lambda d: Dataset.from_files("nothing.npy"), "nothing.npy"),
        (lambda d: Dataset.from_files(7), "takes paths, got 7"),
        (lambda d: progress(3), "must be iterable"),
        (lambda d: progress([], total=-1), "total"),
    ],
)
def test_bad_arguments_are_refused_at_once(make, message):
    with pytest.raises(gf.errors.GraphflowError, match=message) as caught:
        make(Dataset.range(4))
    assert "test_dataset.py" in str(caught.value)


def test_elements_that_make_no_batch_are_said():
    ragged = Dataset.from_generator(lambda: iter([np.zeros(2), np.zeros(3)]))
    with pytest.raises(gf.errors.ArgumentError, match=r"shapes \[2\] and \[3\]"):
        list(ragged.batch(2))
    mixed = Dataset.from_generator(lambda: iter([(1, 2), {"a": 1}]))
    with pytest.raises(gf.errors.ArgumentError, match="different structure"):
        list(mixed.batch(2))


def test_a_file_that_is_no_array(tmp_path):
    (tmp_path / "bad.npy").write_bytes(b"not an array")
    (tmp_path / "empty.npy").write_bytes(b"")
    for name in ("bad.npy", "empty.npy"):
        with pytest.raises(gf.errors.FileError, match=name):
            Dataset.from_files(tmp_path / name)
