"""Layers against PyTorch's eager CPU kernels; sorting, Fourier transforms and linear algebra against NumPy's and SciPy's own.

Each figure is a ratio of times within one run: ours by the other's. PyTorch is no dependency: install it (`pip install
torch`, the CPU build) in the environment that runs this, or its figures are left out. It uses as many threads as there
are cores; they are told not to spin while they wait, which would slow whatever takes its turn after them.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import graphflow as gf
from benchmarks.timing import Result, interleaved, median_ratio

__all__ = ["run"]

SEED = 0


def _array(*shape: int) -> Any:
    return np.random.default_rng(SEED).standard_normal(shape, dtype=np.float32)


def _compared(
    name: str, limit: float, ours: Callable[[], object], other: str, theirs: Callable[[], object]
) -> Result:
    times = interleaved({"ours": ours, other: theirs})
    ratio = median_ratio(times, "ours", other)
    note = f"ours {np.median(times['ours']) * 1e3:.2f} ms, {other} {np.median(times[other]) * 1e3:.2f} ms"
    return Result(f"{name} / {other}", ratio, "x", limit, note)


def _callable(build: Callable[..., Any], *arrays: Any) -> Callable[[], object]:
    """What runs `build(*placeholders)` on the arrays."""
    with gf.Graph().as_default() as graph:
        inputs = [gf.placeholder(a.dtype, a.shape) for a in arrays]
        fetched = build(*inputs)
        session = gf.Session(graph)
        function = session.make_callable(fetched, inputs)
    return lambda: function(*arrays)


def _with_gradients(build: Callable[..., Any]) -> Callable[..., Any]:
    """The value and its gradient with respect to every input, from a gradient of ones."""

    def both(*inputs: Any) -> Any:
        y = build(*inputs)
        return [y, *gf.gradients(y, list(inputs))]

    return both


# --- against PyTorch --------------------------------------------------------------------------------------------------


def _torch_pair(build: Callable[..., Any], *arrays: Any) -> tuple[Callable[[], object], Callable[[], object]]:
    """PyTorch's forward pass, and forward and backward, on the same arrays."""
    import torch

    tensors = [torch.from_numpy(a) for a in arrays]
    learned = [t.clone().requires_grad_() for t in tensors]

    def forward() -> object:
        with torch.no_grad():
            return build(*tensors)

    def both() -> object:
        y = build(*learned)
        return torch.autograd.grad(y, learned, torch.ones_like(y))

    return forward, both


def _layer(
    name: str, limit: float, ours: Callable[..., Any], theirs: Callable[..., Any], *arrays: Any
) -> Iterator[Result]:
    forward, both = _torch_pair(theirs, *arrays)
    yield _compared(name, limit, _callable(ours, *arrays), "PyTorch", forward)
    yield _compared(
        f"{name}, with gradients", limit, _callable(_with_gradients(ours), *arrays), "PyTorch", both
    )


def layers() -> Iterator[Result]:
    """Convolution, pooling and recurrent layers; images NHWC, for PyTorch in its channels-last layout."""
    import torch
    from torch.nn import functional as tf

    def convolved(padding: int) -> Callable[..., Any]:
        def build(x: Any, w: Any) -> Any:  # NHWC bytes seen as channels-last NCHW
            return tf.conv2d(x.permute(0, 3, 1, 2), w.permute(3, 2, 0, 1), padding=padding).permute(
                0, 2, 3, 1
            )

        return build

    def conv(x: Any, w: Any) -> Any:
        return gf.nn.conv(x, w, padding="SAME")

    yield from _layer(
        "conv (64,28,28,1) 5x5 32", 5.0, conv, convolved(2), _array(64, 28, 28, 1), _array(5, 5, 1, 32)
    )
    yield from _layer(
        "conv (8,56,56,64) 3x3 64", 5.0, conv, convolved(1), _array(8, 56, 56, 64), _array(3, 3, 64, 64)
    )

    def pooled(function: Any, k: int) -> Callable[..., Any]:
        return lambda x: function(x.permute(0, 3, 1, 2), k, 2).permute(0, 2, 3, 1)

    small, large = _array(64, 28, 28, 32), _array(8, 56, 56, 64)
    for kind, ours in (("max", gf.nn.max_pool), ("avg", gf.nn.avg_pool)):
        theirs = getattr(tf, f"{kind}_pool2d")
        yield from _layer(
            f"{kind}_pool (64,28,28,32) 2x2/2",
            5.0,
            lambda x, f=ours: f(x, 2, 2, "VALID"),
            pooled(theirs, 2),
            small,
        )
        yield from _layer(
            f"{kind}_pool (8,56,56,64) 3x3/2",
            5.0,
            lambda x, f=ours: f(x, 3, 2, "VALID"),
            pooled(theirs, 3),
            large,
        )

    x, w, u, b = _array(64, 32, 128), _array(128, 512) * 0.05, _array(128, 512) * 0.05, _array(512)
    zero = torch.zeros(512)

    def theirs_lstm(x: Any, w: Any, u: Any, b: Any) -> Any:
        start = x.new_zeros(1, x.shape[0], 128)
        return torch.lstm(x, (start, start), [w.t(), u.t(), b, zero], True, 1, 0.0, False, False, True)[0]

    yield from _layer(
        "lstm 64x32x128", 3.0, lambda x, w, u, b: gf.nn.lstm(x, w, u, b)[0], theirs_lstm, x, w, u, b
    )


# --- against NumPy and SciPy ------------------------------------------------------------------------------------------


def arrays() -> Iterator[Result]:
    """Sorting, transforms and decompositions: what a session adds to the library's own call, on one BLAS thread."""
    from threadpoolctl import threadpool_limits

    square = _array(512, 512).astype(np.float64)
    spd = square @ square.T + 512 * np.eye(512)
    cases: list[tuple[str, Any, Any, tuple[Any, ...]]] = [
        ("sort 1e6 float32", gf.sort, np.sort, (_array(1_000_000),)),
        (
            "sort 1000x1000 axis 0",
            lambda x: gf.sort(x, axis=0),
            lambda x: np.sort(x, axis=0),
            (_array(1000, 1000),),
        ),
        ("argsort 1e6 float32", gf.argsort, lambda x: np.argsort(x, kind="stable"), (_array(1_000_000),)),
        ("fft 1024x1024 complex", gf.fft.fft, np.fft.fft, ((_array(1024, 1024) + 0j).astype(np.complex128),)),
        ("rfft 1e6", gf.fft.rfft, np.fft.rfft, (_array(1_000_000).astype(np.float64),)),
        ("fft2 512x512", gf.fft.fft2, np.fft.fft2, ((square + 0j),)),
        ("cholesky 512", gf.linalg.cholesky, np.linalg.cholesky, (spd,)),
        ("solve 512", gf.linalg.solve, np.linalg.solve, (spd, square)),
        ("inv 512", gf.linalg.inv, np.linalg.inv, (spd,)),
        ("svd 256", gf.linalg.svd, np.linalg.svd, (square[:256, :256].copy(),)),
        ("eigh 256", gf.linalg.eigh, np.linalg.eigh, (spd[:256, :256].copy(),)),
        ("qr 512", gf.linalg.qr, np.linalg.qr, (square,)),
    ]
    for name, ours, theirs, inputs in cases:
        with threadpool_limits(1, "blas"):
            yield _compared(name, 1.1, _callable(ours, *inputs), "NumPy", lambda f=theirs, a=inputs: f(*a))


def run() -> Iterator[Result]:
    """All figures; those against PyTorch where it is installed."""
    yield from arrays()
    if importlib.util.find_spec("torch") is not None:
        yield from layers()
