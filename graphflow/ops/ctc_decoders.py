"""Labels read out of the class scores of connectionist temporal classification: the best path, and beam search.

What TensorFlow 1 gives as sparse tensors is dense here: rows are padded with -1, and their lengths come beside them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow.errors import ArgumentError, RunError, ShapeError, shorten
from graphflow.graph import Tensor, make_node, name_scope
from graphflow.op import F, Op, Trait, declare, public
from graphflow.ops.arguments import flag
from graphflow.ops.beam_search import beam_search
from graphflow.ops.ctc import lengths_of
from graphflow.ops.ctc_kernels import check_lengths
from graphflow.ops.moments import wide
from graphflow.ops.philox import converted
from graphflow.ops.ufunc import reals
from graphflow.types import SUPPORTED, Shape, TensorType, as_index, dims_equal

__all__ = ["ctc_beam_search_decoder", "ctc_greedy_decoder"]

INT64 = SUPPORTED["int64"]


def _check(x: TensorType, lengths: TensorType, blank: int) -> Shape:
    """Time, batch and classes."""
    if x.rank != 3:
        raise ShapeError(f"inputs must be [time, batch, classes], got {x}")
    if lengths.rank != 1 or dims_equal(lengths.dims[0], x.dims[1]) is False:
        raise ShapeError(
            f"sequence_length must be one number for each of the {x.dims[1]} rows, got {lengths}"
        )
    classes = x.dims[2]
    if isinstance(classes, int) and not -classes <= blank < classes:
        raise ArgumentError(f"blank_index {blank} is out of range for {classes} classes")
    return x.dims


# --- the best path --------------------------------------------------------------------------------


def _infer_greedy(
    x: TensorType, lengths: TensorType, *, merge_repeated: bool, blank: int
) -> tuple[TensorType, ...]:
    time, rows, _ = _check(x, lengths, blank)
    return TensorType(INT64, (rows, time)), TensorType(INT64, (rows,))


def _greedy(xp: Any, x: Any, lengths: Any, *, merge_repeated: bool, blank: int) -> Any:
    """Kept symbols come to the front by sorting their times, the others' times being late."""
    time, rows, classes = x.shape
    check_lengths(xp, "ctc_greedy_decoder", "sequence_length", lengths, time)
    if not time or not rows:
        return xp.full((rows, time), -1, dtype=xp.int64), xp.zeros((rows,), dtype=xp.int64)
    best = converted(xp, xp.argmax(x, axis=2), xp.int64)
    times = xp.reshape(xp.arange(time, dtype=xp.int64), (time, 1))
    kept = (best != blank % classes) & (times < converted(xp, lengths, xp.int64)[None, :])
    if merge_repeated:
        kept[1:, :] = kept[1:, :] & (best[1:, :] != best[:-1, :])
    order = xp.sort(xp.where(kept, times, times + time), axis=0)
    found = xp.take_along_axis(best, order % time, axis=0)
    found = xp.where(order < time, found, xp.full(found.shape, -1, dtype=xp.int64))
    counts = xp.sum(converted(xp, kept, xp.int64), axis=0)
    decoded = xp.empty((rows, time), dtype=xp.int64)
    decoded[...] = xp.moveaxis(found, 0, 1)
    return decoded, counts


def _greedy_nbytes(inputs: Sequence[TensorType], outputs: Sequence[TensorType], **attrs: Any) -> int:
    """Five arrays of int64 and two of bools, of all steps, before the results are made; and the times."""
    rows, time = [int(d) for d in outputs[0].dims]  # type: ignore[arg-type]  # static by then
    results = 8 * rows * (time + 1)
    return max(0, 42 * rows * time + 8 * time - results) + 1024


GREEDY = declare(
    Op(
        "ctc_greedy_decoder",
        _infer_greedy,
        _greedy,
        lambda node, *gs: (F.zeros_like(node.inputs[0]), None),
        Trait.FALLIBLE,
        dtype=lambda x, lengths, **attrs: (INT64, INT64),
        flops=lambda inputs, outputs, **attrs: int(inputs[0].size),
        workspace=_greedy_nbytes,
        doc="The most likely symbol of each step, with repetitions and blanks left out.",
    )
)


