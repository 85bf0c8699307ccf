"""Products of matrices on the CPU: split by sizes alone, shared by threads, equal in every bit whatever their number."""

from __future__ import annotations

import threading
import time
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import graphflow as gf
from graphflow.backends.base import THREADS
from graphflow.backends.numpy import blas, workers
from graphflow.backends.numpy.blas import bind_matmul
from graphflow.backends.numpy.threads import SEQUENTIAL_BLAS
from graphflow.backends.numpy.workers import run_pieces
from graphflow.ops import product_panels
from graphflow.ops.product_panels import TILE


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Split products that take no time; NumPy's BLAS."""
    monkeypatch.setattr(product_panels, "SPLIT_FLOPS", 1)
    monkeypatch.setattr(product_panels, "TILE", 8)
    monkeypatch.setattr(blas, "mkl", lambda: None)
    monkeypatch.setattr(workers, "cores", lambda: 4)


def _drawn(*shape: int, dtype: Any = "float32") -> Any:
    return (np.random.default_rng(sum(shape)).standard_normal(shape) * 9).astype(dtype)


def _pieces(call: Any) -> list[Any]:
    function, arguments = call
    return list(arguments[0]) if function is run_pieces else [call]


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "int32"])
@pytest.mark.parametrize(
    ("a", "b", "count"),
    [
        ((7, 5), (5, 9), 1),
        ((16, 5), (5, 9), 2),
        ((17, 5), (5, 33), 8),
        ((1, 40), (40, 64), 8),
        ((64, 3), (3, 1), 8),
        ((3, 8, 4), (4, 8), 4),
        ((5, 8, 4), (5, 4, 9), 5),
        ((8, 4), (6, 4, 9), 6),
        ((2, 3, 8, 4), (3, 4, 9), 2),
        ((2, 1, 8, 4), (1, 3, 4, 9), 2),
        ((1, 8, 4), (1, 4, 9), 1),
    ],
)
def test_pieces_make_the_product(a: Any, b: Any, count: int, dtype: str) -> None:
    x, y = _drawn(*a, dtype=dtype), _drawn(*b, dtype=dtype)
    out = np.full(np.matmul(x, y).shape, 99, dtype)
    call = bind_matmul((x, y), out)
    assert call is not None
    assert len(_pieces(call)) == count
    function, arguments = call
    function(*arguments)
    np.testing.assert_allclose(out, np.matmul(x, y), rtol=1e-4, atol=1e-3)


def test_views_are_split_too() -> None:
    x, y = _drawn(20, 40).T[::2], _drawn(40, 20)[::-1, ::2]
    out = np.empty((20, 10), np.float32)
    function, arguments = bind_matmul((x, y[:20]), out)  # type: ignore[misc]
    function(*arguments)
    np.testing.assert_allclose(out, x @ y[:20], rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(
    ("a", "b"),
    [(_drawn(4), _drawn(4, 2)), (_drawn(3, 4), _drawn(4)), (np.ones((2, 2), np.float16),) * 2],
    ids=["vector", "vector right", "half"],
)
def test_what_is_left_to_the_kernel(a: Any, b: Any) -> None:
    assert bind_matmul((a, b), np.zeros(np.matmul(a, b).shape, a.dtype)) is None


@pytest.mark.parametrize("dtype", ["float16", ml_dtypes.bfloat16], ids=["float16", "bfloat16"])
def test_half_products_are_the_kernel_s(dtype: Any) -> None:
    a, b = _drawn(9, 30).astype(dtype), _drawn(30, 4).astype(dtype)
    x, y = gf.placeholder(a.dtype, a.shape), gf.placeholder(b.dtype, b.shape)
    expected = (a.astype("float32") @ b.astype("float32")).astype(dtype)
    assert gf.Session().run(gf.matmul(x, y), {x: a, y: b}).tobytes() == expected.tobytes()


def test_bits_do_not_depend_on_the_number_of_threads() -> None:
    a, b = _drawn(100, 300), _drawn(300, 70)
    seen = set()
    for threads in (1, 2, 3, None):
        token = THREADS.set(threads)
        out = np.empty((100, 70), np.float32)
        with SEQUENTIAL_BLAS:
            function, arguments = bind_matmul((a, b), out)  # type: ignore[misc]
            function(*arguments)
        THREADS.reset(token)
        seen.add(out.tobytes())
    assert len(seen) == 1


def test_a_fed_array_has_the_bits_of_a_copied_one() -> None:
    a, b = _drawn(100, 70), _drawn(70, 30)
    x = gf.placeholder("float32", (None, 70))
    product = gf.matmul(x, gf.constant(b))
    large = gf.Session().run(product, {x: a})  # by reference
    variable = gf.Variable(a)
    session = gf.Session()
    session.run(gf.global_variables_initializer())
    assert session.run(gf.matmul(variable, gf.constant(b))).tobytes() == large.tobytes()


def test_tiles_are_as_large_as_packing_asks() -> None:
    assert TILE == 512
    assert [list(product_panels.bounds(n)) for n in (1, 15, 16, 25)] == [
        [(0, 1)],
        [(0, 15)],
        [(0, 8), (8, 16)],
        [(0, 6), (6, 12), (12, 18), (18, 25)],
    ]


# --- workers --------------------------------------------------------------------------------------


def test_every_piece_runs_once() -> None:
    done: list[int] = []
    run_pieces([(done.append, (i,)) for i in range(200)])
    assert sorted(done) == list(range(200))


def test_pieces_run_side_by_side() -> None:
    barrier = threading.Barrier(2, timeout=10)
    run_pieces([(barrier.wait, ()), (barrier.wait, ())])


def test_one_thread_is_the_caller_s() -> None:
    token = THREADS.set(1)
    seen: list[int] = []
    run_pieces([(lambda: seen.append(threading.get_ident()), ())] * 5)
    THREADS.reset(token)
    assert set(seen) == {threading.get_ident()}


@pytest.mark.parametrize("error", [ValueError("piece"), KeyboardInterrupt()], ids=["error", "interrupt"])
def test_nothing_is_written_once_an_error_is_out(error: BaseException) -> None:
    done: list[int] = []

    def fail() -> None:
        raise error

    def slow(i: int) -> None:
        time.sleep(0.01)
        done.append(i)

    with pytest.raises(type(error)):
        run_pieces([(slow, (0,)), (fail, ()), *[(slow, (i,)) for i in range(1, 300)]])
    count = len(done)
    assert count < 20
    time.sleep(0.05)
    assert len(done) == count


def test_workers_have_the_caller_s_error_state() -> None:
    seen: list[Any] = []
    both = threading.Barrier(2, timeout=10)

    def look() -> None:
        both.wait()
        seen.append(np.geterr()["invalid"])

    with np.errstate(invalid="ignore"):
        run_pieces([(look, ())] * 2)
    assert seen == ["ignore"] * 2


def test_a_worker_that_never_begins_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def submit(self, *args: Any) -> Any:
            from concurrent.futures import Future

            return Future()

    monkeypatch.setattr(workers, "_workers", Full)
    done: list[int] = []
    run_pieces([(done.append, (i,)) for i in range(10)])
    assert done == list(range(10))


def test_runs_inside_workers_do_not_deadlock() -> None:
    done: list[int] = []

    def outer() -> None:
        run_pieces([(done.append, (1,))] * 10)

    run_pieces([(outer, ())] * 20)
    assert len(done) == 200
