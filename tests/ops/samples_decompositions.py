"""Samples of decompositions: Cholesky, QR, singular values, eigenvalues, LU.

Signs (phases) of vectors are LAPACK's choice: outputs that depend on them are checked by what they must satisfy, and
gradients are taken of functions that do not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import graphflow as gf
from graphflow.op import F
from graphflow.ops.cholesky import cholesky
from graphflow.ops.eig import eig, eigvals
from graphflow.ops.eigen import eigh, eigvalsh
from graphflow.ops.lu import lu
from graphflow.ops.qr import qr
from graphflow.ops.svd import svd, svdvals
from tests.ops.table import Sample, array

X3, X34, X43 = array(3, 3, seed=1), array(3, 4, seed=2), array(4, 3, seed=3)
Y3, Y34, Y43 = array(3, 3, seed=4), array(3, 4, seed=5), array(4, 3, seed=6)
B233 = array(2, 3, 3, seed=7)
B1243 = array(1, 2, 4, 3, seed=8)
LARGE = array(70, 70, seed=9)
FLOATS = (np.float32, np.float64, np.complex64, np.complex128)


def complex_of(dtype: Any, x: Any, y: Any) -> Any:
    """A matrix of any dtype: `y` is the imaginary part of complex ones."""
    return (x + 1j * y).astype(dtype) if np.dtype(dtype).kind == "c" else x.astype(dtype)


def turned(x: Any) -> Any:
    """The conjugate transpose."""
    return np.conj(np.swapaxes(x, -1, -2))


def definite(x: Any) -> Any:
    """A Hermitian positive definite matrix with distinct eigenvalues, of an array."""
    n = x.shape[-1]
    return (x @ turned(x) + np.diag(np.arange(1.0, n + 1))).astype(x.dtype)


def tdefinite(x: Any, n: int = 3) -> Any:
    """The same of a tensor of n x n matrices."""
    steps = gf.cast(gf.constant(np.diag(np.arange(1.0, n + 1))), x.dtype)
    return gf.matmul(x, x, adjoint_b=True) + steps


def parts(*tensors: Any) -> tuple[Any, ...]:
    """Real and imaginary parts, for gradients, which are checked for real outputs of real inputs."""
    found: list[Any] = []
    for t in tensors:
        found += [F.real(t), F.imag(t)] if t.dtype.kind == "c" else [t]
    return tuple(found)


def parts_of(*arrays: Any) -> tuple[Any, ...]:
    """The same of arrays."""
    return tuple([part for x in arrays for part in ([x.real, x.imag] if x.dtype.kind == "c" else [x])])


def sizes(tensors: Any) -> tuple[Any, ...]:
    """Squares of absolute values, which have derivatives at 0."""
    return tuple([F.real(t * F.conj(t)) for t in tensors])


def near(left: Any, right: Any) -> None:
    """Equal up to rounding, in the precision of `left`."""
    eps = {4: 2e-5, 8: 1e-10}[left.dtype.itemsize // (2 if left.dtype.kind == "c" else 1)]
    np.testing.assert_allclose(left, right, rtol=eps, atol=eps)


def orthonormal(q: Any) -> None:
    """The columns are."""
    near(turned(q) @ q, np.broadcast_to(np.eye(q.shape[-1]), (*q.shape[:-2], q.shape[-1], q.shape[-1])))


# --- Cholesky -------------------------------------------------------------------------------------


def _cholesky() -> list[Sample]:
    samples = [
        Sample(
            f"cholesky-{np.dtype(d).name}-{upper}",
            lambda x, upper=upper: cholesky(x, upper),
            (definite(complex_of(d, X3, Y3)),),
            lambda x, upper=upper: np.linalg.cholesky(x, upper=upper),
            rtol=1e-5,
        )
        for d in FLOATS
        for upper in (False, True)
    ]
    garbage = np.triu(np.full((3, 3), np.nan), 1)
    samples += [
        Sample("cholesky-int", lambda x: cholesky(x), (np.diag([4, 9]),), lambda x: np.sqrt(x), rtol=1e-6),
        Sample("cholesky-stack", lambda x: cholesky(x), (definite(B233),), np.linalg.cholesky),
        Sample(
            "cholesky-strides", lambda x: cholesky(x), (definite(B233)[::-1, ::-1, ::-1],), np.linalg.cholesky
        ),
        Sample("cholesky-empty", lambda x: cholesky(x), (np.zeros((2, 0, 0)),), lambda x: x),
        Sample("cholesky-empty-stack", lambda x: cholesky(x), (np.zeros((0, 2, 2)),), lambda x: x),
        Sample("cholesky-1", lambda x: cholesky(x), (np.array([[[2.0]]]),), np.sqrt),
        Sample(
            "cholesky-reads-one-triangle",
            lambda x: cholesky(x),
            (definite(X3) + garbage,),
            lambda x: np.linalg.cholesky(np.tril(x) + np.tril(x, -1).T),
        ),
        Sample(
            "cholesky-gradient",
            lambda x: (cholesky(tdefinite(x)), cholesky(tdefinite(x * 2), upper=True)),
            (B233,),
            lambda x: (np.linalg.cholesky(definite(x)), turned(np.linalg.cholesky(definite(x * 2)))),
            grad=True,
        ),
        Sample(
            "cholesky-complex-gradient",
            lambda x, y: parts(cholesky(tdefinite(gf.complex(x, y)), upper=True)),
            (X3, Y3),
            lambda x, y: parts_of(turned(np.linalg.cholesky(definite(x + 1j * y)))),
            grad=True,
            strict=False,
        ),
    ]
    return samples


# --- QR -------------------------------------------------------------------------------------------


def _check_qr(complete: bool) -> Callable[..., None]:
    def check(q: Any, r: Any, x: Any) -> None:
        m, n = x.shape[-2:]
        k = m if complete else min(m, n)
        assert q.shape == (*x.shape[:-1], k)
        assert r.shape == (*x.shape[:-2], k, n)
        near(q @ r, x)
        orthonormal(q)
        np.testing.assert_array_equal(r, np.triu(r))

    return check


def _unsigned(q: Any, r: Any) -> tuple[Any, ...]:
    """What does not depend on the signs of R's rows."""
    return (
        gf.matmul(q, q, adjoint_b=True),
        gf.matmul(r, r, adjoint_a=True),
        q * gf.matrix_transpose(r)[..., :1, :],
    )


