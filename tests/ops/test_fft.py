"""Fourier and cosine transforms, windows, frames, convolutions: bad input, and what the samples cannot say."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
import scipy.fft

import graphflow as gf
from graphflow.errors import ArgumentError, DTypeError, ShapeError
from graphflow.op import OPS, F
from graphflow.ops import fft, fft_convolve, fft_cosine, fft_frames, fft_shift, fft_stft, fft_windows
from graphflow.ops.fft_kernels import spectrum
from graphflow.ops.numpy_settings import kernel_settings
from graphflow.types import TensorType
from tests.ops.refused import Refused, check_bound, check_built, floats, ids

VECTOR = ((4,),)
TWO = ((4,), (3,))
NAN = float("nan")


def _complex(*shape: int) -> Any:
    rng = np.random.default_rng(0)
    return rng.standard_normal(shape) + 1j * rng.standard_normal(shape)


BUILD = [
    Refused(fft.fft, ShapeError, ("fft", "scalar"), ((),)),
    Refused(fft.fft, ShapeError, ("fft", "at least one point", "axis 1"), ((3, 0),)),
    Refused(lambda x: fft.fft(x, 0), ShapeError, ("fft", "n", "at least 1", "0"), VECTOR),
    Refused(lambda x: fft.fft(x, -3), ShapeError, ("fft", "n", "-3"), VECTOR),
    Refused(lambda x: fft.fft(x, 2.0), ShapeError, ("fft", "n", "2.0"), VECTOR),
    Refused(lambda x: fft.fft(x, (2, 3)), ShapeError, ("fft", "n", "(2, 3)"), VECTOR),
    Refused(lambda x: fft.fft(x, axis=1), ArgumentError, ("fft", "axis 1"), VECTOR),
    Refused(lambda x: fft.fft(x, axis=None), ArgumentError, ("fft", "axis", "None"), VECTOR),
    Refused(lambda x: fft.ifft(x, norm="no"), ArgumentError, ("ifft", "norm", "'no'"), VECTOR),
    Refused(lambda x: fft.fft(x, norm=2), ArgumentError, ("fft", "norm", "2"), VECTOR),
    Refused(lambda x: fft.fft(x, 2**63), ShapeError, ("2^63",), VECTOR),
    Refused(lambda x: fft.fftn(x, axes=(0, 0)), ArgumentError, ("fft", "twice"), VECTOR),
    Refused(lambda x: fft.fftn(x, axes=()), ArgumentError, ("fft", "at least one axis"), VECTOR),
    Refused(lambda x: fft.fftn(x, (2, 2), (0,)), ArgumentError, ("fftn", "2 sizes", "1 axes"), VECTOR),
    Refused(lambda x: fft.fftn(x, (2, 2)), ArgumentError, ("fft", "axis -2"), VECTOR),
    Refused(lambda x: fft.fft2(x), ArgumentError, ("fft", "axis -2"), VECTOR),
    Refused(lambda: fft.rfft(np.ones(3, complex)), DTypeError, ("rfft", "complex")),
    Refused(lambda: fft.ihfft(np.ones(3, complex)), DTypeError, ("ihfft", "complex")),
    Refused(lambda: fft.fft("abc"), DTypeError, ("fft", "'abc'")),
    Refused(lambda x: fft.irfft(x), ShapeError, ("irfft", "at least one point"), ((1,),)),
    Refused(lambda x: fft.irfft(x, 3, fft_length=[3]), ArgumentError, ("irfft", "fft_length"), VECTOR),
    Refused(lambda x: fft.rfft(x, 3, fft_length=3), ArgumentError, ("rfft", "fft_length"), VECTOR),
    Refused(lambda: fft_shift.fftfreq(0), ShapeError, ("fftfreq", "n", "0")),
    Refused(lambda: fft_shift.fftfreq(-1), ShapeError, ("fftfreq", "n", "-1")),
    Refused(lambda: fft_shift.rfftfreq(4, 0), ArgumentError, ("rfftfreq", "d", "0")),
    Refused(lambda: fft_shift.fftfreq(4, NAN), ArgumentError, ("fftfreq", "d", "nan")),
    Refused(lambda: fft_shift.fftfreq(4, dtype="int32"), DTypeError, ("fftfreq", "int32")),
    Refused(lambda x: fft_shift.fftshift(x, 1), ArgumentError, ("fftshift", "axis 1"), VECTOR),
    Refused(lambda x: fft_shift.ifftshift(x, (0, 0)), ArgumentError, ("ifftshift", "twice"), VECTOR),
    Refused(fft_cosine.dct, ShapeError, ("dct", "scalar"), ((),)),
    Refused(lambda x: fft_cosine.dct(x, 5), ArgumentError, ("dct", "type", "5"), VECTOR),
    Refused(lambda x: fft_cosine.dct(x, 1), ShapeError, ("dct", "at least 2 points", "has 1"), ((1,),)),
    Refused(lambda x: fft_cosine.idct(x), ShapeError, ("dct", "at least 1 points", "has 0"), ((3, 0),)),
    Refused(lambda x: fft_cosine.dct(x, norm="x"), ArgumentError, ("dct", "norm", "'x'"), VECTOR),
    Refused(lambda x: fft_cosine.dct(x, n=0), ShapeError, ("dct", "n", "0"), VECTOR),
    Refused(lambda x: fft_cosine.dct(x, axis=2), ArgumentError, ("dct", "axis 2"), VECTOR),
    Refused(lambda: fft_cosine.dct(np.ones(3, complex)), DTypeError, ("dct", "complex")),
    Refused(lambda: fft_windows.hann_window(-1), ShapeError, ("hann_window", "window_length", "-1")),
    Refused(lambda: fft_windows.hann_window(2.5), ShapeError, ("hann_window", "window_length", "2.5")),
    Refused(lambda: fft_windows.hann_window(3, "yes"), ArgumentError, ("hann_window", "periodic", "'yes'")),
    Refused(lambda: fft_windows.hamming_window(3, dtype=int), DTypeError, ("hamming_window", "int64")),
    Refused(lambda: fft_windows.kaiser_window(3, -1), ArgumentError, ("kaiser_window", "beta", "-1")),
    Refused(lambda: fft_windows.kaiser_window(3, NAN), ArgumentError, ("kaiser_window", "beta", "nan")),
    Refused(lambda: fft_windows.vorbis_window(3), ArgumentError, ("window", "even", "3")),
    Refused(lambda x: fft_frames.frame(x, 0, 1), ArgumentError, ("frame", "frame_length", "0"), VECTOR),
    Refused(lambda x: fft_frames.frame(x, 2, -1), ArgumentError, ("frame", "frame_step", "-1"), VECTOR),
    Refused(lambda x: fft_frames.frame(x, 2, 1.0), ArgumentError, ("frame", "frame_step", "1.0"), VECTOR),
    Refused(lambda x: fft_frames.frame(x, 2, 1, axis=1), ArgumentError, ("axis", "1"), VECTOR),
    Refused(lambda x: fft_frames.frame(x, 2, 1, True, [1, 2]), ArgumentError, ("frame", "pad_value"), VECTOR),
    Refused(lambda x: fft_frames.frame(x, 2, 1, True, "a"), DTypeError, ("frame", "pad_value", "'a'"), VECTOR),
    Refused(lambda x: fft_frames.frame(x, 2, 1), ShapeError, ("frame", "scalar"), ((),)),
    Refused(lambda x: fft_frames.overlap_and_add(x, 1), ShapeError, ("overlap_and_add", "two axes"), VECTOR),
    Refused(lambda x: fft_frames.overlap_and_add(x, 0), ArgumentError, ("overlap_and_add", "0"), ((2, 2),)),
    Refused(lambda x: fft_frames.overlap_and_add(x, 1), ShapeError, ("at least one sample",), ((2, 0),)),
    Refused(lambda x: fft_stft.stft(x, 2, 1, 0), ArgumentError, ("stft", "fft_length", "0"), VECTOR),
    Refused(lambda x: fft_stft.stft(x, 2, 1, None, 5), ArgumentError, ("stft", "window_fn", "5"), VECTOR),
    Refused(
        lambda x: fft_stft.stft(x, 2, 1, None, lambda n, dtype: np.ones(3)), ShapeError, ("stft", "window_fn"), VECTOR
    ),
    Refused(lambda: fft_stft.stft(np.ones(4, complex), 2, 1), DTypeError, ("stft", "complex")),
    Refused(lambda x: fft_stft.inverse_stft(x, 0, 1), ArgumentError, ("inverse_stft", "0"), ((2, 2),)),
    Refused(lambda: fft_stft.inverse_stft_window_fn(2, None), ArgumentError, ("forward_window_fn", "None")),
    Refused(lambda: fft_stft.linear_to_mel_weight_matrix(0), ArgumentError, ("num_mel_bins", "0")),
    Refused(lambda: fft_stft.linear_to_mel_weight_matrix(sample_rate=0), ArgumentError, ("sample_rate", "0")),
    Refused(
        lambda: fft_stft.linear_to_mel_weight_matrix(upper_edge_hertz=9000), ArgumentError, ("9000", "4000")
    ),
    Refused(lambda: fft_stft.linear_to_mel_weight_matrix(10**6, 10**6), ArgumentError, ("2^26",)),
    Refused(fft_convolve.convolve, ShapeError, ("convolve", "vectors"), ((2, 2), (3,))),
    Refused(fft_convolve.convolve, ShapeError, ("convolve", "empty"), ((0,), (3,))),
    Refused(lambda x, y: fft_convolve.convolve(x, y, "x"), ArgumentError, ("convolve", "mode", "'x'"), TWO),
    Refused(lambda x, y: fft_convolve.correlate(x, y, method=1), ArgumentError, ("correlate", "method"), TWO),
    Refused(lambda: fft_convolve.convolve([1], [2], method="fft"), ArgumentError, ("convolve", "'fft'", "int64")),
    Refused(lambda: fft_convolve.convolve([True], [True]), DTypeError, ("convolve", "bool")),
]  # fmt: skip

BIND = [
    Refused(fft.fft, ShapeError, ("fft", "at least one point"), ((3, 0),)),
    Refused(fft.rfft, ShapeError, ("rfft", "at least one point"), ((0,),)),
    Refused(fft.irfft, ShapeError, ("irfft", "at least one point"), ((1,),)),
    Refused(lambda x: fft_cosine.dct(x, 1), ShapeError, ("dct", "at least 2"), ((1,),)),
    Refused(lambda x: fft_frames.overlap_and_add(x, 1), ShapeError, ("at least one sample",), ((2, 0),)),
    Refused(fft_convolve.convolve, ShapeError, ("convolve", "empty"), ((3,), (0,))),
    Refused(lambda x: fft_windows.vorbis_window(gf.shape(x)[0]), ArgumentError, ("even", "3"), ((3,),)),
]


@pytest.mark.parametrize("case", BUILD, ids=ids)
def test_refused_while_building(case: Refused) -> None:
    check_built(case)


@pytest.mark.parametrize("case", BIND, ids=ids)
def test_refused_before_the_run(case: Refused) -> None:
    check_bound(case)


# --- transforms -----------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 3, 64, 97, 720, 10007])
def test_there_and_back_and_parseval(n: int) -> None:
    z = _complex(n)
    x = gf.placeholder("complex128", (n,))
    y, back = gf.Session().run([fft.fft(x, norm="ortho"), fft.ifft(fft.fft(x))], {x: z})
    np.testing.assert_allclose(back, z, atol=1e-12)
    np.testing.assert_allclose(np.sum(np.abs(y) ** 2), np.sum(np.abs(z) ** 2), rtol=1e-12)


@pytest.mark.parametrize("norm", ["backward", "ortho", "forward"])
def test_single_precision_keeps_its_digits(norm: str) -> None:
    """Also where it is made with a factor that is taken out again."""
    z = _complex(5, 1000).astype(np.complex64)
    for f, r in ((fft.fft, scipy.fft.fft), (fft.ifft, scipy.fft.ifft), (fft.rfft, scipy.fft.rfft)):
        x = z.real if f is fft.rfft else z
        exact = r(x.astype(np.complex128 if f is not fft.rfft else np.float64), norm=norm)
        got = gf.Session().run(f(x, norm=norm))
        assert got.dtype == np.complex64
        assert np.max(np.abs(got - exact)) <= 5e-7 * np.max(np.abs(exact))


@pytest.mark.parametrize("dtype", [np.complex64, np.float32, np.complex128])
@pytest.mark.parametrize("axes", [(0,), (1,), (0, 2), (2, 1, 0)])
def test_bits_do_not_depend_on_the_layout(dtype: Any, axes: tuple[int, ...]) -> None:
    z = _complex(6, 9, 20)
    z = z.astype(dtype) if np.dtype(dtype).kind == "c" else z.real.astype(dtype)
    whole = spectrum(np, z, None, axes, False, "backward")
    strided = np.repeat(z, 2, axis=-1)[..., ::2]
    assert spectrum(np, strided, None, axes, False, "backward").tobytes() == whole.tobytes()
    out = np.full_like(whole, np.nan)
    assert spectrum(np, strided, None, axes, False, "backward", out).tobytes() == whole.tobytes()


def test_real_input_stays_in_half_the_work() -> None:
    """The gradient of a half spectrum is a half spectrum's: no complex transform is made."""
    graph = gf.Graph()
    with graph.as_default():
        x = gf.placeholder("float32", (None, 6))
        gf.gradients(F.abs(fft.rfft(x)), x)
    types = {n.type for n in graph.operations}
    assert {"rfft", "irfft", "weigh_mirrored"} <= types
    assert not {"fft", "crop_or_pad"} & types


