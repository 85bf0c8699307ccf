"""Creation functions and `asarray` on drawn arguments: the standard's dtypes, NumPy's values."""

from __future__ import annotations

import array
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphflow as gf
from graphflow.errors import ArgumentError, DTypeError, ShapeError
from tests.array_api.drawn import check, dtypes, in_a_new_graph, value, xps

SHAPES = xps.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
DTYPES = st.none() | dtypes("any")


@settings(max_examples=21)
@given(st.data())
@in_a_new_graph
def test_zeros_ones_empty_and_full(data: st.DataObject) -> None:
    shape, dtype = data.draw(SHAPES | st.integers(0, 5)), data.draw(DTYPES)
    own = np.dtype(dtype or "float32")
    check(gf.zeros(shape, dtype=dtype), np.zeros(shape, own))
    check(gf.ones(shape, dtype=dtype), np.ones(shape, own))
    assert gf.empty(shape, dtype=dtype).dtype == own
    fill = data.draw(xps.from_dtype(own))
    wanted = np.full(shape, fill, own if dtype or not isinstance(fill, float) else np.float32)
    check(gf.full(shape, fill, dtype=dtype), wanted)


@settings(max_examples=17)
@given(st.data())
@in_a_new_graph
def test_what_is_like_another(data: st.DataObject) -> None:
    x, dtype = data.draw(xps.arrays(data.draw(dtypes("any")), SHAPES)), data.draw(DTYPES)
    own = np.dtype(dtype or x.dtype)
    check(gf.zeros_like(x, dtype=dtype), np.zeros(x.shape, own))
    check(gf.ones_like(x, dtype=dtype), np.ones(x.shape, own))
    empty = gf.empty_like(x, dtype=dtype)
    assert (empty.dtype, empty.shape) == (own, x.shape)
    fill = data.draw(xps.from_dtype(own))
    check(gf.full_like(x, fill, dtype=dtype), np.full(x.shape, fill, own))


@pytest.mark.parametrize(
    ("fill", "dtype"), [(True, "bool"), (3, "int64"), (2.5, "float32"), (1j, "complex64")]
)
def test_full_takes_the_kind_of_its_number(fill: Any, dtype: str) -> None:
    assert gf.full((2, 3), fill).dtype.name == dtype
    assert np.asarray(gf.full((), fill)).tolist() == fill


@settings(max_examples=21)
@given(st.data())
@in_a_new_graph
def test_arange_of_integers(data: st.DataObject) -> None:
    start, stop = data.draw(st.integers(-100, 100)), data.draw(st.none() | st.integers(-100, 100))
    step = data.draw(st.integers(-9, 9).filter(bool))
    dtype = data.draw(st.none() | st.sampled_from(["int16", "int32", "int64", "float32", "float64"]))
    wanted = np.arange(*((start,) if stop is None else (start, stop)), step=step).astype(dtype or "int64")
    check(gf.arange(start, stop, step, dtype=dtype), wanted)


@pytest.mark.parametrize(
    ("bounds", "dtype"),
    [
        ((2**63 - 3, 2**63 - 1, 5), "int64"),
        ((2**63 - 1, 2**63 - 10, -3), "int64"),
        ((-(2**63), 2**63 - 1, 2**62), "int64"),
        ((-(2**63) + 3, -(2**63), -2), "int64"),
        ((2**64 - 10, 2**64 - 1, 8), "uint64"),
        ((2**64 - 1, 2**64 - 5, -1), "uint64"),
        ((0, 5, 2**70), "int64"),
        ((250, 256, 3), "uint8"),
    ],
)
def test_arange_right_up_to_the_limits_of_its_type(bounds: tuple[int, int, int], dtype: str) -> None:
    assert value(gf.arange(*bounds, dtype=dtype)).tolist() == list(range(*bounds))
    limits = np.iinfo(dtype)
    if all(limits.min <= bound <= limits.max for bound in bounds):
        ends = [gf.placeholder(dtype, ()) for _ in bounds]
        found = gf.Session().run(gf.arange(*ends), dict(zip(ends, bounds, strict=True)))
        assert (found.dtype, found.tolist()) == (limits.dtype, list(range(*bounds)))


