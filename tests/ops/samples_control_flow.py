"""Samples of control flow, of the functions about the graph, and of those with effects."""

from __future__ import annotations

from typing import Any

import numpy as np

import graphflow as gf
from graphflow.op import F
from tests.ops.table import Sample, array

__all__ = ["SAMPLES"]

X = array(3, seed=1)
M = array(4, 3, seed=2)
W = array(3, 3, seed=3, low=-0.5, high=0.5)
TRUE, FALSE = np.array(True), np.array(False)


# --- branches ---------------------------------------------------------------------------------------


def _branches(p: Any, x: Any) -> Any:
    return F.cond(p, lambda: F.exp(x) * 2.0, lambda: F.sin(x) + x)


def _branches_reference(p: Any, x: Any) -> Any:
    return np.exp(x) * 2 if p else np.sin(x) + x


def _one_sided(p: Any, x: Any, y: Any) -> Any:
    """Each branch uses only one of the inputs: the other one's gradient is zero."""
    return F.cond(p, lambda: F.square(x), lambda: F.tanh(y))


def _nested(p: Any, q: Any, x: Any) -> Any:
    return F.cond(p, lambda: F.cond(q, lambda: x * x, lambda: x * 3.0), lambda: F.exp(x))


def _nested_reference(p: Any, q: Any, x: Any) -> Any:
    return (x * x if q else x * 3) if p else np.exp(x)


def _nest(p: Any, x: Any) -> Any:
    result = F.cond(p, lambda: {"a": x, "b": [x * 2.0]}, lambda: {"b": [x], "a": x * 3.0})
    return result["a"], result["b"][0]


def _with_print(p: Any, x: Any) -> Any:
    return F.cond(p, lambda: F.Print(F.square(x), [], "square"), lambda: x * 3.0)


def _switch(i: Any, x: Any) -> Any:
    return F.switch_case(i, [lambda: x, lambda: x * x, lambda: F.exp(x)])


def _switch_default(i: Any, x: Any) -> Any:
    return F.switch_case(i, {1: lambda: x * x, 0: lambda: x + 1}, default=lambda: -x)


def _case(p: Any, q: Any, x: Any) -> Any:
    return F.case([(p, lambda: F.exp(x)), (q, lambda: x * x)], default=lambda: F.sin(x))


def _case_reference(p: Any, q: Any, x: Any) -> Any:
    return np.exp(x) if p else x * x if q else np.sin(x)


BRANCHES = [
    *[
        Sample(f"cond_{p}_{name}", _branches, (p, x), _branches_reference, grad=True)
        for p in (TRUE, FALSE)
        for name, x in [("scalar", array(seed=4)), ("vector", X), ("matrix", M), ("strided", M[::-1, ::2])]
    ],
    Sample("cond_empty", _branches, (TRUE, array(0, 3)), _branches_reference),
    Sample("cond_float32", _branches, (TRUE, X.astype("float32")), _branches_reference, rtol=1e-6),
    Sample("cond_nan", _branches, (TRUE, np.array([np.nan, np.inf, -np.inf, -0.0])), _branches_reference),
    *[
        Sample(
            f"cond_one_sided_{p}",
            _one_sided,
            (p, X, X + 1),
            lambda p, x, y: x * x if p else np.tanh(y),
            grad=True,
        )
        for p in (TRUE, FALSE)
    ],
    *[
        Sample(f"cond_nested_{p}_{q}", _nested, (p, q, X), _nested_reference, grad=True)
        for p, q in [(TRUE, TRUE), (TRUE, FALSE), (FALSE, TRUE)]
    ],
    *[
        Sample(f"cond_nest_{p}", _nest, (p, X), lambda p, x: (x, 2 * x) if p else (3 * x, x), grad=True)
        for p in (TRUE, FALSE)
    ],
    *[
        Sample(f"cond_with_print_{p}", _with_print, (p, X), lambda p, x: x * x if p else 3 * x, grad=True)
        for p in (TRUE, FALSE)
    ],
    *[
        Sample(
            f"switch_case_{i}", _switch, (np.array(i), X), lambda i, x: [x, x * x, np.exp(x)][i], grad=True
        )
        for i in range(3)
    ],
    *[
        Sample(
            f"switch_case_default_{i}",
            _switch_default,
            (np.array(i), X),
            lambda i, x: {0: x + 1, 1: x * x}.get(int(i), -x),
            grad=True,
        )
        for i in (-1, 0, 1, 2, 2**62)
    ],
    *[
        Sample(f"case_{p}_{q}", _case, (p, q, X), _case_reference, grad=True)
        for p, q in [(TRUE, TRUE), (FALSE, TRUE), (FALSE, FALSE)]
    ],
]