def test_gradients_of_sizes_that_only_the_run_knows() -> None:
    for n in (4, 5):
        x = gf.placeholder("float64", (None,))
        (g,) = gf.gradients(F.real(fft.rfft(x, n=6)), x)
        (h,) = gf.gradients(fft.irfft(F.complex(x, x), n=7), x)
        value = np.arange(1.0, n + 1)
        got, other = gf.Session().run([g, h], {x: value})
        basis = [np.sum(np.fft.rfft(np.eye(n)[k], 6).real) for k in range(n)]
        np.testing.assert_allclose(got, basis, atol=1e-12)
        basis = [np.sum(np.fft.irfft(np.eye(n)[k] * (1 + 1j), 7)) for k in range(n)]
        np.testing.assert_allclose(other, basis, atol=1e-12)


def test_good_sizes_are_the_least_without_large_factors() -> None:
    smooth = sorted(2**a * 3**b * 5**c for a in range(12) for b in range(8) for c in range(6))
    for n in range(1, 2000):
        assert fft_convolve._good_size(n) == next(m for m in smooth if m >= n)


def test_long_convolutions_go_through_transforms() -> None:
    plan = gf.Session().plan(fft_convolve.convolve(floats(100_000), floats(50_000)))
    assert plan.flops < 1e9 < 2 * 100_000 * 50_000