@settings(max_examples=21)
@given(st.data())
@in_a_new_graph
def test_arange_of_floats(data: st.DataObject) -> None:
    start, stop = data.draw(st.floats(-10, 10)), data.draw(st.floats(-10, 10))
    step = data.draw(st.floats(0.1, 5)) * data.draw(st.sampled_from([-1, 1]))
    found = value(gf.arange(start, stop, step, dtype=gf.float64))
    assert found.shape == (max(0, math.ceil((stop - start) / step)),)
    np.testing.assert_allclose(found, start + step * np.arange(len(found)), rtol=1e-12, atol=1e-12)


@settings(max_examples=21)
@given(st.data())
@in_a_new_graph
def test_linspace(data: st.DataObject) -> None:
    numbers = st.floats(-1e3, 1e3, width=32) | st.integers(-1000, 1000)
    start, stop, num = data.draw(numbers), data.draw(numbers), data.draw(st.integers(0, 20))
    dtype, endpoint = data.draw(st.none() | dtypes("float")), data.draw(st.booleans())
    found = value(gf.linspace(start, stop, num, dtype=dtype, endpoint=endpoint))
    wanted = np.linspace(start, stop, num, dtype=dtype or "float32", endpoint=endpoint)
    assert found.dtype == wanted.dtype
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-3 * float(np.finfo(found.dtype).eps) ** 0.5)
    if num:
        assert found[0] == found.dtype.type(start)
        assert num == 1 or not endpoint or found[-1] == found.dtype.type(stop)


@settings(max_examples=17)
@given(st.data())
@in_a_new_graph
def test_eye(data: st.DataObject) -> None:
    rows, cols = data.draw(st.integers(0, 6)), data.draw(st.none() | st.integers(0, 6))
    k, dtype = data.draw(st.integers(-8, 8)), data.draw(st.none() | dtypes("any"))
    check(gf.eye(rows, cols, k=k, dtype=dtype), np.eye(rows, cols, k=k, dtype=dtype or "float32"))


@settings(max_examples=14)
@given(st.data())
@in_a_new_graph
def test_triangles_and_grids(data: st.DataObject) -> None:
    dtype, k = data.draw(dtypes("any")), data.draw(st.integers(-4, 4))
    x = data.draw(xps.arrays(dtype, xps.array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=3)))
    check(gf.tril(x, k=k), np.tril(value(x), k=k))
    check(gf.triu(x, k=k), np.triu(value(x), k=k))
    lines = [data.draw(xps.arrays(dtype, st.integers(0, 3))) for _ in range(data.draw(st.integers(1, 3)))]
    indexing = data.draw(st.sampled_from(["xy", "ij"]))
    grids = np.meshgrid(*map(value, lines), indexing=indexing)
    for found, wanted in zip(gf.meshgrid(*lines, indexing=indexing), grids, strict=True):
        check(found, wanted)


# --- asarray --------------------------------------------------------------------------------------


def _nested(items: list[Any], shape: tuple[int, ...]) -> Any:
    if not shape:
        return items[0]
    size = math.prod(shape[1:])
    return [_nested(items[k * size : (k + 1) * size], shape[1:]) for k in range(shape[0])]


@settings(max_examples=21)
@given(st.data())
@in_a_new_graph
def test_asarray_of_python_numbers(data: st.DataObject) -> None:
    dtype = data.draw(dtypes("any"))
    shape = data.draw(xps.array_shapes(min_dims=0, max_dims=3, min_side=1, max_side=3))
    count = math.prod(shape)
    items = data.draw(st.lists(xps.from_dtype(dtype), min_size=count, max_size=count))
    obj = _nested(items, shape)
    check(gf.asarray(obj, dtype=dtype), np.array(items, dtype).reshape(shape))
    tuples = tuple(obj) if shape else obj
    check(gf.asarray(tuples, dtype=dtype), np.array(items, dtype).reshape(shape))


@pytest.mark.parametrize(
    ("obj", "dtype"),
    [
        *((True, "bool"), (1, "int64"), (1.0, "float32"), (1j, "complex64")),
        *(([True, False], "bool"), ([True, 2], "int64"), ([1, 2.5], "float32"), ([1, 2j], "complex64")),
        *(([[True], [2.5]], "float32"), ([], "float32")),
    ],
)
def test_the_default_dtype_is_that_of_the_widest_kind(obj: Any, dtype: str) -> None:
    assert gf.asarray(obj).dtype.name == dtype
    with gf.config.override(default_float="float64"):
        wider = {"float32": "float64", "complex64": "complex128"}.get(dtype, dtype)
        assert gf.asarray(obj).dtype.name == wider


