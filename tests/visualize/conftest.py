"""Graphs to draw, built from ops made up on the spot, so that these tests stand on the graph alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from graphflow.graph import Graph, Node, Tensor, control_dependencies, current_scope, name_scope
from graphflow.op import Op
from graphflow.ops.constant import constant
from graphflow.ops.state import Variable
from graphflow.types import TensorType, as_dtype

Make = Callable[..., Any]


def tensor_type(*shape: int, dtype: str = "float32") -> TensorType:
    return TensorType(as_dtype(dtype), shape)


def make_node(
    graph: Graph,
    op: str,
    *inputs: Any,
    out: tuple[TensorType, ...] | None = None,
    name: str | None = None,
    **attrs: Any,
) -> Node:
    """A node of an op that takes anything and gives `out`, the type of its first input where left out."""
    tensors = tuple(t.__graphflow_tensor__() for t in inputs)
    types = (tensors[0].type,) if out is None else out
    return graph.add(Op(op, lambda *_, **__: types), tensors, attrs, name, current_scope())


def make(graph: Graph, op: str, *inputs: Any, shape: tuple[int, ...] | None = None, **options: Any) -> Tensor:
    """The one output of such a node."""
    out = None if shape is None else (tensor_type(*shape),)
    return make_node(graph, op, *inputs, out=out, **options).outputs[0]


@pytest.fixture
def linear_regression() -> Graph:
    """loss = mean(square(x * w + b - y)), its gradients, two updates and an initialiser.

    x --> mul --> add --> subtract --> square --> loss      gradients/...      update_w, update_b --> train
    w --^    b --^    y --^
    """
    g = Graph()
    with g.as_default():
        x, y = make(g, "placeholder", shape=(8,), name="x"), make(g, "placeholder", shape=(8,), name="y")
        w, b = Variable(np.float32(0.3), name="w"), Variable(np.float32(0), name="b")
        residual = make(g, "subtract", make(g, "add", make(g, "multiply", x, w), b), y)
        make(g, "mean", make(g, "square", residual), shape=(), name="loss")
        with name_scope("gradients"):
            scaled = make(g, "multiply", residual, constant(0.25))
            grad_b = make(g, "sum", scaled, shape=())
            grad_w = make(g, "sum", make(g, "multiply", scaled, x), shape=())
        updates = []
        for variable, grad in ((w, grad_w), (b, grad_b)):
            with name_scope(f"update_{variable.op.name}"):
                step = make(g, "multiply", grad, constant(0.01, name="rate"))
                updates.append(variable.assign(make(g, "subtract", variable, step)))
        with control_dependencies([t.op for t in updates]):
            make_node(g, "group", out=(), name="train")
        with control_dependencies([w.initializer, b.initializer]):
            make_node(g, "group", out=(), name="init")
    return g


@pytest.fixture
def deep_net() -> Callable[..., Graph]:
    """`deep_net(layers)`: a chain of equal scopes `dense_i`, each with a matmul, a bias and a relu."""

    def build(layers: int) -> Graph:
        g = Graph()
        with g.as_default():
            h = make(g, "placeholder", shape=(4, 16), name="x")
            for i in range(layers):
                with name_scope(f"dense_{i}"):
                    kernel = Variable(np.zeros((16, 16), np.float32), name="kernel")
                    bias = Variable(np.zeros(16, np.float32), name="bias")
                    product = make(g, "matmul", h, kernel, shape=(4, 16))
                    h = make(g, "relu", make(g, "add", product, bias))
            make(g, "mean", h, shape=(), name="loss")
        return g

    return build


@pytest.fixture
def graph_maker() -> Make:
    """`make(graph, op, *inputs, shape=..., name=...)`, for tests that build a graph of their own."""
    return make


@pytest.fixture
def node_maker() -> Make:
    """The same for a node with any outputs: `make_node(graph, op, *inputs, out=(types, ...))`."""
    return make_node


@pytest.fixture
def hostile_names() -> list[str]:
    """Text that breaks careless pictures."""
    return [
        "</svg><script>alert(1)</script>",
        "]]><!--",
        "\"quoted\" 'twice'",
        "back\\slash \\N \\",
        "line\nbreak\r\ttab\0nul\x1b[31mred",
        "\u202ertl \u200f\u2066 marks",
        "\ud800 lone \udfff surrogates",
        "\ufffe\uffff no characters",
        "عربى עברית 漢字 e\u0301 👩‍🔬",
        "&amp; &lt; %s {0} ${HOME} `id`",
        "long" * 100_000,
        "",
        " ",
    ]