def test_frames_that_overlap_by_half_add_up() -> None:
    window = fft_windows.hann_window(8, dtype="float64")
    total = gf.Session().run(fft_frames.overlap_and_add(window * gf.ones((5, 8), dtype="float64"), 4))
    np.testing.assert_allclose(total[4:-4], 1.0, rtol=1e-15)


def test_stft_has_tensorflows_sizes() -> None:
    y = fft_stft.stft(floats(2, 1000), 400, 160)
    assert y.type.shape == (2, 4, 257)
    assert fft_stft.inverse_stft(y, 400, 160).type.shape == (2, 3 * 160 + 400)
    assert fft_stft.stft(floats(2, 1000), 400, 160, pad_end=True).type.shape == (2, 7, 257)


# --- memory ---------------------------------------------------------------------------------------

COMPLEX, REAL = np.dtype(np.complex64), np.dtype(np.float64)
OBJECTS = 8192  # of Python's
KERNELS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("fft", (np.zeros((300, 512), COMPLEX),), {"s": None, "axes": (1,), "inverse": False, "norm": "ortho"}),
    ("fft", (np.zeros((300, 512), COMPLEX),), {"s": None, "axes": (0, 1), "inverse": True, "norm": "ortho"}),
    ("fft", (np.zeros((300_000,), COMPLEX),), {"s": None, "axes": (0,), "inverse": False, "norm": "ortho"}),
    ("fft", (np.zeros((300, 512), REAL),), {"s": (256, 600), "axes": (0, 1), "inverse": False, "norm": "forward"}),
    ("fft", (np.zeros((9, 10_007), REAL),), {"s": None, "axes": (1,), "inverse": False, "norm": "forward"}),
    ("rfft", (np.zeros((300, 512), REAL),), {"s": (400, 600), "axes": (0, 1), "norm": "backward"}),
    ("irfft", (np.zeros((300, 257), complex),), {"s": None, "axes": (0, 1), "norm": "backward"}),
    ("irfft", (np.zeros((9000, 65)),), {"s": None, "axes": (1,), "norm": "backward"}),
    ("irfft", (np.zeros((300, 257), np.float32),), {"s": None, "axes": (0, 1), "norm": "backward"}),
    ("irfft", (np.zeros((300, 257), complex),), {"s": (200, 512), "axes": (0, 1), "norm": "backward"}),
    *[
        ("dct", (np.zeros((100, n), REAL),), {"type": k, "axis": 1, "norm": "ortho", "transposed": False})
        for k in (1, 2, 3, 4)
        for n in (800, 801)
    ],
    ("overlap_and_add", (np.zeros((500, 70)),), {"step": 16}),
    ("convolve", (np.zeros(50_000), np.zeros(3)), {"mode": "full", "method": "auto"}),
    ("convolve", (np.zeros(50_000, np.float32), np.zeros(3000, np.float32)), {"mode": "same", "method": "auto"}),
    ("window", (), {"kind": "kaiser", "length": 9000, "periodic": True, "beta": 4.0, "dtype": REAL}),
    ("window", (), {"kind": "hann", "length": 9000, "periodic": True, "beta": 4.0, "dtype": REAL}),
    ("fftfreq", (), {"n": 9000, "d": 4.0, "half": False, "dtype": COMPLEX.type(0).real.dtype}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "arrays", "attrs"), KERNELS, ids=lambda v: v if isinstance(v, str) else "")
def test_hidden_memory_is_what_is_stated(name: str, arrays: tuple[Any, ...], attrs: dict[str, Any]) -> None:
    op = OPS[name]
    assert op.workspace is not None
    assert op.kernel is not None
    types = tuple(TensorType(a.dtype, a.shape) for a in arrays)
    (result,) = op.infer_types(types, attrs)
    out = np.empty(result.dims, result.dtype)  # type: ignore[arg-type]  # static
    with kernel_settings():
        op.kernel(np, *arrays, **attrs, out=out)
        tracemalloc.start()
        try:
            start = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
            op.kernel(np, *arrays, **attrs, out=out)
            peak = tracemalloc.get_traced_memory()[1] - start
        finally:
            tracemalloc.stop()
    stated = op.workspace(types, (result,), **attrs)
    assert peak - OBJECTS <= stated
    assert out.nbytes + stated <= max(1.05 * (out.nbytes + peak), 1 << 20)
