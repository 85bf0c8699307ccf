"""Samples of Fourier and cosine transforms, of their frequencies, and of convolutions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.fft

import graphflow as gf
from graphflow.op import F
from graphflow.ops import fft, fft_aliases, fft_convolve, fft_cosine, fft_shift
from tests.ops.table import Sample, array

EXACT: dict[str, Any] = {"rtol": 1e-12, "atol": 1e-13}


def _complex(*shape: int, seed: int = 0, dtype: Any = np.complex128) -> Any:
    return (array(*shape, seed=seed) + 1j * array(*shape, seed=seed + 50)).astype(dtype)


def _wide(x: Any) -> Any:
    return x.astype(np.complex128 if x.dtype.kind == "c" else np.float64)


def _exact(function: Callable[..., Any]) -> Callable[..., Any]:
    """The reference in double precision."""
    return lambda *arrays: function(*[_wide(np.asarray(x)) for x in arrays])


def _single(name: str, f: Callable[..., Any], x: Any, reference: Callable[..., Any], **more: Any) -> Sample:
    scale = float(np.max(np.abs(_wide(np.asarray(x))), initial=1.0)) * max(np.asarray(x).size, 1)
    return Sample(name, f, (x,), _exact(reference), rtol=1e-5, atol=2e-7 * scale, **more)


# --- complex transforms ---------------------------------------------------------------------------


def _parts(function: Callable[..., Any], n_inputs: int = 2) -> Callable[..., Any]:
    """A transform of complex numbers as one of their parts, so that gradients can be checked."""

    def build(re: Any, im: Any) -> Any:
        y = function(F.complex(re, im))
        return (F.real(y), F.imag(y)) if y.dtype.kind == "c" else y

    return build


def _parts_reference(function: Callable[..., Any]) -> Callable[..., Any]:
    def reference(re: Any, im: Any) -> Any:
        y = function(re + 1j * im)
        return (y.real, y.imag) if y.dtype.kind == "c" else y

    return reference


def _pair(
    name: str, f: Callable[..., Any], reference: Callable[..., Any], *shape: int, **more: Any
) -> Sample:
    inputs = (array(*shape, seed=1), array(*shape, seed=2))
    return Sample(
        name, _parts(f), inputs, _parts_reference(reference), grad=True, strict=False, **EXACT, **more
    )


def _lines(name: str) -> list[Sample]:
    """Samples of a complex transform along one axis."""
    f, r = getattr(fft, name), getattr(np.fft, name)
    cases: list[tuple[str, tuple[int, ...], dict[str, Any]]] = [
        ("even", (6,), {}),
        ("odd", (5,), {}),
        ("one", (1,), {}),
        ("prime", (2, 53), {}),
        ("first-axis", (4, 3), {"axis": 0}),
        ("middle-axis", (2, 5, 3), {"axis": 1}),
        ("padded", (2, 3), {"n": 5}),
        ("cropped", (2, 6), {"n": 3}),
        ("cropped-first", (6, 2), {"n": 4, "axis": -2}),
        ("ortho", (4,), {"norm": "ortho"}),
        ("forward", (2, 3), {"norm": "forward"}),
        ("rank5", (2, 1, 2, 3, 2), {"axis": 3}),
        ("no-rows", (0, 4), {}),
    ]
    found = []
    for k, (label, shape, options) in enumerate(cases):
        for real in (False, True):
            if k % 2 != real and (
                name == "ifft" or k > 3
            ):  # every other one: what differs from fft is a sign
                continue
            found.append(
                Sample(
                    f"{name}-{'real-' if real else ''}{label}",
                    lambda x, o=options: f(x, **o),
                    (array(*shape) if real else _complex(*shape),),
                    lambda x, o=options: r(x, **o),
                    **EXACT,
                )
            )
    found += [
        _pair(f"{name}-grad", f, r, 2, 5),
        _pair(f"{name}-grad-padded", lambda z: f(z, n=4, axis=0), lambda z: r(z, n=4, axis=0), 3, 2),
        _pair(f"{name}-grad-cropped", lambda z: f(z, 2, norm="ortho"), lambda z: r(z, 2, norm="ortho"), 3),
        _single(f"{name}-c64", f, _complex(3, 8, dtype=np.complex64), r),
        _single(f"{name}-c64-strided", f, _complex(8, 6, dtype=np.complex64)[::-2, ::3], r),
        _single(
            f"{name}-c64-middle",
            lambda x: f(x, 4, 1),
            _complex(2, 3, 2, dtype=np.complex64),
            lambda x: r(x, 4, 1),
        ),
        _single(f"{name}-f32", f, array(3, 7, dtype=np.float32), r),
        _single(f"{name}-f16", f, array(6, dtype=np.float16), r),
        _single(f"{name}-bf16", f, array(2, 4, dtype=gf.bfloat16), r),
        _single(f"{name}-ints", f, array(5, dtype=np.int32, low=-9, high=9), r),
        _single(f"{name}-bools", f, array(5) > 0, r),
        Sample(f"{name}-reversed", f, (_complex(4, 5)[::-1, ::2],), r, **EXACT),
        Sample(f"{name}-nan", f, (np.array([[1.0, np.nan, 2.0], [0.0, 1.0, 2.0]]),), r, **EXACT),
    ]
    return found


def _several(name: str) -> list[Sample]:
    """Samples of a complex transform along several axes."""
    f, r = getattr(fft, name), getattr(np.fft, name)
    two = name.endswith("2")
    cases: list[tuple[str, tuple[int, ...], dict[str, Any]]] = [
        ("plain", (3, 4), {}),
        ("rank3", (2, 3, 4), {}),
        ("axes", (3, 2, 4), {"axes": (2, 0)}),
        ("sizes", (3, 4), {"s": (4, 3), "axes": (0, 1)}),
        ("sizes-ortho", (2, 3, 4), {"s": (2, 5), "axes": (1, -1), "norm": "ortho"}),
        ("forward", (3, 3), {"norm": "forward"}),
    ]
    found = []
    for k, (label, shape, options) in enumerate(cases):
        for kind, x in (("", _complex(*shape)), ("real-", array(*shape))):
            if (k % 2 == 0) != (kind == "") or (two and k > 2):
                continue
            found.append(
                Sample(
                    f"{name}-{kind}{label}",
                    lambda x, o=options: f(x, **o),
                    (x,),
                    lambda x, o=options: r(x, **o),
                    **EXACT,
                )
            )
    axes = {} if two else {"axes": (0, 1)}
    return [
        *found,
        _pair(f"{name}-grad", f, r, 3, 2),
        _pair(f"{name}-grad-sizes", lambda z: f(z, (2, 4), **axes), lambda z: r(z, (2, 4), **axes), 3, 3),
        _single(f"{name}-c64", f, _complex(3, 8, dtype=np.complex64), r),
        _single(f"{name}-f32", f, array(4, 2, 3, dtype=np.float32)[:, ::-1], r),
    ]


# --- real transforms ------------------------------------------------------------------------------


def _halves() -> list[Sample]:
    found = []
    lines: list[tuple[str, tuple[int, ...], dict[str, Any]]] = [
        ("even", (6,), {}),
        ("odd", (5,), {}),
        ("two", (2,), {}),
        ("first-axis", (4, 3), {"axis": 0}),
        ("padded", (2, 3), {"n": 6}),
        ("padded-odd", (2, 4), {"n": 7}),
        ("cropped", (2, 6), {"n": 3}),
        ("ortho", (4,), {"norm": "ortho"}),
        ("forward", (5, 3), {"norm": "forward", "axis": -2}),
    ]
    several: list[tuple[str, tuple[int, ...], dict[str, Any]]] = [
        ("plain", (3, 4), {}),
        ("axes", (3, 2, 5), {"axes": (2, 0)}),
        ("sizes", (3, 4), {"s": (4, 5), "axes": (0, 1)}),
        ("sizes-ortho", (2, 3, 4), {"s": (2, 2), "axes": (1, -1), "norm": "ortho"}),
    ]
    for name, cases in (("rfft", lines), ("ihfft", lines), ("rfftn", several), ("rfft2", several)):
        f, r = getattr(fft, name), getattr(np.fft, name)
        for label, shape, options in cases if name in ("rfft", "rfftn") else cases[1::2]:

            def real(x: Any, f: Any = f, o: Any = options) -> Any:
                y = f(x, **o)
                return F.real(y), F.imag(y)

            def real_reference(x: Any, r: Any = r, o: Any = options) -> Any:
                y = r(x, **o)
                return y.real, y.imag

            x = array(*shape)
            found.append(
                Sample(f"{name}-{label}", real, (x,), real_reference, grad=True, strict=False, **EXACT)
            )
        found.append(_single(f"{name}-f32", f, array(2, 3, 6, dtype=np.float32)[:, ::-1], r))
        found.append(_single(f"{name}-f16", f, array(3, 5, dtype=np.float16), r))
        found.append(_single(f"{name}-ints", f, array(3, 5, dtype=np.uint8, low=0, high=9), r))
    return found


def _from_halves() -> list[Sample]:
    found = []
    lines: list[tuple[str, tuple[int, ...], dict[str, Any]]] = [
        ("even", (4,), {}),
        ("odd", (4,), {"n": 7}),
        ("one", (1,), {"n": 1}),
        ("first-axis", (4, 3), {"axis": 0}),
        ("padded", (2, 3), {"n": 9}),
        ("cropped", (2, 6), {"n": 4}),
        ("ortho", (4,), {"norm": "ortho"}),
        ("forward", (5, 3), {"norm": "forward", "axis": -2}),
    ]
    several: list[tuple[str, tuple[int, ...], dict[str, Any]]] = [
        ("plain", (3, 4), {}),
        ("axes", (3, 2, 4), {"axes": (2, 0)}),
        ("sizes", (3, 4), {"s": (4, 5), "axes": (0, 1)}),
        ("sizes-ortho", (2, 3, 4), {"s": (2, 4), "axes": (1, -1), "norm": "ortho"}),
    ]
    for name, cases in (("irfft", lines), ("hfft", lines), ("irfftn", several), ("irfft2", several)):
        f, r = getattr(fft, name), getattr(np.fft, name)
        for label, shape, options in cases if name in ("irfft", "irfftn") else cases[::3]:
            found.append(
                _pair(
                    f"{name}-{label}",
                    lambda z, f=f, o=options: f(z, **o),
                    lambda z, r=r, o=options: r(z, **o),
                    *shape,
                )
            )
        found.append(Sample(f"{name}-strict", f, (_complex(2, 5),), r, **EXACT))
        found.append(Sample(f"{name}-real", f, (array(3, 4),), r, grad=True, **EXACT))
        found.append(_single(f"{name}-c64", f, _complex(2, 3, 6, dtype=np.complex64)[:, ::-1], r))
        found.append(_single(f"{name}-f16", f, array(3, 5, dtype=np.float16), r))
    return found


def _aliases() -> list[Sample]:
    x, z = array(2, 3, 2, 4), _complex(2, 3, 2, 4)
    last2, last3 = (-2, -1), (-3, -2, -1)
    found = [
        Sample(f"{i}fft{k}d", getattr(fft_aliases, f"{i}fft{k}d"), (z,), lambda z, i=i, a=a: getattr(np.fft, f"{i}fftn")(z, axes=a), **EXACT)
        for i in ("", "i")
        for k, a in ((2, last2), (3, last3))
    ]  # fmt: skip
    for k, a in ((2, last2), (3, last3)):
        sizes = [3, 5, 6][3 - k :]
        found += [
            Sample(f"rfft{k}d", getattr(fft_aliases, f"rfft{k}d"), (x,), lambda x, a=a: np.fft.rfftn(x, axes=a), **EXACT),
            Sample(
                f"rfft{k}d-length",
                lambda x, k=k, s=sizes: getattr(fft_aliases, f"rfft{k}d")(x, s),
                (x,),
                lambda x, a=a, s=sizes: np.fft.rfftn(x, s, axes=a),
                **EXACT,
            ),
            Sample(
                f"irfft{k}d-length",
                lambda z, k=k, s=sizes: getattr(fft_aliases, f"irfft{k}d")(z, s),
                (z,),
                lambda z, a=a, s=sizes: np.fft.irfftn(z, s, axes=a),
                **EXACT,
            ),
        ]  # fmt: skip
    found += [
        Sample("rfft-fft_length", lambda x: fft.rfft(x, fft_length=[6]), (x,), lambda x: np.fft.rfft(x, 6), **EXACT),
        Sample("irfft-fft_length", lambda x: fft.irfft(x, [5]), (z,), lambda x: np.fft.irfft(x, 5), **EXACT),
        Sample("fft-n-of-shape", lambda x, y: fft.fft(x, n=gf.shape(y)[0]), (x, array(7)), lambda x, y: np.fft.fft(x, 7), unranked=False, **EXACT),
    ]  # fmt: skip
    return found


# --- frequencies and their order ------------------------------------------------------------------


def _orders() -> list[Sample]:
    found = []
    for name in ("fftfreq", "rfftfreq"):
        f, r = getattr(fft_shift, name), getattr(np.fft, name)
        for n, d in ((1, 1.0), (2, 1.0), (5, 0.1), (8, -3)):
            found.append(
                Sample(f"{name}-{n}", lambda n=n, d=d, f=f: f(n, d, dtype="float64"), (), lambda n=n, d=d, r=r: r(n, d), **EXACT)
            )  # fmt: skip
        found.append(Sample(f"{name}-f32", lambda f=f: f(6), (), lambda r=r: r(6)))
        found.append(
            Sample(f"{name}-f16", lambda f=f: f(6, dtype="float16"), (), lambda r=r: r(6), strict=False)
        )
        found.append(
            Sample(f"{name}-of-shape", lambda x, f=f: f(gf.shape(x)[-1], dtype="float64"), (array(2, 5),), lambda x, r=r: r(5), unranked=False, **EXACT)
        )  # fmt: skip
    for name in ("fftshift", "ifftshift"):
        f, r = getattr(fft_shift, name), getattr(np.fft, name)
        found += [
            Sample(f"{name}-odd", f, (array(5),), r, grad=True),
            Sample(f"{name}-all", f, (array(3, 4, 5),), r, grad=True),
            Sample(f"{name}-axis", lambda x, f=f: f(x, 1), (array(3, 5, dtype=np.int8, low=-9, high=9),), lambda x, r=r: r(x, 1)),
            Sample(f"{name}-axes", lambda x, f=f: f(x, (-1, 0)), (array(3, 2, 5)[::-1],), lambda x, r=r: r(x, (-1, 0)), grad=True),
            Sample(f"{name}-scalar", f, (np.float64(3),), lambda x: x),
            Sample(f"{name}-empty", f, (np.zeros((0, 3)),), r),
            Sample(f"{name}-c64", f, (_complex(2, 3, dtype=np.complex64),), r),
            Sample(f"{name}-bool", f, (array(1, 4) > 0,), r),
        ]  # fmt: skip
    return found


# --- cosine transforms ----------------------------------------------------------------------------


def _cosines() -> list[Sample]:
    found = []
    for kind in (1, 2, 3, 4):
        least = 2 if kind == 1 else 1
        found += [
            Sample(
                f"dct{kind}-{n}-{norm}",
                lambda x, k=kind, m=norm: fft_cosine.dct(x, k, norm=m),
                (array(2, n),),
                lambda x, k=kind, m=norm: scipy.fft.dct(x, k, norm=m or "backward"),
                grad=n > 2,
                strict=False,
                **EXACT,
            )
            for n, norm in (
                (least, None),
                (least, "ortho"),
                (5, None),
                (6, "ortho"),
                (7, "forward"),
                (4, None),
            )
        ]
        found += [
            Sample(
                f"idct{kind}",
                lambda x, k=kind: fft_cosine.idct(x, k, norm="backward"),
                (array(5),),
                lambda x, k=kind: scipy.fft.idct(x, k),
                strict=False,
                **EXACT,
            ),
            Sample(
                f"dct{kind}-axis-padded",
                lambda x, k=kind: fft_cosine.dct(x, k, n=5, axis=0),
                (array(3, 2),),
                lambda x, k=kind: scipy.fft.dct(x, k, n=5, axis=0),
                grad=kind == 2,
                strict=False,
                **EXACT,
            ),
            _single(
                f"dct{kind}-f32",
                lambda x, k=kind: fft_cosine.dct(x, k, axis=1),
                array(2, 6, 3, dtype=np.float32)[::-1],
                lambda x, k=kind: scipy.fft.dct(x, k, axis=1),
                strict=False,
            ),
        ]
    return [
        *found,
        Sample("idct-f16", fft_cosine.idct, (array(4, dtype=np.float16),), lambda x: scipy.fft.idct(x.astype(float), norm="forward"), strict=False, atol=0.02),
        Sample("dct-empty", fft_cosine.dct, (np.zeros((0, 3)),), lambda x: x, strict=False),
        Sample("dct-ints", fft_cosine.dct, (np.arange(4),), lambda x: scipy.fft.dct(1.0 * x), strict=False, rtol=1e-6, atol=1e-5),
        Sample("dct-cropped", lambda x: fft_cosine.dct(x, n=2), (array(2, 4),), lambda x: scipy.fft.dct(x, n=2), strict=False, **EXACT),
    ]  # fmt: skip


# --- convolution ----------------------------------------------------------------------------------


def _convolutions() -> list[Sample]:
    found = []
    cases = [(5, 3, m, d) for m in ("full", "same", "valid") for d in ("direct", "fft")]
    cases += [(2, 5, m, "direct") for m in ("full", "same", "valid")] + [
        (4, 4, "same", "auto"),
        (6, 1, "valid", "auto"),
    ]
    for m, n, mode, method in cases:
        found += [
            Sample(
                f"{r.__name__}-{m}-{n}-{mode}-{method}",
                lambda a, v, f=f, o=mode, d=method: f(a, v, o, d),
                (array(m, seed=1), array(n, seed=2)),
                lambda a, v, r=r, o=mode: r(a, v, o),
                grad=True,
                strict=False,
                **EXACT,
            )
            for f, r in ((fft_convolve.convolve, np.convolve), (fft_convolve.correlate, np.correlate))
        ]
    z, w = _complex(6), _complex(3, seed=9)

    def in_parts(f: Any) -> Any:
        def build(a: Any, b: Any, c: Any, d: Any) -> Any:
            y = f(F.complex(a, b), F.complex(c, d))
            return F.real(y), F.imag(y)

        return build

    def parts(r: Any) -> Any:
        def reference(a: Any, b: Any, c: Any, d: Any) -> Any:
            y = r(a + 1j * b, c + 1j * d)
            return y.real, y.imag

        return reference

    pairs = (array(4, seed=1), array(4, seed=2), array(2, seed=3), array(2, seed=4))
    found += [
        Sample("convolve-complex", fft_convolve.convolve, (z, w), np.convolve, strict=False, **EXACT),
        Sample("convolve-complex-grad", in_parts(fft_convolve.convolve), pairs, parts(np.convolve), grad=True, strict=False, **EXACT),
        Sample("correlate-complex-grad", in_parts(fft_convolve.correlate), pairs, parts(np.correlate), grad=True, strict=False, **EXACT),
        Sample("convolve-complex-fft", lambda a, v: fft_convolve.convolve(a, v, method="fft"), (z, w), np.convolve, strict=False, **EXACT),
        Sample("convolve-ints", fft_convolve.convolve, (np.arange(5, dtype=np.int8), np.arange(3, dtype=np.int8)), np.convolve, strict=False),
        Sample("convolve-f16", fft_convolve.convolve, (array(9, dtype=np.float16), array(2, dtype=np.float16)), _exact(np.convolve), strict=False, atol=0.01),
        Sample("convolve-bf16", fft_convolve.convolve, (array(9, dtype=gf.bfloat16), array(2, dtype=gf.bfloat16)), _exact(np.convolve), strict=False, rtol=0.02, atol=0.02),
        Sample("convolve-long", fft_convolve.convolve, (array(700), array(600, seed=1)[::-1]), np.convolve, strict=False, rtol=1e-10, atol=1e-10),
        Sample("correlate-long-f32", fft_convolve.correlate, (array(900, dtype=np.float32), array(600, dtype=np.float32, seed=1)), _exact(np.correlate), strict=False, atol=1e-3),
    ]  # fmt: skip
    return found


SAMPLES: list[Sample] = [
    *_lines("fft"),
    *_lines("ifft"),
    *_several("fftn"),
    *_several("ifftn"),
    *_several("fft2"),
    *_several("ifft2"),
    *_halves(),
    *_from_halves(),
    *_aliases(),
    *_orders(),
    *_cosines(),
    *_convolutions(),
]
