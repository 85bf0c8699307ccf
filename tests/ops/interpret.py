"""A plain interpreter over kernels: no passes, no plan, no buffers. The oracle for what a graph means."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np

from graphflow.graph import Node, Tensor
from graphflow.op import Trait
from graphflow.ops.body import Body, learn
from graphflow.types import substitute

__all__ = ["evaluate"]


def evaluate(fetches: Any, feeds: Mapping[Tensor, Any] | None = None, xp: Any = np) -> Any:
    """Value of a tensor, or list of values for a list of them, by running every kernel once with `xp`.

    An operation in the list is run, and gives None.
    """
    single = isinstance(fetches, (Tensor, Node))
    wanted = [fetches] if single else list(fetches)
    env: dict[Tensor, Any] = {}
    sizes: dict[str, Any] = {}
    for t, value in (feeds or {}).items():
        env[t] = xp.asarray(value)
        learn(t.type.shape, np.shape(value), sizes)
    nodes = _needed(wanted, env)
    used = {t for node in nodes for t in node.inputs} | {t for t in wanted if isinstance(t, Tensor)}
    with np.errstate(all="ignore"):
        for node in nodes:
            _run(node, env, sizes, used, xp)
    values = [env[t] if isinstance(t, Tensor) else None for t in wanted]
    return values[0] if single else values


def _needed(fetches: list[Tensor | Node], env: Mapping[Tensor, Any]) -> list[Node]:
    stack = [t.op if isinstance(t, Tensor) else t for t in fetches if t not in env]
    seen: dict[int, Node] = {}
    while stack:
        node = stack.pop()
        if id(node) in seen or (node.outputs and all(t in env for t in node.outputs)):
            continue
        seen[id(node)] = node
        stack.extend(t.op for t in node.inputs if t not in env)
        stack.extend(node.control_inputs)
    return sorted(seen.values(), key=lambda n: n.id)


def _run(
    node: Node, env: dict[Tensor, Any], sizes: dict[str, Any], used: Collection[Tensor], xp: Any
) -> None:
    if node.type == "constant":
        env[node.outputs[0]] = xp.asarray(node.attrs["value"].array)
        return
    if node.op.kernel is None:
        raise ValueError(f"{node!r} has no kernel and was not fed")
    attrs = {name: substitute(value, sizes) for name, value in node.attrs.items()}
    if node.op.traits & Trait.CONTROL:
        attrs["bodies"] = tuple(_callable(body, sizes, xp) for body in node.attrs["bodies"])
        attrs["used"] = tuple(t in used for t in node.outputs)
    result = node.op.kernel(xp, *[env[t] for t in node.inputs], **attrs)
    outputs = result if isinstance(result, tuple) else (result,)
    for t, value in zip(node.outputs, outputs, strict=True):
        if value is not None:
            env[t] = xp.asarray(value)
            learn(t.type.shape, env[t].shape, sizes)


def _callable(body: Body, sizes: Mapping[str, Any], xp: Any) -> Callable[[list[Any]], list[Any]]:
    used = {t for node in body.nodes for t in node.inputs} | set(body.outputs)

    def run(arrays: list[Any]) -> list[Any]:
        env = dict(zip(body.inputs, arrays, strict=True))
        inner = dict(sizes)
        for t, value in env.items():
            learn(t.type.shape, value.shape, inner)
        for node in body.nodes:
            _run(node, env, inner, used, xp)
        return [xp.asarray(env[t], copy=True) for t in body.outputs]

    return run
