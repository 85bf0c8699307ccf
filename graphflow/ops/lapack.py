"""How kernels call LAPACK: batched, in the precision of the matrices, with failures that name the matrix.

`np.linalg` computes float32 in float64. On one thread that took 1.7 to 3.3 times as long (Cholesky, LU, SVD and
eigenvalues, 512 x 512 and 100 of 64 x 64, OpenBLAS 0.3.31) and needs copies of twice the bytes. The loops that it
calls for float64 exist for single precision too; where this NumPy has them they are called here. They are no
public part of NumPy, so that every call has `np.linalg`'s own function to fall back on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache, partial
from typing import Any, NoReturn

import numpy as np

from graphflow.errors import RunError
from graphflow.ops.lapack_costs import SCANNED, group_size
from graphflow.ops.ufunc import is_cuda

__all__ = [
    "call_lapack",
    "epsilon",
    "first_failure",
    "in_groups",
    "is_complex",
    "is_single",
    "lapack",
    "place_in",
    "require_finite",
    "stacked",
    "transposed",
]

# --- dtypes, also of array modules whose dtypes can only be compared ---------------------------------


def is_complex(xp: Any, x: Any) -> bool:
    """True for arrays of complex numbers."""
    return x.dtype in (xp.complex64, xp.complex128)


def is_single(xp: Any, x: Any) -> bool:
    """True for arrays of float32 and complex64."""
    return x.dtype in (xp.float32, xp.complex64)


def epsilon(xp: Any, x: Any) -> float:
    """The distance from 1 to the next number, in the precision of an array."""
    return 2.0**-23 if is_single(xp, x) else 2.0**-52


def transposed(xp: Any, x: Any) -> Any:
    """The conjugate transpose of each matrix; a view of real ones."""
    turned = xp.swapaxes(x, -1, -2) if hasattr(xp, "swapaxes") else xp.matrix_transpose(x)
    return xp.conj(turned) if is_complex(xp, x) else turned


# --- functions ------------------------------------------------------------------------------------

_LOOPS = {
    "cholesky": "cholesky_lo",
    "cholesky_upper": "cholesky_up",
    "det": "det",
    "eig": "eig",
    "eigh": "eigh_lo",
    "eigvals": "eigvals",
    "eigvalsh": "eigvalsh_lo",
    "inv": "inv",
    "slogdet": "slogdet",
    "solve": "solve",
    "svd": "svd_s",
    "svd_full": "svd_f",
    "svdvals": "svd",
}
"""Name here -> the loop behind `np.linalg`'s function, of the same inputs and outputs."""

_OWN = dict.fromkeys(_LOOPS, "fF") | {"eig": "fd", "eigvals": "fd"}
"""Characters of the dtypes that the loops are called for: of eigenvalues they are all complex, as they should be."""


def _fail(kind: str, flag: int) -> NoReturn:
    """What NumPy is told to call when a loop reports failure, which it does by the flag of invalid operations."""
    raise np.linalg.LinAlgError(kind)


@cache
def _loop(name: str, char: str) -> Callable[..., Any] | None:
    """NumPy's loop for matrices of a dtype, or None where its function should be called."""
    if char not in _OWN.get(name, ""):
        return None
    loop: Any = getattr(getattr(np.linalg, "_umath_linalg", None), _LOOPS[name], None)
    if not any(t.startswith(char) for t in getattr(loop, "types", ())):
        return None
    return loop if name in ("det", "slogdet") else partial(_run_loop, loop)  # those two cannot fail


def _run_loop(loop: Callable[..., Any], *arrays: Any) -> Any:
    with np.errstate(call=_fail, invalid="call", over="ignore", divide="ignore", under="ignore"):
        return loop(*arrays)


def lapack(xp: Any, name: str, dtype: Any) -> Callable[..., Any]:
    """The function of that name for stacks of matrices of one dtype.

    cholesky (of the lower triangle), cholesky_upper, det, eig, eigh, eigvals, eigvalsh, inv, qr, qr_complete,
    slogdet, solve (of matrices), svd (reduced), svd_full, svdvals. A failure raises NumPy's LinAlgError.
    """
    if xp is np:
        loop = _loop(name, dtype.char)
        if loop is not None:
            return loop
    written = _WRITTEN.get(name)
    return getattr(xp.linalg, name) if written is None else partial(written, xp)


def _cholesky_upper(xp: Any, a: Any) -> Any:
    if not is_cuda(xp):
        return xp.linalg.cholesky(a, upper=True)
    return transposed(xp, xp.linalg.cholesky(transposed(xp, a)))


def _svdvals(xp: Any, a: Any) -> Any:
    own = getattr(xp.linalg, "svdvals", None)
    return xp.linalg.svd(a, compute_uv=False) if own is None else own(a)


