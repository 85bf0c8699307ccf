"""Every public function and class of graphflow, each with arguments that it accepts."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

import graphflow as gf
from tests.parameter_kinds import kind_of

__all__ = ["Entry", "entries"]

MODULES = ("", "nn", "linalg", "random", "train", "initializers")

EXCLUDED = {
    "Dim",
    "Graph",
    "GraphKeys",
    "Operation",
    "Plan",
    "Tensor",
    "TensorType",
    "train.CheckpointState",
    "train.Optimizer",
    "train.update_checkpoint_state",
    "eager",
    "reset_default_graph",
    "list_devices",
    "get_default_graph",
    "get_default_session",
    "global_variables_initializer",
    "render",
}
"""Records that programs read and do not make, functions without parameters, and drawing, which has tests of its own."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A public callable: its name, what calls it, and arguments it accepts, made anew for each call."""

    name: str
    call: Callable[..., Any]
    good: Callable[[], dict[str, Any]]
    parameters: tuple[str, ...]
    positional: tuple[str, ...] = ()
    variadic: str | None = None
    required: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name


def _float(*shape: int) -> Any:
    return gf.placeholder("float32", shape)


def _int(*shape: int) -> Any:
    return gf.placeholder("int64", shape)


def _bool(*shape: int) -> Any:
    return gf.placeholder("bool", shape)


def _variable() -> Any:
    return gf.Variable(np.zeros((3, 3), np.float32))


def _loss(x: str, y: str, **more: Any) -> dict[str, Any]:
    w = _float(3)
    return {x: gf.sum(w * w), y: w, **more}


_BY_KIND: dict[str, Callable[[], Any]] = {
    "tensor": lambda: _float(3, 3),
    "scalar": lambda: 0.5,
    "ints": lambda: _int(3, 3),
    "bools": lambda: _bool(3, 3),
    "tensors": lambda: [_float(3, 3), _float(3, 3)],
    "axis": lambda: 0,
    "size": lambda: 2,
    "sizes": lambda: [3, 3],
    "number": lambda: 0.5,
    "key": lambda: 0,
    "seed": lambda: 1,
    "dtype": lambda: "float32",
    "dtypes": lambda: "float32",
    "texts": lambda: ["text"],
    "lookup": lambda: "saved.ckpt",
    "name": lambda: "name",
    "function": lambda: lambda *args: args[0],
    "path": lambda: "missing",
}
"""A good value for a required parameter, by its kind."""

_GOOD: dict[str, Callable[[], dict[str, Any]]] = {
    "Assert": lambda: {"condition": _bool()},
    "add_to_collection": lambda: {"name": "collection", "value": 1},
    "arange": lambda: {"start": 3},
    "assign": lambda: {"ref": _variable()},
    "assign_add": lambda: {"ref": _variable()},
    "assign_sub": lambda: {"ref": _variable()},
    "case": lambda: {"pred_fn_pairs": [(_bool(), lambda: 1.0)], "default": lambda: 2.0},
    "cond": lambda: {"pred": _bool(), "true_fn": lambda: 1.0, "false_fn": lambda: 2.0},
    "control_dependencies": lambda: {"nodes": [gf.no_op()]},
    "custom_gradient": lambda: {"f": lambda x: (x, lambda g: g)},
    "device": lambda: {"name": "cpu"},
    "einsum": lambda: {"equation": "ij,jk"},
    "foldl": lambda: {"fn": lambda a, x: a + x},
    "foldr": lambda: {"fn": lambda a, x: a + x},
    "gather": lambda: {"indices": _int(3)},
    "gather_nd": lambda: {"indices": _int(3, 2)},
    "get_collection": lambda: {"name": "collection"},
    "gradients": lambda: _loss("ys", "xs"),
    "group": lambda: {"inputs": gf.no_op()},
    "hessian": lambda: _loss("y", "x"),
    "jacobian": lambda: _loss("y", "x"),
    "jvp": lambda: _loss("ys", "xs", tangents=gf.ones(3)),
    "linspace": lambda: {"start": 0.0, "stop": 1.0},
    "matrix_diag": lambda: {"v": _float(3)},
    "moveaxis": lambda: {"destination": 1},
    "pad": lambda: {"paddings": [[1, 1], [0, 0]]},
    "permute_dims": lambda: {"axes": [1, 0]},
    "polygamma": lambda: {"n": 1},
    "py_func": lambda: {"func": lambda x, y: x + y},
    "scalar_mul": lambda: {"scalar": 2.0},
    "scan": lambda: {"fn": lambda a, x: a + x},
    "scatter_nd": lambda: {"indices": _int(3, 1), "shape": [3, 3]},
    "split": lambda: {"num_or_size_splits": 3},
    "squeeze": lambda: {"x": _float(1, 3)},
    "strided_slice": lambda: {"slices": [(0, 2, 1)]},
    "swapaxes": lambda: {"axis2": 1},
    "switch_case": lambda: {"branch_index": _int(), "branch_fns": [lambda: 1.0, lambda: 2.0]},
    "variables_initializer": lambda: {"var_list": [_variable()]},
    "bitwise_and": lambda: {"x": _int(3, 3), "y": _int(3, 3)},
    "logical_and": lambda: {"x": _bool(3, 3), "y": _bool(3, 3)},
    "bitwise_or": lambda: {"x": _int(3, 3), "y": _int(3, 3)},
    "logical_or": lambda: {"x": _bool(3, 3), "y": _bool(3, 3)},
    "bitwise_xor": lambda: {"x": _int(3, 3), "y": _int(3, 3)},
    "logical_xor": lambda: {"x": _bool(3, 3), "y": _bool(3, 3)},
    "bitwise_left_shift": lambda: {"x": _int(3, 3), "y": _int(3, 3)},
    "bitwise_right_shift": lambda: {"x": _int(3, 3), "y": _int(3, 3)},
    "bitwise_invert": lambda: {"x": _int(3, 3)},
    "logical_not": lambda: {"x": _bool(3, 3)},
    "Variable": lambda: {"initial_value": np.zeros(3, np.float32)},
    "constant": lambda: {"value": [1.0, 2.0]},
    "cumulative_prod": lambda: {"x": _float(3)},
    "cumulative_sum": lambda: {"x": _float(3)},
    "meshgrid": lambda: {"arrays": _float(3)},
    "outer": lambda: {"x": _float(3), "y": _float(3)},
    "setitem": lambda: {"value": 1.0},
    "take": lambda: {"indices": _int(3), "axis": 0},
    "tensor_scatter_nd_add": lambda: {"indices": _int(3, 1)},
    "tensor_scatter_nd_max": lambda: {"indices": _int(3, 1)},
    "tensor_scatter_nd_min": lambda: {"indices": _int(3, 1)},
    "tensor_scatter_nd_sub": lambda: {"indices": _int(3, 1)},
    "tensor_scatter_nd_update": lambda: {"indices": _int(3, 1)},
    "nn.bias_add": lambda: {"bias": _float(3)},
    "nn.dropout": lambda: {"rate": 0.5},
    "nn.sparse_softmax_cross_entropy": lambda: {"labels": _int(3)},
    "nn.sparse_softmax_cross_entropy_with_logits": lambda: {"labels": _int(3)},
    "random.randint": lambda: {"maxval": 10},
    "train.Saver": lambda: {"var_list": [_variable()]},
    "train.piecewise_constant": lambda: {"x": _int(), "boundaries": [1], "values": [0.5, 0.25]},
    "train.global_step": lambda: {"sess": gf.Session(), "global_step_tensor": gf.constant(1)},
    "fill": lambda: {"value": 1.0},
    "load_graph": lambda: {"path": "saved.gfg"},
    "select": lambda: {"x": _float(3, 3), "y": 0.0},
    "train.CheckpointReader": lambda: {"path": "saved.ckpt"},
    "train.list_variables": lambda: {"path": "saved.ckpt"},
    "train.load_checkpoint": lambda: {"path": "saved.ckpt"},
    "train.load_variable": lambda: {"path": "saved.ckpt", "name": "w"},
    "while_loop": lambda: {"cond": lambda a, b: False, "body": lambda a, b: (a, b)},
}
"""Good values for the parameters of single functions, where the kind's own would not do."""