def _qr() -> list[Sample]:
    shaped = {"square": X3, "tall": X43, "wide": X34, "stack": B1243, "large": LARGE, "large-wide": LARGE[:9]}
    samples = [
        Sample(f"qr-{label}-{mode}", lambda x, m=mode: qr(x, m), (x,), check=_check_qr(mode == "complete"))
        for label, x in shaped.items()
        for mode in ("reduced", "complete")
    ]
    samples += [
        Sample(
            f"qr-{np.dtype(d).name}-{len(x)}",
            lambda x: qr(x),
            (complex_of(d, x, x[::-1]),),
            check=_check_qr(False),
        )
        for d in FLOATS
        for x in (X43, LARGE)
        if d != np.float64
    ]
    samples += [
        Sample(
            f"qr-empty-{m}-{n}-{mode}",
            lambda x, k=mode: qr(x, k),
            (np.zeros((2, m, n)),),
            check=_check_qr(mode == "complete"),
        )
        for m, n in ((0, 3), (3, 0), (0, 0))
        for mode in ("reduced", "complete")
    ]
    samples += [
        Sample(
            "qr-strides",
            lambda x: qr(gf.flip(gf.matrix_transpose(x), 0)),
            (X34,),
            check=lambda q, r, x: near(q @ r, x.T[::-1]),
        ),
        Sample("qr-int", lambda x: qr(x), (np.array([[1, 2], [3, 4]]),), check=_check_qr(False)),
        Sample("qr-gradient-square", lambda x: _unsigned(*qr(x)), (B233,), check=lambda *_: None, grad=True),
        Sample("qr-gradient-tall", lambda x: _unsigned(*qr(x)), (X43,), check=lambda *_: None, grad=True),
        Sample("qr-gradient-of-q", lambda x: gf.abs(qr(x).Q), (X43,), check=lambda *_: None, grad=True),
        Sample("qr-gradient-of-r", lambda x: gf.abs(qr(x).R), (X43,), check=lambda *_: None, grad=True),
        Sample(
            "qr-gradient-of-complete-r",
            lambda x: gf.abs(qr(x, "complete").R),
            (X43,),
            check=lambda *_: None,
            grad=True,
            second_order=False,
        ),
        Sample("qr-gradient-wide", lambda x: gf.abs(qr(x).R), (X34,), check=lambda *_: None, grad=True),
        Sample("qr-gradient-wide-q", lambda x: gf.abs(qr(x).Q), (X34,), check=lambda *_: None, grad=True),
        Sample(
            "qr-gradient-wide-both",
            lambda x: gf.matmul(*sizes(qr(x, "complete"))),
            (X34,),
            check=lambda *_: None,
            grad=True,
        ),
        Sample(
            "qr-gradient-complex",
            lambda x, y: parts(*_unsigned(*qr(gf.complex(x, y)))[:2], gf.abs(qr(gf.complex(x, y)).Q)),
            (X43, Y43),
            check=lambda *_: None,
            grad=True,
            strict=False,
        ),
        Sample(
            "qr-gradient-complex-wide",
            lambda x, y: sizes(qr(gf.complex(x, y))),
            (X34, Y34),
            check=lambda *_: None,
            grad=True,
            strict=False,
        ),
    ]
    return samples


