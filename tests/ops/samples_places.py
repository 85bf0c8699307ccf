"""Samples of index arithmetic, of blocks moved into the batch, and of scatters by products and quotients."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow.ops import blocks, index_arithmetic, scatter
from tests.ops.table import Sample, array

A = array(2, 4, 6, 3, seed=1)
PLACES = np.array([[0, 5, 23], [7, 11, 1]])
DIMS = (2, 3, 4)


def _space_to_batch(x: Any, block: Any, pads: Any) -> Any:
    """Each element of a block by a strided slice."""
    n = len(block)
    x = np.pad(x, [(0, 0), *pads, *[(0, 0)] * (x.ndim - n - 1)])
    parts = [
        x[(slice(None), *[slice(k, None, b) for k, b in zip(place, block, strict=True)])]
        for place in np.ndindex(*block)
    ]
    return np.concatenate(parts, 0)


def _batch_to_space(x: Any, block: Any, crops: Any) -> Any:
    n, total = len(block), int(np.prod(block))
    batch = x.shape[0] // total
    wide = [s * b for s, b in zip(x.shape[1:], block, strict=False)]
    result = np.zeros((batch, *wide, *x.shape[n + 1 :]), x.dtype)
    for k, place in enumerate(np.ndindex(*block)):
        key = (slice(None), *[slice(p, None, b) for p, b in zip(place, block, strict=True)])
        result[key] = x[k * batch : (k + 1) * batch]
    return result[(slice(None), *[slice(lo, s - hi) for (lo, hi), s in zip(crops, wide, strict=True)])]


def _indices() -> list[Sample]:
    parts = np.unravel_index(PLACES, DIMS)
    off = np.array([[-1, 7], [2, -9]])
    return [
        Sample("unravel_index", lambda i: index_arithmetic.unravel_index(i, DIMS), (PLACES,),
               lambda i: np.stack(np.unravel_index(i, DIMS))),
        Sample("unravel_index-int32", lambda i: index_arithmetic.unravel_index(i, [30]), (PLACES.astype(np.int32),),
               lambda i: i[None]),
        Sample("unravel_index-scalar", lambda i: index_arithmetic.unravel_index(i, DIMS), (np.asarray(13),),
               lambda i: np.stack(np.unravel_index(i, DIMS))),
        Sample("unravel_index-empty", lambda i: index_arithmetic.unravel_index(i, (0, 2)), (np.zeros(0, np.int64),),
               lambda i: np.zeros((2, 0), np.int64)),
        Sample("ravel_multi_index", lambda *i: index_arithmetic.ravel_multi_index(i, DIMS), parts, lambda *i: PLACES),
        Sample("ravel_multi_index-tensor", lambda i: index_arithmetic.ravel_multi_index(i, DIMS), (np.stack(parts),),
               lambda i: PLACES, symbolic=False),
        Sample("ravel_multi_index-broadcast", lambda i, j: index_arithmetic.ravel_multi_index([i, j], (4, 5)),
               (np.arange(4)[:, None], np.arange(5)), lambda i, j: np.arange(20).reshape(4, 5)),
        Sample("ravel_multi_index-bytes", lambda i: index_arithmetic.ravel_multi_index([i, i], (4, 900)),
               (np.array([3, 1], np.uint8),), lambda i: np.array([2703, 901])),
        *[
            Sample(f"ravel_multi_index-{mode}-{d}", lambda i, m=mode: index_arithmetic.ravel_multi_index([i, i], (3, 4), m),
                   (off.astype(d),), lambda i, m=mode: np.ravel_multi_index((i.astype(np.int64), i.astype(np.int64)), (3, 4), mode=m))
            for mode in ("wrap", "clip") for d in ("int64", "uint8")
        ],
    ]  # fmt: skip


def _blocks() -> list[Sample]:
    samples = []
    for label, x, block, pads in (
        ("two", A, (2, 3), ((0, 0), (0, 0))),
        ("padded", A, (3, 2), ((1, 1), (0, 2))),
        ("one", A, (2,), ((2, 0),)),
        ("three", A, (1, 2, 3), ((0, 0), (1, 1), (0, 0))),
        ("empty", A[:0], (2, 2), ((0, 0), (0, 0))),
    ):
        samples += [
            Sample(f"space_to_batch_nd-{label}", lambda x, b=block, p=pads: blocks.space_to_batch_nd(x, b, p), (x,),
                   lambda x, b=block, p=pads: _space_to_batch(x, b, p), grad=label == "padded", unranked=False),
            Sample(f"batch_to_space_nd-{label}", lambda x, b=block, p=pads: blocks.batch_to_space_nd(x, b, p),
                   (_space_to_batch(x, block, pads),), lambda x, b=block, p=pads: _batch_to_space(x, b, p),
                   grad=label == "padded", unranked=False),
        ]  # fmt: skip
    return samples


def _combined(x: Any, i: Any, u: Any, function: Any) -> Any:
    result = x.copy()
    for point, value in zip(i.reshape(-1, i.shape[-1]), u.reshape(-1, *x.shape[i.shape[-1] :]), strict=True):
        result[tuple(point)] = function(result[tuple(point)], value)
    return result


def _scatters() -> list[Sample]:
    x, u, i = array(3, 4, seed=2), array(3, seed=3) + 4, np.array([[0, 1], [2, 3], [0, 1]])
    return [
        Sample("tensor_scatter_nd_mul", scatter.tensor_scatter_nd_mul, (x, i, u),
               lambda x, i, u: _combined(x, i, u, np.multiply), grad=True, symbolic=False),
        Sample("tensor_scatter_nd_div", scatter.tensor_scatter_nd_div, (x, i, u),
               lambda x, i, u: _combined(x, i, u, np.divide), grad=True, symbolic=False),
        Sample("tensor_scatter_nd_div-rows", scatter.tensor_scatter_nd_div, (x.astype(np.float32), i[:, :1], array(3, 4, dtype=np.float32)),
               lambda x, i, u: _combined(x, i, u, np.divide), symbolic=False, rtol=1e-5),
    ]  # fmt: skip


SAMPLES: list[Sample] = [*_indices(), *_blocks(), *_scatters()]
