"""MKL: where it is looked for, when it is used, and what it computes; with the real library where that is found."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphflow as gf
from graphflow.backends.mkl import find_mkl, load_mkl, product_call, wheel
from graphflow.backends.numpy import blas
from tests.backends.fake_mkl import FakeLibrary

REAL = find_mkl()


@pytest.fixture
def fake() -> FakeLibrary:
    return FakeLibrary()


@pytest.fixture(autouse=True)
def _choose_again() -> Iterator[None]:
    """Each test chooses its matrix library anew."""
    blas.mkl.cache_clear()
    yield
    blas.mkl.cache_clear()


def _use(monkeypatch: pytest.MonkeyPatch, fake: FakeLibrary | None, setting: str | None) -> None:
    monkeypatch.setattr(blas, "find_mkl", lambda: None if fake is None else Path("libmkl_rt.so.3"))
    monkeypatch.setattr(blas, "load_mkl", lambda path: load_mkl(path, lambda name: fake))
    if setting is None:
        monkeypatch.delenv("GRAPHFLOW_BLAS", raising=False)
    else:
        monkeypatch.setenv("GRAPHFLOW_BLAS", setting)


# --- where it is ----------------------------------------------------------------------------------


def test_it_is_found_in_python_s_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "libmkl_rt.so.2").touch()
    (tmp_path / "lib" / "libmkl_rt.so.3").touch()
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    if REAL is None:
        assert find_mkl() == tmp_path / "lib" / "libmkl_rt.so.3"


def test_it_is_not_found_where_it_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheel, "_candidates", lambda: iter([tmp_path / "libmkl_rt.so.3"]))
    assert find_mkl() is None


def test_threading_is_settled_before_anything_else(fake: FakeLibrary) -> None:
    loaded = load_mkl(Path("x"), lambda name: fake)
    assert fake.calls == [("layer", 1), ("cbwr", 2), ("threads", 1)]
    assert str(loaded) == "mkl 2026.2, 1 thread"


@pytest.mark.parametrize(
    "missing", ["cblas_sgemm_64", "cblas_zgemm_batch_strided_64", "MKL_Set_Threading_Layer"]
)
def test_a_library_that_is_too_old_is_said(missing: str) -> None:
    with pytest.raises(
        gf.errors.BackendError, match=rf"undefined symbol: {missing}.*graphflow-engine\[mkl\]"
    ):
        load_mkl(Path("x"), lambda name: FakeLibrary(missing))


def test_a_library_that_does_not_load_is_said() -> None:
    def broken(name: str) -> Any:
        raise OSError("libmkl_core.so.3: cannot open shared object file")

    with pytest.raises(gf.errors.BackendError, match=r"libmkl_core\.so\.3"):
        load_mkl(Path("x"), broken)


# --- when it is used ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "used"), [(None, True), ("auto", True), ("", True), ("mkl", True), ("numpy", False)]
)
def test_it_is_used_where_it_is_found_and_wanted(
    fake: FakeLibrary, monkeypatch: pytest.MonkeyPatch, setting: str | None, used: bool
) -> None:
    _use(monkeypatch, fake, setting)
    assert (blas.mkl() is not None) == used
    names = blas.libraries()
    assert names[0].startswith("mkl 2026.2") == used
    assert all(n.endswith("1 thread") for n in names)


def test_without_it_numpy_s_library_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    _use(monkeypatch, None, None)
    assert blas.mkl() is None
    assert blas.bind_matmul((np.ones((99, 99)), np.ones((99, 99))), np.ones((99, 99)))[0] is np.matmul


def test_asking_for_it_where_it_is_absent_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    _use(monkeypatch, None, "mkl")
    with pytest.raises(gf.errors.BackendError, match=r"graphflow-engine\[mkl\]"):
        blas.mkl()


@pytest.mark.parametrize(("setting", "fails"), [("mkl", True), ("auto", False)])
def test_a_broken_one_is_an_error_only_where_it_was_asked_for(
    monkeypatch: pytest.MonkeyPatch, setting: str, fails: bool
) -> None:
    _use(monkeypatch, FakeLibrary("cblas_dgemm_64"), setting)
    if fails:
        with pytest.raises(gf.errors.BackendError):
            blas.mkl()
    else:
        assert blas.mkl() is None


@pytest.mark.parametrize("setting", ["MKL", "openblas", "1", "x" * 500])
def test_an_unknown_setting_is_an_error(monkeypatch: pytest.MonkeyPatch, setting: str) -> None:
    _use(monkeypatch, None, setting)
    with pytest.raises(gf.errors.ArgumentError, match="GRAPHFLOW_BLAS is 'auto', 'mkl' or 'numpy'"):
        blas.mkl()


def _square(n: int, dtype: str = "float32") -> Any:
    return np.random.default_rng(n).standard_normal((n, n)).astype(dtype)


def test_small_products_go_to_numpy(fake: FakeLibrary, monkeypatch: pytest.MonkeyPatch) -> None:
    _use(monkeypatch, fake, "mkl")
    assert blas.bind_matmul((_square(8), _square(8)), np.empty((8, 8), np.float32))[0] is np.matmul
    assert blas.bind_matmul((_square(80), _square(80)), np.empty((80, 80), np.float32))[0] is not np.matmul


@pytest.mark.parametrize("fixed", [True, False], ids=["bound once", "looked up each run"])
def test_a_session_s_products_go_through_it(
    fake: FakeLibrary, monkeypatch: pytest.MonkeyPatch, fixed: bool
) -> None:
    _use(monkeypatch, fake, "mkl")
    n = 60 if fixed else 100  # small feeds are copied to a fixed place
    monkeypatch.setattr(blas, "MKL_FLOPS", 2 * n**3)
    x = gf.placeholder("float32", (None, n))
    y = gf.matmul(x, gf.constant(_square(n)))
    value = _square(n)
    result = gf.Session().run(y, {x: value})
    assert [c for c in fake.calls if "gemm" in c[0]] == [("sgemm", n, n, n)]
    np.testing.assert_allclose(result, value @ _square(n), rtol=1e-4, atol=1e-4)


def test_devices_and_profiles_name_it(fake: FakeLibrary, monkeypatch: pytest.MonkeyPatch) -> None:
    _use(monkeypatch, fake, "mkl")
    assert gf.list_devices()[0].libraries[0] == "mkl 2026.2, 1 thread"
    session = gf.Session()
    session.run(gf.matmul(gf.constant(_square(4)), gf.constant(_square(4))), profile=True)
    assert "mkl 2026.2" in str(session.profile)


# --- what it computes -----------------------------------------------------------------------------

SHAPES = [
    ((3, 4), (4, 5)),
    ((1, 4), (4, 5)),
    ((3, 1), (1, 5)),
    ((3, 4), (4, 1)),
    ((1, 1), (1, 1)),
    ((2, 3, 4), (4, 5)),
    ((2, 3, 4), (2, 4, 5)),
    ((3, 4), (2, 4, 5)),
    ((2, 5, 3, 4), (2, 5, 4, 2)),
    ((2, 5, 3, 4), (5, 4, 2)),
    ((64, 65), (65, 130)),
]


def _layouts(x: Any) -> Iterator[tuple[str, Any]]:
    """The same values in memory in several ways."""
    yield "rows", x
    yield "columns", np.ascontiguousarray(x.swapaxes(-1, -2)).swapaxes(-1, -2)
    wide = np.zeros((*x.shape[:-1], x.shape[-1] + 3), x.dtype)
    wide[..., 1:-2] = x
    yield "gaps between rows", wide[..., 1:-2]
    yield "backwards", np.ascontiguousarray(x[..., ::-1])[..., ::-1]
    apart = np.zeros((*x.shape[:-1], x.shape[-1] * 2), x.dtype)
    apart[..., ::2] = x
    yield "every other", apart[..., ::2]
    yield "one repeated", np.broadcast_to(x[:1], x.shape)


@pytest.fixture(params=["stand-in", "real"])
def mkl(request: pytest.FixtureRequest, fake: FakeLibrary) -> wheel.Mkl:
    if request.param == "stand-in":
        return load_mkl(Path("x"), lambda name: fake)
    if REAL is None:
        # an optional extra of 700 MB: the stand-in has run, the real one runs where it is installed
        pytest.skip("MKL is not installed: pip install mkl")
    return load_mkl(REAL)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize("shapes", SHAPES, ids=str)
def test_products_are_numpy_s(mkl: wheel.Mkl, dtype: str, shapes: Any) -> None:
    rng = np.random.default_rng(0)
    a, b = ((rng.standard_normal(s) + 1j * rng.standard_normal(s)) for s in shapes)
    if dtype.startswith("float"):
        a, b = a.real, b.real
    taken = 0
    for (first, x), (second, y) in itertools.product(_layouts(a.astype(dtype)), _layouts(b.astype(dtype))):
        want = x.astype("complex128") @ y.astype("complex128")
        out = np.full(want.shape, 7, dtype)
        call = product_call(mkl, x, y, out)
        if call is None:
            plain = {"rows", "columns", "gaps between rows"}
            assert not ({first, second} <= plain and out.ndim == 2), "two plain matrices are always taken"
            continue
        function, arguments = call
        function(*arguments)
        taken += 1
        scale = np.finfo(dtype).eps * 10 * shapes[0][-1]
        np.testing.assert_allclose(out, want, rtol=scale, atol=scale, err_msg=f"{first}, {second}")
    assert taken > 0


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (np.ones((3, 4), np.int64), np.ones((4, 2), np.int64)),
        (np.ones((3, 4), np.float16), np.ones((4, 2), np.float16)),
        (np.ones(4, np.float32), np.ones((4, 2), np.float32)),
        (np.ones((3, 4), np.float32), np.ones(4, np.float32)),
        (np.ones((3, 0), np.float32), np.ones((0, 2), np.float32)),
        (np.ones((0, 4), np.float32), np.ones((4, 2), np.float32)),
        (np.ones((3, 4), np.float32), np.ones((4, 2), np.float64)),
        (np.ones((2, 1, 3, 4)), np.ones((1, 5, 4, 2))),
        (np.ones(49, np.uint8)[1:].view(np.float32).reshape(3, 4), np.ones((4, 2), np.float32)),
    ],
    ids=[
        "integers",
        "half",
        "vector",
        "vector right",
        "nothing to add",
        "no rows",
        "two dtypes",
        "uneven",
        "unaligned",
    ],
)
def test_what_is_left_to_numpy(mkl: wheel.Mkl, a: Any, b: Any) -> None:
    assert product_call(mkl, a, b, a @ b) is None


def test_a_call_keeps_its_arrays(mkl: wheel.Mkl) -> None:
    out = np.empty((50, 50), np.float32)
    call = product_call(mkl, _square(50), _square(50) * 2, out)
    assert call is not None
    waste = [np.full((50, 50), 9, np.float32) for _ in range(50)]
    function, arguments = call
    function(*arguments)
    np.testing.assert_allclose(out, _square(50) @ (_square(50) * 2), rtol=1e-3, atol=1e-3)
    assert len(waste) == 50


def test_bits_do_not_depend_on_alignment(mkl: wheel.Mkl) -> None:
    rng = np.random.default_rng(0)
    for m, k, n in [(1, 7, 5), (37, 200, 31), (130, 65, 150)]:
        a, b = rng.standard_normal((m, k)).astype("f4"), rng.standard_normal((k, n)).astype("f4")
        seen = set()
        for shift in (0, 1, 3, 8, 13):
            moved = [_shifted(v, shift * f % 16) for v, f in ((a, 1), (b, 3), (np.zeros((m, n), "f4"), 5))]
            call = product_call(mkl, *moved)
            assert call is not None
            call[0](*call[1])
            seen.add(moved[2].tobytes())
        assert len(seen) == 1


def _shifted(x: Any, by: int) -> Any:
    """A copy whose address is `by` elements past a multiple of 64."""
    raw = np.empty(x.size + 64, x.dtype)
    start = -raw.ctypes.data // x.itemsize % 16 + by
    result = raw[start : start + x.size].reshape(x.shape)
    result[...] = x
    return result
