"""The CuPy backend on a stand-in for CuPy: what is moved, where things live, and what is said when it is absent."""

from __future__ import annotations

import ctypes
import re
import subprocess
import sys
import tomllib
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import graphflow as gf
from graphflow.backends import backend_for
from graphflow.backends.cupy import CupyBackend, wheel
from graphflow.backends.cupy.kernels import KERNELS, namespace
from graphflow.op import OPS
from tests.backends.fake_cupy import VERSIONS, CUDARuntimeError, Fake, install

ONES = np.ones((4, 3), np.float32)


@pytest.fixture(params=VERSIONS)
def fake(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Fake:
    return install(monkeypatch, version=request.param)


class Step(NamedTuple):
    """w += sum(tanh(x) * 2), for a placeholder x."""

    x: gf.Tensor
    w: gf.Variable
    update: gf.Tensor


def _step() -> Step:
    x = gf.placeholder("float32", (None, 3), name="x")
    w = gf.Variable(np.zeros(3, np.float32), name="w")
    return Step(x, w, w.assign_add(gf.sum(gf.tanh(x) * 2.0, axis=0)))


# --- which devices there are ----------------------------------------------------------------------


def test_a_gpu_is_listed_with_what_it_is(fake: Fake) -> None:
    (row,) = CupyBackend.devices()
    assert row.name == "gpu:0"
    assert row.available
    assert row.memory_nbytes == fake.limit
    for text in ("Fake GPU", "1 GiB", f"CuPy {fake.version}", "CUDA 12.6", "driver for CUDA 12.8"):
        assert text in row.detail
    assert row.libraries == ("cuBLAS of CUDA 12.6",)


def test_every_gpu_has_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, devices=3)
    assert [row.name for row in CupyBackend.devices()] == ["gpu:0", "gpu:1", "gpu:2"]
    with pytest.raises(gf.errors.BackendError, match=r"'gpu:3' does not exist; have gpu:0, gpu:1, gpu:2"):
        backend_for("gpu:3")


@pytest.mark.parametrize("name", ["gpu", "/gpu:0", "GPU:0", "cupy", "/device:GPU:0"])
def test_the_names_of_the_first_gpu(fake: Fake, name: str) -> None:
    assert gf.Session(device=name).device == "gpu:0"


