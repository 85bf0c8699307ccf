"""Recurrent layers of `gf.nn.rnn`, `gru`, `lstm` put together: from both ends of a sequence, one upon another."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from graphflow.errors import ArgumentError, shorten
from graphflow.graph import Tensor, name_scope
from graphflow.op import F, public
from graphflow.ops.arguments import flag
from graphflow.ops.constant import python_number
from graphflow.ops.recurrent import gru, lstm, rnn
from graphflow.types import as_index

__all__ = ["bidirectional", "stacked"]

LAYERS: dict[str, Callable[..., tuple[Tensor, Any]]] = {"rnn": rnn, "gru": gru, "lstm": lstm}


def _layer(what: str, layer: Any) -> Callable[..., tuple[Tensor, Any]]:
    """The function that is meant. Raises ArgumentError for another."""
    if isinstance(layer, str) and layer in LAYERS:
        return LAYERS[layer]
    inner = layer.func if isinstance(layer, functools.partial) else layer
    if not any(inner is known for known in LAYERS.values()):
        raise ArgumentError(
            f"{what}: layer must be gf.nn.rnn, gf.nn.gru or gf.nn.lstm, its name, or a functools.partial of it, not "
            f"{shorten(layer)}"
        )
    return layer  # type: ignore[no-any-return]


def _weights(what: str, argument: str, value: Any) -> Sequence[Any]:
    if not isinstance(value, (tuple, list)) or not 2 <= len(value) <= 3:
        raise ArgumentError(
            f"{what}: {argument} must be the weights (w, u, b) of a layer, not {shorten(value)}"
        )
    return value


def _items(what: str, argument: str, value: Any, count: int) -> Sequence[Any]:
    """As many items as there are layers, or directions; None for each where nothing is given."""
    if value is None:
        return (None,) * count
    if not isinstance(value, (tuple, list)) or len(value) != count:
        raise ArgumentError(f"{what}: {argument} must be a list of {count}, not {shorten(value)}")
    return value


@public
def bidirectional(
    layer: Any,
    x: Any,
    forward: Any,
    backward: Any,
    initial_state: Any = None,
    sequence_length: Any = None,
    time_major: bool = False,
    name: str | None = None,
) -> tuple[Tensor, tuple[Any, Any]]:
    """A recurrent layer from the first step to the last and another from the last to the first. A composition.

    layer: `gf.nn.lstm`, `gf.nn.gru`, `gf.nn.rnn`, the name of one of them, or a `functools.partial` of one.
    x: [batch, time, inputs], or [time, batch, inputs] if `time_major`.
    forward, backward: the weights of each, (w, u) or (w, u, b). initial_state: a pair of states, or None.
    sequence_length: integers[batch]; the second one begins at the end of each sequence.
    Returns (outputs, (state, state)): the outputs of both at each step, side by side in the last axis.
    Raises ArgumentError for lists that are none or too short, else as the layer.
    """
    what = "bidirectional"
    function = _layer(what, layer)
    states = _items(what, "initial_state", initial_state, 2)
    pairs = [_weights(what, "forward", forward), _weights(what, "backward", backward)]
    options = {"sequence_length": sequence_length, "time_major": time_major}
    with name_scope(what if name is None else name):
        made = [
            function(x, *weights, initial_state=state, reverse=reverse, **options)
            for weights, state, reverse in zip(pairs, states, (False, True), strict=True)
        ]
        return F.concat([made[0][0], made[1][0]], axis=-1), (made[0][1], made[1][1])


@public
def stacked(
    layer: Any,
    x: Any,
    weights: Any,
    initial_state: Any = None,
    sequence_length: Any = None,
    time_major: bool = False,
    both_directions: bool = False,
    dropout_rate: float = 0.0,
    seed: int | None = None,
    name: str | None = None,
) -> tuple[Tensor, tuple[Any, ...]]:
    """Recurrent layers one upon another: each gets the outputs of the one below. A composition.

    layer, x, sequence_length, time_major: as for `gf.nn.bidirectional`. weights: a list with the weights (w, u, b) of
        each layer; with `both_directions` with a pair of weights for each, forward and backward.
    initial_state: a list with the state of each layer (or pair of states), or None.
    dropout_rate: the outputs of all layers but the last are dropped at this rate, in [0, 1); seed as for
        `gf.nn.dropout`.
    Returns (outputs of the last layer, tuple of the states of all). Raises as `gf.nn.bidirectional`.
    """
    what = "stacked"
    function = _layer(what, layer)
    both = flag(both_directions, what, "both_directions")
    rate = python_number(dropout_rate, f"{what}: dropout_rate")
    if not 0 <= rate < 1:
        raise ArgumentError(f"{what}: dropout_rate must be in [0, 1), got {rate}")
    first = None if seed is None else as_index(seed, f"{what}: seed")
    if not isinstance(weights, (tuple, list)) or not weights:
        raise ArgumentError(f"{what}: weights must list those of each layer, not {shorten(weights)}")
    states = _items(what, "initial_state", initial_state, len(weights))
    options = {"sequence_length": sequence_length, "time_major": time_major}
    found = []
    with name_scope(what if name is None else name):
        for k, (parts, state) in enumerate(zip(weights, states, strict=True)):
            if k and rate:
                x = F.dropout(x, rate, seed=None if first is None else first + k)
            if both:
                pair = _items(what, f"weights[{k}]", parts, 2)
                x, last = bidirectional(function, x, pair[0], pair[1], state, **options)
            else:
                x, last = function(x, *_weights(what, f"weights[{k}]", parts), initial_state=state, **options)
            found.append(last)
        return x, tuple(found)