def _solve(xp: Any, a: Any, b: Any) -> Any:
    """CuPy takes stacks of one shape only, and a `b` with one axis fewer than `a` for vectors."""
    if is_cuda(xp):
        lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        a = xp.broadcast_to(a, (*lead, *a.shape[-2:]))
        b = xp.broadcast_to(b, (*lead, *b.shape[-2:]))
        if b.size == 0:
            return xp.zeros(b.shape, dtype=b.dtype)
    return xp.linalg.solve(a, b)


def _on_the_host(name: str) -> Callable[..., Any]:
    """CuPy has general eigenvalues from version 14 on; before it they are computed on the CPU."""

    def run(xp: Any, a: Any) -> Any:
        own = getattr(xp.linalg, name, None)
        if own is not None:
            return own(a)
        found = getattr(np.linalg, name)(a.get())
        parts = found if isinstance(found, tuple) else (found,)
        moved = tuple([xp.asarray(part) for part in parts])
        return moved if isinstance(found, tuple) else moved[0]

    return run


_WRITTEN: dict[str, Callable[..., Any]] = {
    "cholesky_upper": _cholesky_upper,
    "eig": _on_the_host("eig"),
    "eigvals": _on_the_host("eigvals"),
    "qr_complete": lambda xp, a: xp.linalg.qr(a, mode="complete"),
    "solve": _solve,
    "svd": lambda xp, a: xp.linalg.svd(a, full_matrices=False),
    "svd_full": lambda xp, a: xp.linalg.svd(a, full_matrices=True),
    "svdvals": _svdvals,
}

# --- failures -------------------------------------------------------------------------------------


def _watched(xp: Any) -> AbstractContextManager[Any]:
    """CuPy returns garbage where cuSOLVER reports failure, unless told to raise."""
    if not is_cuda(xp):
        return nullcontext()
    import cupyx

    return cupyx.errstate(linalg="raise") if hasattr(cupyx, "errstate") else nullcontext()


def call_lapack(xp: Any, what: str, name: str, fault: str, *arrays: Any) -> Any:
    """`lapack(xp, name, dtype)(*arrays)`; where it fails, a RunError `what: matrix [i] fault`."""
    function = lapack(xp, name, arrays[0].dtype)
    with _watched(xp):
        try:
            return function(*arrays)
        except np.linalg.LinAlgError as error:
            raise RunError(f"{what}: {stacked(first_failure(function, arrays))} {fault}") from error


def first_failure(function: Callable[..., Any], arrays: Sequence[Any]) -> tuple[int, ...]:
    """The index of the first matrix of a stack that a function raises LinAlgError for; () where there is no stack."""
    lead = np.broadcast_shapes(*[x.shape[:-2] for x in arrays])
    for index in np.ndindex(lead):
        try:
            function(*[_one(x, index) for x in arrays])
        except np.linalg.LinAlgError:
            return index
    return ()


def _one(x: Any, index: tuple[int, ...]) -> Any:
    """The matrix of a broadcast stack at an index."""
    own = index[len(index) - (x.ndim - 2) :]
    return x[tuple([i if n > 1 else 0 for i, n in zip(own, x.shape[:-2], strict=True)])]


def place_in(shape: tuple[int, ...], number: int) -> tuple[int, ...]:
    """The index of a matrix of a stack of that shape by its number in C order."""
    return tuple([int(i) for i in np.unravel_index(number, shape[:-2])]) if len(shape) > 2 else ()


def stacked(index: Sequence[int]) -> str:
    """Words for a matrix by its place in a stack."""
    return f"matrix {list(index)} of the stack" if index else "the matrix"


def require_finite(xp: Any, what: str, x: Any) -> None:
    """Raise RunError if a matrix holds NaN or infinity: LAPACK's iterations may give anything then, or not end."""
    if xp is np and _all_finite(x):
        return
    finite = xp.isfinite(x)
    if bool(xp.all(finite)):
        return
    whole = xp.reshape(xp.all(finite, axis=(-2, -1)), (-1,))
    place = int(xp.argmin(xp.astype(whole, xp.int8)))
    raise RunError(f"{what}: {stacked(place_in(x.shape, place))} holds NaN or infinity")


def _all_finite(x: Any) -> bool:
    pieces = np.nditer(
        [x],
        flags=["external_loop", "buffered", "zerosize_ok"],
        op_flags=[["readonly"]],
        order="K",
        buffersize=SCANNED,
    )
    return all(bool(np.isfinite(piece).all()) for piece in pieces)


# --- groups ---------------------------------------------------------------------------------------


def in_groups(xp: Any, function: Callable[[Any], Any], x: Any) -> Any:
    """`function(x)` of a list of square matrices, some at a time under NumPy, so that few temporaries are alive.

    A function that gives each matrix the same bits whatever is beside it. See `group_nbytes`.
    """
    step = group_size(x.shape[-2] * x.shape[-1])
    if xp is not np or len(x) <= step:
        return function(x)
    made = np.empty(x.shape, x.dtype)
    for start in range(0, len(x), step):
        made[start : start + step] = function(x[start : start + step])
    return made