# --- singular values ------------------------------------------------------------------------------


def _check_svd(full: bool) -> Callable[..., None]:
    def check(u: Any, s: Any, vh: Any, x: Any) -> None:
        m, n = x.shape[-2:]
        k = min(m, n)
        assert u.shape == (*x.shape[:-1], m if full else k)
        assert vh.shape == (*x.shape[:-2], n if full else k, n)
        near(s, np.linalg.svd(x.astype(np.complex128), compute_uv=False))
        near((u[..., :k] * s[..., None, :]) @ vh[..., :k, :], x)
        orthonormal(u)
        orthonormal(turned(vh))

    return check


def _unturned(u: Any, s: Any, vh: Any) -> tuple[Any, ...]:
    """What does not depend on the phases of the vectors."""
    scaled = gf.matmul(u * gf.expand_dims(gf.cast(gf.exp(s * 0.3), u.dtype), -2), vh)
    return (*parts(scaled), s, gf.abs(u), gf.abs(vh))


def _svd() -> list[Sample]:
    shaped = {"square": X3, "tall": X43, "wide": X34, "stack": B1243, "large": LARGE[:, :20]}
    samples = [
        Sample(f"svd-{label}-{full}", lambda x, f=full: svd(x, f), (x,), check=_check_svd(full))
        for label, x in shaped.items()
        for full in (False, True)
    ]
    samples += [
        Sample(
            f"svd-{np.dtype(d).name}", lambda x: svd(x), (complex_of(d, X43, Y43),), check=_check_svd(True)
        )
        for d in FLOATS
    ]
    samples += [
        Sample(
            f"svd-empty-{m}-{n}-{full}",
            lambda x, f=full: svd(x, f),
            (np.zeros((2, m, n)),),
            check=_check_svd(full),
        )
        for m, n in ((0, 3), (3, 0), (0, 0))
        for full in (False, True)
    ]
    samples += [
        Sample("svd-empty-stack", lambda x: svd(x, False), (np.zeros((0, 3, 2)),), check=_check_svd(False)),
        Sample("svd-equal-values", lambda x: svd(x), (np.eye(3),), check=_check_svd(True)),
        Sample("svd-zero", lambda x: svd(x), (np.zeros((3, 2)),), check=_check_svd(True)),
        Sample(
            "svd-gradient-square", lambda x: _unturned(*svd(x)), (B233,), check=lambda *_: None, grad=True
        ),
        Sample(
            "svd-gradient-tall", lambda x: _unturned(*svd(x, False)), (X43,), check=lambda *_: None, grad=True
        ),
        Sample(
            "svd-gradient-wide", lambda x: _unturned(*svd(x, False)), (X34,), check=lambda *_: None, grad=True
        ),
        Sample(
            "svd-gradient-of-u", lambda x: gf.abs(svd(x, False).U), (X43,), check=lambda *_: None, grad=True
        ),
        Sample(
            "svd-gradient-of-v",
            lambda x: gf.abs(svd(x).Vh),
            (X43,),
            check=lambda *_: None,
            grad=True,
            second_order=False,
        ),
        Sample(
            "svd-gradient-of-full-u",
            lambda x: gf.abs(svd(x).U),
            (X34,),
            check=lambda *_: None,
            grad=True,
            second_order=False,
        ),
        Sample(
            "svd-gradient-complex",
            lambda x, y: _unturned(*svd(gf.complex(x, y), False)),
            (X43, Y43),
            check=lambda *_: None,
            grad=True,
            strict=False,
        ),
    ]
    for label, x in (
        ("wide", X34),
        ("tall", B1243),
        ("complex", X3 + 1j * Y3),
        ("single", X34.astype(np.float32)),
        ("empty", np.zeros((2, 0, 3))),
    ):
        samples.append(
            Sample(
                f"svdvals-{label}",
                lambda x: svdvals(x),
                (x,),
                lambda x: np.linalg.svd(x, compute_uv=False),
                grad=label in ("wide", "tall"),
                rtol=1e-5,
                atol=1e-6 if label == "single" else 0,
            )
        )
    return samples