@public
def ctc_greedy_decoder(
    inputs: Any,
    sequence_length: Any,
    merge_repeated: bool = True,
    blank_index: int = -1,
    name: str | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """(decoded, lengths, neg_sum_logits): the class of highest score at each step, without blanks. A primitive.

    inputs: reals[time, n, classes]. sequence_length: integers[n], the steps that count.
    merge_repeated: equal classes at steps that follow each other are one. blank_index: as in `ctc_loss`.
    decoded: int64[n, time], -1 behind the end of each row; lengths: int64[n]; neg_sum_logits: [n, 1], minus the sum of
        the highest scores, to which gradients flow.
    Raises ShapeError, DTypeError or ArgumentError for arguments that do not fit; at the run IndexRangeError for a
    length outside 0 to time. Source: TensorFlow 1's function of that name.
    """
    what = "ctc_greedy_decoder"
    x, lengths = reals(what, inputs), lengths_of(what, "sequence_length", sequence_length)
    attrs = {
        "merge_repeated": flag(merge_repeated, what, "merge_repeated"),
        "blank": as_index(blank_index, f"{what}: blank_index"),
    }
    with name_scope("CTCGreedyDecoder" if name is None else name):
        decoded, counts = make_node(GREEDY, (x, lengths), attrs).outputs
        highest = F.max(wide(x), 2)
        counted = F.less(F.expand_dims(F.arange(F.size(x, 0)), 1), F.expand_dims(lengths, 0))
        score = -F.sum(F.where(counted, highest, 0), 0)
        return decoded, counts, F.cast(F.expand_dims(score, 1), x.type.dtype)


# --- beam search ----------------------------------------------------------------------------------


def _infer_beam(
    x: TensorType, lengths: TensorType, *, beam_width: int, top_paths: int, merge_repeated: bool, blank: int
) -> tuple[TensorType, ...]:
    time, rows, _ = _check(x, lengths, blank)
    if not 1 <= top_paths <= beam_width <= 2**20:
        raise ArgumentError(
            f"1 <= top_paths <= beam_width <= 2^20 is needed, got {shorten(top_paths)} and {shorten(beam_width)}"
        )
    return (
        TensorType(INT64, (top_paths, rows, time)),
        TensorType(INT64, (top_paths, rows)),
        TensorType(x.dtype, (rows, top_paths)),
    )


def _beam(
    xp: Any, x: Any, lengths: Any, *, beam_width: int, top_paths: int, merge_repeated: bool, blank: int
) -> Any:
    """On the host: each row's search depends on what it found before."""
    time, rows, classes = x.shape
    check_lengths(xp, "ctc_beam_search_decoder", "sequence_length", lengths, time)
    scores, steps = [np.asarray(a.get() if hasattr(a, "get") else a) for a in (x, lengths)]
    decoded = np.full((top_paths, rows, time), -1, np.int64)
    counts = np.zeros((top_paths, rows), np.int64)
    chances = np.full((rows, top_paths), -np.inf, scores.dtype)
    used = np.arange(time)[:, None] < steps[None, :]
    highest = np.max(scores, axis=2, initial=-np.inf)
    if not np.all(np.isfinite(highest) | ~used):
        t, n = np.argwhere(~np.isfinite(highest) & used)[0].tolist()
        raise RunError(
            f"ctc_beam_search_decoder: step {t} of row {n} of the inputs holds NaN or +inf, or is all -inf"
        )
    for n in range(rows):
        found = beam_search(scores[: int(steps[n]), n], beam_width, top_paths, blank % classes)
        for k, (labels, chance) in enumerate(found):
            path = (
                labels[np.append(True, labels[1:] != labels[:-1])[: labels.size]]
                if merge_repeated
                else labels
            )
            decoded[k, n, : path.size] = path
            counts[k, n] = path.size
            chances[n, k] = chance
    return tuple([a if xp is np else xp.asarray(a) for a in (decoded, counts, chances)])


def _beam_nbytes(
    inputs: Sequence[TensorType], outputs: Sequence[TensorType], *, beam_width: int, **attrs: Any
) -> int:
    time, _, classes = [int(d) for d in inputs[0].dims]  # type: ignore[arg-type]  # static by then
    return 8 * (4 * (beam_width + 1) * classes + 4 * time * classes) + 1000 * beam_width * time + 65536


BEAM = declare(
    Op(
        "ctc_beam_search_decoder",
        _infer_beam,
        _beam,
        None,
        Trait.FALLIBLE,
        dtype=lambda x, lengths, **attrs: (INT64, INT64, x.dtype),
        flops=lambda inputs, outputs, *, beam_width, **attrs: 10 * beam_width * int(inputs[0].size),
        workspace=_beam_nbytes,
        no_gradient="which paths are best changes in steps",
        doc="The likeliest labellings that a beam search finds.",
    )
)


@public
def ctc_beam_search_decoder(
    inputs: Any,
    sequence_length: Any,
    beam_width: int = 100,
    top_paths: int = 1,
    merge_repeated: bool = True,
    blank_index: int = -1,
    name: str | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """(decoded, lengths, log_probability): the likeliest labellings, alignments added up. A primitive, without gradient.

    inputs: reals[time, n, classes], scaled by softmax here. sequence_length: integers[n], the steps that count.
    beam_width: how many beginnings of labellings are kept from step to step. top_paths: how many are given, best first.
    merge_repeated: equal neighbours in a labelling that was found are given as one, as TensorFlow 1 does by default;
        False gives it as it was found. blank_index: as in `ctc_loss`.
    decoded: int64[top_paths, n, time], -1 behind the end of each; lengths: int64[top_paths, n]; log_probability:
        [n, top_paths], -inf where there are fewer labellings.
    Raises ShapeError, DTypeError or ArgumentError for arguments that do not fit; at the run IndexRangeError for a
    length outside 0 to time. Source: TensorFlow 1's function of that name; Graves 2012.
    """
    what = "ctc_beam_search_decoder"
    x, lengths = reals(what, inputs), lengths_of(what, "sequence_length", sequence_length)
    width, paths = as_index(beam_width, f"{what}: beam_width"), as_index(top_paths, f"{what}: top_paths")
    attrs = {
        "beam_width": width,
        "top_paths": paths,
        "merge_repeated": flag(merge_repeated, what, "merge_repeated"),
        "blank": as_index(blank_index, f"{what}: blank_index"),
    }
    label = "CTCBeamSearchDecoder" if name is None else name
    decoded, counts, chances = make_node(BEAM, (x, lengths), attrs, label).outputs
    return decoded, counts, chances
