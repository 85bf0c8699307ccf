"""A scan whose results are not what it carries: `step(state, elements) -> (new state, results)`.

What recurrent layers are built on. `gf.scan` is TensorFlow 1's, where the two are one and every carried value is
stacked; here only the results are, and the last state comes for free.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graphflow.errors import ArgumentError
from graphflow.graph import Tensor
from graphflow.ops.carried import Varying, check_step, relaxed, start_types
from graphflow.ops.scan_op import element_type, make_scan
from graphflow.ops.tracing import Tracer, assign_all, written

__all__ = ["carry_scan"]

Step = Callable[[list[Tensor], list[Tensor]], tuple[Sequence[Any], Sequence[Any]]]


def carry_scan(
    what: str,
    step: Step,
    init: Sequence[Tensor],
    elems: Sequence[Tensor],
    *,
    reverse: bool = False,
    name: str | None = None,
) -> tuple[list[Tensor], list[Tensor]]:
    """The last state and the stacked results of `step` along the first axis of `elems`.

    step: takes the state and the elements of one iteration, gives the new state (of the same dtypes and shapes)
        and any number of results. Traced once, or twice where sizes that are unknown may change.
    elems: tensors of one length along their first axis; at least one. reverse: go from the last element to the
        first; results stay in the places of their elements. what: whose errors these are.
    No iterations give `init` itself, and results of length 0. Variables that `step` assigns are written once, after it.
    Raises ShapeError or DTypeError where `step` does not keep the types of the state.
    """
    varying: Varying = tuple(None if t.type.shape is None else (False,) * len(t.type.shape) for t in init)
    while True:
        tracer = Tracer(f"{what}/step", loop=True)
        carry = [tracer.param(t, x) for t, x in zip(start_types(init, varying), init, strict=True)]
        items = [tracer.param(element_type(x.type), x) for x in elems]
        state, results = tracer.call(step, (carry, items), f"{what}: the step")
        if len(state) != len(carry):
            raise ArgumentError(f"{what}: the step gives {len(state)} values of state for {len(carry)}")
        new = [
            tracer.value(leaf, t.dtype, f"{what}: state {k}")
            for k, (leaf, t) in enumerate(zip(state, init, strict=True))
        ]
        ys = [tracer.value(leaf, None, f"{what}: result {k}") for k, leaf in enumerate(results)]
        free = relaxed(init, varying)
        if check_step(carry, new, init, varying, what) or free == varying:
            break
        varying = free
    variables = written([tracer])
    before = [v.read() for v in variables]
    pairs = [*zip(carry, init, strict=True), *[(tracer.adopt(t), t) for t in before]]
    outputs = [*new, *[tracer.graph.writes[v] for v in variables], *ys]
    fixed = tuple([(False,) * len(t.type.dims) for t in before])
    node = make_scan(
        tracer,
        pairs,
        list(zip(items, elems, strict=True)),
        (),
        outputs,
        (*varying, *fixed),
        reverse=reverse,
        name=name or what,
    )
    n, total = len(init), len(pairs)
    given = [*node.outputs[:n], *node.outputs[total : total + len(ys)]]
    values, _ = assign_all(variables, node.outputs[n:total], given)
    return values[:n], values[n:]