# --- eigenvalues ----------------------------------------------------------------------------------


def _check_eigh(w: Any, v: Any, x: Any) -> None:
    near(x @ v, v * w[..., None, :])
    orthonormal(v)
    assert (np.diff(w) >= 0).all()


def _phaseless(w: Any, v: Any) -> tuple[Any, ...]:
    scaled = gf.matmul(v * gf.expand_dims(gf.cast(gf.sin(w * 0.3), v.dtype), -2), v, adjoint_b=True)
    return (*parts(scaled), w, gf.abs(v))


def _eigh() -> list[Sample]:
    samples = [
        Sample(
            f"eigh-{np.dtype(d).name}",
            lambda x: eigh(x),
            (definite(complex_of(d, X3, Y3)),),
            check=_check_eigh,
        )
        for d in FLOATS
    ]
    samples += [
        Sample("eigh-stack", lambda x: eigh(x), (definite(B233)[None],), check=_check_eigh),
        Sample("eigh-large", lambda x: eigh(x), (definite(LARGE),), check=_check_eigh),
        Sample("eigh-empty", lambda x: eigh(x), (np.zeros((2, 0, 0)),), check=_check_eigh),
        Sample("eigh-equal-values", lambda x: eigh(x), (np.eye(3),), check=_check_eigh),
        Sample(
            "eigh-reads-one-triangle",
            lambda x: eigh(x),
            (definite(X3) + np.triu(np.full((3, 3), 7.0), 1),),
            check=lambda w, v, x: _check_eigh(w, v, np.tril(x) + np.tril(x, -1).T),
        ),
        Sample(
            "eigh-gradient",
            lambda x: _phaseless(*eigh(tdefinite(x))),
            (B233,),
            check=lambda *_: None,
            grad=True,
        ),
        Sample(
            "eigh-gradient-of-vectors",
            lambda x: gf.abs(eigh(tdefinite(x)).eigenvectors),
            (X3,),
            check=lambda *_: None,
            grad=True,
        ),
        Sample(
            "eigh-gradient-complex",
            lambda x, y: _phaseless(*eigh(tdefinite(gf.complex(x, y)))),
            (X3, Y3),
            check=lambda *_: None,
            grad=True,
            strict=False,
        ),
        Sample(
            "eigvalsh-gradient",
            lambda x: eigvalsh(tdefinite(x)),
            (B233,),
            lambda x: np.linalg.eigvalsh(definite(x)),
            grad=True,
        ),
        Sample(
            "eigvalsh-gradient-complex",
            lambda x, y: eigvalsh(tdefinite(gf.complex(x, y))),
            (X3, Y3),
            lambda x, y: np.linalg.eigvalsh(definite(x + 1j * y)),
            grad=True,
            strict=False,
        ),
    ]
    for d in (np.float32, np.complex128):
        samples.append(
            Sample(
                f"eigvalsh-{np.dtype(d).name}",
                lambda x: eigvalsh(x),
                (definite(complex_of(d, X3, Y3)),),
                np.linalg.eigvalsh,
                rtol=1e-5,
            )
        )
    return samples


def _check_eig(w: Any, v: Any, x: Any) -> None:
    near(x @ v, v * w[..., None, :])
    near(np.linalg.norm(v, axis=-2) + 0j, np.ones(w.shape))


def _values_and_sizes(w: Any, v: Any) -> tuple[Any, ...]:
    return (*parts(w), gf.abs(v))


