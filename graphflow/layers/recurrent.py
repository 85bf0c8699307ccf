"""Recurrent layers: whole sequences through one cell."""

from __future__ import annotations

from typing import Any

from graphflow.graph import Tensor
from graphflow.initializers import Orthogonal, Zeros
from graphflow.layers.weights import Weights, channels_of, floating_input, layer_scope, units_of
from graphflow.op import F
from graphflow.ops.arguments import flag

__all__ = ["gru", "lstm", "simple_rnn"]


def _run(
    kind: str,
    gates: int,
    inputs: Any,
    units: int,
    return_sequences: bool,
    sequence_length: Any,
    kernel_initializer: Any,
    recurrent_initializer: Any,
    bias_initializer: Any,
    trainable: bool,
    name: str | None,
    reuse: Any,
) -> Tensor:
    what = {"lstm": "lstm", "gru": "gru", "rnn": "simple_rnn"}[kind]
    x, n_units = floating_input(what, inputs, 3), units_of(what, units, "units")
    n, sequences = channels_of(what, x, -1), flag(return_sequences, what, "return_sequences")
    with layer_scope(what, name, reuse):
        weights = Weights(x.type.dtype, trainable)
        w = weights.make("kernel", (n, gates * n_units), kernel_initializer)
        u = weights.make(
            "recurrent_kernel", (n_units, gates * n_units), recurrent_initializer, default=Orthogonal()
        )
        b = weights.make("bias", (gates * n_units,), bias_initializer, default=Zeros())
        outputs, state = getattr(F, kind)(x, w, u, b, sequence_length=sequence_length)
        if sequences:
            return outputs  # type: ignore[no-any-return]
        last: Tensor = state[-1] if isinstance(state, tuple) else state
        return last


def lstm(
    inputs: Any,
    units: int,
    return_sequences: bool = False,
    sequence_length: Any = None,
    kernel_initializer: Any = None,
    recurrent_initializer: Any = None,
    bias_initializer: Any = None,
    trainable: bool = True,
    name: str | None = None,
    reuse: Any = None,
) -> Tensor:
    """A long short-term memory layer: [batch, time, n] -> the last output [batch, units], or all [batch, time, units].

    sequence_length: int[batch], where sequences end; outputs after it are zero, and the last output is the one there.
    """
    return _run(
        "lstm",
        4,
        inputs,
        units,
        return_sequences,
        sequence_length,
        kernel_initializer,
        recurrent_initializer,
        bias_initializer,
        trainable,
        name,
        reuse,
    )


def gru(
    inputs: Any,
    units: int,
    return_sequences: bool = False,
    sequence_length: Any = None,
    kernel_initializer: Any = None,
    recurrent_initializer: Any = None,
    bias_initializer: Any = None,
    trainable: bool = True,
    name: str | None = None,
    reuse: Any = None,
) -> Tensor:
    """A gated recurrent layer; as `lstm`."""
    return _run(
        "gru",
        3,
        inputs,
        units,
        return_sequences,
        sequence_length,
        kernel_initializer,
        recurrent_initializer,
        bias_initializer,
        trainable,
        name,
        reuse,
    )


def simple_rnn(
    inputs: Any,
    units: int,
    return_sequences: bool = False,
    sequence_length: Any = None,
    kernel_initializer: Any = None,
    recurrent_initializer: Any = None,
    bias_initializer: Any = None,
    trainable: bool = True,
    name: str | None = None,
    reuse: Any = None,
) -> Tensor:
    """A recurrent layer of `tanh(x @ kernel + state @ recurrent_kernel + bias)`; as `lstm`."""
    return _run(
        "rnn",
        1,
        inputs,
        units,
        return_sequences,
        sequence_length,
        kernel_initializer,
        recurrent_initializer,
        bias_initializer,
        trainable,
        name,
        reuse,
    )
