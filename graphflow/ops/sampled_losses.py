"""Losses over very many classes, of which each step looks at the true ones and a few that are drawn.

Both are compositions. The classes that are drawn and their expected counts are as constants to gradients.
"""

from __future__ import annotations

from typing import Any

import ml_dtypes

from graphflow.errors import ArgumentError, ShapeError, shorten
from graphflow.graph import Tensor, composition
from graphflow.op import F, public
from graphflow.ops.arguments import flag
from graphflow.ops.candidate_sampling import as_classes, log_uniform_candidate_sampler
from graphflow.ops.cross_entropies import (
    sigmoid_cross_entropy_with_logits,
    softmax_cross_entropy_with_logits,
)
from graphflow.ops.parameters import choice
from graphflow.ops.ufunc import operand, reals, reals2
from graphflow.types import as_index

__all__ = ["nce_loss", "sampled_softmax_loss"]


@public
def sampled_softmax_loss(
    weights: Any,
    biases: Any,
    labels: Any,
    inputs: Any,
    num_sampled: int,
    num_classes: int,
    num_true: int = 1,
    sampled_values: Any = None,
    remove_accidental_hits: bool = True,
    partition_strategy: str = "mod",
    seed: int | None = None,
    name: str | None = None,
) -> Tensor:
    """Softmax cross entropy over the true classes and some drawn ones, for training alone: [batch].

    weights: [classes, dim] and biases: [classes], a row for each class. labels: integers[batch, num_true].
    inputs: [batch, dim]. num_sampled: how many classes are drawn for the whole batch, by
        `log_uniform_candidate_sampler`, without repetition; sampled_values: what another sampler gave instead.
    remove_accidental_hits: a drawn class that is a true one of the example does not count there.
    partition_strategy: without meaning, as `weights` is one tensor. seed: see `gf.random.set_seed`.
    Logits are corrected by the logarithm of each class's expected count. Raises ArgumentError, ShapeError or
    DTypeError for arguments that do not fit; at the run IndexRangeError for a class that there is not.
    Source: TensorFlow 1's function of that name; Jean et al. 2014.
    """
    what = "sampled_softmax_loss"
    with composition(what if name is None else name) as scope:
        logits, targets = _sampled_logits(
            what, weights, biases, labels, inputs, num_sampled, num_classes, num_true, sampled_values,
            remove_accidental_hits, partition_strategy, seed
        )  # fmt: skip
        return softmax_cross_entropy_with_logits(labels=targets, logits=logits, name=scope)


@public
def nce_loss(
    weights: Any,
    biases: Any,
    labels: Any,
    inputs: Any,
    num_sampled: int,
    num_classes: int,
    num_true: int = 1,
    sampled_values: Any = None,
    remove_accidental_hits: bool = False,
    partition_strategy: str = "mod",
    seed: int | None = None,
    name: str | None = None,
) -> Tensor:
    """Noise-contrastive estimation: logistic losses that tell the true classes from drawn ones, added up: [batch].

    The arguments are those of `sampled_softmax_loss`, and so are the errors.
    Source: TensorFlow 1's function of that name; Gutmann and Hyvarinen 2010.
    """
    what = "nce_loss"
    with composition(what if name is None else name) as scope:
        logits, targets = _sampled_logits(
            what, weights, biases, labels, inputs, num_sampled, num_classes, num_true, sampled_values,
            remove_accidental_hits, partition_strategy, seed
        )  # fmt: skip
        losses = sigmoid_cross_entropy_with_logits(labels=targets, logits=logits)
        return F.sum(losses, 1, name=scope)  # type: ignore[no-any-return]


def _matrix(what: str, named: str, value: Any) -> Tensor:
    t = reals(what, value)
    if t.type.shape is None or len(t.type.shape) != 2:
        raise ShapeError(f"{what}: {named} must have two axes, got {t!r}")
    return t


def _drawn(what: str, sampled_values: Any) -> list[Tensor]:
    """Classes and the two expected counts, as a sampler gives them."""
    if not isinstance(sampled_values, (tuple, list)) or len(sampled_values) != 3:
        raise ArgumentError(
            f"{what}: sampled_values must be the three tensors of a sampler, not {shorten(sampled_values)}"
        )
    return [F.stop_gradient(operand(what, v)) for v in sampled_values]


def _sampled_logits(
    what: str,
    weights: Any,
    biases: Any,
    labels: Any,
    inputs: Any,
    num_sampled: Any,
    num_classes: Any,
    num_true: Any,
    sampled_values: Any,
    remove_accidental_hits: Any,
    partition_strategy: Any,
    seed: Any,
) -> tuple[Tensor, Tensor]:
    """Logits of the true and the drawn classes, [batch, num_true + num_sampled], and what they should be."""
    rows, x = reals2(what, _matrix(what, "weights", weights), _matrix(what, "inputs", inputs))
    shifts = F.cast(reals(what, biases), x.type.dtype)
    truth = F.cast(as_classes(what, "labels", labels, num_true), "int64")
    classes = as_index(num_classes, f"{what}: num_classes")
    remove = flag(remove_accidental_hits, what, "remove_accidental_hits")
    choice(what, "partition_strategy", partition_strategy, ("mod", "div"))
    if sampled_values is None:
        sampled_values = log_uniform_candidate_sampler(truth, num_true, num_sampled, True, classes, seed)
    sampled, true_count, sampled_count = _drawn(what, sampled_values)
    true_rows, sampled_rows = F.gather(rows, truth), F.gather(rows, sampled)
    true_logits = F.sum(F.expand_dims(x, 1) * true_rows, 2) + F.gather(shifts, truth)
    sampled_logits = F.matmul(x, sampled_rows, transpose_b=True) + F.gather(shifts, sampled)
    true_logits = true_logits - F.log(F.cast(true_count, x.type.dtype))
    sampled_logits = sampled_logits - F.log(F.cast(sampled_count, x.type.dtype))
    if remove:
        hit = F.any(F.equal(F.expand_dims(truth, 2), F.cast(sampled, "int64")), 1)
        lowest = float(ml_dtypes.finfo(x.type.dtype).min)  # type: ignore[no-untyped-call]
        sampled_logits = F.where(hit, lowest, sampled_logits)
    logits = F.concat([true_logits, sampled_logits], 1)
    wanted = F.concat([F.full_like(true_logits, 1 / num_true), F.zeros_like(sampled_logits)], 1)
    return logits, wanted
