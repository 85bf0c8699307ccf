"""The CuPy backend on a real GPU: every op's samples, training, memory. Skips itself where there is none."""

from __future__ import annotations

import numpy as np
import pytest

import graphflow as gf
from graphflow.backends import backend_for
from tests.backends.agreement import assert_agrees, run_on
from tests.each import Each
from tests.ops.table import by_family

SAMPLES = by_family()

pytestmark = pytest.mark.gpu  # conftest.py leaves these out where no GPU is usable


@pytest.mark.parametrize("family", SAMPLES)
def test_the_gpu_agrees_with_the_cpu(family: str, each: Each) -> None:
    each(SAMPLES[family], lambda s: assert_agrees(s, run_on(s, "gpu"), run_on(s, "cpu")))


def test_random_bits_are_the_cpu_s() -> None:
    gf.random.set_seed(11)
    draws = [gf.random.uniform((100_003,)), gf.random.uniform((1000,), -5, 1 << 40, dtype="int64")]
    draws.append(gf.random.uniform((777,), dtype="float64"))
    cpu, gpu = gf.Session(), gf.Session(device="gpu")
    for _ in range(2):
        for a, b in zip(cpu.run(draws), gpu.run(draws), strict=True):
            assert a.tobytes() == b.tobytes()


def _network() -> tuple[gf.Tensor, gf.Tensor, gf.Tensor, gf.Operation]:
    x, y = gf.placeholder("float32", (None, 8)), gf.placeholder("float32", (None, 1))
    rng = np.random.default_rng(0)
    w1 = gf.Variable(rng.standard_normal((8, 32)).astype(np.float32) / 3)
    b1 = gf.Variable(np.zeros(32, np.float32))
    w2 = gf.Variable(rng.standard_normal((32, 1)).astype(np.float32) / 6)
    loss = gf.mean(gf.square(gf.tanh(x @ w1 + b1) @ w2 - y))
    variables = [w1, b1, w2]
    steps = [v.assign_sub(0.1 * g) for v, g in zip(variables, gf.gradients(loss, variables), strict=True)]
    return x, y, loss, gf.group(*steps)


def test_a_network_trains_as_on_the_cpu() -> None:
    x, y, loss, train = _network()
    rng = np.random.default_rng(1)
    inputs = rng.standard_normal((256, 8)).astype(np.float32)
    feeds = {x: inputs, y: np.sin(inputs.sum(1, keepdims=True))}
    curves = []
    for device in ("cpu", "gpu"):
        with gf.Session(device=device) as session:
            session.run(gf.global_variables_initializer())
            curves.append([session.run([loss, train], feeds)[0] for _ in range(50)])
    assert curves[1][-1] < curves[1][0] / 2
    np.testing.assert_allclose(curves[1], curves[0], rtol=1e-3)


def test_close_frees_the_gpu_s_memory() -> None:
    import cupy

    backend_for("gpu:0").close()
    before = cupy.get_default_memory_pool().total_bytes()
    x, y, loss, train = _network()
    session = gf.Session(device="gpu")
    session.run(gf.global_variables_initializer())
    session.run([loss, train], {x: np.ones((100_000, 8), np.float32), y: np.ones((100_000, 1), np.float32)})
    assert cupy.get_default_memory_pool().used_bytes() > 1_000_000
    session.close()
    assert cupy.get_default_memory_pool().total_bytes() <= before


def test_more_than_the_gpu_has_is_a_memory_limit_error() -> None:
    x = gf.placeholder("float32", (None, None))
    y = gf.sum(gf.exp(x + gf.zeros((1 << 20, 1))) * 2.0)
    session = gf.Session(device="gpu")
    with pytest.raises(gf.errors.MemoryLimitError):
        session.run(y, {x: np.zeros((1, 1 << 20), np.float32)})
    assert session.run(gf.constant(1.0) + 1.0) == 2.0
