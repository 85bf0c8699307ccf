"""Connectionist temporal classification: the loss of labels whose places in time are not known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow.errors import ArgumentError, DTypeError, ShapeError
from graphflow.graph import Tensor, apply, composition
from graphflow.op import F, Op, Trait, declare, public
from graphflow.ops.arguments import flag
from graphflow.ops.ctc_kernels import curvature, negative_log_likelihood, posterior, steps_at_once
from graphflow.ops.moments import wide
from graphflow.ops.ufunc import operand, reals
from graphflow.types import TensorType, as_index, dims_equal, is_integer

__all__ = ["ctc_loss", "lengths_of"]

# --- declarations ---------------------------------------------------------------------------------


def _check(
    e: TensorType, labels: TensorType, label_length: TensorType, logit_length: TensorType, blank: int
) -> None:
    if e.rank != 3:
        raise ShapeError(f"logits must be [time, batch, classes], got {e}")
    if labels.rank != 2:
        raise ShapeError(f"labels must be [batch, labels], got {labels}")
    for what, t in (("label_length", label_length), ("logit_length", logit_length)):
        if t.rank != 1 or dims_equal(t.dims[0], e.dims[1]) is False:
            raise ShapeError(f"{what} must be one number for each of the {e.dims[1]} rows, got {t}")
    if dims_equal(labels.dims[0], e.dims[1]) is False:
        raise ShapeError(f"labels {labels} and logits {e} differ in their batch")
    classes = e.dims[2]
    if isinstance(classes, int) and not -classes <= blank < classes:
        raise ArgumentError(f"blank_index {blank} is out of range for {classes} classes")


def _infer_loss(
    e: TensorType, labels: TensorType, label_length: TensorType, logit_length: TensorType, *, blank: int
) -> TensorType:
    _check(e, labels, label_length, logit_length, blank)
    return TensorType(e.dtype, e.dims[1:2])


def _infer_posterior(
    e: TensorType,
    labels: TensorType,
    label_length: TensorType,
    logit_length: TensorType,
    *v: TensorType,
    blank: int,
) -> TensorType:
    _check(e, labels, label_length, logit_length, blank)
    return e


def _states(inputs: Sequence[TensorType]) -> tuple[int, int, int]:
    """Numbers of emissions picked, of states in a batch, and of logits."""
    e, labels = inputs[0], inputs[1]
    time, rows, classes = [int(d) for d in e.dims]  # type: ignore[arg-type]  # static by then
    states = 2 * int(labels.dims[1]) + 3  # type: ignore[arg-type]
    return time * rows * states, rows * states, time * rows * classes


def _nbytes(arrays: int, steps: int) -> Any:
    """The hidden bytes of a kernel that holds so many float64 arrays of all states at all times, and of one step."""

    def workspace(inputs: Sequence[TensorType], outputs: Sequence[TensorType], *, blank: int) -> int:
        all_states, states, _ = _states(inputs)
        picked = inputs[0].dtype.itemsize * all_states if inputs[0].dtype.itemsize < 8 else 0
        return picked + 8 * arrays * all_states + 8 * steps * states + 8192

    return workspace


def _loss_nbytes(inputs: Sequence[TensorType], outputs: Sequence[TensorType], *, blank: int) -> int:
    """The chain and a row of log probabilities; beside them emissions of some steps, and the shares of three sources.

    Stacked, less the greatest, and as exponentials, in float64 or on the way to float32.
    """
    e, labels = inputs[0], inputs[1]
    time, rows, _ = [int(d) for d in e.dims]  # type: ignore[arg-type]  # static by then
    size = rows * (2 * int(labels.dims[1]) + 1)  # type: ignore[arg-type]
    picked = size * min(time, steps_at_once(size))
    chain = 26 * size + 32 * rows
    step = 8 * picked + (88 if e.dtype.itemsize == 8 else 76) * size if time > 1 else 16 * size
    picking = 8 * size + picked * (8 if e.dtype.itemsize == 8 else 8 + e.dtype.itemsize)
    return chain + max(step, picking) + 16 * rows


def _flops(each: int) -> Any:
    def flops(inputs: Sequence[TensorType], outputs: Sequence[TensorType], *, blank: int) -> int:
        return each * _states(inputs)[0]

    return flops


def _posterior_of(node: Any, v: Tensor | None = None) -> Tensor:
    inputs, blank = node.inputs[:4], node.attrs["blank"]
    if v is None:
        return apply(CTC_POSTERIOR, *inputs, blank=blank)  # type: ignore[no-any-return]
    return apply(CTC_CURVATURE, *inputs, v, blank=blank)  # type: ignore[no-any-return]


CTC_LOSS = declare(
    Op(
        "ctc_loss",
        _infer_loss,
        negative_log_likelihood,
        lambda node, g: (F.reshape(-g, (1, -1, 1)) * _posterior_of(node), None, None, None),
        Trait.FALLIBLE,
        flops=_flops(90),
        workspace=_loss_nbytes,
        doc="Minus the log probabilities of labellings, given those of symbols at each step of time.",
    )
)
CTC_POSTERIOR = declare(
    Op(
        "ctc_posterior",
        _infer_posterior,
        posterior,
        lambda node, g: (_posterior_of(node, g), None, None, None),
        Trait.FALLIBLE | Trait.BLAS,
        flops=_flops(200),
        workspace=_nbytes(2, 24),
        doc="Expected counts of symbols at each step of time, given labellings.",
    )
)
CTC_CURVATURE = declare(
    Op(
        "ctc_curvature",
        _infer_posterior,
        curvature,
        None,
        Trait.FALLIBLE | Trait.BLAS,
        flops=_flops(260),
        workspace=_nbytes(4, 32),
        no_gradient="third derivatives are not written",
        doc="The change of expected counts of symbols for a change of their log probabilities.",
    )
)

# --- the loss -------------------------------------------------------------------------------------


def lengths_of(what: str, named: str, value: Any) -> Tensor:
    """Lengths as a tensor. Raises DTypeError unless they are integers."""
    t = operand(what, value)
    if not is_integer(t.type.dtype):
        raise DTypeError(f"{what}: {named} must be integers, got {t!r}")
    return t


@public
def ctc_loss(
    labels: Any,
    logits: Any,
    label_length: Any,
    logit_length: Any,
    logits_time_major: bool = True,
    blank_index: int = -1,
    ignore_longer_outputs_than_inputs: bool = False,
    name: str | None = None,
) -> Tensor:
    """Minus the log probability of each row's labels, summed over all their alignments with the steps of time: [n].

    Composed of a log_softmax and a primitive, whose recursion over time runs in float64 logarithms for the
    whole batch at once; gradients exist to second order.
    labels: integers[n, s], without blanks; what lies behind a row's label_length is not looked at.
    logits: reals[time, n, classes], or [n, time, classes] with logits_time_major=False; scaled by softmax here.
    label_length, logit_length: integers[n], how much of each row counts.
    blank_index: the class that stands for no label: the last one, as in TensorFlow 1; negative from the end.
    ignore_longer_outputs_than_inputs: rows whose labels do not fit into their time lose 0 instead of infinity; either
        way their gradient is 0.
    Raises ShapeError, DTypeError or ArgumentError for arguments that do not fit; at the run IndexRangeError for a
    length or a label that there is not, RunError for a label that is the blank.
    Source: Graves et al. 2006; TensorFlow 1's function of that name, with dense labels.
    """
    what = "ctc_loss"
    t, classes = reals(what, logits), operand(what, labels)
    if not is_integer(classes.type.dtype):
        raise DTypeError(f"{what}: labels must be integers, got {classes!r}")
    lengths = (
        lengths_of(what, "label_length", label_length),
        lengths_of(what, "logit_length", logit_length),
    )
    blank = as_index(blank_index, f"{what}: blank_index")
    major = flag(logits_time_major, what, "logits_time_major")
    ignore = flag(ignore_longer_outputs_than_inputs, what, "ignore_longer_outputs_than_inputs")
    with composition("CTCLoss" if name is None else name):
        e = F.log_softmax(wide(t if major else F.swapaxes(t, 0, 1)))
        loss = apply(CTC_LOSS, e, classes, *lengths, blank=blank)
        if ignore:
            loss = F.where(F.equal(loss, np.inf), 0, loss)
        return F.cast(loss, t.type.dtype)  # type: ignore[no-any-return]
