"""The example of a backend: it computes what NumPy computes, and only transfers cross its border."""

from __future__ import annotations

import runpy
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import graphflow as gf
from examples.toy_backend import ToyBackend
from graphflow.backends import backend_for, register, unregister

EXAMPLE = Path(__file__).parents[2] / "examples" / "toy_backend.py"


@pytest.fixture
def toy() -> Iterator[ToyBackend]:
    register(ToyBackend)
    backend = backend_for("toy")
    assert isinstance(backend, ToyBackend)
    yield backend
    unregister(ToyBackend)


def test_the_example_runs_and_is_a_page(capsys: pytest.CaptureFixture[str]) -> None:
    names = runpy.run_path(str(EXAMPLE), run_name="__main__")
    unregister(names["ToyBackend"])
    first, second = capsys.readouterr().out.splitlines()
    assert first == "6.0"
    assert second.startswith("28 bytes")
    assert len(EXAMPLE.read_text("utf-8").splitlines()) <= 60


def test_it_is_listed(toy: ToyBackend) -> None:
    assert "toy:0" in [row.name for row in gf.list_devices()]


def test_a_graph_placed_partly_on_it(toy: ToyBackend) -> None:
    x = gf.placeholder("float32", (None, 3))
    with gf.device("toy"):
        y = gf.exp(x) * 2.0
    z = gf.sum(y, axis=0) + 1.0
    session = gf.Session()
    values = np.linspace(0, 1, 6, dtype=np.float32).reshape(2, 3)
    np.testing.assert_allclose(session.run(z, {x: values}), 2 * np.exp(values).sum(0) + 1, rtol=1e-6)
    toy.moved = 0
    session.run(z, {x: values})
    assert toy.moved == 2 * values.nbytes  # x there, y back


def test_training_on_it(toy: ToyBackend) -> None:
    with gf.device("toy"):
        w = gf.Variable(np.ones(3, np.float32))
        loss = gf.sum(gf.square(w - 3.0))
        step = w.assign_sub(0.25 * gf.gradients(loss, [w])[0])
    session = gf.Session()
    session.run(gf.global_variables_initializer())
    session.run(step.op)
    toy.moved = 0
    for _ in range(5):
        session.run(step.op)
    assert toy.moved == 0  # the variable lives there
    assert session.run(loss) < 0.1


def test_a_session_that_is_all_on_it(toy: ToyBackend) -> None:
    x = gf.placeholder("float64", (4,))
    y, position = gf.cumulative_sum(x), gf.argmax(x)
    with gf.Session(device="toy") as session:
        total, where = session.run([y, position], {x: np.array([1.0, 2.0, 3.0, 4.0])})
    assert total.tolist() == [1, 3, 6, 10]
    assert where == 3
