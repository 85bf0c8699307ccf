"""The NumPy backend: bound calls give the bits of the kernels, and the BLAS is sequential while it should be."""

from __future__ import annotations

import itertools
import threading
import types
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import graphflow as gf
from graphflow.backends import backend_for
from graphflow.backends.base import has_trait
from graphflow.backends.numpy.kernels import bind
from graphflow.backends.numpy.threads import SEQUENTIAL_BLAS, SequentialBlas, numpy_blas
from graphflow.op import OPS, Trait
from tests.each import Each

DTYPES = ["bool", "int8", "uint16", "int64", "float16", ml_dtypes.bfloat16, "float32", "float64", "complex64"]
BACKEND = backend_for("cpu")


def _values(dtype: Any, *shape: int) -> Any:
    drawn = np.random.default_rng(0).uniform(-3, 3, shape)
    return np.asarray(drawn if np.dtype(dtype).kind not in "iu" else drawn * 30).astype(dtype)


def _same_bits(x: gf.Tensor, make: Callable[[Any], Any], value: Any) -> None:
    """The bound call and the kernel of the node that `make` builds."""
    node = make(x).op
    with np.errstate(all="ignore"):
        expected = BACKEND.function(node.op, node.attrs)(*[value] * len(node.inputs))
        out = np.zeros(np.shape(expected), node.outputs[0].dtype)
        function, arguments = BACKEND.call(node.op, node.attrs, (value,) * len(node.inputs), out)
        function(*arguments)
    assert out.tobytes() == np.asarray(expected).tobytes()


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: np.dtype(d).name)
@pytest.mark.parametrize("name", ["sum", "prod", "max", "min", "any", "all", "argmax", "argmin"])
def test_bound_reductions_are_the_kernels(name: str, dtype: Any, each: Each) -> None:
    value = _values(dtype, 3, 5, 4)

    def check(case: tuple[Any, bool]) -> None:
        axis, keepdims = case
        x = gf.placeholder(value.dtype, value.shape)
        if name in ("max", "min", "argmax", "argmin") and value.dtype.kind == "c":
            return
        if name.startswith("arg") and not (axis is None or isinstance(axis, int)):
            return
        _same_bits(x, lambda t: getattr(gf, name)(t, axis=axis, keepdims=keepdims), value)

    each(itertools.product([None, 0, -1, (0, 2), ()], [False, True]), check)


@pytest.mark.parametrize("source", DTYPES, ids=lambda d: np.dtype(d).name)
def test_bound_casts_are_the_kernels(source: Any, each: Each) -> None:
    value = _values(source, 40)
    if value.dtype.kind in "fV":
        value[:4] = [np.nan, np.inf, -np.inf, 1e4]

    def check(target: Any) -> None:
        if value.dtype == np.dtype(target) or (value.dtype.kind == "c" and np.dtype(target).kind not in "cb"):
            return
        _same_bits(gf.placeholder(value.dtype, value.shape), lambda t: gf.cast(t, target), value)

    each(DTYPES, check)


@pytest.mark.parametrize("dtype", ["int32", "float16", ml_dtypes.bfloat16, "float32", "complex128"])
@pytest.mark.parametrize("name", ["add", "multiply", "subtract", "negative", "square", "equal", "not_equal"])
def test_bound_ufuncs_are_the_kernels(name: str, dtype: Any) -> None:
    value = _values(dtype, 7, 3)
    function = getattr(gf, name)
    unary = name in ("negative", "square")
    _same_bits(
        gf.placeholder(value.dtype, value.shape), function if unary else lambda t: function(t, t), value
    )


def test_an_op_that_numpy_has_no_single_call_for_is_left_alone() -> None:
    assert bind(OPS["erf"], {}, (np.ones(3),), np.ones(3)) is None


def test_arenas_are_aligned() -> None:
    for nbytes in (1, 63, 64, 1000, 1 << 20):
        memory = BACKEND.allocate(nbytes)
        assert memory.nbytes == nbytes
        assert memory.ctypes.data % 64 == 0


