"""What every kernel promises: it fills `out` entirely, writes no input, and views say truly whether they are contiguous."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphflow as gf
from graphflow.graph import Graph, Node
from graphflow.op import Trait
from graphflow.types import STRING
from tests.each import Each
from tests.ops.interpret import evaluate
from tests.ops.table import Sample, by_family

SAMPLES = by_family(lambda sample: "random" not in sample.tags)


def _nodes(sample: Sample) -> list[tuple[Node, list[np.ndarray[Any, Any]]]]:
    """The nodes that a sample makes, each with the arrays that reach it."""
    graph = Graph()
    with graph.as_default():
        arrays = [np.asarray(x) for x in sample.inputs]
        placeholders = [gf.placeholder(x.dtype, x.shape) for x in arrays]
        sample.build(*placeholders)
    feeds = dict(zip(placeholders, arrays, strict=True))
    plain = Trait.STATEFUL | Trait.EFFECT | Trait.RANDOM | Trait.SOURCE | Trait.CONTROL
    found = []
    for node in graph.operations:
        if node.op.kernel is None or node.op.traits & plain:
            continue
        if len(node.outputs) == 1 and all(t.type.is_static for t in (*node.inputs, *node.outputs)):
            values = evaluate(list(node.inputs), feeds) if node.inputs else []
            found.append((node, [np.asarray(v) for v in values]))
    return found


def _garbage(node: Node) -> np.ndarray[Any, Any]:
    """An uninitialised buffer of the output's type, at its worst."""
    t = node.outputs[0].type
    buffer = np.empty(t.shape, t.dtype)  # type: ignore[arg-type]  # static
    buffer.view(np.uint8).fill(0xA5) if buffer.ndim else buffer.reshape(1).view(np.uint8).fill(0xA5)
    return buffer


def _call(node: Node, inputs: list[Any], **options: Any) -> Any:
    with np.errstate(all="ignore"):
        return node.op.kernel(np, *inputs, **node.attrs, **options)  # type: ignore[misc]  # not None


@pytest.mark.parametrize("family", SAMPLES)
def test_kernels_keep_their_contract(family: str, each: Each) -> None:
    each(SAMPLES[family], _check)


def _check(sample: Sample) -> None:
    nodes = _nodes(sample)
    _check_promises(nodes)
    _check_views(nodes)


Nodes = list[tuple[Node, list[np.ndarray[Any, Any]]]]


def _check_promises(nodes: Nodes) -> None:
    for node, inputs in nodes:
        copies = [x.copy() for x in inputs]
        fresh = np.asarray(_call(node, inputs))
        t = node.outputs[0].type
        assert (fresh.dtype, fresh.shape) == (t.dtype, t.shape), node
        if node.op.traits & Trait.OUT and t.dtype is not STRING:  # text is never put into the arena
            out = _garbage(node)
            result = _call(node, inputs, out=out)
            assert result is out or np.shares_memory(np.asarray(result), out) or not out.size, node
            assert out.tobytes() == np.ascontiguousarray(fresh).tobytes(), node
        for x, copy in zip(inputs, copies, strict=True):
            assert x.tobytes() == copy.tobytes(), f"{node!r} wrote its input"
        if not node.op.is_view:
            assert not any(np.shares_memory(fresh, x) for x in inputs), f"{node!r} gave its input away"


def _check_views(nodes: Nodes) -> None:
    for node, inputs in nodes:
        if not node.op.is_view:
            continue
        for contiguous in (True, False):
            source = np.array(inputs[0], order="C")
            if not contiguous and source.ndim:
                source = np.repeat(source, 2, axis=-1)[..., ::2]
            contiguous = source.flags.c_contiguous
            answer = node.op.view(node.inputs[0].type, node.outputs[0].type, node.attrs, contiguous)
            if answer is None:
                continue
            result = _call(node, [source, *inputs[1:]])
            assert np.shares_memory(result, source) or not result.size, (
                f"{node!r} copied, but promised a view"
            )
            assert result.flags.c_contiguous or not answer, f"{node!r} promised contiguity"
            if contiguous and result.size > 1:
                assert answer == result.flags.c_contiguous, f"{node!r} could have promised contiguity"
