"""Calls of kernels on arrays that never change, found once for an instruction and made anew for arrays of other sizes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from operator import itemgetter
from typing import Any

from graphflow.program import Instruction

__all__ = ["Way", "call_for_many", "call_for_one", "show"]

Way = Callable[[list[Any]], tuple[Any, ...] | None]
"""From the arrays by slot to the call of an instruction: a function and its arguments, or None where all is done."""


def show(i: Instruction, backend: Any) -> Way:
    """Of a view: nothing is left to call, the view is made and put into its slot."""
    function, arrays, target = backend.function(i.op, i.attrs), _arrays(i.inputs), i.outputs[0]

    def way(env: list[Any]) -> None:
        env[target] = function(*arrays(env))

    return way


def call_for_one(i: Instruction, backend: Any) -> Way:
    """Of a kernel that fills one array."""
    op, attrs, target = i.op, i.attrs, i.outputs[0]
    direct = backend.direct(op)
    if direct is not None:
        every = _arrays((*i.inputs, target))
        return lambda env: (direct, *every(env))
    arrays = _arrays(i.inputs)

    def way(env: list[Any]) -> tuple[Any, ...]:
        function, arguments = backend.call(op, attrs, arrays(env), env[target])
        return (function, *arguments)

    return way


def call_for_many(i: Instruction, backend: Any) -> Way:
    """Of a kernel that fills several arrays."""
    function, arrays, outputs = backend.function(i.op, i.attrs), _arrays(i.inputs), _arrays(i.outputs)
    return lambda env: (partial(function, out=outputs(env)), *arrays(env))


def _arrays(slots: tuple[int, ...]) -> Callable[[list[Any]], tuple[Any, ...]]:
    """What is in some slots."""
    return itemgetter(*slots) if len(slots) > 1 else lambda env: tuple([env[s] for s in slots])
