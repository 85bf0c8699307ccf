"""NumPy's functions on tensors: the right node, or an error that names the function and the argument."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphflow as gf
from graphflow.errors import ArgumentError, DTypeError
from graphflow.op import F
from graphflow.ops import numpy_protocol

A = np.random.default_rng(0).uniform(0.2, 0.9, (3, 4))
B = np.random.default_rng(1).uniform(0.2, 0.9, (3, 4))
INTS = np.array([[5, -3, 7, 2], [1, 6, -8, 4], [2, 2, 9, 3]])


def run(y: Any, feeds: Any) -> Any:
    return gf.Session().run(y, feeds)


# --- ufuncs ---------------------------------------------------------------------------------------


def _operands(ufunc: np.ufunc) -> list[Any]:
    name = ufunc.__name__
    if name.startswith("logical"):
        return [A > 0.5, B > 0.5][: ufunc.nin]
    if name.startswith("bitwise") or name in ("invert", "left_shift", "right_shift"):
        return [INTS, np.abs(INTS)][: ufunc.nin]
    if name == "matmul":
        return [A, B.T]
    return [A + 1, B][: ufunc.nin] if name == "arccosh" else [A, B][: ufunc.nin]


@pytest.mark.parametrize("ufunc", [*numpy_protocol.UFUNCS, np.divmod], ids=lambda u: u.__name__)
def test_a_ufunc_builds_the_node_of_its_value(ufunc: np.ufunc) -> None:
    arrays = _operands(ufunc)
    tensors = [gf.placeholder(x.dtype, x.shape) for x in arrays]
    feeds = dict(zip(tensors, arrays, strict=True))
    expected = ufunc(*arrays)
    for inputs in (tensors, [tensors[0], *arrays[1:]], [*arrays[:-1], tensors[-1]]):
        y = ufunc(*inputs)
        values = run(
            list(y) if isinstance(y, tuple) else [y],
            {t: v for t, v in feeds.items() if any(t is i for i in inputs)},
        )
        for got, want in zip(values, expected if isinstance(expected, tuple) else (expected,), strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-13)


@pytest.mark.parametrize(
    "target", sorted({*numpy_protocol.UFUNCS.values(), *numpy_protocol.REDUCTIONS.values()})
)
def test_every_target_is_a_public_function(target: str) -> None:
    assert callable(F.table[target])


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"where": np.array([True])}, "where="),
        ({"casting": "unsafe"}, "casting='unsafe'"),
        ({"dtype": "float64"}, "dtype='float64'"),
        ({"order": "F"}, "order='F'"),
        ({"subok": False}, "subok=False"),
        ({"signature": "dd->d"}, "signature="),
    ],
)
def test_arguments_for_arrays_are_refused_by_name(options: Any, text: str) -> None:
    x = gf.placeholder("float32", (1,))
    with pytest.raises(DTypeError, match=f"np.add: the argument {text}"):
        np.add(x, 1.0, **options)


def test_a_tensor_is_not_written_into_an_array() -> None:
    x = gf.placeholder("float64", (3, 4))
    array = A.copy()
    with pytest.raises(DTypeError, match=r"np.add cannot write a tensor into an array"):
        array += x
    with pytest.raises(DTypeError, match="cannot write a tensor into an array"):
        np.multiply(A, x, out=array)
    with pytest.raises(DTypeError, match=r"np.sum: the argument out="):
        np.sum(x, out=array)
    np.testing.assert_array_equal(array, A)


def test_arrays_on_the_left_and_numpy_scalars_are_strong() -> None:
    x = gf.placeholder("float32", (3, 4))
    for y in (
        A + x,
        A * x,
        A / x,
        A - x,
        A**x,
        A @ gf.matrix_transpose(x),
        np.float64(2) * x,
        np.equal(A, x),
        np.less(A, x),
    ):
        assert isinstance(y, gf.Tensor)
    assert (A + x).dtype == np.float64
    assert (np.float64(2) + x).dtype == np.float64
    assert (np.float32(2) + x).dtype == np.float32
    np.testing.assert_allclose(run(A - x, {x: B}), A - B.astype("f4"), rtol=1e-6)


@pytest.mark.parametrize("name", ["heaviside", "gcd", "ldexp", "modf", "spacing"])
def test_a_ufunc_without_a_counterpart_says_so(name: str) -> None:
    ufunc = getattr(np, name)
    x = gf.placeholder("float32", ())
    with pytest.raises(DTypeError, match=f"np.{name} has no graphflow counterpart; use np.asarray"):
        ufunc(*[x] * ufunc.nin)


@pytest.mark.parametrize("method", ["accumulate", "outer", "at", "reduceat"])
def test_methods_of_ufuncs_other_than_reduce(method: str) -> None:
    x = gf.placeholder("float32", (3,))
    arguments = {"accumulate": (x,), "outer": (x, x), "at": (x, [0], 1.0), "reduceat": (x, [0])}[method]
    with pytest.raises(DTypeError, match=f"np.add.{method} has no graphflow counterpart"):
        getattr(np.add, method)(*arguments)


@pytest.mark.parametrize("ufunc", list(numpy_protocol.REDUCTIONS), ids=lambda u: u.__name__)
def test_reduce_folds_the_first_axis_unless_told(ufunc: np.ufunc) -> None:
    value = A > 0.5 if ufunc.__name__.startswith("logical") else A
    x = gf.placeholder(value.dtype, value.shape)
    for options in ({}, {"axis": 1}, {"axis": None}, {"axis": (0, 1), "keepdims": True}):
        np.testing.assert_allclose(
            run(ufunc.reduce(x, **options), {x: value}), ufunc.reduce(value, **options), rtol=1e-14
        )
    with pytest.raises(DTypeError, match="reduce: the argument initial=1"):
        ufunc.reduce(x, initial=1)


# --- functions ------------------------------------------------------------------------------------

CALLS: dict[str, Callable[[Any], Any]] = {
    "sum": lambda x: np.sum(x, 0),
    "sum-keepdims": lambda x: np.sum(x, axis=(0, 1), keepdims=True),
    "sum-dtype": lambda x: np.sum(x, dtype="float64"),
    "prod": lambda x: np.prod(x, 1),
    "mean": lambda x: np.mean(x, axis=-1),
    "var": lambda x: np.var(x, 0, ddof=1),
    "std": lambda x: np.std(x, axis=1, correction=1),
    "max": lambda x: np.max(x, 0),
    "amax": lambda x: np.amax(x),
    "min": lambda x: np.min(x, axis=1, keepdims=True),
    "amin": lambda x: np.amin(x, 1),
    "any": lambda x: np.any(x > 0.8, 0),
    "all": lambda x: np.all(x > 0.1),
    "argmax": lambda x: np.argmax(x, 1),
    "argmin": lambda x: np.argmin(x),
    "count_nonzero": lambda x: np.count_nonzero(x > 0.5, axis=0),
    "cumsum": lambda x: np.cumsum(x, 1),
    "cumsum-flat": lambda x: np.cumsum(x),
    "cumprod": lambda x: np.cumprod(x, axis=0),
    "reshape": lambda x: np.reshape(x, (4, -1)),
    "ravel": np.ravel,
    "transpose": np.transpose,
    "transpose-axes": lambda x: np.transpose(x, (1, 0)),
    "matrix_transpose": np.matrix_transpose,
    "swapaxes": lambda x: np.swapaxes(x, 0, 1),
    "moveaxis": lambda x: np.moveaxis(x, 0, -1),
    "expand_dims": lambda x: np.expand_dims(x, 1),
    "squeeze": lambda x: np.squeeze(x[:1]),
    "squeeze-axis": lambda x: np.squeeze(x[:, :1], axis=1),
    "broadcast_to": lambda x: np.broadcast_to(x, (2, 3, 4)),
    "broadcast_arrays": lambda x: np.broadcast_arrays(x, x[0]),
    "flip": lambda x: np.flip(x, 1),
    "flip-all": np.flip,
    "roll": lambda x: np.roll(x, 2, axis=1),
    "roll-flat": lambda x: np.roll(x, -1),
    "tile": lambda x: np.tile(x, (2, 1)),
    "repeat": lambda x: np.repeat(x, 2, axis=0),
    "pad": lambda x: np.pad(x, ((1, 0), (0, 2)), constant_values=7.0),
    "pad-reflect": lambda x: np.pad(x, 1, mode="reflect"),
    "concatenate": lambda x: np.concatenate([x, x * 2], axis=1),
    "concatenate-flat": lambda x: np.concatenate((x, x[0]), axis=None),
    "stack": lambda x: np.stack([x, x], axis=1),
    "unstack": lambda x: np.unstack(x, axis=1),
    "split": lambda x: np.split(x, 2, axis=1),
    "split-at": lambda x: np.split(x, [1, 3, 9], axis=1),
    "split-at-negative": lambda x: np.split(x, [-1]),
    "where": lambda x: np.where(x > 0.5, x, -1.0),
    "clip": lambda x: np.clip(x, 0.3, 0.6),
    "clip-keywords": lambda x: np.clip(x, min=0.3),
    "take": lambda x: np.take(x, [2, 0], axis=1),
    "take-flat": lambda x: np.take(x, [11, 3]),
    "take_along_axis": lambda x: np.take_along_axis(x, np.array([[0], [3], [1]]), axis=1),
    "tril": lambda x: np.tril(x, -1),
    "triu": lambda x: np.triu(x, 1),
    "dot": lambda x: np.dot(x, x[0]),
    "dot-high": lambda x: np.dot(x[None], x[None].transpose(0, 2, 1)),
    "dot-scalar": lambda x: np.dot(x, 3.0),
    "outer": lambda x: np.outer(x[0], x),
    "tensordot": lambda x: np.tensordot(x, x, axes=([0], [0])),
    "einsum": lambda x: np.einsum("ij,kj->ik", x, x),
    "trace": lambda x: np.trace(x, 1),
    "diagonal": lambda x: np.diagonal(x, -1),
    "norm": lambda x: np.linalg.norm(x, axis=1),
    "zeros_like": lambda x: np.zeros_like(x, dtype="int32"),
    "ones_like": np.ones_like,
    "full_like": lambda x: np.full_like(x, 2.5),
    "copy": np.copy,
    "astype": lambda x: np.astype(x, np.float32),
    "round": np.round,
    "around": lambda x: np.around(x * 1000, -2),
    "round-decimals": lambda x: np.round(x, 2),
    "real": np.real,
    "imag": np.imag,
    "angle": lambda x: np.angle(x * 1j, deg=True),
    "matmul": lambda x: np.matmul(x, x.T),
}


@pytest.mark.parametrize("name", list(CALLS))
def test_a_function_gives_numpys_value(name: str) -> None:
    x = gf.placeholder("float64", A.shape)
    y, expected = CALLS[name](x), CALLS[name](A)
    tensors = list(y) if isinstance(y, (tuple, list)) else [y]
    wanted = list(expected) if isinstance(expected, (tuple, list)) else [expected]
    assert all(isinstance(t, gf.Tensor) for t in tensors)
    assert len(tensors) == len(wanted)
    for got, want in zip(run(tensors, {x: A}), wanted, strict=True):
        assert np.shape(got) == np.shape(want)
        np.testing.assert_allclose(got, want, rtol=1e-6)


ORDER: dict[str, Callable[[Any], Any]] = {
    "sort": lambda x: np.sort(x, axis=0),
    "sort-flat": lambda x: np.sort(x, axis=None, kind="stable"),
    "argsort": lambda x: np.argsort(x, stable=True),
    "argsort-flat": lambda x: np.argsort(x, axis=None),
    "searchsorted": lambda x: np.searchsorted(np.array([0.3, 0.5, 0.8]), x, side="right"),
    "digitize": lambda x: np.digitize(x, np.array([0.3, 0.6])),
    "nonzero": lambda x: np.nonzero(x > 0.5),
    "where-alone": lambda x: np.where(x > 0.5),
    "flatnonzero": lambda x: np.flatnonzero(x > 0.5),
    "argwhere": lambda x: np.argwhere(x > 0.5),
    "isin": lambda x: np.isin(np.round(x, 1), [0.5, 0.7]),
    "isin-invert": lambda x: np.isin(np.round(x, 1), [0.5, 0.7], invert=True),
    "unique_values": lambda x: np.unique_values(np.round(x, 1)),
    "unique_counts": lambda x: np.unique_counts(np.round(x, 1)),
    "unique_inverse": lambda x: np.unique_inverse(np.round(x, 1)),
    "unique_all": lambda x: np.unique_all(np.round(x, 1)),
    "cumulative_sum": lambda x: np.cumulative_sum(x, axis=1, include_initial=True),
    "cumulative_prod": lambda x: np.cumulative_prod(x, axis=0),
    "diff": lambda x: np.diff(x),
    "diff-ends": lambda x: np.diff(x, axis=0, prepend=0.0, append=x[:1]),
}


@pytest.mark.parametrize("name", list(ORDER))
def test_what_sorts_and_searches_gives_numpys_value(name: str) -> None:
    x = gf.placeholder("float64", A.shape)
    y, expected = ORDER[name](x), ORDER[name](A)
    tensors = list(y) if isinstance(y, tuple) else [y]
    wanted = list(expected) if isinstance(expected, tuple) else [expected]
    assert len(tensors) == len(wanted)
    for got, want in zip(run(tensors, {x: A}), wanted, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-12)


def test_a_copy_is_a_tensor_of_its_own() -> None:
    x = gf.constant(A)
    y = np.copy(x)
    y[0] = 0.0
    np.testing.assert_array_equal(run(x, {}), A)
    assert np.asarray(y)[0].tolist() == [0.0] * 4


def test_where_takes_both_or_neither() -> None:
    x = gf.placeholder("float64", A.shape)
    with pytest.raises(gf.errors.DTypeError, match="needs both x and y, or neither"):
        np.where(x > 0.5, x)


def test_questions_about_types_are_answered_at_once() -> None:
    x = gf.placeholder("float32", (3, None))
    assert np.ndim(x) == 2
    assert np.shape(x) == (3, None)
    assert np.size(x) is None
    assert np.size(x, 0) == 3
    assert not np.iscomplexobj(x)
    assert np.isrealobj(x)
    assert np.result_type(x, np.float64) == np.float64
    assert len(gf.get_default_graph()) == 1


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda x: np.sum(x, where=[True]), r"np.sum: the argument where="),
        (lambda x: np.sum(x, initial=3), r"np.sum: the argument initial=3"),
        (lambda x: np.max(x, initial=3), r"np.max: the argument initial=3"),
        (lambda x: np.mean(x, where=False), r"np.mean: the argument where=False"),
        (lambda x: np.reshape(x, (-1,), order="F"), r"np.reshape: the argument order='F'"),
        (lambda x: np.take(x, [0], axis=0, mode="clip"), r"np.take: the argument mode='clip'"),
        (lambda x: np.concatenate([x, x], out=A), r"np.concatenate: the argument out="),
        (lambda x: np.zeros_like(x, shape=(2,)), r"np.zeros_like: the argument shape=\(2,\)"),
        (lambda x: np.pad(x, 1, mode="linear_ramp", end_values=3), r"np.pad: the argument end_values=3"),
        (lambda x: np.einsum("ij->i", x, casting="no"), r"np.einsum: the argument casting='no'"),
        (lambda x: np.clip(x, 0, 1, out=A), r"np.clip: the argument out="),
    ],
)
def test_what_has_no_meaning_for_a_tensor_is_refused_by_name(call: Any, text: str) -> None:
    with pytest.raises(DTypeError, match=text):
        call(gf.placeholder("float64", A.shape))


@pytest.mark.parametrize("function", [np.packbits, np.poly, np.lexsort, np.linalg.tensorinv, np.fft.hfft])
def test_a_function_without_a_counterpart_says_so(function: Any) -> None:
    x = gf.placeholder("float64", (3, 3))
    with pytest.raises(DTypeError, match=f"np.{function.__name__} has no graphflow counterpart"):
        function(x)


def test_splitting_at_indices_needs_a_known_size() -> None:
    x = gf.placeholder("float64", (None, 2))
    with pytest.raises(ArgumentError, match=r"np.split: the size of the axis must be known"):
        np.split(x, [1])
    with pytest.raises(ArgumentError, match="must not decrease"):
        np.split(gf.placeholder("float64", (5,)), [3, 1])


# --- conversion -----------------------------------------------------------------------------------


def test_asarray_runs_what_needs_no_feed() -> None:
    y = gf.constant([1.0, 2.0]) * 3
    value = np.asarray(y)
    assert value.dtype == np.float32
    np.testing.assert_array_equal(value, [3, 6])
    assert np.asarray(y, dtype=np.float64).dtype == np.float64
    with pytest.raises(gf.errors.GraphError, match="copy=False"):
        np.asarray(y, copy=False)


def test_asarray_of_what_must_be_fed_names_the_placeholder() -> None:
    x = gf.placeholder("float32", (2,), name="images")
    with pytest.raises(gf.errors.GraphflowError, match="images"):
        np.asarray(x + 1)


def test_no_object_array_ever_comes_out() -> None:
    x = gf.placeholder("float32", (2,))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        makers: list[Callable[[], Any]] = [
            lambda: np.ones(2) + x,
            lambda: np.ones(2, object) + x,
            lambda: np.array([1, 2]) @ x,
        ]
        for make in makers:
            try:
                y = make()
            except gf.errors.GraphflowError:
                continue
            assert isinstance(y, gf.Tensor)


def test_array_namespace_is_the_package() -> None:
    x = gf.placeholder("float32", (2,))
    assert x.__array_namespace__() is gf
    assert x.__array_namespace__(api_version="2023.12") is gf
    with pytest.raises(ArgumentError, match=r"'2031.12' is not known"):
        x.__array_namespace__(api_version="2031.12")
