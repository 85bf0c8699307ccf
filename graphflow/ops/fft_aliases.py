"""TensorFlow's names of Fourier transforms along the last two and three axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphflow.graph import Tensor
from graphflow.op import public
from graphflow.ops.fft import fftn, ifftn, irfftn, rfftn

__all__ = ["fft2d", "fft3d", "ifft2d", "ifft3d", "irfft2d", "irfft3d", "rfft2d", "rfft3d"]


def _complex(target: Callable[..., Tensor], rank: int, name: str) -> Callable[..., Tensor]:
    def transform(input: Any, name: str | None = None) -> Tensor:
        return target(input, axes=tuple(range(-rank, 0)), name=name)

    transform.__name__ = transform.__qualname__ = name
    transform.__doc__ = f"`{target.__name__}` along the last {rank} axes, by TensorFlow's name."
    return public(transform)


def _real(target: Callable[..., Tensor], rank: int, name: str) -> Callable[..., Tensor]:
    def transform(input_tensor: Any, fft_length: Any = None, name: str | None = None) -> Tensor:
        axes = tuple(range(-rank, 0))
        return target(input_tensor, s=fft_length, axes=axes, name=name)

    transform.__name__ = transform.__qualname__ = name
    transform.__doc__ = f"`{target.__name__}` along the last {rank} axes, by TensorFlow's name; fft_length: {rank} sizes, or None."
    return public(transform)


fft2d = _complex(fftn, 2, "fft2d")
fft3d = _complex(fftn, 3, "fft3d")
ifft2d = _complex(ifftn, 2, "ifft2d")
ifft3d = _complex(ifftn, 3, "ifft3d")
rfft2d = _real(rfftn, 2, "rfft2d")
rfft3d = _real(rfftn, 3, "rfft3d")
irfft2d = _real(irfftn, 2, "irfft2d")
irfft3d = _real(irfftn, 3, "irfft3d")