# --- loops ------------------------------------------------------------------------------------------


def _power(n: Any, x: Any, w: Any) -> Any:
    """x <- tanh(w @ x) + i * x, n times."""

    def body(i: Any, a: Any) -> Any:
        return i + 1, F.tanh(F.matmul(w, a)) + F.cast(i, a.dtype) * x

    return F.while_loop(lambda i, a: F.less(i, n), body, (0, x))


def _power_reference(n: Any, x: Any, w: Any) -> Any:
    a = x
    for i in range(int(n)):
        a = np.tanh(w @ a) + i * x
    return np.int64(n), a


def _halve(x: Any) -> Any:
    """The trip count depends on the data."""
    return F.while_loop(lambda v: F.greater(F.sum(F.square(v)), 0.01), lambda v: v * 0.5, [x])[0]


def _halve_reference(x: Any) -> Any:
    while np.sum(x * x) > 0.01:
        x = x * 0.5
    return x


def _nested_loop(x: Any) -> Any:
    def outer(i: Any, a: Any) -> Any:
        _, b = F.while_loop(lambda j, b: F.less(j, i), lambda j, b: (j + 1, F.sin(b) + x), (0, a))
        return i + 1, b * a

    return F.while_loop(lambda i, a: F.less(i, 3), outer, (0, x))[1]


def _nested_loop_reference(x: Any) -> Any:
    a = x
    for i in range(3):
        b = a
        for _ in range(i):
            b = np.sin(b) + x
        a = b * a
    return a


def _loop_with_branch(x: Any) -> Any:
    def body(i: Any, a: Any) -> Any:
        return i + 1, F.cond(F.equal(i % 2, 0), lambda: F.sin(a) * x, lambda: a + x)

    return F.while_loop(lambda i, a: F.less(i, 5), body, (0, x))[1]


def _loop_with_branch_reference(x: Any) -> Any:
    a = x
    for i in range(5):
        a = np.sin(a) * x if i % 2 == 0 else a + x
    return a


def _limited(x: Any) -> Any:
    return F.while_loop(lambda v: True, lambda v: F.sin(v), [x], maximum_iterations=3)[0]


def _printing_loop(x: Any) -> Any:
    def body(i: Any, a: Any) -> Any:
        return i + 1, F.Print(F.sin(a), [i], "i ")

    return F.while_loop(lambda i, a: F.less(i, 2), body, (0, x))[1]


LOOPS = [
    *[
        Sample(f"while_loop_{n}_trips", _power, (np.array(n), X, W), _power_reference, grad=True)
        for n in (0, 1, 5)
    ],
    Sample(
        "while_loop_float32",
        _power,
        (np.array(3), X.astype("f4"), W.astype("f4")),
        _power_reference,
        rtol=1e-5,
    ),
    Sample("while_loop_data_dependent", _halve, (X,), _halve_reference, grad=True),
    Sample("while_loop_nested", _nested_loop, (X,), _nested_loop_reference, grad=True),
    Sample("while_loop_with_branch", _loop_with_branch, (X,), _loop_with_branch_reference, grad=True),
    Sample("while_loop_limited", _limited, (X,), lambda x: np.sin(np.sin(np.sin(x))), grad=True),
    Sample("while_loop_empty", _limited, (array(0, 2),), lambda x: x),
    Sample("while_loop_with_print", _printing_loop, (X,), lambda x: np.sin(np.sin(x)), grad=True),
]


