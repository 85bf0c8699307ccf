"""`gf.fft`: Fourier transforms and what is built on them; the names of the Array API standard and of TensorFlow 1."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphflow.op import on_demand

if TYPE_CHECKING:
    # loaded when first asked for
    from graphflow.ops.fft import (
        fft,
        fft2,
        fftn,
        hfft,
        ifft,
        ifft2,
        ifftn,
        ihfft,
        irfft,
        irfft2,
        irfftn,
        rfft,
        rfft2,
        rfftn,
    )
    from graphflow.ops.fft_aliases import fft2d, fft3d, ifft2d, ifft3d, irfft2d, irfft3d, rfft2d, rfft3d
    from graphflow.ops.fft_convolve import convolve, correlate
    from graphflow.ops.fft_cosine import dct, idct
    from graphflow.ops.fft_frames import frame, overlap_and_add
    from graphflow.ops.fft_shift import fftfreq, fftshift, ifftshift, rfftfreq
    from graphflow.ops.fft_stft import (
        inverse_stft,
        inverse_stft_window_fn,
        linear_to_mel_weight_matrix,
        mfccs_from_log_mel_spectrograms,
        stft,
    )
    from graphflow.ops.fft_windows import (
        bartlett_window,
        blackman_window,
        hamming_window,
        hann_window,
        kaiser_bessel_derived_window,
        kaiser_window,
        vorbis_window,
    )

__getattr__ = on_demand(globals())

__all__ = [
    "bartlett_window",
    "blackman_window",
    "convolve",
    "correlate",
    "dct",
    "fft",
    "fft2",
    "fft2d",
    "fft3d",
    "fftfreq",
    "fftn",
    "fftshift",
    "frame",
    "hamming_window",
    "hann_window",
    "hfft",
    "idct",
    "ifft",
    "ifft2",
    "ifft2d",
    "ifft3d",
    "ifftn",
    "ifftshift",
    "ihfft",
    "inverse_stft",
    "inverse_stft_window_fn",
    "irfft",
    "irfft2",
    "irfft2d",
    "irfft3d",
    "irfftn",
    "kaiser_bessel_derived_window",
    "kaiser_window",
    "linear_to_mel_weight_matrix",
    "mfccs_from_log_mel_spectrograms",
    "overlap_and_add",
    "rfft",
    "rfft2",
    "rfft2d",
    "rfft3d",
    "rfftfreq",
    "rfftn",
    "stft",
    "vorbis_window",
]