def _by_size(w: Any) -> Any:
    return np.take_along_axis(w, np.lexsort((np.round(w.imag, 3), np.round(w.real, 3))), -1)


def _eig() -> list[Sample]:
    spread = np.diag([1.0, 4.0, 9.0])
    samples = [
        Sample(f"eig-{np.dtype(d).name}", lambda x: eig(x), (complex_of(d, X3, Y3),), check=_check_eig)
        for d in FLOATS
    ]
    samples += [
        Sample("eig-stack", lambda x: eig(x), (B233[:, None],), check=_check_eig),
        Sample("eig-real-values", lambda x: eig(x), (definite(X3),), check=_check_eig),
        Sample("eig-empty", lambda x: eig(x), (np.zeros((2, 0, 0)),), check=_check_eig),
        Sample(
            "eigvals-empty", lambda x: eigvals(x), (np.zeros((0, 2, 2)),), lambda x: np.zeros((0, 2), complex)
        ),
    ]
    for d in (np.float32, np.complex128):
        samples.append(
            Sample(
                f"eigvals-{np.dtype(d).name}",
                lambda x: eigvals(x),
                (complex_of(d, X3, Y3),),
                check=lambda w, x: near(_by_size(w), _by_size(np.linalg.eigvals(x).astype(w.dtype))),
            )
        )
    samples += [
        Sample(
            "eig-gradient",
            lambda x: _values_and_sizes(*eig(x + gf.constant(spread))),
            (X3,),
            check=lambda *_: None,
            grad=True,
        ),
        Sample(
            "eig-gradient-of-vectors",
            lambda x: gf.abs(eig(x).eigenvectors),
            (X3,),
            check=lambda *_: None,
            grad=True,
        ),
        Sample(
            "eig-gradient-complex",
            lambda x, y: _values_and_sizes(*eig(gf.complex(x, y))),
            (X3, Y3),
            check=lambda *_: None,
            grad=True,
            strict=False,
        ),
        Sample("eigvals-gradient", lambda x: parts(eigvals(x)), (B233,), check=lambda *_: None, grad=True),
        Sample(
            "eigvals-gradient-complex",
            lambda x, y: parts(eigvals(gf.complex(x, y))),
            (X3, Y3),
            check=lambda *_: None,
            grad=True,
            strict=False,
        ),
    ]
    return samples


# --- LU -------------------------------------------------------------------------------------------


def _check_lu(packed: Any, p: Any, x: Any) -> None:
    m, n = x.shape[-2:]
    k = min(m, n)
    lower = np.tril(packed[..., :k], -1) + np.eye(m, k)
    upper = np.triu(packed[..., :k, :])
    assert p.dtype == np.int64
    near((lower @ upper).astype(x.dtype), np.take_along_axis(x, p[..., None], -2))
    assert (np.abs(lower) <= 1 + 1e-6).all()


def _lu() -> list[Sample]:
    shaped = {
        "square": X3,
        "tall": X43,
        "wide": X34,
        "stack": B1243,
        "large": LARGE,
        "singular": np.ones((3, 3)),
        "zero": np.zeros((2, 2)),
        "empty": np.zeros((2, 0, 3)),
        "empty-stack": np.zeros((0, 3, 2)),
    }
    samples = [
        Sample(f"lu-{label}", lambda x: lu(x), (x,), check=_check_lu, strict=False)
        for label, x in shaped.items()
    ]
    samples += [
        Sample(
            f"lu-{np.dtype(d).name}",
            lambda x: lu(x),
            (complex_of(d, X43, Y43),),
            check=_check_lu,
            strict=False,
        )
        for d in FLOATS
    ]
    samples += [
        Sample(
            f"lu-gradient-{label}", lambda x: lu(x).lu, (x,), check=lambda *_: None, grad=True, strict=False
        )
        for label, x in (("square", B233), ("tall", X43), ("wide", X34))
    ]
    samples.append(
        Sample(
            "lu-gradient-complex",
            lambda x, y: parts(lu(gf.complex(x, y)).lu),
            (X43, Y43),
            check=lambda *_: None,
            grad=True,
            strict=False,
        )
    )
    return samples


SAMPLES: list[Sample] = [*_cholesky(), *_qr(), *_svd(), *_eigh(), *_eig(), *_lu()]