def test_a_view_lies_within_its_memory() -> None:
    memory = BACKEND.allocate(128)
    for offset in (-64, 64, 128):
        with pytest.raises((TypeError, ValueError)):
            BACKEND.view(memory, offset, np.dtype("f8"), (9,))
    memory[...] = 0
    BACKEND.view(memory, 64, np.dtype("u1"), (64,))[...] = 1
    assert memory.tolist() == [0] * 64 + [1] * 64


def test_the_host_is_listed_with_its_blas() -> None:
    row = gf.list_devices()[0]
    assert row.name == "cpu:0"
    assert row.memory_nbytes is None or row.memory_nbytes > 1 << 28
    assert len(row.libraries) >= 1
    assert all(text.endswith("1 thread") for text in row.libraries)
    assert row.libraries[0] in str(row)


# --- one thread for BLAS --------------------------------------------------------------------------


class Library:
    """What threadpoolctl gives for a library; told: every thread count that was set."""

    internal_api = "blis"

    def __init__(self, threads: int = 4) -> None:
        self.threads = threads
        self.told: list[int] = []

    def get_num_threads(self) -> int:
        return self.threads

    def set_num_threads(self, n: int) -> None:
        self.told.append(n)
        self.threads = n


def test_threads_are_limited_inside_and_restored() -> None:
    library = Library()
    with SequentialBlas(lambda: [library]):
        assert library.threads == 1
    assert (library.threads, library.told) == (4, [1, 4])


def test_threads_are_restored_after_an_error() -> None:
    library = Library()
    with pytest.raises(ZeroDivisionError), SequentialBlas(lambda: [library]):
        raise ZeroDivisionError
    assert library.threads == 4


def test_a_library_with_one_thread_is_told_nothing() -> None:
    library = Library(threads=1)
    with SequentialBlas(lambda: [library]):
        pass
    assert library.told == []


def test_the_last_of_overlapping_blocks_restores() -> None:
    library, inside, leave = Library(), threading.Event(), threading.Event()
    sequential = SequentialBlas(lambda: [library])

    def other() -> None:
        with sequential:
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=other)
    with sequential:
        thread.start()
        assert inside.wait(10)
    assert library.threads == 1
    leave.set()
    thread.join()
    assert (library.threads, library.told) == (4, [1, 4])


def test_blocks_nest() -> None:
    library = Library()
    sequential = SequentialBlas(lambda: [library])
    with sequential, sequential:
        assert library.threads == 1
    assert library.told == [1, 4]


@pytest.mark.parametrize(("prefix", "suffix"), [("", ""), ("scipy_", "64_"), ("", "_64")])
def test_openblas_is_told_directly(prefix: str, suffix: str) -> None:
    told: list[int] = []
    functions = {
        f"{prefix}openblas_get_num_threads{suffix}": lambda: 8,
        f"{prefix}openblas_set_num_threads{suffix}": told.append,
    }
    library = types.SimpleNamespace(internal_api="openblas", dynlib=types.SimpleNamespace(**functions))
    with SequentialBlas(lambda: [library]):
        pass
    assert told == [1, 8]


def test_openblas_of_a_strange_build_is_told_by_threadpoolctl() -> None:
    library = Library()
    library.internal_api = "openblas"
    library.dynlib = types.SimpleNamespace()  # type: ignore[attr-defined]
    with SequentialBlas(lambda: [library]):
        pass
    assert library.told == [1, 4]


def test_numpy_s_own_blas_is_sequential_inside() -> None:
    before = [c.get_num_threads() for c in numpy_blas()]
    with SEQUENTIAL_BLAS:
        assert all(c.get_num_threads() == 1 for c in numpy_blas())
    assert [c.get_num_threads() for c in numpy_blas()] == before


def test_only_programs_with_products_ask_for_it() -> None:
    x = gf.placeholder("float32", (3, 3))
    session = gf.Session()
    plain = session.plan(gf.exp(x)).program
    product = session.plan(gf.matmul(x, x)).program
    inner = session.plan(gf.cond(gf.sum(x) > 0, lambda: gf.matmul(x, x), lambda: x)).program
    assert BACKEND.scope(plain) is None
    assert BACKEND.scope(product) is SEQUENTIAL_BLAS
    assert BACKEND.scope(inner) is SEQUENTIAL_BLAS
    assert has_trait(inner, Trait.BLAS)
    assert not has_trait(plain, Trait.BLAS)