# --- scans ------------------------------------------------------------------------------------------


def _recurrence(e: Any, x: Any, w: Any) -> Any:
    return F.scan(lambda a, v: F.tanh(F.matmul(w, a) + v), e, x)


def _recurrence_reference(e: Any, x: Any, w: Any) -> Any:
    rows, a = np.zeros((len(e), len(x)), e.dtype), x
    for t, v in enumerate(e):
        a = rows[t] = np.tanh(w @ a + v)
    return rows


def _backwards(e: Any, x: Any) -> Any:
    return F.scan(lambda a, v: a * F.sin(v) + v, e, x, reverse=True)


def _backwards_reference(e: Any, x: Any) -> Any:
    rows, a = np.zeros_like(e), x
    for t in reversed(range(len(e))):
        a = rows[t] = a * np.sin(e[t]) + e[t]
    return rows


def _nest_scan(e: Any, x: Any) -> Any:
    """Two accumulated values, one an integer, and two arrays of elements."""

    def step(acc: Any, elem: Any) -> Any:
        return {"n": acc["n"] + 1, "a": acc["a"] * elem[0] + elem[1]}

    result = F.scan(step, (e, F.square(e)), {"n": 0, "a": x})
    return result["n"], result["a"]


def _nest_scan_reference(e: Any, x: Any) -> Any:
    rows, a = np.zeros_like(e), x
    for t, v in enumerate(e):
        a = rows[t] = a * v + v * v
    return np.arange(1, len(e) + 1), rows


def _rows(e: Any) -> Any:
    return F.map_fn(lambda v: F.sum(F.square(v)) * v, e)


def _rows_reference(e: Any) -> Any:
    return np.array([np.sum(v * v) * v for v in e]).reshape(e.shape)


def _map_nest(a: Any, b: Any) -> Any:
    result = F.map_fn(
        lambda t: (t["a"] * t["b"], F.greater(t["a"], t["b"])), {"a": a, "b": b}, dtype=(a.dtype, "bool")
    )
    return result[0], result[1]


def _printing_map(e: Any) -> Any:
    return F.map_fn(lambda v: F.Print(v * 2, [v], "v "), e)


SCANS = [
    *[
        Sample(f"scan_{n}", _recurrence, (array(n, 3, seed=5), X, W), _recurrence_reference, grad=n > 0)
        for n in (0, 1, 4)
    ],
    *[
        Sample(f"scan_reverse_{n}", _backwards, (array(n, 3, seed=5), X), _backwards_reference, grad=n > 0)
        for n in (0, 1, 4)
    ],
    Sample("scan_strided", _backwards, (array(8, 6, seed=5)[::-2, ::2], X), _backwards_reference),
    Sample("scan_nest", _nest_scan, (array(4, 3, seed=6), X), _nest_scan_reference, grad=True),
    Sample(
        "scan_first", lambda e: F.scan(lambda a, v: a * v, e), (M,), lambda e: np.cumprod(e, 0), grad=True
    ),
    Sample(
        "scan_first_reverse",
        lambda e: F.scan(lambda a, v: a * v, e, reverse=True),
        (M,),
        lambda e: np.cumprod(e[::-1], 0)[::-1],
        grad=True,
    ),
    Sample("scan_int", lambda e: F.scan(lambda a, v: a + v, e, 0), (np.arange(5),), np.cumsum),
    Sample(
        "foldl",
        lambda e: F.foldl(lambda a, v: a * 0.5 + v, e),
        (M,),
        lambda e: e.T @ [0.125, 0.25, 0.5, 1],
        grad=True,
    ),
    Sample(
        "foldr",
        lambda e: F.foldr(lambda a, v: a * 0.5 + v, e, F.zeros_like(X)),
        (M,),
        lambda e: e.T @ [1, 0.5, 0.25, 0.125],
        grad=True,
    ),
    *[
        Sample(f"map_fn_{name}", _rows, (e,), _rows_reference, grad=e.size > 0)
        for name, e in [("matrix", M), ("empty", array(0, 3)), ("no_elements", array(3, 0)), ("vector", X)]
    ],
    Sample("map_fn_nest", _map_nest, (X, X[::-1]), lambda a, b: (a * b, a > b), grad=True),
    Sample("map_fn_with_print", _printing_map, (X,), lambda e: e * 2, grad=True),
]