@pytest.mark.parametrize(
    "obj",
    [
        np.arange(6.0).reshape(2, 3),
        np.arange(6, dtype="int16")[::-2],
        np.float64(2.5),
        array.array("d", [1.0, 2.0]),
        memoryview(np.arange(4, dtype="uint16")),
        bytearray(b"abc"),
        range(4),
        [np.float32(1), np.float32(2)],
        np.asfortranarray(np.arange(6).reshape(2, 3)),
        np.arange(3, dtype=">i4"),
    ],
    ids=lambda obj: type(obj).__name__,
)
def test_whatever_numpy_can_read_keeps_its_dtype(obj: Any) -> None:
    wanted = np.asarray(obj)
    check(gf.asarray(obj), wanted.astype(wanted.dtype.newbyteorder("=")))
    check(gf.asarray(obj, dtype=gf.float32), wanted.astype("float32"))


def test_a_constant_is_a_copy_of_the_array() -> None:
    source = np.ones(3)
    x = gf.asarray(source)
    source[:] = 7
    assert np.asarray(x).tolist() == [1, 1, 1]


@settings(max_examples=10)
@given(st.data())
@in_a_new_graph
def test_asarray_of_a_tensor(data: st.DataObject) -> None:
    x = data.draw(xps.arrays(data.draw(dtypes("any")), xps.array_shapes(min_dims=1, max_dims=2, max_side=3)))
    old = value(x)
    assert gf.asarray(x) is x
    assert gf.asarray(x, copy=False) is x
    assert gf.asarray(x, dtype=x.dtype, copy=False) is x
    copied, shared = gf.asarray(x, copy=True), gf.asarray(x, copy=False)
    x[(0,) * x.ndim] = data.draw(xps.from_dtype(x.dtype))
    check(copied, old)
    check(shared, value(x))
    assert shared is x


@pytest.mark.parametrize("dtype", [None, "float32", "float64", "float16", "bfloat16", "complex64"])
def test_asarray_makes_too_large_floats_infinite_where_constant_refuses_them(dtype: str | None) -> None:
    fits = dtype == "float64"
    x = gf.asarray([1e300, -1e300, 1.0], dtype=dtype)
    assert x.dtype.name == (dtype or "float32")
    assert value(x).astype(complex).real.tolist() == [1e300, -1e300, 1] if fits else [math.inf, -math.inf, 1]
    assert math.isfinite(gf.asarray(1e300, dtype=dtype).__complex__().real) == fits
    if not fits:
        for made in (lambda: gf.constant(1e300, dtype), lambda: gf.full((2,), 1e300, dtype=dtype)):
            with pytest.raises(DTypeError, match="it would overflow to infinity"):
                made()


