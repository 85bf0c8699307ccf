"""Convolution and correlation of two vectors, by sums of products or through Fourier transforms."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow.errors import ArgumentError, ShapeError, shorten
from graphflow.graph import Tensor, composition, make_node
from graphflow.op import F, Op, Trait, declare, public
from graphflow.ops.arguments import typed
from graphflow.ops.fft_kernels import flops, reals_of_spectrum, spectrum, spectrum_of_reals
from graphflow.ops.fft_lines import scratch_nbytes
from graphflow.ops.philox import converted
from graphflow.ops.ufunc import numbers2
from graphflow.ops.views import put
from graphflow.types import DimLike, TensorType, is_floating, unknown_dim

__all__ = ["convolve", "correlate"]

MODES = ("full", "same", "valid")
METHODS = ("auto", "direct", "fft")

FFT_FROM = 500
"""Size of the shorter vector from which on transforms are faster: measured with NumPy 2.4, 400 to 700 for longer ones of
10^3 to 10^6."""

# --- sizes ----------------------------------------------------------------------------------------


def _length(m: int, n: int, mode: str) -> int:
    if mode == "full":
        return m + n - 1
    return max(m, n) - min(m, n) + 1 if mode == "valid" else max(m, n)


def _start(m: int, n: int, mode: str) -> int:
    """Where a mode's part begins in the full convolution; "same_correlated" is NumPy's choice of the middle."""
    less = min(m, n) - 1
    if mode == "same":
        return less // 2
    if mode == "same_correlated":
        return less // 2 if m >= n else less - less // 2
    return 0 if mode == "full" else less


def _check_vector(what: str, x: TensorType) -> DimLike:
    if x.rank != 1:
        raise ShapeError(f"{what} must be a vector, got {x}")
    if x.dims == (0,):
        raise ShapeError(f"{what} must not be empty, got {x}")
    return x.dims[0]


def _good_size(n: int) -> int:
    """The least number from `n` on that has no prime factor above 5: transforms of it are fast."""
    best = 1 << (n - 1).bit_length()
    five = 1
    while five < best:
        odd = five
        while odd < best:
            quotient = -(-n // odd)
            best = min(best, odd << (quotient - 1).bit_length())
            odd *= 3
        five *= 5
    return best


# --- kernels --------------------------------------------------------------------------------------


def _by_fft(m: int, n: int, dtype: np.dtype[Any], method: str) -> bool:
    return method == "fft" or (method == "auto" and min(m, n) >= FFT_FROM and is_floating(dtype))


def _wide(xp: Any, x: Any) -> Any:
    return converted(xp, x, xp.float32) if x.dtype.itemsize == 2 and x.dtype.kind not in "iu" else x


def _full(xp: Any, a: Any, v: Any, method: str) -> Any:
    """All of the convolution. What is direct is a product of a vector with shifted copies of the other."""
    m, n = a.shape[0], v.shape[0]
    if not _by_fft(m, n, np.dtype(a.dtype), method):
        return xp.convolve(a, v, mode="full")
    size = _good_size(m + n - 1)
    if a.dtype.kind == "c":
        y, z = [spectrum(xp, x, (size,), (0,), False, "backward") for x in (a, v)]
        y *= z
        return spectrum(xp, y, None, (0,), True, "backward", y)[: m + n - 1]
    y, z = [spectrum_of_reals(xp, x, (size,), (0,), "backward") for x in (a, v)]
    y *= z
    del z
    return reals_of_spectrum(xp, y, (size,), (0,), "backward")[: m + n - 1]


def _convolve_kernel(xp: Any, a: Any, v: Any, *, mode: str, method: str, out: Any = None) -> Any:
    m, n = a.shape[0], v.shape[0]
    dtype, a, v = a.dtype, _wide(xp, a), _wide(xp, v)
    if xp is np and mode in ("same", "valid") and not _by_fft(m, n, np.dtype(a.dtype), method):
        y = np.convolve(a, v, mode=mode)  # type: ignore[call-overload]  # one of the two
    else:
        start = _start(m, n, mode)
        y = _full(xp, a, v, method)[start : start + _length(m, n, mode)]
    if xp is np and out is not None:
        out[...] = y
        return out
    return put(xp, converted(xp, y, dtype), out)


def _transpose_kernel(
    xp: Any, g: Any, other: Any, like: Any, *, mode: str, method: str, first: bool, out: Any = None
) -> Any:
    """g in its place among the full convolution, correlated with the other operand."""
    n, m = other.shape[0], like.shape[0]
    start = _start(m, n, mode) if first else _start(n, m, mode)
    flipped = _wide(xp, other)[::-1]
    if flipped.dtype.kind == "c":
        flipped = xp.conj(flipped)
    y = _full(xp, _wide(xp, g), flipped, method)
    result = xp.empty((m,), dtype=g.dtype) if out is None else out
    origin = n - 1 - start  # where the result's element 0 is in y
    low, high = max(origin, 0), min(origin + m, y.shape[0])
    result[: low - origin] = 0
    result[low - origin : high - origin] = y[low:high] if xp is np else converted(xp, y[low:high], g.dtype)
    result[high - origin :] = 0
    return result


def _workspace(inputs: Any, outputs: Any, *, mode: str, method: str, **attrs: Any) -> int:
    """Operands widened and reversed, and two spectra, or the product's result: as much of it as the mode asks for."""
    m, n, dtype = int(inputs[0].dims[0]), int(inputs[1].dims[0]), inputs[0].dtype
    item = 4 if dtype.itemsize == 2 and is_floating(dtype) else dtype.itemsize
    transposed, is_complex = len(inputs) == 3, dtype.kind == "c"
    held = (m + n) * item if item != dtype.itemsize else 0
    if transposed and is_complex:
        held += n * item  # the conjugate
    if _by_fft(m, n, dtype, method):
        size = _good_size(m + n - 1)
        spectra = 2 * size if is_complex else 4 * (size // 2 + 1)
        return held + spectra * item + min(scratch_nbytes((size,)), size * item // 32)
    if not transposed:
        made = m + n - 1 if mode == "same_correlated" else _length(m, n, mode)
        return held + (made + min(m, n)) * item
    if is_complex:
        turned = min(m, n)
    else:  # the other operand is turned twice, unless it is the longer one
        turned = m + n if n > m else 0
    return held + (m + n - 1 + turned) * item


def _flops(inputs: Any, outputs: Any, *, method: str, **attrs: Any) -> int:
    m: int = inputs[0].dims[0]
    n: int = inputs[1].dims[0]
    if not _by_fft(m, n, inputs[0].dtype, method):
        return 2 * m * n
    size = _good_size(m + n - 1)
    return 6 * size + 3 * flops(size, (size,), inputs[0].dtype.kind != "c")


# --- ops ------------------------------------------------------------------------------------------


def _infer_convolve(a: TensorType, v: TensorType, *, mode: str, method: str) -> TensorType:
    m, n = _check_vector("a", a), _check_vector("v", v)
    if isinstance(m, int) and isinstance(n, int):
        return typed(a.dtype, (_length(m, n, mode),))
    return typed(a.dtype, (m + n - 1 if mode == "full" else unknown_dim(),))


CONVOLVE: Op = declare(
    Op(
        "convolve",
        _infer_convolve,
        _convolve_kernel,
        lambda node, g: (
            _transposed(node, g, node.inputs[1], node.inputs[0], first=True),
            _transposed(node, g, node.inputs[0], node.inputs[1], first=False),
        ),
        Trait.OUT | Trait.BLAS,
        flops=_flops,
        workspace=_workspace,
        doc="Convolution of two vectors.",
    )
)


def _transposed(node: Any, g: Tensor, other: Tensor, like: Tensor, *, first: bool) -> Tensor | None:
    if not is_floating(g.dtype):
        return None
    attrs = {"mode": node.attrs["mode"], "method": node.attrs["method"], "first": first}
    return make_node(CONVOLVE_TRANSPOSE, (g, other, like), attrs).outputs[0]


def _transpose_vjp(node: Any, r: Tensor) -> tuple[Tensor, Tensor | None, None]:
    """It is linear in g, with `convolve` as its transpose, and in the conjugate of the other operand."""
    g, other, _ = node.inputs
    first = node.attrs["first"]
    attrs = {"mode": node.attrs["mode"], "method": node.attrs["method"]}
    along = make_node(CONVOLVE, (r, other) if first else (other, r), attrs).outputs[0]
    return along, _transposed(node, g, r, other, first=not first), None


CONVOLVE_TRANSPOSE: Op = declare(
    Op(
        "convolve_transpose",
        lambda g, other, like, **attrs: like,
        _transpose_kernel,
        _transpose_vjp,
        Trait.OUT | Trait.BLAS,
        dtype=lambda g, other, like, **attrs: like,
        flops=_flops,
        workspace=_workspace,
        doc="The gradient of a convolution for one of its operands.",
    )
)


# --- public ---------------------------------------------------------------------------------------


def _operands(op: str, a: Any, v: Any, mode: Any, method: Any) -> tuple[Tensor, Tensor]:
    for what, value, allowed in (("mode", mode, MODES), ("method", method, METHODS)):
        if not isinstance(value, str) or value not in allowed:
            raise ArgumentError(f"{op}: {what} must be one of {', '.join(allowed)}, not {shorten(value)}")
    x, y = numbers2(op, a, v)
    for t in (x, y):
        if t.type.shape is not None and len(t.type.shape) != 1:
            raise ShapeError(f"{op}: a and v must be vectors, got {t!r}")
    if method == "fft" and not is_floating(x.dtype):
        raise ArgumentError(f"{op}: method 'fft' is for floats, as it rounds; got {x.dtype.name}")
    return x, y


@public
def convolve(a: Any, v: Any, mode: str = "full", method: str = "auto", name: str | None = None) -> Tensor:
    """The convolution of two vectors, y[k] = sum over j of a[j] v[k-j], as `numpy.convolve` has it.

    mode: "full", all len(a) + len(v) - 1 elements; "same", the middle max(len(a), len(v)) of them; "valid", those for
        which the shorter vector lies wholly inside the longer one.
    method: "direct", sums of products; "fft", through transforms, with errors relative to the largest element;
        "auto", the faster one, by the sizes; always "direct" for integers, which wrap around on overflow.
    A primitive: array libraries have one, and sizes decide how it is done.
    Raises ShapeError for anything but vectors that are not empty, DTypeError for bools, ArgumentError for another
    mode or method.
    """
    x, y = _operands("convolve", a, v, mode, method)
    return make_node(CONVOLVE, (x, y), {"mode": mode, "method": method}, name).outputs[0]


@public
def correlate(a: Any, v: Any, mode: str = "valid", method: str = "auto", name: str | None = None) -> Tensor:
    """The correlation of two vectors, c[k] = sum over j of a[j+k] conj(v[j]), as `numpy.correlate` has it.

    A composition: `convolve` with the second vector reversed and conjugated. Arguments and errors as for it.
    """
    x, y = _operands("correlate", a, v, mode, method)
    with composition("correlate" if name is None else name):
        flipped = F.conj(F.flip(y, 0))
        part = "same_correlated" if mode == "same" else mode
        return make_node(CONVOLVE, (x, flipped), {"mode": part, "method": method}).outputs[0]