# --- what is done with what a class or a decorator gives ------------------------------------------


def _entered(made: Any) -> Any:
    with made:
        return gf.add(1.0, 2.0)


def _minimized(optimizer: Any) -> Any:
    w = gf.Variable(np.ones(3, np.float32), name="mine")
    return optimizer.minimize(gf.sum(w * w))


def _averaged(average: Any) -> Any:
    return average.apply([gf.Variable(np.ones(3, np.float32), name="mine")])


_USES: tuple[tuple[tuple[str, ...], Callable[[Any], Any]], ...] = (
    (("name_scope", "device", "control_dependencies"), _entered),
    (("custom_gradient",), lambda made: made(gf.ones(3))),
    (("Optimizer",), _minimized),
    (("ExponentialMovingAverage",), _averaged),
    (("initializer", "initializers."), lambda made: made([3, 3])),
)


def _used(name: str, function: Any) -> Callable[..., Any]:
    """`function`, and then the first use of what it gives: some mistakes can be known only there."""
    for names, use in _USES:
        if any(part in name for part in names) and name != "initializers.compute_fans":
            if name.endswith("variables_initializer"):
                continue

            def call(*args: Any, _use: Any = use, **kwargs: Any) -> Any:
                return _use(function(*args, **kwargs))

            return call
    return function


def _good(name: str, required: list[str]) -> dict[str, Any]:
    given = _GOOD.get(name, dict)()
    return {p: given[p] if p in given else _BY_KIND[kind_of(name, p)]() for p in [*required, *given]}


def entries() -> Iterator[Entry]:
    """Every public callable once, however many names it has."""
    seen: set[Any] = set()
    for module in MODULES:
        home = importlib.import_module(f"graphflow.{module}".rstrip("."))
        for short in home.__all__:
            name = f"{module}.{short}".lstrip(".")
            value = getattr(home, short)
            if not callable(value) or name in EXCLUDED or value in seen or isinstance(value, np.dtype):
                continue
            seen.add(value)
            parameters = inspect.signature(value).parameters.values()
            single = [p for p in parameters if p.kind is not p.VAR_KEYWORD]
            required = [p.name for p in single if p.default is p.empty]
            variadic = [p.name for p in single if p.kind is p.VAR_POSITIONAL]
            yield Entry(
                name,
                _used(name, value),
                lambda name=name, required=required: _good(name, required),  # type: ignore[misc]
                tuple(p.name for p in single),
                tuple(p.name for p in single if p.kind is p.POSITIONAL_OR_KEYWORD),
                variadic[0] if variadic else None,
                tuple(name for name in required if name not in variadic),
            )
