"""Decompositions and solvers: bad input, failures at the run, properties, and what the table of samples cannot say."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphflow as gf
from graphflow.errors import ArgumentError, DTypeError, GradientError, RunError, ShapeError
from graphflow.op import F
from graphflow.ops import lapack, numpy_library
from graphflow.ops.band import band_part, matrix_set_diag
from graphflow.ops.cholesky import cholesky, cholesky_solve
from graphflow.ops.cross import cross
from graphflow.ops.determinant import cofactors, det, slogdet
from graphflow.ops.eig import eig, eigvals
from graphflow.ops.eigen import EighResult, eigh, eigvalsh
from graphflow.ops.expm import expm
from graphflow.ops.least_squares import lstsq, pinv
from graphflow.ops.linalg_aliases import TF1, matrix_inverse, matrix_solve, matrix_solve_ls, qr_of, svd_suv
from graphflow.ops.logm import logm, sqrtm
from graphflow.ops.lu import lu, lu_solve
from graphflow.ops.matrix_products import kron, matrix_power, multi_dot
from graphflow.ops.numpy_library import cholesky_stack, has_routine, inverse_stack
from graphflow.ops.qr import QRResult, qr
from graphflow.ops.solve import inv, solve
from graphflow.ops.svd import SVDResult, condition_number, matrix_rank, svd, svdvals
from graphflow.ops.triangular_solve import triangular_solve
from tests.ops.refused import Refused, check_bound, check_built, floats, ids
from tests.ops.table import array

SQUARE: list[Callable[..., Any]] = [
    cholesky,
    inv,
    det,
    slogdet,
    eigh,
    eigvalsh,
    eig,
    eigvals,
    expm,
    sqrtm,
    logm,
]
ANY_SHAPE: list[Callable[..., Any]] = [qr, svd, svdvals, pinv, lu, matrix_rank, condition_number]
NAMED = {condition_number: "cond"}
UNEQUAL = ((3, 3), (4, 2))
SYSTEMS: list[Callable[..., Any]] = [solve, triangular_solve, cholesky_solve, matrix_solve]


def _name(function: Callable[..., Any]) -> str:
    return NAMED.get(function, function.__name__)


BUILD = [
    *[Refused(f, ShapeError, (_name(f), "float32[3, 4]", "square"), ((3, 4),)) for f in SQUARE],
    *[Refused(f, ShapeError, (_name(f), "float32[3]"), ((3,),)) for f in [*SQUARE, *ANY_SHAPE]],
    *[
        Refused(
            lambda f=f: f(gf.placeholder("float16", (2, 2))), DTypeError, (_name(f), "float16", "float32")
        )
        for f in [*SQUARE, *ANY_SHAPE]
    ],
    *[Refused(f, ShapeError, ("float32[3, 3]", "float32[4, 2]", "3 != 4"), UNEQUAL) for f in SYSTEMS],
    *[Refused(f, ShapeError, ("square",), ((3, 4), (3, 2))) for f in SYSTEMS],
    *[Refused(f, ShapeError, ("broadcast",), ((2, 3, 3), (4, 3, 2))) for f in SYSTEMS],
    Refused(solve, ShapeError, ("solve", "at least one axis"), ((3, 3), ())),
    Refused(matrix_solve, ShapeError, ("matrix_solve", "two axes"), ((3, 3), (3,))),
    Refused(triangular_solve, ShapeError, ("triangular_solve", "rhs", "two axes"), ((3, 3), (3,))),
    Refused(lambda x: cholesky(x, "yes"), ArgumentError, ("cholesky", "upper", "'yes'"), ((3, 3),)),
    Refused(lambda x: qr(x, "full"), ArgumentError, ("qr", "mode", "'full'"), ((3, 3),)),
    Refused(lambda x: svd(x, None), ArgumentError, ("svd", "full_matrices", "None"), ((3, 3),)),
    Refused(lambda x: pinv(x, -1.0), ArgumentError, ("pinv", "rtol", "-1.0"), ((3, 3),)),
    Refused(lambda x: pinv(x, float("nan")), ArgumentError, ("pinv", "rtol", "nan"), ((3, 3),)),
    Refused(lambda x: pinv(x, "small"), ArgumentError, ("pinv", "rtol", "'small'"), ((3, 3),)),
    Refused(lambda x: pinv(x, np.zeros(4)), ShapeError, ("pinv", "rtol"), ((3, 3),)),
    Refused(lambda x: pinv(x, np.zeros(1) + 1j), DTypeError, ("pinv", "complex"), ((1, 3, 3),)),
    Refused(lambda x: matrix_rank(x, 1j), DTypeError, ("matrix_rank", "complex"), ((3, 3),)),
    Refused(lambda x: condition_number(x, 3), ArgumentError, ("cond", "3"), ((3, 3),)),
    Refused(lambda x: condition_number(x, "max"), ArgumentError, ("cond", "'max'"), ((3, 3),)),
    Refused(lambda x: condition_number(x, 1), ShapeError, ("cond", "square"), ((3, 4),)),
    Refused(lstsq, ShapeError, ("lstsq", "3 != 4"), UNEQUAL),
    Refused(lambda a: lstsq(a, gf.placeholder("float32")), ShapeError, ("lstsq", "rank"), ((3, 3),)),
    Refused(lambda a, b: lstsq(a, b, -0.5), ArgumentError, ("lstsq", "rcond", "-0.5"), ((3, 3), (3, 2))),
    Refused(lambda x, b: lu_solve(x, np.array([0.5]), b), DTypeError, ("lu_solve", "perm"), ((3, 3), (3, 2))),
    Refused(lambda x: matrix_power(x, 1.5), ArgumentError, ("matrix_power", "1.5"), ((3, 3),)),
    Refused(lambda x: matrix_power(x, 2**70), ArgumentError, ("matrix_power", "too large"), ((3, 3),)),
    Refused(lambda x: matrix_power(x, 2), ShapeError, ("matrix_power", "square"), ((3, 4),)),
    Refused(lambda x: multi_dot([x]), ArgumentError, ("multi_dot", "two"), ((3, 3),)),
    Refused(lambda x: multi_dot(x), ArgumentError, ("multi_dot", "list"), ((3, 3),)),
    Refused(lambda x, y: multi_dot([x, y, x]), ShapeError, ("multi_dot", "fit"), ((3, 4), (4, 5))),
    Refused(
        lambda x, y: multi_dot([x, y, x]), ShapeError, ("multi_dot", "array 1", "a matrix"), ((3, 3), (3,))
    ),
    Refused(lambda x: kron(x, gf.placeholder("float32")), ShapeError, ("kron", "rank"), ((3,),)),
    Refused(cross, ShapeError, ("cross", "size 3", "float32[2, 4]"), ((2, 3), (2, 4))),
    Refused(lambda x, y: cross(x, y, 5), ArgumentError, ("cross", "5"), ((2, 3), (2, 3))),
    Refused(lambda x, y: cross(x, y, 0), ArgumentError, ("cross", "from the end"), ((3, 3), (3,))),
    Refused(cross, ShapeError, ("cross", "broadcast"), ((2, 3), (5, 3))),
    Refused(lambda x: band_part(x, 1.5, 0), ArgumentError, ("band_part", "num_lower", "1.5"), ((3, 3),)),
    Refused(lambda x: band_part(x, 0, x[0, 0]), ArgumentError, ("band_part", "num_upper"), ((3, 3),)),
    Refused(lambda x: band_part(x, 0, 0), ShapeError, ("band_part", "two axes"), ((3,),)),
    Refused(matrix_set_diag, ShapeError, ("matrix_set_diag", "float32[3]", "2 elements"), ((2, 4), (3,))),
    Refused(matrix_set_diag, ShapeError, ("matrix_set_diag", "more axes"), ((3, 3), (2, 3))),
    Refused(matrix_set_diag, ShapeError, ("matrix_set_diag", "stack"), ((1, 3, 3), (2, 3))),
    Refused(
        lambda a: matrix_inverse(a, adjoint=2), ArgumentError, ("matrix_inverse", "adjoint", "2"), ((3, 3),)
    ),
    Refused(lambda a: matrix_solve_ls(a, a, "x"), ArgumentError, ("l2_regularizer", "'x'"), ((3, 3),)),
    Refused(lambda a: qr_of(a, "all"), ArgumentError, ("qr", "full_matrices", "'all'"), ((3, 3),)),
    Refused(lambda a: svd_suv(a, compute_uv=None), ArgumentError, ("svd", "compute_uv"), ((3, 3),)),
    Refused(lambda x: F.matrix_norm(x, ord="two"), ArgumentError, ("matrix_norm", "'two'"), ((3, 3),)),
]

BIND = [
    *[Refused(f, ShapeError, ("3 != 4",), ((3, 4),)) for f in SQUARE],
    *[Refused(f, ShapeError, ("3 != 4",), UNEQUAL) for f in (*SYSTEMS, lstsq)],
    Refused(cross, ShapeError, ("size 3",), ((2, 3), (2, 4))),
    Refused(matrix_set_diag, ShapeError, ("2 elements",), ((2, 4), (3,))),
]


@pytest.mark.parametrize("case", BUILD, ids=ids)
def test_refused_while_building(case: Refused) -> None:
    check_built(case)


@pytest.mark.parametrize("case", BIND, ids=ids)
def test_refused_before_the_run(case: Refused) -> None:
    check_bound(case)


# --- failures at the run --------------------------------------------------------------------------

ONE = np.eye(3)
SINGULAR = np.diag([1.0, 0.0, 2.0])
INDEFINITE = np.diag([1.0, 2.0, -3.0])
NAN = np.diag([1.0, np.nan, 1.0])
INFINITE = np.diag([1.0, np.inf, 1.0])
NEGATIVE = np.diag([1.0, -1.0, 2.0])


@pytest.mark.parametrize("dtype", ["float32", "complex128"])
@pytest.mark.parametrize(
    ("function", "bad", "words"),
    [
        (cholesky, INDEFINITE, "is not positive definite: its leading minor of order 3 is not positive"),
        (lambda x: cholesky(x, upper=True), SINGULAR, "leading minor of order 2 is not positive"),
        (cholesky, NAN, "positive definite"),
        (inv, SINGULAR, "inv: matrix [1, 0] of the stack is singular"),
        (lambda x: solve(x, np.ones((3, 1))), SINGULAR, "solve: matrix [1, 0] of the stack is singular"),
        (
            lambda x: triangular_solve(x, np.ones((3, 1))),
            SINGULAR,
            "triangular_solve: matrix [1, 0] of the stack is singular: its diagonal is 0 at 1",
        ),
        (svd, NAN, "svd: matrix [1, 0] of the stack holds NaN or infinity"),
        (svdvals, INFINITE, "svdvals: matrix [1, 0] of the stack holds NaN or infinity"),
        (eigh, NAN, "eigh: matrix [1, 0] of the stack holds NaN or infinity"),
        (eigvalsh, NAN, "eigvalsh: matrix [1, 0]"),
        (eig, NAN, "eig: matrix [1, 0]"),
        (eigvals, NAN, "eigvals: matrix [1, 0]"),
        (pinv, NAN, "pinv: matrix [1, 0]"),
        (lambda x: lstsq(x, np.ones((3, 1))).x, NAN, "lstsq: matrix [1, 0]"),
        (cofactors, NAN, "cofactors: matrix [1, 0]"),
        (sqrtm, NEGATIVE, "sqrtm: matrix [1, 0] of the stack is singular, or its eigenvalues lie"),
        (sqrtm, SINGULAR, "sqrtm: matrix [1, 0]"),
        (logm, NEGATIVE, "logm: matrix [1, 0]"),
        (logm, NAN, "logm: matrix [1, 0] of the stack holds NaN"),
    ],
)
def test_failures_name_the_matrix_and_the_line(
    function: Callable[..., Any], bad: Any, words: str, dtype: str
) -> None:
    x = gf.placeholder(dtype, (2, 1, 3, 3))
    made = function(x)
    session = gf.Session()
    with pytest.raises(RunError) as caught:
        session.run(made, {x: np.stack([ONE, bad])[:, None].astype(dtype)})
    assert words in str(caught.value)
    assert "test_decompositions.py" in str(caught.value)
    session.run(made, {x: np.stack([ONE, 2 * ONE])[:, None].astype(dtype)})


def test_a_single_matrix_has_no_place() -> None:
    with pytest.raises(
        RunError, match="cholesky: the matrix is not positive definite: its leading minor of order 1"
    ):
        gf.Session().run(cholesky(-np.eye(2)))
    with pytest.raises(RunError, match="inv: the matrix is singular"):
        gf.Session().run(inv(np.zeros((2, 2))))


@pytest.mark.parametrize("n", [3, 100])
@pytest.mark.parametrize("place", [(0, 0), (2, 0), (2, 2)])
def test_nan_anywhere_in_what_cholesky_reads_is_refused(n: int, place: tuple[int, int]) -> None:
    x = np.eye(n)
    x[place] = np.nan
    with pytest.raises(RunError, match="positive definite"):
        gf.Session().run(cholesky(x))
    with pytest.raises(RunError, match="positive definite"):
        gf.Session().run(cholesky(x.T.astype(np.float32), upper=True))


@pytest.mark.parametrize("n", [5, 70])
def test_the_leading_minor_is_found(n: int) -> None:
    x = np.eye(n)
    x[n - 2, n - 2] = -1
    with pytest.raises(RunError, match=f"leading minor of order {n - 1} is not positive"):
        gf.Session().run(cholesky(x))


@pytest.mark.parametrize("function", [qr, inv, det, slogdet, lu, expm, lambda x: solve(x, x)])
def test_nan_goes_through_what_only_adds_and_multiplies(function: Callable[..., Any]) -> None:
    made = function(np.full((3, 3), np.nan))
    outputs = list(made) if isinstance(made, tuple) else [made]
    values = gf.Session().run(outputs)
    assert any(np.isnan(v).any() for v in values if v.dtype.kind == "f")


# --- other ways to the same results ---------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize("shape", [(1, 1), (2, 3, 9, 9), (40, 40), (0, 3, 3)])
def test_routines_of_the_library_agree_with_numpy(shape: tuple[int, ...], dtype: str) -> None:
    rng, n = np.random.default_rng(4), shape[-1]
    x = rng.standard_normal(shape) + (1j * rng.standard_normal(shape) if dtype.startswith("c") else 0)
    x = (x / n + np.eye(n)).astype(dtype)
    definite = (x @ np.conj(np.swapaxes(x, -1, -2)) + np.eye(n)).astype(dtype)
    close = 1e-4 if dtype in ("float32", "complex64") else 1e-12
    for upper in (False, True):
        if has_routine("*potrf_", x.dtype):
            factor, failed, _ = cholesky_stack(definite, upper)
            assert failed == -1
            np.testing.assert_allclose(
                factor, np.linalg.cholesky(definite, upper=upper), rtol=close, atol=close
            )
    if has_routine("*getri_", x.dtype):
        inverse, failed = inverse_stack(np.swapaxes(x, -1, -2))
        assert failed == -1
        np.testing.assert_allclose(inverse, np.linalg.inv(np.swapaxes(x, -1, -2)), rtol=close, atol=close)


@pytest.mark.parametrize("n", [100, 260])
def test_failures_of_large_matrices_are_named_too(n: int) -> None:
    x = np.stack([np.eye(n)] * 3)
    x[2, 40, 40] = 0
    with pytest.raises(RunError, match=r"cholesky: matrix \[2\] .* leading minor of order 41"):
        gf.Session().run(cholesky(x))
    with pytest.raises(RunError, match=r"inv: matrix \[2\] of the stack is singular"):
        gf.Session().run(inv(x))


FALLBACKS: list[Callable[..., Any]] = [
    lambda x: triangular_solve(x, x[..., :2]),
    lambda x: triangular_solve(x, x[..., :2], lower=False, adjoint=True),
    lambda x: triangular_solve(x, x[..., :1], unit_diagonal=True),
    cholesky,
    lambda x: cholesky(x, upper=True),
    inv,
    lambda x: gf.abs(qr(x).Q),
    lambda x: gf.abs(qr(x, "complete").R),
    lambda x: lu(x).lu,
    lambda x: lu(x[..., :60]).p,
    lambda x: lu(x[..., :60, :]).lu,
    eigvalsh,
    svdvals,
    slogdet,
    lambda x: lstsq(x, x[..., :2]).x,
]


@pytest.mark.parametrize("dtype", ["float32", "complex128"])
@pytest.mark.parametrize("function", FALLBACKS)
def test_without_numpy_s_private_loops_and_library_results_are_the_same(
    function: Callable[..., Any], dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(5)
    value = rng.standard_normal((2, 130, 130)) / 130 + np.diag(np.arange(2.0, 132))
    value = (value + np.swapaxes(value, -1, -2)).astype(dtype)
    x = gf.placeholder(dtype, value.shape)
    made = function(x)
    outputs = list(made) if isinstance(made, tuple) else [made]
    first = gf.Session().run(outputs, {x: value})
    monkeypatch.setattr(numpy_library, "_routine", lambda name, dtype: None)
    monkeypatch.setattr(lapack, "_loop", lambda name, char: None)
    second = gf.Session().run(outputs, {x: value})
    for a, b in zip(first, second, strict=True):
        close = 1e-3 if dtype == "float32" else 1e-9
        np.testing.assert_allclose(a, b, rtol=close, atol=close)


# --- gradients ------------------------------------------------------------------------------------


def test_gradients_through_undetermined_vectors_are_refused() -> None:
    tall = floats(4, 3)
    for made in (svd(tall).U, qr(tall, "complete").Q):
        with pytest.raises(GradientError, match="does not determine"):
            gf.gradients(made, tall)
    wide = floats(3, 4)
    with pytest.raises(GradientError, match="full_matrices=False"):
        gf.gradients(svd(wide).Vh, wide)
    gf.gradients(svd(wide).S, wide)
    unknown = gf.placeholder("float32", (None, 4))
    with pytest.raises(GradientError, match="full_matrices=False"):
        gf.gradients(svd(unknown).S, unknown)
    with pytest.raises(GradientError, match="mode='reduced'"):
        gf.gradients(qr(unknown, "complete").R, unknown)


def test_gradients_where_values_are_equal_are_finite() -> None:
    x = gf.constant(np.eye(3))
    w, v = eigh(x)
    u, s, vh = svd(x)
    for y in (gf.sum(w) + gf.sum(v * v), gf.sum(s * s) + gf.sum(u) + gf.sum(vh)):
        (g,) = gf.Session().run(gf.gradients(y, x))
        assert np.isfinite(g).all()


def test_the_gradient_of_cholesky_is_symmetric() -> None:
    x = gf.placeholder("float64", (3, 3))
    (g,) = gf.gradients(gf.sum(cholesky(x)), [x])
    value = gf.Session().run(g, {x: np.diag([1.0, 2.0, 3.0]) + 0.1})
    np.testing.assert_allclose(value, value.T, atol=1e-14)


@pytest.mark.parametrize("shape", [(None, 3, 3), (None, None, None), (5, "n", "n")])
def test_gradients_of_unknown_sizes(shape: tuple[Any, ...]) -> None:
    """What is not known when the gradient is built is taken to be square, and checked before the run."""
    x = gf.placeholder("float64", shape)
    value = array(5, 3, 3, seed=60)
    y = [
        gf.sum(gf.abs(qr(x).R)),
        gf.sum(svd(x, False).S),
        gf.sum(lu(x).lu),
        gf.sum(expm(x)),
        gf.sum(pinv(x) ** 2),
    ]
    fixed = gf.placeholder("float64", (5, 3, 3))
    z = [
        gf.sum(gf.abs(qr(fixed).R)),
        gf.sum(svd(fixed, False).S),
        gf.sum(lu(fixed).lu),
        gf.sum(expm(fixed)),
        gf.sum(pinv(fixed) ** 2),
    ]
    for a, b in zip(y, z, strict=True):
        left = gf.Session().run(gf.gradients(a, x)[0], {x: value})
        right = gf.Session().run(gf.gradients(b, fixed)[0], {fixed: value})
        np.testing.assert_allclose(left, right, rtol=1e-9, atol=1e-12)


def test_a_wide_matrix_of_unknown_size_is_refused_before_the_run() -> None:
    x = gf.placeholder("float64", (None, None))
    (g,) = gf.gradients(gf.sum(qr(x).R), x)
    with pytest.raises(ShapeError, match="square"):
        gf.Session().run(g, {x: np.ones((2, 3))})


def test_newton_finds_a_square_root_through_lstsq() -> None:
    """Gradients flow where a network would use them: least squares fitted inside a loss."""
    rng = np.random.default_rng(3)
    t = np.linspace(0, 1, 20)
    target = 2 * np.exp(-3 * t) + 1
    rate = gf.placeholder("float64", ())
    basis = gf.stack([gf.exp(-rate * t), gf.ones_like(gf.constant(t))], axis=-1)
    fit = lstsq(basis, target + 0 * rng.standard_normal(20))
    loss = gf.sum(fit.residuals)
    slope = gf.gradients(loss, rate)[0]
    session = gf.Session()
    low, high = 1.0, 5.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if session.run(slope, {rate: middle}) > 0 else (middle, high)
    assert abs(low - 3) < 1e-6


# --- results --------------------------------------------------------------------------------------


def test_results_are_named_tuples_with_the_standard_s_fields() -> None:
    x = floats(3, 3)
    assert EighResult._fields == ("eigenvalues", "eigenvectors")
    assert QRResult._fields == ("Q", "R")
    assert SVDResult._fields == ("U", "S", "Vh")
    assert eigh(x).eigenvectors.shape == (3, 3)
    assert slogdet(x).logabsdet.shape == ()
    assert eig(x).eigenvalues.dtype == np.complex64
    assert lstsq(x, x)._fields == ("x", "residuals", "rank", "singular_values")
    assert lu(x)._fields == ("lu", "p")


def test_names_are_given_to_nodes() -> None:
    x = floats(3, 3)
    assert cholesky(x, name="factor").name == "factor:0"
    assert eigh(x, name="spectrum").eigenvalues.name == "spectrum:0"
    assert matrix_rank(x, name="rank").name == "rank:0"
    assert cholesky_solve(x, x, name="solved").name == "solved:0"
    assert lstsq(x, x, name="fit").x.name == "fit:0"
    assert lstsq(x, floats(3)).x.name == "lstsq:0"


def test_what_is_not_fetched_of_lstsq_is_not_computed() -> None:
    x, b = floats(300, 200), floats(300, 2)
    made = lstsq(x, b)
    alone = gf.Session().plan(made.x)
    assert alone.flops < gf.Session().plan(list(made)).flops - 10_000_000


def test_every_name_of_tensorflow_is_a_function() -> None:
    x = gf.constant(np.diag([4.0, 9.0]))
    one = (
        "adjoint",
        "cholesky",
        "matrix_determinant",
        "matrix_diag_part",
        "matrix_exponential",
        "matrix_inverse",
        "qr",
    )
    for name in one:
        TF1[name](x)
    assert gf.Session().run(TF1["matrix_determinant"](x)) == pytest.approx(36.0)
    e, v = gf.Session().run(TF1["self_adjoint_eig"](x))
    np.testing.assert_allclose(e, [4, 9])
    s, u, v = gf.Session().run(TF1["svd"](x))
    np.testing.assert_allclose(s, [9, 4])
    np.testing.assert_allclose((u * s) @ v.T, np.diag([4.0, 9.0]), atol=1e-12)


# --- costs ----------------------------------------------------------------------------------------


def test_operations_are_counted() -> None:
    n, x = 100, floats(10, 100, 100)

    def flops(y: Any) -> int:
        plan = gf.Session().plan(list(y) if isinstance(y, tuple) else y)
        return plan.flops

    assert flops(cholesky(x)) == pytest.approx(10 * n**3 / 3, rel=0.01)
    assert flops(inv(x)) == pytest.approx(10 * 2 * n**3, rel=0.01)
    assert flops(det(x)) == pytest.approx(10 * 2 * n**3 / 3, rel=0.01)
    assert flops(solve(x, floats(100, 7))) == pytest.approx(10 * (2 * n**3 / 3 + 2 * n * n * 7), rel=0.01)
    assert flops(qr(x)) == pytest.approx(10 * 8 * n**3 / 3, rel=0.01)
    assert flops(triangular_solve(x, floats(100, 7))) == 10 * n * n * 7


N = 96


def _matrices(dtype: str, *lead: int) -> Any:
    x = np.random.default_rng(0).standard_normal((*lead, N, N))
    return (x @ np.swapaxes(x, -1, -2) / N + np.eye(N)).astype(dtype)


@pytest.mark.parametrize(("dtype", "lead"), [("float64", ()), ("float32", (4,)), ("complex64", (4,))])
@pytest.mark.parametrize(
    "function",
    [
        cholesky,
        qr,
        lambda x: qr(x[..., :40], "complete"),
        lambda x: svd(x[..., :40], False),
        svdvals,
        eigh,
        eig,
        lu,
        inv,
        det,
        cofactors,
        pinv,
        expm,
        sqrtm,
        lambda x: solve(x, x),
        lambda x: lstsq(x, x[..., :9]).x,
        lambda x: triangular_solve(x, x, adjoint=True),
        lambda x: matrix_set_diag(x, x[..., 0]),
        lambda x: cross(x[..., :3], x[..., 3:6]),
    ],
)
def test_no_run_takes_more_memory_than_its_forecast(
    function: Callable[..., Any], lead: tuple[int, ...], dtype: str
) -> None:
    value = _matrices(dtype, *lead)
    x = gf.placeholder(dtype, value.shape)
    made = function(x)
    plan = gf.Session().plan(made, {x: value})
    session = gf.Session()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        result = session.run(made, {x: value})
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    del result
    bookkeeping = 50_000  # Python objects of the program itself; the contract is about arrays
    assert peak - bookkeeping <= plan.peak_nbytes
