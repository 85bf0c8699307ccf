"""Short-time Fourier transforms, and what speech programs make of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from graphflow.errors import ArgumentError, DTypeError, ShapeError, shorten
from graphflow.graph import Tensor, composition
from graphflow.op import F, public
from graphflow.ops.constant import constant, python_number
from graphflow.ops.fft import irfft, rfft
from graphflow.ops.fft_cosine import dct
from graphflow.ops.fft_frames import frame, overlap_and_add, positive
from graphflow.ops.fft_sizes import crop_or_pad
from graphflow.ops.fft_windows import hann_window
from graphflow.ops.ufunc import floats, reals
from graphflow.types import as_dtype, default_float, is_floating

__all__ = [
    "inverse_stft",
    "inverse_stft_window_fn",
    "linear_to_mel_weight_matrix",
    "mfccs_from_log_mel_spectrograms",
    "stft",
]

WindowFunction = Callable[..., Any]


def _fft_length(op: str, fft_length: Any, frame_length: int) -> int:
    if fft_length is None:
        return 1 << (frame_length - 1).bit_length()
    return positive(op, "fft_length", fft_length)


def _window(op: str, function: Any, length: int, like: Tensor) -> Tensor | None:
    """What `window_fn` makes, a vector of `length`; None for none."""
    if function is None:
        return None
    if not callable(function):
        raise ArgumentError(f"{op}: window_fn must be a function or None, not {shorten(function)}")
    window = F.convert_to_tensor(function(length, dtype=like.dtype))
    if window.type.shape is not None and window.type.shape != (length,):
        raise ShapeError(f"{op}: window_fn gave {window.type} for a frame of {length}")
    return F.cast(window, like.dtype)  # type: ignore[no-any-return]


@public
def stft(
    signals: Any,
    frame_length: int,
    frame_step: int,
    fft_length: int | None = None,
    window_fn: WindowFunction | None = hann_window,
    pad_end: bool = False,
    name: str | None = None,
) -> Tensor:
    """The spectra of overlapping frames of real signals: complex[..., frames, fft_length // 2 + 1]. A composition.

    signals: [..., samples]. frame_length, frame_step, pad_end: as for `frame`.
    fft_length: points of each transform, the smallest power of two that holds a frame where left out.
    window_fn: `window_fn(frame_length, dtype=...)` gives the weights of a frame; None for none.
    Raises DTypeError for complex signals; else as `frame`.
    """
    x = reals("stft", signals)
    length = positive("stft", "frame_length", frame_length)
    points = _fft_length("stft", fft_length, length)
    with composition("stft" if name is None else name):
        framed = frame(x, length, frame_step, pad_end)
        window = _window("stft", window_fn, length, x)
        return rfft(framed if window is None else framed * window, n=points)


@public
def inverse_stft(
    stfts: Any,
    frame_length: int,
    frame_step: int,
    fft_length: int | None = None,
    window_fn: WindowFunction | None = hann_window,
    name: str | None = None,
) -> Tensor:
    """The signal whose frames have these spectra: [..., (frames - 1) * frame_step + frame_length]. A composition.

    It is the signal that `stft` was given, but for its ends, if the product of both windows adds up to 1 over the
    frames: `window_fn=inverse_stft_window_fn(frame_step)` makes it so. Arguments as for `stft`.
    """
    z = floats("inverse_stft", stfts)
    length = positive("inverse_stft", "frame_length", frame_length)
    points = _fft_length("inverse_stft", fft_length, length)
    with composition("inverse_stft" if name is None else name):
        framed = irfft(z, n=points)
        if points != length:
            framed = crop_or_pad(framed, (-1,), (length,))
        window = _window("inverse_stft", window_fn, length, framed)
        return overlap_and_add(framed if window is None else framed * window, frame_step)


@public
def inverse_stft_window_fn(
    frame_step: int, forward_window_fn: WindowFunction = hann_window
) -> WindowFunction:
    """The window function for `inverse_stft` with which it undoes an `stft` by `forward_window_fn`.

    It divides the forward window by the sum of the squares of all windows that overlap a sample.
    Source: Griffin and Lim 1984, "Signal estimation from modified short-time Fourier transform".
    """
    step = positive("inverse_stft_window_fn", "frame_step", frame_step)
    if not callable(forward_window_fn):
        raise ArgumentError(
            f"inverse_stft_window_fn: forward_window_fn must be a function, not {shorten(forward_window_fn)}"
        )

    def window_fn(frame_length: int, dtype: Any = None, name: str | None = None) -> Tensor:
        length = positive("inverse_stft_window_fn", "frame_length", frame_length)
        pieces = -(-length // step)
        with composition("inverse_stft_window_fn" if name is None else name):
            window = F.convert_to_tensor(forward_window_fn(length, dtype=dtype))
            squares = crop_or_pad(F.square(window), (0,), (pieces * step,))
            total = F.sum(F.reshape(squares, (pieces, step)), axis=0)
            return window / crop_or_pad(F.tile(total, (pieces,)), (0,), (length,))  # type: ignore[no-any-return]

    return window_fn


# --- mel scale ------------------------------------------------------------------------------------


def _mel(hertz: Any) -> Any:
    """The mel scale, 1127 log(1 + f / 700): HTK's."""
    return 1127.0 * np.log1p(np.asarray(hertz) / 700.0)


@public
def linear_to_mel_weight_matrix(
    num_mel_bins: int = 20,
    num_spectrogram_bins: int = 129,
    sample_rate: float = 8000,
    lower_edge_hertz: float = 125.0,
    upper_edge_hertz: float = 3800.0,
    dtype: Any = None,
    name: str | None = None,
) -> Tensor:
    """The weights of triangular bands on the mel scale, [num_spectrogram_bins, num_mel_bins]: a constant.

    `tensordot(spectrogram, weights, 1)` turns magnitudes of `num_spectrogram_bins` frequencies from 0 to half of
    `sample_rate` into those of bands, evenly spaced on the mel scale from the lower to the upper edge. The bin at
    0 Hz belongs to none.
    Raises ArgumentError unless 0 <= lower < upper <= sample_rate / 2 and the counts are at least 1.
    """
    op = "linear_to_mel_weight_matrix"
    bands, bins = (
        positive(op, "num_mel_bins", num_mel_bins),
        positive(op, "num_spectrogram_bins", num_spectrogram_bins),
    )
    rate = python_number(sample_rate, f"{op}: sample_rate")
    low = python_number(lower_edge_hertz, f"{op}: lower_edge_hertz")
    high = python_number(upper_edge_hertz, f"{op}: upper_edge_hertz")
    if not (rate > 0 and math.isfinite(rate)):
        raise ArgumentError(f"{op}: sample_rate must be more than 0, not {shorten(sample_rate)}")
    if not 0 <= low < high <= rate / 2:
        raise ArgumentError(
            f"{op}: lower_edge_hertz {low} and upper_edge_hertz {high} must be in order, from 0 to {rate / 2}"
        )
    if bands * bins > 1 << 26:
        raise ArgumentError(f"{op}: {bins} x {bands} weights are more than 2^26")
    wanted = default_float() if dtype is None else as_dtype(dtype)
    if not is_floating(wanted) or wanted.kind == "c":
        raise DTypeError(f"{op}: dtype must be a real floating type, not {wanted.name}")
    places = _mel(np.linspace(0.0, rate / 2, bins)[1:])[:, None]
    edges = np.linspace(_mel(low), _mel(high), bands + 2)
    rising = (places - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - places) / (edges[2:] - edges[1:-1])
    weights = np.zeros((bins, bands))
    weights[1:] = np.maximum(np.minimum(rising, falling), 0.0)
    return constant(weights.astype(wanted), name=op if name is None else name)


@public
def mfccs_from_log_mel_spectrograms(log_mel_spectrograms: Any, name: str | None = None) -> Tensor:
    """Mel-frequency cepstral coefficients: `dct` of the log-magnitudes of n bands, divided by √(2n). A composition.

    log_mel_spectrograms: [..., bands]; the result has that shape. Raises ShapeError for a scalar, or none known.
    """
    x = reals("mfccs_from_log_mel_spectrograms", log_mel_spectrograms)
    with composition("mfccs_from_log_mel_spectrograms" if name is None else name):
        bands = F.cast(F.size(x, (-1,)), x.dtype)
        return dct(x) * F.rsqrt(bands * 2)  # type: ignore[no-any-return]
