"""Methods and operators against every bad value: an error of graphflow's, Python's own refusal, or a result."""

from __future__ import annotations

import operator
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphflow as gf
from tests.bad_inputs import BAD


class Things:
    """One of everything that has methods, in the default graph, with its variables initialised."""

    def __init__(self) -> None:
        self.x = gf.placeholder("float32", (3, 3), name="x")
        self.one = gf.ones((3, 3), name="one")
        self.w = gf.Variable(np.ones((3, 3), np.float32), name="w")
        self.loss = gf.sum(self.w * self.w)
        self.graph = gf.get_default_graph()
        self.session = gf.Session()
        self.optimizer = gf.train.GradientDescentOptimizer(0.1)
        self.average = gf.train.ExponentialMovingAverage(0.9)
        self.saver = gf.train.Saver([self.w])
        self.session.run(self.w.initializer)


Call = Callable[[Things, Any], Any]


def _keyed(key: Any) -> Any:
    """A feed dictionary by that key; what cannot be a key stands in a list of pairs."""
    try:
        return {key: 1.0}
    except TypeError:
        return [(key, 1.0)]


OPERATORS = (
    *(
        operator.add,
        operator.sub,
        operator.mul,
        operator.truediv,
        operator.floordiv,
        operator.mod,
        operator.pow,
    ),
    *(operator.matmul, operator.and_, operator.or_, operator.xor, operator.lshift, operator.rshift),
    *(operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne, operator.getitem),
)

VALUES: dict[str, Call] = {
    **{f"x {o.__name__} _": lambda a, bad, o=o: o(a.x, bad) for o in OPERATORS},
    **{f"_ {o.__name__} x": lambda a, bad, o=o: o(bad, a.x) for o in OPERATORS[:-1]},
    "x.reshape": lambda a, bad: a.x.reshape(bad),
    "x.sum": lambda a, bad: a.x.sum(bad),
    "x.astype": lambda a, bad: a.x.astype(bad),
    "x.transpose": lambda a, bad: a.x.transpose(bad),
    "x.set_shape": lambda a, bad: a.x.set_shape(bad),
    "_ in x": lambda a, bad: bad in a.x,
    "iteration": lambda a, bad: [row for row in a.x if row is bad],
    "w.assign": lambda a, bad: a.w.assign(bad),
    "w.assign_add": lambda a, bad: a.w.assign_add(bad),
    "w.scatter_update": lambda a, bad: a.w.scatter_update(bad, a.one),
    "w.load": lambda a, bad: a.w.load(bad, a.session),
    "x.eval": lambda a, bad: a.x.eval(bad),
    "x.eval session": lambda a, bad: a.one.eval(session=bad),
    "run": lambda a, bad: a.session.run(bad),
    "run with feeds": lambda a, bad: a.session.run(a.x, bad),
    "run fed by key": lambda a, bad: a.session.run(a.one, _keyed(bad)),
    "run in a list": lambda a, bad: a.session.run([a.one, bad]),
    "run in a dict": lambda a, bad: a.session.run({"a": a.one, "b": bad}),
    "run fed": lambda a, bad: a.session.run(a.x, {a.x: bad}),
    "run fed variable": lambda a, bad: a.session.run(a.w, {a.w: bad}),
    "make_callable": lambda a, bad: a.session.make_callable(bad),
    "make_callable of": lambda a, bad: a.session.make_callable(a.x, [bad]),
    "Session optimize": lambda a, bad: gf.Session(optimize=bad),
    "plan": lambda a, bad: a.session.plan(bad),
    "minimize": lambda a, bad: a.optimizer.minimize(bad),
    "minimize by": lambda a, bad: a.optimizer.minimize(a.loss, var_list=bad),
    "minimize step": lambda a, bad: a.optimizer.minimize(a.loss, global_step=bad),
    "compute_gradients": lambda a, bad: a.optimizer.compute_gradients(a.loss, bad),
    "apply_gradients": lambda a, bad: a.optimizer.apply_gradients(bad),
    "apply_gradients of": lambda a, bad: a.optimizer.apply_gradients([(bad, a.w)]),
    "average.apply": lambda a, bad: a.average.apply(bad),
    "average.average": lambda a, bad: a.average.average(bad),
    "saver.save in": lambda a, bad: a.saver.save(bad, "checkpoint"),
    "saver.save step": lambda a, bad: a.saver.save(a.session, "checkpoint", global_step=bad),
    "graph.element": lambda a, bad: a.graph.as_graph_element(bad),
}

TEXTS: dict[str, Call] = {
    "get_tensor_by_name": lambda a, bad: a.graph.get_tensor_by_name(bad),
    "get_operation_by_name": lambda a, bad: a.graph.get_operation_by_name(bad),
    "as_graph_element": lambda a, bad: a.graph.as_graph_element(bad),
    "unique_name": lambda a, bad: a.graph.unique_name(bad),
    "get_attr": lambda a, bad: a.x.op.get_attr(bad),
    "device": lambda a, bad: a.graph.device(bad).__enter__(),
    "run by name": lambda a, bad: a.session.run(bad),
    "feed by name": lambda a, bad: a.session.run(a.one, _keyed(bad)),
    "saver.save": lambda a, bad: a.saver.save(a.session, bad),
    "saver.restore": lambda a, bad: a.saver.restore(a.session, bad),
}

CALLS = [
    *[(name, call, "tensors") for name, call in VALUES.items()],
    *[(name, call, "name") for name, call in TEXTS.items()],
]


def _fault(call: Call, things: Things, bad: Any) -> str | None:
    try:
        call(things, bad)
    except gf.errors.GraphflowError as error:
        text = str(error)
        if len(text) > 4_000 or not any(file in text for file in ("test_bad_methods.py", "bad_inputs.py")):
            return f"a bad message: {text[:300]}"
    except TypeError as error:
        words = (
            "unsupported operand",
            "not supported between",
            "exponent must be an integer",  # of a matrix on the left
        )
        return None if any(word in str(error) for word in words) else f"TypeError: {error}"
    except DeprecationWarning as warning:  # NumPy's, where a structured array stands on the left
        return None if "comparison failed" in str(warning) else f"DeprecationWarning: {warning}"
    except Exception as error:  # noqa: BLE001 the very question
        return f"{type(error).__name__}: {str(error)[:300]}"
    return None


@pytest.mark.parametrize(
    ("name", "call", "kind"), CALLS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_bad_value_is_refused(
    name: str, call: Call, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    things = Things()
    faults = []
    for label, make in BAD[kind].items():
        fault = _fault(call, things, make())
        if fault is not None:
            faults.append(f"{name}({label}): {fault}")
    assert not faults, "\n".join(faults)
    assert np.array_equal(
        things.session.run(things.one + things.x, {things.x: np.ones((3, 3))}), np.full((3, 3), 2.0)
    )
