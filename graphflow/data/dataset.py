"""Data sets: where elements come from, and what is done to them on the way.

A data set is a recipe: nothing is read before it is iterated, each iteration starts anew, and what is random in it
depends on its seed and on how often it was iterated before, and on nothing else.
"""

from __future__ import annotations

import functools
import itertools
import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphflow.data.nests import describe, leaves, mapped, stacked
from graphflow.data.threads import parallel_map, prefetched
from graphflow.errors import ArgumentError, FileError, ShapeError, shorten

__all__ = ["Dataset"]

Epoch = tuple[int, ...]
"""Which iteration this is, of the data set and of those around it: the counter that random orders are drawn with."""


@dataclass(frozen=True, slots=True)
class _Rows:
    """Elements that lie along the first axis of arrays, so that a batch is one slice or one gather of each.

    order: for an iteration the indices of the rows in their order; None: as they lie.
    """

    arrays: Any
    count: int
    order: Callable[[Epoch], Any] | None = None

    def elements(self, epoch: Epoch) -> Iterator[Any]:
        indices = range(self.count) if self.order is None else self.order(epoch)
        for i in indices:
            yield mapped(lambda a, i=i: a[i], self.arrays)

    def batches(self, n: int, drop_remainder: bool, epoch: Epoch) -> Iterator[Any]:
        indices = None if self.order is None else self.order(epoch)
        stop = self.count - self.count % n if drop_remainder else self.count
        for start in range(0, stop, n):
            end = min(start + n, stop)
            chosen: Any = slice(start, end) if indices is None else indices[start:end]
            yield mapped(lambda a, chosen=chosen: _read_only(a[chosen]), self.arrays)


def _read_only(array: Any) -> Any:
    """A slice of the user's array must not be a way to change it."""
    view = np.asarray(array)
    if view.base is not None:
        view = view.view()
        view.flags.writeable = False
    return view