@pytest.fixture
def no_cupy(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """CuPy is not installed and there is no driver."""
    from graphflow.backends import registry

    monkeypatch.setitem(sys.modules, "cupy", None)  # type: ignore[arg-type]  # makes an import fail
    monkeypatch.setattr(registry, "_instances", {})
    monkeypatch.setattr(wheel, "driver_version", lambda: None)
    return monkeypatch


def _import_that_raises(error: Exception) -> Callable[[str], Any]:
    def import_module(name: str) -> Any:
        raise error

    return import_module


@pytest.mark.parametrize(
    ("driver", "parts"),
    [
        (None, ["no NVIDIA driver", "graphflow-engine[cuda12]", "graphflow-engine[cuda13]"]),
        (12040, ["CuPy is not installed", "pip install 'graphflow-engine[cuda12]'"]),
        (13000, ["CuPy is not installed", "pip install 'graphflow-engine[cuda13]'"]),
        (11080, ["update the NVIDIA driver", "11.8"]),
    ],
)
def test_what_is_missing_is_said(no_cupy: pytest.MonkeyPatch, driver: int | None, parts: list[str]) -> None:
    absent = ModuleNotFoundError("No module named 'cupy'", name="cupy")
    no_cupy.setattr(wheel.importlib, "import_module", _import_that_raises(absent))
    no_cupy.setattr(wheel, "driver_version", lambda: driver)
    (row,) = CupyBackend.devices()
    assert (row.name, row.available) == ("gpu:0", False)
    assert "missing" in str(row)
    with pytest.raises(gf.errors.BackendError) as caught:
        gf.Session(device="gpu")
    for part in parts:
        assert part in row.detail
        assert part in str(caught.value)


@pytest.mark.parametrize(
    "error",
    [
        ImportError("libcublas.so.12: cannot open shared object file"),
        OSError("broken"),
        AttributeError("module 'numpy' has no attribute 'bool8'"),
        SystemError("initialization failed"),
        ModuleNotFoundError("No module named 'fastrlock'", name="fastrlock"),
    ],
    ids=lambda e: type(e).__name__,
)
def test_an_install_that_is_broken_is_no_crash(no_cupy: pytest.MonkeyPatch, error: Exception) -> None:
    no_cupy.setattr(wheel.importlib, "import_module", _import_that_raises(error))
    (row,) = CupyBackend.devices()
    assert not row.available
    assert str(error) in row.detail
    assert "does not import" in row.detail
    assert gf.Session().run(gf.constant(2.0) * 3.0) == 6.0
    with pytest.raises(gf.errors.BackendError, match="does not import"):
        gf.Session(device="gpu")


def test_a_driver_that_is_missing_is_said(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    fake.failure = CUDARuntimeError("cudaErrorInsufficientDriver: CUDA driver version is insufficient")
    monkeypatch.setattr(wheel, "driver_version", lambda: None)
    (row,) = CupyBackend.devices()
    assert not row.available
    assert "cudaErrorInsufficientDriver" in row.detail
    assert "no NVIDIA driver" in row.detail
    with pytest.raises(gf.errors.BackendError, match="no NVIDIA driver"):
        gf.Session(device="gpu")


@pytest.mark.parametrize(
    ("driver", "part"), [(11040, "update the NVIDIA driver"), (12010, "the driver serves CUDA 12.1")]
)
def test_a_driver_that_is_too_old_is_said(
    fake: Fake, monkeypatch: pytest.MonkeyPatch, driver: int, part: str
) -> None:
    fake.failure = CUDARuntimeError("cudaErrorInsufficientDriver")
    monkeypatch.setattr(wheel, "driver_version", lambda: driver)
    assert part in CupyBackend.devices()[0].detail


def test_a_driver_without_a_gpu_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, devices=0)
    assert "it counts 0" in CupyBackend.devices()[0].detail


def test_the_driver_is_asked_by_its_own_library(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(place: Any) -> int:
        place._obj.value = 12080
        return 0

    def open_library(name: str) -> Any:
        if name == "libcuda.so.1":
            raise OSError
        return types.SimpleNamespace(cuDriverGetVersion=answer)

    monkeypatch.setattr(wheel.sys, "platform", "linux")
    monkeypatch.setattr(wheel.ctypes, "CDLL", open_library)
    assert wheel.driver_version() == 12080
    monkeypatch.setattr(wheel.ctypes, "CDLL", lambda name: ctypes.pythonapi)
    assert wheel.driver_version() is None


def test_cuda_without_its_compiler_is_found_out_at_once(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    def zeros(*args: Any) -> Any:
        raise RuntimeError("CuPy failed to load libnvrtc.so.12")

    monkeypatch.setattr(fake.cupy, "zeros", zeros)
    with pytest.raises(gf.errors.BackendError, match=r"libnvrtc\.so\.12.*ctk"):
        gf.Session(device="gpu")


def test_importing_and_listing_does_not_import_cupy() -> None:
    code = "import sys, graphflow as gf; gf.Session().run(gf.constant(1.0)); assert 'cupy' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# --- what is moved --------------------------------------------------------------------------------


def test_feeds_and_fetches_are_all_that_is_moved(fake: Fake) -> None:
    step = _step()
    session = gf.Session(device="gpu")
    session.run(gf.global_variables_initializer())
    session.run(step.update, {step.x: ONES})
    fake.forget()
    result = session.run(step.update, {step.x: ONES})
    np.testing.assert_allclose(result, np.full(3, 16 * np.tanh(1.0)), rtol=1e-6)
    assert fake.of("to device") == [ONES.nbytes]
    assert fake.of("to host") == [result.nbytes]
    assert fake.of("allocate") == []


def test_a_run_without_fetches_brings_nothing_back(fake: Fake) -> None:
    step = _step()
    session = gf.Session(device="gpu")
    session.run(gf.global_variables_initializer())
    fake.forget()
    assert session.run(step.update.op, {step.x: ONES}) is None
    assert fake.of("to host") == []


def test_variables_stay_on_the_gpu(fake: Fake) -> None:
    x, w, update = _step()
    session = gf.Session(device="gpu")
    session.run(gf.global_variables_initializer())
    for _ in range(3):
        session.run(update.op, {x: ONES})
    assert isinstance(session._store.arrays["w"], fake.ndarray)
    fake.forget()
    np.testing.assert_allclose(session.run(w), np.full(3, 24 * np.tanh(1.0)), rtol=1e-6)
    assert fake.of("to device") == []
    assert fake.of("to host") == [12]


def test_a_variable_fetched_with_its_update_has_the_new_value(fake: Fake) -> None:
    w = gf.Variable(np.array([1.0, 2.0, 3.0], np.float32))
    old = w.read()
    update = w.assign(old * 10.0)
    session = gf.Session(device="gpu")
    session.run(gf.global_variables_initializer())
    before, written, after = session.run([old, update, w])
    np.testing.assert_array_equal(before, [1, 2, 3])
    np.testing.assert_array_equal(written, [10, 20, 30])
    np.testing.assert_array_equal(after, [10, 20, 30])


def test_a_value_can_be_loaded_into_a_variable(fake: Fake) -> None:
    step = _step()
    session = gf.Session(device="gpu")
    session.load(step.w, np.arange(3, dtype=np.float32))
    assert session.run(step.w).tolist() == [0, 1, 2]


def test_each_edge_between_devices_is_one_transfer(fake: Fake) -> None:
    x = gf.placeholder("float32", (4,), name="x")
    with gf.device("gpu"):
        y = gf.exp(x)
        z = y * x
    u = y + 1.0
    v = y * u
    with gf.device("gpu"):
        r = gf.sum(v) + gf.sum(z)
    value = np.linspace(0, 1, 4, dtype=np.float32)
    session = gf.Session()
    session.run(r, {x: value})
    fake.forget()
    result = session.run(r, {x: value})
    e = np.exp(value)
    np.testing.assert_allclose(result, np.sum(e * (e + 1)) + np.sum(e * value), rtol=1e-5)
    assert fake.of("to device") == [16, 16]  # x once, although two nodes use it, and v
    assert fake.of("to host") == [16, 4]  # y once, and the result


def test_constants_are_moved_when_the_program_is_loaded(fake: Fake) -> None:
    x = gf.placeholder("float32", (3,))
    y = x * gf.constant(np.arange(3, dtype=np.float32))
    session = gf.Session(device="gpu")
    session.run(y, {x: ONES[0]})
    fake.forget()
    session.run(y, {x: ONES[0]})
    assert fake.of("to device") == [12]


def test_intermediates_lie_in_one_arena(fake: Fake) -> None:
    x = gf.placeholder("float32", (1000,))
    y = x
    for _ in range(20):
        y = gf.tanh(y) * 1.5
    session = gf.Session(device="gpu")
    fake.forget()
    session.run(gf.sum(y), {x: np.zeros(1000, np.float32)})
    assert len(fake.of("allocate")) == 1
    assert fake.of("allocate")[0] < 4 * 4096


def test_control_flow_runs_on_the_gpu(fake: Fake) -> None:
    n = gf.placeholder("int64", ())
    with gf.device("gpu"):
        total = gf.while_loop(
            lambda i, s: i < n, lambda i, s: (i + 1, s * 2.0), (gf.constant(0), gf.constant(1.0))
        )[1]
    assert gf.Session(device="gpu").run(total, {n: 5}) == 32.0


def test_random_draws_are_those_of_the_cpu(fake: Fake) -> None:
    gf.random.set_seed(3)
    draws = [gf.random.uniform((100,)), gf.random.uniform((7, 9), 0, 1000, dtype="int64")]
    one, other = gf.Session(), gf.Session(device="gpu")
    for _ in range(3):
        for a, b in zip(one.run(draws), other.run(draws), strict=True):
            assert a.tobytes() == b.tobytes()


# --- life -----------------------------------------------------------------------------------------


def test_close_gives_the_memory_back(fake: Fake) -> None:
    step = _step()
    session = gf.Session(device="gpu")
    session.run(gf.global_variables_initializer())
    session.run(step.update, {step.x: ONES})
    session.run(step.update, {step.x: np.ones((400, 3), np.float32)})
    assert fake.used > 0
    session.close()
    assert (fake.used, fake.held) == (0, 0)


def test_close_leaves_other_sessions_alone(fake: Fake) -> None:
    x, w, update = _step()
    sessions = [gf.Session(device="gpu") for _ in range(2)]
    for s in sessions:
        s.run(gf.global_variables_initializer())
        s.run(update, {x: ONES})
    sessions[0].close()
    np.testing.assert_allclose(sessions[1].run(w), np.full(3, 8 * np.tanh(1.0)), rtol=1e-6)


def test_too_much_memory_is_a_memory_limit_error(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = install(monkeypatch, limit=100_000)
    x = gf.placeholder("float32", (None,))
    y = gf.sum(gf.exp(x) * gf.tanh(x))
    session = gf.Session(device="gpu")
    with pytest.raises(
        gf.errors.MemoryLimitError, match=r"gpu:0: \d+ bytes do not fit: \d+ of 100000 bytes are free"
    ):
        session.run(y, {x: np.zeros(50_000, np.float32)})
    assert session.run(y, {x: np.zeros(5, np.float32)}) == 0.0
    assert fake.used < 100_000


def test_a_kernel_that_fails_names_its_node(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    x = gf.placeholder("float32", (3,))
    y = gf.exp(x, name="boom")

    def exp(*args: Any, **kwargs: Any) -> Any:
        raise CUDARuntimeError("cudaErrorIllegalAddress: an illegal memory access was encountered")

    monkeypatch.setattr(fake.cupy, "exp", exp)
    session = gf.Session(device="gpu")
    with pytest.raises(gf.errors.RunError, match=r"'boom'.*cudaErrorIllegalAddress") as caught:
        session.run(y, {x: ONES[0]})
    assert isinstance(caught.value.__cause__, CUDARuntimeError)
    assert "test_cupy.py" in str(caught.value)


def test_bfloat16_needs_cupy_14(fake: Fake) -> None:
    x = gf.placeholder("bfloat16", (3,))
    y = x + x
    session = gf.Session(device="gpu")
    value = ONES[0].astype(gf.bfloat16)
    if fake.version.startswith("13"):
        with pytest.raises(gf.errors.BackendError, match=r"no bfloat16.*cast to float32"):
            session.run(y, {x: value})
    else:
        assert session.run(y, {x: value}).tolist() == [2, 2, 2]


def test_work_is_done_on_the_device_it_is_placed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = install(monkeypatch, devices=2)
    x = gf.placeholder("float32", (3,))
    with gf.device("gpu:1"):
        w = gf.Variable(np.ones(3, np.float32))
        y = gf.exp(x) + w
    with gf.device("gpu:0"):
        z = y * 2.0
    session = gf.Session()
    session.run(gf.global_variables_initializer())
    result = session.run(z, {x: ONES[0]})
    np.testing.assert_allclose(result, np.full(3, 2 * (np.e + 1)), rtol=1e-6)
    assert fake.device == 0
    session.run(w.assign_add(np.ones(3, np.float32)))
    assert session.run(w).tolist() == [2, 2, 2]


def test_synchronize_waits_for_its_own_device(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = install(monkeypatch, devices=2)
    backend_for("gpu:1").synchronize()
    assert fake.of("synchronize") == [1]


# --- kernels --------------------------------------------------------------------------------------


def test_overrides_are_of_ops_that_exist() -> None:
    assert set(KERNELS) <= set(OPS)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_floats_are_divided_as_the_reference_divides_them(fake: Fake, dtype: str) -> None:
    edges = np.array(
        [0.0, -0.0, 1.0, -1.0, 0.1, -0.1, 7.5, -7.5, 1e-30, 1e30, np.inf, -np.inf, np.nan], dtype
    )
    drawn = np.random.default_rng(0).normal(0, 100, 30).astype(dtype)
    values = np.concatenate([edges, drawn, np.round(drawn)])
    x, y = np.meshgrid(values, values)
    with np.errstate(all="ignore"):
        expected = OPS["floor_divide"].kernel(np, x, y)
    xp = namespace(fake.cupy)
    on_gpu = [fake.cupy.asarray(v) for v in (x, y)]
    out = fake.cupy.zeros(x.shape, dtype)
    for result in (KERNELS["floor_divide"](xp, *on_gpu), KERNELS["floor_divide"](xp, *on_gpu, out=out)):
        np.testing.assert_array_equal(result.get(), expected)
        np.testing.assert_array_equal(np.signbit(result.get()), np.signbit(expected))


def test_old_versions_get_the_names_of_the_array_api(fake: Fake) -> None:
    xp = namespace(fake.cupy)
    assert xp.__name__ == "cupy"
    x = fake.cupy.asarray(np.arange(6, dtype=np.float32).reshape(2, 3))
    assert xp.permute_dims(x, (1, 0)).shape == (3, 2)
    assert xp.concat([x, x]).shape == (4, 3)
    assert xp.astype(x, np.int32).dtype == np.int32
    assert xp.matrix_transpose(x).shape == (3, 2)
    assert float(xp.acos(xp.asarray(1.0))) == 0.0


def test_the_stand_in_refuses_what_cupy_refuses(fake: Fake) -> None:
    x = fake.cupy.asarray(ONES)
    with pytest.raises(TypeError, match="Implicit conversion"):
        np.asarray(x)
    with pytest.raises(TypeError, match="Unsupported type"):
        x + ONES
    with pytest.raises(AttributeError):
        fake.cupy.unpackbits_of
    with pytest.raises(TypeError, match=r"unexpected keyword|multiple|got an"):
        fake.cupy.sort(x, stable=True)


def test_the_recorded_versions_are_those_that_the_extras_allow() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))["project"]
    (requirement,) = project["optional-dependencies"]["cuda12"]
    oldest = re.search(r">=(\d+)", requirement)
    assert oldest is not None
    assert any(v.startswith(f"{oldest[1]}.") for v in VERSIONS)