def test_asarray_of_nests_that_hold_tensors() -> None:
    x, y = gf.asarray([1.0, 2.0]), gf.asarray([3.0, 4.0])
    check(gf.asarray([x, y]), np.array([[1, 2], [3, 4]], "float32"))
    check(gf.asarray((x[0], 5, y[1])), np.array([1, 5, 4], "float32"))
    check(gf.asarray([[x[0], 2], [3, y[1]]], dtype=gf.float64), np.array([[1, 2], [3, 4]], "float64"))
    check(gf.asarray(gf.unstack(gf.asarray([[1, 2], [3, 4]]))), np.array([[1, 2], [3, 4]]))


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda x: gf.asarray(np.ones(2), copy=False), ArgumentError, "asarray: a constant is a copy"),
        (lambda x: gf.asarray([1.0], copy=False), ArgumentError, "asarray: a constant is a copy"),
        (lambda x: gf.asarray(x, dtype="int32", copy=False), ArgumentError, "asarray: .* must be copied"),
        (lambda x: gf.asarray(x, device="gpu", copy=False), ArgumentError, "asarray: .* must be copied"),
        (lambda x: gf.asarray(x, copy="never"), ArgumentError, "asarray: copy must be True or False"),
        (lambda x: gf.asarray([[1], [1, 2]]), ShapeError, "asarray: .* no rectangular array"),
        (lambda x: gf.asarray(object()), DTypeError, "asarray: .* not an array of numbers"),
        (lambda x: gf.asarray([2**63]), DTypeError, "asarray: .* does not fit int64"),
        (lambda x: gf.asarray([2**63, 0]), DTypeError, "asarray: .* does not fit int64"),
        (lambda x: gf.asarray([300], dtype="uint8"), DTypeError, "asarray: .* does not fit uint8"),
        (lambda x: gf.asarray([1.5], dtype="int32"), DTypeError, "asarray: .* cannot become int32"),
        (lambda x: gf.asarray([1j], dtype="float32"), DTypeError, "asarray: .* complex"),
        (lambda x: gf.asarray(gf.cast(x, "complex64"), dtype="float32"), DTypeError, "complex"),
        (lambda x: gf.asarray(x, dtype="nothing"), DTypeError, "'nothing' is not a dtype"),
        (lambda x: gf.full((2,), "a"), DTypeError, "full"),
        (lambda x: gf.zeros((2, -1)), ShapeError, "zeros: .* -1 is negative"),
    ],
)
def test_what_is_no_array_is_refused(call: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        call(gf.asarray([1.0, 2.0]))


# --- DLPack ---------------------------------------------------------------------------------------


@settings(max_examples=14)
@given(st.data())
@in_a_new_graph
def test_values_go_out_and_come_in_by_dlpack(data: st.DataObject) -> None:
    x = data.draw(xps.arrays(data.draw(dtypes("any")), SHAPES))
    assert x.__dlpack_device__() == (1, 0)
    given = np.from_dlpack(x)
    np.testing.assert_array_equal(given, value(x))
    for copy in (None, True, False):
        for version in (None, (0, 8), (1, 0), (2, 0)):
            x.__dlpack__(copy=copy, max_version=version, dl_device=(1, 0))
    assert gf.from_dlpack(x) is x
    assert gf.from_dlpack(x, copy=False) is x
    assert gf.from_dlpack(x, copy=True) is not x
    check(gf.from_dlpack(value(x)), value(x))


class OnlyDLPack:
    """An array of some other library."""

    def __init__(self, array: Any) -> None:
        self.array = array

    def __dlpack__(self, **options: Any) -> Any:
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self.array.__dlpack_device__()


def test_what_speaks_only_dlpack_is_read_too() -> None:
    for make in (gf.asarray, gf.from_dlpack):
        check(make(OnlyDLPack(np.arange(3.0))), np.arange(3.0))
        check(make(OnlyDLPack(np.arange(3.0)), copy=True), np.arange(3.0))
    check(gf.asarray(OnlyDLPack(np.arange(3)), dtype="float32"), np.arange(3, dtype="float32"))


class Broken(OnlyDLPack):
    def __dlpack__(self, **options: Any) -> Any:
        raise RuntimeError("lost")


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda x: gf.from_dlpack([1.0]), DTypeError, "from_dlpack: .* has no __dlpack__; use gf.asarray"),
        (lambda x: gf.from_dlpack(np.ones(2), copy=False), BufferError, "from_dlpack: a constant is a copy"),
        (lambda x: gf.from_dlpack(x, device="gpu", copy=False), BufferError, "from_dlpack"),
        (lambda x: gf.from_dlpack(Broken(np.ones(2))), BufferError, "from_dlpack: .*lost"),
        (lambda x: gf.asarray(Broken(np.ones(2))), BufferError, "asarray: .*lost"),
        (lambda x: x.__dlpack__(stream=3), BufferError, "no stream 3"),
        (lambda x: x.__dlpack__(dl_device=(2, 0)), BufferError, r"only be given on the host"),
        (lambda x: gf.cast(x, "bfloat16").__dlpack__(), BufferError, "bfloat16"),
    ],
)
def test_an_exchange_that_cannot_be_says_so(call: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text) as caught:
        call(gf.asarray([1.0, 2.0]))
    assert isinstance(caught.value, gf.errors.GraphflowError)


def test_a_capsule_owns_its_bytes() -> None:
    x = gf.asarray([1.0, 2.0])
    taken = np.from_dlpack(x)
    assert float(gf.sum(x)) == 3.0
    np.testing.assert_array_equal(taken, [1.0, 2.0])
    assert np.asarray(x) is not np.asarray(x)
    first = np.asarray(x)
    first[0] = 9.0
    assert float(x[0]) == 1.0