class Dataset:
    """A sequence of elements: arrays, or nests of them. Iterate it as often as you like.

    Make one with `from_arrays`, `from_generator`, `from_files` or `range`; each method gives a new one.
    `len(dataset)` is the number of elements; TypeError where that is not known before it is iterated.
    """

    def __init__(
        self,
        make: Callable[[Epoch], Iterator[Any]],
        count: float | None = None,
        rows: _Rows | None = None,
    ) -> None:
        self._make = make
        self._count = count
        self._rows = rows
        self._iterations = itertools.count()

    # --- where elements come from ---

    @classmethod
    def from_arrays(cls, arrays: Any) -> Dataset:
        """The rows of arrays that are equally long along their first axis: of one array, or of a nest of arrays.

        Memory-mapped arrays are read when their rows are used. Raises ShapeError where lengths differ.
        """
        held = mapped(_with_rows, arrays)
        lengths = list(dict.fromkeys([len(a) for a in leaves(held)]))
        if not lengths:
            raise ArgumentError("Dataset.from_arrays: there is no array")
        if len(lengths) > 1:
            raise ShapeError(
                f"Dataset.from_arrays: arrays of different lengths: {', '.join(str(n) for n in lengths)}"
            )
        return cls._of_rows(_Rows(held, lengths[0]))

    from_tensor_slices = from_arrays

    @classmethod
    def from_files(cls, paths: Any) -> Dataset:
        """The rows of `.npy` files, memory-mapped: a path, or a nest of paths of equally long arrays.

        Raises FileError where a file cannot be read.
        """
        return cls.from_arrays(mapped(_mapped_file, paths))

    @classmethod
    def from_generator(cls, generator: Callable[[], Any], count: int | None = None) -> Dataset:
        """The elements that `generator()`, called at each iteration, yields; `count` of them if that is known."""
        if not callable(generator):
            raise ArgumentError(
                f"Dataset.from_generator: takes a function that gives an iterator, got {shorten(generator)}"
            )
        return cls(
            lambda epoch: iter(generator()), None if count is None else _count(count, "from_generator", 0)
        )

    @classmethod
    def range(cls, *bounds: int) -> Dataset:
        """The integers of Python's `range`, as int64."""
        try:
            return cls.from_arrays(np.arange(*[_count(b, "range", None) for b in bounds], dtype=np.int64))
        except (TypeError, ZeroDivisionError) as error:
            raise ArgumentError(f"Dataset.range: {shorten(bounds)}: {error}") from None

    @classmethod
    def _of_rows(cls, rows: _Rows) -> Dataset:
        return cls(rows.elements, rows.count, rows)

    # --- what is done to them ---

    def map(self, function: Callable[..., Any], num_parallel_calls: int | None = None) -> Dataset:
        """`function` of each element, a tuple's items as separate arguments; on so many threads, in the same order."""
        if not callable(function):
            raise ArgumentError(f"Dataset.map: takes a function, got {shorten(function)}")
        call = functools.partial(_called, function)
        if num_parallel_calls is None:
            return Dataset(lambda epoch: map(call, self._make(epoch)), self._count)
        n_threads = _count(num_parallel_calls, "map: num_parallel_calls", 1)
        return Dataset(lambda epoch: parallel_map(call, self._make(epoch), n_threads), self._count)

    def filter(self, predicate: Callable[..., Any]) -> Dataset:
        """The elements for which `predicate` is true."""
        if not callable(predicate):
            raise ArgumentError(f"Dataset.filter: takes a function, got {shorten(predicate)}")
        return Dataset(lambda epoch: (e for e in self._make(epoch) if _called(predicate, e)))

    def batch(self, batch_size: int, drop_remainder: bool = False) -> Dataset:
        """`batch_size` elements at a time, stacked along a new first axis; the last batch may be smaller.

        Batches of rows as they lie are read-only views, not copies. Raises ArgumentError where shapes differ.
        """
        n = _count(batch_size, "batch: batch_size", 1)
        count = None if self._count is None else _batches(self._count, n, drop_remainder)
        rows = self._rows
        if rows is not None:
            return Dataset(lambda epoch: rows.batches(n, drop_remainder, epoch), count)
        return Dataset(lambda epoch: _grouped(self._make(epoch), n, drop_remainder), count)

    def unbatch(self) -> Dataset:
        """The rows of each element: what `batch` put together."""
        return Dataset(lambda epoch: (row for e in self._make(epoch) for row in _split(e)))

    def shuffle(
        self, buffer_size: int | None = None, seed: int = 0, reshuffle_each_iteration: bool = True
    ) -> Dataset:
        """The elements in random order: drawn from a buffer of `buffer_size` of them, or from all.

        None, or a buffer that holds all rows of arrays, gives every order the same chance. The order differs from
        one iteration to the next, unless `reshuffle_each_iteration` is False.
        """
        size = None if buffer_size is None else _count(buffer_size, "shuffle: buffer_size", 1)
        first = _count(seed, "shuffle: seed", 0)

        def generator(epoch: Epoch) -> np.random.Generator:
            return np.random.default_rng([first, *(epoch if reshuffle_each_iteration else ())])

        rows = self._rows
        if rows is not None and rows.order is None and (size is None or size >= rows.count):
            return Dataset._of_rows(
                _Rows(rows.arrays, rows.count, lambda epoch: generator(epoch).permutation(rows.count))
            )
        return Dataset(lambda epoch: _shuffled(self._make(epoch), size, generator(epoch)), self._count)

    def repeat(self, count: int | None = None) -> Dataset:
        """All elements `count` times over, or for ever."""
        if count is None:
            return Dataset(lambda epoch: self._again(epoch, itertools.count()), math.inf)
        n = _count(count, "repeat: count", 0)
        total = None if self._count is None else n * self._count if n else 0
        return Dataset(lambda epoch: self._again(epoch, range(n)), total)

    def _again(self, epoch: Epoch, turns: Any) -> Iterator[Any]:
        for turn in turns:
            empty = True
            for element in self._make((*epoch, turn)):
                empty = False
                yield element
            if empty:
                return

    def take(self, count: int) -> Dataset:
        """The first `count` elements."""
        n = _count(count, "take: count", 0)
        known = None if self._count is None else min(self._count, n)
        return Dataset(lambda epoch: itertools.islice(self._make(epoch), n), known)

    def skip(self, count: int) -> Dataset:
        """All but the first `count` elements."""
        n = _count(count, "skip: count", 0)
        known = None if self._count is None else max(self._count - n, 0)
        return Dataset(lambda epoch: itertools.islice(self._make(epoch), n, None), known)

    def shard(self, num_shards: int, index: int) -> Dataset:
        """Every `num_shards`-th element, from the `index`-th on: one of `num_shards` equal parts."""
        n = _count(num_shards, "shard: num_shards", 1)
        k = _count(index, "shard: index", 0)
        if k >= n:
            raise ArgumentError(f"Dataset.shard: index must be below num_shards {n}, got {k}")
        known = None if self._count is None or self._count == math.inf else max(0, -(-(self._count - k) // n))
        return Dataset(lambda epoch: itertools.islice(self._make(epoch), k, None, n), known)

    def concatenate(self, other: Dataset) -> Dataset:
        """The elements of this, then those of `other`."""
        _is_dataset(other, "concatenate")
        known = None if self._count is None or other._count is None else self._count + other._count
        return Dataset(lambda epoch: itertools.chain(self._make(epoch), other._make(epoch)), known)

    @staticmethod
    def zip(*datasets: Dataset) -> Dataset:
        """Tuples of elements, one of each, as long as all have one."""
        if not datasets:
            raise ArgumentError("Dataset.zip: takes at least one Dataset")
        for dataset in datasets:
            _is_dataset(dataset, "zip")
        counts = [d._count for d in datasets]
        known = None if any(c is None for c in counts) else min(c for c in counts if c is not None)
        return Dataset(lambda epoch: zip(*[d._make(epoch) for d in datasets], strict=False), known)

    def enumerate(self, start: int = 0) -> Dataset:
        """Pairs of a number, from `start` on, and an element."""
        first = _count(start, "enumerate: start", None)
        return Dataset(lambda epoch: enumerate(self._make(epoch), first), self._count)

    def cache(self) -> Dataset:
        """The elements of the first whole iteration, kept in memory for those after it."""
        kept: list[Any] = []
        whole: list[bool] = []

        def elements(epoch: Epoch) -> Iterator[Any]:
            if whole:
                yield from kept
                return
            seen = []
            for element in self._make(epoch):
                seen.append(element)
                yield element
            if not whole:
                kept.extend(seen)
                whole.append(True)

        return Dataset(elements, self._count)

    def prefetch(self, buffer_size: int = 2) -> Dataset:
        """The same elements, made by a thread while others are used, up to `buffer_size` ahead."""
        n = _count(buffer_size, "prefetch: buffer_size", 1)
        return Dataset(lambda epoch: prefetched(lambda: self._make(epoch), n), self._count)

    # --- use ---

    def __iter__(self) -> Iterator[Any]:
        return self._make((next(self._iterations),))

    def __len__(self) -> int:
        if self._count is None or self._count == math.inf:
            known = "endless" if self._count else "not known before it is iterated"
            raise TypeError(f"the length of this Dataset is {known}")
        return int(self._count)

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        inside = (
            f" of {describe(mapped(lambda a: a[:0], self._rows.arrays))}" if self._rows is not None else ""
        )
        count = "unknown" if self._count is None else "endless" if self._count == math.inf else self._count
        return f"<Dataset{inside}, length {count}>"


def _with_rows(value: Any) -> Any:
    array = value if isinstance(value, np.ndarray) else np.asarray(value)
    if array.dtype == object:
        raise ArgumentError(f"Dataset.from_arrays: takes arrays of numbers, got {shorten(value)}")
    if array.ndim == 0:
        raise ShapeError(f"Dataset.from_arrays: {shorten(value)} is a scalar and has no rows")
    return array


def _mapped_file(path: Any) -> Any:
    if not isinstance(path, (str, os.PathLike)):
        raise ArgumentError(f"Dataset.from_files: takes paths, got {shorten(path)}")
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise FileError(
            f"Dataset.from_files: {shorten(str(path), 500)} is not a readable .npy file: {error}", error
        ) from error


def _called(function: Callable[..., Any], element: Any) -> Any:
    return function(*element) if type(element) is tuple else function(element)


def _count(value: Any, what: str, lowest: int | None) -> int:
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        if lowest is None or value >= lowest:
            return int(value)
    bound = "an int" if lowest is None else f"an int of at least {lowest}"
    raise ArgumentError(f"Dataset.{what} must be {bound}, got {shorten(value)}")


def _is_dataset(value: Any, what: str) -> None:
    if not isinstance(value, Dataset):
        raise ArgumentError(f"Dataset.{what}: takes a Dataset, got {shorten(value)}")


def _batches(count: float, n: int, drop_remainder: bool) -> int | float:
    if count == math.inf:
        return count
    return count // n if drop_remainder else -(-count // n)


def _grouped(elements: Iterator[Any], n: int, drop_remainder: bool) -> Iterator[Any]:
    while group := list(itertools.islice(elements, n)):
        if len(group) < n and drop_remainder:
            return
        yield stacked(group)


def _split(element: Any) -> Iterator[Any]:
    count = min((len(a) for a in leaves(element)), default=0)
    for i in range(count):
        yield mapped(lambda a, i=i: a[i], element)


def _shuffled(elements: Iterator[Any], size: int | None, rng: np.random.Generator) -> Iterator[Any]:
    """Draws from a buffer that is filled again from the elements that follow."""
    buffer = list(elements if size is None else itertools.islice(elements, size))
    if size is not None:
        for element in elements:
            k = int(rng.integers(len(buffer)))
            yield buffer[k]
            buffer[k] = element
    for k in rng.permutation(len(buffer)):
        yield buffer[int(k)]