# --- about the graph --------------------------------------------------------------------------------


@gf.custom_gradient
def _softplus(x: Any) -> Any:
    e = F.exp(x)
    return F.log(1 + e), lambda g: g * (1 - 1 / (1 + e))


@gf.custom_gradient
def _polar(r: Any, phi: Any) -> Any:
    c, s = F.cos(phi), F.sin(phi)
    return (r * c, r * s), lambda gx, gy: (gx * c + gy * s, r * (gy * c - gx * s))


def _softplus_loop(x: Any) -> Any:
    """The gradient function uses what the forward function computed, inside a loop."""
    return F.while_loop(lambda i, a: F.less(i, 2), lambda i, a: (i + 1, _softplus(a)), (0, x))[1]


def _after(x: Any, make: Any) -> Any:
    with gf.control_dependencies([make(x)]):
        return F.identity(x)


def _twice(value: Any) -> Any:
    return value * 2


def _pair(value: Any) -> Any:
    return [value + 1, value.sum()]


ABOUT = [
    Sample("identity", F.identity, (M,), lambda x: x, grad=True),
    Sample("identity_strided", F.identity, (M[::-1, ::2],), lambda x: x),
    Sample("identity_int", F.identity, (np.arange(3),), lambda x: x),
    Sample("stop_gradient", lambda x: F.stop_gradient(x) + 1, (M,), lambda x: x + 1),
    Sample("tuple", lambda a, b: F.tuple([a * 2, None, b])[::2], (X, M), lambda a, b: (a * 2, b), grad=True),
    Sample("group", lambda x: _after(x, lambda t: F.group(t, [F.no_op(), F.exp(t)])), (X,), lambda x: x),
    Sample("custom_gradient", _softplus, (X,), lambda x: np.log1p(np.exp(x)), grad=True),
    Sample(
        "custom_gradient_loop",
        _softplus_loop,
        (X,),
        lambda x: np.log(1 + np.exp(np.log1p(np.exp(x)))),
        grad=True,
    ),
    Sample(
        "custom_gradient_map",
        lambda x: F.map_fn(_softplus, x),
        (X,),
        lambda x: np.log1p(np.exp(x)),
        grad=True,
    ),
    Sample(
        "custom_gradient_many",
        lambda r, phi: _polar(r, phi),
        (X, X + 1),
        lambda r, phi: (r * np.cos(phi), r * np.sin(phi)),
        grad=True,
    ),
    Sample(
        "custom_gradient_many_map",
        lambda r, phi: F.map_fn(lambda t: _polar(*t), (r, phi)),
        (X, X + 1),
        lambda r, phi: (r * np.cos(phi), r * np.sin(phi)),
        grad=True,
    ),
    Sample("py_func", lambda x: F.py_func(_twice, [x], x.dtype), (M,), lambda x: x * 2, strict=False),
    Sample(
        "py_func_many",
        lambda x: F.py_func(_pair, [x], [x.dtype, x.dtype], stateful=False, shapes=[(None, 3), ()]),
        (M,),
        lambda x: (x + 1, x.sum()),
        strict=False,
    ),
    Sample(
        "Print",
        lambda x: F.Print(x, [x, "and", F.sum(x)], "x = "),
        (M,),
        lambda x: x,
        grad=True,
        strict=False,
    ),
    Sample("print", lambda x: _after(x, lambda t: F.print("x is", t)), (X,), lambda x: x, strict=False),
    Sample(
        "Assert", lambda x: _after(x, lambda t: F.Assert(F.all(t < 9), [t])), (X,), lambda x: x, grad=True
    ),
]

SAMPLES: list[Sample] = [*BRANCHES, *LOOPS, *SCANS, *ABOUT]
