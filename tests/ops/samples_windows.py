"""Samples of windows, frames, short-time transforms and the mel scale."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.fft
import scipy.signal

import graphflow as gf
from graphflow.op import F
from graphflow.ops import fft_frames, fft_stft, fft_windows
from tests.ops.table import Sample, array

# --- windows --------------------------------------------------------------------------------------


def _scipy_window(window: Any, n: int, periodic: bool) -> Any:
    return scipy.signal.get_window(window, n, fftbins=periodic) if n else np.zeros(0)


def _windows() -> list[Sample]:
    found = []
    for name in ("hann", "hamming", "blackman", "bartlett", "kaiser"):
        f = getattr(fft_windows, f"{name}_window")
        scipy_name: Any = ("kaiser", 12.0) if name == "kaiser" else name
        found += [
            Sample(
                f"window-{name}-{n}-{periodic}",
                lambda f=f, n=n, p=periodic: f(n, periodic=p, dtype="float64"),
                (),
                lambda w=scipy_name, n=n, p=periodic: _scipy_window(w, n, p),
                rtol=1e-12,
                atol=1e-15,
            )
            for n in (0, 1, 2, 7, 8)
            for periodic in (True, False)
            if n > 2 or periodic
        ]
        found.append(
            Sample(
                f"window-{name}-of-shape",
                lambda x, f=f: f(gf.shape(x)[0], periodic=True),
                (array(5),),
                lambda x, w=scipy_name: scipy.signal.get_window(w, 5, fftbins=True),
                unranked=False,
            )
        )
    kbd = scipy.signal.windows.kaiser_bessel_derived
    return [
        *found,
        Sample("window-hann-f16", lambda: fft_windows.hann_window(6, dtype="float16"), (), lambda: scipy.signal.get_window("hann", 6), strict=False),
        Sample("window-hann-bf16", lambda: fft_windows.hann_window(6, dtype=gf.bfloat16), (), lambda: scipy.signal.get_window("hann", 6), strict=False),
        Sample("window-kaiser-0", lambda: fft_windows.kaiser_window(6, 0.0, "float64"), (), lambda: np.ones(6), rtol=1e-12),
        Sample("window-kaiser-5", lambda: fft_windows.kaiser_window(9, 5, "float64"), (), lambda: np.kaiser(9, 5), rtol=1e-12),
        Sample("window-kaiser-600", lambda: fft_windows.kaiser_window(9, 600, "float64"), (), lambda: np.kaiser(9, 600), rtol=1e-11),
        Sample("window-kbd", lambda: fft_windows.kaiser_bessel_derived_window(8, 7.0, "float64"), (), lambda: kbd(8, 7.0), rtol=1e-12),
        Sample("window-vorbis", lambda: fft_windows.vorbis_window(6, "float64"), (), lambda: np.sin(np.pi / 2 * np.sin(np.pi * (np.arange(6) + 0.5) / 6) ** 2), rtol=1e-12),
    ]  # fmt: skip


# --- frames ---------------------------------------------------------------------------------------


def _framed(x: Any, length: int, step: int, pad_end: bool = False, value: Any = 0, axis: int = -1) -> Any:
    """The frames one by one."""
    x = np.moveaxis(np.asarray(x), axis, -1)
    n = x.shape[-1]
    starts = [s for s in range(0, n, step) if pad_end or s + length <= n]
    padded = np.concatenate([x, np.full((*x.shape[:-1], length), value, x.dtype)], axis=-1)
    frames = [padded[..., s : s + length] for s in starts]
    cut = np.stack(frames, axis=-2) if frames else np.zeros((*x.shape[:-1], 0, length), x.dtype)
    place = axis % x.ndim
    return np.moveaxis(cut, (-2, -1), (place, place + 1))


def _added(x: Any, step: int) -> Any:
    x = np.asarray(x)
    count, length = x.shape[-2:]
    total = np.zeros((*x.shape[:-2], (count - 1) * step + length if count else 0), x.dtype)
    for k in range(count):
        total[..., k * step : k * step + length] += x[..., k, :]
    return total


def _frames() -> list[Sample]:
    found = []
    shapes: list[tuple[str, tuple[int, ...], tuple[Any, ...]]] = [
        ("plain", (7,), (3, 2)),
        ("gaps", (2, 9), (2, 4)),
        ("one-step", (5,), (3, 1)),
        ("too-long", (3,), (5, 1)),
        ("exact", (2, 6), (3, 3)),
        ("padded", (7,), (3, 2, True)),
        ("padded-value", (2, 7), (4, 3, True, 1.5)),
        ("padded-long", (2,), (5, 1, True)),
        ("axis", (7, 2), (3, 2, False, 0, 0)),
        ("axis-padded", (2, 5, 2), (2, 2, True, 0, 1)),
        ("empty", (2, 0), (3, 2)),
        ("empty-padded", (0,), (3, 2, True)),
    ]
    for label, shape, options in shapes:
        found.append(
            Sample(
                f"frame-{label}",
                lambda x, o=options: fft_frames.frame(x, *o),
                (array(*shape),),
                lambda x, o=options: _framed(x, *o),
                grad=True,
                unranked=not label.startswith("axis"),
            )
        )
    sums: list[tuple[str, tuple[int, ...], int]] = [
        ("half", (4, 4), 2),
        ("uneven", (2, 3, 5), 2),
        ("one-step", (3, 4), 1),
        ("gaps", (3, 2), 4),
        ("no-overlap", (3, 2), 2),
        ("one", (1, 3), 2),
        ("none", (0, 3), 2),
    ]
    for label, shape, step in sums:
        found.append(
            Sample(
                f"overlap_and_add-{label}",
                lambda x, k=step: fft_frames.overlap_and_add(x, k),
                (array(*shape),),
                lambda x, k=step: _added(x, k),
                grad=True,
                rtol=1e-14,
            )
        )
    return [
        *found,
        Sample("frame-ints", lambda x: fft_frames.frame(x, 2, 1, True, 7), (np.arange(4)[::-1],), lambda x: _framed(x, 2, 1, True, 7)),
        Sample("frame-bools", lambda x: fft_frames.frame(x, 2, 3), (array(2, 6) > 0,), lambda x: _framed(x, 2, 3)),
        Sample("frame-c64", lambda x: fft_frames.frame(x, 3, 2), ((array(2, 6) + 1j).astype(np.complex64)[:, ::-1],), lambda x: _framed(x, 3, 2)),
        Sample("overlap_and_add-ints", lambda x: fft_frames.overlap_and_add(x, 1), (np.arange(6).reshape(2, 3)[:, ::-1],), lambda x: _added(x, 1)),
        Sample("overlap_and_add-f16", lambda x: fft_frames.overlap_and_add(x, 2), (array(3, 4, dtype=np.float16),), lambda x: _added(x.astype(float), 2), atol=0.01),
    ]  # fmt: skip


# --- short-time transforms ------------------------------------------------------------------------


def _spectra(x: Any, length: int, step: int, points: int, window: Any) -> Any:
    return np.fft.rfft(_framed(x, length, step) * window, points)


def _short_time() -> list[Sample]:
    hann = scipy.signal.get_window("hann", 6)

    def parts(x: Any) -> Any:
        y = fft_stft.stft(x, 6, 3)
        return F.real(y), F.imag(y)

    def parts_reference(x: Any) -> Any:
        y = _spectra(x, 6, 3, 8, hann)
        return y.real, y.imag

    def back(re: Any, im: Any) -> Any:
        return fft_stft.inverse_stft(F.complex(re, im), 6, 3)

    def back_reference(re: Any, im: Any) -> Any:
        return _added(np.fft.irfft(re + 1j * im, 8)[..., :6] * hann, 3)

    def there_and_back(x: Any) -> Any:
        return fft_stft.inverse_stft(
            fft_stft.stft(x, 6, 2), 6, 2, window_fn=fft_stft.inverse_stft_window_fn(2)
        )

    def log_mel(x: Any) -> Any:
        return scipy.fft.dct(np.asarray(x, float)) / np.sqrt(2 * x.shape[-1])

    plain: dict[str, Any] = {"rtol": 1e-12, "atol": 1e-13}
    return [
        Sample("stft", parts, (array(2, 14),), parts_reference, grad=True, strict=False, **plain),
        Sample("stft-no-window", lambda x: fft_stft.stft(x, 4, 4, 4, None), (array(8),), lambda x: np.fft.rfft(x.reshape(2, 4)), **plain),
        Sample("stft-padded", lambda x: fft_stft.stft(x, 5, 2, 10, fft_windows.hamming_window, True), (array(2, 9),),
               lambda x: np.fft.rfft(_framed(x, 5, 2, True) * scipy.signal.get_window("hamming", 5), 10), **plain),
        Sample("stft-f32", lambda x: fft_stft.stft(x, 6, 3), (array(3, 20, dtype=np.float32)[:, ::-1],),
               lambda x: _spectra(x.astype(float), 6, 3, 8, hann), atol=1e-5),
        Sample("stft-f16", lambda x: fft_stft.stft(x, 4, 2, window_fn=None), (array(9, dtype=np.float16),),
               lambda x: _spectra(x.astype(float), 4, 2, 4, 1.0), atol=1e-5),
        Sample("inverse_stft", back, (array(2, 3, 5, seed=1), array(2, 3, 5, seed=2)), back_reference, grad=True, strict=False, **plain),
        Sample("inverse_stft-exact", lambda x: there_and_back(x)[..., 6:-6], (array(2, 20),), lambda x: x[..., 6:-6], **plain),
        Sample("inverse_stft-longer", lambda z: fft_stft.inverse_stft(z, 4, 2, 4, None), (array(3, 3) + 0j,),
               lambda z: _added(np.fft.irfft(z, 4), 2), **plain),
        Sample("mel-weights", lambda: fft_stft.linear_to_mel_weight_matrix(5, 9, 8000, 100, 3000, "float64"), (), lambda: _mel_weights(5, 9, 8000, 100, 3000), rtol=1e-12),
        Sample("mfcc", fft_stft.mfccs_from_log_mel_spectrograms, (array(2, 3, 7),), log_mel, grad=True, strict=False, **plain),
        Sample("mfcc-f16", fft_stft.mfccs_from_log_mel_spectrograms, (array(6, dtype=np.float16),), log_mel, strict=False, atol=0.01),
    ]  # fmt: skip


def _mel_weights(bands: int, bins: int, rate: float, low: float, high: float) -> Any:
    """Weight by weight: a triangle between the neighbouring band's centres, on the mel scale."""

    def mel(f: float) -> float:
        return 1127 * float(np.log(1 + f / 700))

    edges = [mel(low) + (mel(high) - mel(low)) * k / (bands + 1) for k in range(bands + 2)]
    weights = np.zeros((bins, bands))
    for i in range(1, bins):
        place = mel(rate / 2 * i / (bins - 1))
        for k in range(bands):
            left, centre, right = edges[k : k + 3]
            weights[i, k] = max(0, min((place - left) / (centre - left), (right - place) / (right - centre)))
    return weights


SAMPLES: list[Sample] = [*_windows(), *_frames(), *_short_time()]
